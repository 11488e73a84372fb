"""The text of a policy, YAML or JSON, as plain data in which everything still knows its line and column.

Of YAML only what a document needs: mappings by text, lists, scalars. Scalars are those of the core schema
of YAML 1.2.2 (section 10.3): ``no`` and ``on`` are texts, ``12:30`` is one, and so are days. Anchors,
aliases, tags and merge keys are refused, and so is a key that stands twice: each of them lets a document
mean something else than what whoever approves it reads. Decimals are taken as they are written.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn

import orjson
import yaml
from yaml import CSafeDumper, CSafeLoader
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from api.policies.characters import odd_in_layout
from api.policies.located import SHOWN, Builder, Located, Place, refuse
from guardrails.messages import Phrase
from guardrails.policy.document import to_plain
from guardrails.policy.language import Policy

MOST_BYTES = 8 * 1024 * 1024
"""Longest text."""

MOST_PLACES = 6
_MOST_DIGITS = 15  # a decimal of so many is the same one after being a float
_LONGEST_NUMBER = 24

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_JSON_BLANK = re.compile(r"[ \t\n\r]*")
_JSON_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"')
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_JSON_WORDS = {"true": True, "false": False, "null": None}


class Form(StrEnum):
    """What a text is written in."""

    YAML = "yaml"
    JSON = "json"


def read_text(text: bytes, form: Form) -> Located:
    """Return what a text says.

    Raises:
        PolicyTextError: it is too long, no such text, or says what a policy has no use for.
    """
    if len(text) > MOST_BYTES:
        refuse("too_large", Phrase("a policy has at most {most} bytes", most=MOST_BYTES), Place(1, 1))
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8", "replace")
        refuse("syntax", Phrase("the text is not UTF-8"), _Lines(before).place(len(before)))
    return _Json(decoded).read() if form is Form.JSON else _Yaml(decoded).read()


def write_yaml(policy: Policy) -> str:
    """Return a policy as YAML for people; it reads back as the same policy."""
    return write_plain(to_plain(policy))


def write_plain(plain: Any, *, escaped: bool = False) -> str:
    """Return plain data, such as a document or a part of one, as YAML for people.

    Args:
        plain: the data.
        escaped: whether every character beyond ASCII is written by its number, so that none of them can
            mislead.
    """
    if isinstance(plain, dict):
        plain = _Block(
            {
                name: _Block(part) if name == "limits" and isinstance(part, dict) else part
                for name, part in plain.items()
            }
        )
    return yaml.dump(
        plain,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=not escaped,
        default_flow_style=None,
        width=100,
    )


class _Yaml:
    """Reads YAML event by event, so that nothing is built before it is known to be wanted."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._builder = Builder()
        self._n_documents = 0
        self._awaits_key: list[bool | None] = []

    def read(self) -> Located:
        """Return what the text says."""
        self._refuse_misleading()
        try:
            for event in yaml.parse(self._text, Loader=CSafeLoader):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            message = Phrase("the text is not valid YAML: {problem}", problem=error.problem or error.context)
            refuse("syntax", message, _place(mark))
        except yaml.reader.ReaderError as error:
            before = self._text.encode()[: error.position].decode("utf-8", "replace")
            message = Phrase("the text is not valid YAML: {problem}", problem=error.reason)
            refuse("syntax", message, _Lines(before).place(len(before)))
        if not self._n_documents:
            refuse("missing", Phrase("an empty text says nothing"), Place(1, 1))
        return self._builder.located()

    def _refuse_misleading(self) -> None:
        """Refuse what makes a comment look like something else, or something else like a comment."""
        odd = odd_in_layout(self._text)
        if odd is not None:
            at, finding = odd
            place, code_point = _Lines(self._text).place(at), finding.example["code_point"]
            refuse(finding.code, finding.message, place, code_point=code_point)

    def _take(self, event: Event) -> None:
        place = _place(event.start_mark)
        if isinstance(event, DocumentStartEvent):
            self._n_documents += 1
            if self._n_documents > 1:
                refuse("not_supported", Phrase("a policy is one document, and here begins a second"), place)
        elif isinstance(event, AliasEvent):
            self._builder.refuse("not_supported", _NO_ANCHORS, place)
        elif isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent):
            self._refuse_extras(event, place)
            self._take_node(event, place)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._awaits_key.pop()
            self._builder.end()

    def _refuse_extras(self, event: Any, place: Place) -> None:
        if event.anchor is not None:
            self._builder.refuse("not_supported", _NO_ANCHORS, place)
        if event.tag is not None:
            message = Phrase(
                "tags such as `{tag}` are not used here: put texts in quotes", tag=event.tag[:SHOWN]
            )
            self._builder.refuse("not_supported", message, place)

    def _take_node(self, event: Event, place: Place) -> None:
        if self._awaits_key and self._awaits_key[-1]:
            self._builder.key(self._name(event, place), place)
            self._awaits_key[-1] = False
            return
        if isinstance(event, ScalarEvent):
            self._builder.value(self._scalar(event, place), place)
        else:
            self._builder.begin({} if isinstance(event, MappingStartEvent) else [], place)
        if self._awaits_key and self._awaits_key[-1] is False:
            self._awaits_key[-1] = True
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._awaits_key.append(True if isinstance(event, MappingStartEvent) else None)

    def _name(self, event: Event, place: Place) -> str:
        if not isinstance(event, ScalarEvent):
            self._builder.refuse(
                "not_supported", Phrase("a name is a text: put `{name}` in quotes", name="..."), place, ""
            )
        if event.implicit[0] and event.value == "<<":
            message = Phrase("mappings are not merged here: write out what they hold")
            self._builder.refuse("not_supported", message, place, event.value)
        if event.implicit[0] and not isinstance(_plain_scalar(event.value), str):
            message = Phrase("a name is a text: put `{name}` in quotes", name=event.value[:SHOWN])
            self._builder.refuse("not_supported", message, place, event.value)
        name: str = event.value
        return name

    def _scalar(self, event: ScalarEvent, place: Place) -> Any:
        if not event.implicit[0]:  # it is quoted, or a block
            return event.value
        value = _plain_scalar(event.value)
        if isinstance(value, _NoNumber):
            self._builder.refuse("wrong_type", value.message, place)
        return value


@dataclass(frozen=True, slots=True)
class _NoNumber:
    """What looks like a number and cannot be taken as one."""

    message: Phrase


def _plain_scalar(text: str) -> Any:
    """Return what a scalar without quotes stands for (YAML 1.2.2 section 10.3.2)."""
    if text in _NULLS:
        return None
    if text in _FLAGS:
        return _FLAGS[text]
    if _WHOLE.fullmatch(text):
        return _whole(text)
    if _DECIMAL.fullmatch(text):
        return _decimal(text)
    return _NoNumber(_TOO_FINE) if _NO_NUMBER.fullmatch(text) else text


def _whole(text: str) -> int | _NoNumber:
    if len(text) > _LONGEST_NUMBER:
        return _NoNumber(_TOO_FINE)
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


def _decimal(text: str) -> float | _NoNumber:
    """Take a decimal as it is written, if it can be: with few enough digits a float loses none."""
    _, _, power = text.lower().partition("e")
    if len(text) > _LONGEST_NUMBER or abs(int(power or 0)) > _LONGEST_NUMBER:
        return _NoNumber(_TOO_FINE)
    exact = Decimal(text).normalize()
    _, digits, exponent = exact.as_tuple()
    if int(exponent) < -MOST_PLACES or len(digits) + max(int(exponent), 0) > _MOST_DIGITS:
        return _NoNumber(_TOO_FINE)
    return float(exact)


class _Json:
    """Reads JSON (RFC 8259) and keeps where everything stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = _Lines(text)
        self._builder = Builder()

    def read(self) -> Located:
        """Return what the text says."""
        end = self._skip(self._value(self._skip(0)))
        if end != len(self._text):
            self._refuse(end)
        return self._builder.located()

    def _value(self, at: int) -> int:
        """Read the value that begins here; return where it ends."""
        first = self._text[at : at + 1]
        if first == "{":
            return self._members(at, {}, "}", self._member)
        if first == "[":
            return self._members(at, [], "]", self._value)
        value, end = self._scalar(first, at)
        self._builder.value(value, self._lines.place(at))
        return end

    def _members(self, at: int, holds: Any, closing: str, read: Callable[[int], int]) -> int:
        self._builder.begin(holds, self._lines.place(at))
        at = self._skip(at + 1)
        if self._text[at : at + 1] != closing:
            at = self._skip(read(at))
            while self._text[at : at + 1] == ",":
                at = self._skip(read(self._skip(at + 1)))
            if self._text[at : at + 1] != closing:
                self._refuse(at)
        self._builder.end()
        return at + 1

    def _member(self, at: int) -> int:
        if self._text[at : at + 1] != '"':
            self._refuse(at)
        name, end = self._string(at)
        self._builder.key(name, self._lines.place(at))
        end = self._skip(end)
        if self._text[end : end + 1] != ":":
            self._refuse(end)
        return self._value(self._skip(end + 1))

    def _scalar(self, first: str, at: int) -> tuple[Any, int]:
        if first == '"':
            return self._string(at)
        for word, value in _JSON_WORDS.items():
            if self._text.startswith(word, at):
                return value, at + len(word)
        number = _JSON_NUMBER.match(self._text, at)
        if number is None:
            self._refuse(at)
        read = _decimal(number[0]) if number[2] or number[3] else _whole(number[0])
        if isinstance(read, _NoNumber):
            self._builder.refuse("wrong_type", read.message, self._lines.place(at))
        return read, number.end()

    def _string(self, at: int) -> tuple[str, int]:
        written = _JSON_STRING.match(self._text, at)
        if written is None:
            self._refuse(at)
        try:
            return orjson.loads(written[0]), written.end()
        except orjson.JSONDecodeError:  # half of a surrogate pair
            self._refuse(at)

    def _skip(self, at: int) -> int:
        blank = _JSON_BLANK.match(self._text, at)
        return at if blank is None else blank.end()

    def _refuse(self, at: int) -> NoReturn:
        self._builder.refuse("syntax", Phrase("the text is not valid JSON here"), self._lines.place(at))


class _Lines:
    """Turns offsets in a text into lines and columns."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(newline.end() for newline in re.finditer("\n", text))]

    def place(self, at: int) -> Place:
        """Return where an offset is."""
        line = bisect_right(self._starts, at)
        return Place(line, at - self._starts[line - 1] + 1)


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


_NO_ANCHORS = Phrase("anchors and aliases are not used here: write out what they stand for")
_TOO_FINE = Phrase(
    "a number is finite, with at most {places} places and {digits} digits",
    places=MOST_PLACES,
    digits=_MOST_DIGITS,
)


class _Dumper(CSafeDumper):
    """Writes what this module reads; what YAML 1.1 would take for something else is quoted too."""

    yaml_implicit_resolvers: dict[str, Any] = {  # noqa: RUF012  PyYAML's, looked up by class
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in CSafeDumper.yaml_implicit_resolvers.items()
    }

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's signature
        """Write the same twice rather than point at it."""
        return True


class _Block(dict[str, Any]):
    """A mapping with a line for each of its members."""


def _write_block(dumper: _Dumper, block: _Block) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", block, flow_style=False)


def _write_decimal(dumper: _Dumper, number: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", format(Decimal(repr(number)), "f"))


_NUMBER_BEGINS = "-+.0123456789"
_Dumper.add_representer(_Block, _write_block)
_Dumper.add_representer(float, _write_decimal)
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(f"(?:{_WHOLE.pattern})$"), list("-+0123456789")
)
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(f"(?:{_DECIMAL.pattern}|{_NO_NUMBER.pattern})$"),
    list(_NUMBER_BEGINS),
)
