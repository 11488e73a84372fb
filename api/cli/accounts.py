"""``tactful accounts``: who may use the console."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from api.cli.terminal import Command, console, json_option, minute, print_json, say

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from api.storage.accounts import Account

ROLES = ("marketer", "approver", "auditor", "admin")


@click.group()
def accounts() -> None:
    """Create, list and change the accounts of the console's users."""


def password_options(command: Command) -> Command:
    """Add the two ways in which a password is given that is not typed."""
    command = click.option(
        "--password-stdin", "from_stdin", is_flag=True, help="Read the password from standard input."
    )(command)
    return click.option(
        "--generate", is_flag=True, help="Make a password up and print it once, as the only output."
    )(command)


@accounts.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What they may do.")
@password_options
@json_option
def create(name: str, role: str, *, from_stdin: bool, generate: bool, as_json: bool) -> None:
    """Create an account that NAME signs in to the console with.

    The password is asked for twice unless an option says where it comes from.
    """
    password = _password(from_stdin=from_stdin, generate=generate)
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.console.people import open_account  # noqa: PLC0415  as above
    from api.storage.api_keys import Role  # noqa: PLC0415  as above

    with open_shop() as shop:
        account = open_account(shop.engine, name, Role(role), password, shop.now_ms)
    told = {"account_id": account.account_id, "name": account.name, "role": role}
    if as_json:
        print_json({**told, **({"password": password} if generate else {})})
        return
    say(f"{account.name} can sign in as {role}")
    _show_once(password, generate=generate)


@accounts.command("list")
@json_option
def list_accounts(*, as_json: bool) -> None:
    """List the accounts there are, those out of use too."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.storage import accounts as stored  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above

    with open_shop() as shop, reading(shop.engine) as conn:
        found = stored.list_accounts(conn)
    if as_json:
        print_json(
            [
                {
                    "account_id": each.account_id,
                    "name": each.name,
                    "role": each.role.value,
                    "created_at_ms": each.created_at_ms,
                    "disabled_at_ms": each.disabled_at_ms,
                }
                for each in found
            ]
        )
        return
    from rich.table import Table  # noqa: PLC0415  as above

    table = Table("name", "role", "account", "created", "out of use", box=None)
    for each in found:
        times = (minute(each.created_at_ms), minute(each.disabled_at_ms))
        table.add_row(each.name, each.role.value, each.account_id, *times)
    console().print(table)


@accounts.command()
@click.argument("name")
def disable(name: str) -> None:
    """Put the account of NAME out of use for good; they are signed out."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.console.people import put_out_of_use  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above

    with open_shop() as shop:
        with reading(shop.engine) as conn:
            account = _in_use(conn, name)
        put_out_of_use(shop.engine, account, shop.now_ms)
    say(f"{account.name} cannot sign in any longer")


@accounts.command("password")
@click.argument("name")
@password_options
def change_password(name: str, *, from_stdin: bool, generate: bool) -> None:
    """Give NAME another password; they are signed out, and need not wait after failed attempts."""
    chosen = _password(from_stdin=from_stdin, generate=generate)
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.console.people import give_password  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above

    with open_shop() as shop:
        with reading(shop.engine) as conn:
            account = _in_use(conn, name)
        give_password(shop.engine, shop.subjects, account, chosen, shop.now_ms)
    say(f"{account.name} has another password")
    _show_once(chosen, generate=generate)


@accounts.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
def change_role(name: str, role: str) -> None:
    """Give NAME another role."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.console.people import give_role  # noqa: PLC0415  as above
    from api.storage.api_keys import Role  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above

    with open_shop() as shop:
        with reading(shop.engine) as conn:
            account = _in_use(conn, name)
        give_role(shop.engine, account, Role(role), shop.now_ms)
    say(f"{account.name} is {role}")


def _password(*, from_stdin: bool, generate: bool) -> str:
    """Return a password: made up, from standard input, or typed twice without being shown."""
    if from_stdin and generate:
        raise click.UsageError("a password is either read or made up")
    if generate:
        from api.console.passwords import new_password  # noqa: PLC0415  not needed for --help

        return new_password()
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    return typed


def _show_once(password: str, *, generate: bool) -> None:
    if generate:
        say("the password is shown this once:")
        click.echo(password)


def _in_use(conn: Connection, name: str) -> Account:
    from api.storage.accounts import find_by_name  # noqa: PLC0415  storage is not needed for --help

    found = find_by_name(conn, name)
    if found is None:
        raise click.ClickException(f"there is no account `{name}` in use")
    return found[0]
