"""What a policy can name is what the shop has."""

from __future__ import annotations

from support.stores import store_items

from api.storage.connection import reading
from api.storage.known import known_names
from api.storage.placements import read_placements


def test_categories_stand_with_all_above_them(store):
    store_items(store, "bread", "rolls", category="Food > Bread", brand="Acme")
    store_items(store, "lamp", category="Home")
    with reading(store.engine) as conn:
        known, placements = known_names(conn), read_placements(conn)
    assert known.categories == {"Food", "Food > Bread", "Home"}
    assert known.brands == {"Acme"}
    assert known.items == {"bread", "rolls", "lamp"}
    assert known.placements == set(placements)
    assert known.sensitive_categories == {}


def test_a_category_is_sensitive_when_all_of_it_is_of_one_class(store):
    store_items(store, "red", "white", category="Drink > Wine", shop_class="alcohol")
    store_items(store, "juice", category="Drink > Juice")
    store_items(store, "glass", category="Kitchen > Glass")
    with reading(store.engine) as conn:
        assert known_names(conn).sensitive_categories == {"Drink > Wine": "alcohol"}


def test_before_there_are_items_nothing_is_held_against_them(store):
    with reading(store.engine) as conn:
        known = known_names(conn)
    assert (known.categories, known.brands, known.items) == (None, None, None)
    assert known.placements
