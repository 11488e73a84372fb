"""Scoring one customer: the kernel beside its peers, over catalogues of 10,000 to 1,000,000 items.

The kernel scores 50 pieces of evidence over rows of 100 entries, keeps the best 200 and attributes their
scores. Its peers do a part of that, and attribute nothing:

* implicit's ALS multiplies one customer's factors (128) with those of the whole catalogue;
* implicit's own item-item scorer adds up the same rows;
* NumPy gathers the same rows, sorts the entries by column and adds them up.

A time says something of the kernel only beside that of a peer in the same run: all are timed in turns, a call
each, so that whatever else the machine does meets all of them alike.

``python -m tests.bench.bench_kernel`` also draws the figures, into ``tests/bench/plots``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from implicit._nearest_neighbours import NearestNeighboursScorer
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import ItemItemRecommender
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from engine.artefact import WEIGHT_SCALE
from engine.interactions import WEIGHT_ONE
from engine.serving import kernel

N_PIECES, N_ENTRIES, N_BEST, N_FACTORS = 50, 100, 200, 128
SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (10_000, 100_000)
PLOT = Path(__file__).parent / "plots" / "kernel.svg"

Call = Callable[[], object]


class Taken(NamedTuple):
    """What one way to score took, in microseconds a call."""

    median_us: float
    p99_us: float


class Rows(NamedTuple):
    """The arrays of a model: ``N_ENTRIES`` entries a row, as an artefact holds them."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weights: NDArray[np.int32]
    support: NDArray[np.int32]

    @property
    def n_items(self) -> int:
        """How many rows there are."""
        return self.indptr.size - 1

    @property
    def n_bytes(self) -> int:
        """What they take in memory, shared by all processes that map them."""
        return sum(column.nbytes for column in self)


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Return one row a catalogue size; times are over different customers, whose rows are cold."""
    rows: list[dict[str, Any]] = []
    with threadpool_limits(1, "blas"):  # as a web worker has it
        for n_items in QUICK_SIZES if quick else SIZES:
            model = made_up(n_items)
            taken = times(model, n_calls=100 if quick else 300)
            own = taken["kernel"]
            smallest = rows[0]["kernel us"] if rows else own.median_us
            rows.append(
                {
                    "n_items": n_items,
                    "kernel us": own.median_us,
                    "kernel p99 us": own.p99_us,
                    "of smallest": own.median_us / smallest,
                    **{f"{name} us": each.median_us for name, each in taken.items() if name != "kernel"},
                    "als/kernel": taken["implicit als"].median_us / own.median_us,
                    "item-item/kernel": taken["implicit item-item"].median_us / own.median_us,
                    "numpy/kernel": taken["numpy"].median_us / own.median_us,
                    "model MB": model.n_bytes / 1e6,
                }
            )
    return rows


def made_up(n_items: int) -> Rows:
    """Make a model up; columns are evenly spread from a random start: distinct within a row, and in order."""
    random = np.random.default_rng(0)
    starts = random.integers(0, n_items // N_ENTRIES, n_items, dtype=np.int32)
    steps = np.arange(N_ENTRIES, dtype=np.int32) * (n_items // N_ENTRIES)
    indices = (starts[:, None] + steps).ravel()
    return Rows(
        indptr=np.arange(n_items + 1, dtype=np.int64) * N_ENTRIES,
        indices=indices,
        weights=random.integers(1, WEIGHT_SCALE, indices.size, dtype=np.int32),
        support=random.integers(2, 1000, indices.size, dtype=np.int32),
    )


def times(model: Rows, n_calls: int) -> dict[str, Taken]:
    """Time every way to score, in turns; each way has customers of its own, or the rows would be warm."""
    ways = {
        "kernel": _kernel(model),
        "implicit als": _als(model.n_items),
        "implicit item-item": _item_item(model),
        "numpy": _numpy(model),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-3, n_calls):  # the first few compile and warm up
        for name, prepare in ways.items():
            if name == "implicit als" and turn > n_calls // 10:
                continue  # it is slow, and its time hardly varies
            call = prepare()
            started = time.perf_counter()
            call()
            elapsed_s = time.perf_counter() - started
            if turn >= 0:
                taken[name].append(elapsed_s * 1e6)
    return {
        name: Taken(float(np.median(each)), float(np.percentile(each, 99))) for name, each in taken.items()
    }


def _kernel(model: Rows) -> Callable[[], Call]:
    random = np.random.default_rng(1)
    allowed = np.ones(model.n_items, np.bool_)

    def prepare() -> Call:
        pieces = random.integers(0, model.n_items, N_PIECES, dtype=np.int32)
        weights = random.integers(1, WEIGHT_ONE, N_PIECES)
        return lambda: kernel.score(*model, allowed, pieces, weights, pieces, N_BEST)

    return prepare


def _als(n_items: int) -> Callable[[], Call]:
    random = np.random.default_rng(2)
    model = AlternatingLeastSquares(factors=N_FACTORS, random_state=0)
    model.user_factors = random.random((1000, N_FACTORS), dtype=np.float32)
    model.item_factors = random.random((n_items, N_FACTORS), dtype=np.float32)

    def prepare() -> Call:
        customer, bought = int(random.integers(1000)), _bought(random, n_items)
        return lambda: model.recommend(customer, bought, N=N_BEST)

    return prepare


def _item_item(model: Rows) -> Callable[[], Call]:
    random = np.random.default_rng(3)
    peer = ItemItemRecommender(K=N_ENTRIES)
    peer.similarity = csr_matrix(  # implicit wants floats
        (model.weights.astype(np.float64), model.indices, model.indptr), (model.n_items, model.n_items)
    )
    peer.scorer = NearestNeighboursScorer(peer.similarity)

    def prepare() -> Call:
        bought = _bought(random, model.n_items, np.float64)
        return lambda: peer.recommend(0, bought, N=N_BEST)

    return prepare


def _numpy(model: Rows) -> Callable[[], Call]:
    random = np.random.default_rng(4)

    def prepare() -> Call:
        pieces = random.integers(0, model.n_items, N_PIECES)
        weights = random.integers(1, WEIGHT_ONE, N_PIECES)
        return lambda: _sort_and_reduce(model, pieces, weights)

    return prepare


def _sort_and_reduce(
    model: Rows, pieces: NDArray[np.int64], weights: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the best columns and their scores, as one would write it in NumPy."""
    at = (model.indptr[pieces][:, None] + np.arange(N_ENTRIES)).ravel()
    column, term = model.indices[at], (np.repeat(weights, N_ENTRIES) * model.weights[at]) >> kernel.SHIFT
    order = np.argsort(column)
    column, term = column[order], term[order]
    first = np.flatnonzero(np.concatenate([[True], column[1:] != column[:-1]]))
    score = np.add.reduceat(term, first)
    best = np.argpartition(-score, min(N_BEST, score.size - 1))[:N_BEST]
    best = best[np.argsort(-score[best])]
    return column[first[best]], score[best]


def _bought(random: np.random.Generator, n_items: int, dtype: type = np.float32) -> csr_matrix:
    items = np.unique(random.integers(0, n_items, N_PIECES))
    return csr_matrix((np.ones(items.size, dtype), (np.zeros(items.size, int), items)), (1, n_items))


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the medians against the size of the catalogue, both on logarithmic scales."""
    import matplotlib as mpl  # noqa: PLC0415  only the drawing needs it
    from matplotlib.figure import Figure  # noqa: PLC0415  as above

    mpl.rcParams["svg.hashsalt"] = "kernel"  # the same figures make the same file
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    sizes = [row["n_items"] for row in rows]
    for column, label in (
        ("implicit als us", "implicit ALS, 128 factors"),
        ("numpy us", "NumPy, sort and reduce"),
        ("implicit item-item us", "implicit item-item"),
        ("kernel us", "Tactful, with reasons"),
    ):
        axes.loglog(sizes, [row[column] / 1000 for row in rows], marker="o", label=label)
    axes.set_xlabel("items in the catalogue")
    axes.set_ylabel("milliseconds a customer")
    axes.grid(which="major", alpha=0.3)
    axes.legend(frameon=False, fontsize="small")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    from tests.bench.__main__ import print_table

    figures = run(quick=False)
    print_table("kernel", figures)
    draw(figures, PLOT)
