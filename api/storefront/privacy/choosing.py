"""Where each purpose stands for a customer, in plain words, and how it is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from api.consents.choosing import Choosing
from api.consents.people import Person
from api.consents.written import drafted
from api.languages import say
from api.schemas.consents import ConsentChangeSchema
from api.storage.connection import reading, writing
from api.storage.consents import read_choices
from api.storage.notices import consent_in_force, list_notices
from api.storage.retention import Retention
from api.storefront.privacy.customer import Customer
from api.storefront.privacy.words import AGAINST, TITLES, USES
from api.transparency import BASES, DATA
from engine.vocabulary import Kind
from guardrails.consent.check import check
from guardrails.consent.events import GRANTS, REFUSALS, Status
from guardrails.consent.jurisdictions import jurisdiction_of
from guardrails.consent.ledger import Ledger
from guardrails.consent.notices import Notice
from guardrails.consent.permission import Denial, GpcStatus, LawfulBasis
from guardrails.consent.purposes import Purpose, entry_of
from guardrails.consent.settings import ConsentSettings
from guardrails.messages import Phrase
from guardrails.policy.limits import Limits
from guardrails.request import Choices, SubjectKind

_FROM_HISTORY = frozenset({Purpose.PROFILING, Purpose.PROFILED_CONTENT, Purpose.TARGETED_OFFERS})
_REACHES = Phrase("tell you about its goods in this way")
_YES = GRANTS | {Status.OBJECTION_NOT_RAISED, Status.SOFT_OPT_IN}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one purpose stands.

    Attributes:
        key: of the purpose.
        title: what it is called.
        meaning: what it is for.
        basis: what it rests on.
        choose: how one chooses.
        permitted: it may be served now.
        answer: what was chosen, ``yes`` or ``no``; ``None`` where nothing was.
        because: why it is off; ``None`` where it is on.
        since_ms: since when the choice stands.
        expires_at_ms: when a permission ends by itself.
        despite_signal: it is on although the browser's signal covers it.
        notice: what the customer was told when they chose.
        uses: data that it needs.
        kept: how long.
        closed: nothing can be changed now.
    """

    key: str
    title: str
    meaning: str
    basis: str
    choose: str
    permitted: bool
    answer: str | None
    because: str | None
    since_ms: int | None
    expires_at_ms: int | None
    despite_signal: bool
    notice: Notice | None
    uses: Sequence[str]
    kept: Sequence[str]
    closed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """All that a customer has chosen.

    Attributes:
        choices: as stored.
        consent: what they are checked by.
        notices: every notice.
    """

    choices: Choices
    consent: ConsentSettings
    notices: Sequence[Notice]

    @property
    def signal_can_be_overridden(self) -> bool:
        """Whether a yes of the customer may go before a browser's signal: not where the law says no."""
        rules = jurisdiction_of(self.choices.jurisdiction or self.consent.jurisdiction)
        return self.consent.gpc_override_allowed and rules.signal_may_be_overridden

    @property
    def personalizes(self) -> bool:
        """Whether the customer has not stopped it."""
        return not self.choices.non_profiled


@dataclass(frozen=True, slots=True, eq=False)
class Stands(Chosen):
    """The same, and what else there is to be told of it.

    Attributes:
        limits: how long evidence counts.
        restricted_since_ms: since when all use is restricted; ``None`` where it is not.
    """

    limits: Limits
    restricted_since_ms: int | None


def read_standing(customer: Customer) -> Stands:
    """Return what a customer has chosen, as it is in force for this request."""
    with reading(customer.found.engine) as conn:
        chosen = _read_chosen(conn, customer)
        limits = customer.found.runtime.as_of(conn).house.limits
    restriction = (chosen.choices.ledger or Ledger.empty()).restriction_at(customer.now_ms)
    return Stands(
        choices=chosen.choices,
        consent=chosen.consent,
        notices=chosen.notices,
        limits=limits,
        restricted_since_ms=restriction.at_ms if restriction else None,
    )


def standing_of(key: str, of: Stands, customer: Customer) -> Standing:
    """Return where a purpose stands, in the language of the page."""
    ledger = of.choices.ledger or Ledger.empty()
    entry, state = of.consent.in_force(entry_of(key)), ledger.get(key)
    answer = check(ledger, of.choices.question(key, customer.now_ms, gpc=customer.gpc), of.consent)
    basis, choose = BASES[entry.basis]
    because = None if answer.because is None else say(AGAINST[answer.because])
    if answer.permitted and not of.personalizes and entry.purpose in _FROM_HISTORY:
        because = say("You said yes, but you have stopped personalizing: it is not used.")
    return Standing(
        key=key,
        title=say(TITLES[key]),
        meaning=say(_REACHES if entry.purpose is Purpose.COMMUNICATIONS else entry.meaning),
        basis=say(basis),
        choose=say(choose),
        permitted=answer.permitted and because is None,
        answer=None if state is None else _answer(state.status),
        because=because,
        since_ms=None if state is None else state.at_ms,
        expires_at_ms=answer.expires_at_ms,
        despite_signal=answer.gpc is GpcStatus.OVERRIDDEN,
        notice=None if state is None else _notice(of.notices, state.notice_id, state.notice_version),
        uses=[say(DATA[each]) for each in USES.get(entry.purpose, ())],
        kept=_kept(entry.purpose, entry.basis, of),
        closed=answer.because in {Denial.MINOR, Denial.RESTRICTED},
    )


def choose(customer: Customer, answers: Mapping[str, str]) -> str | None:
    """Store what a customer answers, ``yes`` or ``no`` by purpose; it holds from the next request on.

    A yes is bound to the latest notice that asks for the purpose. On this page it is said right beside the
    question when the browser's signal says no, so a yes is one that was confirmed against it. Nothing is
    asked of the house: a choice can be made where nothing can be suggested.

    Returns:
        The id of the cascade by which a profile is forgotten; ``None`` where none is.

    Raises:
        InvalidRequestError: a purpose cannot be chosen.
        ErasedError: the customer was erased.
    """
    with reading(customer.found.engine) as conn:
        chosen = _read_chosen(conn, customer)
    body = {"events": [_event(key, each, chosen, customer) for key, each in answers.items()]}
    return store(customer, body)


def store(customer: Customer, body: Mapping[str, Any]) -> str | None:
    """Store choices, written as the API takes them; return the id of the cascade that they set off."""
    found = customer.found
    drafts = drafted(ConsentChangeSchema().load(body), found.settings, customer.now_ms)
    with writing(found.engine) as conn:
        chosen = Choosing(
            conn=conn,
            person=Person(SubjectKind.ACCOUNT, customer.key),
            subjects=found.subjects,
            settings=found.settings,
            now_ms=customer.now_ms,
            new_id=found.new_id,
            gpc=customer.gpc,
        ).store(drafts)
    if chosen.cascade_id is not None:
        found.cascades.wake()
    return chosen.cascade_id


def _read_chosen(conn: Connection, customer: Customer) -> Chosen:
    return Chosen(
        choices=read_choices(conn, customer.key)[0],
        consent=consent_in_force(conn, customer.found.settings.consent),
        notices=list_notices(conn),
    )


def _event(key: str, answer: str, of: Chosen, customer: Customer) -> dict[str, Any]:
    entry = of.consent.in_force(entry_of(key))
    state = (of.choices.ledger or Ledger.empty()).get(key)
    by_default = entry.basis is LawfulBasis.LEGITIMATE_INTEREST
    said = {"purpose": key, "method": "toggle", "explicit": True}
    if answer == "no":
        took_back = state is not None and state.grants
        refused = Status.CONSENT_WITHDRAWN if took_back else Status.CONSENT_REFUSED
        return {**said, "status": (Status.OBJECTION_RAISED if by_default else refused).value}
    if by_default:
        return {**said, "status": Status.OBJECTION_NOT_RAISED.value}
    yes = {**said, "status": Status.CONSENT_GIVEN.value, "confirmed_override": customer.gpc}
    notice = _asking_for(key, of.notices, customer.now_ms)
    if notice is None:
        return yes
    return {
        **yes,
        "notice_id": notice.notice_id,
        "notice_version": notice.version,
        "notice_language": notice.language,
    }


def _asking_for(key: str, notices: Sequence[Notice], now_ms: int) -> Notice | None:
    """Return the latest notice in force that asks for a purpose."""
    asking = [each for each in notices if key in each.purposes and each.effective_from_ms <= now_ms]
    return max(asking, key=lambda each: each.effective_from_ms, default=None)


def _notice(notices: Sequence[Notice], notice_id: str | None, version: str | None) -> Notice | None:
    return next((each for each in notices if (each.notice_id, each.version) == (notice_id, version)), None)


def _answer(status: Status) -> str | None:
    if status in _YES:
        return "yes"
    return "no" if status in REFUSALS else None


def _kept(purpose: Purpose, basis: LawfulBasis, of: Stands) -> list[str]:
    evidence = of.limits.evidence
    days = evidence.max_age_days()
    kept: list[str] = []
    if purpose in _FROM_HISTORY:
        counts = Phrase(
            "What you bought counts for {bought} days at most, what you looked at for {seen} days.",
            bought=int(days[Kind.PURCHASE]),
            seen=int(days[Kind.VIEW]),
        )
        kept.append(say(counts))
    if purpose is Purpose.FUNCTIONAL_STORAGE:
        kept.append(say(Phrase("A visit counts for {hours} hours.", hours=evidence.session_hours)))
    if purpose is Purpose.SENSITIVE:
        kept.append(say(Phrase("It counts for {days} days at most.", days=evidence.sensitive_days)))
    if purpose is Purpose.PERFORMANCE:
        kept.append(say(Phrase("It is kept for {days} days at most.", days=Retention().measured_days)))
    if basis in {LawfulBasis.CONSENT, LawfulBasis.EXPLICIT_CONSENT}:
        ends = Phrase("A yes ends by itself after {days} days.", days=of.consent.valid_for_days)
        kept.append(say(ends))
    return kept
