"""Changing what the text of a policy says, and leaving alone whatever of it is to stay.

The text is cut into parts at the names and rules it holds, each with the comments that stand above it. A
part that says what it is to say stays as it is, to the letter. One that is to say something else is
written anew, and the comments that were within it are put above it: none is lost unless the part itself
goes. A text that is not cut so easily, such as one in braces, is written anew as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from yaml import CSafeLoader
from yaml.nodes import MappingNode, Node, SequenceNode

from api.policies.located import PolicyTextError
from api.policies.text import Form, read_text, write_plain

_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\n]*", re.MULTILINE)
_RULES = "rules"


def revised(text: str, plain: Mapping[str, Any]) -> str:
    """Return a text that says something else, as like to the former one as can be.

    Args:
        text: YAML that can be read and whose root is a mapping.
        plain: what it is to say: plain data of texts, numbers, flags, lists and mappings.

    Raises:
        PolicyTextError: the former text cannot be read.
    """
    said = read_text(text.encode(), Form.YAML).plain
    if said == plain:
        return text
    cut = _cut(text)
    if cut is not None:
        patched = _patched(cut, said, plain)
        if _says(patched, plain):
            return patched
    kept = "".join(f"{each}\n" for each in comments_in(text))
    whole = kept + write_plain(dict(plain))
    return whole if _says(whole, plain) else kept + write_plain(dict(plain), escaped=True)


def comments_in(text: str) -> tuple[str, ...]:
    """Return the comments of a text that can be read, in their order, each from its ``#`` on."""
    return tuple(comment for _, comment in _comments(text))


def _says(text: str, plain: Mapping[str, Any]) -> bool:
    try:
        return bool(read_text(text.encode(), Form.YAML).plain == plain)
    except PolicyTextError:
        return False


@dataclass(frozen=True, slots=True)
class _Cut:
    """A text in parts, which make it up when they are put together.

    Attributes:
        preamble: what stands before the first name.
        parts: the part of each name at the top.
        heading: the line of ``rules:``, with what stands above it.
        rules: the part of each rule; empty where rules are not listed line by line.
        indent: how far the dashes of the rules are moved in.
    """

    preamble: str
    parts: Mapping[str, str]
    heading: str
    rules: Sequence[str]
    indent: str


def _cut(text: str) -> _Cut | None:
    """Cut a text at its names and rules; ``None`` where they do not begin lines."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    root: Any = yaml.compose("".join(lines), Loader=CSafeLoader)
    if not isinstance(root, MappingNode) or root.flow_style or root.start_mark.column:
        return None
    free = _free_lines("".join(lines))
    firsts = [key.start_mark.line for key, _ in root.value]
    starts = [_raised(first, free, lines) for first in firsts]
    if not starts or len(set(firsts)) < len(firsts):
        return None
    ends = [*starts[1:], len(lines)]
    parts = {
        key.value: "".join(lines[start:end])
        for (key, _), start, end in zip(root.value, starts, ends, strict=True)
    }
    heading, rules, indent = "", list[str](), ""
    for (key, value), start, end in zip(root.value, starts, ends, strict=True):
        if key.value == _RULES:
            heading, rules, indent = _cut_rules(value, lines, free, start, end)
    return _Cut("".join(lines[: starts[0]]), parts, heading, rules, indent)


def _cut_rules(
    node: Node, lines: Sequence[str], free: frozenset[int], start: int, end: int
) -> tuple[str, list[str], str]:
    if not isinstance(node, SequenceNode) or node.flow_style or not node.value:
        return "", [], ""
    firsts = [item.start_mark.line for item in node.value]
    dashes = [lines[first].split("-", 1)[0] for first in firsts]
    indent = dashes[0]
    if len(set(dashes)) > 1 or indent.strip() or firsts[0] == start or len(set(firsts)) < len(firsts):
        return "", [], ""
    starts = [_raised(first, free, lines) for first in firsts]
    starts[0] = max(starts[0], _heading_line(lines, start, free) + 1)
    ends = [*starts[1:], end]
    rules = ["".join(lines[first:last]) for first, last in zip(starts, ends, strict=True)]
    return "".join(lines[start : starts[0]]), rules, indent


def _heading_line(lines: Sequence[str], start: int, free: frozenset[int]) -> int:
    return next(at for at in range(start, len(lines)) if at not in free)


def _raised(line: int, free: frozenset[int], lines: Sequence[str]) -> int:
    """Return where what begins at a line begins with the comments right above it."""
    while line - 1 in free and lines[line - 1].strip():
        line -= 1
    return line


def _free_lines(text: str) -> frozenset[int]:
    """Return the lines that hold nothing but a comment, or nothing at all."""
    taken = set[int]()
    for token in _tokens(text):
        first, last = token.start_mark.line, token.end_mark.line
        if token.end_mark.column == 0 and last > first:
            last -= 1
        taken.update(range(first, last + 1))
    return frozenset(set(range(text.count("\n"))) - taken)


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield each comment with its offset: it stands where no token does."""
    at = 0
    for token in _tokens(text):
        for comment in _COMMENT.finditer(text, at, max(at, token.start_mark.index)):
            yield comment.start(), comment[0].rstrip()
        at = max(at, token.end_mark.index)
    for comment in _COMMENT.finditer(text, at):
        yield comment.start(), comment[0].rstrip()


def _tokens(text: str) -> Iterator[Any]:
    """Yield the tokens that take up room."""
    return (
        token
        for token in yaml.scan(text, Loader=CSafeLoader)
        if token.end_mark.index > token.start_mark.index
    )


def _patched(cut: _Cut, said: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
    """Put a text together from the parts that stay and those that are written anew."""
    pieces = [cut.preamble]
    for name, value in plain.items():
        if name in said and said[name] == value:
            pieces.append(cut.parts[name])
        elif name == _RULES and cut.rules and value and isinstance(value, list):
            pieces += [cut.heading, *_rules(cut, said[_RULES], value)]
        else:
            kept = "".join(f"{each}\n" for each in comments_in(cut.parts.get(name, "")))
            pieces.append(kept + write_plain({name: value}))
    return "".join(pieces)


def _rules(cut: _Cut, said: Sequence[Any], plain: Sequence[Any]) -> Iterator[str]:
    """Yield the part of each rule: the former one where it says the same already."""
    left = list(range(len(said)))
    stays: dict[int, int] = {}
    for at, rule in enumerate(plain):
        same = next((each for each in left if said[each] == rule), None)
        if same is not None:
            stays[at] = same
            left.remove(same)
    for at, rule in enumerate(plain):
        if at in stays:
            yield cut.rules[stays[at]]
        else:
            former = _former(rule, at, said, left)
            kept = () if former is None else comments_in(cut.rules[former])
            if former is not None:
                left.remove(former)
            yield _indented([*kept, *write_plain([rule]).splitlines()], cut.indent)


def _former(rule: Any, at: int, said: Sequence[Any], left: Sequence[int]) -> int | None:
    """Return which rule it was before: that of its id, else the one at its place."""
    same_id = (each for each in left if isinstance(rule, dict) and _id(said[each]) == rule.get("id"))
    return next(same_id, at if at in left else None)


def _id(rule: Any) -> Any:
    return rule.get("id") if isinstance(rule, dict) else None


def _indented(lines: Sequence[str], indent: str) -> str:
    return "".join(f"{indent}{line}\n" if line else "\n" for line in lines)
