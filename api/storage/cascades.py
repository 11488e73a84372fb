"""Cascades: an erasure or a withdrawal on its way, each step with a status of its own.

Several processes share the work by a lease on the row: whoever moves ``claimed_until_ms`` from what
it was seen to be holds the cascade until then. A lease that ran out belongs to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import Connection, Row, case, delete, func, insert, or_, select, update

from api.storage.statements import insert_new
from api.storage.tables import cascade_steps, cascade_subjects, cascades


class CascadeKind(StrEnum):
    """Why data is removed."""

    ERASURE = "erasure"
    WITHDRAWAL = "withdrawal"
    RETENTION = "retention"


class Mode(StrEnum):
    """What an erasure leaves of a history: nothing, or what is nobody's."""

    ANONYMIZE = "anonymize"
    DELETE = "delete"


class StepStatus(StrEnum):
    """How far a step has come; ``HELD`` is done but for what a legal claim keeps (GDPR 17(3)(e))."""

    PENDING = "pending"
    COMPLETE = "complete"
    ERROR = "error"
    SKIPPED = "skipped"
    HELD = "held"


SETTLED = frozenset({StepStatus.COMPLETE, StepStatus.SKIPPED})
"""Statuses after which a step asks for nothing more."""


@dataclass(frozen=True, slots=True)
class CascadeStep:
    """One place that data is removed from.

    Attributes:
        downstream: which place.
        status: how far it has come.
        n_affected: rows or files that were removed or changed.
        at_ms: when it last changed, milliseconds since the epoch.
        detail: plain words, nothing personal.
    """

    downstream: str
    status: StepStatus
    n_affected: int
    at_ms: int
    detail: str | None


@dataclass(frozen=True, slots=True)
class Cascade:
    """A cascade as stored.

    Attributes:
        cascade_id: random id.
        kind: why data is removed.
        mode: of an erasure, what it leaves.
        subject_key: whose data; ``None`` once nothing is left to find by it.
        customer_no: the same, of an account.
        request_id: the request it answers.
        requested_at_ms: when it was asked for; of a withdrawal, data from before then goes.
        claimed_until_ms: until when somebody works on it, or before which nobody tries again.
        n_attempts: how many times it was claimed.
        finished_at_ms: when everything of ours was done.
        log_index: of an erasure, where in the log it is told that the keys were destroyed.
        steps: the places, in the order they are gone through.
    """

    cascade_id: str
    kind: CascadeKind
    mode: Mode | None
    subject_key: bytes | None
    customer_no: int | None
    request_id: str | None
    requested_at_ms: int
    claimed_until_ms: int = 0
    n_attempts: int = 0
    finished_at_ms: int | None = None
    log_index: int | None = None
    steps: tuple[CascadeStep, ...] = ()

    def status_of(self, downstream: str) -> StepStatus | None:
        """Return how far a step has come; ``None`` when there is no such step."""
        return next((step.status for step in self.steps if step.downstream == downstream), None)


_COLUMNS = tuple(cascades.c[name] for name in Cascade.__dataclass_fields__ if name != "steps")
_UNFINISHED = cascades.c.finished_at_ms.is_(None)


def insert_cascade(conn: Connection, cascade: Cascade) -> bool:
    """Store a cascade and its steps; tell whether it is new."""
    row = {column.name: getattr(cascade, column.name) for column in _COLUMNS}
    added = insert_new(conn, cascades).execution_options(preserve_rowcount=True)
    if conn.execute(added, row).rowcount != 1:
        return False
    steps = [{"cascade_id": cascade.cascade_id, **asdict(step)} for step in cascade.steps]
    if steps:
        conn.execute(insert(cascade_steps), steps)
    return True


def get_cascade(conn: Connection, cascade_id: str) -> Cascade | None:
    """Return a cascade with its steps, in the order they were last changed in; ``None`` for none."""
    row = conn.execute(select(*_COLUMNS).where(cascades.c.cascade_id == cascade_id)).first()
    if row is None:
        return None
    steps = conn.execute(
        select(*(cascade_steps.c[name] for name in CascadeStep.__dataclass_fields__)).where(
            cascade_steps.c.cascade_id == cascade_id
        )
    )
    return _cascade(
        row, (CascadeStep(**{**each, "status": StepStatus(each["status"])}) for each in steps.mappings())
    )


def cascade_of_request(conn: Connection, request_id: str) -> Cascade | None:
    """Return the cascade that answers a request; ``None`` where none does."""
    found = conn.execute(select(cascades.c.cascade_id).where(cascades.c.request_id == request_id)).scalar()
    return None if found is None else get_cascade(conn, found)


def running_erasure(conn: Connection, subject_key: bytes) -> str | None:
    """Return the id of the erasure of a subject that is under way; ``None`` when there is none."""
    found: str | None = conn.execute(
        select(cascades.c.cascade_id).where(
            cascades.c.subject_key == subject_key,
            cascades.c.kind == CascadeKind.ERASURE.value,
            _UNFINISHED,
        )
    ).scalar()
    return found


def due_cascades(conn: Connection, now_ms: int, limit: int) -> list[tuple[str, int]]:
    """Return ids of cascades that nobody works on, oldest first, each with the lease that ran out."""
    rows = conn.execute(
        select(cascades.c.cascade_id, cascades.c.claimed_until_ms)
        .where(_UNFINISHED, cascades.c.claimed_until_ms <= now_ms)
        .order_by(cascades.c.requested_at_ms, cascades.c.cascade_id)
        .limit(limit)
    )
    return [(row.cascade_id, row.claimed_until_ms) for row in rows]


def claim(conn: Connection, cascade_id: str, seen_until_ms: int, until_ms: int) -> bool:
    """Take the lease on a cascade if nobody was quicker; tell whether that worked."""
    return _move_lease(conn, cascade_id, seen_until_ms, until_ms, n_more_attempts=1)


def renew(conn: Connection, cascade_id: str, held_until_ms: int, until_ms: int) -> bool:
    """Move the end of a lease that is held; tell whether it was still held."""
    return _move_lease(conn, cascade_id, held_until_ms, until_ms, n_more_attempts=0)


def note_step(
    conn: Connection,
    cascade_id: str,
    downstream: str,
    status: StepStatus,
    now_ms: int,
    *,
    n_more: int = 0,
    detail: str | None = None,
) -> bool:
    """Say how far a step has come and how much more it has affected; tell whether there is such a step."""
    noted = conn.execute(
        update(cascade_steps)
        .where(cascade_steps.c.cascade_id == cascade_id, cascade_steps.c.downstream == downstream)
        .values(
            status=status.value,
            n_affected=cascade_steps.c.n_affected + n_more,
            at_ms=now_ms,
            detail=detail,
        )
    )
    return noted.rowcount == 1


def forget_whose(conn: Connection, cascade: Cascade) -> None:
    """Remove from a cascade whose data it was about; what is left of it is the receipt.

    From others about the same subject as well: a withdrawal that is still on its way then has nothing
    left to remove.
    """
    about = or_(cascades.c.cascade_id == cascade.cascade_id, cascades.c.subject_key == cascade.subject_key)
    conn.execute(update(cascades).where(about).values(subject_key=None, customer_no=None))
    conn.execute(delete(cascade_subjects).where(cascade_subjects.c.cascade_id == cascade.cascade_id))


def hold_cascade(conn: Connection, cascade_id: str) -> Cascade | None:
    """Return a cascade that nobody else changes until the transaction ends."""
    on = select(cascades.c.cascade_id).where(cascades.c.cascade_id == cascade_id).with_for_update()
    conn.execute(on)
    return get_cascade(conn, cascade_id)


def take_up(conn: Connection, subject_key: bytes) -> None:
    """Let whoever looks for work next go on with the erasure of a subject."""
    conn.execute(
        update(cascades).where(cascades.c.subject_key == subject_key, _UNFINISHED).values(claimed_until_ms=0)
    )


def remember_visits(conn: Connection, cascade_id: str, visits: Iterable[bytes]) -> None:
    """Remember which visits an erasure is about: what they are found by goes on the way."""
    rows = [{"cascade_id": cascade_id, "subject_key": key} for key in visits]
    if rows:
        conn.execute(insert_new(conn, cascade_subjects), rows)


def visits_of(conn: Connection, cascade_id: str) -> list[bytes]:
    """Return the visits that an erasure is about."""
    keys = select(cascade_subjects.c.subject_key).where(cascade_subjects.c.cascade_id == cascade_id)
    return sorted(bytes(key) for key in conn.scalars(keys))


def note_entry(conn: Connection, cascade_id: str, log_index: int) -> None:
    """Say where in the log an erasure is told."""
    conn.execute(update(cascades).where(cascades.c.cascade_id == cascade_id).values(log_index=log_index))


def finish(conn: Connection, cascade_id: str, now_ms: int) -> None:
    """Say that everything of ours is done."""
    conn.execute(delete(cascade_subjects).where(cascade_subjects.c.cascade_id == cascade_id))
    conn.execute(
        update(cascades)
        .where(cascades.c.cascade_id == cascade_id, _UNFINISHED)
        .values(finished_at_ms=now_ms, subject_key=None, customer_no=None)
    )


def last_finished_ms(conn: Connection) -> int | None:
    """Return when the last cascade was finished, whichever host did it; ``None`` before the first."""
    finished_ms: int | None = conn.scalar(select(func.max(cascades.c.finished_at_ms)))
    return finished_ms


def count_cascades(conn: Connection) -> tuple[int, int]:
    """Return how many cascades are under way, and how many of their steps have failed."""
    n_open = func.count(cascades.c.cascade_id.distinct())
    n_failed = func.count(case((cascade_steps.c.status == StepStatus.ERROR.value, 1)))
    of_cascade = cascade_steps.c.cascade_id == cascades.c.cascade_id
    query = select(n_open, n_failed).select_from(cascades).join(cascade_steps, of_cascade, isouter=True)
    open_, failed = conn.execute(query.where(_UNFINISHED)).one()
    return int(open_), int(failed)


def _move_lease(conn: Connection, cascade_id: str, from_ms: int, to_ms: int, *, n_more_attempts: int) -> bool:
    moved = conn.execute(
        update(cascades)
        .where(cascades.c.cascade_id == cascade_id, cascades.c.claimed_until_ms == from_ms, _UNFINISHED)
        .values(claimed_until_ms=to_ms, n_attempts=cascades.c.n_attempts + n_more_attempts)
    )
    return moved.rowcount == 1


def _cascade(row: Row[tuple[object, ...]], steps: Iterable[CascadeStep]) -> Cascade:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's public name begins with an underscore
    values["kind"] = CascadeKind(values["kind"])
    values["mode"] = None if values["mode"] is None else Mode(values["mode"])
    return Cascade(**values, steps=tuple(steps))
