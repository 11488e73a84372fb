"""Rehearsals beside the requests: asked for, run by a thread, looked up until they are done.

Whoever runs one claims it and renews the claim. One whose claim ran out was left by a process that died:
the next who asks for the same takes it over.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace

import orjson
from sqlalchemy import Engine

from api.logging import warn
from api.rehearsing.report import held_version, rehearse
from api.settings import Settings
from api.storage.connection import reading, writing
from api.storage.rehearsals import (
    RehearsalState,
    StoredRehearsal,
    finish_rehearsal,
    get_rehearsal,
    insert_rehearsal,
    note_total,
    renew_claim,
    running_rehearsal,
)

CLAIM_MS = 120_000
"""How long a rehearsal is held without a sign of life: what a killed process delays it by."""


class _ClaimLostError(Exception):
    """Somebody else runs the rehearsal now."""


def start_rehearsal(
    engine: Engine,
    settings: Settings,
    version: str,
    base: str,
    actor: str,
    clock: Callable[[], int],
) -> StoredRehearsal:
    """Begin to rehearse a draft, unless that is under way; return at once.

    Args:
        engine: the database.
        settings: where columns are kept.
        version: version of the draft, which has to be stored.
        base: version of what it is held against: of what is in force, or any other that is stored.
        actor: id of the key that asks for it.
        clock: milliseconds since the epoch.

    Raises:
        PolicyError: there is no policy of one of the versions.
        StoreUnavailableError: the database cannot be used now.
    """
    claimed, is_mine = _claimed(engine, version, base, actor, clock())
    if is_mine:
        runner = _Runner(engine, settings, claimed, clock)
        threading.Thread(target=runner.run, name="tactful-rehearsal", daemon=True).start()
    return claimed


def rehearsal_state(engine: Engine, rehearsal_id: str) -> StoredRehearsal | None:
    """Return how far a rehearsal is; ``None`` when there is none of that id.

    Raises:
        StoreUnavailableError: the database cannot be used now.
    """
    with reading(engine) as conn:
        return get_rehearsal(conn, rehearsal_id)


def run_rehearsal(
    engine: Engine,
    settings: Settings,
    version: str,
    base: str,
    actor: str,
    clock: Callable[[], int],
) -> StoredRehearsal | None:
    """Rehearse a draft on the thread that calls, and keep the report; arguments as in ``start_rehearsal``.

    Returns:
        The rehearsal when it has ended; ``None`` where somebody else is running it.

    Raises:
        PolicyError: there is no policy of one of the versions.
        StoreUnavailableError: the database cannot be used now.
    """
    claimed, is_mine = _claimed(engine, version, base, actor, clock())
    if not is_mine:
        return None
    _Runner(engine, settings, claimed, clock).run()
    return rehearsal_state(engine, claimed.rehearsal_id)


def _claimed(
    engine: Engine, version: str, base: str, actor: str, now_ms: int
) -> tuple[StoredRehearsal, bool]:
    """Return the rehearsal that is under way, or a new one, and whether it is now ours to run."""
    with writing(engine) as conn:
        for each in (version, base):
            held_version(conn, each)
        running = running_rehearsal(conn, version, base)
        if running is None:
            fresh = StoredRehearsal(
                rehearsal_id=str(uuid.uuid4()),
                version=version,
                base=base,
                state=RehearsalState.RUNNING,
                n_done=0,
                n_total=0,
                report=None,
                report_sha256=None,
                actor=actor,
                started_at_ms=now_ms,
                claimed_until_ms=now_ms + CLAIM_MS,
                finished_at_ms=None,
            )
            insert_rehearsal(conn, fresh)
            return fresh, True
        if running.claimed_until_ms > now_ms:
            return running, False
        until_ms = now_ms + CLAIM_MS
        is_mine = renew_claim(conn, running.rehearsal_id, running.claimed_until_ms, until_ms, 0)
        return replace(running, claimed_until_ms=until_ms), is_mine


class _Runner:
    """Runs one rehearsal that is claimed."""

    def __init__(
        self, engine: Engine, settings: Settings, claimed: StoredRehearsal, clock: Callable[[], int]
    ) -> None:
        self._engine, self._settings, self._clock = engine, settings, clock
        self._claimed, self._until_ms = claimed, claimed.claimed_until_ms
        self._n_total = -1

    def run(self) -> None:
        """Run it to its end, good or bad, unless somebody else has taken it over."""
        try:
            with reading(self._engine) as conn:
                base, draft = (
                    held_version(conn, each) for each in (self._claimed.base, self._claimed.version)
                )
            report = rehearse(self._engine, self._settings, base, draft, self._show)
            self._finish(RehearsalState.DONE, (orjson.dumps(report.document).decode(), report.sha256))
        except _ClaimLostError:
            return
        except Exception as error:  # noqa: BLE001  whatever it is, whoever waits is to know that it failed
            warn("rehearsal:failed", error)
            self._give_up()

    def _give_up(self) -> None:
        try:
            self._finish(RehearsalState.FAILED, None)
        except Exception as error:  # noqa: BLE001  the claim runs out, and somebody else may try
            warn("rehearsal:failed", error)

    def _finish(self, state: RehearsalState, report: tuple[str, str] | None) -> None:
        with writing(self._engine) as conn:
            finish_rehearsal(
                conn, self._claimed.rehearsal_id, self._until_ms, state, self._clock(), report=report
            )

    def _show(self, done: int, total: int | None, message: str) -> None:
        """Note how far it is, and claim it anew.

        Raises:
            _ClaimLostError: somebody else has taken it over.
        """
        del message
        until_ms = max(self._clock() + CLAIM_MS, self._until_ms)
        with writing(self._engine) as conn:
            if not renew_claim(conn, self._claimed.rehearsal_id, self._until_ms, until_ms, done):
                raise _ClaimLostError
            if total is not None and total != self._n_total:
                self._n_total = total
                note_total(conn, self._claimed.rehearsal_id, total)
        self._until_ms = until_ms
