"""The training gate: which interactions a model may learn from, now.

A model outlives the request it was asked for, so nothing is learned that could not be used: the
customer permits the profile today, the interaction was collected for it and is covered by what the
consent names, it is recent enough, it was no gift, and if the item is sensitive its class was
agreed to expressly. Everything else is removed before a learner sees it (GDPR 5(1)(b); CJEU
C-446/21 on age). So a withdrawal holds from the next training on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from engine.interactions import Interactions, age_in_days
from engine.vocabulary import LEARNED_FROM, Channel, Kind, Provenance
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.consent.ages import AgeBand
from guardrails.consent.check import Question, check
from guardrails.consent.collection import coverage
from guardrails.consent.jurisdictions import raised_where
from guardrails.consent.ledger import Ledger
from guardrails.consent.permission import Permission
from guardrails.consent.purposes import KEY_OF, Purpose, sensitive_key
from guardrails.consent.settings import ConsentSettings
from guardrails.policy.limits import EvidenceLimits
from guardrails.sensitive.raising import raised


@dataclass(frozen=True, slots=True)
class TrainingCustomer:
    """One customer, as far as training needs to know.

    Attributes:
        ledger: where every purpose stands.
        minor: known to be under 18.
        non_profiled: switched profiling off for good.
        age_band: how old a minor is, if that is known.
        jurisdiction: code of the place where the customer lives; ``None`` for the shop's own.
        limit_sensitive: sensitive information serves the order and nothing else.
        history_from_ms: what was collected for a profile before was withdrawn.
    """

    ledger: Ledger
    minor: bool = False
    non_profiled: bool = False
    age_band: AgeBand | None = None
    jurisdiction: str | None = None
    limit_sensitive: bool = False
    history_from_ms: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Learnable:
    """What may be learned from, and how much was kept out by which rule.

    Attributes:
        interactions: those that passed, in their order.
        kept: shape (n_found,), bool: which of those found they are.
        kept_out: rule id to number of interactions kept out, in order of the rule ids.
        agreed: shape (n_customers, n_classes), bool, by ``customer_idx`` and class code: who agreed that
            their purchases of the class may be learned from, and so whether they bought any.
    """

    interactions: Interactions
    kept: NDArray[np.bool_]
    kept_out: tuple[tuple[str, int], ...]
    agreed: NDArray[np.bool_]


def may_learn_from(customer: TrainingCustomer, at_ms: int, settings: ConsentSettings) -> bool:
    """Tell whether anything at all may be learned from a customer at a time."""
    return bool(_profiling(customer, at_ms, settings))


def learnable(
    found: Interactions,
    customers: Sequence[TrainingCustomer],
    catalogue: Catalogue,
    limits: EvidenceLimits,
    settings: ConsentSettings,
    now_ms: int,
) -> Learnable:
    """Keep what a model may learn from.

    Interactions that say nothing about taste, or about an item that is not in the catalogue, are
    dropped and not counted: no rule keeps them out.

    Args:
        found: interactions of many customers; ``customer_idx`` points into ``customers``.
        customers: the customers, by ``customer_idx``.
        catalogue: tiers and sensitive classes of the items.
        limits: how old evidence may be.
        settings: how long consent lasts.
        now_ms: the clock.
    """
    is_about_taste = (found.item_idx >= 0) & np.isin(found.kind, LEARNED_FROM)
    about_taste = found.where(is_about_taste)
    permissions = [_profiling(customer, now_ms, settings) for customer in customers]
    age_days = age_in_days(about_taste.at_ms, now_ms)
    agreed = _agreed(customers, permissions, catalogue.sensitive_classes, settings, now_ms)
    standing, kept_out = _standing(
        len(about_taste),
        ("G01", _consented(about_taste, permissions) & _since_the_start(about_taste, customers)),
        ("G06", _may_be_known(about_taste, customers, catalogue, agreed, age_days, limits)),
        ("G09", _at_home(about_taste, customers, settings, now_ms)),
        ("G11", ~about_taste.is_gift),
        ("G21", age_days <= limits.max_age_days()[about_taste.kind]),
    )
    kept = np.zeros(len(found), np.bool_)
    kept[is_about_taste] = standing
    return Learnable(about_taste.where(standing), kept, kept_out, agreed)


def _profiling(customer: TrainingCustomer, at_ms: int, settings: ConsentSettings) -> Permission | None:
    """Return the permission to keep and use the behaviour, if it stands."""
    if customer.non_profiled:
        return None
    permission = _ask(KEY_OF[Purpose.PROFILING], customer, at_ms, settings)
    return permission or None


def _ask(key: str, customer: TrainingCustomer, at_ms: int, settings: ConsentSettings) -> Permission:
    question = Question(
        key,
        at_ms,
        minor=customer.minor,
        age_band=customer.age_band,
        jurisdiction=customer.jurisdiction,
    )
    return check(customer.ledger, question, settings)


def _consented(found: Interactions, permissions: Sequence[Permission | None]) -> NDArray[np.bool_]:
    """Whether each was collected for the profile and is covered by what its customer's grant names."""
    covered = np.zeros((len(permissions), max(Kind) + 1, max(Channel) + 1), np.bool_)
    for idx, permission in enumerate(permissions):
        if permission is not None:
            covered[idx] = coverage(permission.channels, permission.data_categories)
    consented: NDArray[np.bool_] = covered[found.customer_idx, found.kind, found.channel]
    consented &= found.purpose == Purpose.PROFILING
    return consented


def _at_home(
    found: Interactions, customers: Sequence[TrainingCustomer], settings: ConsentSettings, now_ms: int
) -> NDArray[np.bool_]:
    """Whether each was collected by the shop itself, or by others with its customer's consent (P8)."""
    key = KEY_OF[Purpose.ENRICHMENT]
    enriched = np.array(
        [
            customer.ledger.get(key) is not None and bool(_ask(key, customer, now_ms, settings))
            for customer in customers
        ],
        np.bool_,
    )
    return np.asarray((found.provenance == Provenance.OWN.value) | enriched[found.customer_idx])


def _since_the_start(found: Interactions, customers: Sequence[TrainingCustomer]) -> NDArray[np.bool_]:
    """Whether each was collected after its customer last withdrew the profile."""
    start_ms = np.array([customer.history_from_ms for customer in customers], np.int64)
    return np.asarray(found.at_ms >= start_ms[found.customer_idx])


def _agreed(
    customers: Sequence[TrainingCustomer],
    permissions: Sequence[Permission | None],
    names: Sequence[str],
    settings: ConsentSettings,
    now_ms: int,
) -> NDArray[np.bool_]:
    """Who has agreed to which class, and to a profile at all; shape (n_customers, n_classes), bool."""
    agreed = np.zeros((len(customers), len(names)), np.bool_)
    code_of = {sensitive_key(name): code for code, name in enumerate(names)}
    for idx, (customer, permission) in enumerate(zip(customers, permissions, strict=True)):
        if not customer.limit_sensitive and permission is not None:
            for key in code_of.keys() & customer.ledger.states.keys():  # never answered means no
                agreed[idx, code_of[key]] = bool(_ask(key, customer, now_ms, settings))
    return agreed


def _may_be_known(
    found: Interactions,
    customers: Sequence[TrainingCustomer],
    catalogue: Catalogue,
    agreed: NDArray[np.bool_],
    age_days: NDArray[np.int64],
    limits: EvidenceLimits,
) -> NDArray[np.bool_]:
    """Whether each is harmless, or of a class its customer agreed to, and recent."""
    to_none = np.zeros((len(customers), 1), np.bool_)  # the last place, which -1 reads: of no class
    told = np.hstack([agreed, to_none])[found.customer_idx, catalogue.sensitive_class[found.item_idx]]
    harmless = _tiers(found, customers, catalogue) < SENSITIVE_FROM_TIER
    known: NDArray[np.bool_] = harmless | (told & (age_days <= limits.sensitive_days))
    return known


def _tiers(
    found: Interactions, customers: Sequence[TrainingCustomer], catalogue: Catalogue
) -> NDArray[np.int8]:
    """Tier of each item where its customer lives, shape (n,), int8."""
    tier, sensitive_class = catalogue.tier[found.item_idx], catalogue.sensitive_class[found.item_idx]
    law_of = {place: raised_where(place) for place in {customer.jurisdiction for customer in customers}}
    laws = [law_of[customer.jurisdiction] for customer in customers]
    for law in sorted({*laws} - {frozenset()}, key=sorted):
        lives_there = np.array([each == law for each in laws], np.bool_)[found.customer_idx]
        tier = np.where(lives_there, raised(tier, sensitive_class, catalogue.sensitive_classes, law), tier)
    return tier


def _standing(
    n: int, *tests: tuple[str, NDArray[np.bool_]]
) -> tuple[NDArray[np.bool_], tuple[tuple[str, int], ...]]:
    """Apply the tests in order; return who passes all, and how many failed which one first."""
    kept_out: Counter[str] = Counter()
    standing = np.ones(n, np.bool_)
    for rule_id, passes in tests:
        kept_out[rule_id] = int(np.count_nonzero(standing & ~passes))
        standing &= passes
    return standing, tuple(sorted((+kept_out).items()))
