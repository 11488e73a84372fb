"""The catalogue: what is sensitive in it and why, and raising what the shop knows to be more so."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
from flask import Response
from marshmallow import ValidationError, fields, validate, validates_schema

from api.auth import staff
from api.classifying import classify_catalogue, raise_category_mark, raise_one
from api.console.coverage import count_anew, coverage
from api.console.deciding import CLASS_WORDS, LAYER_WORDS, TIER_WORDS, follows, why
from api.console.shelves import SEGMENTS, Branch, Shelves, Wanted, shelves_of
from api.console.showing import see_other, show
from api.console.words import rule_title
from api.errors import UnknownItemError
from api.languages import say
from api.logging import warn
from api.pages.blueprint import Pages
from api.pages.charts import Row, lying
from api.pages.forms import Form
from api.pages.sessions import actor, signed_in
from api.schemas.base import RequestSchema, Text
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.items import read_item
from api.storage.marks import read_marks
from api.storage.versions import active
from api.wiring import Wiring, wiring
from engine.catalogue import Catalogue
from guardrails.errors import SensitiveMarkError
from guardrails.messages import Phrase
from guardrails.sensitive.classes import CLASS_NAMES, Tier, class_named
from guardrails.sensitive.classify import UNMARKED, Classification, Layer, ShopMark, category_key

CATALOGUE = "/console/catalogue"
ON_A_PAGE = 25
AT_ONCE = 20_000
"""So many items are classified anew before the answer; of more the rest follows after it."""

_PATIENCE_S = 5.0
_MAY_RAISE = frozenset({Role.MARKETER, Role.ADMIN})
_READERS = staff(Role.MARKETER, Role.APPROVER, Role.AUDITOR)

blueprint = Pages("catalogue", __name__)


class _ItemsSchema(RequestSchema):
    category = Text(load_default="")
    words = Text(load_default="")
    sensitive_class = fields.String(load_default=None, validate=validate.OneOf(CLASS_NAMES), data_key="class")
    tier = fields.Integer(load_default=None, validate=validate.Range(0, 3))
    only_title = fields.Boolean(load_default=False)
    after = Text(load_default="")


class _MarkSchema(RequestSchema):
    item = Text(load_default="")
    category = Text(load_default="")
    tier = fields.Integer(required=True, validate=validate.Range(1, 3))
    sensitive_class = fields.String(load_default=None, validate=validate.OneOf(CLASS_NAMES), data_key="class")

    @validates_schema
    def _names_one(self, data: Mapping[str, Any], **_more: Any) -> None:
        if bool(data["item"]) is bool(category_key(data["category"])):
            raise ValidationError(say("name either an item or a category"))


@blueprint.page("GET", CATALOGUE, _READERS)
def catalogue_page() -> Response:
    """Show what the catalogue is classified as, and the categories."""
    found = wiring()
    known = coverage(found.engine, found.clock())
    shelves = shelves_of(found.runtime.current().house.catalogue)
    with reading(found.engine) as conn:
        marks = read_marks(conn)
    by_layer = lying(
        "layers",
        say("Items by what decided"),
        [Row(say(LAYER_WORDS[layer]), (n,)) for layer, n in known.by_layer.items()],
        heading=say("Decided by"),
        series=(say("Items"),),
    )
    by_class = lying(
        "classes",
        say("Items by what they tell about"),
        [
            Row(say(CLASS_WORDS[name]), tuple(reversed(n)), _items_path(sensitive_class=name))
            for name, n in known.by_class
        ],
        heading=say("About"),
        series=tuple(say(TIER_WORDS[tier]) for tier in (3, 2, 1)),
    )
    return show(
        "console/catalogue/catalogue.html",
        coverage=known,
        by_layer=by_layer,
        by_class=by_class,
        shelves=_below(shelves, ""),
        marks=_marked(shelves, marks),
        law=found.settings.consent.raised_classes,
        class_words=CLASS_WORDS,
        tier_words=TIER_WORDS,
    )


@blueprint.page("GET", f"{CATALOGUE}/items", _READERS, query=_ItemsSchema())
def items_page(query: dict[str, Any]) -> Response:
    """Show items of a category or a class, or whose title holds some words, page by page."""
    catalogue = wiring().runtime.current().house.catalogue
    shelves, wanted = shelves_of(catalogue), Wanted(**query)
    found = shelves.find(catalogue, wanted, ON_A_PAGE)
    with reading(wiring().engine) as conn:
        marked = read_marks(conn).get(category_key(wanted.category), UNMARKED)
    least = int(marked.least_tier)
    n_waiting = int((catalogue.tier[_rows_below(catalogue, wanted.category)] < least).sum()) if least else 0
    asked = {
        "category": wanted.category,
        "words": wanted.words,
        "class": wanted.sensitive_class,
        "tier": wanted.tier,
        "only_title": "true" if wanted.only_title else None,
    }
    return show(
        "console/catalogue/items.html",
        wanted=wanted,
        found=found,
        items=[_listed(catalogue, row) for row in found.rows],
        next=None if found.after is None else f"{CATALOGUE}/items?{_query(**asked, after=found.after)}",
        first=f"{CATALOGUE}/items?{_query(**asked)}",
        branch=shelves.branches.get(wanted.category) if wanted.category else None,
        shelves=_below(shelves, wanted.category),
        above=shelves.branches[wanted.category].above if wanted.category in shelves.branches else (),
        form=Form({key: "" if value is None else str(value) for key, value in asked.items()}),
        marked=marked,
        least=least,
        n_waiting=n_waiting,
        classes=_classes(any_class=say("all items")),
        tiers=[("", say("all tiers")), *((str(n), say(TIER_WORDS[n])) for n in (3, 2, 1, 0))],
        class_words=CLASS_WORDS,
        tier_words=TIER_WORDS,
        category_path=_items_path,
        item_path=item_path,
        may_raise=_may_raise(),
        mark=Form(),
        mark_tiers=_tiers_above(Tier.S0),
        mark_classes=_classes(any_class=say("whatever is found")),
    )


@blueprint.page("GET", f"{CATALOGUE}/items/<id:item_id>", _READERS)
def item_page(item_id: str) -> Response:
    """Show what an item is taken for, what decided that, and what follows from it."""
    return _item(item_id, Form())


@blueprint.page("GET", f"{CATALOGUE}/raise", staff(Role.MARKETER), query=_MarkSchema())
def raise_page(query: dict[str, Any]) -> Response:
    """Say what a mark would change, and ask."""
    return _asked(query)


@blueprint.page("POST", f"{CATALOGUE}/raise", staff(Role.MARKETER), form=_MarkSchema())
def raise_form(form: Form) -> Response:
    """Mark an item or a category as more sensitive."""
    if not form.ok:
        return show("console/catalogue/not_raised.html", form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    found, asked = wiring(), form.data
    try:
        said = _raise_item(found, asked) if asked["item"] else _raise_category(found, asked)
    except SensitiveMarkError as error:
        return _asked(asked, str(error))
    count_anew(found.engine)
    found.logbook.announce()
    there = item_path(asked["item"]) if asked["item"] else _items_path(category=_tidy(asked["category"]))
    if said is None:
        return see_other(
            there, say("The category is marked; its items are classified anew one after the other.")
        )
    with reading(found.engine) as conn:
        versions = active(conn)
    in_force = found.runtime.wait_for(versions, _PATIENCE_S)
    when = say("It is in force.") if in_force else say("It is in force in a moment.")
    return see_other(there, f"{said} {when}")


def item_path(item_id: str) -> str:
    """Return the address of an item's page."""
    return f"{CATALOGUE}/items/{quote(item_id)}"


def _item(item_id: str, form: Form) -> Response:
    found = wiring()
    catalogue = found.runtime.current().house.catalogue
    with reading(found.engine) as conn:
        record, marks = read_item(conn, item_id), read_marks(conn)
    if record is None:
        raise UnknownItemError("this item is not in the catalogue")
    decided = Classification(
        record.sensitive_class, Tier(record.tier), Layer(record.deciding_layer), record.age_restricted
    )
    row = catalogue.idx_of_no(np.array([record.item_no]))[0]
    tier = int(catalogue.tier[row]) if row >= 0 else record.tier
    served = row >= 0 and record.tier <= tier
    return show(
        "console/catalogue/item.html",
        item=record.row,
        updated_at_ms=record.updated_at_ms,
        decided=decided,
        because=why(record.row.facts, marks, decided),
        tier=max(tier, record.tier),
        served=served,
        by_law=served and tier > record.tier,
        follows=follows(
            max(tier, record.tier), age_restricted=record.age_restricted, only_title=record.unclassified
        ),
        only_title=record.unclassified,
        pressing=record.pressing,
        above=_paths(record.row.category),
        category_path=_items_path,
        form=form,
        may_raise=_may_raise(),
        mark_tiers=_tiers_above(
            max(record.tier, ShopMark(record.row.shop_class, record.row.shop_tier).least_tier)
        ),
        mark_classes=_classes(any_class=say("whatever is found")),
        class_words=CLASS_WORDS,
        tier_words=TIER_WORDS,
        layer_words=LAYER_WORDS,
        class_named=class_named,
        rule_title=rule_title,
    )


def _asked(asked: Mapping[str, Any], wrong: str | None = None) -> Response:
    """Say what a mark would change."""
    found = wiring()
    catalogue = found.runtime.current().house.catalogue
    with reading(found.engine) as conn:
        marks = read_marks(conn)
        record = read_item(conn, asked["item"]) if asked["item"] else None
    if asked["item"] and record is None:
        raise UnknownItemError("this item is not in the catalogue")
    if record is not None:
        mark, rows = ShopMark(record.row.shop_class, record.row.shop_tier), np.zeros(0, np.int64)
        n_items, n_raised = 1, int(record.tier < asked["tier"])
    else:
        mark = marks.get(category_key(asked["category"]), UNMARKED)
        rows = _rows_below(catalogue, asked["category"])
        n_items, n_raised = rows.size, int((catalogue.tier[rows] < asked["tier"]).sum())
    if wrong is None:
        try:
            mark.raised_to(asked["sensitive_class"], asked["tier"])
        except SensitiveMarkError as error:
            wrong = str(error)
    return show(
        "console/catalogue/raise.html",
        asked=asked,
        category=_tidy(asked["category"]),
        item=None if record is None else record.row,
        present=None if record is None else record,
        n_items=n_items,
        n_raised=n_raised,
        examples=[_listed(catalogue, int(row)) for row in rows[catalogue.tier[rows] < asked["tier"]][:5]],
        wrong=None if wrong is None else say(wrong),
        later=n_items > AT_ONCE,
        mark=mark,
        class_words=CLASS_WORDS,
        tier_words=TIER_WORDS,
        back=item_path(record.row.item_id)
        if record is not None
        else _items_path(category=_tidy(asked["category"])),
        status=HTTPStatus.OK if wrong is None else HTTPStatus.UNPROCESSABLE_ENTITY,
    )


def _raise_item(found: Wiring, asked: Mapping[str, Any]) -> str:
    now = raise_one(
        found.engine,
        asked["item"],
        asked["sensitive_class"],
        asked["tier"],
        found.clock(),
        actor().key_id,
    )
    about = say(CLASS_WORDS[str(now.sensitive_class)])
    return say(Phrase("It counts as {about} now, tier {tier}.", about=about, tier=int(now.tier)))


def _raise_category(found: Wiring, asked: Mapping[str, Any]) -> str | None:
    """Mark a category; return what came of it, ``None`` where it is not done with its items yet."""
    category, now_ms = asked["category"], found.clock()
    rows = _rows_below(found.runtime.current().house.catalogue, category)
    raise_category_mark(
        found.engine, category, asked["sensitive_class"], asked["tier"], now_ms, actor().key_id
    )
    if rows.size > AT_ONCE:
        threading.Thread(
            target=_classify, args=(found, category, now_ms), name="tactful-classify", daemon=True
        ).start()
        return None
    done = classify_catalogue(found.engine, now_ms, below=category)
    return say(Phrase("The category is marked: {n} items changed.", n=done.n_changed))


def _classify(found: Wiring, category: str, now_ms: int) -> None:
    try:
        classify_catalogue(found.engine, now_ms, below=category)
    except Exception as error:  # noqa: BLE001  nobody waits for this thread; its run can be asked for again
        warn("catalogue:classify:failed", error)


def _rows_below(catalogue: Catalogue, category: str) -> Any:
    """Return the rows that a mark of a category holds for, however its path is written."""
    key = category_key(category)
    codes = [code for code, path in enumerate(catalogue.categories) if category_key(path)[: len(key)] == key]
    return np.flatnonzero(np.isin(catalogue.category, codes))


def _listed(catalogue: Catalogue, row: int) -> dict[str, Any]:
    code, category = int(catalogue.sensitive_class[row]), int(catalogue.category[row])
    return {
        "item_id": catalogue.item_ids[row],
        "title": catalogue.titles[row],
        "category": catalogue.categories[category] if category >= 0 else "",
        "tier": int(catalogue.tier[row]),
        "sensitive_class": catalogue.sensitive_classes[code] if code >= 0 else None,
        "only_title": bool(catalogue.unclassified[row]),
    }


def _below(shelves: Shelves, category: str) -> list[Branch]:
    """Return the categories right below one, those with the most items first."""
    branch = shelves.branches.get(category)
    below = [shelves.branches[path] for path in branch.below] if branch else []
    return sorted(below, key=lambda each: (-each.n_items, each.path))


def _marked(shelves: Shelves, marks: Mapping[tuple[str, ...], ShopMark]) -> list[dict[str, Any]]:
    """Return the shop's marks of categories, with how many items each is on."""
    written = {category_key(path): path for path in shelves.branches if path}
    return [
        {
            "category": written.get(key, SEGMENTS.join(key)),
            "href": _items_path(category=written[key]) if key in written else None,
            "mark": mark,
            "tier": int(mark.least_tier),
            "n_items": shelves.branches[written[key]].n_items if key in written else 0,
        }
        for key, mark in sorted(marks.items())
    ]


def _paths(category: str) -> list[tuple[str, str]]:
    """Return the parts of a path, each with the path down to it."""
    parts = [each for each in category.split(SEGMENTS) if each]
    return [(part, SEGMENTS.join(parts[: n + 1])) for n, part in enumerate(parts)]


def _tidy(category: str) -> str:
    return SEGMENTS.join(each.strip() for each in category.split(">") if each.strip())


def _classes(any_class: str) -> list[tuple[str, str]]:
    return [("", any_class), *sorted(((name, say(CLASS_WORDS[name])) for name in CLASS_NAMES), key=_second)]


def _second(pair: tuple[str, str]) -> str:
    return pair[1].casefold()


def _tiers_above(tier: int) -> list[tuple[str, str]]:
    """Return the tiers above one, the most careful first."""
    return [(str(n), f"{n} · {say(TIER_WORDS[n])}") for n in (3, 2, 1) if n > tier]


def _may_raise() -> bool:
    account = signed_in()
    return account is not None and account.role in _MAY_RAISE


def _items_path(**asked: Any) -> str:
    if "sensitive_class" in asked:
        asked["class"] = asked.pop("sensitive_class")
    return f"{CATALOGUE}/items?{_query(**asked)}"


def _query(**asked: Any) -> str:
    return urlencode({name: value for name, value in asked.items() if value not in (None, "")})
