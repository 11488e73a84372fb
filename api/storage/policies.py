"""The steps in the life of policies: one chain, to which rows are only ever added.

Whoever wants to add a step first takes a turn, so that what a step was judged by is still so when it is
stored. On SQLite a writer is alone anyway; on PostgreSQL a lock sees to it, and behind it stands the
primary key: two steps can never have the same number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import orjson
from sqlalchemy import Connection, RowMapping, bindparam, insert, select, text

from api.storage.log import MINUTE_MS, append_entries
from api.storage.log import Entry as LogEntry
from api.storage.rehearsals import RehearsalState
from api.storage.tables import log_entries, policy_steps, rehearsals
from api.storage.versions import CHALLENGER, POLICY, SHADOW, activate, active, deactivate
from guardrails.policy.chain import NO_STEP, entry_of, header_of, header_sha256, to_plain
from guardrails.policy.lifecycle import NO_LIFE, Detail, Life, Step, StepKind, Trial, advance

POLICY_STEP = "policy_step"
"""The type of a step's entry in the log."""

_TURN = 0x706F6C696379  # "policy"; any number that every process agrees on
_ORDERED = select(policy_steps).order_by(policy_steps.c.step_no)
_AFTER = _ORDERED.where(policy_steps.c.step_no > bindparam("number"))
_LAST = select(policy_steps.c.step_no, policy_steps.c.header).order_by(policy_steps.c.step_no.desc()).limit(1)
_IN_LOG = select(log_entries.c.log_index, log_entries.c.entry).where(
    log_entries.c.type == POLICY_STEP,
    log_entries.c.type != "decision",  # which is what the index of other entries is of
    log_entries.c.minute == bindparam("minute"),
)
_FINISHED = (
    select(rehearsals.c.report_sha256)
    .where(
        rehearsals.c.version == bindparam("version"),
        rehearsals.c.base == bindparam("base"),
        rehearsals.c.state == RehearsalState.DONE.value,
        rehearsals.c.report_sha256.is_not(None),
    )
    .order_by(rehearsals.c.started_at_ms.desc(), rehearsals.c.rehearsal_id)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A step as it is stored.

    Attributes:
        step: what was done.
        header: its canonical bytes, as they were written.
    """

    step: Step
    header: bytes

    @property
    def sha256(self) -> str:
        """The hash by which the next step names this one."""
        return header_sha256(self.header)


def take_turn(conn: Connection) -> None:
    """Wait until nobody else is adding a step; it is our turn until the transaction ends."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _TURN})


def life_since(conn: Connection, life: Life = NO_LIFE) -> Life:
    """Return what follows from all steps.

    Args:
        conn: a connection.
        life: what followed from those that are known already.
    """
    return reduce(advance, (entry.step for entry in read_entries(conn, after=life.n_steps)), life)


def read_entries(conn: Connection, *, after: int = 0) -> list[Entry]:
    """Return every step of every policy that comes after a number, oldest first."""
    return [_entry(row) for row in conn.execute(_AFTER, {"number": after}).mappings()]


def entries_of(conn: Connection, version: str) -> list[Entry]:
    """Return the steps of one version, oldest first."""
    rows = conn.execute(_ORDERED.where(policy_steps.c.version == version)).mappings()
    return [_entry(row) for row in rows]


def add_step(conn: Connection, step: Step) -> Entry:
    """Add a step to the end of the chain, whatever number it has so far, and tell of it in the log.

    Raises:
        RecordError: a text in it cannot be written canonically.
    """
    last = conn.execute(_LAST).first()
    number, before = (1, NO_STEP) if last is None else (last.step_no + 1, header_sha256(last.header))
    entry = Entry(step := replace(step, number=number), header_of(step, before))
    row = {
        "step_no": step.number,
        "name": step.name,
        "version": step.version,
        "base": step.base,
        "kind": step.kind.value,
        "actor": step.actor,
        "actor_role": step.role,
        "at_ms": step.at_ms,
        "detail": orjson.dumps(to_plain(step.detail)).decode(),
        "header": entry.header,
    }
    conn.execute(insert(policy_steps), row)
    data = entry_of(step, entry.header)
    append_entries(conn, [LogEntry(POLICY_STEP, step.at_ms // MINUTE_MS, data)])
    return entry


def place_of(conn: Connection, entry: Entry) -> int | None:
    """Return where in the log a step stands; ``None`` where that part of it was pruned."""
    told = {entry_of(entry.step, entry.header), entry.header}
    rows = conn.execute(_IN_LOG, {"minute": entry.step.at_ms // MINUTE_MS})
    return next((row.log_index for row in rows if bytes(row.entry) in told), None)


def show(conn: Connection, before: Life, after: Life, now_ms: int, shipped: str) -> None:
    """Put in force what a step has put in force.

    Args:
        conn: a connection that writes.
        before: what followed from the steps before.
        after: what follows from the step as well.
        now_ms: when, milliseconds since the epoch.
        shipped: version of the policy that ships. Falling back to it is to have none of one's own, so
            that the one of the next release comes into force with that release.
    """
    current = active(conn)
    wanted = {SHADOW: _named(after.shadow), CHALLENGER: _named(after.challenger)}
    if after.in_force != current.get(POLICY, shipped):
        fell_back = before.standing is not None and before.standing.before == after.standing
        wanted[POLICY] = None if fell_back and after.in_force == shipped else after.in_force
    for name, version in wanted.items():
        if version is not None and version != current.get(name):
            activate(conn, name, version, now_ms)
        elif version is None and name in current:
            deactivate(conn, name)


def finished_rehearsal(conn: Connection, version: str, base: str) -> str | None:
    """Return the hash of the report of the last finished rehearsal of a version against a base."""
    found: str | None = conn.execute(_FINISHED, {"version": version, "base": base}).scalar()
    return found


def _named(trial: Trial | None) -> str | None:
    if trial is None:
        return None
    return f"{trial.version}/{trial.share_micro}" if trial.share_micro else trial.version


def _entry(row: RowMapping) -> Entry:
    step = Step(
        number=row["step_no"],
        name=row["name"],
        version=row["version"],
        base=row["base"] or NO_STEP,
        kind=StepKind(row["kind"]),
        actor=row["actor"],
        role=row["actor_role"],
        at_ms=row["at_ms"],
        detail=Detail(**orjson.loads(row["detail"])),
    )
    return Entry(step, bytes(row["header"]))
