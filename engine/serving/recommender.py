"""A model bound to a catalogue: from evidence to candidates, in catalogue rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.artefact import Artefact
from engine.catalogue import NO_CODE, Catalogue
from engine.serving import kernel
from engine.serving.candidates import Candidates, Evidence, Mask
from engine.serving.largest import largest_of_each
from engine.vocabulary import Kind, Origin, RowSource, Source

DUE_AFTER = 30
"""An item may be due again once its last purchase is older than the usual interval divided by this.

Only what was just bought is held back: a day for what lasts a month. Of what households bought again
in four weeks of groceries, half the interval would have kept out a sixth, and a thirtieth 1 %.
"""


N_REMEMBERED = 16
"""So many sets of withheld classes keep their answer; most customers withhold the same ones."""

N_NARROWED = 8
"""So many selections of categories keep what may be proposed of them."""

_FEW_PAIRS = 1 << 16
"""So many pairs are compared one by one in less time than numpy takes to sort them first."""

HUNDRED_PERCENT = 100
MOST_OF_A_TERM = (1 << 53) - 1
"""No purchase contributes more: the greatest integer that every reader of JSON holds exactly."""

MICRO = 1_000_000
MICRO_PER_PERCENT = MICRO // HUNDRED_PERCENT
MOST_PERCENT = np.iinfo(np.int32).max // MICRO_PER_PERCENT
"""A lift above two thousand is as telling as one of two thousand."""


class Binding(NamedTuple):
    """Which item is which in a model and in a catalogue.

    Both are sorted by item id, so the order of rows, and with it every tie, is the same in both.

    Attributes:
        item_ids: of the model.
        catalogue: the catalogue.
        row_of_item: the model row of each catalogue row, and one row more; -1 for none; int32.
        item_of_row: the catalogue row of each model row; -1 for none; int32.
    """

    item_ids: tuple[str, ...]
    catalogue: Catalogue
    row_of_item: NDArray[np.int32]
    item_of_row: NDArray[np.int32]


class Offer(NamedTuple):
    """What of a catalogue may be proposed, and in what order what sells well.

    Attributes:
        available: whether each item may be proposed.
        allowed: the same of each model row; never what is not sold.
        popular: what sells, the most popular first; int32.
        by_category: the same, category by category; int32.
        category_ptr: bounds of each category in it.
        by_brand: the same, brand by brand; int32.
        brand_ptr: bounds of each brand in it.
    """

    available: NDArray[np.bool_]
    allowed: NDArray[np.bool_]
    popular: NDArray[np.int32]
    by_category: NDArray[np.int32]
    category_ptr: NDArray[np.int64]
    by_brand: NDArray[np.int32]
    brand_ptr: NDArray[np.int64]


class Recommender:
    """Proposes items of one catalogue by one model. Immutable, safe to share between threads.

    Items that the model knows and the catalogue does not, or that are not available, are never
    proposed; evidence about items that the model does not know contributes nothing.

    What it remembers never refers to it: a model is replaced every time it has learned, and all of it has
    to go with the last request that uses it, not when somebody looks for cycles.
    """

    def __init__(self, artefact: Artefact, catalogue: Catalogue, binding: Binding | None = None) -> None:
        """Bind a model to a catalogue.

        Args:
            artefact: the model.
            catalogue: what there is.
            binding: of the model before; shared where it is the same.
        """
        self._artefact = artefact
        self._n_items = catalogue.n_items
        self._binding = _bind(artefact.item_ids, catalogue, binding)
        self._row_of_item, self._item_of_row = self._binding.row_of_item, self._binding.item_of_row
        self._row_source = np.append(artefact.row_source, np.int32(RowSource.LEARNED))  # -1 reads the last
        self._popularity = self._by_item(artefact.popularity)
        self._repeat = self._by_item(artefact.repeat)
        self._repeat_support = self._by_item(artefact.repeat_support)
        self._interval_days = self._by_item(artefact.repeat_interval_days)
        self._repeat_shift = artefact.manifest.repeat_shift
        popular = _most_popular(self._popularity, catalogue.available)
        self._offer = _offer(self._binding, catalogue.available, popular)
        self._telling = lru_cache(N_REMEMBERED)(partial(_telling, artefact, self._binding))
        self._mask = lru_cache(N_REMEMBERED)(partial(_mask, self._telling, self._item_of_row))
        self._within = lru_cache(N_NARROWED)(partial(_narrowed, self._offer, self._binding))

    @property
    def binding(self) -> Binding:
        """Which item is which in the model and in the catalogue."""
        return self._binding

    @property
    def version(self) -> str | None:
        """Version of the model: the content hash of its artefact."""
        return self._artefact.version

    @property
    def latent(self) -> bool:
        """Whether edges come from latent factors rather than from counted pairs."""
        return self._artefact.manifest.latent

    @property
    def usefulness_floor(self) -> int:
        """Score from which on its proposals were measured to be of use; 0 where that is not known."""
        return self._artefact.manifest.usefulness_floor

    @property
    def n_items(self) -> int:
        """Number of rows of the catalogue it is bound to."""
        return self._n_items

    def within(self, paths: tuple[str, ...]) -> Recommender:
        """Return the same model, proposing nothing but what is of some categories, or of one below them.

        Args:
            paths: category paths; of none of them nothing is left out.
        """
        if not paths:
            return self
        narrowed = copy(self)
        narrowed._offer = self._within(paths)  # noqa: SLF001  # of its own kind
        return narrowed

    def telling(self, withheld: frozenset[str]) -> NDArray[np.int32]:
        """Return how telling each item is of the classes named, shape (n_items,), int32, read-only.

        Millionths: the greatest lift of the item to one of them, see ``engine.training.lift``; one
        million where nothing is known.
        """
        return self._telling(withheld)

    def mask(self, withheld: frozenset[str], lift_max_micro: int) -> Mask:
        """Return the items that are more telling of the classes named than ``lift_max_micro``.

        Below one million that is everything: nothing of a person counts then.
        """
        return self._mask(withheld, lift_max_micro)

    def goes_with(
        self,
        evidence: Evidence,
        exclude: NDArray[np.int32],
        n: int,
        mask: Mask | None = None,
    ) -> Candidates:
        """Return the ``n`` items that go best with the evidence.

        Args:
            evidence: what is known; pieces in any order.
            exclude: shape (k,), int32, catalogue rows not to propose. Items that the evidence
                itself is about are proposed unless they are listed here.
            n: how many at most.
            mask: what evidence of a person (of the visit, of the past) may say nothing about; what is
                on the page may. ``None`` for nothing.

        Returns:
            Candidates of base 0: a score is the sum of its contributions, in the units of W. The source
            is ``GOES_WITH``, or ``BY_CATEGORY`` or ``BY_CONTENT`` where the largest contribution, of
            equals the first, rests on no more than that.
        """
        rows = self._rows(evidence.item_idx)
        masked = () if mask is None else (mask.rows, evidence.origin != Origin.CONTEXT.value)
        scored = kernel.score(
            self._artefact.indptr,
            self._artefact.indices,
            self._artefact.weights,
            self._artefact.support,
            self._offer.allowed,
            rows,
            np.ascontiguousarray(evidence.weight),
            self._rows(exclude),
            n,
            *masked,
        )
        return Candidates(
            item_idx=self._item_of_row[scored.item],
            score=scored.score,
            base=np.zeros_like(scored.score),
            source=self._sources(scored, rows),
            ptr=scored.ptr,
            evidence=scored.piece,
            contribution=scored.contribution,
            support=scored.support,
            n_masked=scored.n_masked,
        )

    def goes_with_each(
        self, pieces: Sequence[Evidence], excludes: Sequence[NDArray[np.int32]], n: int, n_threads: int = 1
    ) -> list[Candidates]:
        """Return ``goes_with`` for many customers, in their order, whatever the number of threads."""
        with ThreadPoolExecutor(n_threads) as pool:
            return list(pool.map(lambda piece, exclude: self.goes_with(piece, exclude, n), pieces, excludes))

    def buy_again(self, evidence: Evidence, n: int) -> Candidates:
        """Return the ``n`` likeliest repeat purchases among what the customer bought before.

        What was just bought is not due again; see ``DUE_AFTER``. Each purchase contributes its weight
        times how much the item makes buyers come back, see ``engine.training.repeats``, times as much as
        was learned to make it comparable with ``goes_with``, see ``engine.training.mixing``; its support is
        the number of customers who came back.
        """
        bought = (evidence.origin == Origin.HISTORY.value) & (evidence.kind == Kind.PURCHASE.value)
        piece = np.flatnonzero(bought & (evidence.item_idx >= 0)).astype(np.int32)
        item, which = np.unique(evidence.item_idx[piece], return_inverse=True)
        youngest = np.full(item.size, np.iinfo(np.int32).max, np.int64)
        np.minimum.at(youngest, which, evidence.age_days[piece])
        interval = self._interval_days[item]
        due = (interval > 0) & (youngest * DUE_AFTER >= interval) & self._offer.available[item]
        term = (evidence.weight[piece] * self._repeat[item][which]) >> (kernel.SHIFT - self._repeat_shift)
        term = np.minimum(term, MOST_OF_A_TERM)
        kept = due[which] & (term > 0)
        return _from_terms(item, which[kept], piece[kept], term[kept], self._repeat_support[item], n)

    def popular(self, n: int, exclude: NDArray[np.int32], category: int | None = None) -> Candidates:
        """Return the ``n`` most popular items, of one category or of all.

        Args:
            n: how many at most.
            exclude: shape (k,), int32, catalogue rows not to propose.
            category: index into ``Catalogue.categories``.

        Returns:
            Candidates without contributions; the score is the popularity, in its own units.
        """
        if category is not None:
            return self.popular_in(np.array([category], np.int32), n, exclude)
        return self._listed(_first_without(self._offer.popular, exclude, n), Source.POPULAR)

    def popular_in(self, categories: NDArray[np.int32], n: int, exclude: NDArray[np.int32]) -> Candidates:
        """Return the ``n`` most popular items of several categories taken together.

        Args:
            categories: shape (c,), int32, indices into ``Catalogue.categories``; others, such as
                -1 for unknown, have no items.
            n: how many at most.
            exclude: shape (k,), int32, catalogue rows not to propose.
        """
        n_categories = self._offer.category_ptr.size - 1
        known = np.unique(categories[(categories >= 0) & (categories < n_categories)])
        listed = [self._first_of(code, exclude, n) for code in known.tolist()]
        if len(listed) == 1:
            return self._listed(listed[0], Source.POPULAR_IN_CATEGORY)
        item = np.concatenate([np.empty(0, np.int32), *listed])
        best = np.lexsort((item, -self._popularity[item]))[: max(n, 0)]
        return self._listed(item[best], Source.POPULAR_IN_CATEGORY)

    def popular_of_brand(self, brand: int, n: int, exclude: NDArray[np.int32]) -> Candidates:
        """Return the ``n`` most popular items of one brand.

        Args:
            brand: index into ``Catalogue.brands``; any other, such as -1 for unknown, has no items.
            n: how many at most.
            exclude: shape (k,), int32, catalogue rows not to propose.
        """
        known = 0 <= brand < self._offer.brand_ptr.size - 1
        bounds = self._offer.brand_ptr[brand : brand + 2] if known else (0, 0)
        listed = self._offer.by_brand[bounds[0] : bounds[1]]
        return self._listed(_first_without(listed, exclude, n), Source.BRAND)

    def _first_of(self, category: int, exclude: NDArray[np.int32], n: int) -> NDArray[np.int32]:
        """Return the ``n`` most popular items of one category, best first."""
        bounds = self._offer.category_ptr[category : category + 2]
        return _first_without(self._offer.by_category[bounds[0] : bounds[1]], exclude, n)

    def _sources(self, scored: kernel.Scored, rows: NDArray[np.int32]) -> NDArray[np.int8]:
        """Say what each survivor rests on most; ``rows`` are those of the evidence."""
        found = np.full(scored.item.size, Source.GOES_WITH, np.int8)
        of_piece = self._row_source[rows]
        if found.size == 0 or not (of_piece.any() or np.count_nonzero(scored.support == 0)):
            return found
        _, largest = largest_of_each(scored.ptr, scored.contribution, 1)
        found[of_piece[scored.piece[largest]] == RowSource.CATEGORY.value] = Source.BY_CATEGORY.value
        found[scored.support[largest] == 0] = Source.BY_CONTENT.value
        return found

    def _rows(self, item_idx: NDArray[np.int32]) -> NDArray[np.int32]:
        known = (item_idx >= 0) & (item_idx < self._n_items)
        return np.where(known, self._row_of_item[np.where(known, item_idx, 0)], np.int32(NO_CODE))

    def _by_item(self, by_row: NDArray[np.signedinteger]) -> NDArray[np.int64]:
        """Rearrange a column of the model to catalogue rows; 0 where the model does not know the item."""
        by_item = np.zeros(self._n_items, np.int64)
        sold = self._item_of_row >= 0
        by_item[self._item_of_row[sold]] = by_row[sold]
        return by_item

    def _listed(self, item: NDArray[np.int32], source: Source) -> Candidates:
        popularity = self._popularity[item]
        return Candidates(
            item_idx=item,
            score=popularity,
            base=popularity.copy(),
            source=np.full(item.size, source, np.int8),
            ptr=np.zeros(item.size + 1, np.int32),
            evidence=np.empty(0, np.int32),
            contribution=np.empty(0, np.int64),
            support=np.empty(0, np.int32),
        )


class NoModel:
    """Stands in until a shop has trained its first model: it proposes nothing, and says so."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._n_items = catalogue.n_items

    @property
    def version(self) -> str | None:
        """No version: there is no model."""
        return None

    @property
    def latent(self) -> bool:
        """There are no edges."""
        return False

    @property
    def usefulness_floor(self) -> int:
        """There are no proposals."""
        return 0

    @property
    def n_items(self) -> int:
        """Number of rows of the catalogue."""
        return self._n_items

    def within(self, paths: tuple[str, ...]) -> NoModel:  # noqa: ARG002  # the null twin takes what the model takes
        """Return itself: there is nothing to leave out."""
        return self

    def telling(self, withheld: frozenset[str]) -> NDArray[np.int32]:  # noqa: ARG002  # the null twin takes what the model takes
        """Return that nothing is known."""
        return np.full(self._n_items, MICRO, np.int32)

    def mask(self, withheld: frozenset[str], lift_max_micro: int) -> Mask:  # noqa: ARG002  # the null twin takes what the model takes
        """Return what the model masks that knows nothing."""
        return Mask(np.full(self._n_items, lift_max_micro < MICRO), np.empty(0, np.bool_))

    def goes_with(
        self,
        evidence: Evidence,  # noqa: ARG002  # the null twin takes what the model takes
        exclude: NDArray[np.int32],  # noqa: ARG002  # the null twin takes what the model takes
        n: int,  # noqa: ARG002  # the null twin takes what the model takes
        mask: Mask | None = None,  # noqa: ARG002  # the null twin takes what the model takes
    ) -> Candidates:
        """Return no candidates."""
        return Candidates.empty()

    def buy_again(self, evidence: Evidence, n: int) -> Candidates:  # noqa: ARG002  # the null twin takes what the model takes
        """Return no candidates."""
        return Candidates.empty()

    def popular(self, n: int, exclude: NDArray[np.int32], category: int | None = None) -> Candidates:  # noqa: ARG002  # the null twin takes what the model takes
        """Return no candidates."""
        return Candidates.empty()

    def popular_in(self, categories: NDArray[np.int32], n: int, exclude: NDArray[np.int32]) -> Candidates:  # noqa: ARG002  # the null twin takes what the model takes
        """Return no candidates."""
        return Candidates.empty()

    def popular_of_brand(self, brand: int, n: int, exclude: NDArray[np.int32]) -> Candidates:  # noqa: ARG002  # the null twin takes what the model takes
        """Return no candidates."""
        return Candidates.empty()


def _bind(item_ids: tuple[str, ...], catalogue: Catalogue, before: Binding | None) -> Binding:
    if before is not None and before.item_ids is item_ids and before.catalogue is catalogue:
        return before
    known = catalogue.idx_of_id
    item_of_row = np.fromiter((known.get(item_id, NO_CODE) for item_id in item_ids), np.int32, len(item_ids))
    # One row more than there are items, so that an empty catalogue can be looked into as well.
    row_of_item = np.full(catalogue.n_items + 1, NO_CODE, np.int32)
    sold = np.flatnonzero(item_of_row >= 0)
    row_of_item[item_of_row[sold]] = sold
    return Binding(item_ids, catalogue, row_of_item, item_of_row)


def _offer(binding: Binding, available: NDArray[np.bool_], popular: NDArray[np.int32]) -> Offer:
    catalogue = binding.catalogue
    sold = binding.item_of_row >= 0
    allowed = np.zeros(sold.size, np.bool_)
    allowed[sold] = available[binding.item_of_row[sold]]
    by_category = _group(popular, catalogue.category[popular], len(catalogue.categories))
    by_brand = _group(popular, catalogue.brand[popular], len(catalogue.brands))
    return Offer(available, allowed, popular, *by_category, *by_brand)


def _narrowed(offer: Offer, binding: Binding, paths: tuple[str, ...]) -> Offer:
    """Leave of an offer what is of some categories, or of one below them."""
    of_them = binding.catalogue.within(paths)[binding.catalogue.category]
    return _offer(binding, offer.available & of_them, offer.popular[of_them[offer.popular]])


def _telling(model: Artefact, binding: Binding, withheld: frozenset[str]) -> NDArray[np.int32]:
    counted = np.isin(model.lift_class, [code for code, name in enumerate(model.classes) if name in withheld])
    by_row = np.full(model.n_items, HUNDRED_PERCENT, np.int32)
    np.maximum.at(by_row, model.lift_item[counted], model.lift_percent[counted])
    telling = np.full(binding.catalogue.n_items, MICRO, np.int32)
    sold = binding.item_of_row >= 0
    telling[binding.item_of_row[sold]] = np.minimum(by_row[sold], MOST_PERCENT) * MICRO_PER_PERCENT
    telling.flags.writeable = False
    return telling


def _mask(
    telling: Callable[[frozenset[str]], NDArray[np.int32]],
    item_of_row: NDArray[np.int32],
    withheld: frozenset[str],
    lift_max_micro: int,
) -> Mask:
    items = telling(withheld) > lift_max_micro
    return Mask(items, np.append(items, False)[item_of_row])  # -1, not sold, reads the last


def _most_popular(popularity: NDArray[np.int64], available: NDArray[np.bool_]) -> NDArray[np.int32]:
    listed = np.flatnonzero(available & (popularity > 0))
    return listed[np.argsort(-popularity[listed], kind="stable")].astype(np.int32)


def _group(
    order: NDArray[np.int32], code: NDArray[np.int32], n_codes: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Sort ``order`` by code, keeping its order within each; return it with the bounds of each code."""
    known = code >= 0
    order, code = order[known], code[known]
    bounds = np.zeros(n_codes + 1, np.int64)
    np.cumsum(np.bincount(code, minlength=n_codes), out=bounds[1:])
    return order[np.argsort(code, kind="stable")], bounds


def _first_without(order: NDArray[np.int32], exclude: NDArray[np.int32], n: int) -> NDArray[np.int32]:
    head = order[: max(n, 0) + exclude.size]
    if head.size * exclude.size > _FEW_PAIRS:
        return head[~np.isin(head, exclude)][: max(n, 0)]
    excluded: NDArray[np.bool_] = np.logical_or.reduce(exclude[:, np.newaxis] == head, axis=0)
    return head[~excluded][: max(n, 0)]


def _from_terms(
    item: NDArray[np.int32],
    which: NDArray[np.int64],
    piece: NDArray[np.int32],
    term: NDArray[np.int64],
    support: NDArray[np.int64],
    n: int,
) -> Candidates:
    """Add terms up by item and keep the best ``n`` items; terms of one item stay in order of piece.

    Args:
        item: shape (k,), catalogue rows, ascending.
        which: shape (m,), place in ``item`` that each term is of.
        piece: shape (m,), ascending, the piece of evidence of each term.
        term: shape (m,), positive.
        support: shape (k,), customers who bought each item again.
        n: how many at most.
    """
    score = np.zeros(item.size, np.int64)
    np.add.at(score, which, term)
    best = np.argsort(-score, kind="stable")[: min(max(n, 0), np.count_nonzero(score))]
    rank = np.full(item.size, best.size)
    rank[best] = np.arange(best.size)
    of_term = rank[which]
    order = np.argsort(of_term, kind="stable")[: np.count_nonzero(of_term < best.size)]
    ptr = np.zeros(best.size + 1, np.int32)
    np.cumsum(np.bincount(of_term[order], minlength=best.size), out=ptr[1:])
    return Candidates(
        item_idx=item[best],
        score=score[best],
        base=np.zeros(best.size, np.int64),
        source=np.full(best.size, Source.BUY_AGAIN, np.int8),
        ptr=ptr,
        evidence=piece[order],
        contribution=term[order],
        support=support[which[order]].astype(np.int32),
    )
