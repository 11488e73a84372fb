"""``tactful policy show`` and ``schema``: a policy as it is written, and what it can say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.policy.documents import STANDARD_INPUT, Draft, read_draft
from api.cli.terminal import console, json_option, print_json, say

if TYPE_CHECKING:
    from rich.table import Table
    from sqlalchemy import Connection

    from guardrails.policy.language import Policy

_SHORTEST_VERSION = 8
_LOOSENED_BY = {"free": "shop", "auditor": "auditor", "never": "nobody"}
_VERSION = re.compile(rf"[0-9a-f]{{{_SHORTEST_VERSION},64}}")


@click.command()
@click.argument("file_or_version", required=False)
@click.option("--hash", "hash_only", is_flag=True, help="Print the version alone.")
@json_option
def show(file_or_version: str | None, *, hash_only: bool, as_json: bool) -> None:
    """Print a policy the one way it is written: the same policy is always the same text.

    FILE_OR_VERSION is a file, - for standard input, or the first 8 digits or more of a version in the
    store; without it what is in force is printed, which is what ships as long as there is nothing else.
    The version is the hash of what is said: comments, order and layout do not count.

    Exit codes: 0 done; 1 the file cannot be read; 2 was not understood.
    """
    from api.policies.text import write_yaml  # noqa: PLC0415  not needed for --help
    from guardrails.policy.document import to_document, to_plain, version_of  # noqa: PLC0415  as above

    if file_or_version is None:
        policy, version = policy_in_force()
    else:
        policy = policy_of(file_or_version)
        version = version_of(to_document(policy))
    if hash_only:
        if as_json:
            print_json({"version": version})
        else:
            click.echo(version)
    elif as_json:
        print_json(to_plain(policy))
    else:
        click.echo(write_yaml(policy), nl=False)
        say(f"version {version}")


@click.command()
@json_option
def schema(*, as_json: bool) -> None:
    """List every field that a condition can look at, and every limit: what it says and may be.

    With --json everything that a form needs is printed.

    Exit codes: 0 done; 2 was not understood.
    """
    from api.policies.schema import field_schema  # noqa: PLC0415  not needed for --help

    told = field_schema()
    if as_json:
        print_json(told)
        return
    screen = console()
    screen.print(_fields(told["fields"]))
    screen.print()
    screen.print(_limits(told["limits"]))


def _fields(told: list[dict[str, Any]]) -> Table:
    table = _table("field", "type", "", "says")
    for field in told:
        may_be = ", ".join(
            word
            for word, can in (("may be absent", field["optional"]), ("may be null", field["nullable"]))
            if can
        )
        kind = ", ".join(dict.fromkeys(filter(None, (field["kind"], field["unit"]))))
        says = ": ".join(filter(None, (field["description"], ", ".join(field.get("values", ())))))
        table.add_row(field["name"], kind, may_be, says)
    return table


def _limits(told: list[dict[str, Any]]) -> Table:
    table = _table("limit", "ships as", "stricter", "loosened by", "says")
    for limit in told:
        table.add_row(
            limit["name"],
            f"{limit['shipped']:g} {limit['unit']}",
            limit["stricter"],
            _LOOSENED_BY[limit["may_loosen"]],
            limit["description"],
        )
    return table


def _table(name: str, *others: str) -> Table:
    from rich.table import Column, Table  # noqa: PLC0415  slow to import, not needed for --help

    columns = (Column(each, overflow="fold") for each in others)
    return Table(Column(name, no_wrap=True), *columns, box=None)


def policy_of(file_or_version: str | None) -> Policy:
    """Return the policy that an argument names: a file, a version in the store, or what is in force.

    Raises:
        UnreadableDraft: the file says something that no policy says.
        UsageError: there is no such file or version.
    """
    if file_or_version is None:
        return policy_in_force()[0]
    draft = draft_of(file_or_version)
    if draft is not None:
        return draft.policy
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.policies.service import shipped_version  # noqa: PLC0415  as above
    from api.policies.shipped import shipped_policy  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above
    from api.storage.versions import read_policy_version  # noqa: PLC0415  as above

    with open_shop() as shop, reading(shop.engine) as conn:
        version = whole_version(conn, file_or_version)
        return shipped_policy() if version == shipped_version() else read_policy_version(conn, version)


def draft_of(file_or_version: str) -> Draft | None:
    """Return the file that an argument names; ``None`` where it can be a version.

    Raises:
        UnreadableDraft: the file says something that no policy says.
        UsageError: it is neither.
    """
    if file_or_version == STANDARD_INPUT or Path(file_or_version).is_file():
        return read_draft(file_or_version)
    if not _VERSION.fullmatch(file_or_version):
        raise click.UsageError(f"`{file_or_version}` is neither a file nor a version")
    return None


def policy_in_force() -> tuple[Policy, str]:
    """Return what is in force, held to the floor, and its version; without a database what ships is."""
    from api.cli.shop import has_database, open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.policies.shipped import shipped_policy  # noqa: PLC0415  as above
    from api.storage import versions  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above
    from guardrails.policy.document import to_document, version_of  # noqa: PLC0415  as above

    if not has_database():
        say("there is no database: what ships is taken to be in force")
        return shipped_policy(), version_of(to_document(shipped_policy()))
    with open_shop() as shop, reading(shop.engine) as conn:
        return versions.policy_in_force(conn)


def whole_version(conn: Connection, begins: str) -> str:
    """Return the one version, of those in the store and the one that ships, that begins with these digits.

    Raises:
        UsageError: there is none, or more than one.
    """
    from api.policies.service import shipped_version  # noqa: PLC0415  storage is not needed for --help
    from api.storage.versions import policy_versions  # noqa: PLC0415  as above

    shipped = {shipped_version()} if shipped_version().startswith(begins) else set()
    found = shipped.union(policy_versions(conn, begins))
    if len(found) != 1:
        raise click.UsageError(f"{'no' if not found else 'more than one'} version begins with `{begins}`")
    return found.pop()
