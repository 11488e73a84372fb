"""Replay: make a recorded decision again from its record, and compare byte for byte.

L1, by ``replay_rules``: from ``req``, ``consent`` and ``cand`` and the policy of then, what the rules said
and what was answered. L2, by ``replay_candidates``: with the model and the catalogue of then besides, what
was considered. Both run the functions that decisions are made with, on recorded inputs; nothing is read
anew, and nothing depends on a clock. Two things are recorded inputs that nobody can compute again: what was
counted of the customer's past (``guardrails.past``), and the digest of the bytes that were sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, get_args, get_type_hints

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from engine.serving.recommender import NoModel
from engine.vocabulary import Basis, word
from guardrails.compose import compose
from guardrails.decide import Decision, Making, Round, Step, climb, conclude, ladder
from guardrails.errors import RecordError
from guardrails.house import House, Recommender, ShadowPolicy
from guardrails.inference import telling_mask
from guardrails.judge import judge
from guardrails.log.reading import Considered, asked_of, considered_of, evidence_of
from guardrails.log.record import FORMAT, cand_section, out_section, rules_section
from guardrails.past import Past, Rows
from guardrails.policy.limits import Limits
from guardrails.rules import CATALOGUE
from guardrails.rules.base import NEVER_DAYS, Rule, WatchedRule
from guardrails.rules.slate import SLATE_CATALOGUE
from guardrails.rules.slate.base import SlateRule

_MINUTE_MS = 60_000

Json = Mapping[str, Any]


class Finding(StrEnum):
    """What came of a replay."""

    EXACT = "exact"
    """Every byte is the same."""
    DIFFERS = "differs"
    OTHER_BUILD = "other_build"
    """Something differs, and another version of this software, or of what computes, made the decision."""
    OLDER_FORMAT = "older_format"
    """The record does not hold all that it takes."""
    POLICY_GONE = "policy_gone"
    """The policy, or the one in shadow, is not kept any more."""
    ARTEFACT_PRUNED = "artefact_pruned"
    """The model, or the state of the catalogue, is not kept any more."""
    ERASED = "erased"
    """The model's arrays were removed to forget somebody."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of replaying one level of a decision.

    Attributes:
        finding: in one word.
        pointer: where the first difference is, as a JSON pointer (RFC 6901) into the sections, their names
            first; empty without one.
        detail: plain words for whoever has to go on from there.
    """

    finding: Finding
    pointer: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Governing:
    """The policy that a decision was made under, ready to be asked.

    Attributes:
        version: SHA-256 of its document.
        limits: its numbers.
        rules: what is asked of every candidate.
        slate_rules: what is asked of each next suggestion.
        watched: rules that are asked as well, and whose answers change nothing.
        shadow: the policy that was asked beside it; ``None`` without one.
    """

    version: str
    limits: Limits
    rules: tuple[Rule, ...] = CATALOGUE
    slate_rules: tuple[SlateRule, ...] = SLATE_CATALOGUE
    watched: tuple[WatchedRule, ...] = ()
    shadow: ShadowPolicy | None = None

    def house(self, recommender: Recommender, catalogue: Catalogue) -> House:
        """Return a house under it."""
        return House(
            recommender=recommender,
            catalogue=catalogue,
            limits=self.limits,
            policy_version=self.version,
            rules=self.rules,
            slate_rules=self.slate_rules,
            watched=self.watched,
            shadow=self.shadow,
        )


def shadow_of(sections: Mapping[str, bytes]) -> str | None:
    """Return the version of the policy that was asked beside the one in force; ``None`` without one."""
    beside = orjson.loads(sections["rules"])["shadow"]
    return None if beside is None else str(beside["version"])


def replay_rules(sections: Mapping[str, bytes], header: Json, policy: Governing, build: str) -> Replayed:
    """Ask the rules again and answer again (L1), and compare the sections ``rules`` and ``out``.

    What the header says of the decision is held against it as well.

    Args:
        sections: canonical bytes of the five sections, by name.
        header: the public part of the record.
        policy: the one that the header names.
        build: SHA-256 of the build manifest of the software that replays.
    """
    try:
        parsed = {name: orjson.loads(content) for name, content in sections.items()}
        decision = _judged_again(parsed, policy)
        said = {
            "rules": rules_section(decision),
            "out": out_section(decision, parsed["out"]["response_sha256"]),
        }
        pointer = _compared(sections, said) or _header_differs(header, decision, parsed, policy)
    except _UNREADABLE as error:
        return _finding("", header, build, _lacks(error))
    return _finding(pointer, header, build)


def replay_candidates(
    sections: Mapping[str, bytes],
    header: Json,
    policy: Governing,
    recommender: Recommender,
    catalogue: Catalogue,
    build: str,
) -> Replayed:
    """Propose again from the recorded evidence (L2), and compare the section ``cand``.

    Args:
        sections: canonical bytes of the five sections, by name.
        header: the public part of the record.
        policy: the one that the header names.
        recommender: the model that the section names, bound to ``catalogue``.
        catalogue: the state of the catalogue that the section names.
        build: SHA-256 of the build manifest of the software that replays.
    """
    try:
        parsed = {name: orjson.loads(content) for name, content in sections.items()}
        content = _proposed_again(parsed, policy.house(recommender, catalogue))
    except _UnrecordedStep as missing:
        return _finding(f"/cand/rounds/{missing.number}", header, build)
    except _UNREADABLE as error:
        return _finding("", header, build, _lacks(error))
    return _finding(_compared(sections, {"cand": content}), header, build)


def decide_with(
    sections: Mapping[str, bytes], policy: Governing, recommender: Recommender, catalogue: Catalogue
) -> Decision:
    """Return what a model would have made of a recorded decision, whichever model made it.

    It is asked with the recorded evidence for as many candidates as were considered then, and judged as
    everything is. What the record does not hold is the
    past of candidates that were none then: of those nothing was ever shown, waved off or returned.

    Args:
        sections: canonical bytes of the five sections, by name.
        policy: the one it is judged under.
        recommender: the model, bound to ``catalogue``.
        catalogue: the state of the catalogue that the section ``cand`` names.

    Raises:
        RecordError: the record does not hold what it takes.
    """
    try:
        parsed = {name: orjson.loads(content) for name, content in sections.items()}
        house = policy.house(recommender, catalogue)
        request, admission = asked_of(parsed, catalogue)
        recorded, mask = parsed["cand"]["rounds"], telling_mask(admission, house)
        first = recorded[0]["evidence"]
        evidence = evidence_of(first, _rows(first["items"], catalogue))

        def take(numbered: tuple[int, Step]) -> Round:
            number, step = numbered
            like = recorded[min(number, len(recorded) - 1)]
            memory = _RecordedMemory(like, catalogue, _NO_PAST)
            return Making(request, admission, memory.recall, house, mask).take_with(step, like["n_asked"])

        rounds = climb(enumerate(ladder(request, admission, evidence)), take)
        return conclude(rounds, request, admission, (), house)
    except _UNREADABLE as error:
        raise RecordError(_lacks(error)) from error


def judge_with(sections: Mapping[str, bytes], policy: Governing) -> Decision:
    """Return what a policy would have made of a recorded decision, whichever policy made it.

    It is asked of the candidates that were recorded. What was not cannot be known: what a later step of the
    ladder would have proposed, and what other limits would have admitted as evidence.

    Args:
        sections: canonical bytes of the five sections, by name.
        policy: the one it is judged under.

    Raises:
        RecordError: the record does not hold what it takes.
    """
    try:
        return _judged_again({name: orjson.loads(content) for name, content in sections.items()}, policy)
    except _UNREADABLE as error:
        raise RecordError(_lacks(error)) from error


def first_difference(recorded: object, replayed: object, at: str = "") -> str | None:
    """Return where two JSON values differ first, as a JSON pointer; ``None`` where they do not.

    >>> first_difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]})
    '/a/1/b'
    """
    if isinstance(recorded, dict) and isinstance(replayed, dict):
        return _first_among(recorded, replayed, sorted(recorded.keys() | replayed.keys()), at)
    if isinstance(recorded, list) and isinstance(replayed, list):
        of_one, of_other = dict(enumerate(recorded)), dict(enumerate(replayed))
        return _first_among(of_one, of_other, range(max(len(recorded), len(replayed))), at)
    return None if type(recorded) is type(replayed) and recorded == replayed else at


def _first_among(
    recorded: Mapping[Any, object], replayed: Mapping[Any, object], keys: Iterable[object], at: str
) -> str | None:
    for key in keys:
        if key not in recorded or key not in replayed:
            return f"{at}/{key}"
        found = first_difference(recorded[key], replayed[key], f"{at}/{key}")
        if found is not None:
            return found
    return None


def _compared(recorded: Mapping[str, bytes], replayed: Mapping[str, bytes]) -> str | None:
    """Return where sections differ first; where only their bytes do, the section."""
    for name, content in replayed.items():
        if content != recorded[name]:
            found = first_difference(orjson.loads(recorded[name]), orjson.loads(content), f"/{name}")
            return found or f"/{name}"
    return None


def _finding(pointer: str | None, header: Json, build: str, because: str = "") -> Replayed:
    if pointer is None:
        return Replayed(Finding.EXACT, detail="every byte is the same")
    if header["v"] != FORMAT:
        return Replayed(Finding.OLDER_FORMAT, pointer, because or "records of this format lack what it takes")
    if header["engine"] != build:
        detail = because or "this comes out otherwise, and another version of the software made the decision"
        return Replayed(Finding.OTHER_BUILD, pointer, detail)
    detail = because or "made again from what was recorded, this comes out otherwise"
    return Replayed(Finding.DIFFERS, pointer, detail)


def _lacks(error: Exception) -> str:
    return str(error) if isinstance(error, RecordError) else "the record cannot be read back"


def _judged_again(parsed: Mapping[str, Json], policy: Governing) -> Decision:
    """Judge and answer once more what was considered."""
    recorded = range(len(parsed["cand"]["rounds"]))
    rounds = climb((considered_of(parsed, number) for number in recorded), partial(_judged, policy))
    view = rounds[-1].view
    house = policy.house(_Named(parsed["cand"]["model"], view.catalogue), view.catalogue)
    return conclude(rounds, view.request, view.admission, (), house)


def _judged(policy: Governing, considered: Considered) -> Round:
    view, candidates, evidence = considered
    judged = judge(view, candidates.score, policy.rules, policy.limits, policy.watched)
    slate = compose(judged, view, policy.limits, policy.slate_rules)
    return Round(view.basis, evidence, candidates, view, judged, slate)


class _Named(NoModel):
    """Stands in for a model of which no more than its version is asked."""

    def __init__(self, version: str | None, catalogue: Catalogue) -> None:
        super().__init__(catalogue)
        self._version = version

    @property
    def version(self) -> str | None:
        """The version that was recorded."""
        return self._version


def _header_differs(
    header: Json, decision: Decision, parsed: Mapping[str, Json], policy: Governing
) -> str | None:
    """Return where the header says something else of a decision than comes out."""
    req, model = parsed["req"], parsed["cand"]["model"]
    expected = {
        "t_min": req["ts"] // _MINUTE_MS,
        "placement": req["placement"]["name"],
        "basis": word(decision.basis),
        "outcome": decision.outcome.value,
        "policy": policy.version,
        "model": model if decision.basis >= Basis.POPULAR else None,
        "n_cand": sum(len(taken.candidates) for taken in decision.rounds),
        "n_shown": len(decision.suggestions),
        "n_withheld": sum(len(taken.slate.held_back) for taken in decision.rounds),
    }
    return first_difference({name: header[name] for name in expected}, expected, "/header")


class _UnrecordedStep(Exception):  # noqa: N818 it never leaves this file
    """Proposing again takes a step more than was recorded."""

    def __init__(self, number: int) -> None:
        self.number = number


def _proposed_again(parsed: Mapping[str, Json], house: House) -> bytes:
    """Take every step of the ladder once more; return the section of what was considered."""
    request, admission = asked_of(parsed, house.catalogue)
    recorded, mask = parsed["cand"]["rounds"], telling_mask(admission, house)
    first = recorded[0]["evidence"]  # the most personal step has all of it
    evidence = evidence_of(first, _rows(first["items"], house.catalogue))

    def take(numbered: tuple[int, Step]) -> Round:
        number, step = numbered
        if number == len(recorded):
            raise _UnrecordedStep(number)
        memory = _RecordedMemory(recorded[number], house.catalogue)
        making = Making(request, admission, memory.recall, house, mask)
        return making.take_with(step, recorded[number]["n_asked"])

    rounds = climb(enumerate(ladder(request, admission, evidence)), take)
    return cand_section(conclude(rounds, request, admission, (), house), request, house)


def _rows(item_ids: Sequence[str], catalogue: Catalogue) -> NDArray[np.int32]:
    return np.array([catalogue.idx_of_id[item_id] for item_id in item_ids], np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class _RecordedMemory:
    """Tells the past of candidates as it was recorded; of others, which were none, nothing.

    Attributes:
        considered: one round of the section ``cand``.
        catalogue: what rows point into.
        of_others: what is told of others, by column; 0 for a column that is not named.
    """

    considered: Json
    catalogue: Catalogue
    of_others: Mapping[str, int] = field(default_factory=dict)

    def recall(self, rows: Rows) -> Past:
        """Return the past of the candidates of ``rows``."""
        items, seen = self.considered["items"], self.considered["seen"]
        place = Rows.of(_rows(items, self.catalogue)).find(rows.item_idx)
        others = self.of_others
        return Past(**{name: _taken(seen[name], name, place, others.get(name, 0)) for name in Past._fields})


def _taken(value: Any, name: str, place: NDArray[np.int64], other: int) -> Any:
    """Return a recorded column in another order, ``other`` where the place is -1; a count as it is."""
    if not isinstance(value, list):
        return value
    column = np.array([*value, other], _TYPES[name])
    return column[place]  # -1 reads the last


_TYPES = {
    name: get_args(get_args(declared)[1])[0]
    for name, declared in get_type_hints(Past).items()
    if declared is not int
}
_NO_PAST = dict.fromkeys(
    ("looked_at_days", "days_since_shown", "dismissed_days", "returned_days", "category_returned_days"),
    NEVER_DAYS,
)
_UNREADABLE = (KeyError, IndexError, TypeError, ValueError, RecordError)
