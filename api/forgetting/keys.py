"""The step that cannot be taken back: the keys of a subject are destroyed, and the log says so.

Whatever else is kept of their records cannot be read from then on, wherever a copy of it lies. How many
records there are plays no part in how long it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from api.errors import EdgeError, StoreRefusedError
from api.forgetting.begin import Erasable, begin_erasure, close_erasure_request
from api.forgetting.plan import DECISIONS, KEYS, recipient_of
from api.logbook import Logbook, entry
from api.logging import warn
from api.storage.cascades import (
    SETTLED,
    Cascade,
    Mode,
    StepStatus,
    finish,
    get_cascade,
    hold_cascade,
    note_entry,
    note_step,
    remember_visits,
    visits_of,
)
from api.storage.connection import reading, writing
from api.storage.erasure import count_decisions, linked_visits
from api.storage.keyring import Erased
from api.storage.legal_holds import is_held
from api.storage.log import TreeState, lock_log
from api.storage.subjects import Subjects

ERASURE = "erasure"
"""Type of the entry."""

KEPT = "sealed records, their keys and whose they were: kept for a legal claim (GDPR 17(3)(e))"
"""What a step says that a legal hold stands against."""


def erase(
    logbook: Logbook,
    subjects: Subjects,
    subject: Erasable,
    mode: Mode,
    recipients: Sequence[str],
    new_id: Callable[[], str],
    now_ms: int,
) -> Cascade:
    """Block a subject, destroy their keys, and put the rest of the erasure on its way; return how it stands.

    Where the keys cannot be destroyed now, the cascade does it: all that is used of the subject is
    blocked already.

    Args:
        logbook: the log, its keys and the database.
        subjects: the shop's pseudonyms.
        subject: whom to erase.
        mode: what to leave of the history.
        recipients: who outside is to be told.
        new_id: makes random ids.
        now_ms: the clock, milliseconds since the epoch.

    Raises:
        StoreUnavailableError: the database cannot be used now; nobody was erased.
    """
    with writing(logbook.engine) as conn:
        cascade_id = begin_erasure(conn, subject, mode, recipients, new_id, now_ms)
    try:
        destroy_keys(logbook, subjects, cascade_id, now_ms)
    except EdgeError as error:
        warn("cascade:step:failed", error, step=KEYS)
    with reading(logbook.engine) as conn:
        cascade = get_cascade(conn, cascade_id)
    if cascade is None:
        raise StoreRefusedError("there is no such erasure")
    return cascade


def destroy_keys(logbook: Logbook, subjects: Subjects, cascade_id: str, now_ms: int) -> None:
    """Destroy the keys of whoever an erasure is about, unless that was done or a legal hold stands.

    Keys go first, then the entry is appended, in the transaction that notes where it is. What the keys have
    left behind on the disk is removed after that, for it can take long and the log's lock is let go by then;
    only when it is gone the step is done. Dying in between leaves the step to be taken again, and the log
    tells of each erasure once.

    Raises:
        StoreUnavailableError: it could not be done now; try again.
    """
    with writing(logbook.engine) as conn:
        cascade = _still_to_do(conn, cascade_id)
        if cascade is None:
            return
        is_told = cascade.log_index is not None
        after = None if is_told else _destroy(conn, logbook, subjects, cascade, now_ms)
    if after is None and not is_told:
        return
    if after is not None:
        _publish(logbook, after)
    logbook.keyring.clear_destroyed()
    with writing(logbook.engine) as conn:
        cascade = _still_to_do(conn, cascade_id)
        if cascade is not None:
            _settle(conn, cascade, now_ms)


def _still_to_do(conn: Connection, cascade_id: str) -> Cascade | None:
    """Return an erasure whose keys are still to be seen to, and that nobody else changes meanwhile."""
    cascade = hold_cascade(conn, cascade_id)
    if cascade is None or cascade.subject_key is None or cascade.status_of(KEYS) in {None, *SETTLED}:
        return None
    return cascade


def _publish(logbook: Logbook, after: TreeState) -> None:
    try:
        logbook.publish(after)
    except EdgeError as error:  # the entry stands: whoever publishes next vouches for it
        warn("erasure:publish:failed", error)


def _destroy(
    conn: Connection, logbook: Logbook, subjects: Subjects, cascade: Cascade, now_ms: int
) -> TreeState | None:
    """Delete the keys and append the entry; return how far the tree has come, ``None`` for a legal hold."""
    lock_log(conn)
    key = cascade.subject_key or b""
    remember_visits(conn, cascade.cascade_id, linked_visits(conn, cascade.customer_no))
    keys = [key, *visits_of(conn, cascade.cascade_id)]
    if cascade.status_of(DECISIONS) not in SETTLED and is_held(conn, keys):
        note_step(conn, cascade.cascade_id, KEYS, StepStatus.HELD, now_ms, detail=KEPT)
        return None
    mode = (cascade.mode or Mode.DELETE).value
    erased = Erased(subjects.suppression(key), cascade.requested_at_ms, mode)
    n_keys = logbook.keyring.destroy(keys, erased)
    n_records = count_decisions(conn, keys)
    told = entry(ERASURE, now_ms, request=cascade.request_id, n=n_records)
    grown = logbook.add(conn, told)
    note_entry(conn, cascade.cascade_id, grown.first_index)
    note_step(conn, cascade.cascade_id, KEYS, StepStatus.PENDING, now_ms, n_more=n_keys)
    return grown.after


def _settle(conn: Connection, cascade: Cascade, now_ms: int) -> None:
    """Note that the keys are gone; of somebody of whom nothing is held, that is the end of the erasure."""
    note_step(conn, cascade.cascade_id, KEYS, StepStatus.COMPLETE, now_ms)
    if all(step.status in SETTLED for step in cascade.steps if _is_left(step.downstream)):
        if cascade.request_id is not None:
            close_erasure_request(conn, cascade.request_id, now_ms)
        finish(conn, cascade.cascade_id, now_ms)


def _is_left(downstream: str) -> bool:
    """Whether a step is ours and another one than this."""
    return downstream != KEYS and recipient_of(downstream) is None
