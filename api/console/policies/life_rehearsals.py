"""Rehearsals of a version: begun, watched, and what they found, down to single decisions."""

from __future__ import annotations

import math
from typing import Any

import orjson
from flask import Response
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from api.auditing import Auditor, Look, named
from api.console.policies.life_case import Case, case_of
from api.console.policies.life_forms import ExamplesSchema
from api.console.policies.life_next import outlook_of
from api.console.policies.life_report import BECAUSE, KINDS, SAID, own_titles, sight_of
from api.console.policies.life_taking import READERS, VERSION, takers
from api.console.showing import see_other, show
from api.console.words import BASES, CHANNELS, INTENTS, SUBJECTS, rule_title, told
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.pages.sessions import actor
from api.rehearsing.job import start_rehearsal
from api.rehearsing.one import rehearse_one
from api.rehearsing.report import held_version
from api.storage.connection import reading
from api.storage.decisions import decision_subject
from api.storage.items import read_item
from api.storage.rehearsals import RehearsalState, StoredRehearsal
from api.wiring import wiring
from guardrails.policy.lifecycle import StepKind
from guardrails.policy.rehearsal import GONE
from guardrails.policy.rehearsal_report import sentences_of

_REHEARSAL = f"{VERSION}/rehearsal"

blueprint = Pages("policy_rehearsals", __name__)


@blueprint.page("POST", _REHEARSAL, takers(StepKind.PROPOSED))
def begin_form(name: str, version: str) -> Response:
    """Begin to rehearse a version; where that is under way already, it goes on."""
    case = case_of(name, version)
    if case.before is None:
        return see_other(case.path)  # which says what stands in the way
    found = wiring()
    start_rehearsal(found.engine, found.settings, version, case.base, case.me.key_id, found.clock)
    return see_other(f"{case.path}/rehearsal")


@blueprint.page("GET", _REHEARSAL, READERS, query=ExamplesSchema())
def rehearsal_page(query: dict[str, str], name: str, version: str) -> Response:
    """Show how far the last rehearsal is, and what it found."""
    case = case_of(name, version)
    report = report_of(case)
    values: dict[str, Any] = {"sight": None}
    if report is not None:
        with reading(wiring().engine) as conn:
            items = _titles(conn, {each["item"] for each in report["examples"]})
        values = {
            "sight": sight_of(report, own_titles(case.before, case.policy), items, query),
            "kind": query.get("kind"),
            "sentences": [each for each in sentences_of(report) if not _is_of_a_limit(each, report)],
        }
    return show(
        "console/policies/life/rehearsal.html",
        case=case,
        outlook=outlook_of(case),
        left_s=_left_s(case.rehearsal),
        told_kinds=KINDS,
        told_because=BECAUSE,
        form=Form(),
        **values,
    )


@blueprint.page("GET", f"{_REHEARSAL}/progress", READERS)
def progress_part(name: str, version: str) -> Response:
    """Show how far it is, as a part of the page; once it has ended, the page is loaded again."""
    case = case_of(name, version)
    if not case.is_rehearsing:
        return see_other(f"{case.path}/rehearsal")
    return show("console/policies/life/progress.html", case=case, left_s=_left_s(case.rehearsal))


@blueprint.page("GET", f"{_REHEARSAL}/decisions/<name:decision_id>", READERS)
def example_page(name: str, version: str, decision_id: str) -> Response:
    """Show one decision of the report as it was made, and as it would have been: only what differs.

    Its record is opened for that, so the look is logged before anything is told.
    """
    case = case_of(name, version)
    report = report_of(case)
    drawn = [each for each in (report or {"examples": ()})["examples"] if each["decision_id"] == decision_id]
    if report is None or not drawn:
        raise NotFound  # of other decisions nothing is told here
    found = wiring()
    with reading(found.engine) as conn:
        base, draft = held_version(conn, report["base"]), held_version(conn, version)
        one = rehearse_one(conn, found.logbook.keyring, decision_id, base, draft)
        titles = _titles(conn, {each.item_id for each in one.changes} if one is not None else set())
        whose = decision_subject(conn, decision_id)
    logged_at = None
    if one is not None:
        looker = Auditor(found.logbook, found.subjects, actor().key_id, found.clock())
        logged_at = looker.disclose(Look.EXAMPLE, 1, named([decision_id], whose), whose)
    own = own_titles(case.before, case.policy)
    said = {each["item"]: each["said"] for each in drawn}
    first = drawn[0]
    return show(
        "console/policies/life/example.html",
        case=case,
        decision_id=decision_id,
        logged_at=logged_at,
        one=one,
        changes=[
            {
                "item": titles.get(each.item_id, each.item_id),
                "kind": each.kind.value,
                "is_gone": each.kind in GONE,
                "rule": rule_title(each.rule_id, own) if each.rule_id else "",
                "intent": told(INTENTS, each.intent),
                "said": [told(SAID, word) for word in said.get(each.item_id, ())],
            }
            for each in (one.changes if one is not None else ())
        ],
        where={
            "placement": first["placement"].replace("_", " "),
            "subject": told(SUBJECTS, first["subject_kind"]),
            "basis": told(BASES, first["basis"]),
            "channel": told(CHANNELS, first["channel"]),
        },
    )


def _left_s(rehearsal: StoredRehearsal | None) -> int | None:
    """Return about how many seconds a rehearsal still takes; ``None`` where nobody can tell yet."""
    if rehearsal is None or rehearsal.state is not RehearsalState.RUNNING or not rehearsal.n_done:
        return None
    n_left = max(0, rehearsal.n_total - rehearsal.n_done)
    took_ms = max(0, wiring().clock() - rehearsal.started_at_ms)
    return math.ceil(took_ms * n_left / rehearsal.n_done / 1000)


def _titles(conn: Connection, item_ids: set[str]) -> dict[str, str]:
    found = {item_id: read_item(conn, item_id) for item_id in sorted(item_ids)}
    return {item_id: record.row.title for item_id, record in found.items() if record is not None}


def _is_of_a_limit(sentence: str, report: dict[str, Any]) -> bool:
    """Tell whether a sentence is about one limit, beside which it is said."""
    return any(each["because"] == sentence for each in report["not_rehearsed"])


def report_of(case: Case) -> dict[str, Any] | None:
    """Return what the last rehearsal of a version found; ``None`` where it has not."""
    if case.rehearsal is None or case.rehearsal.report is None:
        return None
    found: dict[str, Any] = orjson.loads(case.rehearsal.report)
    return found
