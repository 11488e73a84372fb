"""The purge: what is kept no longer than it serves is removed, whenever it is run.

Old evidence is left out wherever evidence is read; this removes it from the disk too (GDPR 5(1)(e),
CJEU C-446/21). It works in short transactions, so it may run at any time beside everything else,
and what it has removed it does not find again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine

from api.forgetting.begin import begin_withdrawal
from api.forgetting.files import forget_in_rehearsals
from api.imports.importer import Progress
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
from api.storage.retention import Retention, Rule, expired_profiles, rules
from api.storage.versions import policy_in_force
from engine.interactions import DAY_MS
from guardrails.view import reads_back_days

RUN_ROWS = 2_000
"""Rows of one transaction; a run has to look for its rows, so it is larger than one of an erasure."""

PROFILES = "profiles whose consent has ended"
"""Customers that a withdrawal is begun for: their consent to profiling has expired, or an import ended it."""

_LEAST_PAUSE_S = 0.002

Noted = Callable[[Connection, str, int, bool], None]
"""Is told within each transaction: store, rows, and whether the store is done."""


def purge(
    engine: Engine,
    settings: Settings,
    now_ms: int,
    progress: Progress,
    keep: Retention | None = None,
    *,
    dry_run: bool = False,
    noted: Noted | None = None,
) -> dict[str, int]:
    """Remove what is kept no longer; return how many rows of each store that were.

    Args:
        engine: the database, up to date.
        settings: who outside is to be told, how long consent lasts.
        now_ms: the clock, milliseconds since the epoch.
        progress: is told how far it has come.
        keep: how long things are kept; the defaults without it.
        dry_run: only count.
        noted: is told of each transaction, within it.

    Raises:
        StoreUnavailableError: the database cannot be used now; what was removed stays removed.
        OSError: what rehearsals keep of decisions cannot be removed.
    """
    expired = _rules(engine, settings, keep or Retention(), now_ms)
    counts: dict[str, int] = {}
    for number, rule in enumerate(expired):
        progress(number, len(expired), rule.store)
        if dry_run:
            with reading(engine) as conn:
                counts[rule.store] = rule.count(conn)
        else:
            counts[rule.store] = _apply(engine, rule, noted)
    if not dry_run:
        forget_in_rehearsals(settings.data_dir)
    counts[PROFILES] = _end_profiles(engine, settings, now_ms, dry_run=dry_run, noted=noted)
    return counts


def stores(engine: Engine, settings: Settings, now_ms: int) -> list[str]:
    """Return the stores that a purge goes through, in order."""
    return [*(rule.store for rule in _rules(engine, settings, Retention(), now_ms)), PROFILES]


def purge_daily(engine: Engine, settings: Settings, now_ms: int, lease_ms: int) -> bool:
    """Run the purge of this UTC day, unless it was run or is being run by somebody; tell whether it was.

    The receipt of the day is what tells: whoever stores it first does the work. A purge that was
    killed is found as a cascade whose lease ran out, and run again.
    """
    cascade_id = f"{CascadeKind.RETENTION}-{now_ms // DAY_MS}"
    steps = tuple(
        CascadeStep(name, StepStatus.PENDING, 0, now_ms, None) for name in stores(engine, settings, now_ms)
    )
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
        if not insert_cascade(conn, receipt):
            return False
    purge_under(engine, settings, cascade_id, now_ms)
    return True


def purge_under(engine: Engine, settings: Settings, cascade_id: str, now_ms: int) -> None:
    """Run a purge whose receipt is stored, and finish the receipt."""

    def noted(conn: Connection, store: str, n: int, done: bool) -> None:  # noqa: FBT001  as ``Noted``
        status = StepStatus.COMPLETE if done else StepStatus.PENDING
        note_step(conn, cascade_id, store, status, now_ms, n_more=n)

    purge(engine, settings, now_ms, unseen, noted=noted)
    with writing(engine) as conn:
        finish(conn, cascade_id, now_ms)


def _rules(engine: Engine, settings: Settings, keep: Retention, now_ms: int) -> Sequence[Rule]:
    with reading(engine) as conn:
        limits = policy_in_force(conn)[0].limits
    raised_classes = settings.consent.raised_classes
    return rules(
        limits.evidence,
        reads_back_days(limits),
        keep,
        raised_classes,
        now_ms,
        limits.holds.complaint_days,
    )


def _apply(engine: Engine, rule: Rule, noted: Noted | None) -> int:
    removed = 0
    while True:
        with writing(engine) as conn:
            started = time.monotonic()
            n = rule.apply(conn, RUN_ROWS)
            removed += n
            if noted is not None:
                noted(conn, rule.store, n, n == 0)
        if n == 0:
            return removed
        time.sleep(max(_LEAST_PAUSE_S, time.monotonic() - started))  # others write meanwhile


def _end_profiles(
    engine: Engine, settings: Settings, now_ms: int, *, dry_run: bool, noted: Noted | None
) -> int:
    """Put on its way the forgetting of those whose consent has expired."""
    longest_ms = settings.consent.max_valid_for_days * DAY_MS
    with reading(engine) as conn:
        keys = expired_profiles(conn, now_ms, longest_ms)
    if dry_run:
        return len(keys)
    for key in keys:
        with writing(engine) as conn:
            begin_withdrawal(conn, str(uuid.uuid4()), key, settings.recipients, now_ms)
    if noted is not None:
        with writing(engine) as conn:
            noted(conn, PROFILES, len(keys), True)  # noqa: FBT003  as ``Noted``
    return len(keys)


def unseen(done: int, total: int | None, message: str) -> None:
    """Show nothing: nobody waits at a terminal."""
    del done, total, message
