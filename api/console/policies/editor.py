"""The editor of policies: the same draft as a form and as text, and what is found in it at its place.

The page holds the whole text of the draft; a form shows one part of it at a time, the others are read out.
What is typed there is written into the text, so that nothing else of it changes. Every button sends all
of the page and is answered by all of the page, with or without scripts; while somebody types, a script
asks for the same and takes from the answer what is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any

from flask import Response, flash, request
from marshmallow import INCLUDE, Schema, fields

from api.auth import staff
from api.console.policies.changes import Edited, edit, with_ids
from api.console.policies.controls import NotHeldError, Shop, Typed, grouped_fields, id_of, place_of
from api.console.policies.draft import Draft, at_their_places, draft_of
from api.console.policies.life_case import path_of
from api.console.policies.limit_form import LIMIT, LimitRow, limit_rows, typed_limits
from api.console.policies.rule_form import (
    RULE,
    AtomRow,
    GroupRow,
    RuleForm,
    normal,
    rule_form,
    typed_rule,
)
from api.console.showing import console_language, see_other, show
from api.errors import Finding, InvalidRequestError
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.pages.sessions import actor
from api.policies import service
from api.policies.editing import revised
from api.policies.examining import examined_policy
from api.policies.model import MEASURES
from api.policies.shipped import shipped_policy
from api.policies.text import write_yaml
from api.policies.versions import life_and_policy, version_in_force
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.placements import read_placements
from api.wiring import wiring
from guardrails.messages import Phrase
from guardrails.policy.examine import Examination
from guardrails.policy.findings import pointer_of
from guardrails.policy.language import Policy
from guardrails.policy.lifecycle import StepKind
from guardrails.policy.mutants import Survivor
from guardrails.policy.permission import ROLES
from guardrails.policy.sentences import sentences_of_rule, word_in_words

EDITOR = "/console/policies/edit"
AUTHORS = staff(*(role for role in Role if role.value in ROLES[StepKind.DRAFTED]))

FORM, TEXT = "form", "text"
LIMITS = "limits"
MOST_OFFERED = 5
"""So many of the tests that would notice more are offered at once."""

_FIELDS = frozenset({"text", "view", "open", "do", "policy", "time_zone"})
_PREFIXES = (f"{RULE}.", f"{LIMIT}.", "add.")

blueprint = Pages("policy_editor", __name__)


class _EditorSchema(Schema):
    """The fields of the editor: those of a rule are as many as it has parts, so they are read by name."""

    text = fields.String(load_default="")

    class Meta:
        """Marshmallow's switches."""

        unknown = INCLUDE


class _StartSchema(Schema):
    """Where to begin."""

    rule = fields.String(load_default="")


@dataclass(frozen=True)
class Card:
    """A rule as it stands in the editor.

    Attributes:
        place: its place in the text.
        title: what it is called.
        sentences: it, read out; empty where it cannot be.
        customer_sentence: what a customer is told.
        form: it as a form, if it stands open and can be shown as one.
        is_open: whether it stands open.
        mode: whether it counts already.
        n_tests: how many tests it has.
        n_passed: how many of them pass.
        passed: of each test whether it passes, by its place.
        offered: tests that would notice what its own do not.
        n_unnoticed: how many changes would go unnoticed.
    """

    place: int
    title: str
    sentences: tuple[str, ...]
    customer_sentence: str
    form: RuleForm | None
    is_open: bool
    mode: str
    n_tests: int
    n_passed: int | None
    passed: Mapping[int, bool]
    offered: tuple[tuple[int, Survivor], ...]
    n_unnoticed: int

    @property
    def pointer(self) -> str:
        """Where it stands in the document."""
        return pointer_of("rules", self.place)


@blueprint.page("GET", "/console/policies/new", AUTHORS, query=_StartSchema())
def new_page(query: dict[str, str]) -> Response:
    """Begin with what is in force, since every version says all that is to hold; with a new rule if asked."""
    console_language()
    found = wiring()
    with reading(found.engine) as conn:
        _, policy = version_in_force(conn)
    if policy is None:
        flash(say("What is in force cannot be read any more, so this begins with what ships."), "warning")
    text = write_yaml(policy or shipped_policy())
    return _changed(text, "new-rule", "") if query["rule"] else _shown(_draft(text), FORM, "")


@blueprint.page("GET", "/console/policies/<name:name>/versions/<name:version>/edit", AUTHORS)
def edit_page(name: str, version: str) -> Response:
    """Begin with a version."""
    console_language()
    found = wiring()
    _, policy = life_and_policy(found.engine, found.clock, name, version)
    return _shown(_draft(write_yaml(policy)), FORM, "")


@blueprint.page("GET", EDITOR, AUTHORS)
def begin_again() -> Response:
    """Lead whoever comes back to the address of a form to where an edit begins."""
    return see_other("/console/policies/new")


@blueprint.page("POST", EDITOR, AUTHORS, form=_EditorSchema())
def editor_form(form: Form) -> Response:
    """Do what a button says with what is on the page."""
    console_language()
    typed = _typed(form)
    view, opened = typed.one("view"), typed.one("open")
    verb, _, about = typed.one("do").partition(":")
    draft = _with_typed(_draft(typed.one("text")), typed, view, opened)
    if view == FORM or verb == "save":
        draft = _with_ids(draft)
    if verb == "save":
        return _saved(draft, view, opened)
    if verb in (FORM, TEXT):
        return _shown(draft, verb, opened)
    if verb == "live" and "HX-Request" in request.headers:
        return show("console/policies/live.html", **_values(draft, view, opened))
    if view == TEXT or verb in ("", "check", "live"):
        return _shown(draft, view, opened)
    return _changed(draft.text, verb, about, opened, typed)


def _typed(form: Form) -> Typed:
    """Return what was sent.

    Raises:
        InvalidRequestError: fields that no page of ours has.
    """
    unknown = [name for name in form.sent if name not in _FIELDS and not name.startswith(_PREFIXES)]
    if unknown:
        raise InvalidRequestError([Finding("unknown field", pointer=f"/{name[:80]}") for name in unknown])
    pairs = []
    for name, sent in form.sent.items():
        pairs += [(name, value) for value in (sent if isinstance(sent, list) else [sent])]
    return Typed.of(pairs)


def _draft(text: str) -> Draft:
    return draft_of(text, _examination)


def _examination(policy: Policy) -> Examination:
    found = wiring()
    return examined_policy(found.engine, policy, found.clock())


def _shop() -> Shop:
    with reading(wiring().engine) as conn:
        return Shop({"request.placement": tuple(sorted(read_placements(conn)))})


def _today() -> date:
    return datetime.fromtimestamp(wiring().clock() / 1000, UTC).date()


def _with_typed(draft: Draft, typed: Typed, view: str, opened: str) -> Draft:
    """Return the draft with what was typed into its form; as it is where no form was shown."""
    if view == TEXT or not draft.has_form:
        return draft
    plain = deepcopy(draft.plain)
    for name in ("policy", "time_zone"):
        if typed.has(name) and typed.one(name) != plain.get(name, ""):
            plain[name] = typed.one(name)
            if not plain[name]:
                del plain[name]
    if opened == LIMITS:
        limits = typed_limits(typed, plain.get("limits", {}))
        if limits != plain.get("limits", {}):
            plain["limits"] = limits
            if not limits:
                del plain["limits"]
    form = _form_of(draft, opened)
    if form is not None:
        rule = typed_rule(typed)
        if normal(rule) != normal(plain["rules"][int(opened)]):
            plain["rules"][int(opened)] = rule
    return draft if plain == draft.plain else _draft(revised(draft.text, plain))


def _with_ids(draft: Draft) -> Draft:
    """Return a draft in which every rule with a title has a name."""
    if not draft.has_form:
        return draft
    named = with_ids(draft.plain)
    return draft if named == draft.plain else _draft(revised(draft.text, named))


def _form_of(draft: Draft, opened: str) -> RuleForm | None:
    """Return the rule that stands open as a form; ``None`` without one, or where a form cannot show it."""
    place = place_of(opened)
    if place is None or place >= len(draft.rules):
        return None
    try:
        return rule_form(draft.rules[place], place, _shop())
    except NotHeldError:
        return None


_OF_A_RULE = ("condition", "group", "test", "given", "assumption")


def _changed(text: str, verb: str, about: str, opened: str = "", typed: Typed | None = None) -> Response:
    """Return the page after a button changed something."""
    draft = _draft(text)
    if verb.partition("-")[2] in _OF_A_RULE and _form_of(draft, opened) is None:
        return _shown(draft, FORM, opened)
    chosen = {} if typed is None else {each: typed.one(f"add.{each}") for each in typed.under("add.")}
    place = place_of(opened)
    survivors = () if place is None or place >= len(draft.rules) else draft.survivors(place)
    tests = {str(at): _test_of(each) for at, each in enumerate(survivors)}
    edited = Edited(deepcopy(draft.plain), opened, _today(), chosen, tests)
    edit(edited, verb, about)
    return _shown(_draft(revised(text, edited.plain)), FORM, edited.open, edited.focus)


def _test_of(survivor: Survivor) -> dict[str, Any]:
    note = Phrase("not {now} but {was}", now=survivor.now or say("nothing"), was=survivor.was)
    return {"note": say(note), "given": dict(survivor.given), "expect": survivor.expect.value}


def _saved(draft: Draft, view: str, opened: str) -> Response:
    """Store a draft, and lead to its page; one that says nothing that can be kept is shown again."""
    if draft.policy is None:
        return _shown(draft, view, opened, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    found = wiring()
    taken = service.draft(found.engine, actor(), found.clock, draft.policy)
    found.logbook.announce()
    said = say("The draft is stored. Nothing has changed for customers yet.")
    return see_other(path_of(draft.policy.name, taken.version), said)


def _shown(draft: Draft, view: str, opened: str, focus: str = "", *, status: int = HTTPStatus.OK) -> Response:
    values = _values(draft, view, opened, focus)
    return show("console/policies/editor.html", status=status, **values)


def _values(draft: Draft, view: str, opened: str, focus: str = "") -> dict[str, Any]:
    """Return what the editor shows of a draft."""
    view = FORM if draft.has_form and view != TEXT else TEXT
    form = _form_of(draft, opened) if view == FORM else None
    rows = limit_rows(draft.plain.get("limits", {})) if view == FORM and opened == LIMITS else ()
    cards = [_card(draft, place, opened, form) for place in range(len(draft.rules))] if view == FORM else []
    places = _places(cards, rows)
    found = at_their_places(draft.findings, places)
    return {
        "draft": draft,
        "view": view,
        "opened": opened,
        "focus": focus,
        "cards": cards,
        "places": places,
        "limit_rows": rows,
        "n_limits": len(draft.plain.get("limits", {})) if draft.has_form else 0,
        "found": {place: draft.told(each) for place, each in found.items()},
        "told": draft.told(draft.findings),
        "live": ",".join(f"#found-{id_of(each)}" for each in ("tally", *_live(view, places, cards))),
        "word": word_in_words,
        "fields": grouped_fields(),
        "groups": {name: say(text) for name, text in _GROUPS.items()},
        "measures": [(name, say(_MEASURES.get(name, name.replace("_", " ")))) for name in MEASURES],
        "id_of": id_of,
    }


def _live(view: str, places: list[str], cards: list[Card]) -> list[str]:
    """Return what a script brings up to date while somebody types: never what they type into."""
    return ["preview"] if view == TEXT else [*places, *(f"readout-{card.place}" for card in cards)]


def _places(cards: list[Card], rows: tuple[LimitRow, ...]) -> list[str]:
    """Return the pointers of everything on the page that something may be found at."""
    places = ["/policy", "/time_zone", "/limits", *(row.control.pointer for row in rows)]
    for card in cards:
        places.append(card.pointer)
        form = card.form
        if form is None:
            continue
        controls = (*form.parts.values(), *form.scopes)
        places += [control.pointer for control in controls]
        places += [f"{card.pointer}/when", f"{card.pointer}/tests", f"{card.pointer}/assumes"]
        places += [pointer for row in ((form.when,) if form.when else ()) for pointer in _pointers(row)]
        places += [f"{card.pointer}/assumes/{each.measure}" for each in form.assumes]
        for test in form.tests:
            controls = (test.note, test.expect, *(each.control for each in test.given))
            places += [test.pointer, *(control.pointer for control in controls)]
    return list(dict.fromkeys(places))


def _pointers(row: AtomRow | GroupRow) -> list[str]:
    if isinstance(row, AtomRow):
        return [row.pointer, row.op.pointer, row.value.pointer]
    return [row.pointer, row.kind.pointer, *(pointer for each in row.rows for pointer in _pointers(each))]


def _card(draft: Draft, place: int, opened: str, form: RuleForm | None) -> Card:
    written = draft.rules[place]
    plain = written if isinstance(written, dict) else {}
    rule, outcomes = draft.rule_at(place), draft.outcomes(place)
    survivors, is_open = draft.survivors(place), opened == str(place)
    tests = plain.get("tests")
    return Card(
        place=place,
        title=str(plain.get("title") or plain.get("id") or say("A rule without a title")),
        sentences=() if rule is None else tuple(map(say, sentences_of_rule(rule))),
        customer_sentence=str(plain.get("customer_sentence", "")),
        form=form if is_open else None,
        is_open=is_open,
        mode=str(plain.get("mode", "enforce")),
        n_tests=len(tests) if isinstance(tests, list) else 0,
        n_passed=None if draft.policy is None else sum(each.passed for each in outcomes.values()),
        passed={at: each.passed for at, each in outcomes.items()},
        offered=tuple(enumerate(survivors))[:MOST_OFFERED],
        n_unnoticed=len(survivors),
    )


_GROUPS = {
    "request": Phrase("The request"),
    "visit": Phrase("The visit"),
    "contact": Phrase("Messages"),
    "candidate": Phrase("The suggestion"),
    "evidence": Phrase("What it was concluded from"),
    "item": Phrase("The item"),
    "customer": Phrase("The customer"),
}

_MEASURES = {
    "withheld_share": Phrase("share of all suggestions that it holds back"),
    "touched_share": Phrase("share of all suggestions that it acts on"),
}
