"""The fields that a rule of the shop may look at: one schema, with types and units.

Everything a condition can say is said of these. A field is *optional* where it may be absent, that is
where nobody knows or may look; a condition on it has to ask ``has`` first. A field is *nullable* where
it may be known to be nothing, such as the brand of goods without one; absent and null are not the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from engine.vocabulary import Basis, Channel, Intent, Source, word
from guardrails.holding import HoldKind
from guardrails.messages import LANGUAGES
from guardrails.request import AgeAssurance, Entry
from guardrails.sensitive.classes import CLASS_NAMES, Tier

GREATEST = 2**53 - 1
"""The largest integer that is exact everywhere."""


class FieldKind(StrEnum):
    """What values a field has."""

    BOOL = "bool"
    ENUM = "enum"
    """One of a closed list of words."""
    INTEGER = "integer"
    SHARE = "share"
    """Written as a decimal of at most six places, such as ``0.25``; kept in millionths."""
    DATE = "date"
    """Written ``2026-12-01``; kept as days since 1970-01-01 in the time zone of the policy."""
    TEXT = "text"
    TEXTS = "texts"
    """A set of texts."""


ORDERED = frozenset({FieldKind.INTEGER, FieldKind.SHARE, FieldKind.DATE})
"""Kinds that have a less and a more."""


class FieldUnit(StrEnum):
    """What the number of a field counts."""

    NONE = ""
    MINOR = "minor units of the shop's currency"
    DAYS = "days"
    SECONDS = "seconds"
    MINUTES = "minutes of the day"
    COUNT = "count"
    TIER = "tier"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a condition can be about.

    Attributes:
        name: how a policy writes it.
        kind: what values it has.
        description: what it says, for whoever fills in a form.
        unit: what its number counts.
        values: every value, for an enum and for texts of a closed list; empty where the list is open.
        least: smallest number; 0 for kinds without an order.
        greatest: largest number; 0 for kinds without an order.
        optional: it may be absent.
        nullable: it may be known to be nothing.
        of_request: it is the same for every candidate of a request.
    """

    name: str
    kind: FieldKind
    description: str
    unit: FieldUnit = FieldUnit.NONE
    values: tuple[str, ...] = ()
    least: int = 0
    greatest: int = 0
    optional: bool = False
    nullable: bool = False
    of_request: bool = False


def _flag(name: str, description: str, *, of_request: bool = False) -> Field:
    return Field(name, FieldKind.BOOL, description, of_request=of_request)


def _enum(
    name: str,
    description: str,
    values: tuple[str, ...],
    *,
    of_request: bool = False,
    optional: bool = False,
    nullable: bool = False,
) -> Field:
    return Field(
        name,
        FieldKind.ENUM,
        description,
        values=values,
        of_request=of_request,
        optional=optional,
        nullable=nullable,
    )


def _integer(
    name: str,
    description: str,
    unit: FieldUnit,
    greatest: int = GREATEST,
    *,
    of_request: bool = False,
    optional: bool = True,
) -> Field:
    return Field(
        name,
        FieldKind.INTEGER,
        description,
        unit=unit,
        greatest=greatest,
        of_request=of_request,
        optional=optional,
    )


_DAY_MINUTES = 24 * 60
_LAST_DATE = 2_932_896  # 9999-12-31
_MOST_SHARE = 1_000_000_000  # a thousand times as much

_FIELDS = (
    Field(
        "request.placement", FieldKind.TEXT, "name of the place where suggestions are shown", of_request=True
    ),
    _enum(
        "request.channel",
        "channel through which they are shown",
        tuple(word(channel) for channel in Channel),
        of_request=True,
    ),
    _enum("request.language", "language that reasons are given in", LANGUAGES, of_request=True),
    Field(
        "request.date",
        FieldKind.DATE,
        "day of the request, in the time zone of the policy",
        greatest=_LAST_DATE,
        of_request=True,
    ),
    _integer(
        "request.local_minute",
        "minute of the day where the customer is; absent when not known",
        FieldUnit.MINUTES,
        _DAY_MINUTES - 1,
        of_request=True,
    ),
    _integer(
        "request.basket_minor",
        "value of the basket; absent when a price in it is not known",
        FieldUnit.MINOR,
        of_request=True,
    ),
    _integer(
        "visit.n_pages", "pages opened in this visit, if the shop tells", FieldUnit.COUNT, of_request=True
    ),
    _integer(
        "visit.basket_after_s",
        "seconds from the first page to the first thing in the basket, if the shop tells",
        FieldUnit.SECONDS,
        of_request=True,
    ),
    _enum(
        "visit.entry",
        "how the visit began, if the shop tells",
        tuple(entry.value for entry in Entry),
        of_request=True,
        optional=True,
    ),
    _integer(
        "visit.n_offers",
        "upsells and cross-sells shown in this visit; absent where that may not be counted",
        FieldUnit.COUNT,
        of_request=True,
    ),
    _integer(
        "contact.n_messages_day",
        "messages sent in the last day; absent where that may not be counted",
        FieldUnit.COUNT,
        of_request=True,
    ),
    _integer(
        "contact.n_messages_week",
        "messages sent in the last seven days; absent where that may not be counted",
        FieldUnit.COUNT,
        of_request=True,
    ),
    _enum("candidate.intent", "what the suggestion is for", tuple(word(intent) for intent in Intent)),
    _enum("candidate.source", "what proposed it", tuple(word(source) for source in Source)),
    _enum(
        "candidate.basis",
        "how personal the evidence behind the list is",
        tuple(word(basis) for basis in Basis if basis is not Basis.NONE),
        of_request=True,
    ),
    Field(
        "candidate.price_step",
        FieldKind.SHARE,
        "how much dearer it is than what it is held against, as a share; absent without such a thing",
        unit=FieldUnit.SHARE,
        greatest=_MOST_SHARE,
        optional=True,
    ),
    _integer(
        "candidate.n_ignored", "how often it was shown lately and ignored", FieldUnit.COUNT, optional=False
    ),
    _integer("candidate.days_since_shown", "days since it was last shown; absent when never", FieldUnit.DAYS),
    _integer(
        "evidence.tier", "highest tier of what it was concluded from", FieldUnit.TIER, 3, optional=False
    ),
    _flag("evidence.from_history", "what the customer did before this visit moved its score"),
    Field("item.id", FieldKind.TEXT, "the shop's key of the item"),
    Field("item.brand", FieldKind.TEXT, "brand; null for goods without one", nullable=True),
    Field("item.categories", FieldKind.TEXTS, "its category and every category above it"),
    _integer("item.price_minor", "price; absent when not known", FieldUnit.MINOR),
    _flag("item.sponsored", "somebody pays for its being suggested"),
    _enum("item.sensitive_class", "sensitive class; null for none", CLASS_NAMES, nullable=True),
    _integer(
        "item.tier", "how sensitive it is, for this customer", FieldUnit.TIER, max(Tier).value, optional=False
    ),
    _flag("item.age_restricted", "sold to adults only"),
    _flag("item.unclassified", "there is nothing but a title to tell how sensitive it is"),
    _enum(
        "customer.age_assurance",
        "what is known of the customer's age",
        tuple(assurance.value for assurance in AgeAssurance),
        of_request=True,
    ),
    Field(
        "customer.jurisdiction",
        FieldKind.TEXT,
        "code of the place where the customer lives; absent when not known",
        optional=True,
        of_request=True,
    ),
    Field(
        "customer.holds",
        FieldKind.TEXTS,
        "what is held back for the customer now",
        values=tuple(kind.value for kind in HoldKind),
        of_request=True,
    ),
    Field(
        "customer.excluded_classes",
        FieldKind.TEXTS,
        "sensitive classes that the customer excluded themselves from",
        values=CLASS_NAMES,
        of_request=True,
    ),
    _flag("customer.open_complaint", "a complaint, a refund or a dispute is open", of_request=True),
    _flag("customer.open_delivery_delay", "something that was ordered is late", of_request=True),
    _flag("customer.payment_failed", "a payment failed in this visit", of_request=True),
    _flag("customer.non_profiled", "suggestions without a profile were asked for", of_request=True),
    _flag("customer.shared_device", "others may see what is shown", of_request=True),
)

FIELDS: Mapping[str, Field] = MappingProxyType({field.name: field for field in _FIELDS})
"""Every field by its name."""

SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "placement": "request.placement",
        "channel": "request.channel",
        "intent": "candidate.intent",
        "basis": "candidate.basis",
    }
)
"""What ``applies_to`` may name, and the field that each stands for."""
