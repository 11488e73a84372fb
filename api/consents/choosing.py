"""Storing choices, with everything that follows from them, in one transaction.

Whatever answers after the commit goes by the new choices. What follows: a choice is bound to what
its notice says; a child's own consent is stored as the invalid thing it is; a refusal on this device
that the person has now answered otherwise is neutral; and when somebody stops permitting a profile,
the profile goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from api.consents.people import Person
from api.consents.written import UNNAMED, Drafted, invalid
from api.errors import ErasedError
from api.forgetting.begin import begin_withdrawal
from api.logbook import keyring_of
from api.settings import Settings
from api.storage.cascades import running_erasure
from api.storage.consents import append_events, lock_subject, read_choices, read_events, read_ledger
from api.storage.devices import is_shared, seen_on_device
from api.storage.notices import consent_in_force, get_notice
from api.storage.rights import note_signal
from api.storage.subjects import Subjects
from api.storage.suppressions import lift, suppressed_since
from guardrails.consent.ages import lacks_parent
from guardrails.consent.check import LOOSENING
from guardrails.consent.events import (
    DATA_SUBJECT,
    GRANTS,
    REFUSALS,
    ConsentEvent,
    Status,
    with_defaults,
)
from guardrails.consent.jurisdictions import jurisdiction_of
from guardrails.consent.ledger import Ledger, PurposeState, says_the_same
from guardrails.consent.merge import confirmed_here
from guardrails.consent.notices import under_notice
from guardrails.consent.permission import GpcStatus
from guardrails.consent.purposes import KEY_OF, Purpose, entry_of
from guardrails.consent.settings import ConsentSettings
from guardrails.consent.signals.gpc import gpc_covers
from guardrails.errors import ConsentEventError
from guardrails.request import Choices, SubjectKind

_PROFILING = KEY_OF[Purpose.PROFILING]
_OPENING = GRANTS | {Status.SOFT_OPT_IN}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What came of choices.

    Attributes:
        events: as they are stored, in the order in which they were sent.
        choices: what the subject permits now.
        consent: what it was checked by.
        cascade_id: the forgetting of a profile that this set off; ``None`` when there was none.
        shared_device: several customers use the device.
    """

    events: tuple[ConsentEvent, ...]
    choices: Choices
    consent: ConsentSettings
    cascade_id: str | None
    shared_device: bool


@dataclass(frozen=True, slots=True, eq=False)
class Choosing:
    """Stores choices of one person.

    Attributes:
        conn: a writing connection; the transaction is the caller's.
        person: whose choices.
        subjects: the shop's pseudonyms.
        settings: how long consent lasts, who is told of a withdrawal.
        now_ms: the clock, milliseconds since the epoch.
        new_id: makes random ids.
        gpc: the request carries ``Sec-GPC: 1``.
    """

    conn: Connection
    person: Person
    subjects: Subjects
    settings: Settings
    now_ms: int
    new_id: Callable[[], str]
    gpc: bool = False

    def store(self, drafts: Sequence[Drafted]) -> Chosen:
        """Store choices; all of them or, if one cannot be, none.

        Raises:
            InvalidRequestError: a choice does not go with its notice, or the notice is not known.
            ConsentEventError: a record id is taken by another event.
            ErasedError: the subject was erased, and this is not their own new and express consent.
        """
        conn, key = self.conn, self._key
        for each in sorted({key, *self._devices}):  # one order, so that no two can deadlock
            lock_subject(conn, each)
        consent = consent_in_force(conn, self.settings.consent)
        choices, _ = read_choices(conn, key)
        before = choices.ledger or Ledger.empty()
        stored = self._stored(drafts)
        placed = self._in_order(drafts, before, stored)
        events = [self._finished(event, choices, consent) for event in self._bound(drafts, placed)]
        events = [_as_stored(event, stored) for event in events]
        self._let_back(events)
        append_events(conn, key, self.person.kind, events, self.now_ms)
        cascade_id = self._forget_profile(before, events, consent)
        self._note_device(drafts, events, stored)
        if self.gpc:
            note_signal(conn, key, "gpc", "1", self.now_ms)
        after, _ = read_choices(conn, key, self.person.beside)
        return Chosen(tuple(events), after, consent, cascade_id, self._shared())

    @property
    def _key(self) -> bytes:
        if self.person.key is None:
            raise ConsentEventError("nobody is named whose choice this is")
        return self.person.key

    @property
    def _devices(self) -> tuple[bytes, ...]:
        """The device that an account is used on."""
        device_key = self.person.device_key
        return () if device_key is None or self.person.kind is not SubjectKind.ACCOUNT else (device_key,)

    def _stored(self, drafts: Sequence[Drafted]) -> dict[str, ConsentEvent]:
        """Return what is stored already of the events that were sent with an id of their own."""
        sent = {draft.event.record_id for draft in drafts} - {UNNAMED}
        if not sent:
            return {}
        return {
            event.record_id: event for event in read_events(self.conn, self._key) if event.record_id in sent
        }

    def _in_order(
        self, drafts: Sequence[Drafted], ledger: Ledger, stored: dict[str, ConsentEvent]
    ) -> list[ConsentEvent]:
        """Give choices their ids, and those that name no time their time.

        One that is sent again keeps the time it was stored with. Any other comes after what stands,
        although the clock of that may have run ahead of ours: otherwise a withdrawal taken by a host
        whose clock is late would lose against the grant it withdraws.
        """
        latest = {purpose: state.at_ms for purpose, state in ledger.states.items()}
        placed: list[ConsentEvent] = []
        for draft in drafts:
            event = draft.event
            if not draft.timed and event.record_id in stored:
                event = replace(event, at_ms=stored[event.record_id].at_ms)
            elif not draft.timed and event.purpose in latest:
                least = latest[event.purpose] + (1 if event.status in LOOSENING else 0)
                event = replace(event, at_ms=max(event.at_ms, least))
            latest[event.purpose] = max(event.at_ms, latest.get(event.purpose, 0))
            placed.append(replace(event, record_id=event.record_id or self.new_id()))
        return placed

    def _bound(self, drafts: Sequence[Drafted], events: Sequence[ConsentEvent]) -> list[ConsentEvent]:
        """Bind each to the notice it names.

        Raises:
            InvalidRequestError: the notice is not known, or does not say what the choice needs.
        """
        bound: list[ConsentEvent] = []
        findings: list[tuple[Drafted, ConsentEventError, str]] = []
        for draft, event in zip(drafts, events, strict=True):
            try:
                bound.append(self._under_its_notice(event))
            except ConsentEventError as error:
                findings.append((draft, error, "/notice_id"))
        if findings:
            raise invalid(findings)
        return bound

    def _under_its_notice(self, event: ConsentEvent) -> ConsentEvent:
        if event.notice_id is None:
            return event
        if event.notice_version is None:
            raise ConsentEventError("a notice is named together with its version")
        notice = get_notice(self.conn, event.notice_id, event.notice_version, event.language)
        if notice is None:
            raise ConsentEventError("this notice is not known: register it first")
        return under_notice(event, notice)

    def _finished(self, event: ConsentEvent, choices: Choices, consent: ConsentSettings) -> ConsentEvent:
        """Say under which law it was given, what the signal had to do with it, and when it ends."""
        rules = jurisdiction_of(choices.jurisdiction or consent.jurisdiction)
        lacking = lacks_parent(event.actor, choices.age_band, rules.consent_age)
        if event.grants and choices.minor and lacking:  # GDPR 8(1): it was said, and it has no effect
            event = replace(event, status=Status.CONSENT_INVALIDATED, valid_until_ms=None)
            event = replace(event, channels=None, data_categories=None, confirmed_override=False)
        event = replace(event, jurisdiction=rules.fingerprint, gpc=self._gpc_status(event, consent))
        return with_defaults(event, consent)

    def _gpc_status(self, event: ConsentEvent, consent: ConsentSettings) -> GpcStatus:
        if not (self.gpc and event.grants):
            return GpcStatus.NONE
        covered = gpc_covers(entry_of(event.purpose).purpose, None, consent.gpc_scope, out_of_context=False)
        if not covered:
            return GpcStatus.NONE
        return GpcStatus.OVERRIDDEN if event.confirmed_override else GpcStatus.APPLIED

    def _let_back(self, events: Sequence[ConsentEvent]) -> None:
        """Let somebody who was erased come back on their own express word since, and on nothing else.

        What opens nothing, as a refusal, is taken down from anybody once the erasure is done.

        Raises:
            ErasedError: this is not it, or the erasure is still under way.
        """
        suppression = self.subjects.suppression(self._key)
        since_ms = suppressed_since(self.conn, suppression)
        if since_ms is None:
            return
        if running_erasure(self.conn, self._key) is not None:
            raise ErasedError("the erasure of this customer is still under way")
        opening = [event for event in events if event.status in _OPENING]
        if not opening:
            return
        if not any(_is_their_own_word(event) and event.at_ms > since_ms for event in opening):
            raise ErasedError("was erased, and comes back by an express consent of their own alone")
        with keyring_of(self.settings) as keyring:  # first there: what it remembers is applied again
            keyring.forget_erased(suppression)
        lift(self.conn, suppression)

    def _forget_profile(
        self, before: Ledger, events: Sequence[ConsentEvent], consent: ConsentSettings
    ) -> str | None:
        """Set off the forgetting of a profile that stood, or may have been kept, until now."""
        state = before.get(_PROFILING)
        refused = any(event.purpose == _PROFILING and event.status in REFUSALS for event in events)
        assumed = consent.in_force(entry_of(_PROFILING)).on_by_default
        stood = assumed if state is None else state.grants or (assumed and state.status not in REFUSALS)
        if not (stood and refused):
            return None
        return begin_withdrawal(self.conn, self.new_id(), self._key, self.settings.recipients, self.now_ms)

    def _note_device(
        self, drafts: Sequence[Drafted], events: Sequence[ConsentEvent], stored: dict[str, ConsentEvent]
    ) -> None:
        """Note who is logged in on the device, and what they confirmed there.

        A choice that arrives late, or again, answers no refusal that was made on the device since. On
        a device that several use nobody confirms for the others.
        """
        for device_key in self._devices:
            seen_on_device(self.conn, device_key, self._key, self.now_ms)
            if is_shared(self.conn, device_key, self.now_ms):
                continue
            device = read_ledger(self.conn, device_key)
            answers = [
                event
                for draft, event in zip(drafts, events, strict=True)
                if event.record_id not in stored
                and not (draft.timed and _is_before(event, device.get(event.purpose)))
            ]
            confirmed = confirmed_here(device, answers, (self.new_id() for _ in answers))
            append_events(self.conn, device_key, SubjectKind.DEVICE, confirmed, self.now_ms)

    def _shared(self) -> bool:
        return any(is_shared(self.conn, device_key, self.now_ms) for device_key in self._devices)


def _is_their_own_word(event: ConsentEvent) -> bool:
    return event.grants and event.explicit and event.actor == DATA_SUBJECT


def _is_before(event: ConsentEvent, state: PurposeState | None) -> bool:
    return state is not None and event.at_ms <= state.at_ms


def _as_stored(event: ConsentEvent, stored: dict[str, ConsentEvent]) -> ConsentEvent:
    """Return an event that was sent before as it was stored, though rules may have changed since."""
    known = stored.get(event.record_id)
    return known if known is not None and says_the_same(known, event) else event
