"""How much of what customers buy next is found: what they had bought before, and what is new to them.

The two are different questions. Whoever buys milk every week buys it again, and needs nobody to say so;
what is new to a customer is hard to find, and worth more. So each is measured by itself, by rankings of
what the customer had bought or of everything else, and each beside the plainest answer there is: the
customer's own frequency, and what sells well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.evaluation.bootstrap import Bootstrap, interval
from engine.evaluation.metrics import gains_by_customer
from engine.interactions import age_in_days
from engine.vocabulary import Intent, Kind
from guardrails.house import House
from guardrails.request import Placement
from guardrails.restraint import EVERY_GROUP, Progress, Shopper, serve_all

REPEAT = "repeat"
NEW = "new to customer"

OWN_FREQUENCY = "own frequency alone"
POPULARITY = "popularity alone"
UNGUARDED = "without guardrails"
GUARDED = "with guardrails and consents"

_NOTHING = np.empty(0, np.int32)

_ROOM = 4
"""So many times the length is asked for: buying again may take up a part of a slate only, and what was
bought once and is no longer among a customer's evidence may be suggested as new, and is left out here."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one way of ranking finds; means over customers, with their 95 % intervals (bootstrap).

    Attributes:
        ranked_by: the way.
        recall: share of what was bought that is among the first k.
        recall_from: lower end of its interval.
        recall_to: upper end.
        ndcg: normalised discounted cumulative gain of the first k.
        ndcg_from: lower end of its interval.
        ndcg_to: upper end.
    """

    ranked_by: str
    recall: float
    recall_from: float
    recall_to: float
    ndcg: float
    ndcg_from: float
    ndcg_to: float


@dataclass(frozen=True, slots=True)
class Question:
    """One of the two kinds of purchases.

    Attributes:
        purchases: ``REPEAT`` or ``NEW``.
        n_customers: customers who bought such items.
        n_items: different items that a customer of these bought, added up.
        found: one row a way of ranking.
    """

    purchases: str
    n_customers: int
    n_items: int
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Purchases:
    """What is found of customers' later purchases.

    Attributes:
        k: length of the rankings.
        placement: where the suggestions would be shown.
        questions: of repeat purchases, and of new ones.
    """

    k: int
    placement: str
    questions: tuple[Question, ...]


def measure_purchases(
    house: House,
    shoppers: Sequence[Shopper],
    relevant: csr_matrix,
    placement: Placement,
    now_ms: int,
    k: int,
    progress: Progress = lambda _done, _total, _message: None,
) -> Purchases:
    """Rank for every shopper in each way and hold the rankings against what they bought next.

    What is not for sale is not to be found. Suggestions are made as they are served, in a placement that
    holds as many as are ranked; repeat purchases where nothing but those may be shown, and new ones where
    anything but those may.

    Args:
        house: the model must not have seen anything after ``now_ms``.
        shoppers: n customers.
        relevant: shape (n, n_items): what each of them bought after ``now_ms``.
        placement: where.
        now_ms: the time of the suggestions.
        k: length of the rankings.
        progress: told how many rankings are made, of how many.
    """
    for_sale = _where(relevant, house.catalogue.available)
    owned = _owned(shoppers, house, now_ms)
    sellers = house.recommender.popular(house.catalogue.n_items, _NOTHING).item_idx
    has = owned.astype(np.bool_)
    roomy = replace(placement, max_count=_ROOM * k)
    again = replace(roomy, intents=frozenset({Intent.REPLENISH}))
    other = replace(roomy, intents=placement.intents - {Intent.REPLENISH})
    asked = [
        (place, off, f"{kind}, {ranked_by}")
        for kind, place in ((REPEAT, again), (NEW, other))
        for ranked_by, off in ((UNGUARDED, EVERY_GROUP), (GUARDED, frozenset[str]()))
    ]
    served = []
    for at, (place, off, message) in enumerate(asked):

        def show(n_done: int, before: int = at * len(shoppers), message: str = message) -> None:
            progress(before + n_done, len(asked) * len(shoppers), message)

        slates = serve_all(house, shoppers, place, now_ms, off, show)
        served.append(slates.ranked)
    repeat = {
        OWN_FREQUENCY: _ranked(_weighed(owned, house.catalogue.available), k),
        POPULARITY: _ranked(_weighed(has, _places(sellers, owned.shape[1])), k),
        UNGUARDED: served[0][:, :k],
        GUARDED: served[1][:, :k],
    }
    new = {
        POPULARITY: _first_others(sellers, owned, k),
        UNGUARDED: _others(served[2], has, k),
        GUARDED: _others(served[3], has, k),
    }
    repeated, others = csr_matrix(for_sale.multiply(has)), csr_matrix(for_sale - for_sale.multiply(has))
    others.eliminate_zeros()
    return Purchases(
        k,
        placement.name,
        (_question(REPEAT, repeated, repeat), _question(NEW, others, new)),
    )


def _where(matrix: csr_matrix, columns: NDArray[np.bool_]) -> csr_matrix:
    """Return ones where the matrix has an entry in one of the columns."""
    kept = matrix.tocoo()
    of_kept = columns[kept.col]
    row, column = kept.row[of_kept], kept.col[of_kept]
    return csr_matrix((np.ones(row.size), (row, column)), shape=matrix.shape)


def _owned(shoppers: Sequence[Shopper], house: House, now_ms: int) -> csr_matrix:
    """Return how often each shopper had bought each item, decayed, shape (n, n_items), float64."""
    rows, columns, weights = [], [], []
    for row, shopper in enumerate(shoppers):
        bought = shopper.history.where(shopper.history.kind == Kind.PURCHASE.value)
        rows.append(np.full(len(bought), row))
        columns.append(bought.item_idx)
        weights.append(house.weighting.weigh(bought.kind, age_in_days(bought.at_ms, now_ms)))
    shape = (len(shoppers), house.catalogue.n_items)
    if not rows:
        return csr_matrix(shape)
    decayed = np.maximum(np.concatenate(weights), 1).astype(np.float64)  # what is owned stays owned
    entries = (decayed, (np.concatenate(rows), np.concatenate(columns)))
    return csr_matrix(entries, shape=shape)  # adds up what is there several times


def _places(sellers: NDArray[np.int32], n_items: int) -> NDArray[np.int64]:
    """Return a number for each item that is greater the better it sells, 0 where it is not sold."""
    places = np.zeros(n_items, np.int64)
    places[sellers] = np.arange(sellers.size, 0, -1)
    return places


def _weighed(owned: csr_matrix, by_item: NDArray[np.bool_] | NDArray[np.int64]) -> csr_matrix:
    """Return what is owned times a number an item; what that leaves nothing of is left out."""
    weighed = owned.copy()
    weighed.data = owned.data * by_item[owned.indices]
    weighed.eliminate_zeros()
    return weighed


def _ranked(weights: csr_matrix, k: int) -> NDArray[np.int32]:
    """Return the heaviest entries of each row, shape (n, k), int32, -1 where there are fewer."""
    row = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    order = np.lexsort((weights.indices, -weights.data, row))
    place = np.arange(order.size) - weights.indptr[row]  # the order keeps rows together
    first = place < k
    ranked = np.full((weights.shape[0], k), -1, np.int32)
    ranked[row[first], place[first]] = weights.indices[order[first]]
    return ranked


def _first_others(sellers: NDArray[np.int32], owned: csr_matrix, k: int) -> NDArray[np.int32]:
    """Return the best sellers that each shopper does not own, shape (n, k), int32, -1 where it ends."""
    ranked = np.full((owned.shape[0], k), -1, np.int32)
    for row, (start, end) in enumerate(pairwise(owned.indptr)):
        head = sellers[: k + end - start]
        others = head[~np.isin(head, owned.indices[start:end])][:k]
        ranked[row, : others.size] = others
    return ranked


def _others(ranked: NDArray[np.int32], has: csr_matrix, k: int) -> NDArray[np.int32]:
    """Return the first suggestions that each shopper does not own, shape (n, k), int32, -1 where it ends."""
    first = np.full((ranked.shape[0], k), -1, np.int32)
    for row, items in enumerate(ranked):
        owned = has.indices[has.indptr[row] : has.indptr[row + 1]]
        others = items[(items >= 0) & ~np.isin(items, owned)][:k]
        first[row, : others.size] = others
    return first


def _question(purchases: str, relevant: csr_matrix, ranked: Mapping[str, NDArray[np.int32]]) -> Question:
    n_customers = int(np.count_nonzero(np.diff(relevant.indptr)))
    drawn = Bootstrap(n_customers)
    return Question(
        purchases,
        n_customers,
        int(relevant.nnz),
        tuple(_found(ranked_by, rows, relevant, drawn) for ranked_by, rows in ranked.items()),
    )


def _found(ranked_by: str, ranked: NDArray[np.int32], relevant: csr_matrix, drawn: Bootstrap) -> Found:
    gains = gains_by_customer(ranked, relevant)
    recall, ndcg = ((_mean(gain), drawn.means(gain)) for gain in (gains.recall, gains.ndcg))
    return Found(ranked_by, recall[0], *interval(*recall), ndcg[0], *interval(*ndcg))


def _mean(by_customer: NDArray[np.float64]) -> float:
    return float(by_customer.mean()) if by_customer.size else 0.0
