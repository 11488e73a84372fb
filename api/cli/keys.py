"""``tactful keys``: who may call the API."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from api.cli.terminal import console, json_option, print_json, say

ROLES = ("site", "marketer", "approver", "auditor", "admin")


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command()
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the key may do.")
@click.option("--label", required=True, help="What the key is for, in your own words.")
@json_option
def create(role: str, label: str, *, as_json: bool) -> None:
    """Create a key and print it once; only its digest is kept."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.storage.api_keys import Role, create_key  # noqa: PLC0415  as above
    from api.storage.connection import writing  # noqa: PLC0415  as above

    with open_shop() as shop, writing(shop.engine) as conn:
        key_id, secret = create_key(conn, Role(role), label, shop.now_ms)
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
                }
                for key in found
            ]
        )
        return
    from rich.table import Table  # noqa: PLC0415  as above

    table = Table("key", "role", "label", "created", "revoked", box=None)
    for key in found:
        table.add_row(key.key_id, key.role.value, key.label, _day(key.created_at_ms), _day(key.revoked_at_ms))
    console().print(table)


@keys.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Revoke a key; it is refused from the next request on."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.storage import api_keys  # noqa: PLC0415  as above
    from api.storage.connection import writing  # noqa: PLC0415  as above

    with open_shop() as shop, writing(shop.engine) as conn:
        revoked = api_keys.revoke(conn, key_id, shop.now_ms)
    if not revoked:
        raise click.ClickException(f"there is no key `{key_id}` in force")
    say(f"key {key_id} is revoked")


def _day(at_ms: int | None) -> str:
    return "" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
