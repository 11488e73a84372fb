"""The servers that the whole guarded path is held against, as WSGI applications.

* ``bare``: Flask answering ``{}``; what the framework and the server cost by themselves.
* ``naive``: what a shop would write in an afternoon: Flask and implicit's ALS with 128 factors,
  asked for ten items; no consent, no rule, no reason, no record.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from flask import Flask, jsonify, request
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix, load_npz, save_npz

FACTORS = 128

bare = Flask("bare")
naive = Flask("naive")


@bare.post("/v1/recommendations")
def nothing():
    """Answer with an empty object."""
    return jsonify({})


@lru_cache(maxsize=1)
def _trained() -> tuple[AlternatingLeastSquares, csr_matrix, dict[str, int]]:
    folder = Path(os.environ["BENCH_NAIVE"])
    model = AlternatingLeastSquares.load(str(folder / "als.npz"))
    customers = {name: row for row, name in enumerate((folder / "customers.txt").read_text().split())}
    return model, load_npz(folder / "purchases.npz"), customers


@naive.post("/v1/recommendations")
def recommend():
    """Answer with the ten best items of a customer."""
    model, purchases, customers = _trained()
    row = customers[request.get_json()["customer_id"]]
    items, scores = model.recommend(row, purchases[row], N=10)
    return jsonify(
        {"items": [{"item": int(i), "score": float(s)} for i, s in zip(items, scores, strict=True)]}
    )


def train_naive(folder: Path, customer: np.ndarray, item: np.ndarray, customers: list[str]) -> None:
    """Train the naive peer on purchases, one row each, and save it into ``folder``."""
    purchases = csr_matrix((np.ones(len(customer), np.float32), (customer, item)))
    model = AlternatingLeastSquares(factors=FACTORS, iterations=5, random_state=0, num_threads=2)
    model.fit(purchases, show_progress=False)
    model.save(str(folder / "als.npz"))
    save_npz(folder / "purchases.npz", purchases)
    (folder / "customers.txt").write_text("\n".join(customers))
