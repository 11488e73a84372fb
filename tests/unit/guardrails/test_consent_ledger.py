"""The fold from events to where each purpose stands."""

from dataclasses import replace

import pytest

from guardrails.consent.events import WHOLE_SUBJECT
from guardrails.consent.ledger import (
    ASKED_ONLY,
    ConsentEvent,
    Ledger,
    Status,
    project,
    replay,
    says_the_same,
)
from guardrails.consent.permission import GpcStatus
from guardrails.errors import ConsentEventError

GRANT = ConsentEvent(
    record_id="r1",
    purpose="personalize.content.profiled",
    status=Status.CONSENT_GIVEN,
    at_ms=1_000,
    valid_until_ms=9_000,
    channels=None,
    data_categories=None,
    notice_id="privacy",
    notice_version="2026-01",
    method="toggle",
    actor="data_subject",
    explicit=False,
    confirmed_override=False,
)


def decided(*events):
    return replay(events).get(GRANT.purpose)


def test_an_empty_ledger_knows_of_no_purpose():
    assert Ledger.empty().get(GRANT.purpose) is None
    assert Ledger.empty() == replay([])


def test_the_first_event_is_taken_as_it_is():
    state = project(None, GRANT)
    shared = {"purpose", "status", "at_ms", "record_id", "valid_until_ms", "notice_version", "explicit"}
    assert all(getattr(state, name) == getattr(GRANT, name) for name in shared)
    assert state.grants


def test_an_event_of_another_purpose_cannot_be_folded_in():
    with pytest.raises(ConsentEventError, match="says nothing of"):
        project(project(None, GRANT), replace(GRANT, purpose="functional.storage"))


def test_each_purpose_has_its_own_state():
    other = replace(GRANT, purpose="functional.storage", record_id="r2", status=Status.CONSENT_REFUSED)
    ledger = replay([GRANT, other])
    assert ledger.states.keys() == {GRANT.purpose, "functional.storage"}
    assert ledger.get("functional.storage").record_id == "r2"


def test_the_newer_answer_decides():
    newer = replace(GRANT, at_ms=1_001, record_id="r2", status=Status.CONSENT_REFUSED)
    assert decided(GRANT, newer).record_id == "r2"
    assert decided(newer, replace(GRANT, at_ms=1_002)).record_id == "r1"


@pytest.mark.parametrize("status", sorted(ASKED_ONLY))
def test_a_question_never_replaces_an_answer(status):
    question = replace(GRANT, at_ms=2_000, record_id="r2", status=status)
    assert decided(GRANT, question).record_id == "r1"
    assert decided(replace(question, at_ms=0), GRANT).record_id == "r1"


@pytest.mark.parametrize(
    "narrower",
    [
        {"valid_until_ms": 8_000},
        {"channels": frozenset({1, 2})},
        {"data_categories": frozenset({"cart"})},
    ],
)
def test_of_two_grants_in_the_same_millisecond_the_narrower_decides(narrower):
    narrow = replace(GRANT, record_id="r0", **narrower)
    assert decided(GRANT, narrow).record_id == "r0"
    assert decided(narrow, GRANT).record_id == "r0"


@pytest.mark.parametrize("strength", ["explicit", "confirmed_override"])
def test_of_two_grants_in_the_same_millisecond_the_weaker_decides(strength):
    strong = replace(GRANT, record_id="r9", **{strength: True})
    assert decided(strong, GRANT).record_id == "r1"
    assert decided(GRANT, strong).record_id == "r1"


def test_of_two_grants_in_the_same_millisecond_the_one_with_an_end_decides():
    endless = replace(GRANT, record_id="r9", valid_until_ms=None)
    assert decided(endless, GRANT).record_id == "r1"
    assert decided(GRANT, endless).record_id == "r1"


@pytest.mark.parametrize(
    "difference",
    [
        {"notice_version": None},
        {"notice_version": "2026-02"},
        {"record_id": "r2"},
        {"status": Status.RENEWED_CONSENT_GIVEN},
        {"channels": frozenset({2, 3})},
        {"data_categories": frozenset({"cart"})},
    ],
)
def test_whatever_two_events_of_a_millisecond_differ_in_their_order_does_not_matter(difference):
    one = replace(GRANT, notice_version="", channels=frozenset({1, 2}), data_categories=frozenset({"a"}))
    other = replace(one, **difference)
    assert decided(one, other) == decided(other, one)


def test_a_restriction_holds_from_when_it_is_known_to_when_it_is_lifted():
    restriction = replace(GRANT, purpose=WHOLE_SUBJECT, status=Status.RESTRICTED, at_ms=5)
    lifting = replace(restriction, status=Status.RESTRICTION_LIFTED, at_ms=20)
    assert Ledger.empty().restriction_at(10) is None
    assert replay([restriction]).restriction_at(4).status is Status.RESTRICTED
    assert replay([restriction, lifting]).restriction_at(19).status is Status.RESTRICTION_LIFTED
    assert replay([restriction, lifting]).restriction_at(20) is None


class TestAnEventThatArrivesAgain:
    STORED = replace(GRANT, valid_until_ms=10_000, jurisdiction="DK#1", gpc=GpcStatus.APPLIED)

    def test_is_the_same_though_the_house_would_add_other_things_now(self):
        again = replace(GRANT, valid_until_ms=20_000, jurisdiction="DK#2")
        assert says_the_same(self.STORED, again)

    def test_is_another_if_it_ends_sooner_than_what_is_stored(self):
        assert not says_the_same(self.STORED, replace(self.STORED, valid_until_ms=9_999))

    @pytest.mark.parametrize(
        "change",
        [
            {"status": Status.CONSENT_WITHDRAWN, "valid_until_ms": None},
            {"explicit": True},
            {"at_ms": GRANT.at_ms + 1},
            {"channels": frozenset({1})},
        ],
    )
    def test_is_another_if_the_customer_says_something_else(self, change):
        assert not says_the_same(self.STORED, replace(self.STORED, **change))

    def test_is_the_same_if_a_child_said_it_and_it_was_stored_as_invalid(self):
        invalid = replace(GRANT, status=Status.CONSENT_INVALIDATED, valid_until_ms=None)
        assert says_the_same(invalid, replace(GRANT, valid_until_ms=20_000, channels=frozenset({1})))
        assert not says_the_same(invalid, replace(GRANT, valid_until_ms=20_000, explicit=True))

    def test_a_refusal_that_is_sent_again_is_the_same(self):
        refusal = replace(GRANT, status=Status.CONSENT_REFUSED, valid_until_ms=None)
        assert says_the_same(refusal, replace(refusal, jurisdiction="DK#2"))
        assert not says_the_same(refusal, replace(GRANT, valid_until_ms=5_000))
