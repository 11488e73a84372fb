"""Taking customers out of a model, beside learning it anew and beside implicit's own refit.

The data is a published split when ``BENCH_SPLIT`` names a folder with one (see ``tactful evaluate``),
otherwise made up in the size of Gowalla's. The peer is implicit's cosine, fitted on the same matrix of
weights with as many neighbours: it has no floor, counts no support, and hashes and quantizes nothing.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable

import numpy as np
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_matrix

from engine.artefact import Manifest
from engine.evaluation.folder import read_folder
from engine.interactions import DAY_MS, Interactions
from engine.models import learner_named
from engine.training import Trained, forget, refit
from engine.vocabulary import Channel, Kind

NOW_MS = 20_000 * DAY_MS
N_CUSTOMERS, N_ITEMS, N_INTERACTIONS = 29_858, 40_981, 810_128
LEARNERS = ("walk", "cosine", "bm25")


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row a learner and way; seconds are medians."""
    found, n_items = _published() if "BENCH_SPLIT" in os.environ else _made_up(quick=quick)
    ids = tuple(f"{number:07d}" for number in range(n_items))
    n_times = 3 if quick else 20
    peer = _median([lambda: _implicit(found, n_items)] * 3)[0]
    rows: list[dict[str, object]] = [_row("cosine", "implicit refit (peer)", 0, peer, n_items, peer)]
    for name in LEARNERS:
        rows += _learner(name, found, ids, n_times, peer)
    return rows


def _learner(
    name: str, found: Interactions, ids: tuple[str, ...], n_times: int, peer: float
) -> list[dict[str, object]]:
    recipe = Manifest(learner=name, params=learner_named(name).get_params(), min_support=2)
    tier = np.zeros(len(ids), np.int8)
    trained: list[Trained] = []
    refit_s, _ = _median([lambda: trained.append(refit(recipe, found, ids, tier, now_ms=NOW_MS))] * 3)
    rows = [_row(name, "refit", 0, refit_s, len(ids), peer)]
    random = np.random.default_rng(0)
    customers = np.unique(found.customer_idx)
    for n_gone, times in ((1, n_times), (200, 3)):
        splits = [_split(found, random.choice(customers, n_gone, replace=False)) for _ in range(times)]
        taken, rebuilt = _median([lambda split=split: _forget(trained[-1], *split, tier) for split in splits])
        rows.append(_row(name, "forget", n_gone, taken, rebuilt, peer))
    return rows


def _forget(trained: Trained, remaining: Interactions, gone: Interactions, tier: np.ndarray) -> int:
    forgotten = forget(*trained, remaining, gone, tier)
    if forgotten is None:
        raise RuntimeError("the model had to be learned anew")
    return forgotten.n_rows_rebuilt


def _implicit(found: Interactions, n_items: int) -> None:
    weights = csr_matrix(
        (np.ones(len(found)), (found.customer_idx, found.item_idx)),
        shape=(int(found.customer_idx.max()) + 1, n_items),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it converts the matrix to and fro, and says so
        CosineRecommender(K=200).fit(weights, show_progress=False)


def _median(calls: list[Callable[[], object]]) -> tuple[float, float]:
    """Return the median of the seconds, and of what the calls return where that is a number."""
    taken, returned = [], []
    for call in calls:
        started = time.perf_counter()
        outcome = call()
        taken.append(time.perf_counter() - started)
        returned.append(outcome if isinstance(outcome, int) else 0)
    return float(np.median(taken)), float(np.median(returned))


def _row(name: str, way: str, n_gone: int, seconds: float, n_rows: float, peer: float) -> dict[str, object]:
    return {
        "learner": name,
        "way": way,
        "n_gone": n_gone,
        "seconds": seconds,
        "rows_computed": round(n_rows),
        "of_peer": seconds / peer,
    }


def _split(found: Interactions, gone: np.ndarray) -> tuple[Interactions, Interactions]:
    goes = np.isin(found.customer_idx, gone)
    return found.where(~goes), found.where(goes)


def _published() -> tuple[Interactions, int]:
    train = read_folder(os.environ["BENCH_SPLIT"]).train.tocoo()
    return _bought(train.row, train.col), train.shape[1]


def _made_up(*, quick: bool) -> tuple[Interactions, int]:
    """Few items that many have and many that few have, and the same of customers."""
    shrink = 20 if quick else 1
    n_customers, n_items, n_rows = (size // shrink for size in (N_CUSTOMERS, N_ITEMS, N_INTERACTIONS))
    random = np.random.default_rng(0)
    customer = (random.random(n_rows) ** 1.7 * n_customers).astype(np.int32)
    near = random.normal(customer / n_customers * n_items, n_items / 50)
    popular = random.random(n_rows) ** 3 * n_items
    item = np.where(random.random(n_rows) < 0.7, near, popular).astype(np.int64) % n_items
    pairs = np.unique(customer.astype(np.int64) * n_items + item)
    return _bought(pairs // n_items, pairs % n_items), n_items


def _bought(customer: np.ndarray, item: np.ndarray) -> Interactions:
    n_rows = customer.size
    age_days = np.random.default_rng(1).integers(0, 365, n_rows)
    return Interactions(
        customer_idx=customer.astype(np.int32),
        item_idx=item.astype(np.int32),
        kind=np.full(n_rows, Kind.PURCHASE, np.int8),
        at_ms=NOW_MS - age_days * DAY_MS,
        channel=np.full(n_rows, Channel.WEB, np.int8),
        purpose=np.zeros(n_rows, np.int8),
        is_gift=np.zeros(n_rows, np.bool_),
        provenance=np.zeros(n_rows, np.int8),
    )
