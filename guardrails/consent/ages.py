"""Ages of minors, no finer than the lines that laws draw (DSA 28(3): no more data to find out)."""

from __future__ import annotations

from enum import StrEnum

from guardrails.consent.events import PARENT


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


def lacks_parent(actor: str, band: AgeBand | None, consent_age: int) -> bool:
    """Tell whether a minor's consent has no effect because only a parent can give it (GDPR 8(1)).

    Args:
        actor: who gave it, one of ``guardrails.consent.events.ACTORS``.
        band: how old the minor is, if that is known.
        consent_age: age from which somebody can consent alone, in years.
    """
    return actor != PARENT and may_be_younger_than(band, consent_age)


def may_be_younger_than(band: AgeBand | None, years: int) -> bool:
    """Tell whether a minor may be younger; one of whom no more is known may be.

    >>> may_be_younger_than(AgeBand.FIFTEEN, 15), may_be_younger_than(AgeBand.FIFTEEN, 16)
    (False, True)
    """
    return band is None or _YOUNGEST[band] < years
