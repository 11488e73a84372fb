"""Storing news that holds suggestions back: of a case its last word, of a life event two ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection

from api.consents.people import Person
from api.imports.circumstances import CircumstanceKind, NewCircumstance
from api.imports.new_interactions import BadEvent
from api.muting import end_of_mute
from api.storage.customers import say_mute
from api.storage.holds import put_holds
from api.storage.interactions import mark_gift
from api.storage.retention import Retention
from api.storage.subjects import Subjects
from engine.interactions import DAY_MS
from guardrails.holding import Hold, HoldKind
from guardrails.policy.limits import Limits
from guardrails.request import Mute, MuteScope

_HOUR_MS = 3_600_000
_UNNAMED_MS = Retention().device_days * DAY_MS
"""The longest that a device or a visit is spared: nobody can lift what was said there under no name."""

_CASES = {
    CircumstanceKind.COMPLAINT_OPENED: (HoldKind.COMPLAINT, False),
    CircumstanceKind.COMPLAINT_CLOSED: (HoldKind.COMPLAINT, True),
    CircumstanceKind.DELIVERY_DELAYED: (HoldKind.DELIVERY, False),
    CircumstanceKind.DELIVERED: (HoldKind.DELIVERY, True),
}
"""What is held back for, and whether that is over."""

_PAYMENTS = frozenset({CircumstanceKind.PAYMENT_FAILED, CircumstanceKind.CREDIT_DECLINED})
_LIFE_EVENTS = frozenset({CircumstanceKind.REGISTRY_CANCELLED, CircumstanceKind.LOSS_DECLARED})


def store_circumstances(
    conn: Connection,
    told: Sequence[tuple[NewCircumstance, Person]],
    subjects: Subjects,
    limits: Limits,
) -> list[BadEvent]:
    """Store news, each with whom it is about; return what cannot be used.

    Told again it changes nothing, and in whatever order it comes it leaves the same. Store the
    interactions of a batch first: a gift is marked on its purchase.
    """
    holds: list[tuple[bytes, Hold]] = []
    bad: list[BadEvent] = []
    for news, person in told:
        key = _held_at(news, person)
        if news.kind is CircumstanceKind.GIFT:
            if not mark_gift(conn, news.reference, key, person.session_key):
                where = f"{news.pointer}/reference"
                bad.append(BadEvent(news.index, where, "is no purchase of theirs that is kept"))
        elif news.muted is not None:
            say_mute(conn, key, _mute(news, *news.muted, limits), news.at_ms)
        else:
            holds += ((key, hold) for hold in _holds(news, key, subjects, limits))
    put_holds(conn, holds)
    return bad


def life_event(at_ms: int, limits: Limits) -> Iterator[Hold]:
    """Yield what is kept of a life event: until when topics are off, and until when offers are.

    Both end with a day, so that they fit no purchase to the millisecond, and neither says what happened.
    """
    end_of_day_ms = -(-at_ms // DAY_MS) * DAY_MS
    for kind, days in (
        (HoldKind.TOPICS, limits.holds.life_event_topics_days),
        (HoldKind.OFFERS, limits.holds.life_event_offers_days),
    ):
        yield Hold(kind, "", 0, end_of_day_ms + days * DAY_MS)


def _held_at(news: NewCircumstance, person: Person) -> bytes:
    """Return whose hold it is: the account's, else the device's, and of a failed payment the visit's.

    A device outlives a visit, and somebody else at it has not failed to pay.
    """
    at_visit = news.kind in _PAYMENTS and news.customer_id is None and person.session_key is not None
    key = person.session_key if at_visit else person.key
    return key or b""


def _holds(news: NewCircumstance, key: bytes, subjects: Subjects, limits: Limits) -> Iterable[Hold]:
    at_ms = news.at_ms
    if news.kind in _LIFE_EVENTS:
        return life_event(at_ms, limits)
    if news.kind in _PAYMENTS:
        return [Hold(HoldKind.PAYMENT, "", at_ms, at_ms + limits.evidence.session_hours * _HOUR_MS)]
    if news.kind in _CASES:
        kind, is_over = _CASES[news.kind]
        return [Hold(kind, subjects.reference(key, news.reference), at_ms, at_ms if is_over else None)]
    lifted = news.kind is CircumstanceKind.SELF_EXCLUSION_LIFTED
    until_ms = at_ms + limits.holds.exclusion_hours * _HOUR_MS if lifted else _at_the_latest(news)
    return [Hold(HoldKind.EXCLUSION, news.sensitive_class, at_ms, until_ms)]


def _mute(news: NewCircumstance, scope: MuteScope, value: str, limits: Limits) -> Mute:
    """Return the mute that is said; lifting one ends it when that was said."""
    if news.kind is CircumstanceKind.UNMUTE:
        return Mute(scope, value, news.at_ms)
    until_ms = end_of_mute(scope, news.at_ms, limits.holds)
    return Mute(scope, value, _at_the_latest(news) if until_ms is None else until_ms)


def _at_the_latest(news: NewCircumstance) -> int | None:
    """Return when a word ends that nobody takes back; never, where a customer has given it."""
    return news.at_ms + _UNNAMED_MS if news.customer_id is None else None
