"""A change of policy goes its way step by step; whatever would cut that short is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.lifecycle import (
    ADA,
    ALAN,
    ANN,
    AUDREY,
    CLOCK,
    FIRST,
    HOUR_MS,
    MARTIN,
    MARY,
    NOW_MS,
    READY,
    SECOND,
    SHIPPED,
    THIRD,
    Shop,
)

from guardrails.policy.chain import (
    NO_STEP,
    first_broken,
    header_of,
    header_sha256,
    to_plain,
)
from guardrails.policy.due import (
    next_due,
)
from guardrails.policy.lifecycle import (
    LONGEST_GLASS_MS,
    NO_LIFE,
    SYSTEM,
    Detail,
    State,
    StepKind,
    fold,
)
from guardrails.policy.permission import (
    ROLES,
    Because,
    Facts,
)

DRAFTED, PROPOSED, APPROVED = StepKind.DRAFTED, StepKind.PROPOSED, StepKind.APPROVED
REJECTED, SCHEDULED, ACTIVATED = StepKind.REJECTED, StepKind.SCHEDULED, StepKind.ACTIVATED
SUSPENDED, SHADOWED, CHALLENGED = StepKind.SUSPENDED, StepKind.SHADOWED, StepKind.CHALLENGED
ENDED, BROKE_GLASS, EXPIRED, FOUND = StepKind.ENDED, StepKind.BROKE_GLASS, StepKind.EXPIRED, StepKind.FOUND


@pytest.fixture
def shop():
    return Shop()


def refused(found):
    assert found is not None, "it was not refused"
    assert found.message
    return found.because


def in_force(shop):
    return shop.life.in_force


def break_glass(shop, version, who=MARY, hours=24, reason="prices are wrong"):
    until_ms = shop.now_ms + hours * HOUR_MS
    return shop.take(BROKE_GLASS, version, who, reason=reason, until_ms=until_ms)


class TestTheUsualWay:
    def test_before_the_first_step_nothing_is_in_force(self):
        assert NO_LIFE.in_force is None
        assert NO_LIFE.base_of(FIRST) is None
        assert next_due(NO_LIFE, NOW_MS) is None

    def test_a_change_goes_from_draft_to_active(self, shop):
        states = []
        for kind, who in ((DRAFTED, MARY), (PROPOSED, MARY), (APPROVED, ANN), (ACTIVATED, MARTIN)):
            assert shop.take(kind, FIRST, who) is None
            states.append(shop.life.state_of(FIRST))
        assert states == [State.DRAFT, State.PROPOSED, State.APPROVED, State.ACTIVE]
        assert in_force(shop) == FIRST
        assert shop.life.state_of(SHIPPED) is State.SUPERSEDED

    def test_the_steps_alone_tell_all_of_it(self, shop):
        shop.activate(FIRST)
        shop.approve(SECOND)
        assert fold(shop.steps) == shop.life
        assert shop.life.n_steps == len(shop.steps)

    @pytest.mark.parametrize("kind", [kind for kind in StepKind if kind is not FOUND])
    def test_every_step_asks_for_its_role(self, shop, kind):
        shop.propose(FIRST)
        assert SYSTEM not in ROLES[kind] or ROLES[kind] in ({SYSTEM}, ROLES[ACTIVATED])
        assert refused(shop.take(kind, FIRST, ("key", "site"))) is Because.ROLE
        if kind in (SUSPENDED, EXPIRED):
            assert refused(shop.take(kind, FIRST, ADA)) is Because.ROLE

    @pytest.mark.parametrize(
        ("kind", "who"),
        [
            (kind, CLOCK if kind in (SUSPENDED, EXPIRED) else AUDREY if kind is REJECTED else ADA)
            for kind in StepKind
            if kind not in (FOUND, DRAFTED)
        ],
    )
    def test_what_was_never_drafted_has_no_life(self, shop, kind, who):
        assert refused(shop.take(kind, FIRST, who)) is Because.UNKNOWN_VERSION

    def test_a_rejected_change_needs_a_new_proposal(self, shop):
        shop.approve(FIRST)
        assert refused(shop.take(REJECTED, FIRST, ALAN, reason=" ")) is Because.NO_REASON
        assert shop.take(REJECTED, FIRST, ALAN, reason="too strict") is None
        assert shop.life.state_of(FIRST) is State.REJECTED
        assert refused(shop.take(ACTIVATED, FIRST, MARY)) is Because.NOT_PROPOSED
        assert shop.take(PROPOSED, FIRST, MARY) is None
        assert refused(shop.take(ACTIVATED, FIRST, MARY)) is Because.NOT_APPROVED

    def test_what_is_not_proposed_can_neither_be_approved_nor_rejected(self, shop):
        shop.take(DRAFTED, FIRST, MARY)
        assert refused(shop.take(APPROVED, FIRST, ANN)) is Because.NOT_PROPOSED
        assert refused(shop.take(REJECTED, FIRST, ANN, reason="no")) is Because.NOT_PROPOSED


class TestProposing:
    @pytest.mark.parametrize(
        ("facts", "because"),
        [
            (replace(READY, n_errors=1), Because.ERRORS),
            (replace(READY, n_failing_tests=2), Because.FAILING_TESTS),
            (replace(READY, report_sha256=None), Because.NOT_REHEARSED),
        ],
    )
    def test_it_takes_a_sound_draft_and_a_rehearsal(self, shop, facts, because):
        shop.take(DRAFTED, FIRST, MARY)
        shop.facts = facts
        assert refused(shop.take(PROPOSED, FIRST, MARY)) is because

    def test_what_is_in_force_cannot_be_proposed(self, shop):
        shop.activate(FIRST)
        assert refused(shop.take(PROPOSED, FIRST, MARTIN)) is Because.IN_FORCE

    def test_it_is_against_what_is_in_force(self, shop):
        shop.take(DRAFTED, FIRST, MARY)
        assert refused(shop.take(PROPOSED, FIRST, MARY, base=SECOND)) is Because.BASE_MOVED

    def test_once_is_enough(self, shop):
        shop.propose(FIRST)
        assert refused(shop.take(PROPOSED, FIRST, MARTIN)) is Because.OPEN_ALREADY

    def test_when_the_base_has_moved_it_can_be_proposed_again_and_needs_approval_again(self, shop):
        shop.approve(FIRST)
        shop.activate(SECOND)
        assert shop.life.state_of(FIRST) is State.APPROVED
        assert shop.take(PROPOSED, FIRST, MARTIN) is None
        assert shop.life.state_of(FIRST) is State.PROPOSED

    def test_back_goes_only_to_what_was_in_force(self, shop):
        shop.take(DRAFTED, FIRST, MARY)
        assert refused(shop.take(PROPOSED, FIRST, MARY, is_rollback=True)) is Because.NEVER_IN_FORCE
        shop.activate(FIRST)
        assert shop.take(PROPOSED, SHIPPED, MARY, is_rollback=True) is None
        assert refused(shop.take(ACTIVATED, SHIPPED, MARY)) is Because.NOT_APPROVED
        assert shop.take(APPROVED, SHIPPED, ANN) is None
        assert shop.take(ACTIVATED, SHIPPED, MARY) is None
        assert in_force(shop) == SHIPPED


class TestApproving:
    def test_neither_author_nor_proposer_may(self, shop):
        shop.take(DRAFTED, FIRST, ANN)
        shop.take(PROPOSED, FIRST, ALAN)
        assert refused(shop.take(APPROVED, FIRST, ANN)) is Because.OWN_CHANGE
        assert refused(shop.take(APPROVED, FIRST, ALAN)) is Because.OWN_CHANGE
        assert shop.take(APPROVED, FIRST, ADA) is None

    def test_everybody_who_drafted_it_is_an_author(self, shop):
        shop.take(DRAFTED, FIRST, ANN)
        shop.propose(FIRST, MARY)
        assert refused(shop.take(APPROVED, FIRST, ANN)) is Because.OWN_CHANGE

    def test_who_becomes_an_author_later_has_not_approved(self, shop):
        shop.approve(FIRST, ANN)
        assert shop.take(DRAFTED, FIRST, ANN) is None
        assert shop.life.state_of(FIRST) is State.PROPOSED
        assert refused(shop.take(ACTIVATED, FIRST, MARY)) is Because.NOT_APPROVED

    def test_nobody_approves_twice(self, shop):
        shop.approve(FIRST)
        assert refused(shop.take(APPROVED, FIRST, ANN)) is Because.APPROVED_ALREADY

    def test_it_names_the_base_that_was_looked_at(self, shop):
        shop.propose(FIRST)
        assert refused(shop.take(APPROVED, FIRST, ANN, base=SECOND)) is Because.OTHER_BASE

    def test_it_is_too_late_once_the_base_has_moved(self, shop):
        shop.propose(FIRST)
        shop.activate(SECOND)
        assert refused(shop.take(APPROVED, FIRST, ANN, base=SHIPPED)) is Because.BASE_MOVED

    def test_an_edited_version_has_no_approval(self, shop):
        shop.approve(FIRST)
        shop.propose(SECOND)
        assert refused(shop.take(ACTIVATED, SECOND, MARY)) is Because.NOT_APPROVED

    def test_what_only_an_auditor_may_agree_to_waits_for_one(self, shop):
        shop.propose(FIRST, needs_auditor=True)
        for approver in (ANN, ADA):
            assert shop.take(APPROVED, FIRST, approver) is None
            assert refused(shop.take(ACTIVATED, FIRST, MARY)) is Because.NEEDS_AUDITOR
        assert shop.take(APPROVED, FIRST, AUDREY) is None
        assert shop.take(ACTIVATED, FIRST, MARY) is None

    def test_what_takes_an_auditor_only_since_waits_for_one_as_well(self, shop):
        shop.approve(FIRST)
        shop.facts = replace(READY, needs_auditor=True)
        assert refused(shop.take(ACTIVATED, FIRST, MARY)) is Because.NEEDS_AUDITOR
        assert shop.take(APPROVED, FIRST, AUDREY) is None
        assert shop.take(ACTIVATED, FIRST, MARY) is None


class TestActivating:
    def test_it_takes_an_approval(self, shop):
        shop.propose(FIRST)
        assert refused(shop.take(ACTIVATED, FIRST, ADA)) is Because.NOT_APPROVED

    def test_it_is_checked_again_whether_it_is_sound(self, shop):
        shop.approve(FIRST)
        shop.facts = replace(READY, n_errors=1)
        assert refused(shop.take(ACTIVATED, FIRST, MARY)) is Because.ERRORS

    def test_a_base_that_has_moved_is_said_to_have(self, shop):
        shop.approve(FIRST)
        shop.activate(SECOND)
        assert refused(shop.take(ACTIVATED, FIRST, MARY, base=SHIPPED)) is Because.BASE_MOVED
        assert refused(shop.take(ACTIVATED, FIRST, MARY, base=SECOND)) is Because.OTHER_BASE

    def test_what_was_suspended_is_not_applied(self, shop):
        shop.approve(FIRST)
        assert shop.take(SUSPENDED, FIRST, CLOCK) is None
        assert shop.life.state_of(FIRST) is State.SUSPENDED
        assert refused(shop.take(ACTIVATED, FIRST, MARY)) is Because.NOT_PROPOSED
        assert refused(shop.take(SUSPENDED, FIRST, CLOCK)) is Because.NOT_PROPOSED

    def test_for_a_time_it_falls_back_by_itself(self, shop):
        shop.activate(FIRST, until_ms=NOW_MS + HOUR_MS)
        assert shop.wait(HOUR_MS - 1) == []
        assert shop.wait(1) == [(EXPIRED, FIRST)]
        assert in_force(shop) == SHIPPED
        assert shop.life.state_of(FIRST) is State.EXPIRED

    def test_what_is_over_meanwhile_is_not_fallen_back_to(self, shop):
        shop.activate(FIRST, until_ms=NOW_MS + HOUR_MS)
        shop.activate(SECOND, until_ms=NOW_MS + 2 * HOUR_MS)
        assert shop.wait(2 * HOUR_MS) == [(EXPIRED, SECOND), (EXPIRED, FIRST)]
        assert in_force(shop) == SHIPPED

    def test_it_cannot_be_over_before_it_begins(self, shop):
        shop.approve(FIRST)
        assert refused(shop.take(ACTIVATED, FIRST, MARY, until_ms=NOW_MS)) is Because.TIME


class TestScheduling:
    def test_it_comes_into_force_by_itself(self, shop):
        shop.approve(FIRST)
        due_ms = NOW_MS + 2 * HOUR_MS
        until_ms = due_ms + HOUR_MS
        assert shop.take(SCHEDULED, FIRST, MARY, scheduled_at_ms=due_ms, until_ms=until_ms) is None
        assert shop.life.state_of(FIRST) is State.SCHEDULED
        assert shop.wait(2 * HOUR_MS - 1) == []
        assert shop.wait(1) == [(ACTIVATED, FIRST)]
        assert shop.wait(HOUR_MS) == [(EXPIRED, FIRST)]

    def test_the_clock_is_never_early_and_needs_a_schedule(self, shop):
        shop.approve(FIRST)
        assert refused(shop.take(ACTIVATED, FIRST, CLOCK)) is Because.TIME
        shop.take(SCHEDULED, FIRST, MARY, scheduled_at_ms=NOW_MS + HOUR_MS)
        assert refused(shop.take(ACTIVATED, FIRST, CLOCK)) is Because.TIME

    @pytest.mark.parametrize("detail", [{}, {"scheduled_at_ms": NOW_MS}])
    def test_it_is_for_the_future(self, shop, detail):
        shop.approve(FIRST)
        assert refused(shop.take(SCHEDULED, FIRST, MARY, **detail)) is Because.TIME

    def test_it_takes_an_approval(self, shop):
        shop.propose(FIRST)
        at_ms = NOW_MS + HOUR_MS
        assert refused(shop.take(SCHEDULED, FIRST, MARY, scheduled_at_ms=at_ms)) is Because.NOT_APPROVED

    def test_when_the_base_has_moved_it_is_suspended(self, shop):
        shop.approve(FIRST)
        shop.take(SCHEDULED, FIRST, MARY, scheduled_at_ms=NOW_MS + HOUR_MS)
        shop.activate(SECOND)
        assert shop.wait(HOUR_MS) == [(SUSPENDED, FIRST)]
        assert in_force(shop) == SECOND

    def test_what_is_no_longer_sound_is_suspended(self, shop):
        shop.approve(FIRST)
        shop.take(SCHEDULED, FIRST, MARY, scheduled_at_ms=NOW_MS + HOUR_MS)
        shop.facts = Facts(n_errors=1)
        assert shop.wait(HOUR_MS) == [(SUSPENDED, FIRST)]
        assert in_force(shop) == SHIPPED

    def test_of_two_for_the_same_base_the_earlier_one_comes_into_force(self, shop):
        for version, hours in ((FIRST, 2), (SECOND, 1)):
            shop.approve(version)
            shop.take(SCHEDULED, version, MARY, scheduled_at_ms=NOW_MS + hours * HOUR_MS)
        assert shop.wait(3 * HOUR_MS) == [(ACTIVATED, SECOND), (SUSPENDED, FIRST)]

    def test_it_can_be_called_off(self, shop):
        shop.approve(FIRST)
        shop.take(SCHEDULED, FIRST, MARY, scheduled_at_ms=NOW_MS + HOUR_MS)
        assert shop.take(ENDED, FIRST, MARTIN) is None
        assert shop.life.state_of(FIRST) is State.APPROVED
        assert shop.wait(HOUR_MS) == []


class TestTrials:
    def test_a_draft_can_be_watched_without_approval(self, shop):
        shop.take(DRAFTED, FIRST, MARY)
        assert shop.take(SHADOWED, FIRST, MARY, until_ms=NOW_MS + HOUR_MS) is None
        assert shop.life.shadow.version == FIRST
        assert shop.life.state_of(FIRST) is State.DRAFT
        shop.take(DRAFTED, SECOND, MARY)
        assert refused(shop.take(SHADOWED, SECOND, MARY)) is Because.OCCUPIED
        assert shop.wait(HOUR_MS) == [(EXPIRED, FIRST)]
        assert shop.life.shadow is None

    def test_what_has_errors_or_is_in_force_is_not_watched(self, shop):
        assert refused(shop.take(SHADOWED, SHIPPED, MARY)) is Because.IN_FORCE
        shop.take(DRAFTED, FIRST, MARY)
        shop.facts = Facts(n_errors=1)
        assert refused(shop.take(SHADOWED, FIRST, MARY)) is Because.ERRORS
        shop.facts = Facts(n_failing_tests=1)
        assert refused(shop.take(SHADOWED, FIRST, MARY)) is Because.FAILING_TESTS

    def test_the_shadow_of_what_comes_into_force_is_over(self, shop):
        shop.approve(FIRST)
        shop.take(SHADOWED, FIRST, MARY)
        shop.take(ACTIVATED, FIRST, MARY)
        assert shop.life.shadow is None

    def test_a_challenger_needs_approval_and_can_be_activated_afterwards(self, shop):
        shop.propose(FIRST)
        share = {"share_micro": 100_000}
        assert refused(shop.take(CHALLENGED, FIRST, MARY, **share)) is Because.NOT_APPROVED
        shop.take(APPROVED, FIRST, ANN)
        assert shop.take(CHALLENGED, FIRST, MARY, **share) is None
        assert (shop.life.challenger.version, shop.life.challenger.share_micro) == (FIRST, 100_000)
        assert in_force(shop) == SHIPPED
        shop.approve(SECOND)
        assert refused(shop.take(CHALLENGED, SECOND, MARY, **share)) is Because.OCCUPIED
        assert shop.take(ACTIVATED, FIRST, MARY) is None
        assert shop.life.challenger is None

    @pytest.mark.parametrize("share_micro", [None, 0, -1, 500_001])
    def test_a_challenger_gets_half_of_the_customers_at_most(self, shop, share_micro):
        shop.approve(FIRST)
        assert refused(shop.take(CHALLENGED, FIRST, MARY, share_micro=share_micro)) is Because.SHARE
        assert shop.take(CHALLENGED, FIRST, MARY, share_micro=500_000) is None

    def test_a_challenger_whose_base_is_gone_is_suspended(self, shop):
        shop.approve(FIRST)
        shop.take(CHALLENGED, FIRST, MARY, share_micro=1)
        shop.activate(SECOND)
        assert shop.wait(0) == [(SUSPENDED, FIRST)]
        assert shop.life.challenger is None

    def test_a_challenger_that_is_rejected_is_over(self, shop):
        shop.approve(FIRST)
        shop.take(CHALLENGED, FIRST, MARY, share_micro=1)
        shop.take(REJECTED, FIRST, ANN, reason="complaints")
        assert shop.life.challenger is None

    def test_trials_can_be_ended_and_end_in_time(self, shop):
        shop.approve(FIRST)
        shop.take(DRAFTED, SECOND, MARY)
        shop.take(CHALLENGED, FIRST, MARY, share_micro=1, until_ms=NOW_MS + HOUR_MS)
        shop.take(SHADOWED, SECOND, MARY)
        assert refused(shop.take(ENDED, SHIPPED, MARY)) is Because.NOTHING_RUNS
        assert shop.take(ENDED, SECOND, MARY) is None
        assert shop.life.shadow is None
        assert shop.wait(HOUR_MS) == [(EXPIRED, FIRST)]
        assert shop.life.challenger is None
        assert shop.life.state_of(FIRST) is State.APPROVED


class TestBreakingTheGlass:
    def test_one_person_puts_a_draft_in_force_for_a_day_at_most(self, shop):
        shop.take(DRAFTED, FIRST, MARY)
        assert refused(break_glass(shop, FIRST, reason="")) is Because.NO_REASON
        assert refused(break_glass(shop, FIRST, hours=25)) is Because.TIME
        assert refused(break_glass(shop, FIRST, hours=0)) is Because.TIME
        assert refused(shop.take(BROKE_GLASS, FIRST, MARY, reason="now")) is Because.TIME
        assert break_glass(shop, FIRST) is None
        assert (in_force(shop), shop.life.state_of(FIRST)) == (FIRST, State.ACTIVE)
        assert shop.wait(LONGEST_GLASS_MS - 1) == []
        assert shop.wait(1) == [(EXPIRED, FIRST)]
        assert (in_force(shop), shop.life.state_of(FIRST)) == (SHIPPED, State.EXPIRED)

    def test_not_with_errors_nor_with_what_takes_an_auditor(self, shop):
        shop.take(DRAFTED, FIRST, MARY)
        shop.facts = Facts(n_errors=1)
        assert refused(break_glass(shop, FIRST)) is Because.ERRORS
        shop.facts = Facts(n_failing_tests=1)
        assert refused(break_glass(shop, FIRST)) is Because.FAILING_TESTS
        shop.facts = Facts(needs_auditor=True)
        assert refused(break_glass(shop, FIRST)) is Because.NEEDS_AUDITOR

    def test_it_can_be_mended_at_once(self, shop):
        shop.take(DRAFTED, FIRST, MARY)
        break_glass(shop, FIRST)
        assert refused(break_glass(shop, FIRST)) is Because.IN_FORCE
        assert refused(break_glass(shop, SHIPPED)) is Because.IN_FORCE
        assert shop.take(ENDED, FIRST, MARTIN) is None
        assert in_force(shop) == SHIPPED

    def test_glass_upon_glass_falls_back_to_what_was_approved(self, shop):
        for version in (FIRST, SECOND):
            shop.take(DRAFTED, version, MARY)
            assert break_glass(shop, version, hours=2) is None
        assert shop.wait(2 * HOUR_MS) == [(EXPIRED, SECOND)]
        assert in_force(shop) == SHIPPED

    def test_nobody_goes_on_doing_it_nor_do_two_in_turns(self, shop):
        for version in (FIRST, SECOND, THIRD):
            shop.take(DRAFTED, version, MARY)
        assert break_glass(shop, FIRST, hours=20) is None
        shop.wait(10 * HOUR_MS)
        assert refused(break_glass(shop, SECOND, hours=15)) is Because.GLASS_SPENT
        assert break_glass(shop, SECOND, hours=14) is None
        shop.wait(14 * HOUR_MS)
        for who in (MARY, ALAN, ADA):
            assert refused(break_glass(shop, THIRD, who, hours=1)) is Because.GLASS_SPENT
        shop.wait(24 * HOUR_MS)
        assert break_glass(shop, FIRST, ALAN, hours=24) is None

    def test_what_is_in_force_by_it_can_be_approved_of_meanwhile(self, shop):
        shop.take(DRAFTED, FIRST, MARY)
        break_glass(shop, FIRST)
        assert not shop.life.is_approved(FIRST)
        shop.propose(FIRST)
        assert shop.take(APPROVED, FIRST, ANN, base=SHIPPED) is None
        assert shop.take(ACTIVATED, FIRST, MARY) is None
        assert shop.wait(LONGEST_GLASS_MS) == []
        assert in_force(shop) == FIRST

    def test_a_change_for_a_time_falls_back_past_it(self, shop):
        shop.take(DRAFTED, FIRST, MARY)
        break_glass(shop, FIRST)
        shop.activate(SECOND, until_ms=NOW_MS + HOUR_MS)
        assert shop.wait(HOUR_MS) == [(EXPIRED, SECOND)]
        assert in_force(shop) == SHIPPED

    def test_what_was_due_meanwhile_is_suspended(self, shop):
        shop.approve(FIRST)
        shop.take(SCHEDULED, FIRST, MARY, scheduled_at_ms=NOW_MS + HOUR_MS)
        shop.take(DRAFTED, SECOND, MARY)
        break_glass(shop, SECOND)
        assert shop.wait(HOUR_MS) == [(SUSPENDED, FIRST)]
        assert in_force(shop) == SECOND

    def test_what_is_due_when_it_is_over_is_applied(self, shop):
        shop.approve(FIRST)
        shop.take(SCHEDULED, FIRST, MARY, scheduled_at_ms=NOW_MS + HOUR_MS)
        shop.take(DRAFTED, SECOND, MARY)
        break_glass(shop, SECOND, hours=1)
        assert shop.wait(HOUR_MS) == [(EXPIRED, SECOND), (ACTIVATED, FIRST)]


class TestWhatIsFound:
    def test_what_ships_anew_is_noted(self, shop):
        assert shop.take(FOUND, FIRST, CLOCK) is None
        assert in_force(shop) == FIRST
        assert refused(shop.take(FOUND, SECOND, ADA)) is Because.ROLE

    def test_what_was_approved_against_the_former_is_suspended(self, shop):
        shop.approve(SECOND)
        shop.take(SCHEDULED, SECOND, MARY, scheduled_at_ms=NOW_MS + HOUR_MS)
        shop.take(FOUND, FIRST, CLOCK)
        assert shop.wait(HOUR_MS) == [(SUSPENDED, SECOND)]


class TestTheChain:
    @pytest.fixture
    def entries(self, shop):
        shop.activate(FIRST, reason="for the sale of Mr Brown")
        found, before = [], NO_STEP
        for step in shop.steps:
            header = header_of(step, before)
            found.append((step, header))
            before = header_sha256(header)
        return found

    def test_as_written_it_holds(self, entries):
        assert first_broken(entries) is None
        assert first_broken([]) is None

    def test_a_header_holds_no_words_of_anybody(self, entries):
        assert b"Brown" not in entries[-1][1]
        assert b"reason_sha256" in entries[-1][1]

    def test_another_reason_shows(self, entries):
        step, header = entries[-1]
        entries[-1] = (replace(step, detail=Detail(reason="none")), header)
        assert first_broken(entries) == len(entries)

    def test_what_is_not_said_takes_no_room(self):
        assert to_plain(Detail()) == {}
        assert to_plain(Detail(reason="why", share_micro=3)) == {"reason": "why", "share_micro": 3}
