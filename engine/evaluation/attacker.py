"""An attacker who sees what customers are shown and guesses what else is true of them.

He knows the truth of most customers and learns from them (logistic regression), guesses the others, and
so on round, until all are guessed by an attacker who did not know them. How well he does is the
area under the ROC curve: the chance that of two customers, one with and one without, he picks the
right one. 0.5 is a coin.

Gradient boosting and forests guessed hardly better on a year of grocery purchases, and take a hundred
times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

N_FOLDS = 5
N_DRAWS = 400
"""Bootstrap draws of customers."""

CONFIDENCE = 0.95
FEWEST_SEEN = 3
"""A column that fewer customers have teaches the attacker nothing about others."""

PENALTY = 0.1  # scikit-learn's C; from 0.01 to 1 the outcome hardly differs
GROUPS_COUNT = 0.3  # how much a count of a group weighs beside a single item
_AN_INTERCEPT_UNBOUND = 10.0  # liblinear shrinks the intercept like a weight; this far less


class Leak(NamedTuple):
    """How well the attacker does.

    Attributes:
        auc: area under the ROC curve, 0 to 1; 0.5 tells nothing.
        low: lower end of its bootstrap interval.
        high: upper end.
    """

    auc: float
    low: float
    high: float

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval contains 0.5."""
        return self.low <= 0.5 <= self.high  # noqa: PLR2004  a coin


def features(
    lists: Sequence[NDArray[np.int32]], values: Sequence[NDArray[np.float64]], group: NDArray[np.int32]
) -> csr_matrix:
    """Return what the attacker sees of each customer: which items, how prominent, how many of a group.

    Args:
        lists: one an customer: items, shape (n_k,), int32.
        values: the same shapes: how prominent each is, above 0.
        group: shape (n_items,), int32, what each item belongs to; -1 for nothing.
    """
    n_customers, n_items = len(lists), group.size
    sizes = [each.size for each in lists]
    row = np.repeat(np.arange(n_customers), sizes)
    item = np.concatenate([np.empty(0, np.int32), *lists])
    value = np.concatenate([np.empty(0), *values])
    has = csr_matrix((np.ones(item.size), (row, item)), shape=(n_customers, n_items))
    prominence = csr_matrix((value, (row, item)), shape=(n_customers, n_items))
    usual = np.flatnonzero(np.bincount(has.indices, minlength=n_items) >= FEWEST_SEEN)
    of_group = group[item] >= 0
    n_groups = int(group.max(initial=0)) + 1
    counts = csr_matrix(
        (np.full(int(of_group.sum()), GROUPS_COUNT), (row[of_group], group[item[of_group]])),
        shape=(n_customers, n_groups),
    )
    return csr_matrix(hstack([has[:, usual], prominence[:, usual], counts]))


def attack(seen: csr_matrix, truth: NDArray[np.bool_], seed: int) -> Leak:
    """Let the attacker guess, and say how well he does.

    Args:
        seen: shape (n_customers, n_features).
        truth: shape (n_customers,), bool: what he guesses; at least ``N_FOLDS`` each of yes and no.
        seed: decides who is guessed together, and the bootstrap.
    """
    guess = np.zeros(truth.size)
    for known, other in StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(seen, truth):
        model = LogisticRegression(
            C=PENALTY,
            solver="liblinear",
            class_weight="balanced",
            intercept_scaling=_AN_INTERCEPT_UNBOUND,
            random_state=seed,
        )
        model.fit(seen[known], truth[known])
        guess[other] = rankdata(model.decision_function(seen[other])) / other.size  # folds differ in scale
    draws = np.random.default_rng(seed).multinomial(truth.size, np.full(truth.size, 1 / truth.size), N_DRAWS)
    low, high = np.quantile(_auc(guess, truth, draws), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Leak(float(_auc(guess, truth, np.ones((1, truth.size), np.int64))[0]), float(low), float(high))


def _auc(
    guess: NDArray[np.float64], truth: NDArray[np.bool_], times: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Area under the ROC curve when each customer counts ``times``, shape (n_draws, n): shape (n_draws,).

    The Mann-Whitney statistic: pairs in the right order, ties for half.
    """
    order = np.argsort(guess, kind="stable")
    starts = np.flatnonzero(np.diff(guess[order], prepend=-1.0))
    yes = np.add.reduceat(times[:, order] * truth[order], starts, axis=1)
    no = np.add.reduceat(times[:, order] * ~truth[order], starts, axis=1)
    below = np.cumsum(no, axis=1) - no
    pairs = yes.sum(axis=1) * no.sum(axis=1)
    return np.asarray((yes * (2 * below + no)).sum(axis=1) / np.maximum(2 * pairs, 1))
