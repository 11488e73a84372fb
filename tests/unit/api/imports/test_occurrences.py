from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from api.imports.occurrences import Occurrences

runs = st.lists(st.lists(st.integers(0, 6), max_size=30), max_size=12)


@given(runs)
def test_equal_digests_are_numbered_in_the_order_they_come_over_all_runs(given_runs):
    occurrences, seen = Occurrences(), Counter()
    for run in given_runs:
        expected = []
        for digest in run:
            expected.append(seen[digest])
            seen[digest] += 1
        assert occurrences.number(np.array(run, np.uint64)).tolist() == expected


def test_what_is_remembered_stays_a_handful_of_runs():
    occurrences = Occurrences()
    for start in range(0, 64_000, 1_000):
        occurrences.number(np.arange(start, start + 1_000, dtype=np.uint64))
    assert len(occurrences._runs) <= 7
    assert occurrences.number(np.array([0, 63_999, 64_000], np.uint64)).tolist() == [1, 1, 0]
