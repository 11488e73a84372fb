"""How far up a price goes stays a number that can be recorded, whatever a catalogue says."""

from __future__ import annotations

import pytest
from support.views import a_view

from engine.vocabulary import Intent
from guardrails.creepiness.price import MOST_MICRO, price_step
from guardrails.log.canonical import canonical
from guardrails.policy.limits import PriceLimits

DEAREST_MINOR = 10**12


@pytest.mark.parametrize(("anchor_minor", "expected"), [(1, MOST_MICRO), (DEAREST_MINOR // 2, 1_000_000)])
def test_the_share_is_exact_up_to_a_thousand_times_and_no_more(anchor_minor, expected):
    view = a_view(1, intent=[Intent.UPSELL], price_minor=[DEAREST_MINOR], anchor_price_minor=[anchor_minor])
    step = price_step(view, PriceLimits())
    assert step.share_micro.tolist() == [expected]
    assert canonical(step.share_micro)


def test_a_step_is_kept_for_the_limits_that_it_was_held_against_and_no_others():
    view = a_view(1, intent=[Intent.UPSELL], price_minor=[1_300], anchor_price_minor=[1_000])
    narrow, wide = (
        PriceLimits(upsell_soft_from_micro=100_000, upsell_hard_micro=hard) for hard in (300_000, 900_000)
    )
    first = price_step(view, narrow)
    assert price_step(view, narrow) is first
    assert price_step(view, wide).pressure_micro.tolist() == [250_000]
    assert price_step(view, narrow).pressure_micro.tolist() == first.pressure_micro.tolist() == [1_000_000]
