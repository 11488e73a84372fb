"""The log as the edge uses it: append, vouch for it, prove what is in it.

Two steps stand between a decision and its answer. It is appended, in a transaction; then the guard, which
lies in a store of its own, remembers the new tree and a checkpoint of it is signed. Between the two the
database is ahead of the guard, which is no harm: whoever comes next vouches for both. The other way
round the guard would be ahead of the database, and that is what a restored backup looks like.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, Engine

from api.errors import ForkedLogError, SettingsError, StoreUnavailableError
from api.log_signers import KEY_ROTATE, LogSigners
from api.settings import KEY_BYTES, Settings
from api.storage import guard as guarding
from api.storage import keyring as keys
from api.storage.apart import Apart
from api.storage.connection import reading, writing
from api.storage.decisions import StoredDecision, append_decisions, places_of
from api.storage.exposures import delete_exposures
from api.storage.guard import Guard, Vouched
from api.storage.keyring import Keyring
from api.storage.log import (
    MINUTE_MS,
    Entry,
    Grown,
    TreeState,
    append_entries,
    entry,
    hashes_of,
    last_minute,
    lock_log,
    read_last,
    read_state,
)
from api.storage.secret_files import secret_in, sync_folder
from guardrails.errors import LogError
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.merkle import consistency_proof, inclusion_proof, root_at
from guardrails.log.notes import add_signature, sign_note, text_of
from guardrails.log.receipts import receipt

__all__ = [
    "MINUTE_MS",
    "Logbook",
    "Standing",
    "entry",
    "keyring_of",
    "open_keyring",
    "open_logbook",
    "rotate_key_encryption_key",
]


class Standing(NamedTuple):
    """How the log is doing.

    Attributes:
        size: entries.
        quiet_s: seconds since the last one, to the minute.
        n_not_vouched: entries that no checkpoint was signed of yet.
        n_witnessed: entries of the last tree that a witness has signed.
        is_forked: the database is not the one that was signed last.
    """

    size: int
    quiet_s: int
    n_not_vouched: int
    n_witnessed: int
    is_forked: bool


_REMEMBERED = 32
"""So many of the trees that this process has seen go on from one another are remembered, by size and root."""


class Logbook:
    """The log of one shop.

    Args:
        engine: the database.
        keyring: keys that bodies are sealed with.
        guard: remembers what was signed.
        signers: knows the keys that the log signs with.
        origin: what the log is called.
        clock: milliseconds since the epoch.
    """

    def __init__(
        self,
        engine: Engine,
        keyring: Keyring,
        guard: Guard,
        signers: LogSigners,
        origin: str,
        clock: Callable[[], int],
    ) -> None:
        self.engine = engine
        self.keyring = keyring
        self.guard = guard
        self.origin = origin
        self._signers = signers
        self._clock = clock
        self._chain: tuple[tuple[int, bytes], ...] = ()

    @property
    def vkeys(self) -> tuple[str, ...]:
        """The public keys of the log, as they are now."""
        return tuple(signer.vkey for signer in self._signers.now())

    def require_signers(self) -> None:
        """Refuse to go on where there is no key to sign with.

        Raises:
            SettingsError: a key cannot be used.
        """
        self._signers.now()

    def append(self, conn: Connection, decisions: Sequence[StoredDecision]) -> Grown:
        """Append decisions, unless the database is an older one than was vouched for.

        Raises:
            ForkedLogError: it is, or another one.
            SettingsError: the log has another name than when it was signed last.
            StoreUnavailableError: keys or guard cannot be used now.
        """
        before = lock_log(conn)
        self._refuse_fork(conn, before)
        return self._remember(before, append_decisions(conn, self.keyring, decisions, before))

    def add(self, conn: Connection, *entries: Entry) -> Grown:
        """Append entries that are no decisions; the same is refused."""
        before = lock_log(conn)
        self._refuse_fork(conn, before)
        return self._remember(before, append_entries(conn, entries, before))

    def say_unanswered(self, decision_ids: Sequence[str]) -> None:
        """Note of decisions, as far as they are in the log, that they were not answered.

        They were committed, or may have been, and their callers were told something else. That anything of
        them was shown is forgotten. The guard is not asked: it may be what was missing, and vouches for this
        with what comes next.

        Args:
            decision_ids: of decisions that went into the log together, one behind the other.

        Raises:
            StoreUnavailableError: the database cannot be used now.
        """
        with writing(self.engine) as conn:
            before = lock_log(conn)  # whoever was committing them has ended, one way or the other
            places = places_of(conn, decision_ids)
            if not places:
                return
            first, n = min(places.values()), len(places)
            told = entry("config", self._clock(), what="not_answered", first=first, n=n)
            append_entries(conn, [told], before)
            delete_exposures(conn, list(places))

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
                _refuse_another_root(conn, state)
        now_ms = self._clock()
        text = Checkpoint(self.origin, state.size, state.root).text()
        return self.guard.advance(
            state.size,
            state.root,
            now_ms // MINUTE_MS,
            lambda last: self._goes_on(state, last),
            lambda: sign_note(text, self._signers.now(), now_ms // 1000),
        )

    def announce(self) -> None:
        """Vouch for what was committed; where that cannot be done now, somebody does it soon.

        For changes that are in force already when they are vouched for.
        """
        with suppress(StoreUnavailableError):
            self.publish()

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

    def standing(self) -> Standing:
        """Say how the log is doing.

        Raises:
            StoreUnavailableError: database or guard cannot be asked now.
        """
        vouched, witnessed = self.guard.last(), self.guard.last_cosigned()
        with reading(self.engine) as conn:
            state, minute = read_state(conn), last_minute(conn)
            is_forked = vouched is not None and not self._holds(conn, state, vouched)
        quiet_ms = 0 if minute is None else self._clock() - minute * MINUTE_MS
        return Standing(
            size=state.size,
            quiet_s=max(0, quiet_ms // 1000),
            n_not_vouched=max(0, state.size - (vouched.size if vouched else 0)),
            n_witnessed=witnessed.size if witnessed else 0,
            is_forked=is_forked,
        )

    def rotate(self, seed: bytes | None = None) -> str:
        """Put another key in the place of the one that the log signs with; return its public key.

        The entry that says so and the checkpoint of it are signed by both. Interrupted, it is gone on with
        by the next call; the key that has been made by then stays.

        Args:
            seed: the new key, 32 bytes; ``None`` makes one.

        Raises:
            SettingsError: the key is not in a file.
            StoreUnavailableError: database or guard cannot be used now; call again.
        """
        rotation = self._signers.rotation(seed)
        with writing(self.engine) as conn:
            before = lock_log(conn)
            said = read_last(conn, KEY_ROTATE)
            if said is None or orjson.loads(said)["new_vkey"] != rotation.new.vkey:
                self._refuse_fork(conn, before)
                append_entries(conn, [rotation.entry(self._clock() // MINUTE_MS)], before)
        self._sign_by_both()
        self._signers.take_over()
        return rotation.new.vkey

    def _sign_by_both(self) -> None:
        """Sign the tree that holds the change; where somebody has with the old key alone, sign it again."""
        vouched = self.publish()
        now_s = self._clock() // 1000
        text = text_of(vouched.note)
        self.guard.sign_again(vouched.size, sign_note(text, self._signers.now(), now_s))

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
        """Refuse, before anything is appended, what could not be vouched for afterwards."""
        last = self.guard.last()
        if last is None:
            return
        self._refuse_other_origin(last)
        if self._is_of_one_chain(state, last):
            return
        if not self._holds(conn, state, last):
            raise ForkedLogError("the log does not go on from what was signed last: was a backup restored?")
        self._chain = (_tree(last), _tree(state))

    def _remember(self, before: TreeState, grown: Grown) -> Grown:
        """Note the tree that was just appended to; every tree of a chain goes on from all before it."""
        start, chain = _tree(before), self._chain
        chain = chain if chain and chain[-1] == start else (start,)
        self._chain = (*chain, _tree(grown.after))[-_REMEMBERED:]
        return grown

    def _is_of_one_chain(self, state: TreeState, last: Vouched) -> bool:
        """Whether this process has seen a tree go on from another: then no tile is read."""
        chain = self._chain
        return _tree(state) in chain and _tree(last) in chain and last.size <= state.size

    def _refuse_other_origin(self, last: Vouched) -> None:
        if Checkpoint.parse(text_of(last.note)).origin != self.origin:
            raise SettingsError("the log was signed under another origin before: `TACTFUL_LOG_ORIGIN`")

    def _goes_on(self, state: TreeState, last: Vouched) -> bool:
        self._refuse_other_origin(last)
        if self._is_of_one_chain(state, last):
            return True
        with reading(self.engine) as conn:
            return self._holds(conn, state, last)

    @staticmethod
    def _holds(conn: Connection, state: TreeState, last: Vouched) -> bool:
        """Whether a tree holds another one unchanged."""
        if state.size <= last.size:
            return _tree(state) == _tree(last)
        return root_at(last.size, hashes_of(conn)) == last.root


def _tree(found: TreeState | Vouched) -> tuple[int, bytes]:
    """Return what tells a tree from every other one."""
    return found.size, found.root


def _refuse_another_root(conn: Connection, state: TreeState) -> None:
    """Refuse to vouch for a size and a root that the hashes of the entries do not come to.

    Raises:
        ForkedLogError: they do not, or there are fewer of them.
    """
    try:
        root = root_at(state.size, hashes_of(conn))
    except LogError:
        root = b""
    if root != state.root:
        raise ForkedLogError("the log was changed: its root is not that of its entries")


def open_keyring(settings: Settings) -> Keyring:
    """Return the keys that records are sealed with; the first call ever makes the one that wraps them.

    Raises:
        SettingsError: the key-encryption key cannot be used.
    """
    kek = settings.key_encryption_key or _key_in(settings.key_encryption_key_file, "key-encryption key")
    return Keyring(Apart(settings.keys_location, keys.metadata), kek)


def rotate_key_encryption_key(settings: Settings, keyring: Keyring) -> int:
    """Wrap every key that records are sealed with under a new key; return how many that were.

    Interrupted, it is gone on with by the next call.

    Raises:
        SettingsError: the key-encryption key is not in a file.
        StoreUnavailableError: the keys cannot be used now; call again.
    """
    file = settings.key_encryption_key_file
    if settings.key_encryption_key is not None:
        raise SettingsError(
            "the key-encryption key is set by `TACTFUL_KEY_ENCRYPTION_KEY`: to rotate it, put it in the file "
            f"`{file}` and unset the variable"
        )
    waiting = file.with_name(f"{file.name}.next")
    n_wrapped = keyring.rewrap(_key_in(waiting, "next key-encryption key"))
    waiting.replace(file)
    sync_folder(file.parent)
    return n_wrapped


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
    signers = LogSigners(settings)
    signers.now()
    return Logbook(engine, open_keyring(settings), guard, signers, settings.log_origin, clock)


def _key_in(file: Path, what: str) -> bytes:
    key = secret_in(file, what, lambda: secrets.token_bytes(KEY_BYTES))
    if len(key) != KEY_BYTES:
        raise SettingsError(f"the {what} `{file}` does not hold {KEY_BYTES} bytes")
    return key
