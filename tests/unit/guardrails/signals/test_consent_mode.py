"""Google Consent Mode: what its toggles open, and how little."""

from __future__ import annotations

import pytest
from support.signals import (
    GIVEN,
    OFFERS,
    PERFORMANCE,
    PROFILED,
    PROFILING,
    REFUSED,
    SHARING,
    STORAGE,
    answer_to,
    grants,
    said,
)

from engine.vocabulary import Channel
from guardrails.consent.signals.consent_mode import read_consent_mode
from guardrails.consent.signals.reading import SignalSettings
from guardrails.errors import SignalError

PLAIN = SignalSettings()
DECLARED = SignalSettings(profiling_declaration="declaration-1")
ALL = (
    "ad_storage",
    "ad_user_data",
    "ad_personalization",
    "analytics_storage",
    "functionality_storage",
    "personalization_storage",
    "security_storage",
)
OFF_SITE = frozenset({Channel.OFFSITE_ADS})
ON_SITE = frozenset(Channel) - OFF_SITE


def test_everything_granted_opens_no_profile():
    reading = read_consent_mode(dict.fromkeys(ALL, "granted"), PLAIN)
    assert grants(reading) == {STORAGE, OFFERS, SHARING, PERFORMANCE}
    assert len(reading.notes) == 3


def test_a_declared_text_lets_the_personalisation_toggle_grant_profiling():
    reading = read_consent_mode({"personalization_storage": "granted"}, DECLARED)
    assert said(reading) == {STORAGE: GIVEN, PROFILING: GIVEN, PROFILED: GIVEN}
    assert reading.notes == ()


@pytest.mark.parametrize("settings", [PLAIN, DECLARED])
def test_refused_personalisation_storage_closes_the_profile_declared_or_not(settings):
    reading = read_consent_mode({"personalization_storage": "denied"}, settings)
    assert said(reading) == {STORAGE: REFUSED, PROFILING: REFUSED, PROFILED: REFUSED}


@pytest.mark.parametrize(("toggle", "purpose"), [("ad_user_data", SHARING), ("ad_personalization", OFFERS)])
def test_what_is_granted_for_googles_adverts_is_granted_off_site_only(toggle, purpose):
    granted = answer_to(read_consent_mode({toggle: "granted"}, DECLARED), purpose)
    assert (granted.status, granted.channels) == (GIVEN, OFF_SITE)
    refused = answer_to(read_consent_mode({toggle: "denied"}, DECLARED), purpose)
    assert (refused.status, refused.channels) == (REFUSED, None)


@pytest.mark.parametrize(
    ("toggles", "status", "channels"),
    [
        ({"personalization_storage": "granted"}, GIVEN, ON_SITE),
        ({"personalization_storage": "granted", "ad_storage": "denied"}, GIVEN, ON_SITE),
        ({"personalization_storage": "granted", "ad_storage": "granted"}, GIVEN, ON_SITE | OFF_SITE),
        ({"personalization_storage": "granted", "functionality_storage": "denied"}, REFUSED, None),
        ({"personalization_storage": "denied", "ad_storage": "granted"}, REFUSED, None),
        ({"ad_storage": "granted"}, GIVEN, OFF_SITE),
        ({"ad_storage": "denied"}, REFUSED, None),
        ({"functionality_storage": "denied"}, REFUSED, None),
    ],
)
def test_three_toggles_speak_of_storage(toggles, status, channels):
    answer = answer_to(read_consent_mode(toggles, PLAIN), STORAGE)
    assert (answer.status, answer.channels) == (status, channels)


@pytest.mark.parametrize("name", ALL)
def test_a_toggle_that_is_not_set_says_nothing(name):
    assert read_consent_mode({}, DECLARED).answers == ()
    assert read_consent_mode({name: None}, DECLARED).answers == ()


@pytest.mark.parametrize("name", ["functionality_storage", "security_storage"])
def test_functions_and_security_grant_nothing(name):
    assert read_consent_mode({name: "granted"}, DECLARED).answers == ()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "granted",
        ["ad_storage"],
        {"ad_storage": "GRANTED"},
        {"ad_storage": True},
        {"ad_storage": 1},
        {"ad_storage": ["granted"]},
        {"ad_storage": "denied", "wait_for_update": 500},
        {1: "granted"},
    ],
)
def test_what_is_not_known_is_refused(value):
    with pytest.raises(SignalError):
        read_consent_mode(value, DECLARED)
