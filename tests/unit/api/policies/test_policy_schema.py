"""What forms are told: enough to make a rule of, and nothing that the model would refuse."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from support.policies import policies
from support.tries import tries

from api.errors import PolicyDocumentError
from api.policies.model import read_policy
from api.policies.schema import field_schema
from api.policies.shipped import shipped_policy
from guardrails.policy.directions import DIRECTIONS, WRITTEN, Loosening
from guardrails.policy.document import to_plain
from guardrails.policy.fields import FIELDS
from guardrails.policy.language import Op
from guardrails.policy.limits import Limits

SCHEMA = field_schema()
VALIDATOR = Draft202012Validator(SCHEMA["schema"])
SEVERAL = {"in", "not_in", "contains_any"}


def fits(plain: object) -> bool:
    return VALIDATOR.is_valid(plain)


def test_the_schema_is_one_and_can_be_sent():
    Draft202012Validator.check_schema(SCHEMA["schema"])
    assert orjson.loads(orjson.dumps(SCHEMA)) == SCHEMA


def test_what_ships_fits_the_schema():
    assert fits(to_plain(shipped_policy()))


@given(policies())
@tries(10)
def test_every_policy_fits_the_schema(policy):
    assert list(VALIDATOR.iter_errors(to_plain(policy))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "No name"},
        {"polcy": "house"},
        {"limits": {"G17.upsel_hard": 0.3}},
        {"limits": {"G24.edge": 2.5}},
        {"rules": [{"id": "a"}]},
    ],
)
def test_what_the_model_refuses_the_schema_refuses_too(change):
    draft = {"policy": "house"} | change
    assert not fits(draft)
    with pytest.raises(PolicyDocumentError):
        read_policy(draft)


def test_every_field_and_every_limit_is_told():
    assert [field["name"] for field in SCHEMA["fields"]] == list(FIELDS)
    assert {limit["name"] for limit in SCHEMA["limits"]} == set(WRITTEN)
    assert all(field["description"] and field["operators"] for field in SCHEMA["fields"])
    assert all(limit["description"] for limit in SCHEMA["limits"])
    assert all(limit["least"] <= limit["shipped"] <= limit["greatest"] for limit in SCHEMA["limits"])


def test_a_limit_is_told_as_it_is_written():
    told = {limit["name"]: limit for limit in SCHEMA["limits"]}
    assert told["G17.upsell_hard"] == {
        "name": "G17.upsell_hard",
        "rule": "G17",
        "description": "how much dearer an upsell may be at most than what it is held against, as a share",
        "kind": "share",
        "unit": "share",
        "least": 0,
        "greatest": 1000,
        "shipped": 0.5,
        "stricter": "lower",
        "may_loosen": "never",
    }
    assert (told["G12.item_mute_days"]["unit"], told["G26.exclusion_hours"]["unit"]) == ("days", "hours")
    assert told["G24.edge"]["unit"] == "count"
    locked = {name for name, limit in WRITTEN.items() if DIRECTIONS[limit].loosening is Loosening.NEVER}
    assert {name for name, limit in told.items() if limit["may_loosen"] == "never"} == locked


def a_value(field: dict[str, object], end: str) -> object:
    """Fill in a form: the first of the words, or the least or greatest number."""
    if "values" in field:
        return field["values"][0 if end == "least" else -1]
    if "least" in field:
        return field[end]
    return end == "greatest" if field["kind"] == "bool" else "something"


def filled_in(field: dict[str, object], op: str, end: str) -> dict[str, object]:
    """Make a rule of nothing but what forms are told."""
    value = True if op == "has" else a_value(field, end)
    given = a_value(field, end)
    required = SCHEMA["schema"]["$defs"]["rule"]["required"]
    texts = {"review_by": "2027-01-01", "effect": "block"}
    rule = {name: texts.get(name, "some-text") for name in required}
    return rule | {
        "when": {"field": field["name"], "op": op, "value": [value] if op in SEVERAL else value},
        "applies_to": {next(iter(SCHEMA["scopes"])): ["home"]},
        "obligations": SCHEMA["obligations"],
        "mode": SCHEMA["modes"][0],
        "assumes": {name: [0, 1] for name in SCHEMA["assumptions"]},
        "tests": [
            {
                "note": "a test",
                "given": {field["name"]: [given] if field["kind"] == "texts" else given},
                "expect": SCHEMA["effects"][0],
            }
        ],
    }


@pytest.mark.parametrize("field", SCHEMA["fields"], ids=lambda field: field["name"])
def test_a_rule_made_of_what_forms_are_told_is_taken(field):
    for op in field["operators"]:
        for end in ("least", "greatest"):
            draft = {"policy": "house", "rules": [filled_in(field, op, end)]}
            assert fits(draft)
            (rule,) = read_policy(draft).rules
            assert rule.when.op is Op(op)


@given(st.sampled_from(SCHEMA["limits"]), st.sampled_from(["least", "greatest", "shipped"]))
@tries(60)
def test_every_limit_can_be_set_to_what_forms_are_told(limit, which):
    draft = {"policy": "house", "limits": {limit["name"]: limit[which]}}
    assert fits(draft)
    assert (read_policy(draft).limits == Limits()) is (limit[which] == limit["shipped"])


def test_signs_may_be_written_as_people_write_them():
    rule = filled_in(
        next(each for each in SCHEMA["fields"] if each["name"] == "item.price_minor"), ">", "least"
    )
    for sign in ("≠", "≤", "≥"):
        rule["when"]["op"] = sign
        assert fits({"policy": "house", "rules": [rule]})
