"""Changes of policies on the pages of a shop in which a limit makes a difference."""

from __future__ import annotations

from typing import Any

from support.http import Served

from api.policies.model import read_policy
from api.policies.service import Actor, draft
from api.policies.versions import held_against
from api.rehearsing.job import run_rehearsal
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.items import ItemRow, upsert_items
from api.wiring import now_ms

N_DECISIONS = 6
TIGHTER = {"policy": "house", "limits": {"G17.upsell_hard": 0.3}}
"""With it the dearer breads are no longer suggested beside the cheap one."""
PAGE: dict[str, Any] = {"placement": "product_page", "count": 4, "context": {"item_id": "bread-0"}}
DEARER = ("bread-1", "bread-2", "bread-3", "bread-4")


def busy(served: Served) -> None:
    """Let a shop make some decisions in which dearer breads are suggested."""
    rows = [ItemRow(each, f"Dear {each}", "Food > Bread", "Acme", 280, "EUR") for each in DEARER]
    with writing(served.wiring.engine) as conn:
        upsert_items(conn, rows, now_ms())
    for _ in range(N_DECISIONS):
        assert suggested(served)


def suggested(served: Served) -> dict[str, str]:
    """Return what is suggested beside a cheap bread now, and what for."""
    answer = served.ask("POST", "/v1/recommendations", json=PAGE)
    assert answer.status_code == 200, answer.text
    return {each["item_id"]: each["intent"] for each in answer.json()["items"]}


def path_of(version: str) -> str:
    """Return where the page of a version is."""
    return f"/console/policies/house/versions/{version}"


def drafted(served: Served, who: Actor, document: dict[str, Any] = TIGHTER) -> str:
    """Store a draft as somebody."""
    found = served.wiring
    return draft(found.engine, who, found.clock, read_policy(document)).version


def rehearsed(served: Served, who: Actor, document: dict[str, Any] = TIGHTER) -> str:
    """Store a draft as somebody, and rehearse it against what is in force."""
    found = served.wiring
    taken = draft(found.engine, who, found.clock, read_policy(document))
    base = held_against(taken.life, taken.version)
    done = run_rehearsal(found.engine, found.settings, taken.version, base, who.key_id, found.clock)
    assert done is not None
    assert done.report is not None
    return taken.version


def in_force(served: Served) -> str:
    """Return the version in force."""
    version: str = served.ask("GET", "/v1/policies", Role.AUDITOR).json()["in_force"]["version"]
    return version
