"""Rehearsals of drafts: asked for, under way, done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, insert, select, update

from api.storage.tables import rehearsals


class RehearsalState(StrEnum):
    """How far a rehearsal is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StoredRehearsal:
    """A rehearsal.

    Attributes:
        rehearsal_id: a random id.
        version: version of the draft.
        base: version of what it is held against.
        state: how far it is.
        n_done: decisions gone through.
        n_total: decisions to go through.
        report: JSON; ``None`` until it is done.
        report_sha256: of its canonical bytes.
        actor: id of the key that asked for it.
        started_at_ms: when it was asked for.
        claimed_until_ms: whoever runs it has to say so again by then.
        finished_at_ms: when it ended; ``None`` until then.
    """

    rehearsal_id: str
    version: str
    base: str
    state: RehearsalState
    n_done: int
    n_total: int
    report: str | None
    report_sha256: str | None
    actor: str
    started_at_ms: int
    claimed_until_ms: int
    finished_at_ms: int | None


_COLUMNS = tuple(rehearsals.c[name] for name in StoredRehearsal.__dataclass_fields__)
_RUNNING = rehearsals.c.state == RehearsalState.RUNNING.value


def insert_rehearsal(conn: Connection, rehearsal: StoredRehearsal) -> None:
    """Store a rehearsal."""
    row = {name: getattr(rehearsal, name) for name in StoredRehearsal.__dataclass_fields__}
    conn.execute(insert(rehearsals), {**row, "state": rehearsal.state.value})


def get_rehearsal(conn: Connection, rehearsal_id: str) -> StoredRehearsal | None:
    """Return a rehearsal, or ``None`` when there is none."""
    return _first(conn, rehearsals.c.rehearsal_id == rehearsal_id)


def running_rehearsal(conn: Connection, version: str, base: str) -> StoredRehearsal | None:
    """Return a rehearsal of a draft against a base that is under way, or was left by whoever ran it."""
    return _first(conn, (rehearsals.c.version == version) & (rehearsals.c.base == base) & _RUNNING)


def latest_rehearsal(conn: Connection, version: str, base: str) -> StoredRehearsal | None:
    """Return the rehearsal of a draft against a base that was asked for last; ``None`` when none was."""
    return _first(conn, (rehearsals.c.version == version) & (rehearsals.c.base == base))


def renew_claim(conn: Connection, rehearsal_id: str, was_until_ms: int, until_ms: int, n_done: int) -> bool:
    """Claim a rehearsal anew, if nobody else did since, and note how far it is; tell whether that was so."""
    claimed = (
        update(rehearsals)
        .where(
            rehearsals.c.rehearsal_id == rehearsal_id, rehearsals.c.claimed_until_ms == was_until_ms, _RUNNING
        )
        .values(claimed_until_ms=until_ms, n_done=n_done)
    )
    return conn.execute(claimed).rowcount == 1


def note_total(conn: Connection, rehearsal_id: str, n_total: int) -> None:
    """Note how many decisions there are to go through."""
    conn.execute(update(rehearsals).where(rehearsals.c.rehearsal_id == rehearsal_id).values(n_total=n_total))


def finish_rehearsal(
    conn: Connection,
    rehearsal_id: str,
    was_until_ms: int,
    state: RehearsalState,
    now_ms: int,
    report: tuple[str, str] | None = None,
) -> bool:
    """Finish a rehearsal that is still held; tell whether it was.

    Args:
        conn: a connection.
        rehearsal_id: which.
        was_until_ms: until when it is claimed, which tells who holds it.
        state: done or failed.
        now_ms: the clock, milliseconds since the epoch.
        report: JSON, and the SHA-256 of its canonical bytes; ``None`` where it failed.
    """
    text, digest = (None, None) if report is None else report
    finished = (
        update(rehearsals)
        .where(
            rehearsals.c.rehearsal_id == rehearsal_id, rehearsals.c.claimed_until_ms == was_until_ms, _RUNNING
        )
        .values(state=state.value, report=text, report_sha256=digest, finished_at_ms=now_ms)
    )
    return conn.execute(finished).rowcount == 1


def _first(conn: Connection, condition: ColumnElement[bool]) -> StoredRehearsal | None:
    query = select(*_COLUMNS).where(condition)
    row = conn.execute(query.order_by(rehearsals.c.started_at_ms.desc(), rehearsals.c.rehearsal_id)).first()
    return None if row is None else StoredRehearsal(**{**row._mapping, "state": RehearsalState(row.state)})  # noqa: SLF001  documented as public
