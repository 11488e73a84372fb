from dataclasses import replace
from itertools import permutations

import pytest
from support.shops import an_event

from guardrails.consent.ledger import Status
from guardrails.consent.notices import Notice, NoticeDate, outdated, under_notice
from guardrails.errors import ConsentEventError

FIRST = NoticeDate("privacy", "1", 100, material_change=False)
TYPO = NoticeDate("privacy", "2", 200, material_change=False)
MATERIAL = NoticeDate("privacy", "3", 300, material_change=True)
LATER = NoticeDate("privacy", "4", 400, material_change=False)
OTHER = NoticeDate("cookies", "1", 350, material_change=True)

NOTICE = Notice(
    notice_id="privacy",
    version="3",
    language="da",
    jurisdiction="DK",
    text="Må vi?",
    purposes=("personalize.content.profiled",),
    material_change=False,
    effective_from_ms=300,
)
PROFILED = an_event("personalize.content.profiled")


def test_a_material_change_outdates_what_was_before_and_nothing_else():
    for dates in permutations([FIRST, TYPO, MATERIAL, LATER, OTHER]):
        assert outdated(dates) == {"privacy": {"1": 300, "2": 300}}


def test_the_next_material_change_counts_not_the_last():
    again = replace(LATER, material_change=True)
    assert outdated([FIRST, MATERIAL, again]) == {"privacy": {"1": 300, "3": 400}}


def test_languages_of_one_version_count_as_one():
    in_danish = replace(MATERIAL, effective_from_ms=280, material_change=False)
    for dates in permutations([FIRST, MATERIAL, in_danish]):
        assert outdated(dates) == {"privacy": {"1": 280}}


def test_a_corrected_typing_error_outdates_nothing():
    assert outdated([FIRST, TYPO]) == {}


def test_a_choice_says_what_text_it_was_made_under():
    event = under_notice(PROFILED, NOTICE)
    assert (event.notice_id, event.notice_version, event.language) == ("privacy", "3", "da")
    assert event.notice_sha256 == NOTICE.text_sha256
    assert len(NOTICE.text_sha256) == 64


def test_a_grant_covers_no_more_data_than_its_notice_names():
    notice = replace(NOTICE, data_categories=("a", "b"))
    assert under_notice(PROFILED, notice).data_categories == {"a", "b"}
    narrower = replace(PROFILED, data_categories=frozenset({"a"}))
    assert under_notice(narrower, notice).data_categories == {"a"}
    with pytest.raises(ConsentEventError, match="does not name all"):
        under_notice(replace(PROFILED, data_categories=frozenset({"a", "c"})), notice)


def test_a_notice_that_names_no_data_limits_none():
    assert under_notice(PROFILED, NOTICE).data_categories is None
    limited = replace(PROFILED, data_categories=frozenset({"a"}))
    assert under_notice(limited, NOTICE).data_categories == {"a"}


def test_a_purpose_that_the_notice_does_not_ask_for_cannot_be_agreed_to():
    event = an_event("third_party_sharing")
    with pytest.raises(ConsentEventError, match="does not ask for `third_party_sharing`"):
        under_notice(event, NOTICE)
    refusal = replace(event, status=Status.CONSENT_REFUSED, valid_until_ms=None)
    assert under_notice(refusal, NOTICE).notice_version == "3"
