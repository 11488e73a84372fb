"""Reading files piece by piece: JSON lines, comma or tab separated values, Parquet.

No reader holds more than one run of records. A record that cannot be read is named and the next
one is tried; only a file that is not what it should be as a whole is refused.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

from api.errors import ImportFileError
from api.imports.batches import Batch, ColumnBatch, Reject, RowBatch

BATCH_SIZE = 20_000
"""Records in one run: enough to be fast, few enough that a writer waiting for its turn gets it."""

BLOCK_BYTES = 1 << 21
MAX_LINE_BYTES = 1_000_000
MAX_LINES_A_RECORD = 1_000
"""Most lines that one quoted record may span; a quote left open is found out by it."""

TOO_LONG = b" \n"
"""Stands for a line that is too long to be read, and reads as an empty one; compared by identity."""

_LINE_TOO_LONG = f"line longer than {MAX_LINE_BYTES} bytes"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Fields:
    """Which fields a kind of record has.

    Attributes:
        known: every name; others are refused.
        required: groups of names, of each of which a table has at least one.
        spelling: turns a column's heading into a name.
    """

    known: frozenset[str]
    required: tuple[tuple[str, ...], ...] = ()
    spelling: Callable[[str], str] = str


Reader = Callable[[Path, Fields], Iterator[Batch]]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Replace what the operating system and the libraries raise for a file that cannot be read."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or "it is damaged").lower()
        raise ImportFileError(f"`{path.name}` cannot be read: {reason}") from None
    except (pa.ArrowException, UnicodeDecodeError):  # the latter of names in a Parquet file
        raise ImportFileError(f"`{path.name}` is not a readable Parquet file") from None


def read_json_lines(path: Path, fields: Fields) -> Iterator[Batch]:
    """Read a file of one JSON object a line.

    Raises:
        ImportFileError: the file cannot be read.
    """
    with readable(path), path.open("rb") as file:
        lines = _Lines(file)
        rows: list[dict[str, object]] = []
        numbers: list[int] = []
        refused: list[Reject] = []
        while line := lines.read():
            if not line.strip() and line is not TOO_LONG:
                continue
            row = _json_object(line)
            problem = ("", f"is a {_LINE_TOO_LONG}") if line is TOO_LONG else _problem_of(row, fields)
            if isinstance(row, dict) and problem is None:
                rows.append(row)
                numbers.append(lines.number)
            elif problem is not None:
                refused.append(Reject(lines.number, *problem))
            if len(rows) + len(refused) >= BATCH_SIZE:
                yield RowBatch(numbers, refused, lines.done, rows)
                rows, numbers, refused = [], [], []
        yield RowBatch(numbers, refused, lines.done, rows)


def _json_object(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _problem_of(row: object, fields: Fields) -> tuple[str, str] | None:
    if not isinstance(row, dict):
        return "", "is not a JSON object"
    if row.keys() <= fields.known:
        return None
    return min(row.keys() - fields.known)[:64], "is not a known field"


def read_commas(path: Path, fields: Fields) -> Iterator[Batch]:
    """Read comma separated values (RFC 4180) with a header, in UTF-8.

    Raises:
        ImportFileError: the file cannot be read or its header is not what it should be.
    """
    return _read_separated(path, fields, ",")


def read_tabs(path: Path, fields: Fields) -> Iterator[Batch]:
    """Read tab separated values with a header, in UTF-8.

    Raises:
        ImportFileError: the file cannot be read or its header is not what it should be.
    """
    return _read_separated(path, fields, "\t")


def _read_separated(path: Path, fields: Fields, delimiter: str) -> Iterator[Batch]:
    with readable(path), path.open("rb") as file:
        lines = _Lines(file)
        records = _careful_records(lines, delimiter)
        header = next(records, None)
        if header is None or header.values is None:
            raise ImportFileError(f"`{path.name}` has no header")
        names = _check_header(path, [fields.spelling(name) for name in header.values], fields)
        while block := lines.read_block():
            begins, table = lines.number + 1, _split_plain(block, names, delimiter)
            if table is None:
                lines.take_back(block)
                yield _split_carefully(lines, names, delimiter)
            else:
                lines.skip_block(table.num_rows, len(block))
                yield from _slices(table, begins, lines.done)


def _split_plain(block: bytes, names: Sequence[str], delimiter: str) -> pa.Table | None:
    """Split a block of whole lines at once, if nothing in it is quoted: then every line is a record.

    Returns ``None`` when a careful look is needed: for quotes, and for lines that are not well formed.
    """
    n_lines = block.count(b"\n") + (not block.endswith(b"\n"))
    if not _is_plain(block):
        return None
    try:
        table = read_csv(
            pa.BufferReader(block),
            ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
            ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowException:
        return None
    return table if table.num_rows == n_lines else None


def _is_plain(block: bytes) -> bool:
    unquoted = b'"' not in block and block.count(b"\r") == block.count(b"\r\n")
    return unquoted and block.rfind(b"\n") >= len(block) - MAX_LINE_BYTES


def _slices(table: pa.Table, begins: int, done: int) -> Iterator[Batch]:
    for start in range(0, table.num_rows, BATCH_SIZE):
        part = table.slice(start, BATCH_SIZE)
        lines = range(begins + start, begins + start + part.num_rows)
        columns = {name: part.column(name).combine_chunks() for name in part.column_names}
        yield ColumnBatch(lines, (), done, columns)


def _split_carefully(lines: _Lines, names: Sequence[str], delimiter: str) -> Batch:
    rows: list[Mapping[str, object]] = []
    numbers: list[int] = []
    refused: list[Reject] = []
    for line, values, problem in _careful_records(lines, delimiter):
        if values is None:
            refused.append(Reject(line, "", problem))
        elif len(values) != len(names):
            found = f"has {len(values)} fields where the header has {len(names)}"
            refused.append(Reject(line, "", found))
        else:
            rows.append(dict(zip(names, values, strict=True)))
            numbers.append(line)
    return RowBatch(numbers, refused, lines.done, rows)


def _check_header(path: Path, names: list[str], fields: Fields) -> list[str]:
    """Return the names when they will do. What is found is not repeated: it may be a row of data."""
    for number, name in enumerate(names, start=1):
        if name not in fields.known:
            known = ", ".join(sorted(fields.known))
            raise ImportFileError(f"`{path.name}`: column {number} has an unknown name; known are {known}")
        if name in names[: number - 1]:
            raise ImportFileError(f"`{path.name}`: column `{name}` appears twice")
    for group in fields.required:
        if not set(group) & set(names):
            raise ImportFileError(f"`{path.name}`: column `{'` or `'.join(group)}` is missing")
    return names


class _Separated(NamedTuple):
    line: int
    values: list[str] | None
    problem: str = ""


def _careful_records(lines: _Lines, delimiter: str) -> Iterator[_Separated]:
    """Split lines into records one by one, until what was taken back is used up.

    After a record that cannot be split the line below its first line begins the next.
    """
    more = True
    while more:
        parser = csv.reader(lines, delimiter=delimiter, strict=True)
        well_formed = True
        while more and well_formed:
            begins = lines.begin_record()
            try:
                values = next(parser)
            except StopIteration:
                return
            except csv.Error as error:
                lines.go_back_to_line_after(begins)
                well_formed = False
                yield _Separated(begins, None, f"is not well formed: {_reason(error)}")
            else:
                if values:
                    yield _Separated(begins, values)
            more = lines.has_taken_back


def _reason(error: csv.Error) -> str:
    return "a quote is left open" if "unexpected end" in str(error) else str(error).lower()


class _Lines:
    """The lines of a file, with a memory of those that the record being read has taken."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._taken: list[bytes] = []
        self._again: deque[bytes] = deque()
        self.number = 0
        self.done = 0

    def read(self) -> bytes:
        """Return the next line, empty at the end of the file, ``TOO_LONG`` for one that is."""
        line = self._again.popleft() if self._again else self._file.readline(MAX_LINE_BYTES)
        self.number += bool(line)
        self.done += len(line)
        if self.number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if len(line) < MAX_LINE_BYTES or line.endswith(b"\n"):
            return line
        self._skip_rest()
        return TOO_LONG

    def read_block(self) -> bytes:
        """Return the next lines as a block, empty at the end of the file; they do not count as read yet."""
        return self._file.read(BLOCK_BYTES) + self._file.readline(MAX_LINE_BYTES)

    def skip_block(self, n_lines: int, n_bytes: int) -> None:
        """Count a block as read."""
        self.number += n_lines
        self.done += n_bytes

    def take_back(self, block: bytes) -> None:
        """Give the lines of a block once more, one by one."""
        self._again.extend(line for line in re.split(rb"(?<=\n)", block) if line)

    @property
    def has_taken_back(self) -> bool:
        """Whether there are lines that are given once more."""
        return bool(self._again)

    def begin_record(self) -> int:
        """Forget what was taken; return the number of the line that comes next."""
        self._taken.clear()
        return self.number + 1

    def go_back_to_line_after(self, begins: int) -> None:
        """Give the lines after the first line of the record once more."""
        again = self._taken[1:]
        self._again.extendleft(reversed(again))
        self.number = begins
        self.done -= sum(map(len, again))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._taken) == MAX_LINES_A_RECORD:
            raise csv.Error("unexpected end of data")
        line = self.read()
        if not line:
            raise StopIteration
        self._taken.append(line)
        if line is TOO_LONG:
            raise csv.Error(_LINE_TOO_LONG)
        # What is not UTF-8 stays recognisable, so that the field that holds it can be named.
        return line.decode("utf-8", "surrogateescape")

    def _skip_rest(self) -> None:
        while rest := self._file.readline(MAX_LINE_BYTES):
            self.done += len(rest)
            if rest.endswith(b"\n"):
                return


def rows_of_parquet(path: Path) -> int:
    """Return how many rows a Parquet file has.

    Raises:
        ImportFileError: the file cannot be read.
    """
    with readable(path), path.open("rb") as file:
        return int(pq.read_metadata(file).num_rows)


def read_parquet(path: Path, fields: Fields) -> Iterator[Batch]:
    """Read a Parquet file; ``lines`` are the numbers of its rows.

    Raises:
        ImportFileError: the file cannot be read or its columns are not what they should be.
    """
    with readable(path), path.open("rb") as raw, pq.ParquetFile(raw) as file:
        names = _check_header(path, [fields.spelling(name) for name in file.schema_arrow.names], fields)
        done = 0
        for batch in file.iter_batches(BATCH_SIZE):
            lines = range(done + 1, done + batch.num_rows + 1)
            done += batch.num_rows
            columns = {name: _simple(column) for name, column in zip(names, batch.columns, strict=True)}
            yield ColumnBatch(lines, (), done, columns)


def _simple(column: pa.Array) -> pa.Array:
    """Undo how a column is stored, as far as it does not change what it says."""
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    if pa.types.is_timestamp(column.type):
        zone = "UTC" if column.type.tz else None
        return column.cast(pa.timestamp("us", zone), safe=False)
    return column
