"""Cut columns out of canonical bytes, without building objects of what lies between.

Canonical JSON has sorted keys and no blanks, and its keys need no escapes: so the bytes of a key with its
quotes and its colon stand nowhere but where that key stands, and keys can be looked for in their order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled, read, signature

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]

_QUOTE, _BACKSLASH, _COMMA, _MINUS, _ZERO, _NINE = ord('"'), ord("\\"), ord(","), ord("-"), ord("0"), ord("9")
_OPEN, _OPEN_LIST, _CLOSE, _CLOSE_LIST, _T, _F = ord("{"), ord("["), ord("}"), ord("]"), ord("t"), ord("f")

_TEXT, _PLACES = read("uint8"), read("int64")


@compiled()
def _find(text: Bytes, begin: int, end: int, wanted: Bytes) -> int:
    """Return where ``wanted`` stands first, -1 where it does not."""
    n, first = wanted.size, wanted[0]
    for place in range(begin, end - n + 1):
        if text[place] == first:
            same = 1
            while same < n and text[place + same] == wanted[same]:
                same += 1
            if same == n:
                return place
    return -1


@compiled()
def _end_of_value(text: Bytes, begin: int, end: int) -> int:
    """Return where a value ends: at its last bracket, else at what follows it."""
    depth, place = 0, begin
    while place < end:
        byte = text[place]
        if byte == _QUOTE:
            place += 1
            while place < end and text[place] != _QUOTE:
                place += 2 if text[place] == _BACKSLASH else 1
        elif byte in (_OPEN, _OPEN_LIST):
            depth += 1
        elif byte in (_CLOSE, _CLOSE_LIST):
            depth -= 1
            if depth <= 0:
                return place + 1 if depth == 0 else place
        elif byte == _COMMA and depth == 0:
            return place
        place += 1
    return place


@compiled(signature((_TEXT, _PLACES, _PLACES, _TEXT), ("int64", "int64")))
def occurrences(text: Bytes, begin: Numbers, end: Numbers, wanted: Bytes) -> tuple[Numbers, Numbers]:
    """Find every place at which ``wanted`` stands in some stretches of a text.

    Returns:
        Number of the stretch and place, shape (n,) each, in order.
    """
    most = (end - begin).sum() // wanted.size + 1  # pages of it that are not written to cost nothing
    which, where = np.empty(most, np.int64), np.empty(most, np.int64)
    n = 0
    for stretch in range(begin.size):
        place = _find(text, begin[stretch], end[stretch], wanted)
        while place >= 0:
            which[n], where[n] = stretch, place
            n += 1
            place = _find(text, place + wanted.size, end[stretch], wanted)
    return which[:n].copy(), where[:n].copy()


@compiled(signature((_TEXT, _PLACES, _PLACES, _TEXT, _PLACES), ("int64", "int64")))
def values(
    text: Bytes, begin: Numbers, end: Numbers, keys: Bytes, key_ptr: Numbers
) -> tuple[Numbers, Numbers]:
    """Find the values of keys that follow each other, in some stretches of a text.

    Args:
        text: the bytes.
        begin: shape (n,): where each stretch begins.
        end: shape (n,): where it ends.
        keys: k keys one after the other, each with its quotes and its colon.
        key_ptr: shape (k + 1,): key i is ``keys[key_ptr[i]:key_ptr[i + 1]]``.

    Returns:
        Where each value begins and ends, shape (n * k,) each, key by key; -1 where a key is missing.
    """
    n, k = begin.size, key_ptr.size - 1
    first, last = np.full(n * k, -1, np.int64), np.full(n * k, -1, np.int64)
    for stretch in range(n):
        place = begin[stretch]
        for key in range(k):
            wanted = keys[key_ptr[key] : key_ptr[key + 1]]
            found = _find(text, place, end[stretch], wanted)
            if found >= 0:
                begins = found + wanted.size
                place = _end_of_value(text, begins, end[stretch])
                first[key * n + stretch], last[key * n + stretch] = begins, place
    return first, last


@compiled(signature((_TEXT, _PLACES, _PLACES), ("int64",)))
def lengths(text: Bytes, first: Numbers, last: Numbers) -> tuple[Numbers]:
    """Return how many numbers each list holds, shape (n,); 1 for a single number, -1 for nothing."""
    found = np.empty(first.size, np.int64)
    for each in range(first.size):
        begin, end = first[each], last[each]
        if begin < 0:
            found[each] = -1
            continue
        n = 0 if text[begin] == _OPEN_LIST and text[begin + 1] == _CLOSE_LIST else 1
        for place in range(begin, end):
            n += text[place] == _COMMA
        found[each] = n
    return (found,)


@compiled(signature((_TEXT, _PLACES, _PLACES, _PLACES), ("int64", "bool_")))
def numbers(text: Bytes, first: Numbers, last: Numbers, ptr: Numbers) -> tuple[Numbers, NDArray[np.bool_]]:
    """Read whole numbers and truth values, which count as 1 and 0.

    Args:
        text: the bytes.
        first: shape (n,): where each list, or single value, begins.
        last: shape (n,): where it ends.
        ptr: shape (n + 1,): list i has to hold ``ptr[i + 1] - ptr[i]`` values.

    Returns:
        All values, shape (ptr[-1],), and which lists hold as many as they have to, shape (n,); of others
        the values mean nothing.
    """
    found, fits = np.zeros(ptr[-1], np.int64), np.zeros(first.size, np.bool_)
    for each in range(first.size):
        row, stop, place = ptr[each], ptr[each + 1], first[each]
        if place < 0:
            continue
        while place < last[each]:
            byte = text[place]
            if _ZERO <= byte <= _NINE or byte in (_MINUS, _T, _F):
                negative, number = byte == _MINUS, 1 if byte == _T else 0
                if byte in (_MINUS, _T, _F):
                    place += 1
                while place < last[each] and text[place] != _COMMA and text[place] != _CLOSE_LIST:
                    if _ZERO <= text[place] <= _NINE:
                        number = number * 10 + (text[place] - _ZERO)
                    place += 1
                if row < stop:
                    found[row] = -number if negative else number
                row += 1
            else:
                place += 1
        fits[each] = row == stop
    return found, fits


def joined(keys: list[str]) -> tuple[Bytes, Numbers]:
    """Return keys as ``values`` takes them."""
    written = [f'"{key}":'.encode() for key in keys]
    ptr = np.cumsum([0, *(len(each) for each in written)], dtype=np.int64)
    return np.frombuffer(b"".join(written), np.uint8), ptr
