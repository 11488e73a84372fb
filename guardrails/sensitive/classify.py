"""How sensitive is this item? Four layers answer, the most protective answer holds.

1. the Google product category id,
2. attributes of the product feed,
3. keywords in the shop's own category path and in the title,
4. the shop's own mark.

No layer can lower what another found. Where two agree on the tier, the earlier one names the
class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from guardrails.sensitive.classes import NOTHING, Finding, Tier, class_named, tier_of
from guardrails.sensitive.google import find_by_google_category
from guardrails.sensitive.keywords import find_by_keywords


class Layer(StrEnum):
    """Which layer decided. The words are stored."""

    GOOGLE = "google"
    ATTRIBUTE = "attribute"
    KEYWORD = "keyword"
    SHOP = "shop"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What is known about an item that may say how sensitive it is.

    Attributes:
        google_category_id: number in Google's product taxonomy.
        category: the shop's category path, segments separated by `` > ``; may be empty.
        title: display title; may be empty.
        size_type: feed attribute, e.g. ``"maternity"``; several are separated by commas.
        adult: feed attribute: whether the shop calls the item adult.
        age_group: feed attribute: newborn, infant, toddler, kids or adult.
        shop_class: class name that the shop itself has put on the item.
        shop_tier: tier number, 0 to 3, that the shop itself has put on the item.
        occasions: names of occasions that the shop says the item is made for.
    """

    google_category_id: int | None = None
    category: str = ""
    title: str = ""
    size_type: str | None = None
    adult: bool | None = None
    age_group: str | None = None
    shop_class: str | None = None
    shop_tier: int | None = None
    occasions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Classification:
    """How sensitive an item is.

    Attributes:
        sensitive_class: class name; None exactly where the tier is S0.
        tier: how careful to be.
        layer: the layer that decided class and tier.
        age_restricted: whether any layer says that the item is for adults only.
    """

    sensitive_class: str | None
    tier: Tier
    layer: Layer
    age_restricted: bool


_MATERNITY = Finding.of(class_named("pregnancy_fertility"), Tier.S3)
_BODY_SIZE = Finding.of(class_named("weight_body"), Tier.S1)
_ADULT = Finding.of(class_named("sex_life"), Tier.S3)
_BABY = Finding.of(class_named("parenthood"), Tier.S2)
_KIDS = Finding.of(class_named("child_audience"), Tier.S1)

_BY_SIZE_TYPE = {"maternity": _MATERNITY, "plus": _BODY_SIZE, "big": _BODY_SIZE}
_BY_AGE_GROUP = {"newborn": _BABY, "infant": _BABY, "toddler": _BABY, "kids": _KIDS}

UNNAMED_CLASS = "content_dependent"
"""The class of an item that a shop has given a tier but no class, where nothing else names one."""


def classify(facts: ItemFacts) -> Classification:
    """Return class, tier and deciding layer of an item.

    Raises:
        SensitiveMarkError: the shop's own mark names a class or a tier that does not exist.
    """
    said = [
        (Layer.GOOGLE, _from_google(facts)),
        (Layer.ATTRIBUTE, _from_attributes(facts)),
        (Layer.KEYWORD, find_by_keywords(facts.category, facts.title)),
    ]
    said.append((Layer.SHOP, _from_shop(facts, said)))
    layer, decided = _most_protective(said)
    return Classification(
        sensitive_class=decided.sensitive_class,
        tier=decided.tier,
        layer=layer if decided.tier > Tier.S0 else Layer.NONE,
        age_restricted=any(finding.age_restricted for _, finding in said),
    )


def _most_protective(said: Sequence[tuple[Layer, Finding]]) -> tuple[Layer, Finding]:
    return max(said, key=lambda each: each[1].tier)  # the first of equals, as max promises


def _from_google(facts: ItemFacts) -> Finding:
    if facts.google_category_id is None:
        return NOTHING
    return find_by_google_category(facts.google_category_id)


def _from_attributes(facts: ItemFacts) -> Finding:
    sizes = (facts.size_type or "").lower().split(",")
    return max(
        NOTHING,
        *(_BY_SIZE_TYPE.get(size.strip(), NOTHING) for size in sizes),
        _ADULT if facts.adult else NOTHING,
        _BY_AGE_GROUP.get((facts.age_group or "").strip().lower(), NOTHING),
        key=lambda finding: finding.tier,
    )


def _from_shop(facts: ItemFacts, said: Sequence[tuple[Layer, Finding]]) -> Finding:
    """Read the shop's mark; a tier alone raises every class that the other layers found."""
    if facts.shop_class is None and not facts.shop_tier:
        return NOTHING
    found = _most_protective(said)[1].sensitive_class
    marked = class_named(facts.shop_class or found or UNNAMED_CLASS)
    if facts.shop_tier is None:
        return Finding.of(marked, marked.usual_tier)
    tier = tier_of(facts.shop_tier)
    raised = Finding.of(marked, tier)
    if facts.shop_class is not None:
        return raised
    others = [Finding.of(class_named(each.sensitive_class), tier) for _, each in said if each.sensitive_class]
    return replace(raised, age_restricted=any(each.age_restricted for each in (raised, *others)))
