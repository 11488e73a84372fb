"""Let a model learn from what has happened since, exactly: as if it had been there from the start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.artefact import Manifest, ModelArrays
from engine.interactions import DAY_MS, Interactions
from engine.training.backoff import Goods, learned_only
from engine.training.learn import Shop, TrainingSettings, made_from, recipe_of, what_is_known
from engine.training.lift import Classes
from engine.training.recounting import Change, Recounted, recounted


def update(
    model: ModelArrays,
    manifest: Manifest,
    before: Interactions,
    new: Interactions,
    item_ids: tuple[str, ...],
    tier: NDArray[np.int8],
    *,
    now_ms: int,
    classes: Classes | None = None,
    goods: Goods | None = None,
    settings: TrainingSettings | None = None,
) -> Recounted | None:
    """Let a model that counts pairs learn from more interactions, of customers it knew and of others.

    Args:
        model: the model.
        manifest: how it came to be.
        before: what it was made from.
        new: what it is to learn from beside that; customers are numbered as in ``before``.
        item_ids: what ``item_idx`` points into; those of the model, and any others, strictly ascending.
        tier: shape (n_items,), int8, 0 to 3: how sensitive each item is.
        now_ms: what ages are counted to.
        classes: what is sensitive about the items, and of whom that is known; see ``fit``.
        goods: what the catalogue says of the items; see ``fit``.
        settings: as when the model was trained.

    Returns:
        The model with what is new, with the version that ``refit`` on everything would give. ``None``
        if it has to be learned anew: its edges are not counted, another day has begun (UTC) and
        everything has aged, items are gone, or what it was made from is not just what is given here,
        under the same circumstances.

    Raises:
        ModelFitError: rows are out of range, or this version does not know the learner.
    """
    settings, shop = settings or TrainingSettings(), Shop.of(item_ids, tier, classes, goods)
    recipe, place = recipe_of(manifest, settings), _places(model.item_ids, item_ids)
    if place is None or manifest.as_of_ms // DAY_MS != now_ms // DAY_MS:
        return None
    goes_on = np.isin(before.customer_idx, new.customer_idx)
    stay, go = (what_is_known(before.where(each), shop, settings) for each in (~goes_on, goes_on))
    known_shop = shop.only(place)
    digest = made_from(stay.total + go.total, recipe, known_shop, settings, manifest.as_of_ms)
    if manifest.training_digest != digest:
        return None
    come = what_is_known(Interactions.joined(before.where(goes_on), new), shop, settings)
    after = what_is_known(Interactions.joined(before, new), shop, settings)
    change = Change(stay, go, come, after)
    return recounted(
        _with_items(learned_only(model), item_ids, place),
        manifest.scale_exponent,
        change,
        recipe,
        shop,
        settings,
        now_ms,
    )


def _places(known: tuple[str, ...], item_ids: tuple[str, ...]) -> NDArray[np.int64] | None:
    """Return where the items of a model are among others, ascending; ``None`` if one is not."""
    if known == item_ids:
        return np.arange(len(item_ids))
    place_of = {item_id: place for place, item_id in enumerate(item_ids)}
    if not place_of.keys() >= set(known):
        return None
    return np.array([place_of[item_id] for item_id in known], np.int64)


def _with_items(model: ModelArrays, item_ids: tuple[str, ...], place: NDArray[np.int64]) -> ModelArrays:
    """Return the model with room for other items; their rows are empty."""
    lengths = np.zeros(len(item_ids) + 1, np.int64)
    lengths[place + 1] = np.diff(model.indptr)
    return replace(
        model,
        item_ids=item_ids,
        indptr=np.cumsum(lengths),
        indices=place[model.indices].astype(np.int32),
    )
