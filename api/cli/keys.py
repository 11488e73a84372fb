"""``tactful keys``: who may call the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from api.cli.terminal import console, json_option, minute, print_json, say

if TYPE_CHECKING:
    from api.storage.api_keys import KeyRow

_AVERAGE = click.IntRange(0, 2**31 - 1)
_AT_ONCE = click.IntRange(1, 1_000_000)

ROLES = ("site", "marketer", "approver", "auditor", "admin")


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command()
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the key may do.")
@click.option("--label", required=True, help="What the key is for, in your own words.")
@click.option("--rate", type=_AVERAGE, help="Requests a second that it may send on average; 0 for no limit.")
@click.option("--burst", type=_AT_ONCE, help="Requests that it may send without a pause.")
@click.option("--daily", type=_AVERAGE, help="Requests that it may send on a day of UTC; 0 for no limit.")
@json_option
def create(
    role: str, label: str, *, rate: int | None, burst: int | None, daily: int | None, as_json: bool
) -> None:
    """Create a key and print it once; only its digest is kept.

    What is not said of how much it may ask for is as the settings have it (TACTFUL_LIMIT_KEY_…).
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.storage.api_keys import KeyLimits, Role, create_key  # noqa: PLC0415  as above
    from api.storage.connection import writing  # noqa: PLC0415  as above

    with open_shop() as shop, writing(shop.engine) as conn:
        key_id, secret = create_key(conn, Role(role), label, shop.now_ms, KeyLimits(rate, burst, daily))
    if as_json:
        print_json({"key_id": key_id, "role": role, "label": label, "key": secret})
        return
    say(f"key {key_id} for {role}; it is shown this once:")
    click.echo(secret)


@keys.command("list")
@json_option
def list_keys(*, as_json: bool) -> None:
    """List the keys there are, without their secrets."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.storage import api_keys  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above

    with open_shop() as shop, reading(shop.engine) as conn:
        found = api_keys.list_keys(conn)
    if as_json:
        print_json(
            [
                {
                    "key_id": key.key_id,
                    "role": key.role.value,
                    "label": key.label,
                    "created_at_ms": key.created_at_ms,
                    "revoked_at_ms": key.revoked_at_ms,
                    "n_per_second": key.n_per_second,
                    "n_at_once": key.n_at_once,
                    "n_per_day": key.n_per_day,
                }
                for key in found
            ]
        )
        return
    from rich.table import Column, Table  # noqa: PLC0415  as above

    table = Table(Column("key", no_wrap=True), "role", "label", "created", "revoked", "limits", box=None)
    for key in found:
        times = map(minute, (key.created_at_ms, key.revoked_at_ms))
        table.add_row(key.key_id, key.role.value, key.label, *times, _limits(key))
    console().print(table)


@keys.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Revoke the key with this id, as `tactful keys list` has it; it is refused from the next request on."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.storage import api_keys  # noqa: PLC0415  as above
    from api.storage.connection import writing  # noqa: PLC0415  as above

    with open_shop() as shop, writing(shop.engine) as conn:
        revoked = api_keys.revoke(conn, key_id, shop.now_ms)
    if not revoked:  # what was asked for is not repeated: it may be a secret, given in the place of the id
        raise click.ClickException("there is no key with this id in force; `tactful keys list` shows the ids")
    say(f"key {key_id} is revoked")


def _limits(key: KeyRow) -> str:
    """Return the limits of a key's own, in words; those that the shop has set for all are left out."""
    limits = ((key.n_per_second, "a second"), (key.n_at_once, "at once"), (key.n_per_day, "a day"))
    return ", ".join(f"{n or 'any'} {words}" for n, words in limits if n is not None)
