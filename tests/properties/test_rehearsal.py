"""What is found for many decisions at once is what each of them comes to by itself."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import shops
from support.policies import policies
from support.retained import (
    as_before_house_rules,
    bodies_of,
    body_of,
    compared,
    expected_changes,
    kept_of,
    outcome_of,
    told,
)
from support.scenes import Scene, agreeing, any_scenes, scenes, watchful_scenes
from support.tries import tries

from guardrails.judge import judge
from guardrails.log.reading import sections_of, view_of
from guardrails.policy.again import Hearing
from guardrails.policy.columns import columns_of
from guardrails.policy.compiled import house_rules
from guardrails.policy.directions import DIRECTIONS
from guardrails.policy.fields import FIELDS
from guardrails.policy.language import Mode, Policy
from guardrails.policy.limits import Limits
from guardrails.policy.merged import ask, ask_one_by_one
from guardrails.policy.rehearsal import rehearse_run
from guardrails.policy.retained import OF_CATALOGUE
from guardrails.policy.retained_fields import RetainedColumns
from guardrails.rules import CATALOGUE
from guardrails.rules.base import View

ANY = any_scenes() | watchful_scenes() | scenes()
SEVERAL = st.lists(ANY, min_size=1, max_size=5)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    """Limits of which a few are other ones than those that ship."""
    found = Limits()
    for section, name in draw(st.lists(st.sampled_from(sorted(DIRECTIONS)), max_size=4, unique=True)):
        part = getattr(found, section)
        usual = getattr(part, name)
        value = draw(st.sampled_from((0, 1, usual // 2, usual + 1, usual * 2)))
        direction = DIRECTIONS[section, name]
        bounded = min(max(value, direction.least), direction.greatest)
        found = replace(found, **{section: replace(part, **{name: bounded})})
    return found


@st.composite
def drafts(draw: st.DrawFn) -> Policy:
    policy = draw(policies(tuple(FIELDS), modes=(Mode.ENFORCE, Mode.ENFORCE, Mode.SHADOW), max_rules=3))
    zone = draw(st.sampled_from(("UTC", "Pacific/Auckland")))
    return replace(policy, limits=draw(limits()), time_zone=zone)


def policies_of(found: list[Scene]) -> dict[str, Policy]:
    return {scene.house.policy_version: Policy(limits=scene.house.limits) for scene in found}


@tries(40)
@given(SEVERAL, limits())
def test_a_rule_says_the_same_of_rounds_side_by_side_as_of_each_alone(found: list[Scene], numbers: Limits):
    kept = kept_of(bodies_of(found))
    rounds = np.arange(kept.n_rounds)
    for rule in CATALOGUE:
        together, alone = (each(kept, rounds, rule, numbers) for each in (ask, ask_one_by_one))
        np.testing.assert_array_equal(together.effect, alone.effect, err_msg=rule.id)
        np.testing.assert_array_equal(together.factor_micro, alone.factor_micro, err_msg=rule.id)


@tries(20)
@given(SEVERAL, drafts())
def test_a_rule_of_the_shop_says_the_same_of_rounds_side_by_side_as_of_each_alone(
    found: list[Scene], draft: Policy
):
    kept = kept_of(bodies_of(found))
    rounds = np.arange(kept.n_rounds)
    for rule in house_rules(draft)[0]:
        together, alone = (each(kept, rounds, rule, draft.limits) for each in (ask, ask_one_by_one))
        np.testing.assert_array_equal(together.effect, alone.effect, err_msg=repr(rule.house_rule))
        np.testing.assert_array_equal(together.factor_micro, alone.factor_micro)


@tries(40)
@given(SEVERAL, st.sampled_from(("UTC", "Pacific/Auckland", "America/St_Johns")))
def test_every_field_is_that_of_the_rounds_one_by_one(found: list[Scene], zone: str):
    bodies = bodies_of(found)
    kept = kept_of(bodies)
    together = RetainedColumns(kept, np.arange(kept.n_rounds), ZoneInfo(zone))
    alone = [columns_of(view, ZoneInfo(zone)) for view in views_of(bodies)]
    assert together.n == sum(each.n for each in alone)
    for name in FIELDS:
        one_by_one = [value for each in alone for value in told(each.column(name), each.n)]
        assert told(together.column(name), together.n) == one_by_one, name


def views_of(bodies) -> list[View]:
    return [
        view_of(sections, number)
        for sections in (sections_of(each.body) for each in bodies)
        for number in range(len(sections["cand"]["rounds"]))
    ]


@given(SEVERAL)
def test_a_view_of_columns_is_that_of_the_record(found: list[Scene]):
    bodies = bodies_of(found)
    kept = kept_of(bodies)
    for number, view in enumerate(views_of(bodies)):
        again = kept.view_at(number)
        for name in (*OF_CATALOGUE, "score", "n_ignored_short", "basket_minor", "basis", "noticed"):
            if name in {"score", "muted", "age_restricted", "sensitive_class", "category", "brand"}:
                continue
            np.testing.assert_array_equal(getattr(again, name), getattr(view, name), err_msg=name)
        score = np.ones(len(view), np.int64)
        first, second = (judge(each, score, CATALOGUE, Limits()) for each in (view, again))
        assert first.deciding.tolist() == second.deciding.tolist()
        assert first.rank_score.tolist() == second.rank_score.tolist()


@tries(60)
@given(SEVERAL, drafts(), st.booleans())
def test_what_is_found_is_what_asking_one_by_one_finds(
    found: list[Scene], draft: Policy, against_ships: bool
):
    base = Policy() if against_ships else draft
    draft = draft if against_ships else Policy()
    bodies = bodies_of(found)
    rehearsed = rehearse_run(kept_of(bodies), policies_of(found), base, draft)
    assert compared(rehearsed.changes) == [
        each for body in bodies for each in expected_changes(body, base, draft)
    ]
    assert rehearsed.tally.n_decisions == len(bodies)
    assert rehearsed.tally.n_shown == sum(len(outcome_of(body, base).shown) for body in bodies)
    ids = [each.decision_id for each in rehearsed.changes]
    assert rehearsed.touched == tuple(dict.fromkeys(ids))
    assert rehearsed.tally.n_touched == len(rehearsed.touched)


@tries(15)
@given(SEVERAL, drafts())
def test_under_policies_not_known_any_more_the_same_is_found(found: list[Scene], draft: Policy):
    bodies = bodies_of(found)
    kept, known = kept_of(bodies), policies_of(found)
    unknown = dict.fromkeys(known)
    assert (
        rehearse_run(kept, known, Policy(), draft).changes
        == rehearse_run(kept, unknown, Policy(), draft).changes
    )


@tries(15)
@given(SEVERAL, limits())
def test_records_of_before_rules_of_the_shop_tell_the_same_of_limits(found: list[Scene], numbers: Limits):
    bodies, draft = bodies_of(found), Policy(limits=numbers)
    older = [as_before_house_rules(body) for body in bodies]
    known = policies_of(found)
    of_both = [rehearse_run(kept_of(each), known, Policy(), draft).changes for each in (bodies, older)]
    assert compared(of_both[0]) == compared(of_both[1])


@tries(10)
@given(any_scenes())
def test_what_was_recorded_is_what_the_policy_of_then_says(scene: Scene):
    body = body_of(scene)
    policy = Policy(limits=scene.house.limits)
    hearing = Hearing(kept_of([body]), {scene.house.policy_version: policy}, (policy,))
    unknown = Hearing(hearing.kept, {scene.house.policy_version: None}, (policy,))
    np.testing.assert_array_equal(hearing.under(policy).deciding, unknown.under(policy).deciding)
    np.testing.assert_array_equal(hearing.under(policy).rank_score, unknown.under(policy).rank_score)


def test_rules_are_asked_about_no_rounds_at_all():
    with pytest.raises(AssertionError):
        kept_of([body_of(a_scene())._replace(body=b"")])
    kept = kept_of([])
    assert ask(kept, np.arange(0), CATALOGUE[0], Limits()).effect.size == 0
    assert rehearse_run(kept, {}, Policy(), Policy()).changes == ()


def a_scene() -> Scene:
    return Scene(shops.a_request(), agreeing(), shops.knowing(shops.REGULAR), shops.a_house())
