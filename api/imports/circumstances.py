"""News that is about no item in particular: a case, a parcel, a payment, a life event, a mute, a gift.

All of it only ever holds suggestions back. So it is taken whatever the customer agreed to: nobody
should have to consent to being left in peace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from api.errors import FieldError
from api.imports.fields import Record, TimeLimits, read_id, read_moment_ms, require
from api.muting import UNKNOWN, is_known
from guardrails.messages import Phrase
from guardrails.request import MuteScope
from guardrails.sensitive.classes import CLASS_NAMES

CUSTOMERS_WORD = "data_subject"
"""Who has to have said that an exclusion is lifted."""


class CircumstanceKind(StrEnum):
    """What has happened."""

    COMPLAINT_OPENED = "complaint_opened"
    COMPLAINT_CLOSED = "complaint_closed"
    DELIVERY_DELAYED = "delivery_delayed"
    DELIVERED = "delivered"
    PAYMENT_FAILED = "payment_failed"
    CREDIT_DECLINED = "credit_declined"
    REGISTRY_CANCELLED = "registry_cancelled"
    LOSS_DECLARED = "loss_declared"
    SELF_EXCLUDED = "self_excluded"
    SELF_EXCLUSION_LIFTED = "self_exclusion_lifted"
    MUTE = "mute"
    UNMUTE = "unmute"
    GIFT = "gift"


_KINDS = {kind.value: kind for kind in CircumstanceKind}
_WHO_AND_WHEN = frozenset({"event_id", "kind", "customer_id", "session_id", "device_id", "at", "at_ms"})
_REFERENCE, _CLASS = frozenset({"reference"}), frozenset({"sensitive_class"})
_MUTED = frozenset({"scope", "value"})
_FIELDS: Mapping[CircumstanceKind, frozenset[str]] = {
    CircumstanceKind.COMPLAINT_OPENED: _REFERENCE,
    CircumstanceKind.COMPLAINT_CLOSED: _REFERENCE,
    CircumstanceKind.DELIVERY_DELAYED: _REFERENCE,
    CircumstanceKind.DELIVERED: _REFERENCE,
    CircumstanceKind.SELF_EXCLUDED: _CLASS,
    CircumstanceKind.SELF_EXCLUSION_LIFTED: _CLASS | {"actor"},
    CircumstanceKind.MUTE: _MUTED,
    CircumstanceKind.UNMUTE: _MUTED,
    CircumstanceKind.GIFT: _REFERENCE,
}
"""Fields that a kind needs beside who and when; a kind that is not there needs none."""
_TEXT, _WHOLE_NUMBER = (str, Phrase("is not text")), (int, Phrase("is not a whole number"))


@dataclass(frozen=True, slots=True)
class NewCircumstance:
    """One piece of news.

    Attributes:
        index: position of its event in the batch, from 0.
        pointer: JSON pointer to the event.
        event_id: id of the event.
        kind: what has happened.
        at_ms: when, milliseconds since the epoch.
        customer_id: to whom; ``None`` for somebody known by the visit alone.
        session_id: during which visit; ``None`` outside one. One of the two is there.
        device_id: at which device; ``None`` when that is not told.
        reference: the case, the order or the purchase; empty where there is none.
        sensitive_class: class that an exclusion is about; empty where it is none.
        muted: what kind of thing is muted or no longer muted, and which; ``None`` where nothing is.
    """

    index: int
    pointer: str
    event_id: str
    kind: CircumstanceKind
    at_ms: int
    customer_id: str | None
    session_id: str | None
    device_id: str | None = None
    reference: str = ""
    sensitive_class: str = ""
    muted: tuple[MuteScope, str] | None = None


def is_circumstance(kind: object) -> bool:
    """Tell whether a word names something that is about no item."""
    return isinstance(kind, str) and kind in _KINDS


def read_circumstance(record: Record, limits: TimeLimits, index: int, pointer: str) -> NewCircumstance:
    """Understand one event whose ``kind`` is one of ours.

    Raises:
        FieldError: a field is unknown, missing or cannot be used.
    """
    kind = _KINDS[str(record["kind"])]
    needed = _FIELDS.get(kind, frozenset())
    for name, value in record.items():
        if name not in _WHO_AND_WHEN | needed:
            raise FieldError(name, "is unknown")
        type_, reason = _WHOLE_NUMBER if name == "at_ms" else _TEXT
        if value is not None and (not isinstance(value, type_) or isinstance(value, bool)):
            raise FieldError(name, reason)
    customer_id, session_id = read_id(record, "customer_id"), read_id(record, "session_id")
    if customer_id is None and session_id is None:
        raise FieldError("customer_id", "is missing, and so is `session_id`")
    if "actor" in needed and require("actor", read_id(record, "actor")) != CUSTOMERS_WORD:
        raise FieldError("actor", Phrase("is not `{who}`: nobody else can lift it", who=CUSTOMERS_WORD))
    return NewCircumstance(
        index=index,
        pointer=pointer,
        event_id=require("event_id", read_id(record, "event_id")),
        kind=kind,
        at_ms=require("at", read_moment_ms(record, "at", limits)),
        customer_id=customer_id,
        session_id=session_id,
        device_id=read_id(record, "device_id"),
        reference=require("reference", read_id(record, "reference")) if needed == _REFERENCE else "",
        sensitive_class=_read_class(record) if needed >= _CLASS else "",
        muted=_read_muted(record) if needed == _MUTED else None,
    )


def _read_class(record: Record) -> str:
    name = require("sensitive_class", read_id(record, "sensitive_class"))
    if name not in CLASS_NAMES:
        raise FieldError("sensitive_class", UNKNOWN[MuteScope.SENSITIVE_CLASS])
    return name


def _read_muted(record: Record) -> tuple[MuteScope, str]:
    name = require("scope", read_id(record, "scope"))
    if name not in set(MuteScope):
        raise FieldError("scope", Phrase("is none of {words}", words=", ".join(MuteScope)))
    scope, value = MuteScope(name), require("value", read_id(record, "value"))
    if not is_known(scope, value):
        raise FieldError("value", UNKNOWN[scope])
    return scope, value
