"""``tactful policy status``: what is in force, what is about to be, and how it came to that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from api.cli.policy.acting import SHOWN_DIGITS
from api.cli.policy.changing import in_words
from api.cli.terminal import console, json_option, print_json

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from api.storage.policies import Entry
    from guardrails.policy.lifecycle import Life, Trial, VersionLife

_PERCENT_MICRO = 10_000
_CLOSED = frozenset({"superseded", "expired", "rejected"})

_ABOUT = ("reason", "scheduled_at_ms", "until_ms", "share_micro")


@click.command()
@click.option("--last", type=click.IntRange(0), default=10, show_default=True, help="So many steps are told.")
@json_option
def status(*, last: int, as_json: bool) -> None:
    """Say which version is in force, what is proposed, scheduled, watched and tried out, and the last steps.

    Needs no key: whoever can open the database can read it.

    Exit codes: 0 done; 1 the database cannot be used; 2 was not understood.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.storage.connection import reading  # noqa: PLC0415  as above

    with open_shop() as shop, reading(shop.engine) as conn:
        found = _read(conn, last)
    if as_json:
        print_json(found)
        return
    for line in _in_words(found):
        click.echo(line)
    if found["history"]:
        click.echo()
        _show_history(found["history"])


def _read(conn: Connection, last: int) -> dict[str, Any]:
    from api.policies.service import shipped_version  # noqa: PLC0415  storage is not needed for --help
    from api.storage.api_keys import list_keys  # noqa: PLC0415  as above
    from api.storage.policies import life_since, read_entries  # noqa: PLC0415  as above
    from api.storage.versions import POLICY, active  # noqa: PLC0415  as above

    life = life_since(conn)
    labels = {key.key_id: key.label for key in list_keys(conn)}
    entries = read_entries(conn, after=max(life.n_steps - last, 0))
    return {
        "in_force": _standing(life, active(conn).get(POLICY, shipped_version())),
        "shadow": _trial(life.shadow),
        "challenger": _trial(life.challenger),
        "versions": [_version(life, known, labels) for known in life.versions.values()],
        "n_steps": life.n_steps,
        "history": [_step(entry, labels) for entry in entries],
    }


def _standing(life: Life, in_force: str) -> dict[str, Any]:
    standing = life.standing if life.in_force == in_force else None
    return {
        "version": in_force,
        "since_ms": None if standing is None else standing.since_ms,
        "until_ms": None if standing is None else standing.until_ms,
        "by_glass": standing is not None and standing.by_glass,
    }


def _trial(trial: Trial | None) -> dict[str, Any] | None:
    if trial is None:
        return None
    return {
        "version": trial.version,
        "since_ms": trial.since_ms,
        "until_ms": trial.until_ms,
        "share_micro": trial.share_micro,
    }


def _version(life: Life, known: VersionLife, labels: Mapping[str, str]) -> dict[str, Any]:
    proposal = known.proposal
    schedule = None if proposal is None else proposal.schedule
    return {
        "version": known.version,
        "name": known.name,
        "state": life.state_of(known.version).value,
        "base": None if proposal is None else proposal.base,
        "is_rollback": proposal is not None and proposal.is_rollback,
        "needs_auditor": proposal is not None and proposal.needs_auditor,
        "proposed_by": None if proposal is None else labels.get(proposal.proposer, proposal.proposer),
        "approved_by": [] if proposal is None else [labels.get(a.actor, a.actor) for a in proposal.approvals],
        "scheduled_at_ms": None if schedule is None else schedule.at_ms,
    }


def _step(entry: Entry, labels: Mapping[str, str]) -> dict[str, Any]:
    from guardrails.policy.chain import to_plain  # noqa: PLC0415  not needed for --help

    step = entry.step
    return {
        "number": step.number,
        "at_ms": step.at_ms,
        "kind": step.kind.value,
        "version": step.version,
        "base": step.base,
        "actor": step.actor,
        "label": labels.get(step.actor, ""),
        "role": step.role,
        **to_plain(step.detail),
    }


def _in_words(found: Mapping[str, Any]) -> Iterator[str]:
    standing = found["in_force"]
    yield f"in force: {_short(standing['version'])}{_when(standing)}"
    if standing["by_glass"]:
        yield "    nobody approved of it: the glass was broken"
    if found["shadow"]:
        yield f"watched beside it: {_short(found['shadow']['version'])}{_when(found['shadow'])}"
    if found["challenger"]:
        share = found["challenger"]["share_micro"] / _PERCENT_MICRO
        yield (
            f"tried out on {share:g} % of customers: {_short(found['challenger']['version'])}"
            f"{_when(found['challenger'])}"
        )
    for version in found["versions"]:
        if version["state"] not in (*_CLOSED, "active"):
            yield f"{version['state']}: {_short(version['version'])}{_proposed(version)}"


def _proposed(version: Mapping[str, Any]) -> str:
    if version["base"] is None:
        return ""
    said = [f", by {version['proposed_by']}, in place of {_short(version['base'])}"]
    if version["approved_by"]:
        said.append(f", approved by {', '.join(version['approved_by'])}")
    elif version["needs_auditor"]:
        said.append(", waits for an auditor")
    if version["scheduled_at_ms"] is not None:
        said.append(f", from {in_words(version['scheduled_at_ms'])}")
    return "".join(said)


def _show_history(history: Sequence[Mapping[str, Any]]) -> None:
    from rich.table import Column, Table  # noqa: PLC0415  slow to import, not needed for --help

    narrow = (Column(name, no_wrap=True) for name in ("", "when (UTC)", "what", "version"))
    table = Table(*narrow, Column("who", overflow="fold"), Column("", overflow="fold"), box=None)
    for step in history:
        who = (
            f"{step['label'] or step['actor']} ({step['role']})" if step["role"] != "system" else "by itself"
        )
        about = [_detail(name, step[name]) for name in _ABOUT if name in step]
        what = step["kind"].replace("_", " ")
        when = in_words(step["at_ms"]).removesuffix(" UTC")
        table.add_row(str(step["number"]), when, what, _short(step["version"]), who, "; ".join(about))
    console().print(table)


def _detail(name: str, value: Any) -> str:
    if name == "reason":
        return str(value)
    if name == "share_micro":
        return f"{value / _PERCENT_MICRO:g} % of customers"
    return f"{'from' if name == 'scheduled_at_ms' else 'until'} {in_words(value)}"


def _short(version: str) -> str:
    return version[:SHOWN_DIGITS]


def _when(running: Mapping[str, Any]) -> str:
    since = f", since {in_words(running['since_ms'])}" if running["since_ms"] is not None else ", as it ships"
    until = f", until {in_words(running['until_ms'])}" if running["until_ms"] is not None else ""
    return since + until
