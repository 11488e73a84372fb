"""Import one file: read it piece by piece, store what is good, name what is not.

Every piece is stored in a transaction of its own, so an import that is interrupted keeps what it
has done and the next one finishes it: importing the same file again changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, get_args

import orjson
from sqlalchemy import Connection, Engine

from api.errors import ImportFileError
from api.imports.batches import Batch, Reject
from api.imports.consents import ConsentImport
from api.imports.fields import TimeLimits
from api.imports.interactions import InteractionImport
from api.imports.items import ITEM_FIELDS, ItemImport, read_item
from api.imports.merchant import FEED_FIELDS, read_feed_item, read_xml_feed
from api.imports.readers import (
    Fields,
    Reader,
    read_commas,
    read_json_lines,
    read_parquet,
    read_tabs,
    readable,
    rows_of_parquet,
)
from api.imports.stored import Stored
from api.settings import Settings
from api.storage.connection import reading, writing
from api.storage.items import item_numbers, memorial_numbers
from api.storage.notices import consent_in_force
from api.storage.subjects import Subjects
from api.storage.versions import policy_in_force

ImportKind = Literal["items", "interactions", "consents"]

READERS: Mapping[ImportKind, Mapping[str, Reader]] = {
    "items": {
        "jsonl": read_json_lines,
        "csv": read_commas,
        "google-xml": read_xml_feed,
        "google-tsv": read_tabs,
    },
    "interactions": {"jsonl": read_json_lines, "csv": read_commas, "parquet": read_parquet},
    "consents": {"jsonl": read_json_lines, "csv": read_commas, "parquet": read_parquet},
}
"""Formats that each kind of file can have, and how they are read."""

FORMAT_OF_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".xml": "google-xml",
    ".tsv": "google-tsv",
    ".txt": "google-tsv",
}
"""What a file is taken for when nobody says."""


class Progress(Protocol):
    """Is told how far an import has come, after every run of records."""

    def __call__(self, done: int, total: int | None, message: str) -> None:
        """Take note.

        Args:
            done: how much of the file has been stored: bytes, or rows of a Parquet file.
            total: how much there is, in the same unit; ``None`` when unknown.
            message: what has happened so far, in plain words.
        """


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        kind: what was imported.
        read: records found, good and bad.
        inserted: were new.
        changed: replaced something.
        unchanged: were there already.
        rejected: were not imported.
        seconds: how long it took.
        rejects_path: file that names every rejected record; ``None`` when there is none.
    """

    kind: ImportKind
    read: int
    inserted: int
    changed: int
    unchanged: int
    rejected: int
    seconds: float
    rejects_path: Path | None


class _Import(Protocol):
    fields: Fields

    def store(self, conn: Connection, batch: Batch) -> tuple[Stored, list[Reject]]: ...


def import_file(
    kind: ImportKind,
    path: Path,
    file_format: str | None,
    engine: Engine,
    settings: Settings,
    subjects: Subjects,
    progress: Progress | None = None,
    rejects_path: Path | None = None,
    now_ms: int | None = None,
) -> ImportReport:
    """Import a file; good records are kept, bad ones are named in a file of rejects.

    Args:
        kind: what the file holds.
        path: the file.
        file_format: one of ``READERS[kind]``; ``None`` goes by the end of the file's name.
        engine: the database, up to date.
        settings: limits of times and how long consent lasts.
        subjects: the shop's pseudonyms.
        progress: is told how far the import has come.
        rejects_path: where rejects go, one JSON object a line; beside the file by default. What
            was there before is replaced.
        now_ms: the clock, milliseconds since the epoch; the machine's own by default.

    Raises:
        ImportFileError: the file as a whole cannot be read, or the rejects cannot be written.
            What was stored before stays stored.
        StoreUnavailableError: the database cannot be used now.
    """
    started = time.perf_counter()
    read = reader_of(kind, path, file_format)
    importing = _open(kind, read, engine, settings, subjects, _clock(now_ms))
    total = _total_of(path, read)
    stored = Stored()
    with _open_rejects(rejects_path or rejects_beside(path)) as rejects:
        for batch in read(path, importing.fields):
            with writing(engine) as conn:
                gained, refused = importing.store(conn, batch)
            rejects.write([*batch.unreadable, *refused])
            stored += gained
            if progress is not None:
                progress(batch.done, total, f"{_n_kept(stored):,} kept, {rejects.n_written:,} rejected")
    return ImportReport(
        kind=kind,
        read=_n_kept(stored) + rejects.n_written,
        inserted=stored.inserted,
        changed=stored.changed,
        unchanged=stored.unchanged,
        rejected=rejects.n_written,
        seconds=time.perf_counter() - started,
        rejects_path=rejects.path if rejects.n_written else None,
    )


def reader_of(kind: ImportKind, path: Path, file_format: str | None) -> Reader:
    """Return how a file is read.

    Raises:
        ImportFileError: the kind cannot have that format, or the file's name does not tell it.
    """
    if kind not in get_args(ImportKind):
        raise ImportFileError(f"cannot import `{kind}`: it is none of {', '.join(get_args(ImportKind))}")
    chosen = file_format or FORMAT_OF_SUFFIX.get(path.suffix.lower())
    formats = READERS[kind]
    if chosen is None or chosen not in formats:
        what = f"`{chosen}` is no format of {kind}" if chosen else f"the format of `{path.name}` is not known"
        raise ImportFileError(f"{what}: it is one of {', '.join(formats)}")
    return formats[chosen]


def rejects_beside(path: Path) -> Path:
    """Return where the rejects of a file go by default."""
    return path.with_name(f"{path.name}.rejects.jsonl")


def _open(
    kind: ImportKind, read: Reader, engine: Engine, settings: Settings, subjects: Subjects, now_ms: int
) -> _Import:
    limits = TimeLimits.around(now_ms, settings.max_event_future_s)
    if kind == "items":
        if read in {read_xml_feed, read_tabs}:
            return ItemImport(FEED_FIELDS, read_feed_item, now_ms)
        return ItemImport(ITEM_FIELDS, read_item, now_ms)
    if kind == "consents":
        return ConsentImport(subjects, limits, settings.consent, now_ms)
    with reading(engine) as conn:
        return InteractionImport(
            item_numbers(conn),
            subjects,
            limits,
            now_ms,
            consent=consent_in_force(conn, settings.consent),
            memorials=memorial_numbers(conn),
            guardrails=policy_in_force(conn)[0].limits,
        )


def _total_of(path: Path, read: Reader) -> int:
    if read is read_parquet:
        return rows_of_parquet(path)
    with readable(path):
        return path.stat().st_size


def _clock(now_ms: int | None) -> int:
    return time.time_ns() // 1_000_000 if now_ms is None else now_ms


def _n_kept(stored: Stored) -> int:
    return stored.inserted + stored.changed + stored.unchanged


class _Rejects:
    """The file of rejects; it exists only if there is something to put in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_written = 0
        self._file: BinaryIO | None = None

    def write(self, rejects: list[Reject]) -> None:
        """Add rejects in the order of their lines."""
        if not rejects:
            return
        if self._file is None:
            self._file = self.path.open("wb")
        self.n_written += len(rejects)
        ordered = sorted(rejects, key=lambda reject: reject.line)
        self._file.write(b"".join(_json_line(reject) for reject in ordered))

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()


def _json_line(reject: Reject) -> bytes:
    told: dict[str, object] = {"line": reject.line, "field": reject.field, "reason": reject.reason}
    if reject.record is not None:
        told["record"] = reject.record
    try:
        return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # a record that is not valid UTF-8 cannot be repeated
        del told["record"]
        return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


@contextmanager
def _open_rejects(path: Path) -> Iterator[_Rejects]:
    rejects = _Rejects(path)
    try:
        path.unlink(missing_ok=True)
        yield rejects
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise ImportFileError(f"the rejects cannot be written to `{path.name}`: {reason}") from None
    finally:
        rejects.close()
