"""Counterfactuals: the smallest change in the inputs of a recorded decision that would have flipped it.

``counterfactuals`` takes the parsed sections of a record (``guardrails.log.reading.sections_of``) and the
rules and limits it was decided with, and says of every item that was withheld what would have let it
through, and of every one that was shown what would have withheld it (Wachter, Mittelstadt & Russell 2018):

    rules = (*CATALOGUE, *house_rules(policy)[0])
    for found in counterfactuals(sections_of(body), rules, policy.limits):
        print(found.item, sentence(found, "en"), found.to_plain())

What may change is told by ``guardrails.log.inputs``. Everything else stays as it was recorded, scores
included: what would have been read or proposed under another consent nobody knows. First every single
change is tried, then pairs, then triples of those that bring an item nearer to its flip; the numbers of what
was found are then brought as near to the recorded ones as they go. So every answer is true, none of its parts
is idle, and where it has several parts, no single change that was tried would do.

The rules judge each candidate by itself, so many changes of many candidates are judged in one go; a
change that holds for the whole request is put to the rules that read it, once for all candidates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from guardrails.compose import Slate, compose
from guardrails.errors import RecordError
from guardrails.judge import WITHHOLDING, judge
from guardrails.log.inputs import (
    NUMERIC,
    Case,
    Input,
    Stand,
    Value,
    ValueKind,
    Who,
    inputs_of,
    laid_out,
)
from guardrails.log.reading import view_of
from guardrails.policy.compiled import ShopRule
from guardrails.policy.language import atoms
from guardrails.policy.limits import Limits
from guardrails.rules.base import MICRO, Rule
from guardrails.rules.slate import SLATE_CATALOGUE
from guardrails.rules.slate.base import SlateRule

Sections: TypeAlias = Mapping[str, Mapping[str, Any]]

MOST_CHANGES = 3
"""No counterfactual asks for more at once."""

USUAL_TRIES = 20_000
"""Changes of one candidate that are tried for one decision, unless told otherwise."""

_MOST_PARTS = 14
"""Single changes of a candidate that pairs and triples are made of."""

_MOST_TOGETHER = 120
"""Pairs, and triples, that are tried for one candidate."""

_BETWEEN = 7
"""Numbers that are tried at once on the way from what was recorded to what flips."""

_NEVER = np.iinfo(np.int32).max
_SCORE = "G31"


class State(StrEnum):
    """What became of an item, or would have become."""

    SHOWN = "shown"
    ADMITTED = "admitted"
    """No rule about single candidates withholds it; whether it is shown, its rank and the list decide."""
    WITHHELD = "withheld"


class Unflipped(StrEnum):
    """Why there is no change."""

    NONE_FOUND = "none_found"
    """No change of up to three inputs that anybody could change flips it."""
    OUT_OF_TRIES = "out_of_tries"
    """The tries ended before one was found."""


@dataclass(frozen=True, slots=True)
class Change:
    """One input that would have been otherwise.

    Attributes:
        field: name of the input.
        was: its value as recorded, in the unit of the record; ``None`` where not known, or never.
        to: what it would have been.
        who: on whom that depends.
        what: what the input says, in the source language.
        kind: what its value is.
    """

    field: str
    was: Value
    to: Value
    who: Who
    what: str
    kind: ValueKind


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """What would have flipped the verdict about one item.

    Attributes:
        item: its id.
        round: number of the round in which it was considered, from 0.
        was: what became of it.
        rule: the rule that withheld it; empty where none did.
        change: the smallest change found; empty where none was.
        flips_to: what would have become of it; ``None`` without a change.
        by: the rule that would then have withheld it, or held it back from the list; empty for none.
        unflipped: why there is no change; ``None`` where there is one.
    """

    item: str
    round: int
    was: State
    rule: str
    change: tuple[Change, ...]
    flips_to: State | None
    by: str = ""
    unflipped: Unflipped | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return it as canonical JSON can be written of it."""
        return {
            "item": self.item,
            "round": self.round,
            "was": self.was.value,
            "rule": self.rule,
            "change": [
                {"field": each.field, "from": _plain(each.was), "to": _plain(each.to), "who": each.who.value}
                for each in self.change
            ],
            "flips_to": None if self.flips_to is None else self.flips_to.value,
            "by": self.by,
            "unflipped": None if self.unflipped is None else self.unflipped.value,
        }


def _plain(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value


def counterfactuals(
    sections: Sections,
    rules: Sequence[Rule],
    limits: Limits,
    slate_rules: Sequence[SlateRule] = SLATE_CATALOGUE,
    *,
    items: Collection[str] | None = None,
    most_tries: int = USUAL_TRIES,
) -> tuple[Counterfactual, ...]:
    """Return what would have flipped each verdict of a recorded decision, in the order of the record.

    Args:
        sections: the parsed sections of a record's body.
        rules: what was asked of every candidate then: the catalogue, then the rules of the shop that act.
        limits: the numbers of the policy of then.
        slate_rules: what was asked of the list.
        items: ids of the items to explain; all that were withheld or shown when left out.
        most_tries: changes of one candidate that are tried at most; the search ends with what it has.

    Raises:
        RecordError: the record is not of a decision that was made by these rules and limits, or does not
            hold all that rules look at today.
    """
    tries = _Tries(most_tries)
    rounds = [
        _Round.of(sections, number, Stand(view_of(sections, number), limits, tuple(rules)), slate_rules)
        for number in range(len(sections["cand"]["rounds"]))
    ]
    _refuse_another_policy(sections, rounds)
    found: list[Counterfactual] = []
    for number, taken in enumerate(rounds):
        names = sections["cand"]["rounds"][number]["items"]
        rows = [
            row
            for row in (*(row for row, _ in taken.slate.held_back), *taken.slate.shown)
            if items is None or names[row] in items
        ]
        answers = _Search(taken, tries).about(rows)
        unflipped = Unflipped.OUT_OF_TRIES if tries.ended else Unflipped.NONE_FOUND
        found.extend(_told(taken, number, row, answers[row], unflipped) for row in rows)
    return tuple(found)


def _refuse_another_policy(sections: Sections, rounds: Sequence[_Round]) -> None:
    """Refuse a record whose verdicts are not those of the rules at hand: nothing said of it would be true."""
    items = [considered["items"] for considered in sections["cand"]["rounds"]]
    withheld = [
        (names[row], rule_id)
        for names, taken in zip(items, rounds, strict=True)
        for row, rule_id in taken.slate.held_back
    ]
    shown = [names[row] for names, taken in zip(items, rounds, strict=True) for row in taken.slate.shown]
    recorded, out = [(each["item"], each["rule"]) for each in sections["out"]["withheld"]], sections["out"]
    if withheld != recorded or shown != [each["item"] for each in out["list"]]:
        raise RecordError("a record was not made by these rules and limits")


class _Part(NamedTuple):
    """One input with another value.

    Attributes:
        order: its place among the inputs.
        input: the input.
        was: its recorded value.
        to: the other one.
    """

    order: int
    input: Input
    was: Value
    to: Value


class _Trial(NamedTuple):
    """A candidate, and what is changed for it."""

    row: int
    parts: tuple[_Part, ...]


class _Heard(NamedTuple):
    """What rules say of a trial.

    Attributes:
        withholds: bits of the rules that withhold the candidate, by their place.
        creepiness: what the creepiness score then is; 0 where it is not asked for.
    """

    withholds: int
    creepiness: int


class _Settled(NamedTuple):
    """What comes of a trial once the list is composed again."""

    state: State | None
    by: str


_Key: TypeAlias = tuple[tuple[int, Value, int], ...]


@dataclass(slots=True)
class _Tries:
    """How many more trials there may be."""

    left: int
    ended: bool = False

    def take(self, trials: list[_Trial]) -> list[_Trial]:
        """Return as many of the trials as there may be, and count them."""
        granted = trials[: max(self.left, 0)]
        self.left -= len(granted)
        self.ended |= len(granted) < len(trials)
        return granted


def _position(part_input: Input, value: Value) -> int:
    """Return where a number stands: what never happened is furthest, an unknown price lowest."""
    if value is None:
        return -1 if part_input.column == "price_minor" else _NEVER
    return int(value)  # type: ignore[arg-type]  # only numbers have positions


def _size(part: _Part) -> tuple[int, int]:
    """Return how large a change is: relative to the larger of both numbers, in millionths, then how far."""
    if part.input.kind not in NUMERIC or part.was is None or part.to is None:
        far = (
            abs(_position(part.input, part.was) - _position(part.input, part.to))
            if part.input.kind in NUMERIC
            else 0
        )
        return MICRO, far
    was, to = int(part.was), int(part.to)  # type: ignore[arg-type]  # numbers
    return abs(to - was) * MICRO // max(abs(was), abs(to), 1), abs(to - was)


def _rank(parts: Sequence[_Part]) -> tuple[Any, ...]:
    """Order changes: fewer parts, smaller ones, then as the inputs are listed."""
    sizes = [_size(part) for part in parts]
    return (
        len(parts),
        sum(size for size, _ in sizes),
        tuple(part.order for part in parts),
        tuple(far for _, far in sizes),
        tuple(str(part.to) for part in parts),
    )


def _is_smaller(parts: tuple[_Part, ...], best: tuple[_Part, ...]) -> bool:
    """Tell whether a change is smaller than the best one; where there is none yet any is."""
    return not best or _rank(parts) < _rank(best)


class _Round:
    """One round, judged and composed as it was, and ready to be judged otherwise."""

    def __init__(self, case: Case, slate: Slate, slate_rules: Sequence[SlateRule]) -> None:
        self.case, self.slate, self.slate_rules = case, slate, slate_rules
        self.n, rules = len(case.stand.view), case.stand.rules
        self.inputs = inputs_of(case)
        self.withheld_by = _bits(case.withholds)
        self.readers = [
            sum(1 << case.places[rule_id] for rule_id in each.readers & case.places.keys())
            for each in self.inputs
        ]
        self.of_shop = sum(1 << place for place, rule in enumerate(rules) if isinstance(rule, ShopRule))

    @classmethod
    def of(cls, sections: Sections, number: int, stand: Stand, slate_rules: Sequence[SlateRule]) -> _Round:
        """Judge and compose a recorded round again."""
        score = np.array(sections["cand"]["rounds"][number]["score"], np.int64)
        judged = judge(stand.view, score, stand.rules, stand.limits)
        slate = compose(judged, stand.view, stand.limits, slate_rules)
        return cls(Case(stand, score, judged, frozenset(slate.shown)), slate, slate_rules)

    def hear(self, trials: Sequence[_Trial]) -> list[_Heard]:
        """Return what the rules about single candidates say of each trial."""
        heard: dict[int, _Heard] = {}
        for places in self._groups(trials):
            some = [trials[place] for place in places]
            heard.update(zip(places, self._hear_alike(some), strict=True))
        return [heard[place] for place in range(len(trials))]

    def _groups(self, trials: Sequence[_Trial]) -> Iterable[list[int]]:
        """Put those trials together that change the same for the whole round."""
        groups: dict[_Key, list[int]] = defaultdict(list)
        for place, trial in enumerate(trials):
            groups[_key(trial)].append(place)
        return groups.values()

    def _hear_alike(self, trials: Sequence[_Trial]) -> list[_Heard]:
        case, rows = self.case, np.array([trial.row for trial in trials], np.int64)
        wanted = frozenset().union(*(part.input.readers for trial in trials for part in trial.parts))
        stand = laid_out(self._rewritten(trials[0]), rows, _columns(trials))
        asked = [rule for rule in stand.rules if rule.id in wanted or isinstance(rule, ShopRule)]
        withholds, creepiness = case.withholds[:, rows].copy(), self._creepiness(rows)
        for rule_id in case.places.keys() - {rule.id for rule in stand.rules}:
            withholds[case.places[rule_id]] = False
        if asked:
            judged = judge(stand.view, case.score[rows], asked, stand.limits)
            for rule, judgement in zip(asked, judged.judgements, strict=True):
                withholds[case.places[rule.id]] = judgement.effect >= WITHHOLDING
                if rule.id == _SCORE:
                    creepiness = judgement.observed
        return [
            _Heard(bits, score) for bits, score in zip(_bits(withholds), creepiness.tolist(), strict=True)
        ]

    def creepiness_of(self, row: int) -> int:
        """Return the creepiness score of a candidate; 0 where it is not asked for."""
        return int(self._creepiness(np.array([row]))[0])

    def _creepiness(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        place = self.case.places.get(_SCORE)
        if place is None:
            return np.zeros(rows.size, np.int64)
        return self.case.judged.judgements[place].observed[rows]

    def _rewritten(self, trial: _Trial) -> Stand:
        """Return the stand with what a trial changes for the whole round."""
        stand = self.case.stand
        for part in trial.parts:
            if part.input.write is not None:
                stand = part.input.write(stand, trial.row, part.to)
        return stand

    def settle(self, trials: Sequence[_Trial]) -> list[_Settled]:
        """Judge and compose each trial again, by all rules, and return what becomes of its candidate."""
        settled: dict[int, _Settled] = {}
        for places in self._groups(trials):
            some = [trials[place] for place in places]
            settled.update(zip(places, self._settle_alike(some), strict=True))
        return [settled[place] for place in range(len(trials))]

    def _settle_alike(self, trials: Sequence[_Trial]) -> Iterator[_Settled]:
        case, n = self.case, self.n
        rows = np.concatenate([np.arange(n), [trial.row for trial in trials]]).astype(np.int64)
        changed = {
            name: {n + place: value for place, value in values.items()}
            for name, values in _columns(trials).items()
        }
        stand = self._rewritten(trials[0])
        laid = laid_out(stand, rows, changed)
        judged = judge(laid.view, case.score[rows], laid.rules, laid.limits)
        for place, trial in enumerate(trials, start=n):
            deciding, rank_score = judged.deciding[:n].copy(), judged.rank_score[:n].copy()
            deciding[trial.row], rank_score[trial.row] = judged.deciding[place], judged.rank_score[place]
            of_round = replace(judged, deciding=deciding, rank_score=rank_score)
            slate = compose(of_round, stand.view, stand.limits, self.slate_rules)
            if deciding[trial.row] >= 0:
                yield _Settled(State.WITHHELD, judged.rules[deciding[trial.row]].id)
            elif trial.row in slate.shown:
                yield _Settled(State.SHOWN, "")
            else:
                by = dict(slate.held_back).get(trial.row, "")
                yield _Settled(State.ADMITTED, by)


def _bits(withholds: NDArray[np.bool_]) -> list[int]:
    """Return which rules hold of each column, shape (n_rules, k), as bits of whole numbers."""
    packed = np.packbits(withholds, axis=0, bitorder="little").T
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def _key(trial: _Trial) -> _Key:
    """Return what a trial changes for the whole round."""
    return tuple(
        (part.order, part.to, trial.row if part.input.of_row else -1)
        for part in trial.parts
        if part.input.write is not None
    )


def _columns(trials: Sequence[_Trial]) -> dict[str, dict[int, Value]]:
    """Return what trials change of single candidates, by column and place among the trials."""
    changed: dict[str, dict[int, Value]] = defaultdict(dict)
    for place, trial in enumerate(trials):
        for part in trial.parts:
            if part.input.column:
                changed[part.input.column][place] = part.to
    return changed


@dataclass(slots=True)
class _Wanted:
    """A candidate whose flip is looked for.

    Attributes:
        row: row of the round.
        by: bits of the rules that withhold it; 0 where it was let through.
        let_in: no rule about single candidates withholds it, so one is looked for that does.
        of_slate: a rule of the list held it back.
        best: the smallest change that was found.
    """

    row: int
    by: int
    let_in: bool
    of_slate: bool
    best: tuple[_Part, ...] = ()

    def is_flipped(self, said: _Heard) -> bool:
        """Tell whether the rules about single candidates say the opposite."""
        return (said.withholds != 0) is self.let_in

    def offer(self, parts: tuple[_Part, ...]) -> None:
        """Take a change that flips it, if it is smaller than what was found so far."""
        if _is_smaller(parts, self.best):
            self.best = parts


@dataclass(slots=True)
class _Span:
    """The numbers between one that does not flip a candidate and one that does.

    Attributes:
        wanted: the candidate.
        change: what flips it.
        place: which part of that the numbers are of.
        idle: a number that does not flip it.
        flips: a number that does.
    """

    wanted: _Wanted
    change: tuple[_Part, ...]
    place: int
    idle: int
    flips: int

    def parts(self, number: int | None = None) -> tuple[_Part, ...]:
        """Return the change with another number; with the one that flips when left out."""
        if number is None and self.idle == self.flips:
            return self.change
        to = self.flips if number is None else number
        changed = self.change[self.place]._replace(to=to)
        return (*self.change[: self.place], changed, *self.change[self.place + 1 :])

    def between(self) -> list[int]:
        """Return some numbers between both, from the idle one on; none where they are neighbours."""
        distance = self.flips - self.idle
        n = min(abs(distance) - 1, _BETWEEN)
        return [self.idle + distance * step // (n + 1) for step in range(1, n + 1)]

    def narrow(self, numbers: list[int], is_flipped: list[bool]) -> None:
        """Take what was heard of numbers, in their order."""
        if True in is_flipped:
            first = is_flipped.index(True)
            self.flips = numbers[first]
            numbers = numbers[:first]
        if numbers:
            self.idle = numbers[-1]


class _Search:
    """Looks for the smallest changes of candidates of one round."""

    def __init__(self, of: _Round, tries: _Tries) -> None:
        self.of, self.case, self.tries = of, of.case, tries
        self._readers_of: dict[str, int] = {}

    def about(self, rows: Iterable[int]) -> dict[int, tuple[tuple[_Part, ...], _Settled]]:
        """Return the smallest change of each candidate, empty where there is none, with what comes of it."""
        refused = {each.row for each in self.of.slate.refused}
        wanted = [
            _Wanted(row, self.of.withheld_by[row], row in self.of.slate.shown, row in refused) for row in rows
        ]
        self._by_rules([each for each in wanted if not each.of_slate])
        self._by_list([each for each in wanted if each.of_slate or each.let_in])
        found = [each for each in wanted if each.best]
        settled = self.of.settle([_Trial(each.row, each.best) for each in found])
        answers: dict[int, tuple[tuple[_Part, ...], _Settled]] = {
            each.row: ((), _Settled(None, "")) for each in wanted
        }
        answers |= {each.row: (each.best, said) for each, said in zip(found, settled, strict=True)}
        return answers

    def _by_rules(self, wanted: list[_Wanted]) -> None:
        """Look for what flips the verdict of the rules about single candidates."""
        of_row: dict[int, list[tuple[_Part, _Heard]]] = defaultdict(list)
        singles = [_Trial(each.row, (part,)) for each in wanted for part in self._singles(each)]
        numbers = [trial for trial in singles if _has_between(trial.parts[0])]
        self._hear_singles(wanted, numbers, of_row)
        best = {each.row: each.best for each in wanted}
        others = [
            trial
            for trial in singles
            if not _has_between(trial.parts[0]) and _is_smaller(trial.parts, best[trial.row])
        ]
        self._hear_singles(wanted, others, of_row)
        for n_parts in range(2, MOST_CHANGES + 1):
            found = self._together(wanted, of_row, n_parts)
            for each in found:
                self._tighten(each)
            if self.tries.ended:  # nobody knows whether fewer would have done
                for each in found:
                    each.best = ()

    def _hear_singles(
        self, wanted: list[_Wanted], trials: list[_Trial], of_row: dict[int, list[tuple[_Part, _Heard]]]
    ) -> None:
        """Try single changes, note what was heard of them, and take the smallest that flip."""
        heard: dict[int, list[tuple[_Part, _Heard]]] = defaultdict(list)
        for trial, said in self._heard(trials):
            heard[trial.row].append((trial.parts[0], said))
        spans = [span for each in wanted for span in _spans(each, heard[each.row])]
        self._bring_near(spans)
        for span in spans:
            span.wanted.offer(span.parts())
        for row, said_of in heard.items():
            of_row[row].extend(said_of)

    def _singles(self, wanted: _Wanted) -> Iterator[_Part]:
        """Yield every single change that may matter: of what a rule reads that withholds, if any does."""
        places = list(range(len(self.of.inputs)))
        if wanted.by & self.of.of_shop == 0 < wanted.by:
            places = [place for place in places if self.of.readers[place] & wanted.by]
        for order in places:
            each = self.of.inputs[order]
            was = each.now(self.case, wanted.row)
            for to in each.options(self.case, wanted.row):
                yield _Part(order, each, was, to)

    def _heard(self, trials: list[_Trial]) -> list[tuple[_Trial, _Heard]]:
        granted = self.tries.take(trials)
        return list(zip(granted, self.of.hear(granted), strict=True))

    def _bring_near(self, spans: list[_Span]) -> None:
        """Bring the numbers that flip as near to the recorded ones as they go."""
        while open_still := [(span, numbers) for span in spans if (numbers := span.between())]:
            trials = [
                _Trial(span.wanted.row, span.parts(number))
                for span, numbers in open_still
                for number in numbers
            ]
            heard = iter(self._heard(trials))
            for span, numbers in open_still:
                said = [each for _, each in zip(numbers, heard, strict=False)]
                if len(said) < len(numbers):
                    return
                span.narrow(numbers, [span.wanted.is_flipped(each) for _, each in said])

    def _together(
        self, wanted: list[_Wanted], of_row: Mapping[int, list[tuple[_Part, _Heard]]], n_parts: int
    ) -> list[_Wanted]:
        """Try several changes at once; return the candidates that a change was found for."""
        open_still = [each for each in wanted if not each.best and not each.let_in]
        trials = [
            _Trial(each.row, parts)
            for each in open_still
            for parts in self._combined(each, of_row[each.row], n_parts)
        ]
        of = {each.row: each for each in open_still}
        for trial, said in self._heard(trials):
            if of[trial.row].is_flipped(said):
                of[trial.row].offer(trial.parts)
        return [each for each in open_still if each.best]

    def _combined(
        self, wanted: _Wanted, singles: list[tuple[_Part, _Heard]], n_parts: int
    ) -> list[tuple[_Part, ...]]:
        """Return the combinations that may do: each rule that withholds is met by one of the parts."""
        met = self._met(wanted, singles)
        found = []
        for some in combinations(met, n_parts):
            together = 0
            for _, meets in some:
                together |= meets
            if wanted.by & ~together == 0 and len({part.order for part, _ in some}) == n_parts:
                found.append(tuple(part for part, _ in some))
        return sorted(found, key=_rank)[:_MOST_TOGETHER]

    def _met(self, wanted: _Wanted, singles: list[tuple[_Part, _Heard]]) -> list[tuple[_Part, int]]:
        """Return parts that bring a candidate nearer to its flip, with bits of the rules each may silence.

        Of several values of an input that silence the same the smallest change is enough; where it only makes
        the score lower, the lowest. Nothing is returned where a rule is met by none of them.
        """
        usual = self.of.creepiness_of(wanted.row)
        score = wanted.by & (1 << self.case.places[_SCORE] if _SCORE in self.case.places else 0)
        least: dict[tuple[int, int], tuple[tuple[Any, ...], _Part, int]] = {}
        for part, said in singles:
            meets = wanted.by & (~said.withholds | self._reads(part.input.field))
            key: tuple[Any, ...] = (0, *_rank((part,)))
            if score & ~meets and said.creepiness < usual:
                meets |= score
                key = (said.creepiness, *_rank((part,)))
            place = (part.order, meets)
            if meets and (place not in least or key < least[place][0]):
                least[place] = (key, part, meets)
        ranked = sorted(least.values(), key=lambda each: each[0])
        kept: set[int] = set()
        for rule in _places(wanted.by):
            meeting = [place for place, each in enumerate(ranked) if each[2] & 1 << rule]
            if not meeting:
                return []
            kept.update(meeting[:_MOST_PARTS])
        return [ranked[place][1:] for place in sorted(kept)]

    def _reads(self, field: str) -> int:
        """Return bits of the rules of the shop that ask for a field, maybe among others."""
        if field not in self._readers_of:
            self._readers_of[field] = sum(
                1 << place
                for place, rule in enumerate(self.case.stand.rules)
                if isinstance(rule, ShopRule)
                and any(atom.field == field for atom in atoms(rule.house_rule.when))
            )
        return self._readers_of[field]

    def _tighten(self, wanted: _Wanted) -> None:
        """Bring each number of a change near in turn, and leave out what turns out to be idle."""
        for place, part in enumerate(wanted.best):
            if _has_between(part):
                span = _Span(wanted, wanted.best, place, int(part.was), int(part.to))  # type: ignore[arg-type]  # numbers
                self._bring_near([span])
                wanted.best = span.parts()
        fewer = [
            _Trial(wanted.row, some)
            for n_parts in range(1, len(wanted.best))
            for some in combinations(wanted.best, n_parts)
        ]
        for trial, said in self._heard(fewer):
            if wanted.is_flipped(said):
                wanted.offer(trial.parts)

    def _by_list(self, wanted: list[_Wanted]) -> None:
        """Look for single changes that flip what the rules of a list say."""
        trials = self.tries.take(
            [
                _Trial(each.row, (part,))
                for each in wanted
                for part in self._singles(each)
                if part.input.of_slate and _is_smaller((part,), each.best)
            ]
        )
        of = {each.row: each for each in wanted}
        for trial, said in zip(trials, self.of.settle(trials), strict=True):
            each = of[trial.row]
            if (said.state is State.ADMITTED and said.by) if each.let_in else said.state is State.SHOWN:
                each.offer(trial.parts)


def _places(bits: int) -> Iterator[int]:
    return (place for place in range(bits.bit_length()) if bits & 1 << place)


def _has_between(part: _Part) -> bool:
    return part.input.kind in NUMERIC and part.was is not None and part.to is not None


def _spans(wanted: _Wanted, singles: list[tuple[_Part, _Heard]]) -> Iterator[_Span]:
    """Yield the nearest flipping value of each input, with the last number before it that does not flip."""
    of_input: dict[int, list[tuple[_Part, bool]]] = defaultdict(list)
    for part, said in singles:
        of_input[part.order].append((part, wanted.is_flipped(said)))
    for tried in of_input.values():
        flipping = [part for part, is_flipped in tried if is_flipped]
        if not flipping:
            continue
        part = min(flipping, key=_size)
        if not _has_between(part):
            yield _Span(wanted, (part,), 0, 0, 0)
            continue
        was, to = int(part.was), int(part.to)  # type: ignore[arg-type]  # numbers
        low, high = sorted((was, to))
        between = [int(other.to) for other, _ in tried if other.to is not None and low < int(other.to) < high]  # type: ignore[arg-type]  # as above
        yield _Span(wanted, (part,), 0, min([was, *between], key=lambda number: abs(to - number)), to)


def _told(
    taken: _Round,
    number: int,
    row: int,
    answer: tuple[tuple[_Part, ...], _Settled],
    unflipped: Unflipped,
) -> Counterfactual:
    """Put what was found into a form that lasts."""
    parts, settled = answer
    view = taken.case.stand.view
    was = State.SHOWN if row in taken.slate.shown else State.WITHHELD
    flips_to = settled.state
    if parts and was is State.SHOWN:
        flips_to = State.WITHHELD
    return Counterfactual(
        item=view.catalogue.item_ids[int(view.item_idx[row])],
        round=number,
        was=was,
        rule=dict(taken.slate.held_back).get(row, ""),
        change=tuple(
            Change(part.input.field, part.was, part.to, part.input.who, part.input.what, part.input.kind)
            for part in parts
        ),
        flips_to=flips_to,
        by=settled.by,
        unflipped=None if parts else unflipped,
    )
