"""Many recorded decisions as columns: what the rules looked at, what they said, what was shown.

Decisions have rounds, rounds have candidates; ``round_ptr`` and ``cand_ptr`` say which. What holds for a
whole request and is no number is a *situation*: few differ, so each is kept once, without anything that
tells customers apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Any, cast, get_args, get_type_hints

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue
from engine.vocabulary import Basis
from guardrails.admit import Admission, Muted
from guardrails.log.reading import admission_of, request_of
from guardrails.request import Request
from guardrails.rules.base import View

Column = NDArray[Any]

OF_DECISION: Mapping[str, str] = {
    "minute": "int64",
    "policy": "int32",
    "situation": "int32",
    "older": "bool",
    "count": "int32",
    "now_ms": "int64",
    "local_minute": "int32",
    "n_pages": "int32",
    "basket_after_s": "int32",
    "page_category": "int32",
    "page_class": "int16",
}
"""Type of each column with one entry a decision; -1 where a number was not known."""

_BESIDE = frozenset({"request", "admission", "catalogue", "item_idx", "basis"})
_SCALARS = {bool: "bool", int: "int64"}


def _types() -> tuple[dict[str, str], dict[str, str]]:
    hints = get_type_hints(View)
    scalars, columns = {"basis": "int8", "asked": "int32"}, {}
    for each in fields(View):
        declared = hints[each.name]
        if each.name in _BESIDE:
            continue
        if declared in _SCALARS:
            scalars[each.name] = _SCALARS[declared]
        else:
            columns[each.name] = np.dtype(get_args(get_args(declared)[1])[0]).name
    return scalars, columns


OF_ROUND, _OF_VIEW = _types()
"""Type of each column with one entry a round: basis, which rules were asked, and the scalars of a view."""

OF_CATALOGUE: Mapping[str, str] = {
    "tier": "int8",
    "sensitive_class": "int16",
    "price_minor": "int64",
    "category": "int32",
    "brand": "int32",
    "age_restricted": "bool",
    "muted": "bool",
    "occasion_muted": "bool",
    "sponsored": "bool",
    "pressing": "bool",
    "unclassified": "bool",
}
"""Type of each column that a view has from its catalogue, or from what is muted."""

OF_CANDIDATE: Mapping[str, str] = {
    **_OF_VIEW,
    **OF_CATALOGUE,
    "score": "int64",
    "item": "int32",
}
"""Type of each column with one entry a candidate; items, brands, categories and classes are places in the
tables of names, -1 for none."""

OF_FIRED: Mapping[str, str] = {
    "fired_row": "int32",
    "fired_rule": "int16",
    "fired_effect": "int8",
    "fired_factor": "int32",
}
"""What rules said beyond "allow", one entry each, in the order of the rules within a round."""

OF_SLATE: Mapping[str, str] = {"shown_row": "int32", "refused_row": "int32", "refused_rule": "int16"}
"""What was shown, best first within a decision, and what rules of the list kept out of it."""

POINTERS: Mapping[str, str] = {"round_ptr": "int64", "cand_ptr": "int64"}

NUMBERS: Mapping[str, str] = {
    **OF_DECISION,
    **OF_ROUND,
    **OF_CANDIDATE,
    **OF_FIRED,
    **OF_SLATE,
    **POINTERS,
}
"""Type of every column of numbers."""

NAMES = (
    "decision_id",
    "policies",
    "situations",
    "asked_rules",
    "rules",
    "items",
    "classes",
    "categories",
    "brands",
)
"""Tables of texts: ids of decisions, and what codes stand for; ``asked_rules`` are ids, blanks between."""


UNNAMED = ""
"""Name of a category of which only the code was recorded: that of no candidate of its decision."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What holds for a whole request and is no number that varies."""

    request: Request
    admission: Admission


def situation_text(req: Mapping[str, Any], consent: Mapping[str, Any], *, has_page: bool) -> str:
    """Return what is kept of a request as a situation; two requests in the same one have the same text.

    Left out are numbers that have columns of their own, and everything that points at a person: record
    ids, notices, when a consent ends, since when history counts, what was read, and what is muted but
    for occasions (which candidates are muted is a column).

    Raises:
        KeyError: something is missing.
    """
    holding = consent["holding"]
    document = {
        "req": {name: req[name] for name in _KEPT_OF_REQUEST}
        | {"visit": {"n_pages": None, "basket_after_s": None, "entry": req["visit"]["entry"]}}
        | {"ts": 0, "count": 1, "seed": "", "local_minute": None},
        "consent": {name: consent[name] for name in _KEPT_OF_CONSENT}
        | {name: _anonymous(consent[name]) for name in ("enrichment", "pricing")}
        | {
            "permissions": [_anonymous(each) for each in consent["permissions"]],
            "muted": {"occasions": consent["muted"]["occasions"]},
            "jurisdiction": consent.get("jurisdiction"),
            "history_from": 0,
            "holding": holding,
        },
        "has_page": has_page,
    }
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()


_KEPT_OF_REQUEST = (
    *("subject_kind", "placement", "channel", "non_profiled", "gpc", "shared_device", "recognised_only"),
    *("language", "occasion", "presentation"),
)
_KEPT_OF_CONSENT = (
    *("history", "history_by", "session", "context", "sensitive_granted", "age_assurance"),
    *("shared_audience", "non_profiled", "degraded"),
)


def _anonymous(permission: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if permission is None:
        return None
    kept = {name: permission[name] for name in ("purpose", "permitted", "because", "basis")}
    return kept | {"record_id": None, "notice_version": None, "expires_at_ms": None}


@lru_cache(maxsize=1 << 16)
def read_situation(text: str) -> Situation:
    """Rebuild a situation; numbers that have columns of their own are not in it.

    Raises:
        RecordError, KeyError, ValueError, TypeError: it is not one of ours.
    """
    document = orjson.loads(text)
    request = request_of(document["req"], has_page=document["has_page"])
    return Situation(request, admission_of(document["consent"], request, frozenset()))


@dataclass(frozen=True, eq=False)
class Retained:
    """A run of decisions as columns.

    Attributes:
        numbers: every column of ``NUMBERS``, shapes as their groups say.
        names: every table of ``NAMES``.
    """

    numbers: Mapping[str, Column]
    names: Mapping[str, Sequence[str]]
    _codes: dict[str, NDArray[np.int64]] = field(default_factory=dict, init=False, repr=False)

    def __getitem__(self, name: str) -> Column:
        return self.numbers[name]

    def __len__(self) -> int:
        """How many decisions there are."""
        return int(self["round_ptr"].size) - 1

    @property
    def n_rounds(self) -> int:
        """How many rounds they have."""
        return int(self["cand_ptr"].size) - 1

    @property
    def n_candidates(self) -> int:
        """How many candidates these have."""
        return int(self["cand_ptr"][-1])

    def situation(self, code: int) -> Situation:
        """Return one of the situations."""
        return read_situation(self.names["situations"][code])

    def codes_of(self, path: str) -> NDArray[np.int64]:
        """Return a number for each situation, equal where what ``path`` leads to is; e.g. ``request.gpc``."""
        known = self._codes.get(path)
        if known is None:
            look, of_value = attrgetter(path), dict[Any, int]()
            situations = map(read_situation, self.names["situations"])
            known = self._codes[path] = np.array(
                [of_value.setdefault(look(each), len(of_value)) for each in situations], np.int64
            )
        return known

    @cached_property
    def decision_of_round(self) -> NDArray[np.int64]:
        """Decision of each round; shape (n_rounds,)."""
        return np.repeat(np.arange(len(self)), np.diff(self["round_ptr"]))

    @cached_property
    def round_of_candidate(self) -> NDArray[np.int32]:
        """Round of each candidate; shape (n_candidates,)."""
        return np.repeat(np.arange(self.n_rounds, dtype=np.int32), np.diff(self["cand_ptr"]))

    @cached_property
    def catalogue(self) -> Catalogue:
        """All candidates as rows of one catalogue, and after them the page of each decision.

        Of a muted candidate it is only known that it is made for some muted occasion: all of them.
        """
        n = len(self)

        def rows(name: str, of_page: Column | int) -> Column:
            return np.concatenate([self[name], np.broadcast_to(np.asarray(of_page, self[name].dtype), (n,))])

        item_ids = cast("tuple[str, ...]", _Taken(self.names["items"], self["item"], n))
        return Catalogue(
            version="",
            item_ids=item_ids,
            titles=item_ids,
            item_no=np.arange(len(item_ids), dtype=np.int64),
            category=rows("category", self["page_category"]),
            categories=tuple(self.names["categories"]),
            brand=rows("brand", NO_CODE),
            brands=tuple(self.names["brands"]),
            price_minor=rows("price_minor", UNKNOWN_PRICE),
            currency="",
            available=np.ones(len(item_ids), np.bool_),
            tier=rows("tier", 0),
            sensitive_class=rows("sensitive_class", self["page_class"]),
            sensitive_classes=tuple(self.names["classes"]),
            age_restricted=rows("age_restricted", 0),
            occasions=np.where(rows("occasion_muted", 0), -1, 0).astype(np.int32),
            unclassified=rows("unclassified", 0),
            sponsored=rows("sponsored", 0),
            pressing=rows("pressing", 0),
        )

    def view_at(self, number: int) -> View:
        """Rebuild what the rules looked at in one round, as ``guardrails.log.reading.view_of`` does."""
        rows = slice(*self["cand_ptr"][number : number + 2].tolist())
        decision = int(self.decision_of_round[number])
        situation = self.situation(int(self["situation"][decision]))
        columns: dict[str, Any] = {name: column[rows] for name, column in self._columns}
        columns |= zip(_SCALARS_OF_VIEW, self._scalars[number], strict=True)
        return View(
            request=self._request_at(decision, situation.request),
            admission=self._admission_at(rows, situation.admission),
            catalogue=self.catalogue,
            basis=Basis(int(self["basis"][number])),
            item_idx=np.arange(rows.start, rows.stop, dtype=np.int32),
            **columns,
        )

    @cached_property
    def _columns(self) -> tuple[tuple[str, Column], ...]:
        """Columns of a view by name; looked up once, because there are many views."""
        return tuple((name, self[name]) for name in _OF_VIEW)

    @cached_property
    def _scalars(self) -> list[tuple[Any, ...]]:
        """The scalars of the view of each round."""
        return list(zip(*(self[name].tolist() for name in _SCALARS_OF_VIEW), strict=True))

    def _request_at(self, decision: int, request: Request) -> Request:
        def known(name: str) -> int | None:
            number = int(self[name][decision])
            return None if number < 0 else number

        has_page = request.context.item_idx is not None
        page = self.n_candidates + decision if has_page else None
        return replace(
            request,
            count=int(self["count"][decision]),
            now_ms=int(self["now_ms"][decision]),
            local_minute=known("local_minute"),
            visit=replace(request.visit, n_pages=known("n_pages"), basket_after_s=known("basket_after_s")),
            context=replace(request.context, item_idx=page),
        )

    def _admission_at(self, rows: slice, admission: Admission) -> Admission:
        muted = np.flatnonzero(self["muted"][rows]) + rows.start
        if not muted.size:
            return admission
        items = frozenset(self.names["items"][code] for code in self["item"][muted].tolist())
        return replace(admission, muted=Muted(items=items, occasions=admission.muted.occasions))


_SCALARS_OF_VIEW = tuple(name for name in OF_ROUND if name not in {"basis", "asked"})


class _Taken:
    """The item ids of many candidates, which hardly anybody asks for; of pages they are not known.

    Args:
        names: item ids.
        codes: shape (n,): place of each candidate's among them.
        n_pages: how many pages follow.
    """

    def __init__(self, names: Sequence[str], codes: Column, n_pages: int) -> None:
        self._names, self._codes, self._n = names, codes, codes.size + n_pages

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, row: int) -> str:
        if row >= self._n:
            raise IndexError(row)  # where iterating ends
        return self._names[int(self._codes[row])] if row < self._codes.size else UNNAMED
