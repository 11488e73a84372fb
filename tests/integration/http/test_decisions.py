"""The log over HTTP: pages that neither repeat nor skip, filters, whole records, feedback."""

import base64

import orjson
import pytest
from sqlalchemy import select, update
from support.http import BUYER, EVERYTHING

from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.decisions import decision_subject
from api.storage.disclosures import read_disclosure
from api.storage.tables import decision_bodies, decision_kinds
from guardrails.log.record import SECTIONS, section_digest
from guardrails.log.verifier import (
    canonical_json,
    leaf_hash,
    open_note,
    parse_checkpoint,
    parse_receipt,
    parse_vkey,
    verify_inclusion,
    verify_sections,
)


def page(shop, query=""):
    return shop.ask("GET", f"/v1/decisions{query}", Role.AUDITOR).json()


def test_pages_hold_every_decision_once_newest_first(shop):
    made = [shop.recommend().json()["decision_id"] for _ in range(7)]
    first = page(shop, "?limit=3")
    made.append(shop.recommend().json()["decision_id"])
    found, after = [each["decision_id"] for each in first["decisions"]], first["next"]
    while after is not None:
        following = page(shop, f"?limit=3&after={after}")
        found += [each["decision_id"] for each in following["decisions"]]
        after = following["next"]
    assert found == made[6::-1]


def test_filters_hold_together(shop):
    shop.choose("given", *EVERYTHING)
    own = shop.recommend(customer_id=BUYER).json()
    shop.recommend(placement="cart")
    assert [each["decision_id"] for each in page(shop, f"?customer_id={BUYER}")["decisions"]] == [
        own["decision_id"]
    ]
    assert len(page(shop, "?placement=cart")["decisions"]) == 1
    assert page(shop, f"?placement=cart&customer_id={BUYER}")["decisions"] == []
    assert (
        len(page(shop, f"?basis=profile&model={own['model_version']}&outcome=personalised")["decisions"]) == 1
    )
    minute = page(shop)["decisions"][0]["minute"]
    assert page(shop, f"?minute_from={minute + 10}")["decisions"] == []
    assert len(page(shop, f"?minute_to={minute + 10}")["decisions"]) == 2


def test_a_record_can_be_checked_by_whoever_reads_it(shop):
    decision_id = shop.recommend().json()["decision_id"]
    record = shop.decision(decision_id)
    assert record["entry"]["id"] == record["decision_id"] == decision_id
    assert orjson.dumps(record["entry"], option=orjson.OPT_SORT_KEYS) == base64.b64decode(
        record["entry_base64"]
    )
    sections = {
        name: {"salt": record["salts"][name], "content": canonical_json(record["sections"][name]).decode()}
        for name in record["sections"]
    }
    assert verify_sections(record["entry"], sections) == list(SECTIONS)


def test_a_receipt_proves_offline_that_a_decision_is_in_the_log(shop):
    answers = [shop.recommend() for _ in range(3)]
    first = answers[0].json()["decision_id"]
    proof = shop.ask("GET", f"/v1/decisions/{first}/proof", Role.AUDITOR).json()
    assert str(proof["log_index"]) == answers[0].headers["Tactful-Log-Index"]
    entry = base64.b64decode(proof["entry_base64"])
    receipt = parse_receipt(proof["receipt"].encode())
    keys = [parse_vkey(each) for each in shop.client.get("/v1/log/keys").json()["vkeys"]]
    text, signed = open_note(receipt.checkpoint, keys)
    checkpoint = parse_checkpoint(text)
    assert signed
    assert verify_inclusion(receipt.index, checkpoint.size, leaf_hash(entry), receipt.proof, checkpoint.root)
    assert not verify_inclusion(
        receipt.index, checkpoint.size, leaf_hash(entry + b" "), receipt.proof, checkpoint.root
    )


def test_sections_are_disclosed_one_by_one(shop):
    decision_id = shop.recommend().json()["decision_id"]
    record = shop.ask("GET", f"/v1/decisions/{decision_id}?sections=rules,out", Role.AUDITOR).json()
    assert set(record["sections"]) == set(record["salts"]) == {"rules", "out"}
    refused = shop.ask("GET", f"/v1/decisions/{decision_id}?sections=secret", Role.AUDITOR)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["parameter"] == "sections"


def entries(shop, **query):
    return shop.ask("GET", "/v1/log/entries", Role.AUDITOR, params=query).json()


def test_every_look_at_a_record_is_itself_in_the_log(shop):
    shop.choose("given", *EVERYTHING)
    decision_id = shop.recommend(customer_id=BUYER).json()["decision_id"]
    record = shop.decision(decision_id)
    (entry,) = entries(shop, start=record["logged_at"])["entries"]
    told = entry["entry"]
    assert (told["type"], told["kind"], told["n"]) == ("disclosure", "record", 1)
    assert decision_id not in entry["entry_base64"]
    assert BUYER not in str(told)
    with reading(shop.wiring.engine) as conn:
        disclosure = read_disclosure(conn, record["logged_at"])
        whose = decision_subject(conn, decision_id)
    assert disclosure.subject_key == whose
    assert section_digest("disclosure", disclosure.salt, disclosure.details.encode()) == told["sd"]
    assert orjson.loads(disclosure.details)["decision"] == decision_id


def test_a_search_that_tells_more_than_entries_do_is_in_the_log(shop):
    shop.recommend()
    assert page(shop)["logged_at"] is None
    for query in (f"?customer_id={BUYER}", "?rule=G17", "?reason=PRICE_JUMP", "?shown=popular"):
        logged_at = page(shop, query)["logged_at"]
        assert entries(shop, start=logged_at)["entries"][0]["entry"]["kind"] == "search"


def test_decisions_are_found_by_the_rules_that_withheld_and_the_reasons_given(shop):
    answers = [shop.recommend().json(), shop.recommend(placement="cart").json()]
    for answer in answers:
        for rule_id in answer["withheld"]["by_rule"]:
            found = {each["decision_id"] for each in page(shop, f"?rule={rule_id}")["decisions"]}
            assert found == {
                each["decision_id"] for each in answers if rule_id in each["withheld"]["by_rule"]
            }
        for item in answer["items"]:
            found = page(shop, f"?shown={item['reason']['code']}&placement=cart")["decisions"]
            assert all(each["placement"] == "cart" for each in found)
    assert any(answer["withheld"]["count"] for answer in answers)
    assert page(shop, "?rule=no-such-rule")["decisions"] == []


def test_only_auditors_read_the_log(shop):
    for role in (Role.SITE, Role.MARKETER, Role.APPROVER):
        assert shop.ask("GET", "/v1/decisions", role).status_code == 403


def test_an_unknown_decision_is_told(shop):
    assert shop.ask("GET", "/v1/decisions/none", Role.AUDITOR).json()["type"] == "/problems/unknown-decision"
    said = {"items": [{"item_id": "bread-0", "kind": "helpful"}]}
    assert shop.ask("POST", "/v1/decisions/none/feedback", json=said).status_code == 404


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"item_id": "nothing", "kind": "helpful"}, "/items/0/item_id"),
        ({"item_id": "wine-0", "kind": "helpful"}, "/items/0/item_id"),
        ({"item_id": "bread-0", "kind": "loved"}, "/items/0/kind"),
        ({"item_id": "bread-0"}, "/items/0/kind"),
    ],
)
def test_feedback_on_what_was_not_suggested_is_refused(shop, said, pointer):
    shop.choose("given", *EVERYTHING)
    decision_id = shop.recommend(customer_id=BUYER).json()["decision_id"]
    answer = shop.ask("POST", f"/v1/decisions/{decision_id}/feedback", json={"items": [said]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_feedback_said_twice_counts_once(shop):
    shop.choose("given", *EVERYTHING)
    answer = shop.recommend(customer_id=BUYER).json()
    said = {"items": [{"item_id": item["item_id"], "kind": "clicked"} for item in answer["items"]]}
    path = f"/v1/decisions/{answer['decision_id']}/feedback"
    assert shop.ask("POST", path, json=said).json()["stored"] == len(answer["items"])
    again = shop.ask("POST", path, json=said).json()
    assert again == {"stored": 0, "counted": 0, "muted": [], "muted_until_ms": None}


def test_nobody_is_muted_by_feedback_on_a_decision_for_nobody(shop):
    answer = shop.recommend().json()
    said = {"items": [{"item_id": answer["items"][0]["item_id"], "kind": "not_interested"}]}
    given = shop.ask("POST", f"/v1/decisions/{answer['decision_id']}/feedback", json=said)
    assert given.json()["muted"] == []


def test_a_record_that_was_changed_is_called_that(shop):
    decision_id = shop.recommend().json()["decision_id"]
    with writing(shop.wiring.engine) as conn:
        (sealed,) = conn.execute(select(decision_bodies.c.sealed)).one()
        changed = bytes([*sealed[:40], sealed[40] ^ 1, *sealed[41:]])
        conn.execute(update(decision_bodies).values(sealed=changed))
    for what in ("", "/replay", "/counterfactuals"):
        answer = shop.ask("GET", f"/v1/decisions/{decision_id}{what}", Role.AUDITOR)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/changed-record")


def test_where_the_policy_of_a_decision_is_gone_that_is_said(shop):
    decision_id = shop.recommend().json()["decision_id"]
    with writing(shop.wiring.engine) as conn:
        conn.execute(update(decision_kinds).values(policy="f" * 64))
    answer = shop.ask("GET", f"/v1/decisions/{decision_id}/counterfactuals", Role.AUDITOR)
    assert answer.status_code == 404
    assert "policy" in answer.json()["detail"]


def test_a_search_for_somebody_who_was_erased_remembers_nothing_of_them(shop):
    shop.ask("DELETE", f"/v1/customers/{BUYER}")
    logged_at = page(shop, f"?customer_id={BUYER}")["logged_at"]
    assert entries(shop, start=logged_at)["entries"][0]["entry"]["kind"] == "search"
    with reading(shop.wiring.engine) as conn:
        assert read_disclosure(conn, logged_at) is None
