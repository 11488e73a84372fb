"""The ledger: consent events folded into where each purpose stands.

The events are the truth and are only ever appended; the ledger is a projection of them and can
be thrown away. The fold keeps, for each purpose, the one event that decides. It takes the
greatest of a total order, so events may arrive late, twice or in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from guardrails.consent.events import (
    DATA_SUBJECT,
    GRANTS,
    IN_PERSON,
    WHOLE_SUBJECT,
    ConsentEvent,
    Status,
    with_defaults,
)
from guardrails.consent.validation import validate
from guardrails.errors import ConsentEventError
from guardrails.messages import Phrase

__all__ = [
    "ConsentEvent",
    "Ledger",
    "PurposeState",
    "Status",
    "project",
    "replay",
    "validate",
    "with_defaults",
]

ASKED_ONLY = frozenset({Status.CONSENT_UNKNOWN, Status.CONSENT_REQUESTED, Status.CONSENT_REQUEST_DEFERRED})
"""Statuses that say a question was or was not put. They never replace an answer: a banner shown
again neither ends a grant nor lifts an objection. Nor does a form elsewhere that shows no objection."""

_FROM_LOOSE_TO_PROTECTIVE = (
    Status.CONSENT_UNKNOWN,
    Status.CONSENT_REQUESTED,
    Status.CONSENT_REQUEST_DEFERRED,
    Status.SOFT_OPT_IN,
    Status.CONSENT_GIVEN,
    Status.RENEWED_CONSENT_GIVEN,
    Status.OBJECTION_NOT_RAISED,
    Status.CONSENT_EXPIRED,
    Status.CONSENT_INVALIDATED,
    Status.CONSENT_REVOKED,
    Status.CONSENT_REFUSED,
    Status.CONSENT_WITHDRAWN,
    Status.OBJECTION_RAISED,
    Status.RESTRICTION_LIFTED,
    Status.RESTRICTED,
)
_PROTECTIVENESS = {status: rank for rank, status in enumerate(_FROM_LOOSE_TO_PROTECTIVE)}


@dataclass(frozen=True, slots=True)
class PurposeState:
    """The event that decides for one purpose; attributes as in ``ConsentEvent``."""

    purpose: str
    status: Status
    at_ms: int
    record_id: str
    valid_until_ms: int | None
    channels: frozenset[int] | None
    data_categories: frozenset[str] | None
    notice_version: str | None
    explicit: bool
    confirmed_override: bool
    notice_id: str | None = None
    actor: str = DATA_SUBJECT
    item_categories: frozenset[str] | None = None

    @property
    def grants(self) -> bool:
        """Whether consent was given; it may have expired since."""
        return self.status in GRANTS


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where every purpose of one customer stands.

    Attributes:
        states: the deciding event by purpose key; ``WHOLE_SUBJECT`` holds a restriction.
    """

    states: Mapping[str, PurposeState]

    @classmethod
    def empty(cls) -> Self:
        """Return the ledger of a customer who was never asked."""
        return cls({})

    def get(self, purpose: str) -> PurposeState | None:
        """Return the event that decides for a purpose key, or ``None`` when there is none."""
        return self.states.get(purpose)

    def restriction_at(self, at_ms: int) -> PurposeState | None:
        """Return the restriction of all data (GDPR 18) that holds at a time, if one does.

        Until the moment it is lifted a restriction holds, also when the lifting is known already.
        """
        state = self.states.get(WHOLE_SUBJECT)
        if state is None or (state.status is Status.RESTRICTION_LIFTED and state.at_ms <= at_ms):
            return None
        return state


def project(state: PurposeState | None, event: ConsentEvent) -> PurposeState:
    """Fold one event into the state of its purpose.

    The newer choice decides; at the same millisecond the more protective one. An answer outranks
    any mere question. Folding the same events in any order, any of them repeatedly, gives the
    same state.

    Raises:
        ConsentEventError: the event is about another purpose than the state.
    """
    new = PurposeState(**{name: getattr(event, name) for name in PurposeState.__dataclass_fields__})
    if state is None:
        return new
    if state.purpose != event.purpose:
        raise ConsentEventError(
            Phrase(
                "an event for `{purpose}` says nothing of `{other}`",
                purpose=event.purpose,
                other=state.purpose,
            )
        )
    return max(state, new, key=_precedence)


def says_the_same(stored: ConsentEvent, again: ConsentEvent) -> bool:
    """Tell whether an event that arrives again is the one that is stored.

    What the house itself adds may have changed meanwhile: the end that a grant gets, the rules it
    was given under, whether a signal came with it, and that a child could not give it. What is
    stored must not say more than what arrives.
    """
    derived = replace(again, jurisdiction=stored.jurisdiction, gpc=stored.gpc)
    if again.grants and stored.status is Status.CONSENT_INVALIDATED:
        derived = replace(
            derived,
            status=stored.status,
            channels=stored.channels,
            data_categories=stored.data_categories,
            confirmed_override=stored.confirmed_override,
        )
    ends_no_later = (
        stored.valid_until_ms is not None
        and again.valid_until_ms is not None
        and stored.valid_until_ms <= again.valid_until_ms
    )
    if ends_no_later or not stored.grants:
        derived = replace(derived, valid_until_ms=stored.valid_until_ms)
    return derived == stored


def replay(events: Iterable[ConsentEvent]) -> Ledger:
    """Fold a customer's events, in any order, into a ledger."""
    states: dict[str, PurposeState] = {}
    for event in events:
        states[event.purpose] = project(states.get(event.purpose), event)
    return Ledger(states)


def _precedence(state: PurposeState) -> tuple[object, ...]:
    """Total order: of two states of a purpose the greater decides, and equal means identical."""
    return (
        _weight(state),
        state.at_ms,
        _PROTECTIVENESS[state.status],
        not state.confirmed_override,
        not state.explicit,
        _narrowness(state.channels),
        _narrowness(state.data_categories),
        state.valid_until_ms is not None,
        -(state.valid_until_ms or 0),
        state.record_id,
        state.notice_version or "",
        state.notice_version is None,
        state.notice_id or "",
        state.notice_id is None,
        state.actor,
        _narrowness(state.item_categories),
    )


def _weight(state: PurposeState) -> int:
    """Answers outweigh what the law lets the shop assume, and that outweighs mere questions."""
    if state.status is Status.SOFT_OPT_IN:
        return 1
    unsaid = state.status is Status.OBJECTION_NOT_RAISED and state.actor not in IN_PERSON
    return 0 if unsaid or state.status in ASKED_ONLY else 2


def _narrowness(named: frozenset[int] | frozenset[str] | None) -> tuple[object, ...]:
    """Order limits from none at all to the narrowest; the names only break ties."""
    return (False,) if named is None else (True, -len(named), *sorted(named))
