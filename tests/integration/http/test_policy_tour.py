"""A change of policy from the first draft to its return, by people with keys of their own, under load."""

from __future__ import annotations

import os
import time
from itertools import pairwise

import httpx
import pytest
import yaml
from support.http import fill
from support.logs import policies_recorded
from support.stores import create_store
from support.workers import Crowd, served

from api.policies.service import shipped_version
from api.settings import Settings
from api.storage.api_keys import Role
from api.storage.connection import open_engine, reading
from api.storage.policies import read_entries
from guardrails.policy.chain import first_broken

PATIENCE_S = 60
N_BEFORE = 12
ANCHOR = "bread-0"
DEARER = {"bread-1": 280, "bread-2": 280, "bread-3": 280, "bread-4": 280}
"""Each of them is dearer than the anchor by two fifths."""
PAGE = {"placement": "product_page", "count": 4, "context": {"item_id": ANCHOR}}
HOUSE = "/v1/policies/house/versions"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))
    found = Settings.from_env(os.environ)
    create_store(found.database_url, found.data_dir)
    return found


class Person:
    """Somebody with a key, and what they do with it."""

    def __init__(self, url, key):
        self.client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_S
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def get(self, path, **more):
        answer = self.client.get(path, **more)
        assert answer.status_code == 200, answer.text
        return answer

    def drafts(self, document):
        text = yaml.safe_dump(document, allow_unicode=True)
        answer = self.client.post("/v1/policies", content=text, headers={"Content-Type": "application/yaml"})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def does(self, step, version, **body):
        answer = self.client.post(f"{HOUSE}/{version}/{step}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def is_refused(self, step, version, status=409, **body):
        answer = self.client.post(f"{HOUSE}/{version}/{step}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def rehearses(self, version):
        assert self.client.post(f"{HOUSE}/{version}/rehearsal").status_code == 202
        until = time.monotonic() + PATIENCE_S
        while (found := self.get(f"{HOUSE}/{version}/rehearsal").json())["state"] == "running":
            assert time.monotonic() < until, "the rehearsal did not end"
            time.sleep(0.1)
        assert found["state"] == "done", found
        return found["report"]

    def state_of(self, version):
        return self.get(f"{HOUSE}/{version}/state").json()["state"]


def with_limit(document, share):
    return {**document, "limits": {"G17.upsell_hard": share}}


def stocked(site):
    items = [
        {
            "item_id": item_id,
            "title": item_id.replace("-", " no. "),
            "category": "Food > Bread",
            "brand": "Acme",
            "price_minor": price,
            "currency": "EUR",
        }
        for item_id, price in DEARER.items()
    ]
    assert site.client.put("/v1/items", json={"items": items}).status_code == 200


def intents(site):
    answer = site.client.post("/v1/recommendations", json=PAGE)
    assert answer.status_code == 200, answer.text
    return {item["item_id"]: item["intent"] for item in answer.json()["items"]}


def test_a_change_goes_its_way_and_back(settings, tmp_path):
    keys = fill(settings)
    with (
        served(tmp_path / "log") as url,
        Person(url, keys[Role.SITE]) as site,
        Person(url, keys[Role.MARKETER]) as mary,
        Person(url, keys[Role.APPROVER]) as ann,
    ):
        stocked(site)
        for _ in range(N_BEFORE):
            assert intents(site)["bread-1"] == "upsell"

        shipped = mary.get("/v1/policies").json()["in_force"]["version"]
        assert shipped == shipped_version()
        text = mary.get(f"{HOUSE}/{shipped}", headers={"Accept": "application/yaml"}).text
        document = yaml.safe_load(text)

        looser = mary.drafts(with_limit(document, 0.6))
        refused_as_locked(mary, looser)

        tighter = mary.drafts(with_limit(document, 0.3))["version"]
        assert mary.is_refused("propose", tighter)["detail"].startswith("no rehearsal")
        names_what_would_have_been_withheld(mary.rehearses(tighter))

        mary.does("propose", tighter)
        assert mary.is_refused("approve", tighter, 403, base=shipped)["type"] == "/problems/forbidden"
        assert ann.does("approve", tighter, base=shipped)["state"] == "approved"

        edited = mary.drafts(with_limit(document, 0.35))["version"]
        assert edited != tighter
        assert mary.is_refused("activate", edited)["detail"] == "this version is not proposed"
        mary.rehearses(edited)
        mary.does("propose", edited)
        assert mary.is_refused("activate", edited)["detail"].startswith("nobody has approved")

        assert ann.does("approve", edited, base=shipped)["state"] == "approved"
        with Crowd(url, keys[Role.SITE], **PAGE) as crowd:
            time.sleep(1)
            began, taken, ended = activated(mary, edited)
            time.sleep(1)
        assert taken["in_force"] == edited
        nobody_was_refused(crowd, settings, {shipped: (0, ended), edited: (began, float("inf"))})
        assert "upsell" not in intents(site).values()
        assert mary.is_refused("activate", tighter)["detail"].startswith("what is in force has changed")
        assert mary.state_of(tighter) == "suspended"

        mary.rehearses(shipped)
        mary.does("rollback", shipped)
        assert mary.is_refused("activate", shipped)["detail"].startswith("nobody has approved")
        ann.does("approve", shipped, base=edited)
        assert mary.does("activate", shipped)["in_force"] == shipped
        assert intents(site)["bread-1"] == "upsell"
        assert mary.state_of(edited) == "superseded"
        kinds = [step["kind"] for step in mary.get(f"{HOUSE}/{edited}/steps").json()["steps"]]
        assert kinds == ["drafted", "proposed", "approved", "activated"]
    the_chain_holds(settings)


def refused_as_locked(mary, looser):
    (finding,) = looser["findings"]
    assert (finding["code"], finding["severity"]) == ("L3", "error")
    assert finding["pointer"] == "/limits/G17.upsell_hard"
    assert finding["example"]["floor"] == 0.5
    problem = mary.is_refused("propose", looser["version"])
    assert problem["type"] == "/problems/policy-refused"
    (error,) = problem["errors"]
    assert (error["code"], error["pointer"]) == ("L3", "/limits/G17.upsell_hard")
    assert "may be tightened, not loosened" in error["detail"]
    assert mary.state_of(looser["version"]) == "draft"


def names_what_would_have_been_withheld(report):
    assert report["decisions"]["n_rehearsed"] == N_BEFORE
    assert report["newly_withheld"]["n"] == N_BEFORE
    assert [each["rule"] for each in report["newly_withheld"]["by_rule"]] == ["G17"]
    shown = {(each["item"], each["rule"]) for each in report["examples"] if each["kind"] == "withheld"}
    assert shown == {("bread-1", "G17")}


def activated(person, version):
    began = time.monotonic()
    taken = person.does("activate", version)
    return began, taken, time.monotonic()


def nobody_was_refused(crowd, settings, in_force):
    """Every request was answered, under one version that was in force while it was under way."""
    assert {asked.status for asked in crowd.answers} == {200}
    assert {asked.policy for asked in crowd.answers} == set(in_force)
    for asked in crowd.answers:
        since, until = in_force[asked.policy]
        assert asked.ended >= since
        assert asked.began <= until
    engine = open_engine(settings)
    with reading(engine) as conn:
        recorded = policies_recorded(conn)
    engine.dispose()
    for asked in crowd.answers:
        assert recorded[asked.decision_id] == (asked.policy, asked.policy)


def the_chain_holds(settings):
    engine = open_engine(settings)
    with reading(engine) as conn:
        entries = read_entries(conn)
    engine.dispose()
    assert first_broken((entry.step, entry.header) for entry in entries) is None
    assert all(earlier.step.at_ms <= later.step.at_ms for earlier, later in pairwise(entries))
