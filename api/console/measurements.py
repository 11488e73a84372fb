"""How suggestions do: what was seen, clicked, bought and found too personal, of who agreed to be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Response
from marshmallow import fields, validate

from api.auth import staff
from api.console.showing import show
from api.console.words import BASES, CHANNELS, INTENTS, told
from api.errors import NothingToMeasureError
from api.languages import say
from api.measuring import report
from api.measuring.otherwise import Experiment, experiment
from api.pages.blueprint import Pages
from api.pages.charts import Limit, Line, Point, Upright, lines
from api.pages.forms import Form
from api.schemas.base import RequestSchema
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.measured import read_sums
from api.wiring import wiring
from guardrails.errors import PolicyError
from guardrails.house import Arm
from guardrails.messages import Phrase

MEASUREMENTS = "/console/measurements"
DAYS = (7, 28, 90, 365)
"""How many of the last days can be looked at."""

CUTS: Mapping[str, str] = {
    "placement": Phrase("Place"),
    "intent": Phrase("What a suggestion is for"),
    "basis": Phrase("What it was made from"),
    "channel": Phrase("Channel"),
    "model": Phrase("Model"),
    "policy": Phrase("Policy"),
    "arm": Phrase("Side of an experiment"),
}
"""What the figures can be cut by."""

ARM_WORDS: Mapping[str, str] = {
    Arm.CHAMPION.value: Phrase("in force"),
    Arm.CHALLENGER.value: Phrase("on trial"),
}
"""The two sides of an experiment."""

SHARE_WORDS: Mapping[str, str] = {
    "clicked": Phrase("Clicked"),
    "added_to_cart": Phrase("Put into the cart"),
    "purchased": Phrase("Bought"),
    "too_personal": Phrase("Found too personal"),
}
"""What comes of what is seen."""

_WORDS: Mapping[str, Mapping[str, str]] = {
    "intent": INTENTS,
    "basis": BASES,
    "channel": CHANNELS,
    "arm": ARM_WORDS,
}
_SHORT = frozenset({"model", "policy"})
_DIGITS = 12
_MICRO = 1_000_000

blueprint = Pages("measurement_pages", __name__)


class _MeasurementsSchema(RequestSchema):
    days = fields.Integer(load_default=28, validate=validate.OneOf(DAYS))
    by = fields.String(load_default="placement", validate=validate.OneOf(list(CUTS)))
    compare = fields.Boolean(load_default=False)


@blueprint.page(
    "GET",
    MEASUREMENTS,
    staff(Role.MARKETER, Role.APPROVER, Role.AUDITOR),
    query=_MeasurementsSchema(),
)
def measurements_page(query: dict[str, Any]) -> Response:
    """Show how suggestions do, and the experiment that runs."""
    found, by = wiring(), query["by"]
    tomorrow = datetime.fromtimestamp(found.clock() / 1000, UTC).date() + timedelta(days=1)
    days = report.day_number(tomorrow - timedelta(days=query["days"])), report.day_number(tomorrow)
    ceiling = found.settings.too_personal_ceiling_micro
    with reading(found.engine) as conn:
        sums = read_sums(conn, *days)
        try:
            running = experiment(conn)
        except (NothingToMeasureError, PolicyError):
            running = None
        compared = report.comparison(conn, *days) if query["compare"] and running is not None else None
    whole, by_day, cut = (report.told(sums, *days, each, {}, ceiling) for each in ([], ["day"], [by]))
    return show(
        "console/measurements/measurements.html",
        query=query,
        form=Form({"days": str(query["days"]), "by": by}),
        whole=whole["cells"][0] if whole["cells"] else None,
        ceiling_micro=ceiling,
        least=report.LEAST,
        came=_came(by_day) if by_day["cells"] else None,
        too_personal=_too_personal(by_day) if by_day["cells"] else None,
        cut=cut,
        by=say(CUTS[by]),
        rows=[(_name(by, cell[by]), cell) for cell in _most_seen(cut["cells"])],
        shares=SHARE_WORDS,
        day_options=[(str(n), say(Phrase("last {n} days", n=n))) for n in DAYS],
        cut_options=[(name, say(text)) for name, text in CUTS.items()],
        running=None if running is None else _running(running),
        since_ms=None if running is None else running.since_ms,
        compared=compared,
        arm_words=ARM_WORDS,
        compare_path=f"{MEASUREMENTS}?{urlencode({**query, 'compare': 'true'})}",
        micro=_MICRO,
        status=HTTPStatus.OK,
    )


def _came(by_day: Mapping[str, Any]) -> Upright:
    names = ("clicked", "added_to_cart", "purchased")
    return lines(
        "came",
        say("What comes of suggestions that are seen"),
        say("Shares of the suggestions seen, by day of the decision, with their intervals."),
        [_short_day(cell["day"]) for cell in by_day["cells"]],
        [_line(by_day["cells"], name) for name in names],
        heading=say("Day"),
        at=[_day_of(cell["day"]) for cell in by_day["cells"]],
    )


def _too_personal(by_day: Mapping[str, Any]) -> Upright:
    return lines(
        "too-personal",
        say("Found too personal"),
        say("Share of the suggestions seen that customers found too personal, by day, against its ceiling."),
        [_short_day(cell["day"]) for cell in by_day["cells"]],
        [_line(by_day["cells"], "too_personal")],
        heading=say("Day"),
        at=[_day_of(cell["day"]) for cell in by_day["cells"]],
        limit=Limit(say("Ceiling"), by_day["ceiling_micro"]),
    )


def _line(cells: Sequence[Mapping[str, Any]], name: str) -> Line:
    return Line(say(SHARE_WORDS[name]), [_point(cell["shares"][name]) for cell in cells])


def _point(share: Mapping[str, Any] | None) -> Point:
    """Return a share as a point; of one that is too small to be told, where it can be at most."""
    if share is None:
        return Point(None)
    low, high = share["low"] * _MICRO, share["high"] * _MICRO
    value = (low + high) / 2 if share["value"] is None else share["value"] * _MICRO
    return Point(value, low, high)


def _most_seen(cells: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(cells, key=lambda cell: -(cell["n"]["shown"] or 0))


def _name(by: str, value: str | None) -> str:
    """Return what a row is called."""
    if value is None:
        return say("none")
    if by in _SHORT:
        return value[:_DIGITS]
    return told(_WORDS.get(by, {}), value)


def _running(running: Experiment) -> list[dict[str, Any]]:
    """Return the two sides of the experiment."""
    return [
        {
            "name": say(ARM_WORDS[arm.value]),
            "policy": way.policy,
            "model": way.model,
            "share_micro": round(running.share[arm] * _MICRO),
        }
        for arm, way in running.arms.items()
    ]


def _day_of(day: str) -> int:
    return report.day_number(date.fromisoformat(day))


def _short_day(day: str) -> str:
    return day[5:]
