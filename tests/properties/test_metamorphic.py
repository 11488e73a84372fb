"""What must hold between two decisions of which the second knows of one more reason to hold back.

Decisions are compared step by step of the ladder: where a step comes to nothing the next one, which is
less personal, may show something, and that is as it should be. Within a step a slate that stays short is
filled from more candidates, and what is too exact is stood for by its category; neither is counted as
"more": houses here consider all there is, and stand-ins are told apart by their source.
"""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support import shops
from support.scenes import HOLDS, Scene, any_scenes, scenes, watchful_scenes
from support.shops import (
    BRANDS,
    CATEGORIES,
    CLASSES,
    NOW_MS,
    a_catalogue,
    a_house,
    each_shown,
    knowing,
    was_shown,
)
from support.tries import tries

from engine.interactions import DAY_MS
from engine.vocabulary import Basis, Intent, Source
from guardrails.admit import Muted
from guardrails.decide import MOST_CONSIDERED, Decision, Round
from guardrails.exposures import Exposures
from guardrails.holding import HoldKind
from guardrails.request import Mute, MuteScope
from guardrails.rules import CATALOGUE
from guardrails.rules.base import Effect, Judgement, Rule, Unit
from guardrails.sensitive.occasions import names_of

FEW = tries(40)
SELLING = (Intent.UPSELL, Intent.CROSS_SELL)
QUIET_INTENTS = (Intent.SIMILAR, Intent.DISCOVER, Intent.REPLENISH, Intent.POPULAR)

MUTES = (
    *(Mute(MuteScope.ITEM, item_id, None) for item_id in a_catalogue().item_ids),
    *(Mute(MuteScope.BRAND, brand, None) for brand in BRANDS),
    *(Mute(MuteScope.CATEGORY, path, None) for path in (*CATEGORIES, "Food")),
    *(Mute(MuteScope.SENSITIVE_CLASS, name, None) for name in CLASSES),
    Mute(MuteScope.OCCASION, names_of(1)[0], None),
)
HOLDS_THAT_STOP_SELLING = [
    hold
    for hold in HOLDS
    if hold.stands(NOW_MS)
    and hold.kind in (HoldKind.COMPLAINT, HoldKind.DELIVERY, HoldKind.PAYMENT, HoldKind.OFFERS)
]


def considering_all(scene: Scene) -> Scene:
    """The same scene in a house whose slates need no refill."""
    return replace(scene, house=replace(scene.house, n_considered=MOST_CONSIDERED))


def let_through(taken: Round) -> set[int]:
    """Items that no rule about single candidates withholds, as themselves."""
    as_itself = taken.candidates.source < Source.CATEGORY.value
    return set(taken.candidates.item_idx[~taken.judged.withheld & as_itself].tolist())


def shown_as_itself(taken: Round) -> list[int]:
    rows = [row for row in taken.slate.shown if taken.candidates.source[row] < Source.CATEGORY.value]
    return taken.candidates.item_idx[rows].tolist()


def n_selling(taken: Round) -> int:
    return int(np.isin(taken.intent[list(taken.slate.shown)], SELLING).sum())


def steps_of(decision: Decision) -> dict[tuple[Basis, int], Round]:
    """Every step that was taken, by its basis and the number of its evidence."""
    return {(taken.basis, len(taken.evidence)): taken for taken in decision.rounds}


def common_steps(one: Decision, other: Decision) -> list[tuple[Round, Round]]:
    before, after = steps_of(one), steps_of(other)
    return [(before[step], after[step]) for step in before if step in after]


class TestMuting:
    @FEW
    @given(any_scenes() | watchful_scenes(), st.sampled_from(MUTES))
    def test_never_leaves_anything_of_the_topic_nor_brings_it_in(self, scene: Scene, mute: Mute):
        choices = replace(scene.choices, mutes=(*scene.choices.mutes, mute))
        shown = [each.item_idx for each in replace(scene, choices=choices).decide().suggestions]
        muted, catalogue = Muted.in_force([mute], NOW_MS), scene.house.catalogue
        rows = np.array(shown, np.int32)
        assert not muted.covers(catalogue, rows).any()
        assert not muted.covers_occasion(catalogue, rows).any()

    @pytest.mark.parametrize("mute", MUTES, ids=lambda mute: f"{mute.scope}: {mute.value}")
    def test_is_asked_about_things_that_would_be_shown(self, mute):
        """Shows that the test above can fail: of nearly all topics something would be shown."""
        muted = Muted.in_force([mute], NOW_MS)
        everything = np.arange(a_catalogue().n_items, dtype=np.int32)
        covered = muted.covers(a_catalogue(), everything) | muted.covers_occasion(a_catalogue(), everything)
        assert covered.any()


class TestAnIgnoredImpression:
    @FEW
    @given(scenes(), st.data())
    def test_never_raises_its_item(self, scene: Scene, data):
        scene = considering_all(scene)
        item = data.draw(st.sampled_from(a_catalogue().item_ids))
        impression = was_shown(
            item,
            at_ms=NOW_MS - data.draw(st.integers(0, 20)) * DAY_MS,
            intent=data.draw(st.sampled_from(QUIET_INTENTS)),
            same_session=data.draw(st.booleans()),
            decision=99,
        )
        known = replace(scene.known, exposures=Exposures.of([*each_shown(scene.known.exposures), impression]))
        before, after = scene.decide(), scene.decide(known)
        row = shops.idx(item)
        for usual, ignored in common_steps(before, after):
            assert rank_in(ignored, row) >= rank_in(usual, row)
            assert place_in(ignored, row) >= place_in(usual, row)

    def test_does_lower_it(self):
        """Shows that the test above can fail."""
        history = [shops.did("bread-2"), shops.did("lamp-0"), shops.did("milk-1")]
        scene = Scene(
            shops.a_request(), shops.Choices(shops.a_ledger(*shops.EVERYTHING)), knowing(history), a_house()
        )
        best = scene.decide().suggestions[0].item_idx
        ignored = knowing(history, exposures=[was_shown(best, decision=99)])
        assert place_in(scene.decide(ignored).rounds[0], best) > 0


NOWHERE = 1 << 30


def rank_in(taken: Round, item_idx: int) -> int:
    """How many candidates the rules rank above an item; a large number where it is withheld."""
    rows = np.flatnonzero((taken.candidates.item_idx == item_idx) & ~taken.judged.withheld)
    if not rows.size:
        return NOWHERE
    return int((taken.judged.rank_score > taken.judged.rank_score[rows[0]]).sum())


def place_in(taken: Round, item_idx: int) -> int:
    """Place of an item on the slate; a large number where it is not on it."""
    shown = taken.candidates.item_idx[list(taken.slate.shown)].tolist()
    return shown.index(item_idx) if item_idx in shown else NOWHERE


LOWER_IS_STRICTER = (
    ("score", "show_micro"),
    ("score", "with_reason_micro"),
    ("score", "generalise_micro"),
    ("repeat", "cooldown_after"),
    ("repeat", "hard_at"),
    ("frequency", "interruptive_session"),
    ("frequency", "interruptive_week"),
    ("frequency", "inline_page"),
    ("frequency", "inline_session"),
    ("frequency", "outbound_day"),
    ("frequency", "outbound_week"),
    ("price", "upsell_hard_micro"),
    ("price", "addon_hard_of_basket_micro"),
    ("price", "upsell_steps_session"),
    ("inference", "lift_max_micro"),
    ("outbound", "exact_hours"),
    ("variety", "selling_share_micro"),
)


@FEW
@given(any_scenes(), st.sampled_from(LOWER_IS_STRICTER), st.integers(0, 1_000_000))
def test_a_lower_limit_never_lets_more_through_nor_shows_more_that_sells_on(scene: Scene, which, number):
    scene = considering_all(scene)
    group, name = which
    numbers = getattr(scene.house.limits, group)
    lower = replace(numbers, **{name: min(number, getattr(numbers, name))})
    limits = replace(scene.house.limits, **{group: lower})
    strict = replace(scene, house=replace(scene.house, limits=limits)).decide()
    for before, after in common_steps(scene.decide(), strict):
        assert let_through(after) <= let_through(before)
        if not any(
            each.candidates.source.max(initial=0) >= Source.CATEGORY.value for each in (before, after)
        ):
            assert n_selling(after) <= n_selling(before)


class Objecting(Rule):
    """Withholds every item whose row leaves a certain rest."""

    id = "G99"
    name = "OBJECTING"
    locked = True
    reason_code = "MUTED"
    sentence = "It objects."
    ground = "a test"
    unit = Unit.FLAG

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor

    def judge(self, view, limits):
        against = view.item_idx % self.divisor == 0
        return Judgement.of(np.where(against, np.int8(Effect.BLOCK), np.int8(Effect.ALLOW)), against, 0)


@FEW
@given(any_scenes(), st.integers(1, 5))
def test_one_more_rule_never_shows_more(scene: Scene, divisor: int):
    scene = considering_all(scene)
    house = replace(scene.house, rules=(*scene.house.rules, Objecting(divisor)))
    more_rules = replace(scene, house=house).decide()
    for before, after in common_steps(scene.decide(), more_rules):
        assert let_through(after) <= let_through(before)
        if not any(
            each.candidates.source.max(initial=0) >= Source.CATEGORY.value for each in (before, after)
        ):
            assert len(after.slate.shown) <= len(before.slate.shown)
            assert n_selling(after) <= n_selling(before)


@FEW
@given(any_scenes(), st.sampled_from(CATALOGUE))
def test_any_rule_of_the_catalogue_only_takes_away(scene: Scene, rule: Rule):
    scene = considering_all(scene)
    fewer = tuple(each for each in scene.house.rules if each is not rule)
    without = replace(scene, house=replace(scene.house, rules=fewer)).decide()
    for before, after in common_steps(without, scene.decide()):
        assert let_through(after) <= let_through(before)
        if not any(
            each.candidates.source.max(initial=0) >= Source.CATEGORY.value for each in (before, after)
        ):
            assert len(after.slate.shown) <= len(before.slate.shown)


@FEW
@given(any_scenes(), st.sampled_from(HOLDS_THAT_STOP_SELLING))
def test_one_more_hold_never_shows_more_that_sells_on(scene: Scene, hold):
    scene = considering_all(scene)
    choices = replace(scene.choices, holds=(*scene.choices.holds, hold))
    held = replace(scene, choices=choices).decide()
    for before, after in common_steps(scene.decide(), held):
        assert let_through(after) <= let_through(before)
        assert n_selling(after) <= n_selling(before)


@FEW
@given(any_scenes(), st.sampled_from(HOLDS_THAT_STOP_SELLING))
def test_a_hold_that_stops_selling_leaves_no_upsell_on_any_step(scene: Scene, hold):
    choices = replace(scene.choices, holds=(*scene.choices.holds, hold))
    held = replace(scene, choices=choices).decide()
    assert not any(each.intent is Intent.UPSELL for each in held.suggestions)


@FEW
@given(any_scenes())
def test_asking_again_never_shows_less_than_asking_once(scene: Scene):
    once = replace(scene, house=replace(scene.house, n_considered=4))
    first = once.decide().rounds[0]
    alone = replace(once, request=replace(once.request, count=1)).decide().rounds[0]
    assert len(first.slate.shown) >= len(alone.slate.shown)


def test_hypothesis_finds_a_decision_with_stand_ins():
    """Shows that what is said of stand-ins is said of something."""

    def stands_in(scene: Scene) -> bool:
        return any(each.stands_for for each in scene.decide().suggestions)

    hypothesis.find(
        watchful_scenes(), stands_in, settings=settings(max_examples=100, phases=[Phase.generate])
    )
