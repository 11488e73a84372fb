"""The answer to "may this purpose be served now?", as it is used and as it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Denial(StrEnum):
    """Why a purpose is not permitted. A superset of CAMARA's consent status reasons."""

    PENDING = "PENDING"
    REQUESTED = "REQUESTED"
    DENIED = "DENIED"
    WITHDRAWN = "WITHDRAWN"
    OBJECTED = "OBJECTED"
    EXPIRED = "EXPIRED"
    NOTICE_OUTDATED = "NOTICE_OUTDATED"
    SIGNAL_OPT_OUT = "SIGNAL_OPT_OUT"
    MINOR = "MINOR"
    RESTRICTED = "RESTRICTED"
    NOT_COVERED_CATEGORY = "NOT_COVERED_CATEGORY"
    NOT_COVERED_CHANNEL = "NOT_COVERED_CHANNEL"
    NO_SUBJECT = "NO_SUBJECT"
    UNREADABLE = "UNREADABLE"


TAKEN_BACK = frozenset({Denial.WITHDRAWN, Denial.OBJECTED})
"""Denials that are the customer's own "no more", as against a "yes" that was never given."""

LAPSED = frozenset({Denial.EXPIRED, Denial.NOTICE_OUTDATED})
"""Denials of what was once a "yes": it ran out, or the notice it was given under no longer holds."""


class LawfulBasis(StrEnum):
    """The ground of GDPR Article 6(1) or 9(2)(a) a purpose stands on, or of ePrivacy 13(2)."""

    CONSENT = "consent"
    EXPLICIT_CONSENT = "explicit_consent"
    LEGITIMATE_INTEREST = "legitimate_interest"
    SOFT_OPT_IN = "soft_opt_in"
    CONTRACT = "contract"
    NONE = "none"


class GpcStatus(StrEnum):
    """What became of Global Privacy Control in one answer (ISO/IEC TS 27560, annex F)."""

    NONE = "none"
    APPLIED = "applied"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True, slots=True)
class Permission:
    """One purpose, asked once.

    Attributes:
        purpose: the purpose key asked for.
        permitted: whether it may be served.
        because: why not; ``None`` exactly when permitted.
        basis: the lawful basis relied on; ``NONE`` when not permitted.
        record_id: the consent event that decided, if one did.
        notice_version: version of the notice that the event was given under.
        expires_at_ms: when a permission that stands now ends by itself.
        channels: channels the grant names; ``None`` means the purpose is not bound to channels.
        data_categories: data categories the grant names; ``None`` means it is not bound to any.
        item_categories: category paths of the goods it is limited to (soft opt-in); ``None`` means
            it is not limited to any.
        gpc: what became of Global Privacy Control, if it was sent and covers the purpose.
    """

    purpose: str
    permitted: bool
    because: Denial | None
    basis: LawfulBasis = LawfulBasis.NONE
    record_id: str | None = None
    notice_version: str | None = None
    expires_at_ms: int | None = None
    channels: frozenset[int] | None = None
    data_categories: frozenset[str] | None = None
    item_categories: frozenset[str] | None = None
    gpc: GpcStatus = GpcStatus.NONE

    def __bool__(self) -> bool:
        return self.permitted
