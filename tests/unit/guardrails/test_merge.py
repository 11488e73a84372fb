from dataclasses import replace

import pytest
from support.shops import an_event

from guardrails.consent.events import REFUSALS, WHOLE_SUBJECT
from guardrails.consent.ledger import Ledger, Status, replay
from guardrails.consent.merge import confirmed_here, most_protective

PROFILED = "personalize.content.profiled"
GRANT = an_event(PROFILED)


def refusal(status=Status.CONSENT_WITHDRAWN, **changes):
    return replace(GRANT, status=status, valid_until_ms=None, **changes)


def a_ledger(*events):
    return replay(events)


@pytest.mark.parametrize("status", sorted(REFUSALS))
def test_a_refusal_on_the_device_holds_for_the_account_that_is_used_there(status):
    merged = most_protective(a_ledger(GRANT), a_ledger(refusal(status)))
    assert merged.get(PROFILED).status is status


def test_what_the_device_agreed_to_is_nothing_to_the_account():
    assert most_protective(Ledger.empty(), a_ledger(GRANT)).get(PROFILED) is None


def test_a_device_that_was_never_asked_changes_nothing():
    account = a_ledger(GRANT)
    assert most_protective(account, Ledger.empty()) == account == most_protective(account)


def test_the_account_s_own_refusal_is_the_one_that_is_told():
    own, device = refusal(record_id="own"), refusal(record_id="device", at_ms=GRANT.at_ms + 5)
    assert most_protective(a_ledger(own), a_ledger(device)).get(PROFILED).record_id == "own"


def test_a_restriction_on_either_side_holds():
    restricted = a_ledger(refusal(Status.RESTRICTED, purpose=WHOLE_SUBJECT))
    merged = most_protective(a_ledger(GRANT), restricted)
    assert merged.restriction_at(GRANT.at_ms) is not None


def test_a_restriction_that_was_lifted_on_one_side_holds_on_the_other():
    restricted = refusal(Status.RESTRICTED, purpose=WHOLE_SUBJECT)
    lifted = refusal(Status.RESTRICTION_LIFTED, purpose=WHOLE_SUBJECT, at_ms=GRANT.at_ms - 1)
    for first, beside in ((restricted, lifted), (lifted, restricted)):
        merged = most_protective(a_ledger(GRANT, first), a_ledger(beside))
        assert merged.restriction_at(GRANT.at_ms) is not None


def test_confirming_on_the_device_takes_its_refusal_back_to_neutral_and_grants_nothing():
    device = a_ledger(refusal(at_ms=GRANT.at_ms + 10))
    (neutral,) = confirmed_here(device, [GRANT], ["new"])
    after = a_ledger(refusal(at_ms=GRANT.at_ms + 10), neutral)
    assert after.get(PROFILED).status is Status.OBJECTION_NOT_RAISED
    assert most_protective(a_ledger(GRANT), after).get(PROFILED).grants


@pytest.mark.parametrize(
    "chosen",
    [refusal(), replace(GRANT, actor="import:tcf"), replace(GRANT, purpose="third_party_sharing")],
    ids=["a refusal", "an import", "another purpose"],
)
def test_nothing_but_the_person_s_own_grant_confirms(chosen):
    assert confirmed_here(a_ledger(refusal()), [chosen], ["new"]) == ()


def test_there_is_nothing_to_confirm_where_nothing_was_refused():
    assert confirmed_here(a_ledger(GRANT), [GRANT], ["new"]) == ()
