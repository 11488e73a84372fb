"""``tactful log hold``, ``release`` and ``holds``: records that are kept for a legal claim."""

from __future__ import annotations

import uuid
from pathlib import Path

import click

from api.cli.keyholder import key_of, key_option
from api.cli.terminal import console, json_option, print_json, say


@click.command()
@click.argument("customer")
@click.option("--reason", required=True, help="The claim or the order that the records are kept for.")
@click.option(
    "--subject-type",
    type=click.Choice(["account", "session", "device"]),
    default="account",
    show_default=True,
    help="What CUSTOMER is the id of.",
)
@key_option
@json_option
def hold(customer: str, reason: str, subject_type: str, key_file: Path | None, *, as_json: bool) -> None:
    """Keep the records of decisions for CUSTOMER, whatever is asked meanwhile (GDPR 17(3)(e)).

    An erasure still blocks all use at once and removes everything else; the records go when the hold is
    released. Takes the key of an admin or an auditor; the customer can read the reason in their export.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.forgetting.begin import Erasable  # noqa: PLC0415  as above
    from api.forgetting.holds import place_hold, require_role  # noqa: PLC0415  as above
    from api.schemas.base import canonical_text  # noqa: PLC0415  as above
    from api.storage.legal_holds import LegalHold  # noqa: PLC0415  as above
    from guardrails.request import SubjectKind  # noqa: PLC0415  as above

    if not reason.strip():
        raise click.UsageError("--reason is empty")
    with open_shop() as shop:
        key = key_of(shop, key_file)
        require_role(key)
        subject = Erasable.of(shop.subjects, SubjectKind(subject_type), canonical_text(customer))
        placed = LegalHold(str(uuid.uuid4()), subject.key, reason.strip(), key.key_id, shop.now_ms)
        log_index = place_hold(shop.logbook, placed, shop.now_ms)
    if as_json:
        print_json({"hold_id": placed.hold_id, "log_index": log_index})
        return
    click.echo(placed.hold_id)
    say(f"the hold stands; the log tells of it in entry {log_index}")


@click.command()
@click.argument("hold_id", metavar="HOLD")
@key_option
@json_option
def release(hold_id: str, key_file: Path | None, *, as_json: bool) -> None:
    """Release a hold: an erasure that has waited for it is gone on with by the server."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.forgetting.holds import release_hold, require_role  # noqa: PLC0415  as above

    with open_shop() as shop:
        require_role(key_of(shop, key_file))
        log_index = release_hold(shop.logbook, hold_id, shop.now_ms)
    if as_json:
        print_json({"hold_id": hold_id, "log_index": log_index})
        return
    say(f"the hold is released; the log tells of it in entry {log_index}")


@click.command()
@key_option
@json_option
def holds(key_file: Path | None, *, as_json: bool) -> None:
    """List the holds that stand; whose they are is not told."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.forgetting.holds import require_role  # noqa: PLC0415  as above
    from api.rights.readings import time_of  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above
    from api.storage.legal_holds import standing_holds  # noqa: PLC0415  as above

    with open_shop() as shop:
        require_role(key_of(shop, key_file))
        with reading(shop.engine) as conn:
            found = standing_holds(conn)
    if as_json:
        print_json(
            [
                {
                    "hold_id": each.hold_id,
                    "reason": each.reason,
                    "actor": each.actor,
                    "placed_at_ms": each.placed_at_ms,
                }
                for each in found
            ]
        )
        return
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    table = Table("hold", "since", "placed by", "for", box=None)
    for each in found:
        table.add_row(each.hold_id, time_of(each.placed_at_ms), each.actor, each.reason)
    console().print(table)
