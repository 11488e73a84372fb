"""A "no" said at one counter holds at all of them, and nothing that holds back asks where it came from."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.shops import (
    EVERYTHING,
    NOW_MS,
    PLACEMENTS,
    REGULAR,
    a_catalogue,
    a_ledger,
    a_request,
    decided,
    did,
    knowing,
    was_shown,
)

from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Kind
from guardrails.consent.purposes import OUTBOUND, communications_key
from guardrails.exposures import Exposure
from guardrails.holding import Hold
from guardrails.policy.limits import HoldLimits
from guardrails.request import Choices, Mute

ANYWHERE = Choices(a_ledger(*EVERYTHING, *map(communications_key, OUTBOUND)))
NOON = 12 * 60


def asking(placement: str, channel: Channel):
    return a_request(placement, channel=channel, local_minute=NOON, count=20)


def verdicts(decision) -> list[tuple]:
    return [
        (taken.basis, taken.candidates.item_idx.tolist(), taken.judged.effect.tolist())
        for taken in decision.rounds
    ]


RETURNS = st.lists(
    st.tuples(st.sampled_from(a_catalogue().item_ids), st.integers(0, 179)), min_size=1, max_size=4
)
CHANNELS = st.lists(st.sampled_from(Channel), min_size=4, max_size=4)
WHERE = st.lists(st.sampled_from(sorted(PLACEMENTS)), min_size=3, max_size=3)


@pytest.mark.parametrize("record", [Mute, Hold, Exposure], ids=lambda record: record.__name__)
def test_what_holds_back_does_not_even_know_a_channel_or_a_place(record):
    assert not {"channel", "placement"} & {field.name for field in fields(record)}


@given(RETURNS, CHANNELS, CHANNELS)
def test_a_return_counts_the_same_whichever_counter_took_it(returned, here, there):
    def judged(channels):
        returns = [
            did(item, Kind.RETURN, age_days=days, channel=channel)
            for (item, days), channel in zip(returned, channels, strict=False)
        ]
        return verdicts(decided(a_request(count=20), ANYWHERE, knowing([*REGULAR, *returns])))

    assert judged(here) == judged(there)


@given(
    st.sampled_from([("home", Channel.WEB), ("home", Channel.APP), ("email", Channel.EMAIL)]),
    st.integers(0, HoldLimits().dismissed_days),
)
def test_what_was_waved_off_in_one_place_is_shown_in_none(asked, days):
    request = asking(*asked)
    first = decided(request, ANYWHERE, knowing(REGULAR)).suggestions[0].item_idx
    waved_off = was_shown(first, at_ms=NOW_MS - days * DAY_MS, dismissed=True)
    after = decided(request, ANYWHERE, knowing(REGULAR, exposures=[waved_off]))
    assert after.suggestions
    assert first not in {each.item_idx for each in after.suggestions}
