"""``tactful train``: learn from what customers permit to be learned from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.terminal import (
    budget_option,
    console,
    json_option,
    memory_bytes_of,
    memory_option,
    print_json,
    progress,
    resume_option,
    say,
)

if TYPE_CHECKING:
    from api.cli.shop import Shop
    from api.imports.importer import Progress
    from api.training import TrainingReport

FIGURES = ("ndcg", "recall", "coverage", "answered")


@click.command()
@click.option(
    "--activate/--no-activate",
    "may_activate",
    default=True,
    help="Put the model in force if it is no worse than the one that is (the default), or keep it aside.",
)
@budget_option(60)
@memory_option
@resume_option
@click.option("--on", type=click.Choice(["spark"]), help="Learn on a cluster, as the model in force was.")
@click.option("--master", default="local[*]", help="Where the cluster is, as in spark://host:7077 or yarn.")
@click.option("--interactions", default="", metavar="URL", help="A copy of the interactions, as Parquet.")
@click.option("--learner", default="", metavar="NAME", help="Learn by this learner, with its defaults.")
@click.option("--jars", default="", help="The archive of PostgreSQL's JDBC driver, to read the database.")
@click.option("--conf", multiple=True, metavar="NAME=VALUE", help="Further configuration of Spark.")
@json_option
def train(
    *,
    may_activate: bool,
    budget_s: float,
    memory_gb: float | None,
    resume: Path | None,
    on: str | None,
    master: str,
    interactions: str,
    learner: str,
    jars: str,
    conf: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare learners on the last stretch of time and learn a model with the best of them, or their sum.

    Only interactions are learned from that were collected for the profile, of customers whose
    consent to that stands now; sensitive ones only with the consent of their class.

    On a cluster (--on spark) nothing is compared: one learner learns from everything. Budget, memory and
    resume are of comparing.
    """
    if on is None:
        _only_on_a_cluster(interactions=interactions, learner=learner, jars=jars, conf=conf)
    from api.cli.shop import open_shop  # noqa: PLC0415  storage and engine are not needed for --help
    from api.training import train as learn  # noqa: PLC0415  as above

    with open_shop() as shop, progress("training") as show:
        if on is not None:
            options = _pairs(conf)
            given = {"parquet": interactions, "learner": learner, "may_activate": may_activate}
            report = _on_spark(shop, show, master, jars, options, given)
        else:
            report = learn(
                shop.engine,
                shop.settings,
                shop.now_ms,
                show,
                may_activate=may_activate,
                budget_s=budget_s,
                memory_bytes=memory_bytes_of(memory_gb),
                remember=resume,
            )
    if as_json:
        print_json(asdict(report))
        return
    _show(report)


def _on_spark(
    shop: Shop, show: Progress, master: str, jars: str, conf: dict[str, str], given: dict[str, Any]
) -> TrainingReport:
    """Train on a cluster; its session lasts as long as that takes."""
    try:
        from api.training_on_spark import open_session, train_on_spark  # noqa: PLC0415  an extra
    except ImportError:
        raise click.UsageError("training on Spark needs the extra: pip install 'tactful[spark]'") from None

    session = open_session(master, jars=jars, conf=conf)
    try:
        return train_on_spark(session, shop.engine, shop.settings, shop.now_ms, show, **given)
    finally:
        session.stop()


def _only_on_a_cluster(**given: object) -> None:
    for name, value in given.items():
        if value:
            raise click.UsageError(f"--{name} goes with --on spark")


def _pairs(conf: tuple[str, ...]) -> dict[str, str]:
    pairs = [each.partition("=") for each in conf]
    if not all(name and sign for name, sign, _ in pairs):
        raise click.UsageError("--conf is NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _show(report: TrainingReport) -> None:
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    table = Table("learner", *FIGURES, "learned in", "", box=None)
    for row in report.learners:
        if "skipped" in row:
            table.add_row(row["learner"], *[""] * len(FIGURES), "", "left out")
            continue
        mark = "chosen" if row["learner"] == report.learner else ""
        table.add_row(
            row["learner"],
            f"{row['ndcg']:.4f} ± {(row['ndcg_high'] - row['ndcg_low']) / 2:.4f}",
            *(f"{row[each]:.4f}" for each in FIGURES[1:]),
            f"{row['fit_s']:.1f} s",
            mark,
        )
    console().print(table)
    for row in report.learners:
        if "skipped" in row:
            say(f"{row['learner']} was left out: {row['skipped']}")
        if "weights" in row:
            weights = ", ".join(f"{name} {weight:g}" for name, weight in row["weights"].items())
            say(f"{row['learner']} weighs {weights}")
    kept_out = ", ".join(f"{n:,} by {rule}" for rule, n in report.kept_out.items()) or "none"
    say(
        f"learned from {report.n_interactions:,} interactions of {report.n_customers:,} customers in "
        f"{report.seconds:.1f} s; kept out: {kept_out}"
    )
    for note in report.notes:
        say(note)
    state = "is in force" if report.activated else "is kept aside"
    say(f"model {report.version[:12]} {state}: {report.because}")
