"""Batches of events as they are sent to the API, in one of three shapes."""

from __future__ import annotations

from typing import Literal, get_args

from api.errors import InvalidRequestError
from api.imports.fields import Record, TimeLimits
from api.imports.ga4_events import parse_ga4
from api.imports.native_events import parse_native
from api.imports.new_interactions import BadEvent, IgnoredEvent, NewInteraction, ParsedEvents
from api.imports.segment_events import parse_segment
from api.settings import Settings
from engine.interactions import DAY_MS
from guardrails.messages import Phrase

__all__ = ["BadEvent", "IgnoredEvent", "NewInteraction", "ParsedEvents", "Shape", "guess", "parse_events"]

Shape = Literal["native", "ga4", "segment"]
"""What a batch can look like."""

_ONLY_GA4 = ("client_id", "app_instance_id", "timestamp_micros")


def parse_events(payload: object, shape: Shape | None, settings: Settings, now_ms: int) -> ParsedEvents:
    """Understand a batch: what is good, what is bad and why, what is of no use here.

    Args:
        payload: the body, parsed from JSON.
        shape: what it looks like; ``None`` goes by what it holds.
        settings: how far times may lie from now.
        now_ms: the clock, milliseconds since the epoch.

    Raises:
        InvalidRequestError: the batch as a whole is not what it should be.
    """
    if not isinstance(payload, dict):
        raise InvalidRequestError.at("", "is not a JSON object")
    limits = TimeLimits.around(
        now_ms, settings.max_event_future_s, earliest_ms=now_ms - settings.max_event_age_days * DAY_MS
    )
    match shape or guess(payload):
        case "native":
            return parse_native(payload, limits)
        case "ga4":
            return parse_ga4(payload, limits, now_ms)
        case "segment":
            return parse_segment(payload, limits, now_ms)
    raise InvalidRequestError.at(
        "", Phrase("is in none of the shapes {shapes}", shapes=", ".join(get_args(Shape)))
    )


def guess(payload: Record) -> Shape:
    """Return the shape that a batch is in, going by the names that only one of them has."""
    if "batch" in payload or ("type" in payload and "events" not in payload):
        return "segment"
    if any(name in payload for name in _ONLY_GA4):
        return "ga4"
    events = payload.get("events")
    first = events[0] if isinstance(events, list) and events else None
    if isinstance(first, dict) and "name" in first and "kind" not in first:
        return "ga4"
    return "native"
