"""The names that a policy uses, held against those that the shop has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from guardrails.messages import Phrase
from guardrails.policy.fields import SCOPES
from guardrails.policy.findings import Finding, Severity, pointer_of
from guardrails.policy.language import HouseRule, Policy
from guardrails.policy.places import Place, placed_atoms

MOST_SHOWN = 20
"""So many unknown names of one condition are listed."""

UNKNOWN_PLACEMENT, UNKNOWN_CATEGORY = "unknown_placement", "unknown_category"
UNKNOWN_BRAND, UNKNOWN_ITEM = "unknown_brand", "unknown_item"

_N_CLOSEST = 3
_PLACEMENT, _CATEGORY, _BRAND, _ITEM = "request.placement", "item.categories", "item.brand", "item.id"


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What the shop has. ``None`` where that is not known, and nothing is held against it.

    Attributes:
        placements: names of placements.
        categories: names of categories, at any level.
        brands: names of brands.
        items: keys of items.
        sensitive_categories: categories that hold nothing but goods of one sensitive class, and which.
    """

    placements: frozenset[str] | None = None
    categories: frozenset[str] | None = None
    brands: frozenset[str] | None = None
    items: frozenset[str] | None = None
    sensitive_categories: Mapping[str, str] | None = None


def unknown_names(policy: Policy, known: KnownNames) -> Iterator[Finding]:
    """Yield a finding for every condition, and every scope, that names what the shop does not have."""
    fields = {
        _PLACEMENT: known.placements,
        _CATEGORY: known.categories,
        _BRAND: known.brands,
        _ITEM: known.items,
    }
    shop = {field: _Names(names) for field, names in fields.items() if names is not None}
    for index, rule in enumerate(policy.rules):
        for field, names, place in _named(rule, ("rules", index)):
            if field in shop:
                yield from _unknown(field, names, place, shop[field])


def _named(rule: HouseRule, place: Place) -> Iterator[tuple[str, list[str], Place]]:
    """Yield fields, the texts they are held against, and where."""
    for scope, words in rule.applies_to:
        yield SCOPES[scope], list(words), (*place, "applies_to", scope)
    for atom, at in placed_atoms(rule.when, (*place, "when")):
        values = atom.value if isinstance(atom.value, tuple) else (atom.value,)
        yield atom.field, [value for value in values if isinstance(value, str)], at


def _unknown(field: str, names: Iterable[str], place: Place, shop: _Names) -> Iterator[Finding]:
    missing = [name for name in names if name not in shop.names]
    if not missing:
        return
    closest = [] if field == _ITEM else shop.closest_to(missing[0])
    code, severity, message = _said(field, missing[0], ", ".join(f"`{name}`" for name in closest) or "-")
    example = {"unknown": missing[:MOST_SHOWN], "closest": closest}
    yield Finding(code, severity, pointer_of(*place), message, example)


class _Names:
    """Names, and which are like another: those that share most pairs of letters with it (Dice 1945)."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    @cached_property
    def _by_pair(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in sorted(self.names):
            for pair in _pairs(name):
                found.setdefault(pair, []).append(name)
        return found

    def closest_to(self, name: str) -> list[str]:
        """Return the names that are most like one, the closest first."""
        pairs = _pairs(name)
        shared = Counter(other for pair in sorted(pairs) for other in self._by_pair.get(pair, ()))
        likeness = {other: n / (len(pairs) + len(_pairs(other))) for other, n in shared.items()}
        return sorted(likeness, key=lambda other: (-likeness[other], other))[:_N_CLOSEST]


def _pairs(name: str) -> set[str]:
    """Return the letters that stand beside each other in a name, its ends among them."""
    padded = f" {name.casefold()} "
    return {padded[at : at + 2] for at in range(len(padded) - 1)}


def _said(field: str, name: str, closest: str) -> tuple[str, Severity, Phrase]:
    """Return code, severity and message: goods come and go, and with them brands, so these are no errors."""
    if field == _PLACEMENT:
        message = Phrase("there is no placement `{name}`; closest: {closest}", name=name, closest=closest)
        return UNKNOWN_PLACEMENT, Severity.ERROR, message
    if field == _CATEGORY:
        message = Phrase("there is no category `{name}`; closest: {closest}", name=name, closest=closest)
        return UNKNOWN_CATEGORY, Severity.ERROR, message
    if field == _BRAND:
        message = Phrase("no item is of the brand `{name}`; closest: {closest}", name=name, closest=closest)
        return UNKNOWN_BRAND, Severity.WARNING, message
    return UNKNOWN_ITEM, Severity.WARNING, Phrase("there is no item `{name}`", name=name)
