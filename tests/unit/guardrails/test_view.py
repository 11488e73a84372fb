from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.shops import (
    CATEGORIES,
    EVERYTHING,
    NOW_MS,
    PROFILED,
    PROFILING,
    STORAGE,
    Choices,
    a_catalogue,
    a_house,
    a_ledger,
    a_request,
    an_admission,
    an_event,
    did,
    idx,
    knowing,
    on_page,
    was_shown,
)

from engine.interactions import DAY_MS, WEIGHT_ONE
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Basis, Channel, Intent, Kind, Origin, Provenance, Source
from guardrails.admit import Admitted
from guardrails.consent.events import Status
from guardrails.exposures import Exposures
from guardrails.past import Memory
from guardrails.policy.limits import HoldLimits, Limits, RepeatLimits
from guardrails.request import Context, Mute, MuteScope
from guardrails.rules.base import MICRO, NEVER_DAYS, NO_EDGES, NOT_COUNTED
from guardrails.sensitive.occasions import names_of
from guardrails.view import look, reads_back_days

NOTHING = knowing().history


def pieces(*rows: tuple[str, Origin, Kind, int, Channel]) -> Evidence:
    """Evidence in the order given: item, origin, kind, age in days, channel."""
    return Evidence(
        item_idx=np.array([idx(row[0]) for row in rows], np.int32),
        weight=np.full(len(rows), WEIGHT_ONE, np.int64),
        origin=np.array([row[1] for row in rows], np.int8),
        kind=np.array([row[2] for row in rows], np.int8),
        age_days=np.array([row[3] for row in rows], np.int32),
        channel=np.array([row[4] for row in rows], np.int8),
        provenance=np.zeros(len(rows), np.int8),
    )


def proposed(edges: dict[str, list[tuple[int, int, int]]], source: Source = Source.GOES_WITH) -> Candidates:
    """Candidates in the order given, each with its (piece, contribution, support)."""
    flat = [edge for of_one in edges.values() for edge in of_one]
    columns = np.array(flat, np.int64).reshape(len(flat), 3)
    n_edges = [len(of_one) for of_one in edges.values()]
    scores = np.array([sum(edge[1] for edge in of_one) for of_one in edges.values()], np.int64)
    return Candidates(
        item_idx=np.array([idx(item) for item in edges], np.int32),
        score=scores,
        base=np.zeros(len(edges), np.int64),
        source=np.full(len(edges), source, np.int8),
        ptr=np.concatenate([[0], np.cumsum(n_edges)]).astype(np.int32),
        evidence=columns[:, 0].astype(np.int32),
        contribution=columns[:, 1].copy(),
        support=columns[:, 2].astype(np.int32),
    )


def seen(
    candidates,
    evidence=None,
    *,
    trail=None,
    request=None,
    choices=None,
    returns=NOTHING,
    exposures=(),
    house=None,
):
    request = request or a_request()
    admission = an_admission(request, choices or Choices(a_ledger(*EVERYTHING)))
    evidence = evidence or Evidence.empty()
    admitted = Admitted(evidence, evidence if trail is None else trail, returns, ())
    intent = np.full(len(candidates), Intent.SIMILAR, np.int8)
    house = house or a_house()
    recall = Memory(request, admission, admitted, Exposures.of(exposures), house).recall
    return look(Basis.PROFILE, request, admission, evidence, recall, candidates, intent, house)


HISTORY, SESSION, PAGE = Origin.HISTORY, Origin.SESSION, Origin.CONTEXT
BOUGHT = ("bread-0", HISTORY, Kind.PURCHASE, 73, Channel.IN_STORE)
LOOKED = ("cream-0", HISTORY, Kind.VIEW, 15, Channel.WEB)
WISHED = ("lamp-0", HISTORY, Kind.WISHLIST, 3, Channel.WEB)
NOW_SEEN = ("beer-0", SESSION, Kind.VIEW, 0, Channel.WEB)
PAGE_ITEM = ("soap-0", PAGE, Kind.VIEW, 0, Channel.WEB)


class TestWhatMovedACandidate:
    VIEW = seen(
        proposed(
            {
                "milk-0": [(0, 50, 9), (1, 70, 4)],
                "lamp-0": [(2, 10, 30)],
                "soap-0": [(0, 5, 8), (3, 5, 2)],
                "wool-0": [],
                "cream-1": [(0, 5, 6)],
            }
        ),
        pieces(BOUGHT, LOOKED, WISHED, NOW_SEEN),
    )

    @pytest.mark.parametrize(
        ("column", "expected"),
        [
            ("from_history", [True, True, True, False, True]),
            ("evidence_tier", [1, 0, 2, 0, 0]),
            ("min_support", [4, 30, 2, NO_EDGES, 6]),
            ("min_sensitive_support", [4, NO_EDGES, 2, NO_EDGES, 6]),
            ("evidence_age_micro", [MICRO // 2, MICRO // 10, MICRO // 5, 0, MICRO // 5]),
            ("evidence_channel_other", [False, False, True, False, True]),
            ("same_item", [False, True, False, False, False]),
            ("same_visit", [False, False, False, False, False]),
            ("stated", [False, True, False, False, False]),
            ("reason_available", [True, True, True, False, True]),
        ],
    )
    def test_is_seen_in_each_column(self, column, expected):
        assert getattr(self.VIEW, column).tolist() == expected

    def test_the_strongest_decides_and_the_earlier_of_equals(self):
        evidence = pieces(NOW_SEEN, BOUGHT)
        view = seen(proposed({"milk-0": [(0, 5, 9), (1, 5, 9)], "milk-1": [(0, 5, 9), (1, 6, 9)]}), evidence)
        assert view.same_visit.tolist() == [True, False]

    def test_another_channel_counts_only_for_history(self):
        evidence = pieces(("milk-1", SESSION, Kind.VIEW, 0, Channel.APP))
        assert not seen(proposed({"milk-0": [(0, 5, 9)]}), evidence).evidence_channel_other.any()

    @pytest.mark.parametrize(
        ("channel", "tiers", "support"),
        [(Channel.EMAIL, [1, 0], [9, 4]), (Channel.WEB, [0, 0], [NO_EDGES] * 2)],
    )
    def test_an_unclassified_item_counts_as_tier_1_on_either_end_of_an_edge_that_is_sent_out(
        self, channel, tiers, support
    ):
        evidence = pieces(
            ("mystery-0", HISTORY, Kind.PURCHASE, 0, Channel.WEB),
            ("bread-0", HISTORY, Kind.PURCHASE, 0, Channel.WEB),
        )
        edges = {"milk-0": [(0, 5, 9), (1, 5, 4)], "mystery-1": [(1, 5, 4)]}
        view = seen(proposed(edges), evidence, request=a_request("email", channel=channel))
        assert view.evidence_tier.tolist() == tiers
        assert view.tier.tolist() == [0, int(channel is Channel.EMAIL)]
        assert view.min_sensitive_support.tolist() == support

    def test_nothing_at_all_can_be_looked_at(self):
        view = seen(Candidates.empty())
        assert len(view) == 0
        assert view.min_support.shape == view.returned_days.shape == (0,)

    def test_what_sells_well_has_a_reason_without_evidence(self):
        popular = a_house().recommender.popular(3, np.empty(0, np.int32))
        view = seen(popular)
        assert view.reason_available.all()
        assert not view.from_history.any()


class TestWhatAShopMayWriteAbout:
    SOLD = an_event(
        "marketing.communications.email",
        Status.SOFT_OPT_IN,
        method="sale",
        actor="controller",
        item_categories=frozenset({"Food > Dairy", "Drink"}),
    )
    CONSENTED = an_event("marketing.communications.email")

    def outside(self, *events, channel=Channel.EMAIL, items=("milk-0", "bread-0", "beer-0", "mystery-0")):
        choices = Choices(a_ledger(*EVERYTHING, but=events), jurisdiction="DK")
        view = seen(
            proposed({item: [] for item in items}), request=a_request(channel=channel), choices=choices
        )
        return view.outside_outreach.tolist()

    def test_is_what_was_sold_and_what_lies_below_it(self):
        assert self.outside(self.SOLD) == [False, True, False, True]

    def test_is_everything_with_a_consent(self):
        assert self.outside(self.CONSENTED) == [False] * 4

    def test_is_no_question_where_nobody_is_written_to(self):
        assert self.outside(self.SOLD, channel=Channel.WEB) == [False] * 4


class TestPrices:
    def anchors(self, context: Context, *items: str) -> list[int]:
        candidates = proposed({item: [] for item in items})
        return seen(candidates, request=a_request("cart", context=context)).anchor_price_minor.tolist()

    def price(self, item: str) -> int:
        return int(a_catalogue().price_minor[idx(item)])

    def test_an_anchor_of_the_same_kind_is_what_a_candidate_is_held_against(self):
        context = on_page("lamp-0", "milk-1", "milk-3")
        assert self.anchors(context, "milk-4", "lamp-1") == [self.price("milk-3"), self.price("lamp-0")]

    def test_a_dearer_page_item_of_another_kind_hides_no_step_up(self):
        assert self.anchors(on_page("lamp-0", "milk-1"), "milk-4") == [self.price("milk-1")]

    def test_without_an_anchor_of_its_kind_it_is_the_page_item(self):
        assert self.anchors(on_page("lamp-0", "milk-1"), "bread-1") == [self.price("lamp-0")]

    def test_items_of_unknown_kind_are_not_of_one_kind(self):
        assert self.anchors(on_page("lamp-0", "mystery-0"), "mystery-1") == [self.price("lamp-0")]

    def test_without_a_page_item_there_may_be_none(self):
        assert self.anchors(Context(basket=(idx("milk-1"),)), "bread-1", "milk-2") == [
            -1,
            self.price("milk-1"),
        ]

    @pytest.mark.parametrize(
        ("basket", "value"), [((), -1), (("milk-0", "milk-0", "lamp-0"), 3200), (("milk-0", "mystery-0"), -1)]
    )
    def test_a_basket_is_worth_its_prices_if_all_are_known(self, basket, value):
        context = Context(basket=tuple(idx(item) for item in basket))
        assert (
            seen(proposed({"milk-1": []}), request=a_request("cart", context=context)).basket_minor == value
        )


class TestWhatIsKnownOfAPerson:
    EVIDENCE = pieces(PAGE_ITEM, NOW_SEEN, BOUGHT, LOOKED)

    def supported(self, source: Source, *edges: tuple[int, int, int]):
        return seen(proposed({"milk-0": list(edges)}, source), self.EVIDENCE).n_supported

    def test_every_piece_that_enough_customers_stand_behind_counts_once(self):
        edges = {"milk-0": [(1, 50, 9), (2, 50, 2), (3, 50, 1)], "milk-1": [(1, 5, 9), (3, 5, 1)]}
        assert seen(proposed(edges), self.EVIDENCE).n_supported == 2

    def test_the_page_says_nothing_of_a_person(self):
        assert self.supported(Source.GOES_WITH, (0, 50, 900)) == 0

    def test_a_purchase_to_be_repeated_counts_by_those_who_came_back(self):
        assert self.supported(Source.BUY_AGAIN, (2, 50, 80)) == 1
        assert self.supported(Source.BUY_AGAIN, (2, 50, 1)) == 0

    def test_of_who_has_no_evidence_nothing_is_known(self):
        assert seen(proposed({"milk-0": []}, Source.POPULAR)).n_supported == 0


class TestReturns:
    def test_days_count_from_the_latest_return_of_the_item_and_of_its_kind(self):
        returns = knowing(
            [
                did("milk-0", Kind.RETURN, age_days=9),
                did("milk-0", Kind.RETURN, age_days=4),
                did("mystery-0", Kind.RETURN, age_days=1),
            ]
        ).history
        view = seen(proposed({"milk-0": [], "milk-1": [], "mystery-1": [], "mystery-0": []}), returns=returns)
        assert view.returned_days.tolist() == [4, NEVER_DAYS, NEVER_DAYS, 1]
        assert view.category_returned_days.tolist() == [4, 4, NEVER_DAYS, NEVER_DAYS]


class TestEarlierSuggestions:
    def test_days_count_since_the_last_one(self):
        exposures = (
            was_shown("milk-0", at_ms=NOW_MS - 9 * DAY_MS),
            was_shown("milk-0", at_ms=NOW_MS - 4 * DAY_MS),
        )
        view = seen(proposed({"milk-0": [], "milk-1": []}), exposures=exposures)
        assert view.days_since_shown.tolist() == [4, NEVER_DAYS]

    def test_days_count_since_it_was_last_waved_off_wherever_that_was(self):
        exposures = (
            was_shown("milk-0", at_ms=NOW_MS - 9 * DAY_MS, dismissed=True, outbound=True),
            was_shown("milk-0", at_ms=NOW_MS - 6 * DAY_MS, dismissed=True),
            was_shown("milk-0", at_ms=NOW_MS - 4 * DAY_MS),
            was_shown("milk-1", at_ms=NOW_MS - 4 * DAY_MS),
        )
        view = seen(proposed({"milk-0": [], "milk-1": []}), exposures=exposures)
        assert view.dismissed_days.tolist() == [6, NEVER_DAYS]

    def test_only_interruptions_waved_off_in_this_visit_count_as_such(self):
        exposures = tuple(
            was_shown("milk-0", decision=number, dismissed=dismissed, interruptive=stops, same_session=now)
            for number, (dismissed, stops, now) in enumerate(
                [(True, True, True), (False, True, True), (True, False, True), (True, True, False)]
            )
        )
        view = seen(proposed({"milk-0": []}), exposures=exposures)
        assert view.n_interruptive_dismissed_session == 1

    def test_only_what_was_ignored_within_its_window_counts(self):
        ages = (1, 5, 13, 20, 29, 30)
        exposures = (
            *(was_shown("milk-0", at_ms=NOW_MS - age * DAY_MS) for age in ages),
            was_shown("milk-0", acted_on=True),
            was_shown("milk-1"),
        )
        view = seen(proposed({"milk-0": [], "milk-2": []}), exposures=exposures)
        assert view.n_ignored_short.tolist() == [3, 0]
        assert view.n_ignored_long.tolist() == [5, 0]

    def test_a_pause_does_not_end_early_because_nothing_is_shown_during_it(self):
        ages = (13, 20, 26)
        exposures = tuple(was_shown("milk-0", at_ms=NOW_MS - age * DAY_MS) for age in ages)
        assert seen(proposed({"milk-0": []}), exposures=exposures).n_ignored_short.tolist() == [3]

    def test_slates_are_counted_once_whatever_they_held(self):
        exposures = (
            was_shown("milk-0", decision=1, interruptive=True, same_session=True),
            was_shown("milk-1", decision=1, interruptive=True, same_session=True),
            was_shown("milk-1", decision=2, interruptive=True, at_ms=NOW_MS - 6 * DAY_MS),
            was_shown("milk-1", decision=3, interruptive=True, at_ms=NOW_MS - 7 * DAY_MS),
            was_shown("milk-1", decision=4, outbound=True, at_ms=NOW_MS - DAY_MS + 1),
            was_shown("milk-1", decision=5, outbound=True, at_ms=NOW_MS - DAY_MS),
        )
        view = seen(proposed({"milk-0": []}), exposures=exposures)
        assert (view.n_interruptive_session, view.n_interruptive_week) == (1, 2)
        assert (view.n_outbound_day, view.n_outbound_week) == (1, 2)

    @pytest.mark.parametrize(
        ("purposes", "session", "week"),
        [
            ((), NOT_COUNTED, NOT_COUNTED),
            ((STORAGE,), 1, NOT_COUNTED),
            ((PROFILING, PROFILED), NOT_COUNTED, 1),
        ],
        ids=["nothing", "the visit", "the past"],
    )
    def test_interruptions_that_nobody_may_count_are_not_none(self, purposes, session, week):
        shown = [was_shown("milk-0", decision=1, interruptive=True, same_session=True)]
        choices = Choices(a_ledger(*purposes))
        view = seen(proposed({"milk-0": []}), request=a_request("modal"), choices=choices, exposures=shown)
        assert (view.n_interruptive_session, view.n_interruptive_week) == (session, week)

    def test_inline_offers_of_the_visit_are_counted_one_by_one(self):
        exposures = (
            was_shown("milk-0", intent=Intent.UPSELL, same_session=True),
            was_shown("milk-1", intent=Intent.CROSS_SELL, same_session=True),
            was_shown("milk-2", intent=Intent.UPSELL),
            was_shown("milk-2", intent=Intent.UPSELL, same_session=True, interruptive=True),
            was_shown("milk-2", same_session=True),
        )
        view = seen(proposed({"milk-0": []}), exposures=exposures)
        assert (view.n_inline_upsells_session, view.n_upsell_steps_session) == (2, 1)

    @pytest.mark.parametrize(
        ("limits", "days"),
        [
            (Limits(), 31),
            (Limits(repeat=RepeatLimits(window_days=40, cooldown_days=20)), 60),
            (Limits(repeat=RepeatLimits(hard_window_days=50)), 50),
            (Limits(holds=HoldLimits(dismissed_days=90)), 91),
            (
                Limits(
                    repeat=RepeatLimits(window_days=1, cooldown_days=1, hard_window_days=2),
                    holds=HoldLimits(dismissed_days=2),
                ),
                7,
            ),
        ],
    )
    def test_no_rule_looks_further_back_than_what_is_read(self, limits, days):
        assert reads_back_days(limits) == days


def test_a_mute_is_felt_by_the_whole_category_of_the_item():
    mutes = (
        Mute(MuteScope.ITEM, "milk-0", None),
        Mute(MuteScope.ITEM, "mystery-0", None),
        Mute(MuteScope.ITEM, "?", None),
    )
    choices = Choices(a_ledger(*EVERYTHING), mutes=mutes)
    view = seen(proposed({"milk-1": [], "mystery-1": [], "bread-0": []}), choices=choices)
    assert view.dismissed_nearby.tolist() == [True, False, False]
    assert CATEGORIES[view.category[0]] == "Food > Dairy"


def test_something_waved_off_lately_is_felt_by_its_whole_category():
    candidates = proposed({"milk-1": [], "bread-1": [], "lamp-1": [], "mystery-1": []})
    exposures = (
        was_shown("milk-0", dismissed=True),
        was_shown("bread-0"),
        was_shown("lamp-0", dismissed=True, at_ms=NOW_MS - 31 * DAY_MS),
        was_shown("mystery-0", dismissed=True),
    )
    view = seen(candidates, exposures=exposures)
    assert view.dismissed_nearby.tolist() == [True, False, False, False]


def test_something_waved_off_is_felt_by_its_whole_sensitive_class():
    elsewhere = a_catalogue().category.copy()
    elsewhere[idx("cream-0")] = CATEGORIES.index("Home")
    house = a_house(catalogue=replace(a_catalogue(), category=elsewhere))
    waved_off = (was_shown("cream-0", dismissed=True),)
    view = seen(proposed({"cream-1": [], "test-1": []}), exposures=waved_off, house=house)
    assert view.dismissed_nearby.tolist() == [True, False]


def test_a_muted_occasion_is_felt_by_what_stands_beside_it_and_is_not_made_for_it():
    candidates = proposed({"lamp-1": [], "soap-1": [], "milk-1": [], "mystery-1": []})
    muting = (Mute(MuteScope.OCCASION, names_of(1)[0], None),)
    muted, unmuted = (
        seen(candidates, choices=Choices(a_ledger(*EVERYTHING), mutes=mutes)) for mutes in (muting, ())
    )
    assert muted.near_muted_occasion.tolist() == [False, True, False, False]
    assert not unmuted.near_muted_occasion.any()


class TestTheCandidateItself:
    @pytest.mark.parametrize(
        ("kind", "same_item", "wanted", "stated", "looked_at_days"),
        [
            (Kind.VIEW, True, False, False, 15),
            (Kind.CART, True, True, False, 15),
            (Kind.WISHLIST, True, True, True, 15),
            (Kind.PURCHASE, True, False, False, NEVER_DAYS),
        ],
    )
    def test_is_known_from_the_evidence_though_nothing_goes_with_itself(
        self, kind, same_item, wanted, stated, looked_at_days
    ):
        evidence = pieces(BOUGHT, ("cream-0", HISTORY, kind, 15, Channel.WEB))
        view = seen(proposed({"wool-0": [(0, 5, 9)], "cream-0": [(0, 5, 9)]}), evidence)
        assert view.same_item.tolist() == [False, same_item]
        assert view.wanted.tolist() == [False, wanted]
        assert view.stated.tolist() == [False, stated]
        assert view.looked_at_days.tolist() == [NEVER_DAYS, looked_at_days]

    def test_was_looked_at_when_that_was_last(self):
        looks = [("cream-0", origin, Kind.VIEW, age, Channel.WEB) for origin, age in ((SESSION, 0), LONG_AGO)]
        assert seen(proposed({"cream-0": []}), pieces(*looks)).looked_at_days.tolist() == [0]

    def test_is_known_to_have_been_looked_at_on_a_step_that_rests_on_nothing_of_it(self):
        looked = pieces(("cream-0", HISTORY, Kind.CART, 15, Channel.WEB))
        view = seen(proposed({"cream-0": []}, Source.POPULAR), trail=looked)
        assert (view.looked_at_days.tolist(), view.wanted.tolist()) == ([15], [True])
        assert view.same_item.tolist() == view.stated.tolist() == [False]

    @pytest.mark.parametrize("provenance", Provenance)
    def test_is_wanted_and_stated_only_by_who_said_so_here(self, provenance):
        wish = pieces(("cream-0", HISTORY, Kind.WISHLIST, 15, Channel.WEB))
        wish = replace(wish, provenance=np.full(1, provenance, np.int8))
        view = seen(proposed({"cream-0": [], "wool-0": [(0, 5, 9)]}), wish)
        here = provenance is Provenance.OWN
        assert view.wanted.tolist() == [here, False]
        assert view.stated.tolist() == [here, here]
        assert view.looked_at_days[0] == 15

    def test_was_not_left_lying_if_it_was_bought(self):
        did_both = [("cream-0", HISTORY, kind, 15, Channel.WEB) for kind in (Kind.PURCHASE, Kind.CART)]
        assert seen(proposed({"cream-0": []}), pieces(*did_both)).looked_at_days.tolist() == [NEVER_DAYS]


LONG_AGO = (HISTORY, 20)


def test_it_is_of_a_kind_with_its_strongest_evidence_if_their_category_is_the_same():
    edges = {
        "bread-1": [(0, 9, 9), (1, 5, 9)],
        "bread-2": [(0, 5, 9), (1, 9, 9)],
        "mystery-1": [(2, 5, 9)],
        "wool-0": [],
    }
    unknown = ("mystery-0", HISTORY, Kind.VIEW, 1, Channel.WEB)
    evidence = pieces(BOUGHT, LOOKED, unknown)
    assert seen(proposed(edges), evidence).same_kind.tolist() == [True, False, False, False]


def test_what_stands_for_a_brand_is_of_a_kind_with_evidence_of_that_brand():
    edges = {"beer-1": [(0, 9, 9)], "bread-2": [(1, 5, 9)], "lamp-0": [(1, 5, 9)]}
    view = seen(proposed(edges, Source.BRAND), pieces(BOUGHT, LOOKED))
    assert view.same_kind.tolist() == [True, False, True]


class TestWhatWasShownLately:
    def category(self, *exposures) -> int:
        return seen(Candidates.empty(), exposures=exposures).recent_category

    FIVE_OF_DAIRY = tuple(was_shown(f"milk-{number}") for number in range(5))

    def test_was_all_of_one_category(self):
        assert self.category(*self.FIVE_OF_DAIRY) == CATEGORIES.index("Food > Dairy")

    def test_was_too_little_to_tell(self):
        assert self.category(*self.FIVE_OF_DAIRY[:4]) == -1

    def test_was_of_several_categories(self):
        assert self.category(*self.FIVE_OF_DAIRY, was_shown("bread-0")) == -1

    def test_was_of_no_known_category(self):
        assert self.category(*[was_shown("mystery-0")] * 5) == -1

    @pytest.mark.parametrize(
        ("days", "same_session", "counts"), [(6, False, True), (7, False, False), (7, True, True)]
    )
    def test_is_this_week_and_this_visit(self, days, same_session, counts):
        other = was_shown("bread-0", at_ms=NOW_MS - days * DAY_MS, same_session=same_session)
        assert (self.category(*self.FIVE_OF_DAIRY, other) == -1) == counts


@pytest.mark.parametrize(
    ("request_", "bound"),
    [
        (a_request("home"), False),
        (a_request("product_page"), True),
        (a_request("search", context=Context(categories=(2,))), True),
        (a_request("search"), False),
    ],
)
def test_an_anchored_placement_and_a_page_of_categories_are_bound_to_them(request_, bound):
    assert seen(Candidates.empty(), request=request_).category_bound is bound


def test_what_texts_tell_rests_on_no_customers_and_is_not_too_few():
    edges = {"milk-0": [(0, 50, 0)], "lamp-0": [(0, 50, 0), (1, 10, 7)], "soap-0": [(0, 5, 1)]}
    view = seen(proposed(edges, Source.BY_CONTENT), pieces(BOUGHT, LOOKED))
    assert view.min_support.tolist() == [NO_EDGES, 7, 1]
    assert view.min_sensitive_support.tolist() == [NO_EDGES, 7, NO_EDGES]
    assert view.n_supported == 1, "what nobody stands behind is not known"


def test_the_best_score_is_that_of_what_is_new_unless_everything_is_bought_again():
    evidence = pieces(BOUGHT)
    new = proposed({"milk-0": [(0, 50, 9)], "lamp-0": [(0, 10, 9)]})
    again = proposed({"soap-0": [(0, 900, 9)]}, Source.BUY_AGAIN)
    assert seen(Candidates.merged(new, again), evidence).top_score == 50
    assert seen(again, evidence).top_score == 900
    assert seen(Candidates.empty()).top_score == 0
