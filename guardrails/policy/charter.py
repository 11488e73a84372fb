"""The charter: why each rule stands, who answers for it, and what would show that it no longer fits.

The reasons behind automatic rules are forgotten while the world moves on. So every rule carries an
owner, a rationale, a day by which it is looked at again and one assumption that can be measured.
What is shipped stands in ``charter.toml``; a shop's own rules are described by the same rows.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from guardrails.errors import PolicyError

MICRO = 1_000_000
"""Shares are written in millionths."""

_FILE = "charter.toml"
_OWNER = re.compile(r"[a-z]+(-[a-z]+)*\Z")


class Measure(StrEnum):
    """What an assumption is about. Every measure is a share, so that shops of any size compare."""

    WITHHELD = "withheld"
    """Of the candidates it was asked about: those it withheld."""
    TOUCHED = "touched"
    """Of the candidates it was asked about: those of which it said more than "allow"."""
    KEPT_OUT = "kept_out"
    """Of the decisions: those before which it kept out something a customer did."""
    REPORTED = "reported"
    """Of what a report or a lint looked at: what it named. Nothing of it stands in decisions."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """What is taken for granted of a rule, as a range of something that can be counted.

    Attributes:
        measure: which share.
        low_micro: the least it may be, millionths.
        high_micro: the most it may be, millionths.
    """

    measure: Measure
    low_micro: int
    high_micro: int


@dataclass(frozen=True, slots=True)
class CharterEntry:
    """What stands behind one rule.

    Attributes:
        id: id of the rule, such as ``G17``; a shop's own rule has the id that the shop gave it.
        owner: role that answers for it.
        rationale: why it is there, in plain words.
        review_by: last day on which it may stand without having been looked at again.
        assumes: what it rests on; of what ships exactly one thing.
        locked: a shop may tighten it, never loosen it.
    """

    id: str
    owner: str
    rationale: str
    review_by: date
    assumes: tuple[Assumption, ...]
    locked: bool


@cache
def charter() -> Mapping[str, CharterEntry]:
    """Return what stands behind every shipped rule, by its id.

    Raises:
        PolicyError: a row lacks something, or says what cannot be.
    """
    return charter_of(tomllib.loads(resources.files(__package__).joinpath(_FILE).read_text("utf-8")))


def charter_of(rows: Mapping[str, Any]) -> Mapping[str, CharterEntry]:
    """Return the entries that rows describe, by rule id, in the order of the rows.

    Raises:
        PolicyError: a row lacks something, or says what cannot be.
    """
    return {rule_id: _entry(rule_id, row) for rule_id, row in rows.items()}


def _entry(rule_id: str, row: Any) -> CharterEntry:
    _require_fields(rule_id, row, set(CharterEntry.__dataclass_fields__) - {"id"})
    _require(rule_id, "owner", isinstance(row["owner"], str) and _OWNER.match(row["owner"]), "a role")
    _require(rule_id, "rationale", _is_text(row["rationale"]), "a text")
    _require(rule_id, "review_by", type(row["review_by"]) is date, "a day")
    _require(rule_id, "locked", isinstance(row["locked"], bool), "true or false")
    return CharterEntry(**{**row, "id": rule_id, "assumes": (_assumption(rule_id, row["assumes"]),)})


def _assumption(rule_id: str, row: Any) -> Assumption:
    _require_fields(rule_id, row, set(Assumption.__dataclass_fields__))
    low, high = row["low_micro"], row["high_micro"]
    _require(rule_id, "measure", row["measure"] in set(Measure), f"one of {', '.join(Measure)}")
    shares = type(low) is int and type(high) is int and 0 <= low <= high <= MICRO
    _require(rule_id, "assumes", shares, f"a range within 0 and {MICRO}")
    return Assumption(Measure(row["measure"]), low, high)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _require_fields(rule_id: str, row: Any, names: set[str]) -> None:
    if not isinstance(row, Mapping):
        raise PolicyError(f"the charter of `{rule_id}` is not a table")
    wrong = row.keys() ^ names
    if wrong:
        raise PolicyError(f"the charter of `{rule_id}` lacks or misnames `{min(wrong)}`")


def _require(rule_id: str, name: str, holds: object, wanted: str) -> None:
    if not holds:
        raise PolicyError(f"in the charter of `{rule_id}`, `{name}` must be {wanted}")
