"""Versions of policies are loaded once, kept while they are used, and never mistaken for a broken store."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from support.http import fill
from support.in_force import challenge, put_in_force, put_in_shadow, put_unreadable
from support.policies import a_policy, a_rule

from api.houses import MOST_KEPT, Shelf
from api.metrics import Metrics
from api.policies.shipped import shipped_policy
from api.runtime import Runtime
from api.storage.connection import reading, writing
from api.storage.versions import CHALLENGER, POLICY, active
from guardrails.policy.floor import held_to_floor
from guardrails.policy.limits import Limits, PriceLimits

N_THREADS = 8


def served(shelf, store, before=None):
    with reading(store.engine) as conn:
        return shelf.policies(conn, active(conn), before)


def policy_no(number):
    return a_policy(a_rule(f"rule-{number}"))


def test_where_no_policy_was_put_in_force_it_is_the_one_that_ships(sqlite_store):
    found = served(Shelf(), sqlite_store)
    assert found.champion.policy == shipped_policy()
    assert (found.challenger, found.shadow, found.fault, found.asked) == (None, None, None, {})


def test_going_back_to_a_version_costs_nothing(sqlite_store):
    shelf = Shelf()
    put_in_force(sqlite_store.engine, policy_no(1))
    first = served(shelf, sqlite_store).champion
    put_in_force(sqlite_store.engine, policy_no(2))
    assert served(shelf, sqlite_store).champion is not first
    put_in_force(sqlite_store.engine, policy_no(1))
    assert served(shelf, sqlite_store).champion is first


def test_versions_that_are_not_used_any_more_are_let_go(sqlite_store):
    shelf = Shelf()
    put_in_force(sqlite_store.engine, policy_no(0))
    first = served(shelf, sqlite_store).champion
    for number in range(1, MOST_KEPT + 1):
        put_in_force(sqlite_store.engine, policy_no(number))
        served(shelf, sqlite_store)
    put_in_force(sqlite_store.engine, policy_no(0))
    assert served(shelf, sqlite_store).champion is not first


def test_a_share_that_changes_leaves_the_challenger_as_it_is(sqlite_store):
    shelf = Shelf()
    version = challenge(sqlite_store.engine, policy_no(1), 100_000)
    one = served(shelf, sqlite_store)
    challenge(sqlite_store.engine, policy_no(1), 200_000)
    other = served(shelf, sqlite_store)
    assert one.challenger is other.challenger
    assert one.challenger.version == version
    assert (one.share_micro, other.share_micro) == (100_000, 200_000)


def test_every_policy_is_held_to_the_floor(sqlite_store, caplog):
    loose = replace(Limits(), price=replace(PriceLimits(), upsell_hard_micro=900_000))
    assert held_to_floor(loose) != loose
    put_in_force(sqlite_store.engine, a_policy(limits=loose))
    put_in_shadow(sqlite_store.engine, a_policy(limits=loose))
    challenge(sqlite_store.engine, a_policy(limits=loose), 100_000)
    with caplog.at_level(logging.INFO):
        found = served(Shelf(), sqlite_store)
    held = [record.fields for record in caplog.records if record.message == "policy:limits:held"]
    assert held == [{"version": found.champion.version, "limits": ["G17.upsell_hard"]}]
    for loaded in (found.champion, found.challenger, found.shadow):
        assert loaded.policy.limits == held_to_floor(loose)
    metrics = Metrics()
    metrics.serves(found)
    assert "tactful_policy_limits_held 3.0" in metrics.exposition().decode()


def test_what_cannot_be_read_is_named_and_served_as_it_was(sqlite_store):
    shelf = Shelf()
    put_in_force(sqlite_store.engine, policy_no(1))
    before = served(shelf, sqlite_store)
    put_unreadable(sqlite_store.engine, POLICY)
    put_unreadable(sqlite_store.engine, CHALLENGER, "d" * 64)
    found = served(shelf, sqlite_store, before)
    assert found.champion is before.champion
    assert found.challenger is None
    assert found.faults == {POLICY: "PolicyDocumentError", CHALLENGER: "PolicyDocumentError"}
    assert found.versions == {}
    assert found.degraded == ("policy_unreadable",)


def test_a_store_that_fails_is_no_policy_that_cannot_be_read(sqlite_store):
    shelf = Shelf()
    put_in_force(sqlite_store.engine, policy_no(1))
    with reading(sqlite_store.engine) as conn:
        versions = active(conn)
    with writing(sqlite_store.engine) as conn:
        conn.execute(text("ALTER TABLE policies RENAME TO gone"))
    with sqlite_store.engine.connect() as conn, pytest.raises(SQLAlchemyError):
        shelf.policies(conn, versions, None)


def test_of_many_requests_that_see_a_change_one_loads_it_for_all(store):
    fill(store.settings)
    runtime = Runtime(store.engine, store.settings, Metrics())
    runtime.start()
    put_in_force(store.engine, policy_no(1))
    found, together = [], threading.Barrier(N_THREADS)

    def ask():
        with reading(store.engine) as conn:
            versions = active(conn)
            together.wait()
            found.append(runtime.policies(conn, versions))

    threads = [threading.Thread(target=ask) for _ in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runtime.close()
    assert len({id(policies) for policies in found}) == 1
    assert runtime.current().policies is found[0]


def test_a_policy_that_a_request_could_not_load_is_told_before_anything_else_is_loaded(sqlite_store):
    fill(sqlite_store.settings)
    runtime = Runtime(sqlite_store.engine, sqlite_store.settings, Metrics())
    runtime.load()
    put_unreadable(sqlite_store.engine)
    with reading(sqlite_store.engine) as conn:
        versions = active(conn)
        runtime.policies(conn, versions)
    assert runtime.readiness(versions).fault == "PolicyDocumentError"
    put_in_force(sqlite_store.engine, policy_no(1))
    with reading(sqlite_store.engine) as conn:
        versions = active(conn)
        runtime.policies(conn, versions)
    assert runtime.readiness(versions).fault is None


def test_a_policy_that_can_be_read_is_told_to_be_before_anything_else_is_loaded(sqlite_store):
    fill(sqlite_store.settings)
    runtime = Runtime(sqlite_store.engine, sqlite_store.settings, Metrics())
    put_unreadable(sqlite_store.engine)
    runtime.load()
    with reading(sqlite_store.engine) as conn:
        assert runtime.readiness(active(conn)).fault == "PolicyDocumentError"
    put_in_force(sqlite_store.engine, policy_no(1))
    with reading(sqlite_store.engine) as conn:
        versions = active(conn)
        runtime.policies(conn, versions)
    told = runtime.readiness(versions)
    assert (told.fault, told.behind) == (None, False)


def test_who_waits_for_a_policy_that_cannot_be_read_is_told_that_it_is_not_served(sqlite_store):
    fill(sqlite_store.settings)
    runtime = Runtime(sqlite_store.engine, sqlite_store.settings, Metrics())
    runtime.start()
    put_unreadable(sqlite_store.engine)
    with reading(sqlite_store.engine) as conn:
        assert not runtime.wait_for(active(conn), 30.0)
    put_in_force(sqlite_store.engine, policy_no(1))
    with reading(sqlite_store.engine) as conn:
        assert runtime.wait_for(active(conn), 30.0)
    runtime.close()
