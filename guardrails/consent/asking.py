"""Asking: whether a customer may be asked for consent, or asked again.

Who said no is left alone for a while; who closed the question has answered it (DSA 25(3)(b):
no repeated requests to choose what has been chosen). Who objected to direct marketing is not
asked again at all (GDPR 21(3)).
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.interactions import DAY_MS
from guardrails.consent.check import Question, check, rules_for
from guardrails.consent.events import REFUSALS, Status
from guardrails.consent.ledger import Ledger
from guardrails.consent.permission import Denial
from guardrails.consent.purposes import Purpose, entry_of
from guardrails.consent.settings import ConsentSettings
from guardrails.consent.signals.gpc import gpc_silences

NEVER_ASKED = frozenset({Denial.MINOR, Denial.RESTRICTED, Denial.SIGNAL_OPT_OUT})
"""Where an answer could change nothing, or has been given by a signal."""

DIRECT_MARKETING = frozenset({Purpose.TARGETED_OFFERS, Purpose.COMMUNICATIONS})
"""What an objection under GDPR 21(2) ends for good."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Whether to ask.

    Attributes:
        may_ask: the question may be put now.
        not_before_ms: when it may be put again; ``None`` when it may now, or when only the
            customer can reopen it.
    """

    may_ask: bool
    not_before_ms: int | None = None


def may_ask(ledger: Ledger, question: Question, settings: ConsentSettings) -> Asking:
    """Say whether the customer may be asked for a purpose at a time.

    Raises:
        UnknownPurposeError: the purpose is not in the register.
    """
    entry = settings.in_force(entry_of(question.purpose))
    permission = check(ledger, question, settings)
    silenced = question.gpc and gpc_silences(entry.purpose, settings.gpc_scope)
    if entry.on_by_default or permission or silenced or permission.because in NEVER_ASKED:
        return Asking(may_ask=False)
    state = ledger.get(question.purpose)
    if state is None or state.status not in REFUSALS | {Status.CONSENT_REQUEST_DEFERRED}:
        return Asking(may_ask=True)
    if state.status is Status.OBJECTION_RAISED and entry.purpose in DIRECT_MARKETING:
        return Asking(may_ask=False)
    again_ms = state.at_ms + rules_for(question, settings).ask_again_after_days * DAY_MS
    if question.at_ms >= again_ms:
        return Asking(may_ask=True)
    return Asking(may_ask=False, not_before_ms=again_ms)
