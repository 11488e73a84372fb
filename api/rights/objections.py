"""Carrying out at once what needs no examination: a restriction (GDPR 18), an objection (GDPR 21).

Objecting to direct marketing is absolute: no weighing, no question why (GDPR 21(2), (3)). It covers
the offers chosen from a profile and every outbound channel. To what rests on a legitimate interest
the customer can object as well (GDPR 21(1)), and here that is always granted. What rests on consent
is withdrawn instead, which is no less easy.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from api.errors import InvalidRequestError
from api.storage.consents import append_events, lock_subject, read_ledger
from guardrails.consent.events import WHOLE_SUBJECT, ConsentEvent, Status
from guardrails.consent.permission import LawfulBasis
from guardrails.consent.purposes import KEY_OF, OUTBOUND, Purpose, communications_key, entry_of
from guardrails.errors import UnknownPurposeError
from guardrails.messages import Phrase
from guardrails.request import SubjectKind

DIRECT_MARKETING = (KEY_OF[Purpose.TARGETED_OFFERS], *map(communications_key, OUTBOUND))
"""Purposes that an objection to direct marketing ends."""


def objected_to(purpose: str | None) -> tuple[str, ...]:
    """Return the keys of the purposes that an objection ends.

    Args:
        purpose: the one it names; ``None`` for all direct marketing.

    Raises:
        InvalidRequestError: there is no such purpose, or it rests on something that cannot be
            objected to.
    """
    if purpose is None:
        return DIRECT_MARKETING
    try:
        entry = entry_of(purpose)
    except UnknownPurposeError:
        raise InvalidRequestError.at("/purpose", Phrase("unknown purpose `{key}`", key=purpose)) from None
    if purpose not in DIRECT_MARKETING and entry.basis is not LawfulBasis.LEGITIMATE_INTEREST:
        raise InvalidRequestError.at("/purpose", "rests on consent or contract: withdraw the consent instead")
    return (purpose,)


def object_to(
    conn: Connection, subject_key: bytes, purposes: Sequence[str], record_ids: Sequence[str], now_ms: int
) -> None:
    """Store an objection to each purpose; it holds from the next request on.

    Args:
        conn: a writing connection.
        subject_key: the customer who objects.
        purposes: keys of the purposes.
        record_ids: a fresh random id for each.
        now_ms: the clock, milliseconds since the epoch.
    """
    _store(conn, subject_key, purposes, Status.OBJECTION_RAISED, record_ids, now_ms)


def restrict(conn: Connection, subject_key: bytes, record_id: str, now_ms: int) -> None:
    """Store a restriction of all data of a customer; arguments as for ``object_to``."""
    _store(conn, subject_key, (WHOLE_SUBJECT,), Status.RESTRICTED, (record_id,), now_ms)


def _store(
    conn: Connection,
    subject_key: bytes,
    purposes: Sequence[str],
    status: Status,
    record_ids: Sequence[str],
    now_ms: int,
) -> None:
    lock_subject(conn, subject_key)
    ledger = read_ledger(conn, subject_key)
    events = [
        ConsentEvent(
            record_id=record_id,
            purpose=purpose,
            status=status,
            # Not before what stands, although the clock of that may have run ahead of ours.
            at_ms=max(now_ms, state.at_ms) if (state := ledger.get(purpose)) else now_ms,
            valid_until_ms=None,
            channels=None,
            data_categories=None,
            notice_id=None,
            notice_version=None,
            method="api",
            actor="data_subject",
            explicit=False,
            confirmed_override=False,
        )
        for purpose, record_id in zip(purposes, record_ids, strict=True)
    ]
    append_events(conn, subject_key, SubjectKind.ACCOUNT, events, now_ms)
