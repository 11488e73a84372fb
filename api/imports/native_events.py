"""Events in our own shape: ``{"events": [{"event_id": …, "kind": …, "item_id": …, …}]}``."""

from __future__ import annotations

from api.errors import FieldError, InvalidRequestError
from api.imports.circumstances import CircumstanceKind, is_circumstance, read_circumstance
from api.imports.fields import Record, TimeLimits, read_id, require
from api.imports.interactions import INTERACTION_FIELDS, read_interaction
from api.imports.new_interactions import NewInteraction, ParsedEvents, as_object
from api.pointers import pointer_to
from engine.vocabulary import Channel, Kind, Provenance, word
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.messages import Phrase

NATIVE_FIELDS = (INTERACTION_FIELDS.known - {"purpose"}) | {"device_id"}
"""Fields of an event; the purpose is settled by the customer's consent, not by the sender."""

_TEXT = (str,)
_WHOLE = (int,)
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(
        (
            "event_id",
            "customer_id",
            "session_id",
            "device_id",
            "item_id",
            "kind",
            "at",
            "channel",
            "currency",
            "provenance",
        ),
        (_TEXT, "is not text"),
    ),
    **dict.fromkeys(("at_ms", "quantity", "value_minor"), (_WHOLE, "is not a whole number")),
    "is_gift": ((bool,), "is neither true nor false"),
    "value": ((str, int, float), "is not an amount of money, as in 12.50"),
}
_INTERACTIONS = tuple(word(kind) for kind in Kind)
_KINDS = (*_INTERACTIONS, *CircumstanceKind)
_ANY_PURPOSE = KEY_OF[Purpose.ESSENTIAL_SERVICE]


def parse_native(payload: Record, limits: TimeLimits) -> ParsedEvents:
    """Understand a batch in our own shape.

    Raises:
        InvalidRequestError: the payload is not a list of events and nothing else.
    """
    unknown = min(payload.keys() - {"events"}, default=None)
    if unknown is not None:
        raise InvalidRequestError.at(pointer_to(unknown), "is unknown")
    events = payload.get("events")
    if not isinstance(events, list):
        raise InvalidRequestError.at("/events", "is not a list")
    parsed = ParsedEvents()
    for index, event in enumerate(events):
        with parsed.naming(index, "events", index):
            found = as_object(event)
            if is_circumstance(found.get("kind")):
                place = pointer_to("events", index)
                parsed.circumstances.append(read_circumstance(found, limits, index, place))
            else:
                parsed.good.append(_read(index, found, limits))
    return parsed


def _read(index: int, event: Record, limits: TimeLimits) -> NewInteraction:
    unknown = min(event.keys() - NATIVE_FIELDS, default=None)
    if unknown is not None:
        raise FieldError(unknown, "is unknown")
    for name, value in event.items():
        types, reason = _TYPES[name]
        if value is not None and (not isinstance(value, types) or isinstance(value, bool) != (bool in types)):
            raise FieldError(name, reason)
    if event.get("kind") not in (None, *_INTERACTIONS):
        raise FieldError("kind", Phrase("is none of {words}", words=", ".join(_KINDS)))
    event_id = require("event_id", read_id(event, "event_id"))
    device_id = read_id(event, "device_id")
    in_file = {name: value for name, value in event.items() if name != "device_id"}
    found = read_interaction({**in_file, "purpose": _ANY_PURPOSE}, limits)
    return NewInteraction(
        index=index,
        item_pointer=pointer_to("events", index, "item_id"),
        event_id=event_id,
        customer_id=found.customer_id,
        session_id=found.session_id,
        item_id=found.item_id,
        kind=Kind(found.kind),
        at_ms=found.at_ms,
        channel=Channel(found.channel),
        is_gift=found.is_gift,
        quantity=found.quantity,
        value_minor=found.value_minor,
        device_id=device_id,
        provenance=Provenance(found.provenance),
    )
