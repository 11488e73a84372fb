"""Signals seen and corrections in the store."""

import pytest
from support.stores import NOW_MS, SUBJECTS, an_interaction, store_customer, store_interactions, store_items

from api.storage.connection import reading, writing
from api.storage.interactions import read_for_training, read_history
from api.storage.items import load_catalogue
from api.storage.rights import (
    CorrectionAction,
    CorrectionRow,
    CorrectionScope,
    SignalRow,
    correct,
    note_signal,
    read_corrections,
    read_signals,
)
from engine.vocabulary import Kind
from guardrails.consent.purposes import Purpose

ANNA = SUBJECTS.account("anna")


def test_a_signal_is_taken_down_first_and_when_it_changes(store):
    with writing(store.engine) as conn:
        assert note_signal(conn, ANNA, "gpc", "1", NOW_MS)
        assert not note_signal(conn, ANNA, "gpc", "1", NOW_MS + 1)
        assert note_signal(conn, ANNA, "gpc", "0", NOW_MS + 2)
        assert read_signals(conn, ANNA) == [SignalRow("gpc", "0", NOW_MS, NOW_MS + 2)]
        assert read_signals(conn, SUBJECTS.account("bert")) == []


@pytest.fixture
def shop(store):
    """Anna and Bert did everything there is to do with three items."""
    numbers = store_items(store, "rye", category="Food > Bread", brand="Acme")
    numbers |= store_items(store, "bun", category="Food > Breadsticks", brand="ACME")
    numbers |= store_items(store, "lamp", category="Home", brand="Acme")
    for name in ("anna", "bert"):
        customer_no = store_customer(store, name)
        rows = [
            an_interaction(store, item_no, customer_no=customer_no, kind=kind)
            for item_no in numbers.values()
            for kind in Kind
        ]
        store_interactions(store, rows)
    return store


def kinds_left(store, customer_id, item_id):
    """What is left of the profile: kinds of one customer with one item that are no gifts."""
    with reading(store.engine) as conn:
        catalogue = load_catalogue(conn)
        found = read_history(conn, store_customer(store, customer_id), 0, catalogue)
    about = (found.item_idx == catalogue.idx_of_id[item_id]) & (found.purpose == Purpose.PROFILING)
    return {Kind(kind) for kind in found.kind[about & ~found.is_gift].tolist()}


def corrected(store, scope, value, action):
    customer_no = store_customer(store, "anna")
    with writing(store.engine) as conn:
        return correct(conn, ANNA, customer_no, scope, value, action, NOW_MS)


@pytest.mark.parametrize(
    ("scope", "value", "gone"),
    [
        (CorrectionScope.ITEM, "rye", {"rye"}),
        (CorrectionScope.CATEGORY, "Food > Bread", {"rye"}),
        (CorrectionScope.CATEGORY, "Food", {"rye", "bun"}),
        (CorrectionScope.BRAND, "Acme", {"rye", "lamp"}),
        (CorrectionScope.BRAND, "Nobody", set()),
    ],
)
def test_what_is_dropped_leaves_the_profile_of_this_customer_alone(shop, scope, value, gone):
    row = corrected(shop, scope, value, CorrectionAction.DROP)
    assert row.n_interactions == len(gone) * len(Kind)
    for item_id in ("rye", "bun", "lamp"):
        assert kinds_left(shop, "anna", item_id) == (set() if item_id in gone else set(Kind))
        assert kinds_left(shop, "bert", item_id) == set(Kind)


def test_orders_and_returns_stay_as_facts_of_the_contract(shop):
    corrected(shop, CorrectionScope.ITEM, "rye", CorrectionAction.DROP)
    with reading(shop.engine) as conn:
        catalogue = load_catalogue(conn)
        found = read_history(conn, store_customer(shop, "anna"), 0, catalogue)
    kept = found.item_idx == catalogue.idx_of_id["rye"]
    assert sorted(found.kind[kept].tolist()) == [Kind.PURCHASE, Kind.RETURN]
    assert set(found.purpose[kept].tolist()) == {Purpose.ESSENTIAL_SERVICE}


def test_a_gift_is_marked_and_a_return_still_holds_back(shop):
    row = corrected(shop, CorrectionScope.ITEM, "rye", CorrectionAction.RELABEL)
    assert row.n_interactions == len(Kind) - 1
    assert kinds_left(shop, "anna", "rye") == {Kind.RETURN}
    again = corrected(shop, CorrectionScope.ITEM, "rye", CorrectionAction.RELABEL)
    assert again.n_interactions == 0


def test_corrections_are_kept_in_order(shop):
    first = corrected(shop, CorrectionScope.ITEM, "rye", CorrectionAction.DROP)
    second = corrected(shop, CorrectionScope.BRAND, "Acme", CorrectionAction.RELABEL)
    with reading(shop.engine) as conn:
        assert read_corrections(conn, ANNA) == [first, second]
        assert read_corrections(conn, SUBJECTS.account("bert")) == []
    assert first == CorrectionRow(NOW_MS, "item", "rye", "drop", len(Kind))


def test_training_no_longer_reads_what_was_dropped(shop):
    customer_no = store_customer(shop, "anna")
    corrected(shop, CorrectionScope.ITEM, "rye", CorrectionAction.DROP)
    with reading(shop.engine) as conn:
        catalogue = load_catalogue(conn)
        found, _ = read_for_training(conn, catalogue, [customer_no])
    assert catalogue.idx_of_id["rye"] not in found.item_idx
    assert catalogue.idx_of_id["lamp"] in found.item_idx
