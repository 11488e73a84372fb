"""Take customers out of a model, exactly: the outcome is the model that never had them.

Nothing is subtracted. The rows of W that the customers had a part in, or whose remaining parts weigh
differently without them, are counted again from the remaining histories; all other rows stay as they
are. So no counts have to be kept beside the model, among them those of pairs that too few customers
share for anybody to know.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from engine.artefact import WEIGHT_SCALE, Manifest, ModelArrays
from engine.interactions import Interactions
from engine.models.base import Counted
from engine.models.integers import quantized, scale_exponent
from engine.models.pairs import Pairs, Product, count_pairs
from engine.training.learn import (
    Shop,
    Trained,
    TrainingSettings,
    finished,
    floor_of,
    made_from,
    recipe_of,
    weigh,
    what_is_known,
)
from engine.training.lift import Classes


class Forgotten(NamedTuple):
    """A model without the customers who were taken out.

    Attributes:
        trained: the model, with the version that ``refit`` on the remaining customers would give.
        n_rows_rebuilt: rows of W that were counted again.
    """

    trained: Trained
    n_rows_rebuilt: int


def forget(
    model: ModelArrays,
    manifest: Manifest,
    remaining: Interactions,
    gone: Interactions,
    tier: NDArray[np.int8],
    *,
    classes: Classes | None = None,
    settings: TrainingSettings | None = None,
) -> Forgotten | None:
    """Take customers out of a model that counts pairs.

    Args:
        model: the model; its item ids are what ``item_idx`` points into.
        manifest: how it came to be.
        remaining: what was learned from the customers who stay.
        gone: what was learned from those who go. Whether one customer or thousands makes no
            difference to the outcome: taking them out one after the other gives the same.
        tier: shape (n_items,), int8, 0 to 3: how sensitive each item is.
        classes: as when the model was trained; see ``fit``.
        settings: as when the model was trained.

    Returns:
        The model without them. ``None`` if it has to be learned anew: its edges are not counted,
        nobody remains, or what it was made from is not just what is given here, under the same
        circumstances.

    Raises:
        ModelFitError: rows are out of range, or this version does not know the learner.
    """
    settings, shop = settings or TrainingSettings(), Shop.of(model.item_ids, tier, classes)
    recipe, as_of_ms = recipe_of(manifest, settings), manifest.as_of_ms
    stay, went = what_is_known(remaining, shop, settings), what_is_known(gone, shop, settings)
    learner = recipe.learner
    unchanged = manifest.training_digest == made_from(
        stay.total + went.total, recipe, shop, settings, as_of_ms
    )
    if not (unchanged and stay.n_customers and isinstance(learner, Counted)):
        return None
    n_items = model.n_items
    weighed = weigh(stay.interactions, (stay.n_customers, n_items), settings, as_of_ms)
    lost = weigh(went.interactions, (went.n_customers, n_items), settings, as_of_ms)
    before = learner.product(csr_matrix(vstack([weighed.learned, lost.learned])))
    after = learner.product(weighed.learned)
    stale = _stale(before, after)
    floor = floor_of(tier, recipe.min_support, settings)
    rebuilt = count_pairs(after, floor, learner.n_neighbours, np.flatnonzero(stale))
    exponent = _same_scale(model, stale, rebuilt, manifest.scale_exponent)
    if exponent is None:
        stale[:] = True
        rebuilt = count_pairs(after, floor, learner.n_neighbours)
        exponent = scale_exponent(rebuilt.item_to_item.data.max(initial=0.0))
    edges = _with_rows(model, stale, quantized(rebuilt, exponent))
    trained = finished(edges, exponent, recipe, stay, weighed, shop, settings, as_of_ms)
    return Forgotten(trained, int(np.count_nonzero(stale)))


def _stale(before: Product, after: Product) -> NDArray[np.bool_]:
    """Tell which rows of W, shape (n_items,), would not come out as they are without the lost customers.

    Whatever a row is computed from is compared: its row of ``left``, and the rows of ``right`` and the
    column scales it gets to from there. Of ``before``, the first customers are those of ``after``.
    """
    n_items, n_stay = after.left.shape
    stays = before.left[:, :n_stay]
    stale = np.zeros(n_items, np.bool_)
    stale[before.right[n_stay:].indices] = True
    stale[_row_of_entry(after.left)[stays.data != after.left.data]] = True

    items, customers = after.right.indices, _row_of_entry(after.right)
    rescaled = before.column_scale != after.column_scale
    other = (before.right.data[: after.right.nnz] != after.right.data) | rescaled[items]
    affected = np.zeros(n_stay, np.bool_)
    affected[customers[other]] = True
    stale[items[affected[customers]]] = True
    return stale


def _row_of_entry(matrix: csr_matrix) -> NDArray[np.int64]:
    rows: NDArray[np.int64] = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows


def _same_scale(model: ModelArrays, stale: NDArray[np.bool_], rebuilt: Pairs, exponent: int) -> int | None:
    """Return the scale of the kept rows if it is certainly that of the whole model, else ``None``.

    Kept entries are known to half an integer, so the strongest entry of all lies between two bounds.
    """
    kept = model.weights[~np.repeat(stale, np.diff(model.indptr))]
    strongest_kept = float(kept.max(initial=0))
    strongest_rebuilt = rebuilt.item_to_item.data.max(initial=0.0)
    bounds = (
        max(strongest_rebuilt, np.ldexp((strongest_kept + step) / WEIGHT_SCALE, exponent))
        for step in (-1.0, 1.0)
    )
    return exponent if all(scale_exponent(bound) == exponent for bound in bounds) else None


def _with_rows(model: ModelArrays, stale: NDArray[np.bool_], rebuilt: Pairs) -> Pairs:
    """Return the model's rows, the stale ones replaced by those that were counted again."""
    old_lengths = np.diff(model.indptr)
    lengths = np.where(stale, np.diff(rebuilt.item_to_item.indptr), old_lengths)
    kept, new = ~np.repeat(stale, old_lengths), np.repeat(stale, lengths)
    matrix = csr_matrix((model.n_items, model.n_items), dtype=np.int32)
    matrix.indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    matrix.indices = _interleaved(new, rebuilt.item_to_item.indices, model.indices[kept])
    matrix.data = _interleaved(new, rebuilt.item_to_item.data, model.weights[kept])
    return Pairs(matrix, _interleaved(new, rebuilt.support, model.support[kept]))


def _interleaved(
    choose: NDArray[np.bool_], where_true: NDArray[np.int32], where_false: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Return an array, shape (n,), that takes the next of one or of the other, as ``choose`` says."""
    out = np.empty(choose.size, np.int32)
    out[choose], out[~choose] = where_true, where_false
    return out
