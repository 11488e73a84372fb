"""Erasing somebody: nothing of theirs is left in any byte, and the receipt adds up."""

import itertools
import logging

import pytest
from sqlalchemy import select
from support.forgetting import (
    begin,
    counts_of,
    erase,
    forgetting,
    plant,
    receipt_of,
    row_counts,
    traces,
)
from support.stores import NOW_MS, Clock

from api.forgetting.begin import begin_withdrawal
from api.logging import JsonLines
from api.storage import tables
from api.storage.cascades import Mode, StepStatus, claim
from api.storage.connection import reading, writing
from api.storage.consents import read_choices
from api.storage.suppressions import is_suppressed
from engine.interactions import DAY_MS
from guardrails.consent.check import Question, check
from guardrails.consent.permission import Denial
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.request import SubjectKind

STORED = {"session", "device", "event", "body"}
"""Marks that are planted as keyed digests alone, or sealed."""


@pytest.fixture
def log(caplog):
    caplog.handler.setFormatter(JsonLines())
    logger = logging.getLogger("tactful")
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.INFO)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize("mode", list(Mode))
def test_no_byte_of_an_erased_customer_is_left_anywhere(store, mode, log):
    anna = plant(store)
    bert = plant(store, "customer-mark-99")
    before = traces(store, anna.needles())
    for mark in (anna.customer_id, *anna.marks):
        if mark.rsplit("-", 1)[1] not in STORED:
            assert any(hit.startswith(f"{mark} in utf-8") for hit in before), mark
    assert any(hit.startswith("key 0") for hit in before)
    bert_before = set(traces(store, bert.needles()))

    cascade = erase(store, anna.customer_id, mode)

    assert cascade.finished_at_ms is not None
    assert {step.status for step in cascade.steps} == {StepStatus.COMPLETE}
    assert traces(store, anna.needles(), beside=[log.text.encode()]) == []
    lost = bert_before - set(traces(store, bert.needles()))
    assert all("-wal" in hit for hit in lost), lost


@pytest.mark.parametrize("mode", list(Mode))
def test_what_was_found_is_what_was_removed_store_by_store(store, mode):
    anna = plant(store, n_interactions=1300)
    before = row_counts(store)
    cascade = erase(store, anna.customer_id, mode)
    after, counts = row_counts(store), counts_of(cascade)
    gone = {name: before[name] - after[name] for name in before}
    interactions = before["interactions"] if mode is Mode.DELETE else 0
    assert gone == {
        **dict.fromkeys(before, 0),
        "interactions": interactions,
        "exposures": before["exposures"],
        "feedback": 6,
        "measured_suggestions": 6,
        "decision_bodies": 6,
        "decision_subjects": 6,
        "mutes": 4,
        "holds": 2,
        "corrections": 2,
        "requests": -1,
        "consent_events": 6,
        "consent_states": 4,
        "notices_served": 2,
        "signals_seen": 2,
        "device_accounts": 1,
        "decision_terms": 12,
        "disclosures": 2,
        "legal_holds": 2,
        "log_entries": -1,
        "customers": 1,
        "cascades": -1,
        "cascade_steps": -16,
        "suppressions": -1,
    }
    visits = 260 + 6 + 1 + 3 + 1 + 5 + 1
    assert counts == {
        "serving": 0,
        "keys": 2,
        "model": 0,
        "visits": visits,
        "feedback": 6,
        "exposures": 3,
        "decisions": 6,
        "disclosures": 1,
        "history": 1040,
        "preferences": 3,
        "corrections": 1,
        "requests": 1,
        "consents": 6,
        "files": 3,
        "customer": 1,
        "database": 0,
    }


def test_anonymised_interactions_are_nobodys_and_no_evidence(store):
    anna = plant(store)
    erase(store, anna.customer_id, Mode.ANONYMIZE)
    table = tables.interactions
    with reading(store.engine) as conn:
        rows = conn.execute(select(table)).all()
    assert len(rows) == 20
    assert {(row.customer_no, row.session_key, row.purpose) for row in rows} == {
        (None, None, int(Purpose.PERFORMANCE))
    }
    assert {row.at_ms for row in rows} == {NOW_MS // DAY_MS * DAY_MS}
    assert len({row.event_key for row in rows}) == 20


def test_the_order_of_anonymised_interactions_does_not_tell_which_were_done_together(store):
    anna, _ = plant(store, n_interactions=40), plant(store, "customer-mark-99")
    numbers = select(tables.interactions.c.interaction_no).order_by(tables.interactions.c.interaction_no)
    with reading(store.engine) as conn:
        before = list(conn.scalars(numbers))
    erase(store, anna.customer_id, Mode.ANONYMIZE)
    plant(store, "customer-mark-98", n_interactions=1)
    with reading(store.engine) as conn:
        after = list(conn.scalars(numbers))
    assert after[40:] == [*before[40:], before[-1] + 1]
    assert after[39] < 0
    assert min(abs(one - other) for one, other in itertools.pairwise(after[:40])) > 1


def test_from_the_answer_on_nothing_is_permitted_and_imports_are_shut_out(store):
    anna = plant(store)
    begin(store, anna.customer_id)
    with reading(store.engine) as conn:
        ledger = read_choices(conn, anna.keys[0])[0].ledger
        assert is_suppressed(conn, [store.subjects.suppression(anna.keys[0])])
    for purpose in (Purpose.PROFILING, Purpose.PROFILED_CONTENT, Purpose.LIMITED_CONTENT):
        permission = check(ledger, Question(KEY_OF[purpose], NOW_MS), store.settings.consent)
        assert (permission.permitted, permission.because) == (False, Denial.RESTRICTED)


def test_asked_again_it_is_the_same_erasure_and_afterwards_a_finished_one_with_nothing(store):
    anna = plant(store)
    first = begin(store, anna.customer_id, recipients=["newsletter"])
    assert begin(store, anna.customer_id, Mode.ANONYMIZE) == first
    forgetting(store).finish_now(first)
    again = receipt_of(store, begin(store, anna.customer_id, recipients=["newsletter"]))
    assert again.cascade_id != first
    assert again.finished_at_ms == NOW_MS
    assert set(counts_of(again).values()) == {0}
    assert again.status_of("recipient:newsletter") is StepStatus.SKIPPED


def test_an_erasure_leaves_no_pseudonym_in_a_withdrawal_that_is_held_up(store):
    anna = plant(store)
    with writing(store.engine) as conn:
        begin_withdrawal(conn, "held-up", anna.keys[0], (), NOW_MS)
        claim(conn, "held-up", 0, NOW_MS + 60_000)
    cascade = erase(store, anna.customer_id)
    assert cascade.finished_at_ms is not None
    assert traces(store, anna.needles()) == []
    forgetting(store, Clock(NOW_MS + 60_000)).work_on_due()
    withdrawal = receipt_of(store, "held-up")
    assert (withdrawal.subject_key, withdrawal.customer_no) == (None, None)
    assert withdrawal.finished_at_ms is not None


def test_a_receipt_names_nobody(store):
    anna = plant(store)
    cascade = erase(store, anna.customer_id, recipients=["ads"])
    assert (cascade.subject_key, cascade.customer_no) == (None, None)
    assert cascade.status_of("recipient:ads") is StepStatus.PENDING
    with reading(store.engine) as conn:
        request = conn.execute(
            select(tables.requests).where(tables.requests.c.request_id == cascade.request_id)
        ).one()
    assert (request.subject_key, request.state, request.kind) == (None, "done", "erasure")


def test_a_visit_can_be_erased_and_what_an_account_did_in_it_stays_the_accounts(store):
    anna = plant(store)
    erase(store, f"{anna.customer_id}-mark-session", kind=SubjectKind.SESSION)
    table = tables.interactions
    with reading(store.engine) as conn:
        assert not conn.execute(select(table).where(table.c.session_key.is_not(None))).all()
        assert len(conn.execute(select(table)).all()) == 16
    assert traces(store, {"visit": anna.keys[1]}) == []
    assert traces(store, {"account": anna.keys[0]})


def test_a_device_can_be_erased(store):
    anna = plant(store)
    cascade = erase(store, f"{anna.customer_id}-mark-device", kind=SubjectKind.DEVICE)
    assert counts_of(cascade)["consents"] == 1
    assert traces(store, {"device": anna.keys[2]}) == []


def test_somebody_never_heard_of_is_erased_at_once_and_remembered_as_erased(store):
    cascade = receipt_of(store, begin(store, "nobody"))
    assert cascade.finished_at_ms == NOW_MS
    with reading(store.engine) as conn:
        key = store.subjects.account("nobody")
        assert is_suppressed(conn, [store.subjects.suppression(key)])
        assert read_choices(conn, key)[0].ledger.states == {}
