"""An export as it is handed out: one JSON document, or a zip of one CSV file a section.

Both are yielded in small pieces while they are read; nothing is written to a disk on the way. The
published schema is made from the same sections as the document, so it cannot fall behind.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection

from api.rights.readings import Subject, time_of
from api.rights.sections import SECTIONS, Column, Form, Scope, sections_of
from api.storage.requests import RequestKind, RequestState, close_request, open_request

FORMAT = "tactful-export/1"
SCHEMA_PATH = "/v1/schemas/export.json"

_PIECE = 1 << 16
_PREFIXED = ("=", "+", "-", "@", "\t", "\r")
_EARLIEST_IN_ZIP = (1980, 1, 1, 0, 0, 0)


def as_json(of: Subject, scope: Scope) -> Iterator[bytes]:
    """Yield the document piece by piece."""
    head = orjson.dumps(
        {
            "format": FORMAT,
            "schema": SCHEMA_PATH,
            "scope": scope.value,
            "created_at": time_of(of.now_ms),
            "language": of.language,
            "controller": of.settings.controller or None,
            "contact": of.settings.contact or None,
        }
    )
    return _in_pieces(_document(head, of, scope))


def as_csv(of: Subject, scope: Scope) -> Iterator[bytes]:
    """Yield a zip of one CSV file a section, piece by piece, with a first file that says what they hold."""
    sections, out = sections_of(scope), _Drain()
    at = datetime.fromtimestamp(of.now_ms / 1000, UTC).timetuple()[:6]
    about = [
        ("format", FORMAT),
        ("scope", scope.value),
        ("created_at", time_of(of.now_ms)),
        ("controller", of.settings.controller),
        ("contact", of.settings.contact),
        *((f"{section.name}.csv", of.say(section.meaning)) for section in sections),
    ]
    tables: list[tuple[str, Iterable[str], Iterable[tuple[Any, ...]]]] = [
        ("about", ("what", "meaning"), about),
        *(
            (section.name, [column.name for column in section.columns], section.read(of))
            for section in sections
        ),
    ]
    with zipfile.ZipFile(out, "w") as archive:
        for name, columns, rows in tables:
            entry = zipfile.ZipInfo(f"{name}.csv", max(at, _EARLIEST_IN_ZIP))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as file:
                for line in _lines(columns, rows):
                    file.write(line)
                    if out.n_waiting >= _PIECE:
                        yield out.drain()
    yield out.drain()


def note_export(conn: Connection, of: Subject, scope: Scope, request_id: str) -> None:
    """Take down that all data was handed out (GDPR 15, 20): a request that is done at once."""
    kind = RequestKind.ACCESS if scope is Scope.ACCESS else RequestKind.PORTABILITY
    open_request(conn, request_id, of.subject_key, kind, of.now_ms)
    close_request(conn, request_id, RequestState.DONE, "handed out", of.now_ms)


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the document."""
    portable = [section.name for section in sections_of(Scope.PORTABILITY)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_PATH,
        "title": "All data of one person",
        "type": "object",
        "additionalProperties": False,
        "required": ["format", "schema", "scope", "created_at", "language", "sections"],
        "properties": {
            "format": {"const": FORMAT},
            "schema": {"const": SCHEMA_PATH},
            "scope": {"enum": [scope.value for scope in Scope]},
            "created_at": {"type": "string", "format": "date-time"},
            "language": {"type": "string"},
            "controller": {"type": ["string", "null"]},
            "contact": {"type": ["string", "null"]},
            "sections": {
                "type": "object",
                "additionalProperties": False,
                "required": portable,
                "properties": {
                    section.name: _schema_of_section(section.meaning, section.columns) for section in SECTIONS
                },
            },
        },
    }


_SCHEMA_OF_FORM: dict[Form, dict[str, Any]] = {
    Form.TEXT: {"type": ["string", "null"]},
    Form.TIME: {"type": ["string", "null"], "format": "date-time"},
    Form.NUMBER: {"type": ["integer", "null"]},
    Form.FLAG: {"type": ["boolean", "null"]},
    Form.LIST: {"type": "array", "items": {"type": "string"}},
}


def _schema_of_section(meaning: str, columns: tuple[Column, ...]) -> dict[str, Any]:
    row = {
        "type": "object",
        "additionalProperties": False,
        "required": [column.name for column in columns],
        "properties": {
            column.name: _SCHEMA_OF_FORM[column.form]
            | ({"description": column.meaning} if column.meaning else {})
            for column in columns
        },
    }
    return {
        "type": "object",
        "description": meaning,
        "additionalProperties": False,
        "required": ["meaning", "rows"],
        "properties": {"meaning": {"type": "string"}, "rows": {"type": "array", "items": row}},
    }


def _document(head: bytes, of: Subject, scope: Scope) -> Iterator[bytes]:
    yield head[:-1] + b',"sections":{'
    for number, section in enumerate(sections_of(scope)):
        names = [column.name for column in section.columns]
        meaning = orjson.dumps(of.say(section.meaning))
        yield (b"," if number else b"") + b'"%b":{"meaning":%b,"rows":[' % (section.name.encode(), meaning)
        for place, row in enumerate(section.read(of)):
            yield (b"," if place else b"") + orjson.dumps(dict(zip(names, row, strict=True)))
        yield b"]}"
    yield b"}}"


def _in_pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Gather small parts, so that not each is sent by itself."""
    gathered: list[bytes] = []
    n_bytes = 0
    for part in parts:
        gathered.append(part)
        n_bytes += len(part)
        if n_bytes >= _PIECE:
            yield b"".join(gathered)
            gathered, n_bytes = [], 0
    yield b"".join(gathered)


def _lines(columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
    """Yield the lines of a CSV file (RFC 4180), in UTF-8 with the mark that spreadsheets look for."""
    text = io.StringIO()
    write = csv.writer(text).writerow
    yield "\ufeff".encode()
    write(columns)
    yield _taken(text)
    for row in rows:
        write(map(cell, row))
        yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    line = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return line


def cell(value: Any) -> str:
    """Return what stands in a cell; a text that a spreadsheet would take for a formula is quoted.

    >>> cell("=1+1"), cell(-5), cell(None), cell(["a", "b"])
    ("'=1+1", '-5', '', 'a; b')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    text = "; ".join(value) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(_PREFIXED) else text


class _Drain(io.RawIOBase):
    """A file that cannot be sought in, and is emptied while it is written."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self.n_waiting = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if data:  # what is compressed well comes out once in thousands of lines, and as nothing in between
            self._waiting.append(bytes(data))
            self.n_waiting += len(data)
        return len(data)

    def drain(self) -> bytes:
        """Return what was written since the last time."""
        written = b"".join(self._waiting)
        self._waiting, self.n_waiting = [], 0
        return written
