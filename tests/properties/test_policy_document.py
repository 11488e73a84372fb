"""A policy says the same in every form: as YAML, as JSON, as canonical bytes, in any order of its rules."""

from __future__ import annotations

from dataclasses import replace

import orjson
from hypothesis import given
from hypothesis import strategies as st
from support.policies import policies, rules
from support.tries import tries

from api.policies.model import load_document, read_policy
from api.policies.text import Form, read_text, write_yaml
from guardrails.policy.charter import MICRO, Measure
from guardrails.policy.document import to_document, to_plain
from guardrails.policy.fields import FIELDS
from guardrails.policy.language import HouseAssumption, HouseRule, Policy, RuleTest, Value

TRICKY = (
    *("yes", "No", "null", "~", "1", "1.0", "0x1F", "0o7", "1e3", ".5", ".inf", "2026-12-01", "12:30"),
    *("=", "<<", "a: b", "- x", "# no", "'quoted'", '"', "{a}", "[a", "!x", "&a", "*a", "%", "@", "`", "|"),
    *(">", "?", "Blåbær €", "日本", "a  b", "…", "\\", "a #b", "true", "--- a", "..."),
)
PROSE = st.sampled_from(TRICKY) | st.text("ab :#-{}[]!&*%@`'\"|>,.?=~01\\æ", min_size=1, max_size=20).filter(
    lambda text: text == text.strip()
)
"""What a careless writer of YAML would write as something else."""


def consistent(rule: HouseRule) -> HouseRule:
    """Return the rule with an end that does not come before its beginning."""
    if rule.effective_from and rule.effective_until and rule.effective_from > rule.effective_until:
        return replace(rule, effective_until=rule.effective_from)
    return rule


@st.composite
def given_values(draw: st.DrawFn) -> tuple[tuple[str, Value], ...]:
    point: dict[str, Value] = {}
    for name in sorted(draw(st.sets(st.sampled_from(("item.brand", "item.sponsored", "item.price_minor"))))):
        field = FIELDS[name]
        ordinary = {"item.brand": None, "item.sponsored": draw(st.booleans()), "item.price_minor": 1}
        point[field.name] = ordinary[name]
    return tuple(point.items())


@st.composite
def whole_policies(draw: st.DrawFn) -> Policy:
    """Policies with everything that a document can say."""
    policy = draw(policies())
    low = draw(st.integers(0, MICRO))
    more = {
        "title": draw(PROSE),
        "rationale": draw(PROSE | st.just("two\nlines: #\n\n  three")),
        "assumes": draw(st.sampled_from(((), (HouseAssumption(Measure.WITHHELD, low, MICRO),)))),
    }
    tests = tuple(
        RuleTest(draw(PROSE), draw(given_values()), rule.effect)
        for rule in policy.rules[: draw(st.integers(0, 2))]
    )
    return replace(
        policy,
        rules=tuple(consistent(replace(rule, **more, tests=tests)) for rule in policy.rules),
        time_zone=draw(st.sampled_from(("UTC", "Europe/Copenhagen"))),
    )


@given(whole_policies())
@tries(30)
def test_yaml_and_json_say_the_same_and_lose_nothing(policy):
    yaml = write_yaml(policy)
    from_yaml = read_text(yaml.encode(), Form.YAML).plain
    json = orjson.dumps(from_yaml)
    from_json = read_text(json, Form.JSON).plain
    assert read_policy(from_yaml) == read_policy(from_json) == policy
    assert write_yaml(read_policy(from_json)) == yaml


@given(whole_policies())
@tries(30)
def test_a_stored_document_reads_back_as_the_same_policy(policy):
    document = to_document(policy)
    assert load_document(document) == policy
    assert to_document(load_document(document)) == document
    assert orjson.loads(document) == to_plain(policy)


@given(st.permutations(["one", "three", "two"]).flatmap(lambda ids: st.tuples(*map(rules, ids))))
@tries(20)
def test_the_order_of_rules_means_nothing(listed):
    listed = [consistent(rule) for rule in listed]
    plain = to_plain(Policy(rules=tuple(listed)))
    in_order = to_plain(Policy(rules=tuple(sorted(listed, key=lambda rule: rule.id))))
    assert to_document(read_policy(plain)) == to_document(read_policy(in_order))
