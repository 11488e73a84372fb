from datetime import date

import pytest

from guardrails.consent.jurisdictions import (
    UNKNOWN,
    jurisdiction_of,
    jurisdictions,
    overdue,
    raised_where,
    table_of,
)
from guardrails.consent.settings import ConsentSettings
from guardrails.errors import PolicyError

ROW = {
    "name": "A place",
    "consent_age": 14,
    "ask_again_after_days": 100,
    "signal_may_be_overridden": True,
    "soft_opt_in": True,
    "reviewed": date(2026, 1, 1),
    "review_by": date(2026, 7, 1),
}


def test_every_member_state_has_a_line_between_13_and_16():
    ages = {code: each.consent_age for code, each in jurisdictions().items()}
    assert len(ages) > 30
    assert all(13 <= age <= 16 for age in ages.values())
    assert (ages["DK"], ages["FR"], ages["AT"], ages["GB"], ages["DE"]) == (15, 15, 14, 13, 16)


def test_a_country_inherits_what_it_does_not_say():
    assert jurisdiction_of("SE").ask_again_after_days == jurisdiction_of("EU").ask_again_after_days == 183
    assert jurisdiction_of("US-CA").ask_again_after_days == 365
    assert jurisdiction_of("US-WA").consent_age == jurisdiction_of("US").consent_age


@pytest.mark.parametrize("code", [None, "XX", "XX-YY", ""])
def test_where_the_place_is_not_known_the_strictest_rules_hold(code):
    rules = jurisdiction_of(code)
    assert rules.code == UNKNOWN
    known = [each for each in jurisdictions().values() if each.code != UNKNOWN]
    assert all(rules.consent_age >= each.consent_age for each in known)
    assert all(rules.ask_again_after_days >= each.ask_again_after_days for each in known)
    assert all(rules.raised_classes >= each.raised_classes for each in known)
    assert not rules.signal_may_be_overridden
    assert not rules.soft_opt_in


def test_a_part_of_a_country_that_has_no_row_follows_the_country():
    assert jurisdiction_of("DE-BY") == jurisdiction_of("DE")


def test_washington_raises_what_bodies_do_and_take_in():
    assert {"health", "weight_body", "pregnancy_fertility"} <= jurisdiction_of("US-WA").raised_classes
    assert not jurisdiction_of("US").raised_classes


def test_a_shop_that_names_no_place_has_everything_raised_that_any_law_raises():
    assert ConsentSettings().raised_classes == raised_where("US-WA") == jurisdiction_of(None).raised_classes
    assert ConsentSettings(jurisdiction="DK").raised_classes == raised_where(None) == frozenset()


def test_a_fingerprint_tells_which_rules_a_choice_was_made_under():
    table = table_of({"AA": ROW, "BB": {**ROW, "consent_age": 15}})
    assert table["AA"].fingerprint.startswith("AA#")
    assert table["AA"].fingerprint.split("#")[1] != table["BB"].fingerprint.split("#")[1]
    again = table_of({"AA": {**ROW, "reviewed": date(2026, 6, 1)}})
    assert again["AA"].fingerprint == table["AA"].fingerprint


def test_a_row_that_nobody_looked_at_again_is_named():
    due = jurisdiction_of("EU").review_by
    assert not overdue(due)
    assert {each.code for each in overdue(date(due.year + 1, 1, 1))} == set(jurisdictions())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"AA": {**ROW, "consent_aeg": 14}}, "`consent_aeg`"),
        ({"AA": {name: value for name, value in ROW.items() if name != "soft_opt_in"}}, "`soft_opt_in`"),
        ({"AA": {**ROW, "raised_classes": ["helth"]}}, "raises a class"),
        ({"AA": {**ROW, "parent": "BB"}}, "a parent"),
        ({"AA": ROW, "BB": {"parent": "AA"}, "CC": {"parent": "BB"}}, "a parent"),
    ],
)
def test_a_table_with_a_mistake_in_it_is_refused(rows, said):
    with pytest.raises(PolicyError, match=said):
        table_of(rows)
