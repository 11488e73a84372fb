"""A consent event: one dated choice of a customer for one purpose, and what makes it acceptable.

Statuses are those of the W3C Data Privacy Vocabulary 2.3, with five of our own for objection
(GDPR 21), restriction (GDPR 18) and soft opt-in (ePrivacy 13(2)); field names follow ISO/IEC TS 27560.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from engine.vocabulary import Channel
from guardrails.consent.permission import GpcStatus
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key
from guardrails.consent.settings import ConsentSettings

WHOLE_SUBJECT = "*"
"""Stands where a purpose key stands when an event is about all data of the customer (GDPR 18).

A restriction is kept beside the choices, not among them: lifting it leaves every choice as it was.
"""


class Status(StrEnum):
    """Where a purpose stands after an event; values are DPV's names, the last five our own."""

    CONSENT_GIVEN = "ConsentGiven"
    RENEWED_CONSENT_GIVEN = "RenewedConsentGiven"
    CONSENT_REFUSED = "ConsentRefused"
    CONSENT_WITHDRAWN = "ConsentWithdrawn"
    CONSENT_REVOKED = "ConsentRevoked"
    CONSENT_EXPIRED = "ConsentExpired"
    CONSENT_INVALIDATED = "ConsentInvalidated"
    CONSENT_REQUESTED = "ConsentRequested"
    CONSENT_REQUEST_DEFERRED = "ConsentRequestDeferred"
    CONSENT_UNKNOWN = "ConsentUnknown"
    OBJECTION_RAISED = "ObjectionRaised"
    OBJECTION_NOT_RAISED = "ObjectionNotRaised"
    RESTRICTED = "Restricted"
    RESTRICTION_LIFTED = "RestrictionLifted"
    SOFT_OPT_IN = "SoftOptIn"


GRANTS = frozenset({Status.CONSENT_GIVEN, Status.RENEWED_CONSENT_GIVEN})
"""Statuses under which consent stands."""

REFUSALS = frozenset(
    {
        Status.CONSENT_REFUSED,
        Status.CONSENT_WITHDRAWN,
        Status.CONSENT_REVOKED,
        Status.CONSENT_INVALIDATED,
        Status.OBJECTION_RAISED,
    }
)
"""Statuses by which a purpose is off, also one that is on by default."""

RESTRICTIONS = frozenset({Status.RESTRICTED, Status.RESTRICTION_LIFTED})
"""Statuses about the whole subject; no other status is, and these are about nothing less."""

METHODS = frozenset(
    {
        "accept_all",
        "reject_all",
        "save_custom",
        "toggle",
        "api",
        "adpc",
        "import",
        "system_expiry",
        "notice_change",
        "sale",
    }
)
"""How a choice was expressed; ``sale`` is the soft opt-in alone. ``gpc`` is missing on purpose: that
signal is evaluated on every request and never stored as if the customer had refused a question."""

DATA_SUBJECT, PARENT, CONTROLLER = "data_subject", "parent", "controller"

ACTORS = (DATA_SUBJECT, PARENT, "agent", CONTROLLER, "signal:adpc", "import:")
"""Who acted; a name ending in a colon is followed by the source, as in ``import:tcf``."""

IN_PERSON = frozenset({DATA_SUBJECT, PARENT, "agent", "signal:adpc"})
"""Actors by whom the person speaks. Only they can take an objection or a refusal back to neutral:
that a form elsewhere shows no objection is no answer of anybody."""


@dataclass(frozen=True, slots=True)
class Parent:
    """Who consented in the place of a child (GDPR 8(1), (2)).

    Attributes:
        relation: to the child, as it was stated.
        verification_method: how the shop made sure of it.
        verified_at_ms: when.
    """

    relation: str
    verification_method: str
    verified_at_ms: int


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """One entry of the append-only ledger.

    Attributes:
        record_id: id of the entry, unique within the ledger.
        purpose: purpose key, or ``WHOLE_SUBJECT`` for a restriction.
        status: where the purpose stands from ``at_ms`` on.
        at_ms: when the choice was made, milliseconds since the epoch, UTC.
        valid_until_ms: first millisecond at which a grant no longer stands; only grants have one.
        channels: ``Channel`` numbers a grant is limited to; ``None`` for no limit.
        data_categories: data categories a grant is limited to; ``None`` for no limit.
        notice_id: the notice the customer was shown, if one is known.
        notice_version: its version.
        method: how the choice was expressed, one of ``METHODS``.
        actor: who made it, one of ``ACTORS``.
        explicit: an express statement, as GDPR 9(2)(a) asks for.
        confirmed_override: the customer confirmed this grant knowing that a privacy signal of
            theirs says otherwise.
        notice_sha256: SHA-256 of the text they were shown.
        language: language it was shown in (BCP 47).
        jurisdiction: rules it was given under, see ``Jurisdiction.fingerprint``.
        served_id: when and how the notice was shown.
        signal_sha256: digest of the outside signal that the event was read from.
        gpc: whether Global Privacy Control was sent with it, and whether it was overridden.
        parent: who consented in the place of a child.
        item_categories: category paths of the goods that a soft opt-in is for.
    """

    record_id: str
    purpose: str
    status: Status
    at_ms: int
    valid_until_ms: int | None = None
    channels: frozenset[int] | None = None
    data_categories: frozenset[str] | None = None
    notice_id: str | None = None
    notice_version: str | None = None
    method: str = "api"
    actor: str = DATA_SUBJECT
    explicit: bool = False
    confirmed_override: bool = False
    notice_sha256: str | None = None
    language: str | None = None
    jurisdiction: str | None = None
    served_id: str | None = None
    signal_sha256: str | None = None
    gpc: GpcStatus = GpcStatus.NONE
    parent: Parent | None = None
    item_categories: frozenset[str] | None = None

    @property
    def grants(self) -> bool:
        """Whether consent stands after this event."""
        return self.status in GRANTS


def with_defaults(event: ConsentEvent, settings: ConsentSettings) -> ConsentEvent:
    """Return the event with the end that the settings give a grant; other events as they are.

    A grant without an end gets the usual one. An end further off than the settings permit is
    brought forward rather than refused: the consent is real, it just does not last that long, and
    what is stored and receipted says so.
    """
    if not event.grants:
        return event
    return replace(event, valid_until_ms=settings.expiry_ms(event.at_ms, event.valid_until_ms))


def channel_of(purpose: str) -> Channel | None:
    """Return the one channel that an outbound purpose key names; ``None`` for other keys.

    >>> channel_of("marketing.communications.sms").name
    'SMS'
    """
    if not purpose.startswith(KEY_OF[Purpose.COMMUNICATIONS]):
        return None
    return next(channel for channel in Channel if communications_key(channel) == purpose)
