"""The main job over HTTP: what is answered is lawful, explained and in the log."""

import hashlib

import pytest
from support.http import BUYER, EVERYTHING, LIMITED, OFFERS, PROFILED, PROFILING, STORAGE

from api.storage.api_keys import Role

PRODUCT_PAGE = {"placement": "product_page", "context": {"item_id": "bread-0"}}


def answered(response):
    assert response.status_code == 200, response.text
    return response.json()


def permitted(answer):
    return {note["purpose"]: note["because"] for note in answer["admission"]}


def test_a_customer_who_agreed_is_answered_from_their_history(shop):
    shop.choose("given", *EVERYTHING)
    answer = answered(shop.recommend(customer_id=BUYER, count=4))
    assert answer["basis"] == "profile"
    assert 0 < len(answer["items"]) <= 4
    assert not answer["degraded"]
    assert answer["degraded_because"] == []
    assert answer["handoff"] is None
    assert [item["rank"] for item in answer["items"]] == list(range(1, len(answer["items"]) + 1))
    assert permitted(answer)[PROFILED] is None


def test_the_parts_of_every_reason_add_up_to_the_score(shop):
    shop.choose("given", *EVERYTHING)
    for asked in ({"customer_id": BUYER}, PRODUCT_PAGE, {}):
        for item in answered(shop.recommend(**asked))["items"]:
            parts = [piece["contribution"] for piece in item["reason"]["evidence"]]
            assert item["score"] == item["reason"]["base"] + sum(parts)


def test_a_customer_who_was_never_asked_is_answered_without_their_history(shop):
    answer = answered(shop.recommend(customer_id=BUYER, **PRODUCT_PAGE))
    assert answer["basis"] in ("contextual", "popular")
    assert permitted(answer)[PROFILING] == "PENDING"
    record = shop.decision(answer["decision_id"])
    assert {read["store"]: read["n"] for read in record["sections"]["consent"]["reads"]} == {
        "history": 0,
        "session": 0,
        "exposures": 0,
    }
    nobody = answered(shop.recommend(**PRODUCT_PAGE))
    assert nobody["items"] == answer["items"]


def test_what_is_sent_is_what_was_recorded(shop):
    response = shop.recommend(**PRODUCT_PAGE)
    answer = answered(response)
    record = shop.decision(answer["decision_id"])
    assert record["sections"]["out"]["response_sha256"] == hashlib.sha256(response.content).hexdigest()
    assert [item["item"] for item in record["sections"]["out"]["list"]] == [
        item["item_id"] for item in answer["items"]
    ]
    assert record["entry"]["policy"] == answer["policy_version"]
    assert record["entry"]["n_withheld"] == answer["withheld"]["count"]


def test_the_same_question_twice_is_the_same_decision_but_for_id_and_clock(shop):
    first, second = (shop.decision(answered(shop.recommend(**PRODUCT_PAGE))["decision_id"]) for _ in range(2))
    for section in ("consent", "cand", "rules"):
        assert first["sections"][section] == second["sections"][section]
    outs = [{**each["sections"]["out"], "response_sha256": ""} for each in (first, second)]
    assert outs[0] == outs[1]
    asked = [{**each["sections"]["req"], "ts": 0, "seed": ""} for each in (first, second)]
    assert asked[0] == asked[1]
    assert first["entry"]["id"] != second["entry"]["id"]


def test_withdrawal_holds_on_the_next_request(shop):
    shop.choose("given", *EVERYTHING)
    assert answered(shop.recommend(customer_id=BUYER))["basis"] == "profile"
    receipt = shop.ask(
        "POST", f"/v1/customers/{BUYER}/consents", json={"purpose": PROFILED, "status": "withdrawn"}
    )
    assert receipt.status_code == 201
    assert receipt.json()["events"][0]["permission"]["permitted"] is False
    answer = answered(shop.recommend(customer_id=BUYER))
    assert answer["basis"] != "profile"
    assert permitted(answer)[PROFILED] == "WITHDRAWN"


def test_a_customer_can_have_it_without_a_profile_once_or_for_good(shop):
    shop.choose("given", *EVERYTHING)
    once = answered(shop.recommend(customer_id=BUYER, mode="non_profiled"))
    assert once["basis"] in ("contextual", "popular")
    assert once["options"]["mode"] == "non_profiled"
    assert answered(shop.recommend(customer_id=BUYER))["basis"] == "profile"
    shop.ask("PUT", f"/v1/customers/{BUYER}/preferences", json={"non_profiled": True})
    assert answered(shop.recommend(customer_id=BUYER))["basis"] in ("contextual", "popular")


def test_a_visit_that_may_be_remembered_is_answered_from(shop):
    consents = "/v1/customers/visit-1/consents"
    shop.ask("POST", consents, json={"purpose": STORAGE, "status": "given", "subject_type": "session"})
    at_ms = shop.ask("GET", f"{consents}?subject_type=session").json()["as_of_ms"]
    looked = {"kind": "view", "session_id": "visit-1", "at_ms": at_ms}
    for n_known, item_id in enumerate(("bread-2", "lamp-0", "milk-1")):
        assert answered(shop.recommend(session_id="visit-1"))["basis"] == "popular"  # too little to go by
        event = {**looked, "event_id": f"v-{n_known}", "item_id": item_id}
        stored = shop.ask("POST", "/v1/events", json={"events": [event]})
        assert stored.json()["by_purpose"] == {LIMITED: 1}
    assert answered(shop.recommend(session_id="visit-1"))["basis"] == "session"
    assert answered(shop.recommend(session_id="visit-2"))["basis"] == "popular"


def test_the_privacy_signal_of_the_browser_is_read_and_caches_are_told(shop):
    shop.choose("given", STORAGE, PROFILING, PROFILED)
    quiet, signal = (
        shop.recommend(customer_id=BUYER),
        shop.recommend(customer_id=BUYER, headers={"Sec-GPC": "1"}),
    )
    assert quiet.headers["Vary"] == signal.headers["Vary"] == "Sec-GPC, ADPC, Accept-Language"
    assert permitted(answered(quiet))[OFFERS] == "PENDING"
    assert permitted(answered(signal))[OFFERS] == "SIGNAL_OPT_OUT"
    assert shop.client.get("/.well-known/gpc.json").json()["gpc"] is True


def test_a_search_is_answered_from_the_categories_it_names(shop):
    answer = answered(shop.recommend(placement="search", context={"query": "LAMPS"}))
    assert answer["basis"] == "contextual"
    assert answer["items"]
    assert all(item["item_id"].startswith("lamp") for item in answer["items"])


def test_what_is_sensitive_is_withheld_and_the_rule_is_named(shop):
    for asked in ({"count": 12}, {"customer_id": BUYER, "count": 12}):
        answer = answered(shop.recommend(**asked))
        assert not any(item["item_id"].startswith("wine") for item in answer["items"])
        assert answer["withheld"]["by_rule"].get("G05", 0) > 0
        assert answer["withheld"]["count"] == sum(answer["withheld"]["by_rule"].values())


def test_what_a_customer_mutes_or_turns_down_does_not_come_back(shop):
    shop.choose("given", *EVERYTHING)
    first = answered(shop.recommend(customer_id=BUYER, count=3))
    unwanted = first["items"][0]["item_id"]
    said = shop.ask(
        "POST",
        f"/v1/decisions/{first['decision_id']}/feedback",
        json={"items": [{"item_id": unwanted, "kind": "not_interested"}]},
    )
    assert said.status_code == 200, said.text
    assert said.json()["muted"] == [unwanted]
    second = answered(shop.recommend(customer_id=BUYER, count=3))
    assert unwanted not in [item["item_id"] for item in second["items"]]


def test_before_any_model_there_is_an_answer_that_says_so(shop_without_model):
    answer = answered(shop_without_model.recommend(**PRODUCT_PAGE))
    assert answer["basis"] in ("popular", "none")
    assert answer["degraded"]
    assert answer["degraded_because"] == ["model_missing"]
    assert answer["model_version"] is None
    assert answer["handoff"] == {"to": "human", "contact": None}
    assert shop_without_model.client.get("/readyz").json()["ready"] is True


@pytest.mark.parametrize("count", [1, 2, 5])
def test_no_more_is_suggested_than_was_asked_for(shop_on_sqlite, count):
    assert len(answered(shop_on_sqlite.recommend(count=count))["items"]) <= count


def test_the_figures_count_what_was_decided_and_name_nobody(shop):
    shop.choose("given", *EVERYTHING)
    answered(shop.recommend(customer_id=BUYER, session_id="visit-secret"))
    figures = shop.ask("GET", "/metrics", Role.ADMIN).text
    assert 'tactful_decisions_total{basis="profile"} 1.0' in figures
    assert 'tactful_verdicts_total{effect="block",rule="G05"}' in figures
    assert 'tactful_stage_seconds_count{stage="record"} 1.0' in figures
    assert 'route="/v1/recommendations",status="200"' in figures
    assert BUYER not in figures
    assert "visit-secret" not in figures
