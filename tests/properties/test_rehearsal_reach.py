"""A slate that is not composed again is the one that would have been composed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import shops
from support.policies import a_policy, a_rule
from support.retained import body_of, kept_of
from support.scenes import Scene, agreeing
from support.slate_cases import composed
from support.tries import tries
from support.views import a_view

from engine.vocabulary import Intent
from guardrails.policy.again import Hearing, Said
from guardrails.policy.language import Atom, Op, Policy
from guardrails.policy.limits import Limits, VarietyLimits
from guardrails.policy.reach import affected, reached
from guardrails.policy.retained import Retained

N = 14
LIMITS = (
    Limits(),
    Limits(variety=VarietyLimits(min_categories=2, from_count=1)),
    Limits(variety=VarietyLimits(selling_share_micro=700_000, min_categories=3, from_count=3)),
)


def draw_view(draw: np.random.Generator):
    selling = draw.choice([Intent.UPSELL, Intent.CROSS_SELL, Intent.CROSS_SELL], N)
    return a_view(
        N,
        intent=np.where(draw.random(N) < draw.choice([0.2, 0.5]), Intent.SIMILAR, selling),
        category=draw.integers(-1, 3, N),
        count=int(draw.integers(1, 6)),
        category_bound=bool(draw.integers(3) == 0),
        recent_category=int(draw.integers(-1, 3)),
        n_upsell_steps_session=int(draw.integers(0, 2)),
    )


def columns(views, shown) -> Retained:
    """Decisions of one round each."""
    ptr = np.arange(len(views) + 1, dtype=np.int64)
    of_round = ("category_bound", "recent_category")
    numbers = {
        "round_ptr": ptr,
        "cand_ptr": ptr * N,
        "count": np.array([view.request.count for view in views], np.int32),
        "intent": np.concatenate([view.intent for view in views]),
        "category": np.concatenate([view.category for view in views]),
        "shown_row": np.array([row + N * at for at, rows in enumerate(shown) for row in rows], np.int64),
        **{name: np.array([getattr(view, name) for view in views]) for name in of_round},
    }
    return Retained(numbers, {})


def said(withheld, rank_score) -> Said:
    return Said((), np.where(withheld, 0, -1).astype(np.int16), rank_score, np.zeros(0, np.bool_))


@tries(300)
@given(st.integers(0, 1 << 32), st.sampled_from(LIMITS), st.integers(1, 2))
def test_what_is_not_composed_again_is_what_would_have_been(seed: int, limits: Limits, n_moved: int):
    draw = np.random.default_rng(seed)
    views = [draw_view(draw) for _ in range(8)]
    size = N * len(views)
    withheld, score = draw.random(size) < draw.choice([0.1, 0.6]), draw.integers(1, 6, size)
    after, later = withheld.copy(), score.copy()
    for first in range(0, size, N):
        some = first + draw.choice(N, n_moved, replace=False)
        after[some] = draw.random(n_moved) < 0.5
        later[some] = draw.integers(1, 6, n_moved)
    then, now = said(withheld, score), said(after, later)

    def slates(of: Said):
        for number, view in enumerate(views):
            rows = slice(N * number, N * (number + 1))
            yield composed(
                view, limits, rank_score=of.rank_score[rows], withheld=np.flatnonzero(of.withheld[rows])
            )

    before = list(slates(then))
    kept = columns(views, [slate.shown for slate in before])
    moved = np.flatnonzero((withheld != after) | (score != later))
    again = reached(kept, then, now, moved, limits)
    for number, (one, other) in enumerate(zip(before, slates(now), strict=True)):
        if not again[number]:
            assert (one.shown, one.refused) == (other.shown, other.refused)


def test_a_slate_that_did_not_come_to_a_candidate_is_not_composed_again_for_it():
    house = shops.a_house()
    past = shops.knowing([shops.did("bread-0"), shops.did("milk-1"), shops.did("soap-0")])
    scene = Scene(shops.a_request(count=2), agreeing(), past, house)
    kept = kept_of([body_of(scene)])
    recorded = {house.policy_version: Policy(limits=house.limits)}
    composed_again = {}
    for item in kept.names["items"]:
        draft = a_policy(a_rule("not-this", when=Atom("item.id", Op.EQUAL, item)))
        hearing = Hearing(kept, recorded, (draft,))
        said = hearing.under(draft)
        if (said.withheld != hearing.recorded.withheld).any():
            composed_again[item] = bool(affected(hearing, said, draft).any())
    shown = [kept.names["items"][code] for code in kept["item"][kept["shown_row"]].tolist()]
    assert all(composed_again[item] for item in shown)
    assert not all(composed_again.values())
