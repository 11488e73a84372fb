"""The life of policies in a store, whichever database it stands on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, text, update
from support.changing import ALAN, ANN, AUDREY, MARTIN, MARY, a_policy, approved, drafted, rehearsed
from support.stores import NOW_MS, opened

from api.errors import ForbiddenError, PolicyRefusedError, StoreRefusedError, UnknownPolicyError
from api.policies import service
from api.policies.clock import PolicyClock
from api.policies.service import shipped_version
from api.storage.connection import reading, writing
from api.storage.policies import entries_of, life_since, read_entries
from api.storage.tables import policies, policy_steps
from api.storage.versions import CHALLENGER, POLICY, SHADOW, activate, active, policy_in_force, put_policy
from guardrails.policy.chain import first_broken
from guardrails.policy.lifecycle import HOUR_MS, NO_LIFE, State, StepKind
from guardrails.policy.permission import Because

pytestmark = pytest.mark.usefixtures("store")


class Desk:
    """Where steps are asked for."""

    def __init__(self, store, clock):
        self.store, self.engine, self.clock = store, store.engine, clock

    def __getattr__(self, name):
        step = getattr(service, name)
        return lambda who, *args, **more: step(self.engine, who, self.clock, *args, **more)

    def approved(self, *args, **more):
        return approved(self.store, self.clock, a_policy(*args, **more))

    def drafted(self, *args, **more):
        return drafted(self.store, self.clock, a_policy(*args, **more))

    def life(self):
        with reading(self.engine) as conn:
            return life_since(conn)

    def active(self):
        with reading(self.engine) as conn:
            return {name: active(conn).get(name) for name in (POLICY, SHADOW, CHALLENGER)}

    def kinds(self, version):
        with reading(self.engine) as conn:
            return [entry.step.kind for entry in entries_of(conn, version)]

    def settle(self):
        return service.settle(self.engine, self.clock)

    def refused(self, step, *args, **more):
        with pytest.raises(PolicyRefusedError) as refused:
            getattr(self, step)(*args, **more)
        return refused.value.because


@pytest.fixture
def desk(store, clock):
    return Desk(store, clock)


class TestTheUsualWay:
    def test_a_change_comes_into_force(self, desk):
        version = desk.approved()
        assert desk.active()[POLICY] is None
        desk.activate(MARTIN, version)
        assert desk.active()[POLICY] == version
        with reading(desk.engine) as conn:
            policy, in_force = policy_in_force(conn)
        assert (policy, in_force) == (a_policy(), version)
        assert desk.kinds(version) == [
            *(StepKind.DRAFTED, StepKind.PROPOSED, StepKind.APPROVED, StepKind.ACTIVATED)
        ]

    def test_the_chain_begins_with_what_ships_and_holds(self, desk):
        desk.activate(MARY, desk.approved())
        with reading(desk.engine) as conn:
            entries = read_entries(conn)
        assert (entries[0].step.kind, entries[0].step.version) == (StepKind.FOUND, shipped_version())
        assert first_broken((entry.step, entry.header) for entry in entries) is None
        assert len({entry.sha256 for entry in entries}) == len(entries)

    def test_a_proposal_names_the_rehearsal_that_it_rests_on(self, desk):
        version = draft_alone(desk)
        assert desk.refused("propose", MARY, version) is Because.NOT_REHEARSED
        rehearsed(desk.store, version, "another base")
        assert desk.refused("propose", MARY, version) is Because.NOT_REHEARSED
        rehearsed(desk.store, version, shipped_version())
        step = desk.propose(MARY, version).entry.step
        assert len(step.detail.report_sha256) == 64

    def test_a_draft_of_the_same_key_is_drafted_once(self, desk):
        version = draft_alone(desk)
        again = desk.draft(MARY, a_policy())
        assert (again.version, again.entry) == (version, None)
        assert desk.draft(ANN, a_policy()).entry is not None
        assert desk.life().versions[version].authors == {"mary", "ann"}

    def test_a_draft_with_errors_is_kept_and_cannot_be_proposed(self, desk):
        version = desk.drafted(900_000)
        with pytest.raises(PolicyRefusedError) as refused:
            desk.propose(MARY, version)
        assert refused.value.because is Because.ERRORS
        assert [finding.code for finding in refused.value.findings] == ["L3"]
        assert desk.life().state_of(version) is State.DRAFT

    def test_more_contacts_take_an_auditor(self, desk):
        version = desk.drafted(interruptive_week=3)
        assert desk.propose(MARY, version).entry.step.detail.needs_auditor
        desk.approve(ANN, version, base=shipped_version())
        assert desk.refused("activate", MARY, version) is Because.NEEDS_AUDITOR
        desk.approve(AUDREY, version, base=shipped_version())
        desk.activate(MARY, version)
        assert desk.active()[POLICY] == version

    def test_a_role_that_may_not_is_told_so_and_so_is_what_is_not_there(self, desk):
        version = desk.drafted()
        with pytest.raises(ForbiddenError):
            desk.draft(AUDREY, a_policy())
        with pytest.raises(ForbiddenError):
            desk.propose(AUDREY, version)
        with pytest.raises(UnknownPolicyError):
            desk.propose(MARY, "0" * 64)

    def test_a_rejected_change_is_not_activated(self, desk):
        version = desk.approved()
        desk.reject(ALAN, version, reason="too strict")
        assert desk.refused("activate", MARY, version) is Because.NOT_PROPOSED

    def test_back_to_a_former_version_is_a_change_like_any_other(self, desk):
        first, second = desk.approved(300_000), None
        desk.activate(MARY, first)
        second = desk.approved(200_000)
        desk.activate(MARY, second)
        rehearsed(desk.store, first, second)
        desk.rollback(MARY, first)
        assert desk.refused("activate", MARY, first) is Because.NOT_APPROVED
        desk.approve(ANN, first, base=second)
        desk.activate(MARY, first)
        assert desk.active()[POLICY] == first


def draft_alone(desk):
    return desk.draft(MARY, a_policy()).version


class TestInTime:
    def test_a_schedule_comes_into_force_and_is_over(self, desk):
        version = desk.approved()
        begins_ms = NOW_MS + 2 * HOUR_MS
        desk.schedule(MARY, version, at_ms=begins_ms, until_ms=begins_ms + HOUR_MS)
        desk.clock.advance(2 * HOUR_MS - 1)
        desk.settle()
        assert desk.active()[POLICY] is None
        desk.clock.advance(1)
        desk.settle()
        assert desk.active()[POLICY] == version
        desk.clock.advance(HOUR_MS)
        desk.settle()
        assert desk.active()[POLICY] is None
        assert desk.life().state_of(version) is State.EXPIRED

    def test_a_schedule_whose_base_has_moved_is_suspended(self, desk):
        scheduled = desk.approved(300_000)
        desk.schedule(MARY, scheduled, at_ms=NOW_MS + HOUR_MS)
        other = desk.approved(200_000)
        desk.activate(MARY, other)
        desk.clock.advance(HOUR_MS)
        desk.settle()
        assert desk.active()[POLICY] == other
        assert desk.life().state_of(scheduled) is State.SUSPENDED

    def test_time_passes_also_for_who_only_asks(self, desk):
        version = desk.approved()
        desk.schedule(MARY, version, at_ms=NOW_MS + HOUR_MS)
        desk.clock.advance(HOUR_MS)
        desk.draft(MARY, a_policy(250_000))
        assert desk.active()[POLICY] == version

    def test_whoever_comes_too_late_has_suspended_it(self, desk):
        first, second = desk.approved(300_000), desk.approved(200_000)
        desk.activate(MARY, first)
        assert desk.refused("activate", MARY, second) is Because.BASE_MOVED
        assert desk.life().state_of(second) is State.SUSPENDED
        assert desk.refused("activate", MARY, second) is Because.NOT_PROPOSED

    def test_broken_glass_falls_back_to_what_ships(self, desk):
        version = draft_alone(desk)
        desk.break_glass(MARY, version, reason="wrong prices", until_ms=NOW_MS + HOUR_MS)
        assert desk.active()[POLICY] == version
        desk.clock.advance(HOUR_MS)
        desk.settle()
        assert desk.active()[POLICY] is None
        assert desk.kinds(version)[-2:] == [StepKind.BROKE_GLASS, StepKind.EXPIRED]

    def test_what_cannot_be_read_any_more_is_suspended(self, desk):
        version = desk.approved()
        desk.schedule(MARY, version, at_ms=NOW_MS + HOUR_MS)
        with writing(desk.engine) as conn:
            conn.execute(delete(policies).where(policies.c.version == version))
        desk.clock.advance(HOUR_MS)
        desk.settle()
        assert desk.life().state_of(version) is State.SUSPENDED

    def test_a_clock_that_goes_behind_does_not_turn_time_back(self, desk):
        version = draft_alone(desk)
        desk.clock.advance(-HOUR_MS)
        rehearsed(desk.store, version, shipped_version())
        assert desk.propose(MARY, version).entry.step.at_ms == NOW_MS

    def test_the_clock_of_a_process_does_it_by_itself(self, desk):
        version = desk.approved()
        desk.schedule(MARY, version, at_ms=NOW_MS + HOUR_MS)
        activated = threading.Event()
        ticking = PolicyClock(desk.store.logbook, _Signalling(desk, activated), poll_s=0.01)
        ticking.start()
        try:
            desk.clock.advance(HOUR_MS)
            assert activated.wait(10)
        finally:
            ticking.close()
            ticking.close()
        assert desk.active()[POLICY] == version

    def test_a_shop_without_steps_is_left_alone(self, desk):
        assert service.catch_up(desk.engine, desk.clock, NO_LIFE) == NO_LIFE
        assert desk.life() == NO_LIFE


class _Signalling:
    """A clock that says when the version is in force."""

    def __init__(self, desk, activated):
        self.desk, self.activated = desk, activated

    def __call__(self):
        if self.desk.active()[POLICY] is not None:
            self.activated.set()
        return self.desk.clock()


class TestTrials:
    def test_a_shadow_and_a_challenger_are_served_until_they_are_ended(self, desk):
        watched, tried = desk.drafted(250_000), desk.approved()
        desk.shadow(MARY, watched)
        desk.challenge(MARY, tried, share_micro=100_000)
        assert desk.active() == {POLICY: None, SHADOW: watched, CHALLENGER: f"{tried}/100000"}
        desk.end(MARTIN, watched)
        desk.end(MARTIN, tried, reason="enough seen")
        assert desk.active() == {POLICY: None, SHADOW: None, CHALLENGER: None}

    def test_a_challenger_goes_with_its_base(self, desk):
        tried, other = desk.approved(300_000), desk.approved(200_000)
        desk.challenge(MARY, tried, share_micro=1)
        desk.activate(MARY, other)
        desk.settle()
        assert desk.active() == {POLICY: other, SHADOW: None, CHALLENGER: None}


class TestWhatIsFound:
    def test_what_was_put_in_force_past_the_steps_is_noted(self, desk):
        with writing(desk.engine) as conn:
            version = put_policy(conn, a_policy(), NOW_MS)
            activate(conn, POLICY, version, NOW_MS)
        desk.settle()
        assert desk.life().in_force == version
        assert desk.active()[POLICY] == version

    def test_also_what_cannot_be_read(self, desk):
        with writing(desk.engine) as conn:
            activate(conn, POLICY, "0" * 64, NOW_MS)
        assert desk.settle().in_force == "0" * 64


class TestConcurrency:
    def test_of_many_at_once_one_activates(self, desk, store):
        versions = [desk.approved(hard_micro) for hard_micro in (300_000, 250_000, 200_000, 150_000)]
        outcomes = at_once(lambda version: desk.activate(MARY, version), versions)
        assert sorted(outcomes) == ["base_moved"] * 3 + ["done"]
        life = desk.life()
        assert sorted(life.state_of(version) for version in versions) == ["active"] + ["suspended"] * 3
        assert desk.active()[POLICY] == life.in_force
        assert_chained(store)

    def test_the_same_approval_counts_once(self, desk, store):
        version = desk.drafted()
        desk.propose(MARY, version)
        outcomes = at_once(lambda who: desk.approve(who, version, base=shipped_version()), [ANN] * 4)
        assert sorted(outcomes) == ["approved_already"] * 3 + ["done"]
        assert_chained(store)

    def test_what_is_due_happens_once_however_many_clocks_there_are(self, desk, store):
        version = desk.approved()
        desk.schedule(MARY, version, at_ms=NOW_MS + HOUR_MS)
        desk.clock.advance(HOUR_MS)
        assert at_once(lambda _: desk.settle(), range(4)) == ["done"] * 4
        assert desk.kinds(version).count(StepKind.ACTIVATED) == 1
        assert_chained(store)

    def test_several_processes_share_one_chain(self, desk, store):
        with opened(store.settings.database_url, store.settings.data_dir) as other:
            desks = [desk, Desk(other, desk.clock)] * 4
            outcomes = at_once(
                lambda each: each[1].draft(MARY, a_policy(100_000 + each[0])), list(enumerate(desks))
            )
        assert outcomes == ["done"] * 8
        assert_chained(store)


def at_once(deed, over):
    """Do something many times at once; return what became of each."""
    together = threading.Barrier(len(over))

    def do(each):
        together.wait()
        try:
            deed(each)
        except PolicyRefusedError as refused:
            return refused.because.value
        return "done"

    with ThreadPoolExecutor(len(over)) as threads:
        return list(threads.map(do, over))


def assert_chained(store):
    with reading(store.engine) as conn:
        entries = read_entries(conn)
    assert [entry.step.number for entry in entries] == list(range(1, len(entries) + 1))
    assert first_broken((entry.step, entry.header) for entry in entries) is None


class TestTheTable:
    @pytest.mark.parametrize(
        "change",
        [update(policy_steps).values(actor="somebody"), delete(policy_steps)],
        ids=["update", "delete"],
    )
    def test_steps_are_only_ever_added(self, desk, change):
        draft_alone(desk)
        with pytest.raises(StoreRefusedError), writing(desk.engine) as conn:
            conn.execute(change)
        assert len(desk.kinds(service.draft(desk.engine, MARY, desk.clock, a_policy()).version)) == 1

    def test_a_step_that_cannot_be_put_in_force_is_not_taken(self, sqlite_store, clock):
        desk = Desk(sqlite_store, clock)
        version = desk.approved()
        refuses = (
            "CREATE TRIGGER refuses BEFORE INSERT ON active_versions BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with writing(desk.engine) as conn:
            conn.execute(text(refuses))
        with pytest.raises(StoreRefusedError):
            desk.activate(MARY, version)
        assert desk.life().state_of(version) is State.APPROVED
        assert desk.active()[POLICY] is None

    def test_no_number_is_given_twice(self, desk):
        draft_alone(desk)
        again = text(
            "INSERT INTO policy_steps"
            " SELECT 1, name, version, base, kind, actor, actor_role, at_ms, detail, header"
            " FROM policy_steps WHERE step_no = 2"
        )
        with pytest.raises(StoreRefusedError), writing(desk.engine) as conn:
            conn.execute(again)
