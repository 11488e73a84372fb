"""From what was asked to an answer that is on the disk: question, inputs, decision, record.

``POST /v1/recommendations`` and the pages ask here, so that what pages show was made like anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import request

from api.batch.asking import count_in, local_minute, placement_named
from api.batch.inputs import Asked, admitted, read_inputs
from api.batch.making import made_for, made_for_nobody
from api.consents.people import Person
from api.errors import Finding, InvalidRequestError, StoreUnavailableError
from api.languages import choose_language
from api.logbook import MINUTE_MS
from api.paging import continuation
from api.pointers import pointer_to
from api.runtime import Snapshot
from api.schemas.recommendation import MODES
from api.storage.decisions import StoredDecision
from api.storage.items import read_item
from api.storage.transaction import ReadTransaction
from api.wiring import Wiring
from engine.catalogue import NO_CODE, Catalogue
from engine.vocabulary import Channel, from_word
from guardrails.consent.signals.gpc import gpc_from_header
from guardrails.decide import Decision, decide
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

LOG_UNAVAILABLE = "log_unavailable"
"""What an answer says that could not be recorded in the log yet."""

OVERLOADED = "overloaded"
"""What an answer says that was given to anybody because more was asked than could be worked on."""


def recommended(
    asked: dict[str, Any], subject: Person, found: Wiring, begun: ReadTransaction | None = None
) -> tuple[bytes, int]:
    """Return the answer to somebody, and its position in the log.

    Args:
        asked: what was asked, with its defaults.
        subject: whom the answer is for.
        found: the edge's collaborators.
        begun: the transaction to read in, which has ended before anything is recorded; ``None`` for a new
            one.

    Raises:
        StoreUnavailableError: it could not be made durable, and must not be sent.
        StoreRefusedError: the same, and trying again will not help.
    """
    with begun or ReadTransaction(found.engine) as transaction:
        snapshot = found.runtime.current()
        question = _question(asked, subject, snapshot, transaction, found)
        one = Asked(question, subject)
        with found.metrics.stage("read"):
            (inputs,) = read_inputs([one], snapshot, found, transaction)
    with found.metrics.stage("decide"), found.computing:
        decision = decide(question, inputs.admission, inputs.known, inputs.house)
        answer, written = made_for(decision, one, inputs, found)
    with found.metrics.stage("record"):
        log_index = found.recorder.submit(written)
    found.metrics.count_decision(decision, written.decision_id)
    return answer, log_index


def recommended_to_anybody(asked: dict[str, Any], found: Wiring) -> bytes:
    """Return what is answered where the log cannot be written.

    Raises:
        StoreUnavailableError: not even this can be kept, or there is nothing to answer from.
    """
    decision, answer, written = _made_for_anybody(asked, found, LOG_UNAVAILABLE)
    try:
        found.spool.keep(written)
    except StoreUnavailableError:
        found.metrics.unrecorded.inc()
        raise
    found.metrics.spooled.inc()
    found.metrics.count_decision(decision, written.decision_id)
    return answer


def recommended_in_haste(asked: dict[str, Any], found: Wiring) -> tuple[bytes, int]:
    """Return what is answered where there is too much to do, and its position in the log.

    Nothing is read of anybody, so that it costs little beside its record; and it is the same for all, so
    that nobody is served worse than others.

    Raises:
        StoreUnavailableError: it could not be made durable, and must not be sent.
        StoreRefusedError: the same, and trying again will not help.
    """
    decision, answer, written = _made_for_anybody(asked, found, OVERLOADED)
    log_index = found.recorder.submit(written)
    found.metrics.count_decision(decision, written.decision_id)
    return answer, log_index


def _made_for_anybody(
    asked: dict[str, Any], found: Wiring, because: str
) -> tuple[Decision, bytes, StoredDecision]:
    """Decide and answer as for somebody of whom nothing is known."""
    snapshot = found.runtime.current()
    house = snapshot.house_for(None)
    question = _question_of_nobody(asked, snapshot, found)
    admission = admitted(question, Choices(ledger=None), snapshot, house.consent)
    admission = replace(admission, degraded=(*admission.degraded, because))
    decision = decide(question, admission, Known.nothing(), house)
    answer, written = made_for_nobody(decision, question, Known.nothing(), house, found)
    return decision, answer, written


def _question(
    asked: dict[str, Any], subject: Person, snapshot: Snapshot, begun: ReadTransaction, found: Wiring
) -> Request:
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
    context = _context(asked["context"], catalogue, begun)
    return Request(
        subject_kind=subject.kind,
        placement=placement,
        channel=from_word(Channel, asked["channel"]),
        count=count_in(asked["count"], placement),
        now_ms=now_ms,
        seed=found.new_seed(),
        context=context,
        non_profiled=asked["mode"] == MODES[1],
        gpc=asked["gpc"] or gpc_from_header(request.headers.get("Sec-GPC")),
        shared_device=asked["shared_device"],
        recognised_only=asked["recognised_only"],
        language=language,
        visit=_visit(asked["visit"]),
        presentation=_presentation(asked["presentation"]),
        local_minute=local_minute(asked.get("local_time"), now_ms, found.settings.time_zone),
        within=_within(asked.get("categories", ()), catalogue) or _searched(context, catalogue),
        continues=continuation(asked["after"], subject, placement, begun, found)
        if "after" in asked
        else None,
    )


def question_for_many(asked: dict[str, Any], found: Wiring) -> Request:
    """Turn the body of a batch into the request that is made for each of its customers.

    Raises:
        InvalidRequestError: the placement or an item is unknown, or the placement holds fewer.
        StoreUnavailableError: there is nothing to answer from.
    """
    alone = {"shared_device": False, "recognised_only": False, "gpc": False, "visit": {}}
    nobody = Person.of(found.subjects)
    with ReadTransaction(found.engine) as transaction:
        return _question({**asked, **alone}, nobody, found.runtime.current(), transaction, found)


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


def _context(asked: dict[str, Any], catalogue: Catalogue, begun: ReadTransaction) -> Context:
    """Find the page's items in the catalogue, and the categories it is about."""
    places = {
        pointer_to("context", "basket", at): item_id for at, item_id in enumerate(asked.get("basket", ()))
    }
    if "item_id" in asked:
        places = {pointer_to("context", "item_id"): asked["item_id"], **places}
    _refuse_unknown({where: each for where, each in places.items() if each not in catalogue.idx_of_id}, begun)
    item_idx = catalogue.idx_of_id.get(asked.get("item_id", ""))
    basket = [catalogue.idx_of_id[each] for each in asked.get("basket", ()) if each in catalogue.idx_of_id]
    categories = _categories(item_idx, asked.get("query"), catalogue)
    return Context(item_idx, tuple(basket), categories, occasion=asked.get("occasion"))


def _refuse_unknown(missing: dict[str, str], begun: ReadTransaction) -> None:
    """Refuse items that the shop does not have; one that only the snapshot lacks yet is left out.

    Raises:
        InvalidRequestError: an item is unknown.
    """
    if not missing:
        return
    with begun.reading() as conn:
        unknown = [where for where, item_id in missing.items() if read_item(conn, item_id) is None]
    if unknown:
        raise InvalidRequestError(Finding("unknown item", pointer=where) for where in unknown)


def _categories(item_idx: int | None, query: str | None, catalogue: Catalogue) -> tuple[int, ...]:
    """Return the category of the page's item, or those whose paths hold every word of the search."""
    if item_idx is not None:
        code = int(catalogue.category[item_idx])
        return () if code == NO_CODE else (code,)
    return catalogue.categories_about(query or "")[:MAX_CATEGORIES]
