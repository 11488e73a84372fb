"""Train a model: a pure function of interactions, catalogue columns, clock and settings.

Learners are compared on what customers did in the last stretch of time, given what they had
done before. What counts is what was new to the customer: buying again is an intent of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import clone

from engine.artefact import Manifest, ModelArrays
from engine.errors import ModelFitError
from engine.evaluation.metrics import answered, coverage, ndcg_at_k, recall_at_k
from engine.evaluation.ranking import quantized, rank
from engine.interactions import WEIGHT_ONE, Interactions, Weighting
from engine.models import LEARNERS, learner_named
from engine.models.base import Learner
from engine.models.pairs import Pairs
from engine.training.repeats import repeats
from engine.training.weights import saturated, strongest, summed_weights, without

Progress = Callable[[str, int, int], None]

_LIBRARIES = ("implicit", "numba", "numpy", "scikit-learn", "scipy")


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        learners: names to compare, cheapest first.
        fallback: learner to use where there is too little to compare by.
        weighting: what an interaction is worth.
        popularity_half_life_days: how soon popularity forgets.
        max_items_per_customer: distinct items that one customer contributes at most, the
            heaviest first. On a year of grocery purchases 100, 200 and 300 rank alike, and
            with 200 twice as many items as with 100 get to know what goes with them.
        max_pieces: pieces of evidence to recommend a customer by when learners are compared.
        validation_share: last part of the time span that is held out; 28 days of a year.
        min_validated: customers with something new in that part, below which nothing is compared.
        min_supports: floors to choose from, ascending; the first is the least ever used.
        max_floor_cost: share of the validation NDCG that a stricter floor may cost.
        min_support_sensitive: floor of edges that touch an item of tier 1 or above.
        k: length of the rankings compared.
    """

    learners: tuple[str, ...] = tuple(LEARNERS)
    fallback: str = "walk"
    weighting: Weighting = field(default_factory=Weighting)
    popularity_half_life_days: int = 14
    max_items_per_customer: int = 200
    max_pieces: int = 50
    validation_share: float = 28 / 365
    min_validated: int = 20
    min_supports: tuple[int, ...] = (2, 3, 5, 10, 20, 50)
    max_floor_cost: float = 0.02
    min_support_sensitive: int = 20
    k: int = 20


class Trained(NamedTuple):
    """A model ready to be written: its arrays and how they came to be."""

    arrays: ModelArrays
    manifest: Manifest


class _Data(NamedTuple):
    """What a learner learns from, and what customers are recommended by: (n_customers, n_items) each."""

    learned: csr_matrix
    evidence: csr_matrix
    seen: csr_matrix
    popularity: NDArray[np.float64]


class _Cut(NamedTuple):
    """The past, and what was new to each of ``customers`` after it, row by row in ``relevant``."""

    past: _Data
    customers: NDArray[np.int64]
    relevant: csr_matrix


def fit(
    interactions: Interactions,
    item_ids: tuple[str, ...],
    n_customers: int,
    tier: NDArray[np.int8],
    *,
    now_ms: int,
    budget_s: float = 60.0,
    settings: TrainingSettings | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
    clock: Callable[[], float] = time.monotonic,
) -> Trained:
    """Compare learners, choose one and a privacy floor, and learn from everything.

    Args:
        interactions: admitted interactions; ``customer_idx`` below ``n_customers``,
            ``item_idx`` below the number of items.
        item_ids: shop keys, strictly ascending.
        n_customers: rows of the customer-item matrix.
        tier: shape (n_items,), int8, 0 to 3: how sensitive each item is.
        now_ms: what ages are counted to.
        budget_s: time for everything. No further learner is started once half of it is
            used; at least one learner is always fitted.
        settings: see ``TrainingSettings``.
        progress: called with (stage, steps done, steps in all).
        clock: seconds, monotonic.

    Raises:
        ModelFitError: there is nothing to learn from, rows are out of range, or a learner is unknown.
    """
    settings = settings or TrainingSettings()
    shape = (n_customers, len(item_ids))
    known = interactions.where(settings.weighting.by_kind()[interactions.kind] > 0)
    _check(known, shape, tier)
    contest = _Contest(settings, tier, progress, clock, clock() + budget_s / 2)
    chosen = contest.choose(_cut(known, shape, settings))

    progress("learning from everything", contest.n_steps - 1, contest.n_steps)
    data = _data(known, shape, settings, now_ms)
    floor = _floor(tier, chosen.min_support, settings)
    learner = clone(chosen.learner).fit(data.learned, floor)
    arrays = _arrays(learner, known, data, item_ids, floor)
    progress("done", contest.n_steps, contest.n_steps)
    return Trained(arrays, _manifest(chosen, known, arrays, n_customers, settings))


class _Chosen(NamedTuple):
    name: str
    learner: Learner
    min_support: int
    metrics: list[dict[str, Any]]
    notes: list[str]


class _Contest:
    """Learners measured against each other on one cut."""

    def __init__(
        self,
        settings: TrainingSettings,
        tier: NDArray[np.int8],
        progress: Progress,
        clock: Callable[[], float],
        deadline: float,
    ) -> None:
        self._settings = settings
        self._tier = tier
        self._progress = progress
        self._clock = clock
        self._deadline = deadline
        self.n_steps = len(settings.learners) + 2
        """The contest, the choice of a floor, and the final fit."""

    def choose(self, cut: _Cut) -> _Chosen:
        settings = self._settings
        least = settings.min_supports[0]
        if cut.customers.size < settings.min_validated:
            note = f"too few customers with something new to compare learners: `{settings.fallback}` was used"
            return _Chosen(settings.fallback, learner_named(settings.fallback), least, [], [note])
        metrics = [self._enter(step, name, cut) for step, name in enumerate(settings.learners)]
        measured = {row["learner"]: row for row in metrics if "ndcg" in row}
        # Popularity is the yardstick: it is part of every model, so choosing it would only throw W away.
        contenders = [name for name in measured if not LEARNERS[name].by_popularity] or [settings.fallback]
        best = max(contenders, key=lambda name: measured[name]["ndcg"] if name in measured else 0.0)
        learner = learner_named(best)
        min_support = self._strictest(learner, cut)
        return _Chosen(best, learner, min_support, metrics, _notes(best, measured))

    def _enter(self, step: int, name: str, cut: _Cut) -> dict[str, Any]:
        self._progress(f"comparing: {name}", step, self.n_steps)
        if step > 0 and self._clock() > self._deadline:
            return {"learner": name, "skipped": "the time for comparing learners was used up"}
        learner = learner_named(name)
        started = self._clock()
        learner.fit(cut.past.learned, self._floor(self._settings.min_supports[0]))
        fit_s = self._clock() - started
        return {"learner": name, **self._measure(learner, cut), "fit_s": round(fit_s, 3)}

    def _strictest(self, learner: Learner, cut: _Cut) -> int:
        """Return the largest floor that costs little against the least one."""
        self._progress("choosing the privacy floor", self.n_steps - 2, self.n_steps)
        strictest = self._settings.min_supports[0]
        reference: float | None = None
        for min_support in self._settings.min_supports:
            ndcg = self._measure(clone(learner).fit(cut.past.learned, self._floor(min_support)), cut)["ndcg"]
            reference = ndcg if reference is None else reference
            if ndcg == 0 or ndcg < (1 - self._settings.max_floor_cost) * reference:
                break
            strictest = min_support
        return strictest

    def _measure(self, learner: Learner, cut: _Cut) -> dict[str, float]:
        ranked = rank(
            learner, cut.past.popularity, cut.past.evidence, cut.past.seen, cut.customers, self._settings.k
        )
        return {
            "recall": round(recall_at_k(ranked, cut.relevant), 6),
            "ndcg": round(ndcg_at_k(ranked, cut.relevant), 6),
            "coverage": round(coverage(ranked, self._tier.size), 6),
            "answered": round(answered(ranked), 6),
        }

    def _floor(self, min_support: int) -> NDArray[np.int32]:
        return _floor(self._tier, min_support, self._settings)


def _check(known: Interactions, shape: tuple[int, int], tier: NDArray[np.int8]) -> None:
    if tier.shape != (shape[1],):
        raise ModelFitError("`tier` does not have one entry an item")
    if len(known) == 0:
        raise ModelFitError("there are no interactions to learn from")
    for column, n_rows in ((known.customer_idx, shape[0]), (known.item_idx, shape[1])):
        if column.min() < 0 or column.max() >= n_rows:
            raise ModelFitError("an interaction lies outside the customers or items given")


def _cut(known: Interactions, shape: tuple[int, int], settings: TrainingSettings) -> _Cut:
    """Hold the last stretch of time out; what was new in it is what should have been recommended."""
    oldest, youngest = int(known.at_ms.min()), int(known.at_ms.max())
    cut_ms = youngest - int((youngest - oldest) * settings.validation_share)
    past = _data(known.where(known.at_ms < cut_ms), shape, settings, cut_ms)
    later = summed_weights(known.where(known.at_ms >= cut_ms), shape, settings.weighting, youngest)
    new = without(later, past.seen)
    customers = np.flatnonzero((np.diff(new.indptr) > 0) & (np.diff(past.seen.indptr) > 0))
    return _Cut(past, customers, new[customers])


def _data(known: Interactions, shape: tuple[int, int], settings: TrainingSettings, now_ms: int) -> _Data:
    weights = summed_weights(known, shape, settings.weighting, now_ms)
    forgetful = Weighting(
        **{**vars(settings.weighting), "half_life_days": settings.popularity_half_life_days}
    )
    recent = saturated(summed_weights(known, shape, forgetful, now_ms))
    return _Data(
        learned=saturated(strongest(weights, settings.max_items_per_customer)),
        evidence=strongest(weights, settings.max_pieces),
        seen=weights,
        popularity=np.asarray(recent.sum(axis=0)).ravel(),
    )


def _floor(tier: NDArray[np.int8], min_support: int, settings: TrainingSettings) -> NDArray[np.int32]:
    sensitive = max(min_support, settings.min_support_sensitive)
    return np.where(tier > 0, sensitive, min_support).astype(np.int32)


def _notes(best: str, measured: dict[str, dict[str, Any]]) -> list[str]:
    yardstick = max(
        (row["ndcg"] for name, row in measured.items() if LEARNERS[name].by_popularity), default=0.0
    )
    if best in measured and yardstick > measured[best]["ndcg"]:
        return ["on validation, popularity alone ranked better than every learner"]
    return []


def _arrays(
    learner: Learner, known: Interactions, data: _Data, item_ids: tuple[str, ...], floor: NDArray[np.int32]
) -> ModelArrays:
    n_items = len(item_ids)
    matrix, support = quantized(Pairs(learner.item_to_item_, learner.support_))
    bought_again = repeats(known, n_items, floor)
    n_distinct = np.bincount(data.seen.indices, minlength=n_items)
    popularity = np.where(n_distinct >= floor, np.rint(data.popularity * WEIGHT_ONE), 0)
    return ModelArrays(
        item_ids=item_ids,
        indptr=matrix.indptr,
        indices=matrix.indices,
        weights=matrix.data,
        support=support,
        popularity=popularity.astype(np.int64),
        repeat=bought_again.repeat,
        repeat_support=bought_again.support,
        repeat_interval_days=bought_again.interval_days,
    )


def _manifest(
    chosen: _Chosen, known: Interactions, arrays: ModelArrays, n_customers: int, settings: TrainingSettings
) -> Manifest:
    return Manifest(
        learner=chosen.name,
        params=dict(chosen.learner.get_params()),
        latent=chosen.learner.latent,
        data_from_ms=int(known.at_ms.min()),
        data_to_ms=int(known.at_ms.max()),
        n_customers=n_customers,
        n_interactions=len(known),
        n_edges=int(arrays.indices.size),
        min_support=chosen.min_support,
        min_support_sensitive=max(chosen.min_support, settings.min_support_sensitive),
        max_items_per_customer=settings.max_items_per_customer,
        metrics=chosen.metrics,
        notes=chosen.notes,
        libraries={name: version(name) for name in _LIBRARIES},
    )
