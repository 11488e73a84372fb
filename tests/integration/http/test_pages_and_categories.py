"""Further pages of a list, and lists of some categories only."""

from __future__ import annotations

import pytest
from support.http import BUYER, EVERYTHING, PROFILED

from api.paging import MAX_LISTED
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.items import ItemRow, upsert_items
from api.storage.versions import active
from api.wiring import now_ms

UNKNOWN_LIST = "no list for this customer and placement goes on from there"


def answered(response):
    assert response.status_code == 200, response.text
    return response.json()


def items_of(*answers) -> list[str]:
    return [item["item_id"] for answer in answers for item in answer["items"]]


def ranks_of(answer) -> list[int]:
    return [item["rank"] for item in answer["items"]]


def refusal(response) -> dict[str, str]:
    assert response.status_code == 422, response.text
    (finding,) = response.json()["errors"]
    return {finding["pointer"]: finding["detail"]}


class TestFurtherPages:
    def test_pages_go_on_where_the_one_before_ended_and_repeat_nothing(self, shop):
        shop.choose("given", *EVERYTHING)
        first = answered(shop.recommend(customer_id=BUYER, count=3))
        second = answered(shop.recommend(customer_id=BUYER, count=3, after=first["decision_id"]))
        third = answered(shop.recommend(customer_id=BUYER, count=3, after=second["decision_id"]))
        assert {page["basis"] for page in (first, second, third)} == {"profile"}
        assert len(set(items_of(first, second, third))) == 9
        assert ranks_of(first) + ranks_of(second) + ranks_of(third) == list(range(1, 10))

    def test_each_page_is_recorded_as_it_was_shown_and_can_be_made_again(self, shop):
        shop.choose("given", *EVERYTHING)
        first = answered(shop.recommend(customer_id=BUYER, count=3))
        second = answered(shop.recommend(customer_id=BUYER, count=3, after=first["decision_id"]))
        record = shop.decision(second["decision_id"])
        assert record["sections"]["req"]["continues"] == {
            "decision": first["decision_id"],
            "before": items_of(first),
        }
        assert [each["item"] for each in record["sections"]["out"]["list"]] == items_of(second)
        assert record["entry"]["n_shown"] == len(items_of(second))
        for page in (first, second):
            path = f"/v1/decisions/{page['decision_id']}/replay"
            made_again = shop.ask("GET", path, Role.AUDITOR).json()
            assert made_again["rules"]["finding"] == "exact", made_again
            assert made_again["candidates"]["finding"] == "exact", made_again

    def test_what_was_shown_on_each_page_can_be_turned_down_there_and_nowhere_else(self, shop):
        shop.choose("given", *EVERYTHING)
        first = answered(shop.recommend(customer_id=BUYER, count=2))
        second = answered(shop.recommend(customer_id=BUYER, count=2, after=first["decision_id"]))

        def turned_down(page, item_id) -> int:
            said = {"items": [{"item_id": item_id, "kind": "dismissed"}]}
            return shop.ask("POST", f"/v1/decisions/{page['decision_id']}/feedback", json=said).status_code

        assert turned_down(second, items_of(second)[0]) == 200
        assert turned_down(second, items_of(first)[0]) == 422

    def test_a_visitor_of_whom_nothing_is_kept_can_go_on_as_well(self, shop):
        first = answered(shop.recommend(count=3))
        second = answered(shop.recommend(count=3, after=first["decision_id"]))
        assert second["basis"] == "popular"
        assert items_of(first, second) == items_of(answered(shop.recommend(count=6)))

    def test_what_was_withdrawn_between_two_pages_is_not_used_for_the_second(self, shop):
        shop.choose("given", *EVERYTHING)
        first = answered(shop.recommend(customer_id=BUYER, count=2))
        shop.choose("withdrawn", PROFILED)
        second = answered(shop.recommend(customer_id=BUYER, count=2, after=first["decision_id"]))
        assert (first["basis"], second["basis"]) == ("profile", "popular")
        assert set(items_of(first)).isdisjoint(items_of(second))

    def test_what_sold_out_between_two_pages_is_not_on_the_second(self, shop):
        whole = answered(shop.recommend(count=4))
        first = answered(shop.recommend(count=2))
        gone = items_of(whole)[2]
        with writing(shop.wiring.engine) as conn:
            upsert_items(conn, [ItemRow(gone, "Gone", "Food > Bread", available=False)], now_ms())
            versions = active(conn)
        assert shop.wiring.runtime.wait_for(versions, 10)
        second = answered(shop.recommend(count=2, after=first["decision_id"]))
        assert gone not in items_of(second)
        assert items_of(second)

    @pytest.mark.parametrize(
        "asked",
        [
            {"customer_id": "somebody-else"},
            {},
            {"session_id": "a-visit"},
            {"customer_id": BUYER, "placement": "search"},
        ],
        ids=["somebody else", "nobody", "a visit", "another placement"],
    )
    def test_a_list_goes_on_for_nobody_else_and_nowhere_else(self, shop, asked):
        first = answered(shop.recommend(customer_id=BUYER))
        response = shop.recommend(**{**asked, "after": first["decision_id"]})
        assert refusal(response) == {"/after": UNKNOWN_LIST}

    def test_what_is_no_decision_is_refused_in_the_same_words(self, shop_on_sqlite):
        assert refusal(shop_on_sqlite.recommend(after="never-made")) == {"/after": UNKNOWN_LIST}

    def test_a_list_is_at_its_end_when_nothing_is_left(self, shop_on_sqlite):
        shop, after, shown = shop_on_sqlite, {}, []
        while page := items_of(answer := answered(shop.recommend(count=5, **after))):
            shown += page
            after = {"after": answer["decision_id"]}
        assert len(shown) == len(set(shown)) == len(items_of(answered(shop.recommend(count=20))))
        assert answer["basis"] == "none"

    def test_no_list_is_longer_than_what_is_judged_at_once(self, shop_on_sqlite, monkeypatch):
        monkeypatch.setattr("api.paging.MAX_LISTED", 4)
        first = answered(shop_on_sqlite.recommend(count=4))
        refused = shop_on_sqlite.recommend(after=first["decision_id"])
        assert refusal(refused) == {"/after": "a list ends after 4 suggestions"}
        assert MAX_LISTED == 200


class TestSomeCategories:
    @pytest.mark.parametrize("asked", [{"customer_id": BUYER}, {}], ids=["history", "nothing"])
    @pytest.mark.parametrize("placement", ["home", "search", "email"])
    def test_nothing_else_is_suggested(self, shop, asked, placement):
        shop.choose("given", *EVERYTHING)
        asked = {**asked, "placement": placement, "categories": ["Food > Bread"]}
        items = items_of(answered(shop.recommend(**asked)))
        assert items
        assert all(item.startswith("bread") for item in items)

    def test_what_lies_below_belongs_to_it(self, shop_on_sqlite):
        items = items_of(answered(shop_on_sqlite.recommend(categories=["Food", "Home > Lamps"], count=20)))
        assert {item.split("-")[0] for item in items} == {"bread", "milk", "lamp"}
        only = items_of(answered(shop_on_sqlite.recommend(categories=["Food"], count=20)))
        assert {item.split("-")[0] for item in only} == {"bread", "milk"}

    def test_what_the_shop_does_not_have_is_refused_by_name(self, shop_on_sqlite):
        refused = shop_on_sqlite.recommend(categories=["Food", "Foo", "Home > Lamp"])
        assert refused.status_code == 422
        assert {each["pointer"]: each["detail"] for each in refused.json()["errors"]} == {
            "/categories/1": "unknown category `Foo`",
            "/categories/2": "unknown category `Home > Lamp`",
        }

    def test_pages_of_it_can_be_made_again(self, shop):
        shop.choose("given", *EVERYTHING)
        asked = {"customer_id": BUYER, "categories": ["Food"], "count": 2}
        first = answered(shop.recommend(**asked))
        second = answered(shop.recommend(**asked, after=first["decision_id"]))
        assert shop.decision(second["decision_id"])["sections"]["req"]["within"] == ["Food"]
        for page in (first, second):
            path = f"/v1/decisions/{page['decision_id']}/replay"
            made_again = shop.ask("GET", path, Role.AUDITOR).json()
            assert (made_again["rules"]["finding"], made_again["candidates"]["finding"]) == ("exact", "exact")
