"""A contest: learners with their settings, measured on data that was held back, within time and memory.

Every learner takes part with its defaults first; then the others of its settings, those of the best
learner first, as long as there is time. At last the best few are added up (``engine.training.blending``).

Figures are stated of the near cut. Where there is a far one, settings are compared by their *outlook*:
what is learned from nine tenths, against what is learned from eight tenths, tells how each setting
fares with more data, and a model is learned from everything in the end. See ``engine/adr/0015``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelFitError
from engine.evaluation.bootstrap import Bootstrap
from engine.evaluation.cuts import Cut, Cuts
from engine.evaluation.measuring import Measure, bootstrap_of, measured, ranked_on
from engine.evaluation.remembered import Remembered, digest_of
from engine.models import LEARNERS, learner_named
from engine.models.base import Learner
from engine.models.blend import blended
from engine.models.pairs import Pairs
from engine.training.blending import BLEND, blend_weights

Progress = Callable[[str, int, int], None]

N_PARTS = 3
"""Learners that a blend is made of, at most."""

WITHIN_REACH = 0.9
"""Of the best NDCG on the near cut: whoever has less is not measured on the far one, nor searched further."""

_GIBIBYTE = 1 << 30
_LEAST = 1e-12


class Setting(NamedTuple):
    """A learner by name, with the parameters that differ from its defaults."""

    learner: str
    params: dict[str, Any]

    def made(self) -> Learner:
        """Return the learner, not fitted."""
        learner = learner_named(self.learner)
        learner.set_params(**self.params)
        return learner


class Entry(NamedTuple):
    """A setting that was measured.

    Attributes:
        setting: what was measured.
        row: see ``engine.artefact.Manifest.metrics``.
        outlook: NDCG that is to be expected, up to a factor that is the same for all entries.
        drawn: shape (N_DRAWS,), the logarithm of the same for each draw of the bootstrap.
    """

    setting: Setting
    row: dict[str, Any]
    outlook: float
    drawn: NDArray[np.float64]


@dataclass(frozen=True)
class Means:
    """What a contest may use.

    Attributes:
        until_s: time of the clock by which everything has to be done.
        each_after: what still has to be done after the contest takes so many times as long as learning and
            measuring the best setting of each learner.
        memory_bytes: what learning may take; ``None`` for any amount.
    """

    until_s: float
    each_after: float = 0.0
    memory_bytes: int | None = None


@dataclass
class Outcome:
    """What a contest found.

    Attributes:
        best: the setting that was chosen; ``None`` if nothing could be measured that learns edges.
        entries: the best setting of each learner that was measured, in the order given; a blend last.
        rows: one row a learner, in the order given: figures, or why there are none.
    """

    best: Entry | None
    entries: list[Entry] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


class Contest:
    """Learners measured against each other."""

    def __init__(
        self,
        cuts: Cuts,
        floor: NDArray[np.int32],
        k: int,
        means: Means,
        *,
        remembered: Remembered | None = None,
        progress: Progress = lambda _stage, _done, _total: None,
        clock: Callable[[], float],
    ) -> None:
        self._cuts = cuts
        self._floor = floor
        self._k = k
        self._means = means
        self._remembered = remembered or Remembered()
        self._progress = progress
        self._clock = clock
        self._bootstraps: dict[int, Bootstrap] = {}
        self._digests: dict[int, str] = {}
        self._learned: dict[tuple[str, int], tuple[Setting, Pairs]] = {}
        self._entries: dict[str, Entry] = {}
        self._skipped: dict[str, str] = {}
        self._done, self.n_steps = 0, 0

    def run(self, names: Sequence[str]) -> Outcome:
        """Compare learners.

        Args:
            names: cheapest first: of those that cannot be told apart the first is chosen.

        Raises:
            ModelFitError: a learner is unknown.
        """
        alone = [name for name in names if name != BLEND]
        further = {name: learner_named(name).search[1:] for name in alone}
        self.n_steps = len(alone) + sum(map(len, further.values())) + (BLEND in names)
        for position, name in enumerate(alone):
            self._enter(Setting(name, {}), must=position == 0)
        for setting in self._in_turn(further):
            self._enter(setting)
        if BLEND in names:
            self._blend()
        self._done = self.n_steps
        return self._outcome(names)

    def _in_turn(self, further: dict[str, tuple[dict[str, Any], ...]]) -> Iterator[Setting]:
        """Yield the other settings of learners that are within reach, those of the best learner first."""
        for turn in range(max(map(len, further.values()), default=0)):
            for entry in self._by_outlook():
                name = entry.setting.learner
                if turn < len(further[name]) and self._within_reach(entry.row["ndcg"]):
                    yield Setting(name, further[name][turn])

    def _by_outlook(self) -> list[Entry]:
        """Return the best entry of each learner that learns edges, the best of all first."""
        edged = (each for name, each in self._entries.items() if not LEARNERS[name].by_popularity)
        return sorted(edged, key=lambda entry: -entry.outlook)

    def _within_reach(self, ndcg: float) -> bool:
        best = max((entry.row["ndcg"] for entry in self._entries.values()), default=0.0)
        return bool(ndcg >= WITHIN_REACH * best)

    def _enter(self, setting: Setting, *, must: bool = False) -> None:
        """Measure a setting, unless there is a reason not to; it stands for its learner if it is better."""
        self._step(f"comparing: {setting.learner}")
        learner = setting.made()
        why_not = self._too_large(learner) or ("" if must else self._too_long(setting.learner))
        if not why_not:
            try:
                entry = self._measured(setting)
            except ModelFitError as error:
                why_not = str(error)
        if why_not:
            self._skipped.setdefault(setting.learner, why_not)
            return
        before = self._entries.get(setting.learner)
        if before is None or _tells_apart(entry, before):
            self._entries[setting.learner] = entry
        self._let_go()

    def _too_large(self, learner: Learner) -> str:
        needed, limit = learner.memory_bytes(self._cuts.near.learned), self._means.memory_bytes
        if limit is None or needed <= limit:
            return ""
        return f"needs about {needed / _GIBIBYTE:.1f} GiB of memory, and may use {limit / _GIBIBYTE:.1f}"

    def _too_long(self, name: str) -> str:
        """Tell whether there is no time left for another setting of a learner, and for what has to follow."""
        left_s = self._means.until_s - self._clock() - self._after_s()
        n_cuts = 1 if self._cuts.far is None else 2
        ahead_s = n_cuts * _takes_s(self._entries[name].row) if name in self._entries else 0.0
        return "the time for comparing learners was used up" if left_s <= ahead_s else ""

    def _after_s(self) -> float:
        return self._means.each_after * sum(_takes_s(entry.row) for entry in self._entries.values())

    def _measured(self, setting: Setting) -> Entry:
        near = self._measure(setting, self._cuts.near)
        far = self._cuts.far
        row = {"learner": setting.learner, "params": setting.params, **near.figures}
        if far is None or not self._within_reach(near.figures["ndcg"]):
            return _entry(setting, row, near, near, 0.0)
        return _entry(setting, row, near, self._measure(setting, far), self._cuts.reach)

    def _measure(self, setting: Setting, cut: Cut) -> Measure:
        """Learn from a cut and measure, or take what is remembered of it."""
        known = self._remembered.get(self._digest(cut), *setting)
        if known is not None:
            return Measure(known["figures"], np.array(known["ndcg"]), np.array(known["recall"]))
        started = self._clock()
        learner = setting.made().fit(cut.learned, self._floor)
        fit_s = self._clock() - started
        measure = measured(cut, ranked_on(cut, learner, self._k), self._bootstrap(cut))
        measure.figures.update(fit_s=round(fit_s, 3), measure_s=round(self._clock() - started - fit_s, 3))
        if not learner.by_popularity:
            self._learned[_key(setting), id(cut)] = (setting, Pairs(learner.item_to_item_, learner.support_))
        self._keep(measure, setting, cut)
        return measure

    def _keep(self, measure: Measure, setting: Setting, cut: Cut) -> None:
        row = {"figures": measure.figures, "ndcg": measure.ndcg.tolist(), "recall": measure.recall.tolist()}
        self._remembered.put(row, self._digest(cut), *setting)

    def _blend(self) -> None:
        """Add the best few up, and let the sum take part if it is clearly better than the best of them."""
        parts = [each for each in self._by_outlook() if self._within_reach(each.row["ndcg"])][:N_PARTS]
        self._step("comparing: blend")
        why_not = self._too_long(BLEND) if parts[1:] else "there are not two learners to blend"
        if why_not:
            self._skipped[BLEND] = why_not
            return
        cuts = [cut for cut in (self._cuts.near, self._cuts.far) if cut is not None]
        learned = [[self._pairs(part.setting, cut) for part in parts] for cut in cuts]
        weights = blend_weights(cuts[0], learned[0], self._k)
        if not weights[1:].any():
            self._skipped[BLEND] = "no sum was better than its best part"
            return
        setting = Setting(BLEND, {"parts": _parts(parts, weights)})
        entry = self._measured_blend(setting, cuts, learned, weights)
        if _tells_apart(entry, parts[0]):
            self._entries[BLEND] = entry
        else:
            self._skipped[BLEND] = "no sum was clearly better than its best part"

    def _pairs(self, setting: Setting, cut: Cut) -> Pairs:
        """Return what a setting learned from a cut; learned again if it is not at hand."""
        kept = self._learned.get((_key(setting), id(cut)))
        if kept is not None:
            return kept[1]
        learner = setting.made().fit(cut.learned, self._floor)
        return Pairs(learner.item_to_item_, learner.support_)

    def _measured_blend(
        self, setting: Setting, cuts: list[Cut], learned: list[list[Pairs]], weights: NDArray[np.float64]
    ) -> Entry:
        measures = []
        for cut, parts in zip(cuts, learned, strict=True):
            started = self._clock()
            blend = setting.made()
            weighed = [
                (each, float(weight)) for each, weight in zip(parts, weights, strict=True) if weight > 0
            ]
            blend.item_to_item_, blend.support_ = blended(weighed, self._floor.size, blend.n_neighbours)
            measure = measured(cut, ranked_on(cut, blend, self._k), self._bootstrap(cut))
            measure.figures["measure_s"] = round(self._clock() - started, 3)
            measures.append(measure)
        near, far = measures[0], measures[-1]
        near.figures["fit_s"] = round(
            sum(self._entries[name].row["fit_s"] for name, _, _ in setting.params["parts"]), 3
        )
        row = {"learner": BLEND, "params": setting.params, **near.figures}
        row["weights"] = {name: weight for name, _, weight in setting.params["parts"]}
        return _entry(setting, row, near, far, self._cuts.reach)

    def _let_go(self) -> None:
        """Drop what was learned by those who will not be part of a blend."""
        parts = {_key(entry.setting) for entry in self._by_outlook()[:N_PARTS]}
        self._learned = {key: value for key, value in self._learned.items() if key[0] in parts}

    def _outcome(self, names: Sequence[str]) -> Outcome:
        entries = [self._entries[name] for name in names if name in self._entries]
        rows = [
            self._entries[name].row
            if name in self._entries
            else {"learner": name, "skipped": self._skipped.get(name, "")}
            for name in names
        ]
        return Outcome(self._chosen(entries), entries, rows)

    def _chosen(self, entries: list[Entry]) -> Entry | None:
        """Return the first of those that cannot be told from the best."""
        edged = [each for each in entries if not LEARNERS[each.setting.learner].by_popularity]
        if not edged:
            return None
        best = max(edged, key=lambda entry: entry.outlook)
        return next(each for each in edged if each is best or not _tells_apart(best, each))

    def _bootstrap(self, cut: Cut) -> Bootstrap:
        return self._bootstraps.setdefault(id(cut), bootstrap_of(cut))

    def _digest(self, cut: Cut) -> str:
        if id(cut) not in self._digests:
            self._digests[id(cut)] = digest_of(cut, self._floor, self._k)
        return self._digests[id(cut)]

    def _step(self, stage: str) -> None:
        self._progress(stage, self._done, self.n_steps)
        self._done += 1


def _entry(setting: Setting, row: dict[str, Any], near: Measure, far: Measure, reach: float) -> Entry:
    """Put an entry together: the way from far to near is gone on, in proportion."""

    def ahead(near_ndcg: Any, far_ndcg: Any) -> Any:
        near_log, far_log = (np.log(np.maximum(each, _LEAST)) for each in (near_ndcg, far_ndcg))
        return near_log + reach * (near_log - far_log)

    outlook = float(np.exp(ahead(near.figures["ndcg"], far.figures["ndcg"])))
    return Entry(setting, {**row, "outlook": round(outlook, 6)}, outlook, ahead(near.ndcg, far.ndcg))


def _tells_apart(better: Entry, other: Entry) -> bool:
    """Tell whether one is better by more than the standard error of the difference (Breiman et al. 1984)."""
    return _difference(better, other) > 1.0


def _difference(one: Entry, other: Entry) -> float:
    """Return by how many of its standard errors the outlook of one is better."""
    ahead = np.log(max(one.outlook, _LEAST)) - np.log(max(other.outlook, _LEAST))
    error = float(np.std(one.drawn - other.drawn, ddof=1))
    return float(ahead / error) if error > 0 else float(np.sign(ahead) * np.inf) if ahead else 0.0


def _takes_s(row: dict[str, Any]) -> float:
    return float(row["fit_s"] + row["measure_s"])


def _key(setting: Setting) -> str:
    return f"{setting.learner} {sorted(setting.params.items())}"


def _parts(parts: list[Entry], weights: NDArray[np.float64]) -> list[list[Any]]:
    """Return the parts of a blend that count, as lists: as they are read again from a manifest."""
    return [[*part.setting, float(weight)] for part, weight in zip(parts, weights, strict=True) if weight]
