"""The ADPC header: consent to published requests, withdrawal, objection."""

from __future__ import annotations

import pytest
from support.signals import (
    CONTACT,
    GIVEN,
    LIMITED,
    OBJECTED,
    OFFERS,
    PERFORMANCE,
    PROFILED,
    PROFILING,
    WITHDRAWN,
    grants,
    said,
)

from guardrails.consent.signals.adpc import read_adpc
from guardrails.consent.signals.reading import CONSENT_PURPOSES, SignalSettings
from guardrails.errors import SignalError

SETTINGS = SignalSettings(
    known_requests={
        "q1analytics": PERFORMANCE,
        "q2recommendation": PROFILED,
        "https://example.com/ns/#profile": PROFILING,
        "q3": OFFERS,
        "q4": "sensitive.health",
        "q5again": PROFILED,
        "q6": LIMITED,
        "q7": "essential.service",
    }
)


def test_consent_is_given_to_published_requests_only():
    reading = read_adpc('consent="q1analytics q2recommendation q9"', SETTINGS)
    assert said(reading) == {PERFORMANCE: GIVEN, PROFILED: GIVEN}
    assert reading.notes == ("consent requests that are not known here: 1",)
    assert read_adpc("consent=q1analytics", SignalSettings()).answers == ()


def test_one_identifier_needs_no_quotes_and_may_be_an_address():
    assert said(read_adpc("withdraw=q1analytics", SETTINGS)) == {PERFORMANCE: WITHDRAWN}
    assert said(read_adpc("consent=https://example.com/ns/#profile", SETTINGS)) == {PROFILING: GIVEN}


def test_withdrawing_everything_withdraws_every_consent_and_objects_to_nothing():
    reading = read_adpc("withdraw=*", SETTINGS)
    assert said(reading) == dict.fromkeys(CONSENT_PURPOSES, WITHDRAWN)
    assert LIMITED not in said(reading)


def test_specific_consent_stands_beside_a_general_withdrawal():
    reading = read_adpc('withdraw=*, consent="q1analytics q2recommendation"', SETTINGS)
    assert grants(reading) == {PERFORMANCE, PROFILED}
    assert set(said(reading)) == set(CONSENT_PURPOSES)


def test_a_request_both_consented_to_and_withdrawn_is_withdrawn():
    assert said(read_adpc("withdraw=q2recommendation, consent=q2recommendation", SETTINGS)) == {
        PROFILED: WITHDRAWN
    }
    assert said(read_adpc("consent=q2recommendation,withdraw=q5again", SETTINGS)) == {PROFILED: WITHDRAWN}


def test_objecting_to_direct_marketing_closes_offers_and_contact_and_outweighs_consent():
    reading = read_adpc("object=direct-marketing, consent=q3", SETTINGS)
    assert said(reading) == dict.fromkeys([OFFERS, *CONTACT], OBJECTED)


def test_withdrawal_and_objection_may_be_combined():
    statuses = said(read_adpc("withdraw=*, object=direct-marketing", SETTINGS))
    assert statuses[OFFERS] is OBJECTED
    assert statuses[PROFILING] is WITHDRAWN


def test_an_objection_of_another_kind_is_noted():
    reading = read_adpc("object=telepathy", SETTINGS)
    assert reading.answers == ()
    assert reading.notes == ("an objection of a kind that is not known has no effect",)


def test_sensitive_data_is_withdrawn_and_never_granted():
    assert said(read_adpc("withdraw=q4", SETTINGS)) == {"sensitive.health": WITHDRAWN}
    reading = read_adpc("consent=q4", SETTINGS)
    assert reading.answers == ()
    assert reading.notes == ("sensitive data needs an express statement: no signal grants it",)
    assert said(read_adpc("withdraw=*, consent=q4", SETTINGS))["sensitive.health"] is WITHDRAWN


def test_what_stands_without_consent_can_be_taken_back_and_the_essential_service_cannot():
    assert said(read_adpc("withdraw=q6", SETTINGS)) == {LIMITED: WITHDRAWN}
    for header in ("withdraw=q7", "consent=q7"):
        reading = read_adpc(header, SETTINGS)
        assert reading.answers == ()
        assert reading.notes == ("consent requests that are not known here: 1",)


@pytest.mark.parametrize("header", ["consent=", 'consent=""', "withdraw=", "object=", "consent= , withdraw="])
def test_an_empty_list_decides_nothing(header):
    assert read_adpc(header, SETTINGS).answers == ()


def test_blanks_and_repetitions_do_not_matter():
    header = ' consent="  q1analytics   q1analytics " ,consent=q2recommendation '
    assert grants(read_adpc(header, SETTINGS)) == {PERFORMANCE, PROFILED}


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"withdraw=*",
        "",
        "withdraw",
        "withdraw=*,",
        ",withdraw=*",
        "withdraw=*, ,object=direct-marketing",
        "withdraw=q1 q2",
        'withdraw="q1',
        'withdraw=q1"',
        'withdraw="q1"q2',
        r'withdraw="q\1"',
        "Withdraw=*",
        "revoke=*",
        "withdraw =*",
        "consent=*",
        'withdraw=*, consent="q1analytics *"',
        "withdraw=*\tconsent=q1analytics",
        "withdraw=\u2217",
        "withdraw=" + "q" * 8192,
    ],
    ids=range(20),
)
def test_a_malformed_header_is_refused(header):
    with pytest.raises(SignalError):
        read_adpc(header, SETTINGS)
