"""One version of a policy: where it stands, what comes next, what was said and done."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response
from werkzeug.exceptions import NotFound

from api.console.policies.life_case import Case, case_of, path_of, people_of
from api.console.policies.life_changes import PARTS, changes_between
from api.console.policies.life_forms import BeforeSchema, CommentSchema
from api.console.policies.life_next import outlook_of
from api.console.policies.life_rehearsals import report_of
from api.console.policies.life_taking import READERS, VERSION, sentence
from api.console.showing import console_language, see_other, show
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.schemas.decisions import MOST
from api.storage.comments import Comment, add_comment
from api.storage.connection import reading, writing
from api.storage.policies import place_of, read_entries
from api.wiring import wiring
from guardrails.policy.findings import Severity

STEPS_AT_ONCE = 100
"""So many steps of a history are on one page."""

NOTHING_SENT = Form()

blueprint = Pages("policy_life", __name__)


@blueprint.page("GET", VERSION, READERS)
def version_page(name: str, version: str) -> Response:
    """Show where a version stands."""
    return version_shown(case_of(name, version))


@blueprint.page("POST", f"{VERSION}/comments", READERS, form=CommentSchema())
def comment_form(form: Form, name: str, version: str) -> Response:
    """Keep what somebody says of a version."""
    case = case_of(name, version)
    if not form.ok:
        return version_shown(case, form)
    found = wiring()
    with writing(found.engine) as conn:
        said = Comment(version, case.me.key_id, case.me.role, found.clock(), form.data["comment"])
        add_comment(conn, said)
    return see_other(f"{case.path}#story", say("Your comment stands below."))


@blueprint.page("GET", "/console/policies/<name:name>/history", READERS, query=BeforeSchema())
def history_page(query: dict[str, int], name: str) -> Response:
    """Show what was done with all versions of a policy, the last first."""
    console_language()
    with reading(wiring().engine) as conn:
        entries = [entry for entry in read_entries(conn) if entry.step.name == name]
        people = people_of(conn)
    if not entries:
        raise NotFound
    before = query.get("before", entries[-1].step.number + 1)
    earlier = [entry for entry in reversed(entries) if entry.step.number < before]
    shown = earlier[:STEPS_AT_ONCE]
    more = shown[-1].step.number if len(earlier) > len(shown) else None
    return show(
        "console/policies/life/history.html",
        name=name,
        entries=shown,
        more=more,
        people=people,
        path_of=path_of,
    )


@blueprint.page("GET", f"/console/policies/<name:name>/steps/<int(max={MOST}):number>", READERS)
def step_page(name: str, number: int) -> Response:
    """Show one step as it stands in the log."""
    console_language()
    with reading(wiring().engine) as conn:
        entry = next(iter(read_entries(conn, after=number - 1)), None)
        if entry is None or (entry.step.name, entry.step.number) != (name, number):
            raise NotFound
        place = place_of(conn, entry)
        people = people_of(conn)
    return show(
        "console/policies/life/step.html", name=name, entry=entry, place=place, people=people, path_of=path_of
    )


def version_shown(case: Case, form: Form = NOTHING_SENT) -> Response:
    """Return the page of a version; with a form with something wrong in it as it was sent."""
    findings = case.prospects.examined.examination.findings
    return show(
        "console/policies/life/version.html",
        status=HTTPStatus.OK if form.ok else HTTPStatus.UNPROCESSABLE_ENTITY,
        case=case,
        outlook=outlook_of(case),
        changes=changes_between(case.before, case.policy),
        parts=PARTS,
        n_warnings=sum(each.severity is not Severity.ERROR for each in findings),
        n_tests=len(case.prospects.examined.examination.outcomes),
        report=report_of(case),
        sentence=sentence,
        form=form,
    )
