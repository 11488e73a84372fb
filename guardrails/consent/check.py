"""The check: may this purpose be served now, and if not, why not.

``STEPS`` is the order of precedence; the first step with something to say answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from engine.vocabulary import Channel
from guardrails.consent.ages import AgeBand, lacks_parent
from guardrails.consent.events import GRANTS, Status, channel_of
from guardrails.consent.jurisdictions import Jurisdiction, jurisdiction_of
from guardrails.consent.ledger import Ledger, PurposeState
from guardrails.consent.permission import Denial, GpcStatus, LawfulBasis, Permission
from guardrails.consent.purposes import Purpose, PurposeEntry, entry_of
from guardrails.consent.settings import ConsentSettings
from guardrails.consent.signals.gpc import PROFILE, gpc_covers, gpc_silences

CLOSED_TO_MINORS = frozenset(
    {Purpose.TARGETED_OFFERS, Purpose.SHARING, Purpose.SENSITIVE, Purpose.PERSONALISED_PRICE}
)
"""What nobody under 18 can consent to here (DSA 28(2))."""

DENIAL_OF = {
    Status.CONSENT_REFUSED: Denial.DENIED,
    Status.CONSENT_WITHDRAWN: Denial.WITHDRAWN,
    Status.CONSENT_REVOKED: Denial.WITHDRAWN,
    Status.CONSENT_INVALIDATED: Denial.DENIED,
    Status.OBJECTION_RAISED: Denial.OBJECTED,
}
"""What each of the ``REFUSALS`` is told as."""

OPEN = {
    Status.CONSENT_UNKNOWN: Denial.PENDING,
    Status.CONSENT_REQUESTED: Denial.REQUESTED,
    Status.CONSENT_REQUEST_DEFERRED: Denial.REQUESTED,
    Status.CONSENT_EXPIRED: Denial.EXPIRED,
    Status.OBJECTION_NOT_RAISED: Denial.PENDING,
    Status.SOFT_OPT_IN: Denial.PENDING,
    Status.CONSENT_GIVEN: Denial.EXPIRED,
    Status.RENEWED_CONSENT_GIVEN: Denial.EXPIRED,
}
"""Statuses that leave the default in place; a grant gets that far only when it has expired."""

LOOSENING = GRANTS | {Status.OBJECTION_NOT_RAISED, Status.SOFT_OPT_IN}
"""Statuses that open what was closed before them."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the ledger.

    Attributes:
        purpose: purpose key.
        at_ms: the time asked about, milliseconds since the epoch, UTC.
        channel: where the purpose is to be served; ``None`` leaves it open, and the answer names
            the channels that are covered.
        data_category: data to be used; ``None`` leaves it open.
        gpc: the request carries ``Sec-GPC: 1``.
        minor: the customer is known to be under 18.
        age_band: how old a minor is, if that is known.
        jurisdiction: code of the place where the customer lives; ``None`` for the shop's own.
        out_of_context: evidence collected in another context is used.
    """

    purpose: str
    at_ms: int
    channel: Channel | None = None
    data_category: str | None = None
    gpc: bool = False
    minor: bool = False
    age_band: AgeBand | None = None
    jurisdiction: str | None = None
    out_of_context: bool = False


@dataclass(frozen=True, slots=True)
class _Case:
    """A question together with all that a step may look at."""

    question: Question
    settings: ConsentSettings
    entry: PurposeEntry
    state: PurposeState | None
    restriction: PurposeState | None

    @property
    def rules(self) -> Jurisdiction:
        """The law that holds for the customer."""
        return rules_for(self.question, self.settings)

    @property
    def grant(self) -> PurposeState | None:
        """The grant that was given by the time asked about and has not expired, if there is one."""
        state = self.state
        if state is None or not state.grants:
            return None
        return state if state.at_ms <= self.question.at_ms < self.expires_at_ms(state) else None

    def expires_at_ms(self, grant: PurposeState) -> int:
        """First millisecond at which a grant no longer stands."""
        return self.settings.expiry_ms(grant.at_ms, grant.valid_until_ms)

    def deny(self, because: Denial, decided_by: PurposeState | None) -> Permission:
        """Answer no, naming the event that decided, if one did."""
        return Permission(
            purpose=self.question.purpose,
            permitted=False,
            because=because,
            record_id=decided_by.record_id if decided_by else None,
            notice_version=decided_by.notice_version if decided_by else None,
        )


def check(ledger: Ledger, question: Question, settings: ConsentSettings) -> Permission:
    """Answer whether a purpose may be served at a time.

    Raises:
        UnknownPurposeError: the purpose is not in the register.
    """
    case = _Case(
        question=question,
        settings=settings,
        entry=settings.in_force(entry_of(question.purpose)),
        state=ledger.get(question.purpose),
        restriction=ledger.restriction_at(question.at_ms),
    )
    answers = (step(case) for step in STEPS)
    answer = next(answer for answer in answers if answer is not None)
    return replace(answer, gpc=_gpc_status(case, answer)) if question.gpc else answer


def rules_for(question: Question, settings: ConsentSettings) -> Jurisdiction:
    """Return the law that a question is answered under: the customer's own, else the shop's."""
    return jurisdiction_of(question.jurisdiction or settings.jurisdiction)


def _essential_service(case: _Case) -> Permission | None:
    """Carrying out the contract asks for no consent and stops for no objection (GDPR 6(1)(b))."""
    if case.entry.purpose is not Purpose.ESSENTIAL_SERVICE:
        return None
    return Permission(case.question.purpose, permitted=True, because=None, basis=case.entry.basis)


def _statutory_block(case: _Case) -> Permission | None:
    """What no consent can allow, or only an explicit one (DSA 28(2), GDPR 9(2)(a))."""
    if case.question.minor and case.entry.purpose in CLOSED_TO_MINORS:
        return case.deny(Denial.MINOR, None)
    if _needs_parent(case):
        return case.deny(Denial.MINOR, case.state)
    needs_explicit = case.entry.basis is LawfulBasis.EXPLICIT_CONSENT
    if needs_explicit and case.state and case.state.grants and not case.state.explicit:
        return case.deny(Denial.DENIED, case.state)
    return None


def _needs_parent(case: _Case) -> bool:
    """Whether a child gave a consent that only a parent can give (GDPR 8(1))."""
    if not case.question.minor or case.state is None or not case.state.grants:
        return False
    return lacks_parent(case.state.actor, case.question.age_band, case.rules.consent_age)


def _restriction(case: _Case) -> Permission | None:
    """Restricted data is stored and nothing else (GDPR 18(2))."""
    return case.deny(Denial.RESTRICTED, case.restriction) if case.restriction else None


def _taken_back(case: _Case) -> Permission | None:
    """A refusal, withdrawal or objection that no newer grant follows (GDPR 7(3), 21).

    It counts at once, even when its clock runs ahead of the question's.
    """
    because = DENIAL_OF.get(case.state.status) if case.state else None
    return case.deny(because, case.state) if because else None


def _signal(case: _Case) -> Permission | None:
    """Global Privacy Control, for what it covers."""
    applies = _signal_covers(case) and not _overridden(case)
    return case.deny(Denial.SIGNAL_OPT_OUT, None) if applies else None


def _signal_covers(case: _Case) -> bool:
    question = case.question
    return question.gpc and gpc_covers(
        case.entry.purpose,
        question.channel,
        case.settings.gpc_scope,
        out_of_context=question.out_of_context,
    )


def _overridden(case: _Case) -> bool:
    """Whether a grant in force stands against the signal: confirmed, or explicit for the profile."""
    grant = case.grant
    allowed = case.settings.gpc_override_allowed and case.rules.signal_may_be_overridden
    if grant is None or not allowed:
        return False
    return grant.confirmed_override or (grant.explicit and case.entry.purpose in PROFILE)


def _gpc_status(case: _Case, answer: Permission) -> GpcStatus:
    """What became of a signal that was sent."""
    if answer.because is Denial.SIGNAL_OPT_OUT:
        return GpcStatus.APPLIED
    return GpcStatus.OVERRIDDEN if answer.permitted and _signal_covers(case) else GpcStatus.NONE


def _not_yet(case: _Case) -> Permission | None:
    """What loosens counts from its own time on; what stood before it is no longer known here."""
    state = case.state
    if state is None or state.status not in LOOSENING or state.at_ms <= case.question.at_ms:
        return None
    return case.deny(Denial.PENDING, state)


def _specific_grant(case: _Case) -> Permission | None:
    """A grant in force, for the channels and data categories it names and no others (GDPR 4(11))."""
    question, grant = case.question, case.grant
    if grant is None or case.entry.on_by_default:
        return None
    if _is_outdated(case, grant):
        return case.deny(Denial.NOTICE_OUTDATED, grant)
    channels = _channels_covered(grant)
    if not _covers(channels, question.channel):
        return case.deny(Denial.NOT_COVERED_CHANNEL, grant)
    if not _covers(grant.data_categories, question.data_category):
        return case.deny(Denial.NOT_COVERED_CATEGORY, grant)
    return Permission(
        purpose=question.purpose,
        permitted=True,
        because=None,
        basis=case.entry.basis,
        record_id=grant.record_id,
        notice_version=grant.notice_version,
        expires_at_ms=case.expires_at_ms(grant),
        channels=channels,
        data_categories=grant.data_categories,
    )


def _is_outdated(case: _Case, grant: PurposeState) -> bool:
    """Whether what the customer was told has changed too much since (GDPR 4(11): informed)."""
    versions = case.settings.outdated.get(grant.notice_id or "", {})
    since_ms = versions.get(grant.notice_version or "")
    return since_ms is not None and since_ms <= case.question.at_ms


def _soft_opt_in(case: _Case) -> Permission | None:
    """Who bought may be written to about similar goods, until they object (ePrivacy 13(2))."""
    state, question = case.state, case.question
    if state is None or state.status is not Status.SOFT_OPT_IN or not case.rules.soft_opt_in:
        return None
    channels = _channels_covered(state)
    if not _covers(channels, question.channel):
        return case.deny(Denial.NOT_COVERED_CHANNEL, state)
    return Permission(
        purpose=question.purpose,
        permitted=True,
        because=None,
        basis=LawfulBasis.SOFT_OPT_IN,
        record_id=state.record_id,
        notice_version=state.notice_version,
        channels=channels,
        item_categories=state.item_categories,
    )


def _channels_covered(grant: PurposeState) -> frozenset[int] | None:
    """The channels a grant names, be it in its key; ``None`` when it names none."""
    in_key = channel_of(grant.purpose)
    return grant.channels if in_key is None else frozenset({int(in_key)})


def _covers(named: Collection[object] | None, asked: object | None) -> bool:
    return named is None or asked is None or asked in named


def _default(case: _Case) -> Permission:
    """On until objected to, or off until consented to (GDPR 25(2))."""
    state = case.state
    if case.entry.on_by_default:
        return Permission(
            case.question.purpose,
            permitted=True,
            because=None,
            basis=case.entry.basis,
            record_id=state.record_id if state else None,
            notice_version=state.notice_version if state else None,
        )
    if case.question.gpc and gpc_silences(case.entry.purpose, case.settings.gpc_scope):
        return case.deny(Denial.SIGNAL_OPT_OUT, state)
    return case.deny(OPEN[state.status] if state else Denial.PENDING, state)


STEPS: tuple[Callable[[_Case], Permission | None], ...] = (
    _essential_service,
    _statutory_block,
    _restriction,
    _taken_back,
    _signal,
    _not_yet,
    _specific_grant,
    _soft_opt_in,
    _default,
)
"""What wins, first to last."""
