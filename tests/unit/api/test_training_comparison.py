"""Which of two models is put in force."""

import pytest

from api.models.registry import no_worse
from engine.artefact import Manifest


def contest(**ndcg):
    return [{"learner": learner, "ndcg": figure} for learner, figure in ndcg.items()]


def test_the_first_model_is_put_in_force():
    assert no_worse(Manifest(learner="walk"), None)[0]


@pytest.mark.parametrize(
    ("walk", "als", "put_in_force"), [(0.2, 0.1, True), (0.1, 0.1, True), (0.1, 0.2, False)]
)
def test_a_model_is_put_in_force_when_it_ranks_no_worse_than_the_other_learner(walk, als, put_in_force):
    new = Manifest(learner="walk", metrics=contest(walk=walk, als=als))
    answer, because = no_worse(new, {"learner": "als"})
    assert answer is put_in_force
    assert f"NDCG {walk:.4f} against {als:.4f}" in because


def test_a_model_that_cannot_be_compared_wins_because_it_knows_who_withdrew():
    new = Manifest(learner="walk", metrics=[*contest(walk=0.1), {"learner": "als", "skipped": "no time"}])
    answer, because = no_worse(new, {"learner": "als"})
    assert answer
    assert "was not measured" in because
