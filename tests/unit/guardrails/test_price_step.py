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
