"""The hot loop: evidence in, best candidates with the terms of their sums out.

    score[j] = sum over pieces of evidence e of  (weight[e] * W[e, j]) >> SHIFT

Each term is shifted before it is added, so the terms shown as reasons add up to the score
without remainder. Only the rows of W that belong to evidence are read; sums are kept in a
hash table sized by those rows, so neither time nor memory grows with the catalogue.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from engine.compiled import compiled, read, signature
from engine.interactions import WEIGHT_ONE

SHIFT = WEIGHT_ONE.bit_length() - 1
"""Evidence weights are fixed point with this many fractional bits; scores keep the scale of W."""

_EMPTY = -1
_ABSENT = -1
_RANKED = -2
"""Keys of the best columns are overwritten by this minus their rank."""

_LINE = 16
"""Entries of four bytes in one cache line."""

_SPREAD = 0x9E3779B1  # 2**32 / golden ratio (Knuth, The Art of Computer Programming 3, 6.4)

_DROPPED_BITS = 46  # of a double's 52 mantissa bits: 6 are left
_LOWEST_BUCKET = 1023 << 6  # the exponent of 1.0, followed by 6 mantissa bits of 0
_N_BUCKETS = 64 << 6


class Scored(NamedTuple):
    """Survivors of one call, best first.

    Attributes:
        item: shape (n,), int32, columns of W.
        score: shape (n,), int64, positive, descending; ties by ascending ``item``.
        ptr: shape (n + 1,), int32: terms of survivor i are ``ptr[i]:ptr[i+1]``.
        piece: shape (m,), int32, position of the piece of evidence, ascending within a survivor.
        contribution: shape (m,), int64, never 0.
        support: shape (m,), int32, distinct customers behind the edge.
        n_masked: edges that were skipped.
    """

    item: NDArray[np.int32]
    score: NDArray[np.int64]
    ptr: NDArray[np.int32]
    piece: NDArray[np.int32]
    contribution: NDArray[np.int64]
    support: NDArray[np.int32]
    n_masked: int


_UNMASKED = np.empty(0, np.bool_)


@compiled()
def _slot_of(keys: NDArray[np.int32], key: int, n_bits: int) -> np.int64:
    """Find the slot that holds ``key``, or the empty one where it belongs (linear probing)."""
    slot = np.int64(np.uint32(key) * np.uint64(_SPREAD) & np.uint64(0xFFFFFFFF)) >> (32 - n_bits)
    while keys[slot] != _EMPTY and keys[slot] != key:
        slot = (slot + 1) & (keys.size - 1)
    return slot


@compiled()
def _term(weight: int, entry: int) -> np.int64:
    return (weight * np.int64(entry)) >> SHIFT


@compiled()
def _n_entries(indptr: NDArray[np.int64], rows: NDArray[np.int32]) -> int:
    n_entries = 0
    for row in rows:
        if row >= 0:
            n_entries += indptr[row + 1] - indptr[row]
    return n_entries


@compiled()
def _empty_table(n_entries: int, exclude: NDArray[np.int32]) -> tuple[int, NDArray[np.int32]]:
    """Return log2 of the size of a table at most half full, and its keys.

    Excluded columns are seated from the start. As they are never new, they are never selected.
    """
    n_bits = 4
    while (1 << n_bits) < 2 * (n_entries + exclude.size):
        n_bits += 1
    keys = np.full(1 << n_bits, _EMPTY, np.int32)
    for column in exclude:
        if column >= 0:
            keys[_slot_of(keys, column, n_bits)] = column
    return n_bits, keys


@compiled()
def _touch(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    weights: NDArray[np.int32],
    rows: NDArray[np.int32],
) -> np.int64:
    """Ask the memory for all rows at once; what is returned says nothing, but that they were read.

    In a large catalogue every row is a place that no cache holds. Adding up waits for one after the other;
    nothing here depends on what was read before, so the processor waits for many of them at a time.
    """
    seen = np.int64(0)
    for row in rows:
        if row >= 0:
            for at in range(indptr[row], indptr[row + 1], _LINE):
                seen += indices[at] ^ weights[at]
    return seen


@compiled()
def _add_up(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    weights: NDArray[np.int32],
    rows: NDArray[np.int32],
    row_weights: NDArray[np.int64],
    exclude: NDArray[np.int32],
    masked: NDArray[np.bool_],
    personal: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], int]:
    """Return the table (keys, sums), the slot of every entry read, the slots of new columns, and n_masked."""
    n_entries = _n_entries(indptr, rows)
    n_bits, keys = _empty_table(n_entries, exclude)
    sums = np.zeros(keys.size, np.int64)
    slots = np.full(n_entries, _ABSENT, np.int32)
    found = np.empty(n_entries, np.int32)
    n_found = 0
    n_masked = 0
    entry = 0
    for piece in range(rows.size):
        if rows[piece] < 0:
            continue
        may_mask = masked.size > 0 and personal[piece]
        for at in range(indptr[rows[piece]], indptr[rows[piece] + 1]):
            if may_mask and masked[indices[at]]:
                n_masked += 1
                entry += 1
                continue
            term = _term(row_weights[piece], weights[at])
            if term != 0:
                slot = _slot_of(keys, indices[at], n_bits)
                if keys[slot] == _EMPTY:
                    keys[slot] = indices[at]
                    found[n_found] = slot
                    n_found += 1
                sums[slot] += term
                slots[entry] = slot
            entry += 1
    return keys, sums, slots, found[:n_found], n_masked


@compiled()
def _bucket(score: int) -> np.int64:
    """Map a positive score to one of ``_N_BUCKETS`` steps of about 1.5 %, never out of order.

    The bits of a positive IEEE 754 double are in the order of its value; the leading ones are
    its exponent.
    """
    return (np.float64(score).view(np.int64) >> _DROPPED_BITS) - _LOWEST_BUCKET


@compiled()
def _lowest_needed(population: NDArray[np.int32], n: int) -> int:
    """Return the highest bucket that, with those above it, holds at least ``n``; 0 if none does."""
    lowest = population.size - 1
    n_above = population[lowest]
    while lowest > 0 and n_above < n:
        lowest -= 1
        n_above += population[lowest]
    return lowest


@compiled()
def _contenders(
    keys: NDArray[np.int32],
    sums: NDArray[np.int64],
    found: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    n: int,
) -> NDArray[np.int32]:
    """Return the slots of all allowed columns that can be among the best ``n``, and few others."""
    slots = np.empty(found.size, np.int32)
    buckets = np.empty(found.size, np.int32)
    population = np.zeros(_N_BUCKETS, np.int32)
    n_slots = 0
    for slot in found:
        if sums[slot] > 0 and allowed[keys[slot]]:
            bucket = _bucket(sums[slot])
            population[bucket] += 1
            slots[n_slots] = slot
            buckets[n_slots] = bucket
            n_slots += 1
    lowest = _lowest_needed(population, n)
    n_kept = 0
    for position in range(n_slots):
        slots[n_kept] = slots[position]
        n_kept += buckets[position] >= lowest
    return slots[:n_kept]


@compiled()
def _best_first(
    keys: NDArray[np.int32], sums: NDArray[np.int64], contenders: NDArray[np.int32], n: int
) -> NDArray[np.int32]:
    by_item = contenders[np.argsort(keys[contenders])]
    return by_item[np.argsort(-sums[by_item], kind="mergesort")[:n]]


@compiled()
def _chosen(
    keys: NDArray[np.int32], slots: NDArray[np.int32], best: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return the entries of the best columns, in their order, the rank of each, and where each rank ends.

    Overwrites the keys of the best with their ranks, so that no second table is needed.

    Returns:
        shape (m,) twice, and shape (n + 1,): where the terms of each rank begin and end; all int32.
    """
    for rank in range(best.size):
        keys[best[rank]] = _RANKED - rank
    entries = np.empty(slots.size, np.int32)
    ranks = np.empty(slots.size, np.int32)
    ptr = np.zeros(best.size + 1, np.int32)
    n_chosen = 0
    for entry in range(slots.size):
        if slots[entry] != _ABSENT and keys[slots[entry]] <= _RANKED:
            rank = _RANKED - keys[slots[entry]]
            entries[n_chosen] = entry
            ranks[n_chosen] = rank
            ptr[rank + 1] += 1
            n_chosen += 1
    for rank in range(best.size):
        ptr[rank + 1] += ptr[rank]
    return entries[:n_chosen], ranks[:n_chosen], ptr


_SIGNATURE = signature(
    (
        read("int64"),
        read("int32"),
        read("int32"),
        read("int32"),
        read("boolean"),
        read("int32"),
        read("int64"),
        read("int32"),
        read("boolean"),
        read("boolean"),
        types.int64,
    ),
    ("int32", "int64", "int32", "int32", "int64", "int32", "int64"),
)


@compiled(_SIGNATURE)
def _score(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    weights: NDArray[np.int32],
    support: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    rows: NDArray[np.int32],
    row_weights: NDArray[np.int64],
    exclude: NDArray[np.int32],
    masked: NDArray[np.bool_],
    personal: NDArray[np.bool_],
    n: int,
) -> tuple[
    NDArray[np.int32],
    NDArray[np.int64],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.int64],
    NDArray[np.int32],
    NDArray[np.int64],
]:
    noted = np.empty(2, np.int64)
    noted[1] = _touch(indptr, indices, weights, rows)
    keys, sums, slots, found, noted[0] = _add_up(
        indptr, indices, weights, rows, row_weights, exclude, masked, personal
    )
    best = _best_first(keys, sums, _contenders(keys, sums, found, allowed, n), n)
    items = keys[best]
    entries, ranks, ptr = _chosen(keys, slots, best)
    free = ptr.copy()
    pieces = np.empty(ptr[-1], np.int32)
    contributions = np.empty(ptr[-1], np.int64)
    supports = np.empty(ptr[-1], np.int32)
    first = 0
    place = 0
    for piece in range(rows.size):
        if rows[piece] < 0:
            continue
        begin, end = indptr[rows[piece]], indptr[rows[piece] + 1]
        while place < entries.size and entries[place] < first + end - begin:
            at = begin + entries[place] - first
            to = free[ranks[place]]
            pieces[to] = piece
            contributions[to] = _term(row_weights[piece], weights[at])
            supports[to] = support[at]
            free[ranks[place]] += 1
            place += 1
        first += end - begin
    return items, sums[best], ptr, pieces, contributions, supports, noted


def score(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    weights: NDArray[np.int32],
    support: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    rows: NDArray[np.int32],
    row_weights: NDArray[np.int64],
    exclude: NDArray[np.int32],
    n: int,
    masked: NDArray[np.bool_] = _UNMASKED,
    personal: NDArray[np.bool_] = _UNMASKED,
) -> Scored:
    """Score one customer, or one page, and attribute every survivor's score.

    Args:
        indptr: shape (n_items + 1,), int64: row r of W is ``indptr[r]:indptr[r+1]``.
        indices: shape (n_edges,), int32, columns of W, no column twice in a row.
        weights: shape (n_edges,), int32, fixed-point entries of W.
        support: shape (n_edges,), int32.
        allowed: shape (n_items,), bool: columns that may survive.
        rows: shape (n_pieces,), int32, row of W of each piece of evidence; -1 where W has none.
        row_weights: shape (n_pieces,), int64, see ``engine.interactions.WEIGHT_ONE``.
        exclude: columns that must not survive, int32, any shape (k,); -1 is ignored.
        n: how many to return at most; survivors have a positive score.
        masked: shape (n_items,), bool: columns that personal pieces say nothing about: such an edge is
            skipped, as if W did not have it. Shape (0,): nothing is masked.
        personal: shape (n_pieces,), bool: whose edges are masked; read only where ``masked`` is given.

    All arrays are C-contiguous. Rows and columns out of range are not checked here: an
    artefact is checked when it is loaded.
    """
    item, total, ptr, piece, contribution, supports, noted = _score(
        indptr, indices, weights, support, allowed, rows, row_weights, exclude, masked, personal, max(n, 0)
    )
    return Scored(item, total, ptr, piece, contribution, supports, int(noted[0]))
