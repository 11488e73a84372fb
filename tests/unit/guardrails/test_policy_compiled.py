"""Rules of the shop, asked like any other: what each effect comes to, and what is done where one fails."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date

import numpy as np
import pytest
from support.columns import PointColumns
from support.policies import a_policy, a_rule
from support.views import a_view, none_of

from engine.interactions import DAY_MS
from engine.vocabulary import Intent
from guardrails.errors import PolicyError
from guardrails.holding import Holding
from guardrails.judge import judge
from guardrails.log.codes import ReasonCode
from guardrails.policy import compiled as module
from guardrails.policy.columns import ABSENT, NULL, Named, Names, columns_of
from guardrails.policy.compiled import compile_policy, house_rules
from guardrails.policy.kernel import NO, YES
from guardrails.policy.language import All, AnyOf, Atom, Mode, Obligation, Op, RuleEffect
from guardrails.policy.limits import Limits
from guardrails.policy.meaning import MOST_BOXES
from guardrails.rules.base import MICRO, OBLIGES, Effect, Unit, silent

LATE = Atom("customer.open_delivery_delay", Op.EQUAL, value=True)
FAILED_PAYMENT = Atom("customer.payment_failed", Op.EQUAL, value=True)
UNTIL_2030 = Atom("request.date", Op.LESS, 21_915)
BEYOND_ALL_CALENDARS_MS = 10**18
DEAR = Atom("item.price_minor", Op.MORE, 500)  # a checked draft would ask first whether it is known


def a_late_view(n=1, **more):
    return a_view(n, holding=Holding(delivery_late=True), **more)


def only(rule):
    (asked,), _ = house_rules(a_policy(rule))
    return asked


def asked_of(rule, view):
    return only(rule).judge(view, Limits())


def asked(view, *rules, **more):
    enforced, watched = house_rules(a_policy(*rules, **more))
    return judge(view, np.full(len(view), 1_000), enforced, Limits(), watched)


def answers(condition, columns):
    return compile_policy(a_policy(a_rule(when=condition))).evaluate(columns)


class Given:
    """Columns that are given."""

    def __init__(self, n, **columns):
        self.n, self.columns = n, {name.replace("__", "."): column for name, column in columns.items()}

    def column(self, field):
        return self.columns[field]


def test_no_offer_is_made_while_a_parcel_is_late():
    rule = a_rule(
        "no-upsell-after-delay",
        when=All((LATE,)),
        applies_to=(("intent", ("cross_sell", "upsell")), ("placement", ("cart", "checkout"))),
    )
    intents = [Intent.UPSELL, Intent.SIMILAR, Intent.CROSS_SELL]
    there = asked_of(rule, a_late_view(3, intent=intents, name="cart"))
    assert there.effect.tolist() == [Effect.BLOCK, Effect.ALLOW, Effect.BLOCK]
    assert there.observed.tolist() == [1, 0, 1]
    assert there.limit.tolist() == [0, 0, 0]
    assert asked_of(rule, a_late_view(3, intent=intents, name="home")) is silent(3)
    assert asked_of(rule, a_view(3, intent=intents, name="cart")) is silent(3)


def test_a_rule_says_of_itself_what_the_shop_wrote():
    rule = a_rule("some-rule", title="A title", rationale="Because.", customer_sentence="Not now.")
    found = only(rule)
    assert (found.id, found.name, found.ground) == ("some-rule", "A title", "Because.")
    assert (found.sentence, found.locked, found.unit) == ("Not now.", False, Unit.FLAG)
    assert found.reason_code == ReasonCode.HOUSE_RULE


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (RuleEffect.ALLOW, Effect.ALLOW),
        (RuleEffect.DEMOTE, Effect.DEMOTE),
        (RuleEffect.GENERALISE, Effect.GENERALISE),
        (RuleEffect.BLOCK, Effect.BLOCK),
    ],
)
def test_each_effect_is_one_that_judging_knows(effect, said):
    assert asked_of(a_rule(when=LATE, effect=effect), a_late_view()).effect.tolist() == [said]


def test_a_demotion_leaves_its_share_of_the_score_where_it_acts():
    rule = a_rule(
        when=Atom("item.sponsored", Op.EQUAL, value=True), effect=RuleEffect.DEMOTE, share_micro=700_000
    )
    judged = asked(a_view(2, sponsored=[True, False]), rule)
    assert judged.rank_score.tolist() == [700, 1_000]
    assert judged.judgements[0].factor_micro.tolist() == [700_000, MICRO]


def test_what_rules_ask_for_besides_adds_up_where_they_act():
    both = a_rule(
        "both",
        when=Atom("item.sponsored", Op.EQUAL, value=True),
        effect=RuleEffect.ALLOW,
        obligations=(Obligation.EXPLAIN, Obligation.DISCLOSE_SPONSORED),
    )
    human = a_rule("human", when=LATE, effect=RuleEffect.ALLOW, obligations=(Obligation.HAND_OFF,))
    judged = asked(a_late_view(2, sponsored=[True, False]), both, human)
    assert judged.obliges.tolist() == [sum(OBLIGES.values()), OBLIGES["hand_off"]]
    assert not judged.withheld.any()


def test_only_enforced_rules_act_and_others_are_watched_unless_they_are_off():
    rules = [a_rule(mode.value, mode=mode) for mode in Mode]
    judged = asked(a_view(1), *rules)
    assert [rule.id for rule in judged.rules] == ["enforce"]
    assert [(found.asked.rule.id, found.asked.warns) for found in judged.watched] == [
        ("shadow", False),
        ("warn", True),
    ]
    assert all(found.judgement.effect.tolist() == [Effect.BLOCK] for found in judged.watched)


@pytest.mark.parametrize(("day", "acts"), [(19_999, False), (20_000, True), (20_001, True), (20_002, False)])
def test_a_rule_acts_within_its_days_where_the_shop_is(day, acts):
    dated = a_rule(effective_from=date(2024, 10, 4), effective_until=date(2024, 10, 5))
    noon_utc = a_view(1, now_ms=day * DAY_MS + DAY_MS // 2)
    assert asked(noon_utc, dated).withheld.tolist() == [acts]
    late_on_the_day_before = a_view(1, now_ms=day * DAY_MS - 1)
    assert asked(late_on_the_day_before, dated, time_zone="Europe/Oslo").withheld.tolist() == [acts]


def test_a_condition_without_an_answer_withholds():
    judged = asked(a_view(3, price_minor=[-1, 100, 900]), a_rule(when=DEAR))
    assert judged.effect.tolist() == [Effect.GAP, Effect.ALLOW, Effect.BLOCK]
    assert judged.judgements[0].observed.tolist() == [0, 0, 1]
    assert not judged.failed


class TestAFieldThatCannotBeTold:
    BROKEN = a_late_view(2, now_ms=BEYOND_ALL_CALENDARS_MS)

    def test_makes_only_those_rules_fail_that_ask_for_it(self):
        judged = asked(
            self.BROKEN,
            a_rule("dated", when=UNTIL_2030),
            a_rule("payment", when=FAILED_PAYMENT),
            a_rule("quieter", when=LATE, effect=RuleEffect.DEMOTE, share_micro=500_000),
        )
        assert judged.failed == (("dated", "PolicyError"),)
        assert judged.effect.tolist() == [Effect.GAP, Effect.GAP]
        assert judged.judgements[1] is silent(2)
        assert judged.judgements[2].effect.tolist() == [Effect.DEMOTE] * 2

    def test_is_named(self):
        with pytest.raises(PolicyError, match=r"^`request\.date` could not be told$"):
            asked_of(a_rule(when=UNTIL_2030), self.BROKEN)

    def test_fails_no_rule_whose_answer_does_not_depend_on_it(self):
        assert asked_of(a_rule(when=All((UNTIL_2030, FAILED_PAYMENT))), self.BROKEN) is silent(2)
        either = asked_of(a_rule(when=AnyOf((UNTIL_2030, LATE))), self.BROKEN)
        assert either.effect.tolist() == [Effect.BLOCK] * 2

    def test_is_not_taken_for_one_that_is_absent(self):
        unasked = Atom("visit.entry", Op.HAS, value=False)
        assert answers(unasked, Given(1)).unanswered.all()
        assert answers(unasked, Given(1, visit__entry=ABSENT)).fires.all()

    @pytest.mark.parametrize(
        ("atom", "column", "error"),
        [
            (DEAR, np.array([1]), "ValueError"),
            (DEAR, np.array([1.5, 2.5]), "ValueError"),
            (DEAR, "600", "TypeError"),
            (Atom("item.brand", Op.EQUAL, "Acme"), np.array([0, 1]), "TypeError"),
            (
                Atom("item.brand", Op.EQUAL, "Acme"),
                Named(np.array([0]), Names(("Acme", "Umbrella"))),
                "ValueError",
            ),
        ],
    )
    def test_is_also_one_of_another_form(self, atom, column, error):
        found = answers(atom, Given(2, **{atom.field.replace(".", "__"): column}))
        assert found.unanswered.tolist() == [[True, True]]
        assert dict(found.failed) == {atom.field: error}


def test_null_is_a_value_of_numbers_too_and_has_no_order():
    prices = Given(3, item__price_minor=np.array([NULL, 600, ABSENT]))
    assert answers(DEAR, prices).answer.tolist() == [[1, 2, 1]]
    assert answers(Atom("item.price_minor", Op.EQUAL, None), prices).answer.tolist() == [[2, 0, 1]]
    assert answers(Atom("item.price_minor", Op.EQUAL, None), Given(1, item__price_minor=None)).fires.all()


@pytest.mark.parametrize(
    ("op", "number", "tiers"),
    [
        (Op.LESS, 2, {0, 1}),
        (Op.AT_MOST, 2, {0, 1, 2}),
        (Op.MORE, 2, {3}),
        (Op.AT_LEAST, 2, {2, 3}),
        (Op.EQUAL, 2, {2}),
        (Op.UNEQUAL, 2, {0, 1, 3}),
        (Op.IN, (0, 3), {0, 3}),
        (Op.NOT_IN, (0, 3), {1, 2}),
    ],
)
def test_numbers_are_compared(op, number, tiers):
    fires = answers(Atom("evidence.tier", op, number), Given(4, evidence__tier=np.arange(4, dtype=np.int8)))
    assert set(np.flatnonzero(fires.fires[0]).tolist()) == tiers


@pytest.mark.parametrize("category", range(-1, 3))
def test_a_category_is_within_every_category_above_it(category):
    medicine = a_rule(when=Atom("item.categories", Op.CONTAINS_ANY, ("Medicine", "Toys")))
    assert asked(a_view(1, category=category), medicine).withheld.tolist() == [category > 0]


@pytest.mark.parametrize(("topics", "acts"), [(True, True), (False, False)])
def test_a_set_of_texts_of_a_customer_is_looked_through(topics, acts):
    held = a_rule(when=Atom("customer.holds", Op.CONTAINS_ANY, ("offers", "topics")))
    view = a_view(1, holding=Holding(topics=topics, complaint_open=True))
    assert asked(view, held).withheld.tolist() == [acts]


def test_many_lists_of_one_field_are_told_apart():
    brands = [f"brand-{number:03d}" for number in range(200)]
    rules = [a_rule(name, when=Atom("item.brand", Op.IN, (None, name))) for name in brands]
    compiled = compile_policy(a_policy(*rules))
    points = [{"item.brand": name} for name in (*brands, None, "brand-999")]
    for spread in (True, False):
        fires = compiled.evaluate(PointColumns(points, spread=spread)).fires
        assert np.array_equal(fires[:, :200], np.eye(200, dtype=np.bool_))
        assert fires[:, 200].all()
        assert not fires[:, 201].any()
    alone = compiled.evaluate(PointColumns(points[70:71], spread=False)).fires
    assert np.flatnonzero(alone).tolist() == [70]


def test_many_rows_are_answered_as_few_are(monkeypatch):
    points = [{"evidence.tier": number % 4, "item.brand": ("Acme", None)[number % 2]} for number in range(10)]
    condition = All((Atom("evidence.tier", Op.AT_LEAST, 1), Atom("item.brand", Op.UNEQUAL, None)))
    at_once = answers(condition, PointColumns(points, spread=True)).answer
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 3)
    np.testing.assert_array_equal(answers(condition, PointColumns(points, spread=True)).answer, at_once)
    assert at_once.any()


def test_without_rules_there_are_no_answers():
    compiled = compile_policy(a_policy())
    assert compiled.evaluate(PointColumns([{}], spread=False)).answer.shape == (0, 1)
    assert house_rules(a_policy()) == ((), ())


def test_without_candidates_there_is_nothing_to_say():
    rule = a_rule(when=Atom("item.brand", Op.EQUAL, "Acme"))
    assert asked_of(rule, none_of(a_view(1))) is silent(0)


class TestAllRulesShareOneEvaluation:
    @pytest.fixture
    def views(self, monkeypatch):
        """The views that columns were laid out of."""
        seen = []
        lay_out = module.columns_of
        monkeypatch.setattr(
            module, "columns_of", lambda view, zone: seen.append(id(view)) or lay_out(view, zone)
        )
        return seen

    def test_of_one_view(self, views):
        view, other = a_late_view(), a_late_view()
        rules = [a_rule(f"rule-{mode.value}-{number}", mode=mode) for mode in Mode for number in range(3)]
        enforced, watched = house_rules(a_policy(*rules))
        judge(view, np.ones(1, np.int64), enforced, Limits(), watched)
        judge(other, np.ones(1, np.int64), enforced, Limits(), watched)
        assert views == [id(view), id(other)]

    def test_also_where_several_are_asked_about_at_once(self):
        rules = [a_rule(f"rule-{tier}", when=Atom("item.tier", Op.EQUAL, tier)) for tier in range(4)]
        enforced, _ = house_rules(a_policy(*rules))

        def withheld_by(tier):
            judged = judge(a_view(1, tier=tier), np.ones(1, np.int64), enforced, Limits())
            return judged.deciding.tolist()

        tiers = [number % 4 for number in range(100)]
        with ThreadPoolExecutor(4) as threads:
            assert [*threads.map(withheld_by, tiers)] == [[tier] for tier in tiers]

    def test_and_keep_no_view_alive(self):
        rule = only(a_rule(when=LATE))
        view = a_late_view()
        rule.judge(view, Limits())
        gone = weakref.ref(view)
        del view
        gc.collect()
        assert gone() is None


class Reading:
    """Columns of a view that remember which were read."""

    def __init__(self, view):
        self._columns, self.n, self.read = columns_of(view, UTC), len(view), []

    def column(self, field):
        self.read.append(field)
        return self._columns.column(field)


@pytest.mark.parametrize(
    ("view", "read", "said"),
    [
        (a_view(2), ["customer.open_delivery_delay"], [NO, NO]),
        (a_late_view(2), ["customer.open_delivery_delay", "item.price_minor"], [YES, YES]),
    ],
)
def test_candidates_are_not_read_where_the_request_settles_everything(view, read, said):
    columns = Reading(view)
    assert answers(All((DEAR, LATE)), columns).answer.tolist() == [said]
    assert columns.read == read


def test_tables_of_a_catalogue_are_kept_as_long_as_it_is():
    compiled = compile_policy(a_policy(a_rule(when=Atom("item.brand", Op.EQUAL, "Acme"))))
    (reader,) = compiled._readers
    names = Names(("Acme", None))
    columns = Given(1, item__brand=Named(np.array([0]), names))
    compiled.evaluate(columns)
    (table,) = reader._tables.values()
    compiled.evaluate(columns)
    assert [*reader._tables.values()] == [table]
    del columns, names
    gc.collect()
    assert not len(reader._tables)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            a_policy(a_rule(when=Atom("customer.mood", Op.EQUAL, "low"))),
            "there is no field `customer.mood`",
        ),
        (
            a_policy(a_rule(when=Atom("item.brand", Op.LESS, "Acme"))),
            "`item.brand` cannot be asked for with `<`",
        ),
        (
            a_policy(a_rule(when=Atom("item.categories", Op.EQUAL, "Candy"))),
            "`item.categories` cannot be asked for with `=`",
        ),
        (
            a_policy(a_rule(when=Atom("item.tier", Op.CONTAINS_ANY, (1,)))),
            "`item.tier` cannot be asked for with `contains_any`",
        ),
        (a_policy(time_zone="Europe/Atlantis"), "unknown time zone `Europe/Atlantis`"),
        (
            a_policy(a_rule(when=AnyOf((LATE,) * (MOST_BOXES + 1)))),
            f"a rule comes to more than {MOST_BOXES} alternatives: split it",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(policy, message):
    with pytest.raises(PolicyError) as refused:
        compile_policy(policy)
    assert str(refused.value) == message


def test_a_rule_that_is_off_is_not_even_read():
    broken = a_rule(when=Atom("customer.mood", Op.EQUAL, "low"), mode=Mode.OFF)
    assert compile_policy(replace(a_policy(broken))).rules == ()
