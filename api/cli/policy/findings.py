"""How findings are printed: where, how bad, what, and an example, as compilers do it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from guardrails.policy.findings import Finding

_PLACE = frozenset({"line", "column"})
"""What examples repeat of the place."""


@dataclass(frozen=True, slots=True)
class Located:
    """A finding, and where in which file.

    Attributes:
        file: as it was named, ``-`` for standard input.
        line: from 1.
        column: from 1, in characters.
        finding: what was found.
        lacks: name of what it is about, where that is not there to be pointed at; else empty.
    """

    file: str
    line: int
    column: int
    finding: Finding
    lacks: str = ""

    @property
    def is_error(self) -> bool:
        """Whether it keeps the draft from being put in force."""
        from guardrails.policy.findings import Severity  # noqa: PLC0415  not needed for --help

        return self.finding.severity is Severity.ERROR


def as_data(found: Sequence[Located]) -> list[dict[str, Any]]:
    """Return findings as plain data."""
    return [
        {
            "file": each.file,
            "line": each.line,
            "column": each.column,
            "severity": each.finding.severity.value,
            "code": each.finding.code,
            "message": str(each.finding.message),
            "pointer": each.finding.pointer,
            "example": dict(each.finding.example),
            "rules": list(each.finding.rules),
        }
        for each in found
    ]


def show_at(found: Iterable[Located], file: IO[Any] | None = None) -> None:
    """Print findings, each on a line of its own, its example below it.

    Args:
        found: what was found.
        file: where to; ``None`` for standard output.
    """
    for each in found:
        finding = each.finding
        place = f"{each.file}:{each.line}:{each.column}"
        about = f"`{each.lacks}`: " if each.lacks else ""
        click.echo(f"{place}: {finding.severity.value} {finding.code} {about}{finding.message}", file)
        example = {name: value for name, value in finding.example.items() if name not in _PLACE}
        if example:
            click.echo(f"    for example: {example_in_words(example)}", file)


def example_in_words(example: Mapping[str, object], keep: Iterable[str] = ()) -> str:
    """Return an example in one line: of fields only those that are not as they ordinarily are.

    Args:
        example: what shows something.
        keep: fields that are told in any case.

    >>> example_in_words({"item.sponsored": True, "item.brand": None, "customer.holds": ["muted"]})
    'item.sponsored = true, customer.holds = [muted]'
    """
    kept = frozenset(keep)
    told = {name: value for name, value in example.items() if name in kept or not _is_ordinary(name, value)}
    if not told:
        return "an ordinary suggestion to an ordinary customer"
    return ", ".join(f"{name} = {value_in_words(value)}" for name, value in told.items())


def _is_ordinary(name: str, value: object) -> bool:
    from guardrails.policy.document import value_to_plain  # noqa: PLC0415  not needed for --help
    from guardrails.policy.fields import FIELDS  # noqa: PLC0415  as above
    from guardrails.policy.ordinary import ordinary  # noqa: PLC0415  as above
    from guardrails.policy.sides import Missing  # noqa: PLC0415  as above

    if name not in FIELDS:
        return False
    usual = ordinary(FIELDS[name])
    return not isinstance(usual, Missing) and value == value_to_plain(FIELDS[name].kind, usual)


def value_in_words(value: object) -> str:
    """Return a value as a policy writes it, so that it can be taken over.

    >>> value_in_words({"given": {"item.sponsored": True}, "expect": "block"})
    '{given: {item.sponsored: true}, expect: block}'
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        members = (f"{name}: {value_in_words(member)}" for name, member in value.items())
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(value_in_words, value))}]"
    return str(value)


def summary(found: Sequence[Located]) -> str:
    """Return how many there are of which kind.

    >>> summary([])
    '0 errors, 0 warnings'
    """
    n_errors = sum(each.is_error for each in found)
    return f"{_counted(n_errors, 'error')}, {_counted(len(found) - n_errors, 'warning')}"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
