"""Of a case only the last word is kept, in whatever order its news comes; on both databases."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from support.stores import SUBJECTS

from api.storage import tables
from api.storage.connection import reading, writing
from api.storage.consents import read_choices
from api.storage.holds import put_holds, read_holds
from guardrails.holding import Hold, HoldKind

ANNA, VISIT, DEVICE = SUBJECTS.account("anna"), SUBJECTS.session("visit"), SUBJECTS.device("device")


def opened(at_ms, kind=HoldKind.COMPLAINT):
    return Hold(kind, "case", at_ms, None)


def closed(at_ms, kind=HoldKind.COMPLAINT):
    return Hold(kind, "case", at_ms, at_ms)


def left_by(store, *said):
    with writing(store.engine) as conn:
        conn.execute(delete(tables.holds))
        for hold in said:
            put_holds(conn, [(ANNA, hold)])
    with reading(store.engine) as conn:
        return read_holds(conn, [ANNA])


@pytest.mark.parametrize(
    ("said", "last"),
    [
        ((opened(1), closed(5)), closed(5)),
        ((opened(1), closed(5), opened(9)), opened(9)),
        ((opened(1), opened(3)), opened(3)),
        ((opened(4), closed(4)), closed(4)),
        (
            (opened(4, HoldKind.EXCLUSION), Hold(HoldKind.EXCLUSION, "case", 4, 90)),
            opened(4, HoldKind.EXCLUSION),
        ),
        ((Hold(HoldKind.TOPICS, "", 0, 7), Hold(HoldKind.TOPICS, "", 0, 9)), Hold(HoldKind.TOPICS, "", 0, 9)),
    ],
)
def test_the_last_word_stays_whatever_came_first(store, said, last):
    for order in itertools.permutations(said):
        assert left_by(store, *order) == (last,)
        assert left_by(store, *order, *order) == (last,)


WORDS = st.lists(
    st.builds(lambda at_ms, over: closed(at_ms) if over else opened(at_ms), st.integers(1, 9), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=WORDS, data=st.data())
def test_any_order_of_the_news_of_a_case_leaves_the_same_hold(store, said, data):
    shuffled = data.draw(st.permutations(said))
    (left,) = left_by(store, *shuffled)
    assert (left,) == left_by(store, *said)
    newest = max(said, key=lambda hold: (hold.since_ms, hold.until_ms is not None))
    assert left == newest


def test_holds_of_different_cases_and_people_stay_apart(store):
    with writing(store.engine) as conn:
        put_holds(conn, [(ANNA, opened(1)), (VISIT, closed(2)), (DEVICE, Hold(HoldKind.PAYMENT, "", 3, 9))])
        put_holds(conn, [(ANNA, Hold(HoldKind.COMPLAINT, "other case", 1, None))])
        put_holds(conn, [])
    with reading(store.engine) as conn:
        assert read_holds(conn, [ANNA]) == (opened(1), Hold(HoldKind.COMPLAINT, "other case", 1, None))
        assert read_holds(conn, [VISIT]) == (closed(2),)
        assert read_choices(conn, SUBJECTS.account("bert"))[0].holds == ()
        assert len(read_choices(conn, ANNA, (VISIT, DEVICE))[0].holds) == 4
        nobody_known = read_choices(conn, SUBJECTS.account("bert"), (DEVICE,))[0]
        assert [hold.kind for hold in nobody_known.holds] == [HoldKind.PAYMENT]


def test_a_reference_tells_cases_apart_and_joins_nobody():
    references = {SUBJECTS.reference(key, name) for key in (ANNA, VISIT) for name in ("ticket 1", "ticket 2")}
    assert len(references) == 4
    assert all(len(each) == 32 and "ticket" not in each for each in references)
    assert SUBJECTS.reference(ANNA, "ticket 1") in references
