"""The files that the commands take: policies as YAML or JSON, ``-`` for standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from api.cli.policy.findings import Located, show_at

if TYPE_CHECKING:
    from api.policies.located import Located as Text
    from api.policies.text import Form
    from guardrails.policy.findings import Finding
    from guardrails.policy.language import Policy

Command = TypeVar("Command", bound=Callable[..., Any])

STANDARD_INPUT = "-"

policy_file = click.Path(exists=True, dir_okay=False, allow_dash=True)
"""The type of arguments that are files of policies."""


def strict_option(command: Command) -> Command:
    """Add the option that makes warnings count."""
    return click.option("--strict", is_flag=True, help="Fail on warnings as well.")(command)


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy, and the text it was read from.

    Attributes:
        file: as it was named.
        policy: what the text says.
        text: the text, in which everything knows where it stands.
    """

    file: str
    policy: Policy
    text: Text

    def locate(self, findings: Iterable[Finding]) -> list[Located]:
        """Return findings on the policy by where they stand in the text, in its order."""
        from api.policies.model import as_written  # noqa: PLC0415  not needed for --help

        return _located(self.file, self.text, as_written(findings, self.text.plain))


class UnreadableDraft(click.ClickException):
    """A file says something that no policy says. Printed as findings are; exit code 1.

    Attributes:
        found: everything that is wrong with it.
    """

    def __init__(self, found: Sequence[Located]) -> None:
        super().__init__("the policy cannot be read")
        self.found = found

    def show(self, file: Any = None) -> None:
        """Print what is wrong on standard error: what was asked for there is none of."""
        show_at(self.found, file or sys.stderr)


def show_refusing(draft: Draft | None, findings: Sequence[Finding]) -> None:
    """Print what keeps a version from going on, on standard error; with lines where there is a file."""
    if draft is not None:
        show_at(draft.locate(findings), sys.stderr)
        return
    for each in findings:
        click.echo(f"{each.pointer}: {each.severity.value} {each.code} {each.message}", err=True)


def read_draft(file: str) -> Draft:
    """Read a policy from a file.

    Raises:
        UnreadableDraft: it says what no policy says.
        OSError: the file cannot be read.
    """
    from api.errors import PolicyDocumentError  # noqa: PLC0415  not needed for --help
    from api.policies.located import PolicyTextError  # noqa: PLC0415  as above
    from api.policies.model import read_policy  # noqa: PLC0415  as above
    from api.policies.text import read_text  # noqa: PLC0415  as above

    written = _bytes_of(file)
    try:
        text = read_text(written, _form_of(file, written))
    except PolicyTextError as error:
        place = error.place
        found = [Located(file, place.line, place.column, each) for each in error.findings]
        raise UnreadableDraft(found) from None
    try:
        return Draft(file, read_policy(text.plain), text)
    except PolicyDocumentError as error:
        raise UnreadableDraft(_located(file, text, error.findings)) from None


def _bytes_of(file: str) -> bytes:
    from api.policies.text import MOST_BYTES  # noqa: PLC0415  not needed for --help

    most = MOST_BYTES + 1  # one more than is read, so that what is longer shows
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read(most)
    with Path(file).open("rb") as stream:
        return stream.read(most)


def _form_of(file: str, written: bytes) -> Form:
    """Return what a file is written in, by its name; without one that says it, by how it begins."""
    from api.policies.text import Form  # noqa: PLC0415  not needed for --help

    suffix = Path(file).suffix.lower()
    if suffix in (".yaml", ".yml"):
        return Form.YAML
    is_json = suffix == ".json" or written.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return Form.JSON if is_json else Form.YAML


def _located(file: str, text: Text, findings: Iterable[Finding]) -> list[Located]:
    placed = ((text.place(each.pointer), each) for each in findings)
    found = [
        Located(file, place.line, place.column, each, _lacking(text.plain, each.pointer))
        for place, each in placed
    ]
    return sorted(found, key=lambda each: (each.line, each.column))


def _lacking(part: Any, pointer: str) -> str:
    """Return the first name of a pointer (RFC 6901) that leads nowhere; empty where all lead somewhere."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(part, Mapping) and name in part:
            part = part[name]
        elif isinstance(part, list) and name.isdecimal() and int(name) < len(part):
            part = part[int(name)]
        else:
            return name
    return ""
