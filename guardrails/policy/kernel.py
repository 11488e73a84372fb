"""The hot loop of a policy: every rule over every row, in three values.

A rule acts where one of its conjunctions holds. A conjunction is as true as the least true of its tests,
and a rule as true as the truest of its conjunctions: ``NO``, ``UNKNOWN`` or ``YES`` (Kleene 1938), so that
order means nothing. A test looks at one whole number, the row's in its slot:

* ``WITHIN``: it is at least ``low`` and at most ``high``;
* ``LISTED``: it is among ``listed[low:high]``, which ascend;
* ``MARKED``: it has a bit in common with ``low``;

each of them turned round where ``negated``, and unknown where the number is below ``floor``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from engine.compiled import compiled, read, signature

NO, UNKNOWN, YES = 0, 1, 2

WITHIN, LISTED, MARKED = 0, 1, 2


class Program(NamedTuple):
    """The rules of a policy, flat; all int64.

    Attributes:
        slot: shape (n_tests,): where the number stands that a test looks at.
        kind: shape (n_tests,): ``WITHIN``, ``LISTED`` or ``MARKED``.
        low: shape (n_tests,): see the kinds.
        high: shape (n_tests,): likewise.
        negated: shape (n_tests,): 1 where the answer is turned round.
        floor: shape (n_tests,): there is no answer below it.
        listed: shape (k,): numbers of lists, ascending within each.
        first_test: shape (n_conjunctions + 1,): tests of conjunction c are ``first_test[c:c+2]``.
        first_conjunction: shape (n_rules + 1,): likewise the conjunctions of a rule.
    """

    slot: NDArray[np.int64]
    kind: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    negated: NDArray[np.int64]
    floor: NDArray[np.int64]
    listed: NDArray[np.int64]
    first_test: NDArray[np.int64]
    first_conjunction: NDArray[np.int64]


@compiled()
def _is_listed(number: int, listed: NDArray[np.int64], low: int, high: int) -> bool:
    end = high
    while low < high:
        middle = (low + high) // 2
        if listed[middle] < number:
            low = middle + 1
        else:
            high = middle
    return low < end and listed[low] == number


@compiled()
def _said(holds: int, number: int, negated: int, floor: int) -> int:
    return UNKNOWN if number < floor else YES * (holds != (negated != 0))


@compiled()
def _meets(
    number: int, kind: int, low: int, high: int, negated: int, floor: int, listed: NDArray[np.int64]
) -> int:
    """Answer one test of one number."""
    if kind == WITHIN:
        holds = low <= number <= high
    elif kind == MARKED:
        holds = (number & low) != 0
    else:
        holds = _is_listed(number, listed, low, high)
    return _said(holds, number, negated, floor)


@compiled()
def _narrow(
    truth: NDArray[np.int8],
    numbers: NDArray[np.int64],
    first: int,
    kind: int,
    low: int,
    high: int,
    negated: int,
    floor: int,
    listed: NDArray[np.int64],
) -> None:
    """Lower the truth of every row to the answer of one test.

    What is asked most has a loop of its own, without branches: several rows are answered at a time.
    """
    if kind == WITHIN:
        for row in range(truth.size):
            number = numbers[first + row]
            holds = (low <= number) & (number <= high)
            truth[row] = min(truth[row], _said(holds, number, negated, floor))
    elif kind == MARKED:
        for row in range(truth.size):
            number = numbers[first + row]
            truth[row] = min(truth[row], _said((number & low) != 0, number, negated, floor))
    else:
        for row in range(truth.size):
            met = _meets(numbers[first + row], kind, low, high, negated, floor, listed)
            truth[row] = min(truth[row], met)


_SIGNATURE = signature((*(read("int64"),) * 12, types.int64), ("int8",))


@compiled(_SIGNATURE)
def _answer(
    slot: NDArray[np.int64],
    kind: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    negated: NDArray[np.int64],
    floor: NDArray[np.int64],
    listed: NDArray[np.int64],
    first_test: NDArray[np.int64],
    first_conjunction: NDArray[np.int64],
    single: NDArray[np.int64],
    numbers: NDArray[np.int64],
    is_single: NDArray[np.int64],
    n: int,
) -> tuple[NDArray[np.int8]]:
    answers = np.zeros((first_conjunction.size - 1) * n, np.int8)
    truth = np.empty(n, np.int8)
    for rule in range(first_conjunction.size - 1):
        for conjunction in range(first_conjunction[rule], first_conjunction[rule + 1]):
            tests = range(first_test[conjunction], first_test[conjunction + 1])
            of_all = YES
            for at in tests:
                if is_single[slot[at]]:
                    number = single[slot[at]]
                    met = _meets(number, kind[at], low[at], high[at], negated[at], floor[at], listed)
                    of_all = min(of_all, met)
            if of_all == NO:
                continue
            truth[:] = of_all
            for at in tests:
                if not is_single[slot[at]]:
                    first = slot[at] * n
                    _narrow(
                        truth, numbers, first, kind[at], low[at], high[at], negated[at], floor[at], listed
                    )
            for row in range(n):
                answers[rule * n + row] = max(answers[rule * n + row], truth[row])
    return (answers,)


def answer(
    program: Program, single: NDArray[np.int64], numbers: NDArray[np.int64], is_single: NDArray[np.int64]
) -> NDArray[np.int8]:
    """Ask every rule about every row.

    Args:
        program: the rules.
        single: shape (n_slots,), int64: the number of each slot that is the same for all rows.
        numbers: shape (n_slots, n), int64: the numbers of the other slots.
        is_single: shape (n_slots,), int64: 1 for the former, 0 for the latter.

    All arrays are C-contiguous; slots out of range are not checked here.

    Returns:
        shape (n_rules, n), int8: ``NO``, ``UNKNOWN`` or ``YES``.
    """
    n = numbers.shape[1]
    (answers,) = _answer(*program, single, numbers.reshape(-1), is_single, n)
    return answers.reshape(program.first_conjunction.size - 1, n)
