"""``tactful policy lint`` and ``test``: what can be said of a policy from its text alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from api.cli.policy.documents import (
    Draft,
    UnreadableDraft,
    policy_file,
    read_draft,
    strict_option,
)
from api.cli.policy.findings import Located, as_data, show_at, summary
from api.cli.terminal import console, json_option, print_json, say

if TYPE_CHECKING:
    from datetime import date

    from guardrails.policy.mutants import Mutation
    from guardrails.policy.names import KnownNames
    from guardrails.policy.testing import Trials

_PERCENT_MICRO = 10_000


@click.command()
@click.argument("files", nargs=-1, required=True, type=policy_file)
@strict_option
@click.option(
    "--no-shop", is_flag=True, help="Ask no database which placements, categories and brands exist."
)
@json_option
def lint(files: Sequence[str], *, strict: bool, no_shop: bool, as_json: bool) -> None:
    """Say what is wrong with policies, each thing by line and column and with an example.

    FILES are YAML or JSON, by their names or else by how they begin; - is standard input. Needs no
    database. Where there is one, names of placements, categories and brands are looked up in it.

    Exit codes: 0 no errors; 1 errors, or with --strict warnings; 2 was not understood.
    """
    known, today = _known_names(no_shop=no_shop), datetime.now(UTC).date()
    found = [each for file in files for each in _lint(file, known, today)]
    if as_json:
        print_json(as_data(found))
    else:
        show_at(found)
        say(summary(found))
    fail_if(found, strict=strict)


@click.command("test")
@click.argument("files", nargs=-1, required=True, type=policy_file)
@strict_option
@json_option
def run_tests(files: Sequence[str], *, strict: bool, as_json: bool) -> None:
    """Run the tests that the rules of policies bring along.

    Also said is what no test shows: conditions that never hold or never fail in any, boundaries that
    none stands at, and small changes to a rule that its tests would not notice. Needs no database.

    Exit codes: 0 all pass; 1 a test fails, an enforced rule has a condition that no test exercises, or
    with --strict anything is left out; 2 was not understood.
    """
    found: list[Located] = []
    reports = []
    for file in files:
        report, located = _test(file, as_json=as_json)
        reports.append(report)
        found += located
    if as_json:
        print_json(reports)
    fail_if(found, strict=strict)


def _test(file: str, *, as_json: bool) -> tuple[dict[str, Any], Sequence[Located]]:
    """Run the tests of one file; return what is told as data, and the findings. Print them unless as data."""
    from guardrails.policy.mutants import mutate  # noqa: PLC0415  not needed for --help
    from guardrails.policy.testing import run  # noqa: PLC0415  as above

    try:
        draft = read_draft(file)
    except UnreadableDraft as error:
        if not as_json:
            show_at(error.found)
        return {"file": file, "findings": as_data(error.found)}, error.found
    trials, mutation = run(draft.policy), mutate(draft.policy)
    found = draft.locate([*trials.findings, *mutation.findings])
    if not as_json:
        show_at(found)
        _show_tested(draft, trials, mutation)
    return _tested_as_data(draft, trials, mutation, found), found


def fail_if(found: Iterable[Located], *, strict: bool) -> None:
    """Leave with exit code 1 if there is an error, or if strict anything at all."""
    if any(strict or each.is_error for each in found):
        click.get_current_context().exit(1)


def _lint(file: str, known: KnownNames, today: date) -> list[Located]:
    from guardrails.policy.examine import examine  # noqa: PLC0415  not needed for --help

    try:
        draft = read_draft(file)
    except UnreadableDraft as error:
        return list(error.found)
    return draft.locate(examine(draft.policy, known, today).findings)


def _known_names(*, no_shop: bool) -> KnownNames:
    from guardrails.policy.names import KnownNames  # noqa: PLC0415  not needed for --help

    if no_shop:
        return KnownNames()
    from api.cli.shop import has_database, open_shop  # noqa: PLC0415  storage is slow to import
    from api.storage import known  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above

    if not has_database():
        say("there is no database: names of placements, categories and brands are taken as they are")
        return KnownNames()
    with open_shop() as shop, reading(shop.engine) as conn:
        return known.known_names(conn)


def _tested_as_data(
    draft: Draft, trials: Trials, mutation: Mutation, found: Sequence[Located]
) -> dict[str, Any]:
    from api.policies.model import pointer_as_written  # noqa: PLC0415  not needed for --help

    survivors = [
        asdict(each) | {"pointer": pointer_as_written(each.pointer, draft.text.plain)}
        for each in mutation.survivors
    ]
    return {
        "file": draft.file,
        "tests": [asdict(each) | {"passed": each.passed} for each in trials.outcomes],
        "coverage": asdict(trials.coverage)
        | {
            "conditions_micro": trials.coverage.conditions_micro,
            "boundaries_micro": trials.coverage.boundaries_micro,
        },
        "mutation": {
            "score_micro": mutation.score_micro,
            "n_killed": mutation.n_killed,
            "n_equivalent": mutation.n_equivalent,
            "n_undecided": mutation.n_undecided,
            "survivors": survivors,
        },
        "findings": as_data(found),
    }


def _show_tested(draft: Draft, trials: Trials, mutation: Mutation) -> None:
    from rich.table import Column, Table  # noqa: PLC0415  slow to import, not needed for --help

    passed = Counter(each.rule_id for each in trials.outcomes if each.passed)
    survivors = Counter(each.rule_id for each in mutation.survivors)
    table = Table(Column("rule", overflow="fold"), "mode", "tests", "passed", "changes unnoticed", box=None)
    for rule in draft.policy.rules:
        n_survivors = survivors[rule.id]
        table.add_row(
            rule.id,
            rule.mode.value,
            f"{len(rule.tests):,}",
            f"{passed[rule.id]:,}",
            f"{n_survivors:,}" if n_survivors else "",
        )
    if draft.policy.rules:
        console().print(table)
    n, n_passed = len(trials.outcomes), passed.total()
    say(
        f"{draft.file}: {n_passed:,} of {n:,} tests pass; "
        f"conditions exercised {_percent(trials.coverage.conditions_micro)}, "
        f"boundaries tested {_percent(trials.coverage.boundaries_micro)}, "
        f"small changes noticed {_percent(mutation.score_micro)}"
    )


def _percent(micro: int) -> str:
    """Return a share, rounded down: not all is never said to be all."""
    return f"{micro // _PERCENT_MICRO} %"
