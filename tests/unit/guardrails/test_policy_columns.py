"""What every field of the schema is for the candidates of a view."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from support.columns import values_of
from support.views import a_mixed_view, a_view, a_view_of_nobody, none_of

from engine.vocabulary import Basis, Channel, Intent, Source
from guardrails.holding import Holding
from guardrails.policy.columns import ABSENT, Named, columns_of, day_of, names_of, price_step_micro
from guardrails.policy.fields import FIELDS, FieldKind
from guardrails.request import AgeAssurance, Entry, Visit
from guardrails.rules.base import NEVER_DAYS, NOT_COUNTED

UTC = ZoneInfo("UTC")
COPENHAGEN = ZoneInfo("Europe/Copenhagen")


def values(view, field, zone=UTC):
    """A field of every candidate, as a policy writes its values."""
    return values_of(columns_of(view, zone), field)


def value(view, field, zone=UTC):
    (only,) = values(view, field, zone)
    return only


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize("seed", range(3))
class TestEveryField:
    def test_has_a_value_for_every_candidate_that_the_schema_knows(self, field, seed):
        for found in values(a_mixed_view(seed), field.name):
            if found == ABSENT:
                assert field.optional
            elif found is None:
                assert field.nullable
            elif field.kind is FieldKind.TEXTS:
                assert not field.values or set(found) <= set(field.values)
            elif field.kind in {FieldKind.ENUM, FieldKind.TEXT}:
                assert not field.values or found in field.values
            elif field.kind is FieldKind.BOOL:
                assert found in {True, False}
            else:
                assert field.least <= found <= field.greatest

    def test_is_one_value_where_it_holds_for_the_whole_request(self, field, seed):
        column = columns_of(a_mixed_view(seed), UTC).column(field.name)
        assert isinstance(column, (np.ndarray, Named)) is not field.of_request

    def test_is_there_where_there_are_no_candidates(self, field, seed):
        columns = columns_of(none_of(a_mixed_view(seed)), UTC)
        assert columns.n == 0
        column = columns.column(field.name)
        assert field.of_request or np.size(column.codes if isinstance(column, Named) else column) == 0


@pytest.mark.parametrize(
    ("field", "found", "given"),
    [
        ("request.placement", "cart", {"name": "cart"}),
        ("request.channel", "offsite_ads", {"channel": Channel.OFFSITE_ADS}),
        ("request.language", "da", {"language": "da"}),
        ("request.local_minute", 0, {"local_minute": 0}),
        ("request.local_minute", ABSENT, {"local_minute": None}),
        ("request.basket_minor", 700, {"basket_minor": 700}),
        ("request.basket_minor", ABSENT, {"basket_minor": -1}),
        ("visit.n_pages", 3, {"visit": Visit(n_pages=3)}),
        ("visit.n_pages", ABSENT, {}),
        ("visit.basket_after_s", 20, {"visit": Visit(basket_after_s=20)}),
        ("visit.entry", "exact_search", {"visit": Visit(entry=Entry.EXACT_SEARCH)}),
        ("visit.entry", ABSENT, {}),
        ("visit.n_offers", 2, {"n_inline_upsells_session": 2}),
        ("visit.n_offers", ABSENT, {"n_inline_upsells_session": NOT_COUNTED}),
        ("visit.n_offers", 0, {"may_read_history": False}),
        ("visit.n_offers", ABSENT, {"may_read_history": False, "may_read_session": False}),
        ("contact.n_messages_day", 0, {"n_outbound_day": 0}),
        ("contact.n_messages_day", ABSENT, {"n_outbound_day": NOT_COUNTED}),
        ("contact.n_messages_week", 4, {"n_outbound_week": 4}),
        ("candidate.intent", "cross_sell", {"intent": Intent.CROSS_SELL}),
        ("candidate.source", "buy_again", {"source": Source.BUY_AGAIN}),
        ("candidate.basis", "session", {"basis": Basis.SESSION}),
        ("candidate.price_step", 500_000, {"price_minor": 1500, "anchor_price_minor": 1000}),
        ("candidate.n_ignored", 3, {"n_ignored_short": 3, "n_ignored_long": 5}),
        ("candidate.days_since_shown", 0, {"days_since_shown": 0}),
        ("candidate.days_since_shown", ABSENT, {"days_since_shown": NEVER_DAYS}),
        ("evidence.tier", 2, {"evidence_tier": 2}),
        ("evidence.from_history", True, {"from_history": True}),
        ("item.id", "item-00000", {}),
        ("item.brand", "Umbrella", {"brand": 1}),
        ("item.brand", None, {"brand": -1}),
        ("item.categories", ("Medicine", "Medicine > Tests"), {"category": 2}),
        ("item.categories", (), {"category": -1}),
        ("item.price_minor", 0, {"price_minor": 0}),
        ("item.price_minor", ABSENT, {"price_minor": -1}),
        ("item.sponsored", True, {"sponsored": True}),
        ("item.sensitive_class", "health", {"sensitive_class": 1}),
        ("item.sensitive_class", None, {"sensitive_class": -1}),
        ("item.tier", 2, {"tier": 1, "sensitive_class": 1, "raised_classes": frozenset({"health"})}),
        ("item.age_restricted", True, {"age_restricted": True}),
        ("item.unclassified", True, {"unclassified": True}),
        ("customer.age_assurance", "minor", {"age_assurance": AgeAssurance.MINOR}),
        ("customer.jurisdiction", "US-CA", {"jurisdiction": "US-CA"}),
        ("customer.jurisdiction", ABSENT, {"jurisdiction": None}),
        ("customer.holds", ("complaint", "offers"), {"holding": Holding(complaint_open=True, offers=True)}),
        ("customer.holds", ("exclusion",), {"holding": Holding(excluded=frozenset({"alcohol"}))}),
        ("customer.holds", (), {"holding": Holding(complaint_closed_days=1)}),
        (
            "customer.excluded_classes",
            ("alcohol", "gambling"),
            {"holding": Holding(excluded=frozenset({"gambling", "alcohol"}))},
        ),
        ("customer.open_complaint", True, {"holding": Holding(complaint_open=True)}),
        ("customer.open_delivery_delay", True, {"holding": Holding(delivery_late=True)}),
        ("customer.payment_failed", True, {"holding": Holding(payment_failed=True)}),
        ("customer.non_profiled", True, {"non_profiled": True}),
        ("customer.shared_device", True, {"shared_audience": True}),
    ],
)
def test_a_field_is_what_it_says(field, found, given):
    assert value(a_view(1, **given), field) == found


def test_the_day_of_a_request_is_that_of_the_time_zone():
    late = 20_000 * 86_400_000 - 1
    view = a_view(1, now_ms=late)
    assert value(view, "request.date") == 19_999
    assert value(view, "request.date", COPENHAGEN) == 20_000
    assert day_of(late + 1, UTC) == 20_000


@pytest.mark.parametrize(
    ("price", "anchor", "step"),
    [
        (1_000, 3, 332_333_333),  # rounded down
        (10, 10, 0),
        (9, 10, 0),
        (10_000_000, 1, 1_000_000_000),
        (-1, 10, ABSENT),
        (10, -1, ABSENT),
        (10, 0, ABSENT),
    ],
)
def test_a_step_up_in_price_is_a_share_of_the_anchor(price, anchor, step):
    assert price_step_micro(np.array([price]), np.array([anchor])).tolist() == [step]


def test_of_nobody_nothing_is_made_up():
    view = a_view_of_nobody()
    absent = {name for name in FIELDS if value(view, name) == ABSENT}
    assert absent == {name for name, field in FIELDS.items() if field.optional}


def test_names_of_a_catalogue_stay_the_same():
    view = a_view(1)
    assert names_of(view.catalogue) is names_of(view.catalogue)
    assert names_of(replace(view.catalogue)) is not names_of(view.catalogue)


def test_there_are_no_other_fields():
    with pytest.raises(KeyError):
        columns_of(a_view(1), UTC).column("customer.mood")
