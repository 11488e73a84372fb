"""What a version changes, in few words: for whoever is to approve of it, or wonders what came of it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from guardrails.messages import Phrase
from guardrails.policy.descriptions import DESCRIPTIONS
from guardrails.policy.difference import Difference, compare
from guardrails.policy.directions import WRITTEN
from guardrails.policy.document import limit_to_plain
from guardrails.policy.language import HouseRule, Policy


class LimitChange(NamedTuple):
    """A limit that is not what it was.

    Attributes:
        name: how a policy writes it.
        meaning: what it says, in English; empty for what is a name.
        before: what it was, as a policy writes it.
        after: what it is.
        tightened: whether it holds back more now; ``None`` for what is a name.
    """

    name: str
    meaning: str
    before: float | str
    after: float | str
    tightened: bool | None


class Changes(NamedTuple):
    """What a version changes.

    Attributes:
        limits: limits that are not what they were.
        added: rules that came.
        removed: rules that went.
        changed: rules that are not what they were: as they are now, and which parts of them changed.
        n_regions: kinds of cases that come out differently.
        is_equal: nothing comes out differently, whoever asks for whatever.
    """

    limits: tuple[LimitChange, ...]
    added: tuple[HouseRule, ...]
    removed: tuple[HouseRule, ...]
    changed: tuple[tuple[HouseRule, tuple[str, ...]], ...]
    n_regions: int
    is_equal: bool


PARTS = {
    "title": Phrase("its title"),
    "when": Phrase("what it is about"),
    "applies_to": Phrase("where it applies"),
    "effect": Phrase("what it does"),
    "share_micro": Phrase("how far it moves down"),
    "obligations": Phrase("what it asks for besides"),
    "mode": Phrase("whether it is in force"),
    "rationale": Phrase("why it is there"),
    "owner": Phrase("who answers for it"),
    "review_by": Phrase("when it is to be looked at again"),
    "assumes": Phrase("what it rests on"),
    "customer_sentence": Phrase("what customers are told"),
    "effective_from": Phrase("from when it is in force"),
    "effective_until": Phrase("until when it is in force"),
    "tests": Phrase("its tests"),
}
"""Parts of a rule, by the names of its attributes."""


def changes_between(before: Policy | None, after: Policy) -> Changes | None:
    """Return what is different in a later version; ``None`` where the former cannot be read any more."""
    if before is None:
        return None
    found = _difference(before, after)
    former, later = ({rule.id: rule for rule in policy.rules} for policy in (before, after))
    return Changes(
        limits=tuple(
            LimitChange(
                each.name,
                DESCRIPTIONS.get(WRITTEN[each.name], "") if each.name in WRITTEN else "",
                _written(each.name, each.before),
                _written(each.name, each.after),
                each.tightened,
            )
            for each in found.limits
        ),
        added=tuple(later[rule_id] for rule_id in found.added),
        removed=tuple(former[rule_id] for rule_id in found.removed),
        changed=tuple((later[each.id], each.parts) for each in found.changed),
        n_regions=len(found.regions),
        is_equal=found.proven_equal,
    )


@lru_cache(maxsize=64)
def _difference(before: Policy, after: Policy) -> Difference:
    """Hold two versions against each other; what was asked lately is remembered."""
    return compare(before, after)


def _written(name: str, value: int | str) -> float | str:
    return limit_to_plain(name, value) if isinstance(value, int) and name in WRITTEN else value
