"""All rules over 200 candidates, beside cedarpy evaluating 20 policies for a single one.

Cedar answers another question (may this principal do this to that resource?), one candidate at a time;
its policies here ask of one candidate what rules of the catalogue ask, from the same figures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import cedarpy
import numpy as np

from engine.catalogue import Catalogue
from engine.interactions import DAY_MS, WEIGHT_ONE, Interactions
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Basis, Channel, Intent, Kind, Origin, Source
from guardrails.admit import Admission, Admitted
from guardrails.compose import compose
from guardrails.consent.permission import LawfulBasis, Permission
from guardrails.exposures import Exposure, Exposures
from guardrails.house import House
from guardrails.judge import judge
from guardrails.past import Memory
from guardrails.placements import DEFAULT_PLACEMENTS
from guardrails.policy.limits import Limits
from guardrails.request import Context, Request, SubjectKind
from guardrails.rules import CATALOGUE
from guardrails.rules.base import MICRO
from guardrails.view import look

N_CANDIDATES = 200
N_ITEMS = 20_000
N_PIECES = 60
N_EXPOSURES = 60
NOW_MS = 20_000 * DAY_MS
PLACEMENT = next(placement for placement in DEFAULT_PLACEMENTS if placement.name == "product_page")

POLICIES = "\n".join(
    [
        "permit(principal, action, resource);",
        *(
            f"forbid(principal, action, resource) when {{ {condition} }};"
            for condition in (
                "context.from_history && !context.history_permitted",
                "context.from_history && context.withdrawn",
                "context.tier >= 2 && !context.class_granted",
                "context.evidence_tier >= 2 && !context.class_granted",
                "context.shared_audience && context.tier >= 1",
                "context.shared_audience && context.evidence_tier >= 1",
                "context.muted",
                "context.occasion_muted",
                "context.complaint_open && context.sells_on",
                "context.returned_days <= 180",
                "context.category_returned_days <= 30 && context.sells_on",
                "context.step_micro > 500000",
                "context.n_upsell_steps >= 1 && context.sells_on",
                "context.n_ignored_long >= 5",
                "context.n_ignored_short >= 3 && context.days_since_shown <= 14",
                "context.n_inline_upsells >= 6 && context.sells_on",
                "context.min_support < 2",
                "context.age_restricted && !context.adult",
                "context.creepiness_micro >= 700000",
            )
        ),
    ]
)


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row for each part of judging, the whole of it, and one for the peer."""
    times = 200 if quick else 2_000
    request, admission, house = _request(), _admission(), _house()
    admitted, candidates, intent, exposures = _admitted(), _candidates(), _intent(), _exposures()

    def looked():
        recall = Memory(request, admission, admitted, exposures, house).recall
        return look(Basis.PROFILE, request, admission, admitted.evidence, recall, candidates, intent, house)

    view, limits = looked(), house.limits
    judged = judge(view, candidates.score, CATALOGUE, limits)
    peer = _median_us(_one_by_cedar(), times)
    # A fresh copy of the view a time: no decision judges one twice, and what rules share is kept by view.
    parts: dict[str, Callable[[], object]] = {
        "look": looked,
        f"judge, {len(CATALOGUE)} rules": lambda: judge(replace(view), candidates.score, CATALOGUE, limits),
        "look and judge": lambda: judge(looked(), candidates.score, CATALOGUE, limits),
        "compose": lambda: compose(judged, view, limits),
    }
    return [
        {"what": "cedarpy, 20 policies", "candidates": 1, "median us": peer, "us a candidate": peer},
        *(
            {
                "what": what,
                "candidates": N_CANDIDATES,
                "median us": (median := _median_us(part, times)),
                "us a candidate": median / N_CANDIDATES,
            }
            for what, part in parts.items()
        ),
    ]


def _median_us(part: Callable[[], object], times: int) -> float:
    for _ in range(times // 10):
        part()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        part()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e6


def _one_by_cedar() -> Callable[[], object]:
    policies = cedarpy.PolicySet.from_str(POLICIES)
    context = {
        **dict.fromkeys(("from_history", "history_permitted", "class_granted", "adult"), True),
        **dict.fromkeys(("withdrawn", "shared_audience", "muted", "occasion_muted"), False),
        **dict.fromkeys(("complaint_open", "sells_on", "age_restricted"), False),
        **dict.fromkeys(("tier", "evidence_tier", "step_micro", "n_upsell_steps", "n_ignored_long"), 0),
        **dict.fromkeys(("n_ignored_short", "n_inline_upsells", "creepiness_micro"), 0),
        **dict.fromkeys(("returned_days", "category_returned_days", "days_since_shown"), 1_000_000),
        "min_support": 60,
    }
    asked = {
        "principal": 'Customer::"one"',
        "action": 'Action::"suggest"',
        "resource": 'Item::"one"',
        "context": context,
    }

    def decide() -> object:
        answer = cedarpy.is_authorized(asked, policies, [])
        if not answer.allowed:
            raise RuntimeError("the peer should let this candidate through")
        return answer

    return decide


def _permission(purpose: str) -> Permission:
    return Permission(purpose, permitted=True, because=None, basis=LawfulBasis.CONSENT, notice_version="1")


def _request() -> Request:
    return Request(
        subject_kind=SubjectKind.ACCOUNT,
        placement=PLACEMENT,
        channel=Channel.WEB,
        count=12,
        now_ms=NOW_MS,
        seed=bytes(16),
        context=Context(item_idx=7, basket=(11, 13), categories=(3,)),
    )


def _admission() -> Admission:
    return Admission(
        permissions=(),
        history=_permission("history"),
        covering=(),
        may_read_history=True,
        may_read_session=True,
        may_use_context=True,
        offers=_permission("offers"),
        outreach=None,
    )


def _house() -> House:
    rng = np.random.default_rng(1)
    ids = tuple(f"item-{number:06d}" for number in range(N_ITEMS))
    catalogue = Catalogue(
        version="0" * 64,
        item_ids=ids,
        titles=ids,
        item_no=np.arange(N_ITEMS),
        category=rng.integers(-1, 300, N_ITEMS, np.int32),
        categories=tuple(f"Category {number}" for number in range(300)),
        brand=rng.integers(-1, 500, N_ITEMS, np.int32),
        brands=tuple(f"Brand {number}" for number in range(500)),
        price_minor=rng.integers(100, 9_000, N_ITEMS),
        currency="EUR",
        available=np.ones(N_ITEMS, np.bool_),
        tier=rng.choice(np.array([0, 0, 0, 0, 0, 0, 0, 1, 2, 3], np.int8), N_ITEMS),
        sensitive_class=rng.integers(-1, 4, N_ITEMS, np.int16),
        sensitive_classes=("alcohol", "health", "parenthood", "weight_body"),
        age_restricted=rng.random(N_ITEMS) < 0.02,
        occasions=(rng.random(N_ITEMS) < 0.02).astype(np.int32),
        unclassified=rng.random(N_ITEMS) < 0.05,
        sponsored=np.zeros(N_ITEMS, np.bool_),
        pressing=rng.random(N_ITEMS) < 0.01,
    )
    return House(_Known(), catalogue, Limits(), "0" * 64)


class _Known:
    """As much of a recommender as looking at candidates needs."""

    latent = False
    usefulness_floor = 0
    _neutral = np.full(N_ITEMS, MICRO, np.int32)

    def telling(self, classes: frozenset[str]) -> np.ndarray:  # no item of this shop tells
        """Return how telling each item is of the classes, in millionths; kept, as a model keeps it."""
        return self._neutral


def _admitted() -> Admitted:
    rng = np.random.default_rng(2)
    evidence = Evidence(
        item_idx=rng.choice(N_ITEMS, N_PIECES, replace=False).astype(np.int32),
        weight=np.full(N_PIECES, WEIGHT_ONE),
        origin=np.sort(rng.choice(np.array([Origin.CONTEXT, *[Origin.HISTORY] * 6], np.int8), N_PIECES)),
        kind=rng.choice(np.array([Kind.VIEW, Kind.PURCHASE], np.int8), N_PIECES),
        age_days=rng.integers(0, 300, N_PIECES, np.int32),
        channel=np.full(N_PIECES, Channel.WEB, np.int8),
        provenance=np.zeros(N_PIECES, np.int8),
    )
    returned = [(0, int(item), int(Kind.RETURN), NOW_MS - 9 * DAY_MS, 1, 3, 0, 0) for item in range(3)]
    return Admitted(evidence, evidence, Interactions.from_rows(returned), ())


def _candidates() -> Candidates:
    rng = np.random.default_rng(3)
    n_terms = rng.integers(1, 25, N_CANDIDATES)
    m = int(n_terms.sum())
    ptr = np.concatenate([[0], np.cumsum(n_terms)]).astype(np.int32)
    contribution = rng.integers(1, 1 << 30, m)
    score = np.add.reduceat(contribution, ptr[:-1])
    candidates = Candidates(
        item_idx=rng.choice(N_ITEMS, N_CANDIDATES, replace=False).astype(np.int32),
        score=score,
        base=np.zeros(N_CANDIDATES, np.int64),
        source=np.full(N_CANDIDATES, Source.GOES_WITH, np.int8),
        ptr=ptr,
        evidence=rng.integers(0, N_PIECES, m, np.int32),
        contribution=contribution,
        support=rng.integers(2, 300, m, np.int32),
    )
    return candidates.take(np.argsort(-score, kind="stable"))


def _intent() -> np.ndarray:
    rng = np.random.default_rng(4)
    return rng.choice(np.array([Intent.SIMILAR, Intent.CROSS_SELL, Intent.UPSELL], np.int8), N_CANDIDATES)


def _exposures() -> Exposures:
    rng = np.random.default_rng(5)
    shown = _candidates().item_idx
    return Exposures.of(
        Exposure(
            item_idx=int(rng.choice(shown)),
            at_ms=NOW_MS - int(rng.integers(0, 30)) * DAY_MS,
            intent=Intent.SIMILAR,
            same_session=number % 7 == 0,
            acted_on=number % 5 == 0,
            decision=number // 5,
            interruptive=False,
            outbound=False,
        )
        for number in range(N_EXPOSURES)
    )
