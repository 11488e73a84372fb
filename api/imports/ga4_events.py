"""E-commerce events in the shape of Google Analytics 4.

The body is that of the Measurement Protocol, as a shop's server sends it. Names and parameters
that say nothing about an item are passed over. ``consent`` in such a body is about Google's
advertising, so it neither grants nor refuses anything here.

Sources: Google Analytics, Measurement Protocol reference and recommended events for online sales.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from api.errors import FieldError, InvalidRequestError
from api.imports.fields import (
    Record,
    TimeLimits,
    read_id,
    read_text,
    read_whole,
    require,
)
from api.imports.new_interactions import (
    IgnoredEvent,
    ParsedEvents,
    SourceEvent,
    add_items,
    as_object,
    id_from_content,
    read_currency_in_any_case,
    read_list,
    read_object,
    within,
)
from api.pointers import pointer_to
from engine.vocabulary import Kind

KIND_OF_NAME = {
    "view_item": Kind.VIEW,
    "add_to_cart": Kind.CART,
    "remove_from_cart": Kind.REMOVE_FROM_CART,
    "add_to_wishlist": Kind.WISHLIST,
    "purchase": Kind.PURCHASE,
    "refund": Kind.RETURN,
}
"""Recommended events that are about items, and what they are here."""

_MOST_MICROS = 2**63 - 1
_MINUTE_MS = 60_000


def parse_ga4(payload: Record, limits: TimeLimits, now_ms: int) -> ParsedEvents:
    """Understand a body of the Measurement Protocol.

    Such events have no id. Theirs is made of who did what with which items, when, in which
    transaction, and which of several equal ones of the body it is; sending the body again therefore
    changes nothing. An event without a time happened now, and is told from others by the minute, or
    by its transaction when it has one.

    Raises:
        InvalidRequestError: the body has no list of events, or names nobody.
    """
    events = payload.get("events")
    if not isinstance(events, list):
        raise InvalidRequestError.at("/events", "is not a list")
    try:
        body = _Body(payload, limits, now_ms)
    except FieldError as error:
        raise InvalidRequestError.at(pointer_to(error.field), error.reason) from None
    parsed = ParsedEvents()
    for index, event in enumerate(events):
        with parsed.naming(index, "events", index):
            body.add(parsed, index, as_object(event))
    return parsed


class _Body:
    """What a body says about all of its events, and how each is read in that light."""

    def __init__(self, payload: Record, limits: TimeLimits, now_ms: int) -> None:
        self._customer_id = read_id(payload, "user_id")
        self._session_id = read_id(payload, "client_id") or read_id(payload, "app_instance_id")
        if self._customer_id is None and self._session_id is None:
            raise FieldError("client_id", "is missing, and so is `user_id`")
        self._payload = payload
        self._limits = limits
        self._now_ms = now_ms
        self._n_seen: Counter[str] = Counter()

    def add(self, parsed: ParsedEvents, index: int, event: Record) -> None:
        """Add one event to the batch."""
        name = require("name", read_text(event, "name"))
        if name not in KIND_OF_NAME:
            parsed.ignored.append(IgnoredEvent(index, name))
            return
        params, place = read_object(event, "params"), ("events", index, "params")
        at_ms = self._at_ms(((params, place), (event, place[:2]), (self._payload, ())))
        with within(*place):
            items = read_list(params, "items")
            transaction_id, currency = read_id(params, "transaction_id"), read_currency_in_any_case(params)
        told_apart_by = self._now_ms // _MINUTE_MS if at_ms is None and transaction_id is None else at_ms
        source = SourceEvent(
            index=index,
            event_id=self._name(name, told_apart_by, transaction_id, items),
            customer_id=self._customer_id,
            session_id=self._session_id,
            kind=KIND_OF_NAME[name],
            at_ms=self._now_ms if at_ms is None else at_ms,
        )
        placed = (((*place, "items", i), item) for i, item in enumerate(items))
        add_items(parsed, source, placed, ("item_id",), currency)

    def _at_ms(self, records: Iterable[tuple[Record, tuple[str | int, ...]]]) -> int | None:
        """Return the first time that the records give; ``None`` when none does."""
        for record, place in records:
            with within(*place):
                micros = read_whole(record, "timestamp_micros", 0, _MOST_MICROS)
                if micros is not None:
                    return self._limits.check("timestamp_micros", micros // 1000)
        return None

    def _name(self, *content: object) -> str:
        """Return an id for an event that says this."""
        event_id = id_from_content("ga4", self._customer_id, self._session_id, *content)
        self._n_seen[event_id] += 1
        nth = self._n_seen[event_id]
        return event_id if nth == 1 else f"{event_id}-{nth}"
