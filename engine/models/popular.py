"""The honest floor: nothing goes with anything, popularity alone decides."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.models.base import Learner
from engine.models.pairs import Pairs, no_pairs


class Popular(Learner):
    """Learns an empty W, so that only popularity, which every artefact carries, is left to recommend by."""

    by_popularity: ClassVar[bool] = True

    def _learn(self, weights: csr_matrix, _floor: NDArray[np.int32]) -> Pairs:
        return no_pairs(weights.shape[1])
