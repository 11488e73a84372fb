"""Signing in elsewhere: at a provider that is really there, and that really lies when it is told to."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest
from joserfc.jwk import OctKey
from sqlalchemy import func, select, update
from support.http import fill, serving
from support.pages import SIGN_IN, sign_in, somebody, staff_of
from support.provider import CLIENT_ID, CLIENT_SECRET, a_key, a_provider

from api.console.entrance import ELSEWHERE
from api.console.provider import RETURN, role_in
from api.settings import OidcSettings
from api.storage.accounts import list_accounts
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.tables import accounts, log_entries

ROLES = (("shop-admins", "admin"), ("shop-auditors", "auditor"))


@pytest.fixture
def provider():
    with a_provider() as served:
        yield served


@pytest.fixture
def shop(sqlite_store, provider):
    oidc = OidcSettings(provider.url, CLIENT_ID, CLIENT_SECRET, ROLES)
    settings = replace(sqlite_store.settings, oidc=oidc)
    with serving(settings, fill(settings, model=False)) as served:
        yield served


@pytest.fixture
def client(shop):
    with somebody(shop) as browser:
        yield browser


def go_there(client, onward=""):
    answer = client.get(ELSEWHERE, params={"next": onward} if onward else None)
    assert answer.status_code == 302
    return answer.headers["Location"]


def come_back(shop, client, address, **changed):
    """Do at the provider what people do, and follow it back, as far as a test leaves it as it is."""
    back = httpx.get(address).headers["Location"]
    assert back.startswith(f"{shop.settings.address}{RETURN}?")
    query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    query = {name: text for name, text in {**query, **changed}.items() if text is not None}
    return client.get(RETURN, params=query)


def come_in(shop, client):
    return come_back(shop, client, go_there(client))


def test_whoever_signs_in_there_is_signed_in_here_and_goes_on_to_where_they_were(shop, client, provider):
    provider.claims["preferred_username"] = "Ada"
    answer = come_back(shop, client, go_there(client, "/console/me"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/me")
    page = client.get("/console/me")
    assert "ada" in page.text
    assert "Change your password" not in page.text  # there is none


def test_it_is_the_code_flow_with_pkce_state_and_nonce(shop, client, provider):
    come_in(shop, client)
    come_in(shop, client)
    first, second = provider.asked
    assert first["response_type"] == "code"
    assert first["code_challenge_method"] == "S256"
    assert "openid" in first["scope"].split()
    assert first["redirect_uri"] == f"{shop.settings.address}{RETURN}"
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]
        assert len(first[name]) >= 20


def test_the_button_is_there_only_where_it_is_set_up(shop, client, sqlite_store):
    assert ELSEWHERE in client.get(SIGN_IN).text
    with serving(sqlite_store.settings, shop.keys) as plain, somebody(plain) as visitor:
        assert ELSEWHERE not in visitor.get(SIGN_IN).text
        assert visitor.get(ELSEWHERE).status_code == 404
        assert visitor.get(RETURN).status_code == 404


def known(shop):
    with reading(shop.wiring.engine) as conn:
        return list_accounts(conn)


def refused(answer, words):
    assert answer.status_code == 403
    assert words in answer.text
    assert answer.headers["Content-Type"].startswith("text/html")


def nobody_came_in(shop, client, answer, words="signing in elsewhere did not work"):
    refused(answer, words)
    assert client.get("/console").status_code == 303
    assert known(shop) == []


def test_a_state_that_is_not_ours_is_refused(shop, client):
    there = go_there(client)
    nobody_came_in(shop, client, come_back(shop, client, there, state="another"))
    nobody_came_in(shop, client, come_back(shop, client, there, state=None))


def test_a_state_of_another_browser_is_refused(shop, client):
    with somebody(shop) as attacker:
        there = go_there(attacker)
        nobody_came_in(shop, client, come_back(shop, client, there))


def test_an_answer_cannot_be_used_twice(shop, client):
    there = go_there(client)
    back = urlsplit(httpx.get(there).headers["Location"])
    cookie = dict(client.cookies)
    assert client.get(f"{RETURN}?{back.query}").status_code == 303
    with somebody(shop) as thief:
        thief.cookies.update(cookie)
        refused(thief.get(f"{RETURN}?{back.query}"), "did not work")


SPOILED = {
    "bad nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "wrong audience": {"aud": "another-client"},
    "wrong audience for which we are authorized": {"aud": "another-client", "azp": CLIENT_ID},
    "no audience": {"aud": None},
    "authorized for somebody else": {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
    "wrong issuer": {"iss": "https://login.example"},
    "no issuer": {"iss": None},
    "expired": {"exp": 1_000_000_000},
    "no end": {"exp": None},
    "from the future": {"iat": 9_000_000_000},
    "nobody": {"sub": None},
    "a number": {"sub": 7},
}


def test_a_token_that_says_something_wrong_is_refused(shop, client, provider):
    right = dict(provider.claims)
    for what, spoiled in SPOILED.items():
        provider.claims = {**right, **spoiled}
        assert come_in(shop, client).status_code == 403, what
        nobody_came_in(shop, client, come_in(shop, client))
    provider.claims = right
    assert come_in(shop, client).status_code == 303


def test_a_token_that_another_key_has_signed_is_refused(shop, client, provider):
    provider.signs_with = a_key(1)
    nobody_came_in(shop, client, come_in(shop, client))


def test_a_token_that_anybody_could_have_signed_is_refused(shop, client, provider):
    provider.header = {"alg": "HS256", "kid": "one"}
    provider.signs_with = OctKey.import_key(orjson.dumps(provider.key.as_dict(private=False)))
    nobody_came_in(shop, client, come_in(shop, client))


def test_a_token_that_nobody_has_signed_is_refused(shop, client, provider):
    provider.header = {"alg": "none"}
    nobody_came_in(shop, client, come_in(shop, client))


def test_no_token_is_refused(shop, client, provider):
    provider.without_token = True
    nobody_came_in(shop, client, come_in(shop, client))


def test_an_answer_that_says_that_another_provider_gave_it_is_refused(shop, client):
    nobody_came_in(shop, client, come_back(shop, client, go_there(client), iss="https://login.example"))


def test_a_code_that_the_provider_does_not_know_is_refused(shop, client):
    nobody_came_in(shop, client, come_back(shop, client, go_there(client), code="made up"))


def test_a_refusal_of_the_provider_is_told_without_its_words(shop, client):
    told = {"error": "access_denied", "error_description": "<script>alert(1)</script>"}
    answer = come_back(shop, client, go_there(client), code=None, **told)
    nobody_came_in(shop, client, answer)
    assert "alert(1)" not in answer.text


def test_a_provider_that_gives_itself_another_name_is_not_asked(shop, client, provider):
    provider.named = "https://login.example"
    refused(client.get(ELSEWHERE), "does not work just now")
    provider.named = provider.url
    assert come_in(shop, client).status_code == 303


def test_a_provider_that_is_gone_stops_nobody_from_signing_in_here(sqlite_store):
    oidc = OidcSettings("http://127.0.0.1:9", CLIENT_ID, CLIENT_SECRET, ROLES)
    settings = replace(sqlite_store.settings, oidc=oidc)
    with serving(settings, fill(settings, model=False)) as served, somebody(served) as client:
        staff_of(served)
        refused(client.get(ELSEWHERE), "does not work just now")
        assert sign_in(client, "auditor").status_code == 303


def test_nobody_comes_in_without_a_role_that_is_mapped(shop, client, provider):
    for groups in (["others"], [], "shop", {"shop-admins": True}, None):
        provider.claims["groups"] = groups
        nobody_came_in(shop, client, come_in(shop, client), "you have no role here")


def test_the_role_is_what_the_provider_says_each_time(shop, client, provider):
    come_in(shop, client)
    (account,) = known(shop)
    assert account.role is Role.AUDITOR
    assert client.get("/console/accounts").status_code == 403
    provider.claims["groups"] = ["shop-auditors", "shop-admins"]
    come_in(shop, client)
    (again,) = known(shop)
    assert (again.account_id, again.role) == (account.account_id, Role.ADMIN)
    assert client.get("/console/accounts").status_code == 200
    with reading(shop.wiring.engine) as conn:
        said = [
            orjson.loads(entry)
            for entry in conn.scalars(select(log_entries.c.entry).where(log_entries.c.type == "config"))
        ]
    assert [(each["what"], each["role"]) for each in said if "account" in each] == [
        ("account_created", "auditor"),
        ("account_role_changed", "admin"),
    ]


def test_who_has_no_role_there_any_longer_is_signed_out_everywhere(shop, client, provider):
    come_in(shop, client)
    with somebody(shop) as elsewhere:
        come_in(shop, elsewhere)
        provider.claims["groups"] = ["others"]
        refused(come_in(shop, elsewhere), "you have no role here")
        assert elsewhere.get("/console").status_code == 303
    assert client.get("/console").status_code == 303
    provider.claims["groups"] = ["shop-auditors"]
    assert come_in(shop, client).status_code == 303


def test_an_account_is_found_by_who_somebody_is_and_never_by_a_name(shop, client, provider):
    staff_of(shop)
    provider.claims["preferred_username"] = "admin"
    come_in(shop, client)
    page = client.get("/console/me").text
    assert "admin 2" in page
    provider.claims["sub"] = "u-2"
    come_in(shop, client)
    assert "admin 3" in client.get("/console/me").text
    with reading(shop.wiring.engine) as conn:
        assert conn.scalar(select(func.count()).select_from(accounts)) == 6


def test_an_account_of_theirs_has_no_password_that_could_be_guessed(shop, client, provider):
    provider.claims["preferred_username"] = "ada"
    come_in(shop, client)
    with somebody(shop) as other:
        assert sign_in(other, "ada", "whoever is not there has a password too").status_code == 422


def test_who_was_put_out_of_use_here_does_not_come_in_from_there(shop, client):
    come_in(shop, client)
    with writing(shop.wiring.engine) as conn:
        conn.execute(update(accounts).values(disabled_at_ms=1))
    refused(come_in(shop, client), "you have no role here")
    assert client.get("/console").status_code == 303


def test_where_one_goes_on_to_is_a_page_of_ours(shop, client):
    answer = come_back(shop, client, go_there(client, "https://evil.example"))
    assert answer.headers["Location"] == "/console"


def test_a_role_is_found_in_a_list_a_word_or_further_in():
    def role(claims, claim="groups"):
        return role_in(claims, OidcSettings("https://login.example", "x", "y", ROLES, claim))

    assert role({"groups": "shop-auditors"}) is Role.AUDITOR
    assert role({"groups": ["x", "shop-auditors"]}) is Role.AUDITOR
    assert role({"groups": ["shop-auditors", "shop-admins"]}) is Role.ADMIN
    assert role({"groups": "shop-auditors shop-admins"}) is None
    assert role({"realm": {"roles": ["shop-admins"]}}, "realm.roles") is Role.ADMIN
    assert role({"https://shop.example/roles": ["shop-admins"]}, "https://shop.example/roles") is Role.ADMIN
    assert role({"realm": "shop-admins"}, "realm.roles") is None
