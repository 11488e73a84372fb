"""The first page: is anything personal going on, and what each use of data is about; yes and no alike."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from flask import Response, request
from marshmallow import fields, validate
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from api.auth import CUSTOMERS
from api.consents.erased import refuse_erased
from api.consents.receipts import receipt_of
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.schemas.base import RequestSchema
from api.storage.connection import reading, writing
from api.storage.consents import read_events
from api.storage.customers import customer_numbers, set_preferences
from api.storage.notices import get_notice
from api.storage.rights import read_signals
from api.storefront.privacy.choosing import choose, read_standing, standing_of, store
from api.storefront.privacy.comparing import compared
from api.storefront.privacy.customer import Customer, this_customer
from api.storefront.privacy.words import GROUPS, SAID, SENSITIVE, TITLES
from api.storefront.showing import LanguageQuerySchema, see_other, show, storefront_language
from guardrails.consent.events import WHOLE_SUBJECT, ConsentEvent, Status
from guardrails.consent.notices import Notice
from guardrails.consent.purposes import KEY_OF, Purpose

HOME = "/privacy"
ANSWERS = ("yes", "no")

_PROFILED = KEY_OF[Purpose.PROFILED_CONTENT]
_SHOWS = frozenset(
    KEY_OF[each]
    for each in (
        Purpose.LIMITED_CONTENT,
        Purpose.PROFILING,
        Purpose.PROFILED_CONTENT,
        Purpose.TARGETED_OFFERS,
    )
)
"""Purposes whose answers show in suggestions at once."""

blueprint = Pages("privacy_overview", __name__)


class _AnswerSchema(RequestSchema):
    purpose = fields.String(required=True, validate=validate.OneOf(tuple(TITLES)))
    answer = fields.String(required=True, validate=validate.OneOf(ANSWERS))


class _PersonalizeSchema(RequestSchema):
    personalize = fields.String(required=True, validate=validate.OneOf(ANSWERS))


@blueprint.page("GET", HOME, CUSTOMERS, query=LanguageQuerySchema())
def overview(query: dict[str, str]) -> Response:
    """Show what stands and let it be changed."""
    del query  # the frame has read the language
    storefront_language()
    customer = this_customer()
    stands = read_standing(customer)
    with reading(customer.found.engine) as conn:
        signals = read_signals(conn, customer.key)
    profiled = standing_of(_PROFILED, stands, customer)
    return show(
        "storefront/privacy/overview.html",
        stands=stands,
        profiled=profiled,
        personalizes=profiled.permitted,
        answer="no" if not stands.personalizes else profiled.answer,
        gpc=customer.gpc,
        signals=signals,
        shows=_SHOWS,
        groups=[(say(title), [standing_of(key, stands, customer) for key in keys]) for title, keys in GROUPS],
        sensitive=[standing_of(key, stands, customer) for key in SENSITIVE],
    )


@blueprint.page("POST", "/privacy/personalize", CUSTOMERS, form=_PersonalizeSchema())
def personalize(form: Form) -> Response:
    """Stop or start personalizing: one click either way, and what it changes is shown."""
    storefront_language()
    if not form.ok:
        return see_other(HOME)
    customer, answer = this_customer(), form.data["personalize"]

    def change() -> None:
        choose(customer, {_PROFILED: answer})
        _set_mode(customer, non_profiled=answer == "no")

    said = (
        say("Personalizing is on. You can stop it at any time.")
        if answer == "yes"
        else say("Stopped. From now on, suggestions use nothing about you.")
    )
    return compared(customer, change, said, HOME)


@blueprint.page("POST", "/privacy/choices", CUSTOMERS, form=_AnswerSchema())
def answer_purpose(form: Form) -> Response:
    """Take a yes or a no for one purpose; where suggestions rest on it, they are shown before and after."""
    storefront_language()
    if not form.ok:
        return see_other(HOME)
    customer, key, answer = this_customer(), form.data["purpose"], form.data["answer"]
    said = say("Your yes is kept.") if answer == "yes" else say("Your no is kept, and holds from now on.")
    if key in _SHOWS:
        return compared(customer, lambda: choose(customer, {key: answer}), said, HOME)
    choose(customer, {key: answer})
    if "HX-Request" in request.headers:
        each = standing_of(key, read_standing(customer), customer)
        return show("storefront/privacy/purpose.html", each=each, gpc=customer.gpc, said=said)
    return see_other(f"{HOME}#{key}", said)


@blueprint.page("POST", "/privacy/restriction", CUSTOMERS)
def lift_restriction() -> Response:
    """Let data be used again as was chosen before."""
    storefront_language()
    event = {"purpose": WHOLE_SUBJECT, "status": Status.RESTRICTION_LIFTED.value, "method": "toggle"}
    store(this_customer(), {"events": [event]})
    return see_other(HOME, say("The restriction is lifted. Your choices hold as they did before."))


@blueprint.page("GET", "/privacy/history", CUSTOMERS, query=LanguageQuerySchema())
def history(query: dict[str, str]) -> Response:
    """Show every choice that was made, newest first, each with its receipt."""
    del query  # the frame has read the language
    storefront_language()
    customer = this_customer()
    with reading(customer.found.engine) as conn:
        events = read_events(conn, customer.key)
    return show("storefront/privacy/history.html", events=[_told(each) for each in reversed(events)])


@blueprint.page("GET", "/privacy/history/<name:record_id>", CUSTOMERS)
def consent_receipt(record_id: str) -> Response:
    """Hand out the receipt of one choice, as a file to keep."""
    customer = this_customer()
    found = customer.found
    with reading(found.engine) as conn:
        event = next((each for each in read_events(conn, customer.key) if each.record_id == record_id), None)
        if event is None:
            raise NotFound
        notice = _notice_of(conn, event)
    document = receipt_of(
        [event],
        lambda _: notice,
        principal=customer.key.hex(),
        controller=found.settings.controller,
        policy_url=found.settings.parameters_url,
        at_ms=event.at_ms,
    )
    return Response(
        orjson.dumps(document, option=orjson.OPT_INDENT_2),
        status=HTTPStatus.OK,
        content_type="application/json",
        headers={
            "Content-Disposition": 'attachment; filename="receipt.json"',
            "Cache-Control": "no-store",
        },
    )


def _set_mode(customer: Customer, *, non_profiled: bool) -> None:
    found = customer.found
    with writing(found.engine) as conn:
        refuse_erased(conn, found.subjects, customer.key)
        numbers = customer_numbers(conn, [customer.customer_id], found.subjects, customer.now_ms)
        set_preferences(conn, numbers[customer.customer_id], non_profiled=non_profiled)


def _notice_of(conn: Connection, event: ConsentEvent) -> Notice | None:
    if event.notice_id is None or event.notice_version is None:
        return None
    return get_notice(conn, event.notice_id, event.notice_version, event.language)


def _told(event: ConsentEvent) -> dict[str, object]:
    whole = event.purpose == WHOLE_SUBJECT
    return {
        "record_id": event.record_id,
        "at_ms": event.at_ms,
        "purpose": say("All of your data") if whole else say(TITLES[event.purpose]),
        "said": say(SAID[event.status]),
        "notice": None if event.notice_id is None else f"{event.notice_id} {event.notice_version}",
        "by_shop": event.actor not in {"data_subject", "signal:adpc"},
    }
