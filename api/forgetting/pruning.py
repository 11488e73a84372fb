"""Pruning the log (c2sp.org/tlog-tiles): old entries go, the tree over them stays.

What was pruned is proved as before: root, consistency and inclusion need the hashes alone, and these are
kept. The log says first from where on it keeps entries, then they go, so nobody finds one missing that was
not said to be.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from api.logbook import Logbook, entry
from api.storage.connection import reading, writing
from api.storage.log import lock_log, read_state
from api.storage.requests import RequestState
from api.storage.tables import (
    cascades,
    decision_bodies,
    decision_subjects,
    decisions,
    disclosures,
    legal_holds,
    log_entries,
    log_state,
    requests,
)
from api.storage.terms import erase_terms
from engine.interactions import DAY_MS
from guardrails.log.tiles import TILE_WIDTH

PRUNE = "prune"
"""Type of the entry."""

CHUNK_ENTRIES = 1_000
"""Entries of one transaction."""

_MINUTE_MS = 60_000
_LEAST_PAUSE_S = 0.002


class Prunable(NamedTuple):
    """What the log can be pruned of.

    Attributes:
        min_index: entries before it go.
        n_entries: how many of them are there.
    """

    min_index: int
    n_entries: int


def before_days(keep_days: int, now_ms: int) -> int:
    """Return before when entries are not kept, milliseconds since the epoch; 0 days keep them all."""
    return now_ms - keep_days * DAY_MS if keep_days else 0


def prunable(conn: Connection, before_ms: int) -> Prunable:
    """Return what can be pruned: whole bundles of old entries in front of all that anybody still needs.

    A decision whose body is kept is needed, so are one that is contested, an erasure that is under way,
    and whatever was written since a legal hold was placed.

    Args:
        conn: a connection.
        before_ms: entries from then on are kept, milliseconds since the epoch.
    """
    state = read_state(conn)
    held_ms = conn.scalar(
        select(func.min(legal_holds.c.placed_at_ms)).where(legal_holds.c.lifted_at_ms.is_(None))
    )
    minute = min(before_ms, before_ms if held_ms is None else held_ms) // _MINUTE_MS
    at = log_entries.c.log_index
    young = conn.scalar(
        select(at).where(at >= state.min_index, log_entries.c.minute >= minute).order_by(at).limit(1)
    )
    contested = (
        select(func.min(decisions.c.log_index))
        .join(requests, requests.c.decision_id == decisions.c.decision_id)
        .where(requests.c.state == RequestState.OPEN.value)
    )
    under_way = select(func.min(cascades.c.log_index)).where(cascades.c.finished_at_ms.is_(None))
    needed = [
        conn.scalar(each) for each in (select(func.min(decision_bodies.c.log_index)), contested, under_way)
    ]
    first = min(each for each in (state.size, young, *needed) if each is not None)
    min_index = max(state.min_index, first // TILE_WIDTH * TILE_WIDTH)
    return Prunable(min_index, conn.scalar(select(func.count()).where(at < min_index)) or 0)


def prune(logbook: Logbook, before_ms: int, now_ms: int) -> Prunable:
    """Prune the log as far as it can be; return what went.

    What an earlier run was killed over is removed as well.

    Args:
        logbook: the log.
        before_ms: entries from then on are kept, milliseconds since the epoch.
        now_ms: the clock, milliseconds since the epoch.

    Raises:
        StoreUnavailableError: database or guard cannot be used now; what was removed stays removed.
    """
    with reading(logbook.engine) as conn:
        wanted = prunable(conn, before_ms)
        is_new = wanted.min_index > read_state(conn).min_index
    if is_new:
        _say(logbook, before_ms, now_ms)
    with reading(logbook.engine) as conn:
        min_index = read_state(conn).min_index
    return Prunable(min_index, _remove(logbook, min_index))


def _say(logbook: Logbook, before_ms: int, now_ms: int) -> None:
    """Append from where on entries are kept, and keep no others from then on."""
    with writing(logbook.engine) as conn:
        lock_log(conn)
        min_index = prunable(conn, before_ms).min_index
        grown = logbook.add(conn, entry(PRUNE, now_ms, min_index=min_index))
        conn.execute(update(log_state).values(min_index=min_index))
    logbook.publish(grown.after)


def _remove(logbook: Logbook, min_index: int) -> int:
    """Remove entries and what belongs to them, a run at a time, the entries last; return how many."""
    removed = 0
    at = log_entries.c.log_index
    first = select(at).where(at < min_index).order_by(at).limit(CHUNK_ENTRIES)
    while True:
        with writing(logbook.engine) as conn:
            started = time.monotonic()
            places = list(conn.scalars(first))
            if not places:
                return removed
            erase_terms(conn, places)
            for table in (disclosures, decision_subjects, decisions, log_entries):
                conn.execute(delete(table).where(table.c.log_index <= places[-1]))
            removed += len(places)
        time.sleep(max(_LEAST_PAUSE_S, time.monotonic() - started))  # others write meanwhile
