"""Policies: drafts, what is found in them, the steps of their life."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from api.schemas.base import RequestSchema, Text, TimeMs, WholeNumber
from api.schemas.rights import QuerySchema
from api.storage.rehearsals import RehearsalState
from guardrails.policy.findings import Severity
from guardrails.policy.lifecycle import State, StepKind
from guardrails.policy.permission import GREATEST_SHARE_MICRO

MAX_REASON = 500

_VERSION = r"^[0-9a-f]{64}$(?!\n)"

_MICRO = {"description": "millionths"}


class Version(fields.String):
    """The SHA-256 of a document, 64 hex digits."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(
            validate=validate.Regexp(_VERSION, error="a version has 64 hexadecimal digits"),
            **kwargs,  # type: ignore[arg-type]  # the names are those of the base
        )


class Reason(Text):
    """Somebody's own words, on one line and without anything that does not show; they stay in the log."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(most=MAX_REASON, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text.isprintable():
            raise ValidationError("control characters are not allowed")
        return text


class PolicyReasonSchema(RequestSchema):
    """Why."""

    reason = Reason(required=True, least=1)


class PolicyEndingSchema(RequestSchema):
    """Why, if anybody cares to say."""

    reason = Reason(load_default="")


class PolicyApprovalSchema(RequestSchema):
    """What is agreed to: that the version takes the place of this base, and of nothing else."""

    base = Version(required=True, metadata={"description": "the version in force that was looked at"})


class PolicyActivationSchema(RequestSchema):
    """When it comes into force, and until when it is."""

    at_ms = TimeMs(metadata={"description": "at once without it"})
    until_ms = TimeMs(metadata={"description": "then it falls back to what was in force before"})


class PolicyWatchSchema(RequestSchema):
    """Until when a version is watched."""

    until_ms = TimeMs(metadata={"description": "until it is ended without it"})


class PolicyChallengeSchema(PolicyWatchSchema):
    """How many customers a challenger is for."""

    share_micro = WholeNumber(
        1,
        GREATEST_SHARE_MICRO,
        required=True,
        metadata={"description": "share of customers who agreed to be measured, in millionths"},
    )


class PolicyGlassSchema(PolicyReasonSchema):
    """Why a version cannot wait for approval, and until when it is in force without it."""

    until_ms = TimeMs(required=True, metadata={"description": "at most 24 hours ahead"})


class PolicyDiffQuerySchema(QuerySchema):
    """What a version is held against."""

    against = Version(metadata={"description": "what is in force without it"})


class PolicyFindingSchema(Schema):
    """One thing that was found in a draft."""

    code = fields.String(required=True, metadata={"description": "stable word for its kind"})
    severity = fields.String(required=True, validate=validate.OneOf([each.value for each in Severity]))
    pointer = fields.String(required=True, metadata={"description": "JSON pointer into the document"})
    line = fields.Integer(metadata={"description": "of the text that was sent, from 1"})
    column = fields.Integer(metadata={"description": "in characters, from 1"})
    message = fields.String(required=True)
    example = fields.Dict(required=True, metadata={"description": "what shows it"})
    rules = fields.List(fields.String(), required=True, metadata={"description": "other rules it is about"})


class PolicyFindingsSchema(Schema):
    """What is found in a draft; errors keep it from being proposed, warnings do not."""

    version = fields.String(required=True)
    n_errors = fields.Integer(required=True)
    n_warnings = fields.Integer(required=True)
    needs_auditor = fields.Boolean(
        required=True, metadata={"description": "an auditor has to approve; that settles the findings `L4`"}
    )
    findings = fields.List(fields.Nested(PolicyFindingSchema), required=True)


class PolicyDraftedSchema(PolicyFindingsSchema):
    """A draft as it was stored."""

    name = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf([each.value for each in State]))


class RehearsalSchema(Schema):
    """How far a rehearsal is, and once it is done what it found."""

    rehearsal_id = fields.String(required=True)
    version = fields.String(required=True)
    base = fields.String(required=True, metadata={"description": "what it is held against"})
    state = fields.String(required=True, validate=validate.OneOf([each.value for each in RehearsalState]))
    n_done = fields.Integer(required=True, metadata={"description": "decisions gone through"})
    n_total = fields.Integer(required=True, metadata={"description": "decisions to go through"})
    started_at_ms = fields.Integer(required=True)
    finished_at_ms = fields.Integer(required=True, allow_none=True)
    report = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "what would have been different, and what nobody can tell; null until done"},
    )
    report_sha256 = fields.String(
        required=True, allow_none=True, metadata={"description": "of its canonical bytes (RFC 8785)"}
    )
    sentences = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"description": "what the report says in words, in the language of the answer"},
    )


class PolicyTestSchema(Schema):
    """What came of one test."""

    rule_id = fields.String(required=True)
    index = fields.Integer(required=True, metadata={"description": "which of the tests of the rule, from 0"})
    note = fields.String(required=True)
    expected = fields.String(required=True)
    did = fields.String(
        required=True, allow_none=True, metadata={"description": "null where there was no answer"}
    )
    passed = fields.Boolean(required=True)


class PolicyTestsSchema(Schema):
    """What came of the tests of a draft, and what they would not notice."""

    version = fields.String(required=True)
    tests = fields.List(fields.Nested(PolicyTestSchema), required=True)
    n_passed = fields.Integer(required=True)
    conditions_micro = fields.Integer(
        required=True, metadata={"description": "share of the outcomes of conditions that some test shows"}
    )
    boundaries_micro = fields.Integer(
        required=True, metadata={"description": "share of the values at boundaries that some test takes"}
    )
    mutation_micro = fields.Integer(
        required=True, metadata={"description": "share of small changes to rules that some test notices"}
    )


class PolicyStepSchema(Schema):
    """One step in the life of a version."""

    number = fields.Integer(required=True, metadata={"description": "of all steps of the shop, from 1"})
    name = fields.String(required=True)
    version = fields.String(required=True)
    base = fields.String(required=True, metadata={"description": "what it is to take the place of"})
    kind = fields.String(required=True, validate=validate.OneOf([each.value for each in StepKind]))
    actor = fields.String(required=True, metadata={"description": "id of the key, or `system`"})
    role = fields.String(required=True)
    at_ms = fields.Integer(required=True)
    reason = fields.String()
    scheduled_at_ms = fields.Integer()
    until_ms = fields.Integer()
    share_micro = fields.Integer(metadata=_MICRO)
    report_sha256 = fields.String(metadata={"description": "report of the rehearsal it rests on"})
    is_rollback = fields.Boolean()
    needs_auditor = fields.Boolean()
    header_base64 = fields.String(
        required=True, metadata={"description": "canonical bytes; name the hash of the step before"}
    )
    sha256 = fields.String(required=True, metadata={"description": "of the header"})


class PolicyStepsSchema(Schema):
    """The life of a version so far, oldest step first."""

    steps = fields.List(fields.Nested(PolicyStepSchema), required=True)


class PolicyTakenSchema(Schema):
    """A step that was taken."""

    version = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf([each.value for each in State]))
    in_force = fields.String(required=True, metadata={"description": "version in force now"})
    step = fields.Nested(PolicyStepSchema, required=True)


class PolicyApproverSchema(Schema):
    """Somebody who agreed."""

    actor = fields.String(required=True, metadata={"description": "id of the key"})
    role = fields.String(required=True)
    at_ms = fields.Integer(required=True)


class PolicyProposalSchema(Schema):
    """What is proposed, and how far that has come."""

    base = fields.String(required=True, metadata={"description": "what it is to take the place of"})
    base_in_force = fields.Boolean(
        required=True, metadata={"description": "false: it has to be proposed again"}
    )
    proposer = fields.String(required=True)
    at_ms = fields.Integer(required=True)
    is_rollback = fields.Boolean(required=True)
    needs_auditor = fields.Boolean(required=True)
    approved = fields.Boolean(required=True)
    approvals = fields.List(fields.Nested(PolicyApproverSchema), required=True)
    scheduled_at_ms = fields.Integer(required=True, allow_none=True)
    until_ms = fields.Integer(required=True, allow_none=True)
    report_sha256 = fields.String(required=True, allow_none=True)


class PolicyVersionSchema(Schema):
    """Where a version stands."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf([each.value for each in State]))
    authors = fields.List(fields.String(), required=True, metadata={"description": "ids of keys"})
    at_ms = fields.Integer(required=True, metadata={"description": "when it was first heard of"})
    was_in_force = fields.Boolean(required=True)
    proposal = fields.Nested(PolicyProposalSchema, required=True, allow_none=True)


class PolicyVersionsSchema(Schema):
    """Every version of a policy, newest first."""

    name = fields.String(required=True)
    versions = fields.List(fields.Nested(PolicyVersionSchema), required=True)


class PolicyInForceSchema(Schema):
    """What is in force."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    since_ms = fields.Integer(required=True, metadata={"description": "as far back as steps are recorded"})
    until_ms = fields.Integer(required=True, allow_none=True)
    by_glass = fields.Boolean(required=True, metadata={"description": "without approval"})
    falls_back_to = fields.String(required=True, allow_none=True)


class PolicyTrialSchema(Schema):
    """A version that is watched, or in force for some."""

    version = fields.String(required=True)
    since_ms = fields.Integer(required=True)
    until_ms = fields.Integer(required=True, allow_none=True)
    share_micro = fields.Integer(required=True, metadata=_MICRO)


class PoliciesSchema(Schema):
    """Every policy, what is in force, and what is proposed."""

    in_force = fields.Nested(PolicyInForceSchema, required=True)
    shadow = fields.Nested(PolicyTrialSchema, required=True, allow_none=True)
    challenger = fields.Nested(PolicyTrialSchema, required=True, allow_none=True)
    names = fields.List(fields.String(), required=True)
    proposals = fields.List(fields.Nested(PolicyVersionSchema), required=True)
