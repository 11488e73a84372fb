"""The log pruned, and keys at the end of their time: what goes is gone, the tree proves it all the same."""

from dataclasses import replace

import orjson
import pytest
from sqlalchemy import delete, select
from support.erasing import check_proofs, decide, entries_of_type, grows_from, readable, root_of_now, size_of
from support.forgetting import erase
from support.shops import an_event
from support.stores import NOW_MS

from api.forgetting.holds import place_hold
from api.forgetting.pruning import before_days, prunable, prune
from api.forgetting.retention import KEYS_OF_YEARS, PRUNED, purge, unseen
from api.storage import tables
from api.storage.connection import reading, writing
from api.storage.consents import append_events
from api.storage.legal_holds import LegalHold
from api.storage.log import read_entry, read_state
from api.storage.requests import RequestKind, open_request
from api.storage.retention import BODIES, BODIES_OF_VISITS, Retention
from engine.interactions import DAY_MS
from guardrails.consent.events import WHOLE_SUBJECT
from guardrails.consent.ledger import Status
from guardrails.log import verifier
from guardrails.request import SubjectKind

KEEP = Retention()


def old(store, n, days=2000, key=None, prefix="old", **more):
    minute = (NOW_MS - days * DAY_MS) // 60_000
    decide(store, key, [f"{prefix}-{number}" for number in range(n)], minute=minute, **more)


def without_bodies(store):
    with writing(store.engine) as conn:
        for table in (tables.decision_bodies, tables.decision_terms):
            conn.execute(delete(table))


def first_kept(store):
    table = tables.log_entries
    with reading(store.engine) as conn:
        return conn.scalar(select(table.c.log_index).order_by(table.c.log_index).limit(1))


def test_pruned_entries_go_in_whole_bundles_and_the_tree_proves_them_as_before(store):
    old(store, 600)
    before = root_of_now(store)
    with reading(store.engine) as conn:
        leaf = verifier.leaf_hash(read_entry(conn, 7))
    without_bodies(store)
    decide(store, None, ["new"])

    assert prune(store.logbook, before_days(1500, NOW_MS), NOW_MS) == (512, 512)

    assert first_kept(store) == 512
    with reading(store.engine) as conn:
        assert read_state(conn).min_index == 512
        assert conn.scalar(select(tables.decisions.c.log_index).order_by(tables.decisions.c.log_index)) == 512
    (told,) = entries_of_type(store, "prune")
    assert orjson.loads(told)["min_index"] == 512
    assert check_proofs(store) == 602
    assert grows_from(store, before)
    size, root = root_of_now(store)
    assert verifier.verify_inclusion(7, size, leaf, store.logbook.inclusion(7, size), root)
    assert prune(store.logbook, before_days(1500, NOW_MS), NOW_MS) == (512, 0)
    assert len(entries_of_type(store, "prune")) == 1


def test_a_prune_that_was_killed_is_gone_on_with(store, monkeypatch):
    old(store, 520)
    without_bodies(store)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("api.forgetting.pruning._remove", killed)
        with pytest.raises(KeyboardInterrupt):
            prune(store.logbook, NOW_MS, NOW_MS)
    assert first_kept(store) == 0
    assert prune(store.logbook, 0, NOW_MS) == (512, 512)
    assert len(entries_of_type(store, "prune")) == 1


def test_what_anybody_still_needs_is_not_pruned(store):
    old(store, 300)
    with reading(store.engine) as conn:
        assert prunable(conn, NOW_MS) == (0, 0)  # bodies are kept
    without_bodies(store)
    with reading(store.engine) as conn:
        assert prunable(conn, NOW_MS) == (256, 256)
        assert prunable(conn, NOW_MS - 2001 * DAY_MS) == (0, 0)
    with writing(store.engine) as conn:
        open_request(conn, "contest", b"k" * 16, RequestKind.CONTEST, NOW_MS, "old-9")
    with reading(store.engine) as conn:
        assert prunable(conn, NOW_MS) == (0, 0)
    with writing(store.engine) as conn:
        conn.execute(delete(tables.requests))
    long_ago = NOW_MS - 2000 * DAY_MS
    place_hold(store.logbook, LegalHold("hold", b"k" * 16, "claim", "key-1", long_ago), NOW_MS)
    with reading(store.engine) as conn:
        assert prunable(conn, NOW_MS) == (0, 0)


def test_the_purge_prunes_where_that_is_set_and_nowhere_else(store):
    old(store, 300)
    settings = replace(store.settings, log_keep_days=1000)
    assert purge(store.logbook, store.settings, NOW_MS, unseen)[PRUNED] == 0
    assert purge(store.logbook, settings, NOW_MS, unseen, dry_run=True)[PRUNED] == 256
    assert purge(store.logbook, settings, NOW_MS, unseen)[PRUNED] == 256
    assert size_of(store) == 301


def test_a_visit_s_key_is_destroyed_with_the_last_of_its_bodies(store):
    over, lasts = store.subjects.session("over"), store.subjects.session("lasts")
    account = store.subjects.account("anna")
    days = KEEP.visit_body_days
    old(store, 2, days + 1, over, "over", visit=True)
    old(store, 2, days + 1, lasts, "begun", visit=True)
    old(store, 1, days - 1, lasts, "lasts", visit=True)
    old(store, 1, days + 1, account, "anna")
    everything = ["over-0", "over-1", "begun-0", "begun-1", "lasts-0", "anna-0"]
    expected = {BODIES_OF_VISITS: 4}
    for dry_run in (True, False):
        found = purge(store.logbook, store.settings, NOW_MS, unseen, dry_run=dry_run)
        assert {name: n for name, n in found.items() if n} == expected
    assert readable(store, everything) == {"lasts-0", "anna-0"}
    assert store.keyring.subjects() == {lasts, account}
    purge(store.logbook, store.settings, NOW_MS + 2 * DAY_MS, unseen)
    assert store.keyring.subjects() == {account}
    assert check_proofs(store) == 6


def test_keys_of_years_that_are_over_are_destroyed_but_for_the_restricted_and_the_held(store):
    names = ("anna", "bert", "cleo")
    keys = {name: store.subjects.account(name) for name in names}
    for name, key in keys.items():
        old(store, 1, 1000, key, name)
        old(store, 1, 1, key, f"{name}-new")
    restricted = an_event(WHOLE_SUBJECT, Status.RESTRICTED, at_ms=NOW_MS)
    with writing(store.engine) as conn:
        append_events(conn, keys["bert"], SubjectKind.ACCOUNT, [restricted], NOW_MS)
    place_hold(store.logbook, LegalHold("hold", keys["cleo"], "claim", "key-1", NOW_MS), NOW_MS)
    for dry_run in (True, False):
        found = purge(store.logbook, store.settings, NOW_MS, unseen, dry_run=dry_run)
        assert (found[BODIES], found[KEYS_OF_YEARS]) == (1, 1)
    everything = [f"{name}{new}-0" for name in names for new in ("", "-new")]
    assert readable(store, everything) == set(everything) - {"anna-0"}
    assert sum(store.keyring.count().values()) == 5


def test_an_erasure_whose_entry_was_pruned_still_has_its_place(store):
    old(store, 255)
    cascade = erase(store, "nobody", now_ms=NOW_MS - 1990 * DAY_MS)
    without_bodies(store)
    assert prune(store.logbook, NOW_MS, NOW_MS) == (256, 256)
    assert cascade.log_index == 255
    with reading(store.engine) as conn:
        assert read_entry(conn, 255) is None
