"""The pages of the demo shop: a shop as any other, with the widget on it and a look behind it.

They are there only where the settings say so and the demo has loaded the data. They speak to Tactful as a
shop's backend does: by its API.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, current_app, flash, request
from marshmallow import fields, validate
from werkzeug.exceptions import NotFound, UnsupportedMediaType

from api.auth import ANYBODY
from api.demo import shelves, stories
from api.demo.people import PARTS, Role
from api.demo.pictures import picture
from api.demo.state import is_built
from api.demo.telling import Told
from api.demo.visits import (
    Visit,
    as_shop,
    become,
    fill_basket,
    is_of,
    keep_story,
    recorded,
    relayed,
    remember,
    story_told,
    visit,
)
from api.errors import DemoDataError
from api.pages.blueprint import Pages
from api.pages.forms import Form, form_token
from api.pages.rendering import page
from api.pages.sessions import let_customer_in, safe_next
from api.rights.tokens import issue_token
from api.routes.resource import json_answer
from api.schemas.base import Id, RequestSchema, Text
from api.storage.connection import reading
from api.wiring import wiring
from guardrails.consent.purposes import KEY_OF, Purpose, sensitive_key
from guardrails.house import House

HOME, SHOP = "/demo", "/demo/shop"
_FOR_WIDGET = frozenset(
    {"placement", "count", "context", "language", "mode", "gpc", "categories", "after", "visit"}
)
_PASSED_ON = ("Sec-GPC", "ADPC")
_PRIVATE_CLASS = "pregnancy_fertility"

SWITCHES: Mapping[str, tuple[str, str]] = {
    KEY_OF[Purpose.PROFILED_CONTENT]: (
        "Use what I bought to choose what I see",
        "Off: it is kept, and not used. On again: it speaks again.",
    ),
    KEY_OF[Purpose.TARGETED_OFFERS]: ("Pick offers for me", "Off: nothing is chosen for them to sell more."),
    KEY_OF[Purpose.PROFILING]: (
        "Remember what I buy",
        "Off: what was remembered is forgotten within seconds, for good. Take another household after it.",
    ),
}

blueprint = Pages("demo", __name__)


class _ShelfSchema(RequestSchema):
    shelf = Text(most=500)
    search = Text(most=100)


class _WhoSchema(RequestSchema):
    role = fields.String(required=True, validate=validate.OneOf([each.value for each in Role]))
    another = fields.String()


class _BasketSchema(RequestSchema):
    item_id = Id(required=True)
    change = fields.String(required=True, validate=validate.OneOf(("add", "remove")))


class _SwitchSchema(RequestSchema):
    purpose = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(("given", "withdrawn")))
    decision = Text(most=64)
    next = Text(most=1024)


@blueprint.before_request
def _require_open() -> None:
    """Have no demo where none is wanted, nor over customers who are real.

    Raises:
        NotFound: the settings do not open it, or the demo has not loaded the data of this shop.
    """
    settings = wiring().settings
    try:
        if settings.demo and is_built(settings.data_dir):
            return
    except DemoDataError:  # of another version, or damaged: nobody knows whose data this is
        raise NotFound from None
    raise NotFound


@blueprint.page("GET", HOME, ANYBODY)
def demo_home() -> Response:
    """Say what this is, and let somebody choose who to be."""
    return _show("demo/home.html", stories=stories.STORIES)


@blueprint.page("POST", "/demo/who", ANYBODY, form=_WhoSchema())
def choose_who(form: Form) -> Response:
    """Become somebody else, or another household of the same kind."""
    if form.ok:
        now, role = visit(), Role(form.data["role"])
        become(role, now.nth + 1 if "another" in form.data and now.role is role else 0)
    return _see_other(SHOP)


@blueprint.page("GET", SHOP, ANYBODY, query=_ShelfSchema())
def demo_shop(query: dict[str, str]) -> Response:
    """Show departments, a shelf, or what a search finds."""
    path, text, house = query.get("shelf", ""), query.get("search", ""), _house()
    wares = shelves.search(house, text) if text else shelves.on_shelf(house, path) if path else []
    if path and not wares:
        raise NotFound
    return _show(
        "demo/shop.html",
        shelf=path,
        trail=_trail(path),
        text=text,
        wares=wares,
        below=[] if text else shelves.below(house.catalogue, path),
    )


@blueprint.page("GET", "/demo/item/<id:item_id>", ANYBODY)
def demo_item(item_id: str) -> Response:
    """Show an item."""
    house = _house()
    idx = house.catalogue.idx_of_id.get(item_id)
    if idx is None:
        raise NotFound
    item = shelves.ware(house.catalogue, idx)
    return _show("demo/item.html", item=item, trail=_trail(item.shelf))


@blueprint.page("GET", "/demo/pictures/<id:item_id>", ANYBODY)
def demo_picture(item_id: str) -> Response:
    """Draw an item."""
    catalogue = _house().catalogue
    idx = catalogue.idx_of_id.get(item_id)
    if idx is None:
        raise NotFound
    answer = Response(picture(shelves.ware(catalogue, idx).shelf), content_type="image/svg+xml")
    answer.headers["Cache-Control"] = "private, max-age=86400"
    return answer


@blueprint.page("GET", "/demo/basket", ANYBODY)
def demo_basket() -> Response:
    """Show what is in the basket."""
    catalogue = _house().catalogue
    known = [each for each in visit().basket if each in catalogue.idx_of_id]
    return _show(
        "demo/basket.html", wares=[shelves.ware(catalogue, catalogue.idx_of_id[each]) for each in known]
    )


@blueprint.page("POST", "/demo/basket", ANYBODY, form=_BasketSchema())
def change_basket(form: Form) -> Response:
    """Put something into the basket, or take it out."""
    if not form.ok or form.data["item_id"] not in _house().catalogue.idx_of_id:
        raise NotFound
    item_id, basket = form.data["item_id"], list(visit().basket)
    others = [each for each in basket if each != item_id]
    fill_basket([*others, item_id] if form.data["change"] == "add" else others)
    return _see_other("/demo/basket")


@blueprint.page("POST", "/demo/tactful/recommendations", ANYBODY)
def relay_question() -> Response:
    """Pass on what the widget asks: who it is for is said here, never by the page."""
    body = _sent()
    asked = {name: body[name] for name in _FOR_WIDGET & set(body)}
    return _relayed("POST", "/v1/recommendations", {**asked, "customer_id": visit().customer_id})


@blueprint.page("GET", "/demo/tactful/decisions/<name:decision_id>/items", ANYBODY)
def relay_items(decision_id: str) -> Response:
    """Say what the items of a decision look like in this shop."""
    _require_own(decision_id)
    answer = _relayed("GET", f"/v1/decisions/{decision_id}/items", None)
    if answer.status_code != HTTPStatus.OK:
        return answer
    document = answer.get_json()
    for each in document["items"]:
        each["link"], each["image_link"] = (
            f"/demo/item/{each['item_id']}",
            f"/demo/pictures/{each['item_id']}",
        )
    return json_answer(document)


@blueprint.page("POST", "/demo/tactful/decisions/<name:decision_id>/feedback", ANYBODY)
def relay_feedback(decision_id: str) -> Response:
    """Pass on what somebody says of suggestions."""
    body = _sent()
    _require_own(decision_id)
    return _relayed("POST", f"/v1/decisions/{decision_id}/feedback", body)


@blueprint.page("GET", "/demo/behind/<name:decision_id>", ANYBODY)
def behind(decision_id: str) -> Response:
    """Say what stands behind a decision."""
    now = _require_own(decision_id)
    try:
        told = recorded(decision_id)
    except DemoDataError:
        raise NotFound from None
    return _show(
        "demo/behind.html", told=told, before=_before(now, told), switches=_switches(now), back=_back()
    )


@blueprint.page("POST", "/demo/switch", ANYBODY, form=_SwitchSchema())
def turn_switch(form: Form) -> Response:
    """Give or take back a consent, as the customer; the next answer goes by it."""
    now = visit()
    if not form.ok or form.data["purpose"] not in {key for key, *_ in _switches(now)}:
        raise NotFound
    given = form.data["status"] == "given"
    event = {"purpose": form.data["purpose"], "status": form.data["status"], "explicit": given}
    as_shop(_app(), "POST", f"/v1/customers/{now.customer_id}/consents", {"events": [event]})
    decision_id = form.data.get("decision")
    remember(decision_id if decision_id and is_of(decision_id, now.customer_id, wiring()) else None)
    flash(
        "Agreed. It holds from this page on." if given else "Taken back. It holds from this page on.", "done"
    )
    return _see_other(safe_next(_app(), form.data.get("next"), SHOP))


@blueprint.page("POST", "/demo/privacy", ANYBODY)
def to_privacy_centre() -> Response:
    """Open the customer's own page, as a shop does for somebody who has logged in."""
    found, now = wiring(), visit()
    with reading(found.engine) as conn:
        token, _ = issue_token(conn, now.customer_id, found.subjects, found.clock())
    let_customer_in(token, is_known=True)
    return _see_other("/privacy")


@blueprint.page("GET", "/demo/stories/<name:name>", ANYBODY)
def demo_story(name: str) -> Response:
    """Show a story, told or not."""
    story, told = _story(name), story_told()
    ended = None
    if told.get("name") == name:
        try:
            ended = stories.read(story, told, wiring())
        except DemoDataError:
            ended = None
    others = [each for each in stories.STORIES if each is not story]
    return _show("demo/story.html", story=story, ended=ended, others=others, rules=_rules_of(story))


@blueprint.page("POST", "/demo/stories/<name:name>", ANYBODY)
def tell_story(name: str) -> Response:
    """Let a story happen."""
    story = _story(name)
    last = story_told()
    nth = last.get("nth", -1) + 1 if last.get("name") == name else 0
    try:
        keep_story(name, stories.tell(story, _app(), wiring(), nth))
    except DemoDataError:
        flash("This story needs the whole demo shop.", "warning")
    return _see_other(f"/demo/stories/{name}")


def _show(template: str, **values: Any) -> Response:
    now = visit()
    part = PARTS[now.role]
    answer = page(
        template,
        now=now,
        part=part,
        parts={role.value: each for role, each in PARTS.items()},
        here=request.full_path.rstrip("?"),
        csrf_token=form_token(),
        name_of=shelves.name_of,
        **values,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _see_other(path: str) -> Response:
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": path})


def _app() -> Any:
    return current_app


def _house() -> House:
    return wiring().runtime.current().house


def _story(name: str) -> stories.Story:
    story = stories.story_called(name)
    if story is None:
        raise NotFound
    return story


def _rules_of(story: stories.Story) -> list[tuple[str, str, str]]:
    house = _house()
    known = {rule.id: rule for rule in (*house.rules, *house.slate_rules)}
    return [(each, str(known[each].sentence), known[each].ground) for each in story.rules if each in known]


def _trail(path: str) -> list[tuple[str, str]]:
    """Return the shelves above one, and itself: path and name of each."""
    split = shelves.parts(path)
    paths = [shelves.SEPARATOR.join(split[: n + 1]) for n in range(len(split))]
    return [(each, shelves.name_of(each)) for each in paths]


def _switches(now: Visit) -> list[tuple[str, str, str, bool]]:
    """Return what can be turned: purpose, what it is called, what it does, and whether it is on."""
    wanted = dict(SWITCHES)
    if now.role is Role.PRIVATE:
        told = "On: an express yes to suggestions about pregnancy. Everything before it was no."
        wanted[sensitive_key(_PRIVATE_CLASS)] = ("Use what I bought about pregnancy, too", told)
    states = as_shop(_app(), "GET", f"/v1/customers/{now.customer_id}/consents")["purposes"]
    on = {each["purpose"]: each["permission"]["permitted"] for each in states}
    return [(key, name, told, on[key]) for key, (name, told) in wanted.items()]


def _require_own(decision_id: str) -> Visit:
    """Let nobody see a decision but whom it was made for.

    Raises:
        NotFound: it is somebody else's, or there is none.
    """
    now = visit()
    if not is_of(decision_id, now.customer_id, wiring()):
        raise NotFound
    return now


def _before(now: Visit, told: Told) -> Told | None:
    """Return the decision before a switch was turned: of the same household, for the same place, still there.

    Who one is can change without a choice: a household that was erased is passed over for the next.
    """
    if now.before in (None, told.decision_id) or not is_of(now.before, now.customer_id, wiring()):
        return None
    try:
        before = recorded(now.before)
    except DemoDataError:  # what it was made from was forgotten
        return None
    return before if before.placement == told.placement else None


def _relayed(method: str, path: str, body: Mapping[str, Any] | None) -> Response:
    passed = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
    answer = relayed(method, path, body, passed)
    return Response(answer.get_data(), status=answer.status_code, content_type=answer.content_type)


def _sent() -> dict[str, Any]:
    """Return what the widget has sent.

    Raises:
        UnsupportedMediaType: it is no JSON object, so it was not the widget.
    """
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise UnsupportedMediaType
    return body


def _back() -> str:
    """Return the page that a part of it was asked for from."""
    path = request.headers.get("HX-Current-URL", "")
    return path[path.find("/demo") :] if "/demo" in path else SHOP
