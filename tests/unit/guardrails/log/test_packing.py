from __future__ import annotations

import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.resources import files

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from support.packing_dictionary import dictionary
from support.scenes import Scene, any_scenes
from support.shops import recorded, sections_of
from support.tries import tries

from guardrails.errors import RecordError
from guardrails.log.packing import DICTIONARY, MAX_TEXT_BYTES, pack, unpack

SHA256 = "fa03760a088434ab704c7509a1754ff5d52a019a2c4b0f19f6467d99ef5bd021"
"""What was packed with a dictionary opens with no other: once released, this line never changes again."""

TEXT = b'{"basket":[],"categories":[],"channel":"web","count":4,"gpc":false,"item":null,"language":null}'
PACKED_LONG_AGO = "0128b52ffd205f6d0000286e756c6c7d010087579b0610"

texts = st.binary(min_size=1, max_size=3_000) | st.lists(
    st.sampled_from([TEXT, b"[0,0,0]", b"\n", b"\x00"]), min_size=1
).map(b"".join)


def text_of(scene: Scene) -> bytes:
    record = recorded(scene.decide(), scene.request, scene.known, scene.house)
    return b"\n".join(sections_of(record).values())


@given(texts)
def test_what_is_unpacked_is_what_was_packed(text):
    assert unpack(pack(text)) == text


def test_records_come_back_to_the_byte_and_take_together_less_than_half_of_what_zlib_makes_of_them():
    sizes = []

    @given(scene=any_scenes())
    @tries(20)
    def packed(scene):
        text = text_of(scene)
        small = pack(text)
        assert unpack(small) == text
        assert len(small) < len(zlib.compress(text, 6))
        sizes.append((len(small), len(zlib.compress(text, 6))))

    packed()
    ours, theirs = map(sum, zip(*sizes, strict=True))
    assert ours < theirs / 2


def test_the_dictionary_is_the_one_of_everything_packed_so_far():
    assert hashlib.sha256(files("guardrails.log").joinpath(DICTIONARY).read_bytes()).hexdigest() == SHA256


def test_what_was_packed_long_ago_still_opens():
    assert unpack(bytes.fromhex(PACKED_LONG_AGO)) == TEXT


def test_the_dictionary_is_made_up_of_three_records_and_always_the_same():
    made = dictionary()
    assert made == dictionary()
    assert made.count(b'"subject_kind"') == 3
    assert len(made) < 2**16


def test_threads_pack_and_unpack_at_the_same_time_without_mixing_anything_up():
    many = [TEXT * (1 + number % 50) + str(number).encode() for number in range(400)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda text: unpack(pack(text)), many)) == many


@pytest.mark.parametrize("text", [b"", bytes(MAX_TEXT_BYTES + 1)], ids=["empty", "too long"])
def test_an_empty_or_endless_text_is_refused(text):
    with pytest.raises(RecordError, match="empty or too long"):
        pack(text)


def test_the_longest_text_comes_back():
    assert unpack(pack(bytes(MAX_TEXT_BYTES))) == bytes(MAX_TEXT_BYTES)


def a_frame(text: bytes, **how: bool) -> bytes:
    return b"\x01" + zstandard.ZstdCompressor(**how).compress(text)


def announcing(n_bytes: int) -> bytes:
    """A packed text of 300 bytes that claims to be another size."""
    packed = bytearray(a_frame(b"ab" * 150))
    assert packed[6:8] == (300 - 256).to_bytes(2, "little")
    packed[6:8] = (n_bytes - 256).to_bytes(2, "little")
    return bytes(packed)


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x01", id="a codec and nothing"),
        pytest.param(b"\x02" + pack(TEXT)[1:], id="a codec there is not"),
        pytest.param(zlib.compress(TEXT), id="something else that was packed"),
        pytest.param(pack(TEXT)[:-1], id="cut"),
        pytest.param(pack(TEXT) + b"\x00", id="more at its end"),
        pytest.param(pack(TEXT) + pack(TEXT)[1:], id="two in a row"),
        pytest.param(a_frame(b"") + b"more", id="nothing, and more at its end"),
        pytest.param(a_frame(TEXT, write_content_size=False), id="of a size it does not tell"),
        pytest.param(a_frame(bytes(MAX_TEXT_BYTES + 1)), id="a bomb"),
        pytest.param(announcing(400), id="shorter than it says"),
        pytest.param(announcing(280), id="longer than it says"),
    ],
)
def test_what_was_not_packed_here_is_refused(packed):
    with pytest.raises(RecordError, match="cannot be opened"):
        unpack(packed)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x01", b"\x01\x28\xb5\x2f\xfd", pack(TEXT)[:12]]))
def test_noise_is_refused_or_short_and_nothing_else_happens(noise, start):
    with suppress(RecordError):
        assert len(unpack(start + noise)) <= MAX_TEXT_BYTES
