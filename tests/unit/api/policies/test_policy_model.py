"""The model of a policy: what it takes, and how it says what is wrong."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tries import tries

from api.errors import PolicyDocumentError
from api.languages import say
from api.policies.model import (
    DEEPEST,
    MOST_CONDITIONS,
    MOST_RULES,
    MOST_TESTS,
    as_written,
    load_document,
    pointer_as_written,
    read_policy,
)
from api.policies.text import Form, read_text
from api.policies.values import MOST_VALUES
from engine.vocabulary import Intent
from guardrails.messages import Phrase
from guardrails.policy.charter import Measure
from guardrails.policy.document import to_document
from guardrails.policy.fields import FIELDS
from guardrails.policy.findings import Finding, Severity
from guardrails.policy.language import (
    All,
    AnyOf,
    Atom,
    HouseAssumption,
    Mode,
    Obligation,
    Op,
    Policy,
    RuleEffect,
    RuleTest,
)
from guardrails.policy.limits import Limits, PriceLimits, ScoreLimits

AS_A_SHOP_WRITES = """\
policy: house
limits:
  G17.upsell_hard: 0.30            # may tighten, never loosen: a lint error otherwise
  G31.suppress: 0.60
rules:
  - id: no-upsell-after-delay
    title: No upsell while a delivery is late
    when: {all: [{field: customer.open_delivery_delay, op: "=", value: true}]}
    applies_to: {intent: [upsell, cross_sell], placement: [cart, checkout]}
    effect: block                  # allow | demote(n) | generalise | block, plus obligations
    mode: enforce                  # off | shadow | warn | enforce
    rationale: Selling more while we owe a parcel reads as contempt.
    owner: customer-care
    review_by: 2027-06-01
    assumes: {withheld_share_of_upsells: [0.0, 0.10]}
    customer_sentence: We hold back offers while your order is late.
    effective_from: 2026-12-01
    tests:
      - {note: late parcel, given: {customer.open_delivery_delay: true}, candidate: {intent: upsell}, expect: block}
      - {note: on time,     given: {customer.open_delivery_delay: false}, candidate: {intent: upsell}, expect: allow}
"""  # noqa: E501  as wide as people write


def a_rule(**parts: object) -> dict[str, object]:
    usual: dict[str, object] = {
        "id": "a-rule",
        "title": "Something",
        "effect": "block",
        "rationale": "Why not",
        "owner": "merchandising",
        "review_by": "2027-06-01",
        "customer_sentence": "We hold this back.",
    }
    return usual | parts


def a_draft(*rules: object, **parts: object) -> dict[str, object]:
    return {"policy": "house", "rules": list(rules), **parts}


def refused(plain: object) -> list[Finding]:
    with pytest.raises(PolicyDocumentError) as caught:
        read_policy(plain)
    return list(caught.value.findings)


def only(plain: object) -> tuple[str, str]:
    (finding,) = refused(plain)
    assert finding.severity is Severity.ERROR
    assert finding.message == str(finding.message).removesuffix(".")
    orjson.dumps(dict(finding.example))
    return finding.code, finding.pointer


def atom(field: str, op: str, value: object) -> dict[str, object]:
    return {"field": field, "op": op, "value": value}


def when(**parts: object) -> dict[str, object]:
    return a_draft(a_rule(when=parts))


def test_a_policy_is_read_as_a_shop_writes_it():
    policy = read_policy(read_text(AS_A_SHOP_WRITES.encode(), Form.YAML).plain)
    (rule,) = policy.rules
    assert policy.limits == Limits(
        price=PriceLimits(upsell_hard_micro=300_000), score=ScoreLimits(generalise_micro=600_000)
    )
    assert rule.when == All((Atom("customer.open_delivery_delay", Op.EQUAL, value=True),))
    assert rule.applies_to == (("intent", ("cross_sell", "upsell")), ("placement", ("cart", "checkout")))
    assert (rule.effect, rule.share_micro, rule.mode) == (RuleEffect.BLOCK, 1_000_000, Mode.ENFORCE)
    assert (rule.owner, rule.review_by) == ("customer-care", date(2027, 6, 1))
    assert rule.assumes == (HouseAssumption(Measure.WITHHELD, 0, 100_000, Intent.UPSELL),)
    assert (rule.effective_from, rule.effective_until) == (date(2026, 12, 1), None)
    assert rule.tests[0] == RuleTest(
        "late parcel",
        (("candidate.intent", "upsell"), ("customer.open_delivery_delay", True)),
        RuleEffect.BLOCK,
    )


def test_what_is_left_out_is_as_it_ordinarily_is():
    assert read_policy({"policy": "house"}) == Policy()
    (rule,) = read_policy(a_draft(a_rule())).rules
    assert (rule.when, rule.applies_to, rule.obligations, rule.assumes, rule.tests) == (None, (), (), (), ())


def test_rules_are_kept_by_id_and_values_in_order_and_once():
    policy = read_policy(
        a_draft(
            a_rule(id="b", when=atom("item.brand", "in", ["b", None, "a", "b"])),
            a_rule(id="a", obligations=["hand_off", "explain", "hand_off"]),
        )
    )
    assert [rule.id for rule in policy.rules] == ["a", "b"]
    assert policy.rules[0].obligations == (Obligation.EXPLAIN, Obligation.HAND_OFF)
    assert policy.rules[1].when == Atom("item.brand", Op.IN, (None, "a", "b"))


@pytest.mark.parametrize(
    ("condition", "read"),
    [
        (atom("item.price_minor", "≤", 5), Atom("item.price_minor", Op.AT_MOST, 5)),
        (atom("item.price_minor", "≥", 5), Atom("item.price_minor", Op.AT_LEAST, 5)),
        (atom("item.brand", "≠", None), Atom("item.brand", Op.UNEQUAL, None)),
        ({"field": "item.price_minor", "op": "has"}, Atom("item.price_minor", Op.HAS, value=True)),
        (atom("item.price_minor", "has", value=False), Atom("item.price_minor", Op.HAS, value=False)),
        (atom("candidate.price_step", ">", 0.25), Atom("candidate.price_step", Op.MORE, 250_000)),
        (atom("candidate.price_step", ">", 2), Atom("candidate.price_step", Op.MORE, 2_000_000)),
        (atom("candidate.price_step", ">", Decimal("0.1")), Atom("candidate.price_step", Op.MORE, 100_000)),
        (atom("request.date", ">=", "1970-01-02"), Atom("request.date", Op.AT_LEAST, 1)),
        (
            atom("item.categories", "contains_any", ["b", "a"]),
            Atom("item.categories", Op.CONTAINS_ANY, ("a", "b")),
        ),
        (atom("visit.entry", "in", ["search"]), Atom("visit.entry", Op.IN, ("search",))),
        (
            {"any": [{"all": [atom("item.sponsored", "=", value=True)]}]},
            AnyOf((All((Atom("item.sponsored", Op.EQUAL, value=True),)),)),
        ),
    ],
)
def test_conditions_are_kept_as_what_they_are_compared_with(condition, read):
    if condition["field" if "field" in condition else "any"] == "visit.entry":
        condition["value"] = list(FIELDS["visit.entry"].values[:1])
        read = Atom("visit.entry", Op.IN, FIELDS["visit.entry"].values[:1])
    assert read_policy(a_draft(a_rule(when=condition))).rules[0].when == read


@pytest.mark.parametrize(
    ("effect", "kept"),
    [
        ("allow", (RuleEffect.ALLOW, 1_000_000)),
        ("generalise", (RuleEffect.GENERALISE, 1_000_000)),
        ("demote(0.7)", (RuleEffect.DEMOTE, 700_000)),
        ("demote(0)", (RuleEffect.DEMOTE, 0)),
        ("demote(0.000001)", (RuleEffect.DEMOTE, 1)),
    ],
)
def test_an_effect_says_what_is_left(effect, kept):
    (rule,) = read_policy(a_draft(a_rule(effect=effect))).rules
    assert (rule.effect, rule.share_micro) == kept


VALUE = "/rules/0/when/value"


@pytest.mark.parametrize(
    ("condition", "code", "pointer"),
    [
        (atom("item.price_minor", ">", 12.5), "wrong_type", VALUE),
        (atom("item.price_minor", ">", "1250"), "wrong_type", VALUE),
        (atom("item.price_minor", ">", value=True), "wrong_type", VALUE),
        (atom("item.price_minor", ">", -1), "out_of_range", VALUE),
        (atom("item.price_minor", "=", None), "never_null", VALUE),
        (atom("request.local_minute", ">", 24 * 60), "out_of_range", VALUE),
        (atom("evidence.tier", ">=", 4), "out_of_range", VALUE),
        (atom("candidate.price_step", ">", 1_001), "out_of_range", VALUE),
        (atom("candidate.price_step", ">", -0.5), "out_of_range", VALUE),
        (atom("candidate.price_step", ">", 0.1234567), "wrong_type", VALUE),
        (atom("candidate.price_step", ">", float("nan")), "wrong_type", VALUE),
        (atom("candidate.price_step", ">", 10**30), "wrong_type", VALUE),
        (atom("candidate.price_step", ">", "0.5"), "wrong_type", VALUE),
        (atom("item.sponsored", "=", "yes"), "wrong_type", VALUE),
        (atom("item.sponsored", "=", 1), "wrong_type", VALUE),
        (atom("candidate.intent", "=", "up_sell"), "unknown_word", VALUE),
        (atom("candidate.intent", "in", ["upsell", "x"]), "unknown_word", f"{VALUE}/1"),
        (atom("candidate.intent", "in", []), "wrong_type", VALUE),
        (atom("candidate.intent", "in", "upsell"), "wrong_type", VALUE),
        (atom("item.id", "in", ["a"] * (MOST_VALUES + 1)), "wrong_type", VALUE),
        (atom("item.id", "=", 7), "wrong_type", VALUE),
        (atom("item.id", "=", " "), "missing", VALUE),
        (atom("item.id", "=", "a" * 257), "too_long", VALUE),
        (atom("customer.holds", "contains_any", ["nonsense"]), "unknown_word", f"{VALUE}/0"),
        (atom("request.date", ">", "2026-02-30"), "wrong_type", VALUE),
        (atom("request.date", ">", "1.12.2026"), "wrong_type", VALUE),
        (atom("request.date", ">", 20_000), "wrong_type", VALUE),
        (atom("request.date", ">", "1969-12-31"), "out_of_range", VALUE),
        (atom("item.price_minor", "has", 1), "wrong_type", VALUE),
        ({"field": "item.price_minor", "op": ">"}, "missing", VALUE),
        (atom("item.sponsored", ">", value=True), "wrong_operator", "/rules/0/when/op"),
        (atom("item.sponsored", "has", value=True), "wrong_operator", "/rules/0/when/op"),
        (atom("item.categories", "=", "a"), "wrong_operator", "/rules/0/when/op"),
        (atom("item.brand", "contains_any", ["a"]), "wrong_operator", "/rules/0/when/op"),
        (atom("item.brand", "like", "a"), "unknown_word", "/rules/0/when/op"),
        (atom("item.brand", None, "a"), "never_null", "/rules/0/when/op"),
        (atom("item.brand", 7, "a"), "unknown_word", "/rules/0/when/op"),
        ({"field": "item.brand", "value": "a"}, "missing", "/rules/0/when/op"),
        (atom("item.colour", "=", "red"), "unknown_field", "/rules/0/when/field"),
        (atom("item.prise_minor", "=", 1), "unknown_field", "/rules/0/when/field"),
        (atom("it\u0435m.brand", "=", "a"), "odd_character", "/rules/0/when/field"),
        (atom(None, "=", "a"), "never_null", "/rules/0/when/field"),
        (atom("item.brand", "\u202e=", "a"), "odd_character", "/rules/0/when/op"),
        (atom("candidate.intent", "=", "ups\u0435ll"), "odd_character", "/rules/0/when/value"),
        (atom(7, "=", "a"), "wrong_type", "/rules/0/when/field"),
        (atom("item.brand", "=", "a") | {"unit": "cm"}, "unknown_key", "/rules/0/when/unit"),
        ({"all": []}, "missing", "/rules/0/when/all"),
        ({"any": {}}, "wrong_type", "/rules/0/when/any"),
        ({"all": [1]}, "wrong_type", "/rules/0/when/all/0"),
        ({"all": [atom("item.brand", "=", "a")], "any": []}, "wrong_type", "/rules/0/when"),
        ({}, "wrong_type", "/rules/0/when"),
        ("item.brand = a", "wrong_type", "/rules/0/when"),
        (None, "never_null", "/rules/0/when"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused_where_it_stands(condition, code, pointer):
    assert only(a_draft(a_rule(when=condition))) == (code, pointer)


def test_conditions_are_nested_only_so_deep():
    condition: dict[str, object] = atom("item.brand", "=", "a")
    for _ in range(DEEPEST):
        condition = {"all": [condition]}
    assert read_policy(a_draft(a_rule(when=condition)))
    pointer = "/rules/0/when" + "/any/0" + "/all/0" * (DEEPEST - 1)
    assert only(a_draft(a_rule(when={"any": [condition]}))) == ("too_deep", pointer)


@pytest.mark.parametrize(
    ("parts", "code", "pointer"),
    [
        ({"id": "No Upsell"}, "wrong_name", "id"),
        ({"id": "a" * 65}, "wrong_name", "id"),
        ({"id": "no-ups\u0435ll"}, "odd_character", "id"),
        ({"id": "no\u200b-upsell"}, "odd_character", "id"),
        ({"id": "caf\u00e9"}, "odd_character", "id"),
        ({"owner": "\u0441\u043e\u0441\u043e"}, "odd_character", "owner"),
        ({"\u0440\u0430": 1}, "odd_character", "\u0440\u0430"),
        (
            {"tests": [{"note": "a", "given": {"item.categories": "x"}, "expect": "block"}]},
            "wrong_type",
            "tests/0/given/item.categories",
        ),
        ({"id": "g17"}, "shipped_id", "id"),
        ({"id": 7}, "wrong_type", "id"),
        ({"owner": "Customer care"}, "wrong_name", "owner"),
        ({"owner": None}, "never_null", "owner"),
        ({"title": "a" * 121}, "too_long", "title"),
        ({"title": "  "}, "missing", "title"),
        ({"title": "two\nlines"}, "odd_character", "title"),
        ({"title": "\u202egnp.exe"}, "odd_character", "title"),
        ({"title": "p\u0430rcel"}, "odd_character", "title"),
        ({"title": "cafe\u0301"}, "odd_character", "title"),
        ({"title": "blank\u3164"}, "odd_character", "title"),
        ({"title": "chosen\ufe0f look"}, "odd_character", "title"),
        ({"title": "joined\u034f"}, "odd_character", "title"),
        ({"title": "\u00aap\u0430rcel"}, "odd_character", "title"),
        ({"title": "\U0001d41ap\u0430rcel"}, "odd_character", "title"),
        ({"rationale": 7}, "wrong_type", "rationale"),
        ({"customer_sentence": "a" * 141}, "too_long", "customer_sentence"),
        ({"review_by": "soon"}, "wrong_type", "review_by"),
        ({"review_by": "0001-01-01"}, "out_of_range", "review_by"),
        ({"effective_from": "1969-12-31"}, "out_of_range", "effective_from"),
        ({"effect": "boost"}, "unknown_word", "effect"),
        ({"effect": "demote"}, "missing", "effect"),
        ({"effect": "demote(1.5)"}, "out_of_range", "effect"),
        ({"effect": "demote(0.1234567)"}, "wrong_type", "effect"),
        ({"effect": "demote(half)"}, "unknown_word", "effect"),
        ({"effect": "blok"}, "unknown_word", "effect"),
        ({"mode": "enforced"}, "unknown_word", "mode"),
        ({"obligations": ["explain", "beg"]}, "unknown_word", "obligations/1"),
        ({"obligations": "explain"}, "wrong_type", "obligations"),
        ({"obligations": ["explain"] * 4}, "too_many", "obligations"),
        ({"applies_to": {"intents": ["upsell"]}}, "unknown_key", "applies_to/intents"),
        ({"applies_to": {"intent": ["upsel"]}}, "unknown_word", "applies_to/intent/0"),
        ({"applies_to": {"intent": []}}, "wrong_type", "applies_to/intent"),
        ({"applies_to": ["intent"]}, "wrong_type", "applies_to"),
        ({"assumes": {"withheld_share_of_gifts": [0, 1]}}, "unknown_key", "assumes/withheld_share_of_gifts"),
        ({"assumes": {"withheld_share": [0.5, 0.1]}}, "out_of_range", "assumes/withheld_share"),
        ({"assumes": {"withheld_share": [0, 10]}}, "out_of_range", "assumes/withheld_share/1"),
        ({"assumes": {"withheld_share": 0.5}}, "wrong_type", "assumes/withheld_share"),
        ({"assumes": {"withheld_share": [1]}}, "wrong_type", "assumes/withheld_share"),
        ({"efect": "block"}, "unknown_key", "efect"),
        (
            {"effective_from": "2026-12-02", "effective_until": "2026-12-01"},
            "contradictory_days",
            "effective_until",
        ),
        ({"effective_from": "2027-06-02"}, "contradictory_days", "review_by"),
        ({"tests": [{"note": "a"}]}, "missing", "tests/0/expect"),
        ({"tests": ["a"]}, "wrong_type", "tests/0"),
        ({"tests": [{"note": "a", "expect": "explode"}]}, "unknown_word", "tests/0/expect"),
        (
            {"tests": [{"note": "a", "given": {"item.prize": 1}, "expect": "block"}]},
            "unknown_field",
            "tests/0/given/item.prize",
        ),
        (
            {"tests": [{"note": "a", "candidate": {"intent": "x"}, "expect": "block"}]},
            "unknown_word",
            "tests/0/candidate/intent",
        ),
        (
            {"tests": [{"note": "a", "candidate": {"colour": "x"}, "expect": "block"}]},
            "unknown_field",
            "tests/0/candidate/colour",
        ),
        (
            {
                "tests": [
                    {
                        "note": "a",
                        "given": {"candidate.intent": "upsell"},
                        "candidate": {"intent": "upsell"},
                        "expect": "block",
                    }
                ]
            },
            "duplicate_key",
            "tests/0/candidate",
        ),
        ({"tests": [{"note": "a", "expect": "block"}] * (MOST_TESTS + 1)}, "too_many", "tests"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_where_it_stands(parts, code, pointer):
    assert only(a_draft(a_rule(**parts))) == (code, f"/rules/0/{pointer}")


@pytest.mark.parametrize(
    "name", ["id", "title", "effect", "rationale", "owner", "review_by", "customer_sentence"]
)
def test_a_rule_needs_what_answers_for_it(name):
    rule = a_rule()
    del rule[name]
    assert only(a_draft(rule)) == ("missing", f"/rules/0/{name}")


@pytest.mark.parametrize(
    ("plain", "code", "pointer"),
    [
        ([], "wrong_type", ""),
        (None, "wrong_type", ""),
        ({}, "missing", "/policy"),
        ({"policy": "h\u043eus\u0435"}, "odd_character", "/policy"),
        ({"policy": "house", "rule": []}, "unknown_key", "/rule"),
        ({"policy": "house", "rules": {}}, "wrong_type", "/rules"),
        ({"policy": "house", "rules": [7]}, "wrong_type", "/rules/0"),
        ({"policy": "house", "time_zone": "Europe/Copenhagn"}, "unknown_zone", "/time_zone"),
        ({"policy": "house", "time_zone": "localtime"}, "unknown_zone", "/time_zone"),
        ({"policy": "house", "time_zone": "Factory"}, "unknown_zone", "/time_zone"),
        ({"policy": "house", "time_zone": 1}, "wrong_type", "/time_zone"),
        ({"policy": "house", "limits": []}, "wrong_type", "/limits"),
        ({"policy": "house", "limits": {"G17.upsel_hard": 0.3}}, "unknown_limit", "/limits/G17.upsel_hard"),
        ({"policy": "house", "limits": {"G17.upsell_hard": "0.3"}}, "wrong_type", "/limits/G17.upsell_hard"),
        ({"policy": "house", "limits": {"G17.upsell_hard": 1001}}, "out_of_range", "/limits/G17.upsell_hard"),
        ({"policy": "house", "limits": {"G24.edge": 2.5}}, "wrong_type", "/limits/G24.edge"),
        ({"policy": "house", "limits": {"G24.edge": -1}}, "out_of_range", "/limits/G24.edge"),
        (
            {"policy": "house", "limits": {"G31.weights_version": 7}},
            "wrong_type",
            "/limits/G31.weights_version",
        ),
    ],
)
def test_a_document_that_cannot_be_meant_is_refused_where_it_stands(plain, code, pointer):
    assert only(plain) == (code, pointer)


def test_an_id_that_is_used_twice_is_told_where_it_stands_whatever_is_wrong_before_it():
    draft = a_draft(None, a_rule(id="same"), "rule", a_rule(id="same", title=1), {"id": ["same"]})
    twice = [each.pointer for each in refused(draft) if each.code == "duplicate_id"]
    assert twice == ["/rules/3/id"]


def test_a_group_holds_so_many_conditions_at_most():
    each = atom("customer.payment_failed", "=", True)
    assert len(read_policy(a_draft(a_rule(when={"all": [each] * MOST_CONDITIONS}))).rules[0].when.of) == 100
    (finding,) = refused(a_draft(a_rule(when={"any": [each] * (MOST_CONDITIONS + 1)})))
    assert (finding.code, finding.pointer) == ("too_many", "/rules/0/when/any")


def test_everything_that_is_wrong_is_said_at_once():
    draft = a_draft(
        a_rule(id="same", owner="A", when={"all": [atom("x", "=", 1), atom("item.brand", "=", 1)]}),
        a_rule(id="other", efect="block", mode="on"),
        a_rule(id="third"),
        a_rule(id="third"),
        limits={"G24.edge": -1, "G99.nothing": 1},
    )
    assert sorted(each.pointer for each in refused(draft)) == [
        "/limits/G24.edge",
        "/limits/G99.nothing",
        "/rules/0/owner",
        "/rules/0/when/all/0/field",
        "/rules/0/when/all/1/value",
        "/rules/1/efect",
        "/rules/1/mode",
        "/rules/3/id",
    ]


def test_a_misspelt_name_comes_with_the_closest_that_is_known():
    (finding,) = refused(a_draft(a_rule(owmer="merchandising")))
    assert finding.message == "`owmer` is not known here; did you mean `owner`?"
    (finding,) = refused(when(**atom("item.prise_minor", "=", 1)))
    assert finding.example == {"found": "item.prise_minor", "closest": "item.price_minor"}
    (finding,) = refused(a_draft(a_rule(mode="zzz")))
    assert finding.message == "`zzz` is not known here; known are `off`, `shadow`, `warn`, `enforce`"


def test_of_many_known_names_only_the_closest_is_told():
    (finding,) = refused(when(**atom("zzz", "=", 1)))
    assert finding.message == "`zzz` is not known here"


def test_an_example_may_say_that_a_list_is_empty_or_what_is_in_it():
    tests = [
        {"note": "none", "given": {"item.categories": []}, "expect": "block"},
        {"note": "some", "given": {"item.categories": ["b", "a"], "item.brand": None}, "expect": "block"},
    ]
    none, some = read_policy(a_draft(a_rule(tests=tests))).rules[0].tests
    assert none.given == (("item.categories", ()),)
    assert some.given == (("item.brand", None), ("item.categories", ("a", "b")))


def test_an_odd_character_is_named():
    (finding,) = refused(a_draft(a_rule(id="no-ups\u0435ll")))
    assert "U+0435 CYRILLIC SMALL LETTER IE" in finding.message
    assert finding.example == {"code_point": "U+0435"}
    (finding,) = refused(a_draft(a_rule(title="cafe\u0301")))
    assert "U+0301 COMBINING ACUTE ACCENT" in finding.message or "U+0065" in finding.message


@pytest.mark.parametrize(
    "title",
    ["Ingen tilbud, før varen er fremme", "Нет", "遅れている間", "Ωmega 3 в 1".replace("Ωmega", "Omega")],
)
def test_a_title_may_be_in_any_language(title):
    assert read_policy(a_draft(a_rule(title=f" {title} "))).rules[0].title == title


def test_a_rationale_may_have_several_lines():
    assert read_policy(a_draft(a_rule(rationale="one\ntwo\n"))).rules[0].rationale == "one\ntwo"


def test_a_wrong_unit_is_told_with_the_right_one_in_every_language():
    (finding,) = refused(when(**atom("item.price_minor", ">", 12.5)))
    assert "minor units, such as cents" in finding.message
    assert finding.example == {"found": "12.5"}
    assert "kleinster Einheiten" in say(finding.message, "de")


def test_more_rules_than_can_be_judged_are_refused_in_one_word():
    draft = a_draft(*(a_rule(id=f"r-{n}", nonsense=n) for n in range(MOST_RULES + 1)))
    assert only(draft) == ("too_many", "/rules")


def test_the_former_form_of_stored_documents_is_read():
    former = orjson.dumps({"limits": {"support": {"edge": 3}}})
    assert load_document(former).limits.support.edge == 3
    assert load_document(former.decode()) == load_document(former)


@pytest.mark.parametrize("document", [b"{", b'{"limits":{"x":{}}}', b"{}", b'{"rules":[]}'])
def test_a_stored_document_that_cannot_be_read_any_more_is_refused(document):
    with pytest.raises(PolicyDocumentError, match="cannot be read any more") as caught:
        load_document(document)
    assert caught.value.findings[0].code == "unreadable"


def test_findings_on_a_policy_are_told_where_its_rules_stand_in_the_draft():
    draft = a_draft(a_rule(id="c"), a_rule(id="a"), a_rule(id="b"))
    policy = read_policy(draft)
    found = [
        Finding("x", Severity.WARNING, pointer, Phrase("x"))
        for pointer in ("/rules/0/title", "/rules/2", "/rules", "/limits/G24.edge", "")
    ]
    assert [each.pointer for each in as_written(found, draft)] == [
        "/rules/1/title",
        "/rules/0",
        "/rules",
        "/limits/G24.edge",
        "",
    ]
    assert [rule.id for rule in policy.rules] == ["a", "b", "c"]
    assert as_written([found[3]], {"policy": "house"}) == (found[3],)


def test_a_place_that_an_example_names_is_that_in_the_draft_too():
    draft = a_draft(a_rule(id="c"), a_rule(id="a"), a_rule(id="b"))
    found = Finding("x", Severity.WARNING, "/rules/0/tests", Phrase("x"), {"at": "/rules/0/when", "was": "x"})
    (told,) = as_written([found], draft)
    assert (told.pointer, told.example) == ("/rules/1/tests", {"at": "/rules/1/when", "was": "x"})
    assert pointer_as_written("/rules/2/when", draft) == "/rules/0/when"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["all", "any", "field", "op", "value", "x", "item.brand"]), inner, max_size=3
        )
    ),
    max_leaves=10,
)
WHOLE = read_text(AS_A_SHOP_WRITES.encode(), Form.YAML).plain


@given(ANYTHING, st.data())
@tries(150)
def test_whatever_stands_anywhere_is_read_or_refused(value, data):
    draft = deepcopy(WHOLE)
    holder, key = draft, data.draw(st.sampled_from(sorted(draft)))
    while isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
        holder = holder[key]
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    holder[key] = value
    assert read_or_refused(draft)


def read_or_refused(draft: object) -> bool:
    try:
        policy = read_policy(draft)
    except PolicyDocumentError as error:
        return bool(error.findings) and "the policy cannot be read" in str(error)
    return load_document(to_document(policy)) == policy
