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
from sklearn.base import clone

from engine.artefact import Manifest
from engine.errors import ModelFitError
from engine.evaluation.bootstrap import error_of_difference
from engine.evaluation.cuts import MAX_VALIDATED, Cut, Cuts
from engine.evaluation.measuring import Measure, bootstrap_of, measured
from engine.evaluation.metrics import gains_by_customer
from engine.evaluation.ranking import rank, rank_by
from engine.evaluation.remembered import Remembered
from engine.evaluation.segments import by_activity, by_age
from engine.interactions import DAY_MS, Interactions
from engine.models import LEARNERS, learner_named
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
    learned_pairs,
    recipe_of,
    scaled,
    weigh,
    what_is_known,
)
from engine.training.lift import Classes
from engine.training.mixing import mixed
from engine.training.selection import Contest, Means, Outcome
from engine.training.usefulness import best_scores, usefulness_floor
from engine.training.weights import strongest, summed_weights, without

Progress = Callable[[str, int, int], None]

YARDSTICK = "popular"
"""The learner that every model has to beat to be of use."""

CONTEST_SHARE = 0.6
"""Of the time for everything; the rest is for trends, floors and learning from everything."""

TRENDS: tuple[dict[str, Any], ...] = (
    {"half_life_days": 28, "exponent": 0.5},
    {"half_life_days": 28, "exponent": 1.0},
    {"half_life_days": 14, "exponent": 0.5},
)
"""How columns of W may be scaled by what sells more than it used to; not at all is the default."""

_NEVER = -(1 << 31)
_SEED = 0


class _Held(NamedTuple):
    """The last stretch of time, held out.

    Attributes:
        cut: what is learned from, and what was new to each customer after it.
        past: interactions before.
        weighed: the same as weights.
        later: interactions within it.
        from_ms: where the stretch begins.
        to_ms: where it ends.
        item_age_days: see ``engine.evaluation.segments.by_age``.
        customer_age_days: the same.
    """

    cut: Cut
    past: Interactions
    weighed: Weighed
    later: Interactions
    from_ms: int
    to_ms: int
    item_age_days: NDArray[np.int64]
    customer_age_days: NDArray[np.int64]


def fit(
    interactions: Interactions,
    item_ids: tuple[str, ...],
    tier: NDArray[np.int8],
    *,
    now_ms: int,
    classes: Classes | None = None,
    goods: Goods | None = None,
    budget_s: float = 60.0,
    memory_bytes: int | None = None,
    remember: Remembered | None = None,
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
        budget_s: time for everything. Comparing learners takes the first part of it, ``CONTEST_SHARE``;
            trends and floors are tried as long as there is time. At least one learner is always fitted.
        memory_bytes: what learning may take; who needs more is left out. ``None`` for any amount.
        remember: what has been measured before, and room for what is measured now.
        settings: see ``TrainingSettings``.
        progress: called with (stage, steps done, steps in all).
        clock: seconds, monotonic.

    Raises:
        ModelFitError: there is nothing to learn from, rows are out of range, or a learner is unknown.
    """
    until_s = clock() + budget_s
    settings, shop = settings or TrainingSettings(), Shop.of(item_ids, tier, classes, goods)
    known = _something(what_is_known(interactions, shop, settings))
    held = _hold_out(known, len(item_ids), settings)
    contest = Contest(
        Cuts(held.cut),
        floor_of(tier, settings.min_supports[0], settings),
        settings.k,
        Means(until_s - (1 - CONTEST_SHARE) * budget_s, memory_bytes=memory_bytes),
        remembered=remember,
        progress=lambda stage, done, total: progress(stage, done, total + 2),
        clock=clock,
    )
    choice = _Choice(held, settings, tier, lambda: clock() < until_s)
    recipe = choice.recipe(contest, progress)
    n_steps = contest.n_steps + 2
    progress("learning from everything", n_steps - 1, n_steps)
    trained = _learn(recipe, known, shop, settings, now_ms)
    progress("done", n_steps, n_steps)
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
    pairs = learned_pairs(recipe, weighed, known.interactions, floor, now_ms)
    if not np.all(np.isfinite(pairs.item_to_item.data)):
        raise ModelFitError("learning did not converge: the matrix holds entries that are no numbers")
    exponent = scale_exponent(pairs.item_to_item.data.max(initial=0.0))
    return finished(quantized(pairs, exponent), exponent, recipe, known, weighed, shop, settings, now_ms)


class _Choice:
    """What a contest leads to: a learner, a trend and a privacy floor."""

    def __init__(
        self, held: _Held, settings: TrainingSettings, tier: NDArray[np.int8], in_time: Callable[[], bool]
    ) -> None:
        self._held = held
        self._settings = settings
        self._tier = tier
        self._in_time = in_time
        self._bootstrap = bootstrap_of(held.cut)

    def recipe(self, contest: Contest, progress: Progress) -> Recipe:
        """Compare learners, then trends, then how much repeats count, then floors."""
        settings, cut = self._settings, self._held.cut
        least = settings.min_supports[0]
        if cut.customers.size < settings.min_validated:
            note = f"too few customers with something new to compare learners: `{settings.fallback}` was used"
            return Recipe(learner_named(settings.fallback), least, [], [note])
        outcome = contest.run(settings.learners)
        progress("choosing the privacy floor", contest.n_steps, contest.n_steps + 2)
        made = learner_named(settings.fallback) if outcome.best is None else outcome.best.setting.made()
        recipe = Recipe(made, least, outcome.rows, _notes(outcome))
        plain = self._learned(recipe, least)
        recipe = recipe._replace(trend=self._trend(plain))
        pairs = self._with_trend(plain, recipe.trend)
        # Before floors, which take what time is left and matter less.
        recipe = self._with_repeats(recipe, pairs)
        min_support, kept, curve = self._floors(recipe, pairs)
        validation = {
            "kind": "time",
            "from_ms": self._held.from_ms,
            "to_ms": self._held.to_ms,
            "n_customers": int(cut.customers.size),
            "k": settings.k,
        }
        return recipe._replace(
            min_support=min_support,
            usefulness=self._usefulness(kept),
            validation=validation,
            floor_curve=curve,
            segments=self._segments(_name_of(recipe), kept),
        )

    def _trend(self, plain: Pairs) -> dict[str, Any]:
        """Return the best trend if it is better than none by more than the error of the difference."""
        best, without_any = {}, self._measure(plain)
        highest = without_any
        for trend in TRENDS:
            if not self._in_time():
                break
            found = self._measure(self._with_trend(plain, trend))
            if found.figures["ndcg"] > highest.figures["ndcg"]:
                best, highest = trend, found
        ahead = highest.figures["ndcg"] - without_any.figures["ndcg"]
        return dict(best) if ahead > error_of_difference(highest.ndcg, without_any.ndcg) else {}

    def _floors(self, recipe: Recipe, least: Pairs) -> tuple[int, Pairs, list[dict[str, Any]]]:
        """Return the largest floor that costs little against the least, what was learned, and all rows."""
        reference, chosen, kept = 0.0, 0, least
        curve: list[dict[str, Any]] = []
        for min_support in self._settings.min_supports:
            if curve and not self._in_time():
                break
            learned = self._learned(recipe, min_support) if curve else least
            figures = self._measure(learned).figures
            reference = reference or figures["ndcg"]
            if not curve or 0 < figures["ndcg"] >= (1 - self._settings.max_floor_cost) * reference:
                chosen, kept = min_support, learned
            known = {name: figures[name] for name in ("ndcg", "ndcg_low", "ndcg_high", "recall", "coverage")}
            curve.append({"min_support": min_support, **known, "n_edges": int(learned.item_to_item.nnz)})
        return chosen, kept, [{**row, "chosen": row["min_support"] == chosen} for row in curve]

    def _with_repeats(self, recipe: Recipe, pairs: Pairs) -> Recipe:
        """Return the recipe with how much what is bought again counts, if there is time to find out."""
        held, cut, settings = self._held, self._held.cut, self._settings
        if not self._in_time():
            note = "there was no time to find out how much what is bought again counts beside what is new"
            return recipe._replace(notes=[*recipe.notes, note])
        floor = floor_of(self._tier, settings.min_supports[0], settings)
        found = mixed(pairs, cut.evidence, cut.seen, held.past, held.later, floor, held.from_ms, settings)
        return recipe if found is None else recipe._replace(repeat_shift=found.shift, repeats=found._asdict())

    def _learned(self, recipe: Recipe, min_support: int) -> Pairs:
        floor = floor_of(self._tier, min_support, self._settings)
        fresh = recipe._replace(learner=clone(recipe.learner))
        return learned_pairs(fresh, self._held.weighed, self._held.past, floor, self._held.from_ms)

    def _with_trend(self, plain: Pairs, trend: dict[str, Any]) -> Pairs:
        floor = floor_of(self._tier, self._settings.min_supports[0], self._settings)
        return scaled(plain, trend, self._held.past, floor, self._held.from_ms)

    def _measure(self, pairs: Pairs) -> Measure:
        return measured(self._held.cut, self._ranked(pairs), self._bootstrap)

    def _ranked(self, pairs: Pairs) -> NDArray[np.int32]:
        cut = self._held.cut
        return rank_by(pairs, cut.evidence, cut.seen, cut.customers, self._settings.k)

    def _ranked_by_yardstick(self) -> NDArray[np.int32]:
        cut, yardstick = self._held.cut, learner_named(YARDSTICK)
        return rank(yardstick, cut.popularity, cut.evidence, cut.seen, cut.customers, self._settings.k)

    def _usefulness(self, pairs: Pairs) -> float:
        """Return the score from which on a model beats popularity."""
        cut = self._held.cut
        best = best_scores(pairs.item_to_item, cut.evidence, cut.seen, cut.customers)
        gain, yardstick = (
            gains_by_customer(ranked, cut.relevant).ndcg
            for ranked in (self._ranked(pairs), self._ranked_by_yardstick())
        )
        return usefulness_floor(best, gain, yardstick)

    def _segments(self, name: str, pairs: Pairs) -> list[dict[str, Any]]:
        held = self._held
        rows = []
        for learner, ranked in ((name, self._ranked(pairs)), (YARDSTICK, self._ranked_by_yardstick())):
            rows += by_activity(learner, ranked, held.cut)
            rows += by_age(learner, ranked, held.cut, held.item_age_days, held.customer_age_days)
        return rows


def _hold_out(known: Histories, n_items: int, settings: TrainingSettings) -> _Held:
    """Hold the last stretch of time out; what was new in it is what should have been recommended."""
    rows, shape = known.interactions, (known.n_customers, n_items)
    oldest, youngest = int(rows.at_ms.min()), int(rows.at_ms.max())
    cut_ms = youngest - int((youngest - oldest) * settings.validation_share)
    before = rows.where(rows.at_ms < cut_ms)
    past = weigh(before, shape, settings, cut_ms)
    after = rows.where(rows.at_ms >= cut_ms)
    new = without(summed_weights(after, shape, settings.weighting, youngest), past.seen)
    asked = np.flatnonzero((np.diff(new.indptr) > 0) & (np.diff(past.seen.indptr) > 0))
    if asked.size > MAX_VALIDATED:
        asked = np.sort(np.random.default_rng(_SEED).choice(asked, MAX_VALIDATED, replace=False))
    evidence = strongest(past.seen, settings.max_pieces)
    cut = Cut(past.learned, evidence, past.seen, past.popularity, asked, new[asked])
    item_age = _age_days(rows.item_idx, rows.at_ms, n_items, cut_ms)
    customer_age = _age_days(before.customer_idx, before.at_ms, known.n_customers, cut_ms)
    return _Held(cut, before, past, after, cut_ms, youngest, item_age, customer_age[asked])


def _age_days(which: NDArray[np.int32], at_ms: NDArray[np.int64], n: int, cut_ms: int) -> NDArray[np.int64]:
    """Return days from the first interaction of each to the cut, shape (n,); below 0 if that came after."""
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, which, at_ms)
    known = first < np.iinfo(np.int64).max
    return np.where(known, (cut_ms - np.where(known, first, 0)) // DAY_MS, _NEVER)


def _name_of(recipe: Recipe) -> str:
    return next(name for name, kind in LEARNERS.items() if kind is type(recipe.learner))


def _notes(outcome: Outcome) -> list[str]:
    yardstick = max(
        (entry.row["ndcg"] for entry in outcome.entries if LEARNERS[entry.setting.learner].by_popularity),
        default=0.0,
    )
    if outcome.best is not None and yardstick > outcome.best.row["ndcg"]:
        return ["on validation, popularity alone ranked better than every learner"]
    return []
