"""G07 from end to end: proxies of a withheld class are neither evidence nor proposed by any."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import shops
from support.shops import (
    CLASSES,
    EVERYTHING,
    REGULAR,
    STROLLING,
    a_catalogue,
    a_house,
    a_house_without_a_model,
    a_ledger,
    a_recommender,
    a_request,
    an_admission,
    decided,
    did,
    idx,
    just_did,
    knowing,
    on_page,
)
from support.tries import tries

from engine.artefact import Manifest, ModelArrays, load_artefact, write_artefact
from engine.serving.recommender import Recommender
from engine.vocabulary import Basis
from guardrails.admit import select
from guardrails.consent.purposes import sensitive_key
from guardrails.inference import telling_lift, telling_mask, withheld_classes
from guardrails.policy.limits import InferenceLimits, Limits
from guardrails.request import Choices, Known

PROXIES = ("milk-1", "lamp-0", "wool-1")
"""They tell of alcohol: three times, twice and a bit, and nearly twice as likely."""

PERCENT = (300, 201, 199)
MICRO = 1_000_000
NEEDING_CONSENT = frozenset({"alcohol", "sexual_health", "tobacco_nicotine"})


@cache
def a_telling_recommender() -> Recommender:
    known = {name: value for name, value in vars(a_recommender()._artefact).items() if name in FIELDS}
    lifts = {
        "classes": CLASSES,
        "lift_item": np.array([idx(each) for each in PROXIES], np.int32),
        "lift_class": np.zeros(len(PROXIES), np.int32),
        "lift_percent": np.array(PERCENT, np.int32),
    }
    with tempfile.TemporaryDirectory() as root:
        version = write_artefact(root, ModelArrays(**known | lifts), Manifest(learner="cosine"))
        return Recommender(load_artefact(f"{root}/{version}"), a_catalogue())


FIELDS = ModelArrays.__dataclass_fields__.keys()


def a_telling_house(lift_max_micro=2 * MICRO):
    limits = Limits(inference=InferenceLimits(lift_max_micro))
    return a_house(limits, recommender=a_telling_recommender())


def agreeing(*classes):
    return Choices(a_ledger(*EVERYTHING, *map(sensitive_key, classes)))


def slate(decision):
    return [(each.item_idx, each.score, each.reason) for each in decision.suggestions]


def items(decision):
    return {each.item_idx for each in decision.suggestions}


class TestWhatIsWithheld:
    def test_it_is_every_class_that_needs_consent_and_has_none(self):
        assert withheld_classes(an_admission(a_request()), a_catalogue()) == NEEDING_CONSENT
        admission = an_admission(a_request(), agreeing("alcohol"))
        assert withheld_classes(admission, a_catalogue()) == NEEDING_CONSENT - {"alcohol"}

    def test_where_the_law_raises_a_class_it_needs_consent_too(self):
        admission = replace(an_admission(a_request()), raised_classes=frozenset({"weight_body"}))
        assert withheld_classes(admission, a_catalogue()) == NEEDING_CONSENT | {"weight_body"}

    def test_who_has_agreed_to_everything_has_no_mask(self):
        admission = an_admission(a_request(), agreeing(*NEEDING_CONSENT))
        assert telling_mask(admission, a_telling_house()) is None
        rows = np.arange(3, dtype=np.int32)
        assert telling_lift(admission, a_telling_house(), rows, np.ones(3, np.bool_)).tolist() == [0, 0, 0]

    def test_what_is_on_sale_decides(self):
        empty = shops.an_empty_house()
        assert withheld_classes(an_admission(a_request()), empty.catalogue) == frozenset()


class TestTheColumn:
    def test_it_tells_of_what_a_person_moved_and_of_nothing_else(self):
        rows = np.array([idx("milk-1"), idx("milk-1"), idx("bread-0")], np.int32)
        personal = np.array([True, False, True])
        lift = telling_lift(an_admission(a_request()), a_telling_house(), rows, personal)
        assert lift.tolist() == [3 * MICRO, 0, MICRO]

    def test_a_class_agreed_to_is_not_told_of(self):
        admission = an_admission(a_request(), agreeing("alcohol"))
        rows, personal = np.array([idx("milk-1")], np.int32), np.ones(1, np.bool_)
        assert telling_lift(admission, a_telling_house(), rows, personal).tolist() == [MICRO]


class TestEvidence:
    @pytest.mark.parametrize("past", [True, False])
    def test_adding_a_proxy_changes_nothing_for_who_has_not_agreed(self, past):
        own, other = (did, just_did) if past else (just_did, did)
        usual = REGULAR if past else STROLLING
        rows = [other("bread-1")] if past else []
        with_it = [*usual, own("milk-1", age_days=1) if past else own("milk-1"), own("lamp-0")]
        before = knowing(usual, rows) if past else knowing((), usual)
        after = knowing(with_it, rows) if past else knowing((), with_it)
        if past:
            before = knowing([row for row in usual if row[1] != idx("milk-1")], rows)
        house = a_telling_house()
        assert slate(decided(a_request(), None, before, house)) == slate(
            decided(a_request(), None, after, house)
        )

    def test_it_changes_something_for_who_has(self):
        before, after = knowing(REGULAR), knowing([*REGULAR, did("lamp-0"), did("lamp-0", age_days=1)])
        house, choices = a_telling_house(), agreeing("alcohol")
        assert slate(decided(a_request(), choices, before, house)) != slate(
            decided(a_request(), choices, after, house)
        )

    def test_what_was_kept_out_is_counted(self):
        known = knowing([*REGULAR, did("lamp-0")])  # milk-1 is among the regular ones
        decision = decided(a_request(), None, known, a_telling_house())
        assert dict(decision.kept_out)["G07"] == 2
        agreed = decided(a_request(), agreeing(*NEEDING_CONSENT), known, a_telling_house())
        assert "G07" not in dict(agreed.kept_out)

    def test_the_page_counts_whatever_it_tells(self):
        request = a_request("product_page", context=on_page("milk-1"))
        house = a_telling_house(lift_max_micro=0)
        mask = telling_mask(an_admission(request), house)
        evidence = select(
            request,
            an_admission(request),
            Known.nothing(),
            house.catalogue,
            house.limits.evidence,
            house.weighting,
            mask,
        ).evidence
        assert evidence.item_idx.tolist() == [idx("milk-1")]
        decision = decided(request, None, None, house)
        assert decision.basis is Basis.CONTEXTUAL
        assert slate(decision) == slate(decided(request, None, None, a_house()))


class TestSuggestions:
    def test_a_proxy_is_not_proposed_by_what_a_person_did(self):
        known, request = knowing([did("bread-0"), did("soap-0"), did("bread-2")]), a_request(count=20)
        plain = items(decided(request, None, known, a_house()))
        masked = items(decided(request, None, known, a_telling_house()))
        assert not masked & {idx("milk-1"), idx("lamp-0")}
        assert plain & {idx("milk-1"), idx("lamp-0")}

    def test_the_record_says_how_many_edges_were_left_out(self):
        known, request = knowing([did("bread-0"), did("soap-0"), did("bread-2")]), a_request(count=20)
        for house, left_out in ((a_telling_house(), True), (a_house(), False)):
            decision = decided(request, None, known, house)
            record = shops.recorded(decision, request, known, house)
            considered = orjson.loads(shops.sections_of(record)["cand"])["rounds"][0]
            assert (considered["n_masked"] > 0) is left_out

    def test_under_a_limit_below_one_nothing_that_a_person_did_counts(self):
        house = a_telling_house(lift_max_micro=MICRO - 1)
        nobody = slate(decided(a_request(), None, Known.nothing(), house))
        known = knowing(REGULAR, STROLLING)
        decision = decided(a_request(), None, known, house)
        assert decision.basis is Basis.POPULAR
        assert slate(decision) == nobody
        agreed = agreeing(*NEEDING_CONSENT)
        assert decided(a_request(), agreed, known, house).basis is Basis.PROFILE

    def test_so_it_is_without_a_model(self):
        house = a_house_without_a_model()
        assert decided(a_request(), None, knowing(REGULAR), house).suggestions == ()

    def test_who_agreed_to_everything_gets_what_they_would_get_without_the_rule(self):
        known, agreed = knowing(REGULAR, STROLLING), agreeing(*NEEDING_CONSENT)
        strict, lax = a_telling_house(lift_max_micro=0), a_house()
        assert slate(decided(a_request(), agreed, known, strict)) == slate(
            decided(a_request(), agreed, known, lax)
        )


PAST = st.lists(st.sampled_from([f"{family}-{n}" for family in ("bread", "milk", "soap") for n in range(4)]))


@given(past=PAST, limits=st.tuples(st.integers(0, 4 * MICRO), st.integers(0, 4 * MICRO)))
@tries(30)
def test_a_lower_limit_admits_no_more_evidence_and_never_what_a_higher_one_keeps_out(past, limits):
    request, known = a_request(), knowing([did(each) for each in past])
    admission = an_admission(request)

    def admitted(lift_max_micro):
        house = a_telling_house(lift_max_micro)
        mask = telling_mask(admission, house)
        limit, weighting = house.limits.evidence, house.weighting
        return set(
            select(
                request, admission, known, house.catalogue, limit, weighting, mask
            ).evidence.item_idx.tolist()
        )

    lower, higher = sorted(limits)
    assert admitted(lower) <= admitted(higher)


@given(past=PAST, visit=PAST)
@tries(30)
def test_nothing_a_customer_is_told_names_a_class(past, visit):
    known = knowing([did(each) for each in past], [just_did(each) for each in visit])
    for lift_max_micro in (0, 2 * MICRO):
        decision = decided(a_request(count=20), None, known, a_telling_house(lift_max_micro))
        told = " ".join(str(each.reason) for each in decision.suggestions).lower()
        assert not [name for name in CLASSES if name in told or name.replace("_", " ") in told]
