"""What needs attention is said, the worst first; where all is well nothing is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from api.console.figures import Figures, LogStanding, ModelStanding, PolicyStanding, Sums
from api.console.matters import MUCH_DEGRADED_MICRO, OLD_MODEL_DAYS, Weight, matters
from api.logbook import Standing
from api.storage.api_keys import Role
from engine.interactions import DAY_MS
from guardrails.log.tallies import Part
from guardrails.policy.review import Flaw, Overdue

NOW_MS = 20_000 * DAY_MS
MINUTE_MS = 60_000

WELL = Figures(
    day_from=19_990,
    day_to=20_001,
    days={},
    total=Sums(1_000, 3_000, 500),
    parts={part: {} for part in Part},
    tallied_from=19_000,
    recorded_from=19_000,
    consents=None,
    measured={"too_personal": "below"},
    ceiling_micro=5_000,
    overdue=(),
    own_rules={},
    policy=PolicyStanding("house", "a" * 64, is_readable=True, rules=()),
    proposed=[],
    model=ModelStanding("b" * 64, NOW_MS - 2 * DAY_MS, NOW_MS - 2 * DAY_MS, is_update=False),
    log=LogStanding(Standing(100, 5, 0, 0, is_forked=False), NOW_MS, 0, False, NOW_MS, 10, 0),
    n_requests_overdue=0,
    has_items=True,
    now_ms=NOW_MS,
)


def log_with(standing=(), **changes):
    log = replace(WELL.log, **changes)
    return {"log": replace(log, standing=log.standing._replace(**dict(standing)))}


def overdue(days, *, blocks=False):
    return Overdue("G17", "merchandising", Flaw.PAST_REVIEW, date(2026, 1, 1), days, None, None, blocks)


def degraded(micro):
    return {
        "total": Sums(1_000_000, 1, 1),
        "parts": {**WELL.parts, Part.DEGRADED: {"model_missing": Sums(micro, 0, 0)}},
    }


def test_where_all_is_well_nothing_needs_attention():
    assert matters(WELL) == []


@pytest.mark.parametrize(
    ("changes", "weight", "begins"),
    [
        (log_with({"is_forked": True, "n_not_vouched": 3}), Weight.BAD, "The log does not go on"),
        (log_with(n_failed=2), Weight.BAD, "2 decisions did not come out the same"),
        (log_with(n_failed=1), Weight.BAD, "1 decision did not come out the same"),
        (log_with(n_spooled=7), Weight.WARNING, "7 decisions wait"),
        (
            log_with({"n_not_vouched": 4}, vouched_ms=NOW_MS - 11 * MINUTE_MS),
            Weight.WARNING,
            "4 entries of the log are not signed yet",
        ),
        (
            log_with({"n_not_vouched": 1, "quiet_s": 60}, vouched_ms=None),
            Weight.WARNING,
            "1 entry of the log is not",
        ),
        ({"n_requests_overdue": 1}, Weight.BAD, "1 request of a customer is past its day"),
        ({"measured": {"too_personal": "above"}}, Weight.BAD, "Customers find more suggestions too personal"),
        ({"overdue": (overdue(3),)}, Weight.WARNING, "1 rule is past the day of its review."),
        (
            {"overdue": (overdue(3), overdue(40, blocks=True))},
            Weight.BAD,
            "2 rules are past the day of their review. After 30 days no policy",
        ),
        (
            {"policy": PolicyStanding("house", "a" * 64, is_readable=False, rules=())},
            Weight.BAD,
            "The policy in force cannot be read any more",
        ),
        ({"proposed": [("house", "c" * 64)]}, Weight.TO_DO, "1 policy waits for an approval"),
        ({"model": None}, Weight.WARNING, "There is no model yet"),
        (
            {"now_ms": NOW_MS + OLD_MODEL_DAYS * DAY_MS},
            Weight.WARNING,
            "The model has learned nothing new for 32 days",
        ),
        (degraded(MUCH_DEGRADED_MICRO + 1), Weight.WARNING, "Many answers were less"),
    ],
)
def test_what_is_not_as_it_should_be_is_said_in_a_sentence(changes, weight, begins):
    (matter,) = matters(replace(WELL, **changes))
    assert matter.weight is weight
    assert matter.text.startswith(begins)


@pytest.mark.parametrize(
    "changes",
    [
        log_with({"n_not_vouched": 4}, vouched_ms=NOW_MS - 9 * MINUTE_MS),
        log_with({"n_not_vouched": 4, "quiet_s": 59}, vouched_ms=None),
        {"measured": None},
        {"measured": {"too_personal": "unknown"}},
        {"model": None, "has_items": False},
        degraded(MUCH_DEGRADED_MICRO),
        {"total": Sums()},
    ],
)
def test_what_is_usual_needs_no_attention(changes):
    assert matters(replace(WELL, **changes)) == []


def test_the_worst_comes_first():
    everything = replace(
        WELL,
        proposed=[("house", "c" * 64), ("house", "d" * 64)],
        overdue=(overdue(1),),
        n_requests_overdue=2,
        model=None,
        **log_with(n_spooled=1, n_failed=1),
    )
    weights = [each.weight for each in matters(everything)]
    assert weights == sorted(weights)
    assert set(weights) == set(Weight)


def test_one_policy_is_led_to_several_to_their_list():
    (one,) = matters(replace(WELL, proposed=[("house", "c" * 64)]))
    assert one.href == f"/console/policies/house/versions/{'c' * 64}"
    (several,) = matters(replace(WELL, proposed=[("house", "c" * 64), ("house", "d" * 64)]))
    assert several.href == "/console/policies"


def test_rooms_of_auditors_are_for_auditors():
    found = matters(replace(WELL, n_requests_overdue=1, **log_with(n_spooled=1)))
    assert [each.roles for each in found] == [(Role.AUDITOR,)] * 2
