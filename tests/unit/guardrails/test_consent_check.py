"""What the examples in ``tests/cases/consent`` do not say of the check, and the parts around it."""

import numpy as np
import pytest

from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Kind
from guardrails.consent.check import DENIAL_OF, OPEN, Question, check
from guardrails.consent.collection import DATA_CATEGORY_OF, coverage, purpose_of_collection
from guardrails.consent.events import RESTRICTIONS
from guardrails.consent.ledger import Ledger, PurposeState, Status
from guardrails.consent.permission import Denial, LawfulBasis, Permission
from guardrails.consent.purposes import (
    KEY_OF,
    OUTBOUND,
    REGISTER,
    Purpose,
    PurposeEntry,
    communications_key,
    entry_of,
)
from guardrails.consent.settings import ConsentSettings
from guardrails.consent.signals.gpc import gpc_covers, gpc_from_header, gpc_silences
from guardrails.errors import PolicyError, UnknownPurposeError

SETTINGS = ConsentSettings()
PROFILED = "personalize.content.profiled"


def state(purpose=PROFILED, status=Status.CONSENT_GIVEN, at_ms=0, **changes):
    fields = {
        "record_id": "r1",
        "valid_until_ms": None,
        "channels": None,
        "data_categories": None,
        "notice_version": "2026-01",
        "explicit": False,
        "confirmed_override": False,
    }
    return PurposeState(purpose=purpose, status=status, at_ms=at_ms, **(fields | changes))


def ask(*states, purpose=PROFILED, at_ms=10, **changes):
    ledger = Ledger({state.purpose: state for state in states})
    return check(ledger, Question(purpose, at_ms, **changes), SETTINGS)


def test_an_unknown_purpose_is_not_answered():
    with pytest.raises(UnknownPurposeError, match="unknown purpose `nonsense`"):
        ask(purpose="nonsense")


def test_the_whole_subject_is_not_a_purpose_to_ask_for():
    with pytest.raises(UnknownPurposeError):
        ask(purpose="*")


def test_an_empty_ledger_permits_what_the_register_has_on_by_default_and_nothing_else():
    keys = [entry.key for entry in REGISTER if not entry.key.endswith(".")]
    permitted = {key for key in keys if check(Ledger.empty(), Question(key, 0), SETTINGS)}
    assert permitted == {"essential.service", "personalize.content.limited"}


def test_a_permission_tells_all_that_a_record_needs():
    grant = state(channels=frozenset({Channel.WEB}), valid_until_ms=500)
    assert ask(grant, channel=Channel.WEB) == Permission(
        purpose=PROFILED,
        permitted=True,
        because=None,
        basis=LawfulBasis.CONSENT,
        record_id="r1",
        notice_version="2026-01",
        expires_at_ms=500,
        channels=frozenset({Channel.WEB}),
    )


def test_a_denial_names_the_event_that_decided_and_no_basis():
    assert ask(state(status=Status.CONSENT_WITHDRAWN)) == Permission(
        purpose=PROFILED,
        permitted=False,
        because=Denial.WITHDRAWN,
        record_id="r1",
        notice_version="2026-01",
    )


def test_a_question_that_leaves_the_channel_open_is_told_which_ones_are_covered():
    answer = ask(state(channels=frozenset({Channel.WEB, Channel.APP})))
    assert answer.permitted
    assert answer.channels == {Channel.WEB, Channel.APP}


@pytest.mark.parametrize("channel", OUTBOUND)
def test_an_outbound_grant_covers_the_channel_in_its_key_and_no_other(channel):
    key = communications_key(channel)
    assert ask(state(key), purpose=key, channel=channel).channels == {channel}
    others = [other for other in Channel if other is not channel]
    answers = {ask(state(key), purpose=key, channel=other).because for other in others}
    assert answers == {Denial.NOT_COVERED_CHANNEL}


def test_a_stored_grant_of_a_sensitive_class_that_is_not_explicit_counts_for_nothing():
    grant = state("sensitive.health")
    assert ask(grant, purpose="sensitive.health").because is Denial.DENIED


def test_a_stored_grant_without_an_end_still_ends():
    assert ask(state(), at_ms=365 * DAY_MS - 1)
    assert ask(state(), at_ms=365 * DAY_MS).because is Denial.EXPIRED


def test_a_stored_grant_that_lasts_too_long_ends_after_thirteen_months():
    grant = state(valid_until_ms=10_000 * DAY_MS)
    assert ask(grant, at_ms=395 * DAY_MS - 1).expires_at_ms == 395 * DAY_MS
    assert ask(grant, at_ms=395 * DAY_MS).because is Denial.EXPIRED


def test_every_status_of_a_purpose_has_an_answer():
    assert DENIAL_OF.keys() | OPEN.keys() | RESTRICTIONS == set(Status)
    assert not DENIAL_OF.keys() & OPEN.keys()


@pytest.mark.parametrize("days", [(0, 395), (-1, 10), (366, 365)])
def test_settings_whose_days_contradict_each_other_are_refused(days):
    with pytest.raises(PolicyError, match="cannot last"):
        ConsentSettings(valid_for_days=days[0], max_valid_for_days=days[1])


def test_an_unknown_scope_of_the_signal_is_refused():
    with pytest.raises(PolicyError, match="unknown scope of the privacy signal `half`"):
        ConsentSettings(gpc_scope="half")


@pytest.mark.parametrize(
    "purpose", [Purpose.PROFILING, Purpose.PROFILED_CONTENT, Purpose.TARGETED_OFFERS, Purpose.COMMUNICATIONS]
)
def test_legitimate_interest_for_the_profile_and_for_marketing_needs_a_written_assessment(purpose):
    with pytest.raises(PolicyError, match=f"`P{purpose}` cannot rest"):
        ConsentSettings(legitimate_interest=frozenset({purpose}))
    ConsentSettings(legitimate_interest=frozenset({purpose}), lia_document_id="LIA-7")


@pytest.mark.parametrize(
    "purpose", [Purpose.FUNCTIONAL_STORAGE, Purpose.SHARING, Purpose.SENSITIVE, Purpose.PERSONALISED_PRICE]
)
def test_no_document_puts_what_needs_consent_by_law_on_legitimate_interest(purpose):
    with pytest.raises(PolicyError, match="cannot rest"):
        ConsentSettings(legitimate_interest=frozenset({purpose}), lia_document_id="LIA-7")


def test_measuring_may_rest_on_legitimate_interest_until_somebody_objects():
    settings = ConsentSettings(legitimate_interest=frozenset({Purpose.PERFORMANCE}))
    key = KEY_OF[Purpose.PERFORMANCE]
    question = Question(key, 1)
    assert check(Ledger.empty(), question, SETTINGS).because is Denial.PENDING
    assert check(Ledger.empty(), question, settings).basis is LawfulBasis.LEGITIMATE_INTEREST
    objection = state(key, status=Status.OBJECTION_RAISED)
    assert check(Ledger({key: objection}), question, settings).because is Denial.OBJECTED


def test_a_purpose_that_stands_on_nothing_cannot_be_registered():
    with pytest.raises(PolicyError, match="no lawful basis"):
        PurposeEntry(Purpose.SHARING, "sharing", "share", LawfulBasis.NONE)


@pytest.mark.parametrize("value", [None, "", "0", "01", " 1", "1 ", "true", "1, 1", "1;q=1", "\uff11"])
def test_only_the_exact_value_one_is_the_signal(value):
    assert not gpc_from_header(value)


def test_the_value_one_is_the_signal():
    assert gpc_from_header("1")


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ("spec", {Purpose.ENRICHMENT, Purpose.SHARING}),
        ("spec_plus", {Purpose.ENRICHMENT, Purpose.SHARING}),
        ("strict", {Purpose.ENRICHMENT, Purpose.SHARING, Purpose.PROFILING, Purpose.PROFILED_CONTENT}),
    ],
)
def test_the_scope_says_what_the_signal_covers_on_the_site(scope, covered):
    found = {purpose for purpose in Purpose if gpc_covers(purpose, Channel.WEB, scope, out_of_context=False)}
    assert found == covered


def test_in_every_scope_the_signal_covers_everything_off_site():
    for scope in ("spec", "spec_plus", "strict"):
        assert all(gpc_covers(p, Channel.OFFSITE_ADS, scope, out_of_context=False) for p in Purpose)


def test_evidence_of_another_context_matters_to_offers_only():
    found = {
        purpose
        for purpose in Purpose
        if gpc_covers(purpose, None, "spec", out_of_context=True)
        and not gpc_covers(purpose, None, "spec", out_of_context=False)
    }
    assert found == {Purpose.TARGETED_OFFERS}


@pytest.mark.parametrize(
    ("scope", "silenced"),
    [
        ("spec", set()),
        ("spec_plus", {Purpose.TARGETED_OFFERS, Purpose.COMMUNICATIONS}),
        ("strict", {Purpose.TARGETED_OFFERS, Purpose.COMMUNICATIONS}),
    ],
)
def test_the_scope_says_what_is_not_asked_for(scope, silenced):
    assert {purpose for purpose in Purpose if gpc_silences(purpose, scope)} == silenced


@pytest.mark.parametrize("kind", Kind)
def test_with_permission_everything_is_kept_for_profiling(kind):
    assert purpose_of_collection(kind, profiling_permitted=True) is Purpose.PROFILING


@pytest.mark.parametrize("kind", Kind)
def test_without_permission_only_order_facts_are_kept(kind):
    expected = Purpose.ESSENTIAL_SERVICE if kind in {Kind.PURCHASE, Kind.RETURN} else None
    assert purpose_of_collection(kind, profiling_permitted=False) is expected


def test_every_kind_belongs_to_a_data_category():
    assert DATA_CATEGORY_OF.keys() == set(Kind)


def test_consent_to_a_class_that_does_not_exist_is_not_understood():
    with pytest.raises(UnknownPurposeError):
        entry_of("sensitive.nothing_of_ours")


def test_a_grant_covers_the_channels_and_the_kinds_of_data_that_it_names_and_no_others():
    named = coverage(frozenset({Channel.WEB}), frozenset({DATA_CATEGORY_OF[Kind.PURCHASE]}))
    assert np.argwhere(named).tolist() == [[Kind.PURCHASE, Channel.WEB]]
    everything = coverage(None, None)
    assert np.count_nonzero(everything) == len(Kind) * len(Channel)


def test_text_of_a_customer_in_a_grant_is_not_kept_in_memory():
    nothing = coverage(None, frozenset({"anna@example.com"}))
    assert not nothing.any()
    assert coverage(None, frozenset({"somebody else"})) is nothing
    purchases = DATA_CATEGORY_OF[Kind.PURCHASE]
    assert coverage(None, frozenset({purchases, "anna"})) is coverage(None, frozenset({purchases}))
