from __future__ import annotations

from dataclasses import fields, replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.vocabulary import Kind
from guardrails.creepiness.score import MICRO, Weights
from guardrails.errors import PolicyError
from guardrails.policy.document import (
    GREATEST_LIMIT,
    LONGEST_VERSION,
    VERSION_FIELD,
    from_document,
    to_document,
    version_of,
)
from guardrails.policy.limits import EvidenceLimits, Limits
from guardrails.sensitive.classes import CLASS_NAMES

SECTIONS = {field.name: type(getattr(Limits(), field.name)) for field in fields(Limits)}


def values_of(section: type, name: str) -> st.SearchStrategy[int] | st.SearchStrategy[str]:
    if name == VERSION_FIELD:
        return st.text(st.characters(codec="utf-8"), min_size=1, max_size=LONGEST_VERSION)
    return st.integers(0, MICRO if section is Weights else GREATEST_LIMIT)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    sections = {
        name: section(**{field.name: draw(values_of(section, field.name)) for field in fields(section)})
        for name, section in SECTIONS.items()
    }
    return Limits(**sections)


@given(limits())
def test_a_policy_is_written_and_read_back_without_loss(policy):
    assert from_document(to_document(policy)) == policy


@given(limits())
def test_a_document_is_read_and_written_back_without_loss(policy):
    document = to_document(policy)
    assert to_document(from_document(document)) == document


@given(limits(), limits())
def test_two_policies_share_a_version_only_if_they_are_the_same(one, other):
    same = version_of(to_document(one)) == version_of(to_document(other))
    assert same is (one == other)


def test_one_number_changes_the_version():
    changed = replace(Limits(), evidence=EvidenceLimits(view_days=31))
    assert version_of(to_document(changed)) != version_of(to_document(Limits()))


def test_a_version_is_64_hex_digits():
    assert len(bytes.fromhex(version_of(b"{}"))) == 32


def test_what_a_document_leaves_out_keeps_its_default():
    read = from_document(b'{"limits":{"evidence":{"view_days":3}}}')
    assert read == replace(Limits(), evidence=EvidenceLimits(view_days=3))
    assert from_document(b'{"limits":{}}') == Limits()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[]", "exactly one part"),
        (b"null", "exactly one part"),
        (b"{}", "exactly one part"),
        (b'{"limits":{},"rules":{}}', "exactly one part"),
        (b'{"limits":[]}', "exactly one part"),
        (b'{"limits":{"nonsense":{}}}', "`nonsense`"),
        (b'{"limits":{"evidence":{"vew_days":1,"another":2}}}', "`another`, `vew_days`"),
        (b'{"limits":{"evidence":3}}', "must be an object"),
        (b'{"limits":{"evidence":null}}', "must be an object"),
        (b'{"limits":{"evidence":{"view_days":-1}}}', "`view_days`"),
        (b'{"limits":{"evidence":{"view_days":1.0}}}', "`view_days`"),
        (b'{"limits":{"evidence":{"view_days":true}}}', "`view_days`"),
        (b'{"limits":{"evidence":{"view_days":"1"}}}', "`view_days`"),
        (b'{"limits":{"evidence":{"view_days":null}}}', "`view_days`"),
        (b'{"limits":{"evidence":{"view_days":1000000001}}}', "`view_days`"),
        (b'{"limits":{"evidence":{"view_days":1e400}}}', "not valid JSON"),
        (b'{"limits":{"weights":{"stated":1000001}}}', "`stated`"),
        (b'{"limits":{"weights":{"version":1}}}', "`version`"),
        (b'{"limits":{"weights":{"version":""}}}', "`version`"),
    ],
)
def test_what_is_not_a_policy_is_refused(document, message):
    with pytest.raises(PolicyError, match=message):
        from_document(document)


TARGETS = {
    *CLASS_NAMES,
    *("age", "child", "minor", "parent", "elderly", "disability", "gender", "income", "debt", "poverty"),
    *("mood", "grief", "stress", "addiction", "vulnerable", "vulnerability", "segment", "customer"),
}
"""What nobody may be aimed at by (AI Act 5(1)(b))."""


def test_no_limit_aims_at_a_sensitive_class_or_at_anybodys_weakness():
    limits = orjson.loads(to_document(Limits()))["limits"]
    del limits["weights"]  # a vulnerable moment makes the score rise, and can do nothing else
    names = {*limits, *(name for section in limits.values() for name in section)}
    assert names.isdisjoint(TARGETS)
    assert {word for name in names for word in name.split("_")}.isdisjoint(TARGETS)
    for target in TARGETS:
        for document in ({"limits": {target: {}}}, {"limits": {"evidence": {target: 1}}}, {target: 1}):
            with pytest.raises(PolicyError):
                from_document(orjson.dumps(document))


def test_every_limit_is_a_whole_number_but_the_name_of_the_weights():
    sections = orjson.loads(to_document(Limits()))["limits"]
    assert sections["weights"].pop(VERSION_FIELD)
    numbers = [value for section in sections.values() for value in section.values()]
    assert all(isinstance(value, int) and value >= 0 for value in numbers)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_an_age_after_which_it_is_no_evidence(kind):
    days = EvidenceLimits().max_age_days()[kind]
    assert (days > 0) == (kind is not Kind.REMOVE_FROM_CART)
