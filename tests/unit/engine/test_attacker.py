"""The attacker finds what is there, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from engine.evaluation.attacker import Leak, _auc, attack, features

N_CUSTOMERS, N_ITEMS = 500, 40
GROUP = (np.arange(N_ITEMS) // 10).astype(np.int32)


def seen(random, told=None):
    """Slates of ten by chance; of whom something is told, the last place is item 0."""
    lists = [
        random.choice(np.arange(1, N_ITEMS), 10, replace=False).astype(np.int32) for _ in range(N_CUSTOMERS)
    ]
    if told is not None:
        for slate in (each for each, tells in zip(lists, told, strict=True) if tells):
            slate[-1] = 0
    return features(lists, [np.ones(10)] * N_CUSTOMERS, GROUP)


@pytest.fixture
def random():
    return np.random.default_rng(11)


@pytest.fixture
def truth(random):
    return random.random(N_CUSTOMERS) < 0.3


def test_chance_tells_nothing(random, truth):
    leak = attack(seen(random), truth, 0)
    assert leak.may_be_chance
    assert abs(leak.auc - 0.5) < 0.08


def test_a_leak_is_found(random, truth):
    leak = attack(seen(random, truth), truth, 0)
    assert leak.auc > 0.95
    assert not leak.may_be_chance
    assert leak.low <= leak.auc <= leak.high <= 1


def test_a_leak_of_half_of_them_is_found_by_half(random, truth):
    leak = attack(seen(random, truth & (random.random(N_CUSTOMERS) < 0.5)), truth, 0)
    assert leak.low < 0.75 < leak.high + 0.05
    assert not leak.may_be_chance


def test_the_same_slate_for_everybody_is_a_coin(truth):
    slates = [np.arange(5, dtype=np.int32)] * N_CUSTOMERS
    leak = attack(features(slates, [np.ones(5)] * N_CUSTOMERS, GROUP), truth, 0)
    assert leak.auc == pytest.approx(0.5, abs=0.02)
    assert leak.may_be_chance


def test_the_same_seed_gives_the_same_answer(random, truth):
    features_seen = seen(random, truth)
    assert attack(features_seen, truth, 3) == attack(features_seen, truth, 3)


def test_the_area_is_that_of_scikit_learn_also_with_ties_and_weights(random, truth):
    guess = np.round(random.random(N_CUSTOMERS) + 0.2 * truth, 1)
    times = random.integers(0, 4, (3, N_CUSTOMERS))
    expected = [roc_auc_score(truth, guess, sample_weight=each) for each in times]
    assert _auc(guess, truth, times) == pytest.approx(expected)


def test_an_interval_around_a_half_may_be_chance():
    assert Leak(0.52, 0.49, 0.55).may_be_chance
    assert not Leak(0.53, 0.51, 0.55).may_be_chance
    assert not Leak(0.45, 0.41, 0.49).may_be_chance


def test_what_few_have_been_shown_is_no_feature_and_an_empty_slate_is_none():
    lists = [np.array([0], np.int32)] * 3 + [np.array([1], np.int32)] * 2 + [np.empty(0, np.int32)]
    values = [np.full(each.size, 0.5) for each in lists]
    columns = features(lists, values, np.full(N_ITEMS, -1, np.int32)).toarray()
    assert columns.shape == (6, 3)  # item 0, how prominent it is, and the one group that nothing belongs to
    assert columns[:, 0].tolist() == [1, 1, 1, 0, 0, 0]
    assert columns[:, 1].tolist() == [0.5, 0.5, 0.5, 0, 0, 0]
