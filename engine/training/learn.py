"""The way from histories to a finished model, once it is settled what learner and what floor to use."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import clone

from engine.artefact import FORMAT, Manifest, ModelArrays
from engine.errors import ModelFitError
from engine.interactions import DAY_MS, WEIGHT_ONE, Interactions, Weighting
from engine.models import LEARNERS, learner_named
from engine.models.base import Counted, Learner
from engine.models.pairs import Pairs, Product, count_pairs
from engine.training.backoff import Goods, filled_rows
from engine.training.histories import Histories, digest, histories
from engine.training.lift import MIN_SUPPORT, Classes, lifts
from engine.training.repeats import repeats
from engine.training.trend import trend_of
from engine.training.usefulness import in_real_units, in_units_of_scores
from engine.training.weights import saturated, strongest, summed_weights
from engine.vocabulary import RowSource

_LIBRARIES = ("implicit", "numba", "numpy", "scikit-learn", "scipy", "tactful")


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        learners: names to compare, cheapest first; all that are registered by default.
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

    learners: tuple[str, ...] = field(default_factory=lambda: tuple(LEARNERS))
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


class Recipe(NamedTuple):
    """What a contest settles.

    Attributes:
        learner: not fitted yet.
        min_support: the privacy floor.
        metrics: what each learner achieved; see ``engine.artefact.Manifest``.
        notes: what a reader of the model card should know.
        usefulness: score from which on it beat popularity, in units of W; 0.0 where not measured.
        trend: how columns of W are scaled, as keywords of ``engine.training.trend.trend_of``; empty if not.
        validation: how what was compared by was cut off; see ``engine.artefact.Manifest``.
        floor_curve: what each floor costs.
        segments: for whom it does well.
        repeat_shift: what is bought again counts 2 to the power of it beside what is new.
        repeats: what that was chosen by, see ``engine.training.mixing.Mixed``; empty where not measured.
    """

    learner: Learner
    min_support: int
    metrics: list[dict[str, Any]]
    notes: list[str]
    usefulness: float = 0.0
    trend: dict[str, Any] = {}  # noqa: RUF012  a default of a tuple, which nobody writes to
    validation: dict[str, Any] = {}  # noqa: RUF012  as above
    floor_curve: list[dict[str, Any]] = []  # noqa: RUF012  as above
    segments: list[dict[str, Any]] = []  # noqa: RUF012  as above
    repeat_shift: int = 0
    repeats: dict[str, Any] = {}  # noqa: RUF012  as above


class Shop(NamedTuple):
    """What the items are.

    Attributes:
        item_ids: shop keys, strictly ascending.
        tier: shape (n_items,), int8, 0 to 3: how sensitive each is.
        classes: what is sensitive about them, and of whom that is known.
        goods: what the catalogue says of them.
    """

    item_ids: tuple[str, ...]
    tier: NDArray[np.int8]
    classes: Classes
    goods: Goods

    @classmethod
    def of(
        cls,
        item_ids: tuple[str, ...],
        tier: NDArray[np.int8],
        classes: Classes | None,
        goods: Goods | None = None,
    ) -> Shop:
        """Put the facts together; without classes nothing tells of any, and without goods nothing is said."""
        return cls(
            item_ids,
            tier,
            Classes.none(len(item_ids)) if classes is None else classes,
            Goods.none(len(item_ids)) if goods is None else goods,
        )

    def only(self, place: NDArray[np.int64]) -> Shop:
        """Return the shop with the items at ``place``, ascending, and no others."""
        return Shop(
            tuple(self.item_ids[each] for each in place.tolist()),
            self.tier[place],
            self.classes._replace(of_item=self.classes.of_item[place]),
            self.goods.only(place),
        )


class Weighed(NamedTuple):
    """Histories as weights, (n_customers, n_items) each but the last.

    Attributes:
        learned: what learners learn from.
        seen: everything, neither clipped nor saturated.
        popularity: shape (n_items,), float64.
    """

    learned: csr_matrix
    seen: csr_matrix
    popularity: NDArray[np.float64]


def recipe_of(manifest: Manifest, settings: TrainingSettings) -> Recipe:
    """Return how a model was made, to make another one just so; with the least floor at least.

    Raises:
        ModelFitError: this version does not know the learner or one of its parameters.
    """
    learner = learner_named(manifest.learner)
    unknown = sorted(manifest.params.keys() - learner.get_params().keys())
    if unknown:
        raise ModelFitError(f"`{manifest.learner}` has no parameter `{unknown[0]}`")
    learner.set_params(**manifest.params)
    min_support = max(manifest.min_support, settings.min_supports[0])
    usefulness = in_real_units(manifest.usefulness_floor, manifest.scale_exponent)
    return Recipe(
        learner,
        min_support,
        manifest.metrics,
        manifest.notes,
        usefulness,
        manifest.trend,
        manifest.validation,
        manifest.floor_curve,
        manifest.segments,
        manifest.repeat_shift,
        manifest.repeats,
    )


def what_is_known(interactions: Interactions, shop: Shop, settings: TrainingSettings) -> Histories:
    """Keep what says something about taste, as histories.

    Raises:
        ModelFitError: an item lies outside the catalogue, ``tier``, ``classes`` or ``goods`` is not of its
            length, or a customer is not among those of ``classes``.
    """
    classes = shop.classes
    if shop.tier.shape != (len(shop.item_ids),):
        raise ModelFitError("`tier` does not have one entry an item")
    if classes.of_item.shape != (len(shop.item_ids),):
        raise ModelFitError("`classes` does not have one entry an item")
    if shop.goods.category.shape != classes.of_item.shape or len(shop.goods.texts) != len(shop.item_ids):
        raise ModelFitError("`goods` does not have one entry an item")
    known = interactions.where(settings.weighting.by_kind()[interactions.kind] > 0)
    if len(known) and (known.item_idx.min() < 0 or known.item_idx.max() >= len(shop.item_ids)):
        raise ModelFitError("an interaction lies outside the items given")
    if classes.names and known.customer_idx.max(initial=-1) >= len(classes.agreed):
        raise ModelFitError("`classes` does not have one row a customer")
    return histories(known, shop.item_ids, classes)


def weigh(
    interactions: Interactions, shape: tuple[int, int], settings: TrainingSettings, now_ms: int
) -> Weighed:
    """Turn interactions into weights, ages counted to ``now_ms``; of every customer alone."""
    weights = summed_weights(interactions, shape, settings.weighting, now_ms)
    forgetful = Weighting(
        **{**vars(settings.weighting), "half_life_days": settings.popularity_half_life_days}
    )
    recent = saturated(summed_weights(interactions, shape, forgetful, now_ms))
    return Weighed(
        learned=saturated(strongest(weights, settings.max_items_per_customer)),
        seen=weights,
        popularity=np.asarray(recent.sum(axis=0)).ravel(),
    )


def floor_of(tier: NDArray[np.int8], min_support: int, settings: TrainingSettings) -> NDArray[np.int32]:
    """Return how many distinct customers a pair needs on behalf of each item, shape (n_items,), int32."""
    sensitive = max(min_support, settings.min_support_sensitive)
    return np.where(tier > 0, sensitive, min_support).astype(np.int32)


def learned_pairs(
    recipe: Recipe, weighed: Weighed, known: Interactions, floor: NDArray[np.int32], as_of_ms: int
) -> Pairs:
    """Learn W from weights, its columns scaled by the trend.

    Args:
        recipe: the learner, and whether there is a trend.
        weighed: what to learn from.
        known: the same as interactions.
        floor: shape (n_items,), int32; see ``floor_of``.
        as_of_ms: what ages are counted to.
    """
    if isinstance(recipe.learner, Counted):
        product = counted_product(recipe, weighed.learned, known, floor, as_of_ms)
        return count_pairs(product, floor, recipe.learner.n_neighbours)
    learner = clone(recipe.learner).fit(weighed.learned, floor)
    return scaled(Pairs(learner.item_to_item_, learner.support_), recipe.trend, known, floor, as_of_ms)


def counted_product(
    recipe: Recipe, weights: csr_matrix, known: Interactions, floor: NDArray[np.int32], as_of_ms: int
) -> Product:
    """Return the product that W holds the best entries of, its columns scaled by the trend."""
    product: Product = recipe.learner.product(weights)
    if not recipe.trend:
        return product
    trend = trend_of(known, floor.size, floor, as_of_ms, **recipe.trend)
    return product._replace(column_scale=product.column_scale * trend)


def scaled(
    pairs: Pairs, trend: dict[str, Any], known: Interactions, floor: NDArray[np.int32], as_of_ms: int
) -> Pairs:
    """Return W with its columns scaled by a trend; see ``Recipe``."""
    if not trend:
        return pairs
    by_column = trend_of(known, floor.size, floor, as_of_ms, **trend)
    matrix = pairs.item_to_item.copy()
    matrix.data *= by_column[matrix.indices]
    return Pairs(matrix, pairs.support)


def made_from(
    total: NDArray[np.uint64], recipe: Recipe, shop: Shop, settings: TrainingSettings, as_of_ms: int
) -> str:
    """Return a digest of everything that the arrays of a model depend on; see ``histories.digest``."""
    floor = floor_of(shop.tier, recipe.min_support, settings)
    circumstances = {
        "format": FORMAT,
        "item_ids": _hashed("\0".join(shop.item_ids).encode()),
        "floor": _hashed(floor.astype("<i4").tobytes()),
        "least_support": settings.min_supports[0],
        "classes": list(shop.classes.names),
        "class_of_item": _hashed(shop.classes.of_item.astype("<i2").tobytes()),
        "category": _hashed(shop.goods.shelves().astype("<i4").tobytes()),
        "texts": _hashed(orjson.dumps(shop.goods.texts)),
        "learner": type(recipe.learner).__name__,
        "params": recipe.learner.get_params(),
        "trend": recipe.trend,
        "as_of_day": as_of_ms // DAY_MS,
        "weighting": asdict(settings.weighting),
        "popularity_half_life_days": settings.popularity_half_life_days,
        "max_items_per_customer": settings.max_items_per_customer,
        "libraries": _libraries(),
    }
    return digest(total, circumstances)


def finished(
    edges: Pairs,
    exponent: int,
    recipe: Recipe,
    known: Histories,
    weighed: Weighed,
    shop: Shop,
    settings: TrainingSettings,
    now_ms: int,
) -> Trained:
    """Put a model together.

    Args:
        edges: W, quantized; where it is empty it is filled in, see ``engine.training.backoff``.
        exponent: what its integers were quantized by.
        recipe: how it was learned.
        known: from whom.
        weighed: the same as weights.
        shop: the items.
        settings: how it was trained.
        now_ms: what ages were counted to.
    """
    n_items = len(shop.item_ids)
    floor = floor_of(shop.tier, recipe.min_support, settings)
    row_source = np.full(n_items, RowSource.LEARNED, np.int32)
    if not recipe.learner.by_popularity:
        edges, row_source = filled_rows(edges, weighed.learned, floor, shop.tier, shop.goods)
    # What suggests it again is the customer's own purchase and no pair: the floor chosen for pairs, which
    # may be 50, would leave out most of what households buy again.
    bought_again = repeats(
        known.interactions, n_items, floor_of(shop.tier, settings.min_supports[0], settings)
    )
    n_distinct = np.bincount(weighed.seen.indices, minlength=n_items)
    popularity = np.where(n_distinct >= floor, np.rint(weighed.popularity * WEIGHT_ONE), 0)
    telling = lifts(weighed.seen, shop.classes._replace(agreed=known.agreed))
    arrays = ModelArrays(
        item_ids=shop.item_ids,
        indptr=edges.item_to_item.indptr,
        indices=edges.item_to_item.indices,
        weights=edges.item_to_item.data,
        support=edges.support,
        row_source=row_source,
        popularity=popularity.astype(np.int64),
        repeat=bought_again.repeat,
        repeat_support=bought_again.support,
        repeat_interval_days=bought_again.interval_days,
        classes=shop.classes.names,
        lift_item=telling.item,
        lift_class=telling.sensitive_class,
        lift_percent=telling.percent,
    )
    manifest = Manifest(
        learner=next(name for name, kind in LEARNERS.items() if kind is type(recipe.learner)),
        params=_as_json(recipe.learner.get_params()),
        latent=recipe.learner.latent,
        data_from_ms=int(known.interactions.at_ms.min()),
        data_to_ms=int(known.interactions.at_ms.max()),
        as_of_ms=now_ms,
        training_digest=made_from(known.total, recipe, shop, settings, now_ms),
        scale_exponent=exponent,
        usefulness_floor=in_units_of_scores(recipe.usefulness, exponent),
        repeat_shift=recipe.repeat_shift,
        n_customers=known.n_customers,
        n_interactions=len(known.interactions),
        n_edges=int(arrays.indices.size),
        min_support=recipe.min_support,
        min_support_sensitive=max(recipe.min_support, settings.min_support_sensitive),
        max_items_per_customer=settings.max_items_per_customer,
        n_lifts=int(arrays.lift_item.size),
        min_support_lift=MIN_SUPPORT,
        trend=recipe.trend,
        repeats=recipe.repeats,
        validation=recipe.validation,
        metrics=recipe.metrics,
        floor_curve=recipe.floor_curve,
        segments=recipe.segments,
        notes=recipe.notes,
        libraries=_libraries(),
    )
    return Trained(arrays, manifest)


def _as_json(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as they are read again from a file."""
    read: dict[str, Any] = orjson.loads(orjson.dumps(params))
    return read


def _libraries() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}


def _hashed(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
