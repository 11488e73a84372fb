"""Reading what decisions are made from: for one request, or for a group of them at once.

A group is read in one transaction with as many statements as one request, and each of its requests gets
exactly what it would have got alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import Connection, Engine

from api.consents.erased import erased_of_each, objecting
from api.consents.people import Person
from api.errors import StoreRefusedError, StoreUnavailableError
from api.logging import warn
from api.runtime import Runtime, Snapshot
from api.settings import Settings
from api.storage.consents import choices_of_each
from api.storage.devices import sharing
from api.storage.notices import consent_in_force
from api.storage.prepared import Wanted, each_of, together
from api.storage.reading import Permitted, known_of_each
from api.storage.subjects import Subjects
from api.storage.transaction import ReadTransaction
from api.storage.versions import CATALOGUE, NOTICES, versions_in_force
from guardrails.admit import Admission, admit
from guardrails.consent.settings import ConsentSettings
from guardrails.house import House
from guardrails.measuring import may_be_measured
from guardrails.request import Choices, Known, Request


class Deciding(Protocol):
    """What decisions are made with; ``api.wiring.Wiring`` is one."""

    @property
    def settings(self) -> Settings:
        """Every setting."""
        ...

    @property
    def engine(self) -> Engine:
        """The database."""
        ...

    @property
    def subjects(self) -> Subjects:
        """Pseudonyms."""
        ...

    @property
    def runtime(self) -> Runtime:
        """Model, catalogue and policy in force."""
        ...

    @property
    def build(self) -> str:
        """SHA-256 of the build manifest."""
        ...

    @property
    def clock(self) -> Callable[[], int]:
        """Milliseconds since the epoch."""
        ...

    @property
    def new_id(self) -> Callable[[], str]:
        """A fresh random id."""
        ...

    @property
    def new_seed(self) -> Callable[[], bytes]:
        """16 fresh random bytes."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One request, and whom it is about.

    Attributes:
        question: what was asked.
        person: about whom.
    """

    question: Request
    person: Person


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What was read to answer a request, and the house it is answered by.

    Attributes:
        house: model, catalogue and policy.
        admission: what may be used.
        known: what was read of the customer.
        customer_no: storage key of the customer, if there is one.
        is_measured: the customer agreed to be measured.
    """

    house: House
    admission: Admission
    known: Known
    customer_no: int | None
    is_measured: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """What somebody chose, and what follows of it before anything else is read."""

    admission: Admission
    house: House
    customer_no: int | None
    is_measured: bool


def read_inputs(
    asked: Sequence[Asked], snapshot: Snapshot, found: Deciding, begun: ReadTransaction | None = None
) -> list[Inputs]:
    """Read the customers' choices, choose their houses, and read what both permit; in the order asked.

    Which policy it is comes before the rest: its limits say how much is read. Only who agreed to be measured
    is in an experiment. Where reading fails nothing personal is used, but what customers do not want to see
    holds all the same, as far as it could be read. What is garbled of one customer is nobody else's loss.

    Args:
        asked: the requests.
        snapshot: model, catalogue and policy.
        found: what decisions are made with.
        begun: the transaction to read in, which is ended here; ``None`` for one of its own.
    """
    choices: list[tuple[Choices, int | None]] = [_NOBODY] * len(asked)
    try:
        with begun or ReadTransaction(found.engine) as transaction, transaction.reading() as conn:
            versions, choices, erased = together(
                versions_in_force(),
                _choices_of(asked),
                erased_of_each(found.subjects, [each.person.key for each in asked], found.settings.consent),
            ).read(conn)
            snapshot = snapshot.under(found.runtime.policies(conn, versions))
            consent = _consent(conn, versions, snapshot, found)
            chosen = [
                _chosen(each, objecting(own, consent) if is_erased else own, customer_no, snapshot, consent)
                for each, (own, customer_no), is_erased in zip(asked, choices, erased, strict=True)
            ]
            known = _known(asked, chosen, snapshot).read(conn)
    except (StoreUnavailableError, StoreRefusedError) as error:  # gone
        return _nothing(asked, choices, snapshot, error)
    except (ValueError, KeyError) as error:  # garbled
        if len(asked) > 1:
            return [inputs for each in asked for inputs in read_inputs([each], snapshot, found)]
        return _nothing(asked, choices, snapshot, error)
    found.runtime.notice(versions)
    behind = versions.get(CATALOGUE) != snapshot.versions.get(CATALOGUE)
    return [
        Inputs(
            house=own.house,
            admission=_saying_that_it_is_behind(own.admission) if behind else own.admission,
            known=read,
            customer_no=own.customer_no,
            is_measured=own.is_measured,
        )
        for own, read in zip(chosen, known, strict=True)
    ]


def admitted(question: Request, choices: Choices, snapshot: Snapshot, consent: ConsentSettings) -> Admission:
    """Say what may be read and used, and whether the policy in force could not be."""
    admission = admit(question, choices, snapshot.house.catalogue.sensitive_classes, consent)
    return replace(admission, degraded=(*admission.degraded, *snapshot.policies.degraded))


def _nothing(
    asked: Sequence[Asked],
    choices: Sequence[tuple[Choices, int | None]],
    snapshot: Snapshot,
    error: Exception,
) -> list[Inputs]:
    """Return inputs that nothing personal is in."""
    warn("consent:read:failed", error)
    house = snapshot.house_for(None)
    return [
        Inputs(
            house=house,
            admission=admitted(each.question, replace(own, ledger=None), snapshot, snapshot.house.consent),
            known=Known.nothing(),
            customer_no=None,
            is_measured=False,
        )
        for each, (own, _) in zip(asked, choices, strict=True)
    ]


def _choices_of(asked: Sequence[Asked]) -> Wanted[list[tuple[Choices, int | None]]]:
    """Return what to ask for what each chose, and their storage keys; nobody chose nothing."""
    people = [(each.person.key, each.person.beside) for each in asked if each.person.key is not None]
    devices = [sharing(each.person.device_key, each.question.now_ms) for each in asked]

    def put_together(
        found: tuple[list[tuple[Choices, int | None]], list[bool]],
    ) -> list[tuple[Choices, int | None]]:
        of_people = iter(found[0])
        choices = []
        for each, is_shared in zip(asked, found[1], strict=True):
            own, customer_no = _NOBODY if each.person.key is None else next(of_people)
            choices.append((replace(own, shared_device=True) if is_shared else own, customer_no))
        return choices

    return together(choices_of_each(people), each_of(devices)).then(put_together)


_NOBODY = Choices(ledger=None), None


def _known(asked: Sequence[Asked], chosen: Sequence[_Chosen], snapshot: Snapshot) -> Wanted[list[Known]]:
    """Return what to ask for what each may be answered from."""
    permitted = [
        Permitted(own.admission, each.question, own.customer_no, each.person.session_key, own.house.limits)
        for each, own in zip(asked, chosen, strict=True)
    ]
    return known_of_each(permitted, snapshot.house.catalogue)


def _consent(
    conn: Connection, versions: Mapping[str, str], snapshot: Snapshot, found: Deciding
) -> ConsentSettings:
    """Return how consent is checked now: which notices are outdated does not wait for the next house."""
    if versions.get(NOTICES) == snapshot.versions.get(NOTICES):
        return snapshot.house.consent
    return consent_in_force(conn, found.settings.consent)


def _chosen(
    asked: Asked,
    choices: Choices,
    customer_no: int | None,
    snapshot: Snapshot,
    consent: ConsentSettings,
) -> _Chosen:
    question, key = asked.question, asked.person.key
    is_measured = key is not None and may_be_measured(
        choices, consent, question.now_ms, question.channel, gpc=question.gpc
    )
    return _Chosen(
        admission=admitted(question, choices, snapshot, consent),
        house=snapshot.house_for(key if is_measured else None),
        customer_no=customer_no,
        is_measured=is_measured,
    )


def _saying_that_it_is_behind(admission: Admission) -> Admission:
    return replace(admission, degraded=(*admission.degraded, "catalogue_behind"))
