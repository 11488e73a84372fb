"""Several ledgers for one request: an account, the device it is used on, the visit.

Grants come from the first of them alone, so that what was agreed to on a device never becomes a
property of an account. Refusals come from all of them: until the person has confirmed a choice on
this device, the most protective answer holds. Whoever logs out is left with the device's own.
"""

from __future__ import annotations

from collections.abc import Iterable

from guardrails.consent.events import (
    DATA_SUBJECT,
    REFUSALS,
    WHOLE_SUBJECT,
    ConsentEvent,
    Status,
)
from guardrails.consent.ledger import Ledger, PurposeState


def most_protective(first: Ledger, *beside: Ledger) -> Ledger:
    """Return the ledger that a request is answered under.

    Args:
        first: of the subject that is asked: its grants count, and its refusals.
        beside: of those it comes together with: of these only refusals and restrictions count.
    """
    states = dict(first.states)
    for ledger in beside:
        for purpose, state in ledger.states.items():
            if _held_back(state) > _held_back(states.get(purpose)):
                states[purpose] = state
    return Ledger(states)


def confirmed_here(
    device: Ledger, chosen: Iterable[ConsentEvent], new_record_id: Iterable[str]
) -> tuple[ConsentEvent, ...]:
    """Return what a choice for the account, made on this device, changes about the device.

    A refusal on the device that the person has now answered otherwise is taken back to neutral,
    and nothing is granted: after logging out the device knows of no consent.

    Args:
        device: the ledger of the device.
        chosen: choices that were stored for the account.
        new_record_id: fresh record ids, as many as needed.
    """
    fresh = iter(new_record_id)
    return tuple(
        ConsentEvent(
            record_id=next(fresh),
            purpose=event.purpose,
            status=Status.OBJECTION_NOT_RAISED,
            at_ms=max(event.at_ms, state.at_ms + 1),
            notice_id=event.notice_id,
            notice_version=event.notice_version,
            method=event.method,
        )
        for event in chosen
        if event.grants
        and event.actor == DATA_SUBJECT
        and (state := device.get(event.purpose)) is not None
        and state.status in REFUSALS
    )


def _held_back(state: PurposeState | None) -> int:
    """Return how much a state holds back, nothing being 0.

    A restriction that is lifted later on still holds until then, and one that stands holds longer.
    """
    if state is None:
        return 0
    if state.purpose == WHOLE_SUBJECT:
        return 2 if state.status is Status.RESTRICTED else 1
    return int(state.status in REFUSALS)
