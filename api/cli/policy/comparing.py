"""``tactful policy diff``: what two policies treat differently, or that nothing is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from api.cli.policy.findings import example_in_words, value_in_words
from api.cli.policy.showing import policy_of
from api.cli.terminal import json_option, print_json

if TYPE_CHECKING:
    from guardrails.policy.difference import Difference

_CHANGE = {
    "newly_withheld": "newly withheld",
    "newly_let_through": "no longer withheld",
    "newly_generalised": "newly generalised",
    "no_longer_generalised": "no longer generalised",
    "newly_demoted": "demoted further",
    "less_demoted": "demoted less",
    "newly_obliged": "newly asked for: {obligation}",
    "no_longer_obliged": "no longer asked for: {obligation}",
}


@click.command()
@click.argument("old_or_new")
@click.argument("new", required=False)
@click.option("--exit-code", is_flag=True, help="Exit with 1 unless both are proven equal.")
@json_option
def diff(old_or_new: str, new: str | None, *, exit_code: bool, as_json: bool) -> None:
    """Say which requests two policies treat differently; with one, what it would change now.

    Each is a file, - for standard input, or the first 8 digits or more of a version in the store. What
    is found holds of every request and item there could be, not of a sample; each region comes with an
    example. Where nothing differs that is proven. With two files no database is needed.

    Exit codes: 0 done; 1 a file cannot be read, or with --exit-code not proven equal; 2 was not
    understood.
    """
    from guardrails.policy.difference import as_plain, compare  # noqa: PLC0415  not needed for --help

    before = policy_of(None if new is None else old_or_new)
    after = policy_of(old_or_new if new is None else new)
    difference = compare(before, after)
    if as_json:
        print_json(as_plain(difference))
    else:
        for line in in_words(difference):
            click.echo(line)
    if exit_code and not difference.proven_equal:
        click.get_current_context().exit(1)


def in_words(difference: Difference) -> Iterator[str]:
    """Yield what differs, line by line."""
    from guardrails.policy.difference import as_plain  # noqa: PLC0415  not needed for --help

    found = as_plain(difference)
    if found["proven_equal"]:
        yield "proven equal: no limit and no verdict differs"
    for limit in found["limits"]:
        how = {True: ", tighter", False: ", looser", None: ""}[limit["tightened"]]
        yield f"limit {limit['limit']}: {limit['before']} -> {limit['after']}{how}"
    if found["time_zone"]:
        yield "days begin in {after}, and began in {before}".format(**found["time_zone"])
    yield from (f"rule {rule}: added" for rule in found["added"])
    yield from (f"rule {rule}: removed" for rule in found["removed"])
    yield from (f"rule {rule['rule']}: changed {', '.join(rule['parts'])}" for rule in found["changed"])
    for region in found["regions"]:
        yield from _region(region)
    if found["too_tangled"]:
        yield f"not compared, as that takes too much work: {', '.join(found['too_tangled'])}"


def _region(region: Mapping[str, Any]) -> Iterator[str]:
    yield f"{_CHANGE[region['change']].format(**region)}, by {region['rule']}"
    asked = [f"{name} {_asked(side)}" for name, side in region["within"].items()]
    yield f"    where {' and '.join(asked) or 'anything is suggested'}"
    others = [*region["already"], *region["outdone"]]
    if others:
        yield f"    but not where one of these acts: {', '.join(dict.fromkeys(others))}"
    yield f"    for example: {example_in_words(region['example'], region['within'])}"
    yield f"    before: {_decided(region['before'])}; after: {_decided(region['after'])}"


def _decided(decided: Mapping[str, Any]) -> str:
    effect = decided["effect"]
    if decided["share"] != 1:
        effect = f"{effect}({decided['share']})"
    said = ", ".join([effect, *decided["obligations"]])
    return f"{said} ({', '.join(decided['rules'])})" if decided["rules"] else said


def _asked(side: Mapping[str, Any]) -> str:
    """Return what a box asks of a field, in words."""
    said = [*_of_words(side), *_of_texts(side), *map(_run, side.get("between", ()))]
    said += [f"is {missing}" for missing in ("absent", "null") if side.get(missing)]
    return " or ".join(said) or "is there"


def _of_words(side: Mapping[str, Any]) -> Iterator[str]:
    if side.get("in"):
        yield f"is {_listed(side['in'])}"
    if "not_in" in side:
        yield f"is not {_listed(side['not_in'])}" if side["not_in"] else "is there"


def _of_texts(side: Mapping[str, Any]) -> Iterator[str]:
    parts = [f"has {_listed(group)}" for group in side.get("contains_any", ())]
    if side.get("contains_none"):
        parts.append(f"has no {_listed(side['contains_none'])}")
    if parts:
        yield " and ".join(parts)


def _run(run: Mapping[str, Any]) -> str:
    least, most = run.get("at_least"), run.get("at_most")
    if least is not None and least == most:
        return f"is {least}"
    ends = {"at least": least, "at most": most}
    return " and ".join(f"{end} {value}" for end, value in ends.items() if value is not None) or "is known"


def _listed(values: Sequence[object]) -> str:
    return " or ".join(map(value_in_words, values))
