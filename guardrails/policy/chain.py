"""Steps as they are written down: canonical bytes, each naming the hash of those before.

So a step that was changed, dropped or put in later shows. A header names keys and versions, and of a
reason only its hash: people write what they like into a reason.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields

from guardrails.log.canonical import canonical
from guardrails.policy.lifecycle import NO_DETAIL, Detail, Step

FORMAT = 1

ENTRY_FORMAT = 2
"""The format of entries of the log."""

_MINUTE_MS = 60_000

NO_STEP = "0" * 64
"""What the first step names as the hash of the step before."""


def to_plain(detail: Detail) -> dict[str, object]:
    """Return what belongs to a step as plain data, without what is not said."""
    said = {each.name: getattr(detail, each.name) for each in fields(Detail)}
    return {name: value for name, value in said.items() if value != getattr(NO_DETAIL, name)}


def header_of(step: Step, before: str) -> bytes:
    """Return the canonical bytes of a step, for the log.

    Args:
        step: the step.
        before: ``header_sha256`` of the step before; ``NO_STEP`` for the first.

    Raises:
        RecordError: a text in it cannot be written canonically.
    """
    detail = to_plain(step.detail)
    reason = detail.pop("reason", None)
    if reason is not None:
        detail["reason_sha256"] = hashlib.sha256(str(reason).encode()).hexdigest()
    return canonical(
        {
            "v": FORMAT,
            "type": "policy_step",
            "before": before,
            "number": step.number,
            "name": step.name,
            "version": step.version,
            "base": step.base,
            "kind": step.kind.value,
            "actor": step.actor,
            "role": step.role,
            "ts": step.at_ms,
            "detail": detail,
        }
    )


def entry_of(step: Step, header: bytes) -> bytes:
    """Return what the log says of a step: its header to the minute, and the header's own hash.

    Args:
        step: the step.
        header: its canonical bytes.
    """
    said = json.loads(header)
    del said["ts"]
    minute = step.at_ms // _MINUTE_MS
    return canonical({**said, "v": ENTRY_FORMAT, "t_min": minute, "sha256": header_sha256(header)})


def header_sha256(header: bytes) -> str:
    """Return the hash by which the next step names a header, 64 hex digits."""
    return hashlib.sha256(header).hexdigest()


def first_broken(entries: Iterable[tuple[Step, bytes]]) -> int | None:
    """Return the place, from 1, of the first step that is not what its header says or not in its place.

    ``None`` when all are as they were written. What was cut off at the end leaves no trace in what is
    left: for that somebody has to remember the last header.
    """
    before = NO_STEP
    for place, (step, header) in enumerate(entries, start=1):
        if step.number != place or header != header_of(step, before):
            return place
        before = header_sha256(header)
    return None
