"""Small changes to rules: those that tests notice, those that are none, and the test that would notice."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.policies import a_policy, a_rule, points, rules
from support.tries import tries

from api.policies.values import read_given
from guardrails.policy import mutants
from guardrails.policy.boxes import Work
from guardrails.policy.charter import MICRO
from guardrails.policy.fields import FIELDS
from guardrails.policy.findings import Severity
from guardrails.policy.language import All, AnyOf, Atom, Op, RuleEffect, RuleTest
from guardrails.policy.meaning import fires
from guardrails.policy.mutants import MOST_MUTANTS, MOST_WORDS, SURVIVING_MUTANTS, mutate
from guardrails.policy.testing import deed

FAILED = Atom("customer.payment_failed", Op.EQUAL, value=True)
SPONSORED = Atom("item.sponsored", Op.EQUAL, value=True)
IGNORED = Atom("candidate.n_ignored", Op.AT_LEAST, 3)
PRICED = Atom("item.price_minor", Op.HAS, value=True)


def an_example(expect, **values):
    return RuleTest(
        "a test", tuple((name.replace("__", "."), value) for name, value in values.items()), expect
    )


def blocks(**values):
    return an_example(RuleEffect.BLOCK, **values)


def allows(**values):
    return an_example(RuleEffect.ALLOW, **values)


def changes_to(rule):
    """Every change that is tried, as what was there and what is there now."""
    return {(each.was, each.now) for each in mutants._mutants(rule, ())}


def place_of(survivor):
    """Which change it is."""
    return survivor.pointer, survivor.was, survivor.now


def survivors(rule):
    return {(each.was, each.now) for each in mutate(a_policy(rule)).survivors}


@pytest.mark.parametrize(
    ("when", "changes"),
    [
        (
            FAILED,
            {
                ("customer.payment_failed = true", None),
                ("customer.payment_failed = true", "customer.payment_failed != true"),
            },
        ),
        (
            IGNORED,
            {
                ("candidate.n_ignored >= 3", None),
                ("candidate.n_ignored >= 3", "candidate.n_ignored > 3"),
                ("candidate.n_ignored >= 3", "candidate.n_ignored < 3"),
                ("candidate.n_ignored >= 3", "candidate.n_ignored >= 2"),
            },
        ),
        (
            Atom("evidence.tier", Op.EQUAL, 0),
            {
                ("evidence.tier = 0", None),
                ("evidence.tier = 0", "evidence.tier != 0"),
                ("evidence.tier = 0", "evidence.tier = 1"),
            },
        ),
        (
            Atom("item.brand", Op.IN, (None, "Acme")),
            {
                ('item.brand in [null,"Acme"]', None),
                ('item.brand in [null,"Acme"]', 'item.brand not_in [null,"Acme"]'),
                ("null", None),
                ('"Acme"', None),
            },
        ),
        (
            Atom("item.categories", Op.CONTAINS_ANY, ("beer",)),
            {('item.categories contains_any ["beer"]', None)},
        ),
        (
            PRICED,
            {
                ("item.price_minor has true", None),
                ("item.price_minor has true", "item.price_minor has false"),
            },
        ),
        (
            Atom("request.date", Op.LESS, 0),
            {
                ('request.date < "1970-01-01"', None),
                ('request.date < "1970-01-01"', 'request.date <= "1970-01-01"'),
                ('request.date < "1970-01-01"', 'request.date >= "1970-01-01"'),
            },
        ),
    ],
)
def test_a_condition_is_changed_in_every_small_way(when, changes):
    effects = {("block", each.value) for each in RuleEffect if each is not RuleEffect.BLOCK}
    assert changes_to(a_rule(when=when)) == changes | effects


def test_groups_change_into_each_other_and_lose_parts():
    found = changes_to(a_rule(when=All((FAILED, AnyOf((SPONSORED, IGNORED))))))
    assert {("all", "any"), ("any", "all"), ("item.sponsored = true", None)} <= found


def test_a_group_that_lost_its_only_part_is_gone():
    rule = a_rule(when=All((AnyOf((FAILED,)), SPONSORED)))
    left = [
        each.rule.when
        for each in mutants._mutants(rule, ())
        if each.was.startswith("customer") and each.now is None
    ]
    assert left == [All((SPONSORED,))]
    alone = a_rule(when=All((FAILED,)))
    assert None in [each.rule.when for each in mutants._mutants(alone, ())]


def test_a_scope_is_left_out_whole_and_word_by_word():
    rule = a_rule(applies_to=(("intent", ("cross_sell", "upsell")), ("placement", ("cart",))))
    found = {each.was: each.rule.applies_to for each in mutants._mutants(rule, ()) if each.now is None}
    assert found == {
        "applies_to.intent": (("placement", ("cart",)),),
        "cross_sell": (("intent", ("upsell",)), ("placement", ("cart",))),
        "upsell": (("intent", ("cross_sell",)), ("placement", ("cart",))),
        "applies_to.placement": (("intent", ("cross_sell", "upsell")),),
    }


def test_what_would_have_no_answer_somewhere_is_not_tried():
    guarded = All((PRICED, Atom("item.price_minor", Op.MORE, 5)))
    assert "item.price_minor has true" not in {was for was, _ in changes_to(a_rule(when=guarded))}
    assert changes_to(a_rule(when=guarded.of[1])) == set()


def test_sharp_tests_notice_everything():
    rule = a_rule(when=IGNORED, tests=(allows(candidate__n_ignored=2), blocks(candidate__n_ignored=3)))
    mutation = mutate(a_policy(rule))
    assert (mutation.survivors, mutation.findings, mutation.score_micro) == ((), (), MICRO)
    assert (mutation.n_killed, mutation.n_equivalent, mutation.n_undecided) == (7, 0, 0)


def test_blunt_ones_do_not_and_are_told_which_test_would():
    rule = a_rule(when=IGNORED, tests=(allows(), blocks(candidate__n_ignored=9)))
    mutation = mutate(a_policy(rule))
    assert {(each.now, each.given["candidate.n_ignored"], each.expect) for each in mutation.survivors} == {
        ("candidate.n_ignored > 3", 3, RuleEffect.BLOCK),
        ("candidate.n_ignored >= 2", 2, RuleEffect.ALLOW),
    }
    (found,) = mutation.findings
    assert (found.code, found.severity, found.pointer) == (
        SURVIVING_MUTANTS,
        Severity.WARNING,
        "/rules/0/tests",
    )
    assert found.example["test"] == {"given": {"candidate.n_ignored": 3}, "expect": "block"}
    assert mutation.score_micro == 5 * MICRO // 7


def test_what_can_be_left_out_is_named():
    rule = a_rule(
        when=All((FAILED, SPONSORED)),
        tests=(allows(), blocks(customer__payment_failed=True, item__sponsored=True)),
    )
    assert {(was, now) for was, now in survivors(rule) if now is None} == {
        ("customer.payment_failed = true", None),
        ("item.sponsored = true", None),
    }


def test_a_scope_that_no_test_leaves_is_named_first():
    rule = a_rule(applies_to=(("intent", ("upsell",)),), tests=(blocks(),))
    (found,) = mutate(a_policy(rule)).findings
    assert found.example["was"] == "applies_to.intent"
    assert "without `applies_to.intent`" in found.message


def test_a_test_that_fails_notices_nothing():
    rule = a_rule(when=IGNORED, tests=(blocks(candidate__n_ignored=2), allows(candidate__n_ignored=3)))
    assert mutate(a_policy(rule)).n_killed == 0


def test_without_tests_everything_survives_and_it_is_said_elsewhere():
    mutation = mutate(a_policy(a_rule(when=IGNORED)))
    assert len(mutation.survivors) == 7
    assert (mutation.score_micro, mutation.findings) == (0, ())


def test_the_same_rule_in_other_words_is_not_counted():
    doubled = a_rule(when=All((IGNORED, Atom("candidate.n_ignored", Op.MORE, 1))))
    assert ("candidate.n_ignored > 1", None) not in survivors(doubled)
    assert mutate(a_policy(doubled)).n_equivalent >= 3


def test_what_never_acts_is_the_same_whatever_it_would_do():
    never = a_rule(when=All((FAILED, Atom("customer.payment_failed", Op.EQUAL, value=False))))
    assert not [now for _, now in survivors(never) if now in set(RuleEffect)]


def test_where_a_rule_that_only_allows_applies_changes_nothing():
    mutation = mutate(a_policy(a_rule(when=IGNORED, effect=RuleEffect.ALLOW)))
    assert {each.pointer for each in mutation.survivors} == {"/rules/0/effect"}
    assert mutation.n_equivalent == 4


def test_what_takes_too_much_work_to_tell_is_not_counted():
    pair = AnyOf((FAILED, SPONSORED))
    tangled = a_rule(when=All((pair,) * 7), tests=(allows(),))
    mutation = mutate(a_policy(tangled))
    assert mutation.n_undecided > 0
    assert mutation.n_undecided + mutation.n_equivalent + mutation.n_killed + len(mutation.survivors) == len(
        list(mutants._mutants(tangled, ()))
    )


def test_no_policy_takes_longer_than_there_is_work_for():
    apart = AnyOf(
        tuple(
            All((Atom("candidate.n_ignored", Op.EQUAL, 3 * n), Atom("item.id", Op.EQUAL, f"i-{n}")))
            for n in range(16)
        )
    )
    wide = a_policy(*(a_rule(rule_id, when=apart) for rule_id in ("one", "three", "two")))
    some, none = mutate(wide, work=5_000), mutate(wide, work=0)
    assert some.n_undecided == 3
    assert 0 < len(some.survivors) + some.n_equivalent < len(mutate(wide).survivors)
    assert (none.n_undecided, none.survivors, none.score_micro) == (3, (), MICRO)


def test_rules_that_name_many_values_get_through_fewer_changes_with_the_same_work():
    def tried(n_values):
        lists = (tuple(f"{letter}-{n:03}" for n in range(n_values)) for letter in "abcd")
        rule = a_rule(when=AnyOf(tuple(Atom("item.id", Op.IN, each) for each in lists)))
        mutation = mutate(a_policy(rule), work=2_000)
        return len(mutation.survivors) + mutation.n_equivalent

    assert tried(1_000) < tried(10)


def test_long_lists_and_long_rules_are_tried_in_part():
    listed = a_rule(when=Atom("item.id", Op.IN, tuple(f"i-{n:03}" for n in range(500))))
    assert sum(now is None for _, now in changes_to(listed)) == MOST_WORDS + 1
    shown = {was for was, _ in changes_to(listed)}
    assert max(map(len, shown)) < 110
    many = a_rule(when=All(tuple(Atom("item.id", Op.UNEQUAL, f"i-{n}") for n in range(MOST_MUTANTS))))
    mutation = mutate(a_policy(many))
    assert mutation.n_undecided + len(mutation.survivors) == MOST_MUTANTS


@tries(30)
@given(rules())
def test_the_test_that_is_named_passes_and_notices_the_change(rule):
    for survivor in mutate(a_policy(rule)).survivors[:4]:
        given_ = tuple((name, read_given(FIELDS[name], value)) for name, value in survivor.given.items())
        told = replace(rule, tests=(RuleTest("a test", given_, survivor.expect),))
        again = mutate(a_policy(told)).survivors
        assert place_of(survivor) not in set(map(place_of, again))


@tries(40)
@given(rules(), st.lists(points(), max_size=4))
def test_what_is_not_counted_does_the_same_everywhere(rule, some):
    for mutant in mutants._mutants(rule, ()):
        box = mutants._Rule(rule).difference(mutant.rule, Work())
        if box is None:
            assert [deed(rule, point) for point in some] == [deed(mutant.rule, point) for point in some]
        else:
            assert deed(rule, box.witness()) is not deed(mutant.rule, box.witness())


@tries(30)
@given(rules(), st.lists(points(), min_size=1, max_size=3))
def test_more_tests_never_notice_less(rule, some):
    tests = tuple(
        RuleTest("a test", tuple(point.items()), rule.effect if fires(rule, point) else RuleEffect.ALLOW)
        for point in some
    )
    fewer, more = (mutate(a_policy(replace(rule, tests=each))) for each in (tests[:1], tests))
    assert more.score_micro >= fewer.score_micro
    assert set(map(place_of, more.survivors)) <= set(map(place_of, fewer.survivors))
