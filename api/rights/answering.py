"""Answering what customers ask for, or putting it off: once, said why, and before it is due (GDPR 12(3))."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from api.errors import InvalidRequestError
from api.storage.requests import (
    RequestRow,
    RequestState,
    close_request,
    extend_request,
    get_request,
)


class Where(StrEnum):
    """What of a change is refused, as a JSON pointer into it."""

    STATE = "/state"
    EXTENSION = "/extension"


def close(conn: Connection, request_id: str, state: RequestState, outcome: str, now_ms: int) -> RequestRow:
    """Answer a request and return it.

    Args:
        conn: a writing connection.
        request_id: its id.
        state: done or refused.
        outcome: what was done, or why not.
        now_ms: the clock, milliseconds since the epoch.

    Raises:
        NotFound: there is no such request.
        InvalidRequestError: it is closed already.
    """
    row = _get(conn, request_id)
    if not close_request(conn, request_id, state, outcome, now_ms):
        raise _refusal(row, Where.STATE)
    return _get(conn, request_id)


def put_off(conn: Connection, request_id: str, days: int, because: str, now_ms: int) -> RequestRow:
    """Put a request off and return it.

    Raises:
        NotFound: there is no such request.
        InvalidRequestError: it is closed, was put off once already, or is overdue.
    """
    row = _get(conn, request_id)
    if not extend_request(conn, request_id, days, because, now_ms):
        raise _refusal(row, Where.EXTENSION)
    return _get(conn, request_id)


def _get(conn: Connection, request_id: str) -> RequestRow:
    row = get_request(conn, request_id)
    if row is None:
        raise NotFound
    return row


def _refusal(row: RequestRow, where: Where) -> InvalidRequestError:
    if row.state is not RequestState.OPEN:
        return InvalidRequestError.at(where, "the request is closed already")
    if row.extended_because is not None:
        return InvalidRequestError.at(where, "the request was put off once already")
    return InvalidRequestError.at(where, "the request is overdue: it can no longer be put off")
