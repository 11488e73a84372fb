"""What is told of measurements: sums and shares of them, cut as one likes, and nothing of few people.

A sum of fewer than five is not told, and a cell with fewer than five suggestions is left out: what few did
is soon what somebody did. Of a share whose sum is not told, the interval is told as if it were the largest
that is not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from api.errors import NothingToMeasureError
from api.storage.measured import OF_DECISION, OUTCOMES, Measure, Sum, read_measured, read_sums
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Intent, word
from guardrails.house import Arm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIMENSIONS = ("day", "placement", "channel", "intent", "basis", "model", "policy", "arm")
"""What measurements can be cut by."""

FILTERS = DIMENSIONS[1:]
"""What can be asked for alone."""

LEAST = 5
"""Sums of fewer than this, but none at all, are not told."""

SHARES: Mapping[str, tuple[Measure, Measure]] = {
    "answered": (Measure.SLATE, Measure.DECISION),
    "seen": (Measure.SHOWN, Measure.SUGGESTED),
    "clicked": (Measure.CLICKED, Measure.SHOWN),
    "added_to_cart": (Measure.ADDED_TO_CART, Measure.SHOWN),
    "purchased": (Measure.PURCHASED, Measure.SHOWN),
    "too_personal": (Measure.TOO_PERSONAL, Measure.SHOWN),
}
"""Shares by name: of what, in what."""

COMPARED = ("clicked", "added_to_cart", "purchased", "too_personal")
"""Shares that two arms are held against each other by."""

_MICRO = 1_000_000


def day_number(day: date) -> int:
    """Return a day as days since the epoch."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def measurements(
    conn: Connection,
    day_from: int,
    day_to: int,
    by: Sequence[str],
    only: Mapping[str, str],
    ceiling_micro: int,
) -> dict[str, Any]:
    """Return what was measured of the decisions of some days, as plain data.

    Args:
        conn: a connection.
        day_from: first day since the epoch.
        day_to: first day no longer wanted.
        by: what to cut by, of ``DIMENSIONS``.
        only: values wanted, by one of ``FILTERS``.
        ceiling_micro: share of what is seen that may be found too personal, in millionths.
    """
    return told(read_sums(conn, day_from, day_to), day_from, day_to, by, only, ceiling_micro)


def told(
    sums: Iterable[Sum],
    day_from: int,
    day_to: int,
    by: Sequence[str],
    only: Mapping[str, str],
    ceiling_micro: int,
) -> dict[str, Any]:
    """Return what can be told of sums of some days, as plain data; arguments as of ``measurements``."""
    cells: dict[tuple[Any, ...], Counter[Measure]] = defaultdict(Counter)
    for each in sums:
        values = _values(each)
        if each.intent == OF_DECISION and "intent" in {*by, *only}:
            continue  # a decision is of many intents, or of none
        if all(values[name] == value for name, value in only.items()):
            cells[tuple(values[name] for name in by)][each.measure] += each.n
    enough = {key: counts for key, counts in cells.items() if _is_told(counts)}
    in_order = sorted(enough, key=lambda key: tuple("" if each is None else each for each in key))
    return {
        "from": _day(day_from),
        "to": _day(day_to),
        "by": list(by),
        "filtered": dict(only),
        "least": LEAST,
        "n_suppressed": len(cells) - len(enough),
        "ceiling_micro": ceiling_micro,
        "cells": [
            {
                **dict(zip(by, key, strict=True)),
                "n": {measure.value: _told(enough[key][measure]) for measure in Measure},
                "shares": _shares(enough[key]),
                "too_personal": _against_ceiling(enough[key], ceiling_micro),
            }
            for key in in_order
        ],
    }


def comparison(conn: Connection, day_from: int, day_to: int) -> dict[str, Any]:
    """Hold the two arms of an experiment against each other, customer by customer.

    Customers are what was shared out, so they are what is independent: the intervals are wider than those of
    single suggestions, and right. It reaches back as far as what was shown to whom is kept.

    Args:
        conn: a connection.
        day_from: first day since the epoch.
        day_to: first day no longer wanted.
    """
    from engine.evaluation.shares import difference  # noqa: PLC0415  evaluation is not needed to serve

    sums: dict[str, dict[bytes, NDArray[np.int64]]] = {arm.value: {} for arm in Arm}
    bits = np.array(list(OUTCOMES.values()), np.int64)
    for each in read_measured(conn, day_from * DAY_MS, day_to * DAY_MS):
        if each.arm in sums:
            of_customer = sums[each.arm].setdefault(each.subject_key, np.zeros(bits.size, np.int64))
            of_customer += (each.outcomes & bits) != 0
    tables = {arm: _table(of_arm.values(), bits.size) for arm, of_arm in sums.items()}
    seen = {arm: table[table[:, 0] > 0] for arm, table in tables.items()}  # who saw something
    champion, challenger = seen[Arm.CHAMPION.value], seen[Arm.CHALLENGER.value]
    document: dict[str, Any] = {"n_customers": {arm: _told(len(table)) for arm, table in seen.items()}}
    if min(len(champion), len(challenger)) < LEAST:
        return {**document, "differences": {}}
    places = {measure: place for place, measure in enumerate(OUTCOMES)}
    return {
        **document,
        "differences": {
            name: _as_dict(
                difference(
                    champion[:, places[SHARES[name][0]]],
                    champion[:, 0],
                    challenger[:, places[SHARES[name][0]]],
                    challenger[:, 0],
                )
            )
            for name in COMPARED
            if min(int(table[:, places[SHARES[name][0]]].sum()) for table in (champion, challenger)) >= LEAST
        },
    }


def draw(report: Mapping[str, Any], file: Path) -> None:
    """Draw the shares by day, each with its interval, as PNG.

    Args:
        report: what ``measurements`` returned, cut by day alone.
        file: where to.

    Raises:
        NothingToMeasureError: nothing can be told of any day.
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  slow to import, and rarely asked for

    if not report["cells"]:
        raise NothingToMeasureError("nothing was measured in this time that could be told")
    figure = Figure(figsize=(9, 7), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    _draw_shares(report, above, ("clicked", "added_to_cart", "purchased"))
    _draw_shares(report, below, ("too_personal",))
    below.axhline(
        100 * report["ceiling_micro"] / _MICRO,
        color="#333333",
        linewidth=0.8,
        linestyle=":",
        label="ceiling",
    )
    above.set_title("What comes of what is seen")
    for axes in (above, below):
        axes.set_ylabel("% of suggestions seen")
        axes.set_ylim(bottom=0)
        axes.legend()
    figure.autofmt_xdate()
    figure.savefig(file, dpi=120, format="png")


def _draw_shares(report: Mapping[str, Any], axes: Axes, names: Collection[str]) -> None:
    for name in names:
        told = [(cell["day"], cell["shares"][name]) for cell in report["cells"]]
        told = [(day, share) for day, share in told if share is not None]
        middle = [100 * _middle(share) for _, share in told]
        low = [at - 100 * share["low"] for at, (_, share) in zip(middle, told, strict=True)]
        high = [100 * share["high"] - at for at, (_, share) in zip(middle, told, strict=True)]
        days = [np.datetime64(day) for day, _ in told]
        axes.errorbar(days, middle, yerr=[low, high], fmt="o-", capsize=2, label=name.replace("_", " "))


def _middle(share: Mapping[str, Any]) -> float:
    """Return a share; where it is not told, the middle of what it can be."""
    value = share["value"]
    return float((share["low"] + share["high"]) / 2 if value is None else value)


def _values(each: Sum) -> dict[str, str | None]:
    return {
        "day": _day(each.day),
        "placement": each.placement,
        "channel": word(Channel(each.channel)),
        "intent": None if each.intent == OF_DECISION else word(Intent(each.intent)),
        "basis": each.basis,
        "model": each.model or None,
        "policy": each.policy,
        "arm": each.arm or None,
    }


def _day(number: int) -> str:
    return datetime.fromtimestamp(number * DAY_MS / 1000, UTC).date().isoformat()


def _is_told(counts: Counter[Measure]) -> bool:
    """Tell whether a cell holds enough to be told of: suggestions, or answers where there were none."""
    return max(counts[Measure.SUGGESTED], counts[Measure.DECISION]) >= LEAST


def _told(n: int) -> int | None:
    return None if 0 < n < LEAST else n


def _shares(counts: Counter[Measure]) -> dict[str, dict[str, float | None] | None]:
    return {name: _share(counts[of], counts[among]) for name, (of, among) in SHARES.items()}


def _share(n: int, of: int) -> dict[str, float | None] | None:
    """Return a share with its interval; ``None`` in few."""
    from engine.evaluation.shares import wilson  # noqa: PLC0415  evaluation is not needed to serve

    if of < LEAST:
        return None
    if _told(n) is None or _told(of - n) is None:
        few = wilson(min(LEAST - 1, of), of)
        many = wilson(max(of - LEAST + 1, 0), of)
        low, high = (0.0, few.high) if n < LEAST else (many.low, 1.0)
        return {"value": None, "low": low, "high": high}
    return _as_dict(wilson(n, of))


def _as_dict(share: Any) -> dict[str, float | None]:
    return {"value": share.value, "low": share.low, "high": share.high}


def _against_ceiling(counts: Counter[Measure], ceiling_micro: int) -> str:
    """Say how the share that is found too personal stands to its ceiling: surely, or not to be told."""
    share, ceiling = _share(counts[Measure.TOO_PERSONAL], counts[Measure.SHOWN]), ceiling_micro / _MICRO
    if share is None:
        return "unknown"
    if (share["high"] or 0.0) <= ceiling:
        return "below"
    return "above" if (share["low"] or 0.0) > ceiling else "unknown"


def _table(rows: Iterable[NDArray[np.int64]], n_columns: int) -> NDArray[np.int64]:
    found = list(rows)
    return np.stack(found) if found else np.zeros((0, n_columns), np.int64)
