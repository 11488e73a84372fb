"""What keeps a draft from working as it is written: questions without an answer, names, contradictions.

Words, types and values were settled when the document was read. What is found here takes more than one
place to see: a condition and what stands beside it, a name and what the shop has, one limit and another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from guardrails.messages import Phrase
from guardrails.policy.directions import WRITTEN
from guardrails.policy.document import limit_to_plain
from guardrails.policy.fields import FIELDS
from guardrails.policy.findings import Finding, Severity, pointer_of
from guardrails.policy.language import All, Atom, Condition, HouseRule, Op, Policy
from guardrails.policy.limits import Limits
from guardrails.policy.names import KnownNames, unknown_names
from guardrails.policy.places import Place, placed_parts

UNGUARDED, CONTRADICTION = "unguarded", "contradiction"

_ORDERING = frozenset({Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST})


def check(policy: Policy, known: KnownNames) -> tuple[Finding, ...]:
    """Return what keeps a draft from working as it is written.

    Args:
        policy: the draft.
        known: what the shop has.
    """
    return (*_contradictions(policy.limits), *_in_rules(policy), *unknown_names(policy, known))


def is_guarded(rule: HouseRule) -> bool:
    """Tell whether the condition of a rule has an answer at every point."""
    return next(_unguarded(rule.when, frozenset(), ()), None) is None


def _in_rules(policy: Policy) -> Iterator[Finding]:
    for index, rule in enumerate(policy.rules):
        for atom, guard, at in _unguarded(rule.when, frozenset(), ("rules", index, "when")):
            yield _lacks(atom, guard, at)


class _Guard(NamedTuple):
    """What has to hold in the same alternative for a comparison to have an answer."""

    field: str
    op: Op
    value: bool | None


def _present(field: str) -> _Guard:
    return _Guard(field, Op.HAS, value=True)


def _not_null(field: str) -> _Guard:
    return _Guard(field, Op.UNEQUAL, value=None)


def _needed(atom: Atom) -> Iterator[_Guard]:
    field = FIELDS[atom.field]
    if field.optional and atom.op is not Op.HAS:
        yield _present(atom.field)
    if field.nullable and atom.op in _ORDERING:
        yield _not_null(atom.field)


def _assured(condition: Condition) -> frozenset[_Guard]:
    """Return what holds wherever the condition does, as far as it is said outright."""
    if isinstance(condition, Atom):
        guards = (_present(condition.field), _not_null(condition.field))
        return frozenset(
            guard for guard in guards if guard == (condition.field, condition.op, condition.value)
        )
    below = [_assured(part) for part in condition.of]
    if isinstance(condition, All):
        return frozenset().union(*below)
    return below[0].intersection(*below[1:])


def _unguarded(
    condition: Condition | None, assured: frozenset[_Guard], place: Place
) -> Iterator[tuple[Atom, _Guard, Place]]:
    """Yield comparisons that some alternative leaves without an answer, what they lack, and where.

    An alternative takes one part of every ``any``. So what one part of an ``all`` assures in each of its
    alternatives holds in those of all other parts, and the alternatives need not be counted out.
    """
    if isinstance(condition, Atom):
        yield from ((condition, guard, place) for guard in _needed(condition) if guard not in assured)
    elif condition is not None:
        if isinstance(condition, All):
            assured = assured | _assured(condition)
        for part, at in placed_parts(condition, place):
            yield from _unguarded(part, assured, at)


def _lacks(atom: Atom, guard: _Guard, place: Place) -> Finding:
    if guard.op is Op.HAS:
        message = Phrase(
            "`{field}` may be absent: add `{field} has true` to the same `all`, or nobody can tell",
            field=atom.field,
        )
    else:
        message = Phrase(
            "`{field}` may be null, which is neither less nor more: add `{field} != null` to the same `all`",
            field=atom.field,
        )
    add = {"field": guard.field, "op": guard.op.value, "value": guard.value}
    return Finding(UNGUARDED, Severity.ERROR, pointer_of(*place), message, {"add": add})


_NOT_ABOVE = (
    ("G17.upsell_soft_from", "G17.upsell_hard"),
    ("G31.explain", "G31.generalise"),
    ("G31.generalise", "G31.suppress"),
    ("G16.returned_item_days", "G16.return_days"),
    ("G16.returned_category_days", "G16.return_days"),
    ("G19.cooldown_after", "G19.hard_at"),
    ("G38.min_categories", "G38.from_count"),
)
"""Pairs of limits of which the first may be as large as the second at most.

A step in price is demoted before it is blocked; what the score asks for grows with the score; a return
holds back only while it is known; a pause comes before a stop; so many suggestions have no more categories.
"""


def _contradictions(limits: Limits) -> Iterator[Finding]:
    for smaller, larger in _NOT_ABOVE:
        least, most = _limit(limits, smaller), _limit(limits, larger)
        if least > most:
            example = {smaller: limit_to_plain(smaller, least), larger: limit_to_plain(larger, most)}
            changed = smaller if least != _limit(Limits(), smaller) else larger
            message = Phrase(
                "`{smaller}` is {least}, more than the {most} of `{larger}`: one of them would mean nothing",
                smaller=smaller,
                least=example[smaller],
                larger=larger,
                most=example[larger],
            )
            yield Finding(CONTRADICTION, Severity.ERROR, pointer_of("limits", changed), message, example)


def _limit(limits: Limits, name: str) -> int:
    section, field = WRITTEN[name]
    value: int = getattr(getattr(limits, section), field)
    return value
