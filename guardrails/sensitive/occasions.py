"""Which occasions goods are made for, so that a customer can ask not to be reminded of one.

Somebody whose mother has died may not want to see Mother's Day. Whoever mutes an occasion is
shown nothing that is made for it, so a word too many costs a suggestion and a word too few costs
trust: the rules in ``occasions.toml`` name an occasion whenever category path or title do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache, reduce
from operator import or_
from typing import Any

from guardrails.errors import UnknownOccasionError
from guardrails.messages import Phrase
from guardrails.sensitive.classify import ItemFacts
from guardrails.sensitive.phrases import N_TEXTS_REMEMBERED, SEGMENT, Phrases, written_rules

RULES = "occasions.toml"

OCCASIONS: tuple[str, ...] = (
    "mothers_day",
    "fathers_day",
    "valentines_day",
    "christmas",
    "easter",
    "halloween",
    "thanksgiving",
    "eid",
    "hanukkah",
    "passover",
    "diwali",
    "lunar_new_year",
    "new_year",
    "birthday",
    "wedding",
    "engagement",
    "anniversary",
    "baby_shower",
    "christening",
    "communion",
    "confirmation",
    "bar_mitzvah",
    "graduation",
    "back_to_school",
    "retirement",
    "grandparents_day",
    "womens_day",
    "remembrance",
)
"""Every occasion. Positions are stored as bits of a mask: never reorder or remove, only append.

At most 31, because masks are kept as int32. ``remembrance`` stands for the loss of a person or an
animal: funerals, condolence, memorials.
"""

NO_OCCASION = 0
"""The mask of an item that is made for no occasion in particular."""

_NUMBER = {name: number for number, name in enumerate(OCCASIONS)}


def occasion_number(name: str) -> int:
    """Return the stored number of the occasion called ``name``, which is its bit in a mask.

    Raises:
        UnknownOccasionError: there is no such occasion.

    >>> occasion_number("mothers_day")
    0
    """
    if name not in _NUMBER:
        raise UnknownOccasionError(Phrase("unknown occasion `{name}`", name=name))
    return _NUMBER[name]


def mask_of(*names: str) -> int:
    """Return the bit mask of occasions.

    Raises:
        UnknownOccasionError: there is no such occasion.

    >>> mask_of("mothers_day", "valentines_day")
    5
    """
    return _united(1 << occasion_number(name) for name in names)


def names_of(mask: int) -> tuple[str, ...]:
    """Return the names of the occasions in a mask, in stored order.

    >>> names_of(5)
    ('mothers_day', 'valentines_day')
    """
    return tuple(name for number, name in enumerate(OCCASIONS) if mask >> number & 1)


def occasions_of(facts: ItemFacts) -> int:
    """Return the bit mask of the occasions that an item is made for; 0 for none.

    What the shop says, what Google's category says and what category path and title say add up.

    Raises:
        UnknownOccasionError: the shop names an occasion that does not exist.

    >>> names_of(occasions_of(ItemFacts(category="Cards > Birthday", title="Best dad")))
    ('birthday',)
    """
    return _united(
        [
            mask_of(*facts.occasions),
            _by_google_category().get(facts.google_category_id, NO_OCCASION),
            _read(SEGMENT + facts.category + SEGMENT),
            _read(facts.title),
        ]
    )


@lru_cache(maxsize=N_TEXTS_REMEMBERED)
def _read(text: str) -> int:
    return _united(_known().in_text(text))


def _united(masks: Iterable[int]) -> int:
    return reduce(or_, masks, NO_OCCASION)


@cache
def _known() -> Phrases[int]:
    return Phrases.of_rules(RULES, lambda _, written: _mask(written))


@cache
def _by_google_category() -> dict[int | None, int]:
    return {number: _mask(rule) for rule in written_rules(RULES) for number in rule.get("google", ())}


def _mask(written: Mapping[str, Any]) -> int:
    return mask_of(written["occasion"]) if "occasion" in written else NO_OCCASION
