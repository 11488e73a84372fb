"""Whose behaviour must not be kept for a profile, whatever somebody else says it was collected for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BindParameter, Connection, bindparam, literal, or_, select, union_all

from api.storage.statements import CHUNK, chunks
from api.storage.tables import consent_states, customers
from guardrails.consent.events import REFUSALS, WHOLE_SUBJECT, Status
from guardrails.consent.purposes import KEY_OF, Purpose

_SWITCHED_OFF = "non_profiled"
_SUBJECTS: BindParameter[bytes] = bindparam("subject_keys", expanding=True)
_NOW: BindParameter[int] = bindparam("now_ms")
_restricted = (consent_states.c.purpose == WHOLE_SUBJECT) & or_(
    consent_states.c.status == Status.RESTRICTED, consent_states.c.at_ms > _NOW
)
_refused = (
    (consent_states.c.purpose == KEY_OF[Purpose.PROFILING])
    & consent_states.c.status.in_(sorted(REFUSALS))
    & (consent_states.c.at_ms <= _NOW)
)
_UNPROFILED = union_all(
    select(consent_states.c.subject_key, consent_states.c.purpose, consent_states.c.status).where(
        consent_states.c.subject_key.in_(_SUBJECTS),
        consent_states.c.purpose.in_([WHOLE_SUBJECT, KEY_OF[Purpose.PROFILING]]),
        or_(_restricted, _refused),
    ),
    select(customers.c.subject_key, literal(_SWITCHED_OFF), literal("")).where(
        customers.c.subject_key.in_(_SUBJECTS), customers.c.non_profiled
    ),
)


def unprofiled(conn: Connection, subject_keys: Sequence[bytes], now_ms: int) -> dict[bytes, Status | None]:
    """Return those of the customers who do not permit a profile now, and why not.

    Somebody who was never asked, or whose consent has only expired, has said nothing and is not
    among them.

    Args:
        conn: a connection.
        subject_keys: whom to look at, each once.
        now_ms: the clock, milliseconds since the epoch.

    Returns:
        By subject key ``RESTRICTED`` where all their data is, ``None`` for who switched profiling
        off for good, else one of the ``REFUSALS``; the first of these that holds.
    """
    found: dict[bytes, dict[str, str]] = {}
    for some in chunks(subject_keys, CHUNK // 2):  # each is said twice
        rows = conn.execute(_UNPROFILED, {"subject_keys": some, "now_ms": now_ms})
        for subject_key, what, status in rows:
            found.setdefault(bytes(subject_key), {})[what] = status
    return {subject_key: _first(said) for subject_key, said in found.items()}


def _first(said: dict[str, str]) -> Status | None:
    if WHOLE_SUBJECT in said:
        return Status.RESTRICTED
    return None if _SWITCHED_OFF in said else Status(said[KEY_OF[Purpose.PROFILING]])
