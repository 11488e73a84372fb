"""What forms about the life of a policy hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from api.schemas.base import MAX_MS, RequestSchema, Text
from api.schemas.policies import Reason, Version
from api.schemas.rights import QuerySchema
from guardrails.messages import Phrase
from guardrails.policy.charter import MICRO
from guardrails.policy.lifecycle import HOUR_MS, LONGEST_GLASS_MS
from guardrails.policy.permission import GREATEST_SHARE_MICRO
from guardrails.policy.rehearsal import ChangeKind

NOW, LATER = "now", "later"
YES = "yes"

MOST_HOURS = LONGEST_GLASS_MS // HOUR_MS
MOST_PERCENT = 100 * GREATEST_SHARE_MICRO // MICRO

_WHY: dict[str, Any] = {"required": Phrase("say why, in a few words")}
_WHEN: dict[str, Any] = {"required": Phrase("say when")}


class Said(Reason):
    """Somebody's own words; what was written on several lines is kept on one."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        joined = " ".join(value.split()) if isinstance(value, str) else value
        if joined == "" and self.required:
            raise self.make_error("required")
        return super()._deserialize(joined, attr, data, **kwargs)


class Moment(fields.Field[int]):
    """A day and a time of day, UTC, as a browser sends them; in milliseconds since the epoch."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        del attr, data, kwargs
        try:
            at = datetime.fromisoformat(str(value))
            at_ms = int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1000)
        except (ValueError, OverflowError):
            at_ms = -1
        if not 0 <= at_ms <= MAX_MS:
            raise ValidationError(
                Phrase("give a day and a time, such as {example}", example="2027-03-31T08:00")
            )
        return at_ms


class CommentSchema(RequestSchema):
    """Something that is said between the steps."""

    comment = Said(required=True, least=1, error_messages={"required": Phrase("write something first")})


class RemarkSchema(RequestSchema):
    """What goes with a step, if anybody cares to say something."""

    comment = Said(load_default="")


class ApprovalSchema(RemarkSchema):
    """What is agreed to: that the version takes the place of what was looked at."""

    base = Version(required=True)


class RejectionSchema(RequestSchema):
    """Why something is not agreed to."""

    comment = Said(required=True, least=1, error_messages=_WHY)


class ActivationSchema(RequestSchema):
    """When a version comes into force, and until when it is."""

    when = fields.String(required=True, validate=validate.OneOf((NOW, LATER)), error_messages=_WHEN)
    at = Moment()
    until = Moment()

    @validates_schema
    def _has_a_time(self, data: Mapping[str, Any], **_: object) -> None:
        if data.get("when") == LATER and "at" not in data:
            raise ValidationError(_WHEN["required"], "at")


class WatchSchema(RequestSchema):
    """Until when a version is watched."""

    until = Moment()


class ChallengeSchema(WatchSchema):
    """How many customers a version is tried out on."""

    percent = fields.Integer(
        required=True,
        validate=validate.Range(1, MOST_PERCENT),
        error_messages={"required": Phrase("say how many in a hundred")},
    )


class GlassSchema(RejectionSchema):
    """Why a version cannot wait, and for how long it is in force without approval."""

    hours = fields.Integer(required=True, validate=validate.Range(1, MOST_HOURS), error_messages=_WHEN)
    confirmed = fields.String(validate=validate.Equal(YES))


class ExamplesSchema(QuerySchema):
    """Which examples of a rehearsal are wanted."""

    kind = fields.String(validate=validate.OneOf([each.value for each in ChangeKind]))
    rule = Text()
    placement = Text()
    intent = Text()
    subject_kind = Text()
    basis = Text()
    channel = Text()


class BeforeSchema(QuerySchema):
    """From which step on a history goes back."""

    before = fields.Integer(validate=validate.Range(1))
