"""Read the bodies of many records into columns, some thousands at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from api.rehearsing.cutting import Numbers, joined, lengths, numbers, occurrences, values
from api.storage.retained import RetainedBody
from engine.vocabulary import Basis, word
from guardrails.errors import RecordError
from guardrails.log.packing import unpack
from guardrails.log.record import SECTIONS
from guardrails.policy.retained import (
    NUMBERS,
    OF_CANDIDATE,
    OF_FIRED,
    OF_ROUND,
    UNNAMED,
    Retained,
    read_situation,
    situation_text,
)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What was read of a run of records.

    Attributes:
        kept: all that could be read, in the order given.
        unreadable: ids of the others.
    """

    kept: Retained
    unreadable: tuple[str, ...]


_OUTSIDE_SEEN = {"intent": "intent", "score": "score", "source": "source"}
_TEXTS = ("items", "sensitive_class", "brands", "categories")
_BEFORE_SEEN = ("base", "basis", "brands", "categories", "intent", "items", "score")
_SEEN = tuple(
    sorted(
        [name for name in OF_CANDIDATE if name not in {*_OUTSIDE_SEEN, "item"}]
        + [name for name in OF_ROUND if name not in {"basis", "asked"}]
    )
)
_OF_RULES = ("asked", "effect", "factor_micro", "row", "rule", "slate")
_FIRED = dict(zip(OF_FIRED, ("row", "rule", "effect", "factor_micro"), strict=True))


_BASES = {f'"{word(basis)}"'.encode(): basis.value for basis in Basis}
_PAGE = re.compile(rb'"page":(null|\{[^}]*\})[,}]')
_NO_PAGE = {"category": -1, "sensitive_class": None}

_Spans = tuple[Numbers, Numbers]
"""Where values begin and where they end, shape (n,) each; -1 where there is none."""


class _Unfit(Exception):  # noqa: N818 it never leaves this file
    """Some records of a run do not hold what they have to."""

    def __init__(self, decisions: Iterable[int]) -> None:
        self.decisions = frozenset(decisions)


class _Opened(NamedTuple):
    """A record whose short sections were read.

    Attributes:
        given: as it is stored.
        lines: the sections, by name.
        situation: its text.
        page: category and class of the page, as it was recorded.
        numbers: its columns of ``OF_DECISION`` that come from short sections, by name.
        older: it lacks what records hold since there are rules of the shop.
    """

    given: RetainedBody
    lines: Mapping[str, bytes]
    situation: str
    page: Mapping[str, Any]
    numbers: Mapping[str, int]
    older: bool


def read_block(bodies: Iterable[RetainedBody]) -> Block:
    """Read records; those that cannot be read, or lack what rules look at today, are named and left out."""
    opened, unreadable = [], []
    for body in bodies:
        try:
            opened.append(_open(body))
        except (RecordError, KeyError, TypeError, ValueError, AttributeError):
            unreadable.append(body.decision_id)
    while True:
        try:
            return Block(_Cut(opened).kept(), tuple(unreadable))
        except _Unfit as error:
            unreadable += [opened[each].given.decision_id for each in sorted(error.decisions)]
            opened = [each for number, each in enumerate(opened) if number not in error.decisions]


def _open(body: RetainedBody) -> _Opened:
    _, *sections = unpack(body.body).split(b"\n")
    lines = dict(zip(SECTIONS, sections, strict=True))
    if not lines["out"].endswith(b"}"):
        raise RecordError("a record is not whole")
    req, consent = orjson.loads(lines["req"]), orjson.loads(lines["consent"])
    page = orjson.loads(_PAGE.search(lines["cand"])[1])  # type: ignore[index]  # a TypeError where there is none
    text = situation_text(req, consent, has_page=page is not None)
    read_situation(text)
    visit = req["visit"]
    return _Opened(
        given=body,
        lines=lines,
        situation=text,
        page=page or _NO_PAGE,
        numbers={
            "count": int(req["count"]),
            "now_ms": int(req["ts"]),
            "local_minute": _or_less(req["local_minute"]),
            "n_pages": _or_less(visit["n_pages"]),
            "basket_after_s": _or_less(visit["basket_after_s"]),
        },
        older="jurisdiction" not in consent,
    )


def _or_less(number: int | None) -> int:
    return -1 if number is None else int(number)


class _Codes:
    """Gives every text a number, in the order in which they come."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._known: dict[str, int] = {}
        for text in texts:
            self.of(text)

    def of(self, text: str) -> int:
        return self._known.setdefault(text, len(self._known))

    def column(self, texts: Iterable[str | None], dtype: str = "int32") -> NDArray[Any]:
        """Return the number of each text, -1 for none."""
        encoded = pa.array(list(texts), pa.string()).dictionary_encode()
        codes = np.array([*map(self.of, encoded.dictionary.to_pylist()), -1], dtype)
        places: NDArray[np.int32] = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return codes[places]  # -1 reads the last

    def names(self) -> tuple[str, ...]:
        return tuple(self._known)


class _Cut:
    """Cuts the long sections of a run of records into columns."""

    def __init__(self, opened: Sequence[_Opened]) -> None:
        self._opened = opened
        self._text, self._bounds = _laid_out(opened, ("cand", "rules", "out"))
        self._bytes = np.frombuffer(self._text, np.uint8)

    def kept(self) -> Retained:
        """Return all columns.

        Raises:
            _Unfit: some records do not hold what they have to.
        """
        n = len(self._opened)
        decision, begin, end = self._rounds("cand", b'{"base":[')
        of_rules, begin_rules, end_rules = self._rounds("rules", b'"asked":[{"reason":')
        n_rounds = np.bincount(decision, minlength=n)
        self._refuse((n_rounds == 0) | (n_rounds != np.bincount(of_rules, minlength=n)))
        self._decision = decision
        cand = self._values(begin, end, (*_BEFORE_SEEN, *_SEEN, "source"))
        rules = self._values(begin_rules, end_rules, _OF_RULES)
        (n_candidates,) = lengths(self._bytes, *cand["intent"])
        self._refuse_rounds(n_candidates < 0)
        cand_ptr = _pointers(n_candidates)
        found: dict[str, NDArray[Any]] = {
            "round_ptr": _pointers(n_rounds),
            "cand_ptr": cand_ptr,
            "minute": np.array([each.given.minute for each in self._opened], np.int64),
        }
        for name in ("count", "now_ms", "local_minute", "n_pages", "basket_after_s"):
            found[name] = np.array([each.numbers[name] for each in self._opened], np.int64)
        older = np.array([each.older for each in self._opened], np.bool_)
        older[decision[cand["brands"][0] < 0]] = True
        found["older"] = older
        self._add_numbers(found, cand, cand_ptr)
        names = self._add_texts(found, cand, cand_ptr)
        names |= self._add_rules(found, rules, cand_ptr)
        policies, situations = _Codes(), _Codes()
        found["policy"] = policies.column(each.given.policy for each in self._opened)
        found["situation"] = situations.column(each.situation for each in self._opened)
        self._add_shown(found, names["items"])
        return Retained(
            numbers={name: found[name].astype(dtype, copy=False) for name, dtype in NUMBERS.items()},
            names=names
            | {
                "decision_id": tuple(each.given.decision_id for each in self._opened),
                "policies": policies.names(),
                "situations": situations.names(),
            },
        )

    def _rounds(self, section: str, wanted: bytes) -> tuple[Numbers, Numbers, Numbers]:
        """Return decision, begin and end of each round of a section."""
        begin, end = self._bounds[section]
        decision, place = occurrences(self._bytes, begin, end, np.frombuffer(wanted, np.uint8))
        last = np.append(decision[1:] != decision[:-1], values=True) if decision.size else decision == 0
        ends = np.where(last, end[decision], np.append(place[1:], 0)) if decision.size else place
        return decision, place, ends

    def _values(self, begin: Numbers, end: Numbers, keys: Sequence[str]) -> dict[str, _Spans]:
        first, last = values(self._bytes, begin, end, *joined(list(keys)))
        n = begin.size
        return {
            key: (first[number * n : (number + 1) * n], last[number * n : (number + 1) * n])
            for number, key in enumerate(keys)
        }

    def _refuse(self, unfit: NDArray[np.bool_]) -> None:
        if unfit.any():
            raise _Unfit(np.flatnonzero(unfit).tolist())

    def _refuse_rounds(self, unfit: NDArray[np.bool_]) -> None:
        if unfit.any():
            raise _Unfit(self._decision[unfit].tolist())

    def _add_numbers(
        self, found: dict[str, NDArray[Any]], cand: Mapping[str, _Spans], cand_ptr: Numbers
    ) -> None:
        per_round = np.arange(cand_ptr.size, dtype=np.int64)
        for name in (*_SEEN, *_OUTSIDE_SEEN):
            if name in {"sensitive_class", "category", "brand"}:
                continue
            first, last = cand[name]
            column, fits = numbers(self._bytes, first, last, per_round if name in OF_ROUND else cand_ptr)
            self._refuse_rounds(~fits)
            found[name] = column.astype(NUMBERS[name])

    def _add_texts(
        self, found: dict[str, NDArray[Any]], cand: Mapping[str, _Spans], cand_ptr: Numbers
    ) -> dict[str, tuple[str, ...]]:
        items, classes, categories, brands = _Codes(), _Codes(), _Codes([UNNAMED]), _Codes()
        written = [self._text[first:last] for first, last in _pairs(cand["basis"])]
        found["basis"] = np.array([_BASES.get(basis, -1) for basis in written], np.int8)
        self._refuse_rounds(found["basis"] < 0)
        found["item"] = items.column(self._texts(cand["items"], cand_ptr))
        found["sensitive_class"] = classes.column(self._texts(cand["sensitive_class"], cand_ptr), "int16")
        pages = [each.page for each in self._opened]
        found["page_class"] = classes.column((page["sensitive_class"] for page in pages), "int16")
        raw = self._raw(cand["category"], cand_ptr)
        found["category"] = self._named(raw, cand["categories"], cand_ptr, categories)
        found["brand"] = self._named(self._raw(cand["brand"], cand_ptr), cand["brands"], cand_ptr, brands)
        known = _Known(np.repeat(self._decision, np.diff(cand_ptr)), raw, found["category"])
        page_category = np.array([page["category"] for page in pages], np.int64)
        found["page_category"] = known.codes(np.arange(len(pages)), page_category)
        found["recent_category"] = known.codes(self._decision, found["recent_category"])
        return {
            "items": items.names(),
            "classes": classes.names(),
            "categories": categories.names(),
            "brands": brands.names(),
        }

    def _raw(self, spans: _Spans, cand_ptr: Numbers) -> Numbers:
        """Return codes of the catalogue of then; -1 for all of a round that does not tell."""
        raw, fits = numbers(self._bytes, *spans, cand_ptr)
        untold = spans[0] < 0
        self._refuse_rounds(~fits & ~untold)
        raw[np.repeat(untold, np.diff(cand_ptr))] = -1
        return raw

    def _texts(self, spans: _Spans, cand_ptr: Numbers) -> list[str | None]:
        """Return a text, or nothing, for each candidate."""
        lists = self._lists(spans)
        self._refuse_rounds(np.array([len(each) for each in lists], np.int64) != np.diff(cand_ptr))
        return [text for each in lists for text in each]

    def _lists(self, spans: _Spans) -> list[list[Any]]:
        """Read lists of anything; empty where there is none."""
        written = (self._text[first:last] if first >= 0 else b"[]" for first, last in _pairs(spans))
        found: list[list[Any]] = orjson.loads(b"[" + b",".join(written) + b"]")
        return found

    def _named(self, raw: Numbers, spans: _Spans, cand_ptr: Numbers, codes: _Codes) -> NDArray[Any]:
        """Give each candidate the number of its name; names were recorded by ascending code of then."""
        of_round = np.repeat(np.arange(cand_ptr.size - 1), np.diff(cand_ptr))
        with_code = np.flatnonzero(raw >= 0)
        width = int(raw.max(initial=0)) + 1
        pairs = of_round[with_code] * width + raw[with_code]
        distinct, place = np.unique(pairs, return_inverse=True)
        names, n_distinct = self._lists(spans), np.bincount(distinct // width, minlength=cand_ptr.size - 1)
        told = spans[0] >= 0
        self._refuse_rounds(told & (np.array([len(each) for each in names], np.int64) != n_distinct))
        texts: list[str] = []
        ends = np.cumsum(n_distinct)
        for number, is_told in enumerate(told.tolist()):
            of_then = (distinct[ends[number] - n_distinct[number] : ends[number]] % width).tolist()
            texts += names[number] if is_told else [f"#{code}" for code in of_then]
        column = np.full(raw.size, -1, np.int32)
        column[with_code] = codes.column(texts)[place]
        return column

    def _add_rules(
        self, found: dict[str, NDArray[Any]], rules: Mapping[str, _Spans], cand_ptr: Numbers
    ) -> dict[str, tuple[str, ...]]:
        asked, codes = _Codes(), _Codes()
        written = [self._text[first:last] for first, last in _pairs(rules["asked"])]
        of_text = {text: self._asked(text, codes) for text in dict.fromkeys(written)}
        found["asked"] = asked.column(" ".join(of_text[text][0]) for text in written)
        (n_fired,) = lengths(self._bytes, *rules["rule"])
        self._refuse_rounds(n_fired < 0)
        ptr, of_round = _pointers(n_fired), np.repeat(np.arange(n_fired.size), n_fired)
        for name, key in _FIRED.items():
            column, fits = numbers(self._bytes, *rules[key], ptr)
            self._refuse_rounds(~fits)
            found[name] = column
        n_asked = np.array([len(of_text[text][0]) for text in written], np.int64)
        beyond = (found["fired_rule"] >= n_asked[of_round]) | (
            found["fired_row"] >= np.diff(cand_ptr)[of_round]
        )
        self._refuse_rounds(np.bincount(of_round[beyond], minlength=n_fired.size) > 0)
        table = np.concatenate([np.zeros(0, np.int64), *(of_text[text][1] for text in written)])
        found["fired_rule"] = table[(np.cumsum(n_asked) - n_asked)[of_round] + found["fired_rule"]]
        found["fired_row"] = found["fired_row"] + cand_ptr[of_round]
        self._add_refused(found, rules["slate"], cand_ptr, codes)
        return {"asked_rules": asked.names(), "rules": codes.names()}

    @staticmethod
    def _asked(text: bytes, codes: _Codes) -> tuple[list[str], NDArray[Any]]:
        ids = [each["rule"] for each in orjson.loads(text)]
        return ids, codes.column(ids, "int64")

    def _add_refused(
        self, found: dict[str, NDArray[Any]], spans: _Spans, cand_ptr: Numbers, codes: _Codes
    ) -> None:
        refused = [
            (start + each["row"], each["rule_id"])
            for start, of_round in zip(cand_ptr.tolist(), self._lists(spans), strict=False)
            for each in of_round
        ]
        found["refused_row"] = np.array([row for row, _ in refused], np.int64)
        found["refused_rule"] = codes.column((rule_id for _, rule_id in refused), "int16")

    def _add_shown(self, found: dict[str, NDArray[Any]], items: Sequence[str]) -> None:
        """Find what was shown among the candidates of the last round."""
        begin, end = self._bounds["out"]
        lists = self._values(begin, end, ("list",))["list"]
        self._refuse(lists[0] < 0)
        decision, place = occurrences(self._bytes, *lists, np.frombuffer(b'"item":', np.uint8))
        spans = self._values(place, lists[1][decision], ("item",))["item"]
        written = b",".join(self._text[first:last] for first, last in _pairs(spans))
        known = {item: code for code, item in enumerate(items)}
        shown = np.array([known.get(item, -1) for item in orjson.loads(b"[" + written + b"]")], np.int64)
        last = found["round_ptr"][1:] - 1
        n_of_last = np.diff(found["cand_ptr"])[last]
        rows = np.repeat(found["cand_ptr"][last] - _pointers(n_of_last)[:-1], n_of_last) + np.arange(
            n_of_last.sum()
        )
        whose = np.repeat(np.arange(last.size), n_of_last)
        row = _Known(whose, found["item"][rows].astype(np.int64), rows).codes(decision, shown, missing=-1)
        self._refuse(np.bincount(decision[row < 0], minlength=last.size) > 0)
        found["shown_row"] = row


class _Known:
    """Finds what belongs to a pair of numbers.

    Args:
        whose: shape (n,): the first number of each pair.
        raw: shape (n,): the second; pairs where it is negative are not known.
        code: shape (n,): what belongs to the pair.
    """

    def __init__(self, whose: Numbers, raw: Numbers, code: NDArray[Any]) -> None:
        self._width = int(raw.max(initial=0)) + 1
        known = np.flatnonzero(raw >= 0)
        self._key, first = np.unique(whose[known] * self._width + raw[known], return_index=True)
        self._code = code[known][first]

    def codes(self, whose: Numbers, raw: Numbers, missing: int = 0) -> Numbers:
        """Return what belongs to pairs, ``missing`` for others, -1 where the second number is negative."""
        key = whose * self._width + raw
        place = np.minimum(self._key.searchsorted(key), max(self._key.size - 1, 0))
        found = np.full(raw.size, missing, np.int64)
        if self._key.size:
            same = (self._key[place] == key) & (raw < self._width)
            found[same] = self._code[place[same]]
        found[raw < 0] = -1
        return found


def _laid_out(
    opened: Sequence[_Opened], sections: Sequence[str]
) -> tuple[bytes, dict[str, tuple[Numbers, Numbers]]]:
    """Put sections one after the other; return the text, and where each section of each record lies."""
    parts = [each.lines[section] for section in sections for each in opened]
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    begins = ends - np.array([len(part) for part in parts], np.int64)
    n = len(opened)
    return b"".join(parts), {
        section: (begins[number * n : (number + 1) * n], ends[number * n : (number + 1) * n])
        for number, section in enumerate(sections)
    }


def _pointers(counts: NDArray[Any]) -> Numbers:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _pairs(spans: _Spans) -> Iterable[tuple[int, int]]:
    return zip(spans[0].tolist(), spans[1].tolist(), strict=True)
