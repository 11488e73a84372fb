"""What a rule of the shop may look at, as columns: one row a candidate, every field of the schema.

A column is given in one of three forms, whichever is the cheapest:

* a single value, the same for every row, as ``language.Value`` has it, or ``ABSENT``;
* an array of numbers (flags as 0 and 1), shape (n,), with ``ABSENT`` and ``NULL`` for what is none;
* ``Named``: codes, shape (n,), of texts or sets of texts that are listed beside them.

A field that holds for a whole request may be any of these, so many requests can stand below each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from engine.vocabulary import Intent, Source, word
from guardrails.holding import Holding, HoldKind
from guardrails.policy.fields import FIELDS
from guardrails.policy.language import Value
from guardrails.policy.meaning import day_number
from guardrails.rules.base import MICRO, NEVER_DAYS, View

ABSENT: Final = int(np.iinfo(np.int64).min) + 1
"""Stands for what nobody knows or may look at; in single values and among names as well."""

NULL: Final = ABSENT + 1
"""Stands for what is known to be nothing, in arrays of numbers; elsewhere that is ``None``."""

_NOWHERE = np.int64(ABSENT)  # of 64 bits, so that columns of fewer are widened
_STEP = " > "
_MOST_STEP = FIELDS["candidate.price_step"].greatest


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Names:
    """What codes stand for. Two of these are the same only if they are one: tables are kept by it.

    Attributes:
        entries: a text, a tuple of texts, ``None`` or ``ABSENT`` for each code; -1 reads the last.
    """

    entries: tuple[Value, ...]


class Named(NamedTuple):
    """A column of texts, or of sets of texts.

    Attributes:
        codes: whole numbers, shape (n,): places in ``names.entries``.
        names: what they stand for.
    """

    codes: NDArray[Any]
    names: Names


Column: TypeAlias = Value | NDArray[Any] | Named


class Columns(Protocol):
    """Hands out fields as columns, each when it is asked for."""

    @property
    def n(self) -> int:
        """How many rows."""
        ...

    def column(self, field: str) -> Column:
        """Return one field. Whatever it raises leaves those rules without an answer that need the field."""
        ...


@dataclass(frozen=True, slots=True)
class ViewColumns:
    """The fields of the candidates of a view.

    Attributes:
        view: the candidates.
        time_zone: where days begin.
    """

    view: View
    time_zone: tzinfo

    @property
    def n(self) -> int:
        """How many candidates."""
        return len(self.view)

    def column(self, field: str) -> Column:
        """Return one field.

        Raises:
            KeyError: there is no such field.
        """
        if field == "request.date":
            return day_of(self.view.request.now_ms, self.time_zone)
        return _OF[field](self.view)


def columns_of(view: View, time_zone: tzinfo) -> ViewColumns:
    """Return what rules of the shop may look at of the candidates of a view."""
    return ViewColumns(view, time_zone)


def day_of(now_ms: int, time_zone: tzinfo) -> int:
    """Return the day that a moment, milliseconds since the epoch, falls on, as days since 1970-01-01.

    >>> from datetime import timezone, timedelta
    >>> day_of(86_400_000 - 1, timezone.utc), day_of(86_400_000 - 1, timezone(timedelta(hours=1)))
    (0, 1)
    """
    return day_number(datetime.fromtimestamp(now_ms // 1000, time_zone).date())


def with_all_above(path: str) -> tuple[str, ...]:
    """Return a category and every category above it, highest first.

    >>> with_all_above("Food > Tea > Green")
    ('Food', 'Food > Tea', 'Food > Tea > Green')
    """
    parts = path.split(_STEP)
    return tuple(_STEP.join(parts[: depth + 1]) for depth in range(len(parts)))


def price_step_micro(price_minor: NDArray[np.int64], anchor_minor: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how much dearer each is than its anchor, in millionths of that, rounded down; shape (n,).

    What is cheaper is not dearer: 0. ``ABSENT`` where a price is not known (negative), or the anchor is free.
    """
    share = (price_minor - anchor_minor) * MICRO // np.maximum(anchor_minor, 1)
    bounded = np.minimum(np.maximum(share, 0), _MOST_STEP)
    return np.where((price_minor >= 0) & (anchor_minor > 0), bounded, _NOWHERE)


def holds_of(holding: Holding) -> tuple[str, ...]:
    """Return the words of what is held back for a customer."""
    standing = (
        (HoldKind.COMPLAINT, holding.complaint_open),
        (HoldKind.DELIVERY, holding.delivery_late),
        (HoldKind.PAYMENT, holding.payment_failed),
        (HoldKind.TOPICS, holding.topics),
        (HoldKind.OFFERS, holding.offers),
        (HoldKind.EXCLUSION, bool(holding.excluded)),
    )
    return tuple(kind.value for kind, stands in standing if stands)


class CatalogueNames(NamedTuple):
    """What the codes of a catalogue stand for."""

    ids: Names
    brands: Names
    categories: Names
    classes: Names


_names_of: WeakKeyDictionary[Catalogue, CatalogueNames] = WeakKeyDictionary()


def names_of(catalogue: Catalogue) -> CatalogueNames:
    """Return what the codes of a catalogue stand for; the same object as long as the catalogue lives."""
    known = _names_of.get(catalogue)
    return _names_of.setdefault(catalogue, _named(catalogue)) if known is None else known


def _named(catalogue: Catalogue) -> CatalogueNames:
    return CatalogueNames(
        ids=Names(catalogue.item_ids),
        brands=Names((*catalogue.brands, None)),
        categories=Names((*(with_all_above(path) for path in catalogue.categories), ())),
        classes=Names((*catalogue.sensitive_classes, None)),
    )


INTENTS = Names((ABSENT, *(word(intent) for intent in Intent)))
"""Words of intents by number, from 1 on."""

SOURCES = Names((ABSENT, *(word(source) for source in Source)))
"""Words of sources by number, from 1 on."""


def _or_absent(number: int | None) -> int:
    """Return a number that is known, or ``ABSENT``: unknown ones are ``None`` or negative."""
    return ABSENT if number is None or number < 0 else number


def _n_offers(view: View) -> int:
    """Count the offers of a visit, where anybody may: they are known from the visit or the history."""
    admission = view.admission
    may_count = admission.may_read_session or admission.may_read_history
    return _or_absent(view.n_inline_upsells_session) if may_count else ABSENT


def _price_minor(view: View) -> NDArray[np.int64]:
    price_minor = view.price_minor
    return np.where(price_minor < 0, _NOWHERE, price_minor)


def _days_since_shown(view: View) -> NDArray[np.int64]:
    return np.where(view.days_since_shown == NEVER_DAYS, _NOWHERE, view.days_since_shown)


_OF: Mapping[str, Callable[[View], Column]] = MappingProxyType(
    {
        "request.placement": lambda view: view.request.placement.name,
        "request.channel": lambda view: word(view.request.channel),
        "request.language": lambda view: view.request.language,
        "request.local_minute": lambda view: _or_absent(view.request.local_minute),
        "request.basket_minor": lambda view: _or_absent(view.basket_minor),
        "visit.n_pages": lambda view: _or_absent(view.request.visit.n_pages),
        "visit.basket_after_s": lambda view: _or_absent(view.request.visit.basket_after_s),
        "visit.entry": lambda view: entry.value if (entry := view.request.visit.entry) else ABSENT,
        "visit.n_offers": _n_offers,
        "contact.n_messages_day": lambda view: _or_absent(view.n_outbound_day),
        "contact.n_messages_week": lambda view: _or_absent(view.n_outbound_week),
        "candidate.intent": lambda view: Named(view.intent, INTENTS),
        "candidate.source": lambda view: Named(view.source, SOURCES),
        "candidate.basis": lambda view: word(view.basis),
        "candidate.price_step": lambda view: price_step_micro(view.price_minor, view.anchor_price_minor),
        "candidate.n_ignored": lambda view: view.n_ignored_short,
        "candidate.days_since_shown": _days_since_shown,
        "evidence.tier": lambda view: view.evidence_tier,
        "evidence.from_history": lambda view: view.from_history,
        "item.id": lambda view: Named(view.item_idx, names_of(view.catalogue).ids),
        "item.brand": lambda view: Named(view.brand, names_of(view.catalogue).brands),
        "item.categories": lambda view: Named(view.category, names_of(view.catalogue).categories),
        "item.price_minor": _price_minor,
        "item.sponsored": lambda view: view.sponsored,
        "item.sensitive_class": lambda view: Named(view.sensitive_class, names_of(view.catalogue).classes),
        "item.tier": lambda view: view.tier,
        "item.age_restricted": lambda view: view.catalogue.age_restricted[view.item_idx],
        "item.unclassified": lambda view: view.unclassified,
        "customer.age_assurance": lambda view: view.admission.age_assurance.value,
        "customer.jurisdiction": lambda view: (
            ABSENT if view.admission.jurisdiction is None else view.admission.jurisdiction
        ),
        "customer.holds": lambda view: holds_of(view.admission.holding),
        "customer.excluded_classes": lambda view: tuple(sorted(view.admission.holding.excluded)),
        "customer.open_complaint": lambda view: view.admission.holding.complaint_open,
        "customer.open_delivery_delay": lambda view: view.admission.holding.delivery_late,
        "customer.payment_failed": lambda view: view.admission.holding.payment_failed,
        "customer.non_profiled": lambda view: view.admission.non_profiled,
        "customer.shared_device": lambda view: view.admission.shared_audience,
    }
)
