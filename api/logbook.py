"""The log as the edge uses it: append, vouch for it, prove what is in it.

Two steps stand between a decision and its answer. It is appended, in a transaction; then the guard, which
lies in a store of its own, remembers the new tree and a checkpoint of it is signed. Between the two the
database is ahead of the guard, which is no harm: whoever comes next vouches for both. The other way
round the guard would be ahead of the database, and that is what a restored backup looks like.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from api.errors import ForkedLogError, SettingsError
from api.settings import KEY_BYTES, Settings
from api.storage import guard as guarding
from api.storage import keyring as keys
from api.storage.apart import Apart
from api.storage.connection import reading
from api.storage.decisions import StoredDecision, append_decisions
from api.storage.guard import Guard, Vouched
from api.storage.keyring import Keyring
from api.storage.log import Entry, Grown, TreeState, append_entries, hashes_of, lock_log, read_state
from api.storage.secret_files import secret_in
from guardrails.log.canonical import canonical
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.merkle import consistency_proof, inclusion_proof, root_at
from guardrails.log.notes import MlDsaCosigner, NoteSigner, Signer, add_signature, sign_note, text_of
from guardrails.log.receipts import receipt
from guardrails.log.record import FORMAT

MINUTE_MS = 60_000


def entry(type_: str, now_ms: int, **fields: object) -> Entry:
    """Return an entry that is not a decision.

    Args:
        type_: word for what it tells of.
        now_ms: the clock, milliseconds since the epoch; only the minute is written down.
        fields: what else it says; nothing personal.

    Raises:
        RecordError: a field cannot be written canonically.
    """
    minute = now_ms // MINUTE_MS
    return Entry(type_, minute, canonical({"v": FORMAT, "type": type_, "t_min": minute, **fields}))


class Logbook:
    """The log of one shop.

    Args:
        engine: the database.
        keyring: keys that bodies are sealed with.
        guard: remembers what was signed.
        signers: keys that the log signs with, its own first.
        origin: what the log is called.
        clock: milliseconds since the epoch.
    """

    def __init__(
        self,
        engine: Engine,
        keyring: Keyring,
        guard: Guard,
        signers: Sequence[Signer],
        origin: str,
        clock: Callable[[], int],
    ) -> None:
        self.engine = engine
        self.keyring = keyring
        self.guard = guard
        self.origin = origin
        self._signers = tuple(signers)
        self._clock = clock

    @property
    def vkeys(self) -> tuple[str, ...]:
        """The public keys of the log."""
        return tuple(signer.vkey for signer in self._signers)

    def append(self, conn: Connection, decisions: Sequence[StoredDecision]) -> Grown:
        """Append decisions, unless the database is an older one than was vouched for.

        Raises:
            ForkedLogError: it is, or another one.
            StoreUnavailableError: keys or guard cannot be used now.
        """
        before = lock_log(conn)
        self._refuse_fork(conn, before)
        return append_decisions(conn, self.keyring, decisions, before)

    def add(self, conn: Connection, *entries: Entry) -> Grown:
        """Append entries that are no decisions; the same is refused."""
        before = lock_log(conn)
        self._refuse_fork(conn, before)
        return append_entries(conn, entries, before)

    def publish(self, state: TreeState | None = None) -> Vouched:
        """Vouch for the tree as far as it has come; call it after the commit.

        Args:
            state: how far that is, where the caller knows it.

        Raises:
            ForkedLogError: the tree does not go on from what was vouched for last.
            StoreUnavailableError: database or guard cannot be used now.
        """
        if state is None:
            with reading(self.engine) as conn:
                state = read_state(conn)
        now_ms = self._clock()
        text = Checkpoint(self.origin, state.size, state.root).text()
        return self.guard.advance(
            state.size,
            state.root,
            now_ms // MINUTE_MS,
            lambda last: self._goes_on(state, last),
            lambda: sign_note(text, self._signers, now_ms // 1000),
        )

    def checkpoint(self) -> str:
        """Return a checkpoint of the tree as it is now, with every witness's signature on it so far."""
        return self._signed(self.publish())

    def witnessed(self) -> str | None:
        """Return the last checkpoint that a witness has signed; ``None`` before the first."""
        last = self.guard.last_cosigned()
        return None if last is None else self._signed(last)

    def receipt(self, log_index: int, extra: bytes = b"") -> str:
        """Return a receipt of one entry under the checkpoint of now (``.tlog-proof``).

        Raises:
            LogError: there is no such entry.
        """
        vouched = self.publish()
        with reading(self.engine) as conn:
            proof = inclusion_proof(log_index, vouched.size, hashes_of(conn))
        return receipt(log_index, proof, self._signed(vouched), extra=extra)

    def inclusion(self, log_index: int, size: int) -> list[bytes]:
        """Return the proof that an entry is in the tree of a size.

        Raises:
            LogError: that tree has no such entry.
        """
        with reading(self.engine) as conn:
            return inclusion_proof(log_index, size, hashes_of(conn))

    def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """Return the proof that one tree goes on from another.

        Raises:
            LogError: there are no trees of such sizes.
        """
        with reading(self.engine) as conn:
            return consistency_proof(old_size, new_size, hashes_of(conn))

    def close(self) -> None:
        """Let go of keys and guard; the database belongs to somebody else."""
        self.keyring.close()
        self.guard.close()

    def _signed(self, vouched: Vouched) -> str:
        note = vouched.note
        for line in self.guard.cosigned(vouched.size).values():
            note = add_signature(note, line)
        return note

    def _refuse_fork(self, conn: Connection, state: TreeState) -> None:
        last = self.guard.last()
        if last is not None and not self._holds(conn, state, last):
            raise ForkedLogError("the log does not go on from what was signed last: was a backup restored?")

    def _goes_on(self, state: TreeState, last: Vouched) -> bool:
        if Checkpoint.parse(text_of(last.note)).origin != self.origin:
            raise SettingsError("the log was signed under another origin before: `TACTFUL_LOG_ORIGIN`")
        with reading(self.engine) as conn:
            return self._holds(conn, state, last)

    @staticmethod
    def _holds(conn: Connection, state: TreeState, last: Vouched) -> bool:
        """Whether a tree holds another one unchanged."""
        if state.size <= last.size:
            return (state.size, state.root) == (last.size, last.root)
        return root_at(last.size, hashes_of(conn)) == last.root


def open_keyring(settings: Settings) -> Keyring:
    """Return the keys that records are sealed with; the first call ever makes the one that wraps them.

    Raises:
        SettingsError: the key-encryption key cannot be used.
    """
    kek = settings.key_encryption_key or _key_in(settings.key_encryption_key_file, "key-encryption key")
    return Keyring(Apart(settings.keys_location, keys.metadata), kek)


@contextmanager
def keyring_of(settings: Settings) -> Iterator[Keyring]:
    """Yield the keys that records are sealed with, and let go of them when left.

    Raises:
        SettingsError: the key-encryption key cannot be used.
    """
    keyring = open_keyring(settings)
    try:
        yield keyring
    finally:
        keyring.close()


def open_logbook(settings: Settings, engine: Engine, clock: Callable[[], int]) -> Logbook:
    """Return the log; the first call ever makes the key that it signs with.

    Raises:
        SettingsError: a key cannot be used.
    """
    guard = Guard(Apart(settings.checkpoints_location, guarding.metadata))
    return Logbook(engine, open_keyring(settings), guard, log_signers(settings), settings.log_origin, clock)


def log_signers(settings: Settings) -> list[Signer]:
    """Return the keys that the log signs with.

    Raises:
        SettingsError: a key cannot be used.
    """
    seed = settings.log_key or _key_in(settings.log_key_file, "log key")
    signers: list[Signer] = [NoteSigner(settings.log_origin, seed)]
    if settings.log_post_quantum:
        file = settings.log_key_file.with_suffix(".ml-dsa.key")
        signers.append(MlDsaCosigner(settings.log_origin, _key_in(file, "post-quantum log key")))
    return signers


def _key_in(file: Path, what: str) -> bytes:
    key = secret_in(file, what, lambda: secrets.token_bytes(KEY_BYTES))
    if len(key) != KEY_BYTES:
        raise SettingsError(f"the {what} `{file}` does not hold {KEY_BYTES} bytes")
    return key
