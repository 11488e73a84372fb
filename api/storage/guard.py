"""The guard: the last tree that was vouched for, kept apart from the database.

Whoever restores an older database and goes on with it would fork the log. The guard remembers, and a
checkpoint is signed only of a tree that holds the last one unchanged: compare and swap, in a store that
is never restored together with the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    select,
    update,
)

from api.errors import ForkedLogError
from api.storage.apart import Apart
from api.storage.connection import hold_until_end
from api.storage.statements import change, fetch, insert_new, insert_or_replace, insert_rows

metadata = MetaData()

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("minute", BigInteger, nullable=False, comment="minutes since the epoch"),
    Column("note", Text, nullable=False, comment="the checkpoint, signed by the log"),
)

cosignatures = Table(
    "cosignatures",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True, comment="of the witness's key"),
    Column("line", Text, nullable=False, comment="signature line of a signed note"),
)

duties = Table(
    "duties",
    metadata,
    Column("name", Text, primary_key=True),
    Column("done_at_ms", BigInteger, nullable=False, comment="when it was taken up last"),
)

_LOCK = 0x6775617264  # "guard"; any number that every process agrees on
_LAST = select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)
_HOUR = 60
_NOTED = "SELECT size, root, minute, note FROM checkpoints ORDER BY size DESC LIMIT 1"
_DROP_UNLESS_COSIGNED = (
    "DELETE FROM checkpoints WHERE size = ? AND size NOT IN (SELECT size FROM cosignatures)"
)
"""One checkpoint an hour is kept, and all that a witness has signed."""


class Vouched(NamedTuple):
    """A tree that was vouched for.

    Attributes:
        size: its entries.
        root: its root, 32 bytes.
        minute: when, minutes since the epoch.
        note: the signed checkpoint.
    """

    size: int
    root: bytes
    minute: int
    note: str


class Guard:
    """Remembers what was signed, and lets nothing else be signed but what goes on from there.

    Args:
        store: where it is remembered.
    """

    def __init__(self, store: Apart) -> None:
        self._store = store

    def last(self) -> Vouched | None:
        """Return the last tree that was vouched for; ``None`` before the first.

        Raises:
            StoreUnavailableError: the guard cannot be asked now.
        """
        with self._store.reading() as conn:
            return _last(conn)

    def advance(
        self,
        size: int,
        root: bytes,
        minute: int,
        goes_on_from: Callable[[Vouched], bool],
        sign: Callable[[], str],
    ) -> Vouched:
        """Vouch for a tree, unless a larger one was vouched for already; return the last one.

        Args:
            size: its entries.
            root: its root.
            minute: the clock, minutes since the epoch.
            goes_on_from: whether it holds another tree unchanged.
            sign: makes the checkpoint.

        Raises:
            ForkedLogError: it does not go on from the last tree.
            StoreUnavailableError: the guard cannot be asked now.
        """
        with self._store.writing() as conn:
            hold_until_end(conn, _LOCK)
            last = _last(conn)
            if last is not None:
                if last.size > size or (last.size, last.root) == (size, root):
                    return last
                if not goes_on_from(last):
                    raise ForkedLogError("the log does not go on from what was signed last")
                if last.minute // _HOUR == minute // _HOUR:
                    change(conn, _DROP_UNLESS_COSIGNED, [(last.size,)])
            vouched = Vouched(size, root, minute, sign())
            insert_rows(conn, checkpoints, Vouched._fields, [vouched])
        return vouched

    def sign_again(self, size: int, note: str) -> None:
        """Put another note in the place of the one of a tree that was vouched for; of the same tree."""
        with self._store.writing() as conn:
            conn.execute(update(checkpoints).where(checkpoints.c.size == size).values(note=note))

    def take_up(self, duty: str, now_ms: int, every_ms: int) -> bool:
        """Take up what one process is to do once in a while; tell whether it is ours to do.

        A clock that was put back makes it due at once.

        Args:
            duty: what is to be done.
            now_ms: the clock, milliseconds since the epoch.
            every_ms: how often.

        Raises:
            StoreUnavailableError: the guard cannot be asked now.
        """
        query = select(duties.c.done_at_ms).where(duties.c.name == duty)
        with self._store.reading() as conn:
            if _is_done(conn.execute(query).scalar(), now_ms, every_ms):
                return False
        with self._store.writing() as conn:
            hold_until_end(conn, _LOCK)
            if _is_done(conn.execute(query).scalar(), now_ms, every_ms):
                return False
            conn.execute(insert_or_replace(conn, duties, "name"), {"name": duty, "done_at_ms": now_ms})
        return True

    def at(self, size: int) -> Vouched | None:
        """Return what was vouched for at a size; ``None`` where that is not remembered."""
        with self._store.reading() as conn:
            row = conn.execute(select(checkpoints).where(checkpoints.c.size == size)).first()
        return None if row is None else Vouched(*row)

    def cosign(self, vouched: Vouched, lines: Mapping[str, str]) -> None:
        """Remember what witnesses signed: signature lines, by the names of their keys.

        The checkpoint is remembered with them: it may have been dropped while they were asked.
        """
        rows = [{"size": vouched.size, "name": name, "line": line} for name, line in lines.items()]
        with self._store.writing() as conn:
            conn.execute(insert_new(conn, checkpoints), vouched._asdict())
            conn.execute(insert_new(conn, cosignatures), rows)

    def cosigned(self, size: int) -> dict[str, str]:
        """Return what witnesses signed at a size, by the names of their keys."""
        query = select(cosignatures.c.name, cosignatures.c.line).where(cosignatures.c.size == size)
        with self._store.reading() as conn:
            return {row.name: row.line for row in conn.execute(query.order_by(cosignatures.c.name))}

    def last_cosigned(self) -> Vouched | None:
        """Return the last tree that a witness has signed; ``None`` before the first."""
        query = _LAST.where(checkpoints.c.size.in_(select(cosignatures.c.size)))
        with self._store.reading() as conn:
            row = conn.execute(query).first()
        return None if row is None else Vouched(*row)

    def last_size_signed_by(self, name: str) -> int:
        """Return how many entries the last tree had that a witness has signed, by its key's name; or 0."""
        query = select(func.max(cosignatures.c.size)).where(cosignatures.c.name == name)
        with self._store.reading() as conn:
            return conn.execute(query).scalar() or 0

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()


def _last(conn: Connection) -> Vouched | None:
    for size, root, minute, note in fetch(conn, _NOTED):
        return Vouched(size, bytes(root), minute, note)
    return None


def _is_done(done_at_ms: int | None, now_ms: int, every_ms: int) -> bool:
    return done_at_ms is not None and done_at_ms <= now_ms < done_at_ms + every_ms
