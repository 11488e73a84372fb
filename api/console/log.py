"""The log as a whole: how large, how vouched for, and what was last written into it, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response
from marshmallow import fields, validate

from api.auth import staff
from api.console.log_words import TYPES, People, Told, told_of
from api.console.showing import show
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.schemas.base import RequestSchema
from api.schemas.decisions import MOST
from api.storage.accounts import list_accounts
from api.storage.api_keys import Role, list_keys
from api.storage.connection import reading
from api.storage.log import entries_before, hashes_of, read_state
from api.wiring import wiring
from guardrails.errors import LogError
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.merkle import root_at
from guardrails.log.notes import text_of
from guardrails.log.verifier import InvalidError, open_note, parse_vkey

LOG = "/console/log"

PAGE = 50
_MINUTE_MS = 60_000
_MOST_NOTE = 20_000
_ACTS = "acts"
"""Everything but decisions."""
_AUDITORS = staff(Role.AUDITOR)

blueprint = Pages("console_log", __name__)


class _LogSchema(RequestSchema):
    at = fields.Integer(validate=validate.Range(0, MOST))
    before = fields.Integer(validate=validate.Range(1, MOST))
    kind = fields.String(validate=validate.OneOf([*TYPES, _ACTS]))


class _KeptSchema(RequestSchema):
    checkpoint = fields.String(required=True, validate=validate.Length(1, _MOST_NOTE))


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as the page shows it.

    Attributes:
        log_index: its place.
        at_ms: its minute, milliseconds since the epoch.
        type: word for what it tells of.
        told: the same in words.
        is_wanted: whether it is the one that was asked for.
    """

    log_index: int
    at_ms: int
    type: str
    told: Told
    is_wanted: bool


@blueprint.page("GET", LOG, _AUDITORS, query=_LogSchema())
def log_page(query: dict[str, Any]) -> Response:
    """Show how the log stands, and its last entries."""
    return _shown(query, Form())


@blueprint.page("POST", LOG, _AUDITORS, form=_KeptSchema())
def check_kept(form: Form) -> Response:
    """Say whether the log goes on from a checkpoint that somebody kept."""
    if not form.ok:
        return _shown({}, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        kept = _kept(form.data["checkpoint"])
    except (InvalidError, LogError):
        wrong = form.but("checkpoint", say("this is no checkpoint that a key of this log has signed"))
        return _shown({}, wrong, HTTPStatus.UNPROCESSABLE_ENTITY)
    with reading(wiring().engine) as conn:
        size = read_state(conn).size
        holds = kept.size <= size and root_at(kept.size, hashes_of(conn)) == kept.root
    return _shown({}, form, goes_on=holds, kept_size=kept.size)


def _kept(written: str) -> Checkpoint:
    """Return a checkpoint whose signature is good.

    Raises:
        InvalidError: it is not signed by a key of the log.
        LogError: it is no checkpoint.
    """
    note = written.replace("\r\n", "\n").strip("\n") + "\n"
    keys = [parse_vkey(each) for each in wiring().logbook.vkeys]
    text, signed = open_note(note.encode(), keys)
    if not any(each.checked for each in signed):
        raise InvalidError("no key of the log has signed it")
    return Checkpoint.parse(text)


def _shown(
    query: Mapping[str, Any],
    form: Form,
    status: int = HTTPStatus.OK,
    *,
    goes_on: bool | None = None,
    kept_size: int = 0,
) -> Response:
    found = wiring()
    note = found.logbook.checkpoint()
    standing = found.logbook.standing()
    lines = _lines(query, standing.size)
    witnesses = [parse_vkey(each.vkey).name for each in found.settings.log_witnesses]
    return show(
        "console/log/log.html",
        status=status,
        form=form,
        origin=found.logbook.origin,
        vkeys=found.logbook.vkeys,
        note=note,
        root=Checkpoint.parse(text_of(note)).root.hex(),
        standing=standing,
        witnesses=witnesses,
        lines=lines,
        older=lines[-1].log_index if len(lines) == PAGE and lines[-1].log_index else None,
        kind=query.get("kind", ""),
        kinds=[
            ("", say("entries of all kinds")),
            (_ACTS, say("everything but decisions")),
            *((key, say(name)) for key, name in TYPES.items()),
        ],
        at=query.get("at"),
        goes_on=goes_on,
        kept_size=kept_size,
    )


def _lines(query: Mapping[str, Any], size: int) -> Sequence[Line]:
    kind, at = query.get("kind"), query.get("at")
    before = query.get("before", size if at is None else at + PAGE // 5 + 1)
    with reading(wiring().engine) as conn:
        entries = entries_before(conn, before, PAGE, _types(kind))
        people = People(
            {each.account_id: each.name for each in list_accounts(conn)},
            {each.key_id: each.label for each in list_keys(conn)},
        )
    return [_line(place, entry, people, at) for place, entry in entries]


def _types(kind: str | None) -> Collection[str] | None:
    if kind is None:
        return None
    return TYPES if kind == _ACTS else [kind]


def _line(place: int, entry: bytes, people: People, at: int | None) -> Line:
    said = orjson.loads(entry)
    return Line(place, said["t_min"] * _MINUTE_MS, said["type"], told_of(said, people), place == at)
