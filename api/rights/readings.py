"""Reading all that is held of one person, in words.

Every section is read a page at a time, each page in a short transaction of its own. So an export
takes little memory however much there is, holds nothing up, and when the person is erased
meanwhile it ends with what was there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

import numpy as np
import orjson
from sqlalchemy import (
    ColumnElement,
    Engine,
    RowMapping,
    Select,
    Table,
    false,
    literal,
    or_,
    select,
    tuple_,
)

from api.errors import PolicyDocumentError
from api.languages import say
from api.logbook import keyring_of
from api.policies.shipped import shipped_policy
from api.rights import records
from api.rights.interests import Basics, read_interests
from api.settings import Settings
from api.storage import tables
from api.storage.bodies import OF_BODY, SealedBody, open_those_that_open, with_bodies
from api.storage.connection import reading
from api.storage.consents import read_choices
from api.storage.legal_holds import holds_of
from api.storage.measured import OF_DECISION, OUTCOMES
from api.storage.requests import requests_of
from api.storage.retention import Retention
from api.storage.rights import read_corrections, read_signals
from api.storage.statements import chunks
from api.storage.subjects import Subjects
from api.storage.versions import read_policy_version
from api.transparency import BASES, KEPT, KINDS, LOGIC, RIGHTS, SOURCES
from engine.vocabulary import Channel, Intent, Kind, word
from guardrails.consent.check import check
from guardrails.consent.ledger import Ledger
from guardrails.consent.purposes import KEY_OF, OUTBOUND, REGISTER, Purpose, communications_key, entry_of
from guardrails.errors import PolicyError
from guardrails.log.record import open_body
from guardrails.messages import Phrase
from guardrails.policy.document import to_document, version_of
from guardrails.policy.language import HouseRule
from guardrails.request import AgeAssurance

PAGE = 500
"""Rows that are read at once."""

DECISIONS_PAGE = 50
"""Records that are read at once; each is some tens of kilobytes when it is unpacked."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Whose data is handed out, and what it is read with.

    Attributes:
        engine: the database.
        subject_id: the shop's key of the customer, the visit or the device.
        subject_type: which of these it is.
        subject_key: its pseudonym.
        customer_no: storage key of the customer; ``None`` for anybody else, and without a row.
        basics: catalogue, limits, weights and consent settings in force.
        settings: who runs the shop, and who is handed data.
        now_ms: the clock, milliseconds since the epoch.
        language: what words are written in.
    """

    engine: Engine
    subject_id: str
    subject_type: str
    subject_key: bytes
    customer_no: int | None
    basics: Basics
    settings: Settings
    now_ms: int
    language: str

    def say(self, text: str) -> str:
        """Return a text in the language of the export."""
        return say(text, self.language)

    def title(self, item_id: str) -> str | None:
        """Return the title of an item that is still in the catalogue."""
        item_idx = self.basics.catalogue.idx_of_id.get(item_id)
        return None if item_idx is None else self.basics.catalogue.titles[item_idx]

    def item_id(self, item_no: int) -> str | None:
        """Return the shop's key of an item that is still in the catalogue."""
        item_idx = int(self.basics.catalogue.idx_of_no(np.array([item_no]))[0])
        return None if item_idx < 0 else self.basics.catalogue.item_ids[item_idx]

    def owns(self, table: Table) -> ColumnElement[bool]:
        """Return the condition on the rows of a table that are kept by customer, visit or pseudonym.

        What an account did in a visit is the account's: whoever asks for the visit may be another.
        """
        if "subject_key" in table.c:
            return table.c.subject_key == self.subject_key
        if self.subject_type == "session":
            return (table.c.session_key == self.subject_key) & table.c.customer_no.is_(None)
        return false() if self.customer_no is None else table.c.customer_no == self.customer_no


def find_subject(
    engine: Engine,
    subjects: Subjects,
    subject_id: str,
    subject_type: str,
    basics: Basics,
    settings: Settings,
    now_ms: int,
    language: str,
) -> Subject:
    """Return whose data is handed out; arguments as the attributes of ``Subject``.

    Args:
        engine: the database.
        subjects: the shop's pseudonyms.
        subject_id: the shop's key.
        subject_type: ``account``, ``session`` or ``device``.
        basics: catalogue, limits, weights and consent settings in force.
        settings: every setting.
        now_ms: the clock, milliseconds since the epoch.
        language: what words are written in.
    """
    derive = {"account": subjects.account, "session": subjects.session, "device": subjects.device}
    key = derive[subject_type](subject_id)
    number = select(tables.customers.c.customer_no).where(tables.customers.c.subject_key == key)
    with reading(engine) as conn:
        customer_no = conn.execute(number).scalar()
    return Subject(engine, subject_id, subject_type, key, customer_no, basics, settings, now_ms, language)


def time_of(at_ms: int | None) -> str | None:
    """Return a time as people and machines read it.

    >>> time_of(0)
    '1970-01-01T00:00:00.000Z'
    """
    if at_ms is None:
        return None
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def _paged(of: Subject, query: Select[Any], *keys: ColumnElement[Any]) -> Iterator[RowMapping]:
    """Yield the rows of a query in the order of its keys, which are among its columns."""
    after: tuple[Any, ...] | None = None
    ordered = query.order_by(*keys).limit(PAGE)
    while True:
        place = tuple_(*keys) > tuple_(*map(literal, after)) if after is not None else None
        with reading(of.engine) as conn:
            page = conn.execute(ordered if place is None else ordered.where(place)).mappings().all()
        yield from page
        if len(page) < PAGE:
            return
        after = tuple(page[-1][key] for key in keys)


def _times(row: RowMapping, *columns: ColumnElement[Any]) -> Iterator[str | None]:
    return (time_of(row[column]) for column in columns)


def _list(text: str | None) -> list[Any]:
    return [] if text is None else list(orjson.loads(text))


_AGES = {
    AgeAssurance.UNKNOWN: "not known",
    AgeAssurance.SELF_DECLARED_ADULT: "of age, as they say themselves",
    AgeAssurance.VERIFIED_ADULT: "of age, which was verified",
    AgeAssurance.MINOR: "under age",
}


def person(of: Subject) -> Iterator[Row]:
    """Yield the one row of who the subject is."""
    with reading(of.engine) as conn:
        row = conn.execute(select(tables.customers).where(tables.customers.c.subject_key == of.subject_key))
        found = row.mappings().first()
    if found is None or of.subject_type != "account":
        yield of.subject_id, of.subject_type, None, None, None, None, None, None, None
        return
    age = next((words for age, words in _AGES.items() if age == found["age_assurance"]), None)
    yield (
        of.subject_id,
        of.subject_type,
        time_of(found["created_at_ms"]),
        of.say(age or found["age_assurance"]),
        found["age_band"],
        found["jurisdiction"],
        found["non_profiled"],
        found["shared_device"],
        found["limit_sensitive"],
    )


def standing(of: Subject) -> Iterator[Row]:
    """Yield where every purpose stands, in its words."""
    with reading(of.engine) as conn:
        choices, _ = read_choices(conn, of.subject_key)
    ledger = choices.ledger or Ledger.empty()
    keys = [
        *(each.key for each in REGISTER if not each.key.endswith(".")),
        *map(communications_key, OUTBOUND),
    ]
    keys += sorted(key for key in ledger.states if key not in keys and key != "*")
    for key in keys:
        entry, state = of.basics.consent.in_force(entry_of(key)), ledger.get(key)
        answer = check(ledger, choices.question(key, of.now_ms, gpc=False), of.basics.consent)
        yield (
            key,
            of.say(entry.meaning),
            of.say(BASES[entry.basis][0]),
            state.status.value if state else None,
            time_of(state.at_ms) if state else None,
            time_of(answer.expires_at_ms),
            answer.permitted,
            answer.because.value if answer.because else None,
        )


def consent_events(of: Subject) -> Iterator[Row]:
    """Yield every consent event, oldest first."""
    events = tables.consent_events
    for row in _paged(of, select(events).where(of.owns(events)), events.c.event_no):
        channels = [word(Channel(number)) for number in _list(row["channels"])]
        yield (
            row["record_id"],
            row["purpose"],
            row["status"],
            *_times(row, events.c.at_ms, events.c.received_at_ms, events.c.valid_until_ms),
            channels,
            _list(row["data_categories"]),
            _list(row["item_categories"]),
            *(row[name] for name in EVENT_TEXTS),
            row["explicit"],
            row["confirmed_override"],
        )


EVENT_TEXTS = (
    "subject_kind",
    "notice_id",
    "notice_version",
    "notice_sha256",
    "language",
    "served_id",
    "method",
    "actor",
    "parent",
    "jurisdiction",
    "signal_sha256",
    "gpc",
)


def notices(of: Subject) -> Iterator[Row]:
    """Yield the notices that were shown or consented to."""
    notices, events, served = tables.notices, tables.consent_events, tables.notices_served
    seen = [
        select(table.c.notice_id, table.c.notice_version).where(of.owns(table)) for table in (events, served)
    ]
    named = tuple_(notices.c.notice_id, notices.c.version)
    query = select(notices).where(or_(*(named.in_(each) for each in seen)))
    for row in _paged(of, query, notices.c.notice_id, notices.c.version, notices.c.language):
        yield (
            row["notice_id"],
            row["version"],
            row["language"],
            row["text_sha256"],
            row["text"],
            _list(row["purposes"]),
            [_plain(each) for each in _list(row["recipients"])],
            time_of(row["effective_from_ms"]),
        )


def notices_served(of: Subject) -> Iterator[Row]:
    """Yield when and where notices were shown."""
    served = tables.notices_served
    for row in _paged(of, select(served).where(of.owns(served)), served.c.at_ms, served.c.served_id):
        yield (
            row["served_id"],
            row["notice_id"],
            row["notice_version"],
            row["language"],
            row["surface"],
            row["experience_sha256"],
            time_of(row["at_ms"]),
        )


def signals(of: Subject) -> Iterator[Row]:
    """Yield the privacy signals that were seen."""
    with reading(of.engine) as conn:
        signals = read_signals(conn, of.subject_key)
    for each in signals:
        yield each.signal, each.value, time_of(each.first_seen_ms), time_of(each.changed_at_ms)


def devices(of: Subject) -> Iterator[Row]:
    """Yield the devices of an account, or the accounts of a device, by number."""
    used = tables.device_accounts
    mine = used.c.device_key if of.subject_type == "device" else used.c.subject_key
    other = used.c.subject_key if of.subject_type == "device" else used.c.device_key
    what = "account" if of.subject_type == "device" else "device"
    rows = _paged(of, select(used).where(mine == of.subject_key), used.c.last_seen_ms, other)
    for number, row in enumerate(rows, start=1):
        yield f"{what} {number}", time_of(row["last_seen_ms"])


def interactions(of: Subject) -> Iterator[Row]:
    """Yield everything that was done with items, oldest first."""
    did, items = tables.interactions, tables.items
    query = (
        select(did, items.c.item_id, items.c.title, items.c.currency)
        .join(items, items.c.item_no == did.c.item_no)
        .where(of.owns(did))
    )
    for row in _paged(of, query, did.c.at_ms, did.c.interaction_no):
        purpose = KEY_OF[Purpose(row["purpose"])]
        yield (
            time_of(row["at_ms"]),
            word(Kind(row["kind"])),
            row["item_id"],
            row["title"],
            word(Channel(row["channel"])),
            purpose,
            row["is_gift"],
            row["quantity"],
            row["value_minor"],
            row["currency"],
        )


def interests(of: Subject) -> Iterator[Row]:
    """Yield what is inferred now."""
    for each in _inferred(of).interests:
        yield each.scope.value, each.value, each.share_micro, each.n_pieces


def evidence(of: Subject) -> Iterator[Row]:
    """Yield what it is inferred from, sensitive items named."""
    for each in _inferred(of).pieces:
        yield (
            each.item_id,
            each.title,
            word(each.kind),
            each.age_days,
            word(each.channel),
            each.share_micro,
        )


def _inferred(of: Subject) -> Any:
    with reading(of.engine) as conn:
        return read_interests(conn, of.subject_key, of.basics, of.now_ms, name_all=True)


def mutes(of: Subject) -> Iterator[Row]:
    """Yield what is not to be shown."""
    mutes = tables.mutes
    for row in _paged(of, select(mutes).where(of.owns(mutes)), mutes.c.scope, mutes.c.value):
        yield row["scope"], row["value"], *_times(row, mutes.c.created_at_ms, mutes.c.until_ms)


def holds(of: Subject) -> Iterator[Row]:
    """Yield what is held back for."""
    holds = tables.holds
    for row in _paged(of, select(holds).where(of.owns(holds)), holds.c.kind, holds.c.reference):
        since = time_of(row["since_ms"]) if row["since_ms"] else None
        yield row["kind"], row["reference"], since, *_times(row, holds.c.until_ms)


def decisions(of: Subject) -> Iterator[Row]:
    """Yield every decision, oldest first."""
    for row, record in _records(of):
        told = None if record is None else records.asked(record)
        yield (
            row["decision_id"],
            time_of(row["minute"] * 60_000 if told is None else told.at_ms),
            row["placement"],
            told and told.channel,
            row["basis"],
            row["outcome"],
            row["model"],
            row["policy"],
            list(told.permitted) if told else [],
            list(told.denied) if told else [],
            list(told.evidence_used) if told else [],
            told and told.n_kept_out,
            told and told.n_shown,
            told and told.n_withheld,
        )


def suggestions(of: Subject) -> Iterator[Row]:
    """Yield what each decision showed."""
    for row, record in _records(of):
        for each in records.shown(record) if record else ():
            yield row["decision_id"], *_suggestion(each, of)


def _suggestion(each: records.Shown, of: Subject) -> Row:
    return (
        each.rank,
        each.item_id,
        of.title(each.item_id),
        each.intent,
        each.reason_code,
        each.reason,
        each.score,
        [_term(term, of) for term in each.terms],
    )


def _term(term: records.Term, of: Subject) -> str:
    kind = next(meaning for kind, meaning in KINDS.items() if word(kind) == term.kind)
    named = of.title(term.item_id) or term.item_id
    return f"{named}: {of.say(kind)} ({term.origin}), {term.contribution:+d}"


def withheld(of: Subject) -> Iterator[Row]:
    """Yield what each decision withheld."""
    own = cache(partial(_own_rules, of))
    for row, record in _records(of):
        for each in records.withheld(record, own(row["policy"])) if record else ():
            yield row["decision_id"], *_refusal(each, of)


def _own_rules(of: Subject, policy_version: str) -> Mapping[str, HouseRule]:
    """Return the shop's rules of a policy by id; none where it cannot be read any more."""
    policy = shipped_policy()
    if policy_version != version_of(to_document(policy)):
        try:
            with reading(of.engine) as conn:
                policy = read_policy_version(conn, policy_version)
        except (PolicyError, PolicyDocumentError):
            return {}
    return {rule.id: rule for rule in policy.rules}


def _refusal(each: records.Withheld, of: Subject) -> Row:
    return (
        each.item_id,
        of.title(each.item_id),
        each.intent,
        each.rule,
        each.rule_name,
        of.say(each.sentence),
        each.observed,
        each.limit,
        each.unit,
    )


def _records(of: Subject) -> Iterator[tuple[RowMapping, records.Sections | None]]:
    """Yield every decision made for the subject, oldest first, with its record if that is still kept."""
    decisions, kinds, subjects = tables.decisions, tables.decision_kinds, tables.decision_subjects
    with reading(of.engine) as conn:
        places = sorted(conn.scalars(select(subjects.c.log_index).where(of.owns(subjects))))
    if not places:
        return  # no keys are needed
    whole = with_bodies(
        select(decisions.c.log_index, decisions.c.decision_id, *kinds.c, *OF_BODY), also_without=True
    ).order_by(decisions.c.log_index)
    with keyring_of(of.settings) as keyring:
        for some in chunks(places, DECISIONS_PAGE):
            with reading(of.engine) as conn:
                still_theirs = of.owns(subjects) & decisions.c.log_index.in_(some)
                page = conn.execute(whole.where(still_theirs)).mappings().all()
            sealed = [
                SealedBody(row["entry"], row["sealed"], row["subject_key"], row["minute"]) for row in page
            ]
            for row, body in zip(page, open_those_that_open(keyring, sealed), strict=True):
                yield row, None if body is None else open_body(body)[1]


def exposures(of: Subject) -> Iterator[Row]:
    """Yield what is remembered of what was shown."""
    shown_ = tables.exposures
    for row in _paged(of, select(shown_).where(of.owns(shown_)), shown_.c.at_ms, shown_.c.decision_id):
        listed = orjson.loads(row["suggestions"])
        yield (
            row["decision_id"],
            time_of(row["at_ms"]),
            row["placement"],
            row["interruptive"],
            row["outbound"],
            [f"{of.item_id(item_no)} ({word(Intent(intent))})" for item_no, intent in listed],
        )


def feedback(of: Subject) -> Iterator[Row]:
    """Yield what was said of suggestions."""
    said, items = tables.feedback, tables.items
    decisions, subjects = tables.decisions, tables.decision_subjects
    query = (
        select(said, items.c.item_id, items.c.title)
        .join(decisions, decisions.c.decision_id == said.c.decision_id)
        .join(subjects, subjects.c.log_index == decisions.c.log_index)
        .join(items, items.c.item_no == said.c.item_no)
        .where(of.owns(subjects))
    )
    for row in _paged(of, query, said.c.at_ms, said.c.decision_id, said.c.item_no, said.c.kind):
        yield row["decision_id"], time_of(row["at_ms"]), row["item_id"], row["title"], row["kind"]


def measured(of: Subject) -> Iterator[Row]:
    """Yield what was shown where it is measured, and what came of it."""
    shown_, items = tables.measured_suggestions, tables.items
    query = (
        select(shown_, items.c.item_id, items.c.title)
        .join(items, items.c.item_no == shown_.c.item_no, isouter=True)  # nothing was shown, or that is gone
        .where(of.owns(shown_))
    )
    for row in _paged(of, query, shown_.c.at_ms, shown_.c.decision_id, shown_.c.item_no):
        yield (
            row["decision_id"],
            time_of(row["at_ms"]),
            row["item_id"],
            row["title"],
            word(Channel(row["channel"])),
            None if row["intent"] == OF_DECISION else word(Intent(row["intent"])),
            row["arm"],
            [measure.value for measure, bit in OUTCOMES.items() if row["outcomes"] & bit],
        )


def requests(of: Subject) -> Iterator[Row]:
    """Yield what was asked for."""
    with reading(of.engine) as conn:
        rows = requests_of(conn, of.subject_key)
    for each in rows:
        yield (
            each.request_id,
            each.kind.value,
            each.state.value,
            time_of(each.received_at_ms),
            time_of(each.due_at_ms),
            each.extended_because,
            time_of(each.closed_at_ms),
            each.outcome,
            each.decision_id,
        )


def corrections(of: Subject) -> Iterator[Row]:
    """Yield what was set right."""
    with reading(of.engine) as conn:
        rows = read_corrections(conn, of.subject_key)
    for each in rows:
        yield time_of(each.at_ms), each.scope.value, each.value, each.action.value, each.n_interactions


def cascades(of: Subject) -> Iterator[Row]:
    """Yield the steps of withdrawals and erasures."""
    cascades, steps = tables.cascades, tables.cascade_steps
    query = (
        select(
            cascades.c.cascade_id,
            cascades.c.kind,
            cascades.c.mode,
            cascades.c.requested_at_ms,
            cascades.c.finished_at_ms,
            steps.c.downstream,
            steps.c.status,
            steps.c.n_affected,
            steps.c.detail,
        )
        .join(steps, steps.c.cascade_id == cascades.c.cascade_id)
        .where(of.owns(cascades))
    )
    for row in _paged(of, query, cascades.c.requested_at_ms, cascades.c.cascade_id, steps.c.downstream):
        yield (
            row["cascade_id"],
            row["kind"],
            row["mode"],
            *_times(row, cascades.c.requested_at_ms, cascades.c.finished_at_ms),
            row["downstream"],
            row["status"],
            row["n_affected"],
            row["detail"],
        )


def legal_holds(of: Subject) -> Iterator[Row]:
    """Yield for what claims records are kept."""
    with reading(of.engine) as conn:
        holds = holds_of(conn, of.subject_key)
    for each in holds:
        yield each.hold_id, each.reason, time_of(each.placed_at_ms), time_of(each.lifted_at_ms)


def looks(of: Subject) -> Iterator[Row]:
    """Yield when records were looked at, to the minute and unless that was pruned, and what exactly."""
    looked, entries = tables.disclosures, tables.log_entries
    query = (
        select(looked.c.log_index, looked.c.details, entries.c.minute, entries.c.entry)
        .join(entries, entries.c.log_index == looked.c.log_index, isouter=True)
        .where(of.owns(looked))
    )
    for row in _paged(of, query, looked.c.log_index):
        told = {} if row["entry"] is None else orjson.loads(bytes(row["entry"]))
        at_ms = None if row["minute"] is None else row["minute"] * 60_000
        yield time_of(at_ms), told.get("kind"), row["details"]


def recipients(of: Subject) -> Iterator[Row]:
    """Yield who is handed data."""
    for name in of.settings.recipients:
        yield name, of.say("is handed data by the shop, and told of an erasure")
    named = (recipient for row in notices(of) for recipient in row[6])
    for name in dict.fromkeys(named):
        if name not in of.settings.recipients:
            yield name, of.say("named in a notice that was shown")


def _plain(recipient: Any) -> str:
    """A recipient in a notice is a name, or an object with one."""
    return str(recipient.get("name", "")) if isinstance(recipient, dict) else str(recipient)


def retention(of: Subject) -> Iterator[Row]:
    """Yield how long each kind of data counts or is kept."""
    limits, kept = of.basics.limits.evidence, Retention()
    days = limits.max_age_days()
    for kind in (each for each in Kind if days[each]):
        yield of.say(KINDS[kind]), int(days[kind])
    yield of.say("anything about sensitive items, if you agreed to that expressly"), limits.sensitive_days
    for field in fields(kept):
        yield of.say(KEPT[field.name]), getattr(kept, field.name)


def rights(of: Subject) -> Iterator[Row]:
    """Yield what can be demanded."""
    for right in RIGHTS:
        article = of.say(Phrase("GDPR {article}", article=right.article))
        yield right.key, article, of.say(right.meaning), [f"{method} {path}" for method, path in right.ways]


def explanations(of: Subject) -> Iterator[Row]:
    """Yield how it works."""
    for topic, text in _EXPLAINED:
        yield topic, of.say(text)


_EXPLAINED = (
    ("logic", LOGIC),
    ("sources", SOURCES),
    (
        "model",
        (
            "The model is a table of which items go together. It is learned from many customers who agreed "
            "to that, and holds items and counts: no customer, no name and no number of one. Nothing in it "
            "is about you alone."
        ),
    ),
    (
        "interests",
        (
            "Interests are worked out anew for every answer, from the evidence listed here and with the "
            "weights listed here. They are stored nowhere."
        ),
    ),
    ("segments", "There are none. You are put into no group, class or audience."),
    ("scores", "No score, grade or forecast of you is kept."),
    (
        "pseudonyms",
        (
            "Where data need not say your name it is kept under a pseudonym, made from the shop's number for "
            "you with a secret that is kept apart."
        ),
    ),
    (
        "decisions",
        (
            "Every answer is recorded before it is given: what was asked, which purposes stood, what was "
            "considered, what was shown and why, what was withheld and by which rule."
        ),
    ),
)
