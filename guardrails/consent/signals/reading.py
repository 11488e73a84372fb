"""What a signal from outside says, in the terms of the register; the shape every decoder answers in.

A reading is a statement about what was received and nothing more: it carries no decision. Which
of its answers become consent events, and which only close a purpose for one request, is settled by
whoever asked for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.vocabulary import Channel
from guardrails.consent.events import GRANTS, Status
from guardrails.consent.purposes import (
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
    """

    purpose: str
    status: Status
    channels: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if self.grants and entry_of(self.purpose).purpose in NEVER_GRANTED:
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
        at_ms: when the choice was made, milliseconds since the epoch, UTC, if the signal says so.
        notes: what was read and has no effect here, in plain words.
        sha256: digest of the raw signal, hexadecimal. The signal itself is personal data once it
            is tied to an identifier (CJEU C-604/22) and is neither stored nor logged.
        known_child: whether the signal says that the customer is a child; ``None`` if it does not
            say.
        limit_sensitive: the customer limits the use of sensitive data (Cal. Civ. Code 1798.121).
    """

    signal: str
    version: str | None
    answers: tuple[SignalAnswer, ...]
    at_ms: int | None
    notes: tuple[str, ...]
    sha256: str
    known_child: bool | None = None
    limit_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """What a shop says about the signals it sends.

    Attributes:
        accept_tcf_2_2_without_disclosed_vendors: read a TC string without the disclosed vendors
            segment, which version 2.2 left optional and 2.3 demands.
        profiling_declaration: id of the shop's statement that the text beside its consent
            platform's personalisation toggle covered profiling; ``None`` if there is none, and then
            such a toggle never grants profiling.
        known_requests: purpose key by id of a published ADPC consent request.

    Raises:
        PolicyError: the declaration is empty, or a request is for a purpose that does not exist
            or that needs no consent.
    """

    accept_tcf_2_2_without_disclosed_vendors: bool = True
    profiling_declaration: str | None = None
    known_requests: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.profiling_declaration == "":
            raise PolicyError("the declaration on profiling has an empty id")
        for key in self.known_requests.values():
            if key not in CONSENT_PURPOSES:
                raise PolicyError(f"consent cannot be requested for `{key}`")


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

_PLACE = {key: place for place, key in enumerate(PURPOSE_KEYS)}

_LOOSE_TO_PROTECTIVE = (
    Status.CONSENT_UNKNOWN,
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


def digest(raw: bytes) -> str:
    """Return what is kept of a raw signal in place of it."""
    return hashlib.sha256(raw).hexdigest()


def _protectiveness(answer: SignalAnswer) -> tuple[int, int]:
    return _LOOSE_TO_PROTECTIVE.index(answer.status), -len(
        Channel if answer.channels is None else answer.channels
    )
