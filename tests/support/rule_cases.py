"""Reads the examples of ``tests/cases/rules``: plain words in, a view and what is expected out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from support.views import BRANDS, CATEGORIES, CLASSES, a_view, denied, granted, muted

from engine.vocabulary import Basis, Channel, Intent, Provenance, Source, from_word
from guardrails.consent.permission import Denial, Permission
from guardrails.holding import Holding
from guardrails.policy.limits import Limits
from guardrails.request import AgeAssurance, Entry, Pattern, Presentation, SubjectKind, Visit
from guardrails.rules.base import Effect, View
from guardrails.sensitive.occasions import mask_of

FOLDER = Path(__file__).parents[1] / "cases" / "rules"


@dataclass(frozen=True)
class Case:
    """One example: what is given, and what the rule must say of the only candidate."""

    rule_id: str
    note: str
    view: View
    limits: Limits
    effect: Effect
    observed: int
    limit: int
    factor_micro: int | None


def read_cases() -> Iterator[Case]:
    """Return every example of every file, in order of file and place."""
    for path in sorted(FOLDER.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for example in document["cases"]:
            yield _case(document["rule"], **example)


def _case(
    rule_id: str,
    note: str,
    then: dict[str, Any],
    given: dict[str, Any] | None = None,
    limits: dict[str, dict[str, int]] | None = None,
) -> Case:
    words = {name: _READ.get(name, _as_is)(value) for name, value in (given or {}).items()}
    changed = {
        group: replace(getattr(Limits(), group), **numbers) for group, numbers in (limits or {}).items()
    }
    return Case(
        rule_id=rule_id,
        note=note,
        view=a_view(**words),
        limits=replace(Limits(), **changed),
        effect=from_word(Effect, then.pop("effect")),
        observed=then.pop("observed"),
        limit=then.pop("limit"),
        factor_micro=then.pop("factor_micro", None),
    )


def _as_is(value: Any) -> Any:
    return value


def _permission(word: str | None) -> Permission | None:
    if word is None:
        return None
    return granted() if word == "granted" else denied(Denial(word))


def _holding(what: dict[str, Any]) -> Holding:
    return Holding(**{**what, "excluded": frozenset(what.get("excluded", ()))})


def _visit(what: dict[str, Any]) -> Visit:
    entry = what.get("entry")
    return Visit(**{**what, "entry": None if entry is None else Entry(entry)})


def _presentation(what: dict[str, Any]) -> Presentation:
    return Presentation(**{**what, "patterns": frozenset(map(Pattern, what.get("patterns", ())))})


def _minute_of_day(clock: str | None) -> int | None:
    """Minutes since midnight of a time written as ``"21:00"`` (in quotes, or YAML counts in sixties)."""
    if clock is None:
        return None
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _code(names: tuple[str, ...]) -> Callable[[str | None], int]:
    return lambda name: -1 if name is None else names.index(name)


def _page(columns: dict[str, Any]) -> dict[str, int]:
    return {name: _READ.get(name, _as_is)(value) for name, value in columns.items()}


_READ: dict[str, Callable[[Any], Any]] = {
    "basis": lambda word: from_word(Basis, word),
    "subject_kind": SubjectKind,
    "intent": lambda word: from_word(Intent, word),
    "source": lambda word: from_word(Source, word),
    "channel": lambda word: from_word(Channel, word),
    "age_assurance": AgeAssurance,
    "history": _permission,
    "offers": _permission,
    "outreach": _permission,
    "enrichment": _permission,
    "pricing": _permission,
    "evidence_provenance": lambda word: from_word(Provenance, word),
    "sensitive_granted": frozenset,
    "raised_classes": frozenset,
    "sensitive_class": _code(CLASSES),
    "category": _code(CATEGORIES),
    "brand": _code(BRANDS),
    "occasions": lambda names: mask_of(*names),
    "holding": _holding,
    "visit": _visit,
    "presentation": _presentation,
    "local_minute": _minute_of_day,
    "muted": lambda scopes: muted(**scopes),
    "page": _page,
}
