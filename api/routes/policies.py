"""Policies: written as drafts, looked at from every side, and taken through their life."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from sqlalchemy import Engine
from werkzeug.exceptions import NotFound, RequestEntityTooLarge, UnsupportedMediaType

from api.auth import Access, calling_key, only
from api.errors import InvalidRequestError, PolicyDocumentError, UnknownPolicyError
from api.policies import service
from api.policies.examining import examined
from api.policies.located import Located, PolicyTextError
from api.policies.model import as_written, read_policy
from api.policies.schema import field_schema
from api.policies.service import Actor, Clock, Taken
from api.policies.telling import (
    told_findings,
    told_rehearsal,
    told_standing,
    told_step,
    told_tests,
    told_trial,
    told_version,
)
from api.policies.text import Form, read_text, write_yaml
from api.policies.versions import held_against, life_and_policy, readable, require_name
from api.problems import finding_in
from api.rehearsing.job import start_rehearsal
from api.routes.resource import Resource, json_answer
from api.schemas.policies import (
    PoliciesSchema,
    PolicyActivationSchema,
    PolicyApprovalSchema,
    PolicyChallengeSchema,
    PolicyDiffQuerySchema,
    PolicyDraftedSchema,
    PolicyEndingSchema,
    PolicyFindingsSchema,
    PolicyGlassSchema,
    PolicyReasonSchema,
    PolicyStepsSchema,
    PolicyTakenSchema,
    PolicyTestsSchema,
    PolicyVersionSchema,
    PolicyVersionsSchema,
    PolicyWatchSchema,
    RehearsalSchema,
)
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.policies import entries_of
from api.storage.rehearsals import latest_rehearsal
from api.storage.versions import get_policy
from api.wiring import wiring
from guardrails.policy.difference import as_plain, compare
from guardrails.policy.examine import Examination
from guardrails.policy.language import Policy
from guardrails.policy.lifecycle import Life, StepKind
from guardrails.policy.permission import ROLES

YAML = "application/yaml"
"""Media type of policies as people write them (RFC 9512)."""

_JSON = "application/json"
_FORMS = {_JSON: Form.JSON, YAML: Form.YAML}
_VERSION = "/v1/policies/<name:name>/versions/<name:version>"
_READERS = only(Role.MARKETER, Role.APPROVER, Role.AUDITOR)

_EXAMPLE = """policy: house
limits:
  G17.upsell_hard: 0.30
rules:
  - id: no-upsell-after-delay
    title: No upsell while a delivery is late
    when: {field: customer.open_delivery_delay, op: "=", value: true}
    applies_to: {intent: [upsell, cross_sell]}
    effect: block
    rationale: Selling more while we owe a parcel reads as contempt.
    owner: customer-care
    review_by: 2027-06-01
    assumes: {withheld_share_of_upsells: [0.0, 0.10]}
    customer_sentence: We hold back offers while your order is late.
    tests:
      - {note: late, given: {customer.open_delivery_delay: true}, expect: block}
      - {note: on time, given: {customer.open_delivery_delay: false}, expect: allow}
"""
_DOCUMENT = {
    "required": True,
    "content": {
        _JSON: {
            "schema": {"type": "object"},
            "example": {"policy": "house", "limits": {"G17.upsell_hard": 0.3}},
        },
        YAML: {"schema": {"type": "string"}, "example": _EXAMPLE},
    },
}

blueprint = Resource("policies", __name__, description="what a shop lays down, and the life of a change")


def _may(kind: StepKind) -> Access:
    """Return the access of a step: the roles that the step itself asks for."""
    return only(*(role for role in Role if role.value in ROLES[kind]))


@blueprint.operation("GET", "/v1/policies", _READERS, answer=PoliciesSchema(), problems=(503,))
def all_policies() -> Response:
    """Return what is in force, what is watched or tried out, and what is proposed."""
    life = _life()
    known = life.versions.values()
    return json_answer(
        {
            "in_force": told_standing(life),
            "shadow": told_trial(life.shadow),
            "challenger": told_trial(life.challenger),
            "names": sorted({each.name for each in known}),
            "proposals": [told_version(life, each) for each in known if each.proposal is not None],
        }
    )


@blueprint.operation("GET", "/v1/policies/schema", _READERS, answer=None)
def policy_schema() -> Response:
    """Return what a policy may say: JSON Schema, and the fields, limits and words that a form is made of."""
    return json_answer(field_schema())


@blueprint.operation(
    "POST",
    "/v1/policies",
    _may(StepKind.DRAFTED),
    status=201,
    answer=PolicyDraftedSchema(),
    read_body=_DOCUMENT,
    also={200: PolicyDraftedSchema()},
    problems=(400, 413, 415, 422, 503),
)
def create_policy() -> Response:
    """Store a draft under the name it has, as JSON or YAML; the answer says what is found in it.

    The version is the hash of what it says: the same draft again is the same version (200). A draft with
    errors is kept, and cannot be proposed. What cannot be understood is refused, with line and column.
    """
    return _drafted(None)


@blueprint.operation(
    "POST",
    "/v1/policies/<name:name>/versions",
    _may(StepKind.DRAFTED),
    status=201,
    answer=PolicyDraftedSchema(),
    read_body=_DOCUMENT,
    also={200: PolicyDraftedSchema()},
    problems=(400, 413, 415, 422, 503),
)
def create_version(name: str) -> Response:
    """Store another version of a policy; otherwise as under `POST /v1/policies`."""
    return _drafted(name)


@blueprint.operation(
    "GET",
    "/v1/policies/<name:name>/versions",
    _READERS,
    answer=PolicyVersionsSchema(),
    problems=(404, 503),
)
def policy_versions(name: str) -> Response:
    """Return every version of a policy and where it stands, newest first."""
    life = _life()
    known = [each for each in life.versions.values() if each.name == name]
    if not known:
        raise UnknownPolicyError("there is no policy of this name")
    newest_first = sorted(known, key=lambda each: (-each.at_ms, each.version))
    return json_answer({"name": name, "versions": [told_version(life, each) for each in newest_first]})


@blueprint.operation("GET", _VERSION, _READERS, answer=None, problems=(404, 503))
def policy_version(name: str, version: str) -> Response:
    """Return a version as it is written: JSON, or YAML where `Accept` prefers `application/yaml`."""
    _, policy = _life_and_policy(name, version)
    if request.accept_mimetypes.best_match([_JSON, YAML], _JSON) == YAML:
        return Response(write_yaml(policy), content_type=YAML, headers={"Vary": "Accept"})
    with reading(wiring().engine) as conn:
        document = get_policy(conn, version)
    return Response(document, content_type=_JSON, headers={"Vary": "Accept"})


@blueprint.operation("GET", f"{_VERSION}/state", _READERS, answer=PolicyVersionSchema(), problems=(404, 503))
def version_state(name: str, version: str) -> Response:
    """Return where a version stands, who approved of it and against what."""
    life, _ = _life_and_policy(name, version)
    return json_answer(told_version(life, life.versions[version]))


@blueprint.operation("GET", f"{_VERSION}/lint", _READERS, answer=PolicyFindingsSchema(), problems=(404, 503))
def lint_version(name: str, version: str) -> Response:
    """Return everything that is found in a version, each thing with an example."""
    _life_and_policy(name, version)
    return json_answer(told_findings(version, _examination(version).findings, None))


@blueprint.operation("GET", f"{_VERSION}/tests", _READERS, answer=PolicyTestsSchema(), problems=(404, 503))
def test_version(name: str, version: str) -> Response:
    """Run the tests that a version brings along; say what they cover, and what they would not notice."""
    _life_and_policy(name, version)
    return json_answer(told_tests(version, _examination(version)))


@blueprint.operation(
    "GET", f"{_VERSION}/diff", _READERS, query=PolicyDiffQuerySchema(), answer=None, problems=(404, 422, 503)
)
def diff_version(query: dict[str, str], name: str, version: str) -> Response:
    """Return what a version treats differently, with an example each, or that it is proven to be equal.

    Held against what is in force, unless `against` names another version.
    """
    life, policy = _life_and_policy(name, version)
    against = held_against(life, version, query.get("against"))
    with reading(wiring().engine) as conn:
        before = readable(conn, against)
    return json_answer({"version": version, "against": against, **as_plain(compare(before, policy))})


@blueprint.operation(
    "POST",
    f"{_VERSION}/rehearsal",
    _may(StepKind.PROPOSED),
    status=202,
    query=PolicyDiffQuerySchema(),
    answer=RehearsalSchema(),
    problems=(404, 422, 503),
)
def rehearse_version(query: dict[str, str], name: str, version: str) -> Response:
    """Begin to run a version against every decision that is retained; asked again it is still that run.

    Held against what is in force, unless `against` names another version.
    """
    life, _ = _life_and_policy(name, version)
    found = wiring()
    base = held_against(life, version, query.get("against"))
    with reading(found.engine) as conn:
        readable(conn, base)
    actor = calling_key().key_id
    rehearsal = start_rehearsal(found.engine, found.settings, version, base, actor, found.clock)
    return json_answer(told_rehearsal(rehearsal), 202)


@blueprint.operation(
    "GET",
    f"{_VERSION}/rehearsal",
    _READERS,
    query=PolicyDiffQuerySchema(),
    answer=RehearsalSchema(),
    problems=(404, 422, 503),
)
def rehearsal(query: dict[str, str], name: str, version: str) -> Response:
    """Return how far the last rehearsal of a version is, and what it found."""
    life, _ = _life_and_policy(name, version)
    with reading(wiring().engine) as conn:
        latest = latest_rehearsal(conn, version, held_against(life, version, query.get("against")))
    if latest is None:
        raise NotFound
    return json_answer(told_rehearsal(latest))


@blueprint.operation("GET", f"{_VERSION}/steps", _READERS, answer=PolicyStepsSchema(), problems=(404, 503))
def version_steps(name: str, version: str) -> Response:
    """Return every step in the life of a version, as it is written in the log."""
    with reading(wiring().engine) as conn:
        entries = entries_of(conn, version)
    if not entries or entries[0].step.name != name:
        raise UnknownPolicyError("this version is not in the store")
    return json_answer({"steps": [told_step(entry) for entry in entries]})


@blueprint.operation(
    "POST",
    f"{_VERSION}/propose",
    _may(StepKind.PROPOSED),
    answer=PolicyTakenSchema(),
    problems=(404, 409, 503),
)
def propose_version(name: str, version: str) -> Response:
    """Propose that a version takes the place of what is in force.

    It has no errors, its tests pass, and a rehearsal against what is in force is finished.
    """
    return _taken(service.propose(*_acting(name, version), version))


@blueprint.operation(
    "POST",
    f"{_VERSION}/rollback",
    _may(StepKind.PROPOSED),
    answer=PolicyTakenSchema(),
    problems=(404, 409, 503),
)
def rollback_version(name: str, version: str) -> Response:
    """Propose to return to a version that was in force before: a change like any other."""
    return _taken(service.rollback(*_acting(name, version), version))


@blueprint.operation(
    "POST",
    f"{_VERSION}/approve",
    _may(StepKind.APPROVED),
    body=PolicyApprovalSchema(),
    answer=PolicyTakenSchema(),
    problems=(404, 409, 422, 503),
    example={"base": "0" * 64},
)
def approve_version(body: dict[str, str], name: str, version: str) -> Response:
    """Approve of a proposed version taking the place of a base.

    Whoever wrote or proposed it cannot. An approval is of this version against this base and of nothing
    else. More contacts than ship take an auditor.
    """
    return _taken(service.approve(*_acting(name, version), version, base=body["base"]))


@blueprint.operation(
    "POST",
    f"{_VERSION}/reject",
    _may(StepKind.REJECTED),
    body=PolicyReasonSchema(),
    answer=PolicyTakenSchema(),
    problems=(404, 409, 422, 503),
    example={"reason": "this would hide the whole range of wines"},
)
def reject_version(body: dict[str, str], name: str, version: str) -> Response:
    """Reject a proposal, also one that was approved."""
    return _taken(service.reject(*_acting(name, version), version, reason=body["reason"]))


@blueprint.operation(
    "POST",
    f"{_VERSION}/activate",
    _may(StepKind.ACTIVATED),
    body=PolicyActivationSchema(),
    answer=PolicyTakenSchema(),
    problems=(404, 409, 422, 503),
    examples={
        "at once": {"value": {}},
        "later, and for a time": {"value": {"at_ms": 1_797_000_000_000, "until_ms": 1_798_000_000_000}},
    },
)
def activate_version(body: dict[str, int], name: str, version: str) -> Response:
    """Put an approved version in force, at once or at a time.

    Every request that begins after the answer is served under it; none fails. If what is in force is no
    longer what it was approved against it is suspended instead.
    """
    acting = _acting(name, version)
    until_ms = body.get("until_ms")
    if "at_ms" in body:
        return _taken(service.schedule(*acting, version, at_ms=body["at_ms"], until_ms=until_ms))
    return _taken(service.activate(*acting, version, until_ms=until_ms))


@blueprint.operation(
    "POST",
    f"{_VERSION}/shadow",
    _may(StepKind.SHADOWED),
    body=PolicyWatchSchema(),
    answer=PolicyTakenSchema(),
    problems=(404, 409, 422, 503),
    example={"until_ms": 1_797_000_000_000},
)
def shadow_version(body: dict[str, int], name: str, version: str) -> Response:
    """Have a version evaluated beside the one in force; it withholds nothing, and needs no approval."""
    return _taken(service.shadow(*_acting(name, version), version, until_ms=body.get("until_ms")))


@blueprint.operation(
    "POST",
    f"{_VERSION}/challenge",
    _may(StepKind.CHALLENGED),
    body=PolicyChallengeSchema(),
    answer=PolicyTakenSchema(),
    problems=(404, 409, 422, 503),
    example={"share_micro": 100_000},
)
def challenge_version(body: dict[str, int], name: str, version: str) -> Response:
    """Put an approved version in force for a share of those who agreed to be measured, half at most."""
    share_micro, until_ms = body["share_micro"], body.get("until_ms")
    taken = service.challenge(*_acting(name, version), version, share_micro=share_micro, until_ms=until_ms)
    return _taken(taken)


@blueprint.operation(
    "POST",
    f"{_VERSION}/end",
    _may(StepKind.ENDED),
    body=PolicyEndingSchema(),
    answer=PolicyTakenSchema(),
    problems=(404, 409, 422, 503),
    example={"reason": "enough seen"},
)
def end_version(body: dict[str, str], name: str, version: str) -> Response:
    """End whatever runs of a version: its shadow, its challenge, its schedule, its broken glass."""
    return _taken(service.end(*_acting(name, version), version, reason=body["reason"]))


@blueprint.operation(
    "POST",
    f"{_VERSION}/break_glass",
    _may(StepKind.BROKE_GLASS),
    body=PolicyGlassSchema(),
    answer=PolicyTakenSchema(),
    problems=(404, 409, 422, 503),
    example={"reason": "prices of all lamps are wrong", "until_ms": 1_797_000_000_000},
)
def break_glass(body: dict[str, Any], name: str, version: str) -> Response:
    """Put a version in force without approval, for 24 hours at most; it falls back by itself."""
    reason, until_ms = body["reason"], body["until_ms"]
    return _taken(service.break_glass(*_acting(name, version), version, reason=reason, until_ms=until_ms))


def _drafted(name: str | None) -> Response:
    """Store the draft that was sent."""
    policy, text = _sent()
    if name is not None and policy.name != name:
        raise InvalidRequestError.at("/policy", "is another policy than that of the address")
    found = wiring()
    taken = service.draft(found.engine, _actor(), found.clock, policy)
    found.logbook.announce()
    findings = as_written(_examination(taken.version).findings, text.plain)
    return json_answer(
        {
            "name": policy.name,
            "state": taken.life.state_of(taken.version).value,
            **told_findings(taken.version, findings, text),
        },
        200 if taken.entry is None else 201,
    )


def _sent() -> tuple[Policy, Located]:
    """Read the body.

    Raises:
        UnsupportedMediaType: it is neither JSON nor YAML.
        RequestEntityTooLarge: it is larger than a body may be.
        InvalidRequestError: it says what no policy says; names every place, with line and column.
    """
    form = _FORMS.get(request.mimetype)
    if form is None or request.content_encoding not in (None, "identity"):
        raise UnsupportedMediaType
    body = request.get_data(cache=False)
    if request.content_length is None and len(body) >= (request.max_content_length or len(body) + 1):
        raise RequestEntityTooLarge  # a body that did not say how long it is was cut off here
    try:
        text = read_text(body, form)
    except PolicyTextError as error:
        raise InvalidRequestError(finding_in(each, at=error.place) for each in error.findings) from None
    try:
        return read_policy(text.plain), text
    except PolicyDocumentError as error:
        found = [finding_in(each, at=text.place(each.pointer)) for each in error.findings]
        raise InvalidRequestError(found) from None


def _actor() -> Actor:
    key = calling_key()
    return Actor(key.key_id, key.role.value)


def _acting(name: str, version: str) -> tuple[Engine, Actor, Clock]:
    """Return what every step is given first; the version has to be of this policy."""
    found = wiring()
    require_name(_life(), name, version)
    return found.engine, _actor(), found.clock


def _life() -> Life:
    """Return what follows from all steps, with what time has brought about meanwhile."""
    found = wiring()
    return service.settle(found.engine, found.clock)


def _life_and_policy(name: str, version: str) -> tuple[Life, Policy]:
    found = wiring()
    return life_and_policy(found.engine, found.clock, name, version)


def _examination(version: str) -> Examination:
    found = wiring()
    return examined(found.engine, version, found.clock()).examination


def _taken(taken: Taken) -> Response:
    wiring().logbook.announce()
    entry, life = taken.entry, taken.life
    return json_answer(
        {
            "version": taken.version,
            "state": life.state_of(taken.version).value,
            "in_force": life.in_force,
            "step": None if entry is None else told_step(entry),
        }
    )
