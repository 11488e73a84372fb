"""What single articles ask for and no other test shows, each over real HTTP."""

import re
from dataclasses import replace

import pytest
from support.http import (
    BUYER,
    EVERYTHING,
    LIMITED,
    OFFERS,
    PROFILED,
    PROFILING,
    STORAGE,
    fill,
    serving,
)
from support.stores import counting_statements

from guardrails.consent.purposes import KEY_OF, OUTBOUND, REGISTER, Purpose, communications_key, sensitive_key
from guardrails.consent.settings import ConsentSettings
from guardrails.messages import LANGUAGES, in_language, translations
from guardrails.reasons import SENTENCES
from guardrails.sensitive.classes import CLASS_NAMES

PAGE = {"placement": "product_page", "context": {"item_id": "bread-0"}}
CHECKOUT = {"placement": "checkout", "context": {"item_id": "lamp-0", "basket": ["lamp-0", "milk-1"]}}
EMAIL = {"placement": "email", "channel": "email"}
BEHAVIOUR = re.compile(r"FROM (interactions|exposures|feedback)\b", re.IGNORECASE)
BY_CUSTOMER = re.compile(r"customer_no (=|IN) ")
PREFERENCES = f"/v1/customers/{BUYER}/preferences"

EVERY_KEY = (
    *(entry.key for entry in REGISTER if not entry.key.endswith(".")),
    *(communications_key(channel) for channel in OUTBOUND),
    *(sensitive_key(name) for name in CLASS_NAMES),
)
"""Every purpose that a customer can be asked for."""


def answered(response):
    assert response.status_code == 200, response.text
    return response.json()


def check(shop, purpose, **more):
    asked = {"customer_id": BUYER, "purpose": purpose, **more}
    return answered(shop.ask("POST", "/v1/consents/check", json=asked))


def used_as_evidence(shop, **asked):
    """Return what counted, and how much was kept out by which rule."""
    sections = shop.decision(answered(shop.recommend(customer_id=BUYER, **asked))["decision_id"])["sections"]
    kept_out = {each["rule"]: each["n"] for each in sections["consent"]["kept_out"]}
    return set(sections["cand"]["rounds"][0]["evidence"]["items"]), kept_out


@pytest.mark.parametrize(
    ("chosen", "asked", "profiling"),
    [
        ((), PAGE, False),
        ((), {"customer_id": BUYER, **PAGE}, False),
        (EVERYTHING, {"customer_id": BUYER, "mode": "non_profiled", **PAGE}, False),
        (EVERYTHING, {"customer_id": "never seen before"}, False),
        (EVERYTHING, {"customer_id": BUYER}, True),
        ((communications_key(OUTBOUND[0]),), {"customer_id": BUYER, **EMAIL}, True),
    ],
)
def test_an_answer_tells_whether_what_is_kept_of_the_customer_was_read(shop, chosen, asked, profiling):
    if chosen:
        shop.choose("given", *chosen)
    with counting_statements(shop.wiring.engine) as sent:
        answer = answered(shop.recommend(**asked))
    by_customer = [each for each in sent if BEHAVIOUR.search(each) and BY_CUSTOMER.search(each)]
    assert answer["profiling"] is bool(by_customer) is profiling
    assert shop.decision(answer["decision_id"])["sections"]["consent"]["profiling"] is profiling


@pytest.mark.parametrize(
    ("asked", "purpose", "lawful_basis"),
    [
        ({}, PROFILED, "consent"),
        (PAGE, OFFERS, "consent"),
        ({**PAGE, "mode": "non_profiled"}, LIMITED, "legitimate_interest"),
    ],
)
def test_every_suggestion_names_its_purpose_its_lawful_basis_and_its_reason(
    shop, asked, purpose, lawful_basis
):
    shop.choose("given", *EVERYTHING)
    answer = answered(shop.recommend(customer_id=BUYER, **asked))
    assert answer["items"]
    assert {(item["purpose"], item["lawful_basis"]) for item in answer["items"]} == {(purpose, lawful_basis)}
    assert all(item["reason"]["code"] and item["reason"]["text"] for item in answer["items"])
    assert purpose in {note["purpose"] for note in answer["admission"] if note["permitted"]}
    recorded = shop.decision(answer["decision_id"])["sections"]["out"]["list"]
    assert [each["purpose"] for each in recorded] == [item["purpose"] for item in answer["items"]]


def test_an_auditor_finds_the_consent_a_decision_rests_on_in_what_the_customer_is_handed(shop):
    shop.choose("given", *EVERYTHING)
    answer = answered(shop.recommend(customer_id=BUYER))
    record = shop.decision(answer["decision_id"])
    assert record["entry"]["policy"] == answer["policy_version"]
    by_purpose = {each["purpose"]: each for each in record["sections"]["consent"]["permissions"]}
    relied_on = {by_purpose[each["purpose"]]["record_id"] for each in record["sections"]["out"]["list"]}
    sections = answered(shop.ask("GET", f"/v1/customers/{BUYER}/export"))["sections"]
    handed_out = {row["record_id"]: row["purpose"] for row in sections["consent_events"]["rows"]}
    assert {handed_out[record_id] for record_id in relied_on} == {PROFILED}


def test_who_refuses_everything_gets_the_whole_checkout(shop):
    shop.choose("refused", *(key for key in EVERY_KEY if key not in (LIMITED, "essential.service")))
    refused, nobody = (
        answered(shop.recommend(customer_id=BUYER, **CHECKOUT)),
        answered(shop.recommend(**CHECKOUT)),
    )
    assert refused["basis"] == "contextual"
    assert refused["items"] == nobody["items"]
    assert len(refused["items"]) == 3
    assert refused["degraded_because"] == []


def test_what_was_decided_before_a_withdrawal_keeps_what_it_rested_on(shop):
    shop.choose("given", *EVERYTHING)
    decision_id = answered(shop.recommend(customer_id=BUYER))["decision_id"]
    before = shop.decision(decision_id)
    assert {each["lawful_basis"] for each in before["sections"]["out"]["list"]} == {"consent"}
    shop.choose("withdrawn", PROFILING, PROFILED)
    after = shop.decision(decision_id)
    assert after.pop("logged_at") > before.pop("logged_at")
    assert after == before


def test_who_objects_to_the_limited_use_gets_what_sells_well_and_no_visit_is_read(shop):
    shop.choose("given", STORAGE)
    shop.choose("objected", LIMITED)
    with counting_statements(shop.wiring.engine) as sent:
        answer = answered(shop.recommend(customer_id=BUYER, session_id="visit", **PAGE))
    assert answer["basis"] == "popular"
    assert not [each for each in sent if BEHAVIOUR.search(each)]
    assert {item["purpose"] for item in answer["items"]} == {"essential.service"}


def test_a_new_shop_permits_the_limited_use_and_nothing_else(shop):
    permitted = {purpose for purpose in EVERY_KEY if check(shop, purpose)["permitted"]}
    assert permitted == {"essential.service", LIMITED}
    answer = answered(shop.recommend(customer_id=BUYER, session_id="visit", **PAGE))
    assert answer["basis"] == "contextual"
    assert {item["purpose"] for item in answer["items"]} == {LIMITED}


@pytest.mark.parametrize("age_band", ["15", "16_17", None])
def test_a_known_minor_gets_no_offer_from_a_profile_whatever_was_agreed_to(shop, age_band):
    shop.ask("PUT", PREFERENCES, json={"age_assurance": "minor", "age_band": age_band, "jurisdiction": "DK"})
    parent = {"relation": "mother", "verification_method": "card", "verified_at_ms": 1}
    shop.choose("given", *EVERYTHING, actor="parent", parent=parent)
    closed = [OFFERS, "third_party_sharing", "price.personalised", sensitive_key("alcohol")]
    assert {check(shop, purpose)["because"] for purpose in closed} == {"MINOR"}
    for asked in (PAGE, CHECKOUT):
        answer = answered(shop.recommend(customer_id=BUYER, **asked))
        assert answer["basis"] == "contextual"
        assert {item["purpose"] for item in answer["items"]} == {LIMITED}


def test_what_somebody_pays_for_says_so_and_no_payment_lifts_it(shop):
    free = answered(shop.recommend(count=12))["items"]
    assert not any(item["sponsored"] for item in free)
    paid = {"item_id": free[-1]["item_id"], "title": "Advert", "sponsored": True}
    assert shop.ask("PUT", "/v1/items", json={"items": [paid]}).status_code == 200
    told = answered(shop.recommend(count=12))["items"]
    assert [item["item_id"] for item in told if item["sponsored"]] == [paid["item_id"]]
    assert [item["item_id"] for item in told] == [item["item_id"] for item in free]


def test_no_item_says_who_pays_for_it_or_how_much(shop):
    plain = {"item_id": "advert", "title": "Advert"}
    for field in ({"sponsor": "Acme"}, {"payer": "Acme"}, {"boost": 3}):
        refused = shop.ask("PUT", "/v1/items", json={"items": [{**plain, **field}]})
        assert refused.status_code == 422
        assert next(iter(field)) in refused.text
    assert shop.ask("GET", "/v1/items/advert").status_code == 404
    assert shop.recommend(sponsored=True).status_code == 422


def keys_in(value):
    """Return the names of all fields, however deep."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_in, value.values()))
    return set().union(*map(keys_in, value)) if isinstance(value, list) else set()


def bought_bread(shop, customer_id, *purposes):
    """Return what is suggested to somebody who agreed and then bought bread."""
    assert shop.choose("given", *purposes, customer_id=customer_id).status_code == 201
    event = {"event_id": customer_id, "kind": "purchase", "item_id": "bread-1", "customer_id": customer_id}
    shop.ask("POST", "/v1/events", json={"events": [{**event, "at_ms": shop.wiring.clock()}]})
    return answered(shop.recommend(customer_id=customer_id, **PAGE))


def test_no_answer_carries_a_price_and_agreeing_to_one_of_ones_own_changes_nothing(shop):
    first, second = (
        bought_bread(shop, "first", *EVERYTHING),
        bought_bread(shop, "second", *EVERYTHING, KEY_OF[Purpose.PERSONALISED_PRICE]),
    )
    assert first["profiling"]
    assert first["items"] == second["items"] != []
    assert not [key for key in keys_in(second) if re.search("price|discount|amount", key)]
    assert answered(shop.client.get("/transparency"))["price_personalised"] is False
    individual = shop.recommend(customer_id=BUYER, decision_type="price_individual")
    assert individual.status_code == 422


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_is_a_sentence_of_the_catalogue_and_none_is_generated(shop, language):
    shop.choose("given", *EVERYTHING)
    said = [in_language(each, translations()[language]) for each in SENTENCES.values()]
    patterns = [re.escape(each).replace(re.escape("{item}"), ".+") for each in said]
    for asked in ({"customer_id": BUYER}, {"customer_id": BUYER, **CHECKOUT}, PAGE, {}):
        answer = answered(shop.recommend(language=language, **asked))
        for text in (item["reason"]["text"] for item in answer["items"]):
            assert any(re.fullmatch(pattern, text) for pattern in patterns), text
    assert answered(shop.client.get(f"/transparency?language={language}"))["ai_generated"] is False


def test_who_limits_sensitive_information_is_served_without_it_even_with_consent(shop):
    shop.choose("given", *EVERYTHING)
    shop.choose("given", sensitive_key("alcohol"), explicit=True)
    bought = {"event_id": "o-1", "kind": "purchase", "item_id": "wine-0", "customer_id": BUYER}
    stored = shop.ask("POST", "/v1/events", json={"events": [{**bought, "at_ms": shop.wiring.clock()}]})
    assert answered(stored)["stored"] == 1
    assert "wine-0" in used_as_evidence(shop)[0]
    shop.ask("PUT", PREFERENCES, json={"limit_sensitive": True})
    evidence, kept_out = used_as_evidence(shop)
    assert "wine-0" not in evidence
    assert kept_out == {"G06": 1}
    assert answered(shop.ask("GET", f"/v1/customers/{BUYER}/privacy"))["limit_sensitive"] is True


@pytest.mark.parametrize(
    ("shop_in", "lives_in", "counts"),
    [
        ("US", None, True),
        ("US", "US-CA", True),
        ("US", "US-WA", False),
        ("US-WA", None, False),
        (None, None, False),
    ],
)
def test_where_the_law_protects_health_ordinary_goods_for_it_count_as_sensitive(
    sqlite_store, shop_in, lives_in, counts
):
    settings = replace(sqlite_store.settings, consent=ConsentSettings(jurisdiction=shop_in))
    with serving(settings, fill(settings)) as shop:
        tonic = {"item_id": "bread-1", "title": "Bread no. 1", "shop_class": "health", "shop_tier": 1}
        assert answered(shop.ask("PUT", "/v1/items", json={"items": [tonic]}))["in_force"]
        shop.ask("PUT", PREFERENCES, json={"jurisdiction": lives_in})
        shop.choose("given", *EVERYTHING)
        evidence, kept_out = used_as_evidence(shop)
        assert ("bread-1" in evidence) is counts
        assert kept_out == ({} if counts else {"G06": 1})
        names = {item["item_id"] for item in answered(shop.recommend(count=20))["items"]}
        assert ("bread-1" in names) is (shop_in == "US")


def test_both_ways_of_being_served_are_offered_in_the_same_form_with_every_answer(shop):
    shop.choose("given", *EVERYTHING)
    profiled, plain = (
        answered(shop.recommend(customer_id=BUYER, mode=mode)) for mode in ("profiled", "non_profiled")
    )
    assert profiled["options"] == {**plain["options"], "mode": "profiled"}
    assert profiled["options"]["modes"] == ["profiled", "non_profiled"]
