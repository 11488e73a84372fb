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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.errors import DatasetError, ModelFitError
from engine.evaluation.cuts import Cut, cut_lines
from engine.evaluation.measuring import bootstrap_of, measured, ranked_on
from engine.evaluation.remembered import Remembered
from engine.models import LEARNERS
from engine.models.base import Learner
from engine.models.blend import blended
from engine.models.pairs import Pairs
from engine.training.selection import Contest, Entry, Means, Outcome, Setting

Progress = Callable[[str, int, int], None]

BUDGET_S = 480.0
"""How long an evaluation may take unless told otherwise, in seconds."""

_FINAL_TAKES = 1.3
"""Learning from everything and testing, as a multiple of learning from a cut and measuring."""

_MAX_DIGITS = 18  # any number that long fits int64


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        chosen: name of the learner that was chosen by the training data alone.
        rows: a learner each, in the order asked for: ``learner``, ``params``, test figures as in
            ``engine.artefact.Manifest.metrics``, ``fit_s`` (seconds of learning from the training data) and
            ``validation`` (figures by which it was chosen or not); or ``learner`` and ``skipped``: why.
        k: length of the rankings.
        min_support: distinct customers that every edge had at least.
        validation: how the training data was cut to choose by.
    """

    chosen: str
    rows: tuple[dict[str, Any], ...]
    k: int
    min_support: int
    validation: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return ``chosen`` (learner, recall, ndcg, params and their like), ``learners``, ``skipped``."""
        learners = [row for row in self.rows if "skipped" not in row]
        best = next(row for row in learners if row["learner"] == self.chosen)
        return {
            "chosen": {name: best[name] for name in ("learner", "recall", "ndcg", "params")},
            "learners": learners,
            "skipped": [row for row in self.rows if "skipped" in row],
            "validation": self.validation,
        }


@dataclass(frozen=True, eq=False)
class Split:
    """Training and test data.

    Attributes:
        train: shape (n_customers, n_items), CSR of ones.
        test: the same.
        place: shape (nnz of ``train``,), int64: where in its line each entry of ``train`` stood.
    """

    train: csr_matrix
    test: csr_matrix
    place: NDArray[np.int64]


def evaluate_folder(
    path: str | Path,
    k: int = 20,
    learners: Sequence[str] | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
    min_support: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    *,
    budget_s: float = BUDGET_S,
    memory_bytes: int | None = None,
    remember: Path | None = None,
) -> Report:
    """Score learners on the test data, and choose one without looking at it.

    All items are ranked except the customer's training items; figures are averages over all
    customers with test items. The choice, of parameters too, is made on what is held back of the training
    data (see ``engine/adr/0015``); test data is not touched before.

    Args:
        path: folder with ``train.txt[.gz]`` and ``test.txt[.gz]``.
        k: length of the rankings.
        learners: names from ``engine.models.LEARNERS``, cheapest first; all of them by default.
        progress: called with (stage, steps done, steps in all).
        min_support: distinct customers that an edge needs. 1, no floor, is what published
            figures are measured with; an artefact never has less than 2.
        clock: seconds.
        budget_s: time for everything. Settings are left out that would not leave enough of it for learning
            from all of the training data; at least one learner is measured.
        memory_bytes: what learning may take; who needs more is left out. ``None`` for any amount.
        remember: file of what has been measured on the training data; what is in it is not measured again.

    Raises:
        DatasetError: a file is missing or a line cannot be read; names the file and the line.
        ModelFitError: a name is not a learner's, or none of them learned anything.
    """
    names = tuple(LEARNERS) if learners is None else tuple(learners)
    if not names or k < 1:
        raise DatasetError("nothing to evaluate: give at least one learner and a `k` of at least 1")
    until_s = clock() + budget_s
    split = read_folder(path)
    floor = np.full(split.train.shape[1], min_support, np.int32)
    cuts = cut_lines(split.train, split.place)
    contest = Contest(
        cuts,
        floor,
        k,
        Means(until_s, each_after=_FINAL_TAKES, memory_bytes=memory_bytes),
        remembered=Remembered(remember),
        progress=lambda stage, done, total: progress(stage, done, total + len(names)),
        clock=clock,
    )
    outcome = contest.run(names)
    final = _Final(split, floor, k, clock, _blended_of(outcome))
    rows: list[dict[str, Any]] = []
    n_steps = contest.n_steps + len(names)
    for position, row in enumerate(outcome.rows):
        progress(f"testing: {row['learner']}", contest.n_steps + position, n_steps)
        entry = next((each for each in outcome.entries if each.setting.learner == row["learner"]), None)
        rows.append(row if entry is None else final.tested(entry))
    progress("done", n_steps, n_steps)
    validation = {
        "kind": "held_out",
        "n_customers": int(cuts.near.customers.size),
        "k": k,
        "by_order": cuts.by_order,
    }
    return Report(_chosen(outcome), tuple(rows), k, min_support, validation)


def _chosen(outcome: Outcome) -> str:
    """Return the name of the learner that was chosen; popularity where nobody learned anything else.

    Raises:
        ModelFitError: not even that was measured.
    """
    if outcome.best is not None:
        return outcome.best.setting.learner
    if not outcome.entries:
        raise ModelFitError("no learner learned anything: nothing could be chosen")
    return outcome.entries[0].setting.learner


def _blended_of(outcome: Outcome) -> frozenset[str]:
    """Return the names of the learners that the blend is made of."""
    parts = [part for entry in outcome.entries for part in entry.setting.params.get("parts", ())]
    return frozenset(name for name, _, _ in parts)


class _Final:
    """Learns from all of the training data and measures on the test data."""

    def __init__(
        self,
        split: Split,
        floor: NDArray[np.int32],
        k: int,
        clock: Callable[[], float],
        blended_later: frozenset[str],
    ) -> None:
        self._train = split.train
        self._floor = floor
        self._k = k
        self._clock = clock
        self._blended_later = blended_later
        self._cut = Cut.of_ones(split.train, split.test)
        self._bootstrap = bootstrap_of(self._cut)
        self._parts: dict[str, tuple[Pairs, float]] = {}

    def tested(self, entry: Entry) -> dict[str, Any]:
        """Return the row of a report. A blend takes its parts from what was learned for them before."""
        started = self._clock()
        learner = entry.setting.made()
        before_s = self._learn(learner, entry.setting)
        fit_s = self._clock() - started + before_s
        figures = measured(self._cut, ranked_on(self._cut, learner, self._k), self._bootstrap).figures
        known = ("learner", "params", "weights")
        return {
            **{name: entry.row[name] for name in known if name in entry.row},
            **figures,
            "fit_s": round(fit_s, 3),
            "validation": {name: value for name, value in entry.row.items() if name not in known},
        }

    def _learn(self, learner: Learner, setting: Setting) -> float:
        """Fit a learner; return the seconds that were spent on its parts before."""
        parts = setting.params.get("parts", ())
        if parts and all(name in self._parts for name, _, _ in parts):
            weighed = [(self._parts[name][0], weight) for name, _, weight in parts]
            learner.item_to_item_, learner.support_ = blended(weighed, self._floor.size, learner.n_neighbours)
            return sum(self._parts[name][1] for name, _, _ in parts)
        started = self._clock()
        learner.fit(self._train, self._floor)
        if setting.learner in self._blended_later:
            pairs = Pairs(learner.item_to_item_, learner.support_)
            self._parts[setting.learner] = pairs, self._clock() - started
        return 0.0


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
    # Of an item that stands in a line twice the first place counts.
    _, first = np.unique(customer[:cut].astype(np.int64) * items.size + item[:cut], return_index=True)
    return Split(
        _ones(customer[:cut], item[:cut], shape),
        _ones(customer[cut:], item[cut:], shape),
        first.astype(np.int64),
    )


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
