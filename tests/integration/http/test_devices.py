"""Accounts and the devices they are used on: what was refused on either holds."""

from support.http import BUYER, PROFILED, PROFILING, STORAGE

PHONE, OTHER = "phone-77", "somebody-else"
ON_DEVICE = {"subject_type": "device"}


def on_phone(shop, status, *purposes):
    events = [{"purpose": purpose, "status": status} for purpose in purposes]
    return shop.ask("POST", f"/v1/customers/{PHONE}/consents", json={"events": events, **ON_DEVICE})


def basis(shop, **asked):
    return shop.recommend(**asked).json()["basis"]


def agree_to_the_profile(shop):
    assert shop.choose("given", STORAGE, PROFILING, PROFILED).status_code == 201


def test_what_the_device_refused_holds_for_the_account_that_logs_in_there(shop):
    agree_to_the_profile(shop)
    on_phone(shop, "refused", PROFILED)
    assert basis(shop, customer_id=BUYER) == "profile"
    assert basis(shop, customer_id=BUYER, device_id=PHONE) != "profile"


def test_a_visit_s_refusal_holds_for_the_account_as_well(shop):
    agree_to_the_profile(shop)
    visit = {"events": [{"purpose": PROFILED, "status": "refused"}], "subject_type": "session"}
    shop.ask("POST", "/v1/customers/visit-1/consents", json=visit)
    assert basis(shop, customer_id=BUYER, session_id="visit-1") != "profile"
    assert basis(shop, customer_id=BUYER, session_id="visit-2") == "profile"


def test_what_the_device_agreed_to_never_becomes_the_account_s(shop):
    on_phone(shop, "given", STORAGE, PROFILING, PROFILED)
    assert basis(shop, customer_id=BUYER, device_id=PHONE) != "profile"
    consents = shop.ask("GET", f"/v1/customers/{BUYER}/consents").json()["purposes"]
    assert {each["status"] for each in consents} == {None}


def test_confirming_on_the_device_ends_its_refusal_and_grants_it_nothing(shop):
    agree_to_the_profile(shop)
    on_phone(shop, "refused", PROFILED)
    body = {"events": [{"purpose": PROFILED, "status": "given"}], "device_id": PHONE}
    assert shop.ask("POST", f"/v1/customers/{BUYER}/consents", json=body).status_code == 201
    assert basis(shop, customer_id=BUYER, device_id=PHONE) == "profile"
    device = shop.ask("GET", f"/v1/customers/{PHONE}/consents", params=ON_DEVICE).json()["purposes"]
    (state,) = (each for each in device if each["purpose"] == PROFILED)
    assert state["status"] == "ObjectionNotRaised"
    assert not state["permission"]["permitted"]


def test_a_choice_that_arrives_late_or_again_answers_no_later_refusal_on_the_device(shop):
    early_ms = shop.wiring.clock() - 60_000
    path = f"/v1/customers/{BUYER}/consents"
    shop.choose("given", STORAGE, PROFILING)
    named = {"purpose": PROFILED, "status": "given", "record_id": "chosen-on-the-phone"}
    assert shop.ask("POST", path, json={**named, "device_id": PHONE}).status_code == 201
    on_phone(shop, "refused", PROFILED)
    late = {"purpose": PROFILED, "status": "given", "at_ms": early_ms}
    for sent in (named, late):
        assert shop.ask("POST", path, json={**sent, "device_id": PHONE}).status_code == 201
        assert basis(shop, customer_id=BUYER, device_id=PHONE) != "profile"


def test_on_a_shared_device_nobody_confirms_for_the_others(shop):
    agree_to_the_profile(shop)
    for customer_id in (BUYER, OTHER):
        body = {"events": [{"purpose": STORAGE, "status": "given"}], "device_id": PHONE}
        shop.ask("POST", f"/v1/customers/{customer_id}/consents", json=body)
    on_phone(shop, "refused", PROFILED)
    body = {"events": [{"purpose": PROFILED, "status": "given"}], "device_id": PHONE}
    assert shop.ask("POST", f"/v1/customers/{OTHER}/consents", json=body).status_code == 201
    assert basis(shop, customer_id=BUYER, device_id=PHONE) != "profile"


def test_two_accounts_on_a_device_make_it_a_shared_one_and_are_never_merged(shop):
    agree_to_the_profile(shop)
    for customer_id in (BUYER, OTHER):
        body = {"events": [{"purpose": STORAGE, "status": "given"}], "device_id": PHONE}
        answer = shop.ask("POST", f"/v1/customers/{customer_id}/consents", json=body).json()
    assert answer["shared_device"] is True
    alone = shop.recommend(customer_id=BUYER).json()
    there = shop.recommend(customer_id=BUYER, device_id=PHONE).json()
    named = [piece for item in there["items"] for piece in item["reason"]["evidence"] if piece["item_id"]]
    assert alone["basis"] == there["basis"] == "profile"
    assert named == []
    assert basis(shop, customer_id=OTHER, device_id=PHONE) != "profile"


def test_an_event_is_kept_only_as_far_as_account_and_device_permit(shop):
    agree_to_the_profile(shop)
    event = {"kind": "view", "item_id": "bread-0", "customer_id": BUYER, "at_ms": shop.wiring.clock()}

    def send(event_id, **more):
        return shop.ask(
            "POST", "/v1/events", json={"events": [{**event, "event_id": event_id, **more}]}
        ).json()

    assert send("e1", device_id=PHONE)["stored"] == 1
    on_phone(shop, "refused", PROFILING)
    assert send("e2", device_id=PHONE)["withheld"][0]["because"] == "DENIED"
    assert send("e3")["stored"] == 1


def test_a_customer_s_token_speaks_only_on_devices_that_the_shop_has_seen_them_on(shop):
    token = shop.ask("POST", f"/v1/customers/{BUYER}/tokens", json={}).json()["token"]
    on_phone(shop, "refused", PROFILED)
    body = {"purpose": PROFILED, "status": "given", "device_id": PHONE}

    def choose_with_token():
        headers = {"Authorization": f"Bearer {token}"}
        return shop.client.post("/v1/customers/me/consents", json=body, headers=headers)

    refused = choose_with_token()
    assert refused.json()["errors"][0]["pointer"] == "/device_id"
    shop.ask("POST", f"/v1/customers/{BUYER}/consents", json={**body, "purpose": STORAGE})
    assert choose_with_token().status_code == 201


def test_a_device_goes_with_an_account_alone(shop):
    body = {"purpose": PROFILED, "status": "given", "subject_type": "session", "device_id": PHONE}
    answer = shop.ask("POST", "/v1/customers/visit-1/consents", json=body)
    assert answer.json()["errors"][0]["pointer"] == "/device_id"
