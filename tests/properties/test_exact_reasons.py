"""A score is the sum of its terms, and the fast loop computes what the definition says."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.serving import kernel


@dataclass(frozen=True)
class Case:
    edges: NDArray[np.int32]
    support: NDArray[np.int32]
    allowed: NDArray[np.bool_]
    rows: NDArray[np.int32]
    row_weights: NDArray[np.int64]
    exclude: NDArray[np.int32]
    n: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    n_items = draw(st.integers(1, 30))
    n_pieces = draw(st.integers(0, 12))
    # Few distinct entries make ties; large ones use the whole width of the fixed point.
    entries = st.one_of(st.just(0), st.integers(1, 3).map(lambda step: step << 16), st.integers(1, 1 << 30))
    return Case(
        edges=draw(arrays(np.int32, (n_items, n_items), elements=entries)),
        support=draw(arrays(np.int32, (n_items, n_items), elements=st.integers(2, 1000))),
        allowed=draw(arrays(np.bool_, n_items)),
        rows=draw(arrays(np.int32, n_pieces, elements=st.integers(-1, n_items - 1))),
        row_weights=draw(arrays(np.int64, n_pieces, elements=st.integers(0, 1 << 20))),
        exclude=draw(arrays(np.int32, draw(st.integers(0, 8)), elements=st.integers(-1, n_items - 1))),
        n=draw(st.integers(0, n_items + 2)),
    )


def run(case: Case) -> kernel.Scored:
    matrix = csr_matrix(case.edges)
    row, column = matrix.nonzero()
    return kernel.score(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data.astype(np.int32),
        case.support[row, column].astype(np.int32),
        case.allowed,
        case.rows,
        case.row_weights,
        case.exclude,
        case.n,
    )


def reference(case: Case) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The definition, on dense matrices: every term of every sum, and the order of the survivors."""
    terms = np.zeros((case.rows.size, case.allowed.size), np.int64)
    for piece, row in enumerate(case.rows):
        if row >= 0:
            terms[piece] = (case.row_weights[piece] * case.edges[row].astype(np.int64)) >> kernel.SHIFT
    score = terms.sum(axis=0)
    open_to = case.allowed.copy()
    open_to[case.exclude[case.exclude >= 0]] = False
    order = sorted(np.flatnonzero(open_to & (score > 0)), key=lambda item: (-score[item], item))
    return terms, np.array(order[: case.n], np.int64)


@given(cases())
def test_the_kernel_finds_the_items_and_scores_that_the_definition_gives(case: Case):
    terms, best = reference(case)
    found = run(case)
    assert found.item.tolist() == best.tolist()
    assert found.score.tolist() == terms.sum(axis=0)[best].tolist()


@given(cases())
def test_the_terms_of_a_score_are_those_of_the_definition_and_add_up_to_it(case: Case):
    terms, best = reference(case)
    found = run(case)
    assert found.ptr[0] == 0
    assert found.ptr[-1] == found.piece.size == found.contribution.size == found.support.size
    for item, score, (start, stop) in zip(best, found.score, pairwise(found.ptr), strict=True):
        pieces = np.flatnonzero(terms[:, item])
        assert found.piece[start:stop].tolist() == pieces.tolist()
        assert found.contribution[start:stop].tolist() == terms[pieces, item].tolist()
        assert found.support[start:stop].tolist() == case.support[case.rows[pieces], item].tolist()
        assert score == found.contribution[start:stop].sum()


@given(cases(), st.data())
def test_leaving_one_piece_of_evidence_out_takes_exactly_its_term_from_every_score(case: Case, data):
    everything = Case(**{**vars(case), "n": case.allowed.size})
    if case.rows.size == 0:
        return
    left_out = data.draw(st.integers(0, case.rows.size - 1))
    rows = case.rows.copy()
    rows[left_out] = -1
    with_it = run(everything)
    without = dict(zip(*run(Case(**{**vars(everything), "rows": rows}))[:2], strict=True))
    for rank, item in enumerate(with_it.item):
        terms = slice(with_it.ptr[rank], with_it.ptr[rank + 1])
        term = with_it.contribution[terms][with_it.piece[terms] == left_out].sum()
        assert with_it.score[rank] - without.get(item, 0) == term
