"""How much what is bought again counts beside what is new, so that one slate can hold both by score.

Both kinds of score are sums of evidence, but in units that have nothing to do with each other: an entry
of W is as large as its learner makes it, and a propensity is a cube root. So the propensity is multiplied
by a power of two, learned from what customers bought next, new or not. A power of two keeps scores exact
integers, and a coarse one is all that customers can tell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.artefact import WEIGHT_SCALE
from engine.evaluation.metrics import gains_by_customer
from engine.evaluation.ranking import rank_by, scores_of
from engine.interactions import Interactions, age_in_days
from engine.models.integers import scale_exponent
from engine.models.pairs import Pairs
from engine.serving.kernel import SHIFT
from engine.serving.recommender import DUE_AFTER
from engine.training.learn import TrainingSettings
from engine.training.repeats import repeats
from engine.vocabulary import Kind

MOST_SHIFT = 12
SHIFTS = tuple(range(0, MOST_SHIFT + 1, 2))
"""Powers of two to choose from; of those that do as well the smallest."""

MOST_ASKED = 3_000
"""Customers drawn at most: the standard error of the difference of two NDCG is then below 0.005."""

_SEED = 0


class Mixed(NamedTuple):
    """What was chosen, and by what figures.

    Attributes:
        shift: what is bought again counts 2 to the power of it.
        n_customers: customers asked.
        ndcg: of their slates against all that they bought next, with the shift.
        ndcg_without: the same with a shift of 0.
    """

    shift: int
    n_customers: int
    ndcg: float
    ndcg_without: float


class _Scored(NamedTuple):
    """Items of several rankings, shape (n,) each: the ranking, the item, and its score as an integer."""

    row: NDArray[np.int64]
    item: NDArray[np.int64]
    score: NDArray[np.int64]

    def best(self, n_most: int) -> tuple[_Scored, NDArray[np.int64]]:
        """Return the best ``n_most`` of each ranking, in order, and their places from 0; ties by item."""
        order = np.lexsort((self.item, -self.score, self.row))
        row = self.row[order]
        place = np.arange(row.size) - np.searchsorted(row, row)
        kept = place < n_most
        return self.where(order[kept]), place[kept]

    def where(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> _Scored:
        """Return those of ``which``, a mask or places."""
        return _Scored(self.row[which], self.item[which], self.score[which])


def mixed(
    pairs: Pairs,
    evidence: csr_matrix,
    seen: csr_matrix,
    past: Interactions,
    later: Interactions,
    floor: NDArray[np.int32],
    cut_ms: int,
    settings: TrainingSettings,
) -> Mixed | None:
    """Choose how much what is bought again counts, by what customers bought after a cut.

    Slates are put together as they are when serving: at most half of one is what was bought before and is
    due again, the rest is new, and the order is by score. The smallest power of two is chosen whose NDCG
    is within one standard error (of the difference, over customers) of the best.

    Args:
        pairs: W, learned from the past.
        evidence: shape (n_customers, n_items): weights at the cut, 1.0 is a purchase today.
        seen: same shape: items that are not new.
        past: interactions before the cut.
        later: interactions after it.
        floor: shape (n_items,), int32: with fewer returning customers nothing is bought again.
        cut_ms: where the cut is.
        settings: how long slates are, what purchases weigh, and how many customers there must be.

    Returns:
        ``None`` if nothing is bought again, or too few customers bought anything after the cut.
    """
    shape = evidence.shape
    bought = _bought(later, shape)
    asked = np.flatnonzero((np.diff(bought.indptr) > 0) & (np.diff(evidence.indptr) > 0))
    if asked.size > MOST_ASKED:
        asked = np.sort(np.random.default_rng(_SEED).choice(asked, MOST_ASKED, replace=False))
    if asked.size < settings.min_validated:
        return None
    again = _again(past, evidence, asked, floor, cut_ms, settings)
    if not again.row.size:
        return None
    new = _new(pairs, evidence, seen, asked, settings.k)
    gains = [
        gains_by_customer(_slates(new, again, shift, asked.size, settings.k), bought[asked]).ndcg
        for shift in SHIFTS
    ]
    chosen = _smallest_as_good(gains)
    return Mixed(SHIFTS[chosen], int(asked.size), float(gains[chosen].mean()), float(gains[0].mean()))


def _smallest_as_good(gains: list[NDArray[np.float64]]) -> int:
    """Return the first whose mean is within one standard error of the difference to the best."""
    best = gains[int(np.argmax([each.mean() for each in gains]))]
    ahead = [best - each for each in gains]
    return next(at for at, each in enumerate(ahead) if each.mean() <= each.std(ddof=1) / np.sqrt(each.size))


def _bought(later: Interactions, shape: tuple[int, int]) -> csr_matrix:
    rows = later.where(later.kind == Kind.PURCHASE.value)
    matrix = csr_matrix((np.ones(len(rows)), (rows.customer_idx, rows.item_idx)), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _again(
    past: Interactions,
    evidence: csr_matrix,
    asked: NDArray[np.int64],
    floor: NDArray[np.int32],
    cut_ms: int,
    settings: TrainingSettings,
) -> _Scored:
    """Return what is due again, see ``Recommender.buy_again``; the score is not shifted yet."""
    n_items = evidence.shape[1]
    stated = repeats(past, n_items, floor)
    rows = past.where((past.kind == Kind.PURCHASE.value) & np.isin(past.customer_idx, asked))
    keys = np.searchsorted(asked, rows.customer_idx) * n_items + rows.item_idx
    key, of_key = np.unique(keys, return_inverse=True)
    age_days = age_in_days(rows.at_ms, cut_ms)
    # Sums of integers below 2**53 are exact in float64.
    weight = np.bincount(of_key, settings.weighting.weigh(rows.kind, age_days), key.size).astype(np.int64)
    youngest = np.full(key.size, np.iinfo(np.int32).max, np.int64)
    np.minimum.at(youngest, of_key, age_days)
    row, item = np.divmod(key, n_items)
    pieces = evidence[asked].tocoo()
    known = np.isin(key, pieces.row.astype(np.int64) * n_items + pieces.col)
    interval = stated.interval_days[item]
    due = known & (interval > 0) & (youngest * DUE_AFTER >= interval)
    return _Scored(row, item, weight * stated.repeat[item]).where(due)


def _new(pairs: Pairs, evidence: csr_matrix, seen: csr_matrix, asked: NDArray[np.int64], k: int) -> _Scored:
    """Return the best new items of each customer, in the integers that serving gives."""
    ranked = rank_by(pairs, evidence, seen, asked, k)
    real = scores_of(pairs, evidence, asked, ranked)
    exponent = scale_exponent(pairs.item_to_item.data.max(initial=0.0))
    score = np.rint(np.ldexp(real * WEIGHT_SCALE, -exponent)).astype(np.int64)
    row, place = np.nonzero(ranked >= 0)
    return _Scored(row, ranked[row, place].astype(np.int64), score[row, place])


def _slates(new: _Scored, again: _Scored, shift: int, n: int, k: int) -> NDArray[np.int32]:
    """Return the slate of each customer, shape (n, k), int32, -1 where it is shorter than k."""
    term = again.score >> (SHIFT - shift)
    habits, _ = again._replace(score=term).where(term > 0).best(max(1, k // 2))
    both = _Scored(*(np.concatenate(columns) for columns in zip(new, habits, strict=True)))
    slate, place = both.best(k)
    ranked = np.full((n, k), -1, np.int32)
    ranked[slate.row, place] = slate.item
    return ranked
