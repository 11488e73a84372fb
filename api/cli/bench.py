"""``tactful bench``: how fast this shop is answered for here, with its own model, catalogue and policy."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from api.cli.terminal import console, json_option, print_json, progress

if TYPE_CHECKING:
    from api.batch.desk import Desk
    from api.batch.inputs import Asked
    from api.storage.decisions import StoredDecision

_GROUP = 64
_N_BEST = 200
_WARM_UP = 10
_MICROSECONDS = 1e6


@click.command()
@click.option("--customers", type=click.IntRange(1, 100_000), default=500, help="How many are decided for.")
@click.option("--placement", default="home", help="Name of the placement.")
@json_option
def bench(customers: int, placement: str, *, as_json: bool) -> None:
    """Measure each step of a decision on this shop.

    Nothing is written to the shop's own log: what is decided goes into one that is thrown away. Only
    one process is measured, and it needs a quiet machine to mean anything.
    """
    from api.batch.desk import open_desk  # noqa: PLC0415  storage is not needed for --help
    from api.cli.shop import open_shop  # noqa: PLC0415  as above

    with open_shop() as shop, progress("measuring") as show:
        desk = open_desk(shop.settings, shop.engine, shop.subjects)
        asked = _asked(desk, customers, placement)
        rows, stored = _decided(asked, desk, lambda done: show(done, len(asked), ""))
        rows.append(_recorded(stored))
    if as_json:
        print_json(rows)
        return
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    table = Table("step", "median us", "p99 us", "a second", box=None)
    for row in rows:
        table.add_row(row["step"], *(_number(row[name]) for name in ("median_us", "p99_us", "per_second")))
    console().print(table)


def _asked(desk: Desk, n_customers: int, placement_name: str) -> list[Asked]:
    from api.batch.asking import count_in, local_minute, placement_named  # noqa: PLC0415  as above
    from api.batch.inputs import Asked  # noqa: PLC0415  as above
    from api.consents.people import Person  # noqa: PLC0415  as above
    from api.errors import InvalidRequestError, NothingToMeasureError  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above
    from api.storage.customers import all_customer_ids  # noqa: PLC0415  as above
    from engine.vocabulary import Channel  # noqa: PLC0415  as above
    from guardrails.request import Request  # noqa: PLC0415  as above

    with reading(desk.engine) as conn:
        ids = all_customer_ids(conn)[:n_customers]
    if not ids:
        raise NothingToMeasureError("the shop has no customers yet")
    try:
        placement = placement_named(placement_name, desk.runtime.current())
    except InvalidRequestError as error:
        raise click.UsageError(str(error.findings[0].detail)) from None
    people = [Person.of(desk.subjects, customer_id=each) for each in ids]
    now_ms = desk.clock()
    return [
        Asked(
            Request(
                subject_kind=person.kind,
                placement=placement,
                channel=Channel.WEB,
                count=count_in(None, placement),
                now_ms=now_ms,
                seed=desk.new_seed(),
                local_minute=local_minute(None, now_ms, desk.settings.time_zone),
            ),
            person,
        )
        for person in people
    ]


def _decided(
    asked: Sequence[Asked], desk: Desk, show: Callable[[int], None]
) -> tuple[list[dict[str, Any]], list[StoredDecision]]:
    """Decide for each by itself, and time the steps; the first few warm up and do not count."""
    import numpy as np  # noqa: PLC0415  as above

    from api.batch.inputs import read_inputs  # noqa: PLC0415  as above
    from api.batch.making import made_for  # noqa: PLC0415  as above
    from guardrails.decide import decide  # noqa: PLC0415  as above

    snapshot, nothing = desk.runtime.current(), np.empty(0, np.int32)
    taken: dict[str, list[float]] = {"read": [], "score": [], "decide": [], "write down": []}
    stored = []

    def timed(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        result = function(*arguments)
        taken[name].append((time.perf_counter() - started) * _MICROSECONDS)
        return result

    for at, each in enumerate([*asked[:_WARM_UP], *asked]):
        if at == len(asked[:_WARM_UP]):
            taken = {name: [] for name in taken}
        (inputs,) = timed("read", read_inputs, [each], snapshot, desk)
        decision = timed("decide", decide, each.question, inputs.admission, inputs.known, inputs.house)
        evidence = decision.rounds[0].evidence
        if len(evidence):
            timed("score", inputs.house.recommender.goes_with, evidence, nothing, _N_BEST)
        _, record = timed("write down", made_for, decision, each, inputs, desk)
        stored.append(record)
        show(at)
    return [_row(name, each) for name, each in taken.items() if each], stored


def _recorded(stored: Sequence[StoredDecision]) -> dict[str, Any]:
    """Record decisions in a log that is thrown away, without what was shown: its customers are not there."""
    from dataclasses import replace  # noqa: PLC0415  as above
    from pathlib import Path  # noqa: PLC0415  as above

    from api.cli.shop import now_ms  # noqa: PLC0415  as above
    from api.logbook import open_logbook  # noqa: PLC0415  as above
    from api.settings import Settings  # noqa: PLC0415  as above
    from api.storage.connection import open_engine, upgrade, writing  # noqa: PLC0415  as above
    from api.storage.statements import chunks  # noqa: PLC0415  as above

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_env({"TACTFUL_DATA_DIR": str(Path(folder) / "shop")})
        engine = open_engine(settings)
        upgrade(engine)
        logbook = open_logbook(settings, engine, now_ms)
        started = time.perf_counter()
        for some in chunks([replace(each, exposure=None, measured=None) for each in stored], _GROUP):
            with writing(engine) as conn:
                grown = logbook.append(conn, some)
            logbook.publish(grown.after)
        elapsed_s = time.perf_counter() - started
        logbook.close()
        engine.dispose()
    each_us = elapsed_s * _MICROSECONDS / len(stored)
    return {
        "step": f"record, {_GROUP} at a time",
        "median_us": each_us,
        "p99_us": None,
        "per_second": _MICROSECONDS / each_us,
    }


def _row(name: str, taken: Sequence[float]) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415  as above

    median = float(np.median(taken))
    p99 = float(np.percentile(taken, 99))
    return {"step": name, "median_us": median, "p99_us": p99, "per_second": _MICROSECONDS / median}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
