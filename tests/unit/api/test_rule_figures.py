"""How many rules are past their review, as a figure without anybody's data."""

from datetime import UTC, datetime, timedelta

import pytest

from api.metrics import Metrics
from guardrails.policy.charter import charter
from guardrails.policy.review import GRACE_DAYS

FIRST = min(entry.review_by for entry in charter().values())
N_FIRST = sum(entry.review_by == FIRST for entry in charter().values())


@pytest.mark.parametrize(
    ("days_after", "n_overdue", "n_blocking"),
    [(0, 0, 0), (1, N_FIRST, 0), (3650, len(charter()), len(charter()))],
)
def test_rules_past_their_review_are_counted(days_after, n_overdue, n_blocking):
    metrics = Metrics()
    day = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=days_after)
    metrics.show_reviews(int(day.timestamp()) * 1000)
    figures = metrics.exposition().decode()
    assert f'tactful_rules_overdue{{state="overdue"}} {n_overdue:.1f}' in figures
    assert f'tactful_rules_overdue{{state="blocks_approval"}} {n_blocking:.1f}' in figures
    assert days_after <= GRACE_DAYS or n_blocking
