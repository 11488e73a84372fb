"""Regions of points, exactly: unions of boxes, each a product of sides, one side for a field.

A rule acts on a region: one box for each conjunction of its normal form. Whether a region is empty,
lies within another, or what is left of it without another is computed, never sampled, and where
something is there a point can be named. Fields are taken as independent of each other.

To be within a union is hard in the worst case: as hard as telling whether a formula can be met. What
takes too much work is given up as too tangled; it is never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from guardrails.errors import TooTangledError
from guardrails.policy.fields import FIELDS
from guardrails.policy.language import Atom, HouseRule
from guardrails.policy.meaning import Point, conjuncts
from guardrails.policy.ordinary import ordinary
from guardrails.policy.sides import ABSENT, Side, everything, side_of

ENOUGH_WORK = 100_000
"""Pairs of boxes that are held against each other for one rule, at most."""

ENOUGH_IN_ALL = 1_000_000
"""Pairs of boxes that are held against each other for one policy, at most: seconds, not minutes."""


class Work:
    """How much work may still be done.

    Args:
        allowed: pairs of boxes that may be held against each other.
    """

    __slots__ = ("left",)

    def __init__(self, allowed: int = ENOUGH_WORK) -> None:
        self.left = allowed

    def spend(self, n_pairs: int) -> None:
        """Do some of it.

        Raises:
            TooTangledError: nothing is left.
        """
        self.left -= n_pairs
        if self.left < 0:
            raise TooTangledError("too many conditions overlap in too many ways to be told apart")


@dataclass(frozen=True, slots=True)
class Box:
    """Points whose every field is in the side for it; never empty.

    Attributes:
        sides: side by field; a field without one may be anything.
    """

    sides: Mapping[str, Side]

    def __hash__(self) -> int:
        return hash(frozenset(self.sides.items()))

    def meets(self, other: Box) -> bool:
        """Tell whether some point is in both."""
        few, many = sorted((self.sides, other.sides), key=len)
        return all(name not in many or side.meets(many[name]) for name, side in few.items())

    def within(self, other: Box) -> bool:
        """Tell whether every point of it is in the other."""
        return all(name in self.sides and self.sides[name].within(side) for name, side in other.sides.items())

    def meet(self, other: Box) -> Box | None:
        """Return the points in both; ``None`` for none."""
        return Box(_joined(self.sides, other.sides)) if self.meets(other) else None

    def without(self, other: Box) -> tuple[Box, ...]:
        """Return the points in it and not in the other, as boxes with nothing in common.

        The other must meet it. Every box that comes first leaves the other by another field.
        """
        found: list[Box] = []
        rest = dict(self.sides)
        for name in self.leaving(other):
            mine = rest.get(name) or everything(FIELDS[name])
            found.extend(Box({**rest, name: left}) for left in mine.without(other.sides[name]))
            rest[name] = mine.meet(other.sides[name])
        return tuple(found)

    def leaving(self, other: Box) -> list[str]:
        """Return the fields by which some of its points are out of the other."""
        return [
            name
            for name, side in other.sides.items()
            if name not in self.sides or not self.sides[name].within(side)
        ]

    def witness(self) -> Point:
        """Return a point in it, as ordinary as can be; every field that is always there has a value."""
        point = {name: ordinary(field, self.sides.get(name)) for name, field in FIELDS.items()}
        return MappingProxyType({name: value for name, value in point.items() if value is not ABSENT})


def _joined(one: Mapping[str, Side], other: Mapping[str, Side]) -> Mapping[str, Side]:
    return {**one, **{name: one[name].meet(side) if name in one else side for name, side in other.items()}}


Region: TypeAlias = tuple[Box, ...]
"""A union of boxes; they may overlap. Without any it is empty."""

EVERYWHERE = Box({})
"""All points."""


def box_of(atoms: Iterable[Atom]) -> Box | None:
    """Return where every one of some atoms holds; ``None`` for nowhere.

    Raises:
        PolicyError: an atom asks for what cannot be asked.
    """
    sides = _sides(atoms)
    if any(side.empty for side in sides.values()):
        return None
    return Box({name: side for name, side in sides.items() if side != everything(FIELDS[name])})


def _sides(atoms: Iterable[Atom]) -> dict[str, Side]:
    sides: dict[str, Side] = {}
    for atom in atoms:
        side = side_of(atom)
        sides[atom.field] = sides[atom.field].meet(side) if atom.field in sides else side
    return sides


def contradicted(rule: HouseRule) -> tuple[str, ...]:
    """Return the fields of which a rule asks what cannot be, in any of its conjunctions.

    Raises:
        TooTangledError: it has more conjunctions than a rule may have.
        PolicyError: it asks for what cannot be asked.
    """
    sides = (side for atoms in conjuncts(rule) for side in _sides(atoms).items())
    return tuple(sorted({name for name, side in sides if side.empty}))


def region_of(rule: HouseRule) -> Region:
    """Return where a rule acts, within its scope and its days, whatever its mode.

    Raises:
        TooTangledError: it has more conjunctions than a rule may have.
        PolicyError: it asks for what cannot be asked.
    """
    return _widest(box_of(atoms) for atoms in conjuncts(rule))


def bounded_region_of(rule: HouseRule) -> Region | None:
    """Return where a rule acts; ``None`` if it has more conjunctions than a rule may have.

    Raises:
        PolicyError: it asks for what cannot be asked.
    """
    try:
        return region_of(rule)
    except TooTangledError:
        return None


def scope_region(rule: HouseRule) -> Region:
    """Return where a rule applies, whatever its condition.

    Raises:
        PolicyError: its scope says what no scope says.
    """
    return region_of(replace(rule, when=None))


def _widest(boxes: Iterable[Box | None]) -> Region:
    """Return boxes without those that lie within another."""
    found: list[Box] = []
    for box in boxes:
        if box is not None and not any(box.within(other) for other in found):
            found = [*(other for other in found if not other.within(box)), box]
    return tuple(found)


def outside(box: Box, others: Iterable[Box], work: Work, cut_by: list[Box] | None = None) -> Iterator[Box]:
    """Yield what is left of a box without all of some others: boxes with nothing in common.

    What leaves only one part is cut off first, as in unit propagation (Davis, Logemann and Loveland
    1962); then the part that fewest others meet is looked at first.

    Args:
        box: what to cut from.
        others: what to cut off.
        work: how much may be done.
        cut_by: takes those that were cut off, some perhaps more than once.

    Raises:
        TooTangledError: it takes more work than there is.
    """
    cut_by = [] if cut_by is None else cut_by
    stack = [(box, [other for other in others if box.meets(other)])]
    while stack:
        rest, near = _cut_off(*stack.pop(), work, cut_by)
        if rest is None:
            continue
        if not near:
            yield rest
            continue
        nearest = min(near, key=lambda other: len(rest.leaving(other)))
        cut_by.append(nearest)
        parts = [(part, [other for other in near if part.meets(other)]) for part in rest.without(nearest)]
        stack.extend(sorted(parts, key=lambda part: len(part[1]), reverse=True))


def _cut_off(rest: Box, near: list[Box], work: Work, cut_by: list[Box]) -> tuple[Box | None, list[Box]]:
    """Cut off, as long as there are any, boxes that leave one part; return that and what meets it still."""
    n_cut = 1
    while n_cut:
        work.spend(len(near) + 1)
        whole = next((other for other in near if rest.within(other)), None)
        if whole is not None:
            cut_by.append(whole)
            return None, []
        n_cut = len(cut_by)
        for other in near:
            parts = rest.without(other) if len(rest.leaving(other)) == 1 else ()
            if len(parts) == 1 and parts[0] != rest:
                rest = parts[0]
                cut_by.append(other)
        n_cut = len(cut_by) - n_cut
        near = [other for other in near if rest.meets(other)]
    return rest, near


def left_of(region: Region, others: Iterable[Box], work: Work, cut_by: list[Box] | None = None) -> Box | None:
    """Return a part of a region that is in none of some other boxes; ``None`` if there is none.

    Args:
        region: where to look.
        others: where it is not to be.
        work: how much may be done.
        cut_by: where there is none, takes boxes that are enough to show that.

    Raises:
        TooTangledError: it takes more work than there is.
    """
    others = tuple(others)
    for box in region:
        near = [other for other in others if box.meets(other)]
        work.spend(len(near))
        left = _spared(box, near) or next(outside(box, near, work, cut_by), None)
        if left is not None:
            return left
    return None


def _spared(box: Box, near: list[Box]) -> Box | None:
    """Return a part of a box that none of the others meets, if it is easily found.

    Field by field, whatever side most of the others have is cut off, as long as anything is left.
    """
    for name, _ in Counter(name for other in near for name in other.sides).most_common():
        rest = box.sides.get(name) or everything(FIELDS[name])
        for side, _ in Counter(other.sides[name] for other in near if name in other.sides).most_common():
            rest = next(iter(rest.without(side)), rest)
        box = Box({**box.sides, name: rest})
        near = [other for other in near if name not in other.sides or rest.meets(other.sides[name])]
    return None if near else box


def subsumes(wider: Region, narrower: Region, work: Work | None = None) -> bool:
    """Tell whether every point of a region is in another.

    Raises:
        TooTangledError: it takes more work than there is.
    """
    return left_of(narrower, wider, work or Work()) is None


def regions_equal(one: Region, other: Region, work: Work | None = None) -> bool:
    """Tell whether two regions are the same points.

    Raises:
        TooTangledError: it takes more work than there is.
    """
    return subsumes(one, other, work) and subsumes(other, one, work)


def difference(region: Region, other: Region, work: Work | None = None) -> Region:
    """Return what is in a region and not in another, as boxes with nothing in common.

    Raises:
        TooTangledError: it takes more work than there is.
    """
    found: list[Box] = []
    work = work or Work()
    for box in region:
        found.extend(outside(box, (*other, *found), work))
    return tuple(found)


def meet(region: Region, other: Region) -> Region:
    """Return what is in both of two regions."""
    return _widest(one.meet(two) for one in region for two in other)
