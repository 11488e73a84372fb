"""Requests of customers under GDPR 15 to 22, each with the clock that the law starts (GDPR 12(3))."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, Select, and_, case, func, insert, or_, select, update

from api.storage.tables import requests
from engine.interactions import DAY_MS


class RequestKind(StrEnum):
    """What a customer can ask for, by the article it rests on."""

    ACCESS = "access"
    PORTABILITY = "portability"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    OBJECTION = "objection"
    CONTEST = "contest"


class RequestState(StrEnum):
    """How far a request has come."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RequestClock:
    """How long an answer may take.

    GDPR 12(3): one month, and two further months where that is necessary. Months differ in length,
    so both are counted in the days that are never more than the law gives: 30, and 60 on top.

    Attributes:
        answer_days: until a request is due.
        extension_days: most days by which it can be put off, once.
    """

    answer_days: int = 30
    extension_days: int = 60


CLOCK = RequestClock()
"""The clock that every request runs by."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request as stored, without saying whose it is.

    Attributes:
        request_id: random id.
        kind: what is asked for.
        state: how far it has come.
        received_at_ms: when it arrived, milliseconds since the epoch.
        due_at_ms: when it must be answered.
        extended_because: why it was put off; ``None`` while it was not.
        closed_at_ms: when it was answered; ``None`` while it is open.
        outcome: what was done, or why not.
        decision_id: the decision that is contested.
    """

    request_id: str
    kind: RequestKind
    state: RequestState
    received_at_ms: int
    due_at_ms: int
    extended_because: str | None
    closed_at_ms: int | None
    outcome: str | None
    decision_id: str | None

    def overdue(self, now_ms: int) -> bool:
        """Tell whether it should have been answered by now."""
        return self.state is RequestState.OPEN and self.due_at_ms < now_ms


_COLUMNS = tuple(requests.c[name] for name in RequestRow.__dataclass_fields__)
_OPEN = requests.c.state == RequestState.OPEN.value


def open_request(
    conn: Connection,
    request_id: str,
    subject_key: bytes,
    kind: RequestKind | str,
    now_ms: int,
    decision_id: str | None = None,
) -> RequestRow:
    """Take a request down and start its clock; return it.

    Args:
        conn: a writing connection.
        request_id: a fresh random id.
        subject_key: who asks.
        kind: what for.
        now_ms: when it arrived, milliseconds since the epoch.
        decision_id: the decision that is contested.
    """
    row = RequestRow(
        request_id=request_id,
        kind=RequestKind(kind),
        state=RequestState.OPEN,
        received_at_ms=now_ms,
        due_at_ms=now_ms + CLOCK.answer_days * DAY_MS,
        extended_because=None,
        closed_at_ms=None,
        outcome=None,
        decision_id=decision_id,
    )
    values = {column.name: getattr(row, column.name) for column in _COLUMNS}
    conn.execute(insert(requests), {**values, "subject_key": subject_key})
    return row


def close_request(conn: Connection, request_id: str, state: RequestState, outcome: str, now_ms: int) -> bool:
    """Answer a request; tell whether it was open until then."""
    closed = conn.execute(
        update(requests)
        .where(requests.c.request_id == request_id, _OPEN)
        .values(state=state.value, outcome=outcome, closed_at_ms=now_ms)
    )
    return closed.rowcount == 1


def extend_request(conn: Connection, request_id: str, days: int, because: str, now_ms: int) -> bool:
    """Put an open request off, once and before it is due; tell whether that was possible."""
    extended = conn.execute(
        update(requests)
        .where(
            requests.c.request_id == request_id,
            _OPEN,
            requests.c.extended_because.is_(None),
            requests.c.due_at_ms >= now_ms,
        )
        .values(due_at_ms=requests.c.due_at_ms + days * DAY_MS, extended_because=because)
    )
    return extended.rowcount == 1


def get_request(conn: Connection, request_id: str) -> RequestRow | None:
    """Return a request, or ``None`` when there is none."""
    return next(iter(_rows(conn, select(*_COLUMNS).where(requests.c.request_id == request_id))), None)


def requests_of(conn: Connection, subject_key: bytes) -> list[RequestRow]:
    """Return what a subject has asked for, oldest first."""
    query = select(*_COLUMNS).where(requests.c.subject_key == subject_key)
    return _rows(conn, query.order_by(requests.c.received_at_ms, requests.c.request_id))


def find_requests(
    conn: Connection,
    *,
    limit: int,
    after: tuple[int, str] | None = None,
    state: RequestState | None = None,
    overdue_at_ms: int | None = None,
    kind: RequestKind | None = None,
) -> list[RequestRow]:
    """Return requests that meet every condition given, those due first first.

    Args:
        conn: a connection.
        limit: most requests to return.
        after: go on behind this one: ``due_at_ms`` and ``request_id`` of the last of the page before.
        state: how far they have come.
        overdue_at_ms: only those that should have been answered by this time and were not.
        kind: what was asked for.
    """
    query = select(*_COLUMNS).order_by(requests.c.due_at_ms, requests.c.request_id).limit(limit)
    if after is not None:
        due_at_ms, request_id = after
        same_time = and_(requests.c.due_at_ms == due_at_ms, requests.c.request_id > request_id)
        query = query.where(or_(requests.c.due_at_ms > due_at_ms, same_time))
    if state is not None:
        query = query.where(requests.c.state == state.value)
    if overdue_at_ms is not None:
        query = query.where(_OPEN, requests.c.due_at_ms < overdue_at_ms)
    if kind is not None:
        query = query.where(requests.c.kind == kind.value)
    return _rows(conn, query)


def count_requests(conn: Connection, now_ms: int) -> tuple[int, int]:
    """Return how many requests are open, and how many of these are overdue."""
    overdue = func.count(case((requests.c.due_at_ms < now_ms, 1)))
    n_open, n_overdue = conn.execute(select(func.count(), overdue).where(_OPEN)).one()
    return int(n_open), int(n_overdue)


def _rows(conn: Connection, query: Select[tuple[object, ...]]) -> list[RequestRow]:
    return [
        RequestRow(**{**row, "kind": RequestKind(row["kind"]), "state": RequestState(row["state"])})
        for row in conn.execute(query).mappings()
    ]
