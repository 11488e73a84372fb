"""What is measured promises the same on every database: nothing counts twice, and sums name nobody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import func, select
from support.shops import an_event
from support.stores import NOW_MS, SUBJECTS, a_decision, store_items

from api.measuring.report import LEAST, comparison, day_number, measurements
from api.storage.connection import reading, writing
from api.storage.consents import append_events
from api.storage.decisions import append_decisions
from api.storage.measured import (
    NO_ITEM,
    Measure,
    MeasuredDecision,
    Touch,
    last_touch,
    measured_channel,
    note_outcomes,
    read_measured,
    read_sums,
)
from api.storage.suppressions import suppress
from api.storage.tables import measured_suggestions
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Intent
from guardrails.consent.events import Status
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.request import SubjectKind

ANNA, BERT, VISIT = SUBJECTS.account("anna"), SUBJECTS.account("bert"), SUBJECTS.session("visit")
DAY = NOW_MS // DAY_MS
EVERYTHING = (DAY, DAY + 1)
PERFORMANCE = KEY_OF[Purpose.PERFORMANCE]


@pytest.fixture
def items(store):
    return list(store_items(store, "lamp", "milk", "bread").values())


def decide(store, decision_id, *item_nos, subject_key=ANNA, at_ms=NOW_MS, arm="", **more):
    suggestions = tuple((item_no, Intent.SIMILAR) for item_no in item_nos)
    measured = MeasuredDecision(at_ms, Channel.WEB, arm, suggestions)
    decision = a_decision(decision_id, subject_key=subject_key, measured=measured, **more)
    with writing(store.engine) as conn:
        append_decisions(conn, store.keyring, [decision])


def note(store, *touched):
    with writing(store.engine) as conn:
        return note_outcomes(
            conn, [(Touch(decision_id, item_no), each) for decision_id, item_no, each in touched]
        )


def sums(store, days=EVERYTHING):
    with reading(store.engine) as conn:
        return {(each.measure, each.intent): each.n for each in read_sums(conn, *days)}


def told(store, by=(), **only):
    with reading(store.engine) as conn:
        return measurements(conn, *EVERYTHING, by, only, 5_000)


def test_decisions_and_suggestions_are_counted_with_what_they_have_in_common(store, items):
    decide(store, "d1", *items)
    decide(store, "d2", items[0])
    decide(store, "d3")
    assert sums(store) == {
        (Measure.DECISION, -1): 3,
        (Measure.SLATE, -1): 2,
        (Measure.SUGGESTED, Intent.SIMILAR): 4,
    }
    assert sums(store, (DAY + 1, DAY + 2)) == {}
    with reading(store.engine) as conn:
        (first, *_) = read_sums(conn, *EVERYTHING)
        shown = list(read_measured(conn, NOW_MS, NOW_MS + 1))
        assert list(read_measured(conn, NOW_MS + 1, NOW_MS + 2)) == []
    assert (first.placement, first.basis, first.policy, first.model) == ("home", "popular", "p" * 64, "")
    assert [(each.decision_id, each.item_no) for each in shown] == [
        *(("d1", item_no) for item_no in sorted(items)),
        ("d2", items[0]),
        ("d3", NO_ITEM),
    ]


def test_what_comes_of_a_suggestion_counts_once_and_was_seen(store, items):
    decide(store, "d1", *items)
    lamp, milk, bread = items
    assert note(store, ("d1", lamp, Measure.SHOWN), ("d1", lamp, Measure.SHOWN)) == 1
    assert note(store, ("d1", lamp, Measure.SHOWN), ("d1", lamp, Measure.CLICKED)) == 1
    assert note(store, ("d1", milk, Measure.PURCHASED), ("d1", bread, Measure.TOO_PERSONAL)) == 2
    assert note(store, ("d1", milk, Measure.PURCHASED)) == 0
    assert note(store, ("d2", milk, Measure.CLICKED), ("d1", 4711, Measure.CLICKED)) == 0
    counted = {measure: n for (measure, intent), n in sums(store).items() if intent == Intent.SIMILAR}
    assert counted == {
        Measure.SUGGESTED: 3,
        Measure.SHOWN: 3,
        Measure.CLICKED: 1,
        Measure.PURCHASED: 1,
        Measure.TOO_PERSONAL: 1,
    }


def test_what_is_told_by_many_at_once_counts_once(store, items):
    for number in range(4):
        decide(store, f"d{number}", *items, subject_key=SUBJECTS.account(f"c{number}"))
    touched = [(f"d{number}", item_no, Measure.CLICKED) for number in range(4) for item_no in items]
    with ThreadPoolExecutor(4) as pool:
        counted = list(pool.map(lambda order: note(store, *touched[::order]), (1, -1, 1, -1)))
    assert sum(counted) == len(touched)
    assert sums(store)[Measure.CLICKED, Intent.SIMILAR] == len(touched)


def test_nobody_and_who_did_not_agree_leave_nothing(store, items):
    decide(store, "d1", *items, subject_key=None)
    with writing(store.engine) as conn:
        append_decisions(conn, store.keyring, [a_decision("d2", subject_key=ANNA)])
    assert sums(store) == {}
    with reading(store.engine) as conn:
        assert measured_channel(conn, "d1") is None


def test_a_decision_for_somebody_who_was_erased_meanwhile_is_not_measured(store, items):
    gone = SUBJECTS.suppression(ANNA)
    with writing(store.engine) as conn:
        suppress(conn, gone, NOW_MS)
    decide(store, "d1", *items, suppression_key=gone)
    assert sums(store) == {}


@pytest.mark.parametrize(
    "status", [Status.CONSENT_WITHDRAWN, Status.CONSENT_REFUSED, Status.OBJECTION_RAISED]
)
def test_who_takes_it_back_is_forgotten_and_nobody_else(store, items, status):
    decide(store, "d1", *items)
    decide(store, "d2", *items, subject_key=BERT)
    before = sums(store)
    for purpose, n_left in ((KEY_OF[Purpose.PROFILING], 6), (PERFORMANCE, 3)):
        with writing(store.engine) as conn:
            append_events(conn, ANNA, SubjectKind.ACCOUNT, [an_event(purpose, status)], NOW_MS)
            assert conn.scalar(select(func.count()).select_from(measured_suggestions)) == n_left
    assert sums(store) == before


def test_the_last_that_was_seen_of_an_item_is_found(store, items):
    lamp, milk, _ = items
    decide(store, "d1", lamp, milk, at_ms=NOW_MS - 20)
    decide(store, "d2", lamp, subject_key=VISIT, at_ms=NOW_MS - 10)
    decide(store, "d3", lamp, at_ms=NOW_MS)
    note(store, ("d1", lamp, Measure.SHOWN), ("d2", lamp, Measure.CLICKED))

    def found(item_no, from_ms, to_ms, *keys):
        with reading(store.engine) as conn:
            touch = last_touch(conn, keys, item_no, from_ms, to_ms)
            return None if touch is None else touch.decision_id

    window = NOW_MS - 20, NOW_MS
    assert found(lamp, *window, ANNA) == "d1"  # the later one was never seen
    assert found(lamp, *window, ANNA, VISIT) == "d2"
    assert found(lamp, NOW_MS - 20, NOW_MS - 11, ANNA, VISIT) == "d1"
    assert found(lamp, NOW_MS - 19, NOW_MS, ANNA) is None
    assert found(milk, *window, ANNA) is None
    assert found(lamp, *window, BERT) is None


class TestTold:
    def test_few_are_not_told_whoever_asks_how(self, store, items):
        for number in range(LEAST - 1):
            decide(store, f"d{number}", items[0])
        assert told(store)["cells"] == []
        assert told(store)["n_suppressed"] == 1
        decide(store, "one more", items[0])
        (cell,) = told(store, ("placement", "day", "arm", "model"))["cells"]
        assert cell["n"] == {
            **dict.fromkeys((each.value for each in Measure), 0),
            "decision": 5,
            "slate": 5,
            "suggested": 5,
        }
        assert (cell["arm"], cell["model"]) == (None, None)
        assert cell["shares"]["clicked"] is None
        assert cell["shares"]["answered"]["value"] == 1.0

    @pytest.mark.parametrize(
        ("n_clicked", "is_told"), [(0, True), (1, False), (4, False), (5, True), (7, True), (8, False)]
    )
    def test_a_share_of_few_or_of_all_but_few_is_told_by_its_bounds_alone(
        self, store, items, n_clicked, is_told
    ):
        n = 12
        for number in range(n):
            decide(store, f"d{number}", items[0])
        note(store, *((f"d{number}", items[0], Measure.SHOWN) for number in range(n)))
        note(store, *((f"d{number}", items[0], Measure.CLICKED) for number in range(n_clicked)))
        (cell,) = told(store)["cells"]
        share = cell["shares"]["clicked"]
        assert (share["value"] is not None) == is_told
        assert share["low"] <= n_clicked / n <= share["high"]
        assert cell["n"]["clicked"] == (None if 0 < n_clicked < LEAST else n_clicked)

    @pytest.mark.parametrize(
        ("n_flagged", "ceiling_micro", "stands"),
        [(0, 600_000, "below"), (9, 100_000, "above"), (9, 600_000, "unknown")],
    )
    def test_what_is_too_personal_is_surely_above_its_ceiling_or_below_it_or_neither(
        self, store, items, n_flagged, ceiling_micro, stands
    ):
        for number in range(20):
            decide(store, f"d{number}", items[0])
            note(store, (f"d{number}", items[0], Measure.SHOWN))
        note(store, *((f"d{number}", items[0], Measure.TOO_PERSONAL) for number in range(n_flagged)))
        with reading(store.engine) as conn:
            (cell,) = measurements(conn, *EVERYTHING, (), {}, ceiling_micro)["cells"]
        assert cell["too_personal"] == stands

    def test_arms_of_few_customers_are_not_held_against_each_other(self, store, items):
        for number in range(4 * LEAST):
            arm = "champion" if number % 2 else "challenger"
            decide(store, f"d{number}", items[0], subject_key=SUBJECTS.account(f"c{number}"), arm=arm)
        with reading(store.engine) as conn:
            assert comparison(conn, *EVERYTHING)["differences"] == {}
        note(store, *((f"d{number}", items[0], Measure.CLICKED) for number in range(4 * LEAST)))
        with reading(store.engine) as conn:
            found = comparison(conn, *EVERYTHING)
        assert found["n_customers"] == {"champion": 2 * LEAST, "challenger": 2 * LEAST}
        assert found["differences"].keys() == {"clicked"}
        assert found["differences"]["clicked"]["value"] == 0


def test_a_day_is_counted_from_the_epoch():
    assert day_number(date(1970, 1, 1)) == 0
    assert day_number(date.fromisoformat("2024-10-04")) == 20_000 == DAY
