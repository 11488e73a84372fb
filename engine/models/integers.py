"""From a learner's floating-point matrix to the integers that are served."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from engine.artefact import WEIGHT_SCALE
from engine.models.pairs import Pairs


def scale_exponent(strongest: float) -> int:
    """Return e such that ``WEIGHT_SCALE`` stands for 2**e: W's strongest entry is ⅓ to ⅔ of that.

    A power of two, so that the same entry gives the same integer before and after the strongest
    one has changed a little. The bounds keep away from 1 and ½, which learners often give up to the
    last bit: that bit must not decide on the scale.

    >>> scale_exponent(1.0), scale_exponent(0.999), scale_exponent(0.5), scale_exponent(0.0)
    (1, 1, 0, 0)
    """
    return int(np.frexp(1.5 * strongest)[1])


def quantized(pairs: Pairs, exponent: int | None = None) -> Pairs:
    """Return W as int32, ``WEIGHT_SCALE`` standing for 2**exponent; entries that round to 0 are dropped.

    Args:
        pairs: W as learned.
        exponent: not less than the ``scale_exponent`` of the strongest entry, which is the default.
    """
    matrix = pairs.item_to_item
    if exponent is None:
        exponent = scale_exponent(matrix.data.max(initial=0.0))
    units = np.rint(np.ldexp(matrix.data, -exponent) * WEIGHT_SCALE).astype(np.int32)
    kept = units > 0
    indptr = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr].astype(np.int64)
    whole = csr_matrix(matrix.shape, dtype=np.int32)
    whole.indptr, whole.indices, whole.data = indptr, matrix.indices[kept].astype(np.int32), units[kept]
    return Pairs(whole, pairs.support[kept])
