"""Reads the examples of ``tests/cases/rules/slate``, and composes slates that only the list limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from support.views import CATEGORIES, a_view

from engine.vocabulary import Intent, from_word
from guardrails.compose import Slate, compose
from guardrails.judge import Judged
from guardrails.policy.limits import Limits
from guardrails.rules import CATALOGUE
from guardrails.rules.base import Effect, View
from guardrails.rules.slate import SLATE_CATALOGUE
from guardrails.rules.slate.base import SlateRule

FOLDER = Path(__file__).parents[1] / "cases" / "rules" / "slate"
UNKNOWN = -1


@dataclass(frozen=True)
class SlateCase:
    """One example: candidates best first, the places shown, and what was said of those refused.

    What stands in brackets is withheld by some rule about single candidates.
    """

    rule_id: str
    note: str
    view: View
    withheld: tuple[int, ...]
    limits: Limits
    shown: tuple[int, ...]
    refused: tuple[tuple[int, int, int], ...]


def read_slate_cases() -> Iterator[SlateCase]:
    """Return every example of every file, in order of file and place."""
    for path in sorted(FOLDER.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for example in document["cases"]:
            yield _case(document["rule"], **example)


def _case(
    rule_id: str,
    note: str,
    count: int,
    candidates: list[str],
    shown: list[int],
    refused: Sequence[dict[str, int]] = (),
    given: dict[str, Any] | None = None,
    limits: dict[str, dict[str, int]] | None = None,
) -> SlateCase:
    intents, categories = zip(*(_candidate(text.strip("()")) for text in candidates), strict=True)
    more = {
        name: _category(value) if name == "recent_category" else value
        for name, value in (given or {}).items()
    }
    changed = {
        group: replace(getattr(Limits(), group), **numbers) for group, numbers in (limits or {}).items()
    }
    return SlateCase(
        rule_id=rule_id,
        note=note,
        view=a_view(len(candidates), intent=intents, category=categories, count=count, **more),
        withheld=tuple(row for row, text in enumerate(candidates) if text.startswith("(")),
        limits=replace(Limits(), **changed),
        shown=tuple(place - 1 for place in shown),
        refused=tuple((each["place"] - 1, each["observed"], each["limit"]) for each in refused),
    )


def _candidate(text: str) -> tuple[int, int]:
    intent, _, category = text.partition(" ")
    return int(from_word(Intent, intent)), _category(category or "unknown")


def _category(name: str) -> int:
    return UNKNOWN if name == "unknown" else CATEGORIES.index(name)


def composed(
    view: View,
    limits: Limits,
    rules: Sequence[SlateRule] = SLATE_CATALOGUE,
    rank_score: np.ndarray | None = None,
    withheld: Sequence[int] = (),
) -> Slate:
    """Compose candidates of which only some are ``withheld``; best first unless ranked otherwise."""
    n = len(view)
    deciding = np.full(n, -1, np.int16)
    deciding[list(withheld)] = 0
    judged = Judged(
        rules=CATALOGUE[:1],
        judgements=(),
        effect=np.full(n, Effect.ALLOW, np.int8),
        obliges=np.zeros(n, np.int8),
        deciding=deciding,
        rank_score=np.arange(n, 0, -1) if rank_score is None else rank_score,
        failed=(),
    )
    return compose(judged, view, limits, rules)
