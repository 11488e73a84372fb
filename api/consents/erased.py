"""Whoever was erased stays so: what would write about them is refused, what they did not agree to is off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from api.errors import ErasedError
from api.storage.prepared import Wanted
from api.storage.subjects import Subjects
from api.storage.suppressions import is_suppressed, suppressed_among
from guardrails.consent.ledger import Ledger, PurposeState, Status
from guardrails.consent.purposes import KEY_OF, OUTBOUND, Purpose, communications_key
from guardrails.consent.settings import ConsentSettings
from guardrails.request import Choices


def refuse_erased(conn: Connection, subjects: Subjects, subject_key: bytes) -> None:
    """Refuse to write anything about a subject who was erased and has not come back since.

    Raises:
        ErasedError: they were.
    """
    if is_suppressed(conn, [subjects.suppression(subject_key)]):
        raise ErasedError("was erased, and comes back by an express consent of their own alone")


def without_interest_in_the_erased(
    conn: Connection, subjects: Subjects, subject_key: bytes, choices: Choices, settings: ConsentSettings
) -> Choices:
    """Return the choices with an objection to all that the shop rests on an interest of its own.

    An objection is erased with everything else. Whoever asked to be forgotten has not withdrawn it:
    otherwise erasure would open what they had closed. Where nothing rests on such an interest there
    is nothing to look up.
    """
    (is_erased,) = erased_of_each(subjects, [subject_key], settings).read(conn)
    return objecting(choices, settings) if is_erased else choices


def erased_of_each(
    subjects: Subjects, subject_keys: Sequence[bytes | None], settings: ConsentSettings
) -> Wanted[list[bool]]:
    """Return what to ask for whether each of some was erased; nothing where that changes nothing.

    Args:
        subjects: pseudonyms.
        subject_keys: who; ``None`` for nobody.
        settings: what rests on an interest.
    """
    if not settings.legitimate_interest:
        return Wanted((), lambda _: [False] * len(subject_keys))
    suppressions = [None if key is None else subjects.suppression(key) for key in subject_keys]
    erased = suppressed_among(key for key in suppressions if key is not None)
    return erased.then(lambda found: [key in found for key in suppressions])


def objecting(choices: Choices, settings: ConsentSettings) -> Choices:
    """Return the choices with an objection to all that the shop rests on an interest of its own."""
    states = {} if choices.ledger is None else dict(choices.ledger.states)
    for purpose in sorted(settings.legitimate_interest):
        for key in _keys(purpose):
            states.setdefault(key, _objection(key))
    return replace(choices, ledger=Ledger(states))


def _keys(purpose: Purpose) -> tuple[str, ...]:
    if purpose is Purpose.COMMUNICATIONS:
        return tuple(map(communications_key, OUTBOUND))
    return (KEY_OF[purpose],)


def _objection(key: str) -> PurposeState:
    return PurposeState(
        purpose=key,
        status=Status.OBJECTION_RAISED,
        at_ms=0,
        record_id="erased",
        valid_until_ms=None,
        channels=None,
        data_categories=None,
        notice_version=None,
        explicit=False,
        confirmed_override=False,
    )
