"""``tactful recommend``: suggestions for many customers, to a file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.terminal import json_option, print_json, progress, say

if TYPE_CHECKING:
    from api.batch.desk import Desk
    from api.batch.groups import Mailing
    from api.batch.recipients import Listed
    from api.batch.runs import Report
    from api.cli.shop import Shop

_CHANNELS = ("web", "app", "email", "sms", "push", "post", "phone", "in_store", "agent_chat", "offsite_ads")
_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_NAMED = 20
"""Most rejected lines that are named one by one."""


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--all", "everybody", is_flag=True, help="Everybody who agreed to be contacted on the channel.")
@click.option("--placement", required=True, help="Name of the placement, as in `email`.")
@click.option("--channel", type=click.Choice(_CHANNELS), required=True, help="How it will reach them.")
@click.option("--count", type=click.IntRange(1, 50), help="Most suggestions for each.")
@click.option(
    "--mode", type=click.Choice(("profiled", "non_profiled")), default="profiled", show_default=True
)
@click.option(
    "--language", type=click.Choice(("en", "da", "nb", "sv", "de")), default="en", show_default=True
)
@click.option(
    "--format", "file_format", type=click.Choice(("lines", "jsonl", "csv")), help="What the file is."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where it goes (JSON lines).",
)
@click.option(
    "--processes", type=click.IntRange(1, 256), help="Processes that decide; by default one a core."
)
@json_option
def recommend(
    file: str | None, *, everybody: bool, file_format: str | None, as_json: bool, **asked: Any
) -> None:
    """Suggest items for the customers in FILE (`-` for standard input), or for all of them.

    FILE holds an id a line, or JSON lines or CSV with `customer_id` and perhaps `language`. All
    guardrails hold as for a single request, and every decision is in the log before it is written to
    the output: `{"customer_id": …, "answer": …}`, a line each, in the order of the file.

    Stopped, the same command goes on where the output ends. At most the 128 customers that were being
    worked on are decided for again; the log then says of the first time that it was not answered.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help

    if (file is None) != everybody:
        raise click.UsageError("name a file of customers, or --all")
    with open_shop() as shop:
        listed = _listed(shop, file, file_format, asked["channel"])
        for rejected in listed.rejected[:_NAMED]:
            say(f"line {rejected.line} {rejected.because}")
        report = _run(shop, listed, {"from": "all" if everybody else _digest(listed), **asked})
    if as_json:
        print_json(_as_data(report, listed))
    else:
        _show(report, listed)


def _run(shop: Shop, listed: Listed, asked: dict[str, Any]) -> Report:
    from api.batch.desk import open_desk  # noqa: PLC0415  the engine is not needed for --help
    from api.batch.output import output_to  # noqa: PLC0415  as above
    from api.batch.processes import drawing  # noqa: PLC0415  as above
    from api.batch.runs import run  # noqa: PLC0415  as above

    path, n_processes = asked.pop("output"), asked.pop("processes") or len(os.sched_getaffinity(0))
    desk = open_desk(shop.settings, shop.engine, shop.subjects)
    mailing = _mailing(desk, asked)
    with (
        output_to(path, asked) as output,
        drawing(mailing, desk, n_processes) as draw,
        progress("suggesting") as show,
    ):
        return run(listed.recipients, draw, output, shop.engine, shop.logbook, show)


def _listed(shop: Shop, file: str | None, file_format: str | None, channel: str) -> Listed:
    from api.batch.groups import Recipient  # noqa: PLC0415  storage is not needed for --help
    from api.batch.recipients import Listed, read_recipients  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above
    from api.storage.consents import customer_ids_with  # noqa: PLC0415  as above
    from api.storage.customers import all_customer_ids  # noqa: PLC0415  as above
    from engine.vocabulary import Channel, from_word  # noqa: PLC0415  as above
    from guardrails.consent.purposes import outreach_key  # noqa: PLC0415  as above

    if file is not None:
        with click.open_file(file, encoding="utf-8-sig", errors="replace") as lines:
            return read_recipients(lines, file_format or _FORMATS.get(Path(file).suffix.lower(), "lines"))
    purpose = outreach_key(from_word(Channel, channel))
    with reading(shop.engine) as conn:
        found = all_customer_ids(conn) if purpose is None else customer_ids_with(conn, purpose, shop.now_ms)
    return Listed(tuple(map(Recipient, found)), ())


def _mailing(desk: Desk, asked: dict[str, Any]) -> Mailing:
    from api.batch.asking import count_in, placement_named  # noqa: PLC0415  as above
    from api.batch.groups import Mailing  # noqa: PLC0415  as above
    from api.errors import InvalidRequestError  # noqa: PLC0415  as above
    from engine.vocabulary import Channel, from_word  # noqa: PLC0415  as above
    from guardrails.request import Request, SubjectKind  # noqa: PLC0415  as above

    try:
        placement = placement_named(asked["placement"], desk.runtime.current())
        count = count_in(asked["count"], placement)
    except InvalidRequestError as error:
        raise click.UsageError(str(error.findings[0].detail)) from None
    question = Request(
        subject_kind=SubjectKind.ACCOUNT,
        placement=placement,
        channel=from_word(Channel, asked["channel"]),
        count=count,
        now_ms=desk.clock(),
        seed=desk.new_seed(),
        non_profiled=asked["mode"] == "non_profiled",
        language=asked["language"],
    )
    return Mailing(question)


def _digest(listed: Listed) -> str:
    """Return what tells this list of customers from another; with `--all` it may grow meanwhile."""
    digest = hashlib.sha256()
    for customer_id, language in listed.recipients:
        digest.update(f"{customer_id}\0{language}\0".encode())
    return digest.hexdigest()


def _as_data(report: Report, listed: Listed) -> dict[str, Any]:
    return {
        "customers": report.n_customers,
        "rejected": [rejected._asdict() for rejected in listed.rejected],
        "before": report.n_before,
        "decided": report.n_decided,
        "repeated": report.n_repeated,
        "items": report.tally.n_items["suggested"],
        "by_basis": dict(sorted(report.tally.by_basis.items())),
        "by_outcome": dict(sorted(report.tally.by_outcome.items())),
        "withheld_by_rule": dict(sorted(report.tally.by_rule.items())),
        "degraded": dict(sorted(report.tally.degraded.items())),
        "seconds": round(report.seconds, 3),
        "per_second": round(report.per_second, 1),
    }


def _show(report: Report, listed: Listed) -> None:
    tally = report.tally
    say(
        f"{report.n_decided:,} customers, {tally.n_items['suggested']:,} suggestions, in "
        f"{report.seconds:.1f} s ({report.per_second:,.0f} a second)"
    )
    if report.n_before:
        say(f"{report.n_before:,} were in the file already, {report.n_repeated:,} were decided for again")
    if listed.rejected:
        say(f"{len(listed.rejected):,} lines rejected")
    for what, counted in (
        ("basis", tally.by_basis),
        ("withheld by", tally.by_rule),
        ("less than it might have been", tally.degraded),
    ):
        if counted:
            say(f"{what}: " + ", ".join(f"{name} {n:,}" for name, n in counted.most_common()))
