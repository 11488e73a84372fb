"""Reasons and problems are given in the language that the request asks for."""

import pytest
from support.http import BUYER, LIMITED

from api.languages import say
from api.problems import INVALID_REQUEST, NOT_FOUND, PROBLEMS, UNAUTHENTICATED
from api.storage.api_keys import Role
from guardrails.consent.purposes import entry_of
from guardrails.messages import LANGUAGES, Phrase

ON_BREAD = {"placement": "product_page", "context": {"item_id": "bread-1"}}


def in_the(language):
    return {"Accept-Language": language}


def varies_by(answer):
    return {name.strip() for name in answer.headers["Vary"].split(",")}


@pytest.mark.parametrize(
    ("language", "reason"),
    [
        ("en", "Often bought together with Bread no. 1"),
        ("da", "Købes ofte sammen med Bread no. 1"),
        ("nb", "Kjøpes ofte sammen med Bread no. 1"),
        ("sv", "Köps ofta tillsammans med Bread no. 1"),
        ("de", "Wird oft zusammen mit „Bread no. 1“ gekauft"),
    ],
)
def test_reasons_are_given_in_the_language_asked_for(shop_on_sqlite, language, reason):
    answer = shop_on_sqlite.recommend(headers=in_the(language), **ON_BREAD)
    assert {each["reason"]["text"] for each in answer.json()["items"]} == {reason}
    assert answer.headers["Content-Language"] == language
    assert {"Sec-GPC", "Accept-Language"} <= varies_by(answer)
    record = shop_on_sqlite.decision(answer.json()["decision_id"])
    assert record["sections"]["req"]["language"] == language
    assert record["sections"]["out"]["list"][0]["text"] == reason


def test_a_language_in_the_body_goes_before_the_header(shop_on_sqlite):
    answer = shop_on_sqlite.recommend(headers=in_the("da"), language="sv", **ON_BREAD)
    assert answer.headers["Content-Language"] == "sv"
    assert answer.json()["items"][0]["reason"]["text"].startswith("Köps")
    assert answer.json()["options"]["switch"].startswith("skicka")


def test_what_is_wrong_with_such_a_request_is_said_in_it_too(shop_on_sqlite):
    answer = shop_on_sqlite.recommend(placement="nowhere", language="de")
    assert answer.json()["errors"] == [
        {"pointer": "/placement", "detail": "unbekannte Platzierung `nowhere`"}
    ]
    assert answer.headers["Content-Language"] == "de"


@pytest.mark.parametrize("language", ["fr", "", "DA", "da-DK", None, 7])
def test_a_language_that_is_not_spoken_is_refused_where_it_stands(shop_on_sqlite, language):
    answer = shop_on_sqlite.recommend(language=language)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/language"]


def test_nothing_but_the_words_depends_on_the_language(shop_on_sqlite):
    def stripped(language):
        document = shop_on_sqlite.recommend(language=language, **ON_BREAD).json()
        document.pop("decision_id")
        document["options"].pop("switch")
        for item in document["items"]:
            item["reason"].pop("text")
        return document

    documents = [stripped(language) for language in LANGUAGES]
    assert documents[0]["items"]
    assert all(document == documents[0] for document in documents)


@pytest.mark.parametrize("language", LANGUAGES)
def test_problems_are_told_in_the_language_asked_for(shop_on_sqlite, language):
    client = shop_on_sqlite.client
    for problem, answer in (
        (NOT_FOUND, client.get("/nowhere", headers=in_the(language))),
        (UNAUTHENTICATED, client.post("/v1/recommendations", headers=in_the(language))),
        (INVALID_REQUEST, shop_on_sqlite.recommend(headers=in_the(language), count=51)),
    ):
        body = answer.json()
        assert (body["type"], body["status"]) == (problem.type, problem.status)
        assert body["title"] == say(problem.title, language)
        assert answer.headers["Content-Language"] == language
        assert "Accept-Language" in varies_by(answer)
    most = Phrase("must be greater than or equal to {min} and less than or equal to {max}", min=1, max=50)
    assert body["errors"] == [{"pointer": "/count", "detail": say(most, language)}]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_finding_is_told_in_it(shop_on_sqlite, language):
    asked = {"placement": "home", "surprise": 1, "context": {"item_id": 7}, "shared_device": "yes"}
    answer = shop_on_sqlite.ask("POST", "/v1/recommendations", json=asked, headers=in_the(language))
    details = {each["pointer"]: each["detail"] for each in answer.json()["errors"]}
    assert details == {
        "/surprise": say("unknown field", language),
        "/context/item_id": say("not a valid string", language),
        "/shared_device": say("not a valid boolean", language),
    }


def test_rows_that_are_refused_are_told_of_in_it(shop_on_sqlite):
    items = [{"item_id": "new", "title": "New"}, {"item_id": "odd", "title": "Odd", "price": "much"}]
    answer = shop_on_sqlite.ask("PUT", "/v1/items", json={"items": items}, headers=in_the("da"))
    assert answer.status_code == 207
    assert answer.json()["errors"][0]["detail"].startswith("er ")
    assert answer.headers["Content-Language"] == "da"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_of_every_problem_is_there_in_every_language(shop_on_sqlite, language):
    for problem in PROBLEMS:
        page = shop_on_sqlite.client.get(problem.type, params={"language": language})
        assert page.status_code == 200
        assert f'<html lang="{language}">' in page.text
        assert f"<h1>{say(problem.title, language)}</h1>" in page.text
        assert page.headers["Content-Language"] == language


def test_a_problem_page_knows_no_other_parameter(shop_on_sqlite):
    assert shop_on_sqlite.client.get("/problems/not-found?surprise=1").status_code == 422


def test_answers_without_words_depend_on_no_language(shop_on_sqlite):
    for path in ("/healthz", "/openapi.json", "/.well-known/gpc.json"):
        assert "Content-Language" not in shop_on_sqlite.client.get(path).headers
    assert shop_on_sqlite.client.get("/docs", headers=in_the("da")).headers["Content-Language"] == "en"
    found = shop_on_sqlite.ask("GET", "/v1/models", Role.ADMIN)
    assert "Content-Language" not in found.headers


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_purposes_allow_is_told_in_it(shop_on_sqlite, language):
    answer = shop_on_sqlite.ask("GET", f"/v1/customers/{BUYER}/consents", headers=in_the(language))
    told = {each["purpose"]: each["meaning"] for each in answer.json()["purposes"]}
    assert told[LIMITED] == say(entry_of(LIMITED).meaning, language)
    assert answer.headers["Content-Language"] == language
