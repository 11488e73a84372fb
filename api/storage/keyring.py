"""The keys that records are sealed with: kept apart, wrapped, and destroyed to erase somebody.

They are not in the database, so a backup of it that is restored brings no body of an erased customer
back. Back this store up for a short time only, and never into the place where the other backups are.

Who was erased is remembered here as well, by the same keyed digests as in the database: a database that
is restored has forgotten it, and is told again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table, Text, delete, func, select, update

from api.errors import StoreUnavailableError
from api.storage.apart import Apart
from api.storage.connection import clear_deleted
from api.storage.statements import chunks, fetch, insert_new, insert_or_replace, places
from guardrails.log.sealing import KEY_BYTES, digest, unwrap, wrap

metadata = MetaData()

subject_keys = Table(
    "subject_keys",
    metadata,
    Column("subject_key", LargeBinary(16), primary_key=True, comment="16 zero bytes for nobody"),
    Column("year", BigInteger, primary_key=True, autoincrement=False, comment="calendar year, UTC"),
    Column("wrapped_key", LargeBinary(40), nullable=False, comment="RFC 3394"),
    Column("kek_id", Text, nullable=False, comment="digest of the key that it is wrapped with"),
)


erasures = Table(
    "erasures",
    metadata,
    Column("suppression_key", LargeBinary(16), primary_key=True, comment="as in the database"),
    Column("since_ms", BigInteger, nullable=False),
    Column("mode", Text, nullable=False, comment="what was left of the history: anonymize or delete"),
)


_WRAPPED = "SELECT subject_key, year, wrapped_key FROM subject_keys"


class Erased(NamedTuple):
    """Somebody who was erased.

    Attributes:
        suppression_key: keyed digest that nothing else is found by.
        since_ms: when, milliseconds since the epoch.
        mode: word for what was left of the history.
    """

    suppression_key: bytes
    since_ms: int
    mode: str


class KeyName(NamedTuple):
    """Which key.

    Attributes:
        subject_key: whose; 16 zero bytes for nobody.
        year: calendar year, UTC.
    """

    subject_key: bytes
    year: int


class Keyring:
    """Makes, finds and destroys the keys of subjects.

    Args:
        store: where they are.
        kek: the key-encryption key, 32 bytes.
        new_key: makes a fresh random key.
    """

    def __init__(
        self,
        store: Apart,
        kek: bytes,
        new_key: Callable[[], bytes] = lambda: secrets.token_bytes(KEY_BYTES),
    ) -> None:
        self._store = store
        self._kek = kek
        self._new_key = new_key

    def for_sealing(self, names: Collection[KeyName]) -> dict[KeyName, bytes]:
        """Return a key for each name; what is made now is durable when this returns.

        Call it while holding the log's lock, so that nobody destroys keys at the same time.

        Raises:
            StoreUnavailableError: the keys cannot be used now.
        """
        found = self.for_opening(names)
        missing = [name for name in sorted(set(names)) if name not in found]
        if not missing:
            return found
        kek_id = digest(self._kek)
        with self._store.writing() as conn:
            wrapped_with = conn.execute(select(subject_keys.c.kek_id).limit(1)).scalar()
            if wrapped_with not in {None, kek_id}:  # all have the same: they are wrapped again all or none
                raise StoreUnavailableError("the keys are wrapped with another key-encryption key now")
            rows = [
                {**name._asdict(), "wrapped_key": wrap(self._kek, self._new_key()), "kek_id": kek_id}
                for name in missing
            ]
            conn.execute(insert_new(conn, subject_keys), rows)
        return found | self.for_opening(missing)

    def for_opening(self, names: Collection[KeyName]) -> dict[KeyName, bytes]:
        """Return those of the keys that there are.

        Raises:
            StoreUnavailableError: the keys cannot be used now.
            RecordError: they are wrapped with another key-encryption key.
        """
        wanted = set(names)
        years = sorted({name.year for name in wanted})
        found: dict[KeyName, bytes] = {}
        with self._store.reading() as conn:
            for some in chunks(sorted({name.subject_key for name in wanted})):
                query = f"{_WRAPPED} WHERE subject_key IN {places(some)} AND year IN {places(years)}"
                for subject_key, year, wrapped in fetch(conn, query, [*some, *years]):
                    name = KeyName(bytes(subject_key), year)
                    if name in wanted:
                        found[name] = unwrap(self._kek, bytes(wrapped))
        return found

    def destroy(self, keys: Sequence[bytes], erased: Erased | None = None) -> int:
        """Destroy every key of the subjects; return how many there were.

        Call it while holding the log's lock, so that nobody makes keys at the same time, and without it
        ``clear_destroyed``, before anybody is told that they are gone.

        Args:
            keys: subject keys.
            erased: who is to be remembered as erased, in the same transaction.

        Raises:
            StoreUnavailableError: none of them was destroyed; try again.
        """
        gone = 0
        with self._store.writing() as conn:
            for some in chunks(keys):
                gone += conn.execute(
                    delete(subject_keys).where(subject_keys.c.subject_key.in_(some))
                ).rowcount
            if erased is not None:
                conn.execute(insert_or_replace(conn, erasures, "suppression_key"), erased._asdict())
        return gone

    def destroy_before(self, year: int, subjects: Sequence[bytes]) -> int:
        """Destroy the keys that subjects have of earlier years; return how many that were.

        As of ``destroy``, what they leave behind is for ``clear_destroyed``.

        Raises:
            StoreUnavailableError: none of them was destroyed; try again.
        """
        gone = 0
        with self._store.writing() as conn:
            for some in chunks(subjects):
                theirs = subject_keys.c.subject_key.in_(some)
                gone += conn.execute(delete(subject_keys).where(subject_keys.c.year < year, theirs)).rowcount
        return gone

    def clear_destroyed(self) -> None:
        """Remove what destroyed keys have left behind on the disk, also in the file's own log.

        How long that takes depends on who reads meanwhile and on how many keys there are, so call it without
        the log's lock: everybody who is answered waits for that.

        Raises:
            StoreUnavailableError: somebody still reads from before they were destroyed; try again.
        """
        clear_deleted(self._store.engine, [subject_keys.name])

    def subjects_before(self, year: int) -> list[bytes]:
        """Return the subject key of everybody who has a key of an earlier year, in order."""
        query = select(subject_keys.c.subject_key).where(subject_keys.c.year < year).distinct()
        with self._store.reading() as conn:
            return sorted(conn.scalars(query))

    def count_before(self, year: int, spared: Collection[bytes] = ()) -> int:
        """Return how many keys of earlier years there are, but of those who are spared."""
        query = select(subject_keys.c.subject_key).where(subject_keys.c.year < year)
        with self._store.reading() as conn:
            return sum(key not in spared for key in conn.scalars(query))

    def subjects(self) -> set[bytes]:
        """Return the subject key of everybody who has a key."""
        with self._store.reading() as conn:
            return set(conn.scalars(select(subject_keys.c.subject_key).distinct()))

    def erased(self) -> dict[bytes, Erased]:
        """Return who is remembered as erased, by suppression key."""
        with self._store.reading() as conn:
            return {bytes(row.suppression_key): Erased(*row) for row in conn.execute(select(erasures))}

    def remember_erased(self, erased: Sequence[Erased]) -> None:
        """Remember people as erased."""
        with self._store.writing() as conn:
            for some in chunks(erased):
                conn.execute(
                    insert_or_replace(conn, erasures, "suppression_key"), [each._asdict() for each in some]
                )

    def forget_erased(self, suppression_key: bytes) -> None:
        """Remember somebody as erased no longer: they have come back by a consent of their own."""
        with self._store.writing() as conn:
            conn.execute(delete(erasures).where(erasures.c.suppression_key == suppression_key))

    def rewrap(self, new_kek: bytes) -> int:
        """Wrap every key with another key-encryption key, all or none; return how many.

        Raises:
            StoreUnavailableError: the keys cannot be used now.
            RecordError: one of them is wrapped with neither.
        """
        new_id = digest(new_kek)
        with self._store.writing() as conn:
            others = conn.execute(select(subject_keys).where(subject_keys.c.kek_id != new_id)).all()
            for row in others:
                key = unwrap(self._kek, bytes(row.wrapped_key))
                conn.execute(
                    update(subject_keys)
                    .where(subject_keys.c.subject_key == row.subject_key, subject_keys.c.year == row.year)
                    .values(wrapped_key=wrap(new_kek, key), kek_id=new_id)
                )
        self._kek = new_kek
        return len(others)

    def count(self) -> Mapping[str, int]:
        """Return how many keys there are, by the digest of what they are wrapped with."""
        counted = select(subject_keys.c.kek_id, func.count()).group_by(subject_keys.c.kek_id)
        with self._store.reading() as conn:
            return {row.kek_id: row[1] for row in conn.execute(counted)}

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()
