"""What a decision may know, read from the store: nothing is asked for that was not admitted."""

from __future__ import annotations

from sqlalchemy import Connection

from api.storage.exposures import read_exposures
from api.storage.interactions import read_both, read_history, read_session
from engine.catalogue import Catalogue
from engine.interactions import DAY_MS, Interactions
from guardrails.admit import Admission
from guardrails.policy.limits import EvidenceLimits, Limits
from guardrails.request import Known, Request
from guardrails.view import reads_back_days

_HOUR_MS = 3_600_000


def read_known(
    conn: Connection,
    admission: Admission,
    request: Request,
    customer_no: int | None,
    session_key: bytes | None,
    catalogue: Catalogue,
    limits: Limits,
) -> Known:
    """Read what the admission permits, as far back as the limits let it count.

    Args:
        conn: a connection; what it sees must be what the admission was made from.
        admission: what may be read.
        request: what was asked.
        customer_no: storage key of the customer, if there is one.
        session_key: the visit that is going on, if there is one.
        catalogue: what the shop sells.
        limits: how old evidence may be.
    """
    customer = customer_no if admission.may_read_history else None
    shown_to = customer_no if admission.may_read_messages else None
    visit = session_key if admission.may_read_session else None
    since_ms = max(_oldest_ms(request.now_ms, limits.evidence), admission.history_from_ms)
    session_since_ms = request.now_ms - limits.evidence.session_hours * _HOUR_MS
    history, session = _interactions(conn, customer, since_ms, visit, session_since_ms, catalogue)
    exposures, n_exposure_reads = read_exposures(
        conn,
        customer_no=shown_to,
        messages_only=not admission.may_read_history,
        session_key=visit,
        visit=visit,
        since_ms=_start_of_day(request.now_ms, reads_back_days(limits)),
        catalogue=catalogue,
    )
    return Known(
        history=history,
        session=session,
        exposures=exposures,
        reads=(
            ("history", int(customer is not None)),
            ("session", int(visit is not None)),
            ("exposures", n_exposure_reads),
        ),
        profiling=customer is not None or shown_to is not None,
    )


def _interactions(
    conn: Connection,
    customer_no: int | None,
    history_since_ms: int,
    session_key: bytes | None,
    session_since_ms: int,
    catalogue: Catalogue,
) -> tuple[Interactions, Interactions]:
    if customer_no is None:
        nothing = Interactions.empty()
        if session_key is None:
            return nothing, nothing
        return nothing, read_session(conn, session_key, session_since_ms, catalogue)
    if session_key is None:
        return read_history(conn, customer_no, history_since_ms, catalogue), Interactions.empty()
    return read_both(conn, customer_no, history_since_ms, session_key, session_since_ms, catalogue)


def _oldest_ms(now_ms: int, limits: EvidenceLimits) -> int:
    """First millisecond from which anything can still be evidence."""
    return _start_of_day(now_ms, int(limits.max_age_days().max()))


def _start_of_day(now_ms: int, days_back: int) -> int:
    """First millisecond of the UTC day so many days ago: ages are counted in whole UTC days."""
    return (now_ms // DAY_MS - days_back) * DAY_MS
