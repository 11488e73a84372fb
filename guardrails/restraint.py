"""What each promise costs: relevance with a group of rules switched off, beside all of them on.

The decisions are made as they are served, from what each customer had done before a time, and held
against what they bought after it. Switching a group off is possible here and nowhere else: what
comes of it is measured and thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.evaluation.metrics import gains_by_customer
from engine.interactions import Interactions
from engine.vocabulary import Basis, Channel
from guardrails.admit import Admission, Muted, admit
from guardrails.decide import Decision, decide
from guardrails.house import House
from guardrails.policy.limits import EvidenceLimits
from guardrails.request import Choices, Known, Placement, Request, SubjectKind
from guardrails.rules.groups import GROUPS, NEVER_OFF

Progress = Callable[[int, int, str], None]

ALL_ON = "all rules on"
ALL_OFF = "all but consent off"

EVERY_GROUP = frozenset(GROUPS) - {NEVER_OFF}
"""What can be switched off: all but consent."""

_FOR_EVER_DAYS = 1_000_000
_N_RESAMPLES = 1_000
_SEED = bytes(16)


@dataclass(frozen=True, slots=True, eq=False)
class Shopper:
    """A customer as far as serving them needs to know.

    Attributes:
        choices: their instructions.
        history: what they had done before the time of the decision.
    """

    choices: Choices
    history: Interactions


@dataclass(frozen=True, slots=True)
class Cost:
    """Relevance under one setting of the rules, means over customers with something to find.

    Attributes:
        setting: which group is off, or ``ALL_ON`` or ``ALL_OFF``.
        rules: ids of the rules that are off.
        ndcg: normalised discounted cumulative gain of the first k.
        recall: recall of the first k.
        n_shown: suggestions a slate, on average.
        personal: share of slates that rest on the history.
        cost: NDCG that the rules which are off here cost, as a share of what there is without them;
            negative where they help.
        cost_from: lower end of its 95 % interval (bootstrap over customers).
        cost_to: upper end.
    """

    setting: str
    rules: tuple[str, ...]
    ndcg: float
    recall: float
    n_shown: float
    personal: float
    cost: float
    cost_from: float
    cost_to: float


@dataclass(frozen=True, slots=True)
class Restraint:
    """What the promises of a shop cost it.

    Attributes:
        k: length of a slate.
        placement: where it was measured.
        n_customers: customers with something to find.
        costs: one row a setting, ``ALL_ON`` first.
    """

    k: int
    placement: str
    n_customers: int
    costs: tuple[Cost, ...]


def measure(
    house: House,
    shoppers: Sequence[Shopper],
    relevant: csr_matrix,
    placement: Placement,
    now_ms: int,
    progress: Progress = lambda _done, _total, _message: None,
) -> Restraint:
    """Serve every shopper under every setting and hold the slates against what they bought next.

    Args:
        house: the model must not have seen anything after ``now_ms``.
        shoppers: n customers.
        relevant: shape (n, n_items): what each of them bought after ``now_ms``.
        placement: where; a slate holds as many suggestions as it does.
        now_ms: the time of the decisions.
        progress: told how many slates are made, of how many.
    """
    settings = _settings(house)
    served = []
    for at, (name, off) in enumerate(settings):

        def show(n_done: int, before: int = at * len(shoppers), name: str = name) -> None:
            progress(before + n_done, len(settings) * len(shoppers), name)

        served.append(serve_all(house, shoppers, placement, now_ms, off, show))
    gains = [gains_by_customer(each.ranked, relevant) for each in served]
    kept = gains[0].ndcg
    return Restraint(
        k=placement.max_count,
        placement=placement.name,
        n_customers=kept.size,
        costs=tuple(
            Cost(
                name,
                tuple(sorted(rule for group in off for rule in GROUPS[group])),
                _mean(gain.ndcg),
                _mean(gain.recall),
                _mean(np.count_nonzero(slates.ranked >= 0, axis=1)),
                _mean(slates.personal),
                *_cost(gain.ndcg, kept),
            )
            for (name, off), gain, slates in zip(settings, gains, served, strict=True)
        ),
    )


class Slates(NamedTuple):
    """What was shown to n customers.

    Attributes:
        ranked: shape (n, k), int32, catalogue rows, best first, -1 where a slate is shorter.
        personal: shape (n,), bool, whether a slate rests on the past.
    """

    ranked: NDArray[np.int32]
    personal: NDArray[np.bool_]


def serve_all(
    house: House,
    shoppers: Sequence[Shopper],
    placement: Placement,
    now_ms: int,
    off: frozenset[str],
    show: Callable[[int], None],
) -> Slates:
    """Serve every shopper with groups of rules switched off.

    Args:
        house: with all rules in force.
        shoppers: n customers.
        placement: where; it holds k suggestions.
        now_ms: the time of the decisions.
        off: names of the groups that are off.
        show: told after each how many are served.
    """
    house = _without(house, off)
    ranked = np.full((len(shoppers), placement.max_count), -1, np.int32)
    personal = np.zeros(len(shoppers), np.bool_)
    for row, shopper in enumerate(shoppers):
        decision = _served(house, shopper, placement, now_ms, off)
        ranked[row, : len(decision.suggestions)] = [each.item_idx for each in decision.suggestions]
        personal[row] = decision.basis is Basis.PROFILE
        show(row + 1)
    return Slates(ranked, personal)


def _settings(house: House) -> list[tuple[str, frozenset[str]]]:
    """Return what is measured: all on, each group off that has a rule in force, all of these off."""
    asked = {rule.id for rule in (*house.rules, *house.slate_rules)}
    groups = [name for name, ids in GROUPS.items() if name != NEVER_OFF and asked.intersection(ids)]
    one_by_one = [(f"without {name}", frozenset({name})) for name in groups]
    return [(ALL_ON, frozenset()), *one_by_one, (ALL_OFF, frozenset(groups))]


def _without(house: House, off: frozenset[str]) -> House:
    """Return the house with groups of rules switched off."""
    ids = {rule for group in off for rule in GROUPS[group]}
    limits = house.limits
    if "grounds" in off:
        names = [name for name in EvidenceLimits.__dataclass_fields__ if name.endswith("_days")]
        kept = dict.fromkeys(names, _FOR_EVER_DAYS) | {"sensitive_days": limits.evidence.sensitive_days}
        limits = replace(limits, evidence=replace(limits.evidence, **kept))
    if "sensitive" in off:
        limits = replace(limits, evidence=replace(limits.evidence, sensitive_days=_FOR_EVER_DAYS))
    return replace(
        house,
        limits=limits,
        rules=tuple(rule for rule in house.rules if rule.id not in ids),
        slate_rules=tuple(rule for rule in house.slate_rules if rule.id not in ids),
    )


def _served(
    house: House, shopper: Shopper, placement: Placement, now_ms: int, off: frozenset[str]
) -> Decision:
    request = Request(
        subject_kind=SubjectKind.ACCOUNT,
        placement=placement,
        channel=Channel.WEB,
        count=placement.max_count,
        now_ms=now_ms,
        seed=_SEED,
    )
    admission = admit(request, shopper.choices, house.catalogue.sensitive_classes, house.consent)
    known = Known(history=shopper.history, session=Interactions.empty())
    return decide(request, _lenient(admission, house, off), known, house)


def _lenient(admission: Admission, house: House, off: frozenset[str]) -> Admission:
    """Switch off what a group does before anything is scored."""
    if "wishes" in off:
        admission = replace(admission, muted=Muted())
    if "sensitive" in off:
        everything = frozenset(house.catalogue.sensitive_classes)
        admission = replace(admission, sensitive_granted=everything, raised_classes=frozenset())
    return admission


def _cost(without: NDArray[np.float64], kept: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the share of gain that is lost with the rules on, and its 95 % interval."""
    drawn = np.random.default_rng(0).integers(0, max(without.size, 1), (_N_RESAMPLES, without.size))
    lost = _lost(without[drawn].mean(axis=1), kept[drawn].mean(axis=1)) if without.size else np.zeros(1)
    low, high = np.percentile(lost, [2.5, 97.5])
    return float(_lost(np.array([_mean(without)]), np.array([_mean(kept)]))[0]), float(low), float(high)


def _lost(there: NDArray[np.float64], kept: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of what is there that is not kept; 0 where there is nothing."""
    return np.where(there > 0, 1.0 - kept / np.where(there > 0, there, 1.0), 0.0)


def _mean(by_customer: NDArray[Any]) -> float:
    return float(by_customer.mean()) if by_customer.size else 0.0
