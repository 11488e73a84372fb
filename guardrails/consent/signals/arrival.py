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

    def is_news(answer: SignalAnswer) -> bool:
        if answer.status is Status.CONSENT_UNKNOWN:
            return False
        if reading.signal == ADPC:
            return _news_in_person(reading, answer, history, ledger)
        return _news_from_elsewhere(reading, answer, history, ledger, now_ms)

    return tuple(_event(reading, answer, now_ms, notices) for answer in reading.answers if is_news(answer))


def _news_in_person(
    reading: Reading, answer: SignalAnswer, history: Sequence[ConsentEvent], ledger: Ledger
) -> bool:
    """Whether a decision changes anything: the header may repeat it with every request.

    So a consent that was the last thing it said of a purpose is not given anew by saying it again:
    it may have been withdrawn elsewhere meanwhile. To withdraw also ends what the law lets the shop
    assume.
    """
    state = ledger.get(answer.purpose)
    stands = state is not None and state.grants
    if answer.status is Status.CONSENT_WITHDRAWN:
        return stands or (state is not None and state.status is Status.SOFT_OPT_IN)
    if answer.grants:
        before = _said_before(reading, answer, history)
        repeats = bool(before) and before[-1].status in {answer.status, Status.CONSENT_INVALIDATED}
        return not stands and not repeats
    return state is None or state.status is not answer.status


def _news_from_elsewhere(
    reading: Reading, answer: SignalAnswer, history: Sequence[ConsentEvent], ledger: Ledger, now_ms: int
) -> bool:
    before = _said_before(reading, answer, history)
    if _said_ms(reading, answer, now_ms) is not None:
        return not any(event.signal_sha256 == reading.sha256 for event in before)
    if before and before[-1].status is answer.status:
        return False
    return answer.status in REFUSALS or not _refused_in_person(ledger.get(answer.purpose))


def _said_before(
    reading: Reading, answer: SignalAnswer, history: Sequence[ConsentEvent]
) -> list[ConsentEvent]:
    """What the same source said of the same purpose, in the order in which it was stored."""
    actor = _actor(reading)
    return [event for event in history if event.purpose == answer.purpose and event.actor == actor]


def _refused_in_person(state: PurposeState | None) -> bool:
    return state is not None and state.status in REFUSALS and state.actor in IN_PERSON


def _event(reading: Reading, answer: SignalAnswer, now_ms: int, notices: Mapping[str, Notice]) -> Arrived:
    said_ms = _said_ms(reading, answer, now_ms)
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


def _said_ms(reading: Reading, answer: SignalAnswer, now_ms: int) -> int | None:
    """Return when an answer was given, if it is told.

    A time ahead of the clock tells nothing to what does not refuse: brought forward to now it would
    be newer than every refusal.
    """
    said_ms = reading.at_ms if answer.at_ms is None else answer.at_ms
    ahead = said_ms is not None and said_ms > now_ms
    return None if ahead and answer.status not in REFUSALS else said_ms


def _tells_the_day(reading: Reading, answer: SignalAnswer) -> bool:
    return answer.at_ms is None and reading.signal in TELLS_THE_DAY
