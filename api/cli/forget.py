"""``tactful forget``: erase a customer, from the answer to the last file."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Any

import click

from api.cli.terminal import console, json_option, print_json, progress, say

if TYPE_CHECKING:
    from api.cli.shop import Shop
    from api.imports.importer import Progress
    from api.storage.cascades import Cascade


@click.command()
@click.argument("customer")
@click.option(
    "--mode",
    type=click.Choice(["delete", "anonymize"]),
    default="delete",
    show_default=True,
    help="Remove the history, or keep it as nobody's.",
)
@click.option(
    "--subject-type",
    type=click.Choice(["account", "session", "device"]),
    default="account",
    show_default=True,
    help="What CUSTOMER is the id of.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def forget(customer: str, mode: str, subject_type: str, *, yes: bool, as_json: bool) -> None:
    """Erase a customer everywhere and print the receipt; CUSTOMER is the shop's own id.

    The keys of their records are destroyed first: no record can be read from then on, and the log says
    so. What cannot be done now is tried again by the server, what a legal hold keeps goes when it is
    lifted; the exit code is 1 then. Files that name them are removed on this host: where several hosts
    share a database and rows were imported or data exported on others, run it there too.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.forgetting.receipt import proof_of, receipt  # noqa: PLC0415  as above

    if not yes and asks():
        click.confirm("Erase this customer? That cannot be undone.", abort=True, err=True)
    with open_shop() as shop, progress("forgetting") as show:
        cascade = _erase(shop, customer, mode, subject_type, show)
        if subject_type == "account":
            _forget_here(shop, cascade, customer)
        told = receipt(cascade, proof_of(cascade, shop.logbook))
    if as_json:
        print_json(told)
    else:
        _show(told)
    if cascade.finished_at_ms is None:
        raise click.exceptions.Exit(1)


def asks() -> bool:
    """Tell whether there is somebody to ask."""
    return sys.stdin.isatty()


def _erase(shop: Shop, customer: str, mode: str, subject_type: str, show: Progress) -> Cascade:
    """Begin the erasure, and go through it here unless a server does so already."""
    from api.cli.shop import now_ms  # noqa: PLC0415  storage is not needed for --help
    from api.forgetting.begin import Erasable  # noqa: PLC0415  as above
    from api.forgetting.keys import erase  # noqa: PLC0415  as above
    from api.forgetting.worker import Forgetting  # noqa: PLC0415  as above
    from api.schemas.base import canonical_text  # noqa: PLC0415  as above
    from api.storage.cascades import Mode  # noqa: PLC0415  as above
    from guardrails.request import SubjectKind  # noqa: PLC0415  as above

    subject = Erasable.of(shop.subjects, SubjectKind(subject_type), canonical_text(customer))
    recipients = shop.settings.recipients
    begun = erase(
        shop.logbook, shop.subjects, subject, Mode(mode), recipients, lambda: str(uuid.uuid4()), shop.now_ms
    )
    return Forgetting(shop.logbook, shop.settings, now_ms).finish_now(begun.cascade_id, show)


def _forget_here(shop: Shop, cascade: Cascade, customer: str) -> None:
    """Remove the files of this host that name a customer whom another host has erased."""
    from api.forgetting.files import forget_in_files  # noqa: PLC0415  storage is not needed for --help
    from api.forgetting.plan import FILES  # noqa: PLC0415  as above
    from api.schemas.base import canonical_text  # noqa: PLC0415  as above
    from api.storage.cascades import SETTLED  # noqa: PLC0415  as above

    if cascade.status_of(FILES) not in SETTLED:
        return  # whoever goes on with it sees to them
    n_files = forget_in_files(shop.settings.data_dir, canonical_text(customer))
    if n_files:
        say(f"more files of this host named them, removed or changed: {n_files:,}")


def _show(told: dict[str, Any]) -> None:
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    table = Table("place", "status", "removed or changed", "", box=None)
    for step in told["steps"]:
        table.add_row(step["step"], step["status"], f"{step['n_affected']:,}", step["detail"] or "")
    for each in told["recipients"]:
        table.add_row(f"recipient {each['recipient']}", each["status"], "", each["detail"] or "")
    console().print(table)
    state = "finished" if told["finished_at_ms"] is not None else "not finished: the server goes on with it"
    say(f"erasure {told['cascade_id']} is {state}")
    if told["log_index"] is not None:
        say(f"the log tells of it in entry {told['log_index']}; --json prints the proof")
