"""Which answers of another consent tool are news, and what they may do to what was said here."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.interactions import DAY_MS
from guardrails.consent.check import Question, check
from guardrails.consent.ledger import ConsentEvent, Status, replay
from guardrails.consent.notices import Notice
from guardrails.consent.settings import ConsentSettings
from guardrails.consent.signals.arrival import arrived
from guardrails.consent.signals.reading import Reading, SignalAnswer
from guardrails.consent.validation import validate

PROFILED, EMAIL = "personalize.content.profiled", "marketing.communications.email"
NOW_MS = 1_000 * DAY_MS + 5_000
SETTINGS = ConsentSettings(jurisdiction="DK")


def reading(status, *, signal="consent_mode", at_ms=None, sha256="0" * 64, purpose=PROFILED, answer_ms=None):
    answer = SignalAnswer(purpose, status, at_ms=answer_ms)
    return Reading(signal, None, (answer,), at_ms, (), sha256)


def own(status, at_ms=NOW_MS - DAY_MS, purpose=PROFILED):
    return ConsentEvent(
        record_id=f"own-{status}-{at_ms}",
        purpose=purpose,
        status=status,
        at_ms=at_ms,
        valid_until_ms=None,
        channels=None,
        data_categories=None,
        notice_id=None,
        notice_version=None,
        method="toggle",
        actor="data_subject",
        explicit=False,
        confirmed_override=False,
    )


def receive(history, *readings, now_ms=NOW_MS, notices=None):
    """Receive readings one after the other, a second apart."""
    history = list(history)
    for step, each in enumerate(readings):
        news = arrived(each, history, replay(history), now_ms + step * 1_000, notices or {})
        for n, (event, _) in enumerate(news):
            named = replace(event, record_id=f"{step}-{n}")
            validate(named)
            history.append(named)
    return history


def permitted(history, at_ms=NOW_MS + DAY_MS, purpose=PROFILED):
    return check(replay(history), Question(purpose, at_ms), SETTINGS).permitted


YES, NO = reading(Status.CONSENT_GIVEN), reading(Status.CONSENT_REFUSED)


def test_a_consent_given_elsewhere_counts():
    assert permitted(receive([], YES))


def test_the_same_state_sent_again_is_no_news():
    assert len(receive([], YES, YES, YES)) == 1
    assert len(receive([], NO, NO)) == 1


def test_no_yes_no_ends_in_no():
    history = receive([], NO, YES, NO)
    assert len(history) == 3
    assert not permitted(history)


def test_a_state_that_is_sent_all_the_time_does_not_undo_a_withdrawal_made_here():
    history = [*receive([], YES, now_ms=NOW_MS - 2 * DAY_MS), own(Status.CONSENT_WITHDRAWN)]
    assert not permitted(receive(history, YES, YES))


def test_a_first_yes_without_a_time_does_not_lift_a_refusal_made_here():
    assert not permitted(receive([own(Status.CONSENT_REFUSED)], YES))


def test_a_no_counts_against_a_consent_given_here_and_once_only():
    history = receive([own(Status.CONSENT_GIVEN)], NO)
    assert not permitted(history)
    again = own(Status.CONSENT_GIVEN, NOW_MS + 3_000)
    assert permitted(receive([*history, again], NO, now_ms=NOW_MS + 4_000))


def test_a_dated_consent_that_is_newer_than_a_withdrawal_is_a_new_consent():
    newer = reading(Status.CONSENT_GIVEN, signal="tcf", at_ms=NOW_MS - 3_000)
    older = reading(Status.CONSENT_GIVEN, signal="tcf", at_ms=NOW_MS - 2 * DAY_MS)
    assert permitted(receive([own(Status.CONSENT_WITHDRAWN)], newer))
    assert not permitted(receive([own(Status.CONSENT_WITHDRAWN)], older))


def test_the_same_dated_signal_is_taken_down_once():
    tcf = reading(Status.CONSENT_GIVEN, signal="tcf", at_ms=NOW_MS - DAY_MS)
    assert len(receive([], tcf, tcf)) == 1
    assert len(receive([], tcf, replace(tcf, sha256="1" * 64))) == 2


def test_a_refusal_that_tells_the_day_counts_as_made_at_its_end():
    day_ms = 999 * DAY_MS
    (event,) = receive([], reading(Status.CONSENT_REFUSED, signal="tcf", at_ms=day_ms))
    assert event.at_ms == day_ms + DAY_MS - 1
    (today,) = receive([], reading(Status.CONSENT_REFUSED, signal="tcf", at_ms=1_000 * DAY_MS))
    assert today.at_ms == NOW_MS
    (grant,) = receive([], reading(Status.CONSENT_GIVEN, signal="tcf", at_ms=day_ms))
    assert grant.at_ms == day_ms


def test_an_answer_with_a_time_of_its_own_goes_by_that():
    (event,) = receive([], reading(Status.CONSENT_REFUSED, signal="xdm", at_ms=5, answer_ms=7))
    assert event.at_ms == 7
    (ahead,) = receive([], reading(Status.CONSENT_REFUSED, signal="xdm", answer_ms=NOW_MS + DAY_MS))
    assert ahead.at_ms == NOW_MS


@pytest.mark.parametrize("signal", ["tcf", "xdm", "ketch"])
def test_a_time_ahead_of_the_clock_does_not_make_a_consent_newer_than_a_refusal(signal):
    refused = [own(Status.CONSENT_WITHDRAWN, NOW_MS - 1)]
    ahead = reading(Status.CONSENT_GIVEN, signal=signal, at_ms=NOW_MS + DAY_MS)
    assert not permitted(receive(refused, ahead, replace(ahead, sha256="1" * 64)))
    assert permitted(receive([], ahead))


def test_what_a_signal_leaves_open_is_no_event():
    assert receive([], reading(Status.CONSENT_UNKNOWN)) == []


class TestTheHeaderOfTheBrowser:
    def test_a_withdrawal_is_stored_where_consent_stands_and_nowhere_else(self):
        withdraw = reading(Status.CONSENT_WITHDRAWN, signal="adpc")
        assert receive([], withdraw) == []
        assert not permitted(receive([own(Status.CONSENT_GIVEN)], withdraw, withdraw))
        assert len(receive([own(Status.CONSENT_GIVEN)], withdraw, withdraw)) == 2

    def test_an_objection_is_stored_once(self):
        objects = reading(Status.OBJECTION_RAISED, signal="adpc", purpose=EMAIL)
        history = receive([], objects, objects)
        assert [event.status for event in history] == [Status.OBJECTION_RAISED]
        assert history[0].actor == "signal:adpc"

    def test_a_consent_names_the_request_it_answers_and_lifts_a_refusal(self):
        notice = Notice("privacy", "2", "da", "DK", "Må vi?", (PROFILED,), False, 0)
        agrees = reading(Status.CONSENT_GIVEN, signal="adpc")
        history = receive([own(Status.CONSENT_REFUSED)], agrees, agrees, notices={PROFILED: notice})
        assert len(history) == 2
        assert (history[1].notice_id, history[1].notice_version) == ("privacy", "2")
        assert permitted(history)

    def test_a_consent_that_it_only_repeats_does_not_undo_a_withdrawal_made_since(self):
        agrees = reading(Status.CONSENT_GIVEN, signal="adpc")
        withdraws = reading(Status.CONSENT_WITHDRAWN, signal="adpc")
        before = receive([], agrees, now_ms=NOW_MS - 2 * DAY_MS)
        withdrawn = [*before, own(Status.CONSENT_WITHDRAWN)]
        assert not permitted(receive(withdrawn, agrees, agrees))
        assert permitted(receive(before, withdraws, agrees))

    def test_what_a_child_s_browser_repeats_is_taken_down_once(self):
        invalid = replace(own(Status.CONSENT_INVALIDATED), actor="signal:adpc")
        assert receive([invalid], reading(Status.CONSENT_GIVEN, signal="adpc")) == [invalid]

    def test_to_withdraw_ends_a_soft_opt_in_too(self):
        assumed = replace(own(Status.SOFT_OPT_IN, purpose=EMAIL), item_categories=frozenset({"Tea"}))
        withdraw = reading(Status.CONSENT_WITHDRAWN, signal="adpc", purpose=EMAIL)
        assert permitted([assumed], purpose=EMAIL)
        assert not permitted(receive([assumed], withdraw), purpose=EMAIL)


@given(
    st.lists(st.sampled_from([Status.CONSENT_GIVEN, Status.CONSENT_REFUSED, Status.OBJECTION_NOT_RAISED])),
    st.sampled_from(["consent_mode", "ketch", "gpp"]),
    st.sampled_from([Status.CONSENT_WITHDRAWN, Status.CONSENT_REFUSED, Status.OBJECTION_RAISED]),
)
def test_what_was_sent_before_a_refusal_here_never_lifts_it_when_it_is_sent_again(said, signal, refusal):
    readings = [reading(status, signal=signal) for status in said]
    before = receive([], *readings, now_ms=NOW_MS - 3 * DAY_MS)
    history = [*before, own(refusal)]
    assert not permitted(receive(history, *readings[-1:], *readings[-1:]))


def test_that_a_form_elsewhere_shows_no_objection_never_lifts_one():
    silent = reading(Status.OBJECTION_NOT_RAISED, signal="ketch")
    history = receive([own(Status.OBJECTION_RAISED)], silent, NO, silent)
    assert not permitted(history)


def test_a_change_that_was_seen_after_a_refusal_here_is_newer_than_it():
    assert permitted(receive([own(Status.CONSENT_REFUSED)], YES, NO, YES))
