"""``tactful calibrate``: let customers say how far the creepiness score may go."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from api.cli.terminal import NumberRange, console, json_option, print_json, progress, say

_DAY = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])

FIT = {
    "fitted": "fitted to what was flagged",
    "not_asked": "left as they are, as asked",
    "few_customers": "left as they are: too few customers to fit them to some and test them on others",
    "few_flags": "left as they are: too few flags to fit them to",
}
OUTCOME = {
    "few_customers": "left as they are: too few customers to say anything",
    "unsure": "left as they are: of no threshold can anything be said with that confidence yet",
    "kept": "left as they are: they keep below the ceiling",
    "lowered": "lowered",
    "raised": "raised, as far as anything was shown and said of",
    "nothing_shown": "down to nothing: whatever is shown, too much of it is flagged",
}
NO_LABELS = "no customer has said anything of a suggestion in this time: weights and thresholds stay"


@click.command()
@click.option(
    "--alpha",
    type=NumberRange(0, 1, min_open=True, max_open=True),
    default=0.005,
    show_default=True,
    help="Share of what a customer is shown that may be found too personal.",
)
@click.option("--confidence", type=NumberRange(0.5, 0.999), default=0.9, show_default=True)
@click.option("--confident", is_flag=True, help="Keep below alpha with that confidence, not only on average.")
@click.option("--strict", is_flag=True, help="Count mutes and complaints that are open as flags too.")
@click.option("--weights/--no-weights", default=True, help="Fit the weights, or set thresholds only.")
@click.option("--since", type=_DAY, help="Only what was shown from this time on (UTC).")
@click.option("--until", type=_DAY, help="Only what was shown before this time (UTC).")
@click.option("--policy-file", type=click.Path(dir_okay=False, path_type=Path), help="Write the result here.")
@click.option("--plot-dir", type=click.Path(file_okay=False, path_type=Path), help="Write two plots here.")
@json_option
def calibrate(
    *,
    alpha: float,
    confidence: float,
    confident: bool,
    strict: bool,
    weights: bool,
    since: datetime | None,
    until: datetime | None,
    policy_file: Path | None,
    plot_dir: Path | None,
    as_json: bool,
) -> None:
    """Fit the creepiness score to what customers found too personal, and set its thresholds.

    What a customer flags counts; with --strict what they mute does too, and the slate they were shown
    last in the week before a complaint that is open. The thresholds keep the expected share of flagged
    suggestions at most alpha. The result is a policy of its own, which goes the way of every change: write
    it to a file, and hand that to `tactful policy propose`.
    """
    from api import calibrating  # noqa: PLC0415  storage and scikit-learn are not needed for --help
    from api.cli.shop import open_shop  # noqa: PLC0415  as above
    from api.policies.text import write_yaml  # noqa: PLC0415  as above
    from guardrails.creepiness.calibration import Outcome  # noqa: PLC0415  as above
    from guardrails.creepiness.calibration import calibrate as fit  # noqa: PLC0415  as above

    with open_shop() as shop:
        from_ms, to_ms = _ms(since, 0), _ms(until, shop.now_ms)
        with progress("reading decisions") as show:
            labels, limits = calibrating.read_labels(shop.engine, shop.logbook.keyring, from_ms, to_ms, show)
        if not labels.speak(strict=strict):
            _nothing(labels.n_decisions, as_json=as_json)
            return
        result = fit(
            labels.flagged(strict=strict),
            limits,
            labels.reach,
            alpha=alpha,
            confidence=confidence,
            confident=confident,
            with_weights=weights,
        )
        policy = calibrating.changed_policy(shop.engine, result)
    report = calibrating.as_dict(labels, result, policy, strict=strict)
    if as_json:
        print_json({"calibrated": True, **report})
    else:
        _print(report)
    if plot_dir is not None:
        for file in calibrating.draw(report, plot_dir):
            say(f"wrote `{file}`")
    if policy_file is not None:
        if result.outcome is Outcome.NOTHING_SHOWN:
            raise click.ClickException("not written: the shop would show nothing at all")
        policy_file.write_text(write_yaml(policy), "utf-8")
        say(f"wrote `{policy_file}`")


def _ms(moment: datetime | None, otherwise_ms: int) -> int:
    return otherwise_ms if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _nothing(n_decisions: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"calibrated": False, "because": NO_LABELS, "n_decisions": n_decisions})
    else:
        say(NO_LABELS)


def _print(report: dict[str, Any]) -> None:
    labels, unseen, thresholds = report["labels"], report["not_observed"], report["thresholds"]
    screen = console()
    screen.print(
        f"{labels['n_suggestions']:,} suggestions to {labels['n_customers']:,} customers, "
        f"{labels['n_flagged']:,} of them flagged ({', '.join(labels['counted'])})"
    )
    screen.print(f"beside that: {', '.join(f'{name} {n:,}' for name, n in labels['against'].items())}\n")
    screen.print(f"weights: {FIT[report['weights']['outcome']]}")
    screen.print(_side_by_side(report["weights"]))
    screen.print(f"thresholds: {OUTCOME[thresholds['outcome']]}")
    screen.print(_side_by_side(thresholds))
    if thresholds["outcome"] == "few_customers":
        screen.print(
            f"{thresholds['n_customers_needed']:,} customers are the least that alpha {report['alpha']} takes"
        )
    risk, sure = report["risk"], thresholds["confident_micro"]
    screen.print(
        f"share flagged of what a customer is shown: {_share(risk['realised'])} in these data, "
        f"{_share(risk['low'])} to {_share(risk['high'])} at {report['confidence']:.0%}; "
        f"expected at most {_share(risk['expected_at_most'])}"
    )
    screen.print(f"share flagged of all that is shown: {_share(risk['of_all_shown'])}")
    screen.print(f"with {report['confidence']:.0%} confidence: {_confident(sure)}")
    screen.print(
        f"not observed: {unseen['n_withheld_by_score']:,} candidates that the score withheld, and anything "
        f"from {unseen['from_threshold_micro'] / 1e6:.2f} on; no label speaks of them"
    )
    n_left_out = unseen["n_decisions_for_nobody"], unseen["n_decisions_unreadable"]
    screen.print("left out: {:,} decisions for nobody known, {:,} older records".format(*n_left_out))
    policy = report["policy"]
    say(
        f"it comes to policy {policy['version']}"
        if policy["changed"]
        else "the policy in force stays as it is"
    )


def _side_by_side(change: dict[str, Any]) -> Any:
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    table = Table("", "before", "after", box=None)
    for name, value in change["before"].items():
        before, after = _number(value), _number(change["after"][name])
        table.add_row(name.removesuffix("_micro"), before, "" if after == before else after)
    return table


def _number(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value / 1e6:.3f}"


def _confident(threshold_micro: int | None) -> str:
    if threshold_micro is None:
        return "too few customers to say anything"
    return (
        f"at most alpha at threshold {threshold_micro / 1e6:.2f}"
        if threshold_micro
        else "at no threshold yet"
    )


def _share(value: float) -> str:
    return f"{100 * value:.2f} %"
