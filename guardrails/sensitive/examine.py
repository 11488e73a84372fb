"""Everything that is decided of an item from its description alone, and stored with it."""

from __future__ import annotations

from dataclasses import dataclass

from guardrails.sensitive.classify import (
    NO_MARKS,
    CategoryMarks,
    Classification,
    ItemFacts,
    classify,
    is_unclassified,
)
from guardrails.sensitive.occasions import occasions_of
from guardrails.sensitive.pressing import is_pressing


@dataclass(frozen=True, slots=True)
class Examination:
    """What the description of an item says about it.

    Attributes:
        classification: how sensitive it is, and what decided that.
        occasions: bit mask of the occasions it is made for, over ``OCCASIONS``.
        pressing: whether its title presses the reader.
        unclassified: whether there is nothing but a title to classify it by.
    """

    classification: Classification
    occasions: int
    pressing: bool
    unclassified: bool


def examine(facts: ItemFacts, marks: CategoryMarks = NO_MARKS) -> Examination:
    """Return all that is decided of an item.

    Args:
        facts: what is known about the item.
        marks: the shop's marks of whole categories.

    Raises:
        SensitiveMarkError: a mark of the shop names a class or a tier that does not exist.
        UnknownOccasionError: the shop names an occasion that does not exist.
    """
    return Examination(
        classification=classify(facts, marks),
        occasions=occasions_of(facts),
        pressing=is_pressing(facts.title),
        unclassified=is_unclassified(facts, marks),
    )
