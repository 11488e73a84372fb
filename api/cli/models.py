"""``tactful models``: which there are, how two compare, which is in force, watched or removed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.terminal import NumberRange, console, json_option, print_json, progress, say

if TYPE_CHECKING:
    from api.cli.shop import Shop
    from api.models.registry import Registration

_LEAST_DIGITS = 8
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)
_version = click.argument("version")


@click.group()
def models() -> None:
    """Look at models, compare them, and say which is in force.

    A version is the hash of a model; 8 digits of it are enough.
    """


@models.command("list")
@json_option
def list_models(*, as_json: bool) -> None:
    """List every model, newest first."""
    from api.models.cards import chosen_row, day  # noqa: PLC0415  not needed for --help
    from api.models.registry import registrations  # noqa: PLC0415  as above

    with _shop() as shop:
        found = registrations(shop.engine)
    if as_json:
        print_json([_described(each) for each in found])
        return
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    table = Table("model", "state", "stored", "learner", "NDCG", "customers", "floor", box=None)
    for each in found:
        manifest = each.manifest
        measured = chosen_row(manifest)
        table.add_row(
            each.model.version[:12],
            each.state.value,
            day(each.model.created_at_ms),
            manifest.learner,
            "" if measured is None else f"{measured['ndcg']:.4f}",
            f"{manifest.n_customers:,}",
            str(manifest.min_support),
        )
    console().print(table)


@models.command()
@_version
@click.option("--html", "html_file", type=_FILE, help="Write the card as a page to this file.")
@click.option("--png", "png_file", type=_FILE, help="Write what privacy costs as a picture to this file.")
@json_option
def show(version: str, *, html_file: Path | None, png_file: Path | None, as_json: bool) -> None:
    """Show the card of a model: what it knows, how well it ranks, what it may not be used for."""
    from api.models.cards import card, curve_png  # noqa: PLC0415  not needed for --help
    from api.models.registry import registration  # noqa: PLC0415  as above

    with _shop() as shop:
        found = registration(shop.engine, _whole(shop, version))
    told = card(found)
    if html_file is not None:
        from api.pages.rendering import rendered  # noqa: PLC0415  as above
        from api.routes.models import on_page  # noqa: PLC0415  as above

        html_file.write_text(rendered("model_card.html", standalone=True, **on_page(found)), "utf-8")
    if png_file is not None:
        picture = curve_png(found.manifest)
        if picture is None:
            raise click.ClickException("no other privacy floors were tried for this model: there is no curve")
        png_file.write_bytes(picture)
    if as_json:
        print_json(told)
        return
    _print_card(told)


def _print_card(told: dict[str, Any]) -> None:
    out = console()
    out.print(f"model {told['version']}, {told['state']}")
    for sentence in told["sentences"]:
        out.print(sentence)
    out.print(f"For: {told['for']}", "Not for:", *(f"  {each}" for each in told["not_for"]), sep="\n")
    for note in told["manifest"]["notes"]:
        out.print(f"Note: {note}")


@models.command()
@click.argument("a")
@click.argument("b")
@json_option
def compare(a: str, b: str, *, as_json: bool) -> None:
    """Hold two models side by side."""
    from api.models.comparing import compare_models  # noqa: PLC0415  not needed for --help

    with _shop() as shop:
        found = compare_models(shop.engine, shop.settings, _whole(shop, a), _whole(shop, b))
    if as_json:
        print_json(found)
        return
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    table = Table("", "a", "b", box=None)
    for name in ("version", "state", "learner", "n_items", "n_edges", "n_customers", "min_support"):
        table.add_row(name.replace("_", " "), *(str(found[side][name])[:12] for side in ("a", "b")))
    for row in found["metrics"]:
        table.add_row(row["figure"], *(_figure(row[side]) for side in ("a", "b")))
    console().print(table)
    slates, edges = found["slates"], found["edges"]
    say(
        f"of {found['n_items_compared']:,} items both know {slates['equal_micro'] / 10_000:.1f} % have "
        f"the same {slates['k']} suggestions, and {slates['overlap_micro'] / 10_000:.1f} % of suggestions "
        f"are in both; {edges['n_added']:,} pairs are new in b, {edges['n_removed']:,} are in a alone"
    )
    if not found["same_validation"]:
        say("the figures were not measured on the same customers")


def _figure(measured: dict[str, float | None] | None) -> str:
    if measured is None:
        return ""
    interval = "" if measured["low"] is None else f" ({measured['low']:.4f} to {measured['high']:.4f})"
    return f"{measured['value']:.4f}{interval}"


@models.command()
@_version
@json_option
def activate(version: str, *, as_json: bool) -> None:
    """Put a model in force, after every byte of it was checked."""
    from api.models.registry import put_in_force  # noqa: PLC0415  not needed for --help

    with _shop() as shop:
        whole = _whole(shop, version)
        put_in_force(shop.engine, shop.settings, whole, shop.now_ms)
    _tell(whole, "is in force", as_json=as_json)


@models.command()
@json_option
def rollback(*, as_json: bool) -> None:
    """Go back to the model that the present one took the place of."""
    from api.models.registry import roll_back  # noqa: PLC0415  not needed for --help

    with _shop() as shop:
        version = roll_back(shop.engine, shop.settings, shop.now_ms)
    _tell(version, "is in force again", as_json=as_json)


@models.command()
@_version
@click.option(
    "--share",
    type=NumberRange(min=0, max=1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of decisions that it is asked about.",
)
@click.option("--end", is_flag=True, help="Ask it no longer.")
@json_option
def shadow(version: str, *, share: float, end: bool, as_json: bool) -> None:
    """Ask a model about decisions beside the one in force, show nothing of it, and count.

    Again for a model that is in shadow: say what was counted so far.
    """
    from api.models import registry  # noqa: PLC0415  not needed for --help
    from api.models.shadowing import shadow_report  # noqa: PLC0415  as above

    with _shop() as shop:
        whole = _whole(shop, version)
        state = registry.registration(shop.engine, whole).state
        if end:
            registry.end_shadow(shop.engine, whole, shop.now_ms)
        elif state is not registry.ModelState.SHADOW:
            share_micro = max(1, round(share * registry.MICRO))
            registry.put_in_shadow(shop.engine, shop.settings, whole, shop.now_ms, share_micro=share_micro)
        counted = shadow_report(shop.engine, whole)
    if as_json:
        print_json({"version": whole, "watched": not end, "against": counted})
        return
    say(f"model {whole[:12]} is {'not in shadow any more' if end else 'in shadow'}")
    for each in counted:
        _print_counted(each)


def _print_counted(each: dict[str, Any]) -> None:
    said = f"against {each['against'][:12]}: {each['n_decisions']:,} decisions made again"
    figures = each["figures"]
    if figures is None:
        say(f"{said}; too few to tell of them")
        return
    say(
        f"{said}, {figures['equal_micro'] / 10_000:.1f} % with the same suggestions, "
        f"{figures['overlap_micro'] / 10_000:.1f} % of suggestions in both"
    )
    for name in ("active", "shadow"):
        side = figures[name]
        withheld = ", ".join(f"{rule} {n:,}" for rule, n in side["n_withheld"].items()) or "nothing"
        say(
            f"  {name}: {side['n_shown']:,} suggestions, {side['answered_micro'] / 10_000:.1f} % of "
            f"decisions with any, {side['mean_us']:,} µs each; held back: {withheld}"
        )


@models.command()
@_version
@click.option("--force", is_flag=True, help="Also if records are kept that could not be made again then.")
@json_option
def retire(version: str, *, force: bool, as_json: bool) -> None:
    """Remove the arrays of a model; what is known of it stays.

    The daily purge does this with models that nothing needs.
    """
    from api.models.retirement import retire_model  # noqa: PLC0415  not needed for --help

    with _shop() as shop, progress("retiring") as told:
        whole = _whole(shop, version)
        retire_model(shop.engine, shop.settings, whole, shop.now_ms, told, needed=force)
    _tell(whole, "is retired", as_json=as_json)


def _shop() -> AbstractContextManager[Shop]:
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help

    return open_shop()


def _whole(shop: Shop, begins: str) -> str:
    """Return the version that begins with some digits."""
    from api.models.registry import registrations  # noqa: PLC0415  not needed for --help

    if len(begins) < _LEAST_DIGITS:
        raise click.UsageError(f"a version takes {_LEAST_DIGITS} digits at least")
    found = [
        each.model.version
        for each in registrations(shop.engine)
        if each.model.version.startswith(begins.lower())
    ]
    if len(found) != 1:
        what = "several models begin" if found else "no model begins"
        raise click.ClickException(f"{what} with `{begins}`")
    return found[0]


def _described(found: Registration) -> dict[str, Any]:
    return {
        "version": found.model.version,
        "state": found.state.value,
        "created_at_ms": found.model.created_at_ms,
        "preceded_by": found.model.preceded_by,
        "manifest": asdict(found.manifest),
    }


def _tell(version: str, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"version": version})
        return
    say(f"model {version[:12]} {what}")
