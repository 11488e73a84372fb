"""Who gets a challenger: a fair share, always the same, and more of them only when the share is raised."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from support.tries import tries

from guardrails.arms import arm_of
from guardrails.house import Arm
from guardrails.policy.charter import MICRO

VERSIONS = st.text("0123456789abcdef", min_size=64, max_size=64)
SHARES = st.integers(0, MICRO)
KEYS = st.binary(min_size=16, max_size=16)
N_SUBJECTS = 4_000
DEVIATIONS = 6
"""Fewer than one version in 500 million is farther off than this, so no run of the tests is."""


def challenged(version: str, share_micro: int) -> set[int]:
    keys = (number.to_bytes(16, "big") for number in range(N_SUBJECTS))
    arms = (arm_of(version, share_micro, key) for key in keys)
    return {number for number, arm in enumerate(arms) if arm is Arm.CHALLENGER}


@tries(20)
@given(VERSIONS, SHARES)
def test_the_share_of_subjects_is_that_which_was_asked_for(version, share_micro):
    share = share_micro / MICRO
    deviation = math.sqrt(N_SUBJECTS * share * (1 - share))
    assert abs(len(challenged(version, share_micro)) - N_SUBJECTS * share) <= DEVIATIONS * deviation + 1e-6


@given(VERSIONS, KEYS, SHARES, SHARES)
def test_a_larger_share_only_ever_moves_subjects_to_the_challenger(version, key, one, other):
    smaller, larger = sorted((one, other))
    if arm_of(version, smaller, key) is Arm.CHALLENGER:
        assert arm_of(version, larger, key) is Arm.CHALLENGER


@given(VERSIONS, KEYS, SHARES)
def test_the_arm_of_a_subject_stays_the_same(version, key, share_micro):
    assert arm_of(version, share_micro, key) is arm_of(version, share_micro, bytes(key))


@given(VERSIONS, KEYS)
def test_no_share_is_nobody_and_the_whole_is_everybody(version, key):
    assert arm_of(version, 0, key) is Arm.CHAMPION
    assert arm_of(version, MICRO, key) is Arm.CHALLENGER


@given(VERSIONS, SHARES)
def test_nobody_known_is_the_champions(version, share_micro):
    assert arm_of(version, share_micro, None) is Arm.CHAMPION


@tries(10)
@given(VERSIONS, VERSIONS)
def test_two_challengers_share_subjects_out_independently(one, other):
    if one == other:
        return
    half = MICRO // 2
    both = len(challenged(one, half) & challenged(other, half))
    assert abs(both - N_SUBJECTS / 4) <= DEVIATIONS * math.sqrt(N_SUBJECTS * 3 / 16)


def test_the_arm_of_a_subject_is_the_same_in_every_version_of_this_program():
    """The digest begins with 5528974a22bd87b5, which is 332,650.6 millionths of all there are."""
    assert arm_of("a" * 64, 332_650, bytes(16)) is Arm.CHAMPION
    assert arm_of("a" * 64, 332_651, bytes(16)) is Arm.CHALLENGER
