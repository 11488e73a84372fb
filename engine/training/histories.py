"""What training starts from: customers' histories, as a set.

A model must not depend on the numbers that customers happen to have, or on who came first: a shop
that never had a customer would have given the others other numbers. So customers are put in order
by what they did. Whoever is taken out, the others keep their places relative to each other, and
sums of floating-point numbers over customers are taken in the same order as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.interactions import Interactions
from engine.training.lift import Classes

_DIGEST_BYTES = 16
_GOLDEN = 0x9E3779B97F4A7C15


class Histories(NamedTuple):
    """Interactions of customers who are numbered in the order of what they did.

    Attributes:
        interactions: as given, ``customer_idx`` replaced.
        n_customers: how many customers there are; every one has an interaction.
        agreed: shape (n_customers, n_classes), bool: to which sensitive classes each has agreed.
        total: shape (2,), uint64: the sum of a digest of each history, modulo 2**64 each. Sums of
            disjoint sets of customers add up.
    """

    interactions: Interactions
    n_customers: int
    agreed: NDArray[np.bool_]
    total: NDArray[np.uint64]


def histories(interactions: Interactions, item_ids: tuple[str, ...], classes: Classes) -> Histories:
    """Number customers anew, by a digest of what each did with which item and when, and agreed to.

    Customers of whom everything is the same share a digest and may change places; nothing depends
    on which of them is which.

    Args:
        interactions: those that are learned from; any numbers for customers.
        item_ids: what ``item_idx`` points into. The digest is of ids, so that it does not change
            when an item that nobody touched comes or goes.
        classes: who has agreed to which, by the numbers for customers as they are given.
    """
    names, customer = np.unique(interactions.customer_idx, return_inverse=True)
    digests = np.zeros((names.size, 2), np.uint64)
    occasion = _mixed(_mixed(interactions.at_ms.view(np.uint64)) + interactions.kind.astype(np.uint64))
    for lane, item in enumerate(_item_digests(item_ids).T):
        np.add.at(digests[:, lane], customer, _mixed(item[interactions.item_idx] + occasion))
    agreed = classes.agreed[names] if classes.names else np.zeros((names.size, 0), np.bool_)
    digests += agreed.astype(np.uint64) @ _item_digests(classes.names)
    digests = _mixed(digests)
    place = np.empty(names.size, np.int32)
    place[np.lexsort(digests.T)] = np.arange(names.size, dtype=np.int32)
    return Histories(
        replace(interactions, customer_idx=place[customer]),
        int(names.size),
        agreed[np.argsort(place)],
        digests.sum(axis=0, dtype=np.uint64),
    )


def digest(total: NDArray[np.uint64], circumstances: Mapping[str, Any]) -> str:
    """Return 32 hex digits that stand for everything a model was made from.

    The sums themselves are not given away: the difference between two of them would be a
    fingerprint of whoever was taken out in between.

    Args:
        total: see ``Histories``.
        circumstances: what else the model depends on, as JSON.
    """
    text = orjson.dumps(circumstances, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)
    return blake2b(total.astype("<u8").tobytes() + text, digest_size=_DIGEST_BYTES).hexdigest()


def _item_digests(item_ids: tuple[str, ...]) -> NDArray[np.uint64]:
    """Return two numbers an item, shape (n_items, 2), uint64."""
    digests = b"".join(blake2b(item_id.encode(), digest_size=16).digest() for item_id in item_ids)
    return np.frombuffer(digests, "<u8").astype(np.uint64).reshape(-1, 2)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit over all others. Source: Steele, Lea & Flood 2014, SplitMix64."""
    mixed = numbers + np.uint64(_GOLDEN)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
