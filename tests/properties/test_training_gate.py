"""Promises of the training gate, for any customers and whatever they did."""

from dataclasses import astuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.shops import CLASSES, NOW_MS, PROFILING, a_catalogue, a_ledger, an_event

from engine.interactions import DAY_MS, Interactions
from engine.vocabulary import Channel, Kind, Provenance
from guardrails.consent.events import Status
from guardrails.consent.purposes import Purpose, sensitive_key
from guardrails.consent.settings import ConsentSettings
from guardrails.policy.limits import EvidenceLimits
from guardrails.training_gate import TrainingCustomer, learnable

N_CUSTOMERS = 3
LIMITS = EvidenceLimits()
STATUSES = (Status.CONSENT_GIVEN, Status.CONSENT_WITHDRAWN, Status.CONSENT_REFUSED, Status.RESTRICTED)


@st.composite
def customers(draw):
    """Somebody who may have said anything about the profile and about sensitive classes."""
    events = []
    for purpose in (PROFILING, *map(sensitive_key, CLASSES)):
        status = draw(st.sampled_from([None, *STATUSES[:3]]))
        if status is None:
            continue
        grants = status is Status.CONSENT_GIVEN
        events.append(
            an_event(
                purpose,
                status,
                at_ms=NOW_MS - draw(st.sampled_from([1, 400])) * DAY_MS,
                channels=draw(st.sampled_from([None, frozenset({int(Channel.WEB)})])) if grants else None,
                data_categories=draw(st.sampled_from([None, frozenset({"user.behavior.purchase_history"})]))
                if grants
                else None,
            )
        )
    if draw(st.booleans()) and draw(st.booleans()):
        events.append(an_event("*", Status.RESTRICTED))
    return TrainingCustomer(a_ledger(but=events), minor=draw(st.booleans()), non_profiled=draw(st.booleans()))


@st.composite
def interactions(draw, max_size=25):
    """Anything that customers may have done."""
    row = st.tuples(
        st.integers(0, N_CUSTOMERS - 1),
        st.integers(-1, a_catalogue().n_items - 1),
        st.sampled_from([int(kind) for kind in Kind]),
        st.sampled_from([0, 29, 30, 31, 365, 366, 731]).map(lambda days: NOW_MS - days * DAY_MS),
        st.sampled_from([int(Channel.WEB), int(Channel.IN_STORE)]),
        st.sampled_from([int(Purpose.PROFILING), int(Purpose.ESSENTIAL_SERVICE)]),
        st.integers(0, 1),
        st.sampled_from([int(Provenance.OWN), int(Provenance.OWN), int(Provenance.SISTER)]),
    )
    return draw(st.lists(row, max_size=max_size))


def learned(rows, whom):
    return learnable(Interactions.from_rows(rows), whom, a_catalogue(), LIMITS, ConsentSettings(), NOW_MS)


def rows_of(found):
    return list(zip(*(column.tolist() for column in astuple(found)), strict=True))


whom_of_any_kind = st.lists(customers(), min_size=N_CUSTOMERS, max_size=N_CUSTOMERS)


@given(interactions(), whom_of_any_kind)
def test_nothing_is_learned_that_its_customer_does_not_permit_today(rows, whom):
    for customer_idx, _, _, _, _, purpose, _, provenance in rows_of(learned(rows, whom).interactions):
        state = whom[customer_idx].ledger.get(PROFILING)
        assert purpose == Purpose.PROFILING
        assert provenance == Provenance.OWN
        assert state.status is Status.CONSENT_GIVEN
        assert state.at_ms > NOW_MS - 365 * DAY_MS
        assert whom[customer_idx].ledger.get("*") is None
        assert not whom[customer_idx].non_profiled


@given(interactions(), whom_of_any_kind)
def test_nothing_sensitive_is_learned_without_the_explicit_and_adult_consent_to_its_class(rows, whom):
    catalogue = a_catalogue()
    for customer_idx, item_idx, _, at_ms, _, _, _, _ in rows_of(learned(rows, whom).interactions):
        if catalogue.tier[item_idx] >= 2:
            name = CLASSES[catalogue.sensitive_class[item_idx]]
            assert whom[customer_idx].ledger.get(sensitive_key(name)).status is Status.CONSENT_GIVEN
            assert not whom[customer_idx].minor
            assert NOW_MS - at_ms <= LIMITS.sensitive_days * DAY_MS


@given(interactions(), whom_of_any_kind)
def test_no_gift_and_no_expired_evidence_is_learned(rows, whom):
    found = learned(rows, whom).interactions
    assert not np.any(found.is_gift)
    assert np.all(NOW_MS - found.at_ms <= LIMITS.max_age_days()[found.kind] * DAY_MS)


@given(interactions(), whom_of_any_kind)
def test_what_is_kept_out_changes_nothing_of_what_is_learned(rows, whom):
    """Learning from what was kept alone gives the same: no interaction speaks for another."""
    kept = learned(rows, whom).interactions
    again = learned(rows_of(kept), whom)
    assert rows_of(again.interactions) == rows_of(kept)
    assert again.kept_out == ()


@given(interactions(), whom_of_any_kind)
def test_every_interaction_about_taste_is_either_learned_or_counted(rows, whom):
    result = learned(rows, whom)
    about_taste = [row for row in rows if row[1] >= 0 and row[2] not in (Kind.RETURN, Kind.REMOVE_FROM_CART)]
    assert len(result.interactions) + sum(n for _, n in result.kept_out) == len(about_taste)
