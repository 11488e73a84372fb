"""Checking the log where it lives: the store is laid out as a bundle, and the verifier of bundles reads it.

So the same checks are made, by the same code, as an auditor makes offline. What a bundle does not have is
checked besides: how far the store says that the tree has come, what stands beside the entries, and the
entries that no checkpoint covers yet. Nothing is signed and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import orjson
from sqlalchemy import Connection

from api.errors import ForkedLogError, NotInLogError, UnknownDecisionError
from api.logbook import Logbook
from api.storage.connection import reading
from api.storage.decisions import entry_at, index_of
from api.storage.guard import Vouched
from api.storage.log import TreeState, hashes_of, read_state
from api.storage.log_records import Beside, beside, entries_end, stored_tile
from guardrails.errors import LogError
from guardrails.log.bundle import BundlePieces, bundle_files
from guardrails.log.merkle import HASH_BYTES, inclusion_proof, root_at
from guardrails.log.notes import add_signature
from guardrails.log.sealing import digest
from guardrails.log.tiles import MAX_ENTRY_BYTES, TILE_WIDTH, entry_bundle, hashes_in, parse_tile_path
from guardrails.log.verifier import (
    Asked,
    InvalidError,
    Report,
    VerifierKey,
    check_bundle,
    leaf_hash,
    open_note,
    parse_checkpoint,
    parse_vkey,
    verify_inclusion,
)

Show = Callable[[int, int, str], None]
"""Is told how many bundles of entries of how many are done, and a word for what is done with them."""

_UNREADABLE = (ForkedLogError, LogError, TypeError, ValueError)
"""What reading comes to where somebody has put something else in the place of what was stored."""

_FULL_TILE = TILE_WIDTH * HASH_BYTES


def signed_note(logbook: Logbook, vouched: Vouched) -> str:
    """Return the checkpoint of a tree that was vouched for, with every witness's signature on it so far."""
    note = vouched.note
    for line in logbook.guard.cosigned(vouched.size).values():
        note = add_signature(note, line)
    return note


def check_log(
    logbook: Logbook, witnesses: tuple[str, ...], asked: Asked, show: Show, *, witnessed: bool = False
) -> Report:
    """Check the whole log as it is stored and return what was found.

    Args:
        logbook: the log.
        witnesses: verifier keys of those who are asked to witness it.
        asked: what is to be held against it besides.
        show: is told of progress.
        witnessed: hold it against the last checkpoint that a witness has signed, not against the last one.

    Raises:
        StoreUnavailableError: database or guard cannot be used now.
    """
    vouched = logbook.guard.last_cosigned() if witnessed else logbook.guard.last()
    if vouched is None:
        report = Report()
        by = "witnessed" if witnessed else "signed"
        report.add("incomplete", f"no checkpoint of this log was {by} so far")
        return report
    note = signed_note(logbook, vouched).encode()
    with reading(logbook.engine) as conn:
        return _Check(conn, vouched, show).against(note, logbook.origin, (*logbook.vkeys, *witnesses), asked)


@dataclass(frozen=True, slots=True)
class _Found:
    """Something that is not as it must be."""

    text: str
    index: int


class _Check:
    """One check of the log against one checkpoint."""

    def __init__(self, conn: Connection, vouched: Vouched, show: Show) -> None:
        self._conn = conn
        self._vouched = vouched
        self._show = show
        self._found: list[_Found] = []
        self._pruned_to = 0

    def against(self, note: bytes, origin: str, vkeys: tuple[str, ...], asked: Asked) -> Report:
        """Return what was found."""
        state = self._state()
        min_index = min(0 if state is None else state.min_index, self._vouched.size)
        pieces = BundlePieces(
            origin=origin,
            checkpoint=note,
            vkeys=vkeys,
            size=self._vouched.size,
            min_index=min_index,
            first=min_index,
            end=self._vouched.size,
            read_tile=self._tile,
            read_entries=lambda number: self._bundle(number, self._looked_at),
            made_by=version("tactful"),
            verifier=b"",
        )
        report = check_bundle(_Laid(self, pieces), asked)
        if state is not None:
            self._check_state(state)
            self._check_tail(state)
        for each in sorted(self._found, key=lambda found: found.index):
            report.add("tampered", each.text, each.index)
        if not self._found:
            report.add("ok", "what stands beside the entries agrees with them, and bodies are those recorded")
        return report

    def tile_of(self, path: str) -> bytes:
        """Return what stands under the path of a tile or of a bundle of entries."""
        level, number, width = parse_tile_path(path)
        if level is not None:
            return self._tile(level, number)[: width * HASH_BYTES]
        return self._bundle(number, lambda _: None)

    def _state(self) -> TreeState | None:
        try:
            return read_state(self._conn)
        except _UNREADABLE:
            self._note("the store does not remember any more how far the tree has come", self._vouched.size)
            return None

    def _tile(self, level: int, number: int) -> bytes:
        """Return a tile; hashes that the store lacks are zeros, which no entry hashes to."""
        return stored_tile(self._conn, level, number).ljust(_FULL_TILE, b"\x00")[:_FULL_TILE]

    def _bundle(self, number: int, look_at: Callable[[Beside], None]) -> bytes:
        """Return a bundle of entries as far as the checkpoint goes; a missing one is empty."""
        first = number * TILE_WIDTH
        end = min(first + TILE_WIDTH, self._vouched.size)
        entries = [b""] * (end - first)
        for row in beside(self._conn, first, end):
            if len(row.entry) <= MAX_ENTRY_BYTES:  # no longer one was ever appended
                entries[row.log_index - first] = row.entry
            look_at(row)
        self._show(number + 1, -(-self._vouched.size // TILE_WIDTH), "bundles of entries")
        return entry_bundle(entries)

    def _looked_at(self, row: Beside) -> None:
        """Hold what the store says of an entry outside the tree against the entry."""
        try:
            said = orjson.loads(row.entry)
            kind, minute = said["type"], said["t_min"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return  # the verifier says what is wrong with it
        if (row.type, row.minute) != (kind, minute):
            self._note(f"entry {row.log_index} is filed as something else than it says", row.log_index)
        is_decision = kind == "decision"
        if (row.decision_id, row.decision_minute) != (
            (said.get("id"), minute) if is_decision else (None,) * 2
        ):
            self._note(f"entry {row.log_index} is not found by what it says", row.log_index)
        if row.sealed is not None and digest(row.sealed) != said.get("ct"):
            self._note(f"the body of entry {row.log_index} is not the one that was sealed", row.log_index)
        if kind == "prune":
            self._pruned_to = max(self._pruned_to, said.get("min_index", 0))

    def _check_state(self, state: TreeState) -> None:
        if state.size < self._vouched.size:
            text = (
                f"{self._vouched.size} entries were signed and the store has {state.size}: it was cut short"
            )
            self._note(text, state.size)
        elif not self._has_root(state):
            self._note("the root that the store remembers is not that of its tree", self._vouched.size)
        if entries_end(self._conn) > state.size:
            self._note("there are entries beyond the end of the tree", state.size)

    def _has_root(self, state: TreeState) -> bool:
        try:
            return state.root == state.frontier.root() == root_at(state.size, hashes_in(self._tile))
        except _UNREADABLE:
            return False

    def _check_tail(self, state: TreeState) -> None:
        """Check the entries that were appended after the checkpoint, and what was pruned."""
        for first in range(self._vouched.size, state.size, TILE_WIDTH):
            rows = {
                row.log_index: row for row in beside(self._conn, first, min(first + TILE_WIDTH, state.size))
            }
            for index in range(first, min(first + TILE_WIDTH, state.size)):
                number, at = divmod(index, TILE_WIDTH)
                leaf = self._tile(0, number)[at * HASH_BYTES : (at + 1) * HASH_BYTES]
                if index not in rows or leaf_hash(rows[index].entry) != leaf:
                    self._note(f"entry {index} is not the one in the tree", index)
                else:
                    self._looked_at(rows[index])
        if state.min_index != self._pruned_to:
            text = (
                f"the store has entries from {state.min_index} on, and the log says from {self._pruned_to} on"
            )
            self._note(text, min(state.min_index, self._pruned_to))

    def _note(self, text: str, index: int) -> None:
        self._found.append(_Found(text, index))


class _Laid(Mapping[str, bytes]):
    """The log laid out as the files of a bundle, of which no more than one is in memory."""

    def __init__(self, check: _Check, pieces: BundlePieces) -> None:
        self._check = check
        self._small: dict[str, bytes] = {}
        self._names: dict[str, None] = {}  # in their order
        for path, content in bundle_files(pieces):
            self._names[path] = None
            if not path.startswith("tile/"):
                self._small[path] = content

    def __getitem__(self, path: str) -> bytes:
        if path not in self._names:
            raise KeyError(path)
        return self._small[path] if path in self._small else self._check.tile_of(path)

    def __contains__(self, path: object) -> bool:
        return path in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, slots=True)
class Proof:
    """What can be said of one decision without opening it.

    Attributes:
        leaf: whether its entry is the one in the tree.
        proof: whether the tree of the last checkpoint has it.
        signature: whether that checkpoint is signed.
        is_good: all three are in order.
        is_witnessed: the witnesses named have signed it, or, where none is named, one that is known.
    """

    leaf: str
    proof: str
    signature: str
    is_good: bool
    is_witnessed: bool


def prove(logbook: Logbook, decision_id: str, asked: Asked, witnesses: tuple[str, ...] = ()) -> Proof:
    """Check one decision against the checkpoint that was signed last.

    Args:
        logbook: the log.
        decision_id: the decision.
        asked: witnesses that must have signed.
        witnesses: verifier keys of those who are asked to witness the log.

    Raises:
        UnknownDecisionError: it is not in the log.
        NotInLogError: its entry was pruned, or no checkpoint covers it yet.
        StoreUnavailableError: database or guard cannot be used now.
    """
    vouched = logbook.guard.last()
    with reading(logbook.engine) as conn:
        index, entry = index_of(conn, decision_id), entry_at(conn, decision_id)
        if index is None:
            raise UnknownDecisionError("this decision is not in the log")
        if entry is None:
            raise NotInLogError("the entry of this decision was pruned")
        if vouched is None or index >= vouched.size:
            raise NotInLogError("no checkpoint of this decision was signed so far")
        hash_of = hashes_of(conn)
        leaf = leaf_hash(entry)
        is_leaf = leaf == hash_of(0, index)
        path = inclusion_proof(index, vouched.size, hash_of)
    is_proven = verify_inclusion(index, vouched.size, leaf, path, vouched.root)
    known = asked.witnesses or tuple(map(parse_vkey, witnesses))
    is_signed, signers = _signers(signed_note(logbook, vouched), logbook.vkeys, known, vouched)
    cosigned = [key in signers for key in known]
    return Proof(
        leaf=f"OK entry {index}" if is_leaf else f"TAMPERED entry {index}",
        proof=f"{'OK' if is_proven else 'TAMPERED'} in a tree of {vouched.size} entries",
        signature="OK" if is_signed else "TAMPERED",
        is_good=is_leaf and is_proven and is_signed,
        is_witnessed=all(cosigned) if asked.witnesses else any(cosigned),
    )


def _signers(
    note: str, vkeys: tuple[str, ...], witnesses: tuple[VerifierKey, ...], vouched: Vouched
) -> tuple[bool, set[VerifierKey]]:
    """Tell whether a note is a checkpoint of a tree signed by the log, and by whom else."""
    own = tuple(map(parse_vkey, vkeys))
    try:
        text, signed = open_note(note.encode(), [*own, *witnesses])
        checkpoint = parse_checkpoint(text)
    except InvalidError:
        return False, set()
    by = {each.key for each in signed if each.checked}
    is_its = (checkpoint.size, checkpoint.root) == (vouched.size, vouched.root)
    return is_its and bool(by & set(own)), by
