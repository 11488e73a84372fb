"""How a draft is told that it is wrong: findings, carried through marshmallow's tree of errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from marshmallow import ValidationError

from guardrails.messages import Phrase
from guardrails.policy.aiming import aiming_finding, says_what_somebody_is
from guardrails.policy.findings import Finding, Severity, pointer_of
from guardrails.policy.lints import DECOYS, decoy_finding

_MOST_NAMED = 12
"""So many known names are told; of more, only the closest."""

_SHOWN_CHARACTERS = 80


def found(code: str, message: Phrase, **example: object) -> Finding:
    """Return an error whose place is still to be told."""
    return Finding(code, Severity.ERROR, "", message, example)


def wrong(code: str, message: Phrase, **example: object) -> ValidationError:
    """Return the error to raise for what stands at one place."""
    return ValidationError([found(code, message, **example)])


def unknown(code: str, name: object, known: Iterable[str]) -> Finding:
    """Return the finding for a name that is not known, with what would be right, or why nothing is."""
    shown, names = str(name)[:_SHOWN_CHARACTERS], list(known)
    if shown.partition("(")[0] in DECOYS:
        return decoy_finding(shown, "")
    if says_what_somebody_is(shown):
        return aiming_finding(shown, "")
    closest = get_close_matches(shown, names, 1)
    if closest:
        message = Phrase(
            "`{name}` is not known here; did you mean `{closest}`?", name=shown, closest=closest[0]
        )
        return found(code, message, found=shown, closest=closest[0])
    if len(names) > _MOST_NAMED:
        return found(code, Phrase("`{name}` is not known here", name=shown), found=shown)
    message = Phrase("`{name}` is not known here; known are {known}", name=shown, known=_listed(names))
    return found(code, message, found=shown, known=names)


def findings_of(messages: Any, *parts: str | int) -> Iterator[Finding]:
    """Yield the findings of a tree of errors, with their places.

    Args:
        messages: mappings by name or index, down to lists of findings.
        parts: where the tree stands.
    """
    if isinstance(messages, Mapping):
        for key, below in messages.items():
            yield from findings_of(below, *parts, *(() if key == "_schema" else (key,)))
    elif isinstance(messages, list):
        for below in messages:
            yield from findings_of(below, *parts)
    else:
        yield Finding(
            messages.code, messages.severity, pointer_of(*parts), messages.message, messages.example
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
