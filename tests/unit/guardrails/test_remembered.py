"""What is worked out once and remembered: never more than so much of it, and nobody can write into it."""

from __future__ import annotations

import numpy as np
import pytest
from support.views import a_view

from engine import interactions
from engine.interactions import Weighting
from engine.vocabulary import Intent
from guardrails import behind, decide
from guardrails.creepiness import score
from guardrails.policy import limits
from guardrails.policy.limits import EvidenceLimits, Limits
from guardrails.rules import CATALOGUE
from guardrails.rules.base import obligations

MOST = 256
TABLES = [
    (limits._max_age_days, (EvidenceLimits(),)),
    (behind._greatest_ages, (EvidenceLimits(),)),
    (interactions._by_kind, (Weighting(),)),
    (score._shares, (score.DEFAULT_WEIGHTS, score.DIMENSION_NAMES)),
    (decide._fitting, (frozenset({Intent.UPSELL}),)),
]


@pytest.mark.parametrize("kept", [*(table for table, _ in TABLES), obligations])
def test_no_more_than_so_many_answers_are_kept(kept):
    assert 0 < kept.cache_parameters()["maxsize"] <= MOST


@pytest.mark.parametrize(("table", "arguments"), TABLES)
def test_nobody_writes_into_what_others_read(table, arguments):
    kept = table(*arguments)
    assert kept is table(*arguments)
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1


def test_what_follows_from_a_view_is_worked_out_once_and_of_that_view():
    view, dearer = a_view(2, price_minor=5), a_view(2, price_minor=7)
    assert view.price_minor is view.price_minor
    assert (view.price_minor.tolist(), dearer.price_minor.tolist()) == ([5, 5], [7, 7])


def test_rules_leave_what_they_share_as_it_was():
    view = a_view(3, tier=[0, 2, 3], evidence_tier=[3, 0, 0], age_restricted=True)
    shared = ("tier", "sponsored", "pressing", "age_restricted", "price_minor", "category")
    before = {name: getattr(view, name).copy() for name in shared}
    for rule in CATALOGUE:
        rule.judge(view, Limits())
    for name in shared:
        np.testing.assert_array_equal(getattr(view, name), before[name], err_msg=name)
