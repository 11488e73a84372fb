"""How the shop stands, as plain data: what was shown and withheld, who agreed, what is not as it should be.

Everything is read from sums and from what is in force. Nothing here grows with the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, select

from api.logbook import Standing
from api.logkeeping import SELF_CHECK
from api.measuring.report import measurements
from api.policies.service import name_of
from api.policies.versions import version_in_force
from api.storage.connection import reading
from api.storage.figures import Consents, read_consents
from api.storage.log import read_last
from api.storage.policies import life_since
from api.storage.requests import count_requests
from api.storage.tables import items
from api.storage.tallies import DaySum, read_tallies, recorded_from, tallied_from
from api.storage.versions import MODEL, ModelRow, active, get_model, since_ms
from api.updating import is_update
from api.wiring import Wiring
from engine.artefact import manifest_of
from engine.errors import ArtefactError
from engine.vocabulary import Basis, word
from guardrails.log.tallies import Part
from guardrails.policy.charter import charter
from guardrails.policy.language import HouseRule
from guardrails.policy.lifecycle import Life, State
from guardrails.policy.review import Overdue, day_of, entry_of, overdue

_MICRO = 1_000_000
_MINUTE_MS = 60_000
_WHOLE = Part.PLACEMENT
"""By placement every decision, suggestion and withheld candidate is counted once."""


class Sums(NamedTuple):
    """What was counted.

    Attributes:
        n_decisions: decisions.
        n_shown: suggestions.
        n_withheld: what would have been suggested but for a rule.
    """

    n_decisions: int = 0
    n_shown: int = 0
    n_withheld: int = 0

    @property
    def withheld_micro(self) -> int | None:
        """Share of what might have been suggested that was withheld, in millionths; ``None`` of nothing."""
        return share_micro(self.n_withheld, self.n_shown + self.n_withheld)


@dataclass(frozen=True, slots=True)
class PolicyStanding:
    """The policy in force.

    Attributes:
        name: what it is called.
        version: its hash.
        is_readable: whether this release can read it.
        rules: the shop's own rules in it; none where it cannot be read.
    """

    name: str
    version: str
    is_readable: bool
    rules: Sequence[HouseRule]


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """The model in force.

    Attributes:
        version: which.
        since_ms: when it was put in force, milliseconds since the epoch.
        learned_ms: when it was learned.
        is_update: it is an earlier model that has learned what is new.
    """

    version: str
    since_ms: int
    learned_ms: int
    is_update: bool


@dataclass(frozen=True, slots=True)
class LogStanding:
    """The log.

    Attributes:
        standing: how far it is, and how far it is vouched for.
        vouched_ms: when it was vouched for last; ``None`` before that.
        n_spooled: decisions that wait until the log can be written.
        has_witnesses: whether any witness is asked.
        checked_ms: when decisions were made again last; ``None`` before that.
        n_checked: how many that were.
        n_failed: how many of these did not come out the same.
    """

    standing: Standing
    vouched_ms: int | None
    n_spooled: int
    has_witnesses: bool
    checked_ms: int | None
    n_checked: int
    n_failed: int


@dataclass(frozen=True, slots=True)
class Figures:
    """How the shop stands.

    Attributes:
        day_from: first day looked at, since the epoch.
        day_to: first day no longer looked at.
        days: sums of each day.
        total: of all of them.
        parts: sums by placement, basis and so on, each by name, most suggestions first.
        tallied_from: first day that is counted; ``None`` where nothing is yet.
        recorded_from: first day that the log holds decisions of; ``None`` for none.
        consents: who agreed to what, as counted last; ``None`` where it was not counted yet.
        measured: how suggestions do, of the same days: the cell over everything; ``None`` for too little.
        ceiling_micro: share of the suggestions seen that may be found too personal, in millionths.
        overdue: rules past the day of their review.
        own_rules: titles of the shop's own rules, by id.
        policy: the policy in force.
        proposed: names and versions of policies that wait for an approval.
        model: the model in force; ``None`` without one.
        log: the log.
        n_requests_overdue: customers' requests whose time has run out.
        has_items: whether there is anything to suggest.
        now_ms: when this was read, milliseconds since the epoch.
    """

    day_from: int
    day_to: int
    days: Mapping[int, Sums]
    total: Sums
    parts: Mapping[Part, Mapping[str, Sums]]
    tallied_from: int | None
    recorded_from: int | None
    consents: Consents | None
    measured: Mapping[str, Any] | None
    ceiling_micro: int
    overdue: Sequence[Overdue]
    own_rules: Mapping[str, str]
    policy: PolicyStanding
    proposed: Sequence[tuple[str, str]]
    model: ModelStanding | None
    log: LogStanding
    n_requests_overdue: int
    has_items: bool
    now_ms: int

    @property
    def fallback_micro(self) -> int | None:
        """Share of answers that rest on what sells well alone, or on nothing; ``None`` without answers."""
        bases = self.parts[Part.BASIS]
        n_less = sum(bases[name].n_decisions for name in _NOT_FROM_MODEL if name in bases)
        return share_micro(n_less, self.total.n_decisions)

    @property
    def degraded_micro(self) -> int | None:
        """Share of answers that were less than they might have been; ``None`` without answers.

        An answer with two reasons for that counts twice, but the share is never above one.
        """
        n = sum(each.n_decisions for each in self.parts[Part.DEGRADED].values())
        return share_micro(min(n, self.total.n_decisions), self.total.n_decisions)


_NOT_FROM_MODEL = (word(Basis.POPULAR), word(Basis.NONE))


def figures(found: Wiring, day_from: int, day_to: int) -> Figures:
    """Return how the shop stands.

    Args:
        found: what everything is read from.
        day_from: first day since the epoch.
        day_to: first day no longer wanted.

    Raises:
        StoreUnavailableError: database or guard cannot be asked now.
    """
    now_ms, log = found.clock(), _log(found)
    with reading(found.engine) as conn:
        sums = read_tallies(conn, day_from, day_to)
        days = _by_day(sums, day_from, day_to)
        life = life_since(conn)
        policy = _policy(conn, life)
        ceiling_micro = found.settings.too_personal_ceiling_micro
        measured = measurements(conn, day_from, day_to, [], {}, ceiling_micro)["cells"]
        return Figures(
            day_from=day_from,
            day_to=day_to,
            days=days,
            total=_total(days.values()),
            parts=_by_name(sums),
            tallied_from=tallied_from(conn),
            recorded_from=recorded_from(conn),
            consents=read_consents(conn),
            measured=measured[0] if measured else None,
            ceiling_micro=ceiling_micro,
            overdue=_overdue(policy.rules, now_ms),
            own_rules={rule.id: rule.title for rule in policy.rules},
            policy=policy,
            proposed=_proposed(life),
            model=_model(conn),
            log=log,
            n_requests_overdue=count_requests(conn, now_ms)[1],
            has_items=conn.execute(select(items.c.item_no).limit(1)).first() is not None,
            now_ms=now_ms,
        )


def share_micro(n: int, of: int) -> int | None:
    """Return a share in millionths; ``None`` of nothing."""
    return n * _MICRO // of if of else None


def _by_day(sums: Iterable[DaySum], day_from: int, day_to: int) -> dict[int, Sums]:
    counts = {day: [0, 0, 0] for day in range(day_from, day_to)}
    for each in sums:
        if each.part is _WHOLE:
            _add(counts[each.day], each)
    return {day: Sums(*of_day) for day, of_day in counts.items()}


def _by_name(sums: Iterable[DaySum]) -> dict[Part, dict[str, Sums]]:
    """Return sums by part and name; of each part those first that there were most suggestions of."""
    counts: dict[Part, dict[str, list[int]]] = {part: {} for part in Part}
    for each in sums:
        _add(counts[each.part].setdefault(each.name, [0, 0, 0]), each)
    return {
        part: dict(sorted(((name, Sums(*of_name)) for name, of_name in names.items()), key=_place))
        for part, names in counts.items()
    }


def _add(counts: list[int], of_day: DaySum) -> None:
    counts[0] += of_day.n_decisions
    counts[1] += of_day.n_shown
    counts[2] += of_day.n_withheld


def _place(named: tuple[str, Sums]) -> tuple[int, int, str]:
    name, sums = named
    return -(sums.n_shown + sums.n_withheld), -sums.n_decisions, name


def _total(sums: Iterable[Sums]) -> Sums:
    return Sums(*map(sum, zip(*sums, strict=True)))


def _policy(conn: Connection, life: Life) -> PolicyStanding:
    version, said = version_in_force(conn)
    known = life.versions.get(version)
    name = name_of(conn, version) if known is None else known.name
    return PolicyStanding(name, version, said is not None, () if said is None else said.rules)


def _overdue(own: Sequence[HouseRule], now_ms: int) -> tuple[Overdue, ...]:
    """Return the rules past their review, as ``tactful guardrails review`` does; records are not read."""
    entries = {**charter(), **{rule.id: entry_of(rule) for rule in own}}
    return overdue(entries, day_of(now_ms), {})


def _proposed(life: Life) -> list[tuple[str, str]]:
    return [
        (known.name, version)
        for version, known in life.versions.items()
        if life.state_of(version) is State.PROPOSED
    ]


def _model(conn: Connection) -> ModelStanding | None:
    version = active(conn).get(MODEL)
    model = None if version is None else get_model(conn, version)
    if model is None:
        return None
    return ModelStanding(model.version, since_ms(conn)[MODEL], model.created_at_ms, _is_update(model))


def _is_update(model: ModelRow) -> bool:
    """Tell whether a model is an update, as far as its manifest can be read."""
    try:
        return is_update(manifest_of(orjson.loads(model.manifest)))
    except ArtefactError:
        return False


def _log(found: Wiring) -> LogStanding:
    last = found.logbook.guard.last()
    with reading(found.engine) as conn:
        said = read_last(conn, SELF_CHECK)
    checked = {} if said is None else orjson.loads(said)
    return LogStanding(
        standing=found.logbook.standing(),
        vouched_ms=None if last is None else last.minute * _MINUTE_MS,
        n_spooled=found.spool.count(),
        has_witnesses=bool(found.settings.log_witnesses),
        checked_ms=checked["t_min"] * _MINUTE_MS if checked else None,
        n_checked=checked.get("n", 0),
        n_failed=checked.get("n_failed", 0),
    )
