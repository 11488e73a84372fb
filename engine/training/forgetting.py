"""Take customers out of a model, exactly: the outcome is the model that never had them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.artefact import Manifest, ModelArrays
from engine.interactions import Interactions
from engine.training.backoff import Goods, learned_only
from engine.training.learn import Shop, TrainingSettings, made_from, recipe_of, what_is_known
from engine.training.lift import Classes
from engine.training.recounting import Change, Recounted, recounted


def forget(
    model: ModelArrays,
    manifest: Manifest,
    remaining: Interactions,
    gone: Interactions,
    tier: NDArray[np.int8],
    *,
    classes: Classes | None = None,
    goods: Goods | None = None,
    settings: TrainingSettings | None = None,
) -> Recounted | None:
    """Take customers out of a model that counts pairs.

    Args:
        model: the model; its item ids are what ``item_idx`` points into.
        manifest: how it came to be.
        remaining: what was learned from the customers who stay.
        gone: what was learned from those who go. Whether one customer or thousands makes no
            difference to the outcome: taking them out one after the other gives the same.
        tier: shape (n_items,), int8, 0 to 3: how sensitive each item is.
        classes: as when the model was trained; see ``fit``.
        goods: as when the model was trained; see ``fit``.
        settings: as when the model was trained.

    Returns:
        The model without them, with the version that ``refit`` on the remaining customers would give.
        ``None`` if it has to be learned anew: its edges are not counted, nobody remains, or what it was
        made from is not just what is given here, under the same circumstances.

    Raises:
        ModelFitError: rows are out of range, or this version does not know the learner.
    """
    settings, shop = settings or TrainingSettings(), Shop.of(model.item_ids, tier, classes, goods)
    recipe, as_of_ms = recipe_of(manifest, settings), manifest.as_of_ms
    stay, went, nobody = (
        what_is_known(each, shop, settings) for each in (remaining, gone, Interactions.empty())
    )
    digest = made_from(stay.total + went.total, recipe, shop, settings, as_of_ms)
    if manifest.training_digest != digest or not stay.n_customers:
        return None
    change = Change(stay, went, nobody, after=stay)
    return recounted(learned_only(model), manifest.scale_exponent, change, recipe, shop, settings, as_of_ms)
