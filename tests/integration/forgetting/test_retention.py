"""The purge: each kind of thing is kept as long as it serves, and a second run finds nothing."""

from dataclasses import fields, replace

import orjson
import pytest
from sqlalchemy import func, insert, select
from support.forgetting import counts_of, forgetting, plant, receipt_of, row_counts
from support.in_force import put_in_force, put_unreadable
from support.shops import an_event
from support.stores import (
    NOW_MS,
    Clock,
    a_decision,
    an_exposure,
    an_interaction,
    store_customer,
    store_interactions,
    store_items,
)

from api.forgetting.retention import NO_LIMITS, PROFILES, purge, stores, unseen
from api.forgetting.worker import Cascades
from api.imports.importer import import_file
from api.metrics import Metrics
from api.storage import tables
from api.storage.accounts import IDLE_MS, LONGEST_MS, begin_session, create_account, see, session_account
from api.storage.api_keys import Role
from api.storage.cascades import StepStatus, due_cascades
from api.storage.connection import reading, writing
from api.storage.consents import append_events
from api.storage.customers import add_mute
from api.storage.decisions import append_decisions
from api.storage.exposures import insert_exposures
from api.storage.feedback import FeedbackKind, add_feedback
from api.storage.holds import put_holds, read_holds
from api.storage.interactions import read_for_training
from api.storage.items import load_catalogue
from api.storage.measured import MeasuredDecision
from api.storage.requests import RequestKind, RequestState, close_request, open_request
from api.storage.retention import BY_LIMITS, Retention, Rule, rules
from api.storage.sign_in_failures import count_attempt, hold_failures
from api.storage.suppressions import is_suppressed, suppress
from api.storage.training import training_customers
from api.storage.versions import POLICY, activate, put_policy
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Intent, Kind, Provenance
from guardrails.consent.events import WHOLE_SUBJECT
from guardrails.consent.ledger import Status
from guardrails.consent.purposes import KEY_OF, Purpose, sensitive_key
from guardrails.consent.settings import ConsentSettings
from guardrails.holding import Hold, HoldKind
from guardrails.policy.language import Policy
from guardrails.policy.limits import EvidenceLimits, HoldLimits, Limits
from guardrails.request import Mute, MuteScope, SubjectKind

KEEP, EVIDENCE = Retention(), EvidenceLimits()
DAYS = {
    Kind.VIEW: EVIDENCE.view_days,
    Kind.CART: EVIDENCE.cart_days,
    Kind.REMOVE_FROM_CART: EVIDENCE.cart_days,
    Kind.WISHLIST: EVIDENCE.wishlist_days,
    Kind.RATING: EVIDENCE.rating_days,
}


def purged(store, **more):
    found = purge(store.logbook, store.settings, NOW_MS, unseen, **more)
    return {name: n for name, n in found.items() if n}


def interaction_at(store, days, **more):
    given = {"customer_no": store_customer(store), "at_ms": NOW_MS - days * DAY_MS, **more}
    item_no = store_items(store, "lamp")["lamp"]
    store_interactions(store, [an_interaction(store, item_no, **given)])


def purposes_left(store):
    with reading(store.engine) as conn:
        return [Purpose(each) for each in conn.scalars(select(tables.interactions.c.purpose))]


@pytest.mark.parametrize(("kind", "days"), DAYS.items())
def test_evidence_is_kept_to_its_last_day(store, kind, days):
    interaction_at(store, days, kind=kind)
    assert purged(store) == {}
    interaction_at(store, days + 1, kind=kind)
    assert purged(store, dry_run=True) == {"history": 1}
    assert purged(store) == {"history": 1}
    assert purged(store) == {}
    assert len(purposes_left(store)) == 1


def test_an_order_that_is_no_evidence_any_more_is_a_fact_until_nobody_can_complain(store):
    interaction_at(store, EVIDENCE.purchase_days + 1)
    interaction_at(store, EVIDENCE.return_days + 1, kind=Kind.RETURN)
    interaction_at(store, KEEP.order_fact_days, purpose=Purpose.ESSENTIAL_SERVICE)
    interaction_at(store, KEEP.order_fact_days + 1, purpose=Purpose.ESSENTIAL_SERVICE)
    assert purged(store) == {"orders kept as facts alone": 2, "order facts": 1}
    assert purposes_left(store) == [Purpose.ESSENTIAL_SERVICE] * 3
    assert purged(store) == {}


def test_nothing_is_left_to_learn_from_what_is_too_old(store):
    customer_no = store_customer(store)
    for kind, days in DAYS.items():
        interaction_at(store, days + 1, kind=kind)
    interaction_at(store, EVIDENCE.purchase_days + 1)
    purged(store)
    with reading(store.engine) as conn:
        found, _ = read_for_training(conn, load_catalogue(conn), [customer_no])
    assert len(found) == 0


def test_sensitive_goods_are_kept_for_the_visit_and_with_consent_for_days(store):
    item_no = store_items(store, "wine", category="Drink > Wine", title="Red wine")["wine"]
    with reading(store.engine) as conn:
        row = conn.execute(select(tables.items).where(tables.items.c.item_no == item_no)).one()
    assert row.tier >= 2
    subjects = store.subjects
    for name in ("anna", "bert"):
        customer_no = store_customer(store, name)
        rows = [
            an_interaction(
                store, item_no, customer_no=customer_no, kind=Kind.VIEW, at_ms=NOW_MS - hours * 3_600_000
            )
            for hours in (1, 24, 24 * (EVIDENCE.sensitive_days + 2))
        ]
        store_interactions(store, rows)
    agreed = an_event(sensitive_key(row.sensitive_class), explicit=True, valid_until_ms=NOW_MS + DAY_MS)
    with writing(store.engine) as conn:
        append_events(conn, subjects.account("anna"), SubjectKind.ACCOUNT, [agreed], NOW_MS)
    assert purged(store) == {"history": 3}
    with reading(store.engine) as conn:
        left = list(conn.scalars(select(tables.interactions.c.customer_no)))
    assert sorted(left) == [1, 1, 2]
    assert purged(store) == {}


@pytest.mark.parametrize(("place", "removed"), [("US", {}), ("US-WA", {"history": 1})])
def test_what_the_law_raises_is_kept_no_longer_than_other_sensitive_goods(store, place, removed):
    item_no = store_items(store, "tonic", shop_class="health", shop_tier=1)["tonic"]
    given = {"customer_no": store_customer(store), "kind": Kind.VIEW, "at_ms": NOW_MS - DAY_MS}
    store_interactions(store, [an_interaction(store, item_no, **given)])
    settings = replace(store.settings, consent=ConsentSettings(jurisdiction=place))
    found = purge(store.logbook, settings, NOW_MS, unseen)
    assert {name: n for name, n in found.items() if n} == removed


def test_a_visit_is_over_after_its_hours(store):
    visit = store.subjects.session("visit")
    over = NOW_MS - EVIDENCE.session_hours * 3_600_000
    more = {"session_key": visit, "purpose": Purpose.LIMITED_CONTENT, "kind": Kind.VIEW}
    interaction_at(store, 0, customer_no=None, at_ms=over, **more)
    interaction_at(store, 0, customer_no=None, at_ms=over - 1, **more)
    interaction_at(store, 0, session_key=visit, at_ms=over - 1)
    assert purged(store) == {"visits": 1, "links to visits": 1}
    assert purged(store) == {}


def test_what_is_nobodys_is_kept(store):
    more = {"customer_no": None, "session_key": None, "purpose": Purpose.PERFORMANCE}
    interaction_at(store, 4000, kind=Kind.VIEW, **more)
    assert purged(store) == {}


def test_decisions_keep_their_headers_and_lose_their_bodies(store):
    item_no = store_items(store, "lamp")["lamp"]
    key = store.subjects.account("anna")
    with writing(store.engine) as conn:
        for name, days in (("new", KEEP.decision_body_days), ("old", KEEP.decision_body_days + 1)):
            at_ms = NOW_MS - days * DAY_MS
            append_decisions(conn, store.keyring, [a_decision(name, minute=at_ms // 60_000, subject_key=key)])
            add_feedback(conn, name, item_no, FeedbackKind.HELPFUL, at_ms)
        insert_exposures(conn, [("seen", an_exposure(item_no, at_ms=NOW_MS - 32 * DAY_MS))])
        insert_exposures(conn, [("seen lately", an_exposure(item_no, at_ms=NOW_MS - 20 * DAY_MS))])
    assert purged(store) == {"exposures": 1, "feedback": 1, "decision bodies": 1}
    counts = row_counts(store)
    assert (counts["decisions"], counts["decision_bodies"], counts["decision_subjects"]) == (2, 1, 1)
    assert purged(store) == {}


def test_what_was_measured_is_kept_for_an_experiment_and_the_sums_for_good(store):
    item_no = store_items(store, "lamp")["lamp"]
    with writing(store.engine) as conn:
        for name, days in (("new", KEEP.measured_days), ("old", KEEP.measured_days + 1)):
            at_ms = NOW_MS - days * DAY_MS
            measured = MeasuredDecision(at_ms, Channel.WEB, "", ((item_no, Intent.SIMILAR),))
            key = store.subjects.account("anna")
            append_decisions(conn, store.keyring, [a_decision(name, subject_key=key, measured=measured)])
    before = row_counts(store)["measurements"]
    assert purged(store) == {"measured suggestions": 1}
    assert purged(store) == {}
    assert row_counts(store)["measurements"] == before > 0


def test_proof_of_consent_is_kept_three_years_beyond_its_end(store):
    key, purpose = store.subjects.account("anna"), KEY_OF[Purpose.SHARING]

    def granted(record_id, ended_days_ago):
        end_ms = NOW_MS - ended_days_ago * DAY_MS
        return an_event(purpose, record_id=record_id, at_ms=end_ms - 365 * DAY_MS, valid_until_ms=end_ms)

    with writing(store.engine) as conn:
        given = [granted("older", KEEP.proof_days + 400), granted("old", KEEP.proof_days)]
        append_events(conn, key, SubjectKind.ACCOUNT, given, NOW_MS)
    assert purged(store) == {"consents": 1}
    assert purge(store.logbook, store.settings, NOW_MS + DAY_MS, unseen)["consents"] == 1
    counts = row_counts(store)
    assert (counts["consent_events"], counts["consent_states"]) == (0, 0)


def test_an_objection_holds_however_old_it_is(store):
    key = store.subjects.account("anna")
    objected = an_event(KEY_OF[Purpose.LIMITED_CONTENT], an_event("x").status.OBJECTION_RAISED, at_ms=1)
    with writing(store.engine) as conn:
        append_events(conn, key, SubjectKind.ACCOUNT, [objected], 1)
    assert purged(store) == {}


def test_rights_devices_signals_and_mutes_go_when_they_serve_no_more_and_suppression_never(store):
    key = store.subjects.account("anna")
    long_ago = NOW_MS - (KEEP.proof_days + 1) * DAY_MS
    with writing(store.engine) as conn:
        for name, at_ms in (("old", long_ago), ("new", NOW_MS)):
            open_request(conn, name, key, RequestKind.ACCESS, at_ms)
            close_request(conn, name, RequestState.DONE, "sent", at_ms)
            add_mute(conn, key, Mute(MuteScope.ITEM, name, at_ms + 1), at_ms)
            device = store.subjects.device(name)
            conn.execute(
                insert(tables.device_accounts),
                {"device_key": device, "subject_key": key, "last_seen_ms": at_ms},
            )
            conn.execute(
                insert(tables.signals_seen),
                {
                    "subject_key": device,
                    "signal": "gpc",
                    "value": "1",
                    "first_seen_ms": at_ms,
                    "changed_at_ms": at_ms,
                },
            )
        suppress(conn, b"s" * 16, 1)
    gone = purged(store)
    assert gone == {"mutes": 1, "signals": 1, "devices": 1, "requests": 1}
    assert purged(store) == {}
    with reading(store.engine) as conn:
        assert is_suppressed(conn, [b"s" * 16])


@pytest.mark.parametrize(
    ("status", "more", "stays"),
    [
        (Status.CONSENT_GIVEN, {}, True),
        (Status.CONSENT_GIVEN, {"valid_until_ms": NOW_MS - 1}, False),
        (Status.CONSENT_WITHDRAWN, {}, False),
    ],
)
def test_what_others_collected_goes_with_the_consent_to_it(store, status, more, stays):
    for provenance in Provenance:
        interaction_at(store, 1, provenance=provenance, purpose=Purpose.PROFILING)
    enrichment = KEY_OF[Purpose.ENRICHMENT]
    choose(store, store.subjects.account("anna"), status, NOW_MS - DAY_MS, enrichment, **more)
    assert purged(store) == ({} if stays else {"what others collected": 3})
    assert purged(store) == {}


def test_holds_go_when_nothing_looks_at_them_and_an_exclusion_stays_until_it_is_lifted(store):
    key = store.subjects.account("anna")
    over_ms = NOW_MS - (KEEP.hold_days + 1) * DAY_MS
    years_ago = NOW_MS - (KEEP.order_fact_days + 1) * DAY_MS
    gone = [
        Hold(HoldKind.COMPLAINT, "closed", over_ms, over_ms),
        Hold(HoldKind.COMPLAINT, "never closed", years_ago, None),
        Hold(HoldKind.DELIVERY, "never delivered", years_ago, None),
        Hold(HoldKind.PAYMENT, "", over_ms - DAY_MS, over_ms),
        Hold(HoldKind.TOPICS, "", 0, over_ms),
        Hold(HoldKind.EXCLUSION, "alcohol", over_ms - DAY_MS, over_ms),
    ]
    stays = [
        Hold(HoldKind.COMPLAINT, "just closed", NOW_MS, NOW_MS),
        Hold(HoldKind.COMPLAINT, "open", over_ms, None),
        Hold(HoldKind.EXCLUSION, "gambling", years_ago, None),
        Hold(HoldKind.OFFERS, "", 0, NOW_MS + DAY_MS),
    ]
    with writing(store.engine) as conn:
        put_holds(conn, [(key, hold) for hold in (*gone, *stays)])
    assert purged(store, dry_run=True) == purged(store) == {"holds": len(gone)}
    assert purged(store) == {}
    with reading(store.engine) as conn:
        assert set(read_holds(conn, [key])) == set(stays)


def test_a_complaint_is_kept_for_as_long_as_a_policy_looks_back_at_it(store):
    key, closed_ms = store.subjects.account("anna"), NOW_MS - 50 * DAY_MS
    limits = Limits(holds=HoldLimits(complaint_days=60))
    with writing(store.engine) as conn:
        put_holds(conn, [(key, Hold(HoldKind.COMPLAINT, "closed", closed_ms, closed_ms))])
        version = put_policy(conn, Policy(limits=limits), NOW_MS, signed_off_by_auditor=True)
        activate(conn, POLICY, version, NOW_MS)
    assert purged(store) == {}


def test_a_profile_whose_consent_has_expired_is_forgotten_as_if_withdrawn(store):
    anna = plant(store)
    later_ms = NOW_MS + 400 * DAY_MS
    counts = purge(store.logbook, store.settings, NOW_MS + DAY_MS, unseen)
    assert counts[PROFILES] == 0
    store_interactions(
        store,
        [
            an_interaction(
                store,
                store_items(store, "planted-item")["planted-item"],
                customer_no=anna.customer_no,
                kind=Kind.RATING,
                at_ms=NOW_MS,
            )
        ],
    )
    assert purge(store.logbook, store.settings, later_ms, unseen, dry_run=True)[PROFILES] == 1
    assert purge(store.logbook, store.settings, later_ms, unseen)[PROFILES] == 1
    assert purge(store.logbook, store.settings, later_ms, unseen)[PROFILES] == 0
    assert forgetting(store, Clock(later_ms)).work_on_due() == 1
    assert Purpose.PROFILING not in purposes_left(store)
    assert purge(store.logbook, store.settings, later_ms, unseen)[PROFILES] == 0


def choose(store, key, status, at_ms, purpose=WHOLE_SUBJECT, **more):
    event = an_event(purpose, record_id=f"{key.hex()} {purpose} {at_ms}", status=status, at_ms=at_ms, **more)
    with writing(store.engine) as conn:
        append_events(conn, key, SubjectKind.ACCOUNT, [event], at_ms)


def plant_to_the_last_store(store, customer_id):
    """Plant somebody of whom every rule finds something after years."""
    planted = plant(store, customer_id)
    account = planted.keys[0]
    interaction_at(store, 0, customer_no=planted.customer_no, purpose=Purpose.ESSENTIAL_SERVICE)
    for at_ms in (NOW_MS, NOW_MS + 1):
        more = {"purpose": KEY_OF[Purpose.PERFORMANCE], "valid_until_ms": NOW_MS + 2}
        choose(store, account, Status.CONSENT_GIVEN, at_ms, **more)
    with writing(store.engine) as conn:
        add_mute(conn, account, Mute(MuteScope.ITEM, "lamp", NOW_MS + 1), NOW_MS)
    return planted


OF_SUBJECTS = (
    *("history", "orders kept as facts alone", "order facts", "visits", "links to visits"),
    *("exposures", "feedback", "measured suggestions", "decision bodies", "decision bodies of visits"),
    *("disclosures", "legal holds"),
    *("consent states", "consents", "notices served", "mutes", "holds", "corrections", PROFILES),
)


def test_what_a_customer_had_restricted_is_kept_until_the_restriction_is_lifted(store):
    later_ms = NOW_MS + 2000 * DAY_MS

    def expired(**more):
        found = purge(store.logbook, store.settings, later_ms, unseen, **more)
        return {name: found[name] for name in OF_SUBJECTS}

    plant_to_the_last_store(store, "customer-mark-99")
    of_others = expired(dry_run=True)
    assert all(of_others.values()), of_others
    account, visit, _ = plant_to_the_last_store(store, "customer-mark-00").keys
    assert expired(dry_run=True) == {name: 2 * n for name, n in of_others.items()}
    for key in (account, visit):
        choose(store, key, Status.RESTRICTED, NOW_MS)
    assert expired(dry_run=True) == of_others
    expired()
    for key in (account, visit):
        choose(store, key, Status.RESTRICTION_LIFTED, later_ms + 1)
    assert not any(expired(dry_run=True).values())
    later_ms += 1
    n_restrictions = 2  # proofs too, and as old
    assert expired(dry_run=True) == of_others | {"consents": of_others["consents"] + n_restrictions}


def test_what_is_restricted_after_it_was_looked_for_is_kept(store, monkeypatch):
    interaction_at(store, 100, kind=Kind.VIEW)
    find = Rule.find

    def find_and_be_overtaken(rule, conn, limit):
        found = find(rule, conn, limit)
        if found:
            choose(store, store.subjects.account("anna"), Status.RESTRICTED, NOW_MS)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Rule, "find", find_and_be_overtaken)
        assert purged(store) == {}
    assert purposes_left(store) == [Purpose.PROFILING]


def test_rows_are_changed_a_few_at_a_time_and_looked_for_in_between(store, monkeypatch):
    monkeypatch.setattr("api.forgetting.retention.FOUND_ROWS", 4)
    monkeypatch.setattr("api.forgetting.retention.RUN_ROWS", 3)
    for _ in range(11):
        interaction_at(store, 100, kind=Kind.VIEW)
    runs = []

    def noted(conn, name, n, done):
        if name == "history":
            runs.append((n, done))

    assert purged(store, noted=noted) == {"history": 11}
    assert runs == [(3, False), (1, False), (3, False), (1, False), (3, False), (0, True)]
    assert purposes_left(store) == []


def import_of_profiling(store, tmp_path, customer_id, status):
    file = tmp_path / "consents.jsonl"
    choice = {"customer_id": customer_id, "purpose": KEY_OF[Purpose.PROFILING], "status": status}
    file.write_bytes(orjson.dumps(choice | {"at_ms": NOW_MS + 1}))
    report = import_file(
        "consents", file, None, store.engine, store.settings, store.subjects, now_ms=NOW_MS + 1
    )
    assert report.inserted == 1


@pytest.mark.parametrize("status", ["withdrawn", "refused", "objected", "expired"])
def test_a_profile_that_an_import_ended_is_forgotten_as_if_withdrawn_here(store, tmp_path, status):
    anna, bert = plant(store), plant(store, "customer-mark-99")
    import_of_profiling(store, tmp_path, anna.customer_id, status)
    assert purge(store.logbook, store.settings, NOW_MS + 1, unseen)[PROFILES] == 1
    assert forgetting(store, Clock(NOW_MS + 1)).work_on_due() == 1
    table = tables.interactions
    profiled = select(table.c.customer_no).where(
        table.c.purpose == int(Purpose.PROFILING), table.c.customer_no.is_not(None)
    )
    with reading(store.engine) as conn:
        assert set(conn.scalars(profiled)) == {bert.customer_no}


@pytest.mark.parametrize("status", ["withdrawn", "refused", "objected"])
def test_what_was_collected_before_an_imported_refusal_stays_out_of_use_though_consent_is_given_again(
    store, tmp_path, status
):
    anna = plant(store)
    import_of_profiling(store, tmp_path, anna.customer_id, status)
    again = an_event(
        KEY_OF[Purpose.PROFILING], record_id="again", status=Status.RENEWED_CONSENT_GIVEN, at_ms=NOW_MS + 5
    )
    with writing(store.engine) as conn:
        append_events(conn, anna.keys[0], SubjectKind.ACCOUNT, [again], NOW_MS + 5)
        customers = training_customers(conn, store.settings.consent, NOW_MS + 6)
    assert customers[anna.customer_no].history_from_ms == NOW_MS + 2


def test_the_purge_of_a_day_is_run_once_and_leaves_a_receipt(store):
    interaction_at(store, 100, kind=Kind.VIEW)
    assert forgetting(store).purge_daily()
    assert not forgetting(store, Clock(NOW_MS + 1)).purge_daily()
    receipt = receipt_of(store, f"retention-{NOW_MS // DAY_MS}")
    assert receipt.finished_at_ms is not None
    assert {step.status for step in receipt.steps} == {StepStatus.COMPLETE}
    assert counts_of(receipt) == {
        **dict.fromkeys(stores(store.settings, NOW_MS), 0),
        "history": 1,
    }
    assert forgetting(store, Clock(NOW_MS + DAY_MS)).purge_daily()


def test_of_a_policy_that_cannot_be_read_only_what_it_decides_about_waits(store):
    """Which a shop may find itself with that goes back to an earlier release."""
    interaction_at(store, 100, kind=Kind.VIEW)
    interaction_at(store, KEEP.order_fact_days + 1, purpose=Purpose.ESSENTIAL_SERVICE)
    put_unreadable(store.engine)
    assert forgetting(store).purge_daily()
    receipt = receipt_of(store, f"retention-{NOW_MS // DAY_MS}")
    assert receipt.finished_at_ms is not None
    assert {step.downstream: step.detail for step in receipt.steps if step.status is StepStatus.ERROR} == (
        dict.fromkeys(BY_LIMITS, NO_LIMITS)
    )
    assert {name: n for name, n in counts_of(receipt).items() if n} == {"order facts": 1}
    put_in_force(store.engine, Policy())
    assert forgetting(store, Clock(NOW_MS + DAY_MS)).purge_daily()
    tomorrow = receipt_of(store, f"retention-{NOW_MS // DAY_MS + 1}")
    assert {step.status for step in tomorrow.steps} == {StepStatus.COMPLETE}
    assert counts_of(tomorrow)["history"] == 1


def test_what_waits_without_a_policy_is_what_its_limits_decide_about():
    doubled = EvidenceLimits(**{field.name: 2 * getattr(EVIDENCE, field.name) for field in fields(EVIDENCE)})

    def said(evidence, exposure_days, complaint_days):
        found = rules(evidence, exposure_days, KEEP, (), NOW_MS, complaint_days)
        literal = {"literal_binds": True}
        return {rule.store: str(rule.expired.compile(compile_kwargs=literal)) for rule in found}

    before, after = said(EVIDENCE, 100, 100), said(doubled, 200, 200)
    assert {store for store, condition in before.items() if after[store] != condition} == BY_LIMITS


def test_a_purge_that_was_killed_is_run_again_by_whoever_finds_it(store, monkeypatch):
    interaction_at(store, 100, kind=Kind.VIEW)

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("api.forgetting.worker.purge_under", killed)
        with pytest.raises(KeyboardInterrupt):
            forgetting(store, lease_ms=1000).purge_daily()
    with reading(store.engine) as conn:
        assert due_cascades(conn, NOW_MS, 10) == []
    assert forgetting(store, Clock(NOW_MS + 1000)).work_on_due() == 1
    receipt = receipt_of(store, f"retention-{NOW_MS // DAY_MS}")
    assert counts_of(receipt)["history"] == 1


def test_a_purge_that_takes_long_stays_whose_it_is(store, monkeypatch):
    monkeypatch.setattr("api.forgetting.retention.RUN_ROWS", 1)
    for _ in range(5):
        interaction_at(store, 100, kind=Kind.VIEW)
    clock, apply, taken_over = Clock(NOW_MS), Rule.apply, []

    def apply_slowly(rule, conn, keys):
        clock.now_ms += 600
        with reading(store.engine) as other:
            taken_over.extend(due_cascades(other, clock.now_ms, 10))
        return apply(rule, conn, keys)

    with monkeypatch.context() as patched:
        patched.setattr(Rule, "apply", apply_slowly)
        assert forgetting(store, clock, lease_ms=1000).purge_daily()
    assert taken_over == []
    receipt = receipt_of(store, f"retention-{NOW_MS // DAY_MS}")
    assert (counts_of(receipt)["history"], receipt.finished_at_ms is None) == (5, False)


def test_a_purge_that_is_not_wanted_any_more_hands_back_the_rest(store, monkeypatch):
    monkeypatch.setattr("api.forgetting.retention.RUN_ROWS", 1)
    for _ in range(5):
        interaction_at(store, 100, kind=Kind.VIEW)
    assert forgetting(store).purge_daily(lambda: len(purposes_left(store)) > 2)
    assert receipt_of(store, f"retention-{NOW_MS // DAY_MS}").finished_at_ms is None
    assert len(purposes_left(store)) == 2
    assert forgetting(store, Clock(NOW_MS + 1)).work_on_due() == 1
    receipt = receipt_of(store, f"retention-{NOW_MS // DAY_MS}")
    assert (counts_of(receipt)["history"], receipt.finished_at_ms is None) == (5, False)


def test_what_was_removed_at_once_is_on_the_receipt_though_the_server_stops_just_then(store, monkeypatch):
    stopping = []

    def end_some(*args, **kwargs):
        stopping.append(True)
        return 3

    monkeypatch.setattr("api.forgetting.retention._end_profiles", end_some)
    assert forgetting(store).purge_daily(lambda: not stopping)
    receipt = receipt_of(store, f"retention-{NOW_MS // DAY_MS}")
    assert (counts_of(receipt)[PROFILES], receipt.finished_at_ms) == (3, None)


def test_what_was_counted_of_attempts_to_sign_in_goes_a_day_after_though_nobody_tries_again(store):
    keys = [store.subjects.attempt(each) for each in ("early", "late")]
    for key, at_ms in zip(keys, (NOW_MS - DAY_MS - 1, NOW_MS - DAY_MS), strict=True):
        with writing(store.engine) as conn:
            hold_failures(conn, [key], at_ms)
            count_attempt(conn, [key], at_ms)
    assert forgetting(store).purge_daily()
    receipt = receipt_of(store, f"retention-{NOW_MS // DAY_MS}")
    assert counts_of(receipt)["attempts to sign in"] == 1
    with reading(store.engine) as conn:
        assert conn.scalars(select(tables.sign_in_failures.c.attempt_key)).all() == keys[1:]


def test_sessions_go_when_they_have_ended_though_nobody_signs_in_again(store):
    with writing(store.engine) as conn:
        account_id = create_account(conn, "anna", Role.ADMIN, NOW_MS - DAY_MS).account_id
        tokens = []
        for begun_ms in (NOW_MS - LONGEST_MS, NOW_MS - LONGEST_MS + 1):
            tokens.append(begin_session(conn, account_id, begun_ms))
            see(conn, tokens[-1], NOW_MS)
        tokens += [begin_session(conn, account_id, NOW_MS - IDLE_MS + late_ms) for late_ms in (0, 1)]
    assert purged(store) == {"sessions of accounts": 2}
    with reading(store.engine) as conn:
        found = [session_account(conn, token, NOW_MS) is not None for token in tokens]
        assert (found, conn.scalar(select(func.count()).select_from(tables.sign_ins))) == (
            [False, True, False, True],
            2,
        )


@pytest.mark.parametrize("purges_daily", [True, False])
def test_the_server_purges_by_itself_unless_told_not_to(store, monkeypatch, purges_daily):
    monkeypatch.setattr("api.forgetting.worker.FIRST_PURGE_S", 0.0)
    work = forgetting(store)
    cascades = Cascades(work, store.engine, Metrics(), purges_daily=purges_daily)
    cascades._purge_when_due()
    assert work.purge_daily() is not purges_daily
