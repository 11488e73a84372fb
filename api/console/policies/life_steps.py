"""Steps in the life of a version: proposed, decided about, put in force, tried out, ended."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Response

from api.console.policies.life import NOTHING_SENT, version_shown
from api.console.policies.life_case import Case, case_of
from api.console.policies.life_changes import PARTS, changes_between
from api.console.policies.life_forms import (
    LATER,
    MOST_HOURS,
    MOST_PERCENT,
    YES,
    ActivationSchema,
    ApprovalSchema,
    ChallengeSchema,
    GlassSchema,
    RejectionSchema,
    RemarkSchema,
    WatchSchema,
)
from api.console.policies.life_next import outlook_of
from api.console.policies.life_rehearsals import report_of
from api.console.policies.life_report import own_titles
from api.console.policies.life_taking import READERS, VERSION, sentence, take, takers
from api.console.showing import show
from api.console.words import rule_title
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.policies import service
from api.policies.service import Taken
from api.policies.shadowing import watched
from api.storage.connection import reading
from api.wiring import wiring
from guardrails.policy.charter import MICRO
from guardrails.policy.lifecycle import HOUR_MS, StepKind

blueprint = Pages("policy_steps", __name__)


@blueprint.page("POST", f"{VERSION}/propose", takers(StepKind.PROPOSED), form=RemarkSchema())
def propose_form(form: Form, name: str, version: str) -> Response:
    """Propose a version; one that was in force before is returned to."""
    case = case_of(name, version)
    if not form.ok:
        return version_shown(case, form)
    step = service.rollback if case.known.was_in_force else service.propose
    said = say("It is proposed. Somebody else has to approve it now.")
    return _take(case, step, said, reason=form.data["comment"])


@blueprint.page("GET", f"{VERSION}/return", READERS)
def return_page(name: str, version: str) -> Response:
    """Show what it would change to return to a version."""
    return _shown("return", case_of(name, version))


@blueprint.page("GET", f"{VERSION}/review", READERS)
def review_page(name: str, version: str) -> Response:
    """Show what is proposed, to whoever is to decide about it."""
    return _shown("review", case_of(name, version))


@blueprint.page("POST", f"{VERSION}/approve", takers(StepKind.APPROVED), form=ApprovalSchema())
def approve_form(form: Form, name: str, version: str) -> Response:
    """Approve of a version taking the place of what was looked at."""
    case = case_of(name, version)
    if not form.ok:
        return _shown("review", case, form, approving=form)
    said = say("You approved it. It changes nothing until somebody puts it in force.")
    return _take(case, service.approve, said, base=form.data["base"], reason=form.data["comment"])


@blueprint.page("POST", f"{VERSION}/reject", takers(StepKind.REJECTED), form=RejectionSchema())
def reject_form(form: Form, name: str, version: str) -> Response:
    """Reject a proposal."""
    case = case_of(name, version)
    if not form.ok:
        return _shown("review", case, form, rejecting=form)
    return _take(case, service.reject, say("You rejected it."), reason=form.data["comment"])


@blueprint.page("GET", f"{VERSION}/activate", takers(StepKind.ACTIVATED))
def activate_page(name: str, version: str) -> Response:
    """Ask when a version is to come into force."""
    return _shown("activate", case_of(name, version))


@blueprint.page("POST", f"{VERSION}/activate", takers(StepKind.ACTIVATED), form=ActivationSchema())
def activate_form(form: Form, name: str, version: str) -> Response:
    """Put an approved version in force, now or later."""
    case = case_of(name, version)
    if not form.ok:
        return _shown("activate", case, form)
    until_ms = form.data.get("until")
    if form.data["when"] == LATER:
        said = say("It comes into force by itself when its time has come.")
        return _take(case, service.schedule, said, at_ms=form.data["at"], until_ms=until_ms)
    said = say("It is in force: every decision from now on is made by it.")
    return _take(case, service.activate, said, until_ms=until_ms)


@blueprint.page("GET", f"{VERSION}/shadow", READERS)
def shadow_page(name: str, version: str) -> Response:
    """Show what a version would have done beside the one in force, or ask whether to begin with that."""
    case = case_of(name, version)
    if not case.is_shadow or case.life.shadow is None:
        return _shown("shadow", case)
    found = wiring()
    with reading(found.engine) as conn:
        seen = watched(conn, found.logbook.keyring, version, case.life.shadow.since_ms)
    own = own_titles(case.policy)
    by_rule = [(rule_title(rule_id, own) if rule_id else "", n) for rule_id, n in seen.by_rule]
    return _shown("shadowing", case, seen=seen, by_rule=by_rule)


@blueprint.page("POST", f"{VERSION}/shadow", takers(StepKind.SHADOWED), form=WatchSchema())
def shadow_form(form: Form, name: str, version: str) -> Response:
    """Have a version evaluated beside the one in force."""
    case = case_of(name, version)
    if not form.ok:
        return _shown("shadow", case, form)
    said = say("It is watched from now on. Customers notice nothing of it.")
    return _take(case, service.shadow, said, until_ms=form.data.get("until"))


@blueprint.page("GET", f"{VERSION}/challenge", takers(StepKind.CHALLENGED))
def challenge_page(name: str, version: str) -> Response:
    """Ask how many customers a version is to be tried out on."""
    return _shown("challenge", case_of(name, version))


@blueprint.page("POST", f"{VERSION}/challenge", takers(StepKind.CHALLENGED), form=ChallengeSchema())
def challenge_form(form: Form, name: str, version: str) -> Response:
    """Put an approved version in force for a share of customers."""
    case = case_of(name, version)
    if not form.ok:
        return _shown("challenge", case, form)
    share_micro = form.data["percent"] * MICRO // 100
    said = say("It is tried out from now on.")
    return _take(case, service.challenge, said, share_micro=share_micro, until_ms=form.data.get("until"))


@blueprint.page("GET", f"{VERSION}/end", takers(StepKind.ENDED))
def end_page(name: str, version: str) -> Response:
    """Ask whether to end what runs of a version."""
    return _shown("end", case_of(name, version))


@blueprint.page("POST", f"{VERSION}/end", takers(StepKind.ENDED), form=RemarkSchema())
def end_form(form: Form, name: str, version: str) -> Response:
    """End whatever runs of a version."""
    case = case_of(name, version)
    if not form.ok:
        return _shown("end", case, form)
    return _take(case, service.end, say("It has ended."), reason=form.data["comment"])


@blueprint.page("GET", f"{VERSION}/break-glass", takers(StepKind.BROKE_GLASS))
def glass_page(name: str, version: str) -> Response:
    """Ask why a version cannot wait."""
    return _shown("glass", case_of(name, version))


@blueprint.page("POST", f"{VERSION}/break-glass", takers(StepKind.BROKE_GLASS), form=GlassSchema())
def glass_form(form: Form, name: str, version: str) -> Response:
    """Put a version in force without approval, after asking once more."""
    case = case_of(name, version)
    if not form.ok:
        return _shown("glass", case, form)
    until_ms = wiring().clock() + form.data["hours"] * HOUR_MS
    if form.data.get("confirmed") != YES:
        return _shown("glass_confirm", case, form, until_ms=until_ms)
    said = say("It is in force without approval.")
    return _take(case, service.break_glass, said, reason=form.data["comment"], until_ms=until_ms)


def _take(case: Case, step: Callable[..., Taken], said: str, **more: Any) -> Response:
    found = wiring()
    return take(case.path, lambda: step(found.engine, case.me, found.clock, case.version, **more), said)


def _shown(template: str, case: Case, form: Form = NOTHING_SENT, **values: Any) -> Response:
    """Return a page on which a step is taken; with a form with something wrong in it as it was sent."""
    return show(
        f"console/policies/life/{template}.html",
        status=HTTPStatus.OK if form.ok else HTTPStatus.UNPROCESSABLE_ENTITY,
        case=case,
        outlook=outlook_of(case),
        changes=changes_between(case.before, case.policy),
        parts=PARTS,
        report=report_of(case),
        most_hours=MOST_HOURS,
        most_percent=MOST_PERCENT,
        sentence=sentence,
        **{"form": form, "approving": NOTHING_SENT, "rejecting": NOTHING_SENT, **values},
    )
