"""What is found in a draft of a policy: errors keep it from being put in force, warnings do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from guardrails.messages import Phrase


class Severity(StrEnum):
    """What a finding means for the draft."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        code: stable word for its kind, such as ``never_fires`` or ``L2``.
        severity: whether the draft may be proposed all the same.
        pointer: where in the document (RFC 6901).
        message: what is wrong, and what would mend it.
        example: what shows it: field to value of a customer and an item, or the values in question.
        rules: ids of the other rules it is about.
    """

    code: str
    severity: Severity
    pointer: str
    message: Phrase
    example: Mapping[str, object] = field(default_factory=dict)
    rules: tuple[str, ...] = ()


def pointer_of(*parts: str | int) -> str:
    """Return a JSON pointer (RFC 6901).

    >>> pointer_of("rules", 0, "when")
    '/rules/0/when'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
