"""Storing a batch of events under the purposes that their customers permit.

What may be kept is asked once for each event, at the time it happened. With the permission to
profile, it is kept for that. Without it an order is still kept as a fact of the contract, and what
else happened during a visit is kept for that visit, under nobody's name, if the visit may be
remembered. What has no purpose left is withheld: not stored anywhere. What others collected needs
the customer's consent to that as well.

News that holds suggestions back is taken without any consent, of everybody but those who were erased.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from api.consents.people import Person
from api.imports.circumstance_store import life_event, store_circumstances
from api.imports.circumstances import NewCircumstance
from api.imports.new_interactions import BadEvent, NewInteraction
from api.storage.consents import lock_subject, read_choices
from api.storage.customers import customer_numbers
from api.storage.devices import seen_on_device
from api.storage.holds import put_holds
from api.storage.interactions import event_key, insert_interactions
from api.storage.notices import consent_in_force
from api.storage.rights import note_signal
from api.storage.subjects import Subjects
from api.storage.suppressions import SUPPRESSED, anybody_suppressed, is_suppressed
from engine.vocabulary import Kind, Provenance
from guardrails.consent.check import Question, check
from guardrails.consent.collection import DATA_CATEGORY_OF, purpose_of_collection
from guardrails.consent.ledger import Ledger
from guardrails.consent.permission import Permission
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.holding import Hold
from guardrails.policy.limits import Limits
from guardrails.request import Choices, SubjectKind

NON_PROFILED = "NON_PROFILED"
"""Why something is withheld from a customer who switched profiling off."""


@dataclass(frozen=True, slots=True)
class WithheldEvent:
    """An interaction that was not stored because its customer did not permit it.

    Attributes:
        index: position of its event in the batch, from 0.
        event_id: id of the interaction.
        purpose: key of the purpose that was not permitted.
        because: why not: a ``Denial``, ``NON_PROFILED``, or ``SUPPRESSED`` for who was erased.
    """

    index: int
    event_id: str
    purpose: str
    because: str


@dataclass(slots=True)
class StoredEvents:
    """What became of a batch.

    Attributes:
        n_stored: interactions that were new.
        n_duplicates: interactions that were stored already.
        n_by_purpose: stored ones and duplicates by the key of the purpose they are kept under.
        bad: interactions with items that are not in the catalogue.
        withheld: interactions that were not stored for want of permission.
        n_noted: news that was taken down.
    """

    n_stored: int = 0
    n_duplicates: int = 0
    n_by_purpose: Counter[str] = field(default_factory=Counter)
    bad: list[BadEvent] = field(default_factory=list)
    withheld: list[WithheldEvent] = field(default_factory=list)
    n_noted: int = 0


@dataclass(frozen=True, slots=True)
class _Kept:
    """An interaction with the purpose it is kept under, and whether it is kept under a name."""

    event: NewInteraction
    purpose: Purpose
    by_customer: bool
    by_visit: bool


def store_events(
    conn: Connection,
    events: Sequence[NewInteraction],
    subjects: Subjects,
    item_numbers: Mapping[str, int],
    now_ms: int,
    settings: ConsentSettings,
    *,
    gpc: bool = False,
    circumstances: Sequence[NewCircumstance] = (),
    memorials: Collection[str] = (),
    limits: Limits | None = None,
) -> StoredEvents:
    """Store a batch; the transaction is the caller's and must be one that writes.

    Whoever buys something for a funeral is spared what somebody is spared who declared a loss.

    Args:
        conn: a writing connection.
        events: the interactions of ``parse_events``.
        subjects: the shop's pseudonyms.
        item_numbers: storage key of every item id.
        now_ms: the clock, milliseconds since the epoch.
        settings: how consent is checked.
        gpc: the request carries ``Sec-GPC: 1``.
        circumstances: the news of ``parse_events``.
        memorials: those of the items that are bought for a funeral or in remembrance.
        limits: for how long things are held back; the defaults without it.
    """
    result, limits = StoredEvents(), limits or Limits()
    known: list[NewInteraction] = []
    for event in events:
        if event.item_id in item_numbers:
            known.append(event)
        else:
            result.bad.append(BadEvent(event.index, event.item_pointer, "is not in the catalogue"))
    settings = consent_in_force(conn, settings)
    people = [_person(event, subjects) for event in known]
    told = [(news, _person(news, subjects)) for news in circumstances]
    _lock(conn, [*people, *(person for _, person in told)])
    choices = _read_choices(conn, people)
    erased = _erased(conn, [*people, *(person for _, person in told)], subjects)
    kept: list[_Kept] = []
    mourning: list[tuple[bytes, Hold]] = []
    for event, person in zip(known, people, strict=True):
        if person.key in erased:
            result.withheld.append(_of_the_erased(event))
            continue
        if _is_in_mourning(event, memorials):
            mourning += ((person.key or b"", hold) for hold in life_event(event.at_ms, limits))
        outcome = _judge(event, choices[person], settings, gpc=gpc)
        if isinstance(outcome, _Kept) and person.session_key in erased:
            outcome = replace(outcome, by_visit=False) if outcome.by_customer else _of_the_erased(event)
        if isinstance(outcome, WithheldEvent):
            result.withheld.append(outcome)
        else:
            kept.append(outcome)
            result.n_by_purpose[KEY_OF[outcome.purpose]] += 1
    _note_people(conn, (person for person in choices if person.key not in erased), now_ms, gpc=gpc)
    result.n_stored = _insert(conn, kept, subjects, item_numbers, now_ms)
    result.n_duplicates = len(kept) - result.n_stored
    put_holds(conn, mourning)
    _note(conn, told, erased, subjects, limits, result)
    return result


def _is_in_mourning(event: NewInteraction, memorials: Collection[str]) -> bool:
    """Tell whether somebody bought something for a funeral here; what others tell of it is not asked."""
    bought = event.kind is Kind.PURCHASE and event.provenance is Provenance.OWN
    return bought and event.item_id in memorials


def _note(
    conn: Connection,
    told: Sequence[tuple[NewCircumstance, Person]],
    erased: set[bytes],
    subjects: Subjects,
    limits: Limits,
    result: StoredEvents,
) -> None:
    """Take down the news of a batch, of nobody who was erased."""
    welcome: list[tuple[NewCircumstance, Person]] = []
    for news, person in told:
        if erased & {person.key, person.session_key}:
            result.withheld.append(_of_the_erased(news))
        else:
            welcome.append((news, person))
    bad = store_circumstances(conn, welcome, subjects, limits)
    result.bad += bad
    result.n_noted = len(welcome) - len(bad)


def _person(event: NewInteraction | NewCircumstance, subjects: Subjects) -> Person:
    return Person.of(
        subjects, customer_id=event.customer_id, device_id=event.device_id, session_id=event.session_id
    )


def _of_the_erased(event: NewInteraction | NewCircumstance) -> WithheldEvent:
    return WithheldEvent(event.index, event.event_id, KEY_OF[Purpose.PROFILING], SUPPRESSED)


def _erased(conn: Connection, people: Iterable[Person], subjects: Subjects) -> set[bytes]:
    """Return the keys of those who were erased and have not come back since, visits among them."""
    if not anybody_suppressed(conn):
        return set()
    keys = {key for person in people for key in (person.key, person.session_key) if key}
    key_of = {subjects.suppression(key): key for key in keys}
    return {key_of[each] for each in is_suppressed(conn, key_of)}


def _lock(conn: Connection, people: Iterable[Person]) -> None:
    """Let nobody else change anything about those in the batch until it is stored."""
    keys = {key for person in people for key in (person.key, *person.beside) if key}
    for key in sorted(keys):  # one order, so no two can deadlock
        lock_subject(conn, key)


def _read_choices(conn: Connection, people: Iterable[Person]) -> dict[Person, Choices]:
    """Return the choices of everybody who did something."""
    return {person: read_choices(conn, person.key or b"", person.beside)[0] for person in set(people)}


def _note_people(conn: Connection, people: Iterable[Person], now_ms: int, *, gpc: bool) -> None:
    """Note who is logged in where, and that their browser sends a privacy signal."""
    for person in people:
        if person.kind is SubjectKind.ACCOUNT and person.key and person.device_key:
            seen_on_device(conn, person.device_key, person.key, now_ms)
        if gpc and person.key:
            note_signal(conn, person.key, "gpc", "1", now_ms)


def _judge(
    event: NewInteraction, choices: Choices, settings: ConsentSettings, *, gpc: bool
) -> _Kept | WithheldEvent:
    """Decide what an interaction is kept for, if it is."""
    ask = _asker(event, choices, settings, gpc=gpc)

    def withheld(purpose: Purpose, because: str) -> WithheldEvent:
        return WithheldEvent(event.index, event.event_id, KEY_OF[purpose], because)

    foreign = None if event.provenance is Provenance.OWN else ask(Purpose.ENRICHMENT).because
    if foreign is not None:
        return withheld(Purpose.ENRICHMENT, foreign)
    in_visit = event.session_id is not None
    if event.customer_id is not None:
        profiling = ask(Purpose.PROFILING)
        permitted = profiling.permitted and not choices.non_profiled
        purpose = purpose_of_collection(event.kind, permitted)
        if purpose is not None:
            return _Kept(event, purpose, by_customer=True, by_visit=in_visit and permitted)
        if not in_visit:
            return withheld(Purpose.PROFILING, profiling.because or NON_PROFILED)
    if choices.non_profiled:
        return withheld(Purpose.FUNCTIONAL_STORAGE, NON_PROFILED)
    for needed in (Purpose.FUNCTIONAL_STORAGE, Purpose.LIMITED_CONTENT):
        permission = ask(needed)
        if permission.because is not None:
            return withheld(needed, permission.because)
    return _Kept(event, Purpose.LIMITED_CONTENT, by_customer=False, by_visit=True)


def _asker(
    event: NewInteraction, choices: Choices, settings: ConsentSettings, *, gpc: bool
) -> Callable[[Purpose], Permission]:
    """Return what asks whether an interaction may be kept for a purpose."""

    def ask(purpose: Purpose) -> Permission:
        question = Question(
            purpose=KEY_OF[purpose],
            at_ms=event.at_ms,
            channel=event.channel,
            data_category=DATA_CATEGORY_OF[event.kind],
            gpc=gpc,
            minor=choices.minor,
            age_band=choices.age_band,
            jurisdiction=choices.jurisdiction,
        )
        return check(choices.ledger or Ledger.empty(), question, settings)

    return ask


def _insert(
    conn: Connection,
    kept: Sequence[_Kept],
    subjects: Subjects,
    item_numbers: Mapping[str, int],
    now_ms: int,
) -> int:
    named = {each.event.customer_id for each in kept if each.by_customer} - {None}
    customer_no = customer_numbers(conn, [each for each in named if each], subjects, now_ms) if named else {}
    rows = [
        (
            event_key(event.event_id),
            customer_no[event.customer_id] if each.by_customer and event.customer_id else None,
            subjects.session(event.session_id) if each.by_visit and event.session_id else None,
            item_numbers[event.item_id],
            int(event.kind),
            min(event.at_ms, now_ms),  # what is dated ahead would outlive a withdrawal made now
            int(event.channel),
            int(each.purpose),
            event.is_gift,
            event.quantity,
            event.value_minor,
            int(event.provenance),
        )
        for each in kept
        for event in (each.event,)
    ]
    return insert_interactions(conn, rows)
