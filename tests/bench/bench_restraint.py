"""What guardrails cost customers who agreed to everything, on Complete Journey's last four weeks.

The peer is the same recommender without any rule: it has learned from everything, however old or
private, and no rule withholds anything from its slates.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from api.evaluating.past import past
from api.wiring import now_ms
from guardrails.policy.limits import EvidenceLimits, Limits
from guardrails.restraint import ALL_OFF, ALL_ON, measure
from guardrails.sensitive.classes import CLASS_NAMES
from tests.bench.journey import everybody_agrees

TEST_DAYS = 28
PLACEMENT = "home"
BUDGET_S = 60.0
NO_LIMITS = replace(
    Limits(),
    evidence=EvidenceLimits(
        **{name: 100_000 for name in EvidenceLimits.__dataclass_fields__ if name.endswith("_days")}
    ),
)


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row a setting of the rules, and one for no rule and no gate at all."""
    at_ms = now_ms()
    with tempfile.TemporaryDirectory() as folder:
        settings, engine, _ = everybody_agrees(Path(folder), CLASS_NAMES, at_ms)
        rows = []
        for name, limits in (("", None), ("; learned without the gate", NO_LIMITS)):
            with past(engine, settings, at_ms, TEST_DAYS, BUDGET_S, _unseen, limits=limits) as shop:
                n = 300 if quick else len(shop.shoppers)
                report = measure(
                    shop.house, shop.shoppers[:n], shop.relevant[:n], shop.placements[PLACEMENT], at_ms
                )
            wanted = (
                report.costs if limits is None else [row for row in report.costs if row.setting == ALL_OFF]
            )
            rows += [asdict(row) | {"setting": row.setting + name} for row in wanted]
        engine.dispose()
    best = rows[-1]["ndcg"]
    kept = next(row for row in rows if row["setting"] == ALL_ON)
    return [
        {
            "what": row["setting"],
            "ndcg": row["ndcg"],
            "recall": row["recall"],
            "shown": row["n_shown"],
            "what is off costs": row["cost"],
            "from": row["cost_from"],
            "to": row["cost_to"],
        }
        for row in rows
    ] + [{"what": "all rules and the gate cost", "what is off costs": 1.0 - kept["ndcg"] / best}]


def _unseen(_done: int, _total: int | None, _message: str) -> None:
    """Nobody waits at a terminal."""
