"""Run a draft against decisions that were made: what would have been shown, from what was recorded.

What differs between two policies is asked again of the recorded candidates, and the slates that this can
change are composed again by the code that composes them for customers. What was not recorded cannot be known:
what a later step of the ladder would have proposed, what would have stood in for something newly too exact,
and what would have come of a suggestion that nobody was shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, cast

import numpy as np

from engine.vocabulary import Basis, Intent, word
from guardrails.compose import Slate, compose
from guardrails.judge import Judged
from guardrails.log.codes import ReasonCode
from guardrails.policy.again import Hearing, Said
from guardrails.policy.language import HouseRule, Policy, atoms
from guardrails.policy.meaning import scope_of
from guardrails.policy.reach import affected
from guardrails.policy.retained import Retained
from guardrails.rules.base import Rule
from guardrails.rules.slate import EVERY_RULE

NO_RULE = ""
"""Stands where no rule decided: others took a place, or left one."""


class ChangeKind(StrEnum):
    """What a draft changes about a suggestion."""

    WITHHELD = "withheld"
    """It was shown, and a rule of the draft withholds it."""
    PUSHED_OUT = "pushed_out"
    """It was shown, and other suggestions take its place."""
    ALLOWED = "allowed"
    """A rule withheld it, and the draft shows it."""
    MOVED_UP = "moved_up"
    """No rule withheld it, and the draft has a place for it."""


GONE = frozenset({ChangeKind.WITHHELD, ChangeKind.PUSHED_OUT})


class Concern(StrEnum):
    """What a rule is about, as far as that makes withholding what it is there for."""

    CONSENT = "consent"
    SENSITIVE = "sensitive"
    CAP = "cap"
    OTHER = "other"


_CONCERNS: Mapping[ReasonCode, Concern] = {
    **dict.fromkeys(
        (
            *(ReasonCode.CONSENT_ABSENT, ReasonCode.CONSENT_WITHDRAWN, ReasonCode.CONSENT_EXPIRED),
            *(ReasonCode.OBJECTION, ReasonCode.GPC, ReasonCode.PROVENANCE, ReasonCode.NON_PROFILED),
            *(ReasonCode.PERSONALISED_PRICE, ReasonCode.MUTED, ReasonCode.OCCASION_MUTED),
        ),
        Concern.CONSENT,
    ),
    **dict.fromkeys(
        (
            *(ReasonCode.MINOR, ReasonCode.SENSITIVE_CATEGORY, ReasonCode.SENSITIVE_EVIDENCE),
            *(ReasonCode.SENSITIVE_INFERENCE, ReasonCode.SPONSORED_SENSITIVE, ReasonCode.CHANNEL_LEAK),
            *(ReasonCode.SHARED_AUDIENCE, ReasonCode.AGE_RESTRICTED),
        ),
        Concern.SENSITIVE,
    ),
    **dict.fromkeys((ReasonCode.FREQ_CAP, ReasonCode.REPEAT, ReasonCode.SELLING_SHARE), Concern.CAP),
}
_CONCERN_OF = {rule.id: _CONCERNS.get(ReasonCode(rule.reason_code), Concern.OTHER) for rule in EVERY_RULE}

_SENSITIVE_FIELDS = frozenset(
    {
        *("item.sensitive_class", "item.tier", "evidence.tier", "item.age_restricted", "item.unclassified"),
        *("customer.excluded_classes", "customer.age_assurance", "customer.shared_device"),
    }
)
_CONSENT_FIELDS = frozenset({"customer.non_profiled"})
_CAP_FIELDS = frozenset(
    {
        *("visit.n_offers", "contact.n_messages_day", "contact.n_messages_week"),
        *("candidate.n_ignored", "candidate.days_since_shown"),
    }
)


def concern_of(rule_id: str, rules: Mapping[str, HouseRule]) -> Concern:
    """Return what a rule is about; of a rule of the shop its fields tell.

    Args:
        rule_id: its id, or ``NO_RULE``.
        rules: the rules of the shop, by id.
    """
    if rule_id not in rules:
        return _CONCERN_OF.get(rule_id, Concern.OTHER)
    rule = rules[rule_id]
    named = {each.field for condition in (scope_of(rule), rule.when) for each in atoms(condition)}
    for concern, telling in (
        (Concern.CONSENT, _CONSENT_FIELDS),
        (Concern.SENSITIVE, _SENSITIVE_FIELDS),
        (Concern.CAP, _CAP_FIELDS),
    ):
        if named & telling:
            return concern
    return Concern.OTHER


class Change(NamedTuple):
    """A suggestion that one of two policies shows and the other does not.

    Attributes:
        decision_id: the decision.
        item_id: the item.
        kind: what happens to it.
        rule_id: the rule that withholds it, or withheld it; ``NO_RULE`` for none.
        was_shown: it was really shown then, so that what came of it can be known.
        intent: what it is suggested for.
        where: words of the decision, by ``DIMENSIONS``.
    """

    decision_id: str
    item_id: str
    kind: ChangeKind
    rule_id: str
    was_shown: bool
    intent: str
    where: Mapping[str, str]


DIMENSIONS = ("placement", "channel", "subject_kind", "basis")
"""What a decision is counted by; suggestions are counted by their intent as well."""

INTENT = "intent"


@dataclass(slots=True)
class Tally:
    """Counts over decisions; two are added up by ``add``.

    Attributes:
        n_decisions: decisions.
        n_shown: suggestions that the base shows.
        n_composed: decisions of which a slate was composed again.
        n_reordered: decisions of which only the order differs.
        n_beyond: decisions of which the draft empties all that was recorded, although there would have been
            further steps of the ladder.
        n_unasked: decisions of which too little was recorded for some rule of the shop.
        n_touched: decisions in which something else is shown.
        decisions: decisions by dimension and word.
        touched: touched decisions likewise.
        shown: suggestions that the base shows likewise, by intent as well.
        first_minute: of the earliest decision, since the epoch; -1 without any.
        last_minute: of the latest.
    """

    n_decisions: int = 0
    n_shown: int = 0
    n_composed: int = 0
    n_reordered: int = 0
    n_beyond: int = 0
    n_unasked: int = 0
    n_touched: int = 0
    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    touched: Counter[tuple[str, str]] = field(default_factory=Counter)
    shown: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_minute: int = -1
    last_minute: int = -1

    def add(self, other: Tally) -> None:
        """Add the counts of other decisions."""
        if self.n_decisions == 0 or 0 <= other.first_minute < self.first_minute:
            self.first_minute = other.first_minute
        self.last_minute = max(self.last_minute, other.last_minute)
        for name in (
            "n_decisions",
            "n_shown",
            "n_composed",
            "n_reordered",
            "n_beyond",
            "n_unasked",
            "n_touched",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("decisions", "touched", "shown"):
            getattr(self, name).update(getattr(other, name))


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of a run of decisions.

    Attributes:
        tally: the counts.
        changes: every suggestion that differs, in the order of the decisions.
        touched: ids of the decisions in which something else is shown, in their order.
    """

    tally: Tally
    changes: tuple[Change, ...]
    touched: tuple[str, ...]


def rehearse_run(
    kept: Retained, recorded: Mapping[str, Policy | None], base: Policy, draft: Policy
) -> Rehearsed:
    """Run a draft against some decisions.

    Args:
        kept: the decisions.
        recorded: the policies they were made under, by version; ``None`` for one not known any more.
        base: what the draft is held against.
        draft: the draft.
    """
    if not len(kept):
        return Rehearsed(Tally(), (), ())
    return _Run(kept, recorded, base, draft).rehearsed()


class _Outcome(NamedTuple):
    """What a policy makes of one decision.

    Attributes:
        shown: rows, best first.
        refused: row and rule of what the rules of the list kept out.
        is_open: nothing is shown, and there would have been further steps that were not recorded.
    """

    shown: tuple[int, ...]
    refused: Mapping[int, str]
    is_open: bool


class _ById(NamedTuple):
    """Stands for a rule where only its id matters."""

    id: str


class _Side:
    """One of the two policies, and what it makes of the decisions."""

    def __init__(self, hearing: Hearing, policy: Policy) -> None:
        self.policy = policy
        self.said = hearing.under(policy)
        self.affected = affected(hearing, self.said, policy)
        self.decisions = np.unique(hearing.kept.decision_of_round[self.affected])
        self._kept = hearing.kept
        self._rules = cast("tuple[Rule, ...]", tuple(_ById(rule_id) for rule_id in self.said.order))

    def slate(self, number: int) -> Slate:
        """Compose the slate of a round, whose rows are counted from its first."""
        rows = slice(*self._kept["cand_ptr"][number : number + 2].tolist())
        nothing = np.zeros(rows.stop - rows.start, np.int8)
        judged = Judged(
            rules=self._rules,
            judgements=(),
            effect=nothing,
            deciding=self.said.deciding[rows],
            rank_score=self.said.rank_score[rows],
            failed=(),
            obliges=nothing,
        )
        return compose(judged, self._kept.view_at(number), self.policy.limits)


class _Run:
    """Holds two policies against each other."""

    def __init__(
        self, kept: Retained, recorded: Mapping[str, Policy | None], base: Policy, draft: Policy
    ) -> None:
        self._kept = kept
        hearing = Hearing(kept, recorded, (base, draft))
        self._base, self._draft = _Side(hearing, base), _Side(hearing, draft)
        whose = kept.decision_of_round[kept.round_of_candidate[kept["shown_row"]]]
        self._shown_ptr = np.searchsorted(whose, np.arange(len(kept) + 1))
        self._refused = dict(
            zip(
                kept["refused_row"].tolist(),
                (kept.names["rules"][code] for code in kept["refused_rule"].tolist()),
                strict=True,
            )
        )

    def rehearsed(self) -> Rehearsed:
        """Go through the decisions that either policy may decide in another way."""
        kept, tally = self._kept, self._counted()
        changes: list[Change] = []
        touched: list[int] = []
        for decision in np.union1d(self._base.decisions, self._draft.decisions).tolist():
            before, after = self._outcome(self._base, decision), self._outcome(self._draft, decision)
            tally.n_beyond += after.is_open and not before.is_open
            if before.shown != self._shown(decision):
                self._count_shown(tally, decision, self._shown(decision), -1)
                self._count_shown(tally, decision, before.shown, 1)
            if set(before.shown) != set(after.shown):
                touched.append(decision)
                changes += self._changes(decision, before, after)
            else:
                tally.n_reordered += before.shown != after.shown
        tally.n_composed = int(np.union1d(self._base.decisions, self._draft.decisions).size)
        tally.n_touched = len(touched)
        for decision in touched:
            tally.touched.update(self._where(decision).items())
        ids = kept.names["decision_id"]
        return Rehearsed(tally, tuple(changes), tuple(ids[decision] for decision in touched))

    def _outcome(self, side: _Side, decision: int) -> _Outcome:
        """Return what a policy makes of a decision: the slate of the first round that shows anything."""
        kept = self._kept
        first, last = kept["round_ptr"][decision : decision + 2].tolist()
        refused: dict[int, str] = {}
        shown: tuple[int, ...] = ()
        for number in range(first, last):
            start = int(kept["cand_ptr"][number])
            if side.affected[number]:
                slate = side.slate(number)
                shown = tuple(start + row for row in slate.shown)
                refused |= {start + each.row: each.rule_id for each in slate.refused}
            else:
                shown = self._shown(decision) if number == last - 1 else ()
                refused |= self._refused_in(number)
            if shown:
                break
        is_open = not shown and int(kept["basis"][last - 1]) > Basis.POPULAR
        return _Outcome(shown, refused, is_open)

    def _shown(self, decision: int) -> tuple[int, ...]:
        """Return what was really shown."""
        return tuple(
            self._kept["shown_row"][slice(*self._shown_ptr[decision : decision + 2].tolist())].tolist()
        )

    def _refused_in(self, number: int) -> dict[int, str]:
        first, last = self._kept["cand_ptr"][number : number + 2].tolist()
        return {row: self._refused[row] for row in range(first, last) if row in self._refused}

    def _changes(self, decision: int, before: _Outcome, after: _Outcome) -> Iterator[Change]:
        """Yield what is gone, best first, then what is new."""
        really, where = set(self._shown(decision)), self._where(decision)
        for row in before.shown:
            if row not in after.shown:
                rule_id = self._withheld_by(self._draft.said, after, row)
                kind = ChangeKind.PUSHED_OUT if rule_id == NO_RULE else ChangeKind.WITHHELD
                yield self._change(decision, row, kind, rule_id, where, was_shown=row in really)
        for row in after.shown:
            if row not in before.shown:
                rule_id = self._withheld_by(self._base.said, before, row)
                kind = ChangeKind.MOVED_UP if rule_id == NO_RULE else ChangeKind.ALLOWED
                yield self._change(decision, row, kind, rule_id, where, was_shown=row in really)

    @staticmethod
    def _withheld_by(said: Said, outcome: _Outcome, row: int) -> str:
        place = int(said.deciding[row])
        return said.order[place] if place >= 0 else outcome.refused.get(row, NO_RULE)

    def _change(
        self,
        decision: int,
        row: int,
        kind: ChangeKind,
        rule_id: str,
        where: Mapping[str, str],
        *,
        was_shown: bool,
    ) -> Change:
        names = self._kept.names
        return Change(
            decision_id=names["decision_id"][decision],
            item_id=names["items"][int(self._kept["item"][row])],
            kind=kind,
            rule_id=rule_id,
            was_shown=was_shown,
            intent=self._intent(row),
            where=where,
        )

    def _intent(self, row: int) -> str:
        return word(Intent(int(self._kept["intent"][row])))

    def _where(self, decision: int) -> dict[str, str]:
        return dict(zip(DIMENSIONS, self._words(self._group_of_decision[decision]), strict=True))

    def _words(self, group: int) -> tuple[str, ...]:
        code, basis = divmod(group, _N_BASES)
        request = self._kept.situation(code).request
        return (
            request.placement.name,
            word(request.channel),
            request.subject_kind.value,
            word(Basis(basis)),
        )

    @cached_property
    def _group_of_decision(self) -> list[int]:
        """Situation and basis of each decision as one number."""
        last = self._kept["round_ptr"][1:] - 1
        found: list[int] = (
            self._kept["situation"].astype(np.int64) * _N_BASES + self._kept["basis"][last]
        ).tolist()
        return found

    def _counted(self) -> Tally:
        """Count decisions, and what was really shown."""
        kept, group = self._kept, np.array(self._group_of_decision)
        n_shown = np.diff(self._shown_ptr)
        tally = Tally(
            n_decisions=len(kept),
            n_shown=int(kept["shown_row"].size),
            n_unasked=self._n_unasked(),
            first_minute=int(kept["minute"].min()),
            last_minute=int(kept["minute"].max()),
        )
        groups, place = np.unique(group, return_inverse=True)
        n_decisions, n_suggestions = np.bincount(place), np.bincount(place, n_shown).astype(np.int64)
        for number, each in enumerate(groups.tolist()):
            for key in zip(DIMENSIONS, self._words(each), strict=True):
                tally.decisions[key] += int(n_decisions[number])
                tally.shown[key] += int(n_suggestions[number])
        for intent, n in enumerate(np.bincount(kept["intent"][kept["shown_row"]]).tolist()):
            if n:
                tally.shown[INTENT, word(Intent(intent))] += n
        return tally

    def _n_unasked(self) -> int:
        rounds = self._base.said.unasked | self._draft.said.unasked
        return int(np.unique(self._kept.decision_of_round[rounds]).size)

    def _count_shown(self, tally: Tally, decision: int, rows: tuple[int, ...], sign: int) -> None:
        """Count what is shown in a decision; ``sign`` is -1 to take it out again."""
        tally.n_shown += sign * len(rows)
        for key in self._where(decision).items():
            tally.shown[key] += sign * len(rows)
        for row in rows:
            tally.shown[INTENT, self._intent(row)] += sign


_N_BASES = max(Basis) + 1
