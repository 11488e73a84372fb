"""What makes a consent event acceptable: it can be understood, and the law gives it effect."""

from __future__ import annotations

from engine.vocabulary import Channel, word
from guardrails.consent.events import (
    ACTORS,
    CONTROLLER,
    METHODS,
    PARENT,
    RESTRICTIONS,
    WHOLE_SUBJECT,
    ConsentEvent,
    Status,
    channel_of,
)
from guardrails.consent.permission import LawfulBasis
from guardrails.consent.purposes import Purpose, PurposeEntry, communications_key, entry_of
from guardrails.errors import ConsentEventError, UnknownPurposeError
from guardrails.messages import Phrase

_NEVER_GRANT = frozenset({"reject_all", "system_expiry", "notice_change", "sale"})
_LAST_MS = 253_402_300_799_999  # the end of the year 9999: beyond it a time is a mistake


def validate(event: ConsentEvent) -> None:
    """Refuse an event that cannot be understood or that the law gives no effect.

    Raises:
        ConsentEventError: the purpose is unknown; status and purpose do not go together; a
            grant of a sensitive class is not explicit; a limit is empty, unknown or contradicts
            the purpose; the times are not times or end before they begin; the method or the
            actor is unknown; a parent or a soft opt-in is not what it has to be.
    """
    _validate_times(event)
    _validate_expression(event)
    if event.purpose == WHOLE_SUBJECT or event.status in RESTRICTIONS:
        _validate_restriction(event)
        return
    _validate_choice(event, _entry(event.purpose))
    _validate_limits(event)
    _validate_soft_opt_in(event)


def _entry(purpose: str) -> PurposeEntry:
    try:
        return entry_of(purpose)
    except UnknownPurposeError as error:
        raise ConsentEventError(str(error)) from error


def _validate_times(event: ConsentEvent) -> None:
    if not 0 <= event.at_ms <= _LAST_MS:
        raise ConsentEventError(
            Phrase("`{at_ms}` is not a time in milliseconds since the epoch", at_ms=event.at_ms)
        )
    if event.valid_until_ms is None:
        return
    if not event.grants:
        raise ConsentEventError(Phrase("only a grant can end, `{status}` cannot", status=event.status))
    if event.valid_until_ms <= event.at_ms:
        raise ConsentEventError("consent cannot end before it begins")


def _validate_expression(event: ConsentEvent) -> None:
    if not event.record_id:
        raise ConsentEventError("the record id is empty")
    if event.method not in METHODS:
        raise ConsentEventError(Phrase("unknown method `{method}`", method=event.method))
    if not _is_actor(event.actor):
        raise ConsentEventError(Phrase("unknown actor `{actor}`", actor=event.actor))
    if event.grants and event.method in _NEVER_GRANT:
        raise ConsentEventError(Phrase("consent cannot be given by `{method}`", method=event.method))
    if event.confirmed_override and not event.grants:
        raise ConsentEventError(
            Phrase("only a grant can be confirmed against a signal, `{status}` cannot", status=event.status)
        )

    if (event.parent is not None) != (event.actor == PARENT and event.grants):
        raise ConsentEventError("a parent who consents is named with relation and verification, nobody else")


def _is_actor(actor: str) -> bool:
    return any(
        actor.startswith(known) and actor != known if known.endswith(":") else actor == known
        for known in ACTORS
    )


def _validate_restriction(event: ConsentEvent) -> None:
    if event.status not in RESTRICTIONS:
        raise ConsentEventError(Phrase("`{status}` needs a purpose of its own", status=event.status))
    if event.purpose != WHOLE_SUBJECT:
        raise ConsentEventError(
            Phrase(
                "`{status}` covers all purposes: its purpose is `{whole}`",
                status=event.status,
                whole=WHOLE_SUBJECT,
            )
        )
    if event.channels is not None or event.data_categories is not None:
        raise ConsentEventError("a restriction covers all channels and data categories")


def _validate_choice(event: ConsentEvent, entry: PurposeEntry) -> None:
    if entry.purpose is Purpose.ESSENTIAL_SERVICE:
        raise ConsentEventError(
            Phrase("`{purpose}` rests on the contract: there is nothing to choose", purpose=event.purpose)
        )
    if event.grants and entry.basis is LawfulBasis.EXPLICIT_CONSENT and not event.explicit:
        raise ConsentEventError(Phrase("`{purpose}` needs explicit consent", purpose=event.purpose))


def _validate_limits(event: ConsentEvent) -> None:
    if (event.channels is not None or event.data_categories is not None) and not event.grants:
        raise ConsentEventError(
            Phrase("only a grant can be limited, `{status}` covers everything", status=event.status)
        )
    if event.channels is not None:
        _validate_channels(event.purpose, event.channels)
    if event.data_categories is not None and not (event.data_categories and all(event.data_categories)):
        raise ConsentEventError("a grant that names data categories names at least one")


def _validate_soft_opt_in(event: ConsentEvent) -> None:
    """Hold a soft opt-in to the conditions of ePrivacy 13(2), read narrowly (CJEU C-654/23)."""
    soft = event.status is Status.SOFT_OPT_IN
    if soft != (event.method == "sale") or soft != (event.item_categories is not None):
        raise ConsentEventError("a soft opt-in comes from a sale and names the categories of what was sold")
    if not soft:
        return
    if event.purpose != communications_key(Channel.EMAIL) or event.actor != CONTROLLER:
        raise ConsentEventError("a soft opt-in is for e-mail, and the shop itself notes it")
    if not (event.item_categories and all(event.item_categories)):
        raise ConsentEventError("a soft opt-in names at least one category")
    if event.notice_id is None:
        raise ConsentEventError("a soft opt-in names the notice that offered the opt-out")


def _validate_channels(purpose: str, channels: frozenset[int]) -> None:
    if not channels:
        raise ConsentEventError("a grant that names channels names at least one")
    unknown = channels - set(Channel)
    if unknown:
        raise ConsentEventError(Phrase("unknown channel `{channel}`", channel=min(unknown)))
    named = channel_of(purpose)
    if named is not None and channels != {named}:
        raise ConsentEventError(
            Phrase("`{purpose}` is consent for `{channel}` alone", purpose=purpose, channel=word(named))
        )
