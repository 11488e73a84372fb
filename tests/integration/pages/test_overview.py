"""The overview says what the log holds, who agreed to what, and how the shop stands."""

from __future__ import annotations

import html
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import delete
from support.http import BUYER, EVERYTHING, fill, serving
from support.pages import sign_in, somebody, staff_of
from support.stores import a_decision

from api.console.figures import figures
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.decisions import append_decisions
from api.storage.figures import count_consents, put_consents
from api.storage.tables import tallies
from engine.interactions import DAY_MS
from guardrails.log.tallies import Part, Tally


@pytest.fixture
def new_shop(sqlite_store):
    """A shop that nothing was brought into yet."""
    with serving(sqlite_store.settings, {}) as served:
        staff_of(served)
        yield served


def looked_at(served, path="/console", role=Role.MARKETER, status=200):
    """Return what somebody reads on a page, without its markup."""
    with somebody(served) as client:
        sign_in(client, role.value)
        answer = client.get(path)
    assert answer.status_code == status
    return answer.text


def read(text):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def today(served):
    return served.wiring.clock() // DAY_MS


def figures_of(served, day_from=None, day_to=None):
    day = today(served)
    return figures(
        served.wiring, day if day_from is None else day_from, day + 1 if day_to is None else day_to
    )


def appended(served, *decisions):
    with writing(served.wiring.engine) as conn:
        append_decisions(conn, served.wiring.logbook.keyring, decisions)


def on(day, n_withheld=2, **more):
    counted = (
        Tally(Part.BASIS, "popular", 1, 3, n_withheld),
        Tally(Part.PLACEMENT, "home", 1, 3, n_withheld),
        Tally(Part.RULE, "G20", 0, 0, n_withheld),
    )
    return a_decision(f"on {day}", minute=day * 1_440, tallies=counted, **more)


def test_what_is_told_is_what_a_reading_of_every_record_counts(store):
    with serving(store.settings, fill(store.settings)) as shop:
        _told_as_recorded(shop)


def _told_as_recorded(shop):
    shop.choose("ConsentGiven", *EVERYTHING)
    asked = [{"customer_id": BUYER}, {}, {"customer_id": BUYER, "placement": "cart"}, {"count": 2}]
    told = [shop.recommend(**each).json() for each in asked]
    shown, withheld, rules = Counter(), Counter(), Counter()
    for question, answer in zip(asked, told, strict=True):
        out = shop.decision(answer["decision_id"])["sections"]["out"]
        placement = question.get("placement", "home")
        shown[placement] += len(out["list"])
        withheld[placement] += len(out["withheld"])
        rules.update(one["rule"] for one in out["withheld"])
    found = figures_of(shop)
    assert found.total == (len(asked), shown.total(), withheld.total())
    assert {name: sums.n_shown for name, sums in found.parts[Part.PLACEMENT].items()} == dict(shown)
    assert {name: sums.n_withheld for name, sums in found.parts[Part.RULE].items()} == dict(rules)
    assert sum(sums.n_shown for sums in found.parts[Part.INTENT].values()) == shown.total()
    assert sum(sums.n_decisions for sums in found.parts[Part.BASIS].values()) == len(asked)


def test_days_without_a_decision_are_days_with_nothing(shop):
    day = today(shop)
    appended(shop, on(day - 3), on(day - 1, n_withheld=5))
    found = figures_of(shop, day - 3, day)
    assert [tuple(sums) for sums in found.days.values()] == [(1, 3, 2), (0, 0, 0), (1, 3, 5)]
    assert found.total.withheld_micro == 538_461
    assert found.fallback_micro == 1_000_000
    assert found.degraded_micro == 0
    assert figures_of(shop, day, day + 1).fallback_micro is None


def test_a_new_shop_is_told_what_to_do_next(new_shop):
    text = read(looked_at(new_shop))
    assert "Nothing has been decided yet" in text
    assert "Bring in what the shop sells. tactful import items to do" in text
    assert "There are no customers yet" in text
    assert "Nothing needs your attention" in text


def test_steps_that_were_taken_are_done(shop):
    text = read(looked_at(shop))
    assert "Bring in what the shop sells. tactful import items done" in text
    assert "Let a model learn from that. tactful train done" in text
    shop.recommend()
    assert "First steps" not in read(looked_at(shop))


def test_the_days_are_chosen_by_links_or_by_dates(shop):
    day = today(shop)
    appended(shop, on(day - 40), on(day))
    assert "1 times that suggestions were asked for" in read(looked_at(shop))
    assert "2 times that suggestions were asked for" in read(looked_at(shop, "/console?days=90"))
    first, last = (date(1970, 1, 1) + timedelta(days=each) for each in (day - 41, day - 39))
    text = read(looked_at(shop, f"/console?from={first}&to={last}"))
    assert "1 times that suggestions were asked for" in text
    assert "Nothing was decided in these days" in read(looked_at(shop, f"/console?from={last}&to={last}"))


def test_of_a_whole_year_there_is_a_bar_a_week(shop):
    day = today(shop)
    appended(shop, on(day - 300))
    now = datetime.fromtimestamp(shop.wiring.clock() / 1000, UTC).date()
    text = looked_at(shop, f"/console?from={now - timedelta(days=365)}&to={now}")
    assert "Week from" in text
    assert text.count('class="column"') == 53


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("from=2026-02-02&to=2026-02-01", "the first day is after the last"),
        ("from=2020-01-01&to=2026-02-01", "at most a year can be looked at"),
    ],
)
def test_days_that_make_no_sense_are_said_to_at_the_field(shop, asked, said):
    assert said in read(looked_at(shop, f"/console?{asked}", status=422))


@pytest.mark.parametrize(
    "asked",
    ["days=8", "days=many", "from=yesterday", "customer=anna", "to=0001-01-01", "to=9999-12-31"],
)
def test_what_the_page_does_not_know_is_refused(shop, asked):
    looked_at(shop, f"/console?{asked}", status=422)


def test_it_is_said_since_when_is_counted_where_the_log_is_older(shop):
    day = today(shop)
    appended(shop, on(day - 2), on(day))
    assert "Counted since" not in read(looked_at(shop))
    with writing(shop.wiring.engine) as conn:
        conn.execute(delete(tallies).where(tallies.c.day < day))
    assert "Counted since" in read(looked_at(shop))


def test_what_customers_agreed_to_is_told_as_it_was_counted(shop):
    shop.choose("ConsentGiven", *EVERYTHING)
    with writing(shop.wiring.engine) as conn:
        put_consents(conn, count_consents(conn, shop.wiring.clock()))
    text = read(looked_at(shop))
    assert "Shares of 1 customers, counted" in text
    assert "Keep a history and learn from it 100.0% 0.0% 0.0%" in text
    assert "Measure how suggestions do 0.0% 0.0% 100.0%" in text


def test_rules_lead_auditors_to_decisions_and_others_to_the_policy(shop):
    appended(shop, on(today(shop)))
    assert 'href="/console/decisions?rule=G20"' in looked_at(shop, role=Role.AUDITOR)
    for_marketers = looked_at(shop)
    assert "/console/decisions?rule" not in for_marketers
    assert re.search(
        r'href="/console/policies/house/versions/[0-9a-f]{64}">Enough suggestions', for_marketers
    )


def test_answers_without_a_model_are_pointed_out(sqlite_store):
    with serving(sqlite_store.settings, fill(sqlite_store.settings, model=False)) as served:
        staff_of(served)
        assert served.recommend().json()["degraded"]
        text = read(looked_at(served))
    assert "There is no model yet" in text
    assert "Many answers were less than they might have been" in text
    assert "100.0%: No model could be asked." in text


def test_only_who_may_go_there_is_led_there(shop):
    shop.wiring.log_keeper.close()
    shop.wiring.spool.keep(a_decision("waits"))
    for_marketers = read(looked_at(shop))
    assert "1 decision waits until the log can be written again. Auditors can look into it." in for_marketers
    assert "can be written again. Look at the log" in read(looked_at(shop, role=Role.AUDITOR))
