"""The log: entries in a tree that only grows, appended by whoever holds its lock.

There is one sequencer at a time, whichever transaction holds the lock: it reads how far the tree has
come, appends, and commits tree and entries together with whatever else it stores. So there are no gaps
and no index twice, an entry stands there exactly if what it tells of does, and a process that dies takes
nothing with it but what was never answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, select

from api.errors import ForkedLogError
from api.storage.connection import hold_until_end
from api.storage.statements import change, chunks, fetch, insert_or_update, insert_rows
from api.storage.tables import log_entries, log_tiles
from guardrails.errors import LogError
from guardrails.log.canonical import canonical
from guardrails.log.merkle import Frontier, HashOf, leaf_hash
from guardrails.log.record import FORMAT
from guardrails.log.tiles import TILE_WIDTH, grown_tiles, hashes_in

MINUTE_MS = 60_000

_LOCK = 0x6C6F67  # "log"; any number that every process agrees on
_CHANGED = "the log was changed: its root is not that of its tree"
_STATE = "SELECT size, root, frontier, min_index FROM log_state"
_GROWN = "UPDATE log_state SET size = ?, root = ?, frontier = ?"
_TILE = "SELECT hashes FROM log_tiles WHERE level = ? AND tile = ?"


class Entry(NamedTuple):
    """Something to be appended.

    Attributes:
        type: word for what it tells of; also written in it.
        minute: minutes since the epoch; also written in it.
        data: canonical bytes.
    """

    type: str
    minute: int
    data: bytes


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


@dataclass(frozen=True, slots=True)
class TreeState:
    """How far the tree has come.

    Attributes:
        frontier: what appending needs.
        root: its root, 32 bytes.
        min_index: entries before it were pruned.
    """

    frontier: Frontier
    root: bytes
    min_index: int

    @property
    def size(self) -> int:
        """Number of entries that were ever appended."""
        return self.frontier.size


class Grown(NamedTuple):
    """What an append has changed.

    Attributes:
        first_index: where the first new entry stands.
        after: how far the tree has come now.
    """

    first_index: int
    after: TreeState


def lock_log(conn: Connection) -> TreeState:
    """Become the sequencer until the transaction ends; return how far the tree has come.

    Take any other lock before this one. On SQLite a writer is alone anyway.
    """
    hold_until_end(conn, _LOCK)
    return read_state(conn)


def read_state(conn: Connection) -> TreeState:
    """Return how far the tree has come.

    Raises:
        ForkedLogError: what stands there is no tree: somebody has changed it.
    """
    try:
        ((size, root, hashes, min_index),) = fetch(conn, _STATE)
        frontier = Frontier.from_bytes(size, hashes)
    except (TypeError, ValueError, LogError):
        raise ForkedLogError(_CHANGED) from None
    if frontier.root() != root:
        raise ForkedLogError(_CHANGED)
    return TreeState(frontier, root, min_index)


def append_entries(conn: Connection, entries: Sequence[Entry], before: TreeState | None = None) -> Grown:
    """Append entries in the order given.

    Args:
        conn: a writing connection.
        entries: at least one.
        before: what ``lock_log`` returned in this transaction, if it was called.

    Raises:
        ForkedLogError: the tree is damaged.
    """
    before = before or lock_log(conn)
    first = before.size
    hashes = [leaf_hash(entry.data) for entry in entries]
    frontier = before.frontier.with_leaves(hashes)
    after = TreeState(frontier, frontier.root(), before.min_index)
    rows = [(at, entry.type, entry.minute, entry.data) for at, entry in enumerate(entries, first)]
    insert_rows(conn, log_entries, ("log_index", "type", "minute", "entry"), rows)
    try:
        tiles = grown_tiles(first, hashes, lambda level, tile: read_tile(conn, level, tile))
    except LogError:
        raise ForkedLogError(_CHANGED) from None
    changed = [(level, tile, data) for (level, tile), data in tiles.items()]
    insert_or_update(conn, log_tiles, ("level", "tile"), ("level", "tile", "hashes"), changed)
    change(conn, _GROWN, [(frontier.size, after.root, frontier.to_bytes())])
    return Grown(first, after)


def read_tile(conn: Connection, level: int, tile: int) -> bytes:
    """Return the hashes of a tile that are stored so far.

    Raises:
        LogError: there is no such tile.
    """
    found = fetch(conn, _TILE, (level, tile))
    if not found:
        raise LogError(f"the log has no tile {level}/{tile}")
    return bytes(found[0][0])


def hashes_of(conn: Connection) -> HashOf:
    """Return the hash of any complete subtree, read from the tiles."""
    return hashes_in(lambda level, tile: read_tile(conn, level, tile))


def read_entry(conn: Connection, log_index: int) -> bytes | None:
    """Return one entry; ``None`` where it was pruned or is not there yet."""
    found = conn.execute(select(log_entries.c.entry).where(log_entries.c.log_index == log_index)).scalar()
    return None if found is None else bytes(found)


def read_entries(conn: Connection, first: int, end: int) -> list[bytes]:
    """Return the entries from one index up to, and without, another; pruned ones are left out."""
    query = (
        select(log_entries.c.entry)
        .where(log_entries.c.log_index >= first, log_entries.c.log_index < end)
        .order_by(log_entries.c.log_index)
    )
    return [bytes(entry) for entry in conn.scalars(query)]


def entries_at(conn: Connection, places: Collection[int]) -> dict[int, bytes]:
    """Return some entries by their index; pruned ones are left out."""
    query = select(log_entries.c.log_index, log_entries.c.entry)
    return {
        row.log_index: bytes(row.entry)
        for some in chunks(sorted(places))
        for row in conn.execute(query.where(log_entries.c.log_index.in_(some)))
    }


def entries_before(
    conn: Connection, before: int, limit: int, types: Collection[str] | None = None
) -> list[tuple[int, bytes]]:
    """Return the last entries before a place, newest first.

    Args:
        conn: a connection.
        before: one past the last entry to return.
        limit: most entries to return.
        types: only those of these types, none of them ``decision``; all when left out.
    """
    query = (
        select(log_entries.c.log_index, log_entries.c.entry)
        .where(log_entries.c.log_index < before)
        .order_by(log_entries.c.log_index.desc())
        .limit(limit)
    )
    if types is None:
        return [(row.log_index, bytes(row.entry)) for row in conn.execute(query)]
    found = [
        (row.log_index, bytes(row.entry))
        for type_ in types  # one by one, as the index is by type
        for row in conn.execute(query.where(log_entries.c.type == type_, log_entries.c.type != "decision"))
    ]
    return sorted(found, reverse=True)[:limit]


def bundles(conn: Connection, first: int, end: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield number and entries of each bundle between two indexes; the last one may be partial."""
    for number in range(first // TILE_WIDTH, -(-end // TILE_WIDTH)):
        start = number * TILE_WIDTH
        yield number, read_entries(conn, max(first, start), min(end, start + TILE_WIDTH))


def last_minute(conn: Connection) -> int | None:
    """Return the minute of the last entry; ``None`` where none is left."""
    query = select(log_entries.c.minute).order_by(log_entries.c.log_index.desc()).limit(1)
    found: int | None = conn.execute(query).scalar()
    return found


def read_last(conn: Connection, type_: str) -> bytes | None:
    """Return the last entry of a type other than ``decision``; ``None`` without one."""
    query = (
        select(log_entries.c.entry)
        .where(log_entries.c.type == type_, log_entries.c.type != "decision")
        .order_by(log_entries.c.log_index.desc())
        .limit(1)
    )
    found = conn.execute(query).scalar()
    return None if found is None else bytes(found)


def last_of(conn: Connection, type_: str) -> int | None:
    """Return the minute of the last entry of a type other than ``decision``; ``None`` without one."""
    query = (
        select(log_entries.c.minute)
        .where(log_entries.c.type == type_, log_entries.c.type != "decision")
        .order_by(log_entries.c.log_index.desc())
        .limit(1)
    )
    found: int | None = conn.execute(query).scalar()
    return found
