"""The log over HTTP, read as a monitor and an auditor read it: with nothing but what is served."""

import base64
import hashlib
from collections.abc import Mapping

import orjson
import pytest
from support.http import BUYER, EVERYTHING

from api.storage.api_keys import Role
from guardrails.log.verifier import (
    entries_of,
    leaf_hash,
    open_note,
    parse_checkpoint,
    parse_vkey,
    verify_consistency,
    verify_inclusion,
)


def keys(shop):
    return [parse_vkey(each) for each in shop.client.get("/v1/log/keys").json()["vkeys"]]


def checkpoint(shop):
    """The log's checkpoint, its signature checked, fetched without a key."""
    answer = shop.client.get("/v1/log/checkpoint", headers={"Authorization": ""})
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    text, signed = open_note(answer.content, keys(shop))
    assert signed
    return parse_checkpoint(text)


def entries(shop, **query):
    return shop.ask("GET", "/v1/log/entries", Role.AUDITOR, params=query).json()


def hashes(answer):
    assert answer.status_code == 200, answer.text
    return [base64.b64decode(each) for each in answer.json()["proof"]]


def test_the_first_checkpoint_of_a_shop_is_signed(shop):
    found = checkpoint(shop)
    assert found.origin == shop.settings.log_origin
    assert found.size == len(entries(shop)["entries"])


def test_every_entry_that_was_answered_is_proved_to_be_in_the_tree(shop):
    answers = [shop.recommend() for _ in range(5)]
    tree = checkpoint(shop)
    for answer in answers:
        index = int(answer.headers["Tactful-Log-Index"])
        (entry,) = entries(shop, start=index, limit=1)["entries"]
        assert entry["entry"]["id"] == answer.json()["decision_id"]
        proof = hashes(shop.client.get("/v1/log/proof/inclusion", params={"index": index, "size": tree.size}))
        leaf = leaf_hash(base64.b64decode(entry["entry_base64"]))
        assert verify_inclusion(index, tree.size, leaf, proof, tree.root)


def test_a_later_tree_is_proved_to_go_on_from_an_earlier_one(shop):
    shop.recommend()
    older = checkpoint(shop)
    for _ in range(4):
        shop.recommend()
    newer = checkpoint(shop)
    assert newer.size > older.size
    proof = hashes(
        shop.client.get("/v1/log/proof/consistency", params={"old": older.size, "new": newer.size})
    )
    assert verify_consistency(older.size, newer.size, proof, older.root, newer.root)


def test_pages_of_entries_hold_every_one_once(shop):
    for _ in range(5):
        shop.recommend()
    found, start = [], 0
    while start is not None:
        page = entries(shop, start=start, limit=2)
        found += [each["log_index"] for each in page["entries"]]
        start = page["next"]
    assert found == list(range(page["size"]))


def test_tiles_and_bundles_are_served_as_monitors_ask_for_them(shop):
    for _ in range(3):
        shop.recommend()
    size = checkpoint(shop).size
    tile = shop.client.get(f"/v1/log/tile/0/000.p/{size}")
    bundle = shop.ask("GET", f"/v1/log/tile/entries/000.p/{size}", Role.AUDITOR)
    assert tile.headers["Content-Type"] == bundle.headers["Content-Type"] == "application/octet-stream"
    assert "immutable" in tile.headers["Cache-Control"]
    assert tile.content == b"".join(leaf_hash(entry) for entry in entries_of(bundle.content))
    shorter = shop.client.get(f"/v1/log/tile/0/000.p/{size - 1}")
    assert shorter.content == tile.content[:-32]


@pytest.mark.parametrize(
    "path",
    ["0/000", "0/000.p/250", "0/001.p/1", "1/000.p/1", "0/000.p/256", "0/00", "64/000.p/1", "0/000.p/0"],
)
def test_a_tile_that_is_not_there_is_not_found(shop, path):
    shop.recommend()
    assert shop.client.get(f"/v1/log/tile/{path}").status_code == 404


def test_entries_are_for_auditors_alone(shop):
    shop.recommend()
    for path in ("/v1/log/entries", "/v1/log/tile/entries/000.p/1"):
        assert shop.client.get(path, headers={"Authorization": ""}).status_code == 401
        for role in (Role.SITE, Role.MARKETER, Role.APPROVER):
            assert shop.ask("GET", path, role).status_code == 403


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/v1/log/proof/inclusion?index=0&size=1000", "size"),
        ("/v1/log/proof/inclusion?index=1&size=1", "index"),
        ("/v1/log/proof/inclusion?index=0", "size"),
        ("/v1/log/proof/consistency?old=1&new=1000", "new"),
        ("/v1/log/proof/consistency?old=2&new=1", "old"),
        ("/v1/log/proof/consistency?old=-1&new=1", "old"),
        ("/v1/log/checkpoint?size=1", "size"),
        ("/v1/log/checkpoint?witnessed=perhaps", "witnessed"),
    ],
)
def test_what_cannot_be_proved_is_told_with_the_parameter(shop, path, parameter):
    shop.recommend()
    answer = shop.client.get(path)
    assert answer.status_code == 422
    assert [each["parameter"] for each in answer.json()["errors"]] == [parameter]


def test_no_witness_has_signed_where_there_is_none(shop):
    shop.recommend()
    assert shop.client.get("/v1/log/checkpoint?witnessed=true").status_code == 404


def texts(value):
    if isinstance(value, Mapping):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    else:
        yield str(value)


def test_nothing_in_an_entry_leads_to_the_customer(shop):
    shop.choose("given", *EVERYTHING)
    for _ in range(3):
        shop.recommend(customer_id=BUYER, session_id="visit-1")
    key = shop.wiring.subjects.account(BUYER)
    telling = {BUYER, "visit-1", key.hex(), base64.b64encode(key).decode(), hashlib.sha256(key).hexdigest()}
    decided = [each["entry"] for each in entries(shop)["entries"] if each["entry"]["type"] == "decision"]
    assert len(decided) == 3
    shared = set.intersection(*(set(texts(each)) for each in decided))
    for entry in decided:
        assert not telling & set(texts(entry))
        assert not any(item in orjson.dumps(entry).decode() for item in ("bread-1", "milk-2"))
    # What several decisions of one customer have in common, those of anybody else at that time have too.
    other = shop.recommend(placement=decided[0]["placement"]).headers["Tactful-Log-Index"]
    nobodys = set(texts(entries(shop, start=int(other), limit=1)["entries"][0]["entry"]))
    assert shared - nobodys <= {"profile", "personalised", *map(str, range(200))}


def test_a_decision_is_made_again_to_the_byte(shop):
    shop.choose("given", *EVERYTHING)
    for asked in ({"customer_id": BUYER}, {}, {"placement": "cart"}):
        decision_id = shop.recommend(**asked).json()["decision_id"]
        report = shop.ask("GET", f"/v1/decisions/{decision_id}/replay", Role.AUDITOR).json()
        assert report["rules"] == {"finding": "exact", "pointer": "", "detail": report["rules"]["detail"]}
        assert report["candidates"]["finding"] == "exact", report
        told = entries(shop, start=report["logged_at"], limit=1)["entries"][0]["entry"]
        assert told["kind"] == "replay"


def test_what_would_have_been_otherwise_is_told_in_the_language_asked_for(shop):
    answer = shop.recommend(placement="cart").json()
    path = f"/v1/decisions/{answer['decision_id']}/counterfactuals"
    found = shop.ask("GET", path, Role.AUDITOR).json()
    items = {each["item"] for each in found["counterfactuals"]}
    assert {each["item_id"] for each in answer["items"]} <= items
    one = found["counterfactuals"][0]
    danish = shop.ask("GET", path, Role.AUDITOR, params={"item_id": one["item"], "language": "da"}).json()
    assert [each["item"] for each in danish["counterfactuals"]] == [one["item"]]
    assert danish["counterfactuals"][0]["sentence"] != one["sentence"]
    assert danish["counterfactuals"][0]["change"] == one["change"]
    unknown = shop.ask("GET", path, Role.AUDITOR, params={"item_id": "never-seen"})
    assert unknown.json()["errors"][0]["parameter"] == "item_id"
