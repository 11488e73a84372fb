"""A draft run against the decisions of a store: what is kept between two rehearsals, and what is not."""

from __future__ import annotations

import multiprocessing
import stat
import sys
import time

import pytest
from sqlalchemy import delete
from support import shops
from support.forgetting import erase
from support.policies import a_policy, a_rule
from support.retained import as_before_house_rules, body_of, expected_changes
from support.scenes import Scene, agreeing
from support.shops import a_request, did, knowing, on_page
from support.stores import NOW_MS, Store, a_decision, counting_statements, store_customer, store_items

from api.forgetting.files import REHEARSALS_FOLDER
from api.forgetting.retention import purge, unseen
from api.policies.shipped import shipped_policy
from api.rehearsing import job, work
from api.rehearsing import report as module
from api.rehearsing.cache import Cache
from api.rehearsing.helpers import Helpers
from api.rehearsing.job import CLAIM_MS, rehearsal_state, run_rehearsal, start_rehearsal
from api.rehearsing.report import Held, held, held_in_force, held_version, rehearse
from api.storage import tables
from api.storage.connection import reading, writing
from api.storage.decisions import append_decisions, index_of
from api.storage.feedback import FeedbackKind, add_feedback
from api.storage.rehearsals import RehearsalState
from api.storage.versions import put_policy
from engine.vocabulary import Channel
from guardrails.errors import PolicyError
from guardrails.log.packing import pack, unpack
from guardrails.policy.language import Atom, Op, Policy
from guardrails.policy.rehearsal import rehearse_run

SHIPS = Policy()
NO_BREAD = a_policy(a_rule("no-bread", when=Atom("item.categories", Op.CONTAINS_ANY, ("Food > Bread",))))
PAST = knowing([did("bread-0"), did("milk-1"), did("soap-0"), did("lamp-0", age_days=20)])
SCENES = (
    Scene(a_request(), agreeing(), PAST, shops.a_house()),
    Scene(a_request("cart", context=on_page("lamp-0", "bread-1")), agreeing(), PAST, shops.a_house()),
    Scene(a_request("product_page", context=on_page("milk-0")), agreeing(), knowing(), shops.a_house()),
    Scene(a_request("email", channel=Channel.EMAIL), agreeing(), PAST, shops.a_house()),
)
BODIES = [body_of(scene) for scene in SCENES]
ANNA = "anna"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "DECISIONS_AT_ONCE", 5)


def fill(store: Store, n: int = 12, first: int = 0, **overrides) -> list[str]:
    """Store decisions, the first of them for Anna, the others for as many others."""
    with reading(store.engine) as conn:
        version = held(SHIPS).version
    with writing(store.engine) as conn:
        put_policy(conn, SHIPS, NOW_MS)
    store_customer(store, ANNA)
    anna = store.subjects.account(ANNA)
    ids = [f"decision-{number:03d}" for number in range(first, first + n)]
    batch = [
        a_decision(
            decision_id,
            policy=version,
            minute=BODIES[0].minute + number,
            body=BODIES[number % len(BODIES)].body,
            subject_key=bytes([number % 7]) * 16 if number else anna,
            **overrides,
        )
        for number, decision_id in enumerate(ids, first)
    ]
    with writing(store.engine) as conn:
        append_decisions(conn, store.keyring, batch)
    return ids


def run(store: Store, draft: Policy = NO_BREAD, **more):
    seen = []

    def show(done, total, message):
        seen.append((done, total))

    report = rehearse(store.engine, store.settings, held(SHIPS), held(draft), show, **more)
    return report, seen


def remove_body(conn, decision_id):
    of_it = tables.decision_bodies.c.log_index == index_of(conn, decision_id)
    conn.execute(delete(tables.decision_bodies).where(of_it))


def files(store: Store):
    return sorted((store.settings.data_dir / REHEARSALS_FOLDER).glob("*"))


def test_every_decision_is_gone_through_once(store):
    ids = fill(store)
    report, seen = run(store)
    expected = [
        each
        for number, decision_id in enumerate(ids)
        for each in expected_changes(
            BODIES[number % len(BODIES)]._replace(decision_id=decision_id), SHIPS, NO_BREAD
        )
    ]
    document = report.document
    assert document["decisions"]["n_rehearsed"] == document["decisions"]["n_retained"] == len(ids)
    assert document["suggestions"]["n_withheld"] == sum(each.kind == "withheld" for each in expected) > 0
    assert document["decisions"]["n_touched"] == len({each.decision_id for each in expected})
    assert {(each["decision_id"], each["item"]) for each in document["examples"]} <= {
        (each.decision_id, each.item_id) for each in expected
    }
    assert document["period"]["last_minute"] - document["period"]["first_minute"] == len(ids) - 1
    assert seen[-1] == (len(ids), len(ids))


def test_what_is_kept_gives_the_same_report_without_reading_a_body(store):
    fill(store)
    first, _ = run(store)
    before = {file: file.stat().st_mtime_ns for file in files(store)}
    with counting_statements(store.engine) as sent:
        again, _ = run(store)
    assert again == first
    assert {file: file.stat().st_mtime_ns for file in files(store)} == before
    assert not any("decision_bodies.sealed" in statement for statement in sent)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_the_report_does_not_depend_on_how_many_threads_there_are(sqlite_store, n_threads):
    fill(sqlite_store)
    report, _ = run(sqlite_store, n_threads=n_threads)
    Cache(sqlite_store.settings.data_dir).keep_only(())
    assert run(sqlite_store)[0] == report


def test_the_report_does_not_depend_on_how_many_processes_help(sqlite_store):
    fill(sqlite_store, n=30)
    alone, _ = run(sqlite_store, n_helpers=0)
    of_columns, _ = run(sqlite_store, n_helpers=1)
    Cache(sqlite_store.settings.data_dir).keep_only(())
    of_records, seen = run(sqlite_store, n_helpers=1)
    assert alone == of_columns == of_records
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_many_decisions_are_read_with_help(sqlite_store, monkeypatch):
    fill(sqlite_store)
    alone, _ = run(sqlite_store)
    Cache(sqlite_store.settings.data_dir).keep_only(())
    monkeypatch.setattr(module, "READ_WITH_HELP", 1)
    assert run(sqlite_store)[0] == alone


def test_where_no_process_can_be_started_the_work_is_done_without(sqlite_store):
    fill(sqlite_store)
    alone, _ = run(sqlite_store, n_helpers=0)
    Cache(sqlite_store.settings.data_dir).keep_only(())
    multiprocessing.set_executable("/bin/false")
    try:
        report, _ = run(sqlite_store, n_helpers=1)
    finally:
        multiprocessing.set_executable(sys.executable)
    assert report == alone


def test_a_helper_tells_where_columns_are_gone(sqlite_store):
    task = work.Work(sqlite_store.settings.data_dir, {}, SHIPS, NO_BREAD)
    with Helpers(1, task) as helpers:
        assert helpers.found("never-kept", None) is None


def test_new_decisions_add_files_and_change_no_other(store):
    fill(store, n=6)
    run(store)
    before = set(files(store))
    fill(store, n=9, first=6)
    report, _ = run(store)
    assert report.document["decisions"]["n_rehearsed"] == 15
    assert len(before & set(files(store))) == len(before) - 1  # the last was not full


def test_only_their_owner_may_read_what_is_kept(sqlite_store):
    fill(sqlite_store)
    run(sqlite_store)
    folder = sqlite_store.settings.data_dir / REHEARSALS_FOLDER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in files(sqlite_store)} == {0o600}


def test_a_file_that_cannot_be_read_is_written_anew(sqlite_store):
    fill(sqlite_store)
    first, _ = run(sqlite_store)
    for number, file in enumerate(files(sqlite_store)):
        file.write_bytes(b"" if number else b"ARROW1" + bytes(100))
    assert run(sqlite_store)[0] == first


def test_an_erased_decision_is_left_out_and_its_file_is_gone(store):
    ids = fill(store)
    run(store)
    before = files(store)
    with writing(store.engine) as conn:
        remove_body(conn, ids[0])
    decisions = run(store)[0].document["decisions"]
    assert (decisions["n_rehearsed"], decisions["n_erased"]) == (len(ids) - 1, 1)
    assert len(set(before) - set(files(store))) == 1


def test_what_was_erased_while_a_rehearsal_ran_is_not_left_in_a_file(sqlite_store, monkeypatch):
    ids = fill(sqlite_store)

    def rehearsed(*given):
        with writing(sqlite_store.engine) as conn:
            remove_body(conn, ids[0])
        return rehearse_run(*given)

    monkeypatch.setattr(work, "rehearse_run", rehearsed)
    run(sqlite_store)
    n_files = len(files(sqlite_store))
    monkeypatch.undo()
    monkeypatch.setattr(module, "DECISIONS_AT_ONCE", 5)
    run(sqlite_store)
    assert n_files == len(files(sqlite_store)) - 1


def test_decisions_whose_key_is_gone_or_whose_body_was_changed_are_counted_and_left_out(store):
    ids = fill(store)
    store.keyring.destroy([store.subjects.account(ANNA)])
    with writing(store.engine) as conn:
        of_another = tables.decision_bodies.c.log_index == index_of(conn, ids[1])
        conn.execute(tables.decision_bodies.update().where(of_another).values(sealed=bytes(300)))
    decisions = run(store)[0].document["decisions"]
    assert (decisions["n_rehearsed"], decisions["n_unreadable"]) == (len(ids) - 2, 2)


def test_forgetting_somebody_removes_all_that_rehearsals_keep(store):
    fill(store)
    run(store)
    assert files(store)
    cascade = erase(store, ANNA)
    assert cascade.finished_at_ms is not None
    assert files(store) == []


def test_the_purge_removes_all_that_rehearsals_keep_unless_it_only_counts(sqlite_store):
    fill(sqlite_store)
    run(sqlite_store)
    purge(sqlite_store.logbook, sqlite_store.settings, NOW_MS, unseen, dry_run=True)
    assert files(sqlite_store)
    purge(sqlite_store.logbook, sqlite_store.settings, NOW_MS, unseen)
    assert files(sqlite_store) == []


def test_no_file_names_a_customer(sqlite_store):
    fill(sqlite_store)
    run(sqlite_store)
    content = b"".join(file.read_bytes() for file in files(sqlite_store))
    assert ANNA.encode() not in content
    assert b"consent-" not in content  # the records of what was agreed to


def test_records_that_cannot_be_read_are_counted_and_left_out(store):
    fill(store, n=4)
    cut = pack(unpack(BODIES[0].body)[:-900])
    no_rounds = pack(unpack(BODIES[0].body).replace(b'"base":[', b'"bass":['))
    for number, body in enumerate((b"", b"nonsense", cut, no_rounds, pack(b"{}"))):
        with writing(store.engine) as conn:
            append_decisions(
                conn, store.keyring, [a_decision(f"bad-{number}", body=body, policy=held(SHIPS).version)]
            )
    for _ in range(2):
        decisions = run(store)[0].document["decisions"]
        assert (decisions["n_rehearsed"], decisions["n_unreadable"]) == (4, 5)


def test_records_of_before_rules_of_the_shop_are_counted(store):
    older = as_before_house_rules(BODIES[0])
    with writing(store.engine) as conn:
        append_decisions(
            conn, store.keyring, [a_decision("older", body=older.body, policy=held(SHIPS).version)]
        )
    fill(store, n=3)
    assert run(store)[0].document["decisions"]["n_older_form"] == 1


def test_what_customers_said_splits_what_is_newly_withheld(store):
    ids = fill(store, n=1)
    (gone, *_) = [each for each in expected_changes(BODIES[0], SHIPS, NO_BREAD) if each.kind == "withheld"]
    item_no = store_items(store, gone.item_id)[gone.item_id]
    for kind, name in ((FeedbackKind.CLICKED, "n_collateral"), (FeedbackKind.TOO_PERSONAL, "n_intended")):
        with writing(store.engine) as conn:
            add_feedback(conn, ids[0], item_no, kind, NOW_MS)
        assert run(store)[0].document["newly_withheld"][name] == 1


def test_customers_are_counted_as_long_as_they_are_known(store):
    fill(store)
    before = run(store)[0].document["customers"]
    with writing(store.engine) as conn:
        conn.execute(delete(tables.decision_subjects))
    after = run(store)[0].document["customers"]
    assert before["n"] >= before["n_touched"] > 0
    assert (after["n"], after["n_touched"]) == (0, 0)


def test_a_store_without_decisions_has_nothing_to_find(store):
    report, seen = run(store)
    assert report.document["decisions"]["n_retained"] == 0
    assert seen == []


def test_decisions_under_a_policy_that_is_not_stored_are_judged_again(store):
    fill(store, n=4)
    expected = run(store)[0].document
    with writing(store.engine) as conn:
        conn.execute(delete(tables.policies))
    assert run(store)[0].document == expected


def test_what_is_in_force_is_what_ships_until_another_is(store):
    with reading(store.engine) as conn:
        ships = held(shipped_policy())
        assert held_in_force(conn) == ships == held_version(conn, ships.version)
        with pytest.raises(PolicyError):
            held_version(conn, "0" * 64)


# Rehearsals beside the requests


def stored(store: Store) -> tuple[Held, Held]:
    with writing(store.engine) as conn:
        put_policy(conn, NO_BREAD, NOW_MS)
        put_policy(conn, SHIPS, NOW_MS)
    return held(NO_BREAD), held(SHIPS)


def test_a_rehearsal_runs_beside_the_requests_and_keeps_its_report(store, clock):
    fill(store)
    draft, base = stored(store)
    started = start_rehearsal(store.engine, store.settings, draft.version, base.version, "key-1", clock)
    assert started.state is RehearsalState.RUNNING
    found = started
    for _ in range(600):
        found = rehearsal_state(store.engine, started.rehearsal_id)
        if found.state is not RehearsalState.RUNNING:
            break
        time.sleep(0.05)
    report, _ = run(store)
    assert (found.state, found.report_sha256) == (RehearsalState.DONE, report.sha256)
    assert found.n_done == found.n_total == 12
    assert (found.actor, found.finished_at_ms) == ("key-1", clock())


def test_one_that_is_under_way_is_not_begun_again_until_its_claim_runs_out(store, clock):
    fill(store)
    draft, base = stored(store)
    given = (store.engine, store.settings, draft.version, base.version, "key-1", clock)
    left, is_mine = job._claimed(store.engine, draft.version, base.version, "key-0", clock())
    assert is_mine
    assert start_rehearsal(*given).rehearsal_id == left.rehearsal_id
    assert run_rehearsal(*given) is None
    clock.advance(CLAIM_MS + 1)
    found = run_rehearsal(*given)
    assert (found.rehearsal_id, found.state) == (left.rehearsal_id, RehearsalState.DONE)


def test_whoever_lost_its_claim_leaves_the_rest_to_who_has_it(sqlite_store, clock):
    fill(sqlite_store)
    draft, base = stored(sqlite_store)
    given = (sqlite_store.engine, draft.version, base.version)
    first, _ = job._claimed(*given, "key-1", clock())
    clock.advance(CLAIM_MS + 1)
    second, is_mine = job._claimed(*given, "key-2", clock())
    assert is_mine
    job._Runner(sqlite_store.engine, sqlite_store.settings, first, clock).run()
    assert rehearsal_state(sqlite_store.engine, first.rehearsal_id).state is RehearsalState.RUNNING
    job._Runner(sqlite_store.engine, sqlite_store.settings, second, clock).run()
    assert rehearsal_state(sqlite_store.engine, first.rehearsal_id).state is RehearsalState.DONE


def test_one_that_fails_says_so_and_may_be_tried_again(sqlite_store, clock):
    fill(sqlite_store)
    draft, base = stored(sqlite_store)
    given = (sqlite_store.engine, sqlite_store.settings, draft.version, base.version, "key-1", clock)
    (sqlite_store.settings.data_dir / REHEARSALS_FOLDER).write_bytes(b"no folder")
    failed = run_rehearsal(*given)
    assert (failed.state, failed.report) == (RehearsalState.FAILED, None)
    (sqlite_store.settings.data_dir / REHEARSALS_FOLDER).unlink()
    again = run_rehearsal(*given)
    assert again.state is RehearsalState.DONE
    assert again.rehearsal_id != failed.rehearsal_id


def test_a_draft_that_is_not_stored_is_not_rehearsed(store, clock):
    _, base = stored(store)
    with pytest.raises(PolicyError):
        start_rehearsal(store.engine, store.settings, "0" * 64, base.version, "key-1", clock)


def test_there_is_no_rehearsal_of_an_unknown_id(store):
    assert rehearsal_state(store.engine, "nothing") is None
