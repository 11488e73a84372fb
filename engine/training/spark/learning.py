"""From admitted interactions in a frame of Spark to a model.

What grows with the square of what customers have, the pairs, is counted on the executors, and so is the
factorization of ``als``. What grows with the interactions alone is added up where the session was opened, by
the code that a single machine runs: its memory is what bounds how much can be learned from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.ml import recommendation
from pyspark.sql import DataFrame

from engine.errors import ModelFitError
from engine.interactions import Interactions
from engine.models.als import ALS
from engine.models.base import Counted
from engine.models.integers import quantized, scale_exponent
from engine.models.pairs import Pairs
from engine.training.learn import (
    Recipe,
    Shop,
    Trained,
    TrainingSettings,
    Weighed,
    finished,
    floor_of,
    scaled,
    weigh,
    what_is_known,
)
from engine.training.spark.counting import (
    COUNTED,
    RATINGS,
    SPREAD,
    ByCounting,
    ByFactors,
    Count,
    Plan,
    Ratings,
    Relation,
    Spread,
    blocks_of,
    joined,
)
from engine.training.spark.frames import column, grouped, interactions_of, mapped, watched
from engine.training.trend import trend_of

ROWS = "customer_idx int, item_idx int, kind tinyint, at_ms bigint"
"""Columns of the frame of admitted interactions."""

LEARNED_ON_SPARK = ("walk", "cosine", "tfidf", "bm25", "als")
"""Learners that can be learned there."""

_FACTORS_NOTE = "the factors were learned by Apache Spark, whose solver is not the one of a single machine"

Progress = Callable[[str, int, int], None]


def learn_on_spark(
    rows: DataFrame,
    recipe: Recipe,
    shop: Shop,
    settings: TrainingSettings,
    *,
    now_ms: int,
    n_blocks: int,
    progress: Progress = lambda _stage, _done, _total: None,
) -> Trained:
    """Learn from everything, by the learner, the parameters and the floor of a recipe.

    A learner that counts gives the model that ``refit`` gives, with the same version. ``als`` looks at the
    same pairs, with the same support and floor, but Spark's factors rank them a little differently, and
    differ in their last bits from run to run.

    Args:
        rows: admitted interactions, of the columns ``ROWS``; ``customer_idx`` points into ``shop.classes``.
        recipe: how to learn.
        shop: the items.
        settings: as for ``refit``.
        now_ms: what ages are counted to.
        n_blocks: into how many blocks the items are cut: tasks of the stage that counts pairs.
        progress: called with (stage, steps done, steps in all).

    Raises:
        ModelFitError: there is nothing to learn from, or the learner is not learned on Spark.
    """
    if not isinstance(recipe.learner, Counted | ALS):
        raise ModelFitError(
            f"`{type(recipe.learner).__name__.lower()}` cannot be learned on Spark: "
            f"choose from {', '.join(LEARNED_ON_SPARK)}"
        )
    session = rows.sparkSession
    session.conf.set("spark.sql.execution.arrow.useLargeVarTypes", "true")  # a block may exceed 2 GB
    with watched(session, lambda done, total: progress("reading what may be learned from", done, total)):
        # Its source may change meanwhile: what is lost of it ends the run and is not read again.
        fixed = rows.localCheckpoint()
        found = interactions_of(fixed.toArrow())
    about_taste = found.where(settings.weighting.by_kind()[found.kind] > 0)
    known = what_is_known(about_taste, shop, settings)
    if not known.n_customers:
        raise ModelFitError("there are no interactions to learn from")
    weighed = weigh(known.interactions, (known.n_customers, len(shop.item_ids)), settings, now_ms)
    floor = floor_of(shop.tier, recipe.min_support, settings)
    place = np.zeros(int(about_taste.customer_idx.max()) + 1, np.int32)
    place[about_taste.customer_idx] = known.interactions.customer_idx
    plan = session.sparkContext.broadcast(Plan(place, blocks_of(weighed.learned, n_blocks), settings, now_ms))
    by_customer = fixed.repartition(n_blocks, "customer_idx")
    with watched(session, lambda done, total: progress("counting pairs", done, total)):
        relation = _relation(recipe, weighed, known.interactions, floor, now_ms, by_customer, plan)
        pairs = _counted(by_customer, plan, relation)
    if isinstance(recipe.learner, ALS):
        pairs = scaled(pairs, recipe.trend, known.interactions, floor, now_ms)
    if not np.all(np.isfinite(pairs.item_to_item.data)):
        raise ModelFitError("learning did not converge: the matrix holds entries that are no numbers")
    progress("putting the model together", 0, 1)
    exponent = scale_exponent(pairs.item_to_item.data.max(initial=0.0))
    trained = finished(quantized(pairs, exponent), exponent, recipe, known, weighed, shop, settings, now_ms)
    progress("done", 1, 1)
    return trained if isinstance(recipe.learner, Counted) else _as_factorized(trained)


def _relation(
    recipe: Recipe,
    weighed: Weighed,
    known: Interactions,
    floor: NDArray[np.int32],
    as_of_ms: int,
    by_customer: DataFrame,
    plan: Broadcast[Plan],
) -> Relation:
    """Return how rows of W come out of weights."""
    learner = recipe.learner
    if isinstance(learner, Counted):
        trend = trend_of(known, floor.size, floor, as_of_ms, **recipe.trend) if recipe.trend else None
        return ByCounting(learner, learner.item_sums(weighed.learned), trend, floor)
    factors = _factors(learner, by_customer, plan, weighed)
    return ByFactors(learner.unfolded(factors), factors, learner.n_neighbours, floor)


def _counted(by_customer: DataFrame, plan: Broadcast[Plan], relation: Relation) -> Pairs:
    told: Broadcast[Relation] = by_customer.sparkSession.sparkContext.broadcast(relation)
    spread = mapped(by_customer, Spread(plan), SPREAD)
    return joined(grouped(spread, "block", Count(plan, told), COUNTED).toArrow(), plan.value.bounds)


def _factors(
    learner: ALS, by_customer: DataFrame, plan: Broadcast[Plan], weighed: Weighed
) -> NDArray[np.float64]:
    """Return item factors, shape (n_items, n_factors); 0 for items that nobody has."""
    solver = recommendation.ALS(
        rank=learner.n_factors,
        maxIter=learner.n_iterations,
        regParam=learner.regularization * _mean_share(weighed),
        alpha=learner.alpha,
        implicitPrefs=True,
        seed=learner.seed,
        numUserBlocks=plan.value.bounds.size - 1,
        numItemBlocks=plan.value.bounds.size - 1,
        userCol="customer",
        itemCol="item",
        ratingCol="weight",
    )
    found = solver.fit(mapped(by_customer, Ratings(plan), RATINGS)).itemFactors.toArrow()
    factors = np.zeros((plan.value.n_items, learner.n_factors))
    factors[column(found, "id")] = np.array(found["features"].to_pylist(), np.float64)
    return factors


def _mean_share(weighed: Weighed) -> float:
    """Return what makes Spark's λ, which it multiplies by how much there is of each row, ours on average."""
    n_customers, n_items = weighed.learned.shape
    return float((n_customers + n_items) / (2 * max(1, weighed.learned.nnz)))


def _as_factorized(trained: Trained) -> Trained:
    """Say what is not the same as on one machine: nothing can be told of what it was made from."""
    manifest = trained.manifest
    notes = [*(each for each in manifest.notes if each != _FACTORS_NOTE), _FACTORS_NOTE]
    return trained._replace(manifest=replace(manifest, training_digest="", notes=notes))
