"""Train a model: a pure function of interactions, catalogue columns, clock and settings.

Learners are compared on what customers did in the last stretch of time, given what they had
done before. What counts is what was new to the customer: buying again is an intent of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import clone

from engine.artefact import Manifest
from engine.errors import ModelFitError
from engine.evaluation.metrics import answered, coverage, gains_by_customer, ndcg_at_k, recall_at_k
from engine.evaluation.ranking import rank
from engine.interactions import Interactions
from engine.models import LEARNERS, learner_named
from engine.models.base import Learner
from engine.models.integers import quantized, scale_exponent
from engine.models.pairs import Pairs
from engine.training.backoff import Goods
from engine.training.histories import Histories
from engine.training.learn import (
    Recipe,
    Shop,
    Trained,
    TrainingSettings,
    Weighed,
    finished,
    floor_of,
    recipe_of,
    weigh,
    what_is_known,
)
from engine.training.lift import Classes
from engine.training.usefulness import best_scores, usefulness_floor
from engine.training.weights import strongest, summed_weights, without

Progress = Callable[[str, int, int], None]

YARDSTICK = "popular"
"""The learner that every model has to beat to be of use."""


class _Cut(NamedTuple):
    """The past, and what was new to each of ``customers`` after it, row by row in ``relevant``."""

    past: Weighed
    evidence: csr_matrix
    customers: NDArray[np.int64]
    relevant: csr_matrix


def fit(
    interactions: Interactions,
    item_ids: tuple[str, ...],
    tier: NDArray[np.int8],
    *,
    now_ms: int,
    classes: Classes | None = None,
    goods: Goods | None = None,
    budget_s: float = 60.0,
    settings: TrainingSettings | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
    clock: Callable[[], float] = time.monotonic,
) -> Trained:
    """Compare learners, choose one and a privacy floor, and learn from everything.

    The model depends on the set of histories: neither the order of interactions nor the numbers of
    customers change a bit of it.

    Args:
        interactions: admitted interactions; ``item_idx`` below the number of items, any numbers
            for customers.
        item_ids: shop keys, strictly ascending.
        tier: shape (n_items,), int8, 0 to 3: how sensitive each item is.
        now_ms: what ages are counted to.
        classes: what is sensitive about the items, and of whom that is known; ``None`` where nothing is.
        goods: what the catalogue says of the items; ``None`` where it says nothing.
        budget_s: time for everything. No further learner is started once half of it is
            used; at least one learner is always fitted.
        settings: see ``TrainingSettings``.
        progress: called with (stage, steps done, steps in all).
        clock: seconds, monotonic.

    Raises:
        ModelFitError: there is nothing to learn from, rows are out of range, or a learner is unknown.
    """
    settings, shop = settings or TrainingSettings(), Shop.of(item_ids, tier, classes, goods)
    known = _something(what_is_known(interactions, shop, settings))
    contest = _Contest(settings, tier, progress, clock, clock() + budget_s / 2)
    recipe = contest.choose(_cut(known, len(item_ids), settings))

    progress("learning from everything", contest.n_steps - 1, contest.n_steps)
    trained = _learn(recipe, known, shop, settings, now_ms)
    progress("done", contest.n_steps, contest.n_steps)
    return trained


def refit(
    manifest: Manifest,
    interactions: Interactions,
    item_ids: tuple[str, ...],
    tier: NDArray[np.int8],
    *,
    now_ms: int,
    classes: Classes | None = None,
    goods: Goods | None = None,
    settings: TrainingSettings | None = None,
) -> Trained:
    """Learn from everything by the learner, the parameters and the floor of another model.

    Args:
        manifest: of the other model; its figures and notes are taken over.
        interactions: see ``fit``.
        item_ids: see ``fit``.
        tier: see ``fit``.
        now_ms: what ages are counted to.
        classes: see ``fit``.
        goods: see ``fit``.
        settings: see ``TrainingSettings``.

    Raises:
        ModelFitError: there is nothing to learn from, rows are out of range, or this version does
            not know the learner.
    """
    settings, shop = settings or TrainingSettings(), Shop.of(item_ids, tier, classes, goods)
    known = _something(what_is_known(interactions, shop, settings))
    return _learn(recipe_of(manifest, settings), known, shop, settings, now_ms)


def _something(known: Histories) -> Histories:
    if known.n_customers == 0:
        raise ModelFitError("there are no interactions to learn from")
    return known


def _learn(recipe: Recipe, known: Histories, shop: Shop, settings: TrainingSettings, now_ms: int) -> Trained:
    weighed = weigh(known.interactions, (known.n_customers, len(shop.item_ids)), settings, now_ms)
    floor = floor_of(shop.tier, recipe.min_support, settings)
    learner = clone(recipe.learner).fit(weighed.learned, floor)
    exponent = scale_exponent(learner.item_to_item_.data.max(initial=0.0))
    edges = quantized(Pairs(learner.item_to_item_, learner.support_), exponent)
    return finished(edges, exponent, recipe, known, weighed, shop, settings, now_ms)


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

    def choose(self, cut: _Cut) -> Recipe:
        settings = self._settings
        least = settings.min_supports[0]
        if cut.customers.size < settings.min_validated:
            note = f"too few customers with something new to compare learners: `{settings.fallback}` was used"
            return Recipe(learner_named(settings.fallback), least, [], [note])
        metrics = [self._enter(step, name, cut) for step, name in enumerate(settings.learners)]
        measured = {row["learner"]: row for row in metrics if "ndcg" in row}
        # Popularity is the yardstick: it is part of every model, so choosing it would only throw W away.
        contenders = [name for name in measured if not LEARNERS[name].by_popularity] or [settings.fallback]
        best = max(contenders, key=lambda name: measured[name]["ndcg"] if name in measured else 0.0)
        learner = learner_named(best)
        min_support, fitted = self._strictest(learner, cut)
        return Recipe(learner, min_support, metrics, _notes(best, measured), self._usefulness(fitted, cut))

    def _enter(self, step: int, name: str, cut: _Cut) -> dict[str, Any]:
        self._progress(f"comparing: {name}", step, self.n_steps)
        if step > 0 and self._clock() > self._deadline:
            return {"learner": name, "skipped": "the time for comparing learners was used up"}
        learner = learner_named(name)
        started = self._clock()
        learner.fit(cut.past.learned, self._floor(self._settings.min_supports[0]))
        fit_s = self._clock() - started
        return {"learner": name, **self._measure(learner, cut), "fit_s": round(fit_s, 3)}

    def _strictest(self, learner: Learner, cut: _Cut) -> tuple[int, Learner]:
        """Return the largest floor that costs little against the least one, and what was learned with it."""
        self._progress("choosing the privacy floor", self.n_steps - 2, self.n_steps)
        least, *stricter = self._settings.min_supports
        strictest, kept = least, clone(learner).fit(cut.past.learned, self._floor(least))
        reference = self._measure(kept, cut)["ndcg"]
        for min_support in stricter:
            fitted = clone(learner).fit(cut.past.learned, self._floor(min_support))
            ndcg = self._measure(fitted, cut)["ndcg"]
            if ndcg == 0 or ndcg < (1 - self._settings.max_floor_cost) * reference:
                break
            strictest, kept = min_support, fitted
        return strictest, kept

    def _usefulness(self, fitted: Learner, cut: _Cut) -> float:
        """Return the score from which on the learner beats popularity."""
        best = best_scores(fitted.item_to_item_, cut.evidence, cut.past.seen, cut.customers)
        gain, yardstick = (
            gains_by_customer(self._ranked(learner, cut), cut.relevant).ndcg
            for learner in (fitted, learner_named(YARDSTICK))
        )
        return usefulness_floor(best, gain, yardstick)

    def _measure(self, learner: Learner, cut: _Cut) -> dict[str, float]:
        ranked = self._ranked(learner, cut)
        return {
            "recall": round(recall_at_k(ranked, cut.relevant), 6),
            "ndcg": round(ndcg_at_k(ranked, cut.relevant), 6),
            "coverage": round(coverage(ranked, self._tier.size), 6),
            "answered": round(answered(ranked), 6),
        }

    def _ranked(self, learner: Learner, cut: _Cut) -> NDArray[np.int32]:
        return rank(
            learner, cut.past.popularity, cut.evidence, cut.past.seen, cut.customers, self._settings.k
        )

    def _floor(self, min_support: int) -> NDArray[np.int32]:
        return floor_of(self._tier, min_support, self._settings)


def _cut(known: Histories, n_items: int, settings: TrainingSettings) -> _Cut:
    """Hold the last stretch of time out; what was new in it is what should have been recommended."""
    rows, shape = known.interactions, (known.n_customers, n_items)
    oldest, youngest = int(rows.at_ms.min()), int(rows.at_ms.max())
    cut_ms = youngest - int((youngest - oldest) * settings.validation_share)
    past = weigh(rows.where(rows.at_ms < cut_ms), shape, settings, cut_ms)
    later = summed_weights(rows.where(rows.at_ms >= cut_ms), shape, settings.weighting, youngest)
    new = without(later, past.seen)
    customers = np.flatnonzero((np.diff(new.indptr) > 0) & (np.diff(past.seen.indptr) > 0))
    return _Cut(past, strongest(past.seen, settings.max_pieces), customers, new[customers])


def _notes(best: str, measured: dict[str, dict[str, Any]]) -> list[str]:
    yardstick = max(
        (row["ndcg"] for name, row in measured.items() if LEARNERS[name].by_popularity), default=0.0
    )
    if best in measured and yardstick > measured[best]["ndcg"]:
        return ["on validation, popularity alone ranked better than every learner"]
    return []
