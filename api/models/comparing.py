"""Two models side by side: what was measured of them, what they know, and how alike their suggestions are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from api.models.cards import FIGURES, chosen_row
from api.models.registry import Registration, registration, servable
from api.models.stored import copies_of
from api.settings import Settings
from api.storage.connection import reading
from engine.artefact import Artefact, Manifest

SLATE = 20
"""Suggestions of a slate that are held side by side."""

MOST_ROWS = 5_000
"""So many items are looked at, spread evenly over those that both models know."""

Json = dict[str, Any]


def compare_models(engine: Engine, settings: Settings, a: str, b: str) -> Json:
    """Hold two models side by side.

    Slates are those of item pages whose visitor nothing is known of: what goes with the item alone, by
    weight, whether or not it is in stock now. Figures were measured on what was kept back when each model was
    learned, so they are of the same customers only where ``same_validation`` says so.

    Args:
        engine: the database.
        settings: where models are kept.
        a: version of one model.
        b: version of another.

    Raises:
        UnknownModelError: one is not in the store.
        ArtefactError: the arrays of one were removed, or are broken.
        StoreUnavailableError: the database cannot be used.
    """
    found = registration(engine, a), registration(engine, b)
    with reading(engine) as conn:
        rows = servable(conn, a), servable(conn, b)
    copies = copies_of(settings)
    models = tuple(copies.load(row.location, verify=False) for row in rows)
    manifests = models[0].manifest, models[1].manifest
    alike = likeness(models[0], models[1])
    return {
        "a": _described(found[0], models[0]),
        "b": _described(found[1], models[1]),
        "same_validation": bool(manifests[0].validation)
        and manifests[0].validation == manifests[1].validation,
        "metrics": _metrics(*manifests),
        "items": {
            "n_both": alike.n_items_both,
            "n_only_a": models[0].n_items - alike.n_items_both,
            "n_only_b": models[1].n_items - alike.n_items_both,
        },
        "n_items_compared": alike.n_items_compared,
        "slates": {
            "k": SLATE,
            "equal_micro": alike.equal_micro,
            "overlap_micro": alike.overlap_micro,
        },
        "edges": {
            "n_both": alike.n_edges_both,
            "n_added": alike.n_edges_added,
            "n_removed": alike.n_edges_removed,
        },
    }


def _described(found: Registration, model: Artefact) -> Json:
    manifest = model.manifest
    return {
        "version": model.version,
        "state": found.state.value,
        "learner": manifest.learner,
        "created_at_ms": found.model.created_at_ms,
        "n_items": model.n_items,
        "n_edges": int(model.indices.size),
        "n_customers": manifest.n_customers,
        "n_interactions": manifest.n_interactions,
        "data_from_ms": manifest.data_from_ms,
        "data_to_ms": manifest.data_to_ms,
        "as_of_ms": manifest.as_of_ms,
        "min_support": manifest.min_support,
    }


def _metrics(a: Manifest, b: Manifest) -> list[Json]:
    """Return the figures of what was chosen, with intervals as far as they have them."""
    rows = chosen_row(a) or {}, chosen_row(b) or {}
    return [
        {
            "figure": figure,
            **{
                side: None
                if row.get(figure) is None
                else {
                    "value": row[figure],
                    "low": row.get(f"{figure}_low"),
                    "high": row.get(f"{figure}_high"),
                }
                for side, row in zip(("a", "b"), rows, strict=True)
            },
        }
        for figure in FIGURES
        if any(row.get(figure) is not None for row in rows)
    ]


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two models are; edges and slates are those of the items that were compared.

    Attributes:
        n_items_both: items that both know.
        n_items_compared: items of these that were looked at.
        equal_micro: share of slates that are the same, order included, in millionths.
        overlap_micro: mean share of suggestions that both slates of an item have, in millionths.
        n_edges_both: pairs that both have.
        n_edges_added: pairs that only the second has.
        n_edges_removed: pairs that only the first has.
    """

    n_items_both: int
    n_items_compared: int
    equal_micro: int
    overlap_micro: int
    n_edges_both: int
    n_edges_added: int
    n_edges_removed: int


def likeness(a: Artefact, b: Artefact) -> Likeness:
    """Compare rows of two models, spread evenly over the items that both know; empty slates are equal."""
    ids_a, ids_b = np.array(a.item_ids, np.str_), np.array(b.item_ids, np.str_)
    common, in_a, in_b = np.intersect1d(ids_a, ids_b, assume_unique=True, return_indices=True)
    n_compared = min(common.size, MOST_ROWS)
    sample = np.linspace(0, common.size - 1, n_compared).astype(np.int64)
    a_of_b = np.arange(a.n_items, a.n_items + b.n_items)  # items that only `b` knows come behind all of `a`
    a_of_b[in_b] = in_a
    n_equal, shared, n_both, n_a, n_b = 0, 0.0, 0, 0, 0
    for row_a, row_b in zip(in_a[sample].tolist(), in_b[sample].tolist(), strict=True):
        edges_a, slate_a = _row(a, row_a)
        edges_b, slate_b = (a_of_b[each] for each in _row(b, row_b))
        n_both += int(np.isin(edges_a, edges_b).sum())
        n_a += edges_a.size
        n_b += edges_b.size
        n_equal += bool(np.array_equal(slate_a, slate_b))
        longest = max(slate_a.size, slate_b.size)
        shared += float(np.isin(slate_a, slate_b).sum()) / longest if longest else 1.0
    return Likeness(
        n_items_both=int(common.size),
        n_items_compared=n_compared,
        equal_micro=_share(n_equal, n_compared),
        overlap_micro=_share(shared, n_compared),
        n_edges_both=n_both,
        n_edges_added=n_b - n_both,
        n_edges_removed=n_a - n_both,
    )


def _row(model: Artefact, row: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the columns of a row, and the best of them: ties by ascending item."""
    edges = slice(int(model.indptr[row]), int(model.indptr[row + 1]))
    columns = np.asarray(model.indices[edges])
    best = np.lexsort((columns, -model.weights[edges].astype(np.int64)))[:SLATE]
    return columns, columns[best]


def _share(part: float, whole: int) -> int:
    return round(1_000_000 * part / whole) if whole else 0
