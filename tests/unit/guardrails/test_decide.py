from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import shops
from support.shops import (
    EVERYTHING,
    LIMITED,
    OFFERS,
    PLACEMENTS,
    PROFILED,
    REGULAR,
    STORAGE,
    STROLLING,
    Choices,
    a_catalogue,
    a_house,
    a_ledger,
    a_request,
    an_event,
    decided,
    did,
    knowing,
    on_page,
    was_shown,
)

from engine.vocabulary import Basis, Channel, Intent, Kind, Source
from guardrails.consent.events import Status
from guardrails.consent.permission import LawfulBasis
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key
from guardrails.decide import MOST_CONSIDERED, REFILL_FACTOR, THE_SHOP_ITSELF, Action, Outcome
from guardrails.exposures import Exposure
from guardrails.holding import Hold, HoldKind
from guardrails.policy.limits import EvidenceLimits, Limits, ScoreLimits
from guardrails.request import (
    AgeAssurance,
    Context,
    Continuation,
    Mute,
    MuteScope,
    Request,
    SubjectKind,
)
from guardrails.rules.base import Effect

AGREED = Choices(a_ledger(*EVERYTHING))
PAST = [did("bread-0"), did("lamp-0"), did("milk-1")]
CREAM = a_catalogue().idx_of_id["cream-0"]
CATEGORY = a_catalogue().categories.index("Food > Dairy")


FIRST = decided(a_request(), AGREED, knowing(REGULAR)).suggestions[0].item_idx
OFTEN = tuple(was_shown(FIRST, decision=number) for number in range(5))


def items_of(decision) -> list[str]:
    return [a_catalogue().item_ids[each.item_idx] for each in decision.suggestions]


def bases_of(decision) -> list[Basis]:
    return [taken.basis for taken in decision.rounds]


class TestTheLadder:
    def test_history_gives_a_profile(self):
        decision = decided(a_request(), AGREED, knowing(REGULAR, STROLLING))
        assert decision.basis is Basis.PROFILE
        assert decision.outcome is Outcome.PERSONALISED

    def test_a_visit_without_history_gives_a_session(self):
        decision = decided(a_request(), AGREED, knowing(session=STROLLING))
        assert decision.basis is Basis.SESSION
        assert decision.outcome is Outcome.PERSONALISED

    def test_a_page_alone_is_contextual(self):
        decision = decided(a_request("product_page", context=on_page("lamp-0")), AGREED)
        assert decision.basis is Basis.CONTEXTUAL
        assert decision.outcome is Outcome.GENERIC

    def test_a_search_alone_is_contextual_and_popular_there(self):
        decision = decided(a_request("search", context=Context(categories=(CATEGORY,))), AGREED)
        assert decision.basis is Basis.CONTEXTUAL
        assert {item.split("-")[0] for item in items_of(decision)} == {"milk"}

    def test_nothing_at_all_is_popular(self):
        decision = decided(a_request(), AGREED)
        assert decision.basis is Basis.POPULAR
        assert decision.outcome is Outcome.GENERIC
        assert {each.intent for each in decision.suggestions} == {Intent.POPULAR}

    def test_where_nothing_may_be_shown_the_basis_is_none(self):
        decision = decided(a_request("email", channel=Channel.EMAIL), AGREED, knowing(REGULAR))
        assert decision.basis is Basis.NONE
        assert decision.outcome is Outcome.EMPTY
        assert bases_of(decision) == [Basis.PROFILE, Basis.POPULAR]

    @pytest.mark.parametrize(
        ("status", "rule_id"), [(Status.CONSENT_WITHDRAWN, "G02"), (Status.CONSENT_REFUSED, "G01")]
    )
    def test_what_the_shop_may_not_send_is_withheld_by_the_consent_rules(self, status, rule_id):
        answer = an_event(communications_key(Channel.EMAIL), status)
        choices = Choices(a_ledger(*EVERYTHING, but=[answer]))
        decision = decided(a_request("email", channel=Channel.EMAIL), choices, knowing(REGULAR))
        assert {rule for taken in decision.rounds for _, rule in taken.slate.held_back} == {rule_id}
        assert all(taken.judged.withheld.all() for taken in decision.rounds)

    @pytest.mark.parametrize("gpc", [False, True])
    @pytest.mark.parametrize("purposes", [(), (KEY_OF[Purpose.SHARING],)], ids=["", "sharing"])
    def test_nobody_is_followed_to_the_pages_of_others_without_the_consent_to_share(self, purposes, gpc):
        choices = Choices(a_ledger(*EVERYTHING, *purposes))
        request = a_request(channel=Channel.OFFSITE_ADS, gpc=gpc)
        decision = decided(request, choices, knowing(REGULAR, STROLLING))
        assert bool(decision.suggestions) is (bool(purposes) and not gpc)
        if not purposes:
            assert {rule for taken in decision.rounds for _, rule in taken.slate.held_back} == {"G01"}

    def test_what_the_shop_may_send_is_sent(self):
        choices = Choices(a_ledger(*EVERYTHING, communications_key(Channel.EMAIL)))
        decision = decided(a_request("email", channel=Channel.EMAIL), choices, knowing(REGULAR))
        assert decision.basis is Basis.PROFILE

    def test_a_step_is_taken_when_nothing_of_the_one_above_may_be_shown(self):
        impossible = Limits(score=ScoreLimits(show_micro=0, with_reason_micro=0, generalise_micro=0))
        request = a_request("product_page", context=on_page("lamp-0"))
        decision = decided(request, AGREED, knowing(REGULAR, STROLLING), a_house(impossible))
        assert bases_of(decision) == [
            Basis.PROFILE,
            Basis.SESSION,
            Basis.CONTEXTUAL,
            Basis.CONTEXTUAL,
            Basis.POPULAR,
        ]

    def test_no_step_is_taken_that_was_not_needed(self):
        assert bases_of(decided(a_request(), AGREED, knowing(REGULAR))) == [Basis.PROFILE]

    def test_history_scores_with_the_page_and_a_page_without_history(self):
        request = a_request("product_page", context=on_page("lamp-0"))
        profile = decided(request, AGREED, knowing(REGULAR)).rounds[0]
        assert sorted(profile.evidence.origin.tolist()) == [0, 2, 2, 2]
        page = decided(request, Choices(a_ledger()), knowing(REGULAR)).rounds[0]
        assert page.evidence.origin.tolist() == [0]

    @pytest.mark.parametrize("mutes", [(), (Mute(MuteScope.ITEM, "milk-0", None),)], ids=["goes", "sells"])
    def test_no_step_offers_anything_dearer_of_its_kind_after_a_payment_failed(self, mutes):
        hold = Hold(HoldKind.PAYMENT, "", 0, None)
        request = a_request("product_page", context=Context(shops.idx("milk-0"), categories=(CATEGORY,)))
        catalogue, milk = a_catalogue(), shops.idx("milk-0")
        decision = decided(request, replace(AGREED, mutes=mutes, holds=(hold,)))
        dearer = [
            each.item_idx
            for each in decision.suggestions
            if catalogue.category[each.item_idx] == catalogue.category[milk]
            and catalogue.price_minor[each.item_idx] > catalogue.price_minor[milk]
        ]
        assert dearer == []

    def test_who_objects_to_the_limited_use_gets_what_sells_well_in_the_whole_shop(self):
        objection = an_event(LIMITED, Status.OBJECTION_RAISED)
        request = a_request("search", context=Context(categories=(CATEGORY,)))
        decision = decided(request, Choices(a_ledger(*EVERYTHING, but=[objection])))
        assert bases_of(decision) == [Basis.POPULAR]


class TestTheSlate:
    def test_ranks_count_from_one_and_scores_descend(self):
        decision = decided(a_request(), AGREED, knowing(REGULAR))
        assert [each.rank for each in decision.suggestions] == [1, 2, 3, 4]
        scores = [each.score for each in decision.suggestions]
        assert scores == sorted(scores, reverse=True)

    def test_a_slate_is_never_padded(self):
        request = a_request("search", context=Context(categories=(CATEGORY,)), count=20)
        muting = replace(AGREED, mutes=(Mute(MuteScope.ITEM, "milk-1", None),))
        assert len(decided(request, AGREED).suggestions) == 5
        assert len(decided(request, muting).suggestions) == 4

    def test_only_intents_of_the_placement_are_considered(self):
        for placement in PLACEMENTS:
            request = a_request(placement, context=on_page("lamp-0", "milk-3"))
            for taken in decided(request, AGREED, knowing(REGULAR)).rounds:
                assert set(taken.intent.tolist()) <= {int(each) for each in PLACEMENTS[placement].intents}

    def test_a_placement_without_intents_says_nothing(self):
        placement = replace(PLACEMENTS["home"], intents=frozenset())
        decision = decided(replace(a_request(), placement=placement), AGREED, knowing(REGULAR))
        assert decision.basis is Basis.NONE

    def test_what_is_on_the_page_or_was_bought_is_not_proposed_anew(self):
        request = a_request("product_page", context=on_page("lamp-0"), count=12)
        decision = decided(request, AGREED, knowing([did("bread-0"), did("milk-1", age_days=1)]))
        proposed = {a_catalogue().item_ids[each] for each in decision.rounds[0].candidates.item_idx}
        assert proposed.isdisjoint({"lamp-0", "bread-0", "milk-1"})

    def test_what_is_due_again_is_proposed_for_half_a_slate_at_most(self):
        bought = [did(item, age_days=40) for item in ("milk-1", "milk-2", "milk-3", "bread-0", "bread-1")]
        taken = decided(a_request(count=4), AGREED, knowing(bought)).rounds[0]
        again = taken.candidates.source == Source.BUY_AGAIN
        assert np.count_nonzero(again) == 2
        assert set(taken.intent[again].tolist()) == {Intent.REPLENISH}

    def test_even_a_slate_of_one_may_hold_what_is_due_again(self):
        taken = decided(a_request(count=1), AGREED, knowing([did("milk-1", age_days=40)])).rounds[0]
        assert np.count_nonzero(taken.candidates.source == Source.BUY_AGAIN) == 1

    def test_what_lies_in_the_basket_is_not_proposed_to_be_bought_again(self):
        request = a_request("cart", context=Context(basket=(shops.idx("milk-1"),)))
        taken = decided(request, AGREED, knowing([did("milk-1", age_days=40)])).rounds[0]
        assert shops.idx("milk-1") not in taken.candidates.item_idx

    def test_what_needs_its_reason_says_so(self):
        watchful = Limits(
            score=ScoreLimits(show_micro=0, with_reason_micro=900_000, generalise_micro=950_000)
        )
        relaxed = Limits(
            score=ScoreLimits(show_micro=900_000, with_reason_micro=950_000, generalise_micro=990_000)
        )
        known = knowing(REGULAR)
        for limits, action in ((watchful, Action.SHOW_WITH_REASON), (relaxed, Action.SHOW)):
            decision = decided(a_request(), AGREED, known, a_house(limits))
            assert {each.action for each in decision.suggestions} == {action}

    def test_what_needs_its_reason_needs_it_also_when_it_was_ignored_before(self):
        watchful = Limits(
            score=ScoreLimits(show_micro=0, with_reason_micro=900_000, generalise_micro=950_000)
        )
        known = knowing(REGULAR, exposures=[was_shown(FIRST)])
        decision = decided(a_request(count=20), AGREED, known, a_house(watchful))
        ignored = next(each for each in decision.suggestions if each.item_idx == FIRST)
        assert ignored.action is Action.SHOW_WITH_REASON
        row = decision.rounds[0].slate.shown[ignored.rank - 1]
        assert decision.rounds[0].judged.effect[row] == Effect.DEMOTE

    def test_each_suggestion_names_the_narrowest_purpose_it_rests_on(self):
        for placement, purpose in (("home", PROFILED), ("product_page", OFFERS)):
            request = a_request(placement, context=on_page("soap-0"))
            decision = decided(request, known=knowing([did("milk-0"), did("bread-1"), did("wool-0")]))
            of_history = decision.rounds[-1].view.from_history[list(decision.rounds[-1].slate.shown)]
            rests_on = [suggestion.rests_on.purpose for suggestion in decision.suggestions]
            assert rests_on == [purpose if moved else LIMITED for moved in of_history]
            assert of_history.any()

    def test_what_uses_nothing_about_anybody_rests_on_the_page_or_on_the_shop_itself(self):
        refused = Choices(a_ledger(but=[an_event(LIMITED, Status.OBJECTION_RAISED)]))
        page = {each.rests_on for each in decided(a_request()).suggestions}
        shop = {each.rests_on for each in decided(a_request(), refused).suggestions}
        assert {(each.purpose, each.basis) for each in page} == {(LIMITED, LawfulBasis.LEGITIMATE_INTEREST)}
        assert shop == {THE_SHOP_ITSELF}

    def test_no_more_candidates_are_considered_than_the_house_says(self):
        decision = decided(a_request(), AGREED, knowing(REGULAR), a_house(n_considered=7))
        assert len(decision.rounds[0].candidates) == 7


class TestWhatWasLookedAt:
    MAY_WRITE = Choices(a_ledger(*EVERYTHING, communications_key(Channel.EMAIL)))
    LETTER = a_request("email", channel=Channel.EMAIL, count=8)

    def test_is_not_sent_after_the_customer_as_something_that_sells_well(self):
        usual = decided(self.LETTER, self.MAY_WRITE)
        best = usual.suggestions[0].item_idx
        looked = knowing([did(a_catalogue().item_ids[best], Kind.VIEW, age_days=10)])
        decision = decided(self.LETTER, self.MAY_WRITE, looked)
        assert usual.basis is decision.basis is Basis.POPULAR
        assert best not in [each.item_idx for each in decision.suggestions]

    def test_is_remembered_though_it_no_longer_counts_for_anything(self):
        heavy = [did(item) for item in ("bread-0", "lamp-0", "milk-1", "soap-0")]
        looked = [did(item, Kind.VIEW, age_days=10) for item in ("milk-3", "lamp-1", "soap-2", "bread-2")]
        few = a_house(Limits(evidence=EvidenceLimits(max_pieces=4)))
        decision = decided(self.LETTER, self.MAY_WRITE, knowing([*heavy, *looked]), few)
        assert decision.basis is Basis.PROFILE
        assert len(decision.rounds[0].evidence) == 4
        assert set(items_of(decision)).isdisjoint({"milk-3", "lamp-1", "soap-2", "bread-2"})
        assert set(items_of(decided(self.LETTER, self.MAY_WRITE, knowing(heavy), few))) & {
            "milk-3",
            "lamp-1",
            "soap-2",
            "bread-2",
        }


class TestEarlierSuggestions:
    def ignoring(self, exposures: tuple[Exposure, ...], choices: Choices = AGREED) -> set[int]:
        known = knowing(REGULAR, STROLLING, exposures)
        taken = decided(a_request(), choices, known).rounds[0]
        return {int(taken.candidates.item_idx[row]) for row in np.flatnonzero(taken.view.n_ignored_long)}

    def test_they_count_for_who_may_be_known(self):
        assert self.ignoring(OFTEN) == {FIRST}

    def test_only_those_of_this_visit_count_for_who_may_be_known_during_it(self):
        choices = Choices(a_ledger(STORAGE))
        assert self.ignoring(OFTEN, choices) == set()
        same = tuple(replace(each, same_session=True) for each in OFTEN)
        assert self.ignoring(same, choices) == {FIRST}

    def test_they_count_for_nothing_for_anybody_else(self):
        same = tuple(replace(each, same_session=True) for each in OFTEN)
        assert self.ignoring(same, Choices(a_ledger())) == set()


class TestWhatIsSaidOfIt:
    def test_a_healthy_answer_is_not_degraded(self):
        assert decided(a_request(), AGREED).degraded == ()

    def test_reasons_for_less_are_listed_together(self):
        decision = decided(a_request(), Choices(ledger=None), house=shops.a_house_without_a_model())
        assert decision.degraded == ("consent_unreadable", "model_missing")
        assert decision.outcome is Outcome.EMPTY

    def test_what_was_kept_out_is_counted(self):
        decision = decided(a_request(), AGREED, knowing([did("bread-0"), did("milk-1", is_gift=True)]))
        assert decision.kept_out == (("G11", 1),)

    def test_nobody_is_asked_for_nothing(self):
        request = a_request(subject_kind=SubjectKind.NONE)
        decision = decided(request, Choices(ledger=None), knowing(REGULAR))
        assert decision.basis is Basis.POPULAR
        assert decision.degraded == ()

    @pytest.mark.parametrize(("place", "rules"), [("DK", set()), ("US-WA", {"G05"})])
    def test_what_the_law_raises_where_a_customer_lives_is_withheld(self, place, rules):
        choices = Choices(a_ledger(*EVERYTHING), jurisdiction=place)
        taken = decided(a_request(count=10), choices).rounds[0]
        cream = {row for row, idx in enumerate(taken.candidates.item_idx) if 0 <= idx - CREAM < 3}
        assert cream
        assert {rule_id for row, rule_id in taken.slate.held_back if row in cream} == rules

    def test_only_a_verified_adult_is_shown_what_is_for_adults_and_never_from_history(self):
        shelf = a_request("product_page", context=on_page("beer-2"), count=12)
        choices = [replace(AGREED, age_assurance=age) for age in AgeAssurance]
        shown = {
            each.age_assurance: any("beer" in item for item in items_of(decided(shelf, each)))
            for each in choices
        }
        assert [age for age, is_shown in shown.items() if is_shown] == [AgeAssurance.VERIFIED_ADULT]

    def test_a_look_is_not_a_purchase(self):
        looked = decided(a_request(), AGREED, knowing([did("bread-0", Kind.VIEW, age_days=40)]))
        assert looked.basis is Basis.POPULAR
        assert looked.kept_out == (("G21", 1),)

    def test_every_verdict_of_every_candidate_is_kept(self):
        taken = decided(a_request(), AGREED, knowing(REGULAR)).rounds[0]
        sensitive = int(np.flatnonzero(taken.view.tier == 3)[0])
        fired = [taken.judged.rules[index].id for index in taken.judged.fired(sensitive)]
        assert "G05" in fired
        assert taken.judged.effect[sensitive] >= Effect.BLOCK


class TestSomeCategories:
    DAIRY = a_catalogue().category == CATEGORY

    @pytest.mark.parametrize("known", [knowing(REGULAR), knowing()], ids=["history", "nothing"])
    @pytest.mark.parametrize("placement", ["home", "search"])
    def test_nothing_else_is_considered_and_nothing_stands_in_from_elsewhere(self, placement, known):
        request = a_request(placement, count=8, within=("Food > Dairy",))
        decision = decided(request, AGREED, known)
        assert decision.suggestions
        assert all(self.DAIRY[taken.candidates.item_idx].all() for taken in decision.rounds)

    def test_what_lies_below_a_category_belongs_to_it_and_what_is_only_named_alike_does_not(self):
        paths = ("Food > Bread", "Food > Dairy")
        below, each = (decided(a_request(count=20, within=within)) for within in (("Food",), paths))
        assert items_of(below) == items_of(each) != []
        assert not decided(a_request(within=("Foo", "Food > D"))).suggestions

    def test_a_page_of_another_category_proposes_nothing_of_its_own(self):
        request = a_request("search", count=8, within=("Food > Dairy",), context=on_page("bread-0"))
        decision = decided(request, AGREED)
        assert decision.suggestions
        assert self.DAIRY[[each.item_idx for each in decision.suggestions]].all()

    def test_a_list_that_was_asked_for_by_category_may_be_of_one(self):
        assert decided(a_request(within=("Food",))).rounds[0].view.category_bound
        assert not decided(a_request()).rounds[0].view.category_bound

    def test_before_any_model_there_is_nothing_to_keep_to(self):
        request = a_request(within=("Food",))
        assert not decided(request, house=shops.a_house_without_a_model()).suggestions


class TestFurtherPages:
    def continued(self, first, **overrides):
        shown = tuple(a_catalogue().item_ids[each.item_idx] for each in first.suggestions)
        return a_request(continues=Continuation("the-first", shown), **overrides)

    @pytest.mark.parametrize(
        ("known", "basis"),
        [(knowing(PAST), Basis.PROFILE), (knowing(), Basis.POPULAR)],
        ids=["history", "nothing"],
    )
    def test_two_pages_are_one_longer_list(self, known, basis):
        long = decided(a_request(count=8), AGREED, known)
        first = decided(a_request(count=4), AGREED, known)
        second = decided(self.continued(first, count=4), AGREED, known)
        assert first.basis == second.basis == long.basis == basis
        assert items_of(first) + items_of(second) == items_of(long)
        assert [each.rank for each in second.suggestions] == [5, 6, 7, 8]

    def test_what_is_due_again_goes_on_where_the_page_before_ended(self):
        bought = [did(item, age_days=40) for item in ("milk-1", "milk-2", "milk-3", "bread-0", "bread-1")]

        def due(request: Request) -> list[str]:
            candidates = decided(request, AGREED, knowing(bought)).rounds[0].candidates
            rows = candidates.item_idx[candidates.source == Source.BUY_AGAIN]
            return [a_catalogue().item_ids[row] for row in rows.tolist()]

        first = due(a_request(count=4))
        second = due(a_request(count=4, continues=Continuation("the-first", tuple(first))))
        assert len(first) == len(second) == 2
        assert first + second == due(a_request(count=8))

    def test_what_the_shop_does_not_sell_any_more_counts_for_the_rank_alone(self):
        gone = Continuation("the-first", ("gone-1", "gone-2"))
        decision = decided(a_request(count=2, continues=gone))
        assert items_of(decision) == items_of(decided(a_request(count=2)))
        assert [each.rank for each in decision.suggestions] == [3, 4]


class TestAskingAgain:
    FEW_OF_MANY = a_house(n_considered=3)

    def test_a_slate_that_stays_short_is_filled_from_more_candidates(self):
        request = a_request(count=5)
        decision = decided(request, AGREED, knowing(PAST), self.FEW_OF_MANY)
        assert len(decision.rounds[0].candidates) == 3 * REFILL_FACTOR
        assert len(decision.suggestions) > 3

    def test_a_slate_that_is_full_is_left_alone(self):
        decision = decided(a_request(count=1), AGREED, knowing(PAST), self.FEW_OF_MANY)
        assert len(decision.rounds[0].candidates) == 3

    def test_what_it_gives_is_what_a_shop_that_considers_more_would_give(self):
        request = a_request(count=5)
        again = decided(request, AGREED, knowing(PAST), self.FEW_OF_MANY)
        at_once = decided(request, AGREED, knowing(PAST), a_house(n_considered=3 * REFILL_FACTOR))
        assert items_of(again) == items_of(at_once)

    def test_a_source_that_has_no_more_is_not_asked_again(self):
        asked = CountingRecommender(shops.a_recommender())
        request = a_request("search", context=Context(categories=(CATEGORY,)), count=20)
        decided(request, AGREED, house=a_house(recommender=asked, n_considered=10))
        assert asked.n_asked == {"popular_in": [10]}

    def test_no_more_than_the_most_is_ever_considered(self):
        asked = CountingRecommender(shops.a_recommender())
        request = a_request(count=50)
        house = a_house(recommender=asked, n_considered=25)
        decided(request, house=house)
        assert asked.n_asked == {"popular": [25, 100]}
        asked.n_asked.clear()
        decided(request, house=replace(house, n_considered=MOST_CONSIDERED))
        assert asked.n_asked == {"popular": [MOST_CONSIDERED]}

    def test_what_shows_less_is_not_taken(self):
        watchful = Limits(
            score=ScoreLimits(show_micro=100_000, with_reason_micro=160_000, generalise_micro=1_000_000)
        )
        decision = decided(a_request(count=4), AGREED, knowing(PAST), a_house(watchful, n_considered=8))
        assert {each.action for each in decision.suggestions} == {Action.GENERALISE}
        assert len(decision.rounds[0].candidates) < 8 * REFILL_FACTOR


class CountingRecommender:
    """The shop's recommender, counting how many candidates each source is asked for."""

    def __init__(self, recommender):
        self._recommender = recommender
        self.n_asked = {}

    def __getattr__(self, name):
        return getattr(self._recommender, name)

    def popular(self, n, exclude):
        self.n_asked.setdefault("popular", []).append(n)
        return self._recommender.popular(n, exclude)

    def popular_in(self, categories, n, exclude):
        self.n_asked.setdefault("popular_in", []).append(n)
        return self._recommender.popular_in(categories, n, exclude)


def test_where_nothing_may_be_said_a_human_is_to_take_over():
    nothing = decided(a_request("email", channel=Channel.EMAIL), AGREED, knowing([did("bread-0")]))
    assert nothing.for_a_human
    assert not decided(a_request(), AGREED).for_a_human
