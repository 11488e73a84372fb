from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Source

ANY_ITEMS = st.lists(st.integers(0, 30), unique=True, max_size=8)


@st.composite
def rankings(draw: st.DrawFn, items: st.SearchStrategy[list[int]] = ANY_ITEMS) -> Candidates:
    """Draw candidates with their terms, best first."""
    drawn = draw(items)
    terms = {item: draw(st.lists(st.integers(1, 5), max_size=6)) for item in drawn}
    base = {item: draw(st.integers(0, 3)) for item in drawn}
    order = sorted(drawn, key=lambda item: (-sum(terms[item]) - base[item], item))
    flat = [term for item in order for term in terms[item]]
    n_terms = [len(terms[item]) for item in order]
    return Candidates(
        item_idx=np.array(order, np.int32),
        score=np.array([sum(terms[item]) + base[item] for item in order], np.int64),
        base=np.array([base[item] for item in order], np.int64),
        source=np.full(len(order), Source.GOES_WITH, np.int8),
        ptr=np.concatenate([[0], np.cumsum(n_terms)]).astype(np.int32),
        evidence=np.array([piece for n in n_terms for piece in range(n)], np.int32),
        contribution=np.array(flat, np.int64),
        support=np.array([10 * term for term in flat], np.int32),
    )


def rows_of(candidates: Candidates) -> list[tuple]:
    """Each candidate with its terms, in order."""
    return [
        (
            int(candidates.item_idx[row]),
            int(candidates.score[row]),
            int(candidates.base[row]),
            terms_of(candidates, row),
        )
        for row in range(len(candidates))
    ]


def terms_of(candidates: Candidates, row: int) -> list[tuple[int, int, int]]:
    edges = slice(candidates.ptr[row], candidates.ptr[row + 1])
    columns = (candidates.evidence[edges], candidates.contribution[edges], candidates.support[edges])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def types_of(columns: Candidates | Evidence) -> dict[str, np.dtype]:
    return {name: column.dtype for name, column in vars(columns).items() if isinstance(column, np.ndarray)}


@given(rankings(), st.data())
def test_taking_rows_takes_them_with_their_terms_in_the_order_asked(candidates, data):
    rows = data.draw(
        st.lists(st.integers(0, len(candidates) - 1), unique=True) if len(candidates) else st.just([])
    )
    taken = candidates.take(np.array(rows, np.int64))
    everything = rows_of(candidates)
    assert rows_of(taken) == [everything[row] for row in rows]
    assert types_of(taken) == types_of(candidates)


@given(rankings(st.just([1, 3, 5, 7])), rankings(st.just([0, 2, 4])), rankings(st.just([])))
def test_merging_ranks_all_by_score_and_then_by_item(odd, even, none):
    merged = Candidates.merged(odd, even, none)
    expected = sorted([*rows_of(odd), *rows_of(even)], key=lambda row: (-row[1], row[0]))
    assert rows_of(merged) == expected
    assert types_of(merged) == types_of(odd)


@given(rankings(), st.integers(0, 7))
def test_the_largest_terms_are_kept_and_nothing_else_changes(candidates, n):
    fewer = candidates.largest_terms(n)
    for row in range(len(candidates)):
        expected = sorted(terms_of(candidates, row), key=lambda term: -term[1])[:n]
        assert terms_of(fewer, row) == expected
    assert rows_of(fewer.largest_terms(0)) == [(*row[:3], []) for row in rows_of(candidates)]
    assert types_of(fewer) == types_of(candidates)


def test_no_candidates_have_the_types_of_some():
    some = Candidates.empty().take(np.empty(0, np.int64))
    assert types_of(Candidates.empty()) == types_of(some)
    assert len(Candidates.empty()) == 0
    assert rows_of(Candidates.empty()) == []


def test_evidence_keeps_its_order_where_it_is_kept():
    evidence = Evidence(
        item_idx=np.array([3, 1, 2], np.int32),
        weight=np.array([30, 10, 20], np.int64),
        origin=np.array([0, 1, 2], np.int8),
        kind=np.array([1, 2, 4], np.int8),
        age_days=np.array([0, 5, 9], np.int32),
        channel=np.array([1, 1, 8], np.int8),
        provenance=np.zeros(3, np.int8),
    )
    kept = evidence.where(np.array([True, False, True]))
    assert (kept.item_idx.tolist(), kept.weight.tolist(), kept.channel.tolist()) == ([3, 2], [30, 20], [1, 8])
    assert types_of(kept) == types_of(evidence) == types_of(Evidence.empty())
    assert (len(kept), len(Evidence.empty())) == (2, 0)
