"""Say what a rehearsal found, as plain data with a hash: the same decisions give the same bytes.

All numbers are whole; shares are in millionths, with Wilson's interval of 95 % (Wilson 1927).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from guardrails.log.canonical import canonical
from guardrails.policy.again import Limit, changed_limits
from guardrails.policy.charter import MICRO
from guardrails.policy.directions import WRITTEN
from guardrails.policy.language import HouseRule, Policy
from guardrails.policy.rehearsal import (
    DIMENSIONS,
    GONE,
    INTENT,
    Change,
    ChangeKind,
    Concern,
    Tally,
    concern_of,
)

FORMAT = 1
N_EXAMPLES = 20

NEVER_OBSERVED = "nobody was shown these, so what would have come of them was never observed"
AS_RECORDED = (
    "what was proposed, and what customers did before, is taken as it was under the policies of then",
    "where the draft empties a slate, a less personal one that would have followed is not known",
    "what would have stood in for something newly too exact was not proposed, so it is not shown",
)
"""What no rehearsal can know."""

Json: TypeAlias = dict[str, Any]

_Z = 1.959963984540054  # of the standard normal distribution, both sides together leave 5 %

_BEFORE = "it acts on what is read and proposed, before anything is judged: nothing of it was rehearsed"
_KNOWN = "it also acts on what is read and proposed: only what it does to what was proposed was rehearsed"
_WHEN_SET = "it counts from when something is set or happens: nothing of it was rehearsed"
_COUNTED = "it decides what is counted: counts are those of then, and nothing of it was rehearsed"
_COUNTED_TOO = "it also decides what is counted: counts are those of then"
_FAR = "nothing that lies further back than was read then can be seen"
_WORDS = "it decides on the wording of reasons, which is not rehearsed"

NOT_AT_ALL: Mapping[Limit, str] = MappingProxyType(
    {
        **{
            ("evidence", name): _BEFORE
            for name in (
                *("view_days", "cart_days", "wishlist_days", "purchase_days", "rating_days", "return_days"),
                *("sensitive_days", "session_hours", "max_pieces"),
            )
        },
        ("support", "named_crowd"): _WORDS,
        ("repeat", "hard_window_days"): _COUNTED,
        ("holds", "item_mute_days"): _WHEN_SET,
        ("holds", "brand_mute_days"): _WHEN_SET,
        ("holds", "life_event_topics_days"): _WHEN_SET,
        ("holds", "life_event_offers_days"): _WHEN_SET,
        ("holds", "exclusion_hours"): _WHEN_SET,
    }
)
"""Limits of which nothing can be rehearsed, and why."""

ONLY_IN_PART: Mapping[Limit, str] = MappingProxyType(
    {
        ("support", "edge"): _KNOWN,
        ("support", "sensitive_edge"): _KNOWN,
        ("inference", "lift_max_micro"): _KNOWN,
        ("repeat", "window_days"): _COUNTED_TOO,
        ("repeat", "cooldown_days"): _FAR,
        ("holds", "dismissed_days"): f"{_COUNTED_TOO}; {_FAR}",
        ("holds", "complaint_days"): _FAR,
        ("holds", "returned_item_days"): _FAR,
        ("holds", "returned_category_days"): _FAR,
        ("variety", "from_count"): _COUNTED_TOO,
    }
)
"""Limits of which a part can be rehearsed, and what cannot."""

SENTENCES = tuple(dict.fromkeys((NEVER_OBSERVED, *AS_RECORDED, *NOT_AT_ALL.values(), *ONLY_IN_PART.values())))
"""Everything that a report says in words."""

_WRITTEN_AS = MappingProxyType({limit: name for name, limit in WRITTEN.items()})


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Decisions that are retained and could not be rehearsed.

    Attributes:
        n_erased: their body was erased, with the customer or for its age.
        n_unreadable: they lack what rules look at today, or cannot be opened.
    """

    n_erased: int = 0
    n_unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Reach:
    """How many customers there are, among all that were rehearsed and among those a draft touches.

    Attributes:
        n_customers: with a decision that was rehearsed.
        n_touched: with one in which something else is shown.
    """

    n_customers: int = 0
    n_touched: int = 0


@dataclass(frozen=True, slots=True)
class Words:
    """Which words customers may have said of a suggestion.

    Attributes:
        acted_on: it was clicked or bought.
        unwanted: it was too personal, or of no interest.
        waved_off: these, and whatever else speaks against it.
    """

    acted_on: frozenset[str]
    unwanted: frozenset[str]
    waved_off: frozenset[str]


Said: TypeAlias = Mapping[tuple[str, str], Collection[str]]
"""What came of suggestions, by decision and item: words."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a rehearsal found.

    Attributes:
        document: plain data.
        sha256: of its canonical bytes.
    """

    document: Json
    sha256: str


def report_of(
    base: tuple[str, Policy],
    draft: tuple[str, Policy],
    tally: Tally,
    changes: Sequence[Change],
    left_out: LeftOut,
    reach: Reach,
    said: Said,
    words: Words,
) -> Report:
    """Put together what was found.

    Args:
        base: version of what the draft was held against, and that policy.
        draft: the same of the draft.
        tally: the counts over all decisions.
        changes: every suggestion that differs, in the order of the decisions.
        left_out: what could not be rehearsed.
        reach: how many customers are touched.
        said: what came of the suggestions that are gone.
        words: what that may have been.
    """
    rules = {rule.id: rule for rule in (*base[1].rules, *draft[1].rules)}
    withheld = [each for each in changes if each.kind is ChangeKind.WITHHELD]
    allowed = [each for each in changes if each.kind is ChangeKind.ALLOWED]
    n_of = Counter(each.kind for each in changes)
    document: Json = {
        "format": FORMAT,
        "base": base[0],
        "draft": draft[0],
        "period": {"first_minute": tally.first_minute, "last_minute": tally.last_minute},
        "decisions": {
            "n_retained": tally.n_decisions + left_out.n_erased + left_out.n_unreadable,
            "n_rehearsed": tally.n_decisions,
            "n_erased": left_out.n_erased,
            "n_unreadable": left_out.n_unreadable,
            "n_older_form": tally.n_unasked,
            "n_touched": tally.n_touched,
            "n_reordered": tally.n_reordered,
            "n_beyond_record": tally.n_beyond,
            "touched": share(tally.n_touched, tally.n_decisions),
        },
        "customers": {
            "n": reach.n_customers,
            "n_touched": reach.n_touched,
            "touched": share(reach.n_touched, reach.n_customers),
        },
        "suggestions": {
            "n_shown": tally.n_shown,
            **{f"n_{kind.value}": n_of[kind] for kind in ChangeKind},
            "withheld": share(n_of[ChangeKind.WITHHELD], tally.n_shown),
        },
        "newly_withheld": _withheld(withheld, rules, said, words),
        "newly_allowed": {"n": len(allowed), "by_rule": _by_rule(allowed, rules), "observed": NEVER_OBSERVED},
        "effect": _effect(tally, changes),
        "not_rehearsed": _not_rehearsed(base[1], draft[1]),
        "taken_as_recorded": list(AS_RECORDED),
        "examples": [_example(each, rules, said) for each in _drawn(changes, base[0], draft[0])],
    }
    return Report(document, hashlib.sha256(canonical(document)).hexdigest())


def sentences_of(document: Json) -> tuple[str, ...]:
    """Return what a report says in words, each sentence once; in English, so that its hash is one."""
    because = (each["because"] for each in document["not_rehearsed"])
    return tuple(
        dict.fromkeys((document["newly_allowed"]["observed"], *document["taken_as_recorded"], *because))
    )


def share(k: int, n: int) -> Json:
    """Return a share in millionths with its interval; all is possible where there is nothing to go by.

    >>> share(0, 0)
    {'micro': 0, 'low_micro': 0, 'high_micro': 1000000}
    >>> share(5, 10)
    {'micro': 500000, 'low_micro': 236593, 'high_micro': 763407}
    """
    if n == 0:
        return {"micro": 0, "low_micro": 0, "high_micro": MICRO}
    p, z2 = k / n, _Z * _Z
    middle, width = p + z2 / (2 * n), _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = (middle - width) / (1 + z2 / n), (middle + width) / (1 + z2 / n)
    return {
        "micro": round(MICRO * p),
        "low_micro": round(MICRO * max(low, 0.0)) if k else 0,
        "high_micro": round(MICRO * min(high, 1.0)) if k < n else MICRO,
    }


def _withheld(withheld: Sequence[Change], rules: Mapping[str, HouseRule], said: Said, words: Words) -> Json:
    """Split what is newly withheld: what that is there for, what it costs, and what is not known."""
    intended: Counter[str] = Counter()
    n_collateral = 0
    for each in withheld:
        concern, of_it = concern_of(each.rule_id, rules), said.get((each.decision_id, each.item_id), ())
        if concern is not Concern.OTHER:
            intended[concern.value] += 1
        elif words.unwanted.intersection(of_it):
            intended["unwanted"] += 1
        elif words.acted_on.intersection(of_it) and not words.waved_off.intersection(of_it):
            n_collateral += 1
    n_intended = intended.total()
    return {
        "n": len(withheld),
        "n_intended": n_intended,
        "n_collateral": n_collateral,
        "n_unknown": len(withheld) - n_intended - n_collateral,
        "intended_because": {name: intended[name] for name in _BECAUSE},
        "intended": share(n_intended, len(withheld)),
        "collateral": share(n_collateral, len(withheld)),
        "by_rule": _by_rule(withheld, rules),
    }


_BECAUSE = (Concern.CONSENT.value, Concern.SENSITIVE.value, Concern.CAP.value, "unwanted")


def _by_rule(changes: Iterable[Change], rules: Mapping[str, HouseRule]) -> list[Json]:
    """Count by rule, the busiest first."""
    n_of = Counter(each.rule_id for each in changes)
    return [
        {"rule": rule_id, "concern": concern_of(rule_id, rules).value, "n": n}
        for rule_id, n in sorted(n_of.items(), key=lambda each: (-each[1], each[0]))
    ]


def _effect(tally: Tally, changes: Sequence[Change]) -> Json:
    """Return the effect by dimension, each as a list by name."""
    n_of: defaultdict[tuple[str, str], Counter[ChangeKind]] = defaultdict(Counter)
    for each in changes:
        for key in (*each.where.items(), (INTENT, each.intent)):
            n_of[key][each.kind] += 1
    names: defaultdict[str, set[str]] = defaultdict(set)
    for dimension, name in {*tally.decisions, *tally.shown, *n_of}:
        names[dimension].add(name)
    found: Json = {
        dimension: [_of_name(tally, n_of, dimension, name) for name in sorted(names[dimension])]
        for dimension in (*DIMENSIONS, INTENT)
    }
    return found


def _of_name(
    tally: Tally, n_of: Mapping[tuple[str, str], Counter[ChangeKind]], dimension: str, name: str
) -> Json:
    key, kinds = (dimension, name), n_of.get((dimension, name), Counter())
    n_gone, n_shown = sum(kinds[kind] for kind in GONE), tally.shown[dimension, name]
    found: Json = {
        "name": name,
        "n_shown": n_shown,
        **{f"n_{kind.value}": kinds[kind] for kind in ChangeKind},
        "gone": share(n_gone, n_shown),
    }
    if dimension != INTENT:
        n_decisions, n_touched = tally.decisions[key], tally.touched[key]
        found |= {
            "n_decisions": n_decisions,
            "n_touched": n_touched,
            "touched": share(n_touched, n_decisions),
        }
    return found


def _not_rehearsed(base: Policy, draft: Policy) -> list[Json]:
    """Name the limits that differ and act before what was recorded, or decide what was counted."""
    found = []
    for limit in changed_limits(base.limits, draft.limits):
        why = NOT_AT_ALL.get(limit) or ONLY_IN_PART.get(limit)
        if why is not None:
            section, name = limit
            found.append(
                {
                    "limit": _WRITTEN_AS[limit],
                    "from": getattr(getattr(base.limits, section), name),
                    "to": getattr(getattr(draft.limits, section), name),
                    "in_part": limit in ONLY_IN_PART,
                    "because": why,
                }
            )
    return found


def _drawn(changes: Sequence[Change], base: str, draft: str) -> list[Change]:
    """Draw examples, by a generator that the two versions seed, in the order of the decisions."""
    seed = hashlib.sha256(f"{base}{draft}".encode()).digest()
    draw = np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big")))
    chosen = draw.permutation(len(changes))[:N_EXAMPLES]
    return [changes[number] for number in sorted(chosen.tolist())]


def _example(change: Change, rules: Mapping[str, HouseRule], said: Said) -> Json:
    return {
        "decision_id": change.decision_id,
        "item": change.item_id,
        "kind": change.kind.value,
        "rule": change.rule_id or None,
        "concern": concern_of(change.rule_id, rules).value,
        "was_shown": change.was_shown,
        "intent": change.intent,
        **change.where,
        "said": sorted(said.get((change.decision_id, change.item_id), ())),
    }
