"""Searching and reading the decision log; models."""

from __future__ import annotations

from marshmallow import RAISE, Schema, fields, validate
from webargs.fields import DelimitedList

from api.schemas.base import Id, one_of_words
from engine.vocabulary import Basis
from guardrails.decide import Outcome
from guardrails.log.codes import ReasonCode
from guardrails.log.counterfactual import State
from guardrails.log.record import SECTIONS
from guardrails.log.replay import Finding
from guardrails.messages import LANGUAGES
from guardrails.reasons import ReasonCode as SuggestionCode

MAX_PAGE = 200
DEFAULT_PAGE = 50
MOST = 2**53 - 1
"""No place and no minute is beyond it; more than 64 bits no database could compare with."""


class DecisionSearchSchema(Schema):
    """Filters of a search, all of which must hold; numbers are text here, as in every query."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    after = fields.Integer(
        validate=validate.Range(1, MOST), metadata={"description": "`next` of the page before; newest first"}
    )
    limit = fields.Integer(load_default=DEFAULT_PAGE, validate=validate.Range(1, MAX_PAGE))
    customer_id = Id(metadata={"description": "decisions for this customer"})
    placement = Id()
    basis = one_of_words(Basis)
    outcome = fields.String(validate=validate.OneOf([outcome.value for outcome in Outcome]))
    model = Id(metadata={"description": "version of the model"})
    policy = Id(metadata={"description": "version of the policy"})
    rule = Id(metadata={"description": "id of a rule that withheld something, as in `G17`"})
    reason = fields.String(
        validate=validate.OneOf([code.value for code in ReasonCode]),
        metadata={"description": "why something was withheld"},
    )
    shown = fields.String(
        validate=validate.OneOf([code.value for code in SuggestionCode]),
        metadata={"description": "why something was shown"},
    )
    minute_from = fields.Integer(
        validate=validate.Range(0, MOST),
        metadata={"description": "first minute wanted, in minutes since the epoch"},
    )
    minute_to = fields.Integer(
        validate=validate.Range(0, MOST), metadata={"description": "first minute no longer wanted"}
    )


class DecisionHeaderSchema(Schema):
    """The public part of a record; holds no personal data."""

    decision_id = fields.String(required=True)
    log_index = fields.Integer(required=True, metadata={"description": "position in the log, from 0"})
    minute = fields.Integer(required=True, metadata={"description": "minutes since the epoch"})
    placement = fields.String(required=True)
    basis = one_of_words(Basis, required=True)
    outcome = fields.String(required=True)
    policy = fields.String(required=True)
    model = fields.String(required=True, allow_none=True)


class DecisionPageSchema(Schema):
    """One page of a search."""

    decisions = fields.List(fields.Nested(DecisionHeaderSchema), required=True)
    logged_at = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "description": "where in the log this search is itself recorded; null where it told nothing but "
            "what entries say"
        },
    )
    next = fields.Integer(
        required=True, allow_none=True, metadata={"description": "`after` of the next page; null at the end"}
    )


class RecordQuerySchema(Schema):
    """Which sections of a record are wanted."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    sections = DelimitedList(
        fields.String(validate=validate.OneOf(SECTIONS)),
        load_default=lambda: list(SECTIONS),  # one that is written out would be described as a text
        metadata={"description": "sections wanted, set apart by commas; all of them without"},
    )


class DecisionSchema(Schema):
    """A whole record: the entry as it is in the tree, and the sections asked for as far as they are kept."""

    decision_id = fields.String(required=True)
    log_index = fields.Integer(required=True, metadata={"description": "position in the log, from 0"})
    entry = fields.Dict(required=True, metadata={"description": "the leaf of the tree"})
    entry_base64 = fields.String(required=True, metadata={"description": "its canonical bytes"})
    sections = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(),
        required=True,
        allow_none=True,
        metadata={"description": "req, consent, cand, rules and out; null once erased"},
    )
    salts = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        allow_none=True,
        metadata={
            "description": "base64url, one a section: with them the digests in the entry can be checked"
        },
    )
    logged_at = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "where in the log this look is itself recorded; null once erased"},
    )


class ProofSchema(Schema):
    """That a decision is in the log, to be checked by anybody (RFC 6962, section 2.1.1)."""

    decision_id = fields.String(required=True)
    log_index = fields.Integer(required=True, metadata={"description": "position in the log, from 0"})
    entry_base64 = fields.String(required=True, metadata={"description": "canonical bytes of the leaf"})
    receipt = fields.String(
        required=True, metadata={"description": "index, proof and signed checkpoint, as a `.tlog-proof` file"}
    )


class ReplayedSchema(Schema):
    """What came of making one level of a decision again."""

    finding = fields.String(
        required=True,
        validate=validate.OneOf([each.value for each in Finding]),
        metadata={"description": "`exact`: every byte is the same"},
    )
    pointer = fields.String(
        required=True,
        metadata={
            "description": "where the first difference is (RFC 6901), section first; empty without one"
        },
    )
    detail = fields.String(required=True)


class ReplaySchema(Schema):
    """What came of making a decision again."""

    decision_id = fields.String(required=True)
    log_index = fields.Integer(required=True, metadata={"description": "position in the log, from 0"})
    erased = fields.Boolean(
        required=True, metadata={"description": "the personal part is gone, so nothing was replayed"}
    )
    rules = fields.Nested(
        ReplayedSchema,
        required=True,
        allow_none=True,
        metadata={"description": "rules and answer, from the record and the policy"},
    )
    candidates = fields.Nested(
        ReplayedSchema,
        required=True,
        allow_none=True,
        metadata={"description": "what was considered, from model and catalogue besides"},
    )
    logged_at = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "where in the log this look is itself recorded; null once erased"},
    )


class CounterfactualsQuerySchema(Schema):
    """Of which item, and in which language."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    item_id = Id(metadata={"description": "an item that was shown or withheld; all of them without"})
    language = fields.String(
        validate=validate.OneOf(LANGUAGES),
        metadata={"description": "language of the sentences; goes before `Accept-Language`"},
    )


class ChangeSchema(Schema):
    """One input that would have been otherwise."""

    field = fields.String(required=True)
    was = fields.Raw(
        required=True, allow_none=True, data_key="from", metadata={"description": "as it was recorded"}
    )
    to = fields.Raw(required=True, allow_none=True)
    who = fields.String(
        required=True, metadata={"description": "on whom it depends: the customer, the shop, or time"}
    )


class CounterfactualSchema(Schema):
    """The smallest change that would have flipped what became of an item."""

    item = fields.String(required=True)
    round = fields.Integer(required=True, metadata={"description": "step of the ladder, from 0"})
    was = fields.String(required=True, validate=validate.OneOf([each.value for each in State]))
    rule = fields.String(required=True, metadata={"description": "what withheld it; empty where nothing did"})
    change = fields.List(fields.Nested(ChangeSchema), required=True)
    flips_to = fields.String(required=True, allow_none=True)
    by = fields.String(
        required=True, metadata={"description": "what would have withheld it then; empty for nothing"}
    )
    unflipped = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "why there is no change; null where there is"},
    )
    sentence = fields.String(required=True, metadata={"description": "the same in words"})


class CounterfactualsSchema(Schema):
    """What would have been otherwise, item by item."""

    decision_id = fields.String(required=True)
    log_index = fields.Integer(required=True, metadata={"description": "position in the log, from 0"})
    counterfactuals = fields.List(fields.Nested(CounterfactualSchema), required=True)
    logged_at = fields.Integer(
        required=True, metadata={"description": "where in the log this look is itself recorded"}
    )
