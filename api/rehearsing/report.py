"""Rehearse a draft on every decision that is retained, and say what that would have come to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from api.errors import PolicyDocumentError
from api.imports.importer import Progress
from api.policies.shipped import shipped_policy
from api.rehearsing.cache import Cache, key_of
from api.rehearsing.reading import read_block
from api.settings import Settings
from api.storage.connection import reading
from api.storage.feedback import ACTED_ON, DISMISSED, UNWANTED
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
from guardrails.policy.rehearsal import GONE, Change, Rehearsed, Tally, rehearse_run
from guardrails.policy.rehearsal_report import LeftOut, Reach, Report, Words, report_of

DECISIONS_AT_ONCE = 4_096
"""Positions of the log that one block covers."""

N_THREADS = 2
"""Blocks that are worked on at a time, unless told otherwise; what is found does not depend on it."""

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
) -> Report:
    """Run a draft against every decision that is retained.

    Args:
        engine: the database.
        settings: where columns are kept between two rehearsals.
        base: what the draft is held against.
        draft: the draft.
        show: told how far it has come, in decisions.
        n_threads: how many blocks are worked on at a time.

    Raises:
        StoreUnavailableError: the database cannot be used.
        OSError: columns cannot be kept.
    """
    return _Rehearsal(engine, Cache(settings.data_dir), base, draft, show, n_threads).report()


class _Part(NamedTuple):
    """A block of the log.

    Attributes:
        key: what its file is known by.
        decisions: its decisions that still have a body, at least one.
    """

    key: str
    decisions: tuple[RetainedDecision, ...]


class _Found(NamedTuple):
    """What came of a block.

    Attributes:
        rehearsed: the counts and the changes.
        unreadable: ids of decisions that could not be rehearsed.
        is_new: it was read from the records.
    """

    rehearsed: Rehearsed
    unreadable: tuple[str, ...]
    is_new: bool


@dataclass(slots=True)
class _Sum:
    """What came of all blocks."""

    tally: Tally = field(default_factory=Tally)
    changes: list[Change] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    is_new: bool = False

    def add(self, found: _Found) -> None:
        self.tally.add(found.rehearsed.tally)
        self.changes += found.rehearsed.changes
        self.touched.update(found.rehearsed.touched)
        self.unreadable.update(found.unreadable)
        self.is_new |= found.is_new


class _Rehearsal:
    """One way through the log."""

    def __init__(
        self, engine: Engine, cache: Cache, base: Held, draft: Held, show: Progress, n_threads: int
    ) -> None:
        self._engine, self._cache = engine, cache
        self._base, self._draft = base, draft
        self._show, self._n_threads = show, n_threads

    def report(self) -> Report:
        """Go through the log, and say what was found."""
        with reading(self._engine) as conn:
            retained = read_retained(conn)
            parts = _parts(retained)
            total = _Sum()
            recorded = _recorded(conn)
            for number, found in self._found(conn, parts, recorded):
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

    def _found(
        self, conn: Connection, parts: Sequence[_Part], recorded: Mapping[str, Policy | None]
    ) -> Iterator[tuple[int, _Found]]:
        """Yield how many decisions have been gone through and what came of each block, in order."""
        waiting: deque[tuple[int, Future[_Found]]] = deque()
        n_done = 0
        with ThreadPoolExecutor(self._n_threads) as pool:
            for part in parts:
                waiting.append((len(part.decisions), pool.submit(self._work(conn, part, recorded))))
                while len(waiting) > self._n_threads:
                    n, future = waiting.popleft()
                    n_done += n
                    yield n_done, future.result()
            for n, future in waiting:
                n_done += n
                yield n_done, future.result()

    def _work(
        self, conn: Connection, part: _Part, recorded: Mapping[str, Policy | None]
    ) -> Callable[[], _Found]:
        """Return what is to be done about a block.

        Bodies are read here, on the thread of the connection, whose transaction sees exactly those that
        were listed.
        """
        known, first, last = self._cache.get(part.key), part.decisions[0].seq, part.decisions[-1].seq
        bodies = [] if known is not None else read_bodies_between(conn, first, last)

        def work() -> _Found:
            block = read_block(bodies) if known is None else known
            if known is None:
                self._cache.put(part.key, block)
            rehearsed = rehearse_run(block.kept, recorded, self._base.policy, self._draft.policy)
            return _Found(rehearsed, block.unreadable, known is None)

        return work

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
    for _, some in groupby(with_body, key=lambda each: each.seq // DECISIONS_AT_ONCE):
        decisions = tuple(some)
        found.append(_Part(key_of((each.seq, each.decision_id) for each in decisions), decisions))
    return found


def _recorded(conn: Connection) -> dict[str, Policy | None]:
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
