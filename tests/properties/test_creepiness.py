from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from guardrails.creepiness.score import (
    DIMENSION_NAMES,
    MICRO,
    MITIGATOR_NAMES,
    Dimensions,
    Weights,
    creepiness,
    parts,
)

SHARES = st.floats(0.0, 1.0)


@st.composite
def some_dimensions(draw) -> Dimensions:
    n = draw(st.integers(1, 4))

    def column(values, dtype):
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype)

    return Dimensions(
        **{name: column(SHARES, np.float64) for name in DIMENSION_NAMES},
        **{name: column(st.booleans(), np.bool_) for name in MITIGATOR_NAMES},
        sensitive=column(st.booleans(), np.bool_),
    )


@given(some_dimensions())
def test_the_score_is_a_share(dimensions):
    score = creepiness(dimensions)
    assert score.dtype == np.int64
    assert np.all((score >= 0) & (score <= MICRO))


@given(some_dimensions(), st.sampled_from(DIMENSION_NAMES), SHARES)
def test_a_worse_dimension_never_lowers_the_score(dimensions, name, other):
    worse = replace(dimensions, **{name: np.maximum(getattr(dimensions, name), other)})
    assert np.all(creepiness(worse) >= creepiness(dimensions))


@given(some_dimensions(), st.sampled_from(MITIGATOR_NAMES))
def test_one_more_mitigator_never_raises_the_score(dimensions, name):
    softer = replace(dimensions, **{name: np.ones_like(dimensions.stated)})
    assert np.all(creepiness(softer) <= creepiness(dimensions))


@given(some_dimensions(), st.sampled_from((*MITIGATOR_NAMES, "mitigation_cap")), st.integers(0, MICRO))
def test_a_stronger_mitigator_never_raises_the_score(dimensions, name, strength):
    usual = Weights()
    stronger = replace(usual, **{name: max(strength, getattr(usual, name))})
    assert np.all(creepiness(dimensions, stronger) <= creepiness(dimensions, usual))


@given(some_dimensions(), st.sampled_from(DIMENSION_NAMES), st.integers(0, MICRO))
def test_a_heavier_weight_never_lowers_the_score(dimensions, name, weight):
    usual = Weights()
    heavier = replace(usual, **{name: max(weight, getattr(usual, name))})
    assert np.all(creepiness(dimensions, heavier) >= creepiness(dimensions, usual))


@given(some_dimensions())
def test_calling_a_thing_sensitive_never_lowers_its_score(dimensions):
    sensitive = replace(dimensions, sensitive=np.ones_like(dimensions.sensitive))
    assert np.all(creepiness(sensitive) >= creepiness(dimensions))


@given(some_dimensions())
def test_the_score_is_the_formula(dimensions):
    """The formula once more, one candidate at a time and in plain Python."""
    weights = Weights()
    for row, score in enumerate(creepiness(dimensions)):
        harmless = left = 1.0
        for name in DIMENSION_NAMES:
            harmless *= 1.0 - getattr(weights, name) / MICRO * float(getattr(dimensions, name)[row])
        for name in MITIGATOR_NAMES:
            left *= 1.0 - getattr(weights, name) / MICRO * bool(getattr(dimensions, name)[row])
        if dimensions.sensitive[row]:
            left = max(left, 1.0 - weights.mitigation_cap / MICRO)
        assert score == round((1.0 - harmless) * left * MICRO)


@given(some_dimensions())
def test_the_parts_add_up_to_the_score(dimensions):
    split = parts(dimensions)
    assert np.all(split >= 0)
    assert split.sum(axis=0).tolist() == creepiness(dimensions).tolist()


@given(some_dimensions(), st.sampled_from(DIMENSION_NAMES))
def test_a_dimension_that_is_zero_has_no_part(dimensions, name):
    without = replace(dimensions, **{name: np.zeros_like(getattr(dimensions, name))})
    if creepiness(without).all():
        assert not parts(without)[DIMENSION_NAMES.index(name)].any()
