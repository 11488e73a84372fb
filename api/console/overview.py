"""The first page of the console: what was shown and withheld, and how the shop stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple

from babel.dates import format_date
from flask import Response
from marshmallow import fields, validate

from api.auth import staff
from api.console.figures import Figures, Sums, figures, share_micro
from api.console.matters import Matter, matters
from api.console.showing import console_language, show
from api.console.words import BASES, CHANNELS, DEGRADED, INTENTS, rule_title, told
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.charts import COLOURS, Lying, Row, Series, Upright, lying, sparkline, stacked
from api.pages.forms import Form
from api.pages.sessions import signed_in
from api.schemas.base import RequestSchema
from api.storage.api_keys import Role
from api.storage.figures import Consents
from api.wiring import wiring
from engine.interactions import DAY_MS
from guardrails.consent.purposes import KEY_OF, OUTBOUND, Purpose, communications_key
from guardrails.log.tallies import Part
from guardrails.messages import Phrase

OVERVIEW = "/console"

DAYS = (7, 28, 90)
"""How many of the last days can be chosen at once."""

MOST_DAYS = 366
_MOST_COLUMNS = 92
_WEEK = 7
_MOST_RULES = 12
_USUAL_DAYS = 28

PURPOSES: Mapping[str, str] = {
    KEY_OF[Purpose.FUNCTIONAL_STORAGE]: Phrase("Adapt the visit under way"),
    KEY_OF[Purpose.PROFILING]: Phrase("Keep a history and learn from it"),
    KEY_OF[Purpose.PROFILED_CONTENT]: Phrase("Choose suggestions from the history"),
    KEY_OF[Purpose.TARGETED_OFFERS]: Phrase("Choose offers from the history"),
    KEY_OF[Purpose.PERFORMANCE]: Phrase("Measure how suggestions do"),
}
"""What customers are asked for, as the shop calls it."""

blueprint = Pages("overview", __name__)


_IN_REACH = validate.Range(date(2000, 1, 1), date(2999, 12, 31))
"""Days around which others can be counted without leaving the calendar."""


class _PeriodSchema(RequestSchema):
    days = fields.Integer(validate=validate.OneOf(DAYS))
    first = fields.Date(data_key="from", validate=_IN_REACH)
    last = fields.Date(data_key="to", validate=_IN_REACH)


class Period(NamedTuple):
    """The days that are looked at.

    Attributes:
        first: the first day.
        last: the last day.
        days: how many of the last days that is, where it was chosen so; ``None`` otherwise.
    """

    first: date
    last: date
    days: int | None


class Step(NamedTuple):
    """Something that a new shop has to do.

    Attributes:
        text: what.
        how: by which command or request.
        is_done: it was done.
    """

    text: str
    how: str
    is_done: bool


@blueprint.page("GET", OVERVIEW, staff(Role.MARKETER, Role.APPROVER, Role.AUDITOR), query=_PeriodSchema())
def overview(query: dict[str, Any]) -> Response:
    """Show how the shop stands."""
    found = wiring()
    today = datetime.fromtimestamp(found.clock() / 1000, UTC).date()
    period, form = _period(query, today)
    told_of = figures(found, _number(period.first), _number(period.last) + 1)
    return show(
        "console/overview.html",
        status=HTTPStatus.OK if form.ok else HTTPStatus.UNPROCESSABLE_ENTITY,
        period=period,
        form=form,
        options=DAYS,
        figures=told_of,
        first_ms=told_of.day_from * DAY_MS,
        last_ms=(told_of.day_to - 1) * DAY_MS,
        tallied_ms=_later_tallied_ms(told_of),
        matters=_reachable(matters(told_of)),
        steps=_steps(told_of),
        sparks={
            name: sparkline([getattr(sums, name) for sums in told_of.days.values()])
            for name in ("n_decisions", "n_shown", "n_withheld")
        },
        over_time=_over_time(told_of),
        rules=_rules(told_of),
        n_more_rules=max(0, len(told_of.parts[Part.RULE]) - _MOST_RULES),
        intents=_bars("intents", say("By what it is for"), say("For"), told_of, Part.INTENT, INTENTS),
        placements=_bars("placements", say("By place"), say("Place"), told_of, Part.PLACEMENT, {}),
        bases=_bars("bases", say("By what it is made from"), say("Made from"), told_of, Part.BASIS, BASES),
        consents=None if told_of.consents is None else _consents(told_of.consents),
        degraded=[
            (told(DEGRADED, name), share_micro(sums.n_decisions, told_of.total.n_decisions))
            for name, sums in told_of.parts[Part.DEGRADED].items()
        ],
        overdue=[(rule_title(each.rule_id, told_of.own_rules), each) for each in told_of.overdue],
        policy_path=_policy_path(told_of),
        sees_decisions=_may(Role.AUDITOR),
    )


def _period(query: Mapping[str, Any], today: date) -> tuple[Period, Form]:
    """Return the days that were asked for; the usual ones with what is wrong where these make no sense."""
    first, last = query.get("first"), query.get("last", today)
    if first is None and "last" not in query:
        days = query.get("days", _USUAL_DAYS)
        return Period(today - timedelta(days=days - 1), today, days), Form()
    first = first or last - timedelta(days=_USUAL_DAYS - 1)
    form = Form({"from": first.isoformat(), "to": last.isoformat()})
    if first > last:
        form = form.but("from", say("the first day is after the last"))
    elif (last - first).days >= MOST_DAYS:
        form = form.but("from", say("at most a year can be looked at"))
    if form.ok:
        return Period(first, last, None), form
    return Period(today - timedelta(days=_USUAL_DAYS - 1), today, _USUAL_DAYS), form


def _number(day: date) -> int:
    """Return a day as days since the epoch."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def _date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


def _later_tallied_ms(told_of: Figures) -> int | None:
    """Return since when is counted, where decisions of the days that are looked at were made before."""
    start, first = told_of.tallied_from, told_of.recorded_from
    if first is None or first >= told_of.day_to:
        return None
    start = told_of.day_to if start is None else start
    return start * DAY_MS if max(first, told_of.day_from) < start else None


def _reachable(found: Iterable[Matter]) -> list[tuple[Matter, bool]]:
    """Return matters, each with whether whoever looks may go where it leads."""
    return [(each, _may(*each.roles)) for each in found]


def _may(*roles: Role) -> bool:
    """Tell whether whoever looks may see what is there for some roles."""
    account = signed_in()
    return account is not None and staff(*roles).permits(account.role)


def _steps(told_of: Figures) -> list[Step]:
    """Return what a shop does first; nothing once it has decided anything."""
    if told_of.recorded_from is not None:
        return []
    has_customers = told_of.consents is not None and told_of.consents.n_customers > 0
    return [
        Step(say("Bring in what the shop sells."), "tactful import items", told_of.has_items),
        Step(
            say("Bring in customers: what they agreed to, looked at and bought."),
            "tactful import",
            has_customers,
        ),
        Step(say("Let a model learn from that."), "tactful train", told_of.model is not None),
        Step(say("Ask for suggestions from the shop's pages."), "POST /v1/recommendations", is_done=False),
    ]


def _over_time(told_of: Figures) -> Upright:
    """Return the chart of what was shown and withheld: a bar a day, or a week where days are too many."""
    days = list(told_of.days)
    width = 1 if len(days) <= _MOST_COLUMNS else _WEEK
    groups = [days[at : at + width] for at in range(0, len(days), width)]
    language = console_language()
    sums = [[told_of.days[day] for day in group] for group in groups]
    return stacked(
        "over-time",
        say("Shown and withheld over time"),
        say(
            Phrase(
                "In these days {shown} suggestions were shown and {withheld} withheld.",
                shown=told_of.total.n_shown,
                withheld=told_of.total.n_withheld,
            )
        ),
        [format_date(_date(group[0]), "d MMM", locale=language) for group in groups],
        [
            Series(say("Shown"), [sum(each.n_shown for each in group) for group in sums]),
            Series(say("Withheld"), [sum(each.n_withheld for each in group) for group in sums]),
        ],
        heading=say("Day") if width == 1 else say("Week from"),
    )


def _bars(
    key: str, title: str, heading: str, told_of: Figures, part: Part, words: Mapping[str, str]
) -> Lying:
    """Return what was shown and withheld by one thing, as bars; what had no suggestion at all is left out."""
    rows = [
        Row(_capital(told(words, name) if words else name.replace("_", " ")), sums[1:])
        for name, sums in told_of.parts[part].items()
        if any(sums[1:])
    ]
    return lying(key, title, rows, heading=heading, series=[say("Shown"), say("Withheld")])


def _rules(told_of: Figures) -> Lying:
    sees_decisions = _may(Role.AUDITOR)
    rows = [
        _rule(name, sums, told_of, sees_decisions=sees_decisions)
        for name, sums in list(told_of.parts[Part.RULE].items())[:_MOST_RULES]
    ]
    return lying(
        "rules", say("By rule"), rows, heading=say("Rule"), series=[say("Withheld")], colours=COLOURS[1:]
    )


def _rule(name: str, sums: Sums, told_of: Figures, *, sees_decisions: bool) -> Row:
    """Return the bar of a rule: it leads to the decisions, or to the policy that sets its limits."""
    note = name if name not in told_of.own_rules else say("A rule of your own")
    href = f"/console/decisions?rule={name}" if sees_decisions else _policy_path(told_of)
    return Row(rule_title(name, told_of.own_rules), (sums.n_withheld,), href, note)


def _policy_path(told_of: Figures) -> str:
    return f"/console/policies/{told_of.policy.name}/versions/{told_of.policy.version}"


def _consents(counted: Consents) -> Lying:
    """Return how many customers agreed to what; of channels those that anybody agreed to."""
    named = {key: say(text) for key, text in PURPOSES.items()}
    for channel in OUTBOUND:
        key = communications_key(channel)
        if key in counted.n_agreed:
            named[key] = say(Phrase("Messages: {channel}", channel=told(CHANNELS, key.rpartition(".")[2])))
    rows = [Row(name, _thirds(counted, key)) for key, name in named.items()]
    return lying(
        "consents",
        say("Who agreed to what"),
        rows,
        heading=say("Purpose"),
        series=[say("Agreed"), say("Refused"), say("Never said")],
        colours=("one", "two", "rest"),
    )


def _thirds(counted: Consents, key: str) -> Sequence[float]:
    """Return the shares who agreed, who refused and who never said, in millionths."""
    agreed, refused = counted.n_agreed.get(key, 0), counted.n_refused.get(key, 0)
    silent = max(0, counted.n_customers - agreed - refused)
    return [share_micro(n, counted.n_customers) or 0 for n in (agreed, refused, silent)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
