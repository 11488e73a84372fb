"""Charts, drawn on the server: where everything lies in them, as plain numbers that a template writes out.

Upright charts have no scale of their own: across, everything is a share of the width, in percent, and
upwards it is in pixels. So letters and strokes are as large on a phone as on a screen. Classes carry the
colours (``one`` to ``six``), which follow light and dark. ``charts.html`` draws what is made here, with
the table behind it; every text comes from the caller, in the language of the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

COLOURS = ("one", "two", "three", "four", "five", "six")
"""Classes of series, in their order."""

TOP, BOTTOM = 12, 172
"""Between which lines of an upright chart values are drawn, in pixels from above; it is 200 high."""

MOST_TICKS = 4
_MOST_NAMES = 5
_FINEST = 1e-8
"""Values that lie closer together than this are taken for the same."""

_GAP = 0.2
"""Share of a column that is left free."""

_WIDEST = 12.0
"""No bar takes more of the width, in percent."""

_EDGE = 6.0
"""So near to an edge, in percent, a name is not centred on its place: it would be cut."""

_ACROSS = 1000
"""Width of what lines are drawn in, which is then stretched to what there is."""


class Series(NamedTuple):
    """Values of one kind.

    Attributes:
        name: what they are.
        values: one for each place; ``None`` where nothing is known.
        intervals: lower and upper end of each value's interval; empty, or ``None`` at a place, without one.
    """

    name: str
    values: Sequence[float | None]
    intervals: Sequence[tuple[float, float] | None] = ()


class Tick(NamedTuple):
    """A line of the scale.

    Attributes:
        value: where on the scale.
        y: where in the drawing, in pixels from above.
    """

    value: float
    y: float


class Name(NamedTuple):
    """What stands below a place.

    Attributes:
        text: the words.
        x: where, in percent of the width.
        anchor: ``start``, ``middle`` or ``end``: which part of the words lies there.
    """

    text: str
    x: float
    anchor: str


class Piece(NamedTuple):
    """A part of a bar.

    Attributes:
        colour: its class.
        start: where it begins: pixels from above in an upright bar, else percent from the left.
        size: how long it is, likewise.
    """

    colour: str
    start: float
    size: float


class Column(NamedTuple):
    """The upright bar of one place.

    Attributes:
        x: where it begins, in percent.
        width: in percent.
        pieces: from the bottom up.
    """

    x: float
    width: float
    pieces: tuple[Piece, ...]


class Limit(NamedTuple):
    """A line that values are held against.

    Attributes:
        name: what it is.
        value: where it is on the scale.
    """

    name: str
    value: float


class Dot(NamedTuple):
    """A point of a line.

    Attributes:
        x: in thousandths of the width.
        y: pixels from above.
        y_low: where the lower end of its interval is; ``None`` without one.
        y_high: where the upper end is.
        is_marked: it is pointed out.
    """

    x: float
    y: float
    y_low: float | None
    y_high: float | None
    is_marked: bool


class Stroke(NamedTuple):
    """One line of a chart, in as many runs as what is not known leaves.

    Attributes:
        colour: its class.
        runs: points of each run, as SVG writes them.
        dots: what is pointed out: marked points, and such as have an interval or stand alone.
    """

    colour: str
    runs: tuple[str, ...]
    dots: tuple[Dot, ...]


class Point(NamedTuple):
    """A value of a line.

    Attributes:
        value: where on the scale; ``None`` where it is not known.
        low: lower end of its interval; ``None`` without one.
        high: upper end of its interval.
        is_marked: it is to be pointed out.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    is_marked: bool = False


class Line(NamedTuple):
    """A line to be drawn.

    Attributes:
        name: what it shows.
        points: one for each place.
    """

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Upright:
    """A chart with places from left to right and values upwards.

    Attributes:
        key: tells it from the others of its page.
        title: what it shows.
        text: what can be seen in it, in a sentence.
        places: what each place is called, in order; heads of the rows of its table.
        heading: what the places are, over the first column of its table.
        series: what is shown, with the values of the table.
        ticks: lines of the scale, from the bottom up.
        names: what stands below, a few of the places.
        columns: bars; empty in a chart of lines.
        strokes: lines; empty in a chart of bars.
        limit: what values are held against, with where that lies; ``None`` for nothing.
    """

    key: str
    title: str
    text: str
    places: tuple[str, ...]
    heading: str
    series: tuple[Series, ...]
    ticks: tuple[Tick, ...]
    names: tuple[Name, ...]
    columns: tuple[Column, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    limit: tuple[Limit, float] | None = None


class Bar(NamedTuple):
    """A lying bar.

    Attributes:
        name: what it is of.
        values: of its pieces, in the order of the chart's series.
        pieces: from the left on.
        href: where its name leads; empty for nowhere.
        note: what is said below its name; empty for nothing.
    """

    name: str
    values: tuple[float, ...]
    pieces: tuple[Piece, ...]
    href: str = ""
    note: str = ""


class Row(NamedTuple):
    """What a lying bar is made from; attributes as in ``Bar``."""

    name: str
    values: Sequence[float]
    href: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Lying:
    """A table with a bar in each row.

    Attributes:
        key: tells it from the others of its page.
        title: what it shows.
        heading: what the rows are.
        series: what the pieces of its bars are, in words.
        bars: one a row.
        colours: classes of the pieces, in the order of the series.
    """

    key: str
    title: str
    heading: str
    series: tuple[str, ...]
    bars: tuple[Bar, ...]
    colours: tuple[str, ...]


class Sparkline(NamedTuple):
    """A line without a scale, beside a figure; it says nothing that is not written as well.

    Attributes:
        runs: points of each run, in a drawing of 100 by 24.
    """

    runs: tuple[str, ...]


def stacked(
    key: str, title: str, text: str, places: Sequence[str], series: Sequence[Series], *, heading: str
) -> Upright:
    """Return upright bars, one a place, with a piece of each series.

    Args:
        key: tells the chart from the others of its page; letters, digits and hyphens.
        title: what it shows.
        text: what can be seen in it.
        places: names from left to right.
        series: at most six, the lowest first, each with a value of 0 or more for each place.
        heading: what the places are, for instance "Day".
    """
    totals = [sum(each.values[at] or 0 for each in series) for at in range(len(places))]
    scale = _Scale.up_to(max(totals, default=0), whole=True)
    step = 100 / max(1, len(places))
    width = min(_WIDEST, step * (1 - _GAP))
    middles = [step * (at + 0.5) for at in range(len(places))]
    columns = tuple(
        Column(
            round(middle - width / 2, 3),
            round(width, 3),
            tuple(_standing([each.values[at] or 0 for each in series], scale)),
        )
        for at, middle in enumerate(middles)
    )
    names = _names(places, middles)
    return Upright(key, title, text, tuple(places), heading, tuple(series), scale.ticks(), names, columns)


def lines(
    key: str,
    title: str,
    text: str,
    places: Sequence[str],
    series: Sequence[Line],
    *,
    heading: str,
    at: Sequence[float] | None = None,
    limit: Limit | None = None,
    from_zero: bool = True,
) -> Upright:
    """Return lines over places, with intervals, and with a limit that they are held against.

    Args:
        key: tells the chart from the others of its page; letters, digits and hyphens.
        title: what it shows.
        text: what can be seen in it.
        places: names from left to right.
        series: at most six.
        heading: what the places are.
        at: where each place is, ascending, on a scale of its own; without it they are equally far apart.
        limit: what values are held against.
        from_zero: whether the scale begins at 0; otherwise near the least value.
    """
    known = [
        value
        for line in series
        for point in line.points
        for value in (point.value, point.low, point.high)
        if value is not None
    ]
    known += [] if limit is None else [limit.value]
    least = 0.0 if from_zero or not known else min(known)
    scale = _Scale.between(least, max(known, default=0.0))
    across = _across(range(len(places)) if at is None else at)
    strokes = tuple(
        _stroke(line, colour, across, scale) for line, colour in zip(series, COLOURS, strict=False)
    )
    return Upright(
        key,
        title,
        text,
        tuple(places),
        heading,
        tuple(map(_told, series)),
        scale.ticks(),
        _names(places, [100 * x for x in across]),
        strokes=strokes,
        limit=None if limit is None else (limit, scale.y(limit.value)),
    )


def lying(
    key: str,
    title: str,
    rows: Sequence[Row],
    *,
    heading: str,
    series: Sequence[str],
    colours: Sequence[str] = COLOURS,
) -> Lying:
    """Return a table with a bar in each row, all on one scale, in the order given.

    Args:
        key: tells the chart from the others of its page; letters, digits and hyphens.
        title: what it shows.
        rows: each with a value of 0 or more for each series.
        heading: what the rows are, for instance "Rule".
        series: what the values are, at most six.
        colours: classes of the pieces, where others than usual are wanted; ``rest`` is that of what is left.
    """
    most = max((sum(row.values) for row in rows), default=0) or 1
    bars = tuple(
        Bar(row.name, tuple(row.values), tuple(_lying(row.values, most, colours)), row.href, row.note)
        for row in rows
    )
    return Lying(key, title, heading, tuple(series), bars, tuple(colours[: len(series)]))


def sparkline(values: Sequence[float | None]) -> Sparkline:
    """Return a small line; it begins at 0, so that what hardly changes looks like it."""
    most = max((value for value in values if value is not None), default=0) or 1
    across = _across(range(len(values)))
    placed = [
        None if value is None else (100 * x, 23 - 22 * value / most)
        for x, value in zip(across, values, strict=True)
    ]
    return Sparkline(_runs(placed))


class _Scale(NamedTuple):
    """What the lowest and the highest line stand for, and how far the lines between are apart."""

    least: float
    most: float
    step: float

    @classmethod
    def up_to(cls, most: float, *, whole: bool) -> _Scale:
        step = _nice(most / MOST_TICKS)
        step = max(1.0, step) if whole else step
        return cls(0.0, step * max(1, math.ceil(most / step)), step)

    @classmethod
    def between(cls, least: float, most: float) -> _Scale:
        if least == 0:
            return cls.up_to(most, whole=False)
        step = _nice((most - least) / (MOST_TICKS - 1) or abs(most) / MOST_TICKS)
        bottom = step * math.floor(least / step)
        return cls(bottom, bottom + step * max(1, math.ceil((most - bottom) / step)), step)

    def y(self, value: float) -> float:
        share = (value - self.least) / (self.most - self.least)
        return round(BOTTOM - share * (BOTTOM - TOP), 1)

    def ticks(self) -> tuple[Tick, ...]:
        n = round((self.most - self.least) / self.step)
        return tuple(
            Tick(value, self.y(value))
            for value in (_tidy(self.least + at * self.step) for at in range(n + 1))
        )


def _nice(rough: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten: what people count in."""
    if rough < _FINEST:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(each * power for each in (1, 2, 5, 10) if each * power >= rough * (1 - 1e-9))


def _tidy(value: float) -> float:
    """Return a number without the dust of adding up fractions, whole if it is."""
    tidied = round(value, 9)
    return int(tidied) if tidied == int(tidied) else tidied


def _standing(values: Sequence[float], scale: _Scale) -> list[Piece]:
    pieces, below = [], 0.0
    for value, colour in zip(values, COLOURS, strict=False):
        if value:
            top = scale.y(below + value)
            pieces.append(Piece(colour, top, round(scale.y(below) - top, 1)))
        below += value
    return pieces


def _lying(values: Sequence[float], most: float, colours: Sequence[str]) -> list[Piece]:
    pieces, before = [], 0.0
    for value, colour in zip(values, colours, strict=False):
        if value:
            pieces.append(Piece(colour, round(100 * before / most, 2), round(100 * value / most, 2)))
        before += value
    return pieces


def _across(at: Sequence[float]) -> list[float]:
    """Return where places are, from 0 to 1; one alone is in the middle."""
    if not at:
        return []
    least, most = at[0], at[-1]
    return [0.5 if most == least else (each - least) / (most - least) for each in at]


def _names(places: Sequence[str], x: Sequence[float]) -> tuple[Name, ...]:
    """Name a few places, the first and the last among them, at even distances."""
    last = len(places) - 1
    parts = min(_MOST_NAMES, len(places)) - 1
    if last < 1:
        return tuple(Name(text, round(at, 2), "middle") for text, at in zip(places, x, strict=True))
    # as many parts as divide the way evenly, so that no two names stand closer than the others
    parts = next(each for each in range(parts, 0, -1) if last % each == 0 or each <= parts - 2)
    chosen = sorted({round(last * each / parts) for each in range(parts + 1)})
    return tuple(Name(places[at], round(x[at], 2), _anchor(x[at])) for at in chosen)


def _anchor(x: float) -> str:
    return "start" if x < _EDGE else "end" if x > 100 - _EDGE else "middle"


def _stroke(line: Line, colour: str, across: Sequence[float], scale: _Scale) -> Stroke:
    dots = [
        None
        if point.value is None
        else Dot(
            round(_ACROSS * x, 1),
            scale.y(point.value),
            None if point.low is None else scale.y(point.low),
            None if point.high is None else scale.y(point.high),
            point.is_marked,
        )
        for point, x in zip(line.points, across, strict=True)
    ]
    runs = _runs([None if dot is None else (dot.x, dot.y) for dot in dots])
    alone = {run for run in runs if " " not in run}
    shown = [
        dot
        for dot in dots
        if dot is not None and (dot.is_marked or dot.y_low is not None or f"{dot.x:g},{dot.y:g}" in alone)
    ]
    return Stroke(colour, runs, tuple(shown))


def _told(line: Line) -> Series:
    """Return a line as its table has it."""
    intervals = [
        None if point.low is None or point.high is None else (point.low, point.high) for point in line.points
    ]
    return Series(line.name, [point.value for point in line.points], intervals if any(intervals) else ())


def _runs(placed: Sequence[tuple[float, float] | None]) -> tuple[str, ...]:
    """Return the points of each run without a gap, as SVG writes them."""
    runs: list[list[str]] = [[]]
    for each in placed:
        if each is None:
            runs.append([])
        else:
            runs[-1].append(f"{each[0]:g},{round(each[1], 1):g}")
    return tuple(" ".join(run) for run in runs if run)
