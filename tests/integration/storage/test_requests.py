"""Requests in the store: the clock runs as the law says, and nobody's key comes out."""

import pytest
from support.stores import NOW_MS, SUBJECTS

from api.storage.connection import writing
from api.storage.requests import (
    CLOCK,
    RequestKind,
    RequestRow,
    RequestState,
    close_request,
    count_requests,
    extend_request,
    find_requests,
    get_request,
    open_request,
    requests_of,
)
from engine.interactions import DAY_MS

ANNA, BERT = SUBJECTS.account("anna"), SUBJECTS.account("bert")
DUE_MS = NOW_MS + 30 * DAY_MS


@pytest.fixture
def conn(store):
    with writing(store.engine) as connection:
        yield connection


def test_a_request_is_due_after_thirty_days(conn):
    opened = open_request(conn, "r-1", ANNA, RequestKind.ACCESS, NOW_MS)
    assert opened.due_at_ms == DUE_MS
    assert get_request(conn, "r-1") == opened
    assert not opened.overdue(DUE_MS)
    assert opened.overdue(DUE_MS + 1)


def test_a_customer_sees_their_own_requests_oldest_first(conn):
    open_request(conn, "r-2", ANNA, "contest", NOW_MS + 1, decision_id="d-1")
    open_request(conn, "r-1", ANNA, "access", NOW_MS)
    open_request(conn, "r-3", BERT, "erasure", NOW_MS)
    found = requests_of(conn, ANNA)
    assert [row.request_id for row in found] == ["r-1", "r-2"]
    assert found[1].decision_id == "d-1"
    assert get_request(conn, "nothing") is None


def test_a_kind_that_does_not_exist_is_refused(conn):
    with pytest.raises(ValueError, match="apology"):
        open_request(conn, "r-1", ANNA, "apology", NOW_MS)


def test_a_request_is_answered_once(conn):
    open_request(conn, "r-1", ANNA, "access", NOW_MS)
    assert close_request(conn, "r-1", RequestState.REFUSED, "not the customer", NOW_MS + 5)
    assert not close_request(conn, "r-1", RequestState.DONE, "sent", NOW_MS + 6)
    closed = get_request(conn, "r-1")
    assert (closed.state, closed.outcome, closed.closed_at_ms) == ("refused", "not the customer", NOW_MS + 5)
    assert not closed.overdue(DUE_MS + 1)


def test_a_request_is_put_off_once_and_before_it_is_due(conn):
    for request_id in ("r-1", "r-2"):
        open_request(conn, request_id, ANNA, "access", NOW_MS)
    assert extend_request(conn, "r-1", CLOCK.extension_days, "many orders", DUE_MS)
    assert get_request(conn, "r-1").due_at_ms == NOW_MS + 90 * DAY_MS
    assert not extend_request(conn, "r-1", 1, "and more", DUE_MS)
    assert not extend_request(conn, "r-2", 1, "too late", DUE_MS + 1)
    close_request(conn, "r-2", RequestState.DONE, "sent", DUE_MS)
    assert not extend_request(conn, "r-2", 1, "closed", NOW_MS)


def test_pages_put_together_hold_every_request_once(conn):
    for number in range(7):
        open_request(conn, f"r-{number}", ANNA, "access", NOW_MS + number // 3)
    pages, after = [], None
    while page := find_requests(conn, limit=2, after=after):
        pages += page
        after = page[-1].due_at_ms, page[-1].request_id
    assert [row.request_id for row in pages] == [f"r-{number}" for number in range(7)]


def test_what_is_overdue_is_found_and_counted(conn):
    assert count_requests(conn, NOW_MS) == (0, 0)
    for number in range(3):
        open_request(conn, f"r-{number}", ANNA, "access", NOW_MS + number)
    close_request(conn, "r-0", RequestState.DONE, "sent", NOW_MS)
    late_ms = DUE_MS + 2
    assert [row.request_id for row in find_requests(conn, limit=9, overdue_at_ms=late_ms)] == ["r-1"]
    assert [row.request_id for row in find_requests(conn, limit=9, state=RequestState.DONE)] == ["r-0"]
    assert count_requests(conn, late_ms) == (2, 1)


def test_a_row_says_nothing_of_whose_it_is():
    assert "subject_key" not in RequestRow.__dataclass_fields__
