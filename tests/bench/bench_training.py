"""Training beside implicit's learners on the same matrix: seconds and memory, from 10⁵ interactions on.

Interactions are made up with a long tail: few items that many buy and many that few do, customers of whom
some buy a hundred times as much as others, each with a few tastes that most purchases come from, and seasons.
They are written to a file, and each figure is taken by a process of its own that reads it: seconds are
those of the training alone (of the clock, and of all cores together: these do not suffer from what else
the machine does), memory is the most that the whole process had resident.

``walk`` learns by the learner of that name alone, counted, cut and quantized as a model; ``contest`` compares
all learners and chooses a privacy floor, as ``tactful train`` does. The peers are implicit's cosine, with as
many neighbours, and its ALS with 64 factors. ``growth`` is the exponent of seconds or memory between this
size and the one before: 1 is as many times more as there are interactions.

``BENCH_PLOTS`` names a folder for ``training.png``: time and memory against size.
"""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from matplotlib.figure import Figure
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from engine.artefact import Manifest
from engine.interactions import DAY_MS, Interactions
from engine.models import learner_named
from engine.training import fit, refit
from engine.vocabulary import Channel, Kind

SIZES = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
QUICK_SIZES = (3_000, 10_000)
BUDGET_S = 600.0
NOW_MS = 20_000 * DAY_MS
N_TASTES = 60


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Return one row a size and way of learning."""
    rows: list[dict[str, Any]] = []
    for n_interactions in QUICK_SIZES if quick else SIZES:
        with TemporaryDirectory() as folder:
            n_items = write(made_up(n_interactions), Path(folder))
            taken = {way: _in_a_process(way, Path(folder), n_items) for way in WAYS}
        for way, figures in taken.items():
            row = {"way": way, "n_interactions": n_interactions, "n_items": n_items, **figures}
            row["of_implicit_cosine"] = row["seconds"] / taken["implicit cosine"]["seconds"]
            row["of_implicit_als"] = row["seconds"] / taken["implicit als"]["seconds"]
            before = next((each for each in reversed(rows) if each["way"] == way), None)
            rows.append({**row, **_growth(row, before)} if before else row)
    if "BENCH_PLOTS" in os.environ:
        draw(rows, Path(os.environ["BENCH_PLOTS"]) / "training.png")
    return rows


def made_up(n_rows: int, seed: int = 0) -> Interactions:
    """Return a year of purchases; items and customers grow with the square root and in proportion."""
    random = np.random.default_rng(seed)
    n_customers, n_items = max(n_rows // 20, 50), max(int(20 * math.sqrt(n_rows)), 500)
    activity = random.lognormal(0.0, 1.1, n_customers)
    customer = random.choice(n_customers, n_rows, p=activity / activity.sum())
    tastes = random.integers(0, N_TASTES, (n_customers, 3))
    taste = tastes[customer, random.integers(0, 3, n_rows)]
    of_taste = _long_tail(random, n_items // N_TASTES, n_rows) * N_TASTES + taste
    of_all = _long_tail(random, n_items, n_rows)
    item = np.where(random.random(n_rows) < 0.75, of_taste, of_all)
    return Interactions(
        customer_idx=customer.astype(np.int32),
        item_idx=item.astype(np.int32),
        kind=np.full(n_rows, Kind.PURCHASE, np.int8),
        at_ms=NOW_MS - (365 * DAY_MS * random.random(n_rows)).astype(np.int64),
        channel=np.full(n_rows, Channel.WEB, np.int8),
        purpose=np.zeros(n_rows, np.int8),
        is_gift=np.zeros(n_rows, np.bool_),
        provenance=np.zeros(n_rows, np.int8),
    )


def _long_tail(random: np.random.Generator, n: int, size: int) -> np.ndarray:
    """Draw numbers below ``n``, the first ones most: by Zipf's law, with the head a little flattened."""
    share = 1.0 / (np.arange(n) + 10.0)
    return random.choice(n, size, p=share / share.sum())


def write(found: Interactions, folder: Path) -> int:
    """Write interactions, one file a column; return the number of items."""
    for name, column in vars(found).items():
        np.save(folder / f"{name}.npy", column)
    return int(found.item_idx.max()) + 1


def read(folder: Path) -> Interactions:
    """Read what ``write`` wrote."""
    return Interactions(**{file.stem: np.load(file) for file in folder.glob("*.npy")})


def _walk(found: Interactions, n_items: int) -> dict[str, Any]:
    recipe = Manifest(learner="walk", params=learner_named("walk").get_params(), min_support=2)
    trained = refit(recipe, found, _ids(n_items), np.zeros(n_items, np.int8), now_ms=NOW_MS)
    return {"n_edges": int(trained.arrays.indices.size)}


def _contest(found: Interactions, n_items: int) -> dict[str, Any]:
    trained = fit(
        found, _ids(n_items), np.zeros(n_items, np.int8), now_ms=NOW_MS, budget_s=BUDGET_S, progress=_tell
    )
    n_skipped = sum("skipped" in row for row in trained.manifest.metrics)
    return {
        "n_edges": int(trained.arrays.indices.size),
        "chosen": trained.manifest.learner,
        "n_skipped": n_skipped,
    }


def _implicit_cosine(found: Interactions, n_items: int) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it converts the matrix to and fro, and says so
        model = CosineRecommender(K=learner_named("walk").get_params()["n_neighbours"])
        model.fit(_matrix(found, n_items, np.float64), show_progress=False)
    return {"n_edges": int(model.similarity.nnz)}


def _implicit_als(found: Interactions, n_items: int) -> dict[str, Any]:
    with threadpool_limits(1, "blas"):  # as it asks for
        model = AlternatingLeastSquares(factors=64, iterations=10, random_state=0)
        model.fit(_matrix(found, n_items, np.float32), show_progress=False)
    return {}


WAYS: dict[str, Callable[[Interactions, int], dict[str, Any]]] = {
    "walk": _walk,
    "contest": _contest,
    "implicit cosine": _implicit_cosine,
    "implicit als": _implicit_als,
}


def _matrix(found: Interactions, n_items: int, dtype: type) -> csr_matrix:
    shape = (int(found.customer_idx.max()) + 1, n_items)
    matrix = csr_matrix((np.ones(len(found), dtype), (found.customer_idx, found.item_idx)), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _ids(n_items: int) -> tuple[str, ...]:
    return tuple(f"{number:07d}" for number in range(n_items))


def _tell(stage: str, done: int, total: int) -> None:
    print(f"  {time.process_time():7.1f} s  {done}/{total} {stage}", file=sys.stderr, flush=True)


def _in_a_process(way: str, folder: Path, n_items: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.bench_training", way, str(folder), str(n_items)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _measure(way: str, folder: Path, n_items: int) -> dict[str, Any]:
    found = read(folder)
    started, started_cpu = time.perf_counter(), time.process_time()
    more = WAYS[way](found, n_items)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_gib": peak_gib, **more}


def _growth(row: dict[str, Any], before: dict[str, Any]) -> dict[str, float]:
    """Return e where a figure grew as size ** e since the size before."""
    times = math.log(row["n_interactions"] / before["n_interactions"])
    return {f"growth_{of}": math.log(row[of] / before[of]) / times for of in ("seconds", "peak_gib")}


def draw(rows: list[dict[str, Any]], file: Path) -> None:
    """Plot time and memory against size, one line a way of learning."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    panels = zip(figure.subplots(1, 2), ("seconds", "peak_gib"), ("seconds", "GiB resident"), strict=True)
    for axes, of, label in panels:
        for way in WAYS:
            own = [row for row in rows if row["way"] == way]
            sizes, figures = [row["n_interactions"] for row in own], [row[of] for row in own]
            axes.loglog(sizes, figures, marker="o", label=way)
        axes.set(xlabel="interactions", ylabel=label)
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
