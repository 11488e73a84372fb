"""Trainings that were asked for: one at a time under way, by whoever renews its claim."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection, select, update

from api.storage.statements import insert_new
from api.storage.tables import training_runs


class RunState(StrEnum):
    """How far a training is."""

    QUEUED = "queued"
    """It waits until another training, or a forgetting, ends."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Whoever ran it has ended before it did."""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A training.

    Attributes:
        run_id: a random id.
        state: how far it is.
        stage: what it is at, in words; empty before the first.
        n_done: how much of the stage is done.
        n_total: how much that is in all; ``None`` while it is not known.
        budget_s: time for learning, in seconds.
        may_activate: whether the model is put in force if it is no worse.
        actor: id of the key that asked for it.
        requested_at_ms: when it was asked for, milliseconds since the epoch.
        started_at_ms: when it began to work; ``None`` while it waits.
        claimed_until_ms: whoever runs it has to say so again by then.
        finished_at_ms: when it ended; ``None`` until then.
        version: of the model that came of it; ``None`` without one.
        activated: whether that was put in force; ``None`` without one.
        because: why it was or was not, or what went wrong; ``None`` until it ended.
    """

    run_id: str
    state: RunState
    stage: str
    n_done: int
    n_total: int | None
    budget_s: int
    may_activate: bool
    actor: str
    requested_at_ms: int
    started_at_ms: int | None
    claimed_until_ms: int
    finished_at_ms: int | None
    version: str | None
    activated: bool | None
    because: str | None

    def as_of(self, now_ms: int) -> TrainingRun:
        """Return it as it stands at a time: interrupted where nobody has claimed it in time."""
        if self.finished_at_ms is not None or self.claimed_until_ms > now_ms:
            return self
        return replace(self, state=RunState.INTERRUPTED, finished_at_ms=self.claimed_until_ms)


_COLUMNS = tuple(training_runs.c[name] for name in TrainingRun.__dataclass_fields__)
_UNDER_WAY = training_runs.c.under_way == 1


def insert_run(conn: Connection, run: TrainingRun) -> TrainingRun | None:
    """Store a training that begins; return the one that is under way instead, where there is one.

    One whose claim ran out by then is under way no longer.
    """
    left = (
        update(training_runs)
        .where(_UNDER_WAY, training_runs.c.claimed_until_ms <= run.requested_at_ms)
        .values(
            under_way=None,
            state=RunState.INTERRUPTED.value,
            finished_at_ms=training_runs.c.claimed_until_ms,
        )
    )
    conn.execute(left)
    row = {**asdict(run), "state": run.state.value, "under_way": 1}
    begun = insert_new(conn, training_runs).values(row).returning(training_runs.c.run_id)
    if conn.execute(begun).first() is not None:
        return None
    found = conn.execute(select(*_COLUMNS).where(_UNDER_WAY)).mappings().one()
    return _run(dict(found))


def get_run(conn: Connection, run_id: str) -> TrainingRun | None:
    """Return a training; ``None`` where none was asked for under this id."""
    row = conn.execute(select(*_COLUMNS).where(training_runs.c.run_id == run_id)).mappings().first()
    return None if row is None else _run(dict(row))


def list_runs(conn: Connection, n_runs: int) -> list[TrainingRun]:
    """Return the trainings that were asked for last, the last one first.

    Args:
        conn: a connection.
        n_runs: at most so many.
    """
    last = select(*_COLUMNS).order_by(training_runs.c.requested_at_ms.desc(), training_runs.c.run_id)
    return [_run(dict(row)) for row in conn.execute(last.limit(n_runs)).mappings()]


def note_run(conn: Connection, run: TrainingRun, was_until_ms: int) -> bool:
    """Write down how a training stands, if nobody has taken it for interrupted; tell whether that was so.

    Args:
        conn: a writing connection.
        run: as it stands now.
        was_until_ms: until when it was claimed so far.
    """
    ended = run.finished_at_ms is not None
    row = {**asdict(run), "state": run.state.value, "under_way": None if ended else 1}
    noted = (
        update(training_runs)
        .where(
            training_runs.c.run_id == run.run_id,
            training_runs.c.claimed_until_ms == was_until_ms,
            _UNDER_WAY,
        )
        .values({name: value for name, value in row.items() if name != "run_id"})
    )
    return conn.execute(noted).rowcount == 1


def _run(row: dict[str, object]) -> TrainingRun:
    return TrainingRun(**{**row, "state": RunState(str(row["state"]))})  # type: ignore[arg-type]  # as stored
