"""Boxes are exact: what is in them, what two share, what is left, and a point that shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from support.policies import a_rule, values_of

from guardrails.errors import PolicyError, TooTangledError
from guardrails.policy.boxes import (
    EVERYWHERE,
    Box,
    Work,
    box_of,
    contradicted,
    difference,
    meet,
    outside,
    region_of,
    regions_equal,
    scope_region,
    subsumes,
)
from guardrails.policy.fields import FIELDS, ORDERED, Field, FieldKind, FieldUnit
from guardrails.policy.language import All, AnyOf, Atom, Op
from guardrails.policy.meaning import fires, holds
from guardrails.policy.ordinary import ordinary
from guardrails.policy.sides import ABSENT, Spans, Tokens, Words, everything, side_of

PRICE, BRAND, CATEGORIES = "item.price_minor", "item.brand", "item.categories"
THERE = Atom(PRICE, Op.HAS, value=True)


def box(*atoms: Atom) -> Box:
    found = box_of(atoms)
    assert found is not None
    return found


def price(op: Op, value: object) -> tuple[Atom, Atom]:
    return THERE, Atom(PRICE, op, value)


def test_no_field_of_texts_is_ever_absent_or_null_and_no_number_is_null():
    assert not any(
        field.optional or field.nullable for field in FIELDS.values() if field.kind is FieldKind.TEXTS
    )
    assert not any(field.nullable for field in FIELDS.values() if field.kind in ORDERED)


def test_numbers_are_spans_with_absent_below_them():
    assert side_of(Atom(PRICE, Op.LESS, 5)) == Spans(((0, 4),))
    assert side_of(Atom(PRICE, Op.AT_LEAST, 5)) == Spans(((5, FIELDS[PRICE].greatest),))
    assert side_of(Atom(PRICE, Op.IN, (3, 4, 6))) == Spans(((3, 4), (6, 6)))
    assert side_of(Atom(PRICE, Op.UNEQUAL, 5)) == Spans(((0, 4), (6, FIELDS[PRICE].greatest)))
    assert side_of(Atom(PRICE, Op.HAS, value=False)) == Spans(((-2, -2),))


def test_a_number_beyond_its_field_is_never_met():
    assert side_of(Atom("evidence.tier", Op.EQUAL, 9)).empty
    assert side_of(Atom("evidence.tier", Op.MORE, 3)).empty
    assert side_of(Atom("evidence.tier", Op.NOT_IN, (0, 1, 2, 3))).empty


def test_a_number_that_may_be_null_keeps_null_beside_it():
    field = Field("x", FieldKind.INTEGER, "", FieldUnit.COUNT, least=1, greatest=9, nullable=True)
    assert everything(field) == Spans(((0, 9),))
    assert ordinary(field) is None
    assert everything(replace(field, optional=True)) == Spans(((-1, 9),))
    assert ordinary(replace(field, optional=True)) is ABSENT


def test_words_of_a_closed_list_are_named_and_others_are_left_open():
    assert side_of(Atom("item.sponsored", Op.UNEQUAL, value=True)) == Words(frozenset({False}))
    assert side_of(Atom(BRAND, Op.NOT_IN, (None, "Acme"))) == Words(
        frozenset({None, "Acme", ABSENT}), excluded=True
    )
    assert side_of(Atom("visit.entry", Op.HAS, value=False)) == Words(frozenset({ABSENT}))


def test_texts_of_a_closed_list_are_only_those_of_it():
    held = Atom("customer.holds", Op.CONTAINS_ANY, ("complaint", "nothing of the kind"))
    assert side_of(held) == Tokens.of((frozenset({"complaint"}),))


def test_a_list_of_texts_is_always_there():
    assert box(Atom(CATEGORIES, Op.HAS, value=True)) == EVERYWHERE
    assert box_of([Atom(CATEGORIES, Op.HAS, value=False)]) is None


@pytest.mark.parametrize(
    "atom",
    [
        Atom("item.colour", Op.EQUAL, "red"),
        Atom(CATEGORIES, Op.EQUAL, "tea"),
        Atom(BRAND, Op.CONTAINS_ANY, ("Acme",)),
        Atom(BRAND, Op.LESS, "Acme"),
        Atom(PRICE, Op.LESS, None),
    ],
)
def test_what_cannot_be_asked_is_refused(atom):
    with pytest.raises(PolicyError, match=f"`{atom.field}`"):
        side_of(atom)


def test_conditions_on_texts_are_written_in_one_way():
    tea, any_drink = frozenset({"tea"}), frozenset({"tea", "wine"})
    assert Tokens.of((tea, any_drink)) == Tokens.of((tea,))
    assert Tokens.of((any_drink,), frozenset({"wine"})) == Tokens.of((tea,), frozenset({"wine"}))
    assert Tokens.of((tea,), tea).empty


def test_one_list_of_texts_is_within_another():
    tea = box(Atom(CATEGORIES, Op.CONTAINS_ANY, ("tea",)))
    drinks = box(Atom(CATEGORIES, Op.CONTAINS_ANY, ("tea", "wine")))
    assert tea.within(drinks)
    assert not drinks.within(tea)
    (left,) = drinks.without(tea)
    assert left.witness()[CATEGORIES] == ("wine",)


def test_what_contradicts_itself_is_nowhere():
    rule = a_rule(when=All((*price(Op.LESS, 3), Atom(PRICE, Op.MORE, 2), Atom(BRAND, Op.EQUAL, "Acme"))))
    assert region_of(rule) == ()
    assert contradicted(rule) == (PRICE,)


def test_a_box_that_lies_within_another_of_the_same_rule_is_left_out():
    wide, narrow = All(price(Op.LESS, 9)), All(price(Op.LESS, 5))
    assert region_of(a_rule(when=AnyOf((narrow, wide, narrow)))) == (box(*price(Op.LESS, 9)),)


def test_a_rule_acts_within_its_scope_and_its_days():
    rule = a_rule(
        applies_to=(("intent", ("upsell",)),),
        when=All(price(Op.LESS, 9)),
        effective_from=date(2026, 12, 1),
        effective_until=date(2026, 12, 24),
    )
    (region,) = region_of(rule)
    assert set(region.sides) == {"candidate.intent", "request.date", PRICE}
    assert region.within(scope_region(rule)[0])
    assert fires(rule, region.witness())


def test_boxes_that_touch_make_a_whole():
    low, high, none = (
        (box(*price(Op.LESS, 9)),),
        (box(*price(Op.AT_LEAST, 9)),),
        box(replace(THERE, value=False)),
    )
    assert regions_equal((*low, *high, none), (EVERYWHERE,))
    assert not subsumes((*low, *high), (EVERYWHERE,))
    assert difference((EVERYWHERE,), (*low, *high)) == (none,)
    assert meet(low, high) == ()


def test_what_is_left_overlaps_nothing():
    cheap, acme = box(*price(Op.LESS, 9)), box(Atom(BRAND, Op.EQUAL, "Acme"))
    left = difference((EVERYWHERE, acme), (cheap,))
    assert not any(one.meets(other) for one in left for other in left if one is not other)
    assert regions_equal((*left, cheap), (EVERYWHERE,))


def test_boxes_of_the_same_sides_are_the_same():
    one, other = box(*price(Op.LESS, 9)), box(*price(Op.AT_MOST, 8))
    assert {one: "kept"}[other] == "kept"


def test_examples_are_ordinary():
    point = EVERYWHERE.witness()
    assert point["request.placement"] == "home"
    assert point[BRAND] is None
    assert PRICE not in point
    assert point["item.sponsored"] is False
    assert set(point) == {name for name, field in FIELDS.items() if not field.optional}


@pytest.mark.parametrize(
    ("atoms", "field", "value"),
    [
        ((THERE,), PRICE, 2_500),
        (price(Op.LESS, 900), PRICE, 899),
        (price(Op.NOT_IN, (2_500,)), PRICE, 2_499),
        ((Atom("item.id", Op.NOT_IN, ("item-1",)),), "item.id", "item-2"),
        ((Atom(BRAND, Op.NOT_IN, (None, "brand-1")),), BRAND, "brand-2"),
        ((Atom(BRAND, Op.IN, ("Zeta", "Acme")),), BRAND, "Acme"),
        ((Atom("customer.jurisdiction", Op.HAS, value=True),), "customer.jurisdiction", "DK"),
        ((Atom("item.sponsored", Op.EQUAL, value=True),), "item.sponsored", True),
        (
            (Atom(CATEGORIES, Op.CONTAINS_ANY, ("a", "b")), Atom(CATEGORIES, Op.CONTAINS_ANY, ("a", "c"))),
            CATEGORIES,
            ("a",),
        ),
    ],
)
def test_an_example_is_as_ordinary_as_can_be(atoms, field, value):
    point = box(*atoms).witness()
    assert point[field] == value
    assert holds(All(atoms), point)


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.name)
def test_of_every_field_each_value_can_be_told_from_all_others(field):
    for value in values_of(field):
        one = Atom(field.name, Op.CONTAINS_ANY, (value,))
        if field.kind is not FieldKind.TEXTS:
            one = Atom(field.name, Op.EQUAL, value)
        inside = box(one)
        assert inside.witness()[field.name] in (value, (value,))
        left = difference((EVERYWHERE,), (inside,))
        assert left
        assert not any(part.meets(inside) for part in left)


def test_what_takes_too_much_work_is_given_up():
    with pytest.raises(TooTangledError):
        list(outside(EVERYWHERE, [box(THERE)], Work(0)))
    assert subsumes((EVERYWHERE,), (box(THERE),), Work(10))


def test_a_part_that_fewest_others_meet_is_looked_at_first():
    flags = ("item.sponsored", "item.unclassified", "item.age_restricted")
    others = [box(*(Atom(flag, Op.EQUAL, value=up) for flag in flags)) for up in (False, True)]
    cut_by: list[Box] = []
    left = list(outside(EVERYWHERE, others, Work(), cut_by))
    assert regions_equal((*left, *others), (EVERYWHERE,))
    assert set(cut_by) == set(others)
