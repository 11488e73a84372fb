"""Charts say what their figures say, and fit wherever they are shown."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from api.pages import rendering
from api.pages.charts import (
    BOTTOM,
    COLOURS,
    TOP,
    Limit,
    Line,
    Point,
    Row,
    Series,
    lines,
    lying,
    sparkline,
    stacked,
)

counts = st.integers(0, 10**9)
rows_of_counts = st.integers(0, 40).flatmap(
    lambda n: st.lists(st.lists(counts, min_size=n, max_size=n), min_size=1, max_size=6)
)


def bars_of(values):
    places = [str(at) for at in range(len(values[0]))]
    series = [Series(f"series {number}", each) for number, each in enumerate(values)]
    return stacked("some", "Title", "text", places, series, heading="Day")


def drawn(**charts):
    """Write charts out as pages do."""
    template = rendering._templates().from_string(
        '{% import "charts.html" as charts with context %}'
        "{% if upright is defined %}{{ charts.draw(upright) }}{% endif %}"
        "{% if shares is defined %}{{ charts.draw(shares, share) }}{% endif %}"
        "{% if lying is defined %}{{ charts.bars(lying) }}{% endif %}"
        "{% if spark is defined %}{{ charts.spark(spark) }}{% endif %}"
    )
    usual = {"say": lambda text: text, "number": str, "share": lambda micro: f"{micro / 10_000} %"}
    return template.render({**usual, **charts})


@given(rows_of_counts)
def test_bars_stand_on_each_other_within_the_drawing_and_are_as_long_as_what_they_count(values):
    chart = bars_of(values)
    top = chart.ticks[-1].value
    for at, column in enumerate(chart.columns):
        sizes = sum(piece.size for piece in column.pieces)
        total = sum(each[at] for each in values)
        assert sizes == pytest.approx((BOTTOM - TOP) * total / top, abs=0.2 * len(values))
        bottom = BOTTOM
        for piece in column.pieces:
            assert piece.start + piece.size == pytest.approx(bottom, abs=0.11)
            assert piece.start >= TOP
            bottom = piece.start
        assert column.x >= 0
        assert column.x + column.width <= 100


@given(rows_of_counts)
def test_the_scale_begins_at_nothing_goes_in_even_whole_steps_and_holds_everything(values):
    ticks = [tick.value for tick in bars_of(values).ticks]
    assert ticks[0] == 0
    assert ticks[-1] >= max((sum(day) for day in zip(*values, strict=True)), default=0)
    assert len({after - before for before, after in pairwise(ticks)}) == 1
    assert all(isinstance(each, int) for each in ticks)
    assert 2 <= len(ticks) <= 6


@given(
    st.lists(st.none() | st.floats(-1e6, 1e6), max_size=40),
    st.booleans(),
    st.none() | st.floats(0, 1e6),
)
def test_lines_lie_within_the_drawing_and_stop_where_nothing_is_known(values, from_zero, limit):
    values = [abs(each) if each is not None and from_zero else each for each in values]
    chart = lines(
        "some",
        "Title",
        "text",
        [str(at) for at in range(len(values))],
        [Line("rate", [Point(each) for each in values])],
        heading="Day",
        from_zero=from_zero,
        limit=None if limit is None else Limit("ceiling", limit),
    )
    (stroke,) = chart.strokes
    points = [each.split(",") for run in stroke.runs for each in run.split()]
    assert len(points) == sum(each is not None for each in values)
    assert all(TOP - 0.1 <= float(y) <= BOTTOM + 0.1 and 0 <= float(x) <= 1000 for x, y in points)
    gaps = re.split("-+", "".join("-" if each is None else "x" for each in values).strip("-"))
    assert len(stroke.runs) == len([each for each in gaps if each])
    if limit is not None:
        assert TOP - 0.1 <= chart.limit[1] <= BOTTOM + 0.1


def test_a_value_alone_between_gaps_is_still_seen():
    line = Line("rate", [Point(1.0), Point(2.0), Point(None), Point(3.0), Point(None)])
    (stroke,) = lines("some", "T", "t", list("abcde"), [line], heading="Day").strokes
    assert [dot.x for dot in stroke.dots] == [750.0]


def test_intervals_and_what_is_pointed_out_are_drawn_and_written():
    line = Line("NDCG", [Point(0.3, 0.25, 0.35), Point(0.2, None, None, is_marked=True), Point(0.1)])
    chart = lines("some", "T", "t", ["5", "10", "50"], [line], heading="Floor", at=[1.6, 2.3, 3.9])
    (stroke,) = chart.strokes
    assert [(dot.x, dot.is_marked) for dot in stroke.dots] == [(0.0, False), (304.3, True)]
    assert "(0.25 \N{EN DASH} 0.35)" in drawn(upright=chart)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 28, 29, 90])
def test_few_places_are_named_the_first_and_the_last_among_them(n):
    names = bars_of([[1] * n]).names
    assert len(names) <= 5
    if n:
        assert [names[0].text, names[-1].text] == ["0", str(n - 1)]
    assert len({each.text for each in names}) == len(names)


def test_names_at_the_edges_are_not_cut():
    first, *_, last = bars_of([[1] * 90]).names
    assert (first.anchor, last.anchor) == ("start", "end")


def test_the_longest_of_lying_bars_takes_all_the_width():
    chart = lying("rules", "Rules", [Row("a", [30, 10]), Row("b", [0, 10])], heading="Rule", series="xy")
    assert [(piece.colour, piece.start, piece.size) for piece in chart.bars[0].pieces] == [
        ("one", 0, 75),
        ("two", 75, 25),
    ]
    assert [(piece.colour, piece.start, piece.size) for piece in chart.bars[1].pieces] == [("two", 0, 25)]


def test_nothing_to_draw_is_drawn_all_the_same():
    html = drawn(
        upright=bars_of([[]]),
        lying=lying("none", "T", [Row("a", [0])], heading="Rule", series=["n"]),
        spark=sparkline([]),
    )
    assert "<svg" in html


def test_a_small_line_begins_at_nothing():
    assert sparkline([0, 5, None, 10]).runs == ("0,23 33.3333,12", "100,1")


def test_every_chart_says_what_it_shows_and_has_its_figures_in_a_table():
    html = drawn(upright=bars_of([[3, 4], [5, 6]]))
    assert 'role="img" aria-labelledby="chart-some-title chart-some-text"' in html
    assert '<title id="chart-some-title">Title</title>' in html
    assert "<details>" in html
    cells = re.findall(r'<td class="number">(\d+)', html)
    assert cells == ["3", "5", "4", "6"]


def test_values_are_written_as_the_page_wants_them():
    chart = lines("some", "T", "t", ["a"], [Line("rate", [Point(5_000)])], heading="Day")
    assert "0.5 %" in drawn(shares=chart)


def test_names_from_the_shop_cannot_become_markup():
    evil = "<script>alert(1)</script>"
    html = drawn(
        upright=stacked("some", evil, evil, [evil], [Series(evil, [1])], heading=evil),
        lying=lying("rules", evil, [Row(evil, [1], "/x", evil)], heading=evil, series=[evil]),
    )
    assert "<script" not in html
    assert str(Markup.escape(evil)) in html


def test_charts_hold_no_style_of_their_own():
    html = drawn(upright=bars_of([[3, 4], [5, 6]]))
    assert "style" not in html


def test_every_colour_has_a_class_in_the_style():
    style = rendering._stylesheet()
    for colour in COLOURS:
        assert f"svg.chart .{colour} {{ fill" in style
        assert f"svg.chart .line.{colour} {{ stroke" in style
