"""The receipt of a choice: what the customer can keep as proof of it.

Record fields are named as in ISO/IEC TS 27560, the receipt around them as in the Kantara Initiative's
Consent Receipt 1.1. Both are made from what is stored; nothing is written down twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from engine.vocabulary import Channel, word
from guardrails.consent.events import WHOLE_SUBJECT, ConsentEvent
from guardrails.consent.notices import Notice
from guardrails.consent.permission import LawfulBasis
from guardrails.consent.purposes import Purpose, entry_of

SCHEMA_VERSION = "ISO/IEC TS 27560:2023"
RECEIPT_VERSION = "KI-CR-v1.1.0"

BASIS_IRI = {
    LawfulBasis.CONSENT: "https://w3id.org/dpv/legal/eu/gdpr#A6-1-a",
    LawfulBasis.EXPLICIT_CONSENT: "https://w3id.org/dpv/legal/eu/gdpr#A9-2-a",
    LawfulBasis.LEGITIMATE_INTEREST: "https://w3id.org/dpv/legal/eu/gdpr#A6-1-f",
    LawfulBasis.CONTRACT: "https://w3id.org/dpv/legal/eu/gdpr#A6-1-b",
}
"""Lawful bases in the Data Privacy Vocabulary."""

NoticeOf = Callable[[ConsentEvent], Notice | None]


def record_of(event: ConsentEvent, notice: Notice | None, controller: str) -> dict[str, Any]:
    """Return one consent event as a record of ISO/IEC TS 27560.

    Args:
        event: as stored.
        notice: the one it was made under, if it names one that is known.
        controller: who answers for the data where the notice does not say.
    """
    whole = event.purpose == WHOLE_SUBJECT
    entry = None if whole else entry_of(event.purpose)
    sensitive = event.purpose.rpartition(".")[2] if entry and entry.purpose is Purpose.SENSITIVE else None
    return {
        "schema_version": SCHEMA_VERSION,
        "record_id": event.record_id,
        "privacy_notice": {
            "notice_id": event.notice_id,
            "version": event.notice_version,
            "text_sha256": event.notice_sha256,
            "served_id": event.served_id,
        },
        "language": event.language,
        "purpose": event.purpose,
        "purpose_type": entry.iri if entry else None,
        "lawful_basis": BASIS_IRI.get(entry.basis) if entry else None,
        "pii_information": _sorted(event.data_categories),
        "sensitive_pii_category": sensitive,
        "services": None
        if event.channels is None
        else [word(Channel(each)) for each in sorted(event.channels)],
        "pii_controllers": _controllers(notice, controller),
        "recipient_third_parties": list(notice.recipients) if notice else [],
        "collection_method": event.method,
        "retention_period": notice.retention if notice else None,
        "jurisdiction": event.jurisdiction,
        "withdrawal_method": notice.withdrawal_url if notice else None,
        "event_type": "dpv:ExplicitlyExpressedConsent" if event.explicit else "dpv:ExpressedConsent",
        "event_state": event.status.value,
        "event_time": _time(event.at_ms),
        "valid_until": None if event.valid_until_ms is None else _time(event.valid_until_ms),
        "entity_id": event.actor,
        "signals": {
            "gpc": event.gpc.value,
            "override_confirmed": event.confirmed_override,
            "sha256": event.signal_sha256,
        },
        "parent": None
        if event.parent is None
        else {
            "relation": event.parent.relation,
            "verification_method": event.parent.verification_method,
            "verified_at": _time(event.parent.verified_at_ms),
        },
    }


def receipt_of(
    events: Sequence[ConsentEvent],
    notice_of: NoticeOf,
    principal: str,
    controller: str,
    policy_url: str,
    at_ms: int,
) -> dict[str, Any]:
    """Return the receipt of choices that were stored together.

    Args:
        events: at least one, as stored.
        notice_of: gives the notice of an event.
        principal: pseudonym of the customer.
        controller: who answers for the data where a notice does not say.
        policy_url: where the terms are explained.
        at_ms: when they were received, milliseconds since the epoch.
    """
    notice = notice_of(events[0])
    sensitive = sorted(
        event.purpose for event in events if event.purpose != WHOLE_SUBJECT and _is_sensitive(event.purpose)
    )
    return {
        "version": RECEIPT_VERSION,
        "consentReceiptID": events[0].record_id,
        "consentTimestamp": at_ms // 1000,
        "jurisdiction": events[0].jurisdiction,
        "collectionMethod": events[0].method,
        "language": events[0].language,
        "piiPrincipalId": principal,
        "piiControllers": _controllers(notice, controller),
        "policyUrl": policy_url,
        "services": [
            {
                "service": "personalization",
                "purposes": [_purpose(event, notice_of(event)) for event in events],
            }
        ],
        "sensitive": bool(sensitive),
        "spiCat": sensitive,
        "records": [record_of(event, notice_of(event), controller) for event in events],
    }


def _purpose(event: ConsentEvent, notice: Notice | None) -> dict[str, Any]:
    recipients = list(notice.recipients) if notice else []
    return {
        "purpose": event.purpose,
        "purposeCategory": [] if event.purpose == WHOLE_SUBJECT else [entry_of(event.purpose).key],
        "consentType": "EXPLICIT" if event.explicit else "EXPRESSED",
        "piiCategory": _sorted(event.data_categories) or [],
        "primaryPurpose": False,
        "termination": event.status.value if event.valid_until_ms is None else _time(event.valid_until_ms),
        "thirdPartyDisclosure": bool(recipients),
        "thirdPartyName": ", ".join(recipients),
    }


def _is_sensitive(key: str) -> bool:
    return entry_of(key).purpose is Purpose.SENSITIVE


def _controllers(notice: Notice | None, controller: str) -> list[str]:
    named = list(notice.controllers) if notice else []
    return named or ([controller] if controller else [])


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
