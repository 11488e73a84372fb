"""What is handed out is all that the store holds of one person, and nothing of anybody else."""

import io
import tracemalloc
import zipfile

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, SmallInteger, Text, insert
from support.exports import exported, the_subject
from support.shops import a_request, decided, did, knowing, recorded
from support.stores import (
    NOW_MS,
    SUBJECTS,
    a_decision,
    an_exposure,
    an_interaction,
    store_customer,
    store_interactions,
    store_items,
)

from api.rights.export import as_csv, as_json
from api.rights.sections import NOT_HANDED_OUT, SECTIONS, Scope
from api.storage.connection import writing
from api.storage.decisions import append_decisions
from api.storage.exposures import insert_exposures
from api.storage.tables import metadata
from engine.interactions import DAY_MS

ANNA, BERT = SUBJECTS.account("anna"), SUBJECTS.account("bert")
OWNERS = {"subject_key", "customer_no", "session_key", "device_key"}
SHOWN_BY = {table: section for section in SECTIONS for table in section.tables}

WORDS = {
    ("customers", "age_assurance"): "verified_adult",
    ("customers", "age_band"): "16-17",
    ("consent_states", "purpose"): "personalize.content.profiling",
    ("consent_states", "status"): "ConsentGiven",
    ("consent_states", "record_id"): "record",
    ("consent_states", "channels"): "[1]",
    ("consent_states", "data_categories"): "[]",
    ("consent_states", "item_categories"): "[]",
    ("consent_events", "purpose"): "personalize.content.profiling",
    ("consent_events", "status"): "ConsentGiven",
    ("consent_events", "channels"): "[1]",
    ("consent_events", "gpc"): "none",
    ("requests", "kind"): "access",
    ("requests", "state"): "open",
    ("corrections", "scope"): "item",
    ("corrections", "action"): "drop",
    ("mutes", "scope"): "item",
    ("feedback", "kind"): "helpful",
    ("exposures", "suggestions"): "[[1,1]]",
}
"""Columns that take words of a closed list only."""

NOT_SHOWN = {
    ("consent_states", "notice_id"): "in the event that it is made from",
    ("consent_states", "notice_version"): "in the event that it is made from",
    ("consent_states", "actor"): "in the event that it is made from",
    ("consent_states", "record_id"): "in the event that it is made from",
    ("legal_holds", "actor"): "a key of the shop's own systems",
    ("cascades", "request_id"): "of the request, which has a section of its own",
}
"""Columns with somebody's data that no section shows, and why."""


def test_every_table_that_holds_somebodys_data_is_handed_out_or_says_why_not():
    held = {table.name for table in metadata.sorted_tables if OWNERS & set(table.columns.keys())}
    assert held == (set(SHOWN_BY) | set(NOT_HANDED_OUT)) - {"feedback"}
    assert all(NOT_HANDED_OUT.values())


def a_row(table, owners):
    """A row of Anna's whose every text says which column it stands in."""
    row = {}
    for column in table.columns:
        if column.name in owners:
            row[column.name] = owners[column.name]
        elif (table.name, column.name) in WORDS:
            row[column.name] = WORDS[table.name, column.name]
        elif isinstance(column.type, Text):
            listed = (column.comment or "").startswith("JSON")
            marker = f"marker-{table.name}-{column.name}"
            row[column.name] = orjson.dumps([marker]).decode() if listed else marker
        elif isinstance(column.type, Boolean):
            row[column.name] = True
        elif isinstance(column.type, BigInteger | Integer | SmallInteger):
            row[column.name] = NOW_MS if column.name.endswith("_ms") else 1
        else:
            assert isinstance(column.type, LargeBinary)
            row[column.name] = bytes(16)
    return row


@pytest.mark.parametrize("name", sorted(set(SHOWN_BY) - {"decision_subjects"}))
def test_every_column_with_somebodys_data_is_handed_out_or_says_why_not(store, name):
    table = metadata.tables[name]
    store_items(store, "rye")
    owners = {"subject_key": ANNA, "customer_no": 1, "session_key": None}
    if name != "customers":
        store_customer(store, "anna")
    else:
        owners |= {"customer_id": "anna"}
    row = a_row(table, owners)
    with writing(store.engine) as conn:
        if name == "feedback":
            append_decisions(conn, store.keyring, [a_decision(row["decision_id"], subject_key=ANNA)])
        if name == "cascades":
            steps = metadata.tables["cascade_steps"]
            conn.execute(insert(steps), a_row(steps, {}) | {"cascade_id": row["cascade_id"]})
        conn.execute(insert(table), row)
    subject = the_subject(store)
    (shown,) = [list(section.read(subject)) for section in SECTIONS if name in section.tables]
    assert shown
    text = repr(shown)
    for column, value in row.items():
        if isinstance(value, str) and "marker" in value and (name, column) not in NOT_SHOWN:
            assert f"marker-{name}-{column}" in text


def a_body(number):
    request = a_request(now_ms=NOW_MS + number)
    known = knowing(history=[did("bread-1"), did("milk-0")])
    return recorded(decided(request, None, known), request, known).body


@pytest.fixture(scope="module")
def bodies():
    return [a_body(number) for number in range(2)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(owners=st.lists(st.sampled_from(["anna", "bert", None]), max_size=12))
def test_every_decision_of_the_customer_is_listed_and_nobody_elses(sqlite_store, bodies, owners):
    run = next(sqlite_store.numbers)
    mine = {name: f"{name} {run}" for name in ("anna", "bert")}
    decisions = [
        a_decision(
            f"d-{run}-{number}",
            subject_key=None if name is None else SUBJECTS.account(mine[name]),
            body=bodies[number % 2],
        )
        for number, name in enumerate(owners)
    ]
    if decisions:
        with writing(sqlite_store.engine) as conn:
            append_decisions(conn, sqlite_store.keyring, decisions)
    for name, customer_id in mine.items():
        expected = [each.decision_id for each, owner in zip(decisions, owners, strict=True) if owner == name]
        sections = exported(sqlite_store, customer_id)
        assert [row["decision_id"] for row in sections["decisions"]] == expected
        for section in ("suggestions", "withheld"):
            assert {row["decision_id"] for row in sections[section]} <= set(expected)
        assert {row["decision_id"] for row in sections["suggestions"]} == set(expected)


def test_a_decision_whose_details_are_gone_is_listed_still(store):
    with writing(store.engine) as conn:
        append_decisions(conn, store.keyring, [a_decision("d-1", subject_key=ANNA)])
        conn.execute(metadata.tables["decision_bodies"].delete())
    (row,) = exported(store)["decisions"]
    assert (row["decision_id"], row["placement"], row["n_shown"]) == ("d-1", "home", None)


def test_what_a_visit_left_is_handed_out_to_the_visit(store):
    (item_no,) = store_items(store, "rye").values()
    visit = SUBJECTS.session("visit")
    store_interactions(store, [an_interaction(store, item_no, session_key=visit)])
    sections = exported(store, "visit", "session")
    assert [row["item_id"] for row in sections["interactions"]] == ["rye"]
    assert sections["person"][0]["type"] == "session"
    assert exported(store, "visit")["interactions"] == []


def test_what_accounts_did_in_a_visit_is_not_handed_out_to_the_visit(store):
    (item_no,) = store_items(store, "rye").values()
    visit = SUBJECTS.session("visit")
    customer_no = store_customer(store, "anna")
    store_interactions(store, [an_interaction(store, item_no, session_key=visit, customer_no=customer_no)])
    with writing(store.engine) as conn:
        insert_exposures(conn, [("d-1", an_exposure(item_no, customer_no=customer_no, session_key=visit))])
    sections = exported(store, "visit", "session")
    assert sections["interactions"] == sections["exposures"] == []
    assert len(exported(store)["interactions"]) == len(exported(store)["exposures"]) == 1


def test_of_somebody_never_heard_of_nothing_is_held(store):
    sections = exported(store, "nobody")
    assert sections["person"][0]["id"] == "nobody"
    for name in SHOWN_BY.values():
        if name.name not in ("person", "consent_state"):
            assert sections[name.name] == []


def test_what_is_inferred_stays_out_of_what_can_be_taken_along(store):
    portable = set(exported(store, scope=Scope.PORTABILITY))
    assert {"interests", "evidence", "decisions", "suggestions", "withheld", "exposures"}.isdisjoint(portable)
    assert {"person", "interactions", "consent_events", "mutes", "feedback"} <= portable


def test_ten_thousand_records_are_handed_out_in_little_memory(sqlite_store):
    (item_no,) = store_items(sqlite_store, "rye").values()
    customer_no = store_customer(sqlite_store, "anna")
    store_interactions(
        sqlite_store,
        [
            an_interaction(sqlite_store, item_no, customer_no=customer_no, at_ms=NOW_MS - number * 1000)
            for number in range(10_000)
        ],
    )
    subject = the_subject(sqlite_store)
    n_bytes = sum(map(len, as_json(subject, Scope.ACCESS)))  # what is cached is loaded by now
    for pieces in (as_json, as_csv):
        tracemalloc.start()
        for piece in pieces(subject, Scope.ACCESS):
            assert len(piece) < n_bytes / 4
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < n_bytes / 2


def test_the_tables_hold_what_the_document_holds(store):
    (item_no,) = store_items(store, "rye", title="=HYPERLINK(1)").values()
    customer_no = store_customer(store, "anna")
    store_interactions(
        store, [an_interaction(store, item_no, customer_no=customer_no, at_ms=NOW_MS - DAY_MS)]
    )
    archive = zipfile.ZipFile(io.BytesIO(b"".join(as_csv(the_subject(store), Scope.ACCESS))))
    assert archive.testzip() is None
    assert archive.namelist() == ["about.csv", *(f"{section.name}.csv" for section in SECTIONS)]
    lines = archive.read("interactions.csv").decode("utf-8-sig").splitlines()
    assert lines[0].startswith("at,kind,item_id,title,")
    assert ",rye,'=HYPERLINK(1)," in lines[1]
    assert len(lines) == 2
