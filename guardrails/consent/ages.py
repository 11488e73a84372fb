"""Ages of minors, no finer than the lines that laws draw (DSA 28(3): no more data to find out)."""

from __future__ import annotations

from enum import StrEnum


class AgeBand(StrEnum):
    """How old a minor is, as far as the shop knows."""

    UNDER_13 = "under_13"
    THIRTEEN = "13"
    FOURTEEN = "14"
    FIFTEEN = "15"
    SIXTEEN_OR_SEVENTEEN = "16_17"


_YOUNGEST = {
    AgeBand.UNDER_13: 0,
    AgeBand.THIRTEEN: 13,
    AgeBand.FOURTEEN: 14,
    AgeBand.FIFTEEN: 15,
    AgeBand.SIXTEEN_OR_SEVENTEEN: 16,
}


def may_be_younger_than(band: AgeBand | None, years: int) -> bool:
    """Tell whether a minor may be younger; one of whom no more is known may be.

    >>> may_be_younger_than(AgeBand.FIFTEEN, 15), may_be_younger_than(AgeBand.FIFTEEN, 16)
    (False, True)
    """
    return band is None or _YOUNGEST[band] < years
