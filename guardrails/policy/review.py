"""G34: which rules are past their review, or no longer do what they were thought to do.

A rule is named when the day of its review is over, and when what it rests on, the share it acts on,
lies outside its range in what was recorded lately. Both may be put right within a grace period.
After that the policy that holds the rule cannot be approved again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from guardrails.policy.charter import MICRO, Assumption, CharterEntry
from guardrails.policy.language import HouseRule

GRACE_DAYS = 30
"""How long a rule may be overdue before its policy cannot be approved again."""

FEWEST_MEASURED = 1_000
"""A share of fewer than this says nothing of an assumption."""


class Flaw(StrEnum):
    """What is wrong with a rule."""

    PAST_REVIEW = "past_review"
    ACTS_TOO_LITTLE = "acts_too_little"
    ACTS_TOO_MUCH = "acts_too_much"


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many.

    Attributes:
        n_acted: those a rule acted on, as its measure counts.
        n: all of them.
    """

    n_acted: int = 0
    n: int = 0

    @property
    def micro(self) -> int | None:
        """The share in millionths, rounded down; ``None`` of nothing."""
        return self.n_acted * MICRO // self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule did, in two stretches of time.

    Attributes:
        lately: within the grace period up to now.
        before: in the stretch before that: what was wrong then had all the grace there is.
    """

    lately: Share
    before: Share = Share()


@dataclass(frozen=True, slots=True)
class Overdue:
    """One rule that has to be looked at.

    Attributes:
        rule_id: which.
        owner: who is to do so.
        flaw: why.
        review_by: last day on which it could stand unreviewed.
        days_overdue: days since then; 0 where the flaw is another.
        share_micro: the share measured lately, millionths; ``None`` where the flaw is not about it.
        assumes: what does not hold; ``None`` where the flaw is another.
        blocks_approval: the grace period is over.
    """

    rule_id: str
    owner: str
    flaw: Flaw
    review_by: date
    days_overdue: int
    share_micro: int | None
    assumes: Assumption | None
    blocks_approval: bool


def day_of(now_ms: int) -> date:
    """Return the UTC day of a time in milliseconds since the epoch."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()


def entry_of(rule: HouseRule) -> CharterEntry:
    """Return what stands behind a rule of a shop's own."""
    return CharterEntry(rule.id, rule.owner, rule.rationale, rule.review_by, rule.assumes, locked=False)


def overdue(
    charter: Mapping[str, CharterEntry],
    today: date,
    measured: Mapping[str, Sequence[Measured]],
    grace_days: int = GRACE_DAYS,
) -> tuple[Overdue, ...]:
    """Return every rule with a flaw, in the order of the charter; past reviews before other flaws.

    Args:
        charter: what stands behind each rule, shipped or a shop's own.
        today: the day of the report.
        measured: what rules did, by id, for each of their assumptions; a rule that was not measured
            cannot be outside its range.
        grace_days: how long a flaw may last before it blocks an approval.
    """
    found = []
    for entry in charter.values():
        days = (today - entry.review_by).days
        if days > 0:
            found.append(_overdue(entry, Flaw.PAST_REVIEW, days, None, None, blocks=days > grace_days))
        known = measured.get(entry.id)
        if known is not None:
            for assumption, share in zip(entry.assumes, known, strict=True):
                flaw = _outside(assumption, share.lately)
                if flaw is not None:
                    lasting = _outside(assumption, share.before) is flaw
                    found.append(_overdue(entry, flaw, 0, share.lately.micro, assumption, blocks=lasting))
    return tuple(found)


def _outside(assumption: Assumption, share: Share) -> Flaw | None:
    """Compare in whole numbers, so that exactly on the edge is inside."""
    if share.n < FEWEST_MEASURED:
        return None
    if share.n_acted * MICRO < assumption.low_micro * share.n:
        return Flaw.ACTS_TOO_LITTLE
    if share.n_acted * MICRO > assumption.high_micro * share.n:
        return Flaw.ACTS_TOO_MUCH
    return None


def _overdue(
    entry: CharterEntry,
    flaw: Flaw,
    days_overdue: int,
    share_micro: int | None,
    assumption: Assumption | None,
    *,
    blocks: bool,
) -> Overdue:
    return Overdue(
        rule_id=entry.id,
        owner=entry.owner,
        flaw=flaw,
        review_by=entry.review_by,
        days_overdue=days_overdue,
        share_micro=share_micro,
        assumes=assumption,
        blocks_approval=blocks,
    )
