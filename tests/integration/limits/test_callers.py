"""A key, a customer and an address may ask for so much, are told how they stand, and when to come again."""

import re

import pytest
from support.http import BUYER
from support.stores import counting_statements

from api.storage.api_keys import KeyLimits, Role, create_key
from api.storage.connection import writing

SOMEWHERE, ELSEWHERE = "9.9.9.9", "8.8.4.4"
GUESSED = "tactful_site_guessed"
ASKED = {"placement": "home"}


def key_with(shop, **limits):
    with writing(shop.wiring.engine) as conn:
        _, secret = create_key(conn, Role.SITE, "tests", shop.wiring.clock(), KeyLimits(**limits))
    return {"Authorization": f"Bearer {secret}"}


def recommend(shop, headers):
    return shop.client.post("/v1/recommendations", json=ASKED, headers=headers)


def is_told_to_wait(answer, longest_s):
    assert answer.status_code == 429
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/too-many-requests"
    assert 1 <= int(answer.headers["Retry-After"]) <= longest_s
    return True


def test_a_key_may_ask_as_often_as_it_says_and_is_told_how_it_stands(tight_shop):
    headers = key_with(tight_shop, n_per_second=1, n_at_once=3)
    answers = [recommend(tight_shop, headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].headers["RateLimit-Policy"] == '"burst";q=3;w=3'
    assert re.fullmatch(r'"burst";r=2;t=1', answers[0].headers["RateLimit"])
    refused = recommend(tight_shop, headers)
    assert is_told_to_wait(refused, 1)
    assert refused.headers["RateLimit"].startswith('"burst";r=0;t=')
    assert recommend(tight_shop, tight_shop.auth(Role.SITE)).status_code == 200, "another key"


def test_a_key_without_a_pause_of_its_own_has_that_of_the_shop(tight_shop):
    headers = key_with(tight_shop, n_per_second=1)
    assert recommend(tight_shop, headers).headers["RateLimit-Policy"] == '"burst";q=5;w=5'


def test_a_quota_of_a_day_holds_and_both_limits_are_told(tight_shop):
    headers = key_with(tight_shop, n_per_second=100, n_at_once=100, n_per_day=2)
    answer = recommend(tight_shop, headers)
    assert answer.headers["RateLimit-Policy"] == '"burst";q=100;w=1, "day";q=2;w=86400'
    assert '"day";r=1;t=' in answer.headers["RateLimit"]
    assert recommend(tight_shop, headers).status_code == 200
    refused = recommend(tight_shop, headers)
    assert is_told_to_wait(refused, 86_400)
    assert refused.json()["detail"] == "what this key may ask for on a day is used up"


def test_a_key_without_limits_is_told_of_none(tight_shop):
    answers = [recommend(tight_shop, tight_shop.auth(Role.SITE)) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [200] * 12
    assert "RateLimit" not in answers[0].headers


def test_all_tokens_of_a_customer_are_counted_together_and_those_of_others_apart(tight_shop):
    def token_of(customer_id):
        made = tight_shop.ask("POST", f"/v1/customers/{customer_id}/tokens", json={})
        return {"Authorization": f"Bearer {made.json()['token']}"}

    first, second, other = token_of(BUYER), token_of(BUYER), token_of("somebody-else")
    where = "/v1/customers/me/consents"
    statuses = [tight_shop.client.get(where, headers=each).status_code for each in (first, second, first)]
    assert statuses == [200] * 3
    assert is_told_to_wait(tight_shop.client.get(where, headers=second), 1)
    assert tight_shop.client.get(where, headers=other).status_code == 200


def guess(shop, address, secret=GUESSED):
    return recommend(shop, {"Authorization": f"Bearer {secret}", "X-Forwarded-For": address})


@pytest.mark.parametrize("secret", [GUESSED, "ct_guessed"])
def test_whoever_guesses_is_not_looked_up_for_long_and_is_known_by_their_address(tight_shop, secret):
    known = {**tight_shop.auth(Role.SITE), "X-Forwarded-For": SOMEWHERE}
    assert recommend(tight_shop, known).status_code == 200
    assert [guess(tight_shop, SOMEWHERE, secret).status_code for _ in range(4)] == [401] * 4
    with counting_statements(tight_shop.wiring.engine) as statements:
        assert is_told_to_wait(guess(tight_shop, SOMEWHERE, secret), 1)
        right = {**key_with(tight_shop), "X-Forwarded-For": SOMEWHERE}
        assert is_told_to_wait(recommend(tight_shop, right), 1), "right or wrong"
    assert not any("FROM api_keys" in statement for statement in statements)
    assert guess(tight_shop, ELSEWHERE, secret).status_code == 401
    assert recommend(tight_shop, known).status_code == 200, "a key lately seen in force is counted by itself"
    assert recommend(tight_shop, {**right, "X-Forwarded-For": ELSEWHERE}).status_code == 200
    assert recommend(tight_shop, right).status_code == 200, "it was seen now"


def test_a_token_of_ours_is_no_guess(tight_shop):
    made = tight_shop.ask("POST", f"/v1/customers/{BUYER}/tokens", json={}).json()
    assert [guess(tight_shop, SOMEWHERE).status_code for _ in range(5)] == [401] * 4 + [429]
    headers = {"Authorization": f"Bearer {made['token']}", "X-Forwarded-For": SOMEWHERE}
    assert tight_shop.client.get("/v1/customers/me/consents", headers=headers).status_code == 200


def test_whoever_looks_at_pages_keeps_no_key_from_being_looked_up(tight_shop):
    somewhere = {"X-Forwarded-For": SOMEWHERE}
    answers = [tight_shop.client.get("/transparency", headers=somewhere) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    without = [recommend(tight_shop, somewhere).status_code for _ in range(2)]
    assert without == [429] * 2, "neither a page nor a key"
    answer = recommend(tight_shop, {**key_with(tight_shop), **somewhere})
    assert answer.status_code == 200
    assert "RateLimit" not in answer.headers, "the limit that holds for guesses is not this caller's"


def test_public_operations_are_counted_by_address_and_probes_never_are(tight_shop):
    def get(path, address=SOMEWHERE):
        return tight_shop.client.get(path, headers={"X-Forwarded-For": address})

    assert [get("/transparency").status_code for _ in range(4)] == [200] * 4
    assert is_told_to_wait(get("/transparency"), 1)
    assert get("/transparency", ELSEWHERE).status_code == 200
    assert {get(path).status_code for path in ("/healthz", "/readyz") for _ in range(8)} == {200}


def test_all_of_an_ipv6_network_is_one_caller(tight_shop):
    addresses = [f"2606:4700:4700::{n}" for n in range(1, 6)]
    answers = [
        tight_shop.client.get("/transparency", headers={"X-Forwarded-For": each}) for each in addresses
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]


def test_the_shops_own_network_says_nothing_of_who_asks(tight_shop):
    answers = [
        tight_shop.client.get("/transparency", headers={"X-Forwarded-For": address}).status_code
        for address in ("127.0.0.1", "10.1.2.3", "192.168.1.1", "fd00::1", "unknown")
        for _ in range(6)
    ]
    assert set(answers) == {200}


def test_what_was_refused_is_counted_and_names_nobody(tight_shop):
    headers = key_with(tight_shop, n_per_second=1, n_at_once=1)
    assert [recommend(tight_shop, headers).status_code for _ in range(3)] == [200, 429, 429]
    figures = tight_shop.ask("GET", "/metrics", Role.AUDITOR).text
    assert 'tactful_refused_total{because="too-fast"} 2.0' in figures
