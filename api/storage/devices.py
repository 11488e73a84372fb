"""Devices: who logged in where, so that a device that several use is known to be shared."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, exists, func, select

from api.storage.prepared import Prepared, Wanted
from api.storage.statements import insert_or_replace
from api.storage.tables import device_accounts
from engine.interactions import DAY_MS

SHARED_WITHIN_DAYS = 30
"""Two accounts on one device within so many days make it a shared one."""

_N_ACCOUNTS = Prepared(
    select(func.count())
    .select_from(device_accounts)
    .where(
        device_accounts.c.device_key == bindparam("device_key"),
        device_accounts.c.last_seen_ms >= bindparam("since_ms"),
    )
)


def seen_on_device(conn: Connection, device_key: bytes, subject_key: bytes, now_ms: int) -> None:
    """Note that a customer is logged in on a device."""
    row = {"device_key": device_key, "subject_key": subject_key, "last_seen_ms": now_ms}
    conn.execute(insert_or_replace(conn, device_accounts, "device_key", "subject_key"), row)


def is_linked(conn: Connection, device_key: bytes, subject_key: bytes) -> bool:
    """Tell whether a customer was ever seen logged in on a device."""
    linked = exists().where(
        device_accounts.c.device_key == device_key, device_accounts.c.subject_key == subject_key
    )
    return bool(conn.scalar(select(linked)))


def is_shared(conn: Connection, device_key: bytes, now_ms: int) -> bool:
    """Tell whether more than one customer used a device lately."""
    return sharing(device_key, now_ms).read(conn)


def sharing(device_key: bytes | None, now_ms: int) -> Wanted[bool]:
    """Return what to ask for what ``is_shared`` returns; nothing without a device."""
    if device_key is None:
        return Wanted((), lambda _: False)
    asked = _N_ACCOUNTS.asking(device_key=device_key, since_ms=now_ms - SHARED_WITHIN_DAYS * DAY_MS)
    return Wanted([asked], lambda rows: bool(rows[0][0][0] > 1))
