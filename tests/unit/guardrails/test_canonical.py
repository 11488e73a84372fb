from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from guardrails.errors import RecordError
from guardrails.log.canonical import MAX_INTEGER, canonical, canonical_of_ours, exact


class Colour(IntEnum):
    RED = 3


class Word(StrEnum):
    YES = "yes"


@dataclass
class Point:
    x: int


texts = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: unicodedata.normalize("NFC", text))
keys = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1)
integers = st.integers(-MAX_INTEGER, MAX_INTEGER)
columns = st.sampled_from([np.int8, np.int16, np.int32, np.bool_]).flatmap(
    lambda dtype: arrays_of.arrays(dtype, st.integers(0, 5))
) | arrays_of.arrays(np.int64, st.integers(0, 5), elements=integers)
documents = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.tuples(inner, inner),
)


def by_the_book(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@given(documents)
def test_any_json_library_can_recompute_the_bytes(document):
    assert canonical(document) == by_the_book(document)


@given(st.dictionaries(keys, columns))
def test_columns_are_written_as_lists(document):
    assert canonical(document) == by_the_book({name: column.tolist() for name, column in document.items()})


@given(arrays_of.arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=integers))
def test_columns_of_a_table_are_written_as_lists_as_well(table):
    strided = table[:, 0]
    assert canonical(strided) == by_the_book(strided.tolist())
    assert canonical(table.T) == by_the_book(table.T.tolist())


@given(documents)
def test_reading_and_writing_again_gives_the_same_bytes(document):
    assert canonical(json.loads(canonical(document))) == canonical(document)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"b": 1, "a": 2, "_": 3, "10": 4, "9": 5}, b'{"10":4,"9":5,"_":3,"a":2,"b":1}'),
        ({"a": None}, b'{"a":null}'),
        ({}, b"{}"),
        ([True, False], b"[true,false]"),
        (Colour.RED, b"3"),
        (Word.YES, b'"yes"'),
        ('\x00\n"\\\u2028\U0001f600', '"\\u0000\\n\\"\\\\\u2028\U0001f600"'.encode()),
        (MAX_INTEGER, b"9007199254740991"),
        (-MAX_INTEGER, b"-9007199254740991"),
        (np.array([MAX_INTEGER]), b"[9007199254740991]"),
    ],
)
def test_it_is_written_like_this(document, expected):
    assert canonical(document) == expected


@pytest.mark.parametrize(
    "document",
    [
        1.0,
        float("nan"),
        MAX_INTEGER + 1,
        -MAX_INTEGER - 1,
        2**70,
        {"A": 1},
        {"a b": 1},
        {"": 1},
        {"é": 1},
        {"a\n": 1},
        {1: 1},
        {None: 1},
        {True: 1},
        "e\u0301",
        "\ud800",
        ["\udfff"],
        b"bytes",
        {1, 2},
        object(),
        np.int64(1),
        np.array([1.0]),
        np.array([1], np.uint64),
        np.array(["a"]),
        np.array([MAX_INTEGER + 1]),
        np.array([-MAX_INTEGER - 1]),
        np.array([object()]),
    ],
    ids=lambda document: f"{type(document).__name__} {document!r}".split(" at 0x")[0],
)
@pytest.mark.parametrize("inside", [lambda it: it, lambda it: {"a": [it]}], ids=["alone", "inside"])
def test_what_leaves_the_profile_is_refused(document, inside):
    with pytest.raises(RecordError):
        canonical(inside(document))


@pytest.mark.parametrize("secret", ["e\u0301 customer-17", 12345.678])
def test_a_refusal_does_not_repeat_what_it_refuses(secret):
    with pytest.raises(RecordError) as refused:
        canonical({"a": secret})
    assert str(secret) not in str(refused.value)


LATER = "\n\u0301"
"""In normal form, though it does not look so in JSON: the mark seems to belong to the letter before it."""


@given(documents | st.dictionaries(keys, columns))
@example([LATER])
def test_what_is_our_own_has_the_same_bytes(document):
    assert canonical_of_ours(document) == canonical(document)


@given(arrays_of.arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=integers))
def test_wide_columns_of_ours_are_written_as_they_are(table):
    assert canonical_of_ours({"a": exact(table[:, 0]), "b": table[:, 0]}) == by_the_book(
        {"a": table[:, 0].tolist(), "b": table[:, 0].tolist()}
    )


def test_what_was_made_before_stands_as_it_is():
    document = {"b": orjson.Fragment(canonical({"a": ["é"]})), "a": "é"}
    assert canonical_of_ours(document) == by_the_book({"b": {"a": ["é"]}, "a": "é"})


@pytest.mark.parametrize(
    "document",
    [
        MAX_INTEGER + 1,
        -MAX_INTEGER - 1,
        2**70,
        exact(np.array([MAX_INTEGER + 1])),
        np.array([[0, 0], [MAX_INTEGER + 1, 0]])[:, 0],
        "e\u0301",
        LATER + "e\u0301",
        ["\udfff"],
        {1: 1},
        b"bytes",
        np.array([[1.0, 2.0], [3.0, 4.0]])[:, 0],
        datetime.fromtimestamp(0, UTC),
        Point(1),
    ],
    ids=lambda document: f"{type(document).__name__} {document!r}",
)
def test_what_came_in_with_it_and_leaves_the_profile_is_refused(document):
    with pytest.raises(RecordError) as refused:
        canonical_of_ours({"a": [document]})
    assert "\u0301" not in str(refused.value)
