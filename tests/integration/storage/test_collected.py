"""What the store says it holds, and reading many decisions one after the other; on both databases."""

import pytest
from sqlalchemy import select
from support.stores import (
    DAY_MS,
    NOW_MS,
    a_decision,
    an_interaction,
    store_customer,
    store_interactions,
    store_items,
)

from api.storage.collected import count_collected
from api.storage.connection import reading, writing
from api.storage.customers import set_facts
from api.storage.decisions import append_decisions, count_bodies, read_bodies
from api.storage.tables import holds, policies
from api.storage.versions import get_policy, put_policy, read_policy_version
from engine.vocabulary import Channel, Kind
from guardrails.consent.ages import AgeBand
from guardrails.consent.purposes import Purpose
from guardrails.errors import PolicyError
from guardrails.holding import HoldKind
from guardrails.policy.document import to_document, version_of
from guardrails.policy.language import Policy
from guardrails.policy.limits import FrequencyLimits, Limits, SupportLimits
from guardrails.policy.unused import Collected, Fact


def counted(store):
    with reading(store.engine) as conn:
        return {each: n for each, n in count_collected(conn).items() if n}


def test_an_empty_store_holds_nothing(store):
    assert counted(store) == {}


def test_interactions_are_counted_by_kind_purpose_and_channel(store):
    item_no = store_items(store, "a")["a"]
    customer_no = store_customer(store)
    store_interactions(
        store,
        [
            an_interaction(store, item_no, customer_no=customer_no),
            an_interaction(store, item_no, customer_no=customer_no),
            an_interaction(store, item_no, kind=Kind.VIEW, channel=Channel.APP, session_key=b"s" * 16),
            an_interaction(store, item_no, purpose=Purpose.ESSENTIAL_SERVICE, customer_no=customer_no),
        ],
    )
    assert counted(store) == {
        Collected.interaction(Kind.PURCHASE, Purpose.PROFILING, Channel.WEB): 2,
        Collected.interaction(Kind.VIEW, Purpose.PROFILING, Channel.APP): 1,
        Collected.interaction(Kind.PURCHASE, Purpose.ESSENTIAL_SERVICE, Channel.WEB): 1,
    }


def test_facts_and_holds_are_counted(store):
    numbers = [store_customer(store, name) for name in ("anna", "bo", "cid")]
    kinds = (HoldKind.COMPLAINT, HoldKind.PAYMENT, HoldKind.EXCLUSION)
    rows = [{"subject_key": bytes([n]) * 16, "kind": kind.value} for n, kind in enumerate(kinds)]
    with writing(store.engine) as conn:
        set_facts(conn, numbers[0], AgeBand.FIFTEEN, "DK")
        set_facts(conn, numbers[1], None, "SE")
        conn.execute(
            holds.insert(), [row | {"reference": "", "since_ms": NOW_MS, "until_ms": None} for row in rows]
        )
    assert counted(store) == {
        Collected.fact(Fact.AGE_BAND): 1,
        Collected.fact(Fact.JURISDICTION): 2,
        Collected.fact(Fact.COMPLAINT): 1,
        Collected.fact(Fact.PAYMENT): 1,
    }


def test_bodies_are_read_oldest_first_within_the_stretch_of_time(store):
    day = DAY_MS // 60_000
    with writing(store.engine) as conn:
        append_decisions(
            conn,
            store.keyring,
            [a_decision(f"d{n}", minute=n * day, body=f"{n}".encode()) for n in (3, 1, 2, 4)],
        )
    with reading(store.engine) as conn:
        assert count_bodies(conn, day, 4 * day) == 3
        assert list(read_bodies(conn, store.keyring, day, 4 * day)) == [
            (day, b"1"),
            (2 * day, b"2"),
            (3 * day, b"3"),
        ]
        assert list(read_bodies(conn, store.keyring, 9 * day, 10 * day)) == []


def test_a_policy_that_loosens_what_is_locked_is_not_stored(store):
    loose, capped = (
        Policy(limits=Limits(support=SupportLimits(edge=1))),
        Policy(limits=Limits(frequency=FrequencyLimits(outbound_day=2))),
    )
    with writing(store.engine) as conn:
        for signed_off in (False, True):
            with pytest.raises(PolicyError, match=r"G24\.edge"):
                put_policy(conn, loose, NOW_MS, signed_off_by_auditor=signed_off)
        with pytest.raises(PolicyError, match="outbound_day"):
            put_policy(conn, capped, NOW_MS)
        version = put_policy(conn, capped, NOW_MS, signed_off_by_auditor=True)
        assert version == version_of(to_document(capped))
        assert read_policy_version(conn, version) == capped
        assert get_policy(conn, version_of(to_document(loose))) is None
        with pytest.raises(PolicyError, match="not in the store"):
            read_policy_version(conn, version_of(to_document(loose)))


def test_a_policy_is_stored_under_its_own_name(store):
    with writing(store.engine) as conn:
        version = put_policy(conn, Policy(name="christmas"), NOW_MS)
        name = conn.execute(select(policies.c.name).where(policies.c.version == version)).scalar()
    assert name == "christmas"
