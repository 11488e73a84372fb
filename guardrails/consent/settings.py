"""How long consent lasts and how far an opt-out signal reaches: choices, kept as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from engine.interactions import DAY_MS
from guardrails.errors import PolicyError

GpcScope = Literal["spec", "spec_plus", "strict"]
"""How far Global Privacy Control reaches; ``guardrails.consent.signals.gpc`` says what each covers."""


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

    Raises:
        PolicyError: the days contradict each other, or the scope is unknown.
    """

    valid_for_days: int = 365
    max_valid_for_days: int = 395
    gpc_scope: GpcScope = "spec_plus"
    gpc_override_allowed: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.valid_for_days <= self.max_valid_for_days:
            raise PolicyError(
                f"consent cannot last `{self.valid_for_days}` days when it may last 1 to "
                f"`{self.max_valid_for_days}`"
            )
        if self.gpc_scope not in get_args(GpcScope):
            raise PolicyError(f"unknown scope of the privacy signal `{self.gpc_scope}`")

    def expiry_ms(self, at_ms: int, valid_until_ms: int | None) -> int:
        """Return the first millisecond at which a grant no longer stands.

        Args:
            at_ms: when it was given.
            valid_until_ms: the end it names, if it names one.
        """
        if valid_until_ms is None:
            return at_ms + self.valid_for_days * DAY_MS
        return min(valid_until_ms, at_ms + self.max_valid_for_days * DAY_MS)
