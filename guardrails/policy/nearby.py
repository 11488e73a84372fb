"""Which of many rules come near a box, found field by field rather than box by box.

Of the sides that the boxes have for a field few are distinct. So it is told once for each of these
whether another side meets it, and sets of boxes are bits of one integer: what meets a box is all boxes
without those that some field keeps apart from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from guardrails.policy.boxes import Box, Region, Work
from guardrails.policy.sides import Side


class Nearby:
    """Finds boxes that meet another.

    Args:
        regions: where each rule acts, by the id of the rule.
    """

    __slots__ = ("_apart", "_bits", "_boxes", "_whole")

    def __init__(self, regions: Mapping[str, Region]) -> None:
        self._boxes = tuple((rule_id, box) for rule_id, region in regions.items() for box in region)
        self._whole = (1 << len(self._boxes)) - 1
        self._apart: dict[tuple[str, Side], int] = {}
        self._bits: dict[str, dict[Side, int]] = defaultdict(lambda: defaultdict(int))
        for position, (_, box) in enumerate(self._boxes):
            for name, side in box.sides.items():
                self._bits[name][side] |= 1 << position

    def to(self, box: Box, work: Work) -> dict[str, list[Box]]:
        """Return the boxes that meet a box, by the id of their rule.

        Raises:
            TooTangledError: there are more than there is work for.
        """
        apart = 0
        for name, side in box.sides.items():
            apart |= self._apart_from(name, side, work)
        near = self._whole & ~apart
        work.spend(near.bit_count())
        found: dict[str, list[Box]] = {}
        for position in _positions(near):
            rule_id, other = self._boxes[position]
            found.setdefault(rule_id, []).append(other)
        return found

    def _apart_from(self, name: str, side: Side, work: Work) -> int:
        known = self._apart.get((name, side))
        if known is None:
            work.spend(len(self._bits[name]))
            known = 0
            for other, bits in self._bits[name].items():
                if not side.meets(other):
                    known |= bits
            self._apart[name, side] = known
        return known


def _positions(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
