"""Ask a rule about many recorded rounds at once, as if they were one.

Rules judge each candidate by itself (their contract tests hold them to it), so candidates of several
rounds can be laid side by side where all that the rule reads of whole requests is the same. What it reads is
found out by watching it: every request-wide thing that it touches is noted, and numbers can only be
compared, which notes how the comparison went instead of the number. Rounds that agree on all that was
noted are answered together; where others turn out to be among them, they are parted and asked again. So
the answer is the one each round would get alone, whatever a rule reads.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import FunctionType, MappingProxyType, MethodType
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Basis
from guardrails.judge import judge
from guardrails.policy.limits import Limits
from guardrails.policy.retained import OF_CANDIDATE, OF_DECISION, OF_ROUND, Retained
from guardrails.rules.base import MICRO, Effect, Rule, View

LAID_OUT = frozenset({"basket_minor", "n_upsell_steps_session"})
"""Numbers of a request that rules reckon with candidate by candidate: given as a column first."""

_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
        "known": operator.ge,
    }
)
_NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "request.count": "count",
        "request.now_ms": "now_ms",
        "request.local_minute": "local_minute",
        "request.visit.n_pages": "n_pages",
        "request.visit.basket_after_s": "basket_after_s",
    }
)
"""Numbers of a request that have columns of their own."""

_MAY_BE_UNKNOWN = frozenset(_NUMBERS) - {"request.count", "request.now_ms"}
_INNER = frozenset(
    {
        "request",
        "request.placement",
        "request.context",
        "request.visit",
        "request.presentation",
        "admission",
        "admission.holding",
    }
)
"""Things that are not values themselves."""

_OF_ONE = frozenset({"request.seed", "request.context.item_idx", "admission.muted"})
"""What two requests never share, or what points at rows."""


class _Read(NamedTuple):
    """Something that a rule read of a whole request.

    Attributes:
        path: what, such as ``request.channel``.
        how: comparison that was made; empty where the value itself was read.
        other: what it was compared with.
    """

    path: str
    how: str = ""
    other: float = 0


Reads: TypeAlias = frozenset[_Read]


class _CannotMergeError(Exception):
    """The rule needs something that only a single round has."""


class _Number:
    """A number that can be compared with another, and nothing else."""

    __slots__ = ("_path", "_read", "_value")
    __array_ufunc__ = None  # so that NumPy leaves comparisons to us, where they are refused
    __hash__ = None  # type: ignore[assignment]  # a hash would tell the value

    def __init__(self, path: str, value: int, read: set[_Read]) -> None:
        self._path, self._value, self._read = path, value, read

    def _compared(self, how: str, other: object) -> bool:
        if not isinstance(other, int | float):
            raise _CannotMergeError
        self._read.add(_Read(self._path, how, other))
        return bool(_COMPARISONS[how](self._value, other))

    def __lt__(self, other: object) -> bool:
        return self._compared("<", other)

    def __le__(self, other: object) -> bool:
        return self._compared("<=", other)

    def __gt__(self, other: object) -> bool:
        return self._compared(">", other)

    def __ge__(self, other: object) -> bool:
        return self._compared(">=", other)

    def __eq__(self, other: object) -> bool:
        return self._compared("==", other)

    def __ne__(self, other: object) -> bool:
        return self._compared("!=", other)

    def __bool__(self) -> bool:
        return self._compared("!=", 0)


class _Watched:
    """Notes what is read of a request or an admission."""

    def __init__(self, of: object, path: str, view: _MergedView) -> None:
        self._of, self._path, self._view = of, path, view

    def __getattr__(self, name: str) -> Any:
        found = getattr(type(self._of), name, None)
        if isinstance(found, property):
            return cast("Callable[[object], Any]", found.fget)(self)  # reads in its turn
        if isinstance(found, FunctionType):
            return MethodType(found, self)
        path = f"{self._path}.{name}"
        if path in _OF_ONE:
            return self._view.of_one(path)
        if path in _NUMBERS:
            return self._view.number(path)
        value = getattr(self._of, name)
        if path in _INNER:
            return _Watched(value, path, self._view)
        self._view.read.add(_Read(path))
        return value


class _MergedView:
    """Looks like a view of the candidates of several rounds.

    Attributes:
        read: what was read of whole requests.
    """

    def __init__(self, kept: Retained, rounds: NDArray[np.int64], *, whole: bool) -> None:
        """Take the rounds.

        Args:
            kept: the decisions.
            rounds: which rounds of theirs, ascending, at least one.
            whole: numbers are given as they are, for rules that do more than compare them.
        """
        self.read: set[_Read] = set()
        self._kept, self._rounds, self._whole = kept, rounds, whole
        self._rows = rows_of(kept, rounds)
        self._decision = int(kept.decision_of_round[rounds[0]])
        self._columns: dict[str, Any] = {}

    def __len__(self) -> int:
        return int(self._rows.size)

    def __getattr__(self, name: str) -> Any:
        if name in OF_CANDIDATE:
            return self._column(name)
        if name in OF_ROUND:
            return self._laid_out(name) if name in LAID_OUT and not self._whole else self.number(name)
        if name in _INNER:
            situation = self._kept.situation(int(self._kept["situation"][self._decision]))
            return _Watched(getattr(situation, name), name, self)
        if name == "item_idx":
            return self._rows.astype(np.int32)
        if name == "catalogue":
            return self._kept.catalogue
        raise _CannotMergeError

    def _column(self, name: str) -> NDArray[Any]:
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = self._kept[name][self._rows]
        return found

    def _laid_out(self, name: str) -> NDArray[np.int64]:
        return cast("NDArray[np.int64]", self._kept[name][self._kept.round_of_candidate[self._rows]])

    def number(self, path: str) -> Any:
        """Return a number of the request: as it is, or to be compared only."""
        value = int(_column_of(self._kept, path, self._rounds[:1])[0])
        if path in _MAY_BE_UNKNOWN:
            self.read.add(_Read(path, "known"))
            if value < 0:
                return None
        declared = OF_ROUND.get(path, "")
        if declared == "bool" or path == "basis" or self._whole:
            self.read.add(_Read(path))
            return Basis(value) if path == "basis" else bool(value) if declared == "bool" else value
        return _Number(path, value, self.read)

    def of_one(self, path: str) -> Any:
        """Return what only a single round has, which is none of it: a page that is not there.

        Raises:
            _CannotMergeError: there is something.
        """
        if path == "request.context.item_idx":
            situation = self._kept.situation(int(self._kept["situation"][self._decision]))
            if situation.request.context.item_idx is None:
                self.read.add(_Read(path))
                return None
        raise _CannotMergeError


class Asked(NamedTuple):
    """What a rule says of all candidates; of rounds that it was not asked about nothing.

    Attributes:
        effect: shape (n_candidates,), int8.
        factor_micro: shape (n_candidates,), int64.
    """

    effect: NDArray[np.int8]
    factor_micro: NDArray[np.int64]


def ask(kept: Retained, rounds: NDArray[np.int64], rule: Rule, limits: Limits) -> Asked:
    """Ask a rule about rounds, as many at once as it can be asked about.

    Args:
        kept: the decisions.
        rounds: shape (n,), ascending: which rounds of theirs.
        rule: the rule.
        limits: the numbers of the policy.
    """
    answer = _nothing(kept)
    if rounds.size:
        _Asking(kept, rule, limits, answer).about(rounds, frozenset(), whole=False)
    return answer


def ask_one_by_one(kept: Retained, rounds: NDArray[np.int64], rule: Rule, limits: Limits) -> Asked:
    """Ask a rule about rounds, each of them alone; arguments as those of ``ask``, and the same answer."""
    answer = _nothing(kept)
    for number in rounds.tolist():
        rows = slice(*kept["cand_ptr"][number : number + 2].tolist())
        judged = judge(kept.view_at(number), kept["score"][rows], [rule], limits)
        answer.effect[rows] = judged.judgements[0].effect
        answer.factor_micro[rows] = judged.judgements[0].factor_micro
    return answer


def rows_of(kept: Retained, rounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the candidates of rounds, in their order."""
    first, n_of = kept["cand_ptr"][rounds], np.diff(kept["cand_ptr"])[rounds]
    start = np.cumsum(n_of) - n_of
    return np.asarray(np.repeat(first - start, n_of) + np.arange(n_of.sum()))


def _nothing(kept: Retained) -> Asked:
    return Asked(np.zeros(kept.n_candidates, np.int8), np.full(kept.n_candidates, MICRO, np.int64))


class _Asking:
    """Goes on parting rounds until all that are asked together agree on what is read."""

    def __init__(self, kept: Retained, rule: Rule, limits: Limits, answer: Asked) -> None:
        self._kept, self._rule, self._limits, self._answer = kept, rule, limits, answer

    def about(self, rounds: NDArray[np.int64], known: Reads, *, whole: bool) -> None:
        """Ask about rounds of which it is known what will be read, as far as it is known."""
        first = self._ask(rounds[:1], whole=whole)
        if first is None and not whole:
            self.about(rounds, frozenset(), whole=True)
            return
        if first is None:
            self._one_by_one(rounds)
            return
        known |= first
        for group in _parted(self._kept, rounds, known):
            self._about_alike(group, known, whole=whole)

    def _about_alike(self, rounds: NDArray[np.int64], known: Reads, *, whole: bool) -> None:
        """Ask about rounds that agree on what is known; go on where more was read that they differ in."""
        read = self._ask(rounds, whole=whole)
        if read is None:
            self.about(rounds, known, whole=True) if not whole else self._one_by_one(rounds)
        elif read - known:
            groups = _parted(self._kept, rounds, read | known)
            if len(groups) > 1:
                for group in groups:
                    self._about_alike(group, read | known, whole=whole)

    def _ask(self, rounds: NDArray[np.int64], *, whole: bool) -> Reads | None:
        """Write down the answer and return what was read; ``None`` where they cannot be asked so."""
        view = _MergedView(self._kept, rounds, whole=whole)
        try:
            judgement = self._rule.judge(cast("View", view), self._limits)
            effect, factor = judgement.effect, judgement.factor_micro
            if effect.shape != (len(view),) or effect.dtype != np.int8 or factor.shape != (len(view),):
                return None
            in_range = not len(view) or Effect.ALLOW <= effect.min() <= effect.max() <= Effect.GAP
            if not in_range or (len(view) and not 0 <= factor.min() <= factor.max() <= MICRO):
                return None
        except Exception:  # noqa: BLE001 - whatever it is, it is asked round by round, where it counts
            return None
        rows = rows_of(self._kept, rounds)
        self._answer.effect[rows] = effect
        self._answer.factor_micro[rows] = factor
        return frozenset(view.read)

    def _one_by_one(self, rounds: NDArray[np.int64]) -> None:
        alone, rows = (
            ask_one_by_one(self._kept, rounds, self._rule, self._limits),
            rows_of(self._kept, rounds),
        )
        self._answer.effect[rows] = alone.effect[rows]
        self._answer.factor_micro[rows] = alone.factor_micro[rows]


def _parted(kept: Retained, rounds: NDArray[np.int64], known: Reads) -> list[NDArray[np.int64]]:
    """Part rounds so that those of each part agree on all of it; in the order of their first rounds."""
    codes = np.zeros(rounds.size, np.int64)
    for each in sorted(known):
        _, answers = np.unique(_answers(kept, each, rounds), return_inverse=True)
        _, codes = np.unique(codes * (int(answers.max()) + 1) + answers, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return np.split(rounds[order], np.flatnonzero(np.diff(codes[order])) + 1)


def _answers(kept: Retained, read: _Read, rounds: NDArray[np.int64]) -> NDArray[Any]:
    """Return what reading something gives of each round, as numbers that are equal where that is."""
    if read.path not in OF_ROUND and read.path not in _NUMBERS:
        return kept.codes_of(read.path)[kept["situation"][kept.decision_of_round[rounds]]]
    column = _column_of(kept, read.path, rounds)
    return column if not read.how else np.asarray(_COMPARISONS[read.how](column, read.other))


def _column_of(kept: Retained, path: str, rounds: NDArray[np.int64]) -> NDArray[Any]:
    name = _NUMBERS.get(path, path)
    return kept[name][kept.decision_of_round[rounds] if name in OF_DECISION else rounds]
