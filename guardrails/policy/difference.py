"""What two versions of a policy treat differently: every request and item there could be, not a sample.

The rules that are not the same in both are taken one by one. Where a rule that came acts, and nothing
before did as much, something has changed; and where a rule that went acted, and nothing does as much
now. This finds every difference: a verdict is the most that any rule asks for, so that it only changes
where a rule that asks for that much came or went. Found nowhere, both are proven equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple, TypeAlias, cast

from guardrails.errors import PolicyError, TooTangledError
from guardrails.policy.boxes import (
    ENOUGH_IN_ALL,
    ENOUGH_WORK,
    Box,
    Region,
    Work,
    bounded_region_of,
    left_of,
    region_of,
)
from guardrails.policy.charter import MICRO
from guardrails.policy.directions import DIRECTIONS, WEIGHTS_VERSION, WRITTEN
from guardrails.policy.document import Plain, limit_to_plain, share_to_plain, value_to_plain
from guardrails.policy.fields import FIELDS, Field
from guardrails.policy.language import HouseRule, Mode, Obligation, Policy, RuleEffect
from guardrails.policy.meaning import STRENGTH, HouseVerdict, Point, fires, together
from guardrails.policy.nearby import Nearby
from guardrails.policy.sides import ABSENT, Side, Spans, Tokens, Words, run_of

_ACTING = frozenset(
    ("when", "applies_to", "effect", "share_micro", "obligations", "effective_from", "effective_until")
)


class Change(StrEnum):
    """What became of some suggestions. One may have changed in several ways."""

    WITHHELD = "newly_withheld"
    LET_THROUGH = "newly_let_through"
    """Not blocked any more; it may be generalised or demoted instead."""
    GENERALISED = "newly_generalised"
    NOT_GENERALISED = "no_longer_generalised"
    """Neither generalised nor blocked any more."""
    DEMOTED = "newly_demoted"
    """Less of its score is left than before."""
    NOT_DEMOTED = "less_demoted"
    OBLIGED = "newly_obliged"
    NOT_OBLIGED = "no_longer_obliged"


@dataclass(frozen=True, slots=True)
class ChangedLimit:
    """A limit that is not what it was.

    Attributes:
        name: how a policy writes it.
        before: what it was; shares in millionths.
        after: what it is.
        tightened: whether it holds back more now; ``None`` for what is a name and no number.
    """

    name: str
    before: int | str
    after: int | str
    tightened: bool | None


@dataclass(frozen=True, slots=True)
class ChangedRule:
    """A rule that is in both versions and not the same.

    Attributes:
        id: its id.
        parts: attributes of ``HouseRule`` that differ.
    """

    id: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """What one version says of one point.

    Attributes:
        verdict: its verdict.
        rules: ids of the rules that make it so.
    """

    verdict: HouseVerdict
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangedRegion:
    """Where something has changed, all over.

    Attributes:
        change: what has.
        obligation: which obligation came or went, if that is what has changed.
        rule: the rule that came or went, or whose former self did.
        within: where it acts; of its boxes those in which something is left.
        already: rules of the other version that do as much: not where one of these acts.
        outdone: rules of its own version that do more: not where one of these acts either.
        example: a point that is left.
        before: what was decided there.
        after: what is decided there now.
    """

    change: Change
    obligation: Obligation | None
    rule: str
    within: Region
    already: tuple[str, ...]
    outdone: tuple[str, ...]
    example: Point
    before: Decided
    after: Decided


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two versions of a policy.

    Attributes:
        limits: limits, by their written names.
        added: ids of rules that came.
        removed: ids of rules that went.
        changed: rules that stayed and are not the same.
        time_zone: where days began and begin; ``None`` for the same.
        regions: where verdicts differ.
        too_tangled: ids of rules of which this could not be told with reasonable work.
        proven_equal: no limit and no verdict differs anywhere.
    """

    limits: tuple[ChangedLimit, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ChangedRule, ...]
    time_zone: tuple[str, str] | None
    regions: tuple[ChangedRegion, ...]
    too_tangled: tuple[str, ...]
    proven_equal: bool


class _Version(NamedTuple):
    """The enforced rules of one version, where each acts, and how to find those near a box."""

    rules: Mapping[str, HouseRule]
    regions: Mapping[str, Region]
    nearby: Nearby


_Does: TypeAlias = Callable[[HouseRule], bool]


class _Aspect(NamedTuple):
    """One thing that a rule adds to a verdict, and which other rules do as much, or make it moot."""

    came: Change
    went: Change
    as_much: _Does
    more: _Does
    obligation: Obligation | None = None


def compare(before: Policy, after: Policy, *, work: int = ENOUGH_IN_ALL) -> Difference:
    """Return what differs between two versions of a policy.

    A draft that asks for what may be absent is held against others too: as if such a rule did not act
    where it has no answer. It is refused elsewhere.

    Args:
        before: the former version.
        after: the later version.
        work: pairs of boxes that may be held against each other.

    Raises:
        PolicyError: a condition asks for what cannot be asked.
    """
    former, later = ({rule.id: rule for rule in policy.rules} for policy in (before, after))
    limits = _limits(before, after)
    regions, tangled = _regions(before, after, work)
    zones = None if before.time_zone == after.time_zone else (before.time_zone, after.time_zone)
    return Difference(
        limits=limits,
        added=tuple(sorted(later.keys() - former.keys())),
        removed=tuple(sorted(former.keys() - later.keys())),
        changed=tuple(
            ChangedRule(rule_id, parts)
            for rule_id in sorted(former.keys() & later.keys())
            if (parts := _parts(former[rule_id], later[rule_id]))
        ),
        time_zone=zones,
        regions=regions,
        too_tangled=tangled,
        proven_equal=not (limits or regions or tangled or (zones and _dated(before, after))),
    )


def _limits(before: Policy, after: Policy) -> tuple[ChangedLimit, ...]:
    found = []
    for name, (section, limit) in WRITTEN.items():
        was, now = (getattr(getattr(policy.limits, section), limit) for policy in (before, after))
        if was != now:
            found.append(ChangedLimit(name, was, now, not DIRECTIONS[section, limit].is_looser(now, was)))
    was, now = before.limits.weights.version, after.limits.weights.version
    if was != now:
        found.append(ChangedLimit(WEIGHTS_VERSION, was, now, None))
    return tuple(found)


def _parts(former: HouseRule, later: HouseRule) -> tuple[str, ...]:
    return tuple(
        part.name for part in fields(HouseRule) if getattr(former, part.name) != getattr(later, part.name)
    )


def _dated(*policies: Policy) -> bool:
    """Tell whether a rule in force asks for the day."""
    boxes = (box for policy in policies for rule in _enforced(policy).values() for box in region_of(rule))
    return any("request.date" in box.sides for box in boxes)


def _enforced(policy: Policy) -> Mapping[str, HouseRule]:
    return {
        rule.id: rule for rule in sorted(policy.rules, key=lambda rule: rule.id) if rule.mode is Mode.ENFORCE
    }


def _regions(before: Policy, after: Policy, work: int) -> tuple[tuple[ChangedRegion, ...], tuple[str, ...]]:
    """Return where verdicts differ, and the rules of which that could not be told."""
    former, later = _enforced(before), _enforced(after)
    same = {
        rule_id
        for rule_id in former
        if rule_id in later and not _acts_otherwise(former[rule_id], later[rule_id])
    }
    old = {rule_id: bounded_region_of(rule) for rule_id, rule in former.items()}
    new = {
        rule_id: old[rule_id] if rule_id in same else bounded_region_of(rule)
        for rule_id, rule in later.items()
    }
    boundless = {rule_id for regions in (old, new) for rule_id, region in regions.items() if region is None}
    if boundless:
        return (), tuple(sorted(boundless))
    versions = _version(former, old), _version(later, new)
    found: list[ChangedRegion] = []
    tangled: list[str] = []
    for rule_id in sorted((former.keys() | later.keys()) - same):
        part = Work(min(ENOUGH_WORK, work))
        work -= part.left
        try:
            found.extend(_of_rule(rule_id, *versions, part))
        except TooTangledError:
            tangled.append(rule_id)
        work += max(part.left, 0)
    return tuple(found), tuple(tangled)


def _version(rules: Mapping[str, HouseRule], regions: Mapping[str, Region | None]) -> _Version:
    known = {rule_id: region or () for rule_id, region in regions.items()}
    return _Version(rules, known, Nearby(known))


def _acts_otherwise(former: HouseRule, later: HouseRule) -> bool:
    return not _ACTING.isdisjoint(_parts(former, later))


def _of_rule(rule_id: str, old: _Version, new: _Version, work: Work) -> Iterator[ChangedRegion]:
    if rule_id in new.rules:
        for part in _parts_changed(new.rules[rule_id], new, old, work):
            yield _region(part, part.aspect.came, old, new)
    if rule_id in old.rules:
        for part in _parts_changed(old.rules[rule_id], old, new, work):
            yield _region(part, part.aspect.went, old, new)


class _Part(NamedTuple):
    """The boxes of a rule in part of which nothing in the other version does as much."""

    rule: HouseRule
    aspect: _Aspect
    within: Region
    already: frozenset[str]
    outdone: frozenset[str]
    example: Point


def _parts_changed(rule: HouseRule, own: _Version, other: _Version, work: Work) -> Iterator[_Part]:
    near = [(box, own.nearby.to(box, work), other.nearby.to(box, work)) for box in own.regions[rule.id]]
    for aspect in _aspects(rule):
        within: list[Box] = []
        left: list[Box] = []
        already: set[str] = set()
        outdone: set[str] = set()
        for box, near_own, near_other in near:
            as_much = {key: boxes for key, boxes in near_other.items() if aspect.as_much(other.rules[key])}
            more = {key: boxes for key, boxes in near_own.items() if aspect.more(own.rules[key])}
            taken = [each for found in (as_much, more) for boxes in found.values() for each in boxes]
            part = left_of((box,), taken, work)
            if part is not None:
                within.append(box)
                left.append(part)
                already.update(as_much)
                outdone.update(more)
        if within:
            example = left[0].witness()
            yield _Part(rule, aspect, tuple(within), frozenset(already), frozenset(outdone), example)


def _region(part: _Part, change: Change, old: _Version, new: _Version) -> ChangedRegion:
    return ChangedRegion(
        change=change,
        obligation=part.aspect.obligation,
        rule=part.rule.id,
        within=part.within,
        already=tuple(sorted(part.already)),
        outdone=tuple(sorted(part.outdone)),
        example=part.example,
        before=_decided(old.rules.values(), part.example),
        after=_decided(new.rules.values(), part.example),
    )


def _aspects(rule: HouseRule) -> Iterator[_Aspect]:
    """Yield everything that a rule adds to a verdict."""
    at_least, beyond = partial(_is_at_least, rule.effect), partial(_is_beyond, rule.effect)
    if rule.effect is RuleEffect.BLOCK:
        yield _Aspect(Change.WITHHELD, Change.LET_THROUGH, at_least, beyond)
    if rule.effect is RuleEffect.GENERALISE:
        yield _Aspect(Change.GENERALISED, Change.NOT_GENERALISED, at_least, beyond)
    if rule.effect is RuleEffect.DEMOTE:
        as_low = partial(_leaves_at_most, rule.share_micro) if rule.share_micro < MICRO else at_least
        yield _Aspect(Change.DEMOTED, Change.NOT_DEMOTED, as_low, _never)
    for obligation in rule.obligations:
        asks = partial(_asks_for, obligation)
        yield _Aspect(Change.OBLIGED, Change.NOT_OBLIGED, asks, _never, obligation)


def _is_at_least(effect: RuleEffect, rule: HouseRule) -> bool:
    return STRENGTH[rule.effect] >= STRENGTH[effect]


def _is_beyond(effect: RuleEffect, rule: HouseRule) -> bool:
    return STRENGTH[rule.effect] > STRENGTH[effect]


def _leaves_at_most(share_micro: int, rule: HouseRule) -> bool:
    return rule.share_micro <= share_micro


def _asks_for(obligation: Obligation, rule: HouseRule) -> bool:
    return obligation in rule.obligations


def _never(_: HouseRule) -> bool:
    return False


def _decided(rules: Iterable[HouseRule], point: Point) -> Decided:
    acting = [rule for rule in rules if _acts(rule, point)]
    verdict = together(acting, point)
    return Decided(verdict, tuple(rule.id for rule in acting if _decides(rule, verdict)))


def _acts(rule: HouseRule, point: Point) -> bool:
    """Tell whether a rule acts on a point; of what has no answer there it is not known, so it does not."""
    try:
        return fires(rule, point)
    except PolicyError:
        return False


def _decides(rule: HouseRule, verdict: HouseVerdict) -> bool:
    """Tell whether a rule that acts adds something that no other outdoes."""
    return bool(
        rule.obligations
        or rule.effect is verdict.effect is not RuleEffect.ALLOW
        or (rule.share_micro == verdict.share_micro < MICRO)
    )


def as_plain(difference: Difference) -> Plain:
    """Return a difference as plain data, with numbers, shares and days as a policy writes them."""
    return {
        "proven_equal": difference.proven_equal,
        "limits": [_plain_limit(limit) for limit in difference.limits],
        "added": list(difference.added),
        "removed": list(difference.removed),
        "changed": [{"rule": rule.id, "parts": list(rule.parts)} for rule in difference.changed],
        "time_zone": difference.time_zone and dict(zip(_TIMES, difference.time_zone, strict=True)),
        "regions": [_plain_region(region) for region in difference.regions],
        "too_tangled": list(difference.too_tangled),
    }


_TIMES = ("before", "after")


def _plain_limit(limit: ChangedLimit) -> Plain:
    values = (limit.before, limit.after)
    shown = [limit_to_plain(limit.name, value) if isinstance(value, int) else value for value in values]
    return {"limit": limit.name, **dict(zip(_TIMES, shown, strict=True)), "tightened": limit.tightened}


def _plain_region(region: ChangedRegion) -> Plain:
    return {
        "change": region.change.value,
        "obligation": region.obligation and region.obligation.value,
        "rule": region.rule,
        "within": [box_to_plain(box) for box in region.within],
        "already": list(region.already),
        "outdone": list(region.outdone),
        "example": point_to_plain(region.example),
        "before": _plain_decided(region.before),
        "after": _plain_decided(region.after),
    }


def _plain_decided(decided: Decided) -> Plain:
    return {
        "effect": decided.verdict.effect.value,
        "share": share_to_plain(decided.verdict.share_micro),
        "obligations": [each.value for each in Obligation if each in decided.verdict.obligations],
        "rules": list(decided.rules),
    }


def point_to_plain(point: Point) -> Plain:
    """Return a point as plain data, with shares and days as a policy writes them."""
    return {name: value_to_plain(FIELDS[name].kind, value) for name, value in point.items()}


def box_to_plain(box: Box) -> Plain:
    """Return what a box asks of each field, as plain data.

    Of a number ``between`` (runs of it, open where the field ends), of a word ``in`` or ``not_in``, of
    texts ``contains_any`` (of each list one) and ``contains_none``; ``absent`` where it may be absent and
    ``null`` where a number may be null.
    """
    return {name: _plain_side(FIELDS[name], side) for name, side in sorted(box.sides.items())}


def _plain_side(field: Field, side: Side) -> Plain:
    if isinstance(side, Tokens):
        groups = sorted(sorted(group) for group in side.groups)
        return _said(contains_any=groups, contains_none=sorted(side.forbidden))
    if isinstance(side, Words):
        named = sorted((word for word in side.values if word is not ABSENT), key=str)
        absent = field.optional and (ABSENT in side.values) is not side.excluded
        return {("not_in" if side.excluded else "in"): named, **_said(absent=absent)}
    return _plain_spans(field, cast("Spans", side))


def _plain_spans(field: Field, side: Spans) -> Plain:
    known = [(max(first, field.least), last) for first, last in side.spans if last >= field.least]
    absent, null = (
        any(first <= run_of(field, missing)[0] <= last for first, last in side.spans)
        for missing in (ABSENT, None)
    )
    return {"between": [_plain_run(field, *run) for run in known], **_said(absent=absent, null=null)}


def _plain_run(field: Field, first: int, last: int) -> Plain:
    ends = {"at_least": first} if first > field.least else {}
    ends.update({"at_most": last} if last < field.greatest else {})
    return {name: value_to_plain(field.kind, end) for name, end in ends.items()}


def _said(**parts: Any) -> Plain:
    return {name: value for name, value in parts.items() if value}
