"""What would have flipped a verdict, in examples that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import shops
from support.policies import a_policy, a_rule
from support.scenes import Scene, agreeing
from support.shops import a_request, did, just_did, knowing, on_page, was_shown
from support.views import CLASSES, a_view, denied, granted, muted

from engine.vocabulary import Channel, Intent
from guardrails.compose import Slate
from guardrails.consent.permission import Denial, LawfulBasis
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key, sensitive_key
from guardrails.errors import RecordError
from guardrails.holding import Hold, HoldKind
from guardrails.judge import judge
from guardrails.log.counterfactual import (
    Change,
    Counterfactual,
    State,
    Unflipped,
    _Part,
    _Round,
    _Search,
    _Tries,
    _Wanted,
    counterfactuals,
)
from guardrails.log.counterfactual_words import sentence
from guardrails.log.inputs import Case, Stand, ValueKind, Who, inputs_of
from guardrails.log.reading import sections_of
from guardrails.messages import LANGUAGES
from guardrails.policy.compiled import house_rules
from guardrails.policy.language import All, AnyOf, Atom, Op
from guardrails.policy.limits import FrequencyLimits, Limits, PriceLimits, SupportLimits
from guardrails.request import (
    AgeAssurance,
    Entry,
    Mute,
    MuteScope,
    Pattern,
    Presentation,
    SubjectKind,
    Visit,
)
from guardrails.rules import CATALOGUE
from guardrails.rules.base import MICRO
from guardrails.rules.slate import SLATE_CATALOGUE

HISTORY = [did("bread-0"), did("milk-1"), did("milk-2"), did("lamp-0", age_days=20)]
KNOWN = knowing(HISTORY, [just_did("lamp-1")])
EVERYTHING = knowing(
    [did("bread-0"), did("lamp-0", age_days=90), did("milk-1"), did("cream-1"), did("beer-0")],
    [just_did("soap-0")],
    [was_shown(item, decision=1, same_session=True) for item in shops.a_catalogue().item_ids],
)
WILLING = agreeing(*(shops.an_event(sensitive_key(name)) for name in shops.CLASSES))
LETTERS = agreeing(shops.an_event(communications_key(Channel.EMAIL)))


def told(request=None, choices=None, known=KNOWN, limits=None, policy=None, **more) -> list[Counterfactual]:
    """What is told of a decision."""
    limits = limits or Limits()
    rules = CATALOGUE if policy is None else (*CATALOGUE, *house_rules(policy)[0])
    house = shops.a_house(limits, rules=rules)
    scene = Scene(request or a_request(), choices or agreeing(), known, house)
    sections = sections_of(shops.recorded(scene.decide(), scene.request, scene.known, house).body)
    return list(counterfactuals(sections, rules, limits, **more))


def shown(**more) -> list[Counterfactual]:
    """What is told of items that were shown."""
    return [each for each in told(**more) if each.was is State.SHOWN]


def told_of_one_muted() -> Counterfactual:
    """What is told of something that would have been shown, had it not been muted."""
    item = shown()[0].item
    choices = replace(agreeing(), mutes=(Mute(MuteScope.ITEM, item, None),))
    (found,) = [each for each in told(choices=choices) if each.item == item]
    return found


def by_rule(found: list[Counterfactual], rule_id: str) -> list[Counterfactual]:
    some = [each for each in found if each.rule == rule_id]
    assert some
    return some


def changes(found: Counterfactual) -> list[tuple[str, object, object]]:
    return [(each.field, each.was, each.to) for each in found.change]


def test_what_was_muted_would_have_been_shown_had_it_not_been():
    found = told_of_one_muted()
    assert (found.was, found.rule) == (State.WITHHELD, "G12")
    assert changes(found) == [("customer.muted", True, False)]
    assert found.change[0].who is Who.CUSTOMER
    assert found.flips_to in {State.SHOWN, State.ADMITTED}
    assert found.unflipped is None


def test_a_letter_would_have_been_sent_had_the_customer_agreed_to_letters():
    found = by_rule(told(a_request("email", channel=Channel.EMAIL)), "G01")
    simple = [each for each in found if len(each.change) == 1]
    assert simple
    assert {each.change[0].field for each in simple} == {f"consent.{communications_key(Channel.EMAIL)}"}
    assert {(each.change[0].was, each.change[0].to) for each in simple} == {("PENDING", "GRANTED")}


def test_one_letter_too_many_would_have_been_sent_under_another_cap():
    sent = was_shown("bread-0", at_ms=shops.NOW_MS, outbound=True)
    known = knowing(HISTORY, [], [sent])
    found = by_rule(told(a_request("email", channel=Channel.EMAIL), LETTERS, known), "G20")
    assert any(changes(each) == [("policy.G20.outbound_day", 1, 2)] for each in found)


def test_what_was_sent_back_comes_again_when_the_days_have_passed():
    item = shown()[0].item
    back = did(item, shops.Kind.RETURN, age_days=100)
    found = by_rule(told(known=knowing([*HISTORY, back], [just_did("lamp-1")])), "G16")
    assert [changes(each) for each in found if each.item == item] in (
        [[("candidate.days_since_returned", 100, 181)]],
        [[("policy.G16.returned_item_days", 180, 99)]],
    )


def test_a_step_up_too_far_would_have_been_short_enough_at_a_lower_price():
    limits = Limits(price=PriceLimits(upsell_hard_micro=150_000))
    found = by_rule(told(a_request("product_page", context=on_page("lamp-0")), limits=limits), "G17")
    prices = [each for each in found if each.change and each.change[0].field == "item.price_minor"]
    limits_of_shop = [
        each for each in found if each.change and each.change[0].field == "policy.G17.upsell_hard"
    ]
    assert prices or limits_of_shop
    assert all(each.change[0].to == 3450 for each in prices)


def test_a_limit_that_nobody_may_loosen_is_not_asked_to_be():
    limits = Limits(support=SupportLimits(edge=2, sensitive_edge=20))
    for each in told(a_request(), WILLING, EVERYTHING, limits):
        for change in each.change:
            assert not (each.was is State.WITHHELD and change.field.startswith("policy.G24"))


def test_a_limit_stricter_than_it_ships_may_be_loosened_to_that():
    found = by_rule(told(limits=Limits(support=SupportLimits(edge=65, sensitive_edge=65))), "G24")
    assert any(changes(each) == [("evidence.n_customers", 60, 65)] for each in found)
    strict = Limits(frequency=FrequencyLimits(outbound_day=0))
    found = by_rule(told(a_request("email", channel=Channel.EMAIL), LETTERS, limits=strict), "G20")
    assert any(changes(each) == [("policy.G20.outbound_day", 0, 1)] for each in found)


def test_nobody_is_asked_to_be_older_or_to_lift_what_they_shut_out():
    minor = agreeing(age_assurance=AgeAssurance.MINOR)
    shut_out = agreeing(
        *(shops.an_event(sensitive_key(name)) for name in shops.CLASSES),
        holds=(Hold(HoldKind.EXCLUSION, "alcohol", 0, None),),
        age_assurance=AgeAssurance.VERIFIED_ADULT,
    )
    for choices, rule_id in ((minor, "G04"), (shut_out, "G26")):
        request = a_request("cart", context=on_page("lamp-0"))
        known = knowing([], [just_did("soap-0")])
        for each in told(request, choices, known):
            if each.rule == rule_id:
                assert (each.change, each.flips_to, each.unflipped) == ((), None, Unflipped.NONE_FOUND)
            assert (
                "customer.age_assurance" not in {change.field for change in each.change}
                or choices is shut_out
            )


def test_a_minor_is_not_asked_for_what_minors_cannot_agree_to():
    minor = agreeing(age_assurance=AgeAssurance.MINOR)
    fields = {
        change.field for each in told(choices=minor) if each.was is State.WITHHELD for change in each.change
    }
    assert not {field for field in fields if field.startswith("consent.sensitive.")}


def test_a_rule_of_the_shop_may_be_taken_back():
    item = shown()[0].item
    policy = a_policy(a_rule("not_this", when=Atom("item.id", Op.EQUAL, item)))
    (found,) = by_rule(told(policy=policy), "not_this")
    assert changes(found) == [("policy.rule.not_this", "enforce", "off")]
    assert "Something the shop wants" in sentence(found, "en")


def test_a_number_that_a_rule_of_the_shop_holds_something_against_is_found():
    item = shown()[0].item
    never = AnyOf((Atom("candidate.n_ignored", Op.IN, (0, 7)), Atom("candidate.n_ignored", Op.EQUAL, 9)))
    policy = a_policy(a_rule("never_new", when=All((Atom("item.id", Op.EQUAL, item), never))))
    (found,) = by_rule(told(policy=policy), "never_new")
    assert changes(found) in ([("candidate.n_ignored", 0, 1)], [("policy.rule.never_new", "enforce", "off")])


def test_it_may_take_two_changes_to_silence_one_rule_of_the_shop():
    item = shown()[0].item
    either = AnyOf((Atom("candidate.n_ignored", Op.MORE, 0), Atom("item.price_minor", Op.MORE, 1)))
    policy = a_policy(a_rule("either", when=All((Atom("item.price_minor", Op.HAS, value=True), either))))
    known = knowing(HISTORY, [just_did("lamp-1")], [was_shown(item)])
    for found in by_rule(told(known=known, policy=policy), "either"):
        assert len(found.change) <= 3


def test_what_only_the_list_holds_back_would_have_been_shown_by_another_list():
    limits = Limits(frequency=FrequencyLimits(inline_page=0))
    found = by_rule(told(a_request("cart", context=on_page("lamp-0")), limits=limits), "G20")
    flipped = [each for each in found if each.change]
    assert all(each.flips_to is State.SHOWN for each in flipped)


def test_only_what_is_asked_for_is_told():
    every = told()
    chosen = every[0].item
    assert told(items={chosen}) == [each for each in every if each.item == chosen]
    assert told(items=()) == []


def test_without_tries_nothing_is_found_and_that_is_said():
    for each in told(most_tries=0):
        assert (each.change, each.flips_to, each.unflipped) == ((), None, Unflipped.OUT_OF_TRIES)
        assert sentence(each, "en").startswith("The search for what would have been enough")


@pytest.mark.parametrize("most_tries", [0, 20, 60, 100, 140, 180, 240, 420, 600, 780])
def test_with_fewer_tries_there_is_less_and_what_there_is_stays_small(most_tries):
    for each in told(a_request("modal"), WILLING, EVERYTHING, most_tries=most_tries):
        assert (each.unflipped is None) is bool(each.change)
        assert len(each.change) <= 3


def test_an_idle_part_of_a_change_is_left_out():
    stand = Stand(a_view(muted=muted(items=["item-00000"])), Limits(), CATALOGUE)
    judged = judge(stand.view, np.zeros(1, np.int64), CATALOGUE, stand.limits)
    case = Case(stand, np.zeros(1, np.int64), judged, frozenset())
    of = _Round(case, Slate((), ((0, "G12"),)), SLATE_CATALOGUE)
    wanted = _Wanted(0, of.withheld_by[0], let_in=False, of_slate=False)
    search = _Search(of, _Tries(1000))
    (lifted,) = search._singles(wanted)
    order = next(place for place, each in enumerate(of.inputs) if each.field == "placement.prominence")
    idle = _Part(order, of.inputs[order], 300_000, 0)
    wanted.best = (idle, lifted)
    search._tighten(wanted)
    assert wanted.best == (lifted,)


def test_a_record_of_another_policy_is_refused():
    scene = Scene(a_request(), agreeing(), KNOWN, shops.a_house())
    record = shops.recorded(scene.decide(), scene.request, scene.known, scene.house)
    with pytest.raises(RecordError, match="not made by these rules"):
        counterfactuals(sections_of(record.body), CATALOGUE, Limits(support=SupportLimits(edge=100)))


def test_it_goes_without_the_score():
    rules = tuple(rule for rule in CATALOGUE if rule.id not in {"G31", "G12"})
    house = shops.a_house(rules=rules)
    scene = Scene(a_request(), agreeing(), KNOWN, house)
    sections = sections_of(shops.recorded(scene.decide(), scene.request, scene.known, house).body)
    assert all(each.rule not in {"G31", "G12"} for each in counterfactuals(sections, rules, house.limits))


def a_case(*, is_shown: bool = False, **given) -> Case:
    """One candidate, judged."""
    stand = Stand(a_view(**given), Limits(), CATALOGUE)
    judged = judge(stand.view, np.zeros(1, np.int64), CATALOGUE, stand.limits)
    return Case(stand, np.zeros(1, np.int64), judged, frozenset({0} if is_shown else ()))


def options(case: Case, field: str) -> list[object]:
    (found,) = [each for each in inputs_of(case) if each.field == field]
    return list(found.options(case, 0))


def test_what_is_asked_of_a_consent_depends_on_why_it_is_missing():
    purpose = KEY_OF[Purpose.PROFILING]
    for because, asked in ((Denial.DENIED, ["GRANTED"]), (Denial.MINOR, []), (Denial.SIGNAL_OPT_OUT, [])):
        case = a_case(permissions=(denied(because, purpose),))
        assert options(case, f"consent.{purpose}") == asked
    stands = (granted(purpose),)
    assert options(a_case(permissions=stands), f"consent.{purpose}") == []
    assert options(a_case(permissions=stands, is_shown=True), f"consent.{purpose}") == ["WITHDRAWN"]
    nobody = a_case(permissions=(), subject_kind=SubjectKind.NONE)
    assert options(nobody, f"consent.{purpose}") == []


def test_buyers_who_are_written_to_about_likes_may_agree_to_more():
    purpose = communications_key(Channel.EMAIL)
    soft = replace(granted(purpose), basis=LawfulBasis.SOFT_OPT_IN)
    case = a_case(
        channel=Channel.EMAIL,
        outreach=soft,
        permissions=(soft,),
        outside_outreach=True,
        subject_kind=SubjectKind.ACCOUNT,
    )
    (found,) = [each for each in inputs_of(case) if each.field == f"consent.{purpose}"]
    assert found.now(case, 0) == "SOFT_OPT_IN"
    assert list(found.options(case, 0)) == ["GRANTED"]
    agreed = found.write(case.stand, 0, "GRANTED")
    assert not agreed.view.outside_outreach.any()


def test_history_is_read_again_only_where_every_purpose_stands_that_it_needs():
    names = [KEY_OF[each] for each in (Purpose.PROFILING, Purpose.PROFILED_CONTENT, Purpose.TARGETED_OFFERS)]
    for n_missing, may_read in ((1, True), (2, False)):
        permissions = tuple(
            denied(Denial.DENIED, name) if place < n_missing else granted(name)
            for place, name in enumerate(names)
        )
        case = a_case(permissions=permissions, history=permissions[0], may_read_history=False)
        (found,) = [each for each in inputs_of(case) if each.field == f"consent.{names[0]}"]
        admission = found.write(case.stand, 0, "GRANTED").view.admission
        assert admission.may_read_history is may_read
        assert bool(admission.history) is may_read or admission.history.purpose == names[1]


@pytest.mark.parametrize("purpose", [Purpose.TARGETED_OFFERS, Purpose.ENRICHMENT, Purpose.PERSONALISED_PRICE])
def test_a_consent_reaches_what_reads_it(purpose):
    case = a_case(offers=denied(Denial.DENIED))
    (found,) = [each for each in inputs_of(case) if each.field == f"consent.{KEY_OF[purpose]}"]
    admission = found.write(case.stand, 0, "GRANTED").view.admission
    of = {
        Purpose.TARGETED_OFFERS: admission.offers,
        Purpose.ENRICHMENT: admission.enrichment,
        Purpose.PERSONALISED_PRICE: admission.pricing,
    }
    assert of[purpose]


def test_a_sensitive_class_is_only_agreed_to_by_whoever_may():
    code = CLASSES.index("health")
    purpose = f"consent.{sensitive_key('health')}"
    assert options(a_case(sensitive_class=code, tier=2), purpose) == ["GRANTED"]
    has_it = a_case(sensitive_class=code, tier=2, sensitive_granted=frozenset({"health"}))
    assert options(has_it, purpose) == []
    minor = a_case(sensitive_class=code, tier=2, age_assurance=AgeAssurance.MINOR)
    assert options(minor, purpose) == []


def test_tiers_are_only_raised_and_occasions_only_let_go():
    assert options(a_case(tier=1), "item.tier") == []
    assert options(a_case(tier=1, is_shown=True), "item.tier") == [2, 3]
    case = a_case(muted=muted(occasions=["easter"]), near_muted_occasion=True)
    (found,) = [each for each in inputs_of(case) if each.field == "customer.muted_occasions"]
    assert list(found.options(case, 0)) == [()]
    after = found.write(case.stand, 0, ())
    assert not after.view.near_muted_occasion.any()
    assert not after.view.admission.muted.occasions
    assert options(a_case(), "customer.muted_occasions") == []


def test_prices_turn_where_a_step_or_a_share_of_the_basket_does():
    step = a_case(intent=Intent.UPSELL, price_minor=2000, anchor_price_minor=1000)
    assert {1000, 1100, 1500} <= set(options(step, "item.price_minor"))
    basket = a_case(intent=Intent.CROSS_SELL, price_minor=2000, anchor_price_minor=-1, basket_minor=1000)
    assert options(basket, "item.price_minor") == [0, 1, 399, 400, 401]


def test_days_only_pass():
    assert options(a_case(returned_days=50), "candidate.days_since_returned") == [179, 180, 181]
    assert options(a_case(returned_days=180), "candidate.days_since_returned") == [181]
    assert options(a_case(returned_days=180, is_shown=True), "candidate.days_since_returned") == [179, 181]
    assert options(a_case(looked_at_days=5), "candidate.days_since_looked_at") == [None]


def test_a_clock_that_nobody_knows_is_not_made_up():
    assert options(a_case(), "request.local_minute") == []
    assert 480 in options(a_case(local_minute=470), "request.local_minute")


SITUATIONS = {
    "home": (a_request(), agreeing(), EVERYTHING),
    "a cart": (a_request("cart", context=on_page("lamp-0")), agreeing(), EVERYTHING),
    "a push message": (a_request("push", channel=Channel.PUSH, local_minute=1380), WILLING, EVERYTHING),
    "a modal": (a_request("modal"), WILLING, EVERYTHING),
    "in store": (a_request("in_store"), WILLING, KNOWN),
    "an errand": (
        a_request("cart", context=on_page("lamp-0"), visit=Visit(2, 30, Entry.EXACT_SEARCH)),
        agreeing(),
        EVERYTHING,
    ),
    "a page with pressure": (
        a_request(presentation=Presentation(frozenset({Pattern.GUILT}), personalised_price=True)),
        agreeing(),
        KNOWN,
    ),
    "a complaint": (
        a_request("cart", context=on_page("lamp-0")),
        agreeing(
            holds=(
                Hold(HoldKind.COMPLAINT, "", 0, shops.NOW_MS - 3 * 86_400_000),
                Hold(HoldKind.OFFERS, "", 0, None),
                Hold(HoldKind.PAYMENT, "", 0, None),
            )
        ),
        EVERYTHING,
    ),
    "occasions": (
        a_request(),
        replace(agreeing(), mutes=(Mute(MuteScope.OCCASION, "mothers_day", None),)),
        EVERYTHING,
    ),
    "a verified adult": (
        a_request(),
        replace(WILLING, age_assurance=AgeAssurance.VERIFIED_ADULT),
        EVERYTHING,
    ),
    "nobody": (a_request(subject_kind=SubjectKind.NONE), agreeing(), knowing()),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_situation_is_told_in_every_language(name):
    request, choices, known = SITUATIONS[name]
    found = told(request, choices, known)
    assert found
    for each in found:
        said = [sentence(each, language) for language in LANGUAGES]
        assert all(text and "{" not in text for text in said)
        assert len(set(said)) == len(LANGUAGES)


def test_a_sentence_says_what_would_have_been_otherwise_and_on_whom_it_depends():
    found = told_of_one_muted()
    assert sentence(replace(found, flips_to=State.SHOWN), "en") == (
        "It would have been shown, had this been otherwise: "
        "the customer muted it: no rather than yes (up to the customer)"
    )
    assert "Sache des Kunden" in sentence(found, "de")


def test_values_are_said_in_words():
    values = (
        (None, 180, ValueKind.DAYS, "180 rather than not known or never"),
        ((), ("guilt",), ValueKind.WORDS, "guilt rather than nothing"),
        (350_000, MICRO, ValueKind.SHARE, "1 rather than 0.35"),
        ("WITHDRAWN", "GRANTED", ValueKind.CONSENT, "agreed to rather than not agreed to"),
    )
    for was, to, kind, said in values:
        change = Change("x", was, to, Who.TIME, "this; and that", kind)
        found = Counterfactual("item", 0, State.SHOWN, "", (change,), State.WITHHELD, "G01")
        assert sentence(found, "en").endswith(f"otherwise: this: {said} (a matter of time)")


def test_what_is_told_can_be_written_down():
    found = told_of_one_muted()
    assert found.to_plain() == {
        "item": found.item,
        "round": 0,
        "was": "withheld",
        "rule": "G12",
        "change": [{"field": "customer.muted", "from": True, "to": False, "who": "customer"}],
        "flips_to": found.flips_to.value,
        "by": found.by,
        "unflipped": None,
    }
