"""``tactful log prune``: entries of the log that nobody needs any more go, the tree stays."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from api.cli.keyholder import key_of, key_option
from api.cli.terminal import json_option, print_json, say


@click.command()
@click.option("--before", type=click.DateTime(["%Y-%m-%d"]), help="Remove entries from before this day, UTC.")
@click.option("--keep-days", type=click.IntRange(1, 36_500), help="Remove entries older than so many days.")
@click.option("--dry-run", is_flag=True, help="Count what would be removed, and remove nothing.")
@key_option
@json_option
def prune(
    before: datetime | None, keep_days: int | None, key_file: Path | None, *, dry_run: bool, as_json: bool
) -> None:
    """Remove old entries, whole bundles of 256; what anybody still needs is kept, however old it is.

    The log says first from where on it keeps entries. Its tree is kept: whatever was proved before can be
    proved again. Takes the key of an admin or an auditor.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.forgetting.holds import require_role  # noqa: PLC0415  as above
    from api.forgetting.pruning import before_days, prunable  # noqa: PLC0415  as above
    from api.forgetting.pruning import prune as remove  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above

    if (before is None) == (keep_days is None):
        raise click.UsageError("give either --before or --keep-days")
    with open_shop() as shop:
        require_role(key_of(shop, key_file))
        if before is not None:
            before_ms = int(before.replace(tzinfo=UTC).timestamp() * 1000)
        else:
            before_ms = before_days(keep_days or 0, shop.now_ms)
        if dry_run:
            with reading(shop.engine) as conn:
                found = prunable(conn, before_ms)
        else:
            found = remove(shop.logbook, before_ms, shop.now_ms)
    if as_json:
        print_json({"dry_run": dry_run, "min_index": found.min_index, "n_entries": found.n_entries})
        return
    would = "would be" if dry_run else "were"
    say(f"{found.n_entries:,} entries {would} removed; entries are kept from {found.min_index:,} on")
