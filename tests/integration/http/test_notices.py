"""What customers are told before they choose, and what it means for what they chose."""

from support.http import BUYER, PROFILED, PROFILING

from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.versions import active

CONSENTS = f"/v1/customers/{BUYER}/consents"
NOTICE = {
    "notice_id": "privacy",
    "version": "1",
    "language": "en",
    "jurisdiction": "EU",
    "text": "May we choose suggestions from what you buy?",
    "purposes": [PROFILED],
    "data_categories": ["user.behavior.purchase_history"],
    "controllers": ["A Shop Ltd"],
    "recipients": ["a parcel service"],
    "retention": "P1Y",
    "withdrawal_url": "https://shop.example/privacy",
    "effective_from_ms": 1_000,
}


def register(shop, **changes):
    return shop.ask("PUT", "/v1/notices", json={**NOTICE, **changes})


def agree(shop, purpose=PROFILED, version="1", **more):
    body = {"purpose": purpose, "status": "given", "notice_id": "privacy", "notice_version": version, **more}
    return shop.ask("POST", CONSENTS, json=body)


def check(shop, **asked):
    return shop.ask(
        "POST", "/v1/consents/check", json={"customer_id": BUYER, "purpose": PROFILED, **asked}
    ).json()


def test_a_choice_is_bound_to_what_its_notice_says(shop):
    assert register(shop).json()["outdated_since_ms"] is None
    answer = agree(shop)
    assert answer.status_code == 201, answer.text
    assert answer.json()["events"][0]["permission"]["data_categories"] == NOTICE["data_categories"]
    assert check(shop, data_category="user.behavior.purchase_history")["permitted"]
    other = check(shop, data_category="user.behavior.browsing_history")
    assert other["because"] == "NOT_COVERED_CATEGORY"


def test_what_the_notice_does_not_ask_for_cannot_be_agreed_to_under_it(shop):
    register(shop)
    refused = agree(shop, PROFILING)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/notice_id"
    assert agree(shop, version="2").json()["errors"][0]["pointer"] == "/notice_id"
    assert agree(shop, data_categories=["everything"]).status_code == 422
    without_version = {"purpose": PROFILED, "status": "given", "notice_id": "privacy"}
    assert shop.ask("POST", CONSENTS, json=without_version).status_code == 422


def test_a_material_change_holds_for_suggestions_before_the_next_house_stands(shop):
    register(shop, data_categories=[])
    shop.choose("given", PROFILING)
    agree(shop)
    with reading(shop.wiring.engine) as conn:
        assert shop.wiring.runtime.wait_for(active(conn), 30)
    assert shop.recommend(customer_id=BUYER).json()["basis"] == "profile"
    shop.wiring.runtime.close()  # nothing is loaded any more
    register(shop, version="2", text="And more?", material_change=True, effective_from_ms=shop.wiring.clock())
    answer = shop.recommend(customer_id=BUYER).json()
    assert answer["profiling"] is False
    assert {"purpose": PROFILED, "permitted": False, "because": "NOTICE_OUTDATED"} in answer["admission"]


def test_a_material_change_ends_consent_until_it_is_given_again_and_a_typing_error_does_not(shop):
    register(shop)
    agree(shop)
    now_ms = shop.wiring.clock()
    register(shop, version="2", text="May we choose suggestions from what you buy!", effective_from_ms=now_ms)
    assert check(shop)["permitted"]
    register(
        shop, version="3", text="And from what friends buy?", material_change=True, effective_from_ms=now_ms
    )
    outdated = check(shop)
    assert outdated["because"] == "NOTICE_OUTDATED"
    assert outdated["ask"] == {"may_ask": True, "not_before_ms": None}
    versions = shop.ask("GET", "/v1/notices", Role.AUDITOR).json()["notices"]
    assert [each["outdated_since_ms"] for each in versions] == [now_ms, now_ms, None]
    agree(shop, version="3")
    assert check(shop)["permitted"]


def test_a_recommendation_goes_by_the_changed_notice(shop):
    register(shop, purposes=[PROFILING, PROFILED])
    shop.choose("given", "functional.storage", PROFILING)
    agree(shop)
    assert shop.recommend(customer_id=BUYER).json()["basis"] == "profile"
    now_ms = shop.wiring.clock()
    register(shop, version="2", text="More.", material_change=True, effective_from_ms=now_ms)
    with reading(shop.wiring.engine) as conn:
        versions = active(conn)
    assert shop.wiring.runtime.wait_for(versions, 30)
    assert shop.recommend(customer_id=BUYER).json()["basis"] != "profile"


def test_a_version_that_was_shown_is_never_changed(shop):
    assert register(shop).status_code == register(shop).status_code == 200
    changed = register(shop, text="May we do anything?")
    assert changed.status_code == 422
    unknown = register(shop, purposes=[PROFILED, "world.domination"])
    assert unknown.json()["errors"][0]["pointer"] == "/purposes/1"
    assert register(shop, version="9", retention="a while").status_code == 422


def test_the_receipt_says_what_was_agreed_to_and_how_it_ends(shop):
    register(shop)
    served = shop.ask(
        "POST",
        f"/v1/customers/{BUYER}/notices-served",
        json={
            "notice_id": "privacy",
            "notice_version": "1",
            "language": "en",
            "surface": "banner",
            "experience_sha256": "0" * 64,
        },
    )
    assert served.status_code == 201
    receipt = agree(shop, served_id=served.json()["served_id"]).json()["receipt"]
    assert receipt["version"] == "KI-CR-v1.1.0"
    (record,) = receipt["records"]
    assert record["privacy_notice"]["served_id"] == served.json()["served_id"]
    assert len(record["privacy_notice"]["text_sha256"]) == 64
    assert record["recipient_third_parties"] == NOTICE["recipients"]
    assert record["withdrawal_method"] == NOTICE["withdrawal_url"]
    assert record["event_type"] == "dpv:ExpressedConsent"
    assert BUYER not in str(receipt)


def test_a_notice_that_nobody_registered_was_not_shown(shop):
    body = {
        "notice_id": "made-up",
        "notice_version": "1",
        "language": "en",
        "surface": "banner",
        "experience_sha256": "0" * 64,
    }
    path = f"/v1/customers/{BUYER}/notices-served"
    assert shop.ask("POST", path, json=body).json()["errors"][0]["pointer"] == "/notice_id"
    assert shop.ask("POST", path, json={**body, "experience_sha256": "x"}).status_code == 422


def test_the_laws_in_force_are_listed_with_their_reviews(shop):
    laws = shop.ask("GET", "/v1/jurisdictions", Role.AUDITOR).json()
    by_code = {each["code"]: each for each in laws["jurisdictions"]}
    assert laws["in_force"] == "unknown"
    assert by_code["DK"]["consent_age"] == 15
    assert by_code["unknown"]["consent_age"] == 16
    assert {each["overdue"] for each in by_code.values()} <= {True, False}


def test_a_child_s_own_consent_is_stored_as_the_invalid_thing_it_is(shop):
    minor = {"age_assurance": "minor", "age_band": "14", "jurisdiction": "DK"}
    shop.ask("PUT", f"/v1/customers/{BUYER}/preferences", json=minor)
    alone = shop.ask("POST", CONSENTS, json={"purpose": PROFILED, "status": "given"})
    assert alone.json()["events"][0]["status"] == "ConsentInvalidated"
    assert not check(shop)["permitted"]
    parent = {"relation": "mother", "verification_method": "card", "verified_at_ms": 1}
    body = {"purpose": PROFILED, "status": "given", "actor": "parent", "parent": parent}
    assert shop.ask("POST", CONSENTS, json=body).status_code == 201
    assert check(shop)["permitted"]
    assert shop.ask("POST", CONSENTS, json={**body, "actor": "data_subject"}).status_code == 422


def test_a_buyer_may_be_written_to_about_goods_like_those_bought_and_no_others(shop):
    register(shop, notice_id="orders", purposes=["marketing.communications.email"])
    shop.ask("PUT", f"/v1/customers/{BUYER}/preferences", json={"jurisdiction": "DK"})
    body = {
        "purpose": "marketing.communications.email",
        "status": "SoftOptIn",
        "method": "sale",
        "actor": "controller",
        "item_categories": ["Food > Bread"],
        "notice_id": "orders",
        "notice_version": "1",
    }
    stored = shop.ask("POST", CONSENTS, json=body)
    assert stored.status_code == 201, stored.text
    assert stored.json()["events"][0]["permission"]["basis"] == "soft_opt_in"
    answer = shop.recommend(customer_id=BUYER, placement="email", channel="email").json()
    assert {item["item_id"].split("-")[0] for item in answer["items"]} <= {"bread"}
    assert answer["items"]
    for missing in ("item_categories", "notice_id"):
        partial = {name: value for name, value in body.items() if name != missing}
        assert shop.ask("POST", CONSENTS, json=partial).status_code == 422
