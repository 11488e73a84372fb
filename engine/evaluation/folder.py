"""Measure learners on a published split: a folder with ``train.txt`` and ``test.txt``.

One line a customer: its number, then the numbers of its items, separated by blanks. Either file
may be compressed (``.gz``).
"""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.errors import DatasetError
from engine.evaluation.metrics import ndcg_at_k, recall_at_k
from engine.evaluation.ranking import rank
from engine.models import LEARNERS, learner_named
from engine.models.base import Learner

Progress = Callable[[str, int, int], None]

HELD_OUT_SHARE = 0.2
MAX_VALIDATED = 10_000
"""Customers drawn for validation at most; the standard error of NDCG is then about 0.002."""

_SEED = 0
_MAX_DIGITS = 18  # any number that long fits int64


class Row(NamedTuple):
    """Test figures of one learner; ``fit_s`` is the time it took to learn from the training data."""

    learner: str
    recall: float
    ndcg: float
    fit_s: float


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        chosen: name of the learner with the best NDCG on a slice of the training data.
        rows: test figures of every learner, in the order asked for.
        k: length of the rankings.
        min_support: distinct customers that every edge had at least.
    """

    chosen: str
    rows: tuple[Row, ...]
    k: int
    min_support: int

    def as_dict(self) -> dict[str, Any]:
        """Return ``{"chosen": {learner, recall, ndcg}, "learners": [{learner, recall, ndcg, fit_s}]}``."""
        best = next(row for row in self.rows if row.learner == self.chosen)
        return {
            "chosen": {"learner": best.learner, "recall": best.recall, "ndcg": best.ndcg},
            "learners": [row._asdict() for row in self.rows],
        }


@dataclass(frozen=True, eq=False)
class Split:
    """Training and test data; both matrices are (n_customers, n_items), CSR of ones."""

    train: csr_matrix
    test: csr_matrix


def evaluate_folder(
    path: str | Path,
    k: int = 20,
    learners: Sequence[str] = tuple(LEARNERS),
    progress: Progress = lambda _stage, _done, _total: None,
    min_support: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Report:
    """Score learners on the test data, and choose one without looking at it.

    All items are ranked except the customer's training items; figures are averages over all
    customers with test items. The choice is made on a fifth of the training interactions, drawn
    uniformly and held out (there are no times to cut at; see ``engine/adr/0001``).

    Args:
        path: folder with ``train.txt[.gz]`` and ``test.txt[.gz]``.
        k: length of the rankings.
        learners: names from ``engine.models.LEARNERS``.
        progress: called with (stage, steps done, steps in all).
        min_support: distinct customers that an edge needs. 1, no floor, is what published
            figures are measured with; an artefact never has less than 2.
        clock: seconds, for ``fit_s``.

    Raises:
        DatasetError: a file is missing or a line cannot be read; names the file and the line.
        ModelFitError: a name is not a learner's.
    """
    named = [(name, learner_named(name)) for name in learners]
    if not named or k < 1:
        raise DatasetError("nothing to evaluate: give at least one learner and a `k` of at least 1")
    split = read_folder(path)
    held_out = hold_out(split.train, HELD_OUT_SHARE, np.random.default_rng(_SEED))
    floor = np.full(split.train.shape[1], min_support, np.int32)
    validated: dict[str, float] = {}
    rows: list[Row] = []
    for position, (name, learner) in enumerate(named):
        progress(f"{name}: choosing", 2 * position, 2 * len(named))
        learner.fit(held_out.train, floor)
        validated[name] = _measure(learner, held_out, k, MAX_VALIDATED)[1]
        progress(f"{name}: testing", 2 * position + 1, 2 * len(named))
        started = clock()
        learner.fit(split.train, floor)
        fit_s = clock() - started
        recall, ndcg = _measure(learner, split, k)
        rows.append(Row(name, round(recall, 6), round(ndcg, 6), round(fit_s, 3)))
    progress("done", 2 * len(named), 2 * len(named))
    return Report(max(validated, key=validated.__getitem__), tuple(rows), k, min_support)


def read_folder(path: str | Path) -> Split:
    """Read both files; customers and items are numbered afresh, in ascending order of their numbers.

    Raises:
        DatasetError: see ``evaluate_folder``.
    """
    folder = Path(path)
    train, test = _read(_find(folder, "train.txt")), _read(_find(folder, "test.txt"))
    if train.size == 0:
        raise DatasetError(f"`{folder}` holds no training interactions")
    customers, customer = np.unique(np.concatenate([train[:, 0], test[:, 0]]), return_inverse=True)
    items, item = np.unique(np.concatenate([train[:, 1], test[:, 1]]), return_inverse=True)
    shape = (customers.size, items.size)
    cut = len(train)
    return Split(_ones(customer[:cut], item[:cut], shape), _ones(customer[cut:], item[cut:], shape))


def hold_out(train: csr_matrix, share: float, random: np.random.Generator) -> Split:
    """Split training data once more, drawing each interaction independently with probability ``share``."""
    customer = np.repeat(np.arange(train.shape[0]), np.diff(train.indptr))
    drawn = random.random(train.nnz) < share
    return Split(
        _ones(customer[~drawn], train.indices[~drawn], train.shape),
        _ones(customer[drawn], train.indices[drawn], train.shape),
    )


def _measure(learner: Learner, split: Split, k: int, n_most: int | None = None) -> tuple[float, float]:
    """Return recall and NDCG, over all customers with something to find or over ``n_most`` of them."""
    asked = np.flatnonzero(np.diff(split.test.indptr))
    if n_most is not None and asked.size > n_most:
        asked = np.sort(np.random.default_rng(_SEED).choice(asked, n_most, replace=False))
    popularity = np.asarray(split.train.sum(axis=0)).ravel()
    ranked = rank(learner, popularity, split.train, split.train, asked, k)
    relevant = split.test[asked]
    return recall_at_k(ranked, relevant), ndcg_at_k(ranked, relevant)


def _ones(
    customer: NDArray[np.integer[Any]], item: NDArray[np.integer[Any]], shape: tuple[int, int]
) -> csr_matrix:
    matrix = csr_matrix((np.ones(customer.size), (customer, item)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _find(folder: Path, name: str) -> Path:
    for file in (folder / name, folder / f"{name}.gz"):
        if file.is_file():
            return file
    raise DatasetError(f"`{folder}` has neither `{name}` nor `{name}.gz`")


def _read(file: Path) -> NDArray[np.int64]:
    """Return (customer, item) pairs, shape (n, 2)."""
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
            return _pairs(lines, file)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"`{file}` cannot be read: {error}") from error


def _pairs(lines: Iterable[bytes], file: Path) -> NDArray[np.int64]:
    parts = [np.empty((0, 2), np.int64)]
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        wrong = next((at for at, field in enumerate(fields, 1) if not _is_number(field)), None)
        if wrong is not None:
            raise DatasetError(f"`{file}` line {number}: field {wrong} is not a whole number")
        if fields:
            values = np.array(fields, dtype=np.int64)
            parts.append(np.column_stack([np.full(values.size - 1, values[0]), values[1:]]))
    return np.concatenate(parts)


def _is_number(field: bytes) -> bool:
    return field.isdigit() and len(field) <= _MAX_DIGITS
