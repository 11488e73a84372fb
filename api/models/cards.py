"""Model cards: what a model was learned from, how well it ranks, what privacy costs, what it is not for.

After Mitchell et al., "Model Cards for Model Reporting", FAT* 2019. A card is derived from the manifest when
it is asked for; nothing in it is of any one customer.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from api.models.registry import Registration
from engine.artefact import Manifest

FIGURES = ("ndcg", "recall", "coverage", "answered", "novelty", "diversity", "popularity_bias")
"""Validation figures of a learner, in the order of the card."""

FOR = (
    "Suggesting items of this shop, in its own channels, each with its reason and held against consent and "
    "guardrails."
)

NOT_FOR = (
    "Concluding anything about one person: it says which items go together for many, and nothing of anybody.",
    "Inferring health, belief, origin, sexuality or anything else of GDPR article 9, or acting on it.",
    (
        "Prices, credit, insurance, employment, or any other decision with a legal or similarly weighty "
        "effect (GDPR article 22)."
    ),
    "Suggestions past the guardrails: floors, tiers and rules are part of what was measured.",
)

_WIDTH, _HEIGHT, _EDGE = 480, 220, 44
_CURVES_KEPT = 32

Json = dict[str, Any]


def card(found: Registration) -> Json:
    """Return the card of a model as plain data.

    Raises:
        ArtefactError: its manifest cannot be read.
    """
    model, manifest = found.model, found.manifest
    return {
        "version": model.version,
        "state": found.state.value,
        "learner": manifest.learner,
        "created_at_ms": model.created_at_ms,
        "erased_at_ms": model.erased_at_ms,
        "retired_at_ms": model.retired_at_ms,
        "preceded_by": model.preceded_by,
        "for": FOR,
        "not_for": list(NOT_FOR),
        "sentences": sentences(manifest),
        "manifest": asdict(manifest),
    }


def sentences(manifest: Manifest) -> list[str]:
    """Return what is to be known of a model first, in plain words."""
    said = [
        (
            f"Learned by `{manifest.learner}` from {manifest.n_interactions:,} interactions of "
            f"{manifest.n_customers:,} customers{_window(manifest)}."
        ),
        (
            f"Behind each of its {manifest.n_edges:,} pairs of items are at least {manifest.min_support:,} "
            f"customers, and {manifest.min_support_sensitive:,} where an item is sensitive, but nobody "
            "where only what is written about new items is compared; no customer counts with more than "
            f"{manifest.max_items_per_customer:,} items."
        ),
    ]
    if manifest.latent:
        said.append("Its pairs come from learned factors, not from counting who did both.")
    chosen = chosen_row(manifest)
    if chosen is not None:
        said.append(f"On customers' next choices it reaches {_measured(chosen)}{_cut(manifest.validation)}.")
    cost = _cost(manifest.floor_curve)
    if cost is not None:
        said.append(cost)
    again = _again(manifest)
    if again is not None:
        said.append(again)
    if manifest.trend:
        said.append("What sells more, or less, than it used to was scaled by how much.")
    return said


def chosen_row(manifest: Manifest) -> Mapping[str, Any] | None:
    """Return the validation figures of the learner that was chosen; ``None`` where it was not measured."""
    return next(
        (row for row in manifest.metrics if row["learner"] == manifest.learner and "ndcg" in row), None
    )


def day(at_ms: int) -> str:
    """Return a day as it is written everywhere (ISO 8601), UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


def _window(manifest: Manifest) -> str:
    if not manifest.data_to_ms:
        return ""
    return f", {day(manifest.data_from_ms)} to {day(manifest.data_to_ms)}"


def _measured(row: Mapping[str, Any]) -> str:
    return f"NDCG {with_interval(row, 'ndcg')} and recall {with_interval(row, 'recall')}"


def with_interval(row: Mapping[str, Any], figure: str) -> str:
    """Return a figure with its interval of confidence, if it has one; empty without the figure."""
    if row.get(figure) is None:
        return ""
    low, high = row.get(f"{figure}_low"), row.get(f"{figure}_high")
    interval = "" if low is None or high is None else f" ({low:.4f} to {high:.4f})"
    return f"{row[figure]:.4f}{interval}"


def _cut(validation: Mapping[str, Any]) -> str:
    n, k = validation.get("n_customers"), validation.get("k")
    among = f" among the first {k}" if k else ""
    of = f", measured on {n:,} customers" if n else ""
    return f"{among}{of}"


def _cost(curve: Sequence[Mapping[str, Any]]) -> str | None:
    """Say what the privacy floor costs, against the lowest that was tried."""
    chosen = next((row for row in curve if row.get("chosen")), None)
    if chosen is None or not curve[0]["ndcg"]:
        return None
    lost = 100 * (1 - chosen["ndcg"] / curve[0]["ndcg"])
    return (
        f"Its privacy floor of {chosen['min_support']} customers costs {max(lost, 0.0):.1f} % of NDCG "
        f"against a floor of {curve[0]['min_support']}."
    )


def _again(manifest: Manifest) -> str | None:
    """Say how much what is bought again counts beside what is new, and by what that was chosen."""
    shift, measured = manifest.repeat_shift, manifest.repeats
    if not shift and not measured:
        return None
    counts = "counts as it is" if not shift else f"counts {1 << shift:,}-fold"
    said = f"What a customer buys again {counts} beside what is new to them"
    if not measured:
        return f"{said}."
    return (
        f"{said}: on what {measured['n_customers']:,} customers bought next, old and new, that reaches NDCG "
        f"{measured['ndcg']:.4f}, and {measured['ndcg_without']:.4f} as it is."
    )


class Point(NamedTuple):
    """One floor on the drawn curve.

    Attributes:
        x: from the left.
        y: from above.
        y_low: where the lower end of its interval is.
        y_high: where the upper end is.
        min_support: the floor.
        chosen: it is the one of this model.
    """

    x: float
    y: float
    y_low: float
    y_high: float
    min_support: int
    chosen: bool


class Curve(NamedTuple):
    """The curve of privacy and use, ready to be drawn.

    Attributes:
        width: of the drawing.
        height: of the drawing.
        edge: what is left free on every side.
        points: one a floor, ascending.
        least: the figure at the lower end of the axis.
        most: the figure at its upper end.
    """

    width: int
    height: int
    edge: int
    points: tuple[Point, ...]
    least: float
    most: float


def curve_of(manifest: Manifest) -> Curve | None:
    """Return where the floors lie in a drawing; ``None`` where none were tried."""
    rows = manifest.floor_curve
    if not rows:
        return None
    lows = [_bound(row, "ndcg_low") for row in rows]
    highs = [_bound(row, "ndcg_high") for row in rows]
    least, most = min(lows), max(highs)
    floors = [math.log(max(row["min_support"], 1)) for row in rows]

    def x(floor: float) -> float:
        return _place(floor, floors[0], floors[-1], _EDGE, _WIDTH - _EDGE)

    def y(figure: float) -> float:
        return _place(figure, least, most, _HEIGHT - _EDGE, _EDGE)

    points = tuple(
        Point(x(floor), y(row["ndcg"]), y(low), y(high), row["min_support"], bool(row.get("chosen")))
        for floor, row, low, high in zip(floors, rows, lows, highs, strict=True)
    )
    return Curve(_WIDTH, _HEIGHT, _EDGE, points, least, most)


def _bound(row: Mapping[str, Any], name: str) -> float:
    return float(row["ndcg"] if row.get(name) is None else row[name])


def _place(value: float, least: float, most: float, begin: float, end: float) -> float:
    share = 0.5 if most == least else (value - least) / (most - least)
    return round(begin + share * (end - begin), 1)


def curve_png(manifest: Manifest) -> bytes | None:
    """Return the curve of privacy and use as a picture; ``None`` where no floors were tried.

    NDCG with its interval against the floor, which of them is this model's. What was drawn once is kept.
    """
    if not manifest.floor_curve:
        return None
    return _drawn(orjson.dumps(manifest.floor_curve, option=orjson.OPT_SERIALIZE_NUMPY))


@lru_cache(_CURVES_KEPT)
def _drawn(curve: bytes) -> bytes:
    from matplotlib.figure import Figure  # noqa: PLC0415  slow to import, and rarely asked for

    rows = orjson.loads(curve)
    floors = [row["min_support"] for row in rows]
    ndcg = [row["ndcg"] for row in rows]
    below = [max(0.0, row["ndcg"] - _bound(row, "ndcg_low")) for row in rows]
    above = [max(0.0, _bound(row, "ndcg_high") - row["ndcg"]) for row in rows]
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(floors, ndcg, yerr=[below, above], marker="o", capsize=3, color="#0b4f8a")
    for row in rows:
        if row.get("chosen"):
            axes.axvline(row["min_support"], color="#1a1a1a", linestyle=":")
            axes.annotate(
                f" chosen: {row['min_support']}", (row["min_support"], max(ndcg)), verticalalignment="bottom"
            )
    axes.set_xscale("log")
    axes.set_xticks(floors, [str(floor) for floor in floors])
    axes.minorticks_off()
    axes.set_xlabel("customers behind every pair of items, at least")
    axes.set_ylabel("NDCG on what customers chose next")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150, metadata={"Software": None})
    return picture.getvalue()
