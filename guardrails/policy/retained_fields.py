"""The fields of recorded candidates, as rules of the shop look at them: of millions of rows at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Basis, word
from guardrails.policy.columns import (
    ABSENT,
    INTENTS,
    SOURCES,
    Column,
    Named,
    Names,
    day_of,
    holds_of,
    price_step_micro,
    with_all_above,
)
from guardrails.policy.language import Value
from guardrails.policy.merged import rows_of
from guardrails.policy.retained import UNNAMED, Retained, Situation
from guardrails.rules.base import NEVER_DAYS

RECORDED_LATER = frozenset({"item.brand", "item.categories", "customer.jurisdiction"})
"""Fields that records of before rules of the shop do not hold."""

_QUARTER_MS = 900_000  # every time zone is some quarters of an hour off, so days begin at one


@dataclass(frozen=True, eq=False)
class RetainedColumns:
    """The fields of the candidates of some rounds.

    Attributes:
        kept: the decisions.
        rounds: shape (k,), ascending: which rounds of theirs.
        time_zone: where days begin.
    """

    kept: Retained
    rounds: NDArray[np.int64]
    time_zone: tzinfo

    @property
    def n(self) -> int:
        """How many candidates."""
        return int(self._rows.size)

    def column(self, field: str) -> Column:
        """Return one field.

        Raises:
            KeyError: there is no such field.
        """
        if field in _FLAGS:
            return self._flag(_FLAGS[field])
        if field in _OF_SITUATION:
            return self._of_situation(_OF_SITUATION[field])
        if field in _OF_CANDIDATE:
            return _OF_CANDIDATE[field](self._of_candidate)
        if field in _TEXTS:
            return self._text(field)
        return _OF_REQUEST[field](self)

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        return rows_of(self.kept, self.rounds)

    @cached_property
    def _round(self) -> NDArray[np.int32]:
        return self.kept.round_of_candidate[self._rows]

    @cached_property
    def _decision(self) -> NDArray[np.int64]:
        return self.kept.decision_of_round[self._round]

    def _of_candidate(self, name: str) -> NDArray[Any]:
        return self.kept[name][self._rows]

    def of_round(self, name: str) -> NDArray[Any]:
        """Return a number of the round of each candidate, ``ABSENT`` where it is not known."""
        return _or_absent(self.kept[name])[self._round]

    def of_decision(self, name: str) -> NDArray[Any]:
        """Return a number of the decision of each candidate, ``ABSENT`` where it is not known."""
        return _or_absent(self.kept[name])[self._decision]

    def _of_situation(self, look: Callable[[Situation], Value]) -> Named:
        texts = range(len(self.kept.names["situations"]))
        names = Names((*(look(self.kept.situation(code)) for code in texts), ABSENT))
        return Named(self.kept["situation"][self._decision], names)

    def _flag(self, look: Callable[[Situation], bool]) -> NDArray[np.bool_]:
        texts = range(len(self.kept.names["situations"]))
        by_code = np.array([look(self.kept.situation(code)) for code in texts], np.bool_)
        return by_code[self.kept["situation"][self._decision]]

    def _text(self, field: str) -> Named:
        column, table, entry = _TEXTS[field]
        of_none: Value = () if field == "item.categories" else None
        names = Names((*(entry(text) for text in self.kept.names[table]), of_none))
        return Named(self._of_candidate(column), names)

    def dates(self) -> NDArray[np.int64]:
        """Return the day of each candidate's request, as days since 1970-01-01."""
        quarters, place = np.unique(self.kept["now_ms"] // _QUARTER_MS, return_inverse=True)
        days = [day_of(quarter * _QUARTER_MS, self.time_zone) for quarter in quarters.tolist()]
        return np.array(days, np.int64)[place][self._decision]

    def basis(self) -> Named:
        """Return how personal the evidence behind each candidate's list is."""
        return Named(self.kept["basis"][self._round], _BASES)

    def n_offers(self) -> NDArray[Any]:
        """Return the offers of each candidate's visit, ``ABSENT`` where they may not be counted."""
        may_count = self._flag(
            lambda each: each.admission.may_read_session or each.admission.may_read_history
        )
        return np.where(may_count, self.of_round("n_inline_upsells_session"), np.int64(ABSENT))


def _or_absent(column: NDArray[Any]) -> NDArray[Any]:
    return np.where(column < 0, np.int64(ABSENT), column)


def _categories(path: str) -> Value:
    return () if path == UNNAMED else with_all_above(path)


def _as_it_is(text: str) -> Value:
    return text


_BASES = Names(tuple(word(basis) for basis in Basis))

_TEXTS: Mapping[str, tuple[str, str, Callable[[str], Value]]] = MappingProxyType(
    {
        "item.id": ("item", "items", _as_it_is),
        "item.brand": ("brand", "brands", _as_it_is),
        "item.categories": ("category", "categories", _categories),
        "item.sensitive_class": ("sensitive_class", "classes", _as_it_is),
    }
)

_OF_CANDIDATE: Mapping[str, Callable[[Callable[[str], NDArray[Any]]], Column]] = MappingProxyType(
    {
        "candidate.intent": lambda of: Named(of("intent"), INTENTS),
        "candidate.source": lambda of: Named(of("source"), SOURCES),
        "candidate.price_step": lambda of: price_step_micro(of("price_minor"), of("anchor_price_minor")),
        "candidate.n_ignored": lambda of: of("n_ignored_short"),
        "candidate.days_since_shown": lambda of: np.where(
            of("days_since_shown") == NEVER_DAYS, np.int64(ABSENT), of("days_since_shown")
        ),
        "evidence.tier": lambda of: of("evidence_tier"),
        "evidence.from_history": lambda of: of("from_history"),
        "item.price_minor": lambda of: _or_absent(of("price_minor")),
        "item.sponsored": lambda of: of("sponsored"),
        "item.tier": lambda of: of("tier"),
        "item.age_restricted": lambda of: of("age_restricted"),
        "item.unclassified": lambda of: of("unclassified"),
    }
)

_OF_REQUEST: Mapping[str, Callable[[RetainedColumns], Column]] = MappingProxyType(
    {
        "request.date": RetainedColumns.dates,
        "request.local_minute": lambda columns: columns.of_decision("local_minute"),
        "request.basket_minor": lambda columns: columns.of_round("basket_minor"),
        "visit.n_pages": lambda columns: columns.of_decision("n_pages"),
        "visit.basket_after_s": lambda columns: columns.of_decision("basket_after_s"),
        "visit.n_offers": RetainedColumns.n_offers,
        "contact.n_messages_day": lambda columns: columns.of_round("n_outbound_day"),
        "contact.n_messages_week": lambda columns: columns.of_round("n_outbound_week"),
        "candidate.basis": RetainedColumns.basis,
    }
)

_OF_SITUATION: Mapping[str, Callable[[Situation], Value]] = MappingProxyType(
    {
        "request.placement": lambda each: each.request.placement.name,
        "request.channel": lambda each: word(each.request.channel),
        "request.language": lambda each: each.request.language,
        "visit.entry": lambda each: ABSENT if (entry := each.request.visit.entry) is None else entry.value,
        "customer.age_assurance": lambda each: each.admission.age_assurance.value,
        "customer.jurisdiction": lambda each: (
            ABSENT if each.admission.jurisdiction is None else each.admission.jurisdiction
        ),
        "customer.holds": lambda each: holds_of(each.admission.holding),
        "customer.excluded_classes": lambda each: tuple(sorted(each.admission.holding.excluded)),
    }
)

_FLAGS: Mapping[str, Callable[[Situation], bool]] = MappingProxyType(
    {
        "customer.open_complaint": lambda each: each.admission.holding.complaint_open,
        "customer.open_delivery_delay": lambda each: each.admission.holding.delivery_late,
        "customer.payment_failed": lambda each: each.admission.holding.payment_failed,
        "customer.non_profiled": lambda each: each.admission.non_profiled,
        "customer.shared_device": lambda each: each.admission.shared_audience,
    }
)
