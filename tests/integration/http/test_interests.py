"""What is inferred, and setting it right: gone from the list, from the next answer, from training."""

import pytest
from support.http import BUYER, EVERYTHING, OFFERS, PROFILED, PROFILING

from api.storage.connection import reading
from api.storage.interactions import read_for_training
from api.storage.items import load_catalogue
from api.storage.training import training_customers
from guardrails.policy.limits import EvidenceLimits
from guardrails.training_gate import learnable

INTERESTS = f"/v1/customers/{BUYER}/interests"


def interests_of(shop, **query):
    return shop.ask("GET", INTERESTS, params=query).json()


def correct(shop, *corrections):
    return shop.ask("PATCH", INTERESTS, json={"corrections": list(corrections)})


def test_what_is_inferred_adds_up_from_its_pieces(shop):
    shop.choose("given", *EVERYTHING)
    found = interests_of(shop)
    assert found["used"] is True
    assert {piece["item_id"] for piece in found["pieces"]} == {"bread-1", "bread-3", "milk-0", "milk-2"}
    named = {(each["scope"], each["value"]): each for each in found["interests"]}
    assert set(named) == {("category", "Food > Bread"), ("category", "Food > Dairy"), ("brand", "Acme")}
    assert named["brand", "Acme"]["share_micro"] == 1_000_000
    assert named["category", "Food > Bread"]["n_pieces"] == 2
    by_category = [each["share_micro"] for (scope, _), each in named.items() if scope == "category"]
    assert sum(by_category) == pytest.approx(1_000_000, abs=2)
    assert sum(piece["share_micro"] for piece in found["pieces"]) == pytest.approx(1_000_000, abs=4)


@pytest.mark.parametrize("withdrawn", [PROFILING, PROFILED])
def test_nothing_is_inferred_where_the_profile_may_not_be_used(shop, withdrawn):
    assert interests_of(shop)["because"] == "PENDING"
    shop.choose("given", *EVERYTHING)
    shop.choose("withdrawn", withdrawn)
    found = interests_of(shop)
    assert (found["used"], found["because"]) == (False, "WITHDRAWN")
    assert found["interests"] == found["pieces"] == []


def test_a_grant_for_one_channel_infers_nothing_on_another(shop):
    shop.choose("given", PROFILING)
    shop.choose("given", PROFILED, channels=["email"])
    assert interests_of(shop)["because"] == "NOT_COVERED_CHANNEL"
    assert interests_of(shop, channel="email")["used"] is True
    assert shop.ask("GET", INTERESTS, params={"channel": "pigeon"}).status_code == 422


def test_sensitive_interests_are_counted_and_not_named(shop):
    shop.choose("given", *EVERYTHING)
    shop.choose("given", "sensitive.alcohol", explicit=True)
    shop.ask(
        "POST",
        "/v1/events",
        json={
            "events": [
                {
                    "event_id": "e",
                    "kind": "purchase",
                    "item_id": "wine-0",
                    "customer_id": BUYER,
                    "at_ms": shop.wiring.clock(),
                }
            ]
        },
    )
    answer = shop.ask("GET", INTERESTS)
    assert answer.json()["n_unnamed"] == 1
    for word in ("alcohol", "wine", "Wine", "Drink", "Umbrella"):
        assert word not in answer.text
    exported = shop.ask("GET", f"/v1/customers/{BUYER}/export").json()["sections"]
    assert "wine-0" in {row["item_id"] for row in exported["evidence"]["rows"]}
    assert "Drink > Wine" not in {row["value"] for row in exported["interests"]["rows"]}


def evidence_named(answer):
    return {
        piece["item_id"]
        for item in answer.json()["items"]
        for piece in item["reason"]["evidence"]
        if piece["origin"] == "history"
    }


@pytest.mark.parametrize(
    "correction",
    [
        {"scope": "category", "value": "Food > Bread", "action": "drop"},
        {"scope": "category", "value": "Food > Bread", "action": "relabel", "as": "gift"},
    ],
)
def test_what_is_set_right_is_gone_from_the_very_next_answer_and_from_training(shop, correction):
    shop.choose("given", *EVERYTHING)
    before = shop.recommend(customer_id=BUYER, count=12)
    assert evidence_named(before) & {"bread-1", "bread-3"}
    done = correct(shop, correction)
    assert done.status_code == 200
    assert done.json()["corrections"][0]["n_interactions"] == 2
    after = shop.recommend(customer_id=BUYER, count=12)
    assert evidence_named(after) <= {"milk-0", "milk-2"}
    assert [each["score"] for each in after.json()["items"]] != [
        each["score"] for each in before.json()["items"]
    ]
    assert {each["value"] for each in interests_of(shop)["interests"]} == {"Food > Dairy", "Acme"}
    assert items_learned_from(shop) == {"milk-0", "milk-2"}
    exported = shop.ask("GET", f"/v1/customers/{BUYER}/export").json()["sections"]
    assert len(exported["interactions"]["rows"]) == 4  # an order stays an order
    assert exported["corrections"]["rows"][0]["value"] == "Food > Bread"


def items_learned_from(shop):
    with reading(shop.wiring.engine) as conn:
        customers = training_customers(conn, shop.settings.consent, shop.wiring.clock())
        catalogue = load_catalogue(conn)
        found, _ = read_for_training(conn, catalogue, customers)
    learned = learnable(
        found,
        list(customers.values()),
        catalogue,
        EvidenceLimits(),
        shop.settings.consent,
        shop.wiring.clock(),
    )
    return {catalogue.item_ids[idx] for idx in learned.interactions.item_idx.tolist()}


def test_a_correction_is_a_request_that_is_done(shop):
    request_id = correct(shop, {"scope": "brand", "value": "Acme", "action": "drop"}).json()["request_id"]
    (taken,) = shop.ask("GET", f"/v1/customers/{BUYER}/requests").json()["requests"]
    assert (taken["request_id"], taken["kind"], taken["state"]) == (request_id, "rectification", "done")


def test_of_somebody_never_heard_of_there_is_nothing_to_set_right(shop):
    correction = {"scope": "brand", "value": "Acme", "action": "drop"}
    answer = shop.ask("PATCH", "/v1/customers/nobody/interests", json={"corrections": [correction]})
    assert answer.json()["corrections"][0]["n_interactions"] == 0


@pytest.mark.parametrize(
    "correction",
    [
        {"scope": "sensitive_class", "value": "alcohol", "action": "drop"},
        {"scope": "brand", "value": "Acme", "action": "relabel"},
        {"scope": "brand", "value": "Acme", "action": "relabel", "as": "hobby"},
        {"scope": "brand", "value": "Acme", "action": "drop", "as": "gift"},
        {"scope": "brand", "value": "", "action": "drop"},
        {"scope": "brand", "action": "drop"},
    ],
)
def test_a_correction_that_cannot_be_understood_changes_nothing(shop, correction):
    good = {"scope": "brand", "value": "Acme", "action": "drop"}
    shop.choose("given", *EVERYTHING)
    assert correct(shop, good, correction).status_code == 422
    assert len(interests_of(shop)["pieces"]) == 4


def test_offers_are_not_needed_to_see_what_is_inferred(shop):
    shop.choose("given", PROFILING, PROFILED)
    shop.choose("refused", OFFERS)
    assert interests_of(shop)["used"] is True
