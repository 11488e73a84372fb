"""How well classification does: against labels, and over a whole catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from guardrails.sensitive.classes import Tier
from guardrails.sensitive.classify import Classification, ItemFacts, Layer, classify

SENSITIVE_FROM = Tier.S2
"""Quality counts an item as sensitive from this tier on: here its class needs consent."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An item that a person has judged: ``sensitive_class`` is None exactly where the tier is S0."""

    facts: ItemFacts
    sensitive_class: str | None
    tier: Tier


@dataclass(frozen=True, slots=True)
class Quality:
    """How classification compares with labels; "found" means tier S2 or above.

    Attributes:
        n_items: labelled items.
        n_found_rightly: found, and labelled so.
        missed: labelled S2 or above, not found.
        false_alarms: found, labelled below S2.
        n_right_class: items whose class, or lack of one, is as labelled.
        n_right_tier: items whose tier is as labelled.
    """

    n_items: int
    n_found_rightly: int
    missed: tuple[Labelled, ...]
    false_alarms: tuple[Labelled, ...]
    n_right_class: int
    n_right_tier: int

    @property
    def recall(self) -> float:
        """Share of the items labelled S2 or above that were found; 1.0 where there are none."""
        return _share(self.n_found_rightly, self.n_found_rightly + len(self.missed))

    @property
    def precision(self) -> float:
        """Share of the found items that are labelled so; 1.0 where nothing was found."""
        return _share(self.n_found_rightly, self.n_found_rightly + len(self.false_alarms))

    @property
    def class_accuracy(self) -> float:
        """Share of all items whose class is as labelled; 1.0 where there are none."""
        return _share(self.n_right_class, self.n_items)

    @property
    def tier_accuracy(self) -> float:
        """Share of all items whose tier is as labelled; 1.0 where there are none."""
        return _share(self.n_right_tier, self.n_items)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a catalogue was classified as.

    Attributes:
        n_items: items classified.
        n_by_class: items per class name and tier; (None, S0) are those that nothing was found in.
        n_by_layer: items per deciding layer.
        n_age_restricted: items for adults only.
    """

    n_items: int
    n_by_class: dict[tuple[str | None, Tier], int]
    n_by_layer: dict[Layer, int]
    n_age_restricted: int


def measure(
    labelled: Iterable[Labelled], classifier: Callable[[ItemFacts], Classification] = classify
) -> Quality:
    """Classify every labelled item and compare.

    Raises:
        SensitiveMarkError: a shop's mark among the facts names a class or tier that does not exist.
    """
    judged = [(label, classifier(label.facts)) for label in labelled]
    found = [(label, given.tier >= SENSITIVE_FROM) for label, given in judged]
    return Quality(
        n_items=len(judged),
        n_found_rightly=sum(hit and label.tier >= SENSITIVE_FROM for label, hit in found),
        missed=tuple(label for label, hit in found if not hit and label.tier >= SENSITIVE_FROM),
        false_alarms=tuple(label for label, hit in found if hit and label.tier < SENSITIVE_FROM),
        n_right_class=sum(label.sensitive_class == given.sensitive_class for label, given in judged),
        n_right_tier=sum(label.tier == given.tier for label, given in judged),
    )


def tally(classified: Iterable[Classification]) -> Tally:
    """Count classifications by class and tier, by layer, and by age limit."""
    kept = list(classified)
    return Tally(
        n_items=len(kept),
        n_by_class=dict(Counter((each.sensitive_class, each.tier) for each in kept)),
        n_by_layer=dict(Counter(each.layer for each in kept)),
        n_age_restricted=sum(each.age_restricted for each in kept),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
