"""``tactful guardrails``: reports on the rules themselves, and on the data they are given."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from api.cli.terminal import console, json_option, print_json, progress, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.reviewing import RuleReview, UnusedReport
    from guardrails.policy.charter import Assumption, CharterEntry
    from guardrails.policy.review import Measured, Overdue
    from guardrails.policy.unused import Unused

_PERCENT_MICRO = 10_000


@click.group()
def guardrails() -> None:
    """Look at the rules: who answers for them, and what they are for."""


@guardrails.command()
@json_option
def review(*, as_json: bool) -> None:
    """Name the rules that are past their review, or act more or less than was assumed.

    Shares are measured in the recorded decisions of the last 30 days. What was outside its range in
    the 30 days before as well, or is overdue for longer, keeps a policy from being approved again.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.reviewing import review_rules  # noqa: PLC0415  as above

    with open_shop() as shop, progress("reading decisions") as show:
        report = review_rules(shop.engine, shop.logbook.keyring, shop.now_ms, show)
    if as_json:
        print_json(_review_as_json(report))
        return
    _show_review(report)


@guardrails.command()
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="How far back.")
@json_option
def unused(*, days: int, as_json: bool) -> None:
    """List what is collected and was used by no decision: stop asking for it, or use it."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.reviewing import find_unused  # noqa: PLC0415  as above

    with open_shop() as shop, progress("reading decisions") as show:
        report = find_unused(shop.engine, shop.logbook.keyring, shop.now_ms, show, days)
    if as_json:
        rows = [_unused_as_json(row) for row in report.unused]
        print_json({"days": report.days, "n_decisions": report.n_decisions, "unused": rows})
        return
    _show_unused(report)


def _review_as_json(report: RuleReview) -> dict[str, Any]:
    return {
        "n_decisions": report.n_decisions,
        "rules": [
            asdict(entry) | {"assumes": [_assumed_as_json(*each) for each in _assumed(entry, report)]}
            for entry in report.entries
        ],
        "overdue": [
            asdict(row) | {"assumes": row.assumes and _assumption_as_json(row.assumes)}
            for row in report.overdue
        ],
    }


def _assumed(entry: CharterEntry, report: RuleReview) -> Iterable[tuple[Assumption, Measured | None]]:
    """Return what a rule rests on, each with what was measured of it."""
    return zip(entry.assumes, report.measured.get(entry.id, [None] * len(entry.assumes)), strict=True)


def _assumed_as_json(assumption: Assumption, measured: Measured | None) -> dict[str, Any]:
    return _assumption_as_json(assumption) | {"measured": measured and _shares_as_json(measured)}


def _assumption_as_json(assumption: Assumption) -> dict[str, Any]:
    return asdict(assumption) | {"of": _intent_of(assumption)}


def _intent_of(assumption: Assumption) -> str | None:
    """Return the intent that an assumption is narrowed to."""
    from engine.vocabulary import word  # noqa: PLC0415  the engine is not needed for --help

    of = getattr(assumption, "of", None)
    return of and word(of)


def _shares_as_json(measured: Measured) -> dict[str, Any]:
    stretches = {"lately": measured.lately, "before": measured.before}
    return {name: asdict(share) | {"share_micro": share.micro} for name, share in stretches.items()}


def _show_review(report: RuleReview) -> None:
    from rich.table import Column, Table  # noqa: PLC0415  slow to import, not needed for --help

    flaws: dict[str, list[Overdue]] = {}
    for row in report.overdue:
        flaws.setdefault(row.rule_id, []).append(row)
    names = [
        Column("rule", overflow="fold"),
        Column("owner", no_wrap=True),
        Column("review by", no_wrap=True),
    ]
    table = Table(*names, "share of", "assumed", "measured", "", box=None)
    for entry in report.entries:
        about = (entry.id, entry.owner, entry.review_by.isoformat())
        of_rule = [row for row in flaws.get(entry.id, ()) if row.assumes is None]
        for assumption, known in _assumed(entry, report):
            rows = [*of_rule, *(row for row in flaws.get(entry.id, ()) if row.assumes == assumption)]
            table.add_row(*about, *_row(assumption, known), "; ".join(map(_flaw, rows)) or _too_few(known))
            about, of_rule = ("", "", ""), []
        if not entry.assumes:
            table.add_row(*about, "", "", "", "; ".join(map(_flaw, of_rule)))
    console().print(table)
    n_blocking = len({row.rule_id for row in report.overdue if row.blocks_approval})
    say(
        f"{len(flaws)} of {len(report.entries)} rules to look at, {n_blocking} of them keep a policy from "
        f"being approved; measured on {report.n_decisions:,} decisions"
    )
    if any(_too_few(known) for measured in report.measured.values() for known in measured):
        say("too few: so little can be a matter of chance, and is held against no rule")


def _row(assumption: Assumption, known: Measured | None) -> tuple[str, str, str]:
    """Return the columns of what is assumed: of what, how much, and how much there was."""
    of = _intent_of(assumption)
    return (
        assumption.measure if of is None else f"{assumption.measure} of {of}",
        f"{_percent(assumption.low_micro)} to {_percent(assumption.high_micro)}",
        "" if known is None else _percent(known.lately.micro),
    )


def _flaw(row: Overdue) -> str:
    words = {
        "past_review": f"{row.days_overdue} days overdue",
        "acts_too_little": "acts less than assumed",
        "acts_too_much": "acts more than assumed",
    }
    return words[row.flaw] + (", blocks approval" if row.blocks_approval else "")


def _too_few(known: Measured | None) -> str:
    from guardrails.policy.review import FEWEST_MEASURED  # noqa: PLC0415  not needed for --help

    return "too few" if known is not None and known.lately.n < FEWEST_MEASURED else ""


def _percent(micro: int | None) -> str:
    return "" if micro is None else f"{micro / _PERCENT_MICRO:.3g} %"


def _unused_as_json(row: Unused) -> dict[str, Any]:
    from engine.vocabulary import word  # noqa: PLC0415  the engine is not needed for --help
    from guardrails.consent.purposes import KEY_OF  # noqa: PLC0415  as above

    found = row.collected
    return {
        "data": found.name,
        "purpose": KEY_OF[found.purpose],
        "channel": None if found.channel is None else word(found.channel),
        "provenance": None if found.provenance is None else word(found.provenance),
        "n": row.n,
        "learned_from": row.learned_from,
    }


def _show_unused(report: UnusedReport) -> None:
    from rich.table import Column, Table  # noqa: PLC0415  slow to import, not needed for --help

    if report.n_decisions == 0:
        say(f"nothing was decided in {report.days} days, so nothing can be said of what is used")
        return
    if not report.unused:
        n = report.n_decisions
        say(f"all that is collected was used by some of {n:,} decisions of {report.days} days")
        return
    table = Table("collected", Column("for", overflow="fold"), "channel", "from", "rows", "", box=None)
    for row in map(_unused_as_json, report.unused):
        table.add_row(
            row["data"],
            row["purpose"],
            row["channel"] or "",
            row["provenance"] or "",
            f"{row['n']:,}",
            "models learn from it" if row["learned_from"] else "",
        )
    console().print(table)
    say(
        f"{len(report.unused)} kinds of data were used by none of {report.n_decisions:,} decisions of "
        f"{report.days} days: stop asking for them, or use them"
    )
