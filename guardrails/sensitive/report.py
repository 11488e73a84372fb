"""How well classification does: against labels, and over a whole catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from guardrails.sensitive.classes import Tier
from guardrails.sensitive.classify import Classification, ItemFacts, Layer, classify
from guardrails.sensitive.examine import Examination
from guardrails.sensitive.occasions import OCCASIONS, mask_of

N_EXAMPLES = 5
"""So many items are named where a tally gives examples."""

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
class Named:
    """An item by its key and title, with what was decided of it."""

    item_id: str
    title: str
    examined: Examination


@dataclass(frozen=True, slots=True)
class Tally:
    """What a catalogue was classified as.

    Attributes:
        n_items: items classified.
        n_by_class: items per class name and tier; (None, S0) are those that nothing was found in.
        n_by_layer: items per deciding layer.
        n_age_restricted: items for adults only.
        n_by_occasion: items per occasion, as far as there are any.
        n_pressing: items whose title presses the reader.
        n_unclassified: items with nothing but a title to go by.
        pressing: the first few of the former.
        unclassified: the first few of the latter.
    """

    n_items: int
    n_by_class: dict[tuple[str | None, Tier], int]
    n_by_layer: dict[Layer, int]
    n_age_restricted: int
    n_by_occasion: dict[str, int]
    n_pressing: int
    n_unclassified: int
    pressing: tuple[Named, ...]
    unclassified: tuple[Named, ...]

    @property
    def share_by_layer(self) -> dict[Layer, float]:
        """Share of all items that each layer decided, for every layer; 0.0 where there are no items."""
        return {layer: self.n_by_layer.get(layer, 0) / max(self.n_items, 1) for layer in Layer}


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


def tally(items: Iterable[Named], n_examples: int = N_EXAMPLES) -> Tally:
    """Count what was decided, and keep the first few of those that somebody should look at."""
    by_class: Counter[tuple[str | None, Tier]] = Counter()
    by_layer: Counter[Layer] = Counter()
    by_occasion: Counter[int] = Counter()
    age_restricted: Counter[bool] = Counter()
    pressing, unclassified = _Examples(n_examples), _Examples(n_examples)
    for item in items:
        found = item.examined.classification
        by_class[found.sensitive_class, found.tier] += 1
        by_layer[found.layer] += 1
        by_occasion[item.examined.occasions] += 1
        age_restricted[found.age_restricted] += 1
        pressing.add(item, there=item.examined.pressing)
        unclassified.add(item, there=item.examined.unclassified)
    return Tally(
        n_items=by_class.total(),
        n_by_class=dict(by_class),
        n_by_layer=dict(by_layer),
        n_age_restricted=age_restricted[True],
        n_by_occasion=_by_name(by_occasion),
        n_pressing=pressing.n_items,
        n_unclassified=unclassified.n_items,
        pressing=tuple(pressing.first),
        unclassified=tuple(unclassified.first),
    )


class _Examples:
    """Counts items and keeps the first few of them."""

    def __init__(self, n_kept: int) -> None:
        self.n_items = 0
        self.first: list[Named] = []
        self._n_kept = n_kept

    def add(self, item: Named, *, there: bool) -> None:
        self.n_items += there
        if there and len(self.first) < self._n_kept:
            self.first.append(item)


def _by_name(n_by_mask: Counter[int]) -> dict[str, int]:
    """Return items per occasion, in stored order; an item may be made for several."""
    n_by_name = {name: sum(n for mask, n in n_by_mask.items() if mask & mask_of(name)) for name in OCCASIONS}
    return {name: n for name, n in n_by_name.items() if n}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
