"""``tactful evaluate``: how well each learner does on a data set with a held-out part."""

from __future__ import annotations

from pathlib import Path

import click

from api.cli.terminal import console, json_option, print_json, progress


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--k", type=click.IntRange(1, 1000), default=20, show_default=True, help="Length of a list.")
@json_option
def evaluate(folder: Path, k: int, *, as_json: bool) -> None:
    """Fit every learner on a folder's training part and measure it on its test part.

    FOLDER holds train.txt and test.txt (or .gz): a line a customer, first its number, then the
    numbers of its items. Which learner is chosen is decided on a part of the training data alone.
    """
    from engine.evaluation.folder import evaluate_folder  # noqa: PLC0415  the engine is not needed for --help

    with progress("evaluating") as show:
        report = evaluate_folder(folder, k, progress=lambda stage, done, total: show(done, total, stage))
    if as_json:
        print_json(report.as_dict())
        return
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    table = Table("learner", f"recall@{k}", f"ndcg@{k}", "learned in", "", box=None)
    for row in report.rows:
        mark = "chosen on the training data alone" if row.learner == report.chosen else ""
        table.add_row(row.learner, f"{row.recall:.4f}", f"{row.ndcg:.4f}", f"{row.fit_s:.1f} s", mark)
    console().print(table)
