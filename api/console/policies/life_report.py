"""What a rehearsal found, as charts and examples of a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import urlencode

from api.console.words import BASES, CHANNELS, INTENTS, SUBJECTS, rule_title, told
from api.languages import say
from api.pages.charts import Lying, Row, lying
from guardrails.messages import Phrase
from guardrails.policy.descriptions import DESCRIPTIONS
from guardrails.policy.directions import WRITTEN
from guardrails.policy.language import Policy
from guardrails.policy.rehearsal import GONE, ChangeKind

Json: TypeAlias = dict[str, Any]

KINDS: Mapping[str, str] = {
    ChangeKind.WITHHELD: Phrase("withheld"),
    ChangeKind.PUSHED_OUT: Phrase("makes room for others"),
    ChangeKind.ALLOWED: Phrase("no longer withheld"),
    ChangeKind.MOVED_UP: Phrase("moves up into a free place"),
}
"""What happens to a suggestion."""

SAID: Mapping[str, str] = {
    "too_personal": Phrase("called too personal"),
    "irrelevant": Phrase("called irrelevant"),
    "not_interested": Phrase("of no interest"),
    "dismissed": Phrase("waved off"),
    "helpful": Phrase("called helpful"),
    "shown": Phrase("seen"),
    "clicked": Phrase("clicked"),
    "added_to_cart": Phrase("put into the basket"),
    "purchased": Phrase("bought"),
}
"""What came of a suggestion."""

BECAUSE: Mapping[str, str] = {
    "consent": Phrase("customers did not agree to it"),
    "sensitive": Phrase("it is sensitive"),
    "cap": Phrase("it was enough already"),
    "unwanted": Phrase("customers said that they do not want it"),
}
"""What withholding something is there for."""

_DIMENSIONS: Mapping[str, str] = {
    "placement": Phrase("Where it is shown"),
    "intent": Phrase("What it is suggested for"),
    "subject_kind": Phrase("For whom"),
    "basis": Phrase("What it was chosen by"),
    "channel": Phrase("On which channel"),
}
"""What changes are counted by, besides rules."""

_Name: TypeAlias = Callable[[str], str]
"""Says a name in words."""


@dataclass(frozen=True, slots=True)
class Example:
    """A suggestion that would have been otherwise.

    Attributes:
        decision_id: the decision.
        item: title of the item; its id where it has none any more.
        kind: what happens to it, a ``ChangeKind``.
        rule: title of the rule that decides; empty for none.
        placement: where it was shown.
        intent: what it was suggested for, in words.
        said: what came of it, in words.
    """

    decision_id: str
    item: str
    kind: str
    rule: str
    placement: str
    intent: str
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """A report as a page shows it.

    Attributes:
        document: the report.
        rules: what is withheld and shown again, by rule; ``None`` where there is nothing of it.
        charts: what changes by placement, intent and so on, where anything does.
        examples: some of what changes, of those that were asked for.
        n_examples: how many there are in all.
        kinds: what happens to any of them.
        only: what was asked for, in words; empty for all.
        not_rehearsed: limits that cannot be rehearsed, or in part: their meaning, and why.
    """

    document: Json
    rules: Lying | None
    charts: tuple[Lying, ...]
    examples: tuple[Example, ...]
    n_examples: int
    kinds: tuple[str, ...]
    only: tuple[str, ...]
    not_rehearsed: tuple[tuple[str, str], ...]


def own_titles(*policies: Policy | None) -> dict[str, str]:
    """Return what the rules of a shop are called, by their ids; ``None`` is what cannot be read any more."""
    return {rule.id: rule.title for policy in policies if policy is not None for rule in policy.rules}


def sight_of(
    document: Json, titles: Mapping[str, str], items: Mapping[str, str], asked: Mapping[str, str]
) -> Sight:
    """Return a report as a page shows it.

    Args:
        document: the report.
        titles: of the shop's rules, by their ids.
        items: titles of the items of its examples, by their ids.
        asked: what its examples are to be, by their members.
    """
    drawn = document["examples"]
    shown = [each for each in drawn if all(each[name] == value for name, value in asked.items())]
    names = _names(titles)
    return Sight(
        document=document,
        rules=_by_rule(document, names["rule"]),
        charts=tuple(
            chart
            for name, title in _DIMENSIONS.items()
            if (chart := _by_name(document, name, say(title), names[name])) is not None
        ),
        examples=tuple(_example(each, names, items) for each in shown),
        n_examples=len(drawn),
        kinds=tuple(kind for kind in KINDS if any(each["kind"] == kind for each in drawn)),
        only=tuple(names[name](value) for name, value in asked.items() if name != "kind"),
        not_rehearsed=tuple(
            (say(DESCRIPTIONS.get(WRITTEN[each["limit"]], each["limit"])), say(each["because"]))
            for each in document["not_rehearsed"]
        ),
    )


def _names(titles: Mapping[str, str]) -> dict[str, _Name]:
    """Return what says the names of each dimension in words."""
    return {
        "rule": lambda rule_id: rule_title(rule_id, titles),
        "placement": lambda name: name.replace("_", " "),
        "intent": partial(told, INTENTS),
        "subject_kind": partial(told, SUBJECTS),
        "basis": partial(told, BASES),
        "channel": partial(told, CHANNELS),
    }


def _by_rule(document: Json, name: _Name) -> Lying | None:
    withheld, allowed = (
        {row["rule"]: row["n"] for row in document[part]["by_rule"]}
        for part in ("newly_withheld", "newly_allowed")
    )
    rows = [
        Row(name(rule_id), (n, m), _link(document, "rule", rule_id))
        for rule_id in {**withheld, **allowed}
        if (n := withheld.get(rule_id, 0)) + (m := allowed.get(rule_id, 0))
    ]
    series = [say("newly withheld"), say("no longer withheld")]
    return _chart("rule", say("Which rules decide"), rows, say("Rule"), series)


def _by_name(document: Json, dimension: str, title: str, name: _Name) -> Lying | None:
    rows = [
        Row(
            name(row["name"]),
            (_n(row, *GONE), _n(row, ChangeKind.ALLOWED, ChangeKind.MOVED_UP)),
            _link(document, dimension, row["name"]),
        )
        for row in document["effect"][dimension]
    ]
    changed = [row for row in rows if sum(row.values)]
    return _chart(dimension, title, changed, title, [say("no longer shown"), say("newly shown")])


def _link(document: Json, member: str, value: str) -> str:
    """Return where the examples of a row are; empty where none was drawn."""
    some = any(each[member] == value for each in document["examples"])
    return f"?{urlencode({member: value})}#examples" if some else ""


def _chart(key: str, title: str, rows: Sequence[Row], heading: str, series: Sequence[str]) -> Lying | None:
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: (-sum(row.values), row.name))
    return lying(key, title, ordered, heading=heading, series=series)


def _n(row: Mapping[str, Any], *kinds: ChangeKind) -> int:
    return sum(int(row[f"n_{kind.value}"]) for kind in kinds)


def _example(of: Mapping[str, Any], names: Mapping[str, _Name], items: Mapping[str, str]) -> Example:
    return Example(
        decision_id=of["decision_id"],
        item=items.get(of["item"], of["item"]),
        kind=of["kind"],
        rule="" if of["rule"] is None else names["rule"](of["rule"]),
        placement=names["placement"](of["placement"]),
        intent=names["intent"](of["intent"]),
        said=tuple(told(SAID, each) for each in of["said"]),
    )
