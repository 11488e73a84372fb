"""Withdrawing profiling: what was collected for it alone goes, orders and the proof of consent stay."""

import pytest
from sqlalchemy import select, update
from support.forgetting import counts_of, forgetting, plant, receipt_of, row_counts
from support.stores import NOW_MS, an_exposure, an_interaction, store_interactions, store_items

from api.forgetting.begin import begin_withdrawal
from api.storage import tables
from api.storage.cascades import StepStatus
from api.storage.connection import reading, writing
from api.storage.exposures import insert_exposures
from engine.interactions import DAY_MS
from engine.vocabulary import Kind
from guardrails.consent.purposes import Purpose


def withdraw(store, planted, at_ms=NOW_MS, recipients=()):
    with writing(store.engine) as conn:
        return begin_withdrawal(conn, "withdrawal-1", planted.keys[0], recipients, at_ms)


def interactions_of(store, customer_no):
    table = tables.interactions
    with reading(store.engine) as conn:
        return conn.execute(select(table).where(table.c.customer_no == customer_no)).all()


def test_orders_become_facts_of_the_contract_and_the_rest_goes(store):
    anna, bert = plant(store), plant(store, "customer-mark-99")
    before = row_counts(store)
    cascade = forgetting(store).finish_now(withdraw(store, anna))
    assert cascade.finished_at_ms is not None
    left = interactions_of(store, anna.customer_no)
    assert {row.kind for row in left} == {int(Kind.PURCHASE)}
    assert {(row.purpose, row.session_key) for row in left} == {(int(Purpose.ESSENTIAL_SERVICE), None)}
    assert len(interactions_of(store, bert.customer_no)) == 16
    after = row_counts(store)
    counts = counts_of(cascade)
    assert counts["history"] == 16
    assert before["interactions"] - after["interactions"] == 16 - len(left)
    assert cascade.status_of("model") is StepStatus.COMPLETE
    kept = ("consent_events", "consent_states", "mutes", "customers", "decision_bodies", "requests")
    assert all(before[name] == after[name] for name in kept)


def test_what_was_collected_under_a_later_consent_stays(store):
    anna = plant(store)
    item_no = store_items(store, "planted-item")["planted-item"]
    withdraw(store, anna)
    later = an_interaction(
        store, item_no, customer_no=anna.customer_no, kind=Kind.VIEW, at_ms=NOW_MS + DAY_MS
    )
    store_interactions(store, [later])
    forgetting(store).finish_now("withdrawal-1")
    profiled = [
        row for row in interactions_of(store, anna.customer_no) if row.purpose == int(Purpose.PROFILING)
    ]
    assert [row.at_ms for row in profiled] == [NOW_MS + DAY_MS]


def test_what_was_shown_from_the_profile_is_forgotten_but_messages_are_still_counted(store):
    anna = plant(store)
    item_no = store_items(store, "planted-item")["planted-item"]
    message = an_exposure(item_no, customer_no=anna.customer_no, outbound=True)
    with writing(store.engine) as conn:
        insert_exposures(conn, [("message", message)])
    forgetting(store).finish_now(withdraw(store, anna))
    with reading(store.engine) as conn:
        shown = conn.execute(
            select(tables.exposures).where(tables.exposures.c.customer_no == anna.customer_no)
        ).all()
        of_visit = conn.execute(
            select(tables.exposures).where(tables.exposures.c.session_key.is_not(None))
        ).all()
    assert [row.decision_id for row in shown] == ["message"]
    assert len(of_visit) == 2


def test_recipients_are_to_be_told_and_a_visit_has_no_profile(store):
    anna = plant(store)
    cascade = receipt_of(store, withdraw(store, anna, recipients=["ads"]))
    assert cascade.status_of("recipient:ads") is StepStatus.PENDING
    with writing(store.engine) as conn:
        assert begin_withdrawal(conn, "withdrawal-2", anna.keys[1], [], NOW_MS) is None


@pytest.mark.parametrize("kind", [Kind.VIEW, Kind.PURCHASE])
def test_other_purposes_are_left_alone(store, kind):
    anna = plant(store)
    table = tables.interactions
    with writing(store.engine) as conn:
        conn.execute(
            update(table)
            .where(table.c.customer_no == anna.customer_no)
            .values(purpose=int(Purpose.PERFORMANCE), kind=int(kind))
        )
    cascade = forgetting(store).finish_now(withdraw(store, anna))
    assert counts_of(cascade)["history"] == 0
