"""Access and portability over HTTP: the customer's whole data, in words, checked against the schema."""

import csv
import io
import zipfile

import pytest
from jsonschema import Draft202012Validator
from support.http import BUYER, EVERYTHING, OFFERS, PROFILED

from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.notices import put_notice
from guardrails.consent.notices import Notice

EXPORT = f"/v1/customers/{BUYER}/export"
OTHER = "other-4712"


def export_of(shop, customer_id=BUYER, **query):
    answer = shop.ask("GET", f"/v1/customers/{customer_id}/export", params=query)
    assert answer.status_code == 200, answer.text
    return answer


def rows_of(shop, section, **query):
    return export_of(shop, **query).json()["sections"][section]["rows"]


def test_everything_there_is_comes_out_in_one_document(shop):
    shop.choose("given", *EVERYTHING)
    shop.ask(
        "PUT", f"/v1/customers/{BUYER}/preferences", json={"mutes": [{"scope": "brand", "value": "Globex"}]}
    )
    decision = shop.recommend(customer_id=BUYER).json()
    said = {"items": [{"item_id": decision["items"][0]["item_id"], "kind": "helpful"}]}
    shop.ask("POST", f"/v1/decisions/{decision['decision_id']}/feedback", json=said)
    shop.choose("withdrawn", OFFERS)
    document = export_of(shop).json()
    Draft202012Validator(shop.client.get("/v1/schemas/export.json").json()).validate(document)
    sections = {name: section["rows"] for name, section in document["sections"].items()}
    assert {row["item_id"] for row in sections["interactions"]} == {"bread-1", "bread-3", "milk-0", "milk-2"}
    assert {row["purpose"] for row in sections["interactions"]} == {"personalize.content.profiling"}
    assert [row["status"] for row in sections["consent_events"]] == [
        *["ConsentGiven"] * 4,
        "ConsentWithdrawn",
    ]
    assert sections["mutes"][0]["value"] == "Globex"
    assert sections["feedback"][0]["kind"] == "helpful"
    assert {row["value"] for row in sections["interests"]} == {"Food > Bread", "Food > Dairy", "Acme"}
    assert sum(row["share_micro"] for row in sections["evidence"]) == pytest.approx(1_000_000, abs=10)
    (listed,) = sections["decisions"]
    assert listed["decision_id"] == decision["decision_id"]
    assert [row["item_id"] for row in sections["suggestions"]] == [
        each["item_id"] for each in decision["items"]
    ]
    assert [row["reason"] for row in sections["suggestions"]] == [
        each["reason"]["text"] for each in decision["items"]
    ]
    assert len(sections["withheld"]) == decision["withheld"]["count"]
    by_rule = {row["rule"] for row in sections["withheld"]}
    assert by_rule == set(decision["withheld"]["by_rule"])
    assert "G12" in by_rule
    assert {row["topic"] for row in sections["explanations"]} >= {"logic", "model", "segments"}


def test_consent_comes_with_the_text_it_was_given_under(shop):
    notice = Notice("n", "1", "en", "EU", "May we?", (PROFILED,), False, 0, recipients=("Courier",))
    with writing(shop.wiring.engine) as conn:
        put_notice(conn, notice, shop.wiring.clock())
    shop.wiring.runtime.wait_for({}, 5)
    given = shop.choose("given", PROFILED, notice_id="n", notice_version="1")
    assert given.status_code == 201, given.text
    (event,) = rows_of(shop, "consent_events")
    assert (event["notice_id"], event["notice_version"], event["method"]) == ("n", "1", "api")
    assert event["notice_sha256"] == notice.text_sha256
    (shown,) = rows_of(shop, "notices")
    assert (shown["text"], shown["text_sha256"]) == ("May we?", notice.text_sha256)
    (standing,) = [row for row in rows_of(shop, "consent_state") if row["purpose"] == PROFILED]
    assert standing["permitted"] is True
    assert standing["basis"] == "your consent"
    assert "Courier" in {row["name"] for row in rows_of(shop, "recipients")}


def test_nothing_is_inferred_where_the_profile_may_not_be_used(shop):
    assert rows_of(shop, "interests") == []
    assert rows_of(shop, "evidence") == []
    assert len(rows_of(shop, "interactions")) == 4


def test_nobody_else_is_in_it(shop):
    shop.choose("given", *EVERYTHING, customer_id=OTHER)
    decision_id = shop.recommend(customer_id=OTHER).json()["decision_id"]
    text = export_of(shop).text
    assert OTHER not in text
    assert decision_id not in text


def test_what_can_be_taken_along_holds_nothing_inferred(shop):
    shop.choose("given", *EVERYTHING)
    shop.recommend(customer_id=BUYER)
    document = export_of(shop, scope="portability").json()
    Draft202012Validator(shop.client.get("/v1/schemas/export.json").json()).validate(document)
    assert {"interests", "decisions", "withheld"}.isdisjoint(document["sections"])
    assert len(document["sections"]["interactions"]["rows"]) == 4


def test_tables_come_as_a_zip_of_one_file_a_section(shop):
    shop.choose("given", *EVERYTHING)
    answer = export_of(shop, format="csv")
    assert answer.headers["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    rows = list(csv.DictReader(io.StringIO(archive.read("interactions.csv").decode("utf-8-sig"))))
    assert {row["item_id"] for row in rows} == {"bread-1", "bread-3", "milk-0", "milk-2"}


@pytest.mark.parametrize("format_", ["json", "csv"])
def test_the_name_of_the_file_names_nobody_and_no_cache_keeps_it(shop, format_):
    answer = export_of(shop, format=format_)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="export.')
    assert BUYER not in str(answer.headers)
    assert answer.headers["Cache-Control"] == "no-store"


def test_that_it_was_asked_for_is_taken_down(shop):
    export_of(shop)
    export_of(shop, scope="portability")
    taken = shop.ask("GET", f"/v1/customers/{BUYER}/requests").json()["requests"]
    assert [(row["kind"], row["state"]) for row in taken] == [("access", "done"), ("portability", "done")]


def test_a_visit_can_be_handed_out_too(shop):
    choice = {"purpose": PROFILED, "status": "given", "subject_type": "session"}
    shop.ask("POST", "/v1/customers/visit-1/consents", json=choice)
    assert [row["purpose"] for row in rows_of(shop, "consent_events", customer_id="visit-1")] == []
    rows = rows_of(shop, "consent_events", customer_id="visit-1", subject_type="session")
    assert [row["purpose"] for row in rows] == [PROFILED]


@pytest.mark.parametrize(
    "query", [{"format": "xml"}, {"scope": "all"}, {"subject_type": "household"}, {"x": "1"}]
)
def test_what_cannot_be_handed_out_is_refused(shop, query):
    answer = shop.ask("GET", EXPORT, params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] in query


def test_only_the_site_and_the_customer_may_ask(shop):
    assert shop.ask("GET", EXPORT, Role.AUDITOR).status_code == 403
    token = shop.ask("POST", f"/v1/customers/{BUYER}/tokens", json={}).json()["token"]
    mine = shop.client.get("/v1/customers/me/export", headers={"Authorization": f"Bearer {token}"})
    assert mine.json()["sections"]["person"]["rows"][0]["id"] == BUYER
    visit = shop.client.get(
        "/v1/customers/me/export?subject_type=session", headers={"Authorization": f"Bearer {token}"}
    )
    assert visit.status_code == 403


def test_words_are_in_the_language_asked_for(shop):
    headers = {"Accept-Language": "de"}
    document = shop.ask("GET", EXPORT, headers=headers).json()
    assert document["language"] == "de"
    rights = {row["right"]: row["article"] for row in document["sections"]["rights"]["rows"]}
    assert rights["access"] == "DSGVO 15" or rights["access"].endswith("15")
    meanings = {row["meaning"] for row in document["sections"]["consent_state"]["rows"]}
    english = {row["meaning"] for row in rows_of(shop, "consent_state")}
    assert meanings.isdisjoint(english)


def test_the_schema_itself_is_one(shop):
    schema = shop.client.get("/v1/schemas/export.json")
    assert schema.headers["Content-Type"] == "application/schema+json"
    Draft202012Validator.check_schema(schema.json())
