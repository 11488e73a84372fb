"""Where the parts of a condition stand in the document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from guardrails.policy.language import All, AnyOf, Atom, Condition

Place: TypeAlias = tuple[str | int, ...]
"""The parts of a pointer."""


def placed_parts(group: All | AnyOf, place: Place) -> Iterator[tuple[Condition, Place]]:
    """Yield what a group is made of, each part with its place."""
    name = "all" if isinstance(group, All) else "any"
    for index, part in enumerate(group.of):
        yield part, (*place, name, index)


def placed_atoms(condition: Condition | None, place: Place) -> Iterator[tuple[Atom, Place]]:
    """Yield every atom of a condition with its place, in the order they are written."""
    if isinstance(condition, Atom):
        yield condition, place
    elif condition is not None:
        for part, at in placed_parts(condition, place):
            yield from placed_atoms(part, at)
