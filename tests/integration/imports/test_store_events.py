"""What a batch of events leaves behind is what its customers permit, on both databases."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from support.stores import NOW_MS, store_customer, store_items

from api.imports.event_store import NON_PROFILED, store_events
from api.imports.events import parse_events
from api.imports.new_interactions import BadEvent, NewInteraction
from api.storage.connection import reading, writing
from api.storage.consents import append_events
from api.storage.customers import all_customer_ids, set_preferences
from api.storage.items import item_numbers
from api.storage.tables import holds, interactions, mutes
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Kind
from guardrails.consent.events import WHOLE_SUBJECT, ConsentEvent, Status
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.request import SubjectKind

PROFILING = KEY_OF[Purpose.PROFILING]
STORAGE = KEY_OF[Purpose.FUNCTIONAL_STORAGE]
LIMITED = KEY_OF[Purpose.LIMITED_CONTENT]


def an_event(**changes):
    usual = {
        "index": 0,
        "item_pointer": "/events/0/item_id",
        "event_id": "e1",
        "customer_id": "anna",
        "session_id": "visit",
        "item_id": "i1",
        "kind": Kind.VIEW,
        "at_ms": NOW_MS - 1_000,
    }
    return NewInteraction(**{**usual, **changes})


def choose(store, purpose, status, *, session=None, at_ms=NOW_MS - DAY_MS, channels=None, categories=None):
    """Put a choice of anna, or of a visit, into the ledger."""
    key = store.subjects.account("anna") if session is None else store.subjects.session(session)
    kind = SubjectKind.ACCOUNT if session is None else SubjectKind.SESSION
    event = ConsentEvent(
        record_id=f"{purpose} {status} {at_ms} {session}",
        purpose=purpose,
        status=status,
        at_ms=at_ms,
        valid_until_ms=None,
        channels=channels,
        data_categories=categories,
        notice_id=None,
        notice_version=None,
        method="api",
        actor="data_subject",
        explicit=True,
        confirmed_override=False,
    )
    with writing(store.engine) as conn:
        append_events(conn, key, kind, [event], at_ms)


@pytest.fixture
def keep(store):
    """Store events; return what became of them and the rows there are then."""
    store_items(store, "i1", "i2")

    def run(*events, gpc=False):
        with writing(store.engine) as conn:
            numbers = item_numbers(conn)
            result = store_events(conn, events, store.subjects, numbers, NOW_MS, ConsentSettings(), gpc=gpc)
        with reading(store.engine) as conn:
            return result, conn.execute(select(interactions).order_by(interactions.c.interaction_no)).all()

    return run


NEWS = (
    *(("complaint_opened", minute, {"reference": "c1"}) for minute in (1, 4)),
    *(("complaint_closed", minute, {"reference": "c1"}) for minute in (3, 4)),
    ("complaint_closed", 9, {"reference": "c2"}),
    ("complaint_opened", 2, {"reference": "c2"}),
    ("delivered", 5, {"reference": "c1"}),
    ("delivery_delayed", 6, {"reference": "c1"}),
    ("payment_failed", 2, {}),
    ("credit_declined", 7, {}),
    ("loss_declared", 3, {}),
    ("registry_cancelled", 8, {}),
    ("self_excluded", 5, {"sensitive_class": "alcohol"}),
    ("self_exclusion_lifted", 5, {"sensitive_class": "alcohol", "actor": "data_subject"}),
    ("self_exclusion_lifted", 6, {"sensitive_class": "gambling", "actor": "data_subject"}),
    ("self_excluded", 2, {"sensitive_class": "gambling"}),
    *((kind, minute, {"scope": "brand", "value": "Acme"}) for kind, minute in (("mute", 1), ("unmute", 5))),
    *((kind, minute, {"scope": "item", "value": "i1"}) for kind, minute in (("unmute", 3), ("mute", 3))),
)


def left_of(store, told):
    """Store pieces of news one batch each; return what there is then."""
    with writing(store.engine) as conn:
        conn.execute(delete(holds))
        conn.execute(delete(mutes))
        for kind, minute, more in told:
            at_ms = NOW_MS - 3_600_000 + minute * 60_000
            event = {"event_id": "e", "kind": kind, "customer_id": "anna", "at_ms": at_ms, **more}
            parsed = parse_events({"events": [event]}, None, store.settings, NOW_MS)
            assert not parsed.bad
            found = store_events(
                conn,
                (),
                store.subjects,
                {},
                NOW_MS,
                ConsentSettings(),
                circumstances=parsed.circumstances,
            )
            assert (found.n_noted, found.n_stored) == (1, 0)
        return {*conn.execute(select(holds)).all()}, {*conn.execute(select(mutes)).all()}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_of_the_same_news_leaves_the_same_also_when_it_comes_twice(store, data):
    told = data.draw(st.permutations(NEWS))
    again = data.draw(st.lists(st.sampled_from(NEWS), max_size=4))
    left, muted = left_of(store, [*told, *again])
    assert (left, muted) == left_of(store, NEWS)
    assert len(left) == 3 + 1 + 2 + 2
    assert len(muted) == 2


def withheld(result):
    return [(each.event_id, each.purpose, each.because) for each in result.withheld]


def test_with_the_permission_to_profile_everything_is_kept_for_that(store, keep):
    choose(store, PROFILING, Status.CONSENT_GIVEN)
    result, (row,) = keep(an_event(channel=Channel.APP, is_gift=True, quantity=2, value_minor=500))
    assert (result.n_stored, result.n_duplicates, result.n_by_purpose) == (1, 0, {PROFILING: 1})
    assert (row.purpose, row.kind, row.channel) == (Purpose.PROFILING, Kind.VIEW, Channel.APP)
    assert (row.is_gift, row.quantity, row.value_minor) == (True, 2, 500)
    assert row.customer_no is not None
    assert row.session_key == store.subjects.session("visit")


@pytest.mark.parametrize("kind", [Kind.PURCHASE, Kind.RETURN])
def test_without_permission_an_order_is_a_fact_of_the_contract_that_leads_to_no_visit(store, keep, kind):
    result, (row,) = keep(an_event(kind=kind))
    assert result.n_by_purpose == {KEY_OF[Purpose.ESSENTIAL_SERVICE]: 1}
    assert (row.purpose, row.session_key) == (Purpose.ESSENTIAL_SERVICE, None)
    assert row.customer_no is not None


def test_without_permission_to_profile_a_visit_that_may_be_remembered_is_kept_under_nobodys_name(store, keep):
    choose(store, STORAGE, Status.CONSENT_GIVEN)
    result, (row,) = keep(an_event())
    assert result.n_by_purpose == {LIMITED: 1}
    assert (row.customer_no, row.purpose) == (None, Purpose.LIMITED_CONTENT)
    assert row.session_key == store.subjects.session("visit")
    with reading(store.engine) as conn:
        assert all_customer_ids(conn) == []


def test_what_has_no_purpose_left_is_not_stored_anywhere_and_said_to_be_withheld(store, keep):
    result, rows = keep(an_event(), an_event(event_id="e2", session_id=None))
    assert rows == []
    assert result.n_stored == 0
    assert withheld(result) == [("e1", STORAGE, "PENDING"), ("e2", PROFILING, "PENDING")]
    with reading(store.engine) as conn:
        assert all_customer_ids(conn) == []


def test_an_objection_ends_what_is_on_by_default_too(store, keep):
    choose(store, STORAGE, Status.CONSENT_GIVEN)
    choose(store, LIMITED, Status.OBJECTION_RAISED)
    result, rows = keep(an_event())
    assert rows == []
    assert withheld(result) == [("e1", LIMITED, "OBJECTED")]


def test_a_visit_of_nobody_goes_by_its_own_choices(store, keep):
    choose(store, STORAGE, Status.CONSENT_GIVEN, session="visit")
    result, (row,) = keep(
        an_event(customer_id=None, kind=Kind.PURCHASE),
        an_event(customer_id=None, session_id="other", event_id="e2"),
    )
    assert (row.customer_no, row.session_key) == (None, store.subjects.session("visit"))
    assert row.purpose == Purpose.LIMITED_CONTENT
    assert withheld(result) == [("e2", STORAGE, "PENDING")]


def test_a_withdrawal_holds_for_what_happened_before_it_and_arrives_after_it(store, keep):
    choose(store, PROFILING, Status.CONSENT_GIVEN, at_ms=NOW_MS - 9 * DAY_MS)
    choose(store, PROFILING, Status.CONSENT_WITHDRAWN, at_ms=NOW_MS - 500)
    result, rows = keep(an_event(session_id=None))
    assert rows == []
    assert withheld(result) == [("e1", PROFILING, "WITHDRAWN")]


def test_a_grant_does_not_reach_back_to_what_happened_before_it(store, keep):
    choose(store, PROFILING, Status.CONSENT_GIVEN, at_ms=NOW_MS - 500)
    result, _ = keep(an_event(session_id=None))
    assert result.withheld


def test_a_grant_reaches_only_the_channels_and_the_data_it_names(store, keep):
    choose(
        store,
        PROFILING,
        Status.CONSENT_GIVEN,
        channels=frozenset({int(Channel.WEB)}),
        categories=frozenset({"user.behavior.browsing_history"}),
    )
    result, rows = keep(
        an_event(session_id=None),
        an_event(session_id=None, event_id="e2", channel=Channel.IN_STORE),
        an_event(session_id=None, event_id="e3", kind=Kind.CART),
    )
    assert len(rows) == 1
    assert [because for _, _, because in withheld(result)] == ["NOT_COVERED_CHANNEL", "NOT_COVERED_CATEGORY"]


def test_who_switched_profiling_off_is_not_written_to_the_profile_nor_to_the_visit(store, keep):
    for purpose in (PROFILING, STORAGE):
        choose(store, purpose, Status.CONSENT_GIVEN)
    with_number = store_customer(store)
    with writing(store.engine) as conn:
        set_preferences(conn, with_number, non_profiled=True)
    result, rows = keep(
        an_event(), an_event(event_id="e2", session_id=None), an_event(event_id="e3", kind=Kind.PURCHASE)
    )
    assert [(row.purpose, row.session_key) for row in rows] == [(Purpose.ESSENTIAL_SERVICE, None)]
    assert withheld(result) == [("e1", STORAGE, NON_PROFILED), ("e2", PROFILING, NON_PROFILED)]


def test_restricted_data_is_not_added_to(store, keep):
    choose(store, PROFILING, Status.CONSENT_GIVEN)
    choose(store, WHOLE_SUBJECT, Status.RESTRICTED)
    result, rows = keep(an_event(session_id=None))
    assert rows == []
    assert withheld(result) == [("e1", PROFILING, "RESTRICTED")]


def test_an_unknown_item_is_bad_and_does_not_spoil_the_others(store, keep):
    choose(store, PROFILING, Status.CONSENT_GIVEN)
    result, rows = keep(
        an_event(), an_event(index=1, event_id="e2", item_id="gone", item_pointer="/events/1/item_id")
    )
    assert len(rows) == 1
    assert result.bad == [BadEvent(1, "/events/1/item_id", "is not in the catalogue")]


def test_sending_a_batch_again_changes_nothing(store, keep):
    choose(store, PROFILING, Status.CONSENT_GIVEN)
    batch = [an_event(), an_event(event_id="e2", item_id="i2"), an_event()]
    first, rows = keep(*batch)
    assert (first.n_stored, first.n_duplicates) == (2, 1)
    again, rows_again = keep(*batch)
    assert (again.n_stored, again.n_duplicates) == (0, 3)
    assert rows_again == rows


def test_an_empty_batch_leaves_nothing(keep):
    result, rows = keep()
    assert (rows, result.n_stored, result.withheld, result.bad) == ([], 0, [], [])


@pytest.mark.parametrize(
    "body",
    [
        {
            "events": [
                {"event_id": "n", "customer_id": "anna", "item_id": "i1", "kind": "view", "at_ms": NOW_MS}
            ]
        },
        {
            "user_id": "anna",
            "timestamp_micros": NOW_MS * 1000,
            "events": [{"name": "view_item", "params": {"items": [{"item_id": "i1"}, {"item_id": "i2"}]}}],
        },
        {
            "type": "track",
            "event": "Product Added",
            "userId": "anna",
            "messageId": "m",
            "properties": {"product_id": "i1"},
        },
    ],
)
def test_every_shape_is_stored_once_however_often_it_is_sent(store, keep, body):
    choose(store, PROFILING, Status.CONSENT_GIVEN)
    parsed = parse_events(body, None, store.settings, NOW_MS)
    assert not parsed.bad
    first, rows = keep(*parsed.good)
    again, rows_again = keep(*parse_events(body, None, store.settings, NOW_MS).good)
    assert (first.n_stored, again.n_stored) == (len(parsed.good), 0)
    assert rows_again == rows
