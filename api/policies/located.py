"""Plain data in which everything still knows where in a text it stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from api.errors import PolicyDocumentError
from api.policies.wrong import found
from guardrails.messages import Phrase
from guardrails.policy.findings import Finding, pointer_of

MOST_PARTS = 500_000
"""Most names, values, lists and mappings that a text may have."""

DEEPEST = 20
"""How deep lists and mappings may be nested."""

SHOWN = 80
"""How much of what was found is repeated."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something begins in a text; both count from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Located:
    """Plain data, and where each part of it stands.

    Attributes:
        plain: mappings by text, lists, texts, numbers, ``True``, ``False``, ``None``.
        start: where it begins.
        members: of each list and mapping, by its ``id``, where its members begin: a value with its name.
    """

    plain: Any
    start: Place
    members: Mapping[int, Mapping[str | int, Place]]

    def place(self, pointer: str) -> Place:
        """Return where a pointer leads; of what is not there, where it is missing."""
        here, part = self.start, self.plain
        for token in pointer.split("/")[1:]:
            key = _key_of(part, token)
            places = self.members.get(id(part), {})
            if key not in places:
                break
            here, part = places[key], part[key]
        return here


class PolicyTextError(PolicyDocumentError):
    """The text of a policy cannot be read.

    Attributes:
        findings: what is wrong: one thing, as nothing can be said of the rest.
        place: where.
    """

    def __init__(self, finding: Finding, place: Place) -> None:
        super().__init__([finding])
        self.place = place


def _key_of(part: Any, token: str) -> str | int:
    if isinstance(part, list):
        return int(token) if token.isdecimal() else token
    return token.replace("~1", "/").replace("~0", "~")


def refuse(code: str, message: Phrase, place: Place, pointer: str = "", **example: object) -> NoReturn:
    """Refuse a text for what stands at a place.

    Raises:
        PolicyTextError: always.
    """
    finding = found(code, message, line=place.line, column=place.column, **example)
    raise PolicyTextError(Finding(code, finding.severity, pointer, message, finding.example), place)


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being filled."""

    holds: Any
    places: dict[str | int, Place]
    key: str | None = None
    key_place: Place = field(default=Place(1, 1))


class Builder:
    """Puts plain data together, part by part, and notes where each part stands."""

    def __init__(self) -> None:
        self.members: dict[int, dict[str | int, Place]] = {}
        self._open: list[_Open] = []
        self._n_parts = 0
        self.root: Any = None
        self.start: Place | None = None

    def begin(self, holds: Any, place: Place) -> None:
        """Begin a list or mapping."""
        if len(self._open) == DEEPEST:
            message = Phrase("lists and mappings are nested at most {most} deep", most=DEEPEST)
            self.refuse("too_deep", message, place)
        self._add(holds, place)
        opened = _Open(holds, {})
        self.members[id(holds)] = opened.places
        self._open.append(opened)

    def end(self) -> None:
        """End the list or mapping that was begun last."""
        self._open.pop()

    def key(self, name: str, place: Place) -> None:
        """Take the name of the next value."""
        opened = self._open[-1]
        first = opened.places.get(name)
        if first is not None:
            message = Phrase(
                "`{name}` stands here a second time; it stood first in line {line}, column {column}",
                name=name[:SHOWN],
                line=first.line,
                column=first.column,
            )
            self.refuse("duplicate_key", message, place, name)
        self._count(place)
        opened.key, opened.key_place = name, place

    def value(self, value: Any, place: Place) -> None:
        """Take a scalar."""
        self._add(value, place)

    def located(self) -> Located:
        """Return what was put together."""
        return Located(self.root, self.start or Place(1, 1), self.members)

    def refuse(self, code: str, message: Phrase, place: Place, *more: str) -> NoReturn:
        """Refuse what stands at a place."""
        parts = [self._at(opened, being_filled=True) for opened in self._open[:-1]]
        if self._open and not more:
            more = (str(self._at(self._open[-1], being_filled=False)),)
        refuse(code, message, place, pointer_of(*parts, *more))

    def _at(self, opened: _Open, *, being_filled: bool) -> str | int:
        """Return the member that is being filled, which a list holds already, or else the next one."""
        if isinstance(opened.holds, list):
            return len(opened.holds) - being_filled
        return opened.key or ""

    def _add(self, value: Any, place: Place) -> None:
        self._count(place)
        if not self._open:
            self.root, self.start = value, place
            return
        opened = self._open[-1]
        if isinstance(opened.holds, list):
            opened.places[len(opened.holds)] = place
            opened.holds.append(value)
        else:
            opened.places[opened.key or ""] = opened.key_place
            opened.holds[opened.key] = value

    def _count(self, place: Place) -> None:
        self._n_parts += 1
        if self._n_parts > MOST_PARTS:
            message = Phrase("a policy has at most {most} names and values", most=MOST_PARTS)
            refuse("too_large", message, place)
