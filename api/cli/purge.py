"""``tactful purge``: remove what is kept no longer than it serves."""

from __future__ import annotations

import click

from api.cli.terminal import console, json_option, print_json, progress, say


@click.command()
@click.option("--dry-run", is_flag=True, help="Count what would be removed, and remove nothing.")
@json_option
def purge(*, dry_run: bool, as_json: bool) -> None:
    """Remove what is older than it may be, of every kind.

    Safe to run at any time, beside a server too; a second run finds nothing more. A server runs it
    once a day by itself.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.forgetting.retention import NO_LIMITS, stores  # noqa: PLC0415  as above
    from api.forgetting.retention import purge as remove  # noqa: PLC0415  as above

    with open_shop() as shop, progress("purging") as show:
        counts = remove(shop.logbook, shop.settings, shop.now_ms, show, dry_run=dry_run)
        waiting = [store for store in stores(shop.settings, shop.now_ms) if store not in counts]
    if as_json:
        print_json({"dry_run": dry_run, "counts": counts, "waiting": waiting})
        return
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    table = Table("kept too long", "would be removed" if dry_run else "removed or changed", box=None)
    for store, n in counts.items():
        table.add_row(store, f"{n:,}")
    console().print(table)
    say(f"{sum(counts.values()):,} in all")
    if waiting:
        say(f"{NO_LIMITS} Until it can be, these wait: {', '.join(waiting)}.")
