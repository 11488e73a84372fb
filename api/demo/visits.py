"""A visit to the demo shop: who one is, what is in the basket, what was decided before a switch was turned.

The browser keeps no more than that, and no id of a customer; what is asked of Tactful goes by the keys of the
demo, as a shop's own backend would ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, session
from werkzeug.exceptions import NotFound
from werkzeug.test import TestResponse

from api.demo.calls import call, relay
from api.demo.people import Role, household
from api.demo.state import read_keys
from api.demo.telling import Told, told_of
from api.errors import DemoDataError
from api.storage.connection import reading
from api.storage.decisions import decision_subject
from api.wiring import Wiring, wiring

_KEPT = "demo"
_MOST_IN_BASKET = 12


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody in the demo shop.

    Attributes:
        role: who they are.
        nth: which household of that kind.
        customer_id: the shop's key of it.
        basket: item ids in the basket.
        before: the decision before a switch was turned; ``None`` where none was.
    """

    role: Role
    nth: int
    customer_id: str
    basket: tuple[str, ...]
    before: str | None


def visit() -> Visit:
    """Return the visit that is going on; of somebody who agreed to everything where none has begun.

    Raises:
        NotFound: this is no demo shop: there is nobody to be.
    """
    kept, role = _kept(), Role.EVERYTHING
    with suppress(ValueError):
        role = Role(kept.get("role", role))
    nth = int(kept.get("nth", 0))
    try:
        customer_id = household(role, nth, wiring())
    except DemoDataError:
        raise NotFound from None
    return Visit(role, nth, customer_id, tuple(kept.get("basket", ())), kept.get("before"))


def become(role: Role, nth: int) -> None:
    """Begin another visit, as somebody else."""
    _keep(role=role.value, nth=nth, basket=[], before=None, story=None)


def fill_basket(item_ids: list[str]) -> None:
    """Put other things into the basket."""
    _keep(basket=list(dict.fromkeys(item_ids))[-_MOST_IN_BASKET:])


def remember(decision_id: str | None) -> None:
    """Keep which decision was seen before a switch was turned."""
    _keep(before=decision_id)


def story_told() -> dict[str, Any]:
    """Return what came of the story that was told last: its name and decisions."""
    return _kept().get("story") or {}


def keep_story(name: str, told: Mapping[str, Any]) -> None:
    """Keep what came of a story."""
    _keep(story={"name": name, **told})


def as_shop(app: Flask, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Ask Tactful as the shop's own backend.

    Raises:
        DemoDataError: it was refused, or there are no keys of a demo.
    """
    return call(app, _key("site"), method, path, body)


def relayed(
    method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
) -> TestResponse:
    """Pass on what the widget asks for."""
    return relay(current_app, _key("site"), method, path, body, headers)


def recorded(decision_id: str) -> Told:
    """Tell of a decision from its record; the look is logged, as every look is.

    Raises:
        DemoDataError: it cannot be read.
    """
    record = call(current_app, _key("auditor"), "GET", f"/v1/decisions/{decision_id}")
    if record["sections"] is None:
        raise DemoDataError("what this decision was made from was erased")
    return told_of(decision_id, record["sections"], wiring().runtime.current().house)


def is_of(decision_id: str, customer_id: str, found: Wiring) -> bool:
    """Tell whether a decision was made for a customer."""
    with reading(found.engine) as conn:
        return decision_subject(conn, decision_id) == found.subjects.account(customer_id)


def _key(role: str) -> str:
    return read_keys(wiring().settings.data_dir)[role]


def _kept() -> dict[str, Any]:
    kept: dict[str, Any] = session.get(_KEPT, {})
    return kept


def _keep(**values: Any) -> None:
    session[_KEPT] = {**_kept(), **values}
