"""The hot loop of a policy, as machine code and as it is written."""

from __future__ import annotations

import numpy as np
import pytest

from guardrails.policy import kernel
from guardrails.policy.kernel import LISTED, MARKED, NO, UNKNOWN, WITHIN, YES, Program, answer

FLOOR = -100
BELOW = -101
LISTS = (2, 4, 8)


@pytest.fixture(params=["machine code", "python"])
def _loop(request, monkeypatch):
    if request.param == "python":
        for name in ("_is_listed", "_said", "_meets", "_narrow", "_answer"):
            monkeypatch.setattr(kernel, name, getattr(kernel, name).py_func)


def a_program(*rules):
    """Rules of conjunctions of tests ``(slot, kind, low, high, negated)``."""
    conjunctions = [conjunction for rule in rules for conjunction in rule]
    tests = [(*test, FLOOR) for conjunction in conjunctions for test in conjunction]
    columns = np.array(tests, np.int64).reshape(-1, 6).T
    return Program(
        *(np.ascontiguousarray(column) for column in columns),
        listed=np.array(LISTS),
        first_test=np.cumsum([0, *map(len, conjunctions)]),
        first_conjunction=np.cumsum([0, *map(len, rules)]),
    )


def said(program, *slots):
    """Answer where every slot is a number of all rows, or a list of one for each of three."""
    is_single = np.array([isinstance(slot, int) for slot in slots]).astype(np.int64)
    single = np.array([slot if isinstance(slot, int) else 0 for slot in slots])
    numbers = np.array([[slot] * 3 if isinstance(slot, int) else slot for slot in slots])
    return answer(program, single, numbers, is_single).tolist()


@pytest.mark.usefixtures("_loop")
class TestTheLoop:
    @pytest.mark.parametrize(
        ("kind", "low", "high", "number", "holds"),
        [
            (WITHIN, 3, 5, 2, NO),
            (WITHIN, 3, 5, 3, YES),
            (WITHIN, 3, 5, 5, YES),
            (WITHIN, 3, 5, 6, NO),
            (MARKED, 6, 0, 2, YES),
            (MARKED, 6, 0, 9, NO),
            (LISTED, 0, 3, 8, YES),
            (LISTED, 0, 3, 2, YES),
            (LISTED, 0, 3, 3, NO),
            (LISTED, 0, 3, 9, NO),
            (LISTED, 0, 2, 8, NO),
        ],
    )
    def test_answers_a_test(self, kind, low, high, number, holds):
        plain, turned = ([[(0, kind, low, high, negated)]] for negated in (0, 1))
        program = a_program(plain, turned)
        expected = [[holds] * 3, [YES - holds] * 3]
        assert said(program, number) == expected
        assert said(program, [number] * 3) == expected
        assert said(program, BELOW) == said(program, [BELOW] * 3) == [[UNKNOWN] * 3] * 2

    def test_takes_the_least_of_a_conjunction(self):
        conjunction = [(slot, WITHIN, 1, 1, 0) for slot in range(3)]
        program = a_program([conjunction])
        assert said(program, 1, [0, 1, BELOW], [1, 1, 1]) == [[NO, YES, UNKNOWN]]
        assert said(program, BELOW, [0, 1, BELOW], [1, 1, 1]) == [[NO, UNKNOWN, UNKNOWN]]
        assert said(program, 0, [0, 1, BELOW], [1, 1, 1]) == [[NO, NO, NO]]

    def test_takes_the_most_of_several(self):
        program = a_program([[(0, WITHIN, 1, 1, 0)], [(1, WITHIN, 1, 1, 0)]])
        assert said(program, 0, [0, 1, BELOW]) == [[NO, YES, UNKNOWN]]
        assert said(program, 1, [0, 1, BELOW]) == [[YES, YES, YES]]
        assert said(program, BELOW, [0, 1, BELOW]) == [[UNKNOWN, YES, UNKNOWN]]

    def test_lets_nothing_asked_hold_of_everything_and_no_alternative_of_nothing(self):
        assert said(a_program([[]], []), 0) == [[YES] * 3, [NO] * 3]

    def test_answers_for_no_rules_and_for_no_rows(self):
        assert said(a_program(), 0) == []
        nobody = answer(
            a_program([[]]), np.zeros(1, np.int64), np.zeros((1, 0), np.int64), np.ones(1, np.int64)
        )
        assert nobody.shape == (1, 0)
