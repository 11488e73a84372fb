"""The log over HTTP: pages that neither repeat nor skip, filters, whole records, feedback."""

import base64
import hashlib

import pytest
from support.http import BUYER, EVERYTHING

from api.storage.api_keys import Role
from guardrails.log.record import section_digest


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
    record = shop.decision(shop.recommend().json()["decision_id"])
    header = base64.b64decode(record["header_base64"])
    assert record["header"]["id"] == record["decision_id"]
    assert hashlib.sha256(header).hexdigest()
    raw = shop.ask("GET", f"/v1/decisions/{record['decision_id']}", Role.AUDITOR).content
    for digest, name in zip(record["header"]["sd"], ("req", "consent", "cand", "rules", "out"), strict=True):
        start = raw.index(b'"%s":' % name.encode(), raw.index(b'"sections":')) + len(name) + 3
        content = next(
            raw[start:end]
            for end in range(start, len(raw) + 1)
            if section_digest(name, base64.b64decode(record["salts"][name]), raw[start:end]) == digest
        )
        assert content


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
    assert again == {"stored": 0, "muted": [], "muted_until_ms": None}


def test_nobody_is_muted_by_feedback_on_a_decision_for_nobody(shop):
    answer = shop.recommend().json()
    said = {"items": [{"item_id": answer["items"][0]["item_id"], "kind": "not_interested"}]}
    given = shop.ask("POST", f"/v1/decisions/{answer['decision_id']}/feedback", json=said)
    assert given.json()["muted"] == []
