"""``POST /v1/recommendations``: parse, read, decide, record, answer; in this order, in this file.

Everything is read in one transaction, begun after the request arrived, so whatever was withdrawn
before that is withdrawn here. Nothing is sent that is not on the disk already: in the log, or, where that
cannot be written, in the spool, and then it is an answer that uses nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import Response, request

from api.auth import only
from api.batch.asking import count_in, local_minute, placement_named
from api.batch.inputs import Asked, admitted, read_inputs
from api.batch.making import made_for, made_for_nobody
from api.consents.people import Person
from api.consents.signals import ADPC, take_adpc
from api.errors import Finding, InvalidRequestError, StoreRefusedError, StoreUnavailableError
from api.languages import choose_language
from api.logbook import MINUTE_MS
from api.logging import warn
from api.paging import continuation
from api.pointers import pointer_to
from api.routes.resource import Resource
from api.runtime import Snapshot
from api.schemas.recommendation import (
    MODES,
    RecommendationAnswerSchema,
    RecommendationRequestSchema,
)
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.items import read_item
from api.wiring import Wiring, wiring
from engine.catalogue import NO_CODE, Catalogue
from engine.vocabulary import Channel, from_word
from guardrails.consent.signals.gpc import gpc_from_header
from guardrails.decide import decide
from guardrails.messages import Phrase
from guardrails.request import (
    Choices,
    Context,
    Entry,
    Known,
    Pattern,
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

    With `after` a list goes on: the next ranks, without what its pages have shown. Each page is a decision of
    its own, made by what is permitted, in stock and in force at that moment, and names the one before it.
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
        if "after" in asked:  # where the pages before cannot be read, a further one would repeat them
            raise
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
    one = Asked(question, subject)
    with found.metrics.stage("read"):
        (inputs,) = read_inputs([one], snapshot, found)
    with found.metrics.stage("decide"):
        decision = decide(question, inputs.admission, inputs.known, inputs.house)
    with found.metrics.stage("record"):
        answer, written = made_for(decision, one, inputs, found)
        log_index = found.recorder.submit(written)
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
    admission = admitted(question, Choices(ledger=None), snapshot, house.consent)
    admission = replace(admission, degraded=(*admission.degraded, LOG_UNAVAILABLE))
    decision = decide(question, admission, Known.nothing(), house)
    answer, written = made_for_nobody(decision, question, Known.nothing(), house, found)
    try:
        found.spool.keep(written)
    except StoreUnavailableError:
        found.metrics.unrecorded.inc()
        raise
    found.metrics.spooled.inc()
    found.metrics.count_decision(decision)
    return answer


def _question(asked: dict[str, Any], subject: Person, snapshot: Snapshot, found: Wiring) -> Request:
    """Turn the body into a request.

    Raises:
        InvalidRequestError: the placement, an item or a category is unknown, the placement holds fewer, or
            there is no such list to go on with.
        StoreUnavailableError: it cannot be read which list that is.
    """
    language = choose_language(asked.get("language"))
    placement = placement_named(asked["placement"], snapshot)
    now_ms = found.clock()
    catalogue = snapshot.house.catalogue
    context = _context(asked["context"], catalogue, found)
    return Request(
        subject_kind=subject.kind,
        placement=placement,
        channel=from_word(Channel, asked["channel"]),
        count=count_in(asked["count"], placement),
        now_ms=now_ms,
        seed=found.new_seed(),
        context=context,
        non_profiled=asked["mode"] == MODES[1],
        gpc=gpc_from_header(request.headers.get("Sec-GPC")),
        shared_device=asked["shared_device"],
        recognised_only=asked["recognised_only"],
        language=language,
        visit=_visit(asked["visit"]),
        presentation=_presentation(asked["presentation"]),
        local_minute=local_minute(asked.get("local_time"), now_ms, found.settings.time_zone),
        within=_within(asked.get("categories", ()), catalogue) or _searched(context, catalogue),
        continues=continuation(asked["after"], subject, placement, found) if "after" in asked else None,
    )


def question_for_many(asked: dict[str, Any], found: Wiring) -> Request:
    """Turn the body of a batch into the request that is made for each of its customers.

    Raises:
        InvalidRequestError: the placement or an item is unknown, or the placement holds fewer.
        StoreUnavailableError: there is nothing to answer from.
    """
    alone = {"shared_device": False, "recognised_only": False, "visit": {}}
    return _question({**asked, **alone}, Person.of(found.subjects), found.runtime.current(), found)


def _question_of_nobody(asked: dict[str, Any], snapshot: Snapshot, found: Wiring) -> Request:
    """Turn the body into the request of somebody of whom nothing is known, to the minute.

    Who looks is not known either, so it may be anybody.

    Raises:
        InvalidRequestError: the placement or a category is unknown, or the placement holds fewer.
    """
    placement = placement_named(asked["placement"], snapshot)
    now_ms = found.clock() // MINUTE_MS * MINUTE_MS
    return Request(
        subject_kind=SubjectKind.NONE,
        placement=placement,
        channel=from_word(Channel, asked["channel"]),
        count=count_in(asked["count"], placement),
        now_ms=now_ms,
        seed=found.new_seed(),
        non_profiled=True,
        shared_device=True,
        language=choose_language(asked.get("language")),
        presentation=_presentation(asked["presentation"]),
        local_minute=local_minute(None, now_ms, found.settings.time_zone),
        within=_within(asked["categories"], snapshot.house.catalogue),
    )


def _within(paths: Sequence[str], catalogue: Catalogue) -> tuple[str, ...]:
    """Return the categories to keep to, each once, in order.

    Raises:
        InvalidRequestError: the shop has nothing of one of them, nor of any below it.
    """
    unknown = {at: path for at, path in enumerate(paths) if not catalogue.within([path]).any()}
    if unknown:
        raise InvalidRequestError(
            Finding(Phrase("unknown category `{name}`", name=path), pointer=pointer_to("categories", at))
            for at, path in unknown.items()
        )
    return tuple(sorted(set(paths)))


def _searched(context: Context, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the categories that a search is about; it is answered from there, whoever asks."""
    if context.item_idx is not None:
        return ()
    return tuple(sorted(catalogue.categories[code] for code in context.categories))


def _visit(asked: dict[str, Any]) -> Visit:
    entry = asked.get("entry")
    return Visit(asked.get("pages"), asked.get("basket_after_s"), None if entry is None else Entry(entry))


def _presentation(asked: dict[str, Any]) -> Presentation:
    return Presentation(
        patterns=frozenset(map(Pattern, asked.get("patterns", ()))),
        personalised_price=asked.get("personalised_price", False),
        price_disclosed=asked.get("price_disclosed", False),
    )


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
