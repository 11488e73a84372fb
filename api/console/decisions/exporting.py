"""Handing decisions out: a bundle that anybody can check offline, streamed while it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response
from marshmallow import fields, validate

from api.auth import staff
from api.console.decisions.proving import as_file
from api.console.decisions.search import FiltersSchema, asked_for, written
from api.console.decisions.sections import Sections
from api.console.showing import show
from api.errors import NotInLogError
from api.languages import say
from api.log_exporting import Disclosed, Wanted, disclose, stream_bundle
from api.looking import TERMS, auditor_of
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.pages.sessions import actor
from api.schemas.base import Id
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.decisions import search_decisions
from api.wiring import wiring
from guardrails.log.record import SECTIONS
from guardrails.messages import Phrase

EXPORT = "/console/decisions/export"

MOST_NAMED = 1000
"""So many decisions of a search are opened at most; of a stretch of time all are."""

SECTION_NAMES: Mapping[str, str] = {
    "req": Phrase("what was asked"),
    "consent": Phrase("what was known and allowed"),
    "cand": Phrase("what was considered"),
    "rules": Phrase("what every rule said"),
    "out": Phrase("what was shown and withheld"),
}

_NARROWING = ("placement", "basis", "outcome", "rule", "reason", "shown", "policy", "model")
_AUDITORS = staff(Role.AUDITOR)

blueprint = Pages("console_exports", __name__)


class _ExportSchema(FiltersSchema):
    sections = Sections(load_default=list)
    customer_id = Id()
    witnessed = fields.String(validate=validate.OneOf(["yes"]))


@blueprint.page("GET", EXPORT, _AUDITORS, query=FiltersSchema())
def export_page(query: dict[str, Any]) -> Response:
    """Ask what is to be handed out."""
    return _asked(Form(written(query)), written(query))


@blueprint.page("POST", EXPORT, _AUDITORS, form=_ExportSchema())
def export_form(form: Form) -> Response:
    """Hand a bundle out; that sealed parts are opened for it is logged before the first byte."""
    filters = {name: form.sent[name] for name in _NARROWING if form.sent.get(name)}
    if form.ok and not form.data["sections"] and (filters or "customer_id" in form.data):
        form = form.but(
            "sections", say("say which parts are to be opened of the decisions you have narrowed it to")
        )
    if not form.ok:
        return _asked(form, filters, 422)
    try:
        return _streamed(form.data)
    except NotInLogError as error:
        return _asked(form.but("", say(str(error))), filters, 422)


def _streamed(data: Mapping[str, Any]) -> Response:
    found = wiring()
    wanted = _wanted(data)
    disclosed = disclose(auditor_of(found, actor().key_id), wanted) if wanted.sections else None
    (first, end), pieces = stream_bundle(found.logbook, found.settings, wanted, disclosed)
    answer = as_file(b"", f"log-{first}-{end}{_on_record(disclosed)}.zip", "application/zip")
    answer.response = pieces
    del answer.headers["Content-Length"]
    return answer


def _on_record(disclosed: Disclosed | None) -> str:
    return "" if disclosed is None else f"-opened-in-entry-{disclosed.logged_at}"


def _wanted(data: Mapping[str, Any]) -> Wanted:
    """Return what is to be handed out.

    Raises:
        NotInLogError: nothing is found.
    """
    asked, found = asked_for(data), wiring()
    customer_id = asked.pop("customer_id", None)
    minutes = {name: asked.pop(name, None) for name in ("minute_from", "minute_to")}
    narrowed = {name: asked[name] for name in _NARROWING if name in asked}
    subject_key = None if customer_id is None else found.subjects.account(customer_id)
    named: tuple[str, ...] = ()
    if narrowed:
        terms = [TERMS[name] + narrowed.pop(name) for name in TERMS if name in narrowed]
        with reading(found.engine) as conn:
            page = search_decisions(
                conn, limit=MOST_NAMED, subject_key=subject_key, terms=terms, **narrowed, **minutes
            )
        if not page:
            raise NotInLogError("the log has no such decision")
        named = tuple(each.decision_id for each in page)
    return Wanted(
        sections=data["sections"],
        decision_ids=named,
        subject_key=subject_key,
        witnessed="witnessed" in data,
        **minutes,
    )


def _asked(form: Form, filters: Mapping[str, str], status: int = 200) -> Response:
    chosen = form.sent.get("sections", ())
    return show(
        "console/decisions/export.html",
        status=status,
        form=form,
        filters={name: text for name, text in filters.items() if name in _NARROWING},
        sections=[(name, say(SECTION_NAMES[name])) for name in SECTIONS],
        chosen=[chosen] if isinstance(chosen, str) else list(chosen),
        most_named=MOST_NAMED,
    )
