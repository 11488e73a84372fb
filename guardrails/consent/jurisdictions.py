"""Jurisdictions: what the law of a place asks for, as data with a date on which it is looked at again.

A place that is not known, and one that the table does not hold, gets the strictest of all rules.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

import orjson

from guardrails.errors import PolicyError
from guardrails.sensitive.classes import CLASS_NAMES

UNKNOWN = "unknown"
"""Code of the rules for a place that nobody named."""

_FILE = "jurisdictions.toml"


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """What the law of one place asks for.

    Attributes:
        code: ISO 3166 code of a country or of a part of one, ``EU``, or ``UNKNOWN``.
        name: in English.
        consent_age: age from which somebody can consent without a parent, in years (GDPR 8(1)).
        ask_again_after_days: how long somebody who refused is not asked again.
        signal_may_be_overridden: a confirmed grant may stand against Global Privacy Control.
        soft_opt_in: buyers may be written to about similar goods until they object (ePrivacy 13(2)).
        raised_classes: sensitive classes whose goods of tier S1 are treated as S2.
        reviewed: when the row was last compared with the law.
        review_by: when that is due again.
    """

    code: str
    name: str
    consent_age: int
    ask_again_after_days: int
    signal_may_be_overridden: bool
    soft_opt_in: bool
    raised_classes: frozenset[str]
    reviewed: date
    review_by: date

    @property
    def fingerprint(self) -> str:
        """Code and a digest of the rules, as stored with each consent event: ``DK#0f3a…``."""
        said = (
            self.consent_age,
            self.ask_again_after_days,
            self.signal_may_be_overridden,
            self.soft_opt_in,
            sorted(self.raised_classes),
        )
        return f"{self.code}#{hashlib.sha256(orjson.dumps(said)).hexdigest()[:12]}"


@cache
def jurisdictions() -> Mapping[str, Jurisdiction]:
    """Return every jurisdiction by its code, the strictest of all under ``UNKNOWN``.

    Raises:
        PolicyError: a row of the table lacks something, or names what does not exist.
    """
    rows = tomllib.loads(resources.files(__package__).joinpath(_FILE).read_text("utf-8"))
    return table_of(rows)


def table_of(rows: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Jurisdiction]:
    """Return the jurisdictions that rows of the table describe; see ``jurisdictions``."""
    found = {code: _jurisdiction(code, rows) for code in rows}
    return {**found, UNKNOWN: _strictest(found.values())}


def jurisdiction_of(code: str | None) -> Jurisdiction:
    """Return the rules of a place; the strictest when it is ``None`` or not in the table.

    Of a part that is not in the table the country counts.

    >>> jurisdiction_of("DK").consent_age, jurisdiction_of("US-NY").code, jurisdiction_of("XX").code
    (15, 'US', 'unknown')
    """
    known = jurisdictions()
    if code is None:
        return known[UNKNOWN]
    return known.get(code) or known.get(code.split("-", 1)[0]) or known[UNKNOWN]


def raised_where(code: str | None) -> frozenset[str]:
    """Return the sensitive classes that the law raises where a customer lives; none if that is not known.

    What the law of the shop's own place raises holds for everybody, and is in the catalogue already.

    >>> "health" in raised_where("US-WA"), raised_where("US-CA"), raised_where(None)
    (True, frozenset(), frozenset())
    """
    return frozenset() if code is None else jurisdiction_of(code).raised_classes


def overdue(on: date) -> tuple[Jurisdiction, ...]:
    """Return the jurisdictions that should have been reviewed by a day."""
    return tuple(each for each in jurisdictions().values() if each.review_by < on)


def _jurisdiction(code: str, rows: Mapping[str, Mapping[str, Any]]) -> Jurisdiction:
    values = {"raised_classes": (), **_inherited(code, rows), "code": code}
    unknown = values.keys() - Jurisdiction.__dataclass_fields__.keys()
    missing = Jurisdiction.__dataclass_fields__.keys() - values.keys()
    if unknown or missing:
        raise PolicyError(f"the jurisdiction `{code}` lacks or misnames `{min(unknown | missing)}`")
    values["raised_classes"] = frozenset(values["raised_classes"])
    if not values["raised_classes"] <= set(CLASS_NAMES):
        raise PolicyError(f"the jurisdiction `{code}` raises a class that does not exist")
    return Jurisdiction(**values)


def _inherited(code: str, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    own = dict(rows[code])
    parent = own.pop("parent", None)
    if parent is None:
        return own
    if parent not in rows or "parent" in rows[parent]:
        raise PolicyError(f"the jurisdiction `{code}` has a parent that cannot be one")
    return {**rows[parent], **own}


def _strictest(known: Iterable[Jurisdiction]) -> Jurisdiction:
    """Return the rules that keep every other, and no more lenient in anything."""
    rows = tuple(known)
    return Jurisdiction(
        code=UNKNOWN,
        name="not known",
        consent_age=max(each.consent_age for each in rows),
        ask_again_after_days=max(each.ask_again_after_days for each in rows),
        signal_may_be_overridden=False,
        soft_opt_in=all(each.soft_opt_in for each in rows),
        raised_classes=frozenset().union(*(each.raised_classes for each in rows)),
        reviewed=min(each.reviewed for each in rows),
        review_by=min(each.review_by for each in rows),
    )
