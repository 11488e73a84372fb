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
    for number, box in enumerate(region["within"]):
        asked = [f"{name} {_asked(side)}" for name, side in box.items()]
        yield f"    {'or ' if number else ''}where {' and '.join(asked) or 'anything is suggested'}"
    others = [*region["already"], *region["outdone"]]
    if others:
        yield f"    but not where one of these acts: {', '.join(dict.fromkeys(others))}"
    fields = {name for box in region["within"] for name in box}
    yield f"    for example: {example_in_words(region['example'], fields)}"
    yield f"    before: {_decided(region['before'])}; after: {_decided(region['after'])}"


def _decided(decided: Mapping[str, Any]) -> str:
    effect = decided["effect"]
    if decided["share"] != 1:
        effect = f"{effect}({decided['share']})"
    said = ", ".join([effect, *decided["obligations"]])
    return f"{said} ({', '.join(decided['rules'])})" if decided["rules"] else said


def _asked(side: Mapping[str, Any]) -> str:
    """Return what a box asks of a field, in words.

    >>> _asked({"between": [{"at_least": 1, "at_most": 2}, {"at_least": 7}], "absent": True})
    'is 1 to 2 or at least 7 or absent'
    >>> _asked({"contains_any": [["Beer", "Wine"]], "contains_none": ["Ale"]})
    'has Beer or Wine and no Ale'
    """
    if "not_in" in side:
        others = f"is not {_listed(side['not_in'])}" if side["not_in"] else "is there"
        return f"{others} or is absent" if side.get("absent") else others
    texts = [_listed(group) for group in side.get("contains_any", ())]
    if side.get("contains_none"):
        texts.append(f"no {_listed(side['contains_none'])}")
    if texts:
        return f"has {' and '.join(texts)}"
    values = [value_in_words(value) for value in side.get("in", ())] + [
        _run(run) for run in side.get("between", ())
    ]
    values += [missing for missing in ("absent", "null") if side.get(missing)]
    return f"is {' or '.join(values)}"


def _run(run: Mapping[str, Any]) -> str:
    least, most = run.get("at_least"), run.get("at_most")
    if least is None:
        return "known" if most is None else f"at most {most}"
    if most is None:
        return f"at least {least}"
    return str(least) if least == most else f"{least} to {most}"


def _listed(values: Sequence[object]) -> str:
    return " or ".join(map(value_in_words, values))
