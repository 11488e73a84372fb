"""Global Privacy Control: the ``Sec-GPC`` request header.

Evaluated on every request and never written to the ledger: it is a standing instruction of the
browser, not an answer to a question of ours. Source: W3C Global Privacy Control, "The Sec-GPC
header field" and "GPC support resource".
"""

from __future__ import annotations

from datetime import date

from engine.vocabulary import Channel
from guardrails.consent.purposes import Purpose
from guardrails.consent.settings import GpcScope

SALE_AND_SHARING = frozenset({Purpose.ENRICHMENT, Purpose.SHARING})
"""What the signal is about in every scope: data that leaves the shop or comes from elsewhere."""

PROFILE = frozenset({Purpose.PROFILING, Purpose.PROFILED_CONTENT})
"""What scope ``strict`` adds: the shop's own profile, unless consent to it was explicit."""

WELL_KNOWN_PATH = "/.well-known/gpc.json"
"""Where a site says that it honours the signal."""

MARKETING = frozenset({Purpose.TARGETED_OFFERS, Purpose.COMMUNICATIONS})
"""What the customer is not to be asked for while the signal is sent, except in scope ``spec``."""


def gpc_from_header(value: str | None) -> bool:
    """Tell whether the header says "do not sell or share": its value is exactly ``1``.

    Every other value means nothing at all, as the specification has it.

    >>> gpc_from_header("1"), gpc_from_header("0"), gpc_from_header("1, 1")
    (True, False, False)
    """
    return value == "1"


def gpc_support(last_update: date) -> dict[str, object]:
    """Return what is served at ``WELL_KNOWN_PATH``, as ``application/json``.

    Args:
        last_update: when this statement was last changed.

    >>> gpc_support(date(2026, 3, 1))
    {'gpc': True, 'lastUpdate': '2026-03-01'}
    """
    return {"gpc": True, "lastUpdate": last_update.isoformat()}


def gpc_covers(purpose: Purpose, channel: Channel | None, scope: GpcScope, *, out_of_context: bool) -> bool:
    """Tell whether the signal speaks against a purpose on a channel.

    In every scope it covers sale, sharing and enrichment, anything shown off-site, and offers made
    from evidence that was collected in another context. Scope ``strict`` adds the profile.

    Args:
        purpose: the purpose asked for.
        channel: where it is asked for, if that matters.
        scope: how far the shop lets the signal reach.
        out_of_context: evidence collected in another context is used.
    """
    return (
        purpose in SALE_AND_SHARING
        or channel is Channel.OFFSITE_ADS
        or (purpose is Purpose.TARGETED_OFFERS and out_of_context)
        or (purpose in PROFILE and scope == "strict")
    )


def gpc_silences(purpose: Purpose, scope: GpcScope) -> bool:
    """Tell whether the customer is not even to be asked for a purpose while the signal is sent."""
    return purpose in MARKETING and scope != "spec"
