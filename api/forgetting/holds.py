"""Placing and lifting legal holds: each is told in the log, which says nothing of whose it is."""

from __future__ import annotations

from api.errors import ErasedError, ForbiddenError, StoreRefusedError
from api.logbook import Logbook, entry
from api.storage.api_keys import KeyRow, Role
from api.storage.cascades import get_cascade, running_erasure, take_up
from api.storage.connection import writing
from api.storage.consents import lock_subject
from api.storage.legal_holds import LegalHold, get_hold, insert_hold, is_held, lift_hold
from api.storage.log import lock_log

LEGAL_HOLD = "legal_hold"
"""Type of the entry."""

_MAY = frozenset({Role.ADMIN, Role.AUDITOR})


def require_role(key: KeyRow) -> None:
    """Refuse a key that may neither see to legal holds nor prune the log.

    Raises:
        ForbiddenError: it may not.
    """
    if key.role not in _MAY:
        raise ForbiddenError("this is for keys of the roles admin and auditor")


def place_hold(logbook: Logbook, hold: LegalHold, now_ms: int) -> int:
    """Keep the records of a subject from now on; return where the log tells of it.

    Args:
        logbook: the log.
        hold: whose records, what for, and who says so.
        now_ms: the clock, milliseconds since the epoch.

    Raises:
        ErasedError: they are being erased, and the keys of their records are destroyed.
        StoreUnavailableError: database or guard cannot be used now.
    """
    with writing(logbook.engine) as conn:
        lock_subject(conn, hold.subject_key)
        lock_log(conn)
        running = running_erasure(conn, hold.subject_key)
        cascade = None if running is None else get_cascade(conn, running)
        if cascade is not None and cascade.log_index is not None:
            raise ErasedError("nothing is left to hold: the keys of these records are destroyed")
        insert_hold(conn, hold)
        grown = logbook.add(conn, entry(LEGAL_HOLD, now_ms, hold=hold.hold_id, event="placed"))
    logbook.publish(grown.after)
    return grown.first_index


def release_hold(logbook: Logbook, hold_id: str, now_ms: int) -> int:
    """Lift a hold; what an erasure has left for it alone is gone on with. Return where the log tells of it.

    Raises:
        StoreRefusedError: there is no such hold, or it was lifted.
        StoreUnavailableError: database or guard cannot be used now.
    """
    with writing(logbook.engine) as conn:
        hold = get_hold(conn, hold_id)
        if hold is None or not lift_hold(conn, hold_id, now_ms):
            raise StoreRefusedError("there is no such hold, or it was lifted before")
        if not is_held(conn, [hold.subject_key]):
            take_up(conn, hold.subject_key)
        grown = logbook.add(conn, entry(LEGAL_HOLD, now_ms, hold=hold_id, event="lifted"))
    logbook.publish(grown.after)
    return grown.first_index
