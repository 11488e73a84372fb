"""Signals at the edge: read one that was sent, and what a browser's own header asks for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from api.consents.choosing import Choosing
from api.consents.people import Person
from api.consents.written import Drafted
from api.errors import ErasedError, Finding, InvalidRequestError
from api.storage.connection import writing
from api.storage.consents import lock_subject, read_events
from api.storage.customers import customer_numbers, set_preferences
from api.storage.notices import list_notices
from api.storage.suppressions import is_suppressed
from api.wiring import Wiring
from guardrails.consent.ledger import replay
from guardrails.consent.notices import Notice
from guardrails.consent.signals.arrival import arrived
from guardrails.consent.signals.reading import Reading
from guardrails.consent.signals.registry import read_signal
from guardrails.errors import SignalError
from guardrails.request import AgeAssurance, SubjectKind

ADPC = "ADPC"
"""Name of the request header."""


def drafts_of_signal(
    conn: Connection, signal: Mapping[str, Any], person: Person, subject_id: str, found: Wiring, now_ms: int
) -> tuple[list[Drafted], tuple[str, ...], bool]:
    """Read a signal into choices, notes on what has no effect, and whether it repeats Sec-GPC.

    What it says of the customer's age, and of sensitive information, is noted with the customer: a
    child is a child, and a limit is a limit, whoever heard of it first. Of whom was erased nothing is.

    Raises:
        InvalidRequestError: it is malformed.
    """
    requests = _published_requests(conn, now_ms)
    reading = _read(signal["kind"], signal["value"], requests, found, "/signal/value")
    tells_of_customer = reading.known_child or reading.limit_sensitive
    if person.kind is SubjectKind.ACCOUNT and tells_of_customer and not _is_erased(conn, person, found):
        number = customer_numbers(conn, [subject_id], found.subjects, now_ms)[subject_id]
        set_preferences(
            conn,
            number,
            age_assurance=AgeAssurance.MINOR if reading.known_child else None,
            limit_sensitive=True if reading.limit_sensitive else None,
        )
    return _drafted(conn, reading, person, requests, now_ms), reading.notes, reading.gpc


def take_adpc(header: str | None, person: Person, found: Wiring) -> None:
    """Store what the ``ADPC`` header of any request says, before the request is answered.

    A browser sends its user's decisions once, with whatever it asks for next; not taking them down
    would lose a withdrawal. Somebody who is nobody has nothing to decide here, and who was erased does
    not come back by a header: they are answered as anybody of whom nothing is known.

    Raises:
        InvalidRequestError: the header is malformed.
        StoreUnavailableError: the decision cannot be stored.
    """
    if header is None or person.key is None:
        return
    now_ms = found.clock()
    with suppress(ErasedError), writing(found.engine) as conn:
        requests = _published_requests(conn, now_ms)
        reading = _read("adpc", header, requests, found, None)
        choosing = Choosing(conn, person, found.subjects, found.settings, now_ms, found.new_id)
        choosing.store(_drafted(conn, reading, person, requests, now_ms))


def _is_erased(conn: Connection, person: Person, found: Wiring) -> bool:
    return person.key is not None and bool(is_suppressed(conn, [found.subjects.suppression(person.key)]))


def _drafted(
    conn: Connection,
    reading: Reading,
    person: Person,
    requests: Mapping[str, tuple[str, Notice]],
    now_ms: int,
) -> list[Drafted]:
    """Return what is new in a signal; nobody can change the subject's consents until it is stored."""
    key = person.key or b""
    lock_subject(conn, key)
    history = read_events(conn, key)
    news = arrived(reading, history, replay(history), now_ms, dict(requests.values()))
    return [Drafted(event, timed, "/signal") for event, timed in news]


def _read(
    kind: str,
    value: object,
    requests: Mapping[str, tuple[str, Notice]],
    found: Wiring,
    pointer: str | None,
) -> Reading:
    known = {request_id: purpose for request_id, (purpose, _) in requests.items()}
    try:
        return read_signal(kind, value, settings=replace(found.settings.signals, known_requests=known))
    except SignalError as error:
        header = ADPC if pointer is None else None
        raise InvalidRequestError([Finding(error.args[0], pointer=pointer, header=header)]) from None


def _published_requests(conn: Connection, now_ms: int) -> dict[str, tuple[str, Notice]]:
    """Return what ``consent=`` of ADPC can answer: each notice in force asks for its purposes.

    The id of a request is ``<notice id>:<purpose key>``; its text is that of the notice.
    """
    in_force = [notice for notice in list_notices(conn) if notice.effective_from_ms <= now_ms]
    latest = {notice.notice_id: notice for notice in in_force}  # oldest first: the last one stays
    return {
        f"{notice.notice_id}:{purpose}": (purpose, notice)
        for notice in latest.values()
        for purpose in notice.purposes
    }
