"""Ketch: a state and a legal basis for each purpose code."""

from __future__ import annotations

import pytest
from support.signals import EMAIL, GIVEN, NOT_OBJECTED, OBJECTED, OFFERS, PROFILED, REFUSED, SHARING, said

from guardrails.consent.signals.ketch import read_ketch
from guardrails.consent.signals.reading import SignalSettings
from guardrails.errors import SignalError

SETTINGS = SignalSettings()
DOCUMENTED = {
    "controller": "axonic",
    "property": "axonic.io",
    "environment": "production",
    "regulation": "gdpr",
    "jurisdiction": "eugdpr",
    "identities": [{"identitySpace": "account_id", "identityFormat": "raw", "identityValue": "123"}],
    "purposes": {"advertising": "granted", "data_sales": "granted", "email_mktg": "denied"},
    "legalBasis": {
        "advertising": "consent_optin",
        "data_sales": "consent_optout",
        "email_mktg": "disclosure",
    },
    "vendors": ["79"],
    "context": {"account_id": "123"},
    "collectedAt": 1_700_000_000,
}


def ketch(state, basis, code="advertising") -> dict[str, object]:
    return {"purposes": {code: state}, "legalBasis": {code: basis}}


def test_the_example_of_the_documentation_is_read():
    reading = read_ketch(DOCUMENTED, SETTINGS)
    assert said(reading) == {OFFERS: GIVEN, EMAIL: OBJECTED, SHARING: NOT_OBJECTED}
    assert reading.at_ms == 1_700_000_000_000
    assert {answer.at_ms for answer in reading.answers} == {reading.at_ms}
    assert "123" not in repr(reading.notes)


@pytest.mark.parametrize(
    ("state", "basis", "status"),
    [
        ("granted", "consent_optin", GIVEN),
        ("granted", "consent_optout", NOT_OBJECTED),
        ("granted", "disclosure", None),
        ("granted", "other", None),
        ("denied", "consent_optin", REFUSED),
        ("denied", "consent_optout", OBJECTED),
        ("denied", "disclosure", OBJECTED),
        ("denied", "other", OBJECTED),
    ],
)
def test_only_an_opt_in_is_consent(state, basis, status):
    reading = read_ketch(ketch(state, basis), SETTINGS)
    assert said(reading).get(OFFERS) is status
    assert bool(reading.notes) is (status is None)


def test_a_code_the_shop_did_not_explain_has_no_effect():
    reading = read_ketch(ketch("granted", "consent_optin", "mine"), SETTINGS)
    assert reading.answers == ()
    assert reading.notes == ("purpose codes that stand for nothing here: 1",)
    explained = SignalSettings(ketch_purposes={"mine": PROFILED})
    assert said(read_ketch(ketch("granted", "consent_optin", "mine"), explained)) == {PROFILED: GIVEN}


def test_two_codes_for_one_purpose_leave_the_more_protective_answer():
    settings = SignalSettings(ketch_purposes={"one": PROFILED, "other": PROFILED})
    value = {
        "purposes": {"one": "granted", "other": "denied"},
        "legalBasis": {"one": "consent_optin", "other": "consent_optin"},
    }
    assert said(read_ketch(value, settings)) == {PROFILED: REFUSED}


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"purposes": {}},
        {"purposes": [], "legalBasis": {}},
        ketch("allowed", "consent_optin"),
        ketch(True, "consent_optin"),
        ketch("granted", "legitimate_interest"),
        ketch("granted", None),
        {"purposes": {"advertising": "granted"}, "legalBasis": {}},
        ketch("granted", "consent_optin") | {"more": 1},
        ketch("granted", "consent_optin") | {"collectedAt": "now"},
        ketch("granted", "consent_optin") | {"collectedAt": True},
        ketch("granted", "consent_optin") | {"collectedAt": -1},
        ketch("granted", "consent_optin") | {"collectedAt": 10**12},
        ketch("granted", "consent_optin") | {"context": {"x": object()}},
    ],
    ids=range(15),
)
def test_what_is_not_known_is_refused(value):
    with pytest.raises(SignalError):
        read_ketch(value, SETTINGS)
