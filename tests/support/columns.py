"""Points laid out as columns, in every form that a column may take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from guardrails.policy.columns import ABSENT, NULL, Column, Columns, Named, Names
from guardrails.policy.fields import FIELDS, ORDERED, FieldKind
from guardrails.policy.language import Value
from guardrails.policy.meaning import Point

_NUMBERS = ORDERED | {FieldKind.BOOL}


class PointColumns:
    """Points below each other; what all of them agree on is one value, unless everything is spread out."""

    def __init__(self, points: Sequence[Point], *, spread: bool) -> None:
        self.points, self.spread = points, spread

    @property
    def n(self) -> int:
        return len(self.points)

    def column(self, field: str) -> Column:
        values = [point.get(field, ABSENT) for point in self.points]
        if not self.spread and len(set(values)) == 1:
            return values[0]
        if FIELDS[field].kind in _NUMBERS:
            return np.array([NULL if value is None else value for value in values], np.int64)
        entries = tuple(dict.fromkeys([*values, "unheard of"]))
        return Named(np.array([entries.index(value) for value in values], np.int16), Names(entries))


def values_of(columns: Columns, field: str) -> list[Value]:
    """A field of every row, as a point has it; ``ABSENT`` where it is absent."""
    column = columns.column(field)
    if isinstance(column, Named):
        return [column.names.entries[code] for code in column.codes]
    return column.tolist() if isinstance(column, np.ndarray) else [column] * columns.n


def points_of(columns: Columns) -> list[Point]:
    """Every row as a point."""
    values = {name: values_of(columns, name) for name in FIELDS}
    return [
        {name: of_field[row] for name, of_field in values.items() if of_field[row] != ABSENT}
        for row in range(columns.n)
    ]
