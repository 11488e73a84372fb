"""What a decision may know, read from the store: nothing is asked for that was not admitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from api.storage.exposures import Shown, exposures_of_each
from api.storage.interactions import histories, history_and_session, session
from api.storage.prepared import Wanted, each_of, together
from engine.catalogue import Catalogue
from engine.interactions import DAY_MS, Interactions
from guardrails.admit import Admission
from guardrails.exposures import Exposures
from guardrails.policy.limits import EvidenceLimits, Limits
from guardrails.request import Known, Request
from guardrails.view import reads_back_days

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, eq=False)
class Permitted:
    """What may be read to answer one request.

    Attributes:
        admission: what may be read.
        request: what was asked.
        customer_no: storage key of the customer, if there is one.
        session_key: the visit that is going on, if there is one.
        limits: how old evidence may be.
    """

    admission: Admission
    request: Request
    customer_no: int | None
    session_key: bytes | None
    limits: Limits

    @property
    def customer(self) -> int | None:
        """Whose history may be read; ``None`` for nobody's."""
        return self.customer_no if self.admission.may_read_history else None

    @property
    def shown_to(self) -> int | None:
        """To whom it may be read what was shown; ``None`` to nobody."""
        return self.customer_no if self.admission.may_read_messages else None

    @property
    def visit(self) -> bytes | None:
        """Which visit may be read; ``None`` for none."""
        return self.session_key if self.admission.may_read_session else None

    @property
    def history_since_ms(self) -> int:
        """First millisecond of the history that may be read."""
        oldest_ms = _oldest_ms(self.request.now_ms, self.limits.evidence)
        return max(oldest_ms, self.admission.history_from_ms)

    @property
    def session_since_ms(self) -> int:
        """First millisecond of the visit that may be read."""
        return self.request.now_ms - self.limits.evidence.session_hours * _HOUR_MS

    @property
    def shown(self) -> Shown:
        """Which of what was shown may be read."""
        return Shown(
            since_ms=_start_of_day(self.request.now_ms, reads_back_days(self.limits)),
            customer_no=self.shown_to,
            messages_only=not self.admission.may_read_history,
            session_key=self.visit,
            visit=self.visit,
        )


def read_known(
    conn: Connection,
    admission: Admission,
    request: Request,
    customer_no: int | None,
    session_key: bytes | None,
    catalogue: Catalogue,
    limits: Limits,
) -> Known:
    """Read what the admission permits, as far back as the limits let it count.

    Args:
        conn: a connection; what it sees must be what the admission was made from.
        admission: what may be read.
        request: what was asked.
        customer_no: storage key of the customer, if there is one.
        session_key: the visit that is going on, if there is one.
        catalogue: what the shop sells.
        limits: how old evidence may be.
    """
    permitted = Permitted(admission, request, customer_no, session_key, limits)
    (known,) = known_of_each([permitted], catalogue).read(conn)
    return known


def known_of_each(permitted: Sequence[Permitted], catalogue: Catalogue) -> Wanted[list[Known]]:
    """Return what to ask for what ``read_known`` returns for each of many requests, in their order."""
    outside_visits = {
        each.customer: each.history_since_ms
        for each in permitted
        if each.customer is not None and each.visit is None
    }
    wanted = together(
        histories(outside_visits, catalogue),
        each_of([_in_visit(each, catalogue) for each in permitted]),
        exposures_of_each([each.shown for each in permitted], catalogue),
    )
    return wanted.then(
        lambda found: [
            _known(each, found[0], in_visit, shown)
            for each, in_visit, shown in zip(permitted, found[1], found[2], strict=True)
        ]
    )


def _in_visit(of: Permitted, catalogue: Catalogue) -> Wanted[tuple[Interactions, Interactions]]:
    """Return what to ask for history and visit of somebody in a visit; for nothing outside one."""
    nothing = Interactions.empty()
    if of.visit is None:
        return Wanted((), lambda _: (nothing, nothing))
    if of.customer is None:
        return session(of.visit, of.session_since_ms, catalogue).then(lambda visit: (nothing, visit))
    return history_and_session(of.customer, of.history_since_ms, of.visit, of.session_since_ms, catalogue)


def _known(
    of: Permitted,
    outside_visits: Mapping[int, Interactions],
    in_visit: tuple[Interactions, Interactions],
    exposures: tuple[Exposures, int],
) -> Known:
    """Put together what was read for a request."""
    history, visit = in_visit
    if of.customer is not None and of.visit is None:
        history = outside_visits[of.customer]
    shown, n_exposure_reads = exposures
    return Known(
        history=history,
        session=visit,
        exposures=shown,
        reads=(
            ("history", int(of.customer is not None)),
            ("session", int(of.visit is not None)),
            ("exposures", n_exposure_reads),
        ),
        profiling=of.customer is not None or of.shown_to is not None,
    )


def _oldest_ms(now_ms: int, limits: EvidenceLimits) -> int:
    """First millisecond from which anything can still be evidence."""
    return _start_of_day(now_ms, int(limits.max_age_days().max()))


def _start_of_day(now_ms: int, days_back: int) -> int:
    """First millisecond of the UTC day so many days ago: ages are counted in whole UTC days."""
    return (now_ms // DAY_MS - days_back) * DAY_MS
