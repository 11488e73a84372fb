from dataclasses import replace

import pytest
from support.shops import a_request, an_admission, each_shown
from support.stores import (
    NOW_MS,
    SUBJECTS,
    an_exposure,
    an_interaction,
    counting_statements,
    store_customer,
    store_interactions,
    store_items,
)

from api.storage.connection import reading, writing
from api.storage.exposures import insert_exposures
from api.storage.items import load_catalogue
from api.storage.reading import read_known
from engine.interactions import DAY_MS
from engine.vocabulary import Kind
from guardrails.policy.limits import Limits

VISIT, EARLIER_VISIT = SUBJECTS.session("now"), SUBJECTS.session("earlier")
HOUR_MS = 3_600_000
PERSONAL = ("interactions", "exposures", "feedback")


@pytest.fixture
def shop(store):
    """A customer with a past, in a visit that is going on."""
    numbers = store_items(store, "lamp", "milk", "soap")
    customer_no = store_customer(store)
    rows = [
        an_interaction(store, numbers["lamp"], customer_no=customer_no, at_ms=NOW_MS - 9 * DAY_MS),
        an_interaction(
            store,
            numbers["milk"],
            customer_no=customer_no,
            session_key=VISIT,
            kind=Kind.VIEW,
            at_ms=NOW_MS - HOUR_MS,
        ),
        an_interaction(store, numbers["soap"], session_key=VISIT, at_ms=NOW_MS - HOUR_MS),
        an_interaction(store, numbers["soap"], session_key=EARLIER_VISIT, at_ms=NOW_MS - HOUR_MS),
    ]
    store_interactions(store, rows)
    shown = {
        "to the customer": an_exposure(numbers["lamp"], customer_no=customer_no, session_key=EARLIER_VISIT),
        "in the visit": an_exposure(numbers["soap"], session_key=VISIT),
    }
    with writing(store.engine) as conn:
        insert_exposures(conn, list(shown.items()))
    return store, customer_no


def permitting(*, history, session):
    return replace(an_admission(a_request()), may_read_history=history, may_read_session=session)


def known(shop, admission, *, customer=True, session_key=VISIT):
    store, customer_no = shop
    with reading(store.engine) as conn:
        catalogue = load_catalogue(conn)
        with counting_statements(store.engine) as sent:
            found = read_known(
                conn,
                admission,
                a_request(),
                customer_no if customer else None,
                session_key,
                catalogue,
                Limits(),
            )
    return found, sent, catalogue


def items_in(interactions, catalogue):
    return [catalogue.item_ids[row] for row in interactions.item_idx]


def test_without_permission_nothing_is_asked_of_the_store(shop):
    found, sent, _ = known(shop, permitting(history=False, session=False))
    assert sent == []
    assert (len(found.history), len(found.session), len(found.exposures)) == (0, 0, 0)
    assert found.reads == (("history", 0), ("session", 0), ("exposures", 0))


def test_permission_for_the_visit_reads_nothing_by_customer(shop):
    found, sent, catalogue = known(shop, permitting(history=False, session=True))
    asked_for_customer = [each for each in sent if "customer_no =" in each]
    assert asked_for_customer == []
    assert items_in(found.session, catalogue) == ["milk", "soap"]
    assert len(found.history) == 0
    assert [catalogue.item_ids[each.item_idx] for each in each_shown(found.exposures)] == ["soap"]
    assert found.reads == (("history", 0), ("session", 1), ("exposures", 1))


def test_permission_for_the_history_reads_nothing_by_visit(shop):
    found, sent, catalogue = known(shop, permitting(history=True, session=False))
    assert [each for each in sent if "session_key =" in each] == []
    assert items_in(found.history, catalogue) == ["lamp", "milk"]
    assert len(found.session) == 0
    assert [each.same_session for each in each_shown(found.exposures)] == [False]
    assert found.reads == (("history", 1), ("session", 0), ("exposures", 1))


def test_what_happened_in_the_visit_counts_once(shop):
    found, _, catalogue = known(shop, permitting(history=True, session=True))
    assert items_in(found.history, catalogue) == ["lamp"]
    assert items_in(found.session, catalogue) == ["milk", "soap"]
    assert sorted(each.same_session for each in each_shown(found.exposures)) == [False, True]
    assert found.reads == (("history", 1), ("session", 1), ("exposures", 2))


def test_a_visit_in_which_nothing_has_happened_leaves_the_whole_history(shop):
    admission = permitting(history=True, session=True)
    found, _, catalogue = known(shop, admission, session_key=SUBJECTS.session("just begun"))
    assert items_in(found.history, catalogue) == ["lamp", "milk"]
    assert len(found.session) == 0


def test_nobody_and_nowhere_ask_for_nothing(shop):
    _, sent, _ = known(shop, permitting(history=True, session=True), customer=False, session_key=None)
    assert sent == []


def test_whatever_is_permitted_the_number_of_queries_is_bounded(shop):
    for history in (False, True):
        for session in (False, True):
            _, sent, _ = known(shop, permitting(history=history, session=session))
            personal = [each for each in sent if any(f"FROM {table}" in each for table in PERSONAL)]
            assert len(personal) == len(sent) <= 2 * history + 2 * session + (history or session)


def test_reading_goes_as_far_back_as_anything_may_count_and_no_further(store):
    numbers = store_items(store, "lamp")
    customer_no = store_customer(store)
    limits = Limits()
    oldest_day = NOW_MS // DAY_MS - limits.evidence.rating_days
    oldest_in_visit = NOW_MS - limits.evidence.session_hours * HOUR_MS
    rows = [
        *(
            an_interaction(store, numbers["lamp"], customer_no=customer_no, kind=Kind.RATING, at_ms=at_ms)
            for at_ms in (oldest_day * DAY_MS - 1, oldest_day * DAY_MS)
        ),
        *(
            an_interaction(store, numbers["lamp"], session_key=VISIT, at_ms=at_ms)
            for at_ms in (oldest_in_visit - 1, oldest_in_visit)
        ),
    ]
    store_interactions(store, rows)
    found, _, _ = known((store, customer_no), permitting(history=True, session=True))
    assert found.history.at_ms.tolist() == [oldest_day * DAY_MS]
    assert found.session.at_ms.tolist() == [oldest_in_visit]
