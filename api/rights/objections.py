"""Carrying out at once what needs no examination: a restriction (GDPR 18), an objection (GDPR 21).

Objecting to direct marketing is absolute: no weighing, no question why (GDPR 21(2), (3)). It covers
the offers chosen from a profile and every outbound channel. To what rests on a legitimate interest
the customer can object as well (GDPR 21(1)), and here that is always granted. What rests on consent
is withdrawn instead, which is no less easy.
"""

from __future__ import annotations

from collections.abc import Sequence

from api.consents.choosing import Choosing
from api.consents.written import UNNAMED, Drafted
from api.errors import InvalidRequestError
from guardrails.consent.events import WHOLE_SUBJECT, ConsentEvent, Status
from guardrails.consent.permission import LawfulBasis
from guardrails.consent.purposes import KEY_OF, OUTBOUND, Purpose, communications_key, entry_of
from guardrails.consent.settings import ConsentSettings
from guardrails.errors import UnknownPurposeError
from guardrails.messages import Phrase

DIRECT_MARKETING = (KEY_OF[Purpose.TARGETED_OFFERS], *map(communications_key, OUTBOUND))
"""Purposes that an objection to direct marketing ends."""


def objected_to(purpose: str | None, settings: ConsentSettings) -> tuple[str, ...]:
    """Return the keys of the purposes that an objection ends.

    Args:
        purpose: the one it names; ``None`` for all direct marketing.
        settings: which purposes the shop rests on a legitimate interest.

    Raises:
        InvalidRequestError: there is no such purpose, or it rests on something that cannot be
            objected to.
    """
    if purpose is None:
        return DIRECT_MARKETING
    try:
        entry = settings.in_force(entry_of(purpose))
    except UnknownPurposeError:
        raise InvalidRequestError.at("/purpose", Phrase("unknown purpose `{key}`", key=purpose)) from None
    if purpose not in DIRECT_MARKETING and entry.basis is not LawfulBasis.LEGITIMATE_INTEREST:
        raise InvalidRequestError.at("/purpose", "rests on consent or contract: withdraw the consent instead")
    return (purpose,)


def object_to(choosing: Choosing, purposes: Sequence[str]) -> None:
    """Store an objection to each purpose; it holds from the next request on.

    Raises:
        ErasedError: the customer is being erased.
    """
    choosing.store([_said(purpose, Status.OBJECTION_RAISED, choosing.now_ms) for purpose in purposes])


def restrict(choosing: Choosing) -> None:
    """Store a restriction of all data of the customer; it holds from the next request on.

    Raises:
        ErasedError: the customer is being erased.
    """
    choosing.store([_said(WHOLE_SUBJECT, Status.RESTRICTED, choosing.now_ms)])


def _said(purpose: str, status: Status, now_ms: int) -> Drafted:
    event = ConsentEvent(
        record_id=UNNAMED,
        purpose=purpose,
        status=status,
        at_ms=now_ms,
    )
    return Drafted(event, timed=False, pointer="")
