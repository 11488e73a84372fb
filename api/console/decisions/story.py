"""One decision as a story, opened chapter by chapter.

What its entry says is no secret of anybody's and stands there at once. The rest is opened on purpose: each
chapter takes only the sections of the record that it is told from, and the look is in the log before
anything of it is shown. Opening is a form, not a link, so that no look comes from following an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from flask import Response
from sqlalchemy import Connection

from api.auditing import Auditor, Look, OpenedRecord
from api.auth import staff
from api.console import words
from api.console.decisions.sections import Sections
from api.console.decisions.telling import Titles, judged, steps, withheld
from api.console.showing import console_language, show
from api.console.words import told
from api.errors import NotInLogError
from api.looking import auditor_of, entry_of, opened, otherwise, policy_of, replayed
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.pages.sessions import actor
from api.schemas.base import RequestSchema
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.decisions import has_body
from api.storage.policies import entries_of
from api.wiring import wiring
from engine.vocabulary import Basis, word
from guardrails.log.counterfactual import Counterfactual
from guardrails.log.counterfactual_words import sentence
from guardrails.log.record import SECTIONS
from guardrails.messages import Phrase
from guardrails.policy.language import HouseRule
from guardrails.rules.slate import EVERY_RULE

_MINUTE_MS = 60_000
_AUDITORS = staff(Role.AUDITOR)

blueprint = Pages("console_story", __name__)


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the story.

    Attributes:
        key: names it.
        title: what it is called.
        tells: what it tells, for whoever decides whether to open it.
        sections: of the record that it is told from.
    """

    key: str
    title: str
    tells: str
    sections: tuple[str, ...]


CHAPTERS = (
    Chapter(
        "asked",
        Phrase("What was asked"),
        Phrase("Where and when, on which page, with what in the basket, and which signals came along."),
        ("req",),
    ),
    Chapter(
        "allowed",
        Phrase("What was known and what was allowed"),
        Phrase("The consent for each purpose, what was read, and what was kept out as evidence and why."),
        ("consent",),
    ),
    Chapter(
        "considered",
        Phrase("What was considered"),
        Phrase("The evidence that was used, by item, and every candidate with the sum that is its score."),
        ("cand",),
    ),
    Chapter(
        "answered",
        Phrase("What was shown and what was withheld, and why"),
        Phrase("Each item with the reason it was given, or with the rule that withheld it."),
        ("out",),
    ),
    Chapter(
        "judged",
        Phrase("What every rule said"),
        Phrase("All rules that spoke, of which candidate, and the numbers they held against each other."),
        ("rules", "cand"),
    ),
)


class _OpenSchema(RequestSchema):
    sections = Sections(required=True)


@blueprint.page("GET", "/console/decisions/<name:decision_id>", _AUDITORS)
def story_page(decision_id: str) -> Response:
    """Show what the entry of a decision says, and what can be opened."""
    return _story(decision_id, None)


@blueprint.page("POST", "/console/decisions/<name:decision_id>", _AUDITORS, form=_OpenSchema())
def open_story(form: Form, decision_id: str) -> Response:
    """Open chapters of the story, after the look was logged."""
    if not form.ok:
        return _story(decision_id, None, 422)
    return _story(decision_id, opened(_auditor(), decision_id, Look.RECORD, form.data["sections"]))


@blueprint.page("POST", "/console/decisions/<name:decision_id>/replay", _AUDITORS)
def replay_form(decision_id: str) -> Response:
    """Make a decision again, after the look was logged."""
    record, report = replayed(_auditor(), decision_id, wiring())
    return show(
        "console/decisions/replay.html",
        decision_id=decision_id,
        report=report,
        logged_at=record.logged_at,
        findings=words.FINDINGS,
        told=told,
    )


@blueprint.page("POST", "/console/decisions/<name:decision_id>/otherwise", _AUDITORS)
def otherwise_form(decision_id: str) -> Response:
    """Say what would have changed a decision, after the look was logged."""
    auditor, titles = _auditor(), _titles()
    record = opened(auditor, decision_id, Look.COUNTERFACTUALS, SECTIONS)
    found = () if record.sections is None else otherwise(record, auditor)
    return show(
        "console/decisions/otherwise.html",
        decision_id=decision_id,
        erased=record.sections is None,
        changes=[_change(each, titles) for each in found],
        logged_at=record.logged_at,
        rule_title=words.rule_title,
        own=_own_titles(record, auditor),
    )


def _auditor() -> Auditor:
    return auditor_of(wiring(), actor().key_id)


def _titles() -> Titles:
    return Titles(wiring().runtime.current().house.catalogue)


def _change(found: Counterfactual, titles: Titles) -> dict[str, Any]:
    """Return what would have changed what became of an item."""
    return {
        "item": titles.of(found.item),
        "was": found.was.value,
        "rule": found.rule,
        "sentence": sentence(found, console_language()),
        "is_found": bool(found.change),
    }


def _story(decision_id: str, record: OpenedRecord | None, status: int = 200) -> Response:
    found = wiring()
    log_index, entry = entry_of(found.logbook, decision_id)
    header = orjson.loads(entry)
    with reading(found.engine) as conn:
        is_kept = has_body(conn, decision_id)
        policy_path = _policy_path(conn, header["policy"])
    contents = {} if record is None or record.sections is None else record.sections
    sections = {name: orjson.loads(content) for name, content in contents.items()}
    own = {} if record is None else _own(record, _auditor())
    return show(
        "console/decisions/story.html",
        status=status,
        decision_id=decision_id,
        header=header,
        at_ms=header["t_min"] * _MINUTE_MS,
        log_index=log_index,
        policy_path=policy_path,
        chapters=CHAPTERS,
        sections=sections,
        all_sections=SECTIONS,
        erased=not is_kept or (record is not None and record.sections is None),
        logged_at=None if record is None else record.logged_at,
        words=words,
        told=told,
        rule_title=words.rule_title,
        own={rule_id: rule.title for rule_id, rule in own.items()},
        rules={**{rule.id: rule for rule in EVERY_RULE}, **_as_listed(own)},
        ladder=[word(basis) for basis in reversed(Basis)],
        **_told(sections),
    )


def _policy_path(conn: Connection, version: str) -> str:
    """Return where more is told of a policy; of one that nobody wrote here, the decisions made by it."""
    steps_of_it = entries_of(conn, version)
    if not steps_of_it:
        return f"/console/decisions?policy={version}"
    return f"/console/policies/{steps_of_it[0].step.name}/versions/{version}"


def _told(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lines of what is open."""
    titles = _titles()
    has = sections.keys()
    return {
        "title_of": titles.of,
        "steps": steps(sections["cand"], titles) if "cand" in has else (),
        "withheld": withheld(sections["out"], titles) if "out" in has else (),
        "judged": judged(sections["rules"], sections["cand"], titles) if {"rules", "cand"} <= has else (),
    }


def _own(record: OpenedRecord, auditor: Auditor) -> dict[str, HouseRule]:
    """Return the shop's own rules in the policy of a decision, by id; none where it is not kept."""
    try:
        return {rule.id: rule for rule in policy_of(record, auditor).policy.rules}
    except NotInLogError:
        return {}


def _own_titles(record: OpenedRecord, auditor: Auditor) -> dict[str, str]:
    return {rule_id: rule.title for rule_id, rule in _own(record, auditor).items()}


def _as_listed(own: Mapping[str, HouseRule]) -> dict[str, dict[str, str]]:
    """Return the shop's rules with what rules of the house say of themselves."""
    return {
        rule_id: {"sentence": rule.customer_sentence, "ground": rule.rationale}
        for rule_id, rule in own.items()
    }
