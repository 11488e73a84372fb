"""Of whoever may not be learned from there is no trace in a model: without their data it is the same."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from sqlalchemy import text
from support.learning import (
    ITEMS,
    TRAINED_MS,
    agrees,
    another_store,
    buys,
    numbers_of,
    open_shop,
    say,
    takes_back,
    unseen,
)
from support.shops import PROFILED, PROFILING, an_event
from support.stores import NOW_MS, Store

from api.storage.connection import writing
from api.storage.items import ItemRow, upsert_items
from api.training import train
from engine.artefact import load_artefact
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Kind
from guardrails.consent.events import Status
from guardrails.consent.purposes import KEY_OF, Purpose, sensitive_key

SENSITIVE = ItemRow(
    "test-kit", "Pregnancy test kits", "Family planning > Pregnancy test kits", "Acme", 700, "EUR"
)
AGREED = tuple(f"c{number:02d}" for number in range(24))
PERFORMANCE = KEY_OF[Purpose.PERFORMANCE]


def never_asked(store: Store, customer_id: str) -> None:
    """Nothing was ever agreed to."""


def withdrew(store, customer_id):
    agrees(store, customer_id)
    takes_back(store, customer_id, NOW_MS - DAY_MS)


def agreed_long_ago(store, customer_id):
    agrees(store, customer_id, at_ms=NOW_MS - 800 * DAY_MS)


def agrees_from_tomorrow_on(store, customer_id):
    agrees(store, customer_id, at_ms=NOW_MS + DAY_MS)


def is_restricted(store, customer_id):
    agrees(store, customer_id)
    takes_back(store, customer_id, NOW_MS - DAY_MS, Status.RESTRICTED)


def switched_profiling_off(store, customer_id):
    agrees(store, customer_id)
    number = numbers_of(store, customer_id)[customer_id]
    with writing(store.engine) as conn:
        conn.execute(text("UPDATE customers SET non_profiled = true WHERE customer_no = :n"), {"n": number})


def agreed_to_other_purposes_only(store, customer_id):
    for purpose in (PROFILED, PERFORMANCE):
        agrees(store, customer_id, purpose)


def agreed_for_the_shop_floor_only(store, customer_id):
    agrees(store, customer_id, channels=frozenset({int(Channel.IN_STORE)}))


def agreed_to_what_was_browsed_only(store, customer_id):
    agrees(store, customer_id, data_categories=frozenset({"user.behavior.browsing_history"}))


KEPT_OUT = (
    never_asked,
    withdrew,
    agreed_long_ago,
    agrees_from_tomorrow_on,
    is_restricted,
    switched_profiling_off,
    agreed_to_other_purposes_only,
    agreed_for_the_shop_floor_only,
    agreed_to_what_was_browsed_only,
)


def people_who_are_kept_out(store: Store) -> None:
    """Three of every kind, who buy the same few things so often that any of them would show."""
    for kind in KEPT_OUT:
        for number in range(3):
            customer_id = f"{kind.__name__}-{number}"
            for item in ("item-00", "item-05", "item-09"):
                for age_days in (5, 12):
                    buys(store, customer_id, item, at_ms=NOW_MS - age_days * DAY_MS)
            kind(store, customer_id)


def rows_that_are_kept_out(store: Store) -> None:
    """What customers did who agreed, but that may not be learned from."""
    for customer_id in AGREED[:22]:
        for item in ("item-03", "item-11"):
            buys(store, customer_id, item, purpose=Purpose.PERFORMANCE)
            buys(store, customer_id, item, purpose=Purpose.ESSENTIAL_SERVICE)
            buys(store, customer_id, item, is_gift=True)
            buys(store, customer_id, item, at_ms=NOW_MS - 1200 * DAY_MS)
            buys(store, customer_id, item, kind=Kind.RETURN)
        buys(store, customer_id, SENSITIVE.item_id)


def minors_cannot_agree_to_sensitive_classes(store: Store) -> None:
    """They try to all the same; what else they buy may be learned from."""
    for customer_id in AGREED[:22]:
        agrees(store, customer_id, sensitive_key("pregnancy_fertility"))
        number = numbers_of(store, customer_id)[customer_id]
        with writing(store.engine) as conn:
            conn.execute(
                text("UPDATE customers SET age_assurance = 'minor' WHERE customer_no = :n"), {"n": number}
            )


def trained(store: Store):
    report = train(store.engine, store.settings, TRAINED_MS, unseen)
    return report, load_artefact(store.settings.artefacts_dir / report.version)


@pytest.fixture
def shops(tmp_path):
    """Two shops with the same customers who agreed; what is added to the first, the second never had."""
    with ExitStack() as stack:
        stores = [stack.enter_context(another_store(tmp_path / name)) for name in ("mixed", "clean")]
        for store in stores:
            open_shop(store, len(AGREED))
            with writing(store.engine) as conn:
                upsert_items(conn, [SENSITIVE], NOW_MS)
        yield stores


@pytest.mark.parametrize(
    "kept_out",
    [[people_who_are_kept_out], [rows_that_are_kept_out], [people_who_are_kept_out, rows_that_are_kept_out]],
)
def test_what_may_not_be_learned_from_leaves_no_trace_in_any_array(shops, kept_out):
    mixed, clean = shops
    for add in kept_out:
        add(mixed)
    report, model = trained(mixed)
    clean_report, clean_model = trained(clean)
    assert report.version == clean_report.version
    assert report.kept_out != clean_report.kept_out
    assert model.manifest.training_digest == clean_model.manifest.training_digest
    assert (report.n_customers, report.n_interactions) == (
        clean_report.n_customers,
        clean_report.n_interactions,
    )


def test_what_minors_bought_of_a_sensitive_class_leaves_no_trace_whatever_they_agreed_to(shops):
    mixed, clean = shops
    for store in shops:
        minors_cannot_agree_to_sensitive_classes(store)
    for customer_id in AGREED[:22]:
        buys(mixed, customer_id, SENSITIVE.item_id)
    assert trained(mixed)[0].version == trained(clean)[0].version


def test_with_consent_to_the_class_the_same_rows_do_show(shops):
    """So that the tests above can fail: what they keep out is enough to change a model."""
    mixed, clean = shops
    for customer_id in AGREED[:22]:
        for store in shops:
            say(
                store,
                customer_id,
                an_event(sensitive_key("pregnancy_fertility"), record_id=f"{customer_id}-class"),
            )
        buys(mixed, customer_id, SENSITIVE.item_id)
    _, model = trained(mixed)
    assert model.popularity[model.item_ids.index(SENSITIVE.item_id)] > 0
    assert model.version != trained(clean)[0].version


def test_people_who_agree_do_show(shops):
    mixed, clean = shops
    for number in range(3):
        agrees(mixed, f"new-{number}", PROFILING)
        for item in ITEMS[:3]:
            buys(mixed, f"new-{number}", item.item_id)
    assert trained(mixed)[0].version != trained(clean)[0].version
