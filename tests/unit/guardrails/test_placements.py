import pytest

from engine.vocabulary import Intent
from guardrails.placements import DEFAULT_PLACEMENTS
from guardrails.rules.base import MICRO

by_name = pytest.mark.parametrize("placement", DEFAULT_PLACEMENTS, ids=lambda each: each.name)


def named(condition):
    return {each.name for each in DEFAULT_PLACEMENTS if condition(each)}


def test_no_two_placements_share_a_name():
    assert len(named(bool)) == len(DEFAULT_PLACEMENTS)


@by_name
def test_every_placement_can_show_something_to_anybody(placement):
    assert placement.max_count >= 1
    assert Intent.POPULAR in placement.intents
    assert 0 < placement.prominence_micro <= MICRO


@by_name
def test_only_what_goes_with_an_item_or_a_basket_sells_on(placement):
    sells_on = placement.intents & {Intent.CROSS_SELL, Intent.UPSELL}
    assert bool(sells_on) == placement.anchored


def test_what_stops_a_customer_or_is_seen_by_others_is_known():
    assert named(lambda each: each.interruptive) == {"push", "modal"}
    assert named(lambda each: each.public) == {"push", "in_store"}


@by_name
def test_nothing_is_more_prominent_than_what_interrupts(placement):
    assert placement.interruptive == (placement.prominence_micro == MICRO)
