"""How many rules are past their review, as a figure without anybody's data."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.policies import a_policy, a_rule

from api.houses import Policies, loaded
from api.metrics import Metrics
from guardrails.policy.charter import charter
from guardrails.policy.review import GRACE_DAYS

FIRST = min(entry.review_by for entry in charter().values())
N_FIRST = sum(entry.review_by == FIRST for entry in charter().values())


def days_after_first(n_days):
    day = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=n_days)
    return int(day.timestamp()) * 1000


@pytest.mark.parametrize(
    ("days_after", "n_overdue", "n_blocking"),
    [(0, 0, 0), (1, N_FIRST, 0), (3650, len(charter()), len(charter()))],
)
def test_rules_past_their_review_are_counted(days_after, n_overdue, n_blocking):
    metrics = Metrics()
    metrics.show_reviews(days_after_first(days_after))
    figures = metrics.exposition().decode()
    assert f'tactful_rules_overdue{{state="overdue"}} {n_overdue:.1f}' in figures
    assert f'tactful_rules_overdue{{state="blocks_approval"}} {n_blocking:.1f}' in figures
    assert days_after <= GRACE_DAYS or n_blocking


def test_rules_of_the_shop_are_counted_as_long_as_they_are_in_force():
    metrics, own = Metrics(), replace(a_rule(), review_by=FIRST)
    for policy, n_overdue in ((a_policy(own), N_FIRST + 1), (a_policy(), N_FIRST)):
        metrics.serves(Policies(loaded(policy, "c" * 64)))
        metrics.show_reviews(days_after_first(1))
        assert f'tactful_rules_overdue{{state="overdue"}} {n_overdue:.1f}' in metrics.exposition().decode()
