"""What a signal from outside says, in the terms of the register; the shape every decoder answers in.

A reading is a statement about what was received and nothing more: it carries no decision. Which
of its answers become consent events, and which only close a purpose for one request, is settled by
whoever asked for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from engine.vocabulary import Channel
from guardrails.consent.events import GRANTS, Status
from guardrails.consent.purposes import (
    KEY_OF,
    OUTBOUND,
    REGISTER,
    Purpose,
    communications_key,
    entry_of,
    sensitive_key,
)
from guardrails.errors import PolicyError, SignalError
from guardrails.sensitive.classes import CLASS_NAMES

MAX_LENGTH = 8192
"""The longest text read as a signal. A TC string that names every vendor of the list stays below."""

NEVER_GRANTED = frozenset({Purpose.ESSENTIAL_SERVICE, Purpose.SENSITIVE})
"""What no signal grants: one needs no consent, the other an express statement (GDPR 9(2)(a))."""


@dataclass(frozen=True, slots=True)
class SignalAnswer:
    """What a signal says to one purpose.

    Raises:
        SignalError: it would grant what no signal can.

    Attributes:
        purpose: purpose key of the register.
        status: where the signal puts the purpose.
        channels: ``Channel`` numbers a grant is limited to; ``None`` for no limit, and always for
            anything but a grant.
        at_ms: when this one choice was made, milliseconds since the epoch, UTC, if the signal says
            so. Where it is ``None`` the signal tells no time for it, and what counts is when it
            was received.
    """

    purpose: str
    status: Status
    channels: frozenset[int] | None = None
    at_ms: int | None = None

    def __post_init__(self) -> None:
        if self.grants and not can_be_granted(self.purpose):
            raise SignalError(f"no signal can grant `{self.purpose}`")

    @property
    def grants(self) -> bool:
        """Whether the answer is consent."""
        return self.status in GRANTS


@dataclass(frozen=True, slots=True)
class Reading:
    """What one signal says.

    Attributes:
        signal: its kind, one of ``guardrails.consent.signals.registry.SIGNALS``.
        version: version of its format, where it has one.
        answers: one for each purpose at most, in the order of the register.
        at_ms: when the signal as a whole was set, milliseconds since the epoch, UTC, if it says so;
            an answer with a time of its own goes by that. TCF tells the day only: its time is the
            first moment of it, so a refusal may have come up to a day later.
        notes: what was read and has no effect here, in plain words.
        sha256: digest of the raw signal, hexadecimal. The signal itself is personal data once it
            is tied to an identifier (CJEU C-604/22) and is neither stored nor logged.
        known_child: whether the signal says that the customer is a child; ``None`` if it does not
            say.
        limit_sensitive: the customer limits the use of sensitive data (Cal. Civ. Code 1798.121).
        gpc: the signal repeats that the browser sends Global Privacy Control. It holds for the
            request, exactly as the header does, and answers no question of ours.
    """

    signal: str
    version: str | None
    answers: tuple[SignalAnswer, ...]
    at_ms: int | None
    notes: tuple[str, ...]
    sha256: str
    known_child: bool | None = None
    limit_sensitive: bool = False
    gpc: bool = False


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """What a shop says about the signals it sends.

    Attributes:
        accept_tcf_2_2_without_disclosed_vendors: read a TC string without the disclosed vendors
            segment, which version 2.2 left optional and 2.3 demands.
        profiling_declaration: id of the shop's statement that the text beside its consent
            platform's personalisation toggle covered profiling; ``None`` if there is none, and then
            such a toggle never grants profiling.
        known_requests: purpose key by id of a published ADPC consent request; a request for the
            essential service asks for nothing and has no effect.
        ketch_purposes: purpose key by the shop's own purpose code in Ketch.

    Raises:
        PolicyError: the declaration is empty; a request is for a purpose that does not exist; a
            code stands for one that needs no consent or that no signal can grant.
    """

    accept_tcf_2_2_without_disclosed_vendors: bool = True
    profiling_declaration: str | None = None
    known_requests: Mapping[str, str] = field(default_factory=dict)
    ketch_purposes: Mapping[str, str] = field(default_factory=lambda: dict(KETCH_CODES))

    def __post_init__(self) -> None:
        if self.profiling_declaration == "":
            raise PolicyError("the declaration on profiling has an empty id")
        for key in self.known_requests.values():
            if key not in PURPOSE_KEYS:
                raise PolicyError(f"consent cannot be requested for `{key}`")
        for key in self.ketch_purposes.values():
            if key not in CONSENT_PURPOSES or not can_be_granted(key):
                raise PolicyError(f"no purpose code can stand for `{key}`")


KETCH_CODES: Mapping[str, str] = {
    "advertising": KEY_OF[Purpose.TARGETED_OFFERS],
    "analytics": KEY_OF[Purpose.PERFORMANCE],
    "data_sales": KEY_OF[Purpose.SHARING],
    "email_mktg": communications_key(Channel.EMAIL),
}
"""The purpose codes that Ketch's own documentation uses; a shop that named its own says so."""


def _keys(purpose: Purpose, key: str) -> tuple[str, ...]:
    if purpose is Purpose.COMMUNICATIONS:
        return tuple(communications_key(channel) for channel in OUTBOUND)
    if purpose is Purpose.SENSITIVE:
        return tuple(sensitive_key(name) for name in CLASS_NAMES)
    return (key,)


PURPOSE_KEYS: tuple[str, ...] = tuple(key for entry in REGISTER for key in _keys(entry.purpose, entry.key))
"""Every purpose key there is, in the order of the register."""

CONSENT_PURPOSES: tuple[str, ...] = tuple(key for key in PURPOSE_KEYS if not entry_of(key).on_by_default)
"""The keys of purposes that are off until consented to."""

COMMUNICATIONS_KEYS: tuple[str, ...] = _keys(Purpose.COMMUNICATIONS, KEY_OF[Purpose.COMMUNICATIONS])
"""The keys of contact by the shop, each channel by itself."""

_PLACE = {key: place for place, key in enumerate(PURPOSE_KEYS)}

_LOOSE_TO_PROTECTIVE = (
    Status.CONSENT_UNKNOWN,
    Status.CONSENT_REQUESTED,
    Status.CONSENT_GIVEN,
    Status.OBJECTION_NOT_RAISED,
    Status.CONSENT_REFUSED,
    Status.CONSENT_WITHDRAWN,
    Status.OBJECTION_RAISED,
)


def arranged(answers: Iterable[SignalAnswer]) -> tuple[SignalAnswer, ...]:
    """Return one answer for each purpose, in the order of the register.

    Where a signal speaks twice to a purpose, the more protective answer wins: consent that is
    contradicted in the same breath is not unambiguous (GDPR 4(11)).
    """
    kept: dict[str, SignalAnswer] = {}
    for answer in answers:
        kept[answer.purpose] = max(kept.get(answer.purpose, answer), answer, key=_protectiveness)
    return tuple(sorted(kept.values(), key=lambda answer: _PLACE[answer.purpose]))


def can_be_granted(key: str) -> bool:
    """Tell whether a signal can grant the purpose with this key at all."""
    return entry_of(key).purpose not in NEVER_GRANTED


def text_of(value: object) -> str:
    """Return a signal that must be a text.

    Raises:
        SignalError: it is none, is empty, is too long, or holds anything but visible ASCII.
    """
    if not isinstance(value, str):
        raise SignalError("the signal is not a text")
    if not 0 < len(value) <= MAX_LENGTH:
        raise SignalError(f"the signal is empty or longer than `{MAX_LENGTH}` characters")
    if not (value.isascii() and value.isprintable()):
        raise SignalError("the signal holds characters that no such signal has")
    return value


def fields_of(value: object, known: Collection[str], what: str) -> Mapping[str, object]:
    """Return a JSON object whose fields are all known.

    Args:
        value: what should be the object.
        known: the names it may use.
        what: what the object is, for the message.

    Raises:
        SignalError: it is no object or has another field.
    """
    if not isinstance(value, dict):
        raise SignalError(f"{what} is not an object")
    if any(name not in known for name in value):
        raise SignalError(f"{what} has a field that is not known")
    return value


def digest(value: str | Mapping[str, object]) -> str:
    """Return what is kept of a raw signal in place of it: SHA-256 of the text or of sorted JSON.

    Raises:
        SignalError: an object holds something that is not JSON, or is too long.
    """
    text = value if isinstance(value, str) else _json(value)
    return hashlib.sha256(text.encode()).hexdigest()


def _json(value: Mapping[str, object]) -> str:
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise SignalError("the signal is not a JSON object") from None
    if len(text) > MAX_LENGTH:
        raise SignalError(f"the signal is longer than `{MAX_LENGTH}` characters")
    return text


def _protectiveness(answer: SignalAnswer) -> tuple[int, int]:
    covered = Channel if answer.channels is None else answer.channels
    return _LOOSE_TO_PROTECTIVE.index(answer.status), -len(covered)
