"""What readers hand on: runs of records, each record with the line it began on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from api.imports.fields import Record


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was not imported.

    Attributes:
        line: line the record begins on, counted from 1; in Parquet files and XML feeds the number
            of the record.
        field: the field that is wrong; empty when it is the record as a whole.
        reason: what is wrong; holds nothing of the record itself.
        record: the record, only where records are about goods and never about people.
    """

    line: int
    field: str
    reason: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Batch(ABC):
    """A run of records from a file.

    Attributes:
        lines: for each record the line it begins on.
        unreadable: what was found among them and could not be read as records.
        done: how far into the file the run reaches, in the unit of the reader's total.
    """

    lines: Sequence[int]
    unreadable: Sequence[Reject]
    done: int

    def __len__(self) -> int:
        return len(self.lines)

    @abstractmethod
    def record(self, i: int) -> Record:
        """Return the i-th record of the run."""

    @abstractmethod
    def column(self, name: str) -> Sequence[object] | pa.Array | None:
        """Return one field of every record; ``None`` when no record has it."""

    def records(self) -> Iterator[tuple[int, Record]]:
        """Return every record with its line."""
        return ((line, self.record(i)) for i, line in enumerate(self.lines))


@dataclass(frozen=True, slots=True)
class RowBatch(Batch):
    """A run of records that were read one by one."""

    rows: Sequence[Mapping[str, object]] = field(default=())

    def record(self, i: int) -> Record:
        """Return the i-th record of the run."""
        return self.rows[i]

    def column(self, name: str) -> Sequence[object] | None:
        """Return one field of every record."""
        return [row.get(name) for row in self.rows]


@dataclass(frozen=True, slots=True)
class ColumnBatch(Batch):
    """A run of records that were read as columns."""

    columns: Mapping[str, pa.Array] = field(default_factory=dict)

    def record(self, i: int) -> Record:
        """Return the i-th record of the run."""
        return {name: column[i].as_py() for name, column in self.columns.items()}

    def column(self, name: str) -> pa.Array | None:
        """Return one field of every record; ``None`` when the file has no such column."""
        return self.columns.get(name)

    def records(self) -> Iterator[tuple[int, Record]]:
        """Return every record with its line."""
        values = zip(*(column.to_pylist() for column in self.columns.values()), strict=True)
        return (
            (line, dict(zip(self.columns, row, strict=True)))
            for line, row in zip(self.lines, values, strict=True)
        )
