from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import pytest
from support.shops import (
    EVERYTHING,
    Choices,
    a_catalogue,
    a_house,
    a_ledger,
    a_request,
    decided,
    did,
    idx,
    knowing,
    recorded,
    sections_of,
)

from engine.catalogue import NO_CODE
from engine.vocabulary import Basis, Source
from guardrails.decide import Action, StandsFor
from guardrails.generalise import stand_ins
from guardrails.policy.limits import Limits, ScoreLimits
from guardrails.reasons import ReasonCode
from guardrails.request import Mute, MuteScope
from guardrails.rules.base import Effect

AGREED = Choices(a_ledger(*EVERYTHING))
KNOWN = knowing([did("bread-0"), did("lamp-0"), did("milk-1")])
WATCHFUL = Limits(
    score=ScoreLimits(show_micro=100_000, with_reason_micro=160_000, generalise_micro=1_000_000)
)
SHARED = Limits(score=ScoreLimits(show_micro=100_000, with_reason_micro=376_000, generalise_micro=1_000_000))
FEW = a_house(WATCHFUL, n_considered=3)
CATALOGUE = a_catalogue()


def too_exact(house=FEW, choices=AGREED, known=KNOWN, count=4, *, but=(), **request):
    """What stands in where the rules find every candidate too exact, save those of ``but``."""
    taken = decided(a_request(count=count, **request), choices, known, house).rounds[0]
    original = taken.candidates.source < Source.CATEGORY.value
    effect = np.full(len(taken.candidates), Effect.GENERALISE, np.int8)
    effect[np.isin(taken.candidates.item_idx, [idx(item) for item in but]) | ~original] = Effect.ALLOW
    judged = replace(taken.judged, effect=effect)
    return taken, stand_ins(taken.candidates, taken.evidence, taken.view, judged, house)


def names(candidates) -> list[str]:
    return [CATALOGUE.item_ids[row] for row in candidates.item_idx]


class TestAStandIn:
    def test_is_of_the_category_and_keeps_the_evidence_and_the_score(self):
        taken, general = too_exact(a_house(n_considered=3))
        terms = ("evidence", "contribution", "support")

        def of(candidates, row):
            edges = slice(candidates.ptr[row], candidates.ptr[row + 1])
            return candidates.score[row], *(getattr(candidates, name)[edges].tolist() for name in terms)

        for row in range(len(general)):
            rows = range(len(taken.candidates))
            originals = [each for each in rows if of(taken.candidates, each) == of(general, row)]
            categories = CATALOGUE.category[taken.candidates.item_idx[originals]]
            assert CATALOGUE.category[general.item_idx[row]] in categories
        assert len(general) > 0
        assert set(general.source.tolist()) == {Source.CATEGORY}

    def test_is_the_best_seller_that_is_new_to_the_customer_and_to_the_list(self):
        taken, general = too_exact(a_house(n_considered=3))
        known = {*taken.candidates.item_idx.tolist(), *taken.evidence.item_idx.tolist()}
        best = a_house().recommender.popular_in
        for item_idx in general.item_idx:
            category = CATALOGUE.category[[item_idx]]
            harmless = [
                each for each in best(category, 40, np.empty(0, np.int32)).item_idx if each not in known
            ]
            assert item_idx == harmless[0]

    def test_stands_for_each_category_once_and_for_no_more_than_the_slate_holds(self):
        _, general = too_exact(a_house(n_considered=8))
        categories = CATALOGUE.category[general.item_idx].tolist()
        assert len(categories) == len(set(categories)) > 1
        assert len(too_exact(a_house(n_considered=8), count=1)[1]) == 1

    @pytest.mark.parametrize(
        "mute",
        [Mute(MuteScope.CATEGORY, "Home", None), Mute(MuteScope.BRAND, "Globex", None)],
        ids=["category", "brand"],
    )
    def test_is_nothing_that_was_muted(self, mute):
        _, usual = too_exact(a_house(n_considered=8))
        choices = replace(AGREED, mutes=(mute,))
        taken, general = too_exact(a_house(n_considered=8), choices)
        muted = taken.view.admission.muted
        assert muted.covers(CATALOGUE, usual.item_idx).any()
        assert not muted.covers(CATALOGUE, general.item_idx).any()

    def test_is_of_the_brand_where_the_category_is_unknown(self):
        category = CATALOGUE.category.copy()
        category[[idx(item) for item in CATALOGUE.item_ids if item.startswith("lamp")]] = NO_CODE
        house = a_house(catalogue=replace(CATALOGUE, category=category), n_considered=33)
        others = [item for item in CATALOGUE.item_ids if item != "lamp-1"]
        kept = set(range(len(CATALOGUE.item_ids))) - {idx("milk-4")}
        house = replace(house, recommender=Only(house.recommender, kept))
        _, general = too_exact(house, but=others)
        assert general.source.tolist() == [Source.BRAND]
        assert CATALOGUE.brand[general.item_idx].tolist() == [CATALOGUE.brand[idx("lamp-1")]]

    def test_is_none_where_neither_holds_anything_new(self):
        house = a_house(n_considered=33)
        taken, general = too_exact(house)
        assert len(taken.candidates) > 20
        assert set(names(general)).isdisjoint(names(taken.candidates))

    def test_is_none_for_what_is_sensitive(self):
        _, general = too_exact(
            a_house(n_considered=33), but=[n for n in CATALOGUE.item_ids if "cream" not in n]
        )
        assert len(general) == 0

    def test_is_none_for_what_rests_on_nobodys_evidence(self):
        taken, general = too_exact(known=knowing())
        assert taken.basis is Basis.POPULAR
        assert len(general) == 0

    def test_is_none_where_nothing_is_too_exact(self):
        _, general = too_exact(but=CATALOGUE.item_ids)
        assert len(general) == 0
        assert general.item_idx.dtype == np.int32


class Only:
    """The shop's recommender, proposing only some of its items for evidence."""

    def __init__(self, recommender, kept: set[int]) -> None:
        self._recommender, self._kept = recommender, kept

    def __getattr__(self, name):
        return getattr(self._recommender, name)

    def goes_with(self, evidence, exclude, n, *more):
        found = self._recommender.goes_with(evidence, exclude, n, *more)
        return found.take(np.flatnonzero([row in self._kept for row in found.item_idx.tolist()]))


class TestInADecision:
    DECISION = decided(a_request(count=2), AGREED, KNOWN, FEW)

    def test_it_is_shown_as_what_it_stands_for_with_the_evidence_it_stands_on(self):
        assert self.DECISION.basis is Basis.PROFILE
        for each in self.DECISION.suggestions:
            category = CATALOGUE.categories[CATALOGUE.category[each.item_idx]]
            assert each.action is Action.GENERALISE
            assert each.stands_for == StandsFor("category", category)
            assert each.reason.code is ReasonCode.FROM_CATEGORY
            assert each.reason.text == (
                f"Popular in {category.rsplit(' > ', 1)[-1]}, going by your choices in this shop"
            )
            assert each.reason.evidence
            parts = [
                each.reason.base,
                each.reason.others,
                *(term.contribution for term in each.reason.evidence),
            ]
            assert sum(parts) == each.score

    def test_what_it_stands_for_is_withheld_beside_it(self):
        taken = self.DECISION.rounds[-1]
        original = taken.candidates.source < Source.CATEGORY.value
        assert set(taken.judged.effect[original].tolist()) >= {Effect.GENERALISE}
        assert not taken.candidates.source[list(taken.slate.shown)].max() < Source.CATEGORY.value

    def test_it_is_judged_again_and_not_shown_if_it_is_too_exact_itself(self):
        strict = Limits(score=ScoreLimits(show_micro=0, with_reason_micro=1, generalise_micro=1_000_000))
        decision = decided(a_request(count=2), AGREED, KNOWN, a_house(strict, n_considered=3))
        taken = decision.rounds[0]
        general = taken.candidates.source == Source.CATEGORY.value
        assert general.any()
        assert set(taken.judged.effect[general].tolist()) == {Effect.GENERALISE}
        assert taken.slate.shown == ()

    def test_before_a_shared_audience_the_category_is_not_said_to_follow_from_a_choice(self):
        decision = decided(
            a_request(count=2, shared_device=True), AGREED, KNOWN, a_house(SHARED, n_considered=3)
        )
        general = [each for each in decision.suggestions if each.action is Action.GENERALISE]
        assert general
        assert {each.reason.code for each in general} == {ReasonCode.YOUR_CHOICES}

    def test_the_record_says_what_it_stands_for(self):
        out = orjson.loads(sections_of(recorded(self.DECISION, a_request(count=2), KNOWN, FEW))["out"])
        assert [each["stands_for"]["level"] for each in out["list"]] == ["category"] * 2
        assert [each["action"] for each in out["list"]] == ["generalise"] * 2
        assert out["for_a_human"] is False

    def test_what_is_shown_as_itself_stands_for_nothing(self):
        decision = decided(a_request(count=2), AGREED, KNOWN)
        assert [each.stands_for for each in decision.suggestions] == [None, None]

    def test_without_categories_it_is_shown_as_its_brand(self):
        nowhere = replace(CATALOGUE, category=np.full(CATALOGUE.n_items, NO_CODE, np.int32))
        limits = Limits(
            score=ScoreLimits(show_micro=100_000, with_reason_micro=168_000, generalise_micro=1_000_000)
        )
        house = a_house(limits, catalogue=nowhere, n_considered=3)
        decision = decided(a_request(count=2), AGREED, KNOWN, house)
        general = [each for each in decision.suggestions if each.action is Action.GENERALISE]
        assert general
        for each in general:
            brand = CATALOGUE.brands[CATALOGUE.brand[each.item_idx]]
            assert each.stands_for == StandsFor("brand", brand)
            assert each.reason.code is ReasonCode.FROM_BRAND
            assert each.reason.text == f"Popular from {brand}, going by your choices in this shop"
