"""What a batch of events sent to the API holds, whatever shape it came in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from api.errors import EdgeError, FieldError
from api.imports.circumstances import NewCircumstance
from api.imports.fields import (
    MAX_QUANTITY,
    Record,
    money_minor,
    read_currency,
    read_id,
    read_whole,
    require,
)
from api.pointers import pointer_to
from engine.vocabulary import Channel, Kind, Provenance

PAID_KINDS = (Kind.PURCHASE, Kind.RETURN)
"""Kinds whose price says what was paid; elsewhere it is only what the shop asked."""


@dataclass(frozen=True, slots=True)
class NewInteraction:
    """One interaction of a batch; an event about several items gives several.

    Attributes:
        index: position of its event in the batch, from 0.
        item_pointer: JSON pointer to where the batch names the item.
        event_id: id that makes sending it again change nothing.
        customer_id: who did it; ``None`` for somebody known by the visit alone.
        session_id: during which visit; ``None`` outside one. One of the two is there.
        item_id: with which item.
        kind: what was done.
        at_ms: when, milliseconds since the epoch.
        channel: where.
        is_gift: for somebody else.
        quantity: how many, at least 1.
        value_minor: what was paid for all of them, in minor units; ``None`` when unknown.
        device_id: at which device; ``None`` when that is not told. What was refused on it holds.
        provenance: whose data it was before the shop had it.
    """

    index: int
    item_pointer: str
    event_id: str
    customer_id: str | None
    session_id: str | None
    item_id: str
    kind: Kind
    at_ms: int
    channel: Channel = Channel.WEB
    is_gift: bool = False
    quantity: int = 1
    value_minor: int | None = None
    device_id: str | None = None
    provenance: Provenance = Provenance.OWN


@dataclass(frozen=True, slots=True)
class BadEvent:
    """An event, or one item of it, that cannot be used.

    Attributes:
        index: position of the event in the batch, from 0.
        pointer: JSON pointer (RFC 6901) to what is wrong.
        reason: what is wrong with it.
    """

    index: int
    pointer: str
    reason: str


@dataclass(frozen=True, slots=True)
class IgnoredEvent:
    """An event that says nothing about an item: neither kept nor wrong.

    Attributes:
        index: position of the event in the batch, from 0.
        name: its name in the shape it came in.
    """

    index: int
    name: str


@dataclass(slots=True)
class ParsedEvents:
    """A batch, understood.

    Attributes:
        good: interactions in the order of their events.
        circumstances: news that is about no item, likewise.
        bad: what cannot be used.
        ignored: what is of no use here.
    """

    good: list[NewInteraction] = field(default_factory=list)
    circumstances: list[NewCircumstance] = field(default_factory=list)
    bad: list[BadEvent] = field(default_factory=list)
    ignored: list[IgnoredEvent] = field(default_factory=list)

    @contextmanager
    def naming(self, index: int, *place: str | int) -> Iterator[None]:
        """Note a field that cannot be used as bad, and go on after the block.

        Args:
            index: position of the event in the batch.
            place: where in the batch the record is that fields are read from.
        """
        try:
            with within(*place):
                yield
        except PlacedError as error:
            self.bad.append(BadEvent(index, error.pointer, error.reason))


class PlacedError(EdgeError):
    """A field that cannot be used, and where in the batch it is.

    Attributes:
        pointer: JSON pointer to the field.
        reason: what is wrong with it.
    """

    def __init__(self, pointer: str, reason: str) -> None:
        self.pointer = pointer
        self.reason = reason
        super().__init__(f"`{pointer}` {reason}")


@contextmanager
def within(*place: str | int) -> Iterator[None]:
    """Say of fields that cannot be used where their record is; the innermost place counts.

    Raises:
        PlacedError: a field cannot be used.
    """
    try:
        yield
    except FieldError as error:
        inside = (error.field,) if error.field else ()
        raise PlacedError(pointer_to(*place, *inside), error.reason) from None


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """An event that may be about several items; attributes as in ``NewInteraction``."""

    index: int
    event_id: str
    customer_id: str | None
    session_id: str | None
    kind: Kind
    at_ms: int

    def about(self, n: int, item: Record, id_field: str, currency: str | None) -> NewInteraction:
        """Return what the event says about its n-th item.

        Raises:
            FieldError: a field of the item is missing or cannot be used.
        """
        quantity = read_whole(item, "quantity", 1, MAX_QUANTITY) or 1
        price = item.get("price")
        paid = self.kind in PAID_KINDS and price is not None
        return NewInteraction(
            index=self.index,
            item_pointer="",
            event_id=f"{self.event_id}#{n}",
            customer_id=self.customer_id,
            session_id=self.session_id,
            item_id=require(id_field, read_id(item, id_field)),
            kind=self.kind,
            at_ms=self.at_ms,
            quantity=quantity,
            value_minor=money_minor("price", price, currency) * quantity if paid else None,
        )


def add_items(
    parsed: ParsedEvents,
    source: SourceEvent,
    items: Iterable[tuple[tuple[str | int, ...], object]],
    id_fields: tuple[str, ...],
    currency: str | None,
) -> None:
    """Add what an event says about each of its items, each by itself good or bad.

    Args:
        parsed: the batch.
        source: the event.
        items: the items, each with its place in the batch.
        id_fields: names that an item's id may have; the first that is there counts.
        currency: what prices are in.
    """
    for n, (place, found) in enumerate(items, start=1):
        with parsed.naming(source.index, *place):
            item = as_object(found)
            id_field = next((name for name in id_fields if item.get(name) not in (None, "")), id_fields[0])
            interaction = source.about(n, item, id_field, read_currency_in_any_case(item) or currency)
            parsed.good.append(replace(interaction, item_pointer=pointer_to(*place, id_field)))


def read_object(record: Record, name: str) -> Record:
    """Return an object within a record; an absent one is empty.

    Raises:
        FieldError: it is something else.
    """
    value = record.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise FieldError(name, "is not an object")
    return value


def read_list(record: Record, name: str) -> list[object]:
    """Return a list within a record.

    Raises:
        FieldError: it is missing, empty or something else.
    """
    value = record.get(name)
    if value is None:
        raise FieldError(name, "is missing")
    if not isinstance(value, list):
        raise FieldError(name, "is not a list")
    if not value:
        raise FieldError(name, "is empty")
    return value


def read_currency_in_any_case(record: Record) -> str | None:
    """Return the currency of a record; examples of both specifications are found in either case."""
    code = record.get("currency")
    return read_currency({"currency": code.upper() if isinstance(code, str) else code})


def as_object(value: object) -> Record:
    """Return an element of a list as an object.

    Raises:
        FieldError: it is something else.
    """
    if not isinstance(value, dict):
        raise FieldError("", "is not an object")
    return value


def id_from_content(shape: str, *content: object) -> str:
    """Return an id for an event that has none, made of what it says."""
    digest = blake2b(repr(content).encode("utf-8", "surrogatepass"), digest_size=16)
    return f"{shape}-{digest.hexdigest()}"
