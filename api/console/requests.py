"""What customers have asked for, each with the clock that the law starts; whose they are is not told."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response
from marshmallow import fields, validate
from werkzeug.exceptions import NotFound

from api.auth import staff
from api.console.showing import see_other, show
from api.console.words import told
from api.errors import InvalidRequestError
from api.forgetting.receipt import proof_of, receipt
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.pages.sessions import signed_in
from api.rights.answering import close, put_off
from api.schemas.base import RequestSchema, Text, one_of_values
from api.schemas.rights import MAX_REASON
from api.storage.api_keys import Role
from api.storage.cascades import StepStatus, cascade_of_request
from api.storage.connection import reading, writing
from api.storage.requests import (
    CLOCK,
    RequestKind,
    RequestRow,
    RequestState,
    count_requests,
    find_requests,
    get_request,
)
from api.wiring import wiring
from engine.interactions import DAY_MS
from guardrails.messages import Phrase

REQUESTS = "/console/requests"

PAGE = 50
_SOON_DAYS = 7

KINDS: Mapping[str, str] = {
    RequestKind.ACCESS: Phrase("See what is kept"),
    RequestKind.PORTABILITY: Phrase("Take the data along"),
    RequestKind.RECTIFICATION: Phrase("Set something right"),
    RequestKind.ERASURE: Phrase("Be erased"),
    RequestKind.RESTRICTION: Phrase("Have it kept and not used"),
    RequestKind.OBJECTION: Phrase("Object to a use"),
    RequestKind.CONTEST: Phrase("Contest a decision"),
}
"""What customers ask for."""

LAWS: Mapping[str, str] = {
    RequestKind.ACCESS: "GDPR 15",
    RequestKind.PORTABILITY: "GDPR 20",
    RequestKind.RECTIFICATION: "GDPR 16",
    RequestKind.ERASURE: "GDPR 17",
    RequestKind.RESTRICTION: "GDPR 18",
    RequestKind.OBJECTION: "GDPR 21",
    RequestKind.CONTEST: "GDPR 22(3)",
}

ADVICE: Mapping[str, str] = {
    RequestKind.ACCESS: Phrase(
        "The customer can download everything in the privacy centre. Where they asked by mail, send them the "
        "export, then close this."
    ),
    RequestKind.PORTABILITY: Phrase(
        "The customer can download it in the privacy centre. Where they asked by mail, send them the export, "
        "then close this."
    ),
    RequestKind.RECTIFICATION: Phrase("What was set right counts from the next suggestion on."),
    RequestKind.ERASURE: Phrase(
        "Erasing goes through every place below by itself. What the shop's other systems and its recipients "
        "hold has to be erased there."
    ),
    RequestKind.RESTRICTION: Phrase("It holds from the next suggestion on, without anybody doing anything."),
    RequestKind.OBJECTION: Phrase("It holds from the next suggestion on, without anybody doing anything."),
    RequestKind.CONTEST: Phrase(
        "A person has to look at the decision, hear what the customer says of it, and answer. Open it below."
    ),
}
"""What is to be done."""

STATES: Mapping[str, str] = {
    RequestState.OPEN: Phrase("open"),
    RequestState.DONE: Phrase("done"),
    RequestState.REFUSED: Phrase("turned down"),
}

STEPS: Mapping[str, str] = {
    "serving": Phrase("Serving stopped"),
    "keys": Phrase("Keys of the records destroyed"),
    "model": Phrase("Forgotten by the model"),
    "visits": Phrase("Visits"),
    "feedback": Phrase("What was said of suggestions"),
    "exposures": Phrase("What was shown"),
    "decisions": Phrase("Records of decisions"),
    "disclosures": Phrase("Details of looks"),
    "history": Phrase("What was looked at and bought"),
    "preferences": Phrase("Preferences"),
    "corrections": Phrase("Corrections"),
    "requests": Phrase("Earlier requests"),
    "consents": Phrase("Consents"),
    "files": Phrase("Files"),
    "customer": Phrase("The customer's own row"),
    "database": Phrase("Traces in the database"),
}
"""The places an erasure goes through."""

STATUSES: Mapping[str, str] = {
    StepStatus.PENDING: Phrase("waits"),
    StepStatus.COMPLETE: Phrase("done"),
    StepStatus.ERROR: Phrase("failed, is tried again"),
    StepStatus.SKIPPED: Phrase("nothing to do"),
    StepStatus.HELD: Phrase("held for a legal claim"),
}

_AUDITORS, _ADMINS = staff(Role.AUDITOR), staff()

blueprint = Pages("console_requests", __name__)


class _SearchSchema(RequestSchema):
    kind = one_of_values(RequestKind)
    state = fields.String(validate=validate.OneOf(["overdue", "all", *(each.value for each in RequestState)]))
    after = fields.String(
        validate=validate.Regexp(r"\d{1,15}\.[A-Za-z0-9-]{1,64}\Z", error="is not the `next` of a page")
    )


class _AnswerSchema(RequestSchema):
    state = fields.String(
        required=True, validate=validate.OneOf([RequestState.DONE.value, RequestState.REFUSED.value])
    )
    outcome = Text(least=1, most=MAX_REASON, required=True)


class _ExtensionSchema(RequestSchema):
    days = fields.Integer(required=True, validate=validate.Range(1, CLOCK.extension_days))
    because = Text(least=1, most=MAX_REASON, required=True)


@blueprint.page("GET", REQUESTS, _AUDITORS, query=_SearchSchema())
def requests_page(query: dict[str, str]) -> Response:
    """Show requests, those that are due first first."""
    found = wiring()
    now_ms, state = found.clock(), query.get("state", RequestState.OPEN.value)
    with reading(found.engine) as conn:
        page = find_requests(
            conn,
            limit=PAGE + 1,
            after=_place(query.get("after")),
            state=RequestState(state) if state in set(RequestState) else None,
            overdue_at_ms=now_ms if state == "overdue" else None,
            kind=RequestKind(query["kind"]) if "kind" in query else None,
        )
        n_open, n_overdue = count_requests(conn, now_ms)
    shown = page[:PAGE]
    last = shown[-1] if len(page) > PAGE else None
    return show(
        "console/requests/list.html",
        rows=[(row, _clock(row, now_ms)) for row in shown],
        next=None if last is None else f"{last.due_at_ms}.{last.request_id}",
        n_open=n_open,
        answer_days=CLOCK.answer_days,
        n_overdue=n_overdue,
        form=Form({**query, "state": state}),
        kinds=[("", say("all kinds")), *((key, say(name)) for key, name in KINDS.items())],
        states=[
            *((key, say(name)) for key, name in STATES.items()),
            ("overdue", say("overdue")),
            ("all", say("all")),
        ],
        **_words(),
    )


@blueprint.page("GET", "/console/requests/<name:request_id>", _AUDITORS)
def request_page(request_id: str) -> Response:
    """Show one request, and what was done for it."""
    return _shown(request_id)


@blueprint.page("POST", "/console/requests/<name:request_id>/answer", _ADMINS, form=_AnswerSchema())
def answer_form(form: Form, request_id: str) -> Response:
    """Close a request with what was done, or why not."""
    if not form.ok:
        return _shown(request_id, answer=form)
    found = wiring()
    try:
        with writing(found.engine) as conn:
            close(conn, request_id, RequestState(form.data["state"]), form.data["outcome"], found.clock())
    except InvalidRequestError as error:
        return _shown(request_id, answer=form.but("", say(error.findings[0].detail)))
    return see_other(f"{REQUESTS}/{request_id}", say("The request is closed."))


@blueprint.page("POST", "/console/requests/<name:request_id>/extension", _ADMINS, form=_ExtensionSchema())
def extension_form(form: Form, request_id: str) -> Response:
    """Put a request off, once."""
    if not form.ok:
        return _shown(request_id, extension=form)
    found = wiring()
    try:
        with writing(found.engine) as conn:
            put_off(conn, request_id, form.data["days"], form.data["because"], found.clock())
    except InvalidRequestError as error:
        return _shown(request_id, extension=form.but("", say(error.findings[0].detail)))
    return see_other(f"{REQUESTS}/{request_id}", say("The request was put off."))


def _shown(request_id: str, answer: Form | None = None, extension: Form | None = None) -> Response:
    found = wiring()
    now_ms, account = found.clock(), signed_in()
    with reading(found.engine) as conn:
        row = get_request(conn, request_id)
        cascade = None if row is None else cascade_of_request(conn, request_id)
    if row is None:
        raise NotFound
    wrong = answer is not None or extension is not None
    return show(
        "console/requests/one.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
        row=row,
        clock=_clock(row, now_ms),
        cascade=None if cascade is None else receipt(cascade, proof_of(cascade, found.logbook)),
        may_answer=account is not None and _ADMINS.permits(account.role),
        can_put_off=row.extended_because is None and not row.overdue(now_ms),
        answer=answer or Form(),
        extension=extension or Form(),
        most_days=CLOCK.extension_days,
        advice=ADVICE,
        steps=STEPS,
        statuses=STATUSES,
        **_words(),
    )


def _words() -> dict[str, Any]:
    return {"told": told, "kind_names": KINDS, "state_names": STATES, "laws": LAWS}


def _clock(row: RequestRow, now_ms: int) -> dict[str, Any]:
    """Return how many days are left, or by how many it is late, in whole days that have begun."""
    is_late = row.overdue(now_ms)
    apart_ms = now_ms - row.due_at_ms if is_late else row.due_at_ms - now_ms
    n_days = max(0, -(-apart_ms // DAY_MS))
    return {"is_late": is_late, "n_days": n_days, "is_soon": not is_late and n_days <= _SOON_DAYS}


def _place(after: str | None) -> tuple[int, str] | None:
    if after is None:
        return None
    due_at_ms, _, request_id = after.partition(".")
    return int(due_at_ms), request_id
