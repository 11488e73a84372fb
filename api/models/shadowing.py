"""A model in shadow: asked about decisions that were just made, never shown, and only ever counted.

Away from the requests, in one thread of one process: the decisions of the last moments are read from the log,
a share of them is made again from what was recorded, once with the model that made them and once with the
model in shadow, and sums of both are kept. Nothing of any one decision stays.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, Engine

from api.logbook import Logbook
from api.models.registry import MICRO, share_of
from api.rounds import Rounds, unless_unavailable
from api.runtime import Runtime
from api.storage.bodies import open_those_that_open
from api.storage.connection import reading, writing
from api.storage.log import read_state
from api.storage.log_records import Sealed, Which, places, records_at
from api.storage.model_shadows import ShadowRow, claim_shadow, note_shadow, read_shadows
from api.storage.versions import MODEL, ModelRow, active, get_model, shadow_model
from engine.serving.recommender import Recommender
from guardrails.decide import Decision
from guardrails.errors import GuardrailError
from guardrails.house import House
from guardrails.house import Recommender as AnyRecommender
from guardrails.log.record import open_body
from guardrails.log.replay import Governing, decide_with

AT_ONCE = 50
"""Most decisions of one pass; of more that were made meanwhile the last ones are taken."""

POLL_S = 5.0
"""How often it is looked for decisions."""

REST = 9.0
"""After a pass, rest this many times as long as it took: at most a tenth of a core goes into it."""

LEAST_TOLD = 20
"""Nothing is told of fewer decisions than this: what so few say could be one person's."""

_CLAIM_MS = 60_000

Json = dict[str, Any]


@dataclass(slots=True)
class Side:
    """Sums of one of the two models.

    Attributes:
        n_answered: decisions with a suggestion at least.
        n_shown: suggestions.
        n_withheld: candidates that were held back, by rule.
        us: microseconds that deciding took.
    """

    n_answered: int = 0
    n_shown: int = 0
    n_withheld: Counter[str] = field(default_factory=Counter)
    us: int = 0

    def count(self, decision: Decision, us: int) -> None:
        """Add one decision."""
        self.n_answered += bool(decision.suggestions)
        self.n_shown += len(decision.suggestions)
        self.n_withheld.update(rule for taken in decision.rounds for _, rule in taken.slate.held_back)
        self.us += us


@dataclass(slots=True)
class Counts:
    """Sums over decisions that were made again with two models.

    Attributes:
        n: decisions.
        n_passed_over: decisions that could not be, because policy or catalogue had changed, or their record
            was gone.
        n_equal: decisions in which both show the same, order included.
        n_both: suggestions that both show.
        n_longest: the longer of the two slates, summed up.
        n_new: suggestions of the model in shadow of whose past the record holds nothing.
        active: sums of the model that is served.
        shadow: sums of the model in shadow.
    """

    n: int = 0
    n_passed_over: int = 0
    n_equal: int = 0
    n_both: int = 0
    n_longest: int = 0
    n_new: int = 0
    active: Side = field(default_factory=Side)
    shadow: Side = field(default_factory=Side)

    def count(self, served: Decision, other: Decision) -> None:
        """Add one decision, made with either model; times are added by the sides."""
        shown, would = _items(served), _items(other)
        known = {int(row) for taken in served.rounds for row in taken.candidates.item_idx}
        self.n += 1
        self.n_equal += shown == would
        self.n_both += len({*shown} & {*would})
        self.n_longest += max(len(shown), len(would))
        self.n_new += len({*would} - known)

    def to_json(self) -> str:
        """Return the sums as JSON."""
        sides = {
            name: {
                "n_answered": side.n_answered,
                "n_shown": side.n_shown,
                "n_withheld": dict(sorted(side.n_withheld.items())),
                "us": side.us,
            }
            for name, side in (("active", self.active), ("shadow", self.shadow))
        }
        return orjson.dumps({name: getattr(self, name) for name in _SUMS} | sides).decode()

    @classmethod
    def from_json(cls, text: str) -> Counts:
        """Return sums that were written down."""
        read = orjson.loads(text)
        sides = {
            name: Side(**{**read[name], "n_withheld": Counter(read[name]["n_withheld"])})
            for name in ("active", "shadow")
        }
        sums = {name: int(read[name]) for name in _SUMS}
        return cls(**sums, active=sides["active"], shadow=sides["shadow"])


_SUMS = ("n", "n_passed_over", "n_equal", "n_both", "n_longest", "n_new")


def _items(decision: Decision) -> list[int]:
    return [each.item_idx for each in decision.suggestions]


def shadow_report(engine: Engine, version: str) -> list[Json]:
    """Return what was counted of a model in shadow, for each model it was held against, the last one first.

    Updates of a model count as that model.

    Raises:
        StoreUnavailableError: the database cannot be used now.
    """
    with reading(engine) as conn:
        rows = read_shadows(conn, version)
        versions, watched = active(conn), shadow_model(conn)
        served = get_model(conn, versions[MODEL]) if MODEL in versions else None
        now = None if watched != version or served is None else _against(conn, version, served)
    return [_told(row, Counts.from_json(row.counts), row.against == now) for row in rows]


def _against(conn: Connection, version: str, served: ModelRow) -> str:
    """Return by which model that is served it is counted: updates of one model count as that one."""
    for row in read_shadows(conn, version)[:1]:
        former = get_model(conn, row.against)
        if former is not None and _making(former) == _making(served):
            return row.against
    return served.version


def _making(model: ModelRow) -> tuple[Any, Any]:
    manifest = orjson.loads(model.manifest)
    return manifest.get("learner", model.version), manifest.get("params")


def _told(row: ShadowRow, counts: Counts, watched: bool) -> Json:  # noqa: FBT001  one of three that are told
    enough = counts.n >= LEAST_TOLD
    return {
        "against": row.against,
        "watched": watched,
        "since_ms": row.since_ms,
        "share_micro": row.share_micro,
        "n_decisions": counts.n,
        "n_passed_over": counts.n_passed_over,
        "figures": _figures(counts) if enough else None,
    }


def _figures(counts: Counts) -> Json:
    return {
        "equal_micro": _share(counts.n_equal, counts.n),
        "overlap_micro": _share(counts.n_both, counts.n_longest),
        "new_micro": _share(counts.n_new, counts.shadow.n_shown),
        **{
            name: {
                "answered_micro": _share(side.n_answered, counts.n),
                "n_shown": side.n_shown,
                "n_withheld": dict(sorted(side.n_withheld.items())),
                "mean_us": side.us // counts.n,
            }
            for name, side in (("active", counts.active), ("shadow", counts.shadow))
        },
    }


def _share(part: int, whole: int) -> int:
    return round(MICRO * part / whole) if whole else MICRO


class ShadowModels(Rounds):
    """Asks the model in shadow, again and again.

    Every process has one; one of them at a time works, whichever has claimed it.

    Args:
        logbook: the log, its keys, and the database it is in.
        runtime: model, catalogue and policy in force.
        clock: milliseconds since the epoch.
        poll_s: how often it is looked for decisions.
    """

    def __init__(
        self, logbook: Logbook, runtime: Runtime, clock: Callable[[], int], poll_s: float = POLL_S
    ) -> None:
        super().__init__("tactful-shadow-models", first_s=poll_s)
        self._logbook, self._engine = logbook, logbook.engine
        self._runtime, self._clock, self._poll_s = runtime, clock, poll_s
        self._bound: tuple[tuple[str, str], Recommender] | None = None

    def work(self) -> int:
        """Go through what was decided since the last pass; return how many decisions were made again.

        Raises:
            StoreUnavailableError: the database cannot be used now.
            ArtefactError: the model in shadow cannot be loaded.
        """
        with reading(self._engine) as conn:
            versions, watched = active(conn), shadow_model(conn)
            share_micro, size = share_of(conn), read_state(conn).size
            model = None if watched is None else get_model(conn, watched)
            served = get_model(conn, versions[MODEL]) if MODEL in versions else None
            against = "" if model is None or served is None else _against(conn, model.version, served)
        if model is None or not against:
            self._bound = None
            return 0
        claimed = self._claim(model.version, against, share_micro, size)
        if claimed is None:
            return 0
        counts = Counts.from_json(claimed.counts)
        n_before = counts.n
        try:
            self._go_through(claimed, size, model, counts)
        finally:
            with writing(self._engine) as conn:
                note_shadow(conn, claimed, size, counts.to_json())
        return counts.n - n_before

    def _claim(self, version: str, against: str, share_micro: int, size: int) -> ShadowRow | None:
        now_ms = self._clock()
        fresh = ShadowRow(
            version=version,
            against=against,
            since_ms=now_ms,
            share_micro=share_micro,
            next_index=size,
            claimed_until_ms=now_ms + _CLAIM_MS,
            counts=Counts().to_json(),
        )
        with writing(self._engine) as conn:
            return claim_shadow(conn, fresh, now_ms)

    def _go_through(self, claimed: ShadowRow, size: int, model: ModelRow, counts: Counts) -> None:
        """Count what was decided with the model in force, from where it was left to the end of the log."""
        with reading(self._engine) as conn:
            where = places(conn, Which(claimed.next_index, size))[-AT_ONCE:]
            found = [each for page in records_at(conn, where) for each in page]
        asked = [each for each in found if _is_asked(each, claimed.share_micro)]
        bodies = open_those_that_open(self._logbook.keyring, [each.body for each in asked])
        for each, body in zip(asked, bodies, strict=True):
            if self._closed.is_set():
                return
            if body is None or not self._count(each.body.entry, body, model, counts):
                counts.n_passed_over += 1

    def _count(self, entry: bytes, body: bytes, model: ModelRow, counts: Counts) -> bool:
        """Make one decision with either model and count both; tell whether all that it takes is at hand."""
        sections = open_body(body)[1]
        house = self._house(orjson.loads(entry)["policy"], orjson.loads(sections["cand"]))
        if house is None:
            return False
        try:
            served, served_us = _made_again(sections, house, house.recommender)
            other, other_us = _made_again(sections, house, self._recommender(model, house))
        except GuardrailError:
            return False
        counts.count(served, other)
        counts.active.count(served, served_us)
        counts.shadow.count(other, other_us)
        return True

    def _house(self, policy: str, cand: Mapping[str, Any]) -> House | None:
        """Return the house that a decision was made in, if it still stands."""
        snapshot = self._runtime.current()
        made_from = policy, cand["model"], cand["catalogue"]
        for house in (snapshot.house, snapshot.challenger):
            if house is not None and made_from == (
                house.policy_version,
                house.recommender.version,
                house.catalogue.version,
            ):
                return house
        return None

    def _recommender(self, model: ModelRow, house: House) -> Recommender:
        key = model.version, house.catalogue.version
        if self._bound is None or self._bound[0] != key:
            self._bound = key, Recommender(self._runtime.copies.load(model.location), house.catalogue)
        return self._bound[1]

    def _round(self) -> float:
        started = time.monotonic()
        unless_unavailable("model:shadow:failed", self.work)
        return max(self._poll_s, (time.monotonic() - started) * REST)


def _is_asked(of: Sealed, share_micro: int) -> bool:
    """Whether a decision is among those that the model in shadow is asked about: by its random id."""
    drawn = hashlib.sha256(of.decision_id.encode()).digest()[:8]
    return int.from_bytes(drawn, "big") % MICRO < share_micro


def _made_again(
    sections: Mapping[str, bytes], house: House, recommender: AnyRecommender
) -> tuple[Decision, int]:
    """Make a decision with a model; return it, and how many microseconds that took."""
    policy = Governing(house.policy_version, house.limits, house.rules, house.slate_rules)
    started = time.perf_counter_ns()
    decision = decide_with(sections, policy, recommender, house.catalogue)
    return decision, (time.perf_counter_ns() - started) // 1000
