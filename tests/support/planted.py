"""Something behind every address that names anything, so that real pages are looked at."""

from __future__ import annotations

import re

import httpx
from support.http import BUYER, EVERYTHING, Served, store_model
from support.pages import path_of
from support.policy_pages import busy, rehearsed
from werkzeug.routing import Rule

from api.demo.stories import STORIES
from api.policies.service import Actor
from api.storage.accounts import Account
from api.storage.connection import writing
from api.storage.training_runs import RunState, TrainingRun, insert_run
from api.wiring import now_ms

_POLICIES = "/console/policies"
_ASKED = {
    "/console/catalogue/raise": "?item=bread-1&tier=1",
    "/privacy/changed": "?before={decision_id}&after={decision_id}",
}


class Planted:
    """What the addresses of pages name.

    Args:
        served: a shop that is open as a demo as well.
        marketer: somebody who writes policies.
        admin: a browser of an admin.
        visitor: a browser at the demo.
    """

    def __init__(self, served: Served, marketer: Account, admin: httpx.Client, visitor: httpx.Client) -> None:
        self._values = {
            _POLICIES: _policy(served, marketer, admin),
            "/console/models": _models(served),
            "/demo": {"decision_id": _decided(visitor), "name": STORIES[0].name, "item_id": "bread-1"},
            "/": _customers(served) | {"account_id": marketer.account_id, "item_id": "bread-1"},
        }

    def path(self, rule: Rule) -> str:
        """Return an address under which there is something."""
        return path_of(rule, **self._named_at(rule))

    def page(self, rule: Rule) -> str:
        """Return the address of a page that is there, with what it wants to be asked."""
        return self.path(rule) + _ASKED.get(rule.rule, "").format(**self._named_at(rule))

    def _named_at(self, rule: Rule) -> dict[str, str]:
        return next(named for at, named in self._values.items() if rule.rule.startswith(at))


def _policy(served: Served, marketer: Account, admin: httpx.Client) -> dict[str, str]:
    """Rehearse a draft, and find a decision that it would have changed."""
    busy(served)
    version = rehearsed(served, Actor(marketer.account_id, marketer.role.value))
    report = admin.get(f"{_POLICIES}/house/versions/{version}/rehearsal").text
    changed = re.search(r'/rehearsal/decisions/([^"?]+)', report)
    assert changed, report
    return {"name": "house", "version": version, "number": "1", "decision_id": changed[1]}


def _models(served: Served) -> dict[str, str]:
    """Store a model that is not in force, and ask for a training."""
    at_ms = now_ms()
    asked = (True, "somebody", at_ms, None, at_ms + 60_000, None, None, None, None)
    with writing(served.wiring.engine) as conn:
        insert_run(conn, TrainingRun("one", RunState.QUEUED, "", 0, None, 900, *asked))
    return {"version": store_model(served.settings, 21, active=False), "run_id": "one"}


def _decided(visitor: httpx.Client) -> str:
    asked = {"placement": "home", "count": 4}
    answer = visitor.post("/demo/tactful/recommendations", json=asked)
    decision_id: str = answer.json()["decision_id"]
    return decision_id


def _customers(served: Served) -> dict[str, str]:
    """Let a customer choose, be suggested something and ask for something; erase another one."""
    chosen = served.choose("given", *EVERYTHING).json()["events"]
    requested = served.ask("POST", f"/v1/customers/{BUYER}/requests", json={"kind": "access"}).json()
    assert served.choose("given", *EVERYTHING, customer_id="gone").status_code == 201
    return {
        "record_id": chosen[0]["record_id"],
        "decision_id": served.recommend(customer_id=BUYER).json()["decision_id"],
        "request_id": requested["request_id"],
        "cascade_id": served.ask("DELETE", "/v1/customers/gone").json()["cascade_id"],
    }
