"""``tactful policy rehearse``: what a draft would have done to every decision that is retained."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.policy.documents import Draft, UnreadableDraft
from api.cli.policy.findings import Located
from api.cli.policy.showing import draft_of, policy_of, whole_version
from api.cli.terminal import console, json_option, print_json, progress, say

if TYPE_CHECKING:
    from rich.table import Table

    from api.cli.policy.acting import Acting
    from api.cli.shop import Shop
    from api.rehearsing.report import Held
    from api.storage.rehearsals import StoredRehearsal

_MICRO = 1_000_000
_MINUTE_S = 60
_POLL_S = 0.1
_SHOWN_DIGITS = 8

_BECAUSE = {
    "consent": "consent or an objection",
    "sensitive": "something sensitive",
    "cap": "a cap",
    "unwanted": "called too personal or of no interest later",
}
_KIND = {
    "withheld": "newly withheld",
    "pushed_out": "pushed out by others",
    "allowed": "newly allowed",
    "moved_up": "moved up",
}
_COLUMN = {"withheld": "withheld", "pushed_out": "out", "allowed": "allowed", "moved_up": "up"}


@click.command()
@click.argument("file_or_version")
@click.option("--base", help="File or version to hold it against; without it what is in force.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here, as JSON."
)
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Write a PNG here.")
@json_option
def rehearse(
    file_or_version: str, base: str | None, out: Path | None, plot: Path | None, *, as_json: bool
) -> None:
    """Say what a draft would have done to every decision that is retained.

    Of what it would have withheld it is told how much of that it is there for (no consent, a cap,
    something sensitive, or called too personal later) and how much was clicked or bought without
    complaint. What would have come of suggestions that nobody was shown is never known. The same
    decisions give the same report, with the same hash. Nobody is named. What was read of the decisions is
    kept in the data folder, so that the next time is quick.

    Exit codes: 0 done; 1 a file cannot be read or rehearsed; 2 was not understood.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.rehearsing import report as rehearsing  # noqa: PLC0415  as above

    draft = draft_of(file_or_version)
    if draft is not None:
        _require_rehearsable(draft)
    with open_shop() as shop:
        held = _held(shop, file_or_version) if draft is None else rehearsing.held(draft.policy)
        before = _base(shop, base)
        with progress("rehearsing") as show:
            found = rehearsing.rehearse(shop.engine, shop.settings, before, held, show)
    report = {"sha256": found.sha256, "report": found.document}
    if out is not None:
        _write(out, report)
    if as_json:
        print_json(report)
    else:
        _print(found.document)
        say(f"intervals are of 95 %; report {found.sha256}")
    if plot is not None:
        draw(found.document, plot)
        say(f"wrote `{plot}`")


def rehearse_stored(act: Acting) -> None:
    """Rehearse a version in the store against what is in force, and keep the report.

    Where somebody else is at it already, that is waited for.

    Raises:
        ClickException: it could not be done.
    """
    from api.cli.shop import now_ms  # noqa: PLC0415  storage is not needed for --help
    from api.rehearsing.job import rehearsal_state, start_rehearsal  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above
    from api.storage.policies import life_since  # noqa: PLC0415  as above
    from api.storage.rehearsals import RehearsalState  # noqa: PLC0415  as above

    shop = act.shop
    with reading(shop.engine) as conn:
        base = life_since(conn).base_of(act.version) or act.version

    def begun() -> StoredRehearsal:
        return start_rehearsal(shop.engine, shop.settings, act.version, base, act.actor.key_id, now_ms)

    with progress("rehearsing") as show:
        known = begun()
        while known.state is RehearsalState.RUNNING:
            show(known.n_done, known.n_total or None, f"{known.n_done:,} decisions")
            time.sleep(_POLL_S)
            if known.claimed_until_ms < now_ms():  # whoever ran it is gone
                known = begun()
            known = rehearsal_state(shop.engine, known.rehearsal_id) or known
    if known.state is RehearsalState.FAILED or known.report is None:
        raise click.ClickException("the rehearsal failed")
    import orjson  # noqa: PLC0415  as above

    _print_short(orjson.loads(known.report))


def _require_rehearsable(draft: Draft) -> None:
    """Refuse a draft of which nobody could say what it does.

    Raises:
        UnreadableDraft: it is one.
    """
    from guardrails.policy.check import check  # noqa: PLC0415  not needed for --help
    from guardrails.policy.names import KnownNames  # noqa: PLC0415  as above

    found: list[Located] = [each for each in draft.locate(check(draft.policy, KnownNames())) if each.is_error]
    if found:
        raise UnreadableDraft(found)


def _held(shop: Shop, begins: str) -> Held:
    from api.rehearsing.report import held_version  # noqa: PLC0415  storage is not needed for --help
    from api.storage.connection import reading  # noqa: PLC0415  as above

    with reading(shop.engine) as conn:
        return held_version(conn, whole_version(conn, begins))


def _base(shop: Shop, file_or_version: str | None) -> Held:
    from api.rehearsing.report import held, held_in_force  # noqa: PLC0415  storage is not needed for --help
    from api.storage.connection import reading  # noqa: PLC0415  as above

    if file_or_version is not None:
        return held(policy_of(file_or_version))
    with reading(shop.engine) as conn:
        return held_in_force(conn)


def _write(out: Path, report: Mapping[str, Any]) -> None:
    import orjson  # noqa: PLC0415  not needed for --help

    out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    say(f"wrote `{out}`")


def _print(report: Mapping[str, Any]) -> None:
    for line in in_words(report):
        click.echo(line)
    screen = console()
    for table in _tables(report):
        screen.print()
        screen.print(table)


def in_words(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a rehearsal found, line by line."""
    decisions, customers, suggestions = report["decisions"], report["customers"], report["suggestions"]
    yield from _reach(report["period"], decisions)
    if not decisions["n_rehearsed"]:
        return
    n = decisions["n_rehearsed"]
    yield f"touched: {_of(decisions['n_touched'], n, 'decisions', decisions['touched'])}"
    yield f"    {_of(customers['n_touched'], customers['n'], 'customers', customers['touched'])}"
    withheld, allowed = report["newly_withheld"], report["newly_allowed"]
    n = withheld["n"]
    yield f"newly withheld: {_of(n, suggestions['n_shown'], 'suggestions shown', suggestions['withheld'])}"
    if n:
        yield from _worth(withheld)
    yield f"newly allowed: {allowed['n']:,}" + (f"; {allowed['observed']}" if allowed["n"] else "")
    others = {kind: suggestions[f"n_{kind}"] for kind in ("pushed_out", "moved_up")}
    yield from (f"{_KIND[kind]}: {n:,}" for kind, n in others.items() if n)
    yield from _unknown(report)


def _worth(withheld: Mapping[str, Any]) -> Iterator[str]:
    """Yield how much of what is withheld is so for a reason, and how much was welcome."""
    n = withheld["n"]
    yield f"    intended: {_of(withheld['n_intended'], n, '', withheld['intended'])}"
    yield from (
        f"        {m:,} for {_BECAUSE[name]}" for name, m in withheld["intended_because"].items() if m
    )
    yield f"    collateral: {_of(withheld['n_collateral'], n, '', withheld['collateral'])},"
    yield "        clicked or bought without complaint"
    yield f"    not known: {withheld['n_unknown']:,}"


def _reach(period: Mapping[str, Any], decisions: Mapping[str, Any]) -> Iterator[str]:
    n, n_retained = decisions["n_rehearsed"], decisions["n_retained"]
    if not n:
        yield f"nothing was rehearsed: {n_retained:,} decisions are retained, and none can be decided again"
        return
    yield f"rehearsed: {n:,} of {n_retained:,} retained decisions, {_period(period)}"
    left_out = {"erased": decisions["n_erased"], "cannot be read": decisions["n_unreadable"]}
    if any(left_out.values()):
        yield f"    left out: {', '.join(f'{why} {count:,}' for why, count in left_out.items() if count)}"


def _unknown(report: Mapping[str, Any]) -> Iterator[str]:
    yield "what a rehearsal cannot know:"
    for each in report["not_rehearsed"]:
        part = "in part " if each["in_part"] else ""
        yield f"    {part}{each['limit']}: {each['because']}"
    yield from (f"    {line}" for line in report["taken_as_recorded"])


def _tables(report: Mapping[str, Any]) -> Iterator[Table]:
    from rich.table import Column, Table  # noqa: PLC0415  slow to import, not needed for --help

    yield from _effect(report["effect"])
    by_rule = [("newly_withheld", each) for each in report["newly_withheld"]["by_rule"]]
    by_rule += [("newly_allowed", each) for each in report["newly_allowed"]["by_rule"]]
    if by_rule:
        table = Table(Column("by rule", overflow="fold"), "", "suggestions", box=None)
        for kind, each in by_rule:
            table.add_row(each["rule"] or "none", kind.replace("_", " "), f"{each['n']:,}")
        yield table
    if report["examples"]:
        yield _examples(report["examples"])


def _effect(effect: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Table]:
    from rich.table import Column, Table  # noqa: PLC0415  slow to import, not needed for --help

    numbers = (Column(name, justify="right") for name in ("shown", *_COLUMN.values()))
    where = Column("", overflow="fold")
    table = Table(where, *numbers, Column("gone", no_wrap=True), box=None, padding=(0, 1, 0, 0))
    for dimension, rows in effect.items():
        touched = [row for row in rows if any(row[f"n_{kind}"] for kind in _KIND)]
        if touched:
            table.add_row(f"by {dimension.replace('_', ' ')}")
        for row in touched:
            counts = (f"{row[f'n_{kind}']:,}" for kind in _KIND)
            table.add_row(f"  {row['name']}", f"{row['n_shown']:,}", *counts, _share(row["gone"]))
    if table.row_count:
        yield table


def _examples(examples: Sequence[Mapping[str, Any]]) -> Table:
    from rich.table import Column, Table  # noqa: PLC0415  slow to import, not needed for --help

    names = ("examples", "", "by", "where", "for", "decision", "then")
    table = Table(*(Column(name, overflow="fold") for name in names), box=None)
    for each in examples:
        table.add_row(
            each["item"],
            _KIND[each["kind"]],
            each["rule"] or "",
            each["placement"],
            each["intent"],
            each["decision_id"][:_SHOWN_DIGITS],
            ", ".join(each["said"]),
        )
    return table


def draw(report: Mapping[str, Any], file: Path) -> None:
    """Write a plot of what a draft takes away at each placement, as PNG.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  slow to import, and rarely asked for

    rows = [row for row in report["effect"]["placement"] if row["n_shown"]]
    shares = [row["gone"] for row in rows]
    percent = {
        name: [100 * share[name] / _MICRO for share in shares]
        for name in ("micro", "low_micro", "high_micro")
    }
    low = [max(each - bound, 0) for each, bound in zip(percent["micro"], percent["low_micro"], strict=True)]
    high = [max(bound - each, 0) for each, bound in zip(percent["micro"], percent["high_micro"], strict=True)]
    figure = Figure(figsize=(8, 1.5 + 0.4 * max(len(rows), 2)), layout="constrained")
    axes = figure.subplots()
    names = [f"{row['name']} ({row['n_shown']:,} shown)" for row in rows]
    axes.barh(names, percent["micro"], xerr=[low, high], color="#4c72b0", ecolor="#333333", capsize=3)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("suggestions no longer shown, % of those shown, with 95 % interval")
    axes.set_title(f"What the draft takes away, {_period(report['period'])}")
    figure.savefig(file, dpi=120)


def _print_short(report: Mapping[str, Any]) -> None:
    withheld, allowed, decisions = report["newly_withheld"], report["newly_allowed"], report["decisions"]
    say(
        f"rehearsed on {decisions['n_rehearsed']:,} decisions: {withheld['n']:,} suggestions newly withheld "
        f"({withheld['n_intended']:,} intended, {withheld['n_collateral']:,} collateral), "
        f"{allowed['n']:,} newly allowed"
    )


def _of(n: int, of: int, what: str, share: Mapping[str, int]) -> str:
    return f"{n:,} of {of:,} {what}".rstrip() + f", {_share(share)}"


def _share(share: Mapping[str, int]) -> str:
    """Return a share with its 95 % interval."""
    percent = {name: 100 * micro / _MICRO for name, micro in share.items()}
    return "{micro:.2f} % ({low_micro:.2f}-{high_micro:.2f})".format(**percent)


def _period(period: Mapping[str, Any]) -> str:
    first, last = (period[name] for name in ("first_minute", "last_minute"))
    if first < 0:  # of no decision
        return "of no day"
    return f"{_day(first)} to {_day(last)}"


def _day(minute: int) -> str:
    return datetime.fromtimestamp(minute * _MINUTE_S, UTC).date().isoformat()
