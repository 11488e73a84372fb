"""What is kept no longer than it serves: each rule is a table, which rows, and what becomes of them.

What a customer had restricted is stored and nothing else (GDPR 18(2)): it stays, however old it is,
until the restriction is lifted. They may need it for a claim of theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    union,
    update,
)

from api.storage import accounts, key_days
from api.storage.legal_holds import has_held, held_subjects
from api.storage.sign_in_failures import count_no_more
from api.storage.statements import chunks
from api.storage.tables import (
    cascade_steps,
    cascades,
    consent_events,
    consent_states,
    corrections,
    customers,
    decision_bodies,
    decision_subjects,
    decisions,
    device_accounts,
    disclosures,
    exposures,
    feedback,
    holds,
    interactions,
    items,
    legal_holds,
    log_entries,
    measured_suggestions,
    mutes,
    notices_served,
    requests,
    sign_in_failures,
    sign_ins,
    signals_seen,
)
from api.storage.tables import key_days as days_of_keys
from engine.interactions import DAY_MS
from engine.vocabulary import Kind, Provenance
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.consent.collection import ORDER_FACTS
from guardrails.consent.events import GRANTS, REFUSALS, WHOLE_SUBJECT, Status
from guardrails.consent.purposes import KEY_OF, Purpose, sensitive_key
from guardrails.holding import HoldKind
from guardrails.policy.limits import EvidenceLimits
from guardrails.sensitive.classes import Tier

_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
_ORDERS = tuple(sorted(int(kind) for kind in ORDER_FACTS))
_GRANTS = tuple(sorted(GRANTS))
_ENDED = tuple(sorted(REFUSALS | {Status.CONSENT_EXPIRED}))


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days is kept what is not evidence; how old evidence may be is in the policy's limits.

    Attributes:
        order_fact_days: orders and returns as facts of the contract: the two years in which goods
            can be complained of (Directive (EU) 2019/771, article 10).
        decision_body_days: what a decision was made from, and feedback on it: as long as a purchase
            may be evidence, so that whatever still has an effect can be explained. Headers stay.
        visit_body_days: the same of decisions for a visit without an account. What was done in a visit
            counts for hours and has no effect later, so a year would serve nothing; thirty days leave
            time to ask "why this?" and let a rehearsal find last weeks' traffic (GDPR 5(1)(e), 11).
        proof_days: consent after its end, notices shown, requests answered, receipts of erasure and
            what was set right: three years, the usual time in which claims can be brought (GDPR
            7(1), 17(3)(e)).
        hold_days: mutes and reasons to hold back after they are over: news of them may come late, and
            must not open again what was closed. Longer where a limit looks back further.
        device_days: which accounts used a device, and which signals it sent: as long as any consent
            lasts; then the question is put again anyway.
        measured_days: what was shown to whom and what came of it, where customers agreed to be measured: time
            for an experiment to be judged. The sums over many people stay.
    """

    order_fact_days: int = 730
    decision_body_days: int = 365
    visit_body_days: int = 30
    proof_days: int = 1096
    hold_days: int = 30
    device_days: int = 395
    measured_days: int = 90


BY_LIMITS = frozenset(
    {"history", "orders kept as facts alone", "visits", "links to visits", "exposures", "holds"}
)
"""Stores of which limits of a policy say how long they are kept."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of thing that is kept no longer.

    Attributes:
        store: word under which it is counted.
        table: where it is.
        expired: which rows.
        becomes: new values of these rows; empty when they are removed.
    """

    store: str
    table: Table
    expired: ColumnElement[bool]
    becomes: Mapping[str, Any] = field(default_factory=dict)

    def count(self, conn: Connection) -> int:
        """Return how many rows it is about now."""
        return int(conn.scalar(select(func.count()).select_from(self.table).where(self.expired)) or 0)

    def find(self, conn: Connection, limit: int) -> list[tuple[Any, ...]]:
        """Return the keys of at most ``limit`` rows that it is about now."""
        query = select(*self.table.primary_key.columns).where(self.expired).limit(limit)
        return [tuple(row) for row in conn.execute(query)]

    def apply(self, conn: Connection, keys: Sequence[tuple[Any, ...]]) -> int:
        """Change or remove those of these rows that it is still about; return how many that were."""
        key = tuple_(*self.table.primary_key.columns)
        change = update(self.table).values(dict(self.becomes)) if self.becomes else delete(self.table)
        return conn.execute(change.where(key.in_(keys), self.expired)).rowcount


def rules(
    evidence: EvidenceLimits,
    exposure_days: int,
    keep: Retention,
    raised_classes: Collection[str],
    now_ms: int,
    complaint_days: int = 0,
) -> tuple[Rule, ...]:
    """Return what is to be removed now, in the order to do it in.

    Args:
        evidence: how old evidence may be.
        exposure_days: how many days of exposures any rule looks at.
        keep: how long everything else is kept.
        raised_classes: sensitive classes whose goods of tier S1 count as S2 where the shop is.
        now_ms: the clock, milliseconds since the epoch.
        complaint_days: how many days any rule looks back at a complaint that was closed.
    """
    return (
        *_of_evidence(evidence, keep, raised_classes, now_ms),
        *_of_visits(evidence, now_ms),
        *_of_decisions(exposure_days, keep, now_ms),
        *_of_consents(keep, now_ms),
        *_of_holds(keep, complaint_days, now_ms),
        *_of_rights(keep, now_ms),
        *_of_callers(now_ms),
    )


def expired_profiles(conn: Connection, now_ms: int, longest_ms: int) -> list[bytes]:
    """Return subject keys of customers whose consent to profiling ended while data of it is still kept.

    It has expired, or a refusal came by an import, which leaves the forgetting to the purge.

    Args:
        conn: a connection.
        now_ms: the clock, milliseconds since the epoch.
        longest_ms: how long a grant lasts at most.
    """
    kept = exists().where(
        interactions.c.customer_no == customers.c.customer_no,
        interactions.c.purpose == int(Purpose.PROFILING),
    )
    ends_ms = case(
        (consent_states.c.valid_until_ms.is_(None), consent_states.c.at_ms + longest_ms),
        else_=consent_states.c.valid_until_ms,
    )
    under_way = exists().where(
        cascades.c.subject_key == customers.c.subject_key, cascades.c.finished_at_ms.is_(None)
    )
    query = (
        select(customers.c.subject_key)
        .join(consent_states, consent_states.c.subject_key == customers.c.subject_key)
        .where(
            consent_states.c.purpose == KEY_OF[Purpose.PROFILING],
            or_(
                consent_states.c.status.in_(_GRANTS) & (ends_ms <= now_ms),
                consent_states.c.status.in_(_ENDED),
            ),
            kept,
            ~under_way,
            ~_has_restricted(customers.c.subject_key, now_ms),
        )
    )
    return sorted(conn.scalars(query))


_restrictions = consent_states.alias("restrictions")


def _has_restricted(subject_key: ColumnElement[bytes], now_ms: int) -> ColumnElement[bool]:
    """Whether a subject's restriction holds: until the moment it is lifted, as in the ledger."""
    return exists().where(
        _restrictions.c.subject_key == subject_key,
        _restrictions.c.purpose == WHOLE_SUBJECT,
        or_(_restrictions.c.status == Status.RESTRICTED, _restrictions.c.at_ms > now_ms),
    )


def _of_restricted(table: Table, now_ms: int) -> ColumnElement[bool]:
    """Whether a row is of a customer, or of a visit, whose restriction holds."""
    of_customer = exists().where(
        customers.c.customer_no == table.c.customer_no, _has_restricted(customers.c.subject_key, now_ms)
    )
    return or_(of_customer, _has_restricted(table.c.session_key, now_ms))


def _said_by_restricted(now_ms: int) -> ColumnElement[bool]:
    """Whether feedback is on a decision for somebody whose restriction holds."""
    return exists().where(
        decisions.c.decision_id == feedback.c.decision_id,
        decision_subjects.c.log_index == decisions.c.log_index,
        _has_restricted(decision_subjects.c.subject_key, now_ms),
    )


def _of_evidence(
    evidence: EvidenceLimits, keep: Retention, raised_classes: Collection[str], now_ms: int
) -> tuple[Rule, ...]:
    """Interactions that can no longer be evidence; orders are facts of the contract for longer."""
    named = interactions.c.customer_no.is_not(None)
    collected = named & (interactions.c.purpose != int(Purpose.ESSENTIAL_SERVICE))
    outdated = or_(_too_old(evidence, now_ms), _too_private(evidence, raised_classes, now_ms))
    is_order = interactions.c.kind.in_(_ORDERS)
    free = ~_of_restricted(interactions, now_ms)
    facts = {"purpose": int(Purpose.ESSENTIAL_SERVICE), "session_key": None}
    fact = named & (interactions.c.purpose == int(Purpose.ESSENTIAL_SERVICE))
    old_fact = interactions.c.at_ms < now_ms - keep.order_fact_days * DAY_MS
    return (
        Rule("what others collected", interactions, named & _not_agreed_from_others(now_ms) & free),
        Rule("history", interactions, collected & ~is_order & outdated & free),
        Rule("orders kept as facts alone", interactions, collected & is_order & outdated & free, facts),
        Rule("order facts", interactions, fact & old_fact & free),
    )


def _not_agreed_from_others(now_ms: int) -> ColumnElement[bool]:
    """What others collected, of customers whose consent to that has ended: nothing else holds it here."""
    agreed = exists(
        select(consent_states.c.purpose)
        .join(customers, customers.c.subject_key == consent_states.c.subject_key)
        .where(
            customers.c.customer_no == interactions.c.customer_no,
            consent_states.c.purpose == KEY_OF[Purpose.ENRICHMENT],
            consent_states.c.status.in_(_GRANTS),
            or_(consent_states.c.valid_until_ms.is_(None), consent_states.c.valid_until_ms > now_ms),
        )
    )
    return (interactions.c.provenance != int(Provenance.OWN)) & ~agreed


def _too_old(evidence: EvidenceLimits, now_ms: int) -> ColumnElement[bool]:
    days = evidence.max_age_days().tolist()
    days[Kind.REMOVE_FROM_CART] = evidence.cart_days  # never evidence itself, but a part of the cart
    today = now_ms // DAY_MS
    return or_(
        *(
            and_(interactions.c.kind == int(kind), interactions.c.at_ms < (today - days[kind]) * DAY_MS)
            for kind in Kind
        )
    )


def _too_private(
    evidence: EvidenceLimits, raised_classes: Collection[str], now_ms: int
) -> ColumnElement[bool]:
    """Sensitive goods: kept for days with the consent of their class, for the visit without."""
    is_raised = (items.c.tier == int(Tier.S1)) & items.c.sensitive_class.in_(sorted(raised_classes))
    is_sensitive = (items.c.tier >= SENSITIVE_FROM_TIER) | is_raised
    sensitive = interactions.c.item_no.in_(select(items.c.item_no).where(is_sensitive))
    agreed = exists(
        select(consent_states.c.purpose)
        .join(customers, customers.c.subject_key == consent_states.c.subject_key)
        .join(items, consent_states.c.purpose == sensitive_key("") + items.c.sensitive_class)
        .where(
            customers.c.customer_no == interactions.c.customer_no,
            items.c.item_no == interactions.c.item_no,
            consent_states.c.status.in_(_GRANTS),
            or_(consent_states.c.valid_until_ms.is_(None), consent_states.c.valid_until_ms > now_ms),
        )
    )
    with_consent_ms = (now_ms // DAY_MS - evidence.sensitive_days) * DAY_MS
    without_ms = now_ms - evidence.session_hours * _HOUR_MS
    return sensitive & or_(
        interactions.c.at_ms < with_consent_ms, (interactions.c.at_ms < without_ms) & ~agreed
    )


def _of_visits(evidence: EvidenceLimits, now_ms: int) -> tuple[Rule, ...]:
    over = now_ms - evidence.session_hours * _HOUR_MS
    in_visit = interactions.c.session_key.is_not(None) & (interactions.c.at_ms < over)
    in_visit &= ~_of_restricted(interactions, now_ms)
    nobodys = interactions.c.customer_no.is_(None)
    return (
        Rule("visits", interactions, in_visit & nobodys),
        Rule("links to visits", interactions, in_visit & ~nobodys, {"session_key": None}),
    )


def _of_decisions(exposure_days: int, keep: Retention, now_ms: int) -> tuple[Rule, ...]:
    start_of_day_ms = (now_ms // DAY_MS - exposure_days) * DAY_MS
    said = feedback.c.at_ms < now_ms - keep.decision_body_days * DAY_MS
    shown = (exposures.c.at_ms < start_of_day_ms) & ~_of_restricted(exposures, now_ms)
    measured = measured_suggestions.c.at_ms < now_ms - keep.measured_days * DAY_MS
    free = ~_has_restricted(measured_suggestions.c.subject_key, now_ms)
    return (
        Rule("exposures", exposures, shown),
        Rule("feedback", feedback, said & ~_said_by_restricted(now_ms)),
        Rule("measured suggestions", measured_suggestions, measured & free),
    )


BODIES, BODIES_OF_VISITS = "decision bodies", "decision bodies of visits"
BODY_STORES = (BODIES_OF_VISITS, BODIES)
"""Bodies of decisions; with them go by what they are found, and whose they were."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Decisions whose bodies are kept no longer.

    Attributes:
        in_visits: whether only those of visits are meant.
        minute: first minute that is kept, minutes since the epoch.
        last_index: none is behind this place in the log.
        now_ms: the clock, milliseconds since the epoch.
    """

    in_visits: bool
    minute: int
    last_index: int
    now_ms: int

    @classmethod
    def of(cls, conn: Connection, store: str, keep: Retention, now_ms: int) -> Expired:
        """Return what is kept too long of one of ``BODY_STORES``.

        Old decisions stand at the beginning of the log. So it is found out once where the last of them
        is, in the index of minutes, and their bodies are looked for up to there alone.
        """
        in_visits = store == BODIES_OF_VISITS
        days = keep.visit_body_days if in_visits else keep.decision_body_days
        minute = (now_ms - days * DAY_MS) // _MINUTE_MS
        last = conn.scalar(select(func.max(decisions.c.log_index)).where(decisions.c.minute < minute))
        return cls(in_visits, minute, -1 if last is None else last, now_ms)

    def count(self, conn: Connection) -> int:
        """Return how many there are."""
        return int(conn.scalar(select(func.count()).select_from(self._query().subquery())) or 0)

    def places(self, conn: Connection, limit: int) -> list[int]:
        """Return where in the log the first of them are."""
        return list(conn.scalars(self._query().limit(limit)))

    def _query(self) -> Select[tuple[int]]:
        subjects = decision_subjects
        if self.in_visits:
            return (
                select(subjects.c.log_index)
                .join(decisions, decisions.c.log_index == subjects.c.log_index)
                .where(subjects.c.in_visit, subjects.c.log_index <= self.last_index)
                .where(decisions.c.minute < self.minute, ~is_spared(subjects.c.subject_key, self.now_ms))
                .order_by(subjects.c.log_index)
            )
        at = decision_bodies.c.log_index
        is_other = subjects.c.in_visit | is_spared(subjects.c.subject_key, self.now_ms)
        spared = exists().where(subjects.c.log_index == at, is_other)
        return (
            select(at)
            .join(decisions, decisions.c.log_index == at)
            .where(at <= self.last_index, decisions.c.minute < self.minute, ~spared)
            .order_by(at)
        )


def without_younger(conn: Connection, places: Sequence[int]) -> list[bytes]:
    """Return the visits all of whose decisions are among these."""
    mine, others = decision_subjects, decision_subjects.alias()
    query = select(mine.c.subject_key, func.count()).group_by(mine.c.subject_key)
    n_here: dict[bytes, int] = {}
    for some in chunks(places):
        for key, n in conn.execute(query.where(mine.c.log_index.in_(some))):
            n_here[bytes(key)] = n_here.get(bytes(key), 0) + n
    n_all: dict[bytes, int] = {}
    for keys in chunks(sorted(n_here)):
        counted = select(others.c.subject_key, func.count()).group_by(others.c.subject_key)
        for key, n in conn.execute(counted.where(others.c.subject_key.in_(keys))):
            n_all[bytes(key)] = n
    return sorted(key for key, n in n_here.items() if n_all[key] == n)


def oldest_year(keep: Retention, now_ms: int) -> int:
    """Return the calendar year (UTC) of the oldest bodies that are kept."""
    return datetime.fromtimestamp((now_ms - keep.decision_body_days * DAY_MS) / 1000, UTC).year


def spared_subjects(conn: Connection, now_ms: int) -> set[bytes]:
    """Return everybody whose bodies are kept however old they are."""
    restricted = select(_restrictions.c.subject_key).where(
        _restrictions.c.purpose == WHOLE_SUBJECT,
        or_(_restrictions.c.status == Status.RESTRICTED, _restrictions.c.at_ms > now_ms),
    )
    held = held_subjects()
    return {bytes(key) for key in conn.scalars(union(restricted, *held))}


def is_spared(subject_key: ColumnElement[bytes], now_ms: int) -> ColumnElement[bool]:
    """Whether the bodies of a subject are kept however old they are."""
    return _has_restricted(subject_key, now_ms) | has_held(subject_key)


def _of_consents(keep: Retention, now_ms: int) -> tuple[Rule, ...]:
    """Proofs that have expired: events that decide nothing any more, and ended long ago."""
    proof_from_ms = now_ms - keep.proof_days * DAY_MS
    ended_ms = case(
        (consent_events.c.valid_until_ms.is_(None), consent_events.c.at_ms),
        else_=consent_events.c.valid_until_ms,
    )
    decides = exists().where(consent_states.c.record_id == consent_events.c.record_id)
    proves = exists().where(consent_events.c.served_id == notices_served.c.served_id)
    grant_long_over = consent_states.c.status.in_(_GRANTS) & (consent_states.c.valid_until_ms < proof_from_ms)
    device_from_ms = now_ms - keep.device_days * DAY_MS
    over_ms = now_ms - keep.hold_days * DAY_MS
    free = {
        table: ~_has_restricted(table.c.subject_key, now_ms)
        for table in (consent_states, consent_events, notices_served, mutes)
    }
    return (
        Rule("consent states", consent_states, grant_long_over & free[consent_states]),
        Rule("consents", consent_events, (ended_ms < proof_from_ms) & ~decides & free[consent_events]),
        Rule(
            "notices served",
            notices_served,
            (notices_served.c.at_ms < proof_from_ms) & ~proves & free[notices_served],
        ),
        Rule("mutes", mutes, (mutes.c.until_ms < over_ms) & free[mutes]),
        Rule("signals", signals_seen, signals_seen.c.changed_at_ms < device_from_ms),
        Rule("devices", device_accounts, device_accounts.c.last_seen_ms < device_from_ms),
    )


def _of_holds(keep: Retention, complaint_days: int, now_ms: int) -> tuple[Rule, ...]:
    """Holds that nothing looks at any more, and cases that nobody ever closed.

    An exclusion that was not lifted is none of these: it stays for as long as the customer wants it.
    """
    over_ms = now_ms - max(keep.hold_days, complaint_days) * DAY_MS
    of_case = holds.c.kind.in_([HoldKind.COMPLAINT.value, HoldKind.DELIVERY.value])
    forgotten = of_case & holds.c.until_ms.is_(None)
    forgotten &= holds.c.since_ms < now_ms - keep.order_fact_days * DAY_MS
    free = ~_has_restricted(holds.c.subject_key, now_ms)
    return (Rule("holds", holds, or_(holds.c.until_ms < over_ms, forgotten) & free),)


def _of_rights(keep: Retention, now_ms: int) -> tuple[Rule, ...]:
    proof_from_ms = now_ms - keep.proof_days * DAY_MS
    old_corrections = (corrections.c.at_ms < proof_from_ms) & ~_has_restricted(
        corrections.c.subject_key, now_ms
    )
    over = select(cascades.c.cascade_id).where(cascades.c.finished_at_ms < proof_from_ms)
    old_looks = select(log_entries.c.log_index).where(
        log_entries.c.type == "disclosure",
        log_entries.c.type != "decision",  # so that the index of what is no decision serves
        log_entries.c.minute < proof_from_ms // _MINUTE_MS,
    )
    looks = disclosures.c.log_index.in_(old_looks) & ~_has_restricted(disclosures.c.subject_key, now_ms)
    over_holds = (legal_holds.c.lifted_at_ms < proof_from_ms) & ~_has_restricted(
        legal_holds.c.subject_key, now_ms
    )
    return (
        Rule("disclosures", disclosures, looks),
        Rule("legal holds", legal_holds, over_holds),
        Rule("corrections", corrections, old_corrections),
        Rule("requests", requests, requests.c.closed_at_ms < proof_from_ms),
        Rule("receipts, step by step", cascade_steps, cascade_steps.c.cascade_id.in_(over)),
        Rule("receipts", cascades, cascades.c.finished_at_ms < proof_from_ms),
    )


def _of_callers(now_ms: int) -> tuple[Rule, ...]:
    """What limits people of the shop and its systems, once it limits nothing any more."""
    return (
        Rule("attempts to sign in", sign_in_failures, count_no_more(now_ms)),
        Rule("sessions of accounts", sign_ins, accounts.are_over(now_ms)),
        Rule("days of keys", days_of_keys, key_days.are_over(now_ms // DAY_MS)),
    )
