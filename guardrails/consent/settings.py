"""What the check goes by besides the ledger: choices of the shop and what follows from its notices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from engine.interactions import DAY_MS
from guardrails.consent.jurisdictions import jurisdiction_of
from guardrails.consent.permission import LawfulBasis
from guardrails.consent.purposes import Purpose, PurposeEntry
from guardrails.errors import PolicyError

ASSESSED = frozenset({Purpose.PERFORMANCE})
"""Purposes that may rest on legitimate interest by the shop's choice alone."""

ASSESSED_IN_WRITING = frozenset(
    {Purpose.PROFILING, Purpose.PROFILED_CONTENT, Purpose.TARGETED_OFFERS, Purpose.COMMUNICATIONS}
)
"""Purposes that may do so only where the shop has written down how it weighed the interests."""

GpcScope = Literal["spec", "spec_plus", "strict"]
"""How far Global Privacy Control reaches; ``guardrails.consent.signals.gpc`` says what each covers."""


Outdated = Mapping[str, Mapping[str, int]]
"""By notice and version: since when choices made under it no longer carry, milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class ConsentSettings:
    """The numbers and switches of the consent check.

    Attributes:
        valid_for_days: how long a grant lasts when it names no end, at least 1.
        max_valid_for_days: the longest any grant lasts, whatever end it names. IAB TCF asks for a
            reminder every 13 months, hence 395 days.
        gpc_scope: how far Global Privacy Control reaches.
        gpc_override_allowed: whether a confirmed grant may stand against the signal; some
            jurisdictions do not allow it.
        jurisdiction: code of the place whose rules hold for customers of whom no other is known;
            ``None`` for the strictest of all.
        legitimate_interest: purposes that rest on legitimate interest (GDPR 6(1)(f)) instead of
            consent: they are on until somebody objects.
        lia_document_id: the shop's written assessment of that interest.
        outdated: versions of notices under which consent no longer carries.

    Raises:
        PolicyError: the days contradict each other, the scope is unknown, or a purpose cannot rest
            on legitimate interest.
    """

    valid_for_days: int = 365
    max_valid_for_days: int = 395
    gpc_scope: GpcScope = "spec_plus"
    gpc_override_allowed: bool = True
    jurisdiction: str | None = None
    legitimate_interest: frozenset[Purpose] = frozenset()
    lia_document_id: str | None = None
    outdated: Outdated = field(default_factory=dict[str, Mapping[str, int]])

    def __post_init__(self) -> None:
        if not 1 <= self.valid_for_days <= self.max_valid_for_days:
            raise PolicyError(
                f"consent cannot last `{self.valid_for_days}` days when it may last 1 to "
                f"`{self.max_valid_for_days}`"
            )
        if self.gpc_scope not in get_args(GpcScope):
            raise PolicyError(f"unknown scope of the privacy signal `{self.gpc_scope}`")
        permitted = ASSESSED | (ASSESSED_IN_WRITING if self.lia_document_id else frozenset())
        refused = self.legitimate_interest - permitted
        if refused:
            raise PolicyError(f"`P{min(refused)}` cannot rest on legitimate interest without an assessment")

    @property
    def raised_classes(self) -> frozenset[str]:
        """Sensitive classes that the law of the shop's place raises."""
        return jurisdiction_of(self.jurisdiction).raised_classes

    def in_force(self, entry: PurposeEntry) -> PurposeEntry:
        """Return the row of the register as the shop has it: with the basis that it chose."""
        if entry.purpose not in self.legitimate_interest:
            return entry
        return replace(entry, basis=LawfulBasis.LEGITIMATE_INTEREST, on_by_default=True)

    def expiry_ms(self, at_ms: int, valid_until_ms: int | None) -> int:
        """Return the first millisecond at which a grant no longer stands.

        Args:
            at_ms: when it was given.
            valid_until_ms: the end it names, if it names one.
        """
        if valid_until_ms is None:
            return at_ms + self.valid_for_days * DAY_MS
        return min(valid_until_ms, at_ms + self.max_valid_for_days * DAY_MS)
