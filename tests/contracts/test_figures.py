"""Figures over all customers are the same on every database, and counted by one process at a time."""

from __future__ import annotations

import pytest
from support.shops import an_event
from support.stores import NOW_MS, SUBJECTS, store_customer

from api.counting import EVERY_MS, FigureKeeper
from api.storage.connection import reading, writing
from api.storage.consents import append_events
from api.storage.figures import Consents, count_consents, read_consents
from guardrails.consent.events import Status
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.request import SubjectKind

PROFILING, OFFERS = KEY_OF[Purpose.PROFILING], KEY_OF[Purpose.TARGETED_OFFERS]


def says(store, subject_key, kind, *events):
    with writing(store.engine) as conn:
        append_events(conn, subject_key, kind, events, NOW_MS)


def counted(store, now_ms=NOW_MS):
    with reading(store.engine) as conn:
        return count_consents(conn, now_ms)


@pytest.fixture
def customers(store):
    for name in ("anna", "bert", "carl", "dora"):
        store_customer(store, name)
    return store


def test_customers_are_counted_by_what_they_said_last(customers):
    given, refused = Status.CONSENT_GIVEN, Status.CONSENT_REFUSED
    for name, said in {"anna": [given], "bert": [given, Status.CONSENT_WITHDRAWN], "carl": [refused]}.items():
        events = [
            an_event(OFFERS, status, at_ms=NOW_MS - 10 + at, record_id=f"{name}{at}")
            for at, status in enumerate(said)
        ]
        says(customers, SUBJECTS.account(name), SubjectKind.ACCOUNT, *events)
    assert counted(customers) == Consents(NOW_MS, 4, {OFFERS: 1}, {OFFERS: 2})


def test_a_consent_that_has_run_out_is_counted_no_longer(customers):
    event = an_event(PROFILING, Status.CONSENT_GIVEN, at_ms=NOW_MS - 10, valid_until_ms=NOW_MS + 10)
    says(customers, SUBJECTS.account("anna"), SubjectKind.ACCOUNT, event)
    assert counted(customers).n_agreed == {PROFILING: 1}
    assert counted(customers, NOW_MS + 10).n_agreed == {}


def test_visits_are_no_customers(customers):
    event = an_event(PROFILING, Status.CONSENT_GIVEN, at_ms=NOW_MS - 10)
    says(customers, SUBJECTS.session("visit"), SubjectKind.SESSION, event)
    assert counted(customers) == Consents(NOW_MS, 4, {}, {})


def test_what_is_due_is_counted_once_and_kept(customers):
    now = [NOW_MS]
    one, other = (FigureKeeper(customers.logbook, lambda: now[0]) for _ in range(2))
    with reading(customers.engine) as conn:
        assert read_consents(conn) is None
    assert [one.count(), other.count(), one.count()] == [True, False, False]
    now[0] += EVERY_MS
    assert [other.count(), one.count()] == [True, False]
    with reading(customers.engine) as conn:
        assert read_consents(conn) == Consents(now[0], 4, {}, {})


def test_the_keeper_counts_at_once_when_it_starts_and_ends_when_it_is_closed(customers):
    keeper = FigureKeeper(customers.logbook, lambda: NOW_MS, poll_s=0.01)
    keeper.start()
    while not _is_counted(customers):
        pass
    keeper.close()
    keeper.close()


def _is_counted(store):
    with reading(store.engine) as conn:
        return read_consents(conn) is not None
