"""The catalogue on pages: why an item is taken for what it is, and raising it; measured on what is served."""

import re

import orjson
import pytest
from sqlalchemy import select
from support.http import BUYER, EVERYTHING, fill, serving
from support.pages import send, sign_in, somebody, staff_of, text_of

from api.console import catalogue as pages
from api.console.coverage import FRESH_MS, coverage
from api.storage.connection import reading, writing
from api.storage.items import ItemRow, upsert_items
from api.storage.tables import log_entries
from api.storage.versions import active
from api.wiring import now_ms

CATALOGUE = "/console/catalogue"
RAISE = f"{CATALOGUE}/raise"
MORE = (
    ItemRow("serenity", "Serenity No. 4"),
    ItemRow("belt", "Belt", "Clothing", size_type="maternity"),
    ItemRow("paper", "Old paper", "Books", google_category_id=543541),
    ItemRow("gown", "Baby gown", "Clothing", age_group="newborn", shop_class="religion", shop_tier=3),
    ItemRow("folder/deep?", "A thing <b>&amp;", "Home > Things"),
)


@pytest.fixture
def shop(sqlite_store):
    keys = fill(sqlite_store.settings)
    with writing(sqlite_store.engine) as conn:
        upsert_items(conn, MORE, now_ms())
    with serving(sqlite_store.settings, keys) as served:
        staff_of(served)
        yield served


def seen(client, path, status=200, **query):
    return text_of(client.get(path, params=query), status)


def titles(client, **query):
    answer = client.get(f"{CATALOGUE}/items", params=query)
    return re.findall(r'<a href="/console/catalogue/items/([^"]+)">', answer.text)


def raised(client, **fields):
    return send(client, RAISE, CATALOGUE + "/items?category=Food", **fields)


def marks_in_log(shop):
    with reading(shop.wiring.engine) as conn:
        found = conn.scalars(select(log_entries.c.entry).where(log_entries.c.type == "config"))
        return [each for each in map(orjson.loads, found) if each["what"] == "sensitive_mark"]


class TestCoverage:
    def test_it_is_counted_by_what_decided(self, marketer):
        page = seen(marketer, CATALOGUE)
        assert "21 items in the catalogue" in page
        assert "1 with nothing but a title to go by" in page
        assert "words of category and title" in page
        assert "alcohol" in page

    def test_it_is_counted_once_for_a_state_and_at_most_once_a_minute(self, shop):
        engine = shop.wiring.engine
        at_ms = now_ms()
        first = coverage(engine, at_ms)
        with writing(engine) as conn:
            upsert_items(conn, [ItemRow("rum", "Rum", "Drink > Spirits")], at_ms)
        assert coverage(engine, at_ms + FRESH_MS - 1) is first
        later = coverage(engine, at_ms + FRESH_MS)
        assert later.n_items == first.n_items + 1
        assert coverage(engine, at_ms + 10 * FRESH_MS) is later

    def test_a_shop_without_items_is_told_how_to_send_them(self, sqlite_store):
        with serving(sqlite_store.settings, {}) as served, somebody(served) as client:
            staff_of(served)
            sign_in(client, "auditor")
            assert "There are no items yet" in seen(client, CATALOGUE)
            assert "No item is like that" in seen(client, f"{CATALOGUE}/items")


class TestBrowsing:
    def test_a_category_holds_what_is_below_it(self, marketer):
        assert titles(marketer, category="Food")[0] == "bread-0"
        assert len(titles(marketer, category="Food")) == 10
        assert len(titles(marketer, category="Food > Dairy")) == 5
        assert titles(marketer, category="Nowhere") == []

    def test_pages_follow_each_other_without_a_gap(self, marketer, monkeypatch):
        monkeypatch.setattr(pages, "ON_A_PAGE", 4)
        path, found = f"{CATALOGUE}/items", []
        while path:
            answer = marketer.get(path)
            found += re.findall(r'<a href="/console/catalogue/items/([^"]+)">', answer.text)
            more = re.search(r'href="([^"]+)" rel="next"', answer.text)
            path = more and more[1].replace("&amp;", "&")
        assert len(found) == len(set(found)) == 21
        assert found == sorted(found)

    def test_words_are_found_in_any_order_and_ids_as_well(self, marketer):
        assert titles(marketer, words="wine red") == ["wine-0", "wine-1"]
        assert titles(marketer, words="WINE-1") == ["wine-1"]
        assert titles(marketer, words="wine bread") == []
        assert titles(marketer, words="no. 1", category="Food") == ["bread-1", "milk-1"]

    def test_a_search_that_finds_little_goes_on_where_it_stopped(self, marketer, monkeypatch):
        monkeypatch.setattr("api.console.shelves.MOST_LOOKED_AT", 3)
        answer = marketer.get(f"{CATALOGUE}/items", params={"words": "no. 4"})
        more = re.search(r'href="([^"]+)" rel="next"', answer.text)[1].replace("&amp;", "&")
        found = re.findall(r'items/([a-z]+-\d)"', answer.text)
        while more:
            answer = marketer.get(more)
            found += re.findall(r'items/([a-z]+-\d)"', answer.text)
            next_one = re.search(r'href="([^"]+)" rel="next"', answer.text)
            more = next_one and next_one[1].replace("&amp;", "&")
        assert found == ["bread-4", "milk-4"]

    def test_a_class_a_tier_and_what_has_only_a_title_can_be_asked_for(self, marketer):
        assert titles(marketer, **{"class": "alcohol"}) == ["wine-0", "wine-1"]
        assert "gown" in titles(marketer, tier="3")
        assert titles(marketer, only_title="true") == ["serenity"]

    def test_what_nobody_knows_is_refused(self, marketer):
        assert marketer.get(f"{CATALOGUE}/items", params={"colour": "red"}).status_code == 422
        assert marketer.get(f"{CATALOGUE}/items", params={"class": "red"}).status_code == 422


class TestOneItem:
    @pytest.mark.parametrize(
        ("item_id", "why"),
        [
            ("wine-0", "about alcohol, because its category says wine and its title says"),
            ("belt", "about pregnancy and fertility, because the feed says size type maternity"),
            ("gown", "about religion, because the shop has marked this item"),
            ("bread-0", "Nothing sensitive was found in what is known of it."),
            ("serenity", "there is nothing but its title to go by."),
        ],
    )
    def test_it_says_what_decided(self, marketer, item_id, why):
        assert why in seen(marketer, f"{CATALOGUE}/items/{item_id}")

    def test_it_says_what_follows(self, marketer):
        wine = seen(marketer, f"{CATALOGUE}/items/wine-0")
        assert "suggested only to customers who expressly agreed" in wine
        assert "for adults only, and never suggested" in wine
        assert "It is never sent out" in seen(marketer, f"{CATALOGUE}/items/gown")
        assert "It may be suggested to anybody" in seen(marketer, f"{CATALOGUE}/items/bread-0")

    def test_every_source_is_told_also_those_that_do_not_decide(self, marketer):
        gown = seen(marketer, f"{CATALOGUE}/items/gown")
        assert "the feed says age group newborn" in gown
        assert "its title says baby" in gown

    def test_any_id_has_a_page_and_titles_are_text(self, marketer):
        answer = marketer.get(pages.item_path("folder/deep?"))
        assert answer.status_code == 200
        assert "A thing &lt;b&gt;&amp;amp;" in answer.text

    def test_one_that_is_not_there_is_not_found(self, marketer):
        assert marketer.get(f"{CATALOGUE}/items/nothing").status_code == 404


class TestRaising:
    def test_what_would_change_is_said_before_anything_does(self, shop, marketer):
        asked = seen(marketer, RAISE, item="bread-0", tier="2", **{"class": "religion"})
        assert "The item goes from tier 0 to tier 2." in asked
        category = seen(marketer, RAISE, category="food", tier="2")
        assert "10 items are in this category or below it. All of them are raised." in category
        assert "tier 0" in seen(marketer, f"{CATALOGUE}/items/bread-0")
        assert marks_in_log(shop) == []

    def test_an_item_is_raised_in_force_and_in_the_log(self, shop, marketer):
        answer = raised(marketer, item="bread-0", tier="3", **{"class": "religion"})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{CATALOGUE}/items/bread-0")
        page = seen(marketer, f"{CATALOGUE}/items/bread-0")
        assert "It counts as religion now, tier 3. It is in force." in page
        assert "because the shop has marked this item" in page
        catalogue = shop.wiring.runtime.current().house.catalogue
        assert catalogue.tier[catalogue.idx_of_id["bread-0"]] == 3
        (said,) = marks_in_log(shop)
        assert (said["item"], said["tier"], said["sensitive_class"]) == ("bread-0", 3, "religion")
        assert "with the most care that there is" in page

    def test_what_is_raised_is_held_back_from_the_next_answer_on(self, shop, marketer):
        shop.choose("given", *EVERYTHING)
        before = {each["item_id"] for each in shop.recommend(customer_id=BUYER, count=10).json()["items"]}
        assert any(each.startswith("bread") for each in before)
        answer = raised(marketer, category="food > BREAD", tier="3", **{"class": "health"})
        assert answer.headers["Location"] == f"{CATALOGUE}/items?category=food+%3E+BREAD"
        page = seen(marketer, CATALOGUE)
        assert "The category is marked: 5 items changed. It is in force." in page
        assert "Food &gt; Bread 3 · most private: never sent out, health 5" in page
        after = shop.recommend(customer_id=BUYER, count=10).json()
        assert not any(each["item_id"].startswith("bread") for each in after["items"])

    def test_many_items_are_classified_after_the_answer(self, shop, marketer, monkeypatch):
        monkeypatch.setattr(pages, "AT_ONCE", 3)
        assert "over the next minutes" in seen(marketer, RAISE, category="Food", tier="2")
        assert raised(marketer, category="Food", tier="2").status_code == 303
        runtime = shop.wiring.runtime

        def tiers():
            catalogue = runtime.current().house.catalogue
            return {int(catalogue.tier[catalogue.idx_of_id[f"bread-{n}"]]) for n in range(5)}

        for _ in range(200):
            with reading(shop.wiring.engine) as conn:
                runtime.wait_for(active(conn), 0.1)
            if tiers() == {2}:
                break
        assert tiers() == {2}
        assert "marked by you at least tier 2" in seen(marketer, f"{CATALOGUE}/items", category="Food")

    def test_nothing_is_ever_lowered(self, shop, marketer):
        raised(marketer, item="bread-0", tier="3")
        assert "a mark can only be raised" in seen(marketer, RAISE, 422, item="bread-0", tier="2")
        assert "a mark can only be raised" in text_of(raised(marketer, item="bread-0", tier="1"), 422)
        assert len(marks_in_log(shop)) == 1

    @pytest.mark.parametrize("fields", [{"tier": "2"}, {"item": "bread-0", "category": "Food", "tier": "2"}])
    def test_a_form_that_names_both_or_neither_changes_nothing(self, shop, marketer, fields):
        assert "name either an item or a category" in text_of(raised(marketer, **fields), 422)
        assert marks_in_log(shop) == []

    def test_auditors_look_and_do_not_raise(self, shop):
        with somebody(shop) as client:
            sign_in(client, "auditor")
            assert "Treat it with more care" not in seen(client, f"{CATALOGUE}/items/bread-0")
            assert client.get(RAISE, params={"item": "bread-0", "tier": "2"}).status_code == 403

    def test_an_item_that_is_not_there_cannot_be_raised(self, marketer):
        assert raised(marketer, item="nothing", tier="2").status_code == 404
        assert marketer.get(RAISE, params={"item": "nothing", "tier": "2"}).status_code == 404


def test_no_category_is_left_out_however_many_there_are(sqlite_store):
    keys = fill(sqlite_store.settings)
    rows = [ItemRow(f"thing-{n}", f"Thing {n}", f"Aisle {n:02}") for n in range(70)]
    with writing(sqlite_store.engine) as conn:
        upsert_items(conn, rows, now_ms())
    with serving(sqlite_store.settings, keys) as served, somebody(served) as client:
        staff_of(served)
        sign_in(client, "marketer")
        page = client.get(CATALOGUE).text
    assert all(f">{row.category}</a>" in page for row in rows)
