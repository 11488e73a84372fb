"""What every store promises, whichever database it stands on."""

from dataclasses import replace

import numpy as np
import orjson
import pytest
from sqlalchemy import func, select, text, update
from support.shops import an_event, each_shown
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

from api.errors import StoreRefusedError
from api.storage.api_keys import Role, create_key, find_key, list_keys, revoke
from api.storage.connection import reading, writing
from api.storage.consents import append_events, read_choices, read_ledger
from api.storage.customers import (
    add_mute,
    all_customer_ids,
    customer_numbers,
    find_customer,
    set_mutes,
    set_preferences,
)
from api.storage.decisions import (
    append_decisions,
    decision_subject,
    entry_at,
    has_body,
    index_of,
    read_decision,
    search_decisions,
)
from api.storage.devices import is_shared, seen_on_device
from api.storage.exposures import Shown, exposures_of_each, insert_exposures, read_exposure
from api.storage.feedback import FeedbackKind, add_feedback
from api.storage.interactions import histories, read_for_training, read_history, session
from api.storage.items import Counts, ItemRow, item_numbers, load_catalogue, read_item, upsert_items
from api.storage.keyring import KeyName
from api.storage.log import read_entry
from api.storage.notices import (
    NoticeServed,
    add_served,
    consent_in_force,
    get_notice,
    list_notices,
    put_notice,
)
from api.storage.suppressions import suppress
from api.storage.tables import decision_bodies, decision_kinds, decision_terms, feedback, notices_served
from api.storage.versions import (
    ModelRow,
    activate,
    active,
    get_model,
    get_policy,
    list_models,
    put_model,
    put_policy,
    read_policy_version,
)
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Intent, Kind
from guardrails.consent.ledger import Ledger
from guardrails.consent.notices import Notice
from guardrails.consent.purposes import Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.errors import ConsentEventError, RecordError, SensitiveMarkError
from guardrails.exposures import Exposure
from guardrails.log.sealing import digest, header_of
from guardrails.policy.language import Policy
from guardrails.request import AgeAssurance, Choices, Mute, MuteScope, SubjectKind
from guardrails.sensitive.classes import CLASS_NAMES

ANNA, VISIT = SUBJECTS.account("anna"), SUBJECTS.session("visit")
HEADER = b'{"id":"d1","v":2}'


@pytest.fixture
def writer(store):
    with writing(store.engine) as conn:
        yield conn


def catalogue_of(store):
    with reading(store.engine) as conn:
        return load_catalogue(conn)


def write_and_fail(store):
    with writing(store.engine) as conn:
        append_decisions(conn, store.keyring, [a_decision()])
        append_events(conn, ANNA, SubjectKind.ACCOUNT, [an_event("third_party_sharing")], NOW_MS)
        raise ZeroDivisionError


class TestTransactions:
    def test_what_fails_half_way_leaves_nothing(self, store):
        with pytest.raises(ZeroDivisionError):
            write_and_fail(store)
        with reading(store.engine) as conn:
            assert read_decision(conn, store.keyring, "decision-1") is None
            assert read_ledger(conn, ANNA) == Ledger.empty()

    def test_a_reader_sees_one_state_from_first_to_last_query(self, store):
        with reading(store.engine) as conn:
            before = item_numbers(conn)
            store_items(store, "lamp")
            assert item_numbers(conn) == before
        with reading(store.engine) as conn:
            assert "lamp" in item_numbers(conn)


class TestItems:
    def test_new_changed_and_unchanged_items_are_told_apart(self, writer):
        lamp, milk = ItemRow("lamp", "Lamp"), ItemRow("milk", "Milk", price_minor=100, currency="EUR")
        assert upsert_items(writer, [lamp, milk], NOW_MS) == Counts(inserted=2)
        dearer = replace(milk, price_minor=120)
        assert upsert_items(writer, [lamp, dearer], NOW_MS + 1) == Counts(changed=1, unchanged=1)
        assert read_item(writer, "milk").row == dearer
        assert read_item(writer, "milk").updated_at_ms == NOW_MS + 1
        assert read_item(writer, "lamp").updated_at_ms == NOW_MS

    def test_of_rows_with_the_same_id_the_last_one_counts(self, writer):
        assert upsert_items(writer, [ItemRow("a", "Old"), ItemRow("a", "New")], NOW_MS) == Counts(inserted=1)
        assert read_item(writer, "a").row.title == "New"

    def test_a_changed_item_keeps_its_number(self, writer):
        upsert_items(writer, [ItemRow("a", "Old")], NOW_MS)
        before = item_numbers(writer)
        upsert_items(writer, [ItemRow("a", "New"), ItemRow("b", "Other")], NOW_MS)
        assert item_numbers(writer)["a"] == before["a"]

    def test_the_catalogue_counts_up_only_when_something_changed(self, writer):
        assert "catalogue" not in active(writer)
        upsert_items(writer, [ItemRow("a", "A")], NOW_MS)
        assert active(writer)["catalogue"] == "1"
        upsert_items(writer, [ItemRow("a", "A")], NOW_MS)
        assert active(writer)["catalogue"] == "1"
        upsert_items(writer, [ItemRow("a", "B")], NOW_MS)
        assert active(writer)["catalogue"] == "2"

    def test_an_item_is_classified_when_it_is_stored(self, writer):
        marked = ItemRow("wine", "A bottle", shop_class="alcohol")
        upsert_items(writer, [marked, ItemRow("lamp", "Lamp")], NOW_MS)
        wine, lamp = read_item(writer, "wine"), read_item(writer, "lamp")
        assert (wine.sensitive_class, wine.tier, wine.age_restricted) == ("alcohol", 2, True)
        assert wine.deciding_layer == "shop"
        assert (lamp.sensitive_class, lamp.tier, lamp.age_restricted) == (None, 0, False)

    def test_an_item_with_a_mark_that_does_not_exist_is_refused(self, writer):
        with pytest.raises(SensitiveMarkError):
            upsert_items(writer, [ItemRow("a", "A", shop_class="nonsense")], NOW_MS)

    def test_an_unknown_item_is_none(self, writer):
        assert read_item(writer, "a") is None


class TestCatalogue:
    def test_rows_are_in_the_order_of_code_points_whatever_the_database_collates(self, writer):
        ids = ["b", "B", "a", "ä", "Z", "10", "9", "\U0001f600", "\ufb01"]
        upsert_items(writer, [ItemRow(each, "T") for each in ids], NOW_MS)
        catalogue = load_catalogue(writer)
        assert catalogue.item_ids == tuple(sorted(ids))
        assert [catalogue.item_ids[row] for row in catalogue.idx_of_no(catalogue.item_no)] == sorted(ids)
        assert dict(zip(catalogue.item_ids, catalogue.item_no.tolist(), strict=True)) == item_numbers(writer)

    def test_every_column_says_what_was_stored(self, writer):
        wine = ItemRow("w", "Wine", "Drink > Wine", "Umbrella", 900, "EUR", shop_class="alcohol")
        rows = [wine, ItemRow("a", "Apple", available=False), ItemRow("c", "Cup", "Home", "Acme", 5, "USD")]
        upsert_items(writer, [*rows, ItemRow("d", "Dish", "Home", "Acme", 7, "EUR")], NOW_MS)
        catalogue = load_catalogue(writer)
        assert catalogue.item_ids == ("a", "c", "d", "w")
        assert catalogue.titles == ("Apple", "Cup", "Dish", "Wine")
        assert catalogue.categories == ("Drink > Wine", "Home")
        assert catalogue.category.tolist() == [-1, 1, 1, 0]
        assert catalogue.brands == ("Acme", "Umbrella")
        assert catalogue.brand.tolist() == [-1, 0, 0, 1]
        assert catalogue.currency == "EUR"
        assert catalogue.price_minor.tolist() == [-1, -1, 7, 900]  # dollars say nothing among euros
        assert catalogue.available.tolist() == [False, True, True, True]
        assert catalogue.tier.tolist() == [0, 0, 0, 2]
        assert catalogue.sensitive_class.tolist() == [-1, -1, -1, CLASS_NAMES.index("alcohol")]
        assert catalogue.sensitive_classes == CLASS_NAMES
        assert catalogue.age_restricted.tolist() == [False, False, False, True]

    def test_an_empty_store_is_an_empty_catalogue(self, writer):
        catalogue = load_catalogue(writer)
        assert catalogue.n_items == 0
        assert catalogue.idx_of_no(np.array([1], np.int64)).tolist() == [-1]

    def test_what_the_law_raises_counts_as_sensitive_and_is_another_version(self, writer):
        tonic = ItemRow("tonic", "Tonic", shop_class="health", shop_tier=1)
        upsert_items(writer, [tonic, ItemRow("lamp", "Lamp"), ItemRow("wine", "Red wine")], NOW_MS)
        usual, raised = load_catalogue(writer), load_catalogue(writer, {"health", "alcohol"})
        assert (usual.tier.tolist(), raised.tier.tolist()) == ([0, 1, 2], [0, 2, 2])
        assert usual.version != raised.version

    def test_the_version_is_that_of_the_content(self, writer):
        upsert_items(writer, [ItemRow("a", "A"), ItemRow("b", "B")], NOW_MS)
        before = load_catalogue(writer).version
        assert load_catalogue(writer).version == before
        upsert_items(writer, [ItemRow("a", "A", available=False)], NOW_MS)
        assert load_catalogue(writer).version != before
        upsert_items(writer, [ItemRow("a", "A")], NOW_MS + 1)
        assert load_catalogue(writer).version == before


class TestCustomers:
    def test_a_customer_keeps_the_number_that_was_given_first(self, writer):
        first = customer_numbers(writer, ["b", "a", "b"], SUBJECTS, NOW_MS)
        again = customer_numbers(writer, ["a", "b", "c"], SUBJECTS, NOW_MS + 1)
        assert again["a"] == first["a"]
        assert again["b"] == first["b"]
        assert len(set(again.values())) == 3
        assert sorted(all_customer_ids(writer)) == ["a", "b", "c"]

    def test_thousands_of_customers_can_be_asked_for_at_once(self, writer):
        ids = [str(number) for number in range(2500)]
        assert len(set(customer_numbers(writer, ids, SUBJECTS, NOW_MS).values())) == 2500
        assert customer_numbers(writer, [], SUBJECTS, NOW_MS) == {}

    def test_a_customer_is_found_by_pseudonym(self, writer):
        numbers = customer_numbers(writer, ["anna"], SUBJECTS, NOW_MS)
        found = find_customer(writer, ANNA)
        assert (found.customer_no, found.customer_id, found.created_at_ms) == (
            numbers["anna"],
            "anna",
            NOW_MS,
        )
        assert find_customer(writer, VISIT) is None

    def test_preferences_and_mutes_are_choices(self, writer):
        customer_no = customer_numbers(writer, ["anna"], SUBJECTS, NOW_MS)["anna"]
        assert read_choices(writer, ANNA) == (Choices(Ledger.empty()), customer_no)
        set_preferences(writer, customer_no, age_assurance=AgeAssurance.MINOR, non_profiled=True)
        set_preferences(writer, customer_no, shared_device=True)
        set_preferences(writer, customer_no)
        mute = Mute(MuteScope.BRAND, "Acme", None)
        add_mute(writer, ANNA, Mute(MuteScope.BRAND, "Acme", NOW_MS), NOW_MS)
        add_mute(writer, ANNA, mute, NOW_MS + 1)
        expected = Choices(Ledger.empty(), (mute,), AgeAssurance.MINOR, non_profiled=True, shared_device=True)
        assert read_choices(writer, ANNA) == (expected, customer_no)
        set_mutes(writer, ANNA, [Mute(MuteScope.ITEM, "lamp", 5)], NOW_MS)
        assert read_choices(writer, ANNA)[0].mutes == (Mute(MuteScope.ITEM, "lamp", 5),)

    def test_a_visit_has_choices_but_no_number(self, writer):
        add_mute(writer, VISIT, Mute(MuteScope.ITEM, "lamp", None), NOW_MS)
        choices, customer_no = read_choices(writer, VISIT)
        assert customer_no is None
        assert choices.mutes == (Mute(MuteScope.ITEM, "lamp", None),)

    def test_the_number_of_a_forgotten_customer_is_never_given_out_again(self, writer):
        gone = customer_numbers(writer, ["gone"], SUBJECTS, NOW_MS)["gone"]
        writer.execute(text("DELETE FROM customers"))
        assert customer_numbers(writer, ["new"], SUBJECTS, NOW_MS)["new"] != gone


class TestInteractions:
    def test_an_event_is_stored_once(self, store):
        item_no = store_items(store, "lamp")["lamp"]
        customer_no = store_customer(store)
        first = an_interaction(store, item_no, event_id="e1", customer_no=customer_no)
        changed = an_interaction(store, item_no, event_id="e1", customer_no=customer_no, kind=Kind.VIEW)
        other = an_interaction(store, item_no, event_id="e2", customer_no=customer_no)
        assert store_interactions(store, [first]) == 1
        assert store_interactions(store, [first, changed, other, other]) == 1
        assert store_interactions(store, []) == 0
        with reading(store.engine) as conn:
            kept = read_history(conn, customer_no, 0, load_catalogue(conn))
        assert kept.kind.tolist() == [Kind.PURCHASE, Kind.PURCHASE]

    def test_an_interaction_with_an_item_that_is_not_there_is_refused_whole(self, store):
        numbers = store_items(store, "lamp")
        good = an_interaction(store, numbers["lamp"], customer_no=store_customer(store))
        with pytest.raises(StoreRefusedError):
            store_interactions(store, [good, an_interaction(store, 10_000)])
        with reading(store.engine) as conn:
            assert conn.execute(text("SELECT count(*) FROM interactions")).scalar() == 0

    def test_a_history_says_everything_that_was_stored_oldest_first(self, store):
        numbers = store_items(store, "lamp", "milk")
        customer_no, somebody = store_customer(store), store_customer(store, "otto")
        rows = [
            an_interaction(
                store,
                numbers["milk"],
                customer_no=customer_no,
                kind=Kind.VIEW,
                at_ms=20,
                channel=Channel.APP,
                purpose=Purpose.ESSENTIAL_SERVICE,
                is_gift=True,
            ),
            an_interaction(store, numbers["lamp"], customer_no=customer_no, at_ms=10),
            an_interaction(store, numbers["lamp"], customer_no=customer_no, at_ms=9),
            an_interaction(store, numbers["lamp"], customer_no=somebody, at_ms=15),
            an_interaction(store, numbers["lamp"], session_key=VISIT, at_ms=15),
        ]
        assert store_interactions(store, rows) == 5
        catalogue = catalogue_of(store)
        with reading(store.engine) as conn:
            history = read_history(conn, customer_no, 10, catalogue)
        assert history.item_idx.tolist() == [catalogue.idx_of_id["lamp"], catalogue.idx_of_id["milk"]]
        assert history.kind.tolist() == [Kind.PURCHASE, Kind.VIEW]
        assert history.at_ms.tolist() == [10, 20]
        assert history.channel.tolist() == [Channel.WEB, Channel.APP]
        assert history.purpose.tolist() == [Purpose.PROFILING, Purpose.ESSENTIAL_SERVICE]
        assert history.is_gift.tolist() == [False, True]
        assert history.customer_idx.tolist() == [0, 0]
        types = ("int32", "int32", "int8", "int64", "int8", "int8", "bool", "int8")
        assert tuple(str(column.dtype) for column in vars(history).values()) == types

    def test_histories_read_together_are_those_read_one_by_one(self, store):
        numbers = store_items(store, "lamp", "milk", "soap")
        people = [store_customer(store, name) for name in ("anna", "otto", "nobody", "late")]
        rows = [
            an_interaction(store, numbers[item], customer_no=people[who], at_ms=at_ms)
            for who, item, at_ms in (
                (0, "milk", 20),
                (1, "lamp", 8),
                (0, "lamp", 10),
                (1, "soap", 30),
                (0, "soap", 20),
                (3, "lamp", 5),
            )
        ]
        store_interactions(store, rows)
        catalogue, since_ms = catalogue_of(store), dict(zip(people, (10, 0, 0, 6), strict=True))
        with reading(store.engine) as conn:
            together = histories(since_ms, catalogue).read(conn)
            alone = {each: read_history(conn, each, since_ms[each], catalogue) for each in people}
            assert histories({}, catalogue).read(conn) == {}
        assert [len(together[each]) for each in people] == [3, 2, 0, 0]
        for each in people:
            for name, column in vars(alone[each]).items():
                other = getattr(together[each], name)
                assert (other.tolist(), other.dtype) == (column.tolist(), column.dtype)

    def test_a_visit_says_only_what_happened_in_it(self, store):
        numbers = store_items(store, "lamp", "milk")
        rows = [
            an_interaction(store, numbers["milk"], session_key=VISIT, at_ms=20),
            an_interaction(store, numbers["lamp"], session_key=VISIT, at_ms=9),
            an_interaction(store, numbers["lamp"], session_key=ANNA, at_ms=20),
        ]
        store_interactions(store, rows)
        catalogue = catalogue_of(store)
        with reading(store.engine) as conn:
            visit = session(VISIT, 10, catalogue).read(conn)
        assert visit.item_idx.tolist() == [catalogue.idx_of_id["milk"]]

    def test_items_that_a_catalogue_does_not_hold_are_left_out(self, store):
        lamp = store_items(store, "lamp")["lamp"]
        before = catalogue_of(store)
        milk = store_items(store, "milk")["milk"]
        customer_no = store_customer(store)
        store_interactions(
            store, [an_interaction(store, each, customer_no=customer_no) for each in (lamp, milk)]
        )
        with reading(store.engine) as conn:
            assert len(read_history(conn, customer_no, 0, before)) == 1

    def test_training_reads_admitted_customers_and_what_was_collected_for_it(self, store):
        lamp = store_items(store, "lamp")["lamp"]
        anna, otto, kim = (store_customer(store, name) for name in ("anna", "otto", "kim"))
        rows = [
            an_interaction(store, lamp, customer_no=otto, at_ms=2),
            an_interaction(store, lamp, customer_no=otto, at_ms=1),
            an_interaction(store, lamp, customer_no=anna, at_ms=3),
            an_interaction(store, lamp, customer_no=anna, purpose=Purpose.ESSENTIAL_SERVICE),
            an_interaction(store, lamp, customer_no=kim),
            an_interaction(store, lamp, session_key=VISIT),
        ]
        store_interactions(store, rows)
        silent = store_customer(store, "silent")
        with reading(store.engine) as conn:
            found, n_customers = read_for_training(conn, load_catalogue(conn), [otto, silent, anna])
            nobody, n_nobody = read_for_training(conn, load_catalogue(conn), [])
        assert n_customers == 3
        assert found.customer_idx.tolist() == [0, 1, 1]
        assert found.at_ms.tolist() == [3, 1, 2]
        assert (len(nobody), n_nobody) == (0, 0)


class TestExposures:
    def test_what_was_shown_is_read_as_it_was(self, store):
        numbers = store_items(store, "lamp", "milk")
        customer_no = store_customer(store)
        shown = an_exposure(
            numbers["lamp"],
            customer_no=customer_no,
            session_key=VISIT,
            interruptive=True,
            outbound=True,
            suggestions=((numbers["milk"], Intent.UPSELL), (numbers["lamp"], Intent.SIMILAR)),
        )
        with writing(store.engine) as conn:
            insert_exposures(conn, [("d1", shown)])
            add_feedback(conn, "d1", numbers["milk"], FeedbackKind.CLICKED, NOW_MS)
            add_feedback(conn, "d1", numbers["lamp"], FeedbackKind.IRRELEVANT, NOW_MS)
            catalogue = load_catalogue(conn)
            wanted = Shown(shown.at_ms, customer_no, session_key=VISIT, visit=VISIT)
            ((read, n_reads),) = exposures_of_each([wanted], catalogue).read(conn)
            assert read_exposure(conn, "d1") == shown
            assert read_exposure(conn, "d2") is None
        lamp = Exposure(
            item_idx=catalogue.idx_of_id["lamp"],
            at_ms=shown.at_ms,
            intent=Intent.SIMILAR,
            same_session=True,
            acted_on=False,
            decision=0,
            interruptive=True,
            outbound=True,
            dismissed=True,
        )
        milk = replace(
            lamp,
            item_idx=catalogue.idx_of_id["milk"],
            intent=Intent.UPSELL,
            acted_on=True,
            dismissed=False,
        )
        assert each_shown(read) == [milk, lamp]
        assert n_reads == 2

    @pytest.mark.parametrize("kind", list(FeedbackKind))
    def test_what_was_said_tells_what_was_waved_off_and_what_was_not_ignored(self, store, kind):
        numbers, customer_no = store_items(store, "lamp"), store_customer(store)
        with writing(store.engine) as conn:
            insert_exposures(conn, [("d1", an_exposure(numbers["lamp"], customer_no=customer_no))])
            add_feedback(conn, "d1", numbers["lamp"], kind, NOW_MS)
            ((shown, _),) = exposures_of_each([Shown(0, customer_no)], load_catalogue(conn)).read(conn)
        (read,) = each_shown(shown)
        waved_off = {"too_personal", "irrelevant", "not_interested", "dismissed"}
        assert read.dismissed is (kind.value in waved_off)
        assert read.acted_on is (kind.value in {"clicked", "added_to_cart", "purchased"})

    def test_slates_are_told_apart_and_come_oldest_first(self, store):
        numbers = store_items(store, "lamp", "milk")
        customer_no = store_customer(store)
        shown = {
            "late": an_exposure(numbers["lamp"], customer_no=customer_no, at_ms=30),
            "visit": an_exposure(numbers["milk"], session_key=VISIT, at_ms=20),
            "early": an_exposure(numbers["lamp"], customer_no=customer_no, at_ms=10),
            "too early": an_exposure(numbers["lamp"], customer_no=customer_no, at_ms=9),
            "somebody": an_exposure(numbers["lamp"], session_key=ANNA, at_ms=20),
        }
        with writing(store.engine) as conn:
            insert_exposures(conn, list(shown.items()))
            wanted = Shown(10, customer_no, session_key=VISIT, visit=VISIT)
            ((read, _),) = exposures_of_each([wanted], load_catalogue(conn)).read(conn)
        assert [(each.at_ms, each.decision, each.same_session) for each in each_shown(read)] == [
            (10, 0, False),
            (20, 1, True),
            (30, 2, False),
        ]


class TestFeedback:
    def test_what_is_said_twice_is_stored_once(self, store):
        lamp = store_items(store, "lamp")["lamp"]
        with writing(store.engine) as conn:
            assert add_feedback(conn, "d1", lamp, FeedbackKind.HELPFUL, NOW_MS)
            assert not add_feedback(conn, "d1", lamp, FeedbackKind.HELPFUL, NOW_MS + 1)
            assert add_feedback(conn, "d1", lamp, FeedbackKind.CLICKED, NOW_MS + 2)
            rows = conn.execute(select(feedback).order_by(feedback.c.at_ms)).all()
        assert rows == [("d1", lamp, "helpful", NOW_MS), ("d1", lamp, "clicked", NOW_MS + 2)]


def sealed_body(conn, log_index):
    query = select(decision_bodies.c.sealed).where(decision_bodies.c.log_index == log_index)
    return bytes(conn.scalar(query))


class TestDecisions:
    def test_what_was_shown_in_an_erased_visit_is_remembered_for_the_account_alone(self, store):
        customer_no = store_customer(store, "anna")
        lamp = store_items(store, "lamp")["lamp"]
        both = an_exposure(lamp, customer_no=customer_no, session_key=VISIT)
        visit_only = replace(both, customer_no=None)
        key = SUBJECTS.suppression(VISIT)
        with writing(store.engine) as conn:
            suppress(conn, key, NOW_MS)
            append_decisions(
                conn,
                store.keyring,
                [
                    replace(a_decision("d1", exposure=both), visit_suppression_key=key),
                    replace(a_decision("d2", exposure=visit_only), visit_suppression_key=key),
                ],
            )
            assert read_exposure(conn, "d1") == replace(both, session_key=None)
            assert read_exposure(conn, "d2") is None

    @pytest.mark.parametrize("subject_key", [ANNA, None])
    def test_a_decision_is_read_byte_for_byte(self, writer, store, subject_key):
        everything = bytes(range(256)) * 3
        decision = a_decision("d1", header=HEADER, body=everything, subject_key=subject_key, model="m1")
        grown = append_decisions(writer, store.keyring, [a_decision("d0"), decision])
        found = read_decision(writer, store.keyring, "d1")
        assert (found.log_index, found.body) == (grown.first_index + 1, everything)
        assert (found.minute, found.policy, found.model) == (decision.minute, decision.policy, "m1")
        assert header_of(found.entry) == HEADER
        assert orjson.loads(found.entry)["ct"] == digest(sealed_body(writer, found.log_index))
        assert index_of(writer, "d1") == found.log_index
        assert entry_at(writer, "d1") == found.entry == read_entry(writer, found.log_index)
        assert decision_subject(writer, "d1") == subject_key
        assert has_body(writer, "d1")

    def test_of_a_decision_that_was_never_made_nothing_is_found(self, writer, store):
        append_decisions(writer, store.keyring, [a_decision("d1", subject_key=ANNA)])
        assert read_decision(writer, store.keyring, "d2") is None
        assert index_of(writer, "d2") is entry_at(writer, "d2") is decision_subject(writer, "d2") is None
        assert not has_body(writer, "d2")

    def test_a_decision_without_a_model_has_none(self, writer, store):
        append_decisions(writer, store.keyring, [a_decision("d1")])
        assert read_decision(writer, store.keyring, "d1").model is None
        assert search_decisions(writer, limit=1)[0].model is None

    def test_what_is_stored_of_a_body_reads_as_noise(self, writer, store):
        body = b"the milk that anna bought " * 100
        append_decisions(writer, store.keyring, [a_decision("d1", body=body, subject_key=ANNA)])
        sealed = sealed_body(writer, index_of(writer, "d1"))
        assert b"milk" not in sealed
        assert len(sealed) >= len(body)

    def test_an_erased_body_leaves_the_entry(self, writer, store):
        append_decisions(writer, store.keyring, [a_decision("d1", subject_key=ANNA)])
        before = read_decision(writer, store.keyring, "d1")
        writer.execute(text("DELETE FROM decision_bodies"))
        assert read_decision(writer, store.keyring, "d1") == before._replace(body=None)
        assert not has_body(writer, "d1")

    def test_a_destroyed_key_takes_the_bodies_of_the_subject_and_no_other(self, writer, store):
        batch = [a_decision("d1", subject_key=ANNA), a_decision("d2", subject_key=VISIT), a_decision("d3")]
        append_decisions(writer, store.keyring, batch)
        before = {each: read_decision(writer, store.keyring, each) for each in ("d1", "d2", "d3")}
        assert store.keyring.destroy([ANNA]) == 1
        after = {each: read_decision(writer, store.keyring, each) for each in ("d1", "d2", "d3")}
        assert after == before | {"d1": before["d1"]._replace(body=None)}

    def test_a_body_that_was_changed_is_an_error(self, writer, store):
        append_decisions(writer, store.keyring, [a_decision("d1"), a_decision("d2")])
        taken = sealed_body(writer, 1)
        of_the_first = decision_bodies.c.log_index == 0
        writer.execute(update(decision_bodies).where(of_the_first).values(sealed=taken))
        with pytest.raises(RecordError, match="does not open with this key and entry"):
            read_decision(writer, store.keyring, "d1")
        assert read_decision(writer, store.keyring, "d2").body is not None

    def test_of_somebody_erased_only_the_entry_is_stored_and_no_key_made(self, writer, store):
        key = SUBJECTS.suppression(ANNA)
        suppress(writer, key, NOW_MS)
        late = a_decision("d1", subject_key=ANNA, suppression_key=key, terms=("rule:G17",))
        append_decisions(writer, store.keyring, [late, a_decision("d2")])
        found = read_decision(writer, store.keyring, "d1")
        assert (header_of(found.entry), found.body) == (late.header, None)
        assert decision_subject(writer, "d1") is None
        assert writer.scalar(select(func.count()).select_from(decision_terms)) == 0
        assert store.keyring.for_opening([KeyName(ANNA, year) for year in range(2020, 2030)]) == {}
        assert read_decision(writer, store.keyring, "d2").body is not None

    def test_what_decisions_have_in_common_is_stored_once(self, writer, store):
        for number in range(3):
            batch = [
                a_decision(f"{number}-{at}", placement=placement)
                for at, placement in enumerate(("home", "cart", "home"))
            ]
            append_decisions(writer, store.keyring, batch)
        kinds = writer.execute(select(decision_kinds.c.placement)).scalars().all()
        assert sorted(kinds) == ["cart", "home"]

    def test_pages_go_through_the_log_newest_first_and_miss_nothing(self, writer, store):
        append_decisions(writer, store.keyring, [a_decision(str(number)) for number in range(7)])
        seen, before_index = [], None
        while page := search_decisions(writer, limit=3, before_index=before_index):
            seen += [row.decision_id for row in page]
            before_index = page[-1].log_index
        assert seen == ["6", "5", "4", "3", "2", "1", "0"]

    @pytest.mark.parametrize(
        ("conditions", "found"),
        [
            ({}, {"a", "b", "c"}),
            ({"placement": "cart"}, {"b"}),
            ({"basis": "profile"}, {"a", "b"}),
            ({"basis": "profile", "placement": "cart"}, {"b"}),
            ({"outcome": "silent"}, {"c"}),
            ({"model": "m1"}, {"a"}),
            ({"policy": "p2"}, {"c"}),
            ({"minute_from": 11}, {"b", "c"}),
            ({"minute_to": 12}, {"a", "b"}),
            ({"minute_from": 11, "minute_to": 12}, {"b"}),
            ({"subject_key": ANNA}, {"a", "c"}),
            ({"subject_key": VISIT}, set()),
        ],
    )
    def test_a_search_finds_what_meets_every_condition(self, writer, store, conditions, found):
        batch = [
            a_decision("a", minute=10, basis="profile", model="m1", subject_key=ANNA),
            a_decision("b", minute=11, basis="profile", placement="cart"),
            a_decision("c", minute=12, outcome="silent", policy="p2", subject_key=ANNA),
        ]
        append_decisions(writer, store.keyring, batch)
        assert {row.decision_id for row in search_decisions(writer, limit=10, **conditions)} == found


class TestKeys:
    def test_a_key_opens_what_its_role_opens_until_it_is_revoked(self, writer):
        key_id, secret = create_key(writer, Role.AUDITOR, "for the audit", NOW_MS)
        key = find_key(writer, secret)
        assert key is not None
        assert (key.key_id, key.role) == (key_id, Role.AUDITOR)
        assert revoke(writer, key_id, NOW_MS + 1)
        assert find_key(writer, secret) is None
        assert not revoke(writer, key_id, NOW_MS + 2)
        assert [(key.key_id, key.role, key.revoked_at_ms) for key in list_keys(writer)] == [
            (key_id, Role.AUDITOR, NOW_MS + 1)
        ]

    def test_a_key_that_was_never_made_opens_nothing(self, writer):
        _, secret = create_key(writer, Role.SITE, "", NOW_MS)
        for guess in ("", secret[:-1], secret.upper(), "é", "\udcff"):
            assert find_key(writer, guess) is None

    def test_a_secret_is_nowhere_in_the_store(self, writer):
        _, secret = create_key(writer, Role.SITE, "", NOW_MS)
        row = writer.execute(text("SELECT * FROM api_keys")).one()
        assert secret not in map(str, row)
        assert secret.encode() not in row


class TestVersions:
    def test_the_last_activation_holds(self, writer):
        assert active(writer) == {}
        activate(writer, "model", "m1", NOW_MS)
        activate(writer, "model", "m2", NOW_MS)
        activate(writer, "policy", "p1", NOW_MS)
        assert active(writer) == {"model": "m2", "policy": "p1"}

    def test_models_are_listed_newest_first(self, writer):
        old, new = ModelRow("m1", "/a", "{}", NOW_MS), ModelRow("m2", "/b", "{}", NOW_MS + 1)
        put_model(writer, old)
        put_model(writer, new)
        moved = replace(old, location="/c")
        put_model(writer, moved)
        assert list_models(writer) == [new, moved]
        assert get_model(writer, "m1") == moved
        assert get_model(writer, "m3") is None

    def test_a_policy_is_kept_under_its_hash(self, writer):
        version = put_policy(writer, Policy(), NOW_MS)
        assert put_policy(writer, Policy(), NOW_MS + 1) == version
        assert read_policy_version(writer, version) == Policy()
        assert get_policy(writer, "another") is None


A_NOTICE = Notice(
    notice_id="n1",
    version="1",
    language="en",
    jurisdiction="DE",
    text="May we?",
    purposes=("personalize.content.profiling", "sensitive.alcohol"),
    material_change=True,
    effective_from_ms=NOW_MS - DAY_MS,
)


class TestNotices:
    def test_a_notice_is_read_as_it_was_stored(self, writer):
        notice = replace(
            A_NOTICE,
            data_categories=("user.behavior.purchase_history",),
            controllers=("A Shop Ltd",),
            recipients=("a parcel service",),
            retention="P1Y",
            withdrawal_url="https://shop.example/privacy",
        )
        assert put_notice(writer, notice, NOW_MS)
        assert get_notice(writer, "n1", "1", "en") == notice == get_notice(writer, "n1", "1")
        assert get_notice(writer, "n1", "2") is None
        assert get_notice(writer, "n1", "1", "de") is None

    def test_what_a_notice_said_is_never_changed(self, writer):
        put_notice(writer, A_NOTICE, NOW_MS)
        assert not put_notice(writer, A_NOTICE, NOW_MS)
        with pytest.raises(ConsentEventError, match="give it a new one"):
            put_notice(writer, replace(A_NOTICE, text="Please may we?"), NOW_MS)
        assert active(writer)["notices"] == "1"

    def test_a_material_change_is_told_to_the_check(self, writer):
        put_notice(writer, A_NOTICE, NOW_MS)
        later = replace(A_NOTICE, version="2", effective_from_ms=NOW_MS, material_change=True)
        put_notice(writer, later, NOW_MS)
        assert consent_in_force(writer, ConsentSettings()).outdated == {"n1": {"1": NOW_MS}}
        assert list_notices(writer) == [A_NOTICE, later]

    def test_what_was_shown_to_whom_is_kept(self, writer):
        served = NoticeServed("s1", b"c" * 16, "n1", "1", "en", "banner", "0" * 64, NOW_MS)
        add_served(writer, served)
        assert [NoticeServed(**row) for row in writer.execute(select(notices_served)).mappings()] == [served]


class TestDevices:
    def test_a_device_is_shared_when_two_use_it_lately(self, writer):
        seen_on_device(writer, b"p" * 16, b"a" * 16, NOW_MS)
        assert not is_shared(writer, b"p" * 16, NOW_MS)
        seen_on_device(writer, b"p" * 16, b"b" * 16, NOW_MS - 40 * DAY_MS)
        assert not is_shared(writer, b"p" * 16, NOW_MS)
        seen_on_device(writer, b"p" * 16, b"b" * 16, NOW_MS)
        assert is_shared(writer, b"p" * 16, NOW_MS)
        assert not is_shared(writer, b"p" * 16, NOW_MS + 31 * DAY_MS)
