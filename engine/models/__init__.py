"""Learners by name. One more learner is one more file here and one more line below."""

from __future__ import annotations

from engine.errors import ModelFitError
from engine.models.als import ALS
from engine.models.base import Learner
from engine.models.blend import Blend
from engine.models.content import Content
from engine.models.ease import Ease
from engine.models.lowpass import LowPass
from engine.models.nearest import BM25, Cosine, TfIdf
from engine.models.popular import Popular
from engine.models.walk import Walk

LEARNERS: dict[str, type[Learner]] = {
    "popular": Popular,
    "cosine": Cosine,
    "tfidf": TfIdf,
    "bm25": BM25,
    "walk": Walk,
    "lowpass": LowPass,
    "ease": Ease,
    "als": ALS,
    "content": Content,
    "blend": Blend,
}


def learner_named(name: str) -> Learner:
    """Return a fresh learner with its default parameters.

    Raises:
        ModelFitError: there is no learner of that name.
    """
    if name not in LEARNERS:
        raise ModelFitError(f"`{name}` is not a learner: choose from {', '.join(LEARNERS)}")
    return LEARNERS[name]()
