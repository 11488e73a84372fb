"""Notices and when they were shown: what a customer was told before choosing (GDPR 7(1), 13)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import orjson
from sqlalchemy import Connection, RowMapping, insert, select

from api.storage.statements import insert_new
from api.storage.tables import notices, notices_served
from api.storage.versions import NOTICES, count_up
from guardrails.consent.notices import Notice, NoticeDate, outdated
from guardrails.consent.settings import ConsentSettings
from guardrails.errors import ConsentEventError

_LISTS = ("purposes", "data_categories", "controllers", "recipients")
_COLUMNS = tuple(notices.c[name] for name in Notice.__dataclass_fields__)
_DATES = select(*(notices.c[name] for name in NoticeDate.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class NoticeServed:
    """That a notice was shown.

    Attributes:
        served_id: id of the showing, unique.
        subject_key: to whom.
        notice_id: which notice.
        notice_version: which version of it.
        language: in which language (BCP 47).
        surface: where, such as ``banner`` or ``checkout``.
        experience_sha256: digest of layout and labels of the buttons: shows that nothing was pressed
            upon the customer (DSA 25).
        at_ms: when, milliseconds since the epoch.
    """

    served_id: str
    subject_key: bytes
    notice_id: str
    notice_version: str
    language: str
    surface: str
    experience_sha256: str
    at_ms: int


def put_notice(conn: Connection, notice: Notice, now_ms: int) -> bool:
    """Store a notice and tell whether it was new; what was shown once is never changed.

    Raises:
        ConsentEventError: the version has another text or other terms in this language already.
    """
    row = asdict(notice) | {name: orjson.dumps(getattr(notice, name)).decode() for name in _LISTS}
    statement = insert_new(conn, notices).execution_options(preserve_rowcount=True)
    if conn.execute(statement, row | {"text_sha256": notice.text_sha256}).rowcount == 1:
        count_up(conn, NOTICES, now_ms)
        return True
    if get_notice(conn, notice.notice_id, notice.version, notice.language) != notice:
        raise ConsentEventError(
            "this version of the notice was registered with other terms: give it a new one"
        )
    return False


def get_notice(conn: Connection, notice_id: str, version: str, language: str | None = None) -> Notice | None:
    """Return a notice in a language, or in the first one it has; ``None`` when there is none."""
    query = select(*_COLUMNS).where(notices.c.notice_id == notice_id, notices.c.version == version)
    if language is not None:
        query = query.where(notices.c.language == language)
    row = conn.execute(query.order_by(notices.c.language).limit(1)).mappings().first()
    return None if row is None else _notice(row)


def list_notices(conn: Connection) -> list[Notice]:
    """Return every version of every notice in every language, oldest first."""
    in_order = (notices.c.notice_id, notices.c.effective_from_ms, notices.c.version, notices.c.language)
    return [_notice(row) for row in conn.execute(select(*_COLUMNS).order_by(*in_order)).mappings()]


def consent_in_force(conn: Connection, settings: ConsentSettings) -> ConsentSettings:
    """Return the settings together with what follows from the notices: which of them are outdated."""
    dates = (NoticeDate(*row) for row in conn.execute(_DATES))
    return replace(settings, outdated=outdated(dates))


def add_served(conn: Connection, served: NoticeServed) -> None:
    """Store that a notice was shown."""
    conn.execute(insert(notices_served), asdict(served))


def _notice(row: RowMapping) -> Notice:
    return Notice(**dict(row) | {name: tuple(orjson.loads(row[name])) for name in _LISTS})
