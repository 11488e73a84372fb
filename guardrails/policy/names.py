"""The names that a policy uses, held against those that the shop has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

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
    for index, rule in enumerate(policy.rules):
        for field, names, place in _named(rule, ("rules", index)):
            yield from _unknown(field, names, place, known)


def _named(rule: HouseRule, place: Place) -> Iterator[tuple[str, list[str], Place]]:
    """Yield fields, the texts they are held against, and where."""
    for scope, words in rule.applies_to:
        yield SCOPES[scope], list(words), (*place, "applies_to", scope)
    for atom, at in placed_atoms(rule.when, (*place, "when")):
        values = atom.value if isinstance(atom.value, tuple) else (atom.value,)
        yield atom.field, [value for value in values if isinstance(value, str)], at


def _unknown(field: str, names: Iterable[str], place: Place, known: KnownNames) -> Iterator[Finding]:
    has = _of_field(field, known)
    missing = [] if has is None else [name for name in names if name not in has]
    if has is None or not missing:
        return
    closest = [] if field == _ITEM else get_close_matches(missing[0], sorted(has), _N_CLOSEST, cutoff=0.0)
    code, severity, message = _said(field, missing[0], ", ".join(f"`{name}`" for name in closest) or "-")
    example = {"unknown": missing[:MOST_SHOWN], "closest": closest}
    yield Finding(code, severity, pointer_of(*place), message, example)


def _of_field(field: str, known: KnownNames) -> frozenset[str] | None:
    return {
        _PLACEMENT: known.placements,
        _CATEGORY: known.categories,
        _BRAND: known.brands,
        _ITEM: known.items,
    }.get(field)


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
