"""For whom a learner does well: by how active customers are, how long items are there, and who is new."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.evaluation.cuts import Cut
from engine.evaluation.metrics import gains_by_customer

NEW_DAYS = 28
"""Customers and items that came up so recently before the cut count as new."""

_DIGITS = 6


def by_activity(learner: str, ranked: NDArray[np.int32], cut: Cut) -> list[dict[str, Any]]:
    """Return figures of the least, the middling and the most active third of customers.

    Args:
        learner: name that goes into the rows.
        ranked: shape (n, k), rankings of the customers of ``cut``.
        cut: what was to be found. Activity is the number of items known of a customer before.
    """
    n_known = np.diff(cut.seen.indptr)[cut.customers]
    low, high = (
        (np.quantile(n_known, share, method="lower") for share in (1 / 3, 2 / 3)) if n_known.size else (0, 0)
    )
    thirds = {
        f"up to {low:.0f} items": n_known <= low,
        f"{low + 1:.0f} to {high:.0f} items": (n_known > low) & (n_known <= high),
        f"more than {high:.0f} items": n_known > high,
    }
    return [
        _row("activity", name, learner, ranked[of_it], cut.relevant[np.flatnonzero(of_it)])
        for name, of_it in thirds.items()
        if of_it.any()
    ]


def by_age(
    learner: str,
    ranked: NDArray[np.int32],
    cut: Cut,
    item_age_days: NDArray[np.int64],
    customer_age_days: NDArray[np.int64],
) -> list[dict[str, Any]]:
    """Return figures for new and for older items, and for new customers.

    Args:
        learner: name that goes into the rows.
        ranked: see ``by_activity``.
        cut: what was to be found.
        item_age_days: shape (n_items,), days from the first interaction to the cut; below 0 where that came
            after, so that nothing could be learned of the item.
        customer_age_days: shape (n,), the same of those who are asked.
    """
    items = {
        "not seen before": item_age_days < 0,
        f"up to {NEW_DAYS} days": (item_age_days >= 0) & (item_age_days <= NEW_DAYS),
        f"more than {NEW_DAYS} days": item_age_days > NEW_DAYS,
    }
    rows = [
        _row("item_age", name, learner, ranked, _only_items(cut.relevant, of_it))
        for name, of_it in items.items()
    ]
    new = customer_age_days <= NEW_DAYS
    name = f"known for up to {NEW_DAYS} days"
    rows.append(_row("new_customers", name, learner, ranked[new], cut.relevant[np.flatnonzero(new)]))
    return [row for row in rows if row["n"]]


def _only_items(relevant: csr_matrix, wanted: NDArray[np.bool_]) -> csr_matrix:
    kept = csr_matrix(relevant, copy=True)
    kept.data = np.where(wanted[kept.indices], 1.0, 0.0)
    kept.eliminate_zeros()
    return kept


def _row(
    by: str, segment: str, learner: str, ranked: NDArray[np.int32], relevant: csr_matrix
) -> dict[str, Any]:
    """Return means over the customers of a segment who had something to find, and how many these are."""
    gains = gains_by_customer(ranked, relevant)
    n = int(gains.ndcg.size)
    recall, ndcg = (round(float(each.mean()), _DIGITS) if n else 0.0 for each in (gains.recall, gains.ndcg))
    return {"by": by, "segment": segment, "learner": learner, "n": n, "recall": recall, "ndcg": ndcg}
