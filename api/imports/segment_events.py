"""E-commerce events in the shape of Segment: one message, or several in ``batch``.

Only ``track`` calls about products and orders say something about items; others are passed over.

Source: Segment, common fields and e-commerce events, version 2.
"""

from __future__ import annotations

from collections.abc import Iterable

from api.errors import FieldError, InvalidRequestError
from api.imports.fields import (
    Record,
    TimeLimits,
    read_id,
    read_moment_ms,
    read_text,
    require,
)
from api.imports.new_interactions import (
    IgnoredEvent,
    ParsedEvents,
    SourceEvent,
    add_items,
    as_object,
    read_currency_in_any_case,
    read_list,
    read_object,
    within,
)
from engine.vocabulary import Kind

KIND_OF_NAME = {
    "Product Viewed": Kind.VIEW,
    "Product Added": Kind.CART,
    "Product Removed": Kind.REMOVE_FROM_CART,
    "Product Added to Wishlist": Kind.WISHLIST,
    "Wishlist Product Added to Cart": Kind.CART,
    "Order Completed": Kind.PURCHASE,
    "Order Refunded": Kind.RETURN,
}
"""Events about items, and what they are here."""

_OF_SEVERAL_ITEMS = frozenset({"Order Completed", "Order Refunded"})
_ID_FIELDS = ("product_id", "sku")


def parse_segment(payload: Record, limits: TimeLimits, now_ms: int) -> ParsedEvents:
    """Understand one message or a batch of them.

    A message without a time happened now. The prices of an order are taken as paid.

    Raises:
        InvalidRequestError: ``batch`` is there and no list.
    """
    parsed = ParsedEvents()
    if "batch" not in payload:
        with parsed.naming(0):
            _add(parsed, 0, payload, (), limits, now_ms)
        return parsed
    messages = payload["batch"]
    if not isinstance(messages, list):
        raise InvalidRequestError.at("/batch", "is not a list")
    for index, message in enumerate(messages):
        with parsed.naming(index, "batch", index):
            _add(parsed, index, as_object(message), ("batch", index), limits, now_ms)
    return parsed


def _add(
    parsed: ParsedEvents,
    index: int,
    message: Record,
    place: tuple[str | int, ...],
    limits: TimeLimits,
    now_ms: int,
) -> None:
    name = _name(message)
    if name not in KIND_OF_NAME:
        parsed.ignored.append(IgnoredEvent(index, name))
        return
    customer_id, session_id = read_id(message, "userId"), read_id(message, "anonymousId")
    if customer_id is None and session_id is None:
        raise FieldError("userId", "is missing, and so is `anonymousId`")
    at_ms = read_moment_ms(message, "timestamp", limits)
    source = SourceEvent(
        index=index,
        event_id=require("messageId", read_id(message, "messageId")),
        customer_id=customer_id,
        session_id=session_id,
        kind=KIND_OF_NAME[name],
        at_ms=now_ms if at_ms is None else at_ms,
    )
    properties, inside = read_object(message, "properties"), (*place, "properties")
    with within(*inside):
        currency = read_currency_in_any_case(properties)
        products = _products(name, properties, inside)
    add_items(parsed, source, products, _ID_FIELDS, currency)


def _name(message: Record) -> str:
    """Return the name of a track call, or the type of another call."""
    call = require("type", read_text(message, "type"))
    return require("event", read_text(message, "event")) if call == "track" else call


def _products(
    name: str, properties: Record, place: tuple[str | int, ...]
) -> Iterable[tuple[tuple[str | int, ...], object]]:
    if name not in _OF_SEVERAL_ITEMS:
        return [(place, properties)]
    products = read_list(properties, "products")
    return (((*place, "products", i), product) for i, product in enumerate(products))
