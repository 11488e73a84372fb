"""What is read at once is read as marshmallow reads it: the same values, and the same words of refusal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from api.schemas.base import Id, RequestSchema, Text, TimeMs, WholeNumber
from api.schemas.plain import reader_of
from api.schemas.recommendation import RecommendationRequestSchema

texts = st.one_of(
    st.sampled_from(["home", "web", "me", "da", "21:30", "coffee", "profiled", ""]), st.text(max_size=4)
)
simple = st.one_of(
    texts,
    st.just("x" * 257),
    st.just("cafe\N{COMBINING ACUTE ACCENT}"),
    st.just("\x7f"),
    st.integers(-1, 60),
    st.booleans(),
    st.none(),
    st.just(4.0),
)
lists = st.lists(simple, max_size=3)


def objects(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from([*names, "unknown"]), simple | lists, max_size=4)


names = st.sampled_from(sorted({*RecommendationRequestSchema().fields, "unknown"}))
bodies = st.one_of(
    simple | lists,
    st.fixed_dictionaries(
        {"placement": st.just("home")},
        optional={
            "customer_id": texts,
            "channel": st.sampled_from(["web", "email", "radio"]),
            "context": objects("item_id", "basket", "occasion", "query") | simple,
            "count": st.integers(-1, 60),
            "mode": texts,
            "visit": objects("pages", "basket_after_s", "entry"),
            "presentation": objects("patterns", "personalised_price", "price_disclosed"),
            "categories": lists,
            "local_time": texts,
            "gpc": st.booleans(),
            "decision_type": st.sampled_from(["recommendation", "credit"]),
            "human_review": st.booleans(),
        },
    ),
    st.dictionaries(names, simple | lists, max_size=5),
)


def outcome(read: Any, document: object) -> tuple[str, Any]:
    try:
        return "read", read(document)
    except ValidationError as error:
        return "refused", error.messages


@given(bodies)
def test_a_request_reads_the_same_in_both_ways(body: object) -> None:
    schema = RecommendationRequestSchema()
    assert outcome(reader_of(schema), body) == outcome(schema.load, body)


class LineSchema(RequestSchema):
    name = Id(required=True)
    at_ms = TimeMs(required=True)
    note = Text(most=3, allow_none=True)


class Lists(RequestSchema):
    lines = fields.List(fields.Nested(LineSchema), required=True, validate=validate.Length(1, 2))
    shares = fields.List(fields.Float())
    always = fields.Dict(load_default=dict)


lines = st.one_of(
    simple,
    st.fixed_dictionaries(
        {"name": texts, "at_ms": st.integers(-1, 3)}, optional={"note": simple, "unknown": simple}
    ),
)


@given(
    st.fixed_dictionaries(
        {"lines": st.lists(lines, max_size=3) | simple},
        optional={"shares": lists, "always": objects("a") | simple},
    )
)
def test_lists_of_objects_read_the_same_in_both_ways(body: object) -> None:
    schema = Lists()
    assert outcome(reader_of(schema), body) == outcome(schema.load, body)


def test_what_is_plainly_right_does_not_trouble_marshmallow(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = RecommendationRequestSchema()
    read = reader_of(schema)

    def load(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("marshmallow was asked")

    monkeypatch.setattr(Schema, "_do_load", load)
    asked = read(
        {"customer_id": "7", "placement": "home", "context": {"basket": ["1"]}, "visit": {"pages": 2}}
    )
    assert asked["context"] == {"basket": ["1"]}
    assert asked["count"] is None


def test_defaults_are_made_anew_for_each_body() -> None:
    read = reader_of(RecommendationRequestSchema())
    first, second = read({"placement": "home"}), read({"placement": "home"})
    first["context"]["query"] = "tea"
    assert second["context"] == {}


class Renaming(Schema):
    size = WholeNumber(0, 9, data_key="n")


class Making(Schema):
    size = WholeNumber(0, 9)

    @post_load
    def _make(self, data: dict[str, Any], **_kwargs: Any) -> list[Any]:
        return [data]


class Comparing(Schema):
    size = WholeNumber(0, 9)

    @validates_schema(pass_original=True)
    def _same(self, data: dict[str, Any], original: dict[str, Any], **_kwargs: Any) -> None:
        if data != original:
            raise ValidationError("differs")


@pytest.mark.parametrize("schema", [Renaming(), Making(), Comparing(), Making(many=True)], ids=repr)
def test_a_schema_that_does_more_reads_by_itself(schema: Schema) -> None:
    assert reader_of(schema) == schema.load


@pytest.mark.parametrize("schema", [Renaming, Making, Comparing])
def test_a_part_that_does_more_reads_by_itself(schema: type[Schema]) -> None:
    class Whole(RequestSchema):
        part = fields.Nested(schema)
        parts = fields.Nested(schema, many=True)

    for body in ({"part": {"n": 1}}, {"part": {"size": 1}}, {"parts": [{"size": 1}]}, {"part": 3}):
        assert outcome(reader_of(Whole()), body) == outcome(Whole().load, body)
