"""Anybody can read what suggestions are based on, in five languages; the link in every answer leads there."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from support.http import PROFILED, fill, serving

from api.schemas.recommendation import MODES
from api.transparency import RIGHTS
from engine.vocabulary import LEARNED_FROM, word
from guardrails.consent.collection import DATA_CATEGORY_OF
from guardrails.consent.purposes import REGISTER
from guardrails.messages import LANGUAGES, in_language, translations
from guardrails.policy.limits import EvidenceLimits
from guardrails.rules.slate import EVERY_RULE

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
TITLES = {
    "en": "How suggestions are made",
    "da": "Sådan bliver forslagene til",
    "nb": "Slik blir forslagene til",
    "sv": "Så tas förslagen fram",
    "de": "So entstehen Vorschläge",
}
VOID = {"meta", "br", "link"}


class Page(HTMLParser):
    """Checks that elements close and remembers what a reader, seeing or not, is given."""

    def __init__(self, html):
        super().__init__()
        self.open, self.seen, self.headings, self.captions, self.words = [], [], [], 0, []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.headings.append(int(tag[1]))
        if tag == "caption":
            assert self.open[-2] == "table"
            self.captions += 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.seen if name == tag]


def page_of(shop, language, **more):
    answer = shop.client.get("/transparency", headers={**BROWSER, "Accept-Language": language}, **more)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return answer


def test_the_link_in_an_answer_leads_to_the_parameters_in_force(shop):
    answer = shop.recommend().json()
    found = shop.client.get(answer["parameters_url"])
    assert found.status_code == 200
    document = found.json()
    assert document["policy_version"] == answer["policy_version"]
    assert document["model_version"] == answer["model_version"]
    assert [rule["id"] for rule in document["rules"]] == [rule.id for rule in EVERY_RULE]
    assert {each["kind"]: each["kept_days"] for each in document["parameters"]}["purchase"] == (
        EvidenceLimits().purchase_days
    )
    assert [purpose["key"] for purpose in document["purposes"]] == [entry.key for entry in REGISTER]
    assert PROFILED in {purpose["key"] for purpose in document["purposes"]}


def test_shares_say_how_much_each_kind_counts_beside_the_others(shop_on_sqlite):
    parameters = shop_on_sqlite.client.get("/transparency").json()["parameters"]
    assert [each["kind"] for each in parameters] == [word(kind) for kind in LEARNED_FROM]
    assert sum(each["share_percent"] for each in parameters) == pytest.approx(100, abs=0.5)
    by_share = sorted(parameters, key=lambda each: each["share_percent"])
    assert by_share == sorted(parameters, key=lambda each: each["weight_micro"])
    assert {each["kind"]: each["counts"] for each in parameters}["purchase"] == "It counts in full."


def test_every_category_of_data_has_a_source_and_none_is_of_a_third_party(shop_on_sqlite):
    document = shop_on_sqlite.client.get("/transparency").json()
    categories = {each["key"]: each for each in document["data_categories"]}
    for kind, key in DATA_CATEGORY_OF.items():
        assert word(kind) in categories[key]["kinds"]
    assert all(each["source"] and each["meaning"] for each in categories.values())
    assert document["third_party_sources"] == []


def test_both_modes_are_told_of_alike(shop_on_sqlite):
    options = shop_on_sqlite.client.get("/transparency").json()["options"]
    first, second = options["modes"]
    assert (first["mode"], second["mode"]) == MODES
    assert set(first) == set(second)
    assert first["ways"] == second["ways"] != []


def test_every_right_but_that_to_complain_elsewhere_can_be_used_here(shop_on_sqlite):
    rights = {each["right"]: each for each in shop_on_sqlite.client.get("/transparency").json()["rights"]}
    assert set(rights) == {right.key for right in RIGHTS}
    assert [key for key, each in rights.items() if not each["ways"]] == ["complaint"]
    assert all(len(rights[right.key]["ways"]) == len(right.ways) for right in RIGHTS)


def test_who_runs_the_shop_and_who_is_handed_data_is_named(sqlite_store):
    settings = replace(
        sqlite_store.settings,
        controller="Example A/S",
        contact="dpo@shop.example",
        consent_url="https://shop.example/choose",
        recipients=("Post A/S",),
    )
    with serving(settings, fill(settings)) as shop:
        document = shop.client.get("/transparency").json()
        page = page_of(shop, "da").text
    assert (document["controller"], document["contact"]) == ("Example A/S", "dpo@shop.example")
    assert document["recipients"] == ["Post A/S"]
    assert all(text in page for text in ("Example A/S", "dpo@shop.example", "Post A/S"))
    assert 'href="https://shop.example/choose"' in page
    assert document["consent_url"] == "https://shop.example/choose"


def test_a_shop_that_named_nobody_says_so(shop_on_sqlite):
    document = shop_on_sqlite.client.get("/transparency").json()
    assert (document["controller"], document["contact"], document["recipients"]) == (None, None, [])
    assert "The shop has not named one here." in page_of(shop_on_sqlite, "en").text


def test_when_it_last_changed_is_told_once_there_was_a_change(shop, shop_without_model):
    assert shop.client.get("/transparency").json()["changed_at_ms"] > 0
    assert "<time" in page_of(shop, "en").text


def test_before_any_change_there_is_no_day_of_it(shop_without_model):
    assert shop_without_model.client.get("/transparency").json()["changed_at_ms"] is None
    assert "<time" not in page_of(shop_without_model, "en").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_told_in_the_language_of_the_reader(shop_on_sqlite, language):
    by_header = shop_on_sqlite.client.get("/transparency", headers={"Accept-Language": language})
    by_query = shop_on_sqlite.client.get(
        f"/transparency?language={language}", headers={"Accept-Language": "fr"}
    )
    assert by_header.json() == by_query.json()
    for answer in (by_header, by_query):
        assert answer.headers["Content-Language"] == language
        assert {"Accept", "Accept-Language"} <= set(answer.headers["Vary"].split(", "))
    document = by_header.json()
    assert document["language"] == language
    for rule, told in zip(EVERY_RULE, document["rules"], strict=True):
        assert told["sentence"] == in_language(rule.sentence, translations()[language])
    if language != "en":
        english = shop_on_sqlite.client.get("/transparency").json()
        for part in ("purposes", "data_categories", "rights", "parameters", "retention", "steps", "origins"):
            for here, there in zip(document[part], english[part], strict=True):
                assert here["meaning"] != there["meaning"]
                assert set(here) == set(there)


def test_keys_and_numbers_are_the_same_in_every_language(shop_on_sqlite):
    def without_words(value):
        if isinstance(value, dict):
            kept = {
                "key",
                "kind",
                "kinds",
                "basis",
                "mode",
                "id",
                "name",
                "right",
                "method",
                "path",
                "origin",
            }
            return {
                name: without_words(each)
                for name, each in value.items()
                if name in kept or not isinstance(each, str)
            }
        return [without_words(each) for each in value] if isinstance(value, list) else value

    documents = [
        without_words(shop_on_sqlite.client.get(f"/transparency?language={language}").json())
        for language in LANGUAGES
    ]
    assert all(document == documents[0] for document in documents)


@pytest.mark.parametrize("query", ["language=fr", "language=", "surprise=1", "language=da&surprise=1"])
def test_a_query_that_means_nothing_is_refused(shop_on_sqlite, query):
    answer = shop_on_sqlite.client.get(f"/transparency?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] in query


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.9", ""])
def test_a_program_gets_json(shop_on_sqlite, accept):
    answer = shop_on_sqlite.client.get("/transparency", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_browser_gets_a_page_that_everybody_can_read(shop_on_sqlite, language):
    answer = page_of(shop_on_sqlite, language)
    assert answer.headers["Content-Language"] == language
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = Page(answer.text)
    assert page.all("html") == [{"lang": language}]
    assert TITLES[language] in page.words
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(below - above <= 1 for above, below in zip(page.headings, page.headings[1:], strict=False))
    assert page.captions == len(page.all("table")) > 0
    assert all(each.get("scope") in ("col", "row") for each in page.all("th"))
    assert page.all("script") == page.all("img") == []
    assert all(link["href"].startswith("/static/") for link in page.all("link"))
    ids = [attributes["id"] for _, attributes in page.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {each["aria-labelledby"] for each in page.all("section")} <= set(ids)
    links = {each["lang"]: each for each in page.all("a") if "lang" in each}
    assert set(links) == set(LANGUAGES)
    assert [each for each, link in links.items() if link.get("aria-current") == "page"] == [language]
    assert page_of(shop_on_sqlite, "en", params={"language": language}).text == answer.text
    for rule in EVERY_RULE:
        assert in_language(rule.sentence, translations()[language]) in page.words


def test_numbers_are_written_as_the_language_writes_them(shop_on_sqlite):
    assert "19.4 %" in page_of(shop_on_sqlite, "en").text
    assert "19,4 %" in page_of(shop_on_sqlite, "da").text
