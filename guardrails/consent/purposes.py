"""The register of purposes: why data is used, and on which lawful basis by default.

Keys follow fideslang where it has one; ids P0 to P11 are the short form. Storage codes are
written beside every interaction: never renumber.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from engine.vocabulary import Channel, word
from guardrails.consent.permission import LawfulBasis
from guardrails.errors import PolicyError, UnknownPurposeError
from guardrails.messages import Phrase
from guardrails.sensitive.classes import CLASS_NAMES


class Purpose(IntEnum):
    """The twelve purposes; the number is the P-number and the storage code."""

    ESSENTIAL_SERVICE = 0
    FUNCTIONAL_STORAGE = 1
    LIMITED_CONTENT = 2
    PROFILING = 3
    PROFILED_CONTENT = 4
    TARGETED_OFFERS = 5
    COMMUNICATIONS = 6
    PERFORMANCE = 7
    ENRICHMENT = 8
    SHARING = 9
    SENSITIVE = 10
    PERSONALISED_PRICE = 11


@dataclass(frozen=True, slots=True)
class PurposeEntry:
    """One row of the register.

    Attributes:
        purpose: the purpose.
        key: its key; for ``COMMUNICATIONS`` and ``SENSITIVE`` a prefix ending in a dot.
        meaning: what it allows, in plain words.
        basis: the lawful basis it stands on.
        on_by_default: whether it stands until objected to.
        iri: the purpose in the W3C Data Privacy Vocabulary 2.3; ``None`` where it has none.

    Raises:
        PolicyError: it stands on nothing (GDPR 6(1)).
    """

    purpose: Purpose
    key: str
    meaning: str
    basis: LawfulBasis
    on_by_default: bool = False
    iri: str | None = None

    def __post_init__(self) -> None:
        if self.basis is LawfulBasis.NONE:
            raise PolicyError(f"`{self.key}` has no lawful basis")


_DPV = "https://w3id.org/dpv#"

REGISTER: tuple[PurposeEntry, ...] = (
    PurposeEntry(
        Purpose.ESSENTIAL_SERVICE,
        "essential.service",
        "run the cart, the order and the record of your choices",
        LawfulBasis.CONTRACT,
        on_by_default=True,
        iri=f"{_DPV}RequestedServiceProvision",
    ),
    PurposeEntry(
        Purpose.FUNCTIONAL_STORAGE,
        "functional.storage",
        "remember this visit to adapt what is shown during it",
        LawfulBasis.CONSENT,
    ),
    PurposeEntry(
        Purpose.LIMITED_CONTENT,
        "personalize.content.limited",
        "suggest from the page you look at, the basket and what sells well",
        LawfulBasis.LEGITIMATE_INTEREST,
        on_by_default=True,
        iri=f"{_DPV}ProvideProductRecommendations",
    ),
    PurposeEntry(
        Purpose.PROFILING,
        "personalize.content.profiling",
        "keep what you look at and buy, and learn from it",
        LawfulBasis.CONSENT,
        iri=f"{_DPV}ServicePersonalisation",
    ),
    PurposeEntry(
        Purpose.PROFILED_CONTENT,
        "personalize.content.profiled",
        "use that history to choose what is shown to you",
        LawfulBasis.CONSENT,
        iri=f"{_DPV}ProvidePersonalisedRecommendations",
    ),
    PurposeEntry(
        Purpose.TARGETED_OFFERS,
        "marketing.advertising.first_party.targeted",
        "choose offers, add-ons and dearer alternatives from your history",
        LawfulBasis.CONSENT,
        iri=f"{_DPV}TargetedAdvertising",
    ),
    PurposeEntry(
        Purpose.COMMUNICATIONS,
        "marketing.communications.",
        "contact you, each channel by itself",
        LawfulBasis.CONSENT,
        iri=f"{_DPV}DirectMarketing",
    ),
    PurposeEntry(
        Purpose.PERFORMANCE,
        "analytics.reporting.content_performance",
        "measure how suggestions do",
        LawfulBasis.CONSENT,
        iri=f"{_DPV}ServiceOptimisation",
    ),
    PurposeEntry(
        Purpose.ENRICHMENT,
        "third_party_enrichment",
        "add data from other sources, devices or the household",
        LawfulBasis.CONSENT,
    ),
    PurposeEntry(
        Purpose.SHARING,
        "third_party_sharing",
        "sell or share data",
        LawfulBasis.CONSENT,
        iri=f"{_DPV}SellDataToThirdParties",
    ),
    PurposeEntry(
        Purpose.SENSITIVE,
        "sensitive.",
        "use purchases of one sensitive class, each by itself",
        LawfulBasis.EXPLICIT_CONSENT,
        iri="https://w3id.org/dpv/legal/eu/gdpr#A9-2-a",
    ),
    PurposeEntry(
        Purpose.PERSONALISED_PRICE,
        "price.personalised",
        "set a price for you alone",
        LawfulBasis.CONSENT,
        iri=f"{_DPV}PersonalisedBenefits",
    ),
)

KEY_OF = {entry.purpose: entry.key for entry in REGISTER}
_EXACT = {entry.key: entry for entry in REGISTER if not entry.key.endswith(".")}
_PREFIXED = tuple(entry for entry in REGISTER if entry.key.endswith("."))

OUTBOUND = (Channel.EMAIL, Channel.SMS, Channel.PUSH, Channel.POST, Channel.PHONE)
"""Channels on which the shop speaks first; each needs its own consent."""


def entry_of(key: str) -> PurposeEntry:
    """Return the register entry that governs ``key``.

    Raises:
        UnknownPurposeError: no entry governs it, or a prefix key names nothing behind its dot.

    >>> entry_of("sensitive.tobacco_nicotine").purpose.name
    'SENSITIVE'
    """
    if key in _EXACT:
        return _EXACT[key]
    for entry in _PREFIXED:
        rest = key.removeprefix(entry.key)
        if rest and rest != key and _names_something(entry.purpose, rest):
            return entry
    raise UnknownPurposeError(Phrase("unknown purpose `{key}`", key=key))


def communications_key(channel: Channel) -> str:
    """Return the key of the consent that an outbound channel needs."""
    return KEY_OF[Purpose.COMMUNICATIONS] + word(channel)


def outreach_key(channel: Channel) -> str | None:
    """Return the key of the consent to speak first on a channel; ``None`` where the customer speaks first.

    On the pages of others that is the consent to sharing (P9): what is advertised there tells them of whom
    it is advertised to.
    """
    if channel is Channel.OFFSITE_ADS:
        return KEY_OF[Purpose.SHARING]
    return communications_key(channel) if channel in OUTBOUND else None


def sensitive_key(sensitive_class: str) -> str:
    """Return the key of the explicit consent that a sensitive class needs."""
    return KEY_OF[Purpose.SENSITIVE] + sensitive_class


def _names_something(purpose: Purpose, rest: str) -> bool:
    if purpose is Purpose.COMMUNICATIONS:
        return rest in {word(channel) for channel in OUTBOUND}
    return rest in CLASS_NAMES
