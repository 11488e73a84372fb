"""Arrival: which answers of a signal say something new about somebody, and from when on.

Consent tools send their whole state again and again, mostly without saying when it was chosen. An
answer that was taken down before is no new answer, or a consent given there once would overrule a
withdrawal made here later. What cannot be shown to be newer than the person's own refusal here does
not lift it. What refuses always counts, once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.interactions import DAY_MS
from guardrails.consent.events import IN_PERSON, REFUSALS, ConsentEvent, Status
from guardrails.consent.ledger import Ledger, PurposeState
from guardrails.consent.notices import Notice
from guardrails.consent.signals.reading import Reading, SignalAnswer

ADPC = "adpc"
"""The one signal by which the person speaks to this very shop."""

TELLS_THE_DAY = frozenset({"tcf"})
"""Signals whose time is the first moment of a day: a refusal may have come as late as its last."""


class Arrived(NamedTuple):
    """An answer as an event, still without a record id, and whether its time is told."""

    event: ConsentEvent
    timed: bool


def arrived(
    reading: Reading,
    history: Sequence[ConsentEvent],
    ledger: Ledger,
    now_ms: int,
    notices: Mapping[str, Notice],
) -> tuple[Arrived, ...]:
    """Return what is new in a reading.

    Args:
        reading: the signal.
        history: every event of its subject, in the order in which they were stored.
        ledger: the same, folded.
        now_ms: the clock, milliseconds since the epoch.
        notices: by purpose, the published request that ``consent=`` of ADPC answers.
    """
    news = _news_in_person if reading.signal == ADPC else _news_from_elsewhere
    return tuple(
        _event(reading, answer, now_ms, notices)
        for answer in reading.answers
        if answer.status is not Status.CONSENT_UNKNOWN and news(reading, answer, history, ledger)
    )


def _news_in_person(
    reading: Reading,  # noqa: ARG001  asked like the other
    answer: SignalAnswer,
    history: Sequence[ConsentEvent],  # noqa: ARG001  as above
    ledger: Ledger,
) -> bool:
    """Whether a decision changes anything: the header may repeat it with every request."""
    state = ledger.get(answer.purpose)
    stands = state is not None and state.grants
    if answer.status is Status.CONSENT_WITHDRAWN:
        return stands
    return not stands if answer.grants else state is None or state.status is not answer.status


def _news_from_elsewhere(
    reading: Reading, answer: SignalAnswer, history: Sequence[ConsentEvent], ledger: Ledger
) -> bool:
    actor = _actor(reading)
    before = [event for event in history if event.purpose == answer.purpose and event.actor == actor]
    if _said_ms(reading, answer) is not None:
        return not any(event.signal_sha256 == reading.sha256 for event in before)
    if before and before[-1].status is answer.status:
        return False
    return answer.status in REFUSALS or not _refused_in_person(ledger.get(answer.purpose))


def _refused_in_person(state: PurposeState | None) -> bool:
    return state is not None and state.status in REFUSALS and state.actor in IN_PERSON


def _event(reading: Reading, answer: SignalAnswer, now_ms: int, notices: Mapping[str, Notice]) -> Arrived:
    said_ms = _said_ms(reading, answer)
    if said_ms is not None and answer.status in REFUSALS and _tells_the_day(reading, answer):
        said_ms += DAY_MS - 1
    notice = notices.get(answer.purpose) if answer.grants and reading.signal == ADPC else None
    event = ConsentEvent(
        record_id="",
        purpose=answer.purpose,
        status=answer.status,
        at_ms=now_ms if said_ms is None else min(said_ms, now_ms),
        channels=answer.channels if answer.grants else None,
        notice_id=notice.notice_id if notice else None,
        notice_version=notice.version if notice else None,
        method="adpc" if reading.signal == ADPC else "import",
        actor=_actor(reading),
        signal_sha256=reading.sha256,
    )
    return Arrived(event, timed=said_ms is not None)


def _actor(reading: Reading) -> str:
    return f"signal:{ADPC}" if reading.signal == ADPC else f"import:{reading.signal}"


def _said_ms(reading: Reading, answer: SignalAnswer) -> int | None:
    return reading.at_ms if answer.at_ms is None else answer.at_ms


def _tells_the_day(reading: Reading, answer: SignalAnswer) -> bool:
    return answer.at_ms is None and reading.signal in TELLS_THE_DAY
