"""What stands behind candidates, folded by machine code and by the loop as it is written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import guardrails.behind
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Kind, Origin, Provenance
from guardrails.behind import behind
from guardrails.policy.limits import EvidenceLimits
from guardrails.rules.base import NO_EDGES

LIMITS = EvidenceLimits(view_days=10, purchase_days=100)
ENOUGH = 3

PIECES = st.lists(
    st.tuples(
        st.sampled_from(Origin),
        st.sampled_from([Kind.VIEW, Kind.PURCHASE]),
        st.sampled_from(Provenance),
        st.integers(0, 3),
        st.integers(0, 400),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(params=["machine code", "python"])
def _loop(request, monkeypatch):
    if request.param == "python":
        monkeypatch.setattr(guardrails.behind, "_fold", guardrails.behind._fold.py_func)


@st.composite
def folding(draw):
    """Pieces (origin, kind, provenance, tier, age), and the terms (piece, amount, support) of candidates."""
    pieces = draw(PIECES)
    term = st.tuples(st.integers(0, len(pieces) - 1), st.integers(1, 4), st.integers(0, 5))
    return pieces, draw(st.lists(st.lists(term, max_size=4), max_size=4))


def evidence_of(pieces):
    n = len(pieces)
    origin, kind, provenance, _, age = zip(*pieces, strict=True) if pieces else ((),) * 5
    return Evidence(
        item_idx=np.arange(n, dtype=np.int32),
        weight=np.ones(n, np.int64),
        origin=np.array(origin, np.int8),
        kind=np.array(kind, np.int8),
        age_days=np.array(age, np.int32),
        channel=np.ones(n, np.int8),
        provenance=np.array(provenance, np.int8),
    )


def candidates_of(terms):
    n, flat = len(terms), [term for of_one in terms for term in of_one]
    piece, amount, support = zip(*flat, strict=True) if flat else ((),) * 3
    score = np.array([sum(term[1] for term in of_one) for of_one in terms], np.int64)
    return Candidates(
        item_idx=np.arange(n, dtype=np.int32),
        score=score,
        base=np.zeros(n, np.int64),
        source=np.ones(n, np.int8),
        ptr=np.cumsum([0, *map(len, terms)], dtype=np.int32),
        evidence=np.array(piece, np.int32),
        contribution=np.array(amount, np.int64),
        support=np.array(support, np.int32),
    )


def folded(pieces, terms):
    tier = np.array([piece[3] for piece in pieces], np.int8)
    return behind(candidates_of(terms), evidence_of(pieces), tier, LIMITS, ENOUGH)


def meant(pieces, of_one):
    """The same of one candidate, said plainly."""
    behind_it = [pieces[at] for at, _, _ in of_one]
    told = [(support, pieces[at][3]) for at, _, support in of_one if support]
    strongest = min(of_one, key=lambda term: (-term[1], term[0]))[0] if of_one else -1
    age_micro = 0
    if of_one:
        _, kind, _, _, age = pieces[strongest]
        age_micro = age * 1_000_000 // (100 if kind is Kind.PURCHASE else 10)
    return (
        sum({1 << piece[0] for piece in behind_it}),
        max((piece[2] for piece in behind_it), default=0),
        max((piece[3] for piece in behind_it), default=0),
        min((support for support, _ in told), default=NO_EDGES),
        min((support for support, tier in told if tier), default=NO_EDGES),
        strongest,
        age_micro,
    )


@pytest.mark.usefixtures("_loop")
class TestWhatStandsBehind:
    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(folding())
    def test_is_what_its_terms_say(self, drawn):
        pieces, terms = drawn
        *columns, n_supported = folded(pieces, terms)
        rows = list(zip(*(column.tolist() for column in columns), strict=True))
        assert rows == [meant(pieces, of_one) for of_one in terms]
        supported = {at for of_one in terms for at, _, support in of_one if support >= ENOUGH}
        assert n_supported == sum(pieces[at][0] is not Origin.CONTEXT for at in supported)

    def test_is_nothing_where_there_is_no_evidence(self):
        found = folded([], [[], []])
        assert (found.strongest.tolist(), found.n_supported) == ([-1, -1], 0)

    def test_counts_an_age_as_a_thousand_times_too_great_at_most(self):
        ages = [(Origin.HISTORY, Kind.VIEW, Provenance.OWN, 0, 1_000_000)]
        assert folded(ages, [[(0, 1, 2)]]).age_micro.tolist() == [1_000 * 1_000_000]
