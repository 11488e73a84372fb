"""Consents over HTTP: what is chosen holds, sent twice counts once, a late clock loses nothing."""

from dataclasses import replace

import pytest
from support.http import BUYER, EVERYTHING, OFFERS, PROFILED, STORAGE, serving

from api.storage.api_keys import Role

CONSENTS = f"/v1/customers/{BUYER}/consents"


def state_of(shop, purpose, path=CONSENTS):
    return next(each for each in shop.ask("GET", path).json()["purposes"] if each["purpose"] == purpose)


def test_what_was_never_asked_is_not_permitted(shop):
    assert state_of(shop, PROFILED)["status"] is None
    assert state_of(shop, PROFILED)["permission"]["because"] == "PENDING"
    assert state_of(shop, "essential.service")["permission"]["permitted"] is True


@pytest.mark.parametrize("status", ["given", "ConsentGiven"])
def test_a_grant_and_its_withdrawal_take_the_same_two_words(shop, status):
    given = shop.ask("POST", CONSENTS, json={"purpose": PROFILED, "status": status})
    assert given.status_code == 201
    entry = given.json()["events"][0]
    assert entry["permission"]["permitted"] is True
    assert entry["valid_until_ms"] > entry["at_ms"]
    taken = shop.ask("POST", CONSENTS, json={"purpose": PROFILED, "status": "withdrawn"})
    assert taken.json()["events"][0]["permission"]["because"] == "WITHDRAWN"
    assert state_of(shop, PROFILED)["status"] == "ConsentWithdrawn"


def test_a_withdrawal_taken_by_a_host_whose_clock_is_late_still_holds(shop):
    shop.choose("given", *EVERYTHING)
    late = replace(shop.wiring, clock=lambda: shop.wiring.clock() - 60_000)
    shop.app.extensions["tactful"] = late
    assert shop.choose("withdrawn", PROFILED).status_code == 201
    shop.app.extensions["tactful"] = shop.wiring
    assert state_of(shop, PROFILED)["permission"]["because"] == "WITHDRAWN"


def test_a_choice_sent_twice_under_its_own_id_is_stored_once(shop):
    first, second = (shop.choose("given", PROFILED, record_id="c-1").json()["events"] for _ in range(2))
    assert first[0]["at_ms"] == second[0]["at_ms"]
    taken = shop.choose("given", OFFERS, record_id="c-1")
    assert taken.status_code == 422


def test_several_choices_are_stored_together_or_not_at_all(shop):
    good = {"purpose": PROFILED, "status": "given"}
    bad = {"purpose": "world.domination", "status": "given"}
    assert shop.ask("POST", CONSENTS, json={"events": [good, bad]}).status_code == 422
    assert state_of(shop, PROFILED)["status"] is None


def test_a_visit_has_choices_of_its_own(shop):
    choice = {"purpose": STORAGE, "status": "given", "subject_type": "session"}
    assert shop.ask("POST", CONSENTS, json=choice).status_code == 201
    assert state_of(shop, STORAGE)["permission"]["permitted"] is False
    assert state_of(shop, STORAGE, f"{CONSENTS}?subject_type=session")["permission"]["permitted"] is True


def test_a_restriction_stops_everything_but_the_service_itself(shop):
    shop.choose("given", *EVERYTHING)
    shop.ask("POST", CONSENTS, json={"purpose": "*", "status": "restricted"})
    document = shop.ask("GET", CONSENTS).json()
    assert document["restricted"] is True
    assert state_of(shop, PROFILED)["permission"]["because"] == "RESTRICTED"
    shop.ask("POST", CONSENTS, json={"purpose": "*", "status": "restriction_lifted"})
    assert state_of(shop, PROFILED)["permission"]["permitted"] is True


def test_a_check_says_what_would_be_permitted_and_why_not(shop):
    def asked(**more):
        return shop.ask("POST", "/v1/consents/check", json={"customer_id": BUYER, **more})

    email = "marketing.communications.email"
    assert asked(purpose=email, channel="email").json()["because"] == "PENDING"
    shop.choose("given", email)
    assert asked(purpose=email, channel="email").json()["permitted"] is True
    assert asked(purpose=email, channel="sms").json()["because"] == "NOT_COVERED_CHANNEL"
    signal = shop.ask(
        "POST",
        "/v1/consents/check",
        json={"customer_id": BUYER, "purpose": "third_party_sharing"},
        headers={"Sec-GPC": "1"},
    )
    assert signal.json()["because"] == "SIGNAL_OPT_OUT"
    assert signal.headers["Vary"] == "Sec-GPC"
    assert asked(purpose="world.domination").status_code == 422
    assert asked(purpose=email, session_id="s").json()["permitted"] is True
    nobody = shop.ask("POST", "/v1/consents/check", json={"purpose": email})
    assert nobody.status_code == 422


def test_preferences_are_replaced_as_a_whole(shop):
    path = f"/v1/customers/{BUYER}/preferences"
    mutes = [{"scope": "brand", "value": "Acme", "until_ms": None}]
    said = {"mutes": mutes, "age_assurance": "minor", "age_band": "15", "jurisdiction": "DK"}
    first = shop.ask("PUT", path, json=said)
    defaults = {"non_profiled": False, "shared_device": False, "limit_sensitive": False, "exclusions": []}
    assert first.json() == said | defaults
    assert shop.ask("PUT", path, json={}).json()["mutes"] == []
    wrong = shop.ask("PUT", path, json={"mutes": [{"scope": "sensitive_class", "value": "made_up"}]})
    assert wrong.json()["errors"][0]["pointer"] == "/mutes/0/value"
    assert shop.ask("PUT", path, json={}).json()["age_assurance"] is None
    refused = shop.ask("POST", "/v1/consents/check", json={"customer_id": BUYER, "purpose": OFFERS})
    assert refused.json()["because"] == "MINOR"  # what is known stays
    for wrong in ({"age_band": "15"}, {"jurisdiction": "XX"}, {"age_band": "12", "age_assurance": "minor"}):
        assert shop.ask("PUT", path, json=wrong).status_code == 422


def test_a_muted_brand_is_not_suggested(shop):
    shop.ask(
        "PUT", f"/v1/customers/{BUYER}/preferences", json={"mutes": [{"scope": "brand", "value": "Acme"}]}
    )
    items = shop.recommend(customer_id=BUYER, count=12).json()["items"]
    assert items
    assert not any(item["item_id"].startswith(("bread", "milk")) for item in items)


def test_choices_outlive_the_process(store, keys):
    with serving(store.settings, keys) as shop:
        shop.choose("given", PROFILED)
    with serving(store.settings, keys) as shop:
        assert state_of(shop, PROFILED)["permission"]["permitted"] is True
        assert shop.ask("GET", "/v1/decisions", Role.AUDITOR).json()["decisions"] == []


def test_a_purpose_that_does_not_exist_is_named_where_it_stands(shop):
    path = f"/v1/customers/{BUYER}/consents"
    unknown = {"purpose": "world.peace", "status": "given"}
    one = shop.ask("POST", path, json=unknown).json()["errors"]
    several = shop.ask("POST", path, json={"events": [{**unknown, "purpose": PROFILED}, unknown]}).json()
    assert [error["pointer"] for error in one] == ["/purpose"]
    assert [error["pointer"] for error in several["errors"]] == ["/events/1/purpose"]
