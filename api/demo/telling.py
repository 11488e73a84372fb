"""What a record says of a decision, for the panel beside the shop and for the stories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.console.words import DENIALS
from api.demo.shelves import Ware, name_of, ware
from engine.catalogue import Catalogue
from engine.vocabulary import Basis, word
from guardrails.consent.purposes import entry_of
from guardrails.house import House
from guardrails.rules.base import Listed

N_NAMED = 3
"""Withheld items that are named for each rule; all are counted."""

BASES: Mapping[str, str] = {
    word(Basis.PROFILE): "what was bought and looked at, as agreed",
    word(Basis.SESSION): "this visit alone",
    word(Basis.CONTEXTUAL): "this page and the basket alone",
    word(Basis.POPULAR): "what sells well, nobody in particular",
    word(Basis.NONE): "nothing at all",
}
_KEPT_OUT = {
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
    kept_out: tuple[tuple[str, int, str], ...]
    refused: tuple[tuple[str, str], ...]
    reads: Mapping[str, int]


def told_of(decision_id: str, sections: Mapping[str, Any], house: House) -> Told:
    """Tell of a decision from the sections of its record."""
    out, consent = sections["out"], sections["consent"]
    return Told(
        decision_id=decision_id,
        placement=sections["req"]["placement"]["name"],
        basis=out["basis"],
        rests_on=BASES[out["basis"]],
        shown=tuple(_shown(each, house.catalogue) for each in out["list"]),
        held=_held(out["withheld"], house),
        kept_out=tuple(
            (each["rule"], each["n"], _KEPT_OUT.get(each["rule"], _rules(house)[each["rule"]].sentence))
            for each in consent["kept_out"]
        ),
        refused=tuple(
            (str(entry_of(each["purpose"]).meaning), str(DENIALS[each["because"]]))
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
