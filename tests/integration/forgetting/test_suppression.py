"""Who was erased stays erased: imports name each row, events are withheld, a new consent brings back."""

import json

import pytest
from support.forgetting import erase, plant
from support.stores import NOW_MS, SUBJECTS, a_decision, an_exposure, store_items

from api.imports.event_store import store_events
from api.imports.importer import import_file
from api.imports.new_interactions import NewInteraction
from api.storage.cascades import Mode
from api.storage.connection import reading, writing
from api.storage.customers import all_customer_ids
from api.storage.decisions import append_decisions, decision_subject, read_decision
from api.storage.exposures import read_exposure
from api.storage.suppressions import is_suppressed, lift, suppress, suppressed_since
from engine.vocabulary import Kind
from guardrails.log.sealing import header_of

ANNA = "customer-mark-00"


@pytest.fixture
def erased(store):
    plant(store, ANNA)
    erase(store, ANNA, Mode.ANONYMIZE)
    return store


def imported(store, kind, rows, tmp_path):
    file = tmp_path / f"{kind}.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    report = import_file(kind, file, None, store.engine, store.settings, store.subjects, now_ms=NOW_MS)
    rejects = (
        []
        if report.rejects_path is None
        else [json.loads(line) for line in report.rejects_path.read_text().splitlines()]
    )
    return report, rejects


def test_an_import_of_interactions_names_every_row_of_an_erased_customer(erased, tmp_path):
    rows = [
        {"customer_id": who, "item_id": "planted-item", "kind": "purchase", "at_ms": NOW_MS - number}
        for number, who in enumerate([ANNA, "bert", ANNA])
    ]
    report, rejects = imported(erased, "interactions", rows, tmp_path)
    assert report.inserted == 1
    assert [(each["line"], each["field"]) for each in rejects] == [(1, "customer_id"), (3, "customer_id")]
    assert all("SUPPRESSED" in each["reason"] for each in rejects)
    with reading(erased.engine) as conn:
        assert all_customer_ids(conn) == ["bert"]


def test_an_import_of_consents_names_every_row_of_an_erased_customer(erased, tmp_path):
    rows = [
        {"customer_id": who, "purpose": "personalize.content.profiling", "status": "given", "at_ms": NOW_MS}
        for who in (ANNA, "bert")
    ]
    report, rejects = imported(erased, "consents", [*rows, {"customer_id": []}], tmp_path)
    assert report.inserted == 1
    assert [(each["line"], "SUPPRESSED" in each["reason"]) for each in rejects] == [(1, True), (3, False)]


@pytest.mark.parametrize("kind", [Kind.VIEW, Kind.PURCHASE])
def test_live_events_of_an_erased_customer_are_withheld(erased, kind):
    items = store_items(erased, "planted-item")
    events = [
        NewInteraction(number, "/", f"e{number}", who, None, "planted-item", kind, NOW_MS)
        for number, who in enumerate([ANNA, "bert"])
    ]
    with writing(erased.engine) as conn:
        stored = store_events(conn, events, SUBJECTS, items, NOW_MS, erased.settings.consent)
    assert [each.because for each in stored.withheld][:1] == ["SUPPRESSED"]
    assert stored.n_stored == int(kind is Kind.PURCHASE)


def test_a_decision_that_was_under_way_while_the_customer_was_erased_leaves_its_header_alone(erased):
    item_no = store_items(erased, "planted-item")["planted-item"]
    key = SUBJECTS.account(ANNA)
    late = a_decision(
        "late",
        subject_key=key,
        suppression_key=SUBJECTS.suppression(key),
        exposure=an_exposure(item_no, customer_no=1),
    )
    with writing(erased.engine) as conn:
        append_decisions(conn, erased.keyring, [late, a_decision("other")])
        stored = read_decision(conn, erased.keyring, "late")
        assert (header_of(stored.entry), stored.body) == (late.header, None)
        assert read_decision(conn, erased.keyring, "other").body is not None
        assert decision_subject(conn, "late") is None
        assert read_exposure(conn, "late") is None


def test_suppression_is_lifted_once_and_of_one_alone(store):
    anna, bert = (SUBJECTS.suppression(SUBJECTS.account(each)) for each in ("anna", "bert"))
    with writing(store.engine) as conn:
        suppress(conn, anna, NOW_MS)
        suppress(conn, anna, NOW_MS + 1)
        suppress(conn, bert, NOW_MS)
        assert is_suppressed(conn, [anna, bert, b"x" * 16]) == {anna, bert}
        assert suppressed_since(conn, anna) == NOW_MS + 1
        assert suppressed_since(conn, b"x" * 16) is None
        assert lift(conn, anna)
        assert not lift(conn, anna)
        assert is_suppressed(conn, [anna, bert]) == {bert}


def test_who_came_back_is_taken_again(erased, tmp_path):
    with writing(erased.engine) as conn:
        lift(conn, SUBJECTS.suppression(SUBJECTS.account(ANNA)))
    rows = [{"customer_id": ANNA, "item_id": "planted-item", "kind": "purchase", "at_ms": NOW_MS}]
    assert imported(erased, "interactions", rows, tmp_path)[0].inserted == 1
