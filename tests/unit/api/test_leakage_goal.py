"""When the goal counts as reached: no better than a coin for S3, three quarters gone for S2."""

import pytest

from api.evaluating.leakage import Row
from engine.evaluation.attacker import Leak


def row(tier, off, on):
    """A row whose intervals reach 0.02 to both sides."""
    leaks = {name: Leak(auc, auc - 0.02, auc + 0.02) for name, auc in (("off", off), ("on", on))}
    return Row("alcohol", tier, False, 100, leaks)


@pytest.mark.parametrize(
    ("tier", "off", "on", "reached"),
    [
        (3, 0.70, 0.519, True),
        (3, 0.70, 0.521, False),
        (3, 0.70, 0.400, True),
        (2, 0.70, 0.549, True),
        (2, 0.70, 0.551, False),
        (2, 0.51, 0.519, True),
        (2, 0.51, 0.540, False),
    ],
)
def test_the_goal_depends_on_the_tier(tier, off, on, reached):
    assert row(tier, off, on).reached is reached


def test_what_is_gone_is_a_share_of_what_there_was():
    assert row(2, 0.70, 0.55).gone == pytest.approx(0.75)
    assert row(2, 0.70, 0.45).gone == 1
    assert row(2, 0.70, 0.75).gone == pytest.approx(-0.25)
    assert row(2, 0.51, 0.60).gone is None
