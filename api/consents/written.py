"""From what was written to events, before they are held against what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from api.errors import ClockSkewError, Finding, InvalidRequestError
from api.imports.consents import STATUSES
from api.pointers import pointer_to
from api.settings import Settings
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, from_word
from guardrails.consent.events import WHOLE_SUBJECT, ConsentEvent, Parent
from guardrails.consent.purposes import entry_of
from guardrails.consent.validation import validate
from guardrails.errors import ConsentEventError, UnknownPurposeError
from guardrails.messages import Phrase

UNNAMED = ""
"""Record id of an event that was sent without one, until it gets its own."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """An event before it is held against what is stored.

    Attributes:
        event: as far as the sender said; without an id of its own ``UNNAMED``.
        timed: the sender said when it was.
        pointer: JSON pointer to where it stands in the body.
    """

    event: ConsentEvent
    timed: bool
    pointer: str


def drafted(body: Mapping[str, Any], settings: Settings, now_ms: int) -> list[Drafted]:
    """Return the choices of a body, written directly or under ``events``.

    Raises:
        InvalidRequestError: some cannot be understood; every one of them is named.
        ClockSkewError: one claims a time that cannot be.
    """
    several = "events" in body
    drafts: list[Drafted] = []
    findings: list[Finding] = []
    for index, fields in enumerate(body["events"] if several else (body,)):
        pointer = pointer_to("events", index) if several else ""
        draft = Drafted(_event(fields, settings, now_ms), "at_ms" in fields, pointer)
        finding = _finding(draft)
        if finding is not None:
            findings.append(finding)
        drafts.append(draft)
    if findings:
        raise InvalidRequestError(findings)
    return drafts


def _finding(draft: Drafted) -> Finding | None:
    """Return what is wrong with a choice, and where; ``None`` when nothing is."""
    event = draft.event
    try:
        if event.purpose != WHOLE_SUBJECT:
            entry_of(event.purpose)
        validate(replace(event, record_id=event.record_id or "given later"))
    except UnknownPurposeError as error:
        return Finding(error.args[0], pointer=draft.pointer + pointer_to("purpose"))
    except ConsentEventError as error:
        return Finding(error.args[0], pointer=draft.pointer)
    return None


def invalid(findings: Iterable[tuple[Drafted, ConsentEventError, str]]) -> InvalidRequestError:
    """Return the error that names drafts which cannot be stored, each with the field at fault."""
    return InvalidRequestError(
        [Finding(error.args[0], pointer=draft.pointer + field) for draft, error, field in findings]
    )


def _event(fields: Mapping[str, Any], settings: Settings, now_ms: int) -> ConsentEvent:
    parent = fields.get("parent")
    return ConsentEvent(
        record_id=fields.get("record_id", UNNAMED),
        purpose=fields["purpose"],
        status=STATUSES[fields["status"]],
        at_ms=_moment_ms(fields.get("at_ms", now_ms), settings, now_ms),
        valid_until_ms=fields.get("valid_until_ms"),
        channels=_set(fields.get("channels"), lambda name: int(from_word(Channel, name))),
        data_categories=_set(fields.get("data_categories"), str),
        notice_id=fields.get("notice_id"),
        notice_version=fields.get("notice_version"),
        method=fields["method"],
        actor=fields["actor"],
        explicit=fields["explicit"],
        confirmed_override=fields["confirmed_override"],
        language=fields.get("notice_language"),
        served_id=fields.get("served_id"),
        parent=None if parent is None else Parent(**parent),
        item_categories=_set(fields.get("item_categories"), str),
    )


def _set(values: Sequence[str] | None, read: Any) -> frozenset[Any] | None:
    return None if values is None else frozenset(map(read, values))


def _moment_ms(at_ms: int, settings: Settings, now_ms: int) -> int:
    if at_ms > now_ms + settings.max_event_future_s * 1000:
        raise ClockSkewError("a choice cannot be made in the future")
    if at_ms < now_ms - settings.max_event_age_days * DAY_MS:
        raise ClockSkewError(
            Phrase("a choice made more than {n} days ago is not taken", n=settings.max_event_age_days)
        )
    return at_ms
