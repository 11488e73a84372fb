"""After a restore: whoever was erased since the backup was made is erased again.

A database that is put back has forgotten the erasures since. The store of keys has not: it is never
restored together with the database. What one of the two knows and the other does not is made up for,
whichever of them is the older one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, select, union

from api.forgetting.begin import Erasable
from api.forgetting.keys import erase
from api.logbook import Logbook
from api.logging import note
from api.storage.cascades import Mode
from api.storage.connection import reading, writing
from api.storage.keyring import Erased
from api.storage.log import lock_log
from api.storage.subjects import Subjects
from api.storage.suppressions import all_suppressed, suppress
from api.storage.tables import metadata
from guardrails.request import SubjectKind


def reapply_erasures(logbook: Logbook, subjects: Subjects, recipients: Sequence[str], now_ms: int) -> int:
    """Erase whom the database has forgotten to be erased; return how many were found in it.

    Where database and keys agree, which is nearly always, this is two short reads.

    Args:
        logbook: the log, its keys and the database.
        subjects: the shop's pseudonyms.
        recipients: who outside is to be told.
        now_ms: the clock, milliseconds since the epoch.

    Raises:
        StoreUnavailableError: the database or the keys cannot be used now.
    """
    with reading(logbook.engine) as conn:
        known = all_suppressed(conn)
    remembered = logbook.keyring.erased()
    _destroy_again(logbook, subjects, {key: known[key] for key in known.keys() - remembered.keys()})
    missing = {key: remembered[key] for key in remembered.keys() - known.keys()}
    return _erase_again(logbook, subjects, missing, recipients, now_ms) if missing else 0


def _erase_again(
    logbook: Logbook,
    subjects: Subjects,
    missing: Mapping[bytes, Erased],
    recipients: Sequence[str],
    now_ms: int,
) -> int:
    """Erase those of whom a restored database holds something, and remember all of them as erased."""
    with reading(logbook.engine) as conn:
        back = [each for each in _everybody(conn, subjects) if each.suppression_key in missing]
    for each in back:
        mode = Mode(missing[each.suppression_key].mode)
        erase(logbook, subjects, each, mode, recipients, lambda: str(uuid.uuid4()), now_ms)
    with writing(logbook.engine) as conn:
        for gone in missing.keys() - {each.suppression_key for each in back}:
            suppress(conn, gone, missing[gone].since_ms)
    note("erasures:reapplied", n_remembered=len(missing), n_found=len(back))
    return len(back)


def _destroy_again(logbook: Logbook, subjects: Subjects, missing: Mapping[bytes, int]) -> None:
    """Destroy the keys of those whom an older store of keys does not know to be erased.

    Nobody makes one for them any more, so they are looked for before the log's lock is taken: to derive the
    digests of all who have a key takes a while. They are remembered last, when nothing of the keys is left.
    """
    if not missing:
        return
    keyring = logbook.keyring
    gone = [key for key in sorted(keyring.subjects()) if subjects.suppression(key) in missing]
    with writing(logbook.engine) as conn:
        lock_log(conn)
        keyring.destroy(gone)
    keyring.clear_destroyed()
    keyring.remember_erased([Erased(key, since, Mode.DELETE.value) for key, since in missing.items()])


def _everybody(conn: Connection, subjects: Subjects) -> Iterator[Erasable]:
    """Yield everybody whom any table names, each once."""
    kinds: dict[bytes, SubjectKind] = {}
    for column, kind in _NAMING.items():
        named = [table.c[column] for table in metadata.tables.values() if column in table.c]
        queries = (select(each).where(each.is_not(None)).distinct() for each in named)
        for key in conn.scalars(union(*queries)):
            kinds.setdefault(bytes(key), kind)
    accounts = set(conn.scalars(select(metadata.tables["customers"].c.subject_key)))
    for key, kind in kinds.items():
        yield Erasable(key, SubjectKind.ACCOUNT if key in accounts else kind, subjects.suppression(key))


_NAMING = {
    "device_key": SubjectKind.DEVICE,
    "session_key": SubjectKind.SESSION,
    "subject_key": SubjectKind.ACCOUNT,
}
"""Columns that name somebody, and what kind of subject that is unless another column tells."""
