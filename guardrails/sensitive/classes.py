"""Which kinds of goods say something about the person who looks at them, and how much.

A class is also a consent purpose: whoever agreed to ``sensitive.alcohol`` may be suggested
alcohol. The names are the ones in ``google_taxonomy.csv`` and ``keywords.toml`` and are used
everywhere; a class for money troubles is missing on purpose, because those show in payments,
not in goods.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from guardrails.errors import SensitiveMarkError
from guardrails.messages import Phrase


class Tier(IntEnum):
    """How careful the shop must be with an item. A higher number is more careful.

    The numbers are stored. Never renumber.
    """

    S0 = 0
    """Says nothing in particular."""
    S1 = 1
    """Ordinary consent; counts towards the creepiness score; can be muted."""
    S2 = 2
    """Needs consent to its class before it may be used or suggested outside its own page."""
    S3 = 3
    """As S2, and never sent out to the customer at all."""


@dataclass(frozen=True, slots=True)
class SensitiveClass:
    """One kind of sensitive goods.

    Attributes:
        name: lower-case word, unique, stored.
        article9: goods of this class can reveal special categories of data (GDPR article 9).
        age_restricted: goods of tier S2 and above are for adults only.
        usual_tier: what a shop's mark means that names this class but no tier.
        description: plain words for customers and shop staff.
    """

    name: str
    article9: bool
    age_restricted: bool
    usual_tier: Tier
    description: str


def _open_to_all(name: str, usual_tier: Tier, description: str, *, article9: bool) -> SensitiveClass:
    return SensitiveClass(
        name, article9, age_restricted=False, usual_tier=usual_tier, description=description
    )


def _adults_only(name: str, usual_tier: Tier, description: str, *, article9: bool = False) -> SensitiveClass:
    return SensitiveClass(name, article9, age_restricted=True, usual_tier=usual_tier, description=description)


CLASSES: tuple[SensitiveClass, ...] = (
    _open_to_all("health", Tier.S3, "medicines, medical devices, care and first aid", article9=True),
    _open_to_all("mental_health", Tier.S2, "help with mood, anxiety and attention", article9=True),
    _open_to_all("disability", Tier.S2, "aids for walking, hearing, seeing and daily life", article9=True),
    _open_to_all("health_intimate", Tier.S2, "period, bladder and bowel care", article9=True),
    _open_to_all("sexual_health", Tier.S3, "contraception, lubricants and tests", article9=True),
    _adults_only("sex_life", Tier.S3, "erotic goods", article9=True),
    _open_to_all("orientation", Tier.S3, "goods that point to sexual orientation or gender", article9=True),
    _open_to_all("pregnancy_fertility", Tier.S3, "conceiving, expecting and nursing a child", article9=True),
    _open_to_all("parenthood", Tier.S2, "goods for babies and toddlers", article9=False),
    _open_to_all("religion", Tier.S3, "religious goods, dress and observance", article9=True),
    _open_to_all("ethnicity", Tier.S2, "goods made for people of one origin", article9=True),
    _open_to_all("politics", Tier.S3, "political parties, campaigns and trade unions", article9=True),
    _adults_only("alcohol", Tier.S2, "alcoholic drinks and what looks like them"),
    _adults_only("tobacco_nicotine", Tier.S3, "tobacco, nicotine, smoking and giving it up"),
    _open_to_all("addiction_substance", Tier.S3, "drugs and drug tests", article9=True),
    _adults_only("gambling", Tier.S2, "lotteries, betting and casino games"),
    _open_to_all("bereavement", Tier.S3, "funerals, condolence and remembrance", article9=False),
    _open_to_all("weight_body", Tier.S2, "losing weight, weighing and body shape", article9=False),
    _adults_only("weapons", Tier.S3, "firearms, ammunition and other weapons"),
    _open_to_all("child_audience", Tier.S1, "goods whose audience is children", article9=False),
    _open_to_all(
        "content_dependent", Tier.S1, "books, films and press: it depends on the title", article9=False
    ),
)
"""Every class. Positions are stored as numbers: never reorder or remove, only append."""

CLASS_NAMES: tuple[str, ...] = tuple(each.name for each in CLASSES)
"""Names by stored number, as ``engine.catalogue.Catalogue.sensitive_classes`` wants them."""

_NUMBER = {name: number for number, name in enumerate(CLASS_NAMES)}


def class_number(name: str) -> int:
    """Return the stored number of the class called ``name``.

    Raises:
        SensitiveMarkError: there is no such class.

    >>> class_number("health")
    0
    """
    if name not in _NUMBER:
        raise SensitiveMarkError(Phrase("unknown sensitive class `{name}`", name=name))
    return _NUMBER[name]


def class_named(name: str) -> SensitiveClass:
    """Return the class called ``name``.

    Raises:
        SensitiveMarkError: there is no such class.

    >>> class_named("alcohol").usual_tier.name
    'S2'
    """
    return CLASSES[class_number(name)]


def tier_of(number: int) -> Tier:
    """Return the tier with this number.

    Raises:
        SensitiveMarkError: there is no such tier.

    >>> tier_of(3).name
    'S3'
    """
    if number not in tuple(Tier):
        raise SensitiveMarkError(Phrase("unknown tier `{number}`, expected 0 to 3", number=number))
    return Tier(number)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one layer, by itself, found in an item.

    Attributes:
        sensitive_class: class name; None exactly where the tier is S0.
        tier: how careful to be.
        age_restricted: whether this layer says that the item is for adults only.
    """

    sensitive_class: str | None
    tier: Tier
    age_restricted: bool

    @classmethod
    def of(cls, found: SensitiveClass, tier: Tier) -> Finding:
        """Return the finding of a class at a tier; below S2 nothing is for adults only."""
        if tier is Tier.S0:
            return NOTHING
        return cls(found.name, tier, found.age_restricted and tier >= Tier.S2)


NOTHING = Finding(None, Tier.S0, age_restricted=False)
"""What a layer says that found nothing."""
