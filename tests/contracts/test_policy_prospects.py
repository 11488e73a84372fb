"""What could be done with a version is told as it would be done, whichever database it stands on."""

from __future__ import annotations

import pytest
from support.changing import ANN, AUDREY, MARTIN, MARY, a_policy, approved, drafted, rehearsed

from api.errors import UnknownPolicyError
from api.policies import service
from api.policies.examining import examined
from api.policies.service import prospects, shipped_version
from api.storage.connection import reading
from api.storage.policies import entries_of
from guardrails.policy.lifecycle import HOUR_MS, StepKind
from guardrails.policy.permission import Because

pytestmark = pytest.mark.usefixtures("store")

TIGHTER, TIGHTEST = a_policy(), a_policy(hard_micro=200_000)


class Desk:
    """Where somebody asks what could be done."""

    def __init__(self, store, clock):
        self.store, self.clock = store, clock

    def take(self, step, who, version, **more):
        return getattr(service, step)(self.store.engine, who, self.clock, version, **more)

    def prospects(self, version):
        found = examined(self.store.engine, version, self.clock())
        with reading(self.store.engine) as conn:
            return prospects(conn, self.clock, version, found)

    def why_not(self, version, who, kind):
        refused = self.prospects(version).why_not(who, kind)
        return None if refused is None else refused.because

    def drafted(self, policy=TIGHTER):
        return drafted(self.store, self.clock, policy)

    def approved(self, policy=TIGHTER):
        return approved(self.store, self.clock, policy)


@pytest.fixture
def desk(store, clock):
    return Desk(store, clock)


def test_a_draft_that_was_not_rehearsed_says_so(desk):
    version = service.draft(desk.store.engine, MARY, desk.clock, TIGHTER).version
    assert desk.why_not(version, MARY, StepKind.PROPOSED) is Because.NOT_REHEARSED
    rehearsed(desk.store, version, shipped_version())
    assert desk.why_not(version, MARY, StepKind.PROPOSED) is None
    assert desk.prospects(version).report_sha256 is not None


def test_a_draft_with_errors_says_so(desk):
    version = desk.drafted(a_policy(hard_micro=900_000))
    assert desk.why_not(version, MARY, StepKind.PROPOSED) is Because.ERRORS
    assert desk.prospects(version).examined.refusing


def test_everybody_is_told_what_they_themselves_could_do(desk):
    version = desk.drafted()
    assert desk.why_not(version, ANN, StepKind.APPROVED) is Because.NOT_PROPOSED
    desk.take("propose", MARY, version)
    found = {who.key_id: desk.why_not(version, who, StepKind.APPROVED) for who in (MARY, MARTIN, ANN, AUDREY)}
    assert found == {"mary": Because.ROLE, "martin": Because.ROLE, "ann": None, "audrey": None}
    assert desk.why_not(version, ANN, StepKind.REJECTED) is None
    assert desk.why_not(version, MARTIN, StepKind.ACTIVATED) is Because.NOT_APPROVED


@pytest.mark.parametrize(
    ("kind", "step", "more"),
    [
        (StepKind.ACTIVATED, "activate", {}),
        (StepKind.SCHEDULED, "schedule", {"later": True}),
        (StepKind.CHALLENGED, "challenge", {"share_micro": 100_000}),
        (StepKind.SHADOWED, "shadow", {}),
        (StepKind.BROKE_GLASS, "break_glass", {"reason": "prices are wrong", "until_ms": True}),
    ],
)
def test_what_is_said_to_be_possible_can_be_done(desk, kind, step, more):
    version, soon_ms = desk.approved(), desk.clock() + HOUR_MS
    if more.pop("later", False):
        more["at_ms"] = soon_ms
    if "until_ms" in more:
        more["until_ms"] = soon_ms
    assert desk.why_not(version, MARTIN, kind) is None
    desk.take(step, MARTIN, version, **more)
    with reading(desk.store.engine) as conn:
        assert entries_of(conn, version)[-1].step.kind is kind
    assert desk.why_not(version, MARTIN, StepKind.ENDED) is (
        Because.NOTHING_RUNS if kind is StepKind.ACTIVATED else None
    )


def test_what_was_approved_against_something_else_says_that_it_has_moved(desk):
    first, second = desk.approved(), desk.approved(TIGHTEST)
    desk.take("activate", MARY, second)
    rehearsed(desk.store, first, second)
    assert desk.why_not(first, MARTIN, StepKind.ACTIVATED) in (Because.BASE_MOVED, Because.NOT_PROPOSED)
    assert desk.why_not(first, MARTIN, StepKind.PROPOSED) is None


def test_asking_takes_no_step(desk):
    version = desk.approved()
    with reading(desk.store.engine) as conn:
        before = entries_of(conn, version)
    for kind in (StepKind.ACTIVATED, StepKind.SCHEDULED, StepKind.BROKE_GLASS):
        desk.why_not(version, MARY, kind)
    with reading(desk.store.engine) as conn:
        assert entries_of(conn, version) == before


def test_nothing_is_told_of_a_version_that_is_not_there(desk):
    found = desk.prospects(desk.drafted()).examined
    with reading(desk.store.engine) as conn, pytest.raises(UnknownPolicyError):
        prospects(conn, desk.clock, "e" * 64, found)


def test_what_is_said_with_a_step_is_kept_with_it(desk):
    version = desk.drafted()
    desk.take("propose", MARY, version, reason="dear upsells annoy")
    desk.take("approve", ANN, version, base=shipped_version(), reason="they do")
    with reading(desk.store.engine) as conn:
        said = [(entry.step.kind, entry.step.detail.reason) for entry in entries_of(conn, version)]
    assert said[-2:] == [(StepKind.PROPOSED, "dear upsells annoy"), (StepKind.APPROVED, "they do")]
    desk.take("activate", MARY, version)
    other = desk.approved(TIGHTEST)
    desk.take("activate", MARY, other)
    rehearsed(desk.store, version, other)
    taken = desk.take("rollback", MARTIN, version, reason="back again")
    assert taken.entry.step.detail.reason == "back again"
    assert taken.entry.step.detail.is_rollback
