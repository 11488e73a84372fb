"""Measurements on pages: figures with intervals, nothing of few people, and the experiment that runs."""

import re

import pytest
from support.in_force import challenge
from support.pages import text_of
from support.policies import a_policy

from api.storage.connection import writing
from api.storage.measured import Measure
from api.storage.tables import decision_kinds, measurements
from api.wiring import now_ms
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Intent

MEASUREMENTS = "/console/measurements"


def seen(client, **query):
    return text_of(client.get(MEASUREMENTS, params=query))


def measured(shop, placement, days_ago=0, **counts):
    """Store sums of a placement, as if so much had been measured."""
    of_intent = {"intent": int(Intent.SIMILAR), "channel": int(Channel.WEB), "arm": ""}
    with writing(shop.wiring.engine) as conn:
        kind = {
            "placement": placement,
            "basis": "contextual",
            "outcome": "generic",
            "policy": "p" * 64,
            "model": "m" * 64,
        }
        (kind_no,) = conn.execute(
            decision_kinds.insert().values(kind).returning(decision_kinds.c.kind_no)
        ).one()
        day = now_ms() // DAY_MS - days_ago
        rows = [
            {**of_intent, "day": day, "kind_no": kind_no, "measure": Measure(name).value, "n": n}
            for name, n in counts.items()
        ]
        conn.execute(measurements.insert(), rows)


PLENTY = {"suggested": 4_000, "shown": 2_000, "clicked": 100, "added_to_cart": 40, "purchased": 20}


def test_figures_are_told_with_intervals_and_held_against_the_ceiling(shop, marketer):
    measured(shop, "home", **PLENTY, too_personal=50)
    page = seen(marketer)
    assert "2,000 suggestions seen, of 4,000 made" in page
    assert re.search(r"5\.0% Clicked: 100 \(4\.\d+% - 6\.\d+%\)", page)
    assert "surely above its ceiling" in page
    assert "home 2,000 5.0%" in page


def test_what_is_surely_below_the_ceiling_is_said(shop, marketer):
    measured(shop, "home", **PLENTY, too_personal=0)
    assert "surely below its ceiling" in seen(marketer)


def test_nothing_is_told_of_few(shop, marketer):
    measured(shop, "home", **PLENTY, too_personal=3)
    measured(shop, "attic", suggested=3, shown=2, clicked=1)
    page = seen(marketer)
    assert "Found too personal: fewer than 5" in page
    assert "1 row is left out" in page
    assert "attic" not in page


@pytest.mark.parametrize(
    ("by", "row"),
    [
        ("intent", "something similar 2,000"),
        ("basis", "the page and the basket 2,000"),
        ("channel", "web shop 2,000"),
        ("model", "mmmmmmmmmmmm 2,000"),
        ("policy", "pppppppppppp 2,000"),
        ("arm", "none 2,000"),
    ],
)
def test_it_is_cut_as_one_likes(shop, marketer, by, row):
    measured(shop, "home", **PLENTY)
    assert row in seen(marketer, by=by)


def test_days_are_shown_beside_each_other_with_the_table_behind(shop, marketer):
    for days_ago in (0, 1, 40):
        measured(shop, f"home-{days_ago}", days_ago, **PLENTY)
    answer = marketer.get(MEASUREMENTS)
    assert "4,000" in answer.text
    assert "home-40" not in answer.text
    assert "home-40" in marketer.get(MEASUREMENTS, params={"days": 90}).text
    assert "The figures as a table" in answer.text


def test_a_shop_that_measured_nothing_is_told_what_it_takes(marketer):
    page = seen(marketer)
    assert "Nothing was measured in this time that could be told." in page
    assert "None is running" in page


def test_the_experiment_that_runs_is_shown_and_compared_when_asked(shop, marketer):
    version = challenge(shop.wiring.engine, a_policy(name="trial"), 300_000)
    page = seen(marketer)
    assert f"on trial 30.0% {version[:12]}" in page
    assert "in force 70.0%" in page
    assert "Too few customers did anything" in seen(marketer, compare="true")


@pytest.mark.parametrize("query", [{"days": "3"}, {"by": "customer"}, {"customer": "anna"}])
def test_what_nobody_knows_is_refused(marketer, query):
    assert marketer.get(MEASUREMENTS, params=query).status_code == 422
