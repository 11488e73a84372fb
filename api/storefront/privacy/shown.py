"""The last suggestions, each with what it is the sum of, and what can be said of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response
from marshmallow import fields, validate
from werkzeug.exceptions import NotFound

from api.auth import CUSTOMERS, require_own
from api.feedback import take_feedback
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.rights.asking import contest
from api.rights.records import Shown, Term
from api.schemas.base import Id, RequestSchema
from api.storage.connection import reading, writing
from api.storage.decisions import decision_subject, search_decisions
from api.storage.feedback import FeedbackKind
from api.storefront.privacy.comparing import Record, record_of, titles_of
from api.storefront.privacy.customer import Customer, this_customer
from api.storefront.privacy.words import DID
from api.storefront.showing import LanguageQuerySchema, see_other, show, storefront_language
from engine.catalogue import Catalogue
from engine.vocabulary import Kind, Origin, from_word, word
from guardrails.messages import Phrase
from guardrails.rules.base import MICRO

HERE = "/privacy/shown"

N_DECISIONS = 4
"""How many of the last answers are shown; the download has all of them."""

FEEDBACK = (FeedbackKind.NOT_INTERESTED.value, FeedbackKind.TOO_PERSONAL.value)

_ORIGINS = {
    word(Origin.CONTEXT): Phrase("on the page you were on"),
    word(Origin.SESSION): Phrase("in that visit"),
    word(Origin.HISTORY): Phrase("earlier"),
}

blueprint = Pages("privacy_shown", __name__)


class _FeedbackSchema(RequestSchema):
    decision = Id(required=True)
    item = Id(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(FEEDBACK))


class _ContestSchema(RequestSchema):
    decision = Id(required=True)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the sum that a suggestion was ranked by.

    Attributes:
        text: what it comes from.
        share_micro: its share, in millionths.
    """

    text: str
    share_micro: int


@blueprint.page("GET", HERE, CUSTOMERS, query=LanguageQuerySchema())
def shown(query: dict[str, str]) -> Response:
    """Show the last answers, newest first."""
    del query  # the frame has read the language
    storefront_language()
    customer = this_customer()
    found = customer.found
    with reading(found.engine) as conn:
        last = search_decisions(conn, limit=N_DECISIONS, subject_key=customer.key)
    told = [record_of(found, each.decision_id) for each in last]
    catalogue = found.runtime.current().house.catalogue
    return show(
        "storefront/privacy/shown.html",
        decisions=[_decision(each, catalogue, titles_of(found)) for each in told if each is not None],
    )


@blueprint.page("POST", "/privacy/shown/feedback", CUSTOMERS, form=_FeedbackSchema())
def say_of_suggestion(form: Form) -> Response:
    """Take down what the customer says of a suggestion; the thing is not shown for a while."""
    storefront_language()
    if not form.ok:
        return see_other(HERE)
    customer, said = this_customer(), form.data
    told = [{"item_id": said["item"], "kind": said["kind"]}]
    take_feedback(customer.found, said["decision"], told, require_own, gpc=customer.gpc)
    return see_other(HERE, say("Thank you. It will not be suggested to you for a while."))


@blueprint.page("POST", "/privacy/shown/contest", CUSTOMERS, form=_ContestSchema())
def contest_suggestions(form: Form) -> Response:
    """Have a person look at what was decided (GDPR 22(3))."""
    storefront_language()
    if not form.ok:
        return see_other(HERE)
    _contest(this_customer(), form.data["decision"])
    return see_other("/privacy/data", say("A person will look at it. Below you see by when."))


def _contest(customer: Customer, decision_id: str) -> None:
    with writing(customer.found.engine) as conn:
        subject_key = decision_subject(conn, decision_id)
        require_own(subject_key)
        if subject_key is None:
            raise NotFound
        contest(conn, customer.found, subject_key, decision_id)


def _decision(record: Record, catalogue: Catalogue, title: Callable[[str], str]) -> dict[str, object]:
    sentences: dict[str, int] = {}
    for each in record.withheld:
        sentence = say(each.sentence)
        sentences[sentence] = sentences.get(sentence, 0) + 1
    return {
        "record": record,
        "suggestions": [(each, title(each.item_id), _parts(each, catalogue)) for each in record.shown],
        "withheld": sorted(sentences.items(), key=lambda each: -each[1]),
    }


def _parts(of: Shown, catalogue: Catalogue) -> list[Part]:
    """Return the parts of a sum, largest first, and what is left; together they are all of it."""
    largest = sorted(of.terms, key=lambda term: -term.contribution)
    total = max(of.score, sum(term.contribution for term in largest), 1)
    parts = [Part(_said(term, catalogue), term.contribution * MICRO // total) for term in largest]
    rest = MICRO - sum(part.share_micro for part in parts)
    if rest > 0:
        parts.append(Part(say("What sells well in the shop: nothing about you"), rest))
    return parts


def _said(term: Term, catalogue: Catalogue) -> str:
    """Say where a part comes from; a sensitive thing is not named, as somebody may look on."""
    idx = catalogue.idx_of_id.get(term.item_id)
    nameable = idx is not None and int(catalogue.tier[idx]) == 0
    name = catalogue.titles[idx] if idx is not None and nameable else say("something not named here")
    did = say(DID[from_word(Kind, term.kind)])
    if term.origin == word(Origin.CONTEXT):
        return f"{name}: {say(_ORIGINS[term.origin])}"
    return f"{name}: {did}, {say(_ORIGINS[term.origin])}"
