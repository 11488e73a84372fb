"""How sensitive is this item? Four layers answer, the most protective answer holds.

1. the Google product category id,
2. attributes of the product feed,
3. keywords in the shop's own category path and in the title,
4. the shop's own marks, on the item or on a category that it is in.

No layer can lower what another found. Where two agree on the tier, the earlier one names the
class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from guardrails.errors import SensitiveMarkError
from guardrails.messages import Phrase
from guardrails.sensitive.classes import NOTHING, Finding, Tier, class_named, tier_of
from guardrails.sensitive.google import find_by_google_category
from guardrails.sensitive.keywords import find_by_keywords
from guardrails.sensitive.phrases import SEGMENT, folded


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


@dataclass(frozen=True, slots=True)
class ShopMark:
    """What a shop says of its own goods; it can raise a tier and never lower one.

    Attributes:
        sensitive_class: class name; None raises whatever class is found otherwise.
        tier: tier number, 0 to 3; None for the usual tier of the class.
    """

    sensitive_class: str | None
    tier: int | None

    @property
    def least_tier(self) -> Tier:
        """The tier that everything under this mark has at least.

        Raises:
            SensitiveMarkError: the mark names a class or a tier that does not exist.
        """
        if self.tier is not None:
            return tier_of(self.tier)
        return Tier.S0 if self.sensitive_class is None else class_named(self.sensitive_class).usual_tier

    def raised_to(self, sensitive_class: str | None, tier: int) -> ShopMark:
        """Return the mark raised to a tier; where no class is named, the one it has stays.

        Raises:
            SensitiveMarkError: that would lower it, or the class or tier does not exist.
        """
        higher = ShopMark(sensitive_class or self.sensitive_class, tier)
        if higher.least_tier < self.least_tier:
            raise SensitiveMarkError(
                Phrase("a mark can only be raised: it is tier {tier} now", tier=int(self.least_tier))
            )
        if higher.sensitive_class is not None:
            class_named(higher.sensitive_class)
        return higher


UNMARKED = ShopMark(None, None)
"""The mark of what the shop has not marked."""

CategoryMarks = Mapping[tuple[str, ...], ShopMark]
"""The shop's mark of every category it has marked, by ``category_key``; it holds at and below it."""

NO_MARKS: CategoryMarks = MappingProxyType({})


_MATERNITY = Finding.of(class_named("pregnancy_fertility"), Tier.S3)
_BODY_SIZE = Finding.of(class_named("weight_body"), Tier.S1)
_ADULT = Finding.of(class_named("sex_life"), Tier.S3)
_BABY = Finding.of(class_named("parenthood"), Tier.S2)
_KIDS = Finding.of(class_named("child_audience"), Tier.S1)

_BY_SIZE_TYPE = {"maternity": _MATERNITY, "plus": _BODY_SIZE, "big": _BODY_SIZE}
_BY_AGE_GROUP = {"newborn": _BABY, "infant": _BABY, "toddler": _BABY, "kids": _KIDS}

UNNAMED_CLASS = "content_dependent"
"""The class of an item that a shop has given a tier but no class, where nothing else names one."""


def category_key(category: str) -> tuple[str, ...]:
    """Return by what a category path is known among marks: its segments, however they are written.

    >>> category_key("Home >GARDEN > ")
    ('home', 'garden')
    """
    return tuple(key for each in folded(category).split(SEGMENT) if (key := " ".join(each.split())))


def classify(facts: ItemFacts, marks: CategoryMarks = NO_MARKS) -> Classification:
    """Return class, tier and deciding layer of an item.

    Args:
        facts: what is known about the item.
        marks: the shop's marks of whole categories; each raises everything at and below it.

    Raises:
        SensitiveMarkError: a mark of the shop names a class or a tier that does not exist.
    """
    said = [
        (Layer.GOOGLE, _from_google(facts)),
        (Layer.ATTRIBUTE, _from_attributes(facts)),
        (Layer.KEYWORD, find_by_keywords(facts.category, facts.title)),
    ]
    for mark in _marks_on(facts, marks):
        said.append((Layer.SHOP, _from_mark(mark, said)))
    layer, decided = _most_protective(said)
    return Classification(
        sensitive_class=decided.sensitive_class,
        tier=decided.tier,
        layer=layer if decided.tier > Tier.S0 else Layer.NONE,
        age_restricted=any(finding.age_restricted for _, finding in said),
    )


def is_unclassified(facts: ItemFacts, marks: CategoryMarks = NO_MARKS) -> bool:
    """Whether there is nothing to classify an item by but a title.

    A title is a name, and a name need not say what a thing is: "Serenity No. 4" may be a candle, a
    sleeping pill or an urn. That no keyword is found in it says nothing, so such an item must not
    pass for one that was looked at and found harmless; whoever sends it out treats it with more
    care. It counts as classified as soon as anything says what kind of thing it is: an id of
    Google's taxonomy (also one outside our table, which lists the sensitive ones), a category path,
    a size type, an age group, a yes to ``adult``, or a mark of the shop. A no to ``adult`` is not
    enough, because feeds send it along with everything.
    """
    said_by_feed = (facts.size_type or "").strip() or (facts.age_group or "").strip() or facts.adult
    return not (
        (facts.google_category_id or 0) > 0
        or category_key(facts.category)
        or said_by_feed
        or _marks_on(facts, marks)
    )


def _marks_on(facts: ItemFacts, marks: CategoryMarks) -> list[ShopMark]:
    """Return the marks that hold for an item: those with a class first, and the nearest first."""
    there = [ShopMark(facts.shop_class, facts.shop_tier)]
    if marks:
        path = category_key(facts.category)
        above = (marks.get(path[:n_segments]) for n_segments in range(len(path), 0, -1))
        there += [mark for mark in above if mark is not None]
    return sorted((mark for mark in there if mark != UNMARKED), key=lambda mark: mark.sensitive_class is None)


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


def _from_mark(mark: ShopMark, said: Sequence[tuple[Layer, Finding]]) -> Finding:
    """Read a mark of the shop; a tier alone raises every class that was found without it."""
    found = _most_protective(said)[1].sensitive_class
    marked = class_named(mark.sensitive_class or found or UNNAMED_CLASS)
    tier = mark.least_tier
    raised = Finding.of(marked, tier)
    if mark.sensitive_class is not None:
        return raised
    others = [Finding.of(class_named(each.sensitive_class), tier) for _, each in said if each.sensitive_class]
    return replace(raised, age_restricted=any(each.age_restricted for each in (raised, *others)))
