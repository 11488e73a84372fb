"""``tactful catalog``: which goods are sensitive, and what the shop itself says about that."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from api.cli.terminal import console, json_option, print_json, progress, say

if TYPE_CHECKING:
    from api.classifying import Coverage, Reclassified
    from guardrails.sensitive.report import Named

MEANINGS = {
    "google": "Google's product category",
    "attribute": "an attribute of the feed",
    "keyword": "words of category and title",
    "shop": "a mark of the shop",
    "none": "nothing: no layer found anything",
}


@click.group()
def catalog() -> None:
    """See and raise how sensitive the goods of the shop are."""


@catalog.command()
@click.option("--report", is_flag=True, help="Only say what the catalogue is classified as; change nothing.")
@json_option
def classify(*, report: bool, as_json: bool) -> None:
    """Classify the stored catalogue afresh, for instance after the product's word lists changed.

    Items are classified when they are stored; this is for those that are stored already. What is
    decided as before is left untouched.
    """
    from api.classifying import (  # noqa: PLC0415  storage is not needed for --help
        Reclassified,
        classify_catalogue,
        cover,
    )
    from api.cli.shop import open_shop  # noqa: PLC0415  as above

    with open_shop() as shop, progress("classifying") as show:
        found = cover(shop.engine, show) if report else classify_catalogue(shop.engine, shop.now_ms, show)
    if isinstance(found, Reclassified):
        print_json(asdict(found)) if as_json else _say(found)
    else:
        print_json(_as_data(found)) if as_json else _show(found)


@catalog.command("raise")
@click.argument("item_id", required=False)
@click.option("--category", help="Mark everything in this category and below it, now and later.")
@click.option("--tier", type=click.IntRange(1, 3), required=True, help="How careful to be, 3 the most.")
@click.option("--class", "sensitive_class", help="Class of goods; without it, whatever class is found.")
@json_option
def raise_tier(
    item_id: str | None, category: str | None, tier: int, sensitive_class: str | None, *, as_json: bool
) -> None:
    """Mark ITEM_ID, or a whole category, as more sensitive than it is taken for.

    A mark can only raise: it never makes an item less sensitive than anything else says it is. An
    import that says nothing of marks leaves them alone.
    """
    if item_id is not None and category is None:
        _raise_item(item_id, sensitive_class, tier, as_json=as_json)
    elif item_id is None and (category or "").strip("> "):
        _raise_category(category or "", sensitive_class, tier, as_json=as_json)
    else:
        raise click.UsageError("name either an item or, with --category, a category")


def _raise_item(item_id: str, sensitive_class: str | None, tier: int, *, as_json: bool) -> None:
    from api.classifying import raise_one  # noqa: PLC0415  storage is not needed for --help
    from api.cli.shop import open_shop  # noqa: PLC0415  as above

    with open_shop() as shop:
        now = raise_one(shop.engine, item_id, sensitive_class, tier, shop.now_ms)
    if as_json:
        print_json({"item_id": item_id, **asdict(now)})
    else:
        say(f"`{item_id}` is {now.sensitive_class}, tier {now.tier:d}, decided by {MEANINGS[now.layer]}")


def _raise_category(category: str, sensitive_class: str | None, tier: int, *, as_json: bool) -> None:
    from api.classifying import raise_all  # noqa: PLC0415  storage is not needed for --help
    from api.cli.shop import open_shop  # noqa: PLC0415  as above

    with open_shop() as shop, progress("classifying") as show:
        done = raise_all(shop.engine, category, sensitive_class, tier, shop.now_ms, show)
    if as_json:
        print_json({"category": category, **asdict(done)})
    else:
        _say(done)


def _say(done: Reclassified) -> None:
    say(
        f"{done.n_changed:,} of {done.n_items:,} items changed: {done.n_other_class:,} class, "
        f"{done.n_raised:,} raised, {done.n_lowered:,} lowered, {done.n_other_occasions:,} occasions"
    )


def _as_data(coverage: Coverage) -> dict[str, Any]:
    counted = coverage.counted
    return {
        "n_items": counted.n_items,
        "by_class": [
            {"class": name, "tier": int(tier), "n_items": n} for (name, tier), n in _most_careful(coverage)
        ],
        "by_layer": {
            layer.value: {"n_items": counted.n_by_layer.get(layer, 0), "share": share}
            for layer, share in counted.share_by_layer.items()
        },
        "by_occasion": counted.n_by_occasion,
        "n_age_restricted": counted.n_age_restricted,
        "n_pressing": counted.n_pressing,
        "n_unclassified": counted.n_unclassified,
        "n_outdated": coverage.n_outdated,
        "pressing": _examples(counted.pressing),
        "unclassified": _examples(counted.unclassified),
    }


def _show(coverage: Coverage) -> None:
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    counted = coverage.counted
    by_class = Table("class", "tier", "items", box=None)
    for (name, tier), n in _most_careful(coverage):
        by_class.add_row(name or "nothing in particular", tier.name, f"{n:,}")
    by_layer = Table("decided by", "items", "share", box=None)
    for layer, share in counted.share_by_layer.items():
        by_layer.add_row(MEANINGS[layer], f"{counted.n_by_layer.get(layer, 0):,}", f"{share:.1%}")
    by_occasion = Table("occasion", "items", box=None)
    for name, n in counted.n_by_occasion.items():
        by_occasion.add_row(name, f"{n:,}")
    for table in (by_class, by_layer, by_occasion):
        if table.row_count:
            console().print(table)
            console().print()
    rest = Table("of all items", "items", "for example", box=None)
    rest.add_row("all", f"{counted.n_items:,}", "")
    rest.add_row("for adults only", f"{counted.n_age_restricted:,}", "")
    rest.add_row("a title that presses", f"{counted.n_pressing:,}", _named(counted.pressing))
    rest.add_row("nothing but a title to go by", f"{counted.n_unclassified:,}", _named(counted.unclassified))
    console().print(rest)
    if coverage.n_outdated:
        say(f"{coverage.n_outdated:,} items are not up to date: run `tactful catalog classify`")


def _most_careful(coverage: Coverage) -> list[Any]:
    """Return items per class and tier, the highest tier first, the most items first."""
    return sorted(
        coverage.counted.n_by_class.items(), key=lambda each: (-each[0][1], -each[1], each[0][0] or "")
    )


def _examples(items: tuple[Named, ...]) -> list[dict[str, str]]:
    return [{"item_id": item.item_id, "title": item.title} for item in items]


def _named(items: tuple[Named, ...]) -> str:
    from rich.markup import escape  # noqa: PLC0415  slow to import, not needed for --help

    return escape("\n".join(f"{item.item_id} {item.title}" for item in items))
