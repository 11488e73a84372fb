"""What is asked for suggestions, and what is answered."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from api.schemas.base import (
    Flag,
    Id,
    RequestSchema,
    Text,
    WholeNumber,
    one_of_values,
    one_of_words,
)
from engine.vocabulary import Basis, Channel, Intent, Kind, Origin
from guardrails.consent.permission import Denial, LawfulBasis
from guardrails.decide import Action
from guardrails.house import Arm
from guardrails.messages import LANGUAGES
from guardrails.reasons import ReasonCode
from guardrails.request import Entry, Pattern
from guardrails.rules.base import OBLIGES
from guardrails.sensitive.occasions import OCCASIONS

MAX_COUNT = 50
DEFAULT_COUNT = 10
MAX_BASKET = 100
MAX_CATEGORIES = 20
MAX_PAGES = 100_000
MAX_VISIT_S = 604_800
DECISION_TYPES = ("recommendation", "credit", "price_individual", "access")
"""What an answer may be used for; all but the first can affect somebody much as the law does."""

TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)"

MODES = ("profiled", "non_profiled")
"""``profiled`` uses what the customer consented to; ``non_profiled`` uses nothing about them."""


class ContextSchema(RequestSchema):
    """What the page itself says; nobody's data."""

    item_id = Id(metadata={"description": "the item the page is about"})
    basket = fields.List(
        Id(),
        validate=validate.Length(max=MAX_BASKET),
        metadata={"description": "item ids in the basket"},
    )
    occasion = fields.String(
        validate=validate.OneOf(OCCASIONS),
        metadata={"description": "the occasion that the page or the message is about"},
    )
    query = Text(
        most=500,
        metadata={
            "description": "the search text; matched against categories, and not kept. Where it "
            "names any, nothing is suggested from others, unless `categories` says from where"
        },
    )


class VisitSchema(RequestSchema):
    """How the visit has gone so far, as far as the shop says.

    What is left out is not guessed: the store knows what was done with items, and only where that may
    be kept, so that a count of pages from there would make every visit look like an errand.
    """

    pages = WholeNumber(1, MAX_PAGES, metadata={"description": "pages opened, this one included"})
    basket_after_s = WholeNumber(
        0,
        MAX_VISIT_S,
        metadata={"description": "seconds from the first page to the first thing in the basket"},
    )
    entry = one_of_values(
        Entry, metadata={"description": "how it began; `exact_search`: a search for one certain product"}
    )


class PresentationSchema(RequestSchema):
    """What is going to stand around the suggestions."""

    patterns = fields.List(
        one_of_values(Pattern),
        validate=validate.Length(max=len(Pattern)),
        metadata={"description": "ways of presenting that press; nothing is suggested into them"},
    )
    personalised_price = Flag(metadata={"description": "prices were set for this customer alone"})
    price_disclosed = Flag(
        metadata={"description": "it is said beside the price that it was (Directive 2011/83/EU, 6(1)(ea))"}
    )


class RecommendationRequestSchema(RequestSchema):
    """Whom suggestions are for, where they are shown, and what the page says."""

    customer_id = Id(
        metadata={
            "description": "the shop's key of the customer; absent for a visitor. With a customer's token it "
            "is `me` or absent"
        }
    )
    session_id = Id(metadata={"description": "the shop's key of the visit"})
    device_id = Id(
        metadata={
            "description": "the browser or app, longer lived than a visit: what was refused on it holds"
        }
    )
    placement = Id(required=True, metadata={"description": "name of the placement, e.g. `product_page`"})
    channel = one_of_words(Channel, load_default="web")
    context = fields.Nested(ContextSchema, load_default=dict)
    count = WholeNumber(
        1,
        MAX_COUNT,
        load_default=None,
        metadata={
            "description": f"most suggestions wanted; by default {DEFAULT_COUNT}, or what the placement "
            "holds if that is less. More than it holds is refused."
        },
    )
    categories = fields.List(
        Text(most=500),
        load_default=list,
        validate=validate.Length(max=MAX_CATEGORIES),
        metadata={
            "description": "category paths, e.g. `Food > Tea`: nothing is suggested but what is of these or "
            "below them; everything if left out"
        },
    )
    after = Id(
        metadata={
            "description": "the `decision_id` of the page before: the list goes on behind it, with what may "
            "be suggested now. It must have been for the same customer and placement"
        }
    )
    mode = fields.String(
        load_default=MODES[0],
        validate=validate.OneOf(MODES),
        metadata={"description": "`non_profiled`: the customer asked for suggestions without a profile"},
    )
    language = fields.String(
        validate=validate.OneOf(LANGUAGES),
        metadata={"description": "language of the reasons; goes before `Accept-Language`"},
    )
    recognised_only = Flag(
        load_default=False, metadata={"description": "the customer is recognised but not logged in"}
    )
    visit = fields.Nested(VisitSchema, load_default=dict)
    presentation = fields.Nested(PresentationSchema, load_default=dict)
    local_time = fields.String(
        validate=validate.Regexp(TIME_OF_DAY, error="is not a time of day, as in 21:30"),
        metadata={
            "description": "the time of day where the customer is, from `00:00` to `23:59`; by default that "
            "of the shop's own time zone, if one is set"
        },
    )
    shared_device = Flag(load_default=False, metadata={"description": "others use this device or account"})
    gpc = Flag(
        load_default=False,
        metadata={
            "description": "the page has read `navigator.globalPrivacyControl`: as `Sec-GPC: 1`, which no "
            "script can send"
        },
    )
    decision_type = fields.String(
        load_default=DECISION_TYPES[0],
        validate=validate.OneOf(DECISION_TYPES),
        metadata={"description": "what the answer is used for; any but the first needs `human_review`"},
    )
    human_review = Flag(
        load_default=False, metadata={"description": "a person decides, with the power to decide otherwise"}
    )

    @validates_schema
    def _no_machine_decides_alone(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse decisions with legal or similar effect that no person takes (GDPR 22)."""
        if data["decision_type"] != DECISION_TYPES[0] and not data["human_review"]:
            raise ValidationError("a decision of this type is for a person to take", "human_review")


class EvidenceSchema(Schema):
    """One term of the score."""

    item_id = fields.String(
        required=True, allow_none=True, metadata={"description": "null when it must not be named"}
    )
    origin = one_of_words(Origin, required=True)
    kind = one_of_words(Kind, required=True)
    contribution = fields.Integer(required=True)


class OthersSchema(Schema):
    """The terms of the score that are not given one by one."""

    n = fields.Integer(required=True)
    contribution = fields.Integer(required=True)


class ReasonSchema(Schema):
    """Why a suggestion is shown: the arithmetic of its score."""

    code = one_of_values(ReasonCode, required=True)
    text = fields.String(required=True, metadata={"description": "plain words, at most 140 characters"})
    base = fields.Integer(required=True, metadata={"description": "part of the score that is nobody's data"})
    evidence = fields.List(
        fields.Nested(EvidenceSchema),
        required=True,
        metadata={"description": "the largest terms of the sum, largest first"},
    )
    others = fields.Nested(
        OthersSchema,
        required=True,
        metadata={"description": "what is left; `base`, `evidence` and `others` add up to `score`"},
    )


class StandsForSchema(Schema):
    """What a suggestion is shown as, because the thing itself would be too exact."""

    level = fields.String(required=True, validate=validate.OneOf(("category", "brand")))
    name = fields.String(required=True, metadata={"description": "category path or brand"})


class SuggestionSchema(Schema):
    """One suggestion."""

    item_id = fields.String(required=True)
    rank = fields.Integer(
        required=True, metadata={"description": "1 for the first; on a further page it goes on counting"}
    )
    score = fields.Integer(required=True, metadata={"description": "higher is better; not a probability"})
    intent = one_of_words(Intent, required=True)
    sponsored = fields.Boolean(
        required=True, metadata={"description": "somebody pays for it; to be said beside it (DSA 26(1))"}
    )
    action = one_of_values(
        Action,
        required=True,
        metadata={
            "description": "`show_with_reason`: only together with its reason. `generalise`: the same, as "
            "the category or brand of `stands_for`, not as one certain item that was picked for the customer"
        },
    )
    obligations = fields.List(
        fields.String(validate=validate.OneOf(tuple(OBLIGES))),
        required=True,
        metadata={
            "description": "what rules ask of whoever shows it. `explain`: only together with its reason. "
            "`disclose_sponsored`: say beside it that somebody pays. `hand_off`: offer a person beside it"
        },
    )
    warnings = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "ids of rules of the shop that only warn, and would have acted on it"},
    )
    stands_for = fields.Nested(
        StandsForSchema,
        required=True,
        allow_none=True,
        metadata={"description": "null unless `action` is `generalise`"},
    )
    purpose = fields.String(required=True, metadata={"description": "key of the purpose it rests on"})
    lawful_basis = one_of_values(
        LawfulBasis, required=True, metadata={"description": "what that purpose stands on"}
    )
    reason = fields.Nested(ReasonSchema, required=True)


class WithheldSchema(Schema):
    """What would have been suggested but for a rule."""

    count = fields.Integer(required=True)
    by_rule = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "by id of a rule that ships, such as `G17`, or of one of the shop's own"},
    )


class AdmissionNoteSchema(Schema):
    """Whether one purpose stood."""

    purpose = fields.String(required=True)
    permitted = fields.Boolean(required=True)
    because = one_of_values(Denial, required=True, allow_none=True)


class OptionsSchema(Schema):
    """How the customer can have it otherwise (DSA 27 and 38)."""

    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    modes = fields.List(fields.String(), required=True)
    switch = fields.String(required=True, metadata={"description": "how to switch, in plain words"})


class HandoffSchema(Schema):
    """To whom the customer can turn instead."""

    to = fields.String(required=True, validate=validate.Equal("human"))
    contact = fields.String(required=True, allow_none=True)


class RecommendationAnswerSchema(Schema):
    """Suggestions, each with its reason, and how the decision came about."""

    decision_id = fields.String(required=True)
    basis = one_of_words(Basis, required=True)
    profiling = fields.Boolean(
        required=True,
        metadata={"description": "something kept of the customer beyond this visit was read (GDPR 4(4))"},
    )
    degraded = fields.Boolean(required=True, metadata={"description": "less than it might have been"})
    degraded_because = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "`model_missing`, `consent_unreadable`, `rule_failed`, `catalogue_behind`, "
            "`policy_unreadable`, `log_unavailable` or `overloaded`"
        },
    )
    items = fields.List(fields.Nested(SuggestionSchema), required=True)
    withheld = fields.Nested(WithheldSchema, required=True)
    admission = fields.List(fields.Nested(AdmissionNoteSchema), required=True)
    model_version = fields.String(required=True, allow_none=True)
    policy_version = fields.String(
        required=True, metadata={"description": "SHA-256 of the policy that all of this was decided by"}
    )
    arm = fields.String(
        validate=validate.OneOf(tuple(arm.value for arm in Arm)),
        metadata={
            "description": "which of two policies that was, while two are compared; absent otherwise. "
            "A customer stays with one of them"
        },
    )
    options = fields.Nested(OptionsSchema, required=True)
    parameters_url = fields.String(
        required=True, metadata={"description": "page that says in plain words what suggestions rest on"}
    )
    handoff = fields.Nested(
        HandoffSchema,
        required=True,
        allow_none=True,
        metadata={"description": "null unless nothing may be said, or a rule of the shop asks for a person"},
    )
