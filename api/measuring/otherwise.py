"""What a policy or a model would have got, estimated from the decisions of an experiment.

Which of the arms made a decision was left to chance, so how likely each suggestion was to be shown is known:
it is the share of customers of the arms whose slate holds it. What the other arm would have shown at a
recorded decision is made again from its record; so is what the policy or the model asked about would. Units
are customers, who are what was shared out.

Nothing is known of suggestions that no arm shows: ``coverage`` says how much of the target they leave.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine

from api.errors import NothingToMeasureError
from api.imports.importer import Progress
from api.replaying import Replayer
from api.settings import Settings
from api.storage.connection import reading
from api.storage.decisions import read_decision
from api.storage.items import item_numbers
from api.storage.keyring import Keyring
from api.storage.measured import NO_ITEM, OUTCOMES, Measure, Shown, read_measured
from api.storage.versions import (
    CHALLENGER,
    CHALLENGER_MODEL,
    MODEL,
    POLICY,
    active,
    challenger_model_among,
    get_model,
    get_policy,
    policy_in_force,
    since_ms,
)
from engine.errors import ArtefactError, SnapshotError
from engine.evaluation.off_policy import Logged, off_policy
from guardrails.errors import RecordError
from guardrails.house import Arm
from guardrails.log.record import open_body
from guardrails.policy.charter import MICRO

USUAL_CLIP = 10.0
"""No suggestion counts for more than so many, unless told otherwise."""

REWARDS = (Measure.CLICKED, Measure.ADDED_TO_CART, Measure.PURCHASED, Measure.TOO_PERSONAL)
"""What can be asked about."""

_OF_EXPERIMENT = (MODEL, POLICY, CHALLENGER, CHALLENGER_MODEL)


class Way(NamedTuple):
    """A way of choosing what to show.

    Attributes:
        policy: version of the policy.
        model: version of the model; ``None`` without one.
    """

    policy: str
    model: str | None


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is compared now.

    Attributes:
        arms: the way of each arm.
        share: share of customers of each arm, from 0 to 1.
        since_ms: from when on it is as it is, milliseconds since the epoch.
    """

    arms: Mapping[Arm, Way]
    share: Mapping[Arm, float]
    since_ms: int


@dataclass(slots=True)
class _Rows:
    """The observations so far, and what had to be left out."""

    reward: list[float] = field(default_factory=list)
    propensity: list[float] = field(default_factory=list)
    target: list[float] = field(default_factory=list)
    unit: list[int] = field(default_factory=list)
    units: dict[bytes, int] = field(default_factory=dict)
    n_decisions: int = 0
    n_left_out: int = 0
    n_wanted: int = 0
    n_covered: int = 0

    def logged(self) -> Logged:
        """Return them as arrays."""
        return Logged(
            reward=np.array(self.reward, np.float64),
            propensity=np.array(self.propensity, np.float64),
            target=np.array(self.target, np.float64),
            unit=np.array(self.unit, np.int64),
            n_units=len(self.units),
        )


def experiment(conn: Connection) -> Experiment:
    """Return what is compared now.

    Raises:
        NothingToMeasureError: nothing is.
        PolicyError: the policy in force cannot be read.
    """
    versions, since = active(conn), since_ms(conn)
    on_trial = challenger_model_among(versions)
    policy, _, share = versions.get(CHALLENGER, "").partition("/")
    if not share.isdecimal() and on_trial is None:
        raise NothingToMeasureError("there is no experiment: neither a policy nor a model challenges")
    champion = Way(policy_in_force(conn)[1], versions.get(MODEL))
    challenger = Way(policy or champion.policy, champion.model if on_trial is None else on_trial.version)
    share_micro = int(share) if share.isdecimal() else on_trial.share_micro if on_trial is not None else 0
    return Experiment(
        arms={Arm.CHAMPION: champion, Arm.CHALLENGER: challenger},
        share={Arm.CHAMPION: 1 - share_micro / MICRO, Arm.CHALLENGER: share_micro / MICRO},
        since_ms=max((since[name] for name in _OF_EXPERIMENT if name in since), default=0),
    )


def estimate(
    engine: Engine,
    keyring: Keyring,
    settings: Settings,
    version: str,
    *,
    reward: Measure,
    clip: float,
    now_ms: int,
    show: Progress,
) -> dict[str, Any]:
    """Estimate what a policy or a model would have got of the decisions of the experiment, as plain data.

    Args:
        engine: the database.
        keyring: what recorded decisions are opened with.
        settings: where models and catalogues are.
        version: of a policy or a model in the store; the other of the two is that in force.
        reward: what counts, one of ``REWARDS``.
        clip: no suggestion counts for more than so many.
        now_ms: the clock, milliseconds since the epoch.
        show: told how far it has come.

    Raises:
        NothingToMeasureError: there is no experiment, none of its decisions can be used, or there is
            neither a policy nor a model of that version.
        EvaluationError: weights cannot be clipped there.
    """
    with reading(engine) as conn:
        running = experiment(conn)
        target = _target(conn, version, running)
        rows = list(read_measured(conn, running.since_ms, now_ms + 1))
        judge = _Judge(conn, keyring, settings, running, target, reward)
        decisions = [list(group) for _, group in groupby(rows, key=attrgetter("decision_id"))]
        for number, suggestions in enumerate(decisions):
            judge.add(suggestions)
            show(number + 1, len(decisions), f"{judge.rows.n_left_out:,} left out")
    found = judge.rows
    if not found.units:
        raise NothingToMeasureError("no decision of the experiment can be used")
    return {
        "target": target._asdict(),
        "arms": {
            arm.value: {**way._asdict(), "share": running.share[arm]} for arm, way in running.arms.items()
        },
        "since_ms": running.since_ms,
        "reward": reward.value,
        "n_decisions": found.n_decisions,
        "n_left_out": found.n_left_out,
        "coverage": found.n_covered / found.n_wanted if found.n_wanted else 1.0,
        **asdict(off_policy(found.logged(), clip=clip)),
    }


class _Judge:
    """Turns recorded decisions into observations."""

    def __init__(
        self,
        conn: Connection,
        keyring: Keyring,
        settings: Settings,
        running: Experiment,
        target: Way,
        reward: Measure,
    ) -> None:
        self.rows = _Rows()
        self._conn = conn
        self._keyring = keyring
        self._replayer = Replayer(settings, "")
        self._running = running
        self._target = target
        self._bit = OUTCOMES[reward]
        self._number_of = defaultdict(lambda: NO_ITEM, item_numbers(conn))

    def add(self, suggestions: Sequence[Shown]) -> None:
        """Take the suggestions of one decision, or the row that says that there were none."""
        first = suggestions[0]
        try:
            shown = self._slates(first, frozenset(each.item_no for each in suggestions) - {NO_ITEM})
        except (RecordError, ArtefactError, SnapshotError):
            shown = None
        if shown is None:
            self.rows.n_left_out += 1
            return
        rows, arms = self.rows, self._running.arms
        unit = rows.units.setdefault(first.subject_key, len(rows.units))
        rows.n_decisions += 1
        wanted = shown[self._target]
        rows.n_wanted += len(wanted)
        rows.n_covered += len(wanted & frozenset().union(*(shown[way] for way in arms.values())))
        for each in suggestions:
            if each.item_no == NO_ITEM:
                continue
            rows.reward.append(float(each.outcomes & self._bit != 0))
            share = self._running.share
            likely = sum(share[arm] for arm, way in arms.items() if each.item_no in shown[way])
            rows.propensity.append(min(likely, 1.0))
            rows.target.append(float(each.item_no in wanted))
            rows.unit.append(unit)

    def _slates(self, of: Shown, recorded: frozenset[int]) -> dict[Way, frozenset[int]] | None:
        """Return what each way shows at a decision; ``None`` where another than the arms made it.

        Raises:
            RecordError: the record does not hold what it takes.
            ArtefactError: a model is not there any more.
            SnapshotError: the state of the catalogue is not.
        """
        stored = read_decision(self._conn, self._keyring, of.decision_id)
        if stored is None or stored.body is None:
            return None
        made = Way(stored.policy, stored.model)
        if not of.arm or self._running.arms[Arm(of.arm)] != made or not self._running.share[Arm(of.arm)]:
            return None
        sections = open_body(stored.body)[1]
        shown = {made: recorded}
        for way in {*self._running.arms.values(), self._target} - {made}:
            slate = self._replayer.slate(self._conn, sections, way.policy, way.model)
            shown[way] = frozenset(self._number_of[item_id] for item_id in slate)
        return shown


def _target(conn: Connection, version: str, running: Experiment) -> Way:
    champion = running.arms[Arm.CHAMPION]
    for way in running.arms.values():
        if version in way and version not in champion:
            return way  # what challenges is what customers had: policy and model together
    if version == champion.policy or get_policy(conn, version) is not None:
        return champion._replace(policy=version)
    if get_model(conn, version) is not None:
        return champion._replace(model=version)
    raise NothingToMeasureError("there is neither a policy nor a model of this version")
