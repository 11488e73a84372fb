"""Rehearse a draft on every decision that is retained, and say what that would have come to."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from api.errors import PolicyDocumentError
from api.imports.importer import Progress
from api.logbook import keyring_of
from api.policies.shipped import shipped_policy
from api.rehearsing.cache import Cache, key_of
from api.rehearsing.helpers import Helpers
from api.rehearsing.work import Found, Work
from api.settings import Settings
from api.storage.connection import reading
from api.storage.feedback import ACTED_ON, DISMISSED, UNWANTED
from api.storage.keyring import Keyring
from api.storage.retained import (
    RetainedDecision,
    count_customers,
    read_bodies_between,
    read_feedback,
    read_policies_used,
    read_retained,
)
from api.storage.versions import policy_in_force, read_policy_version
from guardrails.errors import PolicyError
from guardrails.policy.document import to_document, version_of
from guardrails.policy.floor import held_to_floor
from guardrails.policy.language import Policy
from guardrails.policy.rehearsal import GONE, Change, Tally
from guardrails.policy.rehearsal_report import LeftOut, Reach, Report, Words, report_of

DECISIONS_AT_ONCE = 4_096
"""Positions of the log that one block covers."""

N_THREADS = 2
"""Blocks that are worked on at a time, unless told otherwise; what is found does not depend on it."""

READ_WITH_HELP = 16_384
"""From how many decisions to be read from their records on other processes are worth their start."""

_MOST_HELPERS = 3
"""However many processors there are: each takes some hundred megabytes, and others want to work as well."""

_AHEAD = 4
"""Blocks that may be begun before an earlier one is done: a process takes a while to start."""

_WORDS = Words(frozenset(ACTED_ON), frozenset(UNWANTED), frozenset(DISMISSED))


class Held(NamedTuple):
    """A policy as it would be in force.

    Attributes:
        version: SHA-256 of its document.
        policy: what it says, held to the floor.
    """

    version: str
    policy: Policy


def held(policy: Policy) -> Held:
    """Return a policy, which need not be stored, as it would be in force."""
    version = version_of(to_document(policy))
    return Held(version, replace(policy, limits=held_to_floor(policy.limits)))


def held_version(conn: Connection, version: str) -> Held:
    """Return a policy that is stored, or the one that ships, by its version.

    Raises:
        PolicyError: there is none of that version, or it cannot be read any more.
    """
    shipped = held(shipped_policy())
    if version == shipped.version:
        return shipped
    return Held(version, held(read_policy_version(conn, version)).policy)


def held_in_force(conn: Connection) -> Held:
    """Return the policy in force.

    Raises:
        PolicyError: it cannot be read.
    """
    policy, version = policy_in_force(conn)
    return Held(version, policy)


def rehearse(
    engine: Engine,
    settings: Settings,
    base: Held,
    draft: Held,
    show: Progress,
    *,
    n_threads: int = N_THREADS,
    n_helpers: int | None = None,
) -> Report:
    """Run a draft against every decision that is retained.

    Args:
        engine: the database.
        settings: where columns are kept between two rehearsals.
        base: what the draft is held against.
        draft: the draft.
        show: told how far it has come, in decisions.
        n_threads: how many blocks are worked on at a time.
        n_helpers: how many of them by other processes; without it one for each other processor, up to
            three, where there is enough to do.

    Raises:
        StoreUnavailableError: the database cannot be used.
        OSError: columns cannot be kept.
    """
    with keyring_of(settings) as keyring:
        found = _Rehearsal(engine, keyring, settings.data_dir, base, draft, show, (n_threads, n_helpers))
        return found.report()


class _Part(NamedTuple):
    """A block of the log.

    Attributes:
        key: what its file is known by.
        decisions: its decisions that still have a body, at least one.
    """

    key: str
    decisions: tuple[RetainedDecision, ...]


@dataclass(slots=True)
class _Sum:
    """What came of all blocks."""

    tally: Tally = field(default_factory=Tally)
    changes: list[Change] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    is_new: bool = False

    def add(self, found: Found) -> None:
        self.tally.add(found.rehearsed.tally)
        self.changes += found.rehearsed.changes
        self.touched.update(found.rehearsed.touched)
        self.unreadable.update(found.unreadable)
        self.is_new |= found.is_new


class _Rehearsal:
    """One way through the log."""

    def __init__(
        self,
        engine: Engine,
        keyring: Keyring,
        data_dir: Path,
        base: Held,
        draft: Held,
        show: Progress,
        n_workers: tuple[int, int | None],
    ) -> None:
        self._engine, self._keyring = engine, keyring
        self._cache, self._data_dir = Cache(data_dir), data_dir
        self._base, self._draft = base, draft
        self._show, (self._n_threads, self._n_helpers) = show, n_workers

    def report(self) -> Report:
        """Go through the log, and say what was found."""
        with reading(self._engine) as conn:
            retained = read_retained(conn)
            parts = _parts(retained)
            total = _Sum()
            work = Work(self._data_dir, recorded_policies(conn), self._base.policy, self._draft.policy)
            for number, found in self._found(conn, parts, work):
                total.add(found)
                self._show(number, len(retained), f"{total.tally.n_touched:,} touched")
            gone = {each.decision_id for each in total.changes if each.kind in GONE}
            rehearsed = {each.decision_id for each in retained if each.has_body} - total.unreadable
            said = read_feedback(conn, sorted(gone))
            reach = Reach(*count_customers(conn, rehearsed, total.touched))
        self._tidy(parts, is_new=total.is_new)
        return report_of(
            self._base,
            self._draft,
            total.tally,
            total.changes,
            LeftOut(sum(not each.has_body for each in retained), len(total.unreadable)),
            reach,
            said,
            _WORDS,
        )

    def _found(self, conn: Connection, parts: Sequence[_Part], work: Work) -> Iterator[tuple[int, Found]]:
        """Yield how many decisions have been gone through and what came of each block, in order."""
        n_helpers = self._helpers_for(parts)
        n_threads = max(self._n_threads, n_helpers + 1)
        waiting: deque[tuple[int, Future[Found]]] = deque()
        n_done = 0
        with Helpers(n_helpers, work) as helpers, ThreadPoolExecutor(n_threads) as pool:
            try:
                for part in parts:
                    task = self._task(conn, part, work, helpers)
                    waiting.append((len(part.decisions), pool.submit(task)))
                    while len(waiting) > n_threads + _AHEAD or (waiting and waiting[0][1].done()):
                        n, future = waiting.popleft()
                        n_done += n
                        yield n_done, future.result()
                for n, future in waiting:
                    n_done += n
                    yield n_done, future.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _helpers_for(self, parts: Sequence[_Part]) -> int:
        """Return how many processes are to help."""
        if self._n_helpers is not None:
            return self._n_helpers
        n_to_read = sum(len(part.decisions) for part in parts if self._cache.get(part.key) is None)
        return min((os.cpu_count() or 1) - 1, _MOST_HELPERS) if n_to_read >= READ_WITH_HELP else 0

    def _task(self, conn: Connection, part: _Part, work: Work, helpers: Helpers) -> Callable[[], Found]:
        """Return what is to be done about a block.

        Bodies are read here, on the thread of the connection, whose transaction sees exactly those that
        were listed.
        """
        known = self._cache.get(part.key)
        if known is not None:
            return lambda: helpers.found(part.key, None) or work.on_columns(known)
        first, last = part.decisions[0].log_index, part.decisions[-1].log_index
        bodies = read_bodies_between(conn, self._keyring, first, last)
        return lambda: helpers.found(part.key, bodies) or work.on_bodies(part.key, bodies)

    def _tidy(self, parts: Sequence[_Part], *, is_new: bool) -> None:
        """Remove files of blocks that are no more; what was kept of somebody erased meanwhile among them."""
        if is_new:
            with reading(self._engine) as conn:
                parts = _parts(read_retained(conn))
        self._cache.keep_only({part.key for part in parts})


def _parts(retained: Sequence[RetainedDecision]) -> list[_Part]:
    """Cut the log into blocks by position, so that new decisions only add blocks, or change the last one."""
    with_body = (each for each in retained if each.has_body)
    found = []
    for _, some in groupby(with_body, key=lambda each: each.log_index // DECISIONS_AT_ONCE):
        decisions = tuple(some)
        found.append(_Part(key_of((each.log_index, each.decision_id) for each in decisions), decisions))
    return found


def recorded_policies(conn: Connection) -> dict[str, Policy | None]:
    """Return the policies that decisions were made under, by version.

    One that is gone, cannot be read, or was loosened below today's floor is not known: all that was judged
    under it is judged again.
    """
    found: dict[str, Policy | None] = {}
    for version in sorted(read_policies_used(conn)):
        try:
            policy = held_version(conn, version).policy
        except (PolicyError, PolicyDocumentError):
            found[version] = None
            continue
        is_as_it_was = version == version_of(to_document(policy))
        found[version] = policy if is_as_it_was else None
    return found
