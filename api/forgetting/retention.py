"""The purge: what is kept no longer than it serves is removed, whenever it is run.

Old evidence is left out wherever evidence is read; this removes it from the disk too (GDPR 5(1)(e),
CJEU C-446/21). It works in short transactions, so it may run at any time beside everything else,
and what it has removed it does not find again.

How old evidence may be stands in the policy. Where the one in force cannot be read, what it decides about
waits and is named on the receipt; everything else is removed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection, Engine

from api.errors import PolicyDocumentError
from api.forgetting.begin import begin_withdrawal
from api.forgetting.files import forget_in_rehearsals
from api.forgetting.pruning import before_days, prunable, prune
from api.imports.importer import Progress
from api.logbook import Logbook
from api.logging import warn
from api.models.retirement import idle_catalogues, idle_models, retire_catalogues, retire_models
from api.settings import Settings
from api.storage.cascades import (
    Cascade,
    CascadeKind,
    CascadeStep,
    StepStatus,
    finish,
    insert_cascade,
    note_step,
)
from api.storage.connection import reading, writing
from api.storage.erasure import erase_places
from api.storage.log import lock_log
from api.storage.retention import (
    BODY_STORES,
    BY_LIMITS,
    Expired,
    Retention,
    Rule,
    expired_profiles,
    oldest_year,
    rules,
    spared_subjects,
    without_younger,
)
from api.storage.statements import chunks
from api.storage.versions import policy_in_force
from engine.interactions import DAY_MS
from guardrails.errors import PolicyError
from guardrails.policy.limits import Limits
from guardrails.view import reads_back_days

FOUND_ROWS = 20_000
"""Rows that are looked for at once: that may take long, and nobody waits for it."""

RUN_ROWS = 500
"""Rows of one transaction, which knows them: other writers wait for that, some hundredths of a second."""

BODIES_ROWS = 500
"""Bodies of one run: it holds the log's lock, and answers wait for that."""

KEYS_AT_ONCE = 500
"""Whose keys of earlier years one run destroys: it holds the log's lock too."""

KEYS_OF_YEARS = "keys of years that are over"
"""Keys that only opened bodies that are kept no longer."""

PRUNED = "entries of the log"
"""Entries that the log is pruned of, if it is set for how long they are kept; the tree stays."""

MODELS = "models that nothing needs"
"""Models that are not asked for suggestions, and that no record is kept of."""

CATALOGUES = "states of the catalogue that nothing needs"
"""What decisions were made from none of which a record is kept."""

PROFILES = "profiles whose consent has ended"
"""Customers that a withdrawal is begun for: their consent to profiling has expired, or an import ended it."""

NO_LIMITS = "The policy in force cannot be read."
"""Why a store waits, on a receipt."""

_LEAST_PAUSE_S = 0.002

Noted = Callable[[Connection, str, int, bool], None]
"""Is told within each transaction: store, rows, and whether the store is done."""


def purge(
    logbook: Logbook,
    settings: Settings,
    now_ms: int,
    progress: Progress,
    keep: Retention | None = None,
    *,
    dry_run: bool = False,
    noted: Noted | None = None,
) -> dict[str, int]:
    """Remove what is kept no longer; return how many rows that were, by store; none that waits is among them.

    Args:
        logbook: the log, its keys and the database, which is up to date.
        settings: who outside is to be told, how long consent and the log's entries last.
        now_ms: the clock, milliseconds since the epoch.
        progress: is told how far it has come.
        keep: how long things are kept; the defaults without it.
        dry_run: only count.
        noted: is told of each transaction, within it.

    Raises:
        StoreUnavailableError: the database or the keys cannot be used now; what was removed stays removed.
        ArtefactError, SnapshotError: the files of a model or of a catalogue cannot be removed.
        OSError: what rehearsals keep of decisions cannot be removed.
    """
    found = _Purge(logbook, settings, now_ms, keep or Retention(), noted)
    due = [store for store in stores(settings, now_ms) if store not in found.waiting]
    counts: dict[str, int] = {}
    for number, store in enumerate(due):
        progress(number, len(due), store)
        counts[store] = found.count(store) if dry_run else found.remove(store)
    if not dry_run:
        forget_in_rehearsals(settings.data_dir)
    return counts


def stores(settings: Settings, now_ms: int) -> list[str]:
    """Return the stores that a purge goes through, in order."""
    every = _rules(Limits(), settings, Retention(), now_ms)
    return [*(rule.store for rule in every), *BODY_STORES, *_REST]


_FILES = (MODELS, CATALOGUES)
_REST = (KEYS_OF_YEARS, PRUNED, PROFILES, *_FILES)


class _Purge:
    """One purge: counts and removes, store by store."""

    def __init__(
        self, logbook: Logbook, settings: Settings, now_ms: int, keep: Retention, noted: Noted | None
    ) -> None:
        self._logbook, self._engine = logbook, logbook.engine
        self._settings, self._now_ms, self._keep, self._noted = settings, now_ms, keep, noted
        self._pruned_before_ms = before_days(settings.log_keep_days, now_ms)
        limits = _limits_in_force(self._engine)
        self.waiting = BY_LIMITS if limits is None else frozenset[str]()
        every = _rules(limits or Limits(), settings, keep, now_ms)
        self._rules = {rule.store: rule for rule in every if rule.store not in self.waiting}

    def count(self, store: str) -> int:
        """Return how much of a store is kept too long."""
        if store in _FILES:
            return self._count_files(store)
        with reading(self._engine) as conn:
            if store in self._rules:
                return self._rules[store].count(conn)
            if store in BODY_STORES:
                return Expired.of(conn, store, self._keep, self._now_ms).count(conn)
            if store == KEYS_OF_YEARS:
                spared = spared_subjects(conn, self._now_ms)
                return self._logbook.keyring.count_before(oldest_year(self._keep, self._now_ms), spared)
            if store == PRUNED:
                return prunable(conn, self._pruned_before_ms).n_entries
        return _end_profiles(self._engine, self._settings, self._now_ms, dry_run=True)

    def remove(self, store: str) -> int:
        """Remove what is kept too long; return how much that was."""
        if store in self._rules or store in BODY_STORES:  # each of whose runs is noted
            n = self._apply(self._rules[store]) if store in self._rules else self._remove_bodies(store)
            self._done(store)
            return n
        n = self._remove_at_once(store)
        self._done(store, n)
        return n

    def _remove_at_once(self, store: str) -> int:
        if store in _FILES:
            return self._remove_files(store)
        if store == KEYS_OF_YEARS:
            return self._destroy_old_keys()
        if store == PRUNED:
            return prune(self._logbook, self._pruned_before_ms, self._now_ms).n_entries
        return _end_profiles(self._engine, self._settings, self._now_ms, dry_run=False)

    def _apply(self, rule: Rule) -> int:
        """Look for rows and change them, until there are no more or somebody else has changed them all."""
        removed = 0
        while True:
            with reading(self._engine) as conn:
                found = rule.find(conn, FOUND_ROWS)
            changed = sum(
                self._run(rule.store, partial(rule.apply, keys=keys)) for keys in chunks(found, RUN_ROWS)
            )
            removed += changed
            if len(found) < FOUND_ROWS or not changed:
                return removed

    def _count_files(self, store: str) -> int:
        if store == MODELS:
            return len(idle_models(self._engine, self._settings.model_keep_days, self._now_ms))
        return len(idle_catalogues(self._engine, self._settings))

    def _remove_files(self, store: str) -> int:
        if store == MODELS:
            return retire_models(self._engine, self._settings, self._now_ms, unseen)
        return retire_catalogues(self._engine, self._settings)

    def _remove_bodies(self, store: str) -> int:
        with reading(self._engine) as conn:
            expired = Expired.of(conn, store, self._keep, self._now_ms)
        removed = 0
        while n := self._run(store, partial(self._remove_some_bodies, expired)):
            removed += n
        return removed

    def _remove_some_bodies(self, expired: Expired, conn: Connection) -> int:
        """Remove some bodies; of visits first the keys that open nothing else.

        Keys are destroyed under the log's lock, so none of them is one that was made just now. What they
        leave behind on the disk goes with the keys of years that are over.
        """
        lock_log(conn)
        places = expired.places(conn, BODIES_ROWS)
        if expired.in_visits and places:
            over = without_younger(conn, places)
            if over:
                self._logbook.keyring.destroy(over)
        erase_places(conn, places)
        return len(places)

    def _destroy_old_keys(self) -> int:
        """Destroy the keys of years that are over, some at a time, then remove what any keys left behind.

        Nobody makes a key of such a year any more, so whose there are is asked once.
        """
        keyring, year = self._logbook.keyring, oldest_year(self._keep, self._now_ms)
        gone = 0
        for some in chunks(keyring.subjects_before(year), KEYS_AT_ONCE):
            with writing(self._engine) as conn:
                started = time.monotonic()
                lock_log(conn)
                spared = spared_subjects(conn, self._now_ms)
                gone += keyring.destroy_before(year, [key for key in some if key not in spared])
            _rest_since(started)
        keyring.clear_destroyed()
        return gone

    def _run(self, store: str, one_run: Callable[[Connection], int]) -> int:
        with writing(self._engine) as conn:
            started = time.monotonic()
            n = one_run(conn)
            if n:
                self._note(conn, store, n, done=False)
        _rest_since(started)
        return n

    def _done(self, store: str, n: int = 0) -> None:
        """Say that a store is done, and how many more that were."""
        if self._noted is not None:
            with writing(self._engine) as conn:
                self._note(conn, store, n, done=True)

    def _note(self, conn: Connection, store: str, n: int, *, done: bool) -> None:
        if self._noted is not None:
            self._noted(conn, store, n, done)


def _rest_since(started: float) -> None:
    """Leave others as much time to write as the run took."""
    time.sleep(max(_LEAST_PAUSE_S, time.monotonic() - started))


def begin_daily(engine: Engine, settings: Settings, now_ms: int, lease_ms: int) -> str | None:
    """Store the receipt of this UTC day's purge, held from now on; return which it is.

    Whoever stores it does the work: for anybody else it is ``None``. A purge that was killed is found as a
    cascade whose lease ran out, and run again.
    """
    cascade_id = f"{CascadeKind.RETENTION}-{now_ms // DAY_MS}"
    steps = tuple(CascadeStep(name, StepStatus.PENDING, 0, now_ms, None) for name in stores(settings, now_ms))
    receipt = Cascade(
        cascade_id=cascade_id,
        kind=CascadeKind.RETENTION,
        mode=None,
        subject_key=None,
        customer_no=None,
        request_id=None,
        requested_at_ms=now_ms,
        claimed_until_ms=now_ms + lease_ms,
        steps=steps,
    )
    with writing(engine) as conn:
        return cascade_id if insert_cascade(conn, receipt) else None


def purge_under(
    logbook: Logbook, settings: Settings, cascade_id: str, now_ms: int, go_on: Callable[[Connection], None]
) -> None:
    """Run a purge whose receipt is stored, and finish the receipt.

    What waits stands on it as an error, and is for the next day's purge.

    Args:
        logbook: as for ``purge``.
        settings: as for ``purge``.
        cascade_id: the receipt.
        now_ms: the clock, milliseconds since the epoch.
        go_on: is called within each transaction but those that say what is removed already; what it raises
            ends the purge, and undoes that transaction.
    """

    def noted(conn: Connection, store: str, n: int, done: bool) -> None:  # noqa: FBT001  as ``Noted``
        if not (done and n):  # what was removed at once is on the receipt, whoever goes on from here
            go_on(conn)
        status = StepStatus.COMPLETE if done else StepStatus.PENDING
        note_step(conn, cascade_id, store, status, now_ms, n_more=n)

    counts = purge(logbook, settings, now_ms, unseen, noted=noted)
    with writing(logbook.engine) as conn:
        for store in stores(settings, now_ms):
            if store not in counts:
                note_step(conn, cascade_id, store, StepStatus.ERROR, now_ms, detail=NO_LIMITS)
        finish(conn, cascade_id, now_ms)


def _limits_in_force(engine: Engine) -> Limits | None:
    """Return the limits of the policy in force; ``None`` where it cannot be read."""
    try:
        with reading(engine) as conn:
            return policy_in_force(conn)[0].limits
    except (PolicyError, PolicyDocumentError) as error:
        warn("purge:limits:unreadable", error)
        return None


def _rules(limits: Limits, settings: Settings, keep: Retention, now_ms: int) -> Sequence[Rule]:
    raised_classes = settings.consent.raised_classes
    return rules(
        limits.evidence,
        reads_back_days(limits),
        keep,
        raised_classes,
        now_ms,
        limits.holds.complaint_days,
    )


def _end_profiles(engine: Engine, settings: Settings, now_ms: int, *, dry_run: bool) -> int:
    """Put on its way the forgetting of those whose consent has expired."""
    longest_ms = settings.consent.max_valid_for_days * DAY_MS
    with reading(engine) as conn:
        keys = expired_profiles(conn, now_ms, longest_ms)
    if dry_run:
        return len(keys)
    for key in keys:
        with writing(engine) as conn:
            begin_withdrawal(conn, str(uuid.uuid4()), key, settings.recipients, now_ms)
    return len(keys)


def unseen(done: int, total: int | None, message: str) -> None:
    """Show nothing: nobody waits at a terminal."""
    del done, total, message
