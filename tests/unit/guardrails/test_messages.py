"""Messages and interruptions are kept few; what nobody may count does not pass as none."""

from __future__ import annotations

import pytest
from support.shops import PLACEMENTS, a_ledger, a_request, decided, knowing, was_shown

from engine.interactions import DAY_MS
from engine.vocabulary import Channel
from guardrails.consent.purposes import communications_key
from guardrails.request import Choices, SubjectKind

LETTERS_ONLY = Choices(a_ledger(communications_key(Channel.EMAIL)))


def a_letter(**overrides):
    return a_request("email", channel=Channel.EMAIL, **overrides)


def sent(days_ago: int, decision: int):
    at_ms = a_letter().now_ms - days_ago * DAY_MS
    return was_shown("bread-0", at_ms=at_ms, outbound=True, decision=decision)


def deciding_rules(decision):
    return {rule_id for taken in decision.rounds for _, rule_id in taken.slate.held_back}


def test_whoever_agreed_to_letters_only_is_sent_one():
    assert decided(a_letter(), LETTERS_ONLY).suggestions


@pytest.mark.parametrize(
    "letters", [[sent(0, 1)], [sent(2, 1), sent(4, 2)]], ids=["one today", "two this week"]
)
def test_but_no_more_than_the_caps_allow_although_the_history_may_not_be_read(letters):
    decision = decided(a_letter(), LETTERS_ONLY, knowing(exposures=letters))
    assert not decision.suggestions
    assert "G20" in deciding_rules(decision)


def test_what_was_shown_on_the_site_is_not_remembered_with_the_letters():
    on_site = was_shown("bread-0", at_ms=a_letter().now_ms - DAY_MS)
    assert decided(a_letter(), LETTERS_ONLY, knowing(exposures=[on_site])).suggestions


def test_nobody_is_interrupted_whose_interruptions_may_not_be_counted():
    assert PLACEMENTS["modal"].interruptive
    decision = decided(a_request("modal", subject_kind=SubjectKind.NONE), Choices(ledger=None))
    assert not decision.suggestions
    assert "G20" in deciding_rules(decision)
