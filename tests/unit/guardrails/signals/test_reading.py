"""What every reading promises, and the one entrance to the decoders."""

from __future__ import annotations

from datetime import date

import pytest
from support.signals import (
    GIVEN,
    NOT_OBJECTED,
    OBJECTED,
    OFFERS,
    PROFILING,
    REFUSED,
    SHARING,
    STORAGE,
    UNKNOWN,
)

from engine.vocabulary import Channel
from guardrails.consent.purposes import entry_of
from guardrails.consent.signals.gpc import WELL_KNOWN_PATH, gpc_support
from guardrails.consent.signals.reading import (
    CONSENT_PURPOSES,
    KETCH_CODES,
    PURPOSE_KEYS,
    SignalAnswer,
    SignalSettings,
    arranged,
)
from guardrails.consent.signals.registry import SIGNALS, read_signal
from guardrails.errors import PolicyError, SignalError


@pytest.mark.parametrize("key", ["essential.service", "sensitive.health", "sensitive.weapons"])
def test_no_signal_can_grant_what_needs_no_consent_or_an_express_one(key):
    with pytest.raises(SignalError, match=key):
        SignalAnswer(key, GIVEN)
    assert not SignalAnswer(key, REFUSED).grants


def test_answers_come_in_the_order_of_the_register():
    answers = arranged([SignalAnswer(key, REFUSED) for key in reversed(PURPOSE_KEYS)])
    assert [answer.purpose for answer in answers] == list(PURPOSE_KEYS)


@pytest.mark.parametrize(
    ("one", "other", "left"),
    [
        (GIVEN, REFUSED, REFUSED),
        (GIVEN, OBJECTED, OBJECTED),
        (GIVEN, NOT_OBJECTED, NOT_OBJECTED),
        (GIVEN, UNKNOWN, GIVEN),
        (REFUSED, OBJECTED, OBJECTED),
    ],
)
def test_of_two_answers_the_more_protective_is_left(one, other, left):
    for pair in ((one, other), (other, one)):
        answers = arranged(SignalAnswer(SHARING, status) for status in pair)
        assert [answer.status for answer in answers] == [left]


def test_of_two_grants_the_narrower_is_left():
    narrow = SignalAnswer(OFFERS, GIVEN, frozenset({int(Channel.WEB)}))
    for pair in ((narrow, SignalAnswer(OFFERS, GIVEN)), (SignalAnswer(OFFERS, GIVEN), narrow)):
        assert arranged(pair) == (narrow,)


def test_consent_purposes_are_those_that_are_off_by_default():
    assert STORAGE in CONSENT_PURPOSES
    assert {key for key in PURPOSE_KEYS if entry_of(key).on_by_default}.isdisjoint(CONSENT_PURPOSES)


@pytest.mark.parametrize(
    "settings",
    [
        {"profiling_declaration": ""},
        {"known_requests": {"q1": "personalize.everything"}},
        {"ketch_purposes": {"mine": "personalize.content.limited"}},
        {"ketch_purposes": {"mine": "essential.service"}},
        {"ketch_purposes": {"mine": "sensitive.health"}},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(PolicyError):
        SignalSettings(**settings)


def test_the_codes_of_ketchs_documentation_are_known_unless_the_shop_names_its_own():
    assert SignalSettings().ketch_purposes == KETCH_CODES
    assert SignalSettings(ketch_purposes={"mine": PROFILING}).ketch_purposes == {"mine": PROFILING}


def test_every_kind_is_read_through_one_entrance():
    samples = {
        "tcf": "CQq5IMAQq5IMANwABBENCvFgAM0gAAAAAAYgAAAAAAAA.IAAA.caQAAAAAAAA",
        "gpp": "DBABTA~1YYN",
        "consent_mode": {"ad_storage": "denied"},
        "shopify": {"marketing": "no"},
        "xdm": {"consents": {"share": {"val": "n"}}},
        "ketch": {"purposes": {"data_sales": "denied"}, "legalBasis": {"data_sales": "consent_optout"}},
        "adpc": "withdraw=*",
    }
    assert set(samples) == set(SIGNALS)
    for kind, value in samples.items():
        reading = read_signal(kind, value, settings=SignalSettings())
        assert reading.signal == kind
        assert reading.answers
        assert len(reading.sha256) == 64


def test_an_unknown_kind_is_refused():
    with pytest.raises(SignalError, match="unknown kind"):
        read_signal("gpc", "1", settings=SignalSettings())


def test_a_site_says_that_it_honours_global_privacy_control():
    assert WELL_KNOWN_PATH == "/.well-known/gpc.json"
    assert gpc_support(date(2026, 3, 1)) == {"gpc": True, "lastUpdate": "2026-03-01"}
