"""Which interactions a shop holds as evidence now: what a copy made earlier is held against, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, literal_column, select

from api.storage.bulk import PACKED, unpacked
from api.storage.tables import interactions
from guardrails.consent.purposes import Purpose

_NUMBERS_AT_ONCE = 1 << 20
_ODD = 0x9E3779B97F4A7C15
_HALF = 32

Column = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is held, by the number of the interaction.

    A number may have been given out again, on SQLite or after a backup was put back: so each is known by
    what it says as well.

    Attributes:
        marks: shape (n,), uint64: a digest of who did what and when, the lowest bit for a gift; 0 for
            what is not somebody's, was not collected for the profile, or is not there.
    """

    marks: NDArray[np.uint64]

    def of(
        self, number: Column, customer_no: Column, item_no: Column, kind: Column, at_ms: Column
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which rows are evidence still, and which of them are held as gifts; shape (n_rows,) each."""
        is_known = (number >= 0) & (number < self.marks.size)
        found = self.marks[np.where(is_known, number, 0)]
        is_held = is_known & (found >> 1 == _digests(customer_no, item_no, kind, at_ms) >> 1)
        return is_held, is_held & (found & 1 == 1)


def evidence_held(conn: Connection, read_to: int) -> Evidence:
    """Return what is held of the interactions up to a number."""
    marks = np.zeros(read_to + 1, np.uint64)
    for first in range(0, read_to + 1, _NUMBERS_AT_ONCE):
        number, customer_no, item_no, packed = _rows(conn, first, min(first + _NUMBERS_AT_ONCE - 1, read_to))
        rest = unpacked(packed)
        digests = _digests(customer_no, item_no, rest["kind"], rest["at_ms"])
        marks[number] = digests | rest["is_gift"]
    return Evidence(marks)


def _rows(conn: Connection, first: int, last: int) -> NDArray[np.int64]:
    """Return columns of evidence in a range of numbers: number, customer, item and the rest packed."""
    columns = interactions.c
    query = select(
        columns.interaction_no, columns.customer_no, columns.item_no, literal_column(PACKED, BigInteger)
    ).where(
        columns.interaction_no.between(first, last),
        columns.customer_no.is_not(None),
        columns.purpose == int(Purpose.PROFILING),
    )
    return np.fromiter(chain.from_iterable(conn.execute(query)), np.int64).reshape(-1, 4).T


def _digests(*columns: Column) -> NDArray[np.uint64]:
    """Return a number of each row that is not 0 and whose lowest bit is free."""
    mixed = np.zeros(columns[0].size, np.uint64)
    for column in columns:
        mixed = (mixed ^ column.astype(np.uint64)) * np.uint64(_ODD)
        mixed ^= mixed >> np.uint64(_HALF)
    return (mixed << np.uint64(2)) | np.uint64(2)
