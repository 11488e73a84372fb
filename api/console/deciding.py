"""Why an item is taken for what it is taken for, layer by layer, and what follows from that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.messages import Phrase
from guardrails.sensitive.classes import Tier
from guardrails.sensitive.classify import (
    CategoryMarks,
    Classification,
    ItemFacts,
    Layer,
    ShopMark,
    category_key,
    classify,
)
from guardrails.sensitive.keywords import words_behind

CLASS_WORDS: Mapping[str, str] = {
    "health": Phrase("health"),
    "mental_health": Phrase("mental health"),
    "disability": Phrase("disability"),
    "health_intimate": Phrase("intimate care"),
    "sexual_health": Phrase("sexual health"),
    "sex_life": Phrase("erotic goods"),
    "orientation": Phrase("sexual orientation or gender"),
    "pregnancy_fertility": Phrase("pregnancy and fertility"),
    "parenthood": Phrase("babies and toddlers"),
    "religion": Phrase("religion"),
    "ethnicity": Phrase("ethnic origin"),
    "politics": Phrase("politics and trade unions"),
    "alcohol": Phrase("alcohol"),
    "tobacco_nicotine": Phrase("tobacco and nicotine"),
    "addiction_substance": Phrase("drugs and addiction"),
    "gambling": Phrase("gambling"),
    "bereavement": Phrase("funerals and mourning"),
    "weight_body": Phrase("weight and body shape"),
    "weapons": Phrase("weapons"),
    "child_audience": Phrase("goods for children"),
    "content_dependent": Phrase("books, films and press"),
}
"""What each sensitive class is about."""

TIER_WORDS: Mapping[int, str] = {
    0: Phrase("says nothing in particular"),
    1: Phrase("a little personal"),
    2: Phrase("private: needs consent"),
    3: Phrase("most private: never sent out"),
}
"""What each tier means, in few words."""

LAYER_WORDS: Mapping[Layer, str] = {
    Layer.GOOGLE: Phrase("Google's product category"),
    Layer.ATTRIBUTE: Phrase("an attribute of the feed"),
    Layer.KEYWORD: Phrase("words of category and title"),
    Layer.SHOP: Phrase("a mark of the shop"),
    Layer.NONE: Phrase("nothing sensitive was found"),
}
"""What decides, layer by layer."""


class Because(NamedTuple):
    """What one layer says of an item.

    Attributes:
        layer: which layer.
        text: what it goes by, in words.
        sensitive_class: class name; ``None`` where it found nothing.
        tier: 0 to 3.
        decided: it is the layer whose answer holds.
    """

    layer: Layer
    text: str
    sensitive_class: str | None
    tier: int
    decided: bool = False


@dataclass(frozen=True, slots=True)
class Following:
    """Something that follows from what an item is taken for.

    Attributes:
        text: in words.
        rule: id of the rule that sees to it; empty where none does.
    """

    text: str
    rule: str = ""


def why(facts: ItemFacts, marks: CategoryMarks, decided: Classification) -> list[Because]:
    """Return what every layer says of an item that has something to go by, in the order of the layers.

    Args:
        facts: what the shop says of it.
        marks: the shop's marks of categories.
        decided: what is decided of it.
    """
    return [
        each._replace(decided=each.layer is decided.layer and each.tier == decided.tier)
        for each in (*_google(facts), *_attributes(facts), *_words(facts), *_marks(facts, marks))
    ]


def follows(tier: int, *, age_restricted: bool, only_title: bool) -> list[Following]:
    """Return what follows from the tier that an item has in force.

    Args:
        tier: 0 to 3.
        age_restricted: it is for adults only.
        only_title: there is nothing but a title to go by.
    """
    told: list[Following] = []
    if tier >= SENSITIVE_FROM_TIER:
        told += _OF_PRIVATE
        told.append(_OF_MOST_PRIVATE if tier == Tier.S3 else _SENT_WITH_CONSENT)
    elif tier == Tier.S1:
        told += _OF_A_LITTLE
    else:
        told.append(_OF_NOTHING)
    if age_restricted:
        told.append(_FOR_ADULTS)
    if only_title:
        told.append(_ONLY_TITLE)
    return told


_OF_NOTHING = Following(
    Phrase("It may be suggested to anybody, as far as the other rules and the customer's choices allow.")
)
_OF_A_LITTLE = (
    Following(Phrase("It may be suggested with the customer's ordinary consent; no consent of its own.")),
    Following(Phrase("It counts towards how close a suggestion comes, and too close is held back."), "G31"),
    Following(Phrase("It is not shown on devices that several people share."), "G11"),
)
_OF_PRIVATE = (
    Following(
        Phrase(
            "It is suggested only to customers who expressly agreed to this kind of goods, and on pages of "
            "its own category, to whoever opened them."
        ),
        "G05",
    ),
    Following(
        Phrase("What customers do with it moves no other suggestion, unless they agreed to that."), "G06"
    ),
    Following(Phrase("Other goods are held back where they would give it away."), "G07"),
    Following(Phrase("Nobody can pay for its being suggested."), "G08"),
    Following(Phrase("It is not shown on devices that several people share."), "G11"),
)
_SENT_WITH_CONSENT = Following(
    Phrase("It is sent out, by email for instance, only to those who agreed to that."),
    "G10",
)
_OF_MOST_PRIVATE = Following(
    Phrase("It is never sent out, by email, post, message or call, to anybody at all."), "G10"
)
_FOR_ADULTS = Following(Phrase("It is for adults only, and never suggested from what somebody did."), "G27")
_ONLY_TITLE = Following(
    Phrase(
        "There is nothing but its title to tell what it is, so it gets more care where it would be sent "
        "out. A category helps."
    )
)


def _google(facts: ItemFacts) -> Sequence[Because]:
    if facts.google_category_id is None:
        return ()
    text = Phrase("its Google product category is {number}", number=facts.google_category_id)
    return (_said(Layer.GOOGLE, text, ItemFacts(google_category_id=facts.google_category_id)),)


def _attributes(facts: ItemFacts) -> Sequence[Because]:
    told: list[Because] = []
    if facts.size_type:
        text = Phrase("the feed says size type `{value}`", value=facts.size_type)
        told.append(_said(Layer.ATTRIBUTE, text, ItemFacts(size_type=facts.size_type)))
    if facts.age_group:
        text = Phrase("the feed says age group `{value}`", value=facts.age_group)
        told.append(_said(Layer.ATTRIBUTE, text, ItemFacts(age_group=facts.age_group)))
    if facts.adult:
        text = Phrase("the feed says that it is for adults")
        told.append(_said(Layer.ATTRIBUTE, text, ItemFacts(adult=True)))
    return told


def _words(facts: ItemFacts) -> Sequence[Because]:
    in_category, in_title = words_behind(facts.category, facts.title)
    said = ItemFacts(category=facts.category, title=facts.title)
    if in_category and in_title:
        text = Phrase(
            "its category says `{category}` and its title says `{title}`",
            category=", ".join(in_category),
            title=", ".join(in_title),
        )
    elif in_category:
        text = Phrase("its category says `{words}`", words=", ".join(in_category))
    elif in_title:
        text = Phrase("its title says `{words}`", words=", ".join(in_title))
    else:
        text = Phrase("no word of its category or title is known to be sensitive")
    return (_said(Layer.KEYWORD, text, said),)


def _marks(facts: ItemFacts, marks: CategoryMarks) -> Sequence[Because]:
    told: list[Because] = []
    own = ShopMark(facts.shop_class, facts.shop_tier)
    if own.sensitive_class is not None or own.tier is not None:
        told.append(
            Because(Layer.SHOP, Phrase("the shop has marked this item"), own.sensitive_class, own.least_tier)
        )
    path = category_key(facts.category)
    names = [each.strip() for each in facts.category.split(">") if each.strip()]
    for n_parts in range(len(path), 0, -1):
        mark = marks.get(path[:n_parts])
        if mark is not None:
            text = Phrase(
                "the shop has marked the category `{category}`", category=" > ".join(names[:n_parts])
            )
            told.append(Because(Layer.SHOP, text, mark.sensitive_class, mark.least_tier))
    return told


def _said(layer: Layer, text: str, alone: ItemFacts) -> Because:
    """Return what a layer says, asked by itself."""
    found = classify(alone)
    return Because(layer, text, found.sensitive_class, int(found.tier))
