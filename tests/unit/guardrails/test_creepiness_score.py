from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from guardrails.creepiness.score import (
    DEFAULT_WEIGHTS,
    DIMENSION_NAMES,
    MICRO,
    MITIGATOR_NAMES,
    Dimensions,
    Weights,
    creepiness,
    parts,
)
from guardrails.policy.limits import ScoreLimits
from guardrails.rules.base import Effect
from guardrails.rules.g31_creepiness_score import effect_of

K = dict(zip((f"K{number}" for number in range(1, 12)), DIMENSION_NAMES, strict=True))
HERE, STATED, REASON, CONTROLS = MITIGATOR_NAMES

WORKED = {
    "product page cross-sell of 15 % of the basket, same visit, reason and controls": (
        {"K3": 0.3, "K5": 0.15, "K10": 0.167},
        {HERE, REASON, CONTROLS},
        (0.118, Effect.ALLOW),
    ),
    "the same without reason or controls": (
        {"K3": 0.3, "K4": 0.4, "K5": 0.15, "K10": 0.167},
        {HERE},
        (0.260, Effect.ALLOW),
    ),
    "e-mail, the very item seen 10 days ago, ignored twice, no reason": (
        {"K2": 0.4, "K3": 0.15, "K4": 0.4, "K5": 0.7, "K6": 0.333, "K7": 0.4},
        set(),
        (0.782, Effect.BLOCK),
    ),
    "the same evidence, its category only, reason and controls": (
        {"K2": 0.4, "K3": 0.15, "K6": 0.333, "K7": 0.4},
        {REASON, CONTROLS},
        (0.357, Effect.EXPLAIN),
    ),
    "checkout upsell 40 % dearer, latent, no reason": (
        {"K3": 0.45, "K4": 0.4, "K5": 0.4, "K10": 0.75},
        set(),
        (0.706, Effect.BLOCK),
    ),
    "product page upsell 18 % dearer, latent, reason and controls": (
        {"K3": 0.45, "K5": 0.15, "K10": 0.2},
        {REASON, CONTROLS},
        (0.247, Effect.ALLOW),
    ),
    "modal, similar item, ignored four times, latent, no reason": (
        {"K3": 0.45, "K4": 0.4, "K5": 0.5, "K7": 0.8},
        set(),
        (0.740, Effect.BLOCK),
    ),
    "third-party segment, product page, brand level, reason and controls": (
        {"K2": 1, "K3": 1, "K5": 0.09},
        {REASON, CONTROLS},
        (0.579, Effect.GENERALISE),
    ),
    "tier 1 on a shared device, own purchase 60 days ago, reason and controls": (
        {"K1": 0.35, "K2": 0.1, "K3": 0.3, "K5": 0.15, "K6": 0.164, "K8": 0.7},
        {REASON, CONTROLS},
        (0.484, Effect.EXPLAIN),
    ),
    "home page, latent, purchases of 90 days, no reason": (
        {"K2": 0.1, "K3": 0.45, "K4": 0.4, "K5": 0.1, "K6": 0.247},
        set(),
        (0.505, Effect.EXPLAIN),
    ),
    "home page, latent, purchases of 90 days, reason and controls": (
        {"K2": 0.1, "K3": 0.45, "K5": 0.1, "K6": 0.247},
        {REASON, CONTROLS},
        (0.257, Effect.ALLOW),
    ),
    "wish list item back in stock, e-mail, stated, reason and controls": (
        {"K2": 0.4, "K5": 0.7},
        {STATED, REASON, CONTROLS},
        (0.275, Effect.ALLOW),
    ),
}


def of(
    levels: dict[str, float], mitigators: set[str] = frozenset(), *, sensitive: bool = False
) -> Dimensions:
    """One candidate; what is not named is 0."""
    named = {K[k]: np.array([float(value)]) for k, value in levels.items()}
    return Dimensions(
        **{name: named.get(name, np.zeros(1)) for name in DIMENSION_NAMES},
        **{name: np.array([name in mitigators]) for name in MITIGATOR_NAMES},
        sensitive=np.array([sensitive]),
    )


@pytest.mark.parametrize(("levels", "mitigators", "expected"), WORKED.values(), ids=WORKED.keys())
def test_the_worked_values_come_out(levels, mitigators, expected):
    score = creepiness(of(levels, mitigators))
    assert score[0] / MICRO == pytest.approx(expected[0], abs=0.001)
    assert effect_of(score, ScoreLimits())[0][0] == expected[1]


@pytest.mark.parametrize(
    ("score", "effect", "limit"),
    [
        (0, Effect.ALLOW, 350_000),
        (349_999, Effect.ALLOW, 350_000),
        (350_000, Effect.EXPLAIN, 350_000),
        (549_999, Effect.EXPLAIN, 350_000),
        (550_000, Effect.GENERALISE, 550_000),
        (699_999, Effect.GENERALISE, 550_000),
        (700_000, Effect.BLOCK, 700_000),
        (1_000_000, Effect.BLOCK, 700_000),
    ],
)
def test_each_threshold_belongs_to_the_stricter_side(score, effect, limit):
    effects, limits = effect_of(np.array([score]), ScoreLimits())
    assert (effects[0], limits[0]) == (effect, limit)


def test_nothing_observed_scores_nothing():
    assert creepiness(of({})).tolist() == [0]


def test_everything_at_its_worst_stays_a_share():
    worst = of(dict.fromkeys(K, 1.0))
    assert 990_000 < creepiness(worst)[0] <= MICRO


def test_mitigation_of_sensitive_things_is_capped_at_a_quarter():
    levels = {"K1": 0.7, "K3": 0.3}
    bare = creepiness(of(levels, sensitive=True))[0]
    softened = creepiness(of(levels, set(MITIGATOR_NAMES), sensitive=True))[0]
    assert softened == pytest.approx(bare * 0.75, abs=1)


def test_less_mitigation_than_the_cap_counts_as_it_is():
    levels = {"K1": 1.0}
    assert creepiness(of(levels, {CONTROLS}, sensitive=True)) == creepiness(of(levels, {CONTROLS}))


@pytest.mark.parametrize("name", DIMENSION_NAMES)
def test_a_single_dimension_scores_its_weight(name):
    short = next(k for k, long in K.items() if long == name)
    assert creepiness(of({short: 1.0}))[0] == getattr(DEFAULT_WEIGHTS, name)


def test_parts_go_to_who_earned_them():
    split = parts(of({"K1": 0.5, "K8": 0.5}))
    assert split[[0, 7], 0].tolist() == [0.4 / 0.7 * 580_000 // 1 + 1, 0.3 / 0.7 * 580_000 // 1]
    assert split.sum() == 580_000 == creepiness(of({"K1": 0.5, "K8": 0.5}))[0]


def test_parts_of_nothing_are_nothing():
    assert not parts(of({})).any()


def test_parts_of_no_candidates_are_none():
    nobody = of({})
    nobody = replace(nobody, **{f.name: getattr(nobody, f.name)[:0] for f in fields(nobody)})
    assert parts(nobody).shape == (len(DIMENSION_NAMES), 0)


def test_weights_carry_a_version():
    assert replace(Weights(), version="softer", audience=100_000).version == "softer"
    assert Weights().version
