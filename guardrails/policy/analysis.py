"""What can be proven wrong with the rules of a shop: which never act, always act, or act for nothing.

Everything here is exact: each finding holds of every request there could be, not of a sample, and comes
with a customer and an item that show it. Where telling would take too much work the finding says that
instead. Rules that are off are only asked whether they never or always act. Rules that watch are held
against the enforced ones as if they were enforced too. The order of the rules means nothing.

================  ========  ==================================================================
code              severity  meaning
================  ========  ==================================================================
``never_fires``   error     no request meets its condition
``always_fires``  error     its condition holds wherever the rule applies, or it has none and
                            applies everywhere
``shadowed``      warning   one other rule acts wherever it does, with a stronger effect and at
                            least its obligations
``redundant``     warning   without it no verdict changes anywhere: effect, share, obligations
``conflict``      warning   it allows what another holds back or generalises, or the reverse
``too_tangled``   error     not analysed: its conditions overlap with others in too many ways
================  ========  ==================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from guardrails.errors import TooTangledError
from guardrails.messages import Phrase
from guardrails.policy.boxes import (
    ENOUGH_IN_ALL,
    ENOUGH_WORK,
    EVERYWHERE,
    Box,
    Region,
    Work,
    bounded_region_of,
    contradicted,
    left_of,
    meet,
    regions_equal,
    scope_region,
    subsumes,
)
from guardrails.policy.charter import MICRO
from guardrails.policy.findings import Finding, Severity, pointer_of
from guardrails.policy.language import HouseRule, Mode, Obligation, Policy, RuleEffect
from guardrails.policy.meaning import STRENGTH, Point
from guardrails.policy.nearby import Nearby

__all__ = ["analyse", "regions_equal", "subsumes"]

_Near: TypeAlias = Sequence[tuple[Box, Mapping[str, list[Box]]]]
"""Each box of a rule, and the boxes of other enforced rules that meet it, by the id of their rule."""


def analyse(policy: Policy, *, work: int = ENOUGH_IN_ALL) -> tuple[Finding, ...]:
    """Return everything that can be proven wrong with the rules of a policy, rule by rule.

    Args:
        policy: a checked policy: its fields, values and questions for what may be absent are in order.
        work: pairs of boxes that may be held against each other.

    Raises:
        PolicyError: a condition asks for what cannot be asked.
    """
    ordered = sorted(policy.rules, key=lambda rule: rule.id)
    regions = {rule.id: bounded_region_of(rule) for rule in ordered}
    enforced = {rule.id: rule for rule in ordered if rule.mode is Mode.ENFORCE}
    nearby = Nearby({rule_id: regions[rule_id] or () for rule_id in enforced})
    found: dict[str, list[Finding]] = {}
    for rule in ordered:
        part = Work(min(ENOUGH_WORK, work))
        work -= part.left
        found[rule.id] = _told_or_given_up(_findings(rule, regions[rule.id], enforced, nearby, part))
        work += max(part.left, 0)
    return tuple(
        replace(finding, pointer=_pointer(position, rule))
        for position, rule in enumerate(policy.rules)
        for finding in found[rule.id]
    )


def _pointer(position: int, rule: HouseRule) -> str:
    return pointer_of("rules", position) if rule.when is None else pointer_of("rules", position, "when")


def _told_or_given_up(findings: Iterator[Finding]) -> list[Finding]:
    """Return all findings, or those until there was no work left and one that says so."""
    found: list[Finding] = []
    try:
        found.extend(findings)
    except TooTangledError:
        found.append(_tangled())
    return found


def _findings(
    rule: HouseRule,
    region: Region | None,
    enforced: Mapping[str, HouseRule],
    nearby: Nearby,
    work: Work,
) -> Iterator[Finding]:
    if region is None:
        yield _tangled()
    elif not region:
        yield _never(rule)
    else:
        if _acts_always(rule, region, work):
            yield _always(rule)
        if rule.mode is not Mode.OFF:
            near = [(box, _others(rule, nearby.to(box, work))) for box in region]
            yield from _beside_others(rule, near, enforced, work)


def _others(rule: HouseRule, near: Mapping[str, list[Box]]) -> Mapping[str, list[Box]]:
    return {rule_id: boxes for rule_id, boxes in near.items() if rule_id != rule.id}


def _acts_always(rule: HouseRule, region: Region, work: Work) -> bool:
    """Tell whether a condition narrows nothing; where there is none, whether nothing but days does."""
    if rule.when is None:
        return scope_region(replace(rule, effective_from=None, effective_until=None)) == (EVERYWHERE,)
    return subsumes(region, scope_region(rule), work)


def _beside_others(
    rule: HouseRule, near: _Near, enforced: Mapping[str, HouseRule], work: Work
) -> Iterator[Finding]:
    shadowing = _shadowing(rule, near, enforced, work)
    covering = None if shadowing else _covering(rule, near, enforced, work)
    if shadowing:
        yield _shadowed(near[0][0].witness(), shadowing)
    elif covering is not None:
        yield _redundant(near[0][0].witness(), covering)
    opposed = _opposed(rule, near, enforced)
    if opposed:
        yield _conflict(rule, opposed)


def _shadowing(
    rule: HouseRule, near: _Near, enforced: Mapping[str, HouseRule], work: Work
) -> tuple[str, ...]:
    """Return the rules that act wherever a rule does, and do more."""
    everywhere = set[str].intersection(*(set(others) for _, others in near))
    return tuple(
        rule_id
        for rule_id in sorted(everywhere)
        if _does_more(enforced[rule_id], rule) and _covers(near, {rule_id}, work)
    )


def _does_more(other: HouseRule, rule: HouseRule) -> bool:
    strengths = [(STRENGTH[each.effect], -each.share_micro) for each in (other, rule)]
    return strengths[0] > strengths[1] and set(rule.obligations) <= set(other.obligations)


def _covers(near: _Near, rule_ids: Collection[str], work: Work) -> bool:
    """Tell whether some rules together act wherever a rule does."""
    return all(
        left_of((box,), [each for rule_id in rule_ids for each in others.get(rule_id, ())], work) is None
        for box, others in near
    )


def _covering(
    rule: HouseRule, near: _Near, enforced: Mapping[str, HouseRule], work: Work
) -> tuple[str, ...] | None:
    """Return the rules that together do all that a rule does; ``None`` if they do not do it everywhere."""
    found: list[tuple[str, ...]] = []
    for does_it in _does(rule):
        doing = [
            {key: near_it for key, near_it in others.items() if does_it(enforced[key])} for _, others in near
        ]
        enough = _enough([(box, others) for (box, _), others in zip(near, doing, strict=True)], work)
        if enough is None:
            return None
        found.append(enough)
    return tuple(sorted({rule_id for enough in found for rule_id in _fewest(near, enough, work)}))


def _enough(near: _Near, work: Work) -> tuple[str, ...] | None:
    """Return rules of those near that act wherever a rule does; ``None`` if all of them do not."""
    found: set[str] = set()
    for box, others in near:
        cut_by: list[Box] = []
        if left_of((box,), [each for boxes in others.values() for each in boxes], work, cut_by) is not None:
            return None
        owners = {id(each): rule_id for rule_id, boxes in others.items() for each in boxes}
        found.update(owners[id(each)] for each in cut_by)
    return tuple(sorted(found))


def _does(rule: HouseRule) -> Iterator[Callable[[HouseRule], bool]]:
    """Yield, for everything that a rule adds to a verdict, what tells whether another adds as much."""
    if rule.effect is not RuleEffect.ALLOW:
        yield lambda other: STRENGTH[other.effect] >= STRENGTH[rule.effect]
    if rule.share_micro < MICRO:
        yield lambda other: other.share_micro <= rule.share_micro
    for obligation in rule.obligations:
        yield partial(_asks_for, obligation)


def _asks_for(obligation: Obligation, other: HouseRule) -> bool:
    return obligation in other.obligations


def _fewest(near: _Near, rule_ids: tuple[str, ...], work: Work) -> tuple[str, ...]:
    """Return rules that still cover all that these cover, and none of which could be spared."""
    for alone in rule_ids:
        if _covers(near, (alone,), work):
            return (alone,)
    for spared in reversed(rule_ids):
        fewer = tuple(rule_id for rule_id in rule_ids if rule_id != spared)
        if _covers(near, fewer, work):
            rule_ids = fewer
    return rule_ids


def _opposed(rule: HouseRule, near: _Near, enforced: Mapping[str, HouseRule]) -> dict[str, tuple[Box, Box]]:
    """Return the rules that want the opposite somewhere, each with two boxes that meet there."""
    found: dict[str, tuple[Box, Box]] = {}
    for box, others in near:
        for rule_id, boxes in others.items():
            if rule_id not in found and _opposite(rule, enforced[rule_id]):
                found[rule_id] = box, boxes[0]
    return found


def _opposite(rule: HouseRule, other: HouseRule) -> bool:
    """Tell whether one lets through what the other stops: said of the one that is held against it."""
    stops = {RuleEffect.GENERALISE, RuleEffect.BLOCK}
    if rule.effect is RuleEffect.ALLOW:
        return other.effect in stops
    return rule.effect in stops and other.effect is RuleEffect.ALLOW and rule.mode is not Mode.ENFORCE


def _named(rule_ids: Iterable[str]) -> str:
    return ", ".join(f"`{rule_id}`" for rule_id in sorted(rule_ids))


def _tangled() -> Finding:
    message = Phrase(
        "this was not analysed: it overlaps with other rules in too many ways; split or simplify it"
    )
    return Finding(code="too_tangled", severity=Severity.ERROR, pointer="", message=message)


def _never(rule: HouseRule) -> Finding:
    message = Phrase(
        "this never acts: what it asks of {fields} contradicts itself", fields=_named(contradicted(rule))
    )
    return Finding(code="never_fires", severity=Severity.ERROR, pointer="", message=message)


def _always(rule: HouseRule) -> Finding:
    example = scope_region(rule)[0].witness()
    message = Phrase("this acts on everything: give it a condition or a scope")
    if rule.when is not None:
        message = Phrase("this condition holds wherever the rule applies: it tells nothing apart")
    return Finding(code="always_fires", severity=Severity.ERROR, pointer="", message=message, example=example)


def _shadowed(example: Point, rule_ids: tuple[str, ...]) -> Finding:
    message = Phrase("{rules} acts wherever this does, and does more", rules=_named(rule_ids))
    return _warning("shadowed", message, example, rule_ids)


def _redundant(example: Point, rule_ids: tuple[str, ...]) -> Finding:
    message = Phrase("this changes nothing: what it allows is allowed without it")
    if rule_ids:
        message = Phrase("this changes nothing that {rules} would not do without it", rules=_named(rule_ids))
    return _warning("redundant", message, example, rule_ids)


def _conflict(rule: HouseRule, opposed: Mapping[str, tuple[Box, Box]]) -> Finding:
    rule_ids = tuple(sorted(opposed))
    message = Phrase("{rules} allows what this does not; the stronger wins", rules=_named(rule_ids))
    if rule.effect is RuleEffect.ALLOW:
        message = Phrase("this allows what {rules} does not; the stronger wins", rules=_named(rule_ids))
    one, other = opposed[rule_ids[0]]
    return _warning("conflict", message, meet((one,), (other,))[0].witness(), rule_ids)


def _warning(code: str, message: Phrase, example: Point, rule_ids: tuple[str, ...]) -> Finding:
    return Finding(
        code=code, severity=Severity.WARNING, pointer="", message=message, example=example, rules=rule_ids
    )
