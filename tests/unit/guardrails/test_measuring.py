"""Nobody is measured who did not agree to it, or objected where the shop does not ask."""

import pytest
from support.shops import NOW_MS, a_ledger, an_event

from engine.vocabulary import Channel
from guardrails.consent.events import Status
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.measuring import may_be_measured
from guardrails.request import Choices

KEY = KEY_OF[Purpose.PERFORMANCE]
ON_CONSENT = ConsentSettings()
ON_INTEREST = ConsentSettings(legitimate_interest=frozenset({Purpose.PERFORMANCE}))


def choices(status=None, purpose=KEY, **more):
    events = [] if status is None else [an_event(purpose, status=status, **more)]
    return Choices(a_ledger(but=events))


def measured(given, settings=ON_CONSENT, channel=Channel.WEB, **more):
    return may_be_measured(given, settings, NOW_MS, channel, **more)


def test_it_is_off_until_it_is_agreed_to():
    assert not measured(choices())
    assert measured(choices(Status.CONSENT_GIVEN))
    assert not measured(choices(Status.CONSENT_WITHDRAWN))


def test_where_the_shop_rests_it_on_its_interest_it_is_on_until_it_is_objected_to():
    assert measured(choices(), ON_INTEREST)
    assert not measured(choices(Status.OBJECTION_RAISED), ON_INTEREST)


def test_other_consents_do_not_allow_it():
    assert not measured(choices(Status.CONSENT_GIVEN, KEY_OF[Purpose.PROFILING]))


def test_choices_that_could_not_be_read_allow_nothing():
    assert not measured(Choices(ledger=None), ON_INTEREST)


def test_consent_for_one_channel_says_nothing_of_another():
    bound = choices(Status.CONSENT_GIVEN, channels=frozenset({int(Channel.WEB)}))
    assert measured(bound)
    assert not measured(bound, channel=Channel.EMAIL)


@pytest.mark.parametrize("gpc", [True, False])
def test_the_privacy_signal_is_not_about_measuring_ones_own_suggestions(gpc):
    assert measured(choices(Status.CONSENT_GIVEN), gpc=gpc)
