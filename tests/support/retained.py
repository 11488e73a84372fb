"""Recorded decisions for rehearsals, and what a rehearsal has to find, worked out one decision at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import orjson
from support import shops
from support.scenes import Scene

from api.rehearsing.reading import read_block
from api.storage.retained import RetainedBody
from guardrails.compose import compose
from guardrails.judge import judge
from guardrails.log.reading import sections_of, view_of
from guardrails.log.record import SALT_BYTES, SECTIONS, _body, open_body
from guardrails.policy.columns import NULL, Column, Named
from guardrails.policy.compiled import house_rules
from guardrails.policy.language import Policy
from guardrails.policy.rehearsal import Change, ChangeKind
from guardrails.policy.retained import Retained
from guardrails.rules import CATALOGUE

MINUTE = shops.NOW_MS // 60_000


def body_of(scene: Scene, number: int = 0) -> RetainedBody:
    """The stored body of what a scene decides."""
    record = shops.recorded(scene.decide(), scene.request, scene.known, scene.house)
    return RetainedBody(f"decision-{number}", MINUTE + number, scene.house.policy_version, record.body)


def bodies_of(scenes: Iterable[Scene]) -> list[RetainedBody]:
    return [body_of(scene, number) for number, scene in enumerate(scenes)]


def kept_of(bodies: Sequence[RetainedBody]) -> Retained:
    """Their columns; none of them may be unreadable."""
    block = read_block(bodies)
    assert block.unreadable == ()
    return block.kept


def rewritten(body: RetainedBody, change: Any) -> RetainedBody:
    """The same body after ``change`` had its way with its parsed sections."""
    sections = {name: orjson.loads(content) for name, content in open_body(body.body)[1].items()}
    change(sections)
    written = tuple(orjson.dumps(sections[name], option=orjson.OPT_SORT_KEYS) for name in SECTIONS)
    return body._replace(body=_body(bytes(SALT_BYTES), written))


def as_before_house_rules(body: RetainedBody) -> RetainedBody:
    """The same body as it was written before there were rules of the shop."""

    def change(sections: dict[str, Any]) -> None:
        del sections["consent"]["jurisdiction"]
        for considered in sections["cand"]["rounds"]:
            del considered["categories"], considered["brands"], considered["seen"]["brand"]
        for said in sections["rules"]["rounds"]:
            del said["watched"], said["fired"]["obliges"]

    return rewritten(body, change)


@dataclass(frozen=True)
class Outcome:
    """What a policy makes of a recorded decision.

    Attributes:
        shown: number of the round and row, best first.
        withheld: rule that withholds, by round and row; of rounds that come to a slate.
    """

    shown: tuple[tuple[int, int], ...]
    withheld: dict[tuple[int, int], str]


def outcome_of(body: RetainedBody, policy: Policy) -> Outcome:
    """Ask every rule of a policy of every recorded round, and compose each, as a decision would."""
    sections, rules = sections_of(body.body), (*CATALOGUE, *house_rules(policy)[0])
    withheld: dict[tuple[int, int], str] = {}
    for number, considered in enumerate(sections["cand"]["rounds"]):
        view = view_of(sections, number)
        judged = judge(view, np.array(considered["score"], np.int64), rules, policy.limits)
        slate = compose(judged, view, policy.limits)
        withheld |= {(number, each.row): each.rule_id for each in slate.refused}
        withheld |= {
            (number, row): rules[place].id for row, place in enumerate(judged.deciding.tolist()) if place >= 0
        }
        if slate.shown:
            return Outcome(tuple((number, row) for row in slate.shown), withheld)
    return Outcome((), withheld)


class Expected(NamedTuple):
    """The part of a change that is compared."""

    decision_id: str
    item_id: str
    kind: ChangeKind
    rule_id: str


def expected_changes(body: RetainedBody, base: Policy, draft: Policy) -> list[Expected]:
    """What a rehearsal has to find in a decision."""
    before, after = outcome_of(body, base), outcome_of(body, draft)
    rounds = sections_of(body.body)["cand"]["rounds"]

    def change(place: tuple[int, int], other: Outcome, by_rule: ChangeKind, else_: ChangeKind) -> Expected:
        rule_id = other.withheld.get(place, "")
        kind = by_rule if rule_id else else_
        return Expected(body.decision_id, rounds[place[0]]["items"][place[1]], kind, rule_id)

    return [
        change(place, after, ChangeKind.WITHHELD, ChangeKind.PUSHED_OUT)
        for place in before.shown
        if place not in after.shown
    ] + [
        change(place, before, ChangeKind.ALLOWED, ChangeKind.MOVED_UP)
        for place in after.shown
        if place not in before.shown
    ]


def compared(changes: Iterable[Change]) -> list[Expected]:
    return [Expected(each.decision_id, each.item_id, each.kind, each.rule_id) for each in changes]


def told(column: Column, n: int) -> list[Any]:
    """A column as plain values, one a row."""
    if isinstance(column, Named):
        return [column.names.entries[code] for code in column.codes.tolist()]
    if isinstance(column, np.ndarray):
        return [None if value == NULL else int(value) for value in column.tolist()]
    return [int(column) if isinstance(column, bool) else column] * n
