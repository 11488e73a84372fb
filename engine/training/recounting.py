"""Change whose histories a model that counts pairs rests on, exactly.

Nothing is added or subtracted. The rows of W that the changed histories have a part in, or whose
other parts weigh differently with them, are counted again from all histories as they are now; all
other rows stay as they are. So no counts have to be kept beside the model, among them those of pairs
that too few customers share for anybody to know.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from engine.artefact import WEIGHT_SCALE, ModelArrays
from engine.interactions import Interactions
from engine.models.base import Counted
from engine.models.integers import quantized, scale_exponent
from engine.models.pairs import Pairs, Product, count_pairs
from engine.training.histories import Histories
from engine.training.learn import (
    Recipe,
    Shop,
    Trained,
    TrainingSettings,
    counted_product,
    finished,
    floor_of,
    weigh,
)


class Change(NamedTuple):
    """Histories before and after. Who did something more has another history, and the one before goes.

    Attributes:
        stay: those that are the same before and after.
        go: those that were there before.
        come: those that are there after.
        after: those that stay and those that come, together.
    """

    stay: Histories
    go: Histories
    come: Histories
    after: Histories


class Recounted(NamedTuple):
    """A model that rests on other histories than before.

    Attributes:
        trained: the model, as learning from those histories alone would give it.
        n_rows_rebuilt: rows of W that were counted again.
    """

    trained: Trained
    n_rows_rebuilt: int


def recounted(
    model: ModelArrays,
    exponent: int,
    change: Change,
    recipe: Recipe,
    shop: Shop,
    settings: TrainingSettings,
    as_of_ms: int,
) -> Recounted | None:
    """Return a model with other histories; ``None`` if its edges are not counted.

    Args:
        model: made from the histories that stay and those that go, by all that follows.
        exponent: what its integers were quantized by.
        change: the histories; at least one is there after.
        recipe: how it is learned.
        shop: the items, which are those of the model.
        settings: how it is trained.
        as_of_ms: what ages are counted to.
    """
    learner = recipe.learner
    if not isinstance(learner, Counted):
        return None

    def weights(known: Histories) -> csr_matrix:
        return weigh(known.interactions, (known.n_customers, model.n_items), settings, as_of_ms).learned

    floor = floor_of(shop.tier, recipe.min_support, settings)

    def product_with(others: Histories) -> Product:
        together = csr_matrix(vstack([weights(change.stay), weights(others)]))
        return counted_product(recipe, together, _together(change.stay, others), floor, as_of_ms)

    stale = _stale(product_with(change.go), product_with(change.come), change.stay.n_customers)
    weighed = weigh(change.after.interactions, (change.after.n_customers, model.n_items), settings, as_of_ms)
    product = counted_product(recipe, weighed.learned, change.after.interactions, floor, as_of_ms)
    rebuilt = count_pairs(product, floor, learner.n_neighbours, np.flatnonzero(stale))
    if not _keeps_scale(model, stale, rebuilt, exponent):
        stale[:] = True
        rebuilt = count_pairs(product, floor, learner.n_neighbours)
        exponent = scale_exponent(rebuilt.item_to_item.data.max(initial=0.0))
    edges = _with_rows(model, stale, quantized(rebuilt, exponent))
    trained = finished(edges, exponent, recipe, change.after, weighed, shop, settings, as_of_ms)
    return Recounted(trained, int(np.count_nonzero(stale)))


def _together(some: Histories, others: Histories) -> Interactions:
    """Return interactions of disjoint sets of customers, numbered one set after the other."""
    numbers = others.interactions.customer_idx + np.int32(some.n_customers)
    return Interactions.joined(some.interactions, replace(others.interactions, customer_idx=numbers))


def _stale(before: Product, after: Product, n_stay: int) -> NDArray[np.bool_]:
    """Tell which rows of W, shape (n_items,), do not come out after as they did before.

    Whatever a row is computed from is compared: its row of ``left``, and the rows of ``right`` and the
    column scales it gets to from there. The first ``n_stay`` customers are the same before and after.
    """
    stale = np.zeros(before.left.shape[0], np.bool_)
    for product in (before, after):
        stale[product.right[n_stay:].indices] = True
    left_before, left_after = (product.left[:, :n_stay] for product in (before, after))
    stale[_row_of_entry(left_after)[left_before.data != left_after.data]] = True

    right_before, right_after = (product.right[:n_stay] for product in (before, after))
    items, customers = right_after.indices, _row_of_entry(right_after)
    rescaled = before.column_scale != after.column_scale
    other = (right_before.data != right_after.data) | rescaled[items]
    affected = np.zeros(n_stay, np.bool_)
    affected[customers[other]] = True
    stale[items[affected[customers]]] = True
    return stale


def _row_of_entry(matrix: csr_matrix) -> NDArray[np.int64]:
    rows: NDArray[np.int64] = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows


def _keeps_scale(model: ModelArrays, stale: NDArray[np.bool_], rebuilt: Pairs, exponent: int) -> bool:
    """Tell whether the scale of the kept rows is certainly that of the whole model.

    Kept entries are known to half an integer, so the strongest entry of all lies between two bounds.
    """
    kept = model.weights[~np.repeat(stale, np.diff(model.indptr))]
    strongest_kept = float(kept.max(initial=0))
    strongest_rebuilt = rebuilt.item_to_item.data.max(initial=0.0)
    bounds = (
        max(strongest_rebuilt, np.ldexp((strongest_kept + step) / WEIGHT_SCALE, exponent))
        for step in (-1.0, 1.0)
    )
    return all(scale_exponent(bound) == exponent for bound in bounds)


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
