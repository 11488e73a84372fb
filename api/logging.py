"""The application log: one JSON object a line, and no personal data in any of them.

A line says which route answered whom with which status after how long; whom is the public name of a
key, or ``customer`` for any of them, so that every look at the decision log is on record (GDPR 32).
It never holds an id of a customer, a session or an item, a body, a secret or a query string: the
*template* of the path is logged, not the path. What was decided, and for whom, is in the decision
log and only there.
"""

from __future__ import annotations

import logging
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

LOGGER = logging.getLogger("tactful")
"""The one logger of the edge."""

TRACE_ID: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""What request something happens in: 32 hexadecimal digits, the same in the traces of whoever asked."""


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: time, level, event and the fields it was logged with."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, without its end."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        trace_id = TRACE_ID.get()
        if trace_id is not None:
            line["trace_id"] = trace_id
        return orjson.dumps(line).decode()


def write_to_stderr() -> None:
    """Send the log to standard error as JSON lines; asking twice changes nothing."""
    if not any(isinstance(handler.formatter, JsonLines) for handler in LOGGER.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def note(event: str, **fields: str | float | list[str] | None) -> None:
    """Log that something happened.

    Args:
        event: what, as ``subject:thing:action``.
        fields: numbers, names of routes, versions; never anything a caller sent.
    """
    LOGGER.info(event, extra={"fields": fields})


def warn(event: str, error: BaseException, **fields: str | float | None) -> None:
    """Log a failure by the kind of error and where it was raised.

    The message of the error is left out: a driver may quote the values of a statement in it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    LOGGER.warning(event, extra={"fields": {"error": type(error).__name__, "where": where, **fields}})
