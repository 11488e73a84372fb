"""Who a batch is for: read from a file, each customer once; what cannot be read is named by its line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson
from marshmallow import ValidationError

from api.batch.groups import Recipient
from api.schemas.base import Id
from guardrails.messages import LANGUAGES

FORMATS = ("lines", "jsonl", "csv")
"""One id a line; objects with ``customer_id`` and perhaps ``language``; columns of these names."""

_ID = Id()


class Rejected(NamedTuple):
    """A line that names nobody.

    Attributes:
        line: its number, from 1.
        because: what is wrong with it; never who.
    """

    line: int
    because: str


class Listed(NamedTuple):
    """What a file says.

    Attributes:
        recipients: who, in the order of the file.
        rejected: lines that say nobody, or somebody again.
    """

    recipients: tuple[Recipient, ...]
    rejected: tuple[Rejected, ...]


def read_recipients(lines: Iterable[str], file_format: str) -> Listed:
    """Read who a batch is for; empty lines count for nothing.

    Args:
        lines: the text, a line at a time.
        file_format: one of ``FORMATS``.
    """
    seen: set[str] = set()
    recipients: list[Recipient] = []
    rejected: list[Rejected] = []
    for number, row in _rows(lines, file_format):
        try:
            recipient = _recipient(row)
        except ValueError as error:
            rejected.append(Rejected(number, str(error)))
            continue
        if recipient.customer_id in seen:
            rejected.append(Rejected(number, "is named twice"))
            continue
        seen.add(recipient.customer_id)
        recipients.append(recipient)
    return Listed(tuple(recipients), tuple(rejected))


def _rows(lines: Iterable[str], file_format: str) -> Iterator[tuple[int, Any]]:
    """Yield number and content of each row; a string is an id, ``None`` what cannot be read."""
    if file_format == "csv":
        yield from _separated(csv.DictReader(lines))
        return
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text:
            yield number, text if file_format == "lines" else _parsed(text)


def _separated(reader: csv.DictReader[str]) -> Iterator[tuple[int, Any]]:
    """Yield number and content of each row; what follows one that cannot be read is read all the same.

    Without the names of the columns nothing is.
    """
    try:
        reader.fieldnames  # noqa: B018  asking for them reads them
    except csv.Error:
        yield 1, None
        return
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            yield reader.reader.line_num, None
            continue
        if row is None:
            return
        yield reader.line_num, {name: value for name, value in row.items() if value}


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _recipient(row: Any) -> Recipient:
    """Return who a row names.

    Raises:
        ValueError: nobody; says why.
    """
    if isinstance(row, str):
        row = {"customer_id": row}
    if not isinstance(row, dict):
        raise ValueError("is no object")  # noqa: TRY004  one kind of error, whatever is wrong with a line
    if "customer_id" not in row:
        raise ValueError("has no `customer_id`")
    language = row.get("language")
    if language is not None and language not in LANGUAGES:
        raise ValueError("has a `language` that is not spoken here")
    try:
        customer_id: Any = _ID.deserialize(row["customer_id"])
    except ValidationError:
        raise ValueError("has a `customer_id` that is none") from None
    return Recipient(customer_id, language)
