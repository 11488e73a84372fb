"""What a record says of a decision, for the panel beside the shop and for the stories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.demo.shelves import Ware, name_of, ware
from engine.catalogue import Catalogue
from guardrails.consent.purposes import entry_of
from guardrails.house import House
from guardrails.rules.base import Listed

N_NAMED = 3
"""Withheld items that are named for each rule; all are counted."""

BASES = {
    "profile": "what was bought and looked at, as agreed",
    "visit": "this visit alone",
    "session": "this visit alone",
    "context": "this page and the basket alone",
    "popular": "what sells well, nobody in particular",
    "popularity": "what sells well, nobody in particular",
    "none": "nothing at all",
    "nothing": "nothing at all",
}
_WORDS = {
    "CONSENT_MISSING": "not asked or not answered",
    "WITHDRAWN": "taken back",
    "OBJECTED": "objected to",
    "EXPIRED": "has run out",
}
_KEPT_OUT = {
    "G03": "bought while consent had run out",
    "G06": "of a private kind, and not expressly agreed to",
    "G09": "from somewhere else",
    "G11": "a present, perhaps for somebody who looks at the same screen",
    "G21": "too old",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A suggestion.

    Attributes:
        ware: the item.
        title: what it is shown as.
        reason: why.
        rests_on: meaning of the purpose it rests on.
        chosen: it is shown as this one item, not as its kind.
    """

    ware: Ware
    title: str
    reason: str
    rests_on: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Held:
    """What a rule withheld.

    Attributes:
        rule: id of the rule.
        name: its name, in words.
        why: what a customer would be told.
        ground: what it rests on.
        n: items it withheld.
        titles: some of them.
    """

    rule: str
    name: str
    why: str
    ground: str
    n: int
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A decision, as it was recorded.

    Attributes:
        decision_id: its id.
        placement: where.
        basis: word of the basis.
        rests_on: the same, in plain words.
        shown: suggestions, best first.
        held: what was withheld, by rule.
        n_held: all that was.
        kept_out: interactions that were no evidence: rule, how many, and why.
        refused: purposes that did not stand: meaning, and why.
        reads: stores of personal data that were read, and how often.
    """

    decision_id: str
    placement: str
    basis: str
    rests_on: str
    shown: tuple[Shown, ...]
    held: tuple[Held, ...]
    n_held: int
    kept_out: tuple[tuple[str, int, str], ...]
    refused: tuple[tuple[str, str], ...]
    reads: Mapping[str, int]

    def held_by(self, rule: str) -> Held | None:
        """Return what one rule withheld."""
        return next((each for each in self.held if each.rule == rule), None)


def told_of(decision_id: str, sections: Mapping[str, Any], house: House) -> Told:
    """Tell of a decision from the sections of its record."""
    out, consent = sections["out"], sections["consent"]
    return Told(
        decision_id=decision_id,
        placement=sections["req"]["placement"]["name"],
        basis=out["basis"],
        rests_on=BASES.get(out["basis"], out["basis"]),
        shown=tuple(_shown(each, house.catalogue) for each in out["list"]),
        held=_held(out["withheld"], house),
        n_held=len(out["withheld"]),
        kept_out=tuple(
            (each["rule"], each["n"], _KEPT_OUT.get(each["rule"], _rules(house)[each["rule"]].sentence))
            for each in consent["kept_out"]
        ),
        refused=tuple(
            (str(entry_of(each["purpose"]).meaning), _because(each["because"]))
            for each in consent["permissions"]
            if not each["permitted"]
        ),
        reads={each["store"]: each["n"] for each in consent["reads"] if each["n"]},
    )


def _shown(listed: Mapping[str, Any], catalogue: Catalogue) -> Shown:
    item = ware(catalogue, catalogue.idx_of_id[listed["item"]])
    stands_for = listed["stands_for"]
    return Shown(
        ware=item,
        title=item.title if stands_for is None else f"Something from {name_of(stands_for['name'])}",
        reason=listed["text"],
        rests_on=str(entry_of(listed["purpose"]).meaning),
        chosen=stands_for is None,
    )


def _held(withheld: list[Mapping[str, str]], house: House) -> tuple[Held, ...]:
    counted = Counter(each["rule"] for each in withheld)
    titles: dict[str, list[str]] = {}
    for each in withheld:
        idx = house.catalogue.idx_of_id.get(each["item"])
        named = titles.setdefault(each["rule"], [])
        if idx is not None and len(named) < N_NAMED and house.catalogue.titles[idx] not in named:
            named.append(house.catalogue.titles[idx])
    rules = _rules(house)
    return tuple(
        Held(
            rule=rule_id,
            name=rules[rule_id].name.replace("_", " ").capitalize(),
            why=str(rules[rule_id].sentence),
            ground=rules[rule_id].ground,
            n=n,
            titles=tuple(titles[rule_id]),
        )
        for rule_id, n in counted.most_common()
    )


def _rules(house: House) -> dict[str, Listed]:
    return {rule.id: rule for rule in (*house.rules, *house.slate_rules)}


def _because(word: str) -> str:
    return _WORDS.get(word, word.replace("_", " ").lower())
