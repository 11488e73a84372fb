from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.scenes import NO_HISTORY, agreeing
from support.shops import (
    EVERYTHING,
    LIMITED,
    NOW_MS,
    OFFERS,
    PROFILED,
    PROFILING,
    STORAGE,
    a_catalogue,
    a_house,
    a_ledger,
    a_request,
    an_admission,
    an_event,
    did,
    idx,
    just_did,
    knowing,
    on_page,
)

from engine.interactions import DAY_MS, WEIGHT_ONE
from engine.vocabulary import Channel, Kind, Origin, Provenance
from guardrails.admit import CONTEXT_WEIGHT, SESSION_WEIGHT, Muted, admit, select
from guardrails.consent.events import Status
from guardrails.consent.permission import Denial, LawfulBasis
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key, sensitive_key
from guardrails.holding import Hold, HoldKind
from guardrails.policy.limits import EvidenceLimits
from guardrails.request import AgeAssurance, Choices, Known, Mute, MuteScope, SubjectKind
from guardrails.sensitive.occasions import names_of


def selected(known: Known, request=None, choices=None, limits=None):
    request, house = request or a_request(), a_house()
    admission = an_admission(request, choices, house)
    return select(request, admission, known, house.catalogue, limits or EvidenceLimits(), house.weighting)


def items_of(admitted) -> list[str]:
    return [a_catalogue().item_ids[each] for each in admitted.evidence.item_idx]


class TestWhatMayBeRead:
    def test_a_customer_who_agreed_to_everything_may_be_known(self):
        admission = an_admission(a_request())
        assert admission.may_read_history
        assert admission.may_read_session
        assert admission.may_use_context
        assert admission.degraded == ()

    def test_a_customer_who_was_never_asked_gets_the_page_alone(self):
        admission = an_admission(a_request(), Choices(a_ledger()))
        assert not admission.may_read_history
        assert not admission.may_read_session
        assert admission.may_use_context
        assert admission.history.because is Denial.PENDING

    @pytest.mark.parametrize("obstacle", NO_HISTORY)
    def test_history_needs_every_consent(self, obstacle):
        admission = an_admission(a_request(), agreeing(*NO_HISTORY[obstacle]))
        assert not admission.may_read_history
        assert not admission.history.permitted

    @pytest.mark.parametrize(("placement", "may"), [("home", True), ("product_page", False), ("cart", False)])
    def test_where_the_page_sells_on_history_needs_consent_to_offers_as_well(self, placement, may):
        choices = Choices(a_ledger(STORAGE, PROFILING, PROFILED))
        admission = an_admission(a_request(placement), choices)
        assert admission.may_read_history is may
        assert admission.history.purpose == (PROFILING if may else OFFERS)

    @pytest.mark.parametrize("missing", [STORAGE])
    def test_the_visit_needs_consent_to_storage(self, missing):
        choices = Choices(a_ledger(*(set(EVERYTHING) - {missing})))
        assert not an_admission(a_request(), choices).may_read_session

    def test_who_objects_to_the_limited_use_gets_neither_visit_nor_page(self):
        objection = an_event(LIMITED, Status.OBJECTION_RAISED)
        admission = an_admission(a_request(), Choices(a_ledger(*EVERYTHING, but=[objection])))
        assert not admission.may_read_session
        assert not admission.may_use_context

    def test_a_visitor_without_an_account_has_a_visit_and_no_history(self):
        admission = an_admission(a_request(subject_kind=SubjectKind.SESSION))
        assert not admission.may_read_history
        assert admission.may_read_session

    @pytest.mark.parametrize("where", ["request", "choices"])
    def test_who_wants_no_profile_is_known_by_nothing(self, where):
        choices = Choices(a_ledger(*EVERYTHING), non_profiled=where == "choices")
        admission = an_admission(a_request(non_profiled=where == "request"), choices)
        assert not admission.may_read_history
        assert not admission.may_read_session
        assert admission.may_use_context

    @pytest.mark.parametrize("where", ["request", "choices"])
    def test_a_shared_device_or_account_is_a_shared_audience(self, where):
        choices = Choices(a_ledger(*EVERYTHING), shared_device=where == "choices")
        assert an_admission(a_request(shared_device=where == "request"), choices).shared_audience

    def test_only_classes_that_were_asked_about_are_asked_for(self):
        events = [
            an_event(sensitive_key("alcohol")),
            an_event(sensitive_key("tobacco_nicotine"), Status.CONSENT_WITHDRAWN),
        ]
        admission = an_admission(a_request(), Choices(a_ledger(*EVERYTHING, but=events)))
        asked = {each.purpose for each in admission.permissions if each.purpose.startswith("sensitive.")}
        assert asked == {"sensitive.alcohol", "sensitive.tobacco_nicotine"}
        assert admission.sensitive_granted == {"alcohol"}

    def test_a_minor_consents_to_no_sensitive_class(self):
        choices = Choices(a_ledger(*EVERYTHING, sensitive_key("alcohol")), age_assurance=AgeAssurance.MINOR)
        assert an_admission(a_request(), choices).sensitive_granted == frozenset()

    @pytest.mark.parametrize(
        "channel",
        [Channel.EMAIL, Channel.SMS, Channel.PUSH, Channel.POST, Channel.PHONE, Channel.OFFSITE_ADS],
    )
    def test_speaking_first_needs_a_consent_of_its_own(self, channel):
        admission = an_admission(a_request("email", channel=channel))
        assert admission.outreach is not None
        assert not admission.outreach.permitted

    def test_on_the_site_nobody_speaks_first(self):
        assert an_admission(a_request()).outreach is None


class TestNobody:
    def test_nobody_gets_the_page_and_what_sells_well(self):
        admission = an_admission(a_request(subject_kind=SubjectKind.NONE))
        assert admission.may_use_context
        assert not admission.may_read_history
        assert not admission.may_read_session
        assert admission.history.because is Denial.NO_SUBJECT
        assert admission.degraded == ()

    def test_a_ledger_that_cannot_be_read_permits_nothing_personal_and_says_so(self):
        admission = an_admission(a_request("email", channel=Channel.EMAIL), Choices(ledger=None))
        assert not admission.may_read_history
        assert not admission.may_read_session
        assert admission.offers.because is Denial.UNREADABLE
        assert admission.outreach.because is Denial.UNREADABLE
        assert admission.degraded == ("consent_unreadable",)

    def test_the_page_stands_on_legitimate_interest_and_nothing_else_is_permitted(self):
        admission = an_admission(a_request(), Choices(ledger=None))
        permitted = [each for each in admission.permissions if each]
        assert [(each.purpose, each.basis) for each in permitted] == [
            (LIMITED, LawfulBasis.LEGITIMATE_INTEREST)
        ]

    def test_what_only_holds_back_is_followed_all_the_same(self):
        choices = Choices(
            ledger=None,
            mutes=(Mute(MuteScope.BRAND, "Acme", None),),
            age_assurance=AgeAssurance.VERIFIED_ADULT,
            shared_device=True,
        )
        admission = an_admission(a_request(), choices)
        assert admission.muted.brands == {"Acme"}
        assert admission.shared_audience
        assert admission.age_assurance is AgeAssurance.UNKNOWN

    def test_a_minor_stays_one_where_consents_cannot_be_read(self):
        choices = Choices(ledger=None, age_assurance=AgeAssurance.MINOR)
        assert an_admission(a_request(), choices).age_assurance is AgeAssurance.MINOR


class TestMuted:
    @pytest.mark.parametrize(
        ("scope", "value", "covered"),
        [
            (MuteScope.ITEM, "milk-1", {"milk-1"}),
            (MuteScope.BRAND, "Umbrella", {"soap-0", "test-0"}),
            (MuteScope.CATEGORY, "Food > Dairy", {"milk-0", "milk-1"}),
            (MuteScope.CATEGORY, "Pharmacy", {"cream-0", "test-0"}),
            (MuteScope.CATEGORY, "Pharm", set()),
            (MuteScope.CATEGORY, "Food", {"bread-0", "milk-0", "milk-1"}),
            (MuteScope.SENSITIVE_CLASS, "sexual_health", {"test-0"}),
            (MuteScope.SENSITIVE_CLASS, "unheard_of", set()),
        ],
    )
    def test_a_mute_covers_its_scope_and_what_lies_below(self, scope, value, covered):
        items = ["bread-0", "cream-0", "milk-0", "milk-1", "mystery-0", "soap-0", "test-0"]
        rows = np.array([idx(item) for item in items], np.int32)
        muted = Muted.in_force([Mute(scope, value, None)], NOW_MS)
        found = muted.covers(a_catalogue(), rows)
        assert {item for item, is_muted in zip(items, found, strict=True) if is_muted} == covered

    @pytest.mark.parametrize(
        ("until_ms", "holds"), [(NOW_MS - 1, False), (NOW_MS, False), (NOW_MS + 1, True)]
    )
    def test_a_mute_holds_until_its_millisecond(self, until_ms, holds):
        muted = Muted.in_force([Mute(MuteScope.ITEM, "milk-1", until_ms)], NOW_MS)
        assert bool(muted.items) is holds

    def test_nothing_is_muted_where_nothing_was(self):
        assert not Muted().covers(a_catalogue(), np.array([0, 1], np.int32)).any()


def test_what_is_made_for_a_muted_occasion_is_no_evidence():
    choices = Choices(a_ledger(*EVERYTHING), mutes=(Mute(MuteScope.OCCASION, names_of(1)[0], None),))
    admitted = selected(knowing([did("lamp-0"), did("bread-0")]), a_request(), choices)
    assert items_of(admitted) == ["bread-0"]
    assert admitted.kept_out == (("G13", 1),)


class TestWhatIsKept:
    def test_pieces_come_by_origin_item_and_kind(self):
        admitted = selected(
            knowing([did("milk-1"), did("bread-0", Kind.VIEW), did("bread-0")], [just_did("soap-0")]),
            a_request("cart", context=on_page("lamp-0", "lamp-1")),
        )
        assert items_of(admitted) == ["lamp-0", "lamp-1", "soap-0", "bread-0", "bread-0", "milk-1"]
        assert admitted.evidence.origin.tolist() == [0, 0, 1, 2, 2, 2]
        assert admitted.evidence.kind.tolist()[3:5] == [Kind.VIEW, Kind.PURCHASE]

    def test_repeated_interactions_add_up_and_the_youngest_lends_age_and_channel(self):
        many = [
            did("milk-1", age_days=30, channel=Channel.IN_STORE),
            did("milk-1", age_days=3, channel=Channel.APP),
        ]
        once = [selected(knowing([each])).evidence.weight[0] for each in many]
        piece = selected(knowing(many)).evidence
        assert piece.weight.tolist() == [sum(once)]
        assert piece.age_days.tolist() == [3]
        assert piece.channel.tolist() == [Channel.APP]

    def test_the_page_outweighs_the_visit_and_the_visit_the_past(self):
        past = selected(knowing([did("milk-1", age_days=0)])).evidence.weight[0]
        visit = selected(knowing(session=[just_did("milk-1", Kind.PURCHASE)])).evidence.weight[0]
        page = selected(knowing(), a_request("product_page", context=on_page("milk-1"))).evidence.weight[0]
        assert [past, visit, page] == [WEIGHT_ONE, SESSION_WEIGHT * WEIGHT_ONE, CONTEXT_WEIGHT * WEIGHT_ONE]

    def test_an_item_on_the_page_and_in_the_basket_counts_once(self):
        admitted = selected(knowing(), a_request("cart", context=on_page("lamp-0", "lamp-0", "milk-0")))
        assert items_of(admitted) == ["lamp-0", "milk-0"]

    def test_a_sensitive_or_muted_page_is_not_evidence(self):
        page = a_request("cart", context=on_page("beer-0", "milk-0", "lamp-0"))
        choices = Choices(a_ledger(*EVERYTHING), mutes=(Mute(MuteScope.ITEM, "milk-0", None),))
        assert items_of(selected(knowing(), page, choices)) == ["lamp-0"]

    def test_the_page_is_not_evidence_for_who_objected(self):
        objection = an_event(LIMITED, Status.OBJECTION_RAISED)
        choices = Choices(a_ledger(*EVERYTHING, but=[objection]))
        assert len(selected(knowing(), a_request("cart", context=on_page("lamp-0")), choices).evidence) == 0

    def test_returns_and_removals_speak_for_nothing(self):
        admitted = selected(
            knowing(
                [did("milk-1", Kind.RETURN)],
                [just_did("soap-0", Kind.REMOVE_FROM_CART), just_did("milk-2", Kind.RETURN)],
            )
        )
        assert len(admitted.evidence) == 0
        assert sorted(admitted.returns.item_idx.tolist()) == sorted([idx("milk-1"), idx("milk-2")])
        assert admitted.kept_out == ()

    def test_the_heaviest_pieces_are_kept_in_their_order_and_earlier_ones_win_ties(self):
        known = knowing([did("bread-0", age_days=200), did("lamp-0"), did("milk-1"), did("milk-2")])
        admitted = selected(known, limits=EvidenceLimits(max_pieces=2))
        assert items_of(admitted) == ["lamp-0", "milk-1"]

    def test_what_is_kept_out_does_not_push_out_what_is_kept(self):
        gifts = [did("milk-2", is_gift=True, age_days=0) for _ in range(9)]
        admitted = selected(knowing([did("bread-0"), *gifts]), limits=EvidenceLimits(max_pieces=1))
        assert items_of(admitted) == ["bread-0"]


class TestWhatIsKeptOut:
    @pytest.mark.parametrize(
        ("row", "rule_id"),
        [
            (did("milk-1", purpose=Purpose.ESSENTIAL_SERVICE), "G01"),
            (did("milk-1", Kind.CART), "G01"),
            (did("milk-1", channel=Channel.IN_STORE), "G01"),
            (did("beer-0"), "G06"),
            (did("cigar-0", age_days=31), "G06"),
            (did("milk-1", is_gift=True), "G11"),
            (did("milk-0"), "G12"),
            (did("milk-1", age_days=366), "G21"),
            (did("milk-1", Kind.VIEW, age_days=31), "G21"),
        ],
    )
    def test_it_is_counted_by_the_rule_that_kept_it_out(self, row, rule_id):
        admitted = selected(knowing([row, did("bread-0")]), choices=agreeing())
        assert admitted.kept_out == ((rule_id, 1),)
        assert items_of(admitted) == ["bread-0"]

    @pytest.mark.parametrize(
        "row",
        [
            did("milk-1", age_days=365),
            did("milk-1", Kind.VIEW, age_days=30),
            did("cigar-0", age_days=30),
            did("milk-1", age_days=-1),
        ],
    )
    def test_up_to_its_last_day_it_counts(self, row):
        assert len(selected(knowing([row]), choices=agreeing()).evidence) == 1

    def test_it_is_counted_once_by_the_first_rule_of_all(self):
        admitted = selected(knowing([did("beer-0", is_gift=True, age_days=900)]), choices=agreeing())
        assert admitted.kept_out == (("G06", 1),)

    @pytest.mark.parametrize(
        ("status", "rule_id"),
        [
            (Status.CONSENT_WITHDRAWN, "G02"),
            (Status.OBJECTION_RAISED, "G02"),
            (Status.CONSENT_EXPIRED, "G03"),
            (Status.CONSENT_REFUSED, "G01"),
        ],
    )
    def test_what_was_taken_back_is_counted_apart_from_what_was_never_given(self, status, rule_id):
        choices = agreeing(an_event(PROFILING, status))
        admitted = selected(knowing([did("bread-0"), did("milk-1")]), choices=choices)
        assert admitted.kept_out == ((rule_id, 2),)

    def test_a_visit_ends_after_its_hours(self):
        inside, outside = (
            just_did("soap-0", age_ms=12 * 3_600_000),
            just_did("milk-1", age_ms=12 * 3_600_000 + 1),
        )
        admitted = selected(knowing(session=[inside, outside]))
        assert items_of(admitted) == ["soap-0"]
        assert admitted.kept_out == (("G21", 1),)

    def test_a_visit_that_may_not_be_read_counts_for_nothing(self):
        choices = agreeing(an_event(STORAGE, Status.CONSENT_REFUSED))
        assert selected(knowing(session=[just_did("soap-0")]), choices=choices).kept_out == (("G01", 1),)

    def test_items_that_nobody_sells_are_passed_over_uncounted(self):
        admitted = selected(knowing([did(-1)], [just_did(-1)]))
        assert len(admitted.evidence) == 0
        assert admitted.kept_out == ()

    def test_the_grant_to_use_the_profile_binds_data_but_not_where_it_came_from(self):
        on_web_only = an_event(PROFILED, channels=frozenset({Channel.WEB}))
        choices = agreeing(on_web_only)
        assert items_of(selected(knowing([did("milk-1", channel=Channel.APP)]), choices=choices)) == [
            "milk-1"
        ]
        purchases_only = an_event(PROFILED, data_categories=frozenset({"user.behavior.purchase_history"}))
        found = selected(knowing([did("milk-1"), did("lamp-0", Kind.VIEW)]), choices=agreeing(purchases_only))
        assert items_of(found) == ["milk-1"]

    def test_what_was_withdrawn_is_not_brought_back_by_a_new_consent(self):
        choices = replace(agreeing(), history_from_ms=NOW_MS - 3 * DAY_MS)
        found = selected(knowing([did("milk-1", age_days=4), did("milk-2", age_days=2)]), choices=choices)
        assert items_of(found) == ["milk-2"]
        assert found.kept_out == (("G01", 1),)

    def test_consent_that_ended_a_millisecond_ago_is_over(self):
        ends = an_event(PROFILING, valid_until_ms=NOW_MS)
        assert selected(knowing([did("milk-1")]), choices=agreeing(ends)).kept_out == (("G03", 1),)
        stands = an_event(PROFILING, valid_until_ms=NOW_MS + 1)
        assert selected(knowing([did("milk-1")]), choices=agreeing(stands)).kept_out == ()


class TestWhereItCameFrom:
    ROWS = (did("milk-1", provenance=Provenance.SISTER), did("bread-0"))
    P8 = KEY_OF[Purpose.ENRICHMENT]

    @pytest.mark.parametrize("answer", [Status.CONSENT_REFUSED, Status.CONSENT_WITHDRAWN, None])
    def test_what_others_collected_needs_a_consent_of_its_own(self, answer):
        choices = agreeing() if answer is None else agreeing(an_event(self.P8, answer))
        admitted = selected(knowing(self.ROWS), choices=choices)
        assert items_of(admitted) == ["bread-0"]
        assert admitted.kept_out == (("G09", 1),)

    def test_with_that_consent_it_counts(self):
        admitted = selected(knowing(self.ROWS), choices=agreeing(an_event(self.P8)))
        assert items_of(admitted) == ["bread-0", "milk-1"]

    def test_under_the_privacy_signal_it_does_not_even_where_consent_overrides_that(self):
        request = a_request(gpc=True)
        choices = agreeing(an_event(self.P8, confirmed_override=True), jurisdiction="DK")
        assert an_admission(request, choices).enrichment.permitted
        admitted = selected(knowing(self.ROWS), request, choices)
        assert items_of(admitted) == ["bread-0"]
        assert admitted.kept_out == (("G09", 1),)


class TestWhatRests:
    """In this shop beer is of a topic that can be held back."""

    CATALOGUE = replace(a_catalogue(), sensitive_classes=("parenthood", *a_catalogue().sensitive_classes[1:]))
    AGREED = an_event(sensitive_key("parenthood"))

    def select(self, request, known, holds):
        choices = replace(agreeing(self.AGREED), holds=holds)
        admission = admit(request, choices, self.CATALOGUE.sensitive_classes, a_house().consent)
        return select(request, admission, known, self.CATALOGUE, EvidenceLimits(), a_house().weighting)

    @pytest.mark.parametrize(
        ("until_ms", "holds"), [(None, True), (NOW_MS + 1, True), (NOW_MS, False), (0, False)]
    )
    def test_a_topic_that_rests_is_no_evidence_until_its_millisecond(self, until_ms, holds):
        known, rest = knowing([did("beer-0"), did("bread-0")]), Hold(HoldKind.TOPICS, "", 0, until_ms)
        admitted = self.select(a_request(), known, (rest,))
        assert items_of(admitted) == (["bread-0"] if holds else ["beer-0", "bread-0"])
        assert admitted.kept_out == ((("G14", 1),) if holds else ())

    def test_nor_is_a_page_about_it(self):
        page = a_request("cart", context=on_page("beer-0", "lamp-0"))
        assert items_of(self.select(page, knowing(), ())) == ["beer-0", "lamp-0"]
        rest = Hold(HoldKind.TOPICS, "", 0, None)
        assert items_of(self.select(page, knowing(), (rest,))) == ["lamp-0"]

    def test_resting_offers_leave_the_evidence_alone(self):
        rest = Hold(HoldKind.OFFERS, "", 0, None)
        assert items_of(self.select(a_request(), knowing([did("beer-0")]), (rest,))) == ["beer-0"]


class TestWhatHasNothingButATitle:
    CATALOGUE = replace(a_catalogue(), unclassified=np.ones(len(a_catalogue().item_ids), np.bool_))
    ROWS = np.array([idx("bread-0"), idx("cream-0"), idx("test-0")], np.int32)

    @pytest.mark.parametrize("agreed", [True, False])
    def test_it_counts_as_tier_1_where_the_shop_speaks_first(self, agreed):
        choices = agreeing(an_event(communications_key(Channel.EMAIL))) if agreed else Choices(None)
        admission = an_admission(a_request("email", channel=Channel.EMAIL), choices)
        assert admission.tier_of(self.CATALOGUE, self.ROWS).tolist() == [1, 1, 3]

    def test_inside_the_page_it_does_not(self):
        assert an_admission(a_request()).tier_of(self.CATALOGUE, self.ROWS).tolist() == [0, 1, 3]

    def test_the_law_of_a_place_raises_what_has_a_class_and_not_what_has_none(self):
        choices = agreeing(jurisdiction="US-WA")
        admission = an_admission(a_request("email", channel=Channel.EMAIL), choices)
        assert admission.tier_of(self.CATALOGUE, self.ROWS).tolist() == [1, 2, 3]


class TestWhereTheCustomerLives:
    """``cream`` is of tier 1 and of a class that Washington raises; ``test`` is of tier 3 anyway."""

    LOOKED = knowing([did("cream-0"), did("milk-1")])

    @pytest.mark.parametrize(("place", "counts"), [(None, True), ("DK", True), ("US-WA", False)])
    def test_what_its_law_raises_is_no_evidence_without_consent_to_the_class(self, place, counts):
        found = selected(self.LOOKED, choices=Choices(a_ledger(*EVERYTHING), jurisdiction=place))
        assert items_of(found) == (["cream-0", "milk-1"] if counts else ["milk-1"])
        assert found.kept_out == (() if counts else (("G06", 1),))

    def test_with_consent_to_the_class_it_is(self):
        agreed = Choices(a_ledger(*EVERYTHING, sensitive_key("weight_body")), jurisdiction="US-WA")
        assert items_of(selected(self.LOOKED, choices=agreed)) == ["cream-0", "milk-1"]

    def test_it_holds_where_nobody_can_be_asked_too(self):
        for kind in (SubjectKind.ACCOUNT, SubjectKind.NONE):
            admission = an_admission(a_request(subject_kind=kind), Choices(None, jurisdiction="US-WA"))
            rows = np.array([idx("cream-0"), idx("milk-0"), idx("test-0")], np.int32)
            assert admission.tier_of(a_catalogue(), rows).tolist() == [2, 0, 3]


def test_time_passes_for_all_alike():
    request = replace(a_request(), now_ms=NOW_MS + 400 * DAY_MS)
    assert len(selected(knowing([did("milk-1")]), request).evidence) == 0
    assert Origin.HISTORY not in selected(knowing([did("milk-1")]), request).evidence.origin


class TestWhatSomebodyShutOut:
    """Cigars were agreed to, and shut out since."""

    def select(self, request, known, until_ms):
        hold = Hold(HoldKind.EXCLUSION, "tobacco_nicotine", 0, until_ms)
        return selected(known, request, replace(agreeing(), holds=(hold,)))

    @pytest.mark.parametrize(("until_ms", "off"), [(None, True), (NOW_MS + 1, True), (NOW_MS, False)])
    def test_is_no_evidence_until_it_is_lifted(self, until_ms, off):
        admitted = self.select(a_request(), knowing([did("cigar-0"), did("bread-0")]), until_ms)
        assert items_of(admitted) == (["bread-0"] if off else ["bread-0", "cigar-0"])
        assert admitted.kept_out == ((("G26", 1),) if off else ())

    def test_nor_is_a_page_about_it(self):
        page = a_request("cart", context=on_page("cigar-0", "lamp-0"))
        assert items_of(self.select(page, knowing(), NOW_MS)) == ["cigar-0", "lamp-0"]
        assert items_of(self.select(page, knowing(), None)) == ["lamp-0"]
