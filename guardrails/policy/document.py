"""The policy as a document: canonical JSON, named by its hash, lossless both ways."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, fields
from typing import Any

import orjson

from guardrails.creepiness.score import MICRO, Weights
from guardrails.errors import PolicyError
from guardrails.log.canonical import canonical
from guardrails.policy.limits import Limits

GREATEST_LIMIT = 1_000_000_000
"""Far above any sensible number of days, customers or millionths; what is computed from it fits 64 bits."""


VERSION_FIELD = "version"
"""Names the set of weights; the only text in a policy's limits."""

LONGEST_VERSION = 64


def to_document(limits: Limits) -> bytes:
    """Return the canonical bytes of a policy."""
    return canonical({"limits": asdict(limits)})


def version_of(document: bytes) -> str:
    """Return the version of a policy: SHA-256 of its canonical bytes, 64 hex digits."""
    return hashlib.sha256(document).hexdigest()


def from_document(document: bytes) -> Limits:
    """Read a policy back.

    Raises:
        PolicyError: not JSON, an unknown section or limit, or a value that is not a whole number in range.
    """
    try:
        parsed = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise PolicyError("a policy is not valid JSON") from error
    if not isinstance(parsed, dict) or set(parsed) != {"limits"} or not isinstance(parsed["limits"], dict):
        raise PolicyError("a policy needs exactly one part, `limits`")
    sections = {field.name: type(getattr(Limits(), field.name)) for field in fields(Limits)}
    given: dict[str, Any] = parsed["limits"]
    _refuse_unknown(set(given) - set(sections))
    return Limits(**{name: _section(sections[name], values) for name, values in given.items()})


def _section(section: type[Any], values: object) -> Any:
    if not isinstance(values, dict):
        raise PolicyError("a section of a policy must be an object")
    _refuse_unknown(set(values) - {field.name for field in fields(section)})
    greatest = MICRO if section is Weights else GREATEST_LIMIT
    for name, value in values.items():
        if name == VERSION_FIELD:
            _refuse_bad_name(value)
        elif isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= greatest:
            raise PolicyError(f"limit `{name}` must be a whole number from 0 to {greatest}")
    return section(**values)


def _refuse_bad_name(value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_VERSION:
        raise PolicyError(f"`{VERSION_FIELD}` must be a text of 1 to {LONGEST_VERSION} characters")


def _refuse_unknown(names: set[str]) -> None:
    if names:
        raise PolicyError(f"unknown in a policy: {', '.join(f'`{name}`' for name in sorted(names))}")
