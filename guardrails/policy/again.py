"""What another policy would have said of recorded candidates: ask what differs, keep what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from guardrails.judge import WITHHOLDING
from guardrails.policy.compiled import compile_policy
from guardrails.policy.directions import DIRECTIONS
from guardrails.policy.kernel import UNKNOWN, YES
from guardrails.policy.language import HouseRule, Mode, Policy, RuleEffect
from guardrails.policy.limits import Limits
from guardrails.policy.merged import ask, rows_of
from guardrails.policy.retained import Retained
from guardrails.policy.retained_fields import RECORDED_LATER, RetainedColumns
from guardrails.rules import CATALOGUE
from guardrails.rules.base import MICRO, Effect

Limit: TypeAlias = tuple[str, str]
"""Section and name of a limit."""

SLATE_LIMITS = frozenset(
    {
        ("price", "upsell_steps_session"),
        ("frequency", "inline_page"),
        ("frequency", "inline_session"),
        ("variety", "selling_share_micro"),
        ("variety", "min_categories"),
        ("variety", "from_count"),
    }
)
"""Limits that the rules of a whole list read."""

_SCORE = "G31"
_ALSO_READ_BY: Mapping[Limit, str] = MappingProxyType(
    {
        ("repeat", "hard_at"): _SCORE,
        ("holds", "returned_category_days"): _SCORE,
        ("price", "upsell_soft_from_micro"): _SCORE,
        ("price", "upsell_hard_micro"): _SCORE,
        ("price", "addon_hard_of_basket_micro"): _SCORE,
    }
)
"""Limits that the creepiness score reads besides the rule that they belong to."""

_RULES = MappingProxyType({rule.id: rule for rule in CATALOGUE})
_STRENGTH = MappingProxyType(
    {
        RuleEffect.ALLOW: Effect.ALLOW,
        RuleEffect.DEMOTE: Effect.DEMOTE,
        RuleEffect.GENERALISE: Effect.GENERALISE,
        RuleEffect.BLOCK: Effect.BLOCK,
    }
)


def changed_limits(one: Limits, other: Limits) -> tuple[Limit, ...]:
    """Return the limits in which two sets differ, in the order in which they are declared."""
    return tuple(
        (section.name, each.name)
        for section in fields(Limits)
        for each in fields(getattr(one, section.name))
        if (section.name, each.name) in DIRECTIONS
        and getattr(getattr(one, section.name), each.name) != getattr(getattr(other, section.name), each.name)
    )


def readers(limit: Limit) -> frozenset[str]:
    """Return the ids of the rules about single candidates that read a limit."""
    also = _ALSO_READ_BY.get(limit)
    return frozenset({DIRECTIONS[limit].rule_id} if also is None else {DIRECTIONS[limit].rule_id, also})


def _judged_alike(one: HouseRule, other: HouseRule) -> bool:
    """Tell whether two rules of the shop say the same of every candidate."""
    return all(getattr(one, name) == getattr(other, name) for name in _DECIDING)


_DECIDING = ("id", "when", "applies_to", "effect", "share_micro", "mode", "effective_from", "effective_until")


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What the rules of a policy say together of every candidate.

    Attributes:
        order: ids of rules in the order in which they are asked.
        deciding: shape (n_candidates,), int16: place in ``order`` of the first rule that withholds, or -1.
        rank_score: shape (n_candidates,), int64: the score after demotions.
        unasked: shape (n_rounds,), bool: a rule of the shop could not be asked, for want of what it looks at.
    """

    order: tuple[str, ...]
    deciding: NDArray[np.int16]
    rank_score: NDArray[np.int64]
    unasked: NDArray[np.bool_]

    @property
    def withheld(self) -> NDArray[np.bool_]:
        """Whether each candidate is withheld; shape (n_candidates,)."""
        return np.asarray(self.deciding >= 0)


class _Entries(NamedTuple):
    """What rules said beyond "allow", one entry each; shape (n,)."""

    row: NDArray[Any]
    place: NDArray[Any]
    effect: NDArray[Any]
    factor: NDArray[Any]


class _Era(NamedTuple):
    """Rounds that were judged under one policy by the same rules.

    Attributes:
        policy: that policy; ``None`` where it is not known any more.
        asked: ids of the rules.
        rounds: shape (k,), ascending.
    """

    policy: Policy | None
    asked: frozenset[str]
    rounds: NDArray[np.int64]


class Hearing:
    """Hears recorded decisions again under other policies.

    Attributes:
        kept: the decisions.
        order: ids of every rule, of then and of the policies, in the order in which they are asked.
    """

    def __init__(
        self, kept: Retained, recorded: Mapping[str, Policy | None], policies: tuple[Policy, ...]
    ) -> None:
        """Take decisions.

        Args:
            kept: the decisions.
            recorded: the policies they were made under, by version; ``None`` for one not known any more, so
                that everything is asked again.
            policies: those that they are going to be heard under.
        """
        self.kept = kept
        self._recorded = recorded
        ids = {*kept.names["rules"], *(rule.id for policy in policies for rule in policy.rules)}
        self.order = (*_RULES, *sorted(ids - _RULES.keys()))
        self._place = {rule_id: place for place, rule_id in enumerate(self.order)}
        self._known: dict[tuple[str, object], tuple[NDArray[np.int64], _Entries]] = {}

    @cached_property
    def eras(self) -> tuple[_Era, ...]:
        """The rounds by what they were judged by."""
        kept = self.kept
        policy = kept["policy"][kept.decision_of_round].astype(np.int64)
        n_asked = len(kept.names["asked_rules"])
        codes, place = np.unique(policy * n_asked + kept["asked"], return_inverse=True)
        return tuple(
            _Era(
                self._recorded[kept.names["policies"][code // n_asked]],
                frozenset(kept.names["asked_rules"][code % n_asked].split(" ")),
                np.flatnonzero(place == number),
            )
            for number, code in enumerate(codes.tolist())
        )

    @cached_property
    def recorded(self) -> Said:
        """What was said then."""
        return self._together(self._recorded_entries, np.zeros(self.kept.n_rounds, np.bool_))

    def under(self, policy: Policy) -> Said:
        """Return what a policy would have said."""
        stands = np.ones((self.kept.n_rounds, len(self.order)), np.bool_)
        unasked = np.zeros(self.kept.n_rounds, np.bool_)
        wanted: dict[str, list[NDArray[np.int64]]] = {}
        rules = {rule.id: rule for rule in policy.rules if rule.mode is Mode.ENFORCE}
        for era in self.eras:
            kept, again = _again(era, policy)
            stands[era.rounds] = np.array([rule_id in kept for rule_id in self.order])
            for rule_id in again:
                wanted.setdefault(rule_id, []).append(era.rounds)
        parts = []
        for rule_id, of_eras in sorted(wanted.items()):
            rounds = np.sort(np.concatenate(of_eras))
            if rule_id in _RULES:
                parts.append(self._ask(rule_id, rounds, policy.limits))
            else:
                parts.append(self._ask_shop(rules[rule_id], policy.time_zone, rounds, unasked))
        if not parts and stands[:, self._used].all():
            return self.recorded
        old = self._recorded_entries
        standing = stands[self.kept.round_of_candidate[old.row], old.place]
        parts.append(_Entries(*(column[standing] for column in old)))
        return self._together(_Entries(*map(np.concatenate, zip(*parts, strict=True))), unasked)

    @cached_property
    def _used(self) -> NDArray[np.int64]:
        return np.unique(self._recorded_entries.place)

    @cached_property
    def _recorded_entries(self) -> _Entries:
        kept = self.kept
        places = np.array([self._place[rule_id] for rule_id in kept.names["rules"]], np.int16)
        return _Entries(
            kept["fired_row"], places[kept["fired_rule"]], kept["fired_effect"], kept["fired_factor"]
        )

    def _ask(self, rule_id: str, rounds: NDArray[np.int64], limits: Limits) -> _Entries:
        """Ask a rule of the catalogue, once for all policies that have the same limits for it."""
        read = tuple(
            getattr(getattr(limits, section), name)
            for section, name in DIRECTIONS
            if rule_id in readers((section, name))
        )
        known = self._known.get((rule_id, read))
        if known is not None and np.array_equal(known[0], rounds):
            return known[1]
        said = ask(self.kept, rounds, _RULES[rule_id], limits)
        row = np.flatnonzero((said.effect != 0) | (said.factor_micro != MICRO))
        entries = self._entries(row, rule_id, said.effect[row], said.factor_micro[row])
        self._known[rule_id, read] = rounds, entries
        return entries

    def _ask_shop(
        self, rule: HouseRule, time_zone: str, rounds: NDArray[np.int64], unasked: NDArray[np.bool_]
    ) -> _Entries:
        """Ask a rule of the shop; note the rounds of which too little was recorded."""
        compiled = compile_policy(Policy(rules=(rule,), time_zone=time_zone))
        if compiled.fields[0] & RECORDED_LATER:
            older = self.kept["older"][self.kept.decision_of_round[rounds]]
            unasked[rounds[older]] = True
            rounds = rounds[~older]
        rows = rows_of(self.kept, rounds)
        answer = compiled.evaluate(RetainedColumns(self.kept, rounds, compiled.time_zone)).answer[0]
        effect = np.zeros(rows.size, np.int8)
        effect[answer == YES] = _STRENGTH[rule.effect].value
        effect[answer == UNKNOWN] = Effect.GAP.value
        factor = np.where(answer == YES, rule.share_micro, MICRO)
        said = np.flatnonzero((effect != 0) | (factor != MICRO))
        return self._entries(rows[said], rule.id, effect[said], factor[said])

    def _entries(
        self, row: NDArray[Any], rule_id: str, effect: NDArray[Any], factor: NDArray[Any]
    ) -> _Entries:
        return _Entries(row, np.full(row.size, self._place[rule_id], np.int16), effect, factor)

    def _together(self, entries: _Entries, unasked: NDArray[np.bool_]) -> Said:
        """Take the most restrictive answer and multiply demotions, as ``guardrails.judge`` does."""
        deciding = np.full(self.kept.n_candidates, -1, np.int16)
        withholds = np.flatnonzero(entries.effect >= WITHHOLDING.value)
        last_first = withholds[np.argsort(-entries.place[withholds], kind="stable")]
        deciding[entries.row[last_first]] = entries.place[last_first]  # the first is written last
        ranked = self.kept["score"].copy()
        demotes = np.flatnonzero(entries.factor != MICRO)
        for place in np.unique(entries.place[demotes]).tolist():
            some = demotes[entries.place[demotes] == place]
            row, factor = entries.row[some], entries.factor[some]
            ranked[row] = ranked[row] // MICRO * factor + ranked[row] % MICRO * factor // MICRO
        return Said(self.order, deciding, ranked, unasked)


def _again(era: _Era, policy: Policy) -> tuple[frozenset[str], frozenset[str]]:
    """Return the rules whose recorded verdicts stand under a policy, and those that are to be asked."""
    wanted = _RULES.keys() | {rule.id for rule in policy.rules if rule.mode is Mode.ENFORCE}
    if era.policy is None:
        return frozenset(), frozenset(wanted)
    changed = changed_limits(era.policy.limits, policy.limits)
    differing = frozenset(rule_id for limit in changed for rule_id in readers(limit))
    then = {rule.id: rule for rule in era.policy.rules}
    same_days = era.policy.time_zone == policy.time_zone
    alike = frozenset(
        rule.id
        for rule in policy.rules
        if rule.id in era.asked and rule.id in then and same_days and _judged_alike(rule, then[rule.id])
    )
    stand = alike | (era.asked & _RULES.keys()) - differing
    return stand, frozenset(wanted - stand)
