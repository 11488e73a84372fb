"""A consent event: one dated choice of a customer for one purpose, and what makes it acceptable.

Statuses are those of the W3C Data Privacy Vocabulary 2.3, with four of our own for objection
(GDPR 21) and restriction (GDPR 18); field names follow ISO/IEC TS 27560.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from engine.vocabulary import Channel, word
from guardrails.consent.permission import LawfulBasis
from guardrails.consent.purposes import KEY_OF, Purpose, PurposeEntry, communications_key, entry_of
from guardrails.consent.settings import ConsentSettings
from guardrails.errors import ConsentEventError, UnknownPurposeError

WHOLE_SUBJECT = "*"
"""Stands where a purpose key stands when an event is about all data of the customer (GDPR 18).

A restriction is kept beside the choices, not among them: lifting it leaves every choice as it was.
"""


class Status(StrEnum):
    """Where a purpose stands after an event; values are DPV's names, the last four our own."""

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


GRANTS = frozenset({Status.CONSENT_GIVEN, Status.RENEWED_CONSENT_GIVEN})
"""Statuses under which consent stands."""

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
    }
)
"""How a choice was expressed. ``gpc`` is missing on purpose: that signal is evaluated on every
request and never stored as if the customer had refused a question."""

ACTORS = ("data_subject", "parent", "agent", "controller", "signal:adpc", "import:")
"""Who acted; a name ending in a colon is followed by the source, as in ``import:tcf``."""

_NEVER_GRANT = frozenset({"reject_all", "system_expiry", "notice_change"})
_LAST_MS = 253_402_300_799_999  # the end of the year 9999: beyond it a time is a mistake


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
    """

    record_id: str
    purpose: str
    status: Status
    at_ms: int
    valid_until_ms: int | None
    channels: frozenset[int] | None
    data_categories: frozenset[str] | None
    notice_id: str | None
    notice_version: str | None
    method: str
    actor: str
    explicit: bool
    confirmed_override: bool

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


def validate(event: ConsentEvent) -> None:
    """Refuse an event that cannot be understood or that the law gives no effect.

    Raises:
        ConsentEventError: the purpose is unknown; status and purpose do not go together; a
            grant of a sensitive class is not explicit; a limit is empty, unknown or contradicts
            the purpose; the times are not times or end before they begin; the method or the
            actor is unknown.
    """
    _validate_times(event)
    _validate_expression(event)
    if event.purpose == WHOLE_SUBJECT or event.status in RESTRICTIONS:
        _validate_restriction(event)
        return
    _validate_choice(event, _entry(event.purpose))
    _validate_limits(event)


def _entry(purpose: str) -> PurposeEntry:
    try:
        return entry_of(purpose)
    except UnknownPurposeError as error:
        raise ConsentEventError(str(error)) from error


def _validate_times(event: ConsentEvent) -> None:
    if not 0 <= event.at_ms <= _LAST_MS:
        raise ConsentEventError(f"`{event.at_ms}` is not a time in milliseconds since the epoch")
    if event.valid_until_ms is None:
        return
    if not event.grants:
        raise ConsentEventError(f"only a grant can end, `{event.status}` cannot")
    if event.valid_until_ms <= event.at_ms:
        raise ConsentEventError("consent cannot end before it begins")


def _validate_expression(event: ConsentEvent) -> None:
    if not event.record_id:
        raise ConsentEventError("the record id is empty")
    if event.method not in METHODS:
        raise ConsentEventError(f"unknown method `{event.method}`")
    if not _is_actor(event.actor):
        raise ConsentEventError(f"unknown actor `{event.actor}`")
    if event.grants and event.method in _NEVER_GRANT:
        raise ConsentEventError(f"consent cannot be given by `{event.method}`")
    if event.confirmed_override and not event.grants:
        raise ConsentEventError(f"only a grant can be confirmed against a signal, `{event.status}` cannot")


def _is_actor(actor: str) -> bool:
    return any(
        actor.startswith(known) and actor != known if known.endswith(":") else actor == known
        for known in ACTORS
    )


def _validate_restriction(event: ConsentEvent) -> None:
    if event.status not in RESTRICTIONS:
        raise ConsentEventError(f"`{event.status}` needs a purpose of its own")
    if event.purpose != WHOLE_SUBJECT:
        raise ConsentEventError(f"`{event.status}` covers all purposes: its purpose is `{WHOLE_SUBJECT}`")
    if event.channels is not None or event.data_categories is not None:
        raise ConsentEventError("a restriction covers all channels and data categories")


def _validate_choice(event: ConsentEvent, entry: PurposeEntry) -> None:
    if entry.purpose is Purpose.ESSENTIAL_SERVICE:
        raise ConsentEventError(f"`{event.purpose}` rests on the contract: there is nothing to choose")
    if event.grants and entry.basis is LawfulBasis.EXPLICIT_CONSENT and not event.explicit:
        raise ConsentEventError(f"`{event.purpose}` needs explicit consent")


def _validate_limits(event: ConsentEvent) -> None:
    if (event.channels is not None or event.data_categories is not None) and not event.grants:
        raise ConsentEventError(f"only a grant can be limited, `{event.status}` covers everything")
    if event.channels is not None:
        _validate_channels(event.purpose, event.channels)
    if event.data_categories is not None and not (event.data_categories and all(event.data_categories)):
        raise ConsentEventError("a grant that names data categories names at least one")


def _validate_channels(purpose: str, channels: frozenset[int]) -> None:
    if not channels:
        raise ConsentEventError("a grant that names channels names at least one")
    unknown = channels - set(Channel)
    if unknown:
        raise ConsentEventError(f"unknown channel `{min(unknown)}`")
    named = channel_of(purpose)
    if named is not None and channels != {named}:
        raise ConsentEventError(f"`{purpose}` is consent for `{word(named)}` alone")


def channel_of(purpose: str) -> Channel | None:
    """Return the one channel that an outbound purpose key names; ``None`` for other keys.

    >>> channel_of("marketing.communications.sms").name
    'SMS'
    """
    if not purpose.startswith(KEY_OF[Purpose.COMMUNICATIONS]):
        return None
    return next(channel for channel in Channel if communications_key(channel) == purpose)
