"""Runs the examples in ``tests/cases/policy/lints.yaml``, and what else holds of every draft."""

from dataclasses import asdict, fields
from pathlib import Path

import orjson
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from guardrails.errors import PolicyError
from guardrails.messages import Phrase
from guardrails.policy.directions import DIRECTIONS, NAMES, Loosening, Stricter
from guardrails.policy.document import to_document
from guardrails.policy.limits import Limits
from guardrails.policy.lints import (
    DECOYS,
    DELICATE,
    EFFECTS,
    OBLIGATIONS,
    PLAIN,
    Lint,
    lint,
    read_draft,
    require_clean,
)
from guardrails.rules import CATALOGUE

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "policy" / "lints.yaml").read_text("utf-8"))[
    "cases"
]
FLOORS = asdict(Limits())
LIMITS = st.sampled_from(sorted(DIRECTIONS))
KEYS = (
    *("limits", "rules", "when", "all", "any", "field", "op", "value", "effect", "obligations"),
    *("applies_to", "id", "price", "upsell_hard_micro", "decoy"),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def at(draft, pointer):
    """What a pointer leads to."""
    for part in pointer.split("/")[1:]:
        found = part.replace("~1", "/").replace("~0", "~")
        draft = draft[int(found)] if isinstance(draft, list) else draft[found]
    return draft


@pytest.mark.parametrize("case", CASES, ids=[case["note"] for case in CASES])
def test_a_lint_finds_what_the_example_says(case):
    found = lint(case["draft"], signed_off_by_auditor=case.get("signed_off", False))
    assert [{"lint": each.lint.value, "at": each.pointer} for each in found] == case["finds"]
    for each in found:
        assert isinstance(each.message, Phrase)
        assert each.example


@pytest.mark.parametrize("code", [code.value for code in Lint if code is not Lint.UNKNOWN])
def test_every_lint_has_examples(code):
    assert sum(code in {each["lint"] for each in case["finds"]} for case in CASES) >= 3


def test_every_limit_has_a_direction():
    limits = {(section, name) for section, values in FLOORS.items() for name in values}
    assert limits == DIRECTIONS.keys() | NAMES


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


def test_words_do_not_mean_two_things():
    assert not DECOYS & (EFFECTS | OBLIGATIONS)
    assert not PLAIN & DELICATE.keys()
    names = {*FLOORS, *(name for values in FLOORS.values() for name in values)}
    assert not names & DECOYS


@pytest.mark.parametrize(
    "draft",
    [
        {"limits": []},
        {"limits": {"price": 3}},
        {"limits": {"nonsense": {}}},
        {"limits": {"price": {"upsell_hard_micro": "1"}}},
        {"limits": {"price": {"upsell_hard_micro": True}}},
        {"rules": {}},
        {"rules": [3]},
        {"rules": [{"effect": None}]},
        {"rules": [{}]},
        {"rules": [{"effect": "block(3)"}]},
        {"rules": [{"effect": "demote(1000001)"}]},
        {"rules": [{"effect": "demote(-1)"}]},
        {"rules": [{"effect": "block", "obligations": [3]}]},
        {"rules": [{"effect": "block", "applies_to": []}]},
        {"rules": [{"effect": "block", "applies_to": {"sensitive_class": ["alcohol"]}}]},
        {"rules": [{"effect": "block", "when": []}]},
        {"rules": [{"effect": "block", "when": {"all": [], "field": "item.tier", "op": "=", "value": 1}}]},
        {"rules": [{"effect": "block", "when": {"field": "item.tier", "op": "=", "value": 1, "not": 1}}]},
        {"rules": [{"effect": "block", "when": {"field": "item.tier", "op": "="}}]},
        {"rules": [{"effect": "block", "when": {"field": "item.tier", "op": "~", "value": 1}}]},
        {"rules": [{"effect": "block", "when": {"field": "item.tier", "op": "<", "value": "x"}}]},
        {"rules": [{"effect": "block", "when": {"field": "item.tier", "op": "in", "value": 3}}]},
        {"rules": [{"effect": "block", "when": {"field": "item.tier", "op": "has", "value": 3}}]},
        {"rules": [{"effect": "block", "when": {"field": "customer.holds", "op": "=", "value": []}}]},
        {
            "rules": [
                {"effect": "block", "when": {"field": "customer.holds", "op": "contains_any", "value": 1}}
            ]
        },
        {"rules": [{"effect": "block", "when": {"field": "weather.today", "op": "=", "value": "rain"}}]},
    ],
)
def test_what_cannot_be_judged_is_named(draft):
    assert [each.lint for each in lint(draft)] == [Lint.UNKNOWN]


def test_a_field_that_is_there_is_no_aim():
    rule = {"effect": "block", "when": {"all": [{"field": "customer.age_band", "op": "has"}]}}
    assert lint({"rules": [rule]}) == ()


def test_an_example_shows_who_would_be_aimed_at():
    when = {"field": "customer.holds", "op": "has", "value": False}
    (found,) = lint({"rules": [{"effect": "block", "when": when}]})
    assert found.example["held_back"] == {"customer.holds": []}
    assert found.example["let_through"]["customer.holds"] != []


def test_conditions_nest_as_deep_as_they_like():
    when = {"field": "item.brand", "op": "=", "value": "Acme"}
    for _ in range(5000):
        when = {"any": [when]}
    assert lint({"rules": [{"effect": "block", "when": when}]}) == ()


def test_a_single_atom_may_stand_in_for_a_list():
    when = {"all": {"field": "customer.payment_failed", "op": "=", "value": False}}
    (found,) = lint({"rules": [{"effect": "block", "when": when}]})
    assert found.pointer == "/rules/0/when/all/0"


def test_other_parts_of_a_draft_are_not_judged():
    assert lint({"policy": "house"}) == ()


def test_a_pointer_says_names_with_slashes_so_that_they_can_be_found():
    draft = {"limits": {"a/b~c": {}}}
    (found,) = lint(draft)
    assert found.pointer == "/limits/a~1b~0c"
    assert at(draft, found.pointer) == {}


def test_a_policy_is_refused_by_its_first_flaw_and_their_number():
    draft = {"limits": {"frequency": {"outbound_day": 5}, "support": {"edge": 1}}}
    with pytest.raises(PolicyError, match=r"^`/limits/frequency/outbound_day` \(L4\): .*\(and 1 more\)$"):
        require_clean(draft)
    with pytest.raises(PolicyError, match=r"^`/limits/support/edge` \(L3\): [^(]*$"):
        require_clean(draft, signed_off_by_auditor=True)
    require_clean(read_draft(to_document(Limits())))


@pytest.mark.parametrize(("document", "message"), [(b"{", "not valid JSON"), ("[]", "not an object")])
def test_what_is_no_draft_is_refused(document, message):
    with pytest.raises(PolicyError, match=message):
        read_draft(document)


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
    return section, name, value, looser


@given(a_change(), st.booleans())
def test_only_to_loosen_is_objected_to_and_of_what_is_locked_always(change, signed_off):
    section, name, value, looser = change
    loosening = DIRECTIONS[section, name].loosening
    expected = {
        Loosening.FREE: [],
        Loosening.AUDITOR: [] if signed_off else [Lint.CONTACT_CAPS],
        Loosening.NEVER: [Lint.FLOOR],
    }
    found = lint({"limits": {section: {name: value}}}, signed_off_by_auditor=signed_off)
    assert [each.lint for each in found] == (expected[loosening] if looser else [])


@given(LIMITS, st.integers(1, 10**9))
def test_a_number_that_would_mean_something_else_is_refused(limit, by):
    section, name = limit
    for value in (DIRECTIONS[limit].least - by, DIRECTIONS[limit].greatest + by):
        (found,) = lint({"limits": {section: {name: value}}})
        assert (found.lint, found.example) == (Lint.UNKNOWN, {"draft": value})


@given(st.dictionaries(st.sampled_from(["limits", "rules", "decoy", "x"]), ANYTHING, max_size=3))
def test_a_draft_of_any_shape_is_judged_and_every_finding_leads_to_its_place(draft):
    for found in lint(draft):
        assert found.pointer.split("/")[1] in draft


@given(st.sampled_from(sorted(DELICATE)), st.sampled_from(sorted(EFFECTS - {"allow"})))
def test_who_deserves_most_protection_can_be_protected_by_every_effect(field, effect):
    _, most = max(DELICATE[field], key=lambda ranked: ranked[0])
    on_set = isinstance(most, frozenset)
    atom = {
        "field": field,
        "op": "contains_any" if on_set else "=",
        "value": sorted(most) if on_set else most,
    }
    assert lint({"rules": [{"effect": effect, "when": atom}]}) == ()
    assert [each.lint for each in lint({"rules": [{"effect": "allow", "when": atom}]})] == [Lint.AIMING]


def test_sections_are_those_of_the_policy():
    assert {section for section, _ in DIRECTIONS} == {field.name for field in fields(Limits)}
    assert read_draft(orjson.dumps({"limits": FLOORS}))["limits"] == FLOORS
