"""Shopify visitor consent: four choices, two of them read narrowly."""

from __future__ import annotations

import pytest
from support.signals import (
    CONTACT,
    GIVEN,
    NOT_OBJECTED,
    OBJECTED,
    OFFERS,
    PERFORMANCE,
    REFUSED,
    SHARING,
    STORAGE,
    UNKNOWN,
    grants,
    said,
)

from guardrails.consent.signals.reading import SignalSettings
from guardrails.consent.signals.shopify import read_shopify
from guardrails.errors import SignalError

SETTINGS = SignalSettings(profiling_declaration="declaration-1")
YES, NO, NOTHING = (True, "yes"), (False, "no"), (None, "")


@pytest.mark.parametrize("yes", YES)
def test_yes_to_everything_opens_neither_contact_nor_sharing_nor_a_profile(yes):
    choices = dict.fromkeys(("analytics", "marketing", "preferences", "saleOfData"), yes)
    reading = read_shopify(choices, SETTINGS)
    assert grants(reading) == {STORAGE, OFFERS, PERFORMANCE}
    assert said(reading)[SHARING] is NOT_OBJECTED
    assert reading.notes == ("contact needs consent for each channel: marketing grants none",)


@pytest.mark.parametrize("no", NO)
def test_no_to_marketing_closes_offers_and_every_channel_of_contact(no):
    reading = read_shopify({"marketing": no}, SETTINGS)
    assert said(reading) == dict.fromkeys([OFFERS, *CONTACT], REFUSED)


@pytest.mark.parametrize("name", ["saleOfData", "sale_of_data"])
@pytest.mark.parametrize("no", NO)
def test_no_to_the_sale_of_data_is_an_objection(name, no):
    assert said(read_shopify({name: no}, SETTINGS)) == {SHARING: OBJECTED}


@pytest.mark.parametrize(
    ("name", "purposes"),
    [
        ("analytics", [PERFORMANCE]),
        ("preferences", [STORAGE]),
        ("marketing", [OFFERS, *CONTACT]),
        ("saleOfData", [SHARING]),
    ],
)
@pytest.mark.parametrize("nothing", NOTHING)
def test_a_choice_not_made_is_not_known(name, purposes, nothing):
    assert said(read_shopify({name: nothing}, SETTINGS)) == dict.fromkeys(purposes, UNKNOWN)


def test_single_choices_answer_their_own_purpose():
    assert said(read_shopify({"analytics": "yes"}, SETTINGS)) == {PERFORMANCE: GIVEN}
    assert said(read_shopify({"preferences": "no"}, SETTINGS)) == {STORAGE: REFUSED}
    assert read_shopify({}, SETTINGS).answers == ()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "yes",
        [True],
        {"marketing": 1},
        {"marketing": 0},
        {"marketing": "true"},
        {"marketing": [True]},
        {"email": True},
        {"saleOfData": True, "sale_of_data": "yes"},
    ],
)
def test_what_is_not_known_is_refused(value):
    with pytest.raises(SignalError):
        read_shopify(value, SETTINGS)
