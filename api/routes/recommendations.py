"""``POST /v1/recommendations``: parse, read, decide, record, answer; in this order, in this file.

Everything is read in one transaction, begun after the request arrived, so whatever was withdrawn
before that is withdrawn here. Nothing is sent that is not on the disk already: in the log, or, where that
cannot be written, in the spool, and then it is an answer that uses nothing of anybody.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask import Response, request
from sqlalchemy import Connection

from api.answer import answer_bytes
from api.auth import only
from api.consents.erased import without_interest_in_the_erased
from api.consents.people import Person
from api.consents.signals import ADPC, take_adpc
from api.errors import Finding, InvalidRequestError, StoreRefusedError, StoreUnavailableError
from api.languages import choose_language
from api.logbook import MINUTE_MS
from api.logging import warn
from api.pointers import pointer_to
from api.routes.resource import Resource
from api.runtime import Snapshot
from api.schemas.recommendation import (
    DEFAULT_COUNT,
    MODES,
    RecommendationAnswerSchema,
    RecommendationRequestSchema,
)
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.consents import read_choices
from api.storage.decisions import StoredDecision
from api.storage.devices import is_shared
from api.storage.exposures import ExposureRow
from api.storage.items import read_item
from api.storage.measured import MeasuredDecision
from api.storage.notices import consent_in_force
from api.storage.reading import read_known
from api.storage.versions import NOTICES, active
from api.wiring import Wiring, wiring
from engine.catalogue import NO_CODE, Catalogue
from engine.vocabulary import Channel, from_word, word
from guardrails.admit import Admission, admit
from guardrails.consent.purposes import outreach_key
from guardrails.consent.settings import ConsentSettings
from guardrails.consent.signals.gpc import gpc_from_header
from guardrails.decide import Decision, decide
from guardrails.house import House
from guardrails.log.record import SALT_BYTES, build_record
from guardrails.log.terms import terms_of
from guardrails.measuring import may_be_measured
from guardrails.messages import Phrase
from guardrails.request import (
    Choices,
    Context,
    Entry,
    Known,
    Pattern,
    Placement,
    Presentation,
    Request,
    SubjectKind,
    Visit,
)

MAX_CATEGORIES = 5
"""Most categories that a search text stands for."""

LOG_INDEX = "Tactful-Log-Index"
"""The header of an answer that says where in the log it is recorded."""

LOG_UNAVAILABLE = "log_unavailable"
"""What an answer says that could not be recorded in the log yet."""

_HEADERS = {"Vary": "Sec-GPC, ADPC"}

blueprint = Resource("recommendations", __name__, description="suggestions with their reasons")


@blueprint.operation(
    "POST",
    "/v1/recommendations",
    only(Role.SITE, in_outage=True),
    body=RecommendationRequestSchema(),
    answer=RecommendationAnswerSchema(),
    problems=(422, 503),
    example={
        "customer_id": "1234",
        "placement": "product_page",
        "context": {"item_id": "821867"},
        "count": 4,
    },
)
def recommend(asked: dict[str, Any]) -> Response:
    """Suggest items for one customer in one placement.

    `Sec-GPC: 1` is honoured, and what an `ADPC` header decides is stored first. The answer was
    recorded before it was sent; `decision_id` finds it in the log. Without a model, or where consent
    cannot be read, the answer steps down to what sells well, or to nothing, and `degraded` says so.
    Where the log cannot be written, it is what sells well for whoever asks: nothing of the customer, the
    visit or the page is used, and its record enters the log as soon as that is back.
    """
    found = wiring()
    subject = Person.of(
        found.subjects,
        customer_id=asked.get("customer_id"),
        device_id=asked.get("device_id"),
        session_id=asked.get("session_id"),
    )
    take_adpc(request.headers.get(ADPC), subject, found)
    try:
        answer, log_index = _recommended(asked, subject, found)
    except (StoreUnavailableError, StoreRefusedError) as error:
        warn("decision:record:failed", error)
        answer = _recommended_to_anybody(asked, found)
    else:
        headers = {**_HEADERS, LOG_INDEX: str(log_index)}
        return Response(answer, content_type="application/json", headers=headers)
    return Response(answer, content_type="application/json", headers=_HEADERS)


def _recommended(asked: dict[str, Any], subject: Person, found: Wiring) -> tuple[bytes, int]:
    """Return the answer to somebody, and its position in the log.

    Raises:
        StoreUnavailableError: it could not be made durable, and must not be sent.
        StoreRefusedError: the same, and trying again will not help.
    """
    snapshot = found.runtime.current()
    question = _question(asked, subject, snapshot, found)
    with found.metrics.stage("read"):
        house, admission, known, customer_no, is_measured = _read(question, subject, snapshot, found)
    with found.metrics.stage("decide"):
        decision = decide(question, admission, known, house)
    with found.metrics.stage("record"):
        answer, written = _written(decision, question, known, house, found)
        log_index = found.recorder.submit(
            replace(
                written,
                subject_key=subject.key,
                exposure=_exposure(decision, question, subject, customer_no, house.catalogue),
                suppression_key=_suppression(subject.key, found),
                visit_suppression_key=_suppression(subject.session_key, found),
                measured=_measured(decision, question, house) if is_measured else None,
            )
        )
    found.metrics.count_decision(decision)
    return answer, log_index


def _recommended_to_anybody(asked: dict[str, Any], found: Wiring) -> bytes:
    """Return what is answered where the log cannot be written.

    Raises:
        StoreUnavailableError: not even this can be kept, or there is nothing to answer from.
    """
    snapshot = found.runtime.current()
    house = snapshot.house_for(None)
    question = _question_of_nobody(asked, snapshot, found)
    admission = _admit(question, Choices(ledger=None), snapshot, house.consent)
    admission = replace(admission, degraded=(*admission.degraded, LOG_UNAVAILABLE))
    decision = decide(question, admission, Known.nothing(), house)
    answer, written = _written(decision, question, Known.nothing(), house, found)
    try:
        found.spool.keep(written)
    except StoreUnavailableError:
        found.metrics.unrecorded.inc()
        raise
    found.metrics.spooled.inc()
    found.metrics.count_decision(decision)
    return answer


def _written(
    decision: Decision, question: Request, known: Known, house: House, found: Wiring
) -> tuple[bytes, StoredDecision]:
    """Return the answer and the record of it, as of one that was for nobody."""
    decision_id = found.new_id()
    answer = answer_bytes(decision, question, known, house, decision_id, found.settings)
    record = build_record(
        decision,
        question,
        known,
        house,
        decision_id=decision_id,
        secret=secrets.token_bytes(SALT_BYTES),
        response=answer,
        build=found.build,
    )
    return answer, StoredDecision(
        decision_id=decision_id,
        minute=question.now_ms // MINUTE_MS,
        placement=question.placement.name,
        basis=word(decision.basis),
        outcome=decision.outcome.value,
        policy=house.policy_version,
        model=house.recommender.version,
        header=record.header,
        body=record.body,
        subject_key=None,
        exposure=None,
        terms=terms_of(decision),
    )


def _question(asked: dict[str, Any], subject: Person, snapshot: Snapshot, found: Wiring) -> Request:
    """Turn the body into a request.

    Raises:
        InvalidRequestError: the placement or an item is unknown, or the placement holds fewer.
    """
    language = choose_language(asked.get("language"))
    placement = _placement(asked["placement"], snapshot)
    now_ms = found.clock()
    return Request(
        subject_kind=subject.kind,
        placement=placement,
        channel=from_word(Channel, asked["channel"]),
        count=_count(asked["count"], placement),
        now_ms=now_ms,
        seed=found.new_seed(),
        context=_context(asked["context"], snapshot.house.catalogue, found),
        non_profiled=asked["mode"] == MODES[1],
        gpc=gpc_from_header(request.headers.get("Sec-GPC")),
        shared_device=asked["shared_device"],
        recognised_only=asked["recognised_only"],
        language=language,
        visit=_visit(asked["visit"]),
        presentation=_presentation(asked["presentation"]),
        local_minute=_local_minute(asked.get("local_time"), now_ms, found.settings.time_zone),
    )


def _question_of_nobody(asked: dict[str, Any], snapshot: Snapshot, found: Wiring) -> Request:
    """Turn the body into the request of somebody of whom nothing is known, to the minute.

    Who looks is not known either, so it may be anybody.

    Raises:
        InvalidRequestError: the placement is unknown or holds fewer.
    """
    placement = _placement(asked["placement"], snapshot)
    now_ms = found.clock() // MINUTE_MS * MINUTE_MS
    return Request(
        subject_kind=SubjectKind.NONE,
        placement=placement,
        channel=from_word(Channel, asked["channel"]),
        count=_count(asked["count"], placement),
        now_ms=now_ms,
        seed=found.new_seed(),
        non_profiled=True,
        shared_device=True,
        language=choose_language(asked.get("language")),
        presentation=_presentation(asked["presentation"]),
        local_minute=_local_minute(None, now_ms, found.settings.time_zone),
    )


def _placement(name: str, snapshot: Snapshot) -> Placement:
    placement = snapshot.placements.get(name)
    if placement is None:
        raise InvalidRequestError.at("/placement", Phrase("unknown placement `{name}`", name=name))
    return placement


def _visit(asked: dict[str, Any]) -> Visit:
    entry = asked.get("entry")
    return Visit(asked.get("pages"), asked.get("basket_after_s"), None if entry is None else Entry(entry))


def _presentation(asked: dict[str, Any]) -> Presentation:
    return Presentation(
        patterns=frozenset(map(Pattern, asked.get("patterns", ()))),
        personalised_price=asked.get("personalised_price", False),
        price_disclosed=asked.get("price_disclosed", False),
    )


def _local_minute(told: str | None, now_ms: int, zone: ZoneInfo | None) -> int | None:
    """Return the minute of the day where the customer is, else by the shop's clock, if one is set."""
    if told is not None:
        hour, minute = map(int, told.split(":"))
    elif zone is not None:
        there = datetime.fromtimestamp(now_ms / 1000, zone)
        hour, minute = there.hour, there.minute
    else:
        return None
    return hour * 60 + minute


def _count(wanted: int | None, placement: Placement) -> int:
    if wanted is None:
        return min(DEFAULT_COUNT, placement.max_count)
    if wanted > placement.max_count:
        most = Phrase("`{name}` holds at most {n}", name=placement.name, n=placement.max_count)
        raise InvalidRequestError.at("/count", most)
    return wanted


def _context(asked: dict[str, Any], catalogue: Catalogue, found: Wiring) -> Context:
    """Find the page's items in the catalogue, and the categories it is about."""
    places = {
        pointer_to("context", "basket", at): item_id for at, item_id in enumerate(asked.get("basket", ()))
    }
    if "item_id" in asked:
        places = {pointer_to("context", "item_id"): asked["item_id"], **places}
    _refuse_unknown({where: each for where, each in places.items() if each not in catalogue.idx_of_id}, found)
    item_idx = catalogue.idx_of_id.get(asked.get("item_id", ""))
    basket = [catalogue.idx_of_id[each] for each in asked.get("basket", ()) if each in catalogue.idx_of_id]
    categories = _categories(item_idx, asked.get("query"), catalogue)
    return Context(item_idx, tuple(basket), categories, occasion=asked.get("occasion"))


def _refuse_unknown(missing: dict[str, str], found: Wiring) -> None:
    """Refuse items that the shop does not have; one that only the snapshot lacks yet is left out.

    Raises:
        InvalidRequestError: an item is unknown.
    """
    if not missing:
        return
    with reading(found.engine) as conn:
        unknown = [where for where, item_id in missing.items() if read_item(conn, item_id) is None]
    if unknown:
        raise InvalidRequestError(Finding("unknown item", pointer=where) for where in unknown)


def _categories(item_idx: int | None, query: str | None, catalogue: Catalogue) -> tuple[int, ...]:
    """Return the category of the page's item, or those whose paths hold every word of the search."""
    if item_idx is not None:
        code = int(catalogue.category[item_idx])
        return () if code == NO_CODE else (code,)
    return catalogue.categories_about(query or "")[:MAX_CATEGORIES]


class _Read(NamedTuple):
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


def _read(question: Request, subject: Person, snapshot: Snapshot, found: Wiring) -> _Read:
    """Read the customer's choices, choose the house, and read what both permit; nothing personal if it fails.

    Which policy it is comes before the rest: its limits say how much is read. Only who agreed to be measured
    is in an experiment. What the customer does not want to see holds all the same, as far as it could be
    read.
    """
    choices = Choices(ledger=None)
    try:
        with reading(found.engine) as conn:
            versions = active(conn)
            snapshot = snapshot.under(found.runtime.policies(conn, versions))
            choices, customer_no = _choices(conn, subject, question.now_ms)
            consent = _consent(conn, versions, snapshot, found)
            if subject.key is not None:
                choices = without_interest_in_the_erased(conn, found.subjects, subject.key, choices, consent)
            admission = _admit(question, choices, snapshot, consent)
            is_measured = subject.key is not None and may_be_measured(
                choices, consent, question.now_ms, question.channel, gpc=question.gpc
            )
            house = snapshot.house_for(subject.key if is_measured else None)
            known = read_known(
                conn,
                admission,
                question,
                customer_no,
                subject.session_key,
                house.catalogue,
                house.limits,
            )
    except (StoreUnavailableError, StoreRefusedError, ValueError, KeyError) as error:  # gone, or garbled
        warn("consent:read:failed", error)
        nothing = _admit(question, replace(choices, ledger=None), snapshot, snapshot.house.consent)
        return _Read(snapshot.house_for(None), nothing, Known.nothing(), None, is_measured=False)
    found.runtime.notice(versions)
    if versions.get("catalogue") != snapshot.versions.get("catalogue"):
        admission = replace(admission, degraded=(*admission.degraded, "catalogue_behind"))
    return _Read(house, admission, known, customer_no, is_measured)


def _choices(conn: Connection, subject: Person, now_ms: int) -> tuple[Choices, int | None]:
    if subject.key is None:
        return Choices(ledger=None), None
    choices, customer_no = read_choices(conn, subject.key, subject.beside)
    if subject.device_key is not None and is_shared(conn, subject.device_key, now_ms):
        choices = replace(choices, shared_device=True)
    return choices, customer_no


def _consent(
    conn: Connection, versions: Mapping[str, str], snapshot: Snapshot, found: Wiring
) -> ConsentSettings:
    """Return how consent is checked now: which notices are outdated does not wait for the next house."""
    if versions.get(NOTICES) == snapshot.versions.get(NOTICES):
        return snapshot.house.consent
    return consent_in_force(conn, found.settings.consent)


def _admit(question: Request, choices: Choices, snapshot: Snapshot, consent: ConsentSettings) -> Admission:
    admission = admit(question, choices, snapshot.house.catalogue.sensitive_classes, consent)
    return replace(admission, degraded=(*admission.degraded, *snapshot.policies.degraded))


def _exposure(
    decision: Decision,
    question: Request,
    subject: Person,
    customer_no: int | None,
    catalogue: Catalogue,
) -> ExposureRow | None:
    """Remember what was shown, under no more than the customer permits to be remembered."""
    admission = decision.admission
    shown_to = customer_no if admission.may_read_messages else None
    visit = subject.session_key if admission.may_read_session else None
    if not decision.suggestions or (shown_to is None and visit is None):
        return None
    return ExposureRow(
        customer_no=shown_to,
        session_key=visit,
        at_ms=question.now_ms,
        placement=question.placement.name,
        interruptive=question.placement.interruptive,
        outbound=outreach_key(question.channel) is not None,
        suggestions=tuple(
            (int(catalogue.item_no[each.item_idx]), each.intent) for each in decision.suggestions
        ),
    )


def _measured(decision: Decision, question: Request, house: House) -> MeasuredDecision:
    """Say what is measured of what was shown to somebody who agreed to that."""
    return MeasuredDecision(
        at_ms=question.now_ms,
        channel=question.channel,
        arm="" if house.arm is None else house.arm.value,
        suggestions=tuple(
            (int(house.catalogue.item_no[each.item_idx]), each.intent) for each in decision.suggestions
        ),
    )


def _suppression(key: bytes | None, found: Wiring) -> bytes | None:
    return None if key is None else found.subjects.suppression(key)
