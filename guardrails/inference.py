"""What tells of a sensitive class that a customer has not agreed to (G07).

An item that gives such a class away is a proxy for it. For who has not agreed to the class, a proxy
is no evidence, and nothing that the customer did may propose one. What is on the page is nobody's
secret: it counts as ever, and so do proxies for classes that the customer has agreed to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from engine.serving.candidates import Mask
from guardrails.admit import SENSITIVE_FROM_TIER, Admission
from guardrails.house import House


def withheld_classes(admission: Admission, catalogue: Catalogue) -> frozenset[str]:
    """Return the classes of goods on sale that need an explicit consent, and do not have it."""
    return frozenset(
        name
        for name, tier in zip(catalogue.sensitive_classes, catalogue.highest_tier_by_class, strict=True)
        if name not in admission.sensitive_granted
        and tier >= SENSITIVE_FROM_TIER - (name in admission.raised_classes)
    )


def telling_mask(admission: Admission, house: House) -> Mask | None:
    """Return what is too telling for this customer; ``None`` for who has agreed to everything."""
    withheld = withheld_classes(admission, house.catalogue)
    return house.recommender.mask(withheld, house.limits.inference.lift_max_micro) if withheld else None


def telling_lift(
    admission: Admission, house: House, item_idx: NDArray[np.int32], personal: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return how telling each candidate is where a person's evidence moved it; millionths, else 0.

    Args:
        admission: what was agreed to.
        house: model and catalogue.
        item_idx: shape (n,), catalogue rows.
        personal: shape (n,): whether evidence of the visit or of the past moved each.
    """
    withheld = withheld_classes(admission, house.catalogue) if np.count_nonzero(personal) else frozenset()
    if not withheld:
        return np.zeros(item_idx.size, np.int64)
    lift = house.recommender.telling(withheld)[item_idx].astype(np.int64)
    return np.where(personal, lift, 0)
