"""Small models and catalogues, built by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.artefact import ModelArrays
from engine.catalogue import Catalogue
from engine.interactions import WEIGHT_ONE
from engine.serving.candidates import Evidence
from engine.vocabulary import Channel, Kind, Origin


def item_ids(n_items: int) -> tuple[str, ...]:
    return tuple(f"item-{number:04d}" for number in range(n_items))


def catalogue(
    ids: Sequence[str],
    *,
    available: Sequence[bool] | None = None,
    category: Sequence[int] | None = None,
    brand: Sequence[int] | None = None,
) -> Catalogue:
    n_items = len(ids)
    return Catalogue(
        version="0" * 64,
        item_ids=tuple(ids),
        titles=tuple(ids),
        item_no=np.arange(n_items, dtype=np.int64),
        category=np.array(category if category is not None else [0] * n_items, np.int32),
        categories=("Food", "Drink", "Garden"),
        brand=np.array(brand if brand is not None else [-1] * n_items, np.int32),
        brands=("Acme", "Globex"),
        price_minor=np.full(n_items, 100, np.int64),
        currency="EUR",
        available=np.array(available if available is not None else [True] * n_items, np.bool_),
        tier=np.zeros(n_items, np.int8),
        sensitive_class=np.full(n_items, -1, np.int16),
        sensitive_classes=(),
        age_restricted=np.zeros(n_items, np.bool_),
        occasions=np.zeros(n_items, np.int32),
        unclassified=np.zeros(n_items, np.bool_),
        sponsored=np.zeros(n_items, np.bool_),
        pressing=np.zeros(n_items, np.bool_),
    )


def model(
    edges: NDArray[np.int32],
    *,
    ids: tuple[str, ...] | None = None,
    popularity: Sequence[int] | None = None,
    repeat: Sequence[int] | None = None,
    interval_days: Sequence[int] | None = None,
) -> ModelArrays:
    """A model whose W is ``edges``, shape (n_items, n_items); every edge has support 100 + its column."""
    matrix = csr_matrix(edges)
    n_items = edges.shape[0]
    zeros = [0] * n_items
    return ModelArrays(
        item_ids=ids if ids is not None else item_ids(n_items),
        indptr=matrix.indptr.astype(np.int64),
        indices=matrix.indices.astype(np.int32),
        weights=matrix.data.astype(np.int32),
        support=(matrix.indices + 100).astype(np.int32),
        row_source=np.zeros(n_items, np.int32),
        popularity=np.array(popularity or zeros, np.int64),
        repeat=np.array(repeat or zeros, np.int32),
        repeat_support=np.array([30] * n_items, np.int32),
        repeat_interval_days=np.array(interval_days or zeros, np.int32),
    )


def evidence(
    items: Sequence[int],
    weights: Sequence[int] | None = None,
    *,
    origin: Origin = Origin.HISTORY,
    kind: Kind = Kind.PURCHASE,
    age_days: int = 0,
) -> Evidence:
    n_pieces = len(items)
    return Evidence(
        item_idx=np.array(items, np.int32),
        weight=np.array(weights if weights is not None else [WEIGHT_ONE] * n_pieces, np.int64),
        origin=np.full(n_pieces, origin, np.int8),
        kind=np.full(n_pieces, kind, np.int8),
        age_days=np.full(n_pieces, age_days, np.int32),
        channel=np.full(n_pieces, Channel.WEB, np.int8),
        provenance=np.zeros(n_pieces, np.int8),
    )
