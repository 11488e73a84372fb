"""The keeper of the log: what it needs and no request does.

It says now and then that the log is there, vouches for what a process that died could not, brings what
waits in the spool into the log, shows its checkpoints to witnesses, and once a night makes some of the
day's decisions again. Every process has one; what is due is done once, whoever comes first: it is looked
again under the log's lock, or taken up in the guard's store.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import QueuePool

from api.errors import ForkedLogError, StoreUnavailableError, WitnessError, WitnessRefusedError
from api.logbook import MINUTE_MS, Logbook, entry
from api.logging import note, warn
from api.metrics import Metrics
from api.replaying import Replayer
from api.rounds import Rounds
from api.settings import Settings, Witness
from api.storage.connection import reading, writing
from api.storage.decisions import StoredDecision, places_between, read_decision_at, stored_among
from api.storage.guard import Vouched
from api.storage.log import last_minute, last_of, lock_log
from api.storage.recorder import MAX_BATCH
from api.storage.spool import Spool
from api.storage.statements import chunks
from api.witness.client import submit
from guardrails.errors import RecordError
from guardrails.log.record import open_body
from guardrails.log.replay import Finding
from guardrails.log.sealing import header_of
from guardrails.log.verifier import InvalidError, open_note, parse_vkey

POLL_S = 1.0
"""How often it is looked for what is due, in seconds."""

WITNESSED_EVERY_MS = 60_000
"""How often a tree that has grown is shown to witnesses."""

WITNESS_PATIENCE_S = 10.0

CHECKED_FROM_HOUR = 2
"""From which hour of the day, UTC, the day before is checked."""

CHECKED_WITHIN_MS = 3_600_000
"""How long whoever has taken that up may take; then somebody else does, as after a process that died."""

CHECKED_SHARE = 100
"""One decision in so many is made again."""

MOST_CHECKED = 1000

HEARTBEAT, SELF_CHECK = "heartbeat", "self_check"
"""Types of the entries that it adds."""

_HOUR_MINUTES, _DAY_MINUTES = 60, 1440
_CLOSING_S = 20.0
_FAILURES = frozenset({Finding.DIFFERS})
_ATTEMPTS = 2


class Check(NamedTuple):
    """What came of making decisions again.

    Attributes:
        n: how many were drawn.
        n_exact: of these, made again to the byte.
        n_failed: of these, come out otherwise, or changed since.
        n_skipped: of these, erased meanwhile, or made by other software.
    """

    n: int
    n_exact: int
    n_failed: int
    n_skipped: int


class LogKeeper(Rounds):
    """Does what is due.

    Args:
        logbook: the log.
        spool: what waits for it.
        settings: how long it may be quiet, and who witnesses it.
        metrics: where failures are told.
        build: SHA-256 of the build manifest.
        clock: milliseconds since the epoch.
        poll_s: how often it is looked.
    """

    def __init__(
        self,
        logbook: Logbook,
        spool: Spool,
        settings: Settings,
        metrics: Metrics,
        build: str,
        clock: Callable[[], int],
        poll_s: float = POLL_S,
    ) -> None:
        super().__init__("tactful-log-keeper", first_s=poll_s, closing_s=_CLOSING_S)
        self._logbook = logbook
        self._spool = spool
        self._settings = settings
        self._metrics = metrics
        self._build = build
        self._clock = clock
        self._poll_s = poll_s
        self._told: dict[str, str] = {}

    def drain(self) -> int:
        """Bring what waits in the spool into the log, each decision once; return how many that were.

        Raises:
            StoreUnavailableError: the log still cannot be written.
        """
        n_brought = 0
        with self._spool.draining() as waiting:
            for some in chunks(waiting, MAX_BATCH):
                n_brought += self._bring(some)
        if n_brought:
            note("log:spool:drained", n=n_brought)
        return n_brought

    def vouch(self) -> None:
        """Vouch for what was stored by somebody who could not.

        Raises:
            ForkedLogError: the database is not the one that was signed last.
            StoreUnavailableError: database or guard cannot be used now.
        """
        standing = self._logbook.standing()
        if standing.is_forked:
            raise ForkedLogError("the log does not go on from what was signed last: was a backup restored?")
        if standing.n_not_vouched:
            self._logbook.publish()

    def beat(self) -> bool:
        """Add an entry where there was none for a while, so that cutting the log's end off shows.

        Tell whether one was added.

        Raises:
            StoreUnavailableError: database or guard cannot be used now.
        """
        with reading(self._logbook.engine) as conn:
            if not self._is_quiet(last_minute(conn)):
                return False
        n_waiting = self._spool.count()
        with writing(self._logbook.engine) as conn:
            lock_log(conn)
            if not self._is_quiet(last_minute(conn)):
                return False
            grown = self._logbook.add(conn, entry(HEARTBEAT, self._clock(), n_spooled=n_waiting))
        self._logbook.publish(grown.after)
        return True

    def ask_witnesses(self) -> int:
        """Show the log's checkpoint to every witness that has not signed it; return how many sign.

        Raises:
            StoreUnavailableError: database or guard cannot be used now.
        """
        asked = self._settings.log_witnesses
        guard = self._logbook.guard
        if not asked or not guard.take_up("witness", self._clock(), WITNESSED_EVERY_MS):
            return 0
        vouched = self._logbook.publish()
        if not vouched.size:
            return 0
        signed = guard.cosigned(vouched.size)
        return sum(
            self._ask(witness, vouched) for witness in asked if parse_vkey(witness.vkey).name not in signed
        )

    def check_itself(self) -> Check | None:
        """Once a night make some of the decisions of the day before again, and say in the log how that went.

        Return what came of it; ``None`` where nothing was due.

        Raises:
            StoreUnavailableError: database, keys or guard cannot be used now.
        """
        now_ms = self._clock()
        minute = now_ms // MINUTE_MS
        today = minute - minute % _DAY_MINUTES
        if minute < today + CHECKED_FROM_HOUR * _HOUR_MINUTES or self._was_checked(today):
            return None
        if not self._logbook.guard.take_up(f"{SELF_CHECK}/{today}", now_ms, CHECKED_WITHIN_MS):
            return None
        check = self._check(today - _DAY_MINUTES, today)
        with writing(self._logbook.engine) as conn:
            said = entry(SELF_CHECK, now_ms, build=self._build, **check._asdict())
            grown = self._logbook.add(conn, said)
        self._logbook.publish(grown.after)
        self._metrics.self_check_failed.set(check.n_failed)
        if check.n_failed:
            failed = RecordError("recorded decisions do not come out the same again")
            warn("log:self-check:failed", failed, **check._asdict())
        else:
            note("log:self-check:done", **check._asdict())
        return check

    def _round(self) -> float:
        for duty in (self.drain, self.vouch, self.beat, self.ask_witnesses, self.check_itself):
            self._attempt(duty)
        pool = self._logbook.engine.pool
        if isinstance(pool, QueuePool):
            self._metrics.connections_in_use.set(pool.checkedout())
        return self._poll_s

    def _attempt(self, duty: Callable[[], object]) -> None:
        """Do what may be due; what goes wrong is told once, until it goes well or wrong otherwise."""
        name = duty.__name__
        try:
            duty()
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end the only keeper
            is_outage = isinstance(error, StoreUnavailableError) and not isinstance(error, ForkedLogError)
            if not is_outage and self._told.get(name) != str(error):
                warn(f"log:{name}:failed", error)
            self._told[name] = str(error)
        else:
            self._told.pop(name, None)

    def _bring(self, some: Sequence[StoredDecision]) -> int:
        """Store decisions that the log does not have yet: who brought them before may have been stopped."""
        with writing(self._logbook.engine) as conn:
            lock_log(conn)
            there = stored_among(conn, [each.decision_id for each in some])
            new = [each for each in some if each.decision_id not in there]
            grown = self._logbook.append(conn, new) if new else None
        self._logbook.publish(None if grown is None else grown.after)
        return len(new)

    def _is_quiet(self, minute: int | None) -> bool:
        """Tell whether the last entry is too old, or from a time that the clock says is yet to come."""
        if minute is None:
            return True
        return not 0 <= self._clock() // MINUTE_MS - minute < self._settings.log_heartbeat_minutes

    def _ask(self, witness: Witness, vouched: Vouched) -> bool:
        """Ask a witness to sign; tell whether it has."""
        key = parse_vkey(witness.vkey)
        guard = self._logbook.guard
        old_size = guard.last_size_signed_by(key.name)
        for _ in range(_ATTEMPTS):
            try:
                proof = self._logbook.consistency(old_size, vouched.size) if old_size else []
                lines = submit(witness.url, old_size, proof, vouched.note, WITNESS_PATIENCE_S)
            except WitnessRefusedError as error:
                if error.size is None or error.size > vouched.size or error.size == old_size:
                    warn("log:witness:refused", error, status=error.status, witness=key.name)
                    return False
                old_size = error.size
                continue
            except WitnessError as error:
                warn("log:witness:failed", error, witness=key.name)
                return False
            line = _line_of(witness, vouched.note, lines)
            if line is None:
                warn("log:witness:failed", WitnessError("its signature does not hold"), witness=key.name)
                return False
            guard.cosign(vouched, {key.name: line})
            return True
        return False

    def _was_checked(self, today: int) -> bool:
        with reading(self._logbook.engine) as conn:
            minute = last_of(conn, SELF_CHECK)
        return minute is not None and minute >= today

    def _check(self, minute_from: int, minute_to: int) -> Check:
        """Make some of the decisions of a stretch of minutes again, drawn by chance."""
        with reading(self._logbook.engine) as conn:
            places = places_between(conn, minute_from, minute_to)
        n = min(MOST_CHECKED, -(-len(places) // CHECKED_SHARE))
        drawn = sorted(random.SystemRandom().sample(places, n))
        replayer = Replayer(self._settings, self._build)
        found = [self._found(replayer, place) for place in drawn if not self._closed.is_set()]
        n_exact, n_failed = found.count(Finding.EXACT), sum(each in _FAILURES for each in found)
        return Check(len(found), n_exact, n_failed, len(found) - n_exact - n_failed)

    def _found(self, replayer: Replayer, place: int) -> Finding:
        """Make one decision again; the answer must come out, what was considered where it still can."""
        with reading(self._logbook.engine) as conn:
            try:
                read = read_decision_at(conn, self._logbook.keyring, place)
                if read is None or read.body is None:
                    return Finding.ERASED
                _, sections = open_body(read.body)
                report = replayer.replay(conn, sections, orjson.loads(header_of(read.entry)))
            except RecordError:
                return Finding.DIFFERS
        if Finding.DIFFERS in (report.l1.finding, report.l2.finding):
            return Finding.DIFFERS
        return report.l1.finding


def _line_of(witness: Witness, vouched_note: str, lines: Sequence[str]) -> str | None:
    """Return the line by the witness's key, if it holds."""
    for line in lines:
        try:
            _, signed = open_note((vouched_note + line).encode(), [parse_vkey(witness.vkey)])
        except InvalidError:
            continue
        if any(each.checked for each in signed):
            return line
    return None
