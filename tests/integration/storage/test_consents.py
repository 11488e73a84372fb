import threading
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.shops import PROFILED, PROFILING, an_event
from support.stores import NOW_MS, SUBJECTS, counting_statements, store_customer

from api.storage.connection import reading, writing
from api.storage.consents import (
    append_events,
    import_events,
    read_choices,
    read_events,
    read_ledger,
    subjects_with,
)
from engine.vocabulary import Channel
from guardrails.consent.events import RESTRICTIONS, WHOLE_SUBJECT, Parent, Status
from guardrails.consent.ledger import Ledger, replay
from guardrails.consent.permission import GpcStatus
from guardrails.errors import ConsentEventError
from guardrails.request import SubjectKind

ANNA, OTTO = SUBJECTS.account("anna"), SUBJECTS.account("otto")
ACCOUNT = SubjectKind.ACCOUNT
ids = count()

choices = st.builds(
    lambda purpose, status, **said: an_event(purpose, status, record_id=f"r{next(ids)}", **said),
    st.sampled_from([PROFILING, PROFILED, "sensitive.alcohol"]),
    st.sampled_from(sorted(set(Status) - RESTRICTIONS)),
    at_ms=st.integers(0, 3),
    valid_until_ms=st.none() | st.integers(5, 6),
    channels=st.none() | st.frozensets(st.sampled_from([int(each) for each in Channel]), min_size=1),
    data_categories=st.none() | st.frozensets(st.sampled_from(["a", "b"]), min_size=1),
    explicit=st.booleans(),
    confirmed_override=st.booleans(),
    notice_version=st.none() | st.just("1"),
)
restrictions = st.builds(
    lambda status, at_ms: an_event(WHOLE_SUBJECT, status, record_id=f"r{next(ids)}", at_ms=at_ms),
    st.sampled_from(sorted(RESTRICTIONS)),
    st.integers(0, 3),
)
histories = st.lists(choices | restrictions, max_size=8)
few = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


def cut(events, at):
    return events[: len(events) * at // 4], events[len(events) * at // 4 :]


@few
@given(events=histories, repeated=st.integers(0, 4), at=st.integers(0, 4), shuffled=st.randoms())
def test_the_projection_is_what_replaying_every_event_gives(store, events, repeated, at, shuffled):
    subject_key = SUBJECTS.account(f"customer {next(ids)}")
    sent = [*events, *events[:repeated]]
    shuffled.shuffle(sent)
    for part in cut(sent, at):
        with writing(store.engine) as conn:
            append_events(conn, subject_key, ACCOUNT, part, NOW_MS)
    with reading(store.engine) as conn:
        assert read_ledger(conn, subject_key) == replay(events)
        assert set(read_events(conn, subject_key)) == set(events)


@few
@given(of_anna=histories, of_otto=histories, at=st.integers(0, 4))
def test_importing_in_bulk_gives_the_same_as_storing_one_by_one(store, of_anna, of_otto, at):
    anna, otto = (SUBJECTS.account(f"customer {next(ids)}") for _ in range(2))
    everything = [(anna, ACCOUNT, each) for each in of_anna] + [(otto, ACCOUNT, each) for each in of_otto]
    first, _ = cut(everything, at)
    with writing(store.engine) as conn:
        assert import_events(conn, first, NOW_MS) == len(first)
        assert import_events(conn, everything, NOW_MS) == len(everything) - len(first)
        assert import_events(conn, everything, NOW_MS) == 0
    with reading(store.engine) as conn:
        assert read_ledger(conn, anna) == replay(of_anna)
        assert read_ledger(conn, otto) == replay(of_otto)
        assert read_events(conn, anna) == of_anna


def test_every_field_of_an_event_is_read_as_it_was_stored(store):
    event = an_event(
        PROFILING,
        valid_until_ms=NOW_MS,
        channels=frozenset({1, 3}),
        data_categories=frozenset({"user.behavior.browsing_history"}),
        notice_id="n1",
        confirmed_override=True,
        notice_sha256="0" * 64,
        language="da",
        jurisdiction="DK#0",
        served_id="s1",
        signal_sha256="1" * 64,
        gpc=GpcStatus.OVERRIDDEN,
        parent=Parent("mother", "card", 5),
        item_categories=frozenset({"Food > Tea"}),
    )
    with writing(store.engine) as conn:
        assert append_events(conn, ANNA, ACCOUNT, [event], NOW_MS) == [event.record_id]
        assert read_events(conn, ANNA) == [event]


def append(conn, subject_key, event):
    append_events(conn, subject_key, ACCOUNT, [event], NOW_MS)


def bring_in(conn, subject_key, event):
    import_events(conn, [(subject_key, ACCOUNT, event)], NOW_MS)


@pytest.mark.parametrize("store_again", [append, bring_in])
@pytest.mark.parametrize(
    ("subject_key", "changes"), [(OTTO, {}), (ANNA, {"status": Status.CONSENT_WITHDRAWN})]
)
def test_a_record_id_that_is_taken_by_another_event_is_refused(store, subject_key, changes, store_again):
    event = an_event(PROFILING)
    with writing(store.engine) as conn:
        append_events(conn, ANNA, ACCOUNT, [event], NOW_MS)
    other = replace(event, **changes)
    with pytest.raises(ConsentEventError), writing(store.engine) as conn:
        store_again(conn, subject_key, other)
    with reading(store.engine) as conn:
        assert read_ledger(conn, ANNA) == replay([event])
        assert read_ledger(conn, OTTO) == Ledger.empty()


@pytest.mark.parametrize("beside", [(), (OTTO,), (OTTO, bytes(16))])
def test_choices_take_four_queries_at_most_whoever_comes_beside(store, beside):
    store_customer(store, "anna")
    with writing(store.engine) as conn:
        append_events(conn, ANNA, ACCOUNT, [an_event(PROFILING), an_event(PROFILED)], NOW_MS)
    with reading(store.engine) as conn, counting_statements(store.engine) as sent:
        read_choices(conn, ANNA, beside)
    assert len(sent) <= 4


def test_a_withdrawal_is_seen_by_the_very_next_reader(store):
    for number in range(20):
        status = Status.CONSENT_WITHDRAWN if number % 2 else Status.CONSENT_GIVEN
        event = an_event(PROFILING, status, record_id=f"r{number}", at_ms=number)
        with writing(store.engine) as conn:
            append_events(conn, ANNA, ACCOUNT, [event], NOW_MS)
        with reading(store.engine) as conn:
            assert read_choices(conn, ANNA)[0].ledger.get(PROFILING).status is status


def test_choices_made_at_once_all_count(store):
    """Appended from four threads while a fifth imports; every order must give the same ledger."""
    start = threading.Barrier(5)

    def event(thread, number):
        status = Status.CONSENT_WITHDRAWN if number % 2 else Status.CONSENT_GIVEN
        return an_event(PROFILING, status, record_id=f"{thread}-{number}", at_ms=number * 5 + thread)

    def choose(way, thread):
        start.wait()
        for number in range(10):
            with writing(store.engine) as conn:
                way(conn, ANNA, event(thread, number))

    threads = [threading.Thread(target=choose, args=(append, number)) for number in range(4)]
    threads.append(threading.Thread(target=choose, args=(bring_in, 4)))
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with reading(store.engine) as conn:
        events = read_events(conn, ANNA)
        assert len(events) == 50
        assert read_ledger(conn, ANNA) == replay(events)


def test_training_finds_the_customers_who_gave_consent_by_then(store):
    numbers = {name: store_customer(store, name) for name in ("given", "withdrawn", "later", "other", "none")}
    events = {
        "given": [an_event(PROFILING, at_ms=5), an_event(WHOLE_SUBJECT, Status.RESTRICTED)],
        "withdrawn": [an_event(PROFILING, Status.CONSENT_WITHDRAWN, at_ms=5)],
        "later": [an_event(PROFILING, at_ms=11)],
        "other": [an_event(PROFILED, at_ms=5)],
        "unheard of": [an_event(PROFILING, at_ms=5)],
    }
    with writing(store.engine) as conn:
        for name, said in events.items():
            told_apart = [replace(each, record_id=f"{name} {each.record_id}") for each in said]
            append_events(conn, SUBJECTS.account(name), ACCOUNT, told_apart, NOW_MS)
    with reading(store.engine) as conn:
        found = subjects_with(conn, PROFILING, 10)
        assert list(found) == [numbers["given"]]
        assert found[numbers["given"]] == read_ledger(conn, SUBJECTS.account("given"))
