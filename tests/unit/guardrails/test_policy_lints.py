"""Runs the examples in ``tests/cases/policy/lints.yaml``, and what else holds of every policy."""

from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from support.drafts import read
from support.policies import a_policy, a_rule, policies

from api.errors import PolicyDocumentError
from guardrails.errors import PolicyError
from guardrails.messages import Phrase
from guardrails.policy.aiming import (
    CONSENT_PRESSURE,
    DELICATE,
    PERSONAL,
    PLAIN,
    Lint,
    aiming_finding,
    says_what_somebody_is,
)
from guardrails.policy.directions import DIRECTIONS, NAMES, WRITTEN, Loosening, Stricter
from guardrails.policy.fields import FIELDS, SCOPES, FieldKind
from guardrails.policy.findings import Severity
from guardrails.policy.language import Atom, Obligation, Op, RuleEffect
from guardrails.policy.limits import Limits
from guardrails.policy.lints import DECOYS, OUT_OF_RANGE, decoy_finding, lint, require_clean
from guardrails.policy.places import placed_atoms
from guardrails.rules import CATALOGUE

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "policy" / "lints.yaml").read_text("utf-8"))[
    "cases"
]
FLOORS = asdict(Limits())
LIMITS = st.sampled_from(sorted(DIRECTIONS))
WRITTEN_AS = {limit: written for written, limit in WRITTEN.items()}


def limits_with(changed):
    """The limits that ship, but for these."""
    sections = {}
    for (section, name), value in changed.items():
        sections[section] = replace(sections.get(section, getattr(Limits(), section)), **{name: value})
    return replace(Limits(), **sections)


def found_in(case):
    """What is found in the draft of an example, whether by who reads it or by the lints."""
    try:
        policy = read(case["draft"])
    except PolicyDocumentError as error:
        return error.findings
    return lint(
        policy,
        signed_off_by_auditor=case.get("signed_off", False),
        sensitive_categories=case.get("categories"),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["note"] for case in CASES])
def test_what_is_found_is_what_the_example_says(case):
    found = found_in(case)
    assert [{"code": str(each.code), "at": each.pointer} for each in found] == case["finds"]
    for each in found:
        assert isinstance(each.message, Phrase)
        assert each.example or each.code == "shipped_id"
        is_warning = each.code == CONSENT_PRESSURE
        assert each.severity is (Severity.WARNING if is_warning else Severity.ERROR)


@pytest.mark.parametrize("code", [CONSENT_PRESSURE, *(code.value for code in Lint)])
def test_every_lint_has_examples(code):
    assert sum(code in {each["code"] for each in case["finds"]} for case in CASES) >= 3


def test_every_limit_has_a_direction():
    limits = {(section, name) for section, values in FLOORS.items() for name in values}
    assert limits == DIRECTIONS.keys() | NAMES


def test_sections_are_those_of_the_policy():
    assert {section for section, _ in DIRECTIONS} == {field.name for field in fields(Limits)}


def test_a_limit_is_as_locked_as_the_rule_it_feeds_but_for_those_that_are_named():
    locked = {rule.id: rule.locked for rule in CATALOGUE}
    stricter_than_their_rule = {
        limit
        for limit, direction in DIRECTIONS.items()
        if direction.loosening is Loosening.NEVER and not locked.get(direction.rule_id, True)
    }
    assert stricter_than_their_rule <= {
        ("price", "upsell_hard_micro"),
        ("price", "addon_hard_of_basket_micro"),
        ("holds", "exclusion_hours"),
    }
    free_though_locked = {
        limit
        for limit, direction in DIRECTIONS.items()
        if direction.loosening is Loosening.FREE and locked.get(direction.rule_id, False)
    }
    assert not free_though_locked


def test_what_ships_is_within_the_range_of_every_limit():
    for (section, name), direction in DIRECTIONS.items():
        assert direction.least <= FLOORS[section][name] <= direction.greatest


def test_every_field_is_either_delicate_or_plain():
    assert not PLAIN & (DELICATE.keys() | PERSONAL.keys())
    assert not DELICATE.keys() & PERSONAL.keys()
    assert FIELDS.keys() == PLAIN | DELICATE.keys() | PERSONAL.keys()


def test_of_a_customer_nothing_is_plain_but_where_they_live():
    assert {name for name in PLAIN if name.startswith("customer.")} == {"customer.jurisdiction"}


def test_every_value_of_a_delicate_field_has_a_rank():
    for name, ranked in DELICATE.items():
        field, values = FIELDS[name], {value for _, value in ranked}
        if field.kind is FieldKind.BOOL:
            assert values == {False, True}
        elif field.kind is FieldKind.INTEGER:
            assert values == set(range(field.least, field.greatest + 1))
        elif field.kind is FieldKind.TEXTS:
            assert values == {(), *((value,) for value in field.values)}
        else:
            assert values == {*field.values, *([None] if field.nullable else [])}


def test_words_do_not_mean_two_things():
    assert not DECOYS & {*RuleEffect, *Obligation, *SCOPES, *FIELDS, *WRITTEN}


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("customer.segment", True),
        ("customer.credit-risk", True),
        ("Customer.Income", True),
        ("customer.weather", False),
        ("customer.age_assurance", False),
        ("item.sex", False),
    ],
)
def test_a_name_that_asks_for_what_somebody_is_is_known_by_its_words(field, says):
    assert says_what_somebody_is(field) is says


def test_what_the_reader_says_of_words_is_said_where_they_stand():
    for finding in (decoy_finding("pad", "/rules/0/pad"), aiming_finding("customer.age", "/rules/0/pad")):
        assert finding.pointer == "/rules/0/pad"


def test_a_number_beyond_its_range_would_mean_something_else():
    weights = limits_with({("weights", "sensitivity"): 1_000_001})
    (found,) = lint(a_policy(limits=weights))
    assert (found.code, found.pointer) == (OUT_OF_RANGE, "/limits/G31.weight_sensitivity")
    assert found.example == {"draft": 1.000001}


def test_no_rule_of_the_shop_takes_the_place_of_one_that_ships():
    (found,) = lint(a_policy(a_rule("g05")))
    assert (found.code, found.pointer) == ("L3", "/rules/0/id")


def test_an_example_shows_who_would_be_aimed_at():
    when = Atom("customer.age_assurance", Op.EQUAL, "verified_adult")
    (found,) = lint(a_policy(a_rule(when=when)))
    assert found.example["held_back"] == {"customer.age_assurance": "verified_adult"}
    assert found.example["let_through"] == {"customer.age_assurance": "self_declared_adult"}


def test_where_a_question_has_no_answer_nothing_is_held_back():
    assert lint(a_policy(a_rule(when=Atom("item.sensitive_class", Op.LESS, "alcohol")))) == ()


def test_a_category_as_a_single_word_says_nothing():
    odd = a_rule(effect=RuleEffect.ALLOW, when=Atom("item.categories", Op.EQUAL, "beer"))
    assert lint(a_policy(odd), sensitive_categories={"beer": "alcohol"}) == ()


def test_a_policy_is_refused_by_its_first_flaw_and_their_number():
    policy = a_policy(limits=limits_with({("frequency", "outbound_day"): 5, ("support", "edge"): 1}))
    with pytest.raises(PolicyError, match=r"^`/limits/G20.outbound_day` \(L4\): .*\(and 1 more\)$"):
        require_clean(policy)
    with pytest.raises(PolicyError, match=r"^`/limits/G24.edge` \(L3\): [^(]*$"):
        require_clean(policy, signed_off_by_auditor=True)
    require_clean(a_policy())
    require_clean(read({"rules": [{"id": "shut", "applies_to": {"basis": ["popular"]}, "effect": "block"}]}))


@st.composite
def a_change(draw):
    """A limit, a value that it may have, and whether that is looser than what ships."""
    section, name = draw(LIMITS)
    direction, floor = DIRECTIONS[section, name], FLOORS[section][name]
    value = draw(
        st.integers(direction.least, direction.greatest) | st.sampled_from([floor - 1, floor, floor + 1])
    )
    assume(direction.least <= value <= direction.greatest)
    looser = value > floor if direction.stricter is Stricter.LOWER else value < floor
    return (section, name), value, looser


@given(a_change(), st.booleans())
def test_only_to_loosen_is_objected_to_and_of_what_is_locked_always(change, signed_off):
    limit, value, looser = change
    expected = {
        Loosening.FREE: [],
        Loosening.AUDITOR: [] if signed_off else [Lint.CONTACT_CAPS],
        Loosening.NEVER: [Lint.FLOOR],
    }[DIRECTIONS[limit].loosening]
    found = lint(a_policy(limits=limits_with({limit: value})), signed_off_by_auditor=signed_off)
    assert [each.code for each in found] == (expected if looser else [])
    assert [each.pointer for each in found] == [f"/limits/{WRITTEN_AS[limit]}"] * len(found)


@given(LIMITS, st.integers(1, 10**9))
def test_a_number_that_would_mean_something_else_is_refused(limit, by):
    for value in (DIRECTIONS[limit].least - by, DIRECTIONS[limit].greatest + by):
        assert [each.code for each in lint(a_policy(limits=limits_with({limit: value})))] == [OUT_OF_RANGE]


@given(policies())
def test_every_policy_is_judged_and_every_finding_leads_to_its_place(policy):
    for found in lint(policy):
        first, index, *_ = found.pointer.split("/")[1:]
        if first == "rules":
            rule = policy.rules[int(index)]
            places = [place for _, place in placed_atoms(rule.when, ("rules", int(index), "when"))]
            assert found.pointer in {"/" + "/".join(map(str, place)) for place in places}
        else:
            assert index in WRITTEN


@given(st.sampled_from(sorted(DELICATE)), st.sampled_from(sorted(set(RuleEffect) - {RuleEffect.ALLOW})))
def test_who_deserves_most_protection_can_be_protected_by_every_effect(field, effect):
    _, most = max(DELICATE[field], key=lambda ranked: ranked[0])
    atom = Atom(field, Op.CONTAINS_ANY if isinstance(most, tuple) else Op.EQUAL, most)
    assert lint(a_policy(a_rule(when=atom, effect=effect))) == ()
    allowing = a_policy(a_rule(when=atom, effect=RuleEffect.ALLOW))
    assert [each.code for each in lint(allowing)] == [Lint.AIMING]
