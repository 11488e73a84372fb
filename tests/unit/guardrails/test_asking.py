from dataclasses import replace

import pytest
from support.shops import NOW_MS, an_event

from engine.interactions import DAY_MS
from guardrails.consent.asking import Asking, may_ask
from guardrails.consent.check import Question
from guardrails.consent.ledger import Status, replay
from guardrails.consent.settings import ConsentSettings

PROFILED, OFFERS = "personalize.content.profiled", "marketing.advertising.first_party.targeted"
DENMARK = ConsentSettings(jurisdiction="DK")


def asking(*events, purpose=PROFILED, at_ms=NOW_MS, settings=DENMARK, **more):
    return may_ask(replay(events), Question(purpose, at_ms, **more), settings)


def said(status, purpose=PROFILED, days_ago=1):
    at_ms = NOW_MS - days_ago * DAY_MS
    granting = status is Status.CONSENT_GIVEN
    return replace(
        an_event(purpose),
        status=status,
        at_ms=at_ms,
        valid_until_ms=at_ms + 10 * DAY_MS if granting else None,
    )


def test_who_was_never_asked_may_be():
    assert asking() == Asking(may_ask=True)


@pytest.mark.parametrize(
    "status", [Status.CONSENT_REFUSED, Status.CONSENT_WITHDRAWN, Status.CONSENT_REQUEST_DEFERRED]
)
def test_who_said_no_or_closed_the_question_is_left_alone_for_half_a_year(status):
    again_ms = NOW_MS + 182 * DAY_MS
    assert asking(said(status)) == Asking(may_ask=False, not_before_ms=again_ms)
    assert not asking(said(status), at_ms=again_ms - 1).may_ask
    assert asking(said(status), at_ms=again_ms).may_ask


def test_in_california_it_is_a_year():
    answer = asking(said(Status.CONSENT_REFUSED), settings=ConsentSettings(jurisdiction="US-CA"))
    assert answer.not_before_ms == NOW_MS + 364 * DAY_MS


def test_who_objected_to_marketing_is_not_asked_again():
    long_ago = said(Status.OBJECTION_RAISED, OFFERS, days_ago=2_000)
    assert asking(long_ago, purpose=OFFERS) == Asking(may_ask=False)


def test_who_objected_to_something_else_is_after_a_while():
    assert asking(said(Status.OBJECTION_RAISED, days_ago=200)).may_ask


def test_what_stands_or_needs_no_consent_is_not_asked_for():
    assert not asking(said(Status.CONSENT_GIVEN)).may_ask
    assert not asking(purpose="personalize.content.limited").may_ask
    assert not asking(purpose="essential.service").may_ask


def test_what_has_run_out_may_be_asked_for_again():
    assert asking(said(Status.CONSENT_GIVEN, days_ago=11)).may_ask


def test_a_notice_that_changed_is_a_reason_to_ask():
    event = replace(said(Status.CONSENT_GIVEN), notice_id="privacy", notice_version="1")
    changed = replace(DENMARK, outdated={"privacy": {"1": NOW_MS - 1}})
    assert asking(event, settings=changed).may_ask


def test_while_a_privacy_signal_is_sent_nobody_is_asked_for_marketing():
    assert not asking(purpose=OFFERS, gpc=True).may_ask
    assert not asking(purpose="third_party_sharing", gpc=True).may_ask
    assert asking(gpc=True).may_ask


def test_a_child_is_not_asked_for_what_is_closed_to_children():
    assert not asking(purpose=OFFERS, minor=True).may_ask
