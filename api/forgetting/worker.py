"""The work behind the answer: cascades are taken up, gone through, and finished whoever dies on the way.

A cascade is held by a lease. Every run of rows is one short transaction that also counts what it
did, so the receipt adds up to the row, also when a run is repeated by somebody else. What fails is
noted and tried again, later each time; places that do not depend on it go on meanwhile.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

from sqlalchemy import Connection, Engine

from api.errors import EdgeError, StoreRefusedError, StoreUnavailableError
from api.forgetting.begin import answer_held_request, close_erasure_request
from api.forgetting.files import (
    forget_in_files,
    forget_in_rehearsals,
    forget_rehearsed_before_others_forgot,
)
from api.forgetting.keys import KEPT, destroy_keys
from api.forgetting.models import ModelForgetting, forget_customers
from api.forgetting.plan import (
    CONSENTS,
    CORRECTIONS,
    CUSTOMER,
    DATABASE,
    DECISIONS,
    DISCLOSURES,
    EXPOSURES,
    FEEDBACK,
    FILES,
    HISTORY,
    KEYS,
    MODEL,
    NEEDS,
    PREFERENCES,
    REQUESTS,
    STEPS,
    VISITS,
)
from api.forgetting.restored import reapply_erasures
from api.forgetting.retention import begin_daily, purge_under, unseen
from api.imports.importer import Progress
from api.logbook import Logbook
from api.logging import note, warn
from api.metrics import Metrics
from api.settings import Settings
from api.storage import erasure
from api.storage.cascades import (
    SETTLED,
    Cascade,
    CascadeKind,
    Mode,
    StepStatus,
    claim,
    count_cascades,
    due_cascades,
    finish,
    forget_whose,
    get_cascade,
    note_step,
    remember_visits,
    renew,
    visits_of,
)
from api.storage.connection import clear_deleted, reading, writing
from api.storage.erasure import Whose
from api.storage.log import lock_log
from api.storage.statements import chunks
from api.storage.subjects import Subjects, open_subjects
from api.storage.terms import erase_terms

LEASE_MS = 120_000
"""How long a cascade is held without a sign of life: what a killed process delays it by."""

AT_ONCE = 200
"""Most cascades that are taken up together: the model forgets all of their customers in one pass."""

POLL_S = 5.0
"""How often it is looked for work that another process has left."""

FIRST_PURGE_S = 600.0
"""How long after its start a process first sees to the daily purge: not while it is being set up."""

LOOK_FOR_PURGE_S = 3600.0
"""How often it is looked whether today's purge was run."""

LOOK_AT_FILES_S = 30.0
"""How often it is looked whether another host has removed data of which this one keeps something in files."""

_SAID_OF_MODEL = {
    "untouched": "nothing was ever learned from them",
    "incremental": "taken out of the model: it is as if they had never been in it",
    "refit": "the model was learned anew without them",
    "none": "no model is in force",
}

OF_THIS_HOST = (
    "copies on the host that did this; on any other, rejected rows and exports go with `tactful forget` there"
)
"""What a step says of files where several hosts may share the database."""

_NO_ACCOUNT = (StepStatus.SKIPPED, 0, "only accounts are learned from")
_FIRST_RETRY_MS = 2_000
_LOOK_AT_HELD_MS = 24 * 3_600_000
"""How often what waits for a legal hold alone is looked at; lifting the hold takes it up at once."""
_MOST_DOUBLINGS = 8
_LEAST_PAUSE_S = 0.002
_CLOSING_S = 10.0
_LOOK_AGAIN_S = 0.05
_VISITS_AT_ONCE = 50

TOUCHED = (
    "interactions",
    "exposures",
    "feedback",
    "measured_suggestions",
    "decision_bodies",
    "decision_subjects",
    "mutes",
    "holds",
    "corrections",
    "requests",
    "consent_events",
    "consent_states",
    "notices_served",
    "signals_seen",
    "device_accounts",
    "decision_terms",
    "disclosures",
    "legal_holds",
    "customers",
    "cascades",
    "cascade_subjects",
)
"""Tables that an erasure deletes from or changes."""


class ForgetCustomers(Protocol):
    """Takes customers out of the model that is in force, and out of older ones."""

    def __call__(
        self, engine: Engine, settings: Settings, gone: Collection[int], now_ms: int, progress: Progress
    ) -> ModelForgetting:
        """Forget customers by their storage keys, while their interactions are still there."""


class LeaseLostError(EdgeError):
    """Somebody else works on the cascade now."""


class _UnwantedError(Exception):
    """This process is to stop."""


@dataclass(slots=True)
class Lease:
    """A cascade that is held.

    Attributes:
        cascade_id: which.
        until_ms: until when.
    """

    cascade_id: str
    until_ms: int


class Forgetting:
    """Does the work of cascades, in the thread that calls it.

    Args:
        logbook: the log, its keys and the database.
        settings: where files and models are.
        clock: milliseconds since the epoch.
        forget_in_models: takes customers out of models.
        lease_ms: how long a cascade is held without a sign of life.
    """

    def __init__(
        self,
        logbook: Logbook,
        settings: Settings,
        clock: Callable[[], int],
        forget_in_models: ForgetCustomers = forget_customers,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self._logbook = logbook
        self._engine = logbook.engine
        self._settings = settings
        self._clock = clock
        self._forget_in_models = forget_in_models
        self._lease_ms = lease_ms

    def work_on_due(self, wanted: Callable[[], bool] = lambda: True) -> int:
        """Take up what nobody works on and go through it; return how many that were.

        Args:
            wanted: asked between runs of rows whether to go on.

        Raises:
            StoreUnavailableError: the database cannot be used now; the leases run out.
        """
        leases = self._claim_due()
        if leases:
            self.go_through(leases, wanted=wanted)
        return len(leases)

    def go_through(
        self,
        leases: Sequence[Lease],
        progress: Progress | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Go through cascades that are held, and finish those of which nothing is left to do."""
        show = progress or unseen
        try:
            self._forget_in_model(leases, show, wanted)
        except LeaseLostError:
            note("cascade:lease:lost")
            return
        except _UnwantedError:
            for lease in leases:
                self.let_go(lease, 0)
            return
        for lease in leases:
            try:
                _Passage(self, lease, show, wanted).run()
            except LeaseLostError:
                note("cascade:lease:lost")

    def purge_daily(self, wanted: Callable[[], bool] = lambda: True) -> bool:
        """Remove what is kept too long, unless somebody sees to that today; tell whether nobody did.

        Args:
            wanted: asked between runs of rows whether to go on; the rest is left to whoever is next.
        """
        now_ms = self._clock()
        cascade_id = begin_daily(self._engine, self._settings, now_ms, self._lease_ms)
        if cascade_id is None:
            return False
        self.go_through([Lease(cascade_id, now_ms + self._lease_ms)], wanted=wanted)
        return True

    def follow_others(self) -> int:
        """Remove from this host's files what another one has removed; return how many files went."""
        return forget_rehearsed_before_others_forgot(self._engine, self._settings.data_dir)

    def reapply_erasures(self) -> int:
        """Erase again whom a restored database has brought back; return how many that were."""
        return reapply_erasures(self._logbook, self.subjects, self._settings.recipients, self._clock())

    @cached_property
    def subjects(self) -> Subjects:
        """The shop's pseudonyms."""
        return open_subjects(self._settings)

    def finish_now(self, cascade_id: str, progress: Progress | None = None) -> Cascade:
        """Go through one cascade here, or wait while somebody else does; return how it stands then.

        Raises:
            StoreUnavailableError: the database cannot be used now.
        """
        tried = False
        while True:
            with reading(self._engine) as conn:
                cascade = get_cascade(conn, cascade_id)
            if cascade is None:
                raise StoreRefusedError("there is no such erasure")
            if tried or cascade.finished_at_ms is not None:
                return cascade
            lease = self._take(cascade)
            if lease is not None:
                self.go_through([lease], progress)
                tried = True
            elif any(step.status in {StepStatus.ERROR, StepStatus.HELD} for step in cascade.steps):
                return cascade  # it is gone on with later, by whoever runs then
            else:
                time.sleep(_LOOK_AGAIN_S)

    def _take(self, cascade: Cascade) -> Lease | None:
        """Hold a cascade if nobody else does."""
        now_ms = self._clock()
        if cascade.claimed_until_ms > now_ms:
            return None
        until_ms = now_ms + self._lease_ms
        with writing(self._engine) as conn:
            taken = claim(conn, cascade.cascade_id, cascade.claimed_until_ms, until_ms)
        return Lease(cascade.cascade_id, until_ms) if taken else None

    def _claim_due(self) -> list[Lease]:
        now_ms = self._clock()
        with reading(self._engine) as conn:
            due = due_cascades(conn, now_ms, AT_ONCE)
        if not due:
            return []
        until_ms = now_ms + self._lease_ms
        with writing(self._engine) as conn:
            return [
                Lease(cascade_id, until_ms)
                for cascade_id, seen_until_ms in due
                if claim(conn, cascade_id, seen_until_ms, until_ms)
            ]

    def _forget_in_model(
        self, leases: Sequence[Lease], progress: Progress, wanted: Callable[[], bool]
    ) -> None:
        """Let the models forget every customer of these cascades in one pass."""
        with reading(self._engine) as conn:
            found = [get_cascade(conn, lease.cascade_id) for lease in leases]
        waiting = [each for each in found if each and each.status_of(MODEL) not in {None, *SETTLED}]
        gone = {each.customer_no for each in waiting if each.customer_no is not None}

        def show(done: int, total: int | None, message: str) -> None:
            if not wanted():
                raise _UnwantedError
            for lease in leases:
                self.keep(lease)
            progress(done, total, message)

        of_account = self._forget_in_one_pass(gone, show) if gone else _NO_ACCOUNT
        with writing(self._engine) as conn:
            for each in waiting:
                status, n_more, detail = _NO_ACCOUNT if each.customer_no is None else of_account
                note_step(conn, each.cascade_id, MODEL, status, self._clock(), n_more=n_more, detail=detail)

    def _forget_in_one_pass(self, gone: Collection[int], show: Progress) -> tuple[StepStatus, int, str]:
        try:
            done = self._forget_in_models(self._engine, self._settings, gone, self._clock(), show)
        except (LeaseLostError, _UnwantedError):
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the other places go on
            warn("cascade:step:failed", error, step=MODEL)
            return StepStatus.ERROR, 0, type(error).__name__
        return StepStatus.COMPLETE, int(done.path in {"incremental", "refit"}), _SAID_OF_MODEL[done.path]

    def keep(self, lease: Lease, conn: Connection | None = None) -> None:
        """Renew a lease of which less than half is left.

        Raises:
            LeaseLostError: it ran out, and somebody else has taken it.
        """
        now_ms = self._clock()
        if lease.until_ms - now_ms > self._lease_ms // 2:
            return
        if conn is None:
            with writing(self._engine) as fresh:
                self._renew(lease, fresh, now_ms + self._lease_ms)
        else:
            self._renew(lease, conn, now_ms + self._lease_ms)

    def let_go(self, lease: Lease, wait_ms: int) -> None:
        """Hand a cascade back; nobody takes it up before the wait is over."""
        with writing(self._engine) as conn:
            renew(conn, lease.cascade_id, lease.until_ms, self._clock() + wait_ms)

    @staticmethod
    def _renew(lease: Lease, conn: Connection, until_ms: int) -> None:
        if not renew(conn, lease.cascade_id, lease.until_ms, until_ms):
            raise LeaseLostError("somebody else works on this now")
        lease.until_ms = until_ms


_Run = Callable[[Connection], int]


class _Passage:
    """One way through one cascade."""

    def __init__(
        self, forgetting: Forgetting, lease: Lease, progress: Progress, wanted: Callable[[], bool]
    ) -> None:
        self._of = forgetting
        self._logbook = forgetting._logbook  # noqa: SLF001  the two are one thing in two parts
        self._engine = forgetting._engine  # noqa: SLF001  as above
        self._settings = forgetting._settings  # noqa: SLF001  as above
        self._clock = forgetting._clock  # noqa: SLF001  as above
        self._lease = lease
        self._show = progress
        self._wanted = wanted

    def run(self) -> None:
        """Settle what can be; finish, or hand back for later.

        Raises:
            LeaseLostError: somebody else works on it now.
            StoreUnavailableError: the database cannot be used now.
        """
        cascade = self._read()
        if cascade.kind is CascadeKind.RETENTION:
            self._purge()
            return
        names = STEPS[cascade.kind]
        for number, name in enumerate(names):
            cascade = self._read()
            if not self._wanted():
                self._of.let_go(self._lease, 0)
                return
            if not self._may_begin(cascade, name):
                continue
            self._show(number, len(names), name)
            self._settle(cascade, name)
        self._close(self._read(), names)

    def _purge(self) -> None:
        """Remove what is kept too long; hand the rest back once nobody wants that of us any more."""

        def go_on(conn: Connection) -> None:
            if not self._wanted():
                raise _UnwantedError
            self._of.keep(self._lease, conn)

        try:
            purge_under(self._logbook, self._settings, self._lease.cascade_id, self._clock(), go_on)
        except _UnwantedError:
            self._of.let_go(self._lease, 0)

    def _read(self) -> Cascade:
        with reading(self._engine) as conn:
            cascade = get_cascade(conn, self._lease.cascade_id)
        if cascade is None or cascade.finished_at_ms is not None:
            raise LeaseLostError("this was finished by somebody else")
        return cascade

    @staticmethod
    def _may_begin(cascade: Cascade, name: str) -> bool:
        """Whether a step is to be taken now: not the model's, nor one that is done as far as can be."""
        status = cascade.status_of(name)
        if name == MODEL or status in SETTLED:
            return False
        if status is StepStatus.HELD and name != KEYS and _is_held(cascade):
            return False
        needed = {cascade.status_of(each) for each in NEEDS.get(name, ())}
        return needed <= {None, *SETTLED, StepStatus.HELD}

    def _settle(self, cascade: Cascade, name: str) -> None:
        try:
            self._work(cascade, name)
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the other places go on
            warn("cascade:step:failed", error, step=name)
            self._note(name, StepStatus.ERROR, detail=type(error).__name__)

    def _close(self, cascade: Cascade, names: Sequence[str]) -> None:
        if all(cascade.status_of(name) in SETTLED for name in names):
            with writing(self._engine) as conn:
                finish(conn, cascade.cascade_id, self._clock())
            note("cascade:finished", kind=cascade.kind.value, n_attempts=cascade.n_attempts)
            return
        if all(cascade.status_of(name) in {*SETTLED, StepStatus.HELD} for name in names):
            self._of.let_go(self._lease, _LOOK_AT_HELD_MS)
            return
        self._of.let_go(self._lease, _FIRST_RETRY_MS << min(cascade.n_attempts, _MOST_DOUBLINGS))

    def _note(self, name: str, status: StepStatus, n_more: int = 0, detail: str | None = None) -> None:
        with writing(self._engine) as conn:
            note_step(conn, self._lease.cascade_id, name, status, self._clock(), n_more=n_more, detail=detail)

    def _work(self, cascade: Cascade, name: str) -> None:
        if name == KEYS:
            destroy_keys(self._logbook, self._of.subjects, cascade.cascade_id, self._clock())
        elif name == VISITS:
            self._visits(cascade)
        elif name == DECISIONS:
            self._decisions(cascade)
        elif name == FILES:
            self._files(cascade)
        elif name == CUSTOMER:
            self._customer(cascade)
        elif name == DATABASE:
            self._database(cascade)
        else:
            self._in_runs(name, self._runs(cascade)[name])

    def _runs(self, cascade: Cascade) -> dict[str, _Run]:
        """Return what one run of each store does."""
        if cascade.kind is CascadeKind.WITHDRAWAL:
            return self._runs_of_withdrawal(cascade)
        whose, mode = _whose(cascade), cascade.mode or Mode.DELETE
        return {
            FEEDBACK: lambda conn: erasure.erase_feedback(conn, whose),
            EXPOSURES: lambda conn: erasure.erase_exposures(conn, whose),
            DISCLOSURES: lambda conn: erasure.erase_disclosures(conn, whose),
            HISTORY: lambda conn: erasure.erase_history(conn, whose, mode),
            PREFERENCES: lambda conn: erasure.erase_preferences(conn, whose),
            CORRECTIONS: lambda conn: erasure.erase_corrections(conn, whose),
            REQUESTS: lambda conn: erasure.part_from_requests(conn, whose, cascade.request_id, self._clock()),
            CONSENTS: lambda conn: erasure.erase_consents(conn, whose, cascade.cascade_id),
        }

    def _runs_of_visits(self, whose: Whose, mode: Mode) -> tuple[_Run, ...]:
        return (
            lambda conn: erasure.erase_feedback(conn, whose),
            lambda conn: erasure.erase_exposures(conn, whose, parting=False),
            lambda conn: erasure.erase_disclosures(conn, whose),
            lambda conn: erasure.erase_history(conn, whose, mode, parting=False),
            lambda conn: erasure.erase_preferences(conn, whose),
            lambda conn: erasure.erase_corrections(conn, whose),
            lambda conn: erasure.part_from_requests(conn, whose, None, self._clock()),
            lambda conn: erasure.erase_consents(conn, whose, None),
        )

    @staticmethod
    def _runs_of_withdrawal(cascade: Cascade) -> dict[str, _Run]:
        customer_no, until_ms = cascade.customer_no or 0, cascade.requested_at_ms
        return {
            FEEDBACK: lambda conn: erasure.withdraw_feedback(conn, customer_no, until_ms),
            EXPOSURES: lambda conn: erasure.withdraw_exposures(conn, customer_no, until_ms),
            HISTORY: lambda conn: erasure.withdraw_history(conn, customer_no, until_ms),
        }

    def _in_runs(self, name: str, one_run: _Run) -> None:
        """Repeat a run until it finds nothing more, and leave others as much time as it takes itself."""
        while self._one_transaction(name, one_run, last_when_nothing=True):
            pass

    def _one_transaction(self, name: str, one_run: _Run, *, last_when_nothing: bool) -> int:
        with writing(self._engine) as conn:
            started = time.monotonic()
            self._of.keep(self._lease, conn)
            n = one_run(conn)
            status = StepStatus.PENDING if n or not last_when_nothing else StepStatus.COMPLETE
            note_step(conn, self._lease.cascade_id, name, status, self._clock(), n_more=n)
        if n:
            time.sleep(max(_LEAST_PAUSE_S, time.monotonic() - started))
        return n

    def _visits(self, cascade: Cascade) -> None:
        """Erase the visits in which the customer was logged in, as far as they are nobody else's.

        Their records are erased together with the customer's own.
        """
        with writing(self._engine) as conn:
            found = erasure.linked_visits(conn, cascade.customer_no)
            remember_visits(conn, cascade.cascade_id, found)
            keys = visits_of(conn, cascade.cascade_id)
        for some in chunks(keys, _VISITS_AT_ONCE):
            whose = Whose(tuple(some))
            for store in self._runs_of_visits(whose, cascade.mode or Mode.DELETE):
                while self._one_transaction(VISITS, store, last_when_nothing=False):
                    pass
            with writing(self._engine) as conn:
                erasure.erase_what_remains(conn, whose)
        self._note(VISITS, StepStatus.COMPLETE)

    def _decisions(self, cascade: Cascade) -> None:
        """Remove the records, and with the last of them the keys that visits may have got meanwhile.

        What these keys leave behind on the disk is removed with what rows do, without the log's lock.
        """
        with reading(self._engine) as conn:
            visits = visits_of(conn, cascade.cascade_id)
            keys = [*_whose(cascade).keys, *visits]
            places = erasure.places_of(conn, keys) if _is_held(cascade) else []
        if _is_held(cascade):
            for some in chunks(places):
                self._one_transaction(DECISIONS, partial(_unlist, places=some), last_when_nothing=False)
            self._note(DECISIONS, StepStatus.HELD, detail=KEPT)
            return
        whose = Whose(tuple(keys))

        def one_run(conn: Connection) -> int:
            lock_log(conn)
            n = erasure.erase_decisions(conn, whose)
            if not n and visits:
                self._logbook.keyring.destroy(visits)
            return n

        self._in_runs(DECISIONS, one_run)

    def _files(self, cascade: Cascade) -> None:
        with reading(self._engine) as conn:
            customer_id = erasure.customer_id_of(conn, cascade.customer_no)
        n_files = forget_in_rehearsals(self._settings.data_dir)
        if customer_id is None and not n_files:
            self._note(FILES, StepStatus.SKIPPED, detail="no file names a visit or a device")
            return
        detail = None
        if customer_id is not None:
            n_files += forget_in_files(self._settings.data_dir, customer_id)
            detail = OF_THIS_HOST if self._engine.dialect.name == "postgresql" else None
        self._note(FILES, StepStatus.COMPLETE, n_more=n_files, detail=detail)

    def _database(self, cascade: Cascade) -> None:
        """Remove what rows and keys have left behind, and what rehearsals read since files were seen to."""
        forget_in_rehearsals(self._settings.data_dir)
        if cascade.kind is CascadeKind.ERASURE:
            self._logbook.keyring.clear_destroyed()
        self._note(DATABASE, _done(cascade), detail=clear_deleted(self._engine, TOUCHED))

    def _customer(self, cascade: Cascade) -> None:
        """Remove what arrived while the rest was removed, then the customer, and whose all this was."""
        whose, now_ms = _whose(cascade), self._clock()
        runs = self._runs(cascade)
        with writing(self._engine) as conn:
            self._of.keep(self._lease, conn)
            for name, one_run in runs.items():
                while n := one_run(conn):
                    note_step(conn, cascade.cascade_id, name, StepStatus.COMPLETE, now_ms, n_more=n)
            n_customers = erasure.erase_what_remains(conn, whose)
            note_step(conn, cascade.cascade_id, CUSTOMER, _done(cascade), now_ms, n_more=n_customers)
            if _is_held(cascade):
                answer_held_request(conn, cascade.request_id or "", now_ms)
                return
            while n := erasure.erase_decisions(conn, whose):
                note_step(conn, cascade.cascade_id, DECISIONS, StepStatus.COMPLETE, now_ms, n_more=n)
            erasure.erase_legal_holds(conn, Whose((*whose.keys, *visits_of(conn, cascade.cascade_id))))
            close_erasure_request(conn, cascade.request_id or "", now_ms)
            forget_whose(conn, cascade)


def _whose(cascade: Cascade) -> Whose:
    keys = () if cascade.subject_key is None else (cascade.subject_key,)
    return Whose(keys, cascade.customer_no)


def _is_held(cascade: Cascade) -> bool:
    """Whether a legal hold keeps the records."""
    return cascade.status_of(KEYS) is StepStatus.HELD


def _done(cascade: Cascade) -> StepStatus:
    """How a step stands that is done, and to be taken again once no hold keeps the records."""
    return StepStatus.HELD if _is_held(cascade) else StepStatus.COMPLETE


def _unlist(conn: Connection, places: Sequence[int]) -> int:
    """Forget by what decisions can be found, and leave the decisions."""
    erase_terms(conn, places)
    return len(places)


class Cascades:
    """Works on cascades beside the requests, in one thread of this process.

    Args:
        forgetting: does the work.
        engine: the database.
        metrics: says how many are under way and how many steps have failed.
        purges_daily: also remove, once a day, what is kept too long.
        poll_s: how often it is looked for work that another process has left.
    """

    def __init__(
        self,
        forgetting: Forgetting,
        engine: Engine,
        metrics: Metrics,
        *,
        purges_daily: bool,
        poll_s: float = POLL_S,
    ) -> None:
        self._forgetting = forgetting
        self._engine = engine
        self._metrics = metrics
        self._poll_s = poll_s
        self._purges_at_s = time.monotonic() + FIRST_PURGE_S if purges_daily else math.inf
        self._follows_at_s = 0.0
        self._looked_back = False
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tactful-cascades", daemon=True)

    def start(self) -> None:
        """Erase again whom a restored database has brought back, then begin to look for work.

        After a fork make a new one instead.
        """
        try:
            self._look_back()
        except EdgeError as error:  # the thread tries again
            warn("erasures:reapply:failed", error)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is work."""
        self._wake.set()

    def close(self) -> None:
        """Stop between two runs of rows and hand back what is held; closing twice is fine."""
        self._closed.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSING_S)

    def _watch(self) -> None:
        while not self._closed.is_set():
            try:
                self._look_back()
                n_worked_on = self._forgetting.work_on_due(self._goes_on)
                self._count()
                self._follow_when_due()
                self._purge_when_due()
            except Exception as error:  # noqa: BLE001  whatever it is, it must not end the only worker
                n_worked_on = 0
                if not isinstance(error, StoreUnavailableError):
                    warn("cascade:work:failed", error)
            if not n_worked_on:
                self._wake.wait(self._poll_s)
            self._wake.clear()

    def _goes_on(self) -> bool:
        return not self._closed.is_set()

    def _look_back(self) -> None:
        """See once whether the database is a restored one, unless that was seen already."""
        if not self._looked_back:
            self._forgetting.reapply_erasures()
            self._looked_back = True

    def _follow_when_due(self) -> None:
        if time.monotonic() >= self._follows_at_s:
            self._follows_at_s = time.monotonic() + LOOK_AT_FILES_S
            self._forgetting.follow_others()

    def _purge_when_due(self) -> None:
        if time.monotonic() >= self._purges_at_s:
            self._purges_at_s = time.monotonic() + LOOK_FOR_PURGE_S
            self._forgetting.purge_daily(self._goes_on)

    def _count(self) -> None:
        with reading(self._engine) as conn:
            n_open, n_failed = count_cascades(conn)
        self._metrics.cascades_open.set(n_open)
        self._metrics.cascade_steps_failed.set(n_failed)
