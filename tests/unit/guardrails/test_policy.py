"""The policy as plain data, as bytes and as a hash; documents of the former form; the floor under all."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, fields, replace
from datetime import date

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.vocabulary import Intent, Kind
from guardrails.creepiness.score import Weights
from guardrails.errors import PolicyError
from guardrails.policy.charter import Measure
from guardrails.policy.directions import DIRECTIONS, WEIGHTS_VERSION, WRITTEN, Loosening, is_share
from guardrails.policy.document import (
    LONGEST_VERSION,
    former_limits,
    share_to_plain,
    to_document,
    to_plain,
    value_to_plain,
    version_of,
)
from guardrails.policy.fields import FieldKind
from guardrails.policy.floor import below_floor, held_to_floor
from guardrails.policy.language import (
    All,
    AnyOf,
    Atom,
    HouseAssumption,
    HouseRule,
    Mode,
    Obligation,
    Op,
    Policy,
    RuleEffect,
    RuleTest,
)
from guardrails.policy.limits import (
    GREATEST_LIMIT,
    EvidenceLimits,
    InferenceLimits,
    Limits,
    ScoreLimits,
    SupportLimits,
)
from guardrails.sensitive.classes import CLASS_NAMES

SECTIONS = {field.name: type(getattr(Limits(), field.name)) for field in fields(Limits)}

BARE = HouseRule(
    id="a-rule",
    title="Something",
    when=None,
    applies_to=(),
    effect=RuleEffect.BLOCK,
    share_micro=1_000_000,
    obligations=(),
    mode=Mode.ENFORCE,
    rationale="Why not",
    owner="merchandising",
    review_by=date(2027, 6, 1),
    assumes=(),
    customer_sentence="We hold this back.",
)
FULL = replace(
    BARE,
    when=All(
        (
            Atom("item.price_minor", Op.HAS, value=True),
            AnyOf(
                (
                    Atom("item.brand", Op.IN, (None, "Acme")),
                    Atom("candidate.price_step", Op.MORE, 250_000),
                    Atom("request.date", Op.AT_LEAST, 20_788),
                )
            ),
        )
    ),
    applies_to=(("intent", ("cross_sell", "upsell")),),
    effect=RuleEffect.DEMOTE,
    share_micro=700_000,
    obligations=(Obligation.EXPLAIN,),
    mode=Mode.SHADOW,
    assumes=(
        HouseAssumption(Measure.TOUCHED, 0, 100_000),
        HouseAssumption(Measure.WITHHELD, 1, 1_000_000, Intent.UPSELL),
    ),
    effective_from=date(2026, 12, 1),
    effective_until=date(2026, 12, 31),
    tests=(
        RuleTest(
            "late", (("candidate.price_step", 300_000), ("item.categories", ("a", "b"))), RuleEffect.DEMOTE
        ),
        RuleTest("usual", (), RuleEffect.ALLOW),
    ),
)


def values_of(section: str, name: str) -> st.SearchStrategy[int] | st.SearchStrategy[str]:
    if (section, name) == ("weights", "version"):
        return st.text(st.characters(codec="utf-8"), min_size=1, max_size=LONGEST_VERSION)
    return st.integers(DIRECTIONS[section, name].least, DIRECTIONS[section, name].greatest)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    sections = {
        name: section(**{field.name: draw(values_of(name, field.name)) for field in fields(section)})
        for name, section in SECTIONS.items()
    }
    return Limits(**sections)


def test_what_the_shop_does_not_say_is_not_written():
    assert to_plain(Policy()) == {"policy": "house"}
    assert to_plain(Policy(name="winter", time_zone="Europe/Oslo", rules=(BARE,))) == {
        "policy": "winter",
        "rules": [
            {
                "id": "a-rule",
                "title": "Something",
                "effect": "block",
                "rationale": "Why not",
                "owner": "merchandising",
                "review_by": "2027-06-01",
                "customer_sentence": "We hold this back.",
            }
        ],
        "time_zone": "Europe/Oslo",
    }


def test_what_it_says_is_written_as_it_would_write_it():
    changed = replace(
        Limits(),
        score=ScoreLimits(generalise_micro=600_000),
        inference=InferenceLimits(lift_max_micro=1_000_000),
        support=SupportLimits(edge=3),
        weights=Weights(version="ours"),
    )
    assert to_plain(Policy(limits=changed))["limits"] == {
        "G07.lift_max": 1,
        "G24.edge": 3,
        "G31.suppress": 0.6,
        "G31.weights_version": "ours",
    }
    (rule,) = to_plain(Policy(rules=(FULL,)))["rules"]
    assert rule == {
        "id": "a-rule",
        "title": "Something",
        "when": {
            "all": [
                {"field": "item.price_minor", "op": "has", "value": True},
                {
                    "any": [
                        {"field": "item.brand", "op": "in", "value": [None, "Acme"]},
                        {"field": "candidate.price_step", "op": ">", "value": 0.25},
                        {"field": "request.date", "op": ">=", "value": "2026-12-01"},
                    ]
                },
            ]
        },
        "applies_to": {"intent": ["cross_sell", "upsell"]},
        "effect": "demote(0.7)",
        "obligations": ["explain"],
        "mode": "shadow",
        "rationale": "Why not",
        "owner": "merchandising",
        "review_by": "2027-06-01",
        "assumes": {"touched_share": [0, 0.1], "withheld_share_of_upsells": [0.000001, 1]},
        "customer_sentence": "We hold this back.",
        "effective_from": "2026-12-01",
        "effective_until": "2026-12-31",
        "tests": [
            {
                "note": "late",
                "given": {"candidate.price_step": 0.3, "item.categories": ["a", "b"]},
                "expect": "demote",
            },
            {"note": "usual", "expect": "allow"},
        ],
    }


def test_the_bytes_are_those_of_the_rfc():
    rule = replace(BARE, title="Blåbær \u20ac", assumes=FULL.assumes)
    document = to_document(Policy(limits=Limits(score=ScoreLimits(generalise_micro=600_000)), rules=(rule,)))
    assert document.decode() == (
        '{"limits":{"G31.suppress":0.6},"policy":"house","rules":[{"assumes":{"touched_share":[0,0.1],'
        '"withheld_share_of_upsells":[0.000001,1]},"customer_sentence":"We hold this back.",'
        '"effect":"block","id":"a-rule","owner":"merchandising","rationale":"Why not",'
        '"review_by":"2027-06-01","title":"Blåbær €"}]}'
    )
    assert version_of(document) == hashlib.sha256(document).hexdigest()


@given(st.integers(0, GREATEST_LIMIT))
def test_no_share_loses_anything_by_being_written(micro):
    number = share_to_plain(micro)
    text = to_document(Policy(rules=(replace(FULL, share_micro=micro),))).decode()
    written = text.split("demote(")[1].split(")")[0]
    assert round(float(written) * 1_000_000) == micro
    assert "e" not in written
    assert isinstance(number, int) is (micro % 1_000_000 == 0)


@given(limits(), limits())
def test_two_policies_share_a_version_only_if_they_are_the_same(one, other):
    same = version_of(to_document(Policy(limits=one))) == version_of(to_document(Policy(limits=other)))
    assert same is (one == other)


def test_one_number_changes_the_version():
    changed = replace(Limits(), evidence=EvidenceLimits(view_days=31))
    assert version_of(to_document(Policy(limits=changed))) != version_of(to_document(Policy()))


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_what_is_no_unicode_cannot_be_written(text):
    with pytest.raises(PolicyError, match="cannot be written"):
        to_document(Policy(rules=(replace(BARE, title=text),)))


def test_null_is_written_as_null():
    assert value_to_plain(FieldKind.TEXT, None) is None


@given(limits())
def test_documents_of_the_former_form_are_read_without_loss(policy):
    assert former_limits({"limits": asdict(policy)}) == policy


def test_what_a_document_of_the_former_form_leaves_out_keeps_its_default():
    read = former_limits({"limits": {"evidence": {"view_days": 3}}})
    assert read == replace(Limits(), evidence=EvidenceLimits(view_days=3))
    assert former_limits({"limits": {}}) == Limits()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "exactly one part"),
        ({"limits": {}, "rules": {}}, "exactly one part"),
        ({"limits": []}, "exactly one part"),
        ({"limits": {"nonsense": {}}}, "`nonsense`"),
        ({"limits": {"evidence": {"vew_days": 1, "another": 2}}}, "`another`, `vew_days`"),
        ({"limits": {"evidence": 3}}, "must be an object"),
        ({"limits": {"evidence": None}}, "must be an object"),
        ({"limits": {"evidence": {"view_days": -1}}}, "`view_days`"),
        ({"limits": {"evidence": {"view_days": 1.0}}}, "`view_days`"),
        ({"limits": {"evidence": {"view_days": True}}}, "`view_days`"),
        ({"limits": {"evidence": {"view_days": "1"}}}, "`view_days`"),
        ({"limits": {"evidence": {"view_days": GREATEST_LIMIT + 1}}}, "`view_days`"),
        ({"limits": {"weights": {"version": 1}}}, "`version`"),
        ({"limits": {"weights": {"version": ""}}}, "`version`"),
    ],
)
def test_what_is_no_document_of_the_former_form_is_refused(document, message):
    with pytest.raises(PolicyError, match=message):
        former_limits(document)


@given(limits())
def test_whatever_lies_below_the_floor_is_held_to_it_and_nothing_else_moves(policy):
    held = held_to_floor(policy)
    assert below_floor(held) == ()
    moved = set(below_floor(policy))
    for written, (section, name) in WRITTEN.items():
        value = getattr(getattr(held, section), name)
        expected = Limits() if written in moved else policy
        assert value == getattr(getattr(expected, section), name)
    assert held.weights.version == policy.weights.version


def test_only_what_nobody_may_loosen_has_a_floor():
    loose = replace(Limits(), support=SupportLimits(edge=1), evidence=EvidenceLimits(view_days=400))
    assert below_floor(loose) == ("G24.edge",)
    assert held_to_floor(loose) == replace(Limits(), evidence=EvidenceLimits(view_days=400))
    assert DIRECTIONS["evidence", "view_days"].loosening is not Loosening.NEVER


TARGETS = {
    *CLASS_NAMES,
    *("age", "child", "minor", "parent", "elderly", "disability", "gender", "income", "debt", "poverty"),
    *("mood", "grief", "stress", "addiction", "vulnerable", "vulnerability", "segment", "customer"),
}
"""What nobody may be aimed at by (AI Act 5(1)(b))."""


def test_no_limit_aims_at_a_sensitive_class_or_at_anybodys_weakness():
    # a weight for vulnerable moments makes the score rise, and can do nothing else
    names = {name.partition(".")[2] for name in WRITTEN if ".weight_" not in name}
    assert names.isdisjoint(TARGETS)
    assert {word for name in names for word in name.split("_")}.isdisjoint(TARGETS)


def test_every_limit_is_a_whole_number_but_the_name_of_the_weights():
    sections = orjson.loads(orjson.dumps(asdict(Limits())))
    assert sections["weights"].pop("version")
    numbers = [value for section in sections.values() for value in section.values()]
    assert all(isinstance(value, int) and value >= 0 for value in numbers)
    assert len(numbers) == len(WRITTEN)
    assert WEIGHTS_VERSION not in WRITTEN
    assert any(is_share(*limit) for limit in WRITTEN.values())


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_an_age_after_which_it_is_no_evidence(kind):
    days = EvidenceLimits().max_age_days()[kind]
    assert (days > 0) == (kind is not Kind.REMOVE_FROM_CART)
