"""What the requests of one shop have in common, whichever way they come in."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from api.errors import InvalidRequestError
from api.runtime import Snapshot
from api.schemas.recommendation import DEFAULT_COUNT
from guardrails.messages import Phrase
from guardrails.request import Placement


def placement_named(name: str, snapshot: Snapshot) -> Placement:
    """Return a placement.

    Raises:
        InvalidRequestError: the shop has none of this name.
    """
    placement = snapshot.placements.get(name)
    if placement is None:
        raise InvalidRequestError.at("/placement", Phrase("unknown placement `{name}`", name=name))
    return placement


def count_in(wanted: int | None, placement: Placement) -> int:
    """Return how many suggestions are wanted at most; by default ten, or what the placement holds.

    Raises:
        InvalidRequestError: the placement holds fewer.
    """
    if wanted is None:
        return min(DEFAULT_COUNT, placement.max_count)
    if wanted > placement.max_count:
        most = Phrase("`{name}` holds at most {n}", name=placement.name, n=placement.max_count)
        raise InvalidRequestError.at("/count", most)
    return wanted


def local_minute(told: str | None, now_ms: int, zone: ZoneInfo | None) -> int | None:
    """Return the minute of the day where the customer is, else by the shop's clock, if one is set.

    Args:
        told: the time of day, as in ``21:30``; ``None`` where it was not said.
        now_ms: milliseconds since the epoch.
        zone: where the shop is.
    """
    if told is not None:
        hour, minute = map(int, told.split(":"))
    elif zone is not None:
        there = datetime.fromtimestamp(now_ms / 1000, zone)
        hour, minute = there.hour, there.minute
    else:
        return None
    return hour * 60 + minute
