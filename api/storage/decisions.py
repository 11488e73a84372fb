"""Decisions in the log: appended, read, searched; never changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    exists,
    func,
    literal,
    select,
)

from api.storage.artefacts_used import note_used
from api.storage.bodies import OF_BODY, SealedBody, key_name, open_bodies, sealed_body, with_bodies
from api.storage.exposures import ExposureRow, insert_exposures
from api.storage.keyring import Keyring
from api.storage.log import Entry, Grown, TreeState, append_entries, lock_log
from api.storage.measured import MeasuredDecision, Placed, insert_measured
from api.storage.postings import EVERYWHERE, Postings, Span, newest_in_all
from api.storage.statements import chunks, fetch, insert_new, insert_or_update, insert_rows, places
from api.storage.suppressions import is_suppressed
from api.storage.tables import (
    decision_bodies,
    decision_hours,
    decision_kinds,
    decision_subjects,
    decision_terms,
    decisions,
    log_entries,
    log_terms,
)
from api.storage.tallies import add_tallies
from api.storage.terms import store_terms
from guardrails.log.sealing import entry_of
from guardrails.log.tallies import Tally

DECISION = "decision"
"""The type of a decision's entry."""


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision as it is handed to the log.

    Attributes:
        decision_id: random id.
        minute: when, in whole minutes since the epoch.
        placement: name of the placement.
        basis: word of the basis.
        outcome: word of the outcome.
        policy: version of the policy.
        model: version of the model; ``None`` without one.
        header: canonical bytes without personal data.
        body: the personal part, packed; it is sealed when it is stored.
        subject_key: whom it was for; ``None`` for nobody.
        exposure: what was shown; ``None`` for nothing, or nothing that may be remembered.
        suppression_key: under which it is remembered if they were erased; ``None`` for nobody.
        visit_suppression_key: the same for the visit; ``None`` without one.
        terms: what it can be found by: rules that withheld, reasons that were given.
        measured: what is counted of it; ``None`` where whoever it was for did not agree to be measured.
        catalogue: version of the catalogue it was made from; ``None`` where that is not known.
        tallies: what it adds to the sums over all decisions.
    """

    decision_id: str
    minute: int
    placement: str
    basis: str
    outcome: str
    policy: str
    model: str | None
    header: bytes
    body: bytes
    subject_key: bytes | None
    exposure: ExposureRow | None
    suppression_key: bytes | None = None
    visit_suppression_key: bytes | None = None
    terms: tuple[str, ...] = ()
    measured: MeasuredDecision | None = None
    catalogue: str | None = None
    tallies: tuple[Tally, ...] = ()

    @property
    def in_visit(self) -> bool:
        """Whether it was for a visit, of whoever that was, and not for an account or a device."""
        return self.suppression_key is not None and self.suppression_key == self.visit_suppression_key

    @property
    def kind(self) -> Kind:
        """What it has in common with others."""
        return Kind(self.placement, self.basis, self.outcome, self.policy, self.model or "")


class Kind(NamedTuple):
    """What decisions have in common; attributes as in ``StoredDecision``, the model empty without one."""

    placement: str
    basis: str
    outcome: str
    policy: str
    model: str


@dataclass(frozen=True, slots=True)
class DecisionSummary:
    """A decision as it is found; attributes as in ``StoredDecision``.

    Attributes:
        log_index: position in the log; where the next page goes on.
    """

    log_index: int
    decision_id: str
    minute: int
    placement: str
    basis: str
    outcome: str
    policy: str
    model: str | None


class StoredRecord(NamedTuple):
    """A decision as it is read.

    Attributes:
        log_index: position in the log.
        entry: canonical bytes, as they are in the tree.
        body: the packed personal part; ``None`` where it was erased.
        minute: when, in minutes since the epoch.
        policy: version of the policy.
        model: version of the model; ``None`` without one.
    """

    log_index: int
    entry: bytes
    body: bytes | None
    minute: int
    policy: str
    model: str | None


_BODIES_FETCHED = 500
"""How many bodies, of some kilobytes each, are in memory at a time."""

_HOUR = 60
"""Minutes."""

_KIND = tuple(decision_kinds.c[name] for name in Kind._fields)


def append_decisions(
    conn: Connection, keyring: Keyring, batch: Sequence[StoredDecision], before: TreeState | None = None
) -> Grown:
    """Append decisions in the order given, each with its body, whom it was for and what was shown.

    Of a decision for somebody who was erased, be it while it was made, the entry alone is stored; what
    was shown in a visit that was erased is not remembered for the visit. Both are looked at under the
    log's lock, which erasing takes as well, so no key is ever made for somebody who is gone.

    Args:
        conn: a writing connection.
        keyring: where the keys are.
        batch: at least one decision.
        before: what ``lock_log`` returned in this transaction, if it was called.

    Raises:
        StoreUnavailableError: the keys cannot be used now.
    """
    before = before or lock_log(conn)
    keys = {key for each in batch for key in (each.suppression_key, each.visit_suppression_key) if key}
    erased = is_suppressed(conn, keys)
    sealed = _sealed(keyring, batch, erased)
    grown = append_entries(
        conn,
        [
            Entry(DECISION, each.minute, entry_of(each.header, body))
            for each, body in zip(batch, sealed, strict=True)
        ],
        before,
    )
    numbers = _kind_numbers(conn, {each.kind for each in batch})
    placed = list(enumerate(batch, start=grown.first_index))
    insert_rows(
        conn,
        decisions,
        ("log_index", "decision_id", "minute", "kind_no"),
        [(at, each.decision_id, each.minute, numbers[each.kind]) for at, each in placed],
    )
    _note_hours(conn, placed)
    add_tallies(conn, [(each.minute, each.tallies) for each in batch])
    note_used(conn, [(at, each.model, each.catalogue) for at, each in placed])
    kept = [(at, each) for at, each in placed if each.suppression_key not in erased]
    bodies = [(at, sealed[at - grown.first_index]) for at, _ in kept]
    insert_rows(conn, decision_bodies, ("log_index", "sealed"), bodies)
    store_terms(conn, [(at, each.terms) for at, each in kept])
    insert_rows(
        conn,
        decision_subjects,
        ("subject_key", "log_index", "in_visit"),
        [(each.subject_key, at, each.in_visit) for at, each in kept if each.subject_key is not None],
    )
    shown = {each.decision_id: _to_remember(each, erased) for _, each in kept}
    insert_exposures(conn, [(each, exposure) for each, exposure in shown.items() if exposure is not None])
    insert_measured(
        conn,
        [
            Placed(each.decision_id, numbers[each.kind], each.subject_key, each.measured)
            for _, each in kept
            if each.subject_key is not None and each.measured is not None
        ],
    )
    return grown


def _sealed(keyring: Keyring, batch: Sequence[StoredDecision], erased: Collection[bytes]) -> list[bytes]:
    """Encrypt the bodies; that of somebody who was erased under nobody's key, and it is not kept."""
    names = [
        key_name(None if each.suppression_key in erased else each.subject_key, each.minute) for each in batch
    ]
    keys = keyring.for_sealing(set(names))
    return [sealed_body(each.body, each.header, keys[name]) for each, name in zip(batch, names, strict=True)]


def _note_hours(conn: Connection, placed: Sequence[tuple[int, StoredDecision]]) -> None:
    """Remember from where to where the decisions of each hour are; new places are behind those of before."""
    found: dict[int, list[int]] = {}
    for at, each in placed:
        found.setdefault(each.minute // _HOUR, []).append(at)
    rows = [(hour, at[0], at[-1]) for hour, at in found.items()]
    insert_or_update(conn, decision_hours, ("hour",), ("hour", "first_index", "last_index"), rows)


def _kind_numbers(conn: Connection, kinds: Collection[Kind]) -> dict[Kind, int]:
    """Return the numbers of kinds; those that never occurred before get one."""
    found = _known_kinds(conn, kinds)
    if len(found) < len(kinds):
        conn.execute(
            insert_new(conn, decision_kinds), [kind._asdict() for kind in sorted(kinds) if kind not in found]
        )
        found = _known_kinds(conn, kinds)
    return found


def _known_kinds(conn: Connection, kinds: Collection[Kind]) -> dict[Kind, int]:
    """Return the numbers of those kinds that have one."""
    wanted = sorted(kinds)
    names = ", ".join(Kind._fields)
    rows = ", ".join(places(kind) for kind in wanted)
    query = f"SELECT kind_no, {names} FROM decision_kinds WHERE ({names}) IN (VALUES {rows})"  # noqa: S608  names are ours
    return {Kind(*rest): kind_no for kind_no, *rest in fetch(conn, query, list(chain(*wanted)))}


def _to_remember(decision: StoredDecision, erased: Collection[bytes]) -> ExposureRow | None:
    """Return what may be remembered of what was shown."""
    exposure = decision.exposure
    if exposure is None or decision.visit_suppression_key not in erased:
        return exposure
    return None if exposure.customer_no is None else replace(exposure, session_key=None)


def read_decision(conn: Connection, keyring: Keyring, decision_id: str) -> StoredRecord | None:
    """Return a decision, its body opened as far as it still can be; ``None`` for no decision.

    Raises:
        StoreUnavailableError: the keys cannot be used now.
        RecordError: the body was changed.
    """
    return _read_one(conn, keyring, decisions.c.decision_id == decision_id)


def read_decision_at(conn: Connection, keyring: Keyring, log_index: int) -> StoredRecord | None:
    """Return the decision at a place in the log, as ``read_decision`` does."""
    return _read_one(conn, keyring, decisions.c.log_index == log_index)


def _read_one(conn: Connection, keyring: Keyring, is_it: ColumnElement[bool]) -> StoredRecord | None:
    columns = (decisions.c.log_index, decision_kinds.c.policy, decision_kinds.c.model)
    row = conn.execute(with_bodies(select(*columns, *OF_BODY), also_without=True).where(is_it)).first()
    if row is None:
        return None
    (body,) = open_bodies(keyring, [_body_of(row)])
    return StoredRecord(row.log_index, bytes(row.entry), body, row.minute, row.policy, row.model or None)


def _body_of(row: Any) -> SealedBody:
    return SealedBody(row.entry, row.sealed, row.subject_key, row.minute)


def places_of(conn: Connection, decision_ids: Sequence[str]) -> dict[str, int]:
    """Return the positions in the log of those of the decisions that are in it."""
    return {
        row.decision_id: row.log_index
        for some in chunks(decision_ids)
        for row in conn.execute(
            select(decisions.c.decision_id, decisions.c.log_index).where(decisions.c.decision_id.in_(some))
        )
    }


def has_body(conn: Connection, decision_id: str) -> bool:
    """Tell whether a decision is in the log and its body was not removed."""
    query = (
        select(decision_bodies.c.log_index)
        .join(decisions, decisions.c.log_index == decision_bodies.c.log_index)
        .where(decisions.c.decision_id == decision_id)
    )
    return conn.execute(query).first() is not None


def decision_subject(conn: Connection, decision_id: str) -> bytes | None:
    """Return whom a decision was for; ``None`` for nobody, for somebody erased, and for no decision."""
    found: bytes | None = conn.execute(
        select(decision_subjects.c.subject_key)
        .join(decisions, decisions.c.log_index == decision_subjects.c.log_index)
        .where(decisions.c.decision_id == decision_id)
    ).scalar()
    return found


def search_decisions(
    conn: Connection,
    *,
    limit: int,
    before_index: int | None = None,
    placement: str | None = None,
    basis: str | None = None,
    outcome: str | None = None,
    model: str | None = None,
    policy: str | None = None,
    minute_from: int | None = None,
    minute_to: int | None = None,
    subject_key: bytes | None = None,
    terms: Collection[str] = (),
) -> list[DecisionSummary]:
    """Return decisions that meet every condition given, newest first.

    Args:
        conn: a connection.
        limit: most decisions to return.
        before_index: go on behind this one: the ``log_index`` of the last decision of the page before.
        placement: name of the placement.
        basis: word of the basis.
        outcome: word of the outcome.
        model: version of the model.
        policy: version of the policy.
        minute_from: first minute since the epoch.
        minute_to: first minute no longer wanted.
        subject_key: whom they were for.
        terms: what they are found by, as ``guardrails.log.terms`` makes it.
    """
    equal = {"placement": placement, "basis": basis, "outcome": outcome, "model": model, "policy": policy}
    minutes = _Minutes(minute_from, minute_to)
    span = minutes.span(conn)
    if before_index is not None:
        span = span.within(Span(0, before_index - 1))
    lists = _lists({name: value for name, value in equal.items() if value is not None}, subject_key, terms)
    at = decisions.c.log_index
    query: Select[Any] = select(at, decisions.c.decision_id, decisions.c.minute, *_KIND)
    query = query.join(decision_kinds, decision_kinds.c.kind_no == decisions.c.kind_no).order_by(at.desc())
    if not lists:
        rows = conn.execute(query.where(span.has(at), *minutes.has(decisions.c.minute)).limit(limit)).all()
        return [_summary(row) for row in rows]
    found = newest_in_all(conn, lists, span, minutes.has_decision_at, limit)
    return [_summary(row) for some in chunks(found) for row in conn.execute(query.where(at.in_(some)))]


def _summary(row: Any) -> DecisionSummary:
    return DecisionSummary(**{**row._asdict(), "model": row.model or None})


def _lists(equal: Mapping[str, str], subject_key: bytes | None, terms: Collection[str]) -> list[Postings]:
    """Return the lists of places that a search is about."""
    lists = [
        Postings(
            decision_terms,
            "term_no",
            select(log_terms.c.term_no.label("value")).where(log_terms.c.term == term),
        )
        for term in sorted(set(terms))
    ]
    if subject_key is not None:
        whose = select(literal(subject_key, LargeBinary).label("value"))
        lists.append(Postings(decision_subjects, "subject_key", whose))
    if equal:
        kinds = select(decision_kinds.c.kind_no.label("value"))
        asked = [decision_kinds.c[name] == value for name, value in equal.items()]
        lists.append(Postings(decisions, "kind_no", kinds.where(*asked)))
    return lists


class _Minutes(NamedTuple):
    """A stretch of minutes since the epoch; ``None`` for an end that is open."""

    first: int | None
    end: int | None

    def has(self, minute: Column[int]) -> list[ColumnElement[bool]]:
        """Return the conditions that a minute is in it."""
        conditions = [] if self.first is None else [minute >= self.first]
        return conditions if self.end is None else [*conditions, minute < self.end]

    def has_decision_at(self, place: ColumnElement[int]) -> list[ColumnElement[bool]]:
        """Return the conditions that the decision at a place was made in it."""
        there = decisions.alias()
        conditions = self.has(there.c.minute)
        return [exists().where(there.c.log_index == place, *conditions)] if conditions else []

    def span(self, conn: Connection) -> Span:
        """Return where in the log its decisions are; others may be between them."""
        hour = decision_hours.c.hour
        conditions = [] if self.first is None else [hour >= self.first // _HOUR]
        conditions += [] if self.end is None else [hour <= (self.end - 1) // _HOUR]
        if not conditions:
            return EVERYWHERE
        ends = func.min(decision_hours.c.first_index), func.max(decision_hours.c.last_index)
        first, last = conn.execute(select(*ends).where(*conditions)).one()
        return Span(0, -1) if first is None else Span(first, last)


def count_bodies(conn: Connection, minute_from: int, minute_to: int) -> int:
    """Return about how many decisions of a stretch of minutes there are; of some the body was erased."""
    between = (decisions.c.minute >= minute_from) & (decisions.c.minute < minute_to)
    return int(conn.execute(select(func.count()).select_from(decisions).where(between)).scalar_one())


def read_bodies(
    conn: Connection, keyring: Keyring, minute_from: int, minute_to: int
) -> Iterator[tuple[int, bytes]]:
    """Yield minute and body of every decision that still has one, oldest first, a run at a time.

    Args:
        conn: a connection.
        keyring: where the keys are.
        minute_from: first minute since the epoch.
        minute_to: first minute no longer wanted.
    """
    query = (
        with_bodies(select(*OF_BODY))
        .where(decisions.c.minute >= minute_from, decisions.c.minute < minute_to)
        .order_by(decisions.c.minute, decisions.c.log_index)
        .execution_options(yield_per=_BODIES_FETCHED)
    )
    for rows in conn.execute(query).partitions():
        bodies = [_body_of(row) for row in rows]
        for each, body in zip(bodies, open_bodies(keyring, bodies), strict=True):
            if body is not None:
                yield each.minute, body


def stored_among(conn: Connection, decision_ids: Sequence[str]) -> set[str]:
    """Return those of the ids that are in the log."""
    found: set[str] = set()
    for some in chunks(decision_ids):
        found.update(conn.scalars(select(decisions.c.decision_id).where(decisions.c.decision_id.in_(some))))
    return found


def places_between(conn: Connection, minute_from: int, minute_to: int) -> list[int]:
    """Return where in the log the decisions of a stretch of minutes are, whether or not their bodies are."""
    between = (decisions.c.minute >= minute_from) & (decisions.c.minute < minute_to)
    return list(conn.scalars(select(decisions.c.log_index).where(between)))


def index_of(conn: Connection, decision_id: str) -> int | None:
    """Return where in the log a decision is; ``None`` for no decision."""
    found: int | None = conn.execute(
        select(decisions.c.log_index).where(decisions.c.decision_id == decision_id)
    ).scalar()
    return found


def entry_at(conn: Connection, decision_id: str) -> bytes | None:
    """Return a decision's entry; ``None`` for no decision, or one that was pruned."""
    found = conn.execute(
        select(log_entries.c.entry)
        .join(decisions, decisions.c.log_index == log_entries.c.log_index)
        .where(decisions.c.decision_id == decision_id)
    ).scalar()
    return None if found is None else bytes(found)
