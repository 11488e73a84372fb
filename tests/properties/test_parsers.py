"""What reads bytes from outside reads them or refuses them, whatever they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.parsers import PARSERS, Parser

_each = pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A valid input with a few stretches of it replaced, repeated or cut out."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 16)))
        piece = draw(st.one_of(st.binary(max_size=8), st.just(data[start:end] * 3), st.just(b"")))
        data = data[:start] + piece + data[end:]
    return data


@_each
def test_what_is_valid_is_read(parser: Parser):
    for seed in parser.seeds:
        assert parser.reads(seed), seed


@_each
@given(data=st.data())
def test_what_is_nearly_valid_is_read_or_refused(parser: Parser, data: st.DataObject):
    parser.try_one(data.draw(mutated(list(parser.seeds))))


@_each
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(parser: Parser, data: bytes):
    parser.try_one(data)
