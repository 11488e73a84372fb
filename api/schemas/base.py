"""What every schema of a request shares: nothing unknown, nothing of another type."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from engine.vocabulary import word

MAX_ID_CHARACTERS = 256
"""Longest id of a customer, session, item or event."""

MAX_MS = 253_402_300_799_999
"""The end of the year 9999 in milliseconds since the epoch: beyond it a time is a mistake."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_CONTROL = r"^[^\u0000-\u001f\u007f]*$(?!\n)"
"""The same for the documentation: in a form that JSON Schema (ECMA-262) and Python take alike."""


def canonical_text(text: str) -> str:
    """Return a text in Unicode normal form C: the one that files are read in and records hold."""
    return unicodedata.normalize("NFC", text)


class RequestSchema(Schema):
    """Base of everything a caller sends: unknown fields are refused at every level."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE


class Text(fields.String):
    """A string without control characters, of a length that makes sense, taken in one form of Unicode."""

    def __init__(self, *, most: int = MAX_ID_CHARACTERS, least: int = 0, **kwargs: Any) -> None:
        metadata = {"pattern": _NO_CONTROL, **kwargs.pop("metadata", {})}
        super().__init__(validate=validate.Length(least, most), metadata=metadata, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if _CONTROL.search(text):
            raise ValidationError("control characters are not allowed")
        return canonical_text(text)


class Id(Text):
    """A key of the shop's own: 1 to 256 characters, compared letter by letter."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(least=1, most=MAX_ID_CHARACTERS, **kwargs)


class WholeNumber(fields.Integer):
    """An integer; neither a string of digits nor a float is one."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(least, most), **kwargs)


class Flag(fields.Boolean):
    """``true`` or ``false``; words and numbers that look like one are refused."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return bool(super()._deserialize(value, attr, data, **kwargs))


class TimeMs(WholeNumber):
    """Milliseconds since the epoch, UTC."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(0, MAX_MS, **kwargs)


def one_of_words(enum: type[IntEnum], **kwargs: Any) -> fields.String:
    """Return a field that takes one of the outside words of a numbered enum."""
    return fields.String(validate=validate.OneOf([word(member) for member in enum]), **kwargs)


def one_of_values(enum: type[StrEnum], **kwargs: Any) -> fields.String:
    """Return a field that takes one of the values of a string enum."""
    return fields.String(validate=validate.OneOf([member.value for member in enum]), **kwargs)


class FindingSchema(Schema):
    """One thing that is wrong, and where."""

    pointer = fields.String(metadata={"description": "JSON pointer (RFC 6901) into the request body"})
    parameter = fields.String(metadata={"description": "name of a query parameter"})
    header = fields.String(metadata={"description": "name of a request header"})
    line = fields.Integer(metadata={"description": "line of a policy that was sent as text, from 1"})
    column = fields.Integer(metadata={"description": "column there, in characters, from 1"})
    code = fields.String(metadata={"description": "stable word for its kind, of what is found in a policy"})
    detail = fields.String(required=True)


class ProblemSchema(Schema):
    """A problem document, RFC 9457."""

    type = fields.String(required=True, metadata={"description": "URI of the kind of problem; has a page"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String()
    errors = fields.List(fields.Nested(FindingSchema))
    trace_id = fields.String(metadata={"description": "of the request, as in the service's own log"})


class RowErrorSchema(Schema):
    """A row of a batch that was not taken."""

    index = fields.Integer(required=True, metadata={"description": "position in the batch, from 0"})
    pointer = fields.String(required=True, metadata={"description": "JSON pointer into the request body"})
    detail = fields.String(required=True)
