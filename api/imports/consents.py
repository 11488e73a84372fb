"""Consent events from a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b

from sqlalchemy import Connection

from api.errors import FieldError
from api.imports.batches import Batch, Reject
from api.imports.fields import (
    Record,
    TimeLimits,
    read_flag,
    read_id,
    read_moment_ms,
    read_text,
    require,
)
from api.imports.readers import Fields
from api.imports.stored import Stored
from api.imports.suppression import WAS_ERASED, erased_customers
from api.storage.consents import SubjectEvent, import_events
from api.storage.customers import end_histories
from api.storage.notices import get_notice
from api.storage.subjects import Subjects
from engine.vocabulary import Channel, from_word
from guardrails.consent.events import (
    ACTORS,
    METHODS,
    REFUSALS,
    WHOLE_SUBJECT,
    ConsentEvent,
    Parent,
    Status,
    with_defaults,
)
from guardrails.consent.notices import Notice, under_notice
from guardrails.consent.purposes import KEY_OF, Purpose, entry_of
from guardrails.consent.settings import ConsentSettings
from guardrails.consent.validation import validate
from guardrails.errors import ConsentEventError, UnknownPurposeError
from guardrails.request import SubjectKind

FRIENDLY = {
    "given": Status.CONSENT_GIVEN,
    "renewed": Status.RENEWED_CONSENT_GIVEN,
    "refused": Status.CONSENT_REFUSED,
    "withdrawn": Status.CONSENT_WITHDRAWN,
    "revoked": Status.CONSENT_REVOKED,
    "expired": Status.CONSENT_EXPIRED,
    "invalidated": Status.CONSENT_INVALIDATED,
    "requested": Status.CONSENT_REQUESTED,
    "deferred": Status.CONSENT_REQUEST_DEFERRED,
    "unknown": Status.CONSENT_UNKNOWN,
    "objected": Status.OBJECTION_RAISED,
    "not_objected": Status.OBJECTION_NOT_RAISED,
    "soft_opt_in": Status.SOFT_OPT_IN,
    "restricted": Status.RESTRICTED,
    "restriction_lifted": Status.RESTRICTION_LIFTED,
}
"""Plain words for the statuses; the names of the Data Privacy Vocabulary are understood as well."""

STATUSES = {**FRIENDLY, **{status.value: status for status in Status}}

IMPORTED_BY = "import:file"
"""Who acted, when a file does not say."""

_NOT_YET_NAMED = "import"
_PROFILING = KEY_OF[Purpose.PROFILING]

CONSENT_FIELDS = Fields(
    known=frozenset(
        {
            "record_id",
            "customer_id",
            "purpose",
            "status",
            "at",
            "at_ms",
            "valid_until",
            "valid_until_ms",
            "channels",
            "data_categories",
            "explicit",
            "notice_id",
            "notice_version",
            "language",
            "method",
            "actor",
            "parent_relation",
            "parent_verification",
            "parent_verified_at",
            "parent_verified_at_ms",
            "item_categories",
        }
    ),
    required=(("customer_id",), ("purpose",), ("status",), ("at", "at_ms")),
)


def read_consent(
    record: Record, subject_key: bytes, limits: TimeLimits, settings: ConsentSettings
) -> ConsentEvent:
    """Understand one record.

    Args:
        record: the record.
        subject_key: the pseudonym of its customer.
        limits: times that can be.
        settings: how long a grant lasts.

    Raises:
        FieldError: a field is missing or cannot be used, or the law gives the event no effect.
    """
    record_id = read_id(record, "record_id")
    event = ConsentEvent(
        record_id=record_id or _NOT_YET_NAMED,
        purpose=_purpose(record),
        status=_status(record),
        at_ms=require("at", read_moment_ms(record, "at", limits)),
        valid_until_ms=read_moment_ms(record, "valid_until"),
        channels=_channels(record),
        data_categories=_words(record, "data_categories"),
        notice_id=read_id(record, "notice_id"),
        notice_version=read_id(record, "notice_version"),
        method=_method(record),
        actor=_actor(record),
        explicit=read_flag(record, "explicit") or False,
        confirmed_override=False,
        language=read_id(record, "language"),
        parent=_parent(record),
        item_categories=_words(record, "item_categories"),
    )
    try:
        validate(event)
    except ConsentEventError as error:
        raise FieldError("", str(error)) from None
    if record_id is None:
        event = replace(event, record_id=_name_by_content(event, subject_key))
    return with_defaults(event, settings)


def _parent(record: Record) -> Parent | None:
    """Return who consented in the place of a child; ``None`` where nobody is named."""
    relation = read_id(record, "parent_relation")
    if relation is None:
        return None
    return Parent(
        relation=relation,
        verification_method=require("parent_verification", read_id(record, "parent_verification")),
        verified_at_ms=require("parent_verified_at", read_moment_ms(record, "parent_verified_at")),
    )


def _purpose(record: Record) -> str:
    key = require("purpose", read_id(record, "purpose"))
    if key == WHOLE_SUBJECT:
        return key
    try:
        entry_of(key)
    except UnknownPurposeError:
        raise FieldError("purpose", "is not in the register of purposes") from None
    return key


def _status(record: Record) -> Status:
    said = require("status", read_id(record, "status"))
    status = STATUSES.get(said) or STATUSES.get(said.lower())
    if status is None:
        raise FieldError("status", f"is none of {', '.join(FRIENDLY)} nor a status of the vocabulary")
    return status


def _method(record: Record) -> str:
    method = read_id(record, "method") or "import"
    if method not in METHODS:
        raise FieldError("method", f"is none of {', '.join(sorted(METHODS))}")
    return method


def _actor(record: Record) -> str:
    actor = read_id(record, "actor") or IMPORTED_BY
    sources = tuple(known for known in ACTORS if known.endswith(":"))
    if actor not in ACTORS and not actor.startswith(sources):
        raise FieldError("actor", f"is none of {', '.join(ACTORS)}")
    if actor in sources:
        raise FieldError("actor", "names no source behind its colon")
    return actor


def _words(record: Record, name: str) -> frozenset[str] | None:
    """Return a set of words, written as a list or as text with commas; ``None`` when there is none."""
    value = record.get(name)
    if isinstance(value, list):  # an empty one is a limit to nothing, which is refused further on
        return frozenset(require(name, read_text({name: part}, name)) for part in value)
    text = read_text(record, name)
    return None if text is None else frozenset(part.strip() for part in text.split(","))


def _channels(record: Record) -> frozenset[int] | None:
    words = _words(record, "channels")
    if words is None:
        return None
    try:
        return frozenset(int(from_word(Channel, word)) for word in words)
    except KeyError:
        raise FieldError("channels", "names something that is not a channel") from None


def _name_by_content(event: ConsentEvent, subject_key: bytes) -> str:
    """Return an id made of what the event says, so that saying it twice is saying it once."""
    said = (
        subject_key.hex(),
        event.purpose,
        event.status.value,
        event.at_ms,
        event.valid_until_ms,
        sorted(event.channels or ()),
        sorted(event.data_categories or ()),
        event.notice_id,
        event.notice_version,
        event.method,
        event.actor,
        event.explicit,
        *(() if event.parent is None else (event.parent,)),
        *(() if event.item_categories is None else (sorted(event.item_categories),)),
    )
    digest = blake2b(repr(said).encode(), digest_size=16, person=b"tactful consent").hexdigest()
    return f"import-{digest}"


def _withdrawn(events: Iterable[SubjectEvent]) -> dict[bytes, int]:
    """Return until when each profile was last refused; the purge removes what was collected by then."""
    until_ms: dict[bytes, int] = {}
    for subject_key, _, event in events:
        if event.purpose == _PROFILING and event.status in REFUSALS:
            until_ms[subject_key] = max(event.at_ms, until_ms.get(subject_key, 0))
    return until_ms


class ConsentImport:
    """Stores runs of consent events.

    Args:
        subjects: the shop's pseudonyms.
        limits: times that can be.
        settings: how long a grant lasts.
        now_ms: the clock.
    """

    fields = CONSENT_FIELDS

    def __init__(
        self, subjects: Subjects, limits: TimeLimits, settings: ConsentSettings, now_ms: int
    ) -> None:
        self._subjects = subjects
        self._limits = limits
        self._settings = settings
        self._now_ms = now_ms
        self._notices: dict[tuple[str, str, str | None], Notice | None] = {}

    def store(self, conn: Connection, batch: Batch) -> tuple[Stored, list[Reject]]:
        """Store a run; what cannot be stored comes back as rejects."""
        events: list[SubjectEvent] = []
        lines: list[int] = []
        rejects: list[Reject] = []
        erased = self._erased(conn, batch)
        for line, record in batch.records():
            try:
                customer_id = require("customer_id", read_id(record, "customer_id"))
                if customer_id in erased:
                    raise FieldError("customer_id", WAS_ERASED)  # noqa: TRY301  as every field that is wrong
                subject_key = self._subjects.account(customer_id)
                event = read_consent(record, subject_key, self._limits, self._settings)
                event = self._under_its_notice(conn, event)
                events.append((subject_key, SubjectKind.ACCOUNT, event))
                lines.append(line)
            except FieldError as error:
                rejects.append(Reject(line, error.field, error.reason))
        try:
            inserted = self._import(conn, events)
            return Stored(inserted=inserted, unchanged=len(events) - inserted), rejects
        except ConsentEventError:  # nothing of the run was stored: find out which event it was
            return self._store_one_by_one(conn, zip(lines, events, strict=True), rejects)

    def _import(self, conn: Connection, events: Sequence[SubjectEvent]) -> int:
        inserted = import_events(conn, events, self._now_ms)
        end_histories(conn, _withdrawn(events))
        return inserted

    def _under_its_notice(self, conn: Connection, event: ConsentEvent) -> ConsentEvent:
        """Bind an event to the notice it names.

        Raises:
            FieldError: the notice is not registered, or does not say what the event needs.
        """
        if event.notice_id is None:
            return event
        named = event.notice_id, require("notice_version", event.notice_version), event.language
        if named not in self._notices:  # what was registered never changes
            self._notices[named] = get_notice(conn, *named)
        notice = self._notices[named]
        if notice is None:
            raise FieldError("notice_id", "is not registered in this version: register it first")
        try:
            return under_notice(event, notice)
        except ConsentEventError as error:
            raise FieldError("notice_id", str(error)) from None

    def _erased(self, conn: Connection, batch: Batch) -> frozenset[str]:
        """Return the customers of a run who were erased; what is no id is refused where it is read."""
        ids: set[str | None] = set()
        for _, record in batch.records():
            with suppress(FieldError):
                ids.add(read_id(record, "customer_id"))
        return erased_customers(conn, self._subjects, ids)

    def _store_one_by_one(
        self, conn: Connection, events: Iterable[tuple[int, SubjectEvent]], rejects: list[Reject]
    ) -> tuple[Stored, list[Reject]]:
        stored = Stored()
        for line, event in events:
            try:
                inserted = self._import(conn, [event])
                stored += Stored(inserted=inserted, unchanged=1 - inserted)
            except ConsentEventError:
                rejects.append(Reject(line, "record_id", "is taken by another event"))
        return stored, rejects
