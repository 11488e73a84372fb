"""Sealing: what opens a body, what does not, and what its length gives away."""

import base64
import hashlib

import orjson
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from guardrails.errors import RecordError
from guardrails.log.canonical import canonical
from guardrails.log.sealing import (
    KEY_BYTES,
    NOBODY,
    NONCE_BYTES,
    digest,
    entry_of,
    header_of,
    seal,
    unseal,
    unwrap,
    wrap,
)

KEY, NONCE = b"k" * KEY_BYTES, b"n" * NONCE_BYTES
HEADER = b'{"id":"d1","v":2}'
TAG_BYTES = 16

keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
nonces = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)
bodies = st.binary(max_size=1_100)
words = st.text("abc åß", max_size=8)
headers = st.dictionaries(st.text("abcdefgv_", min_size=1, max_size=4), words | st.integers(0, 9)).map(
    lambda fields: canonical({name: value for name, value in fields.items() if name != "ct"})
)


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


class TestSealing:
    @given(bodies, headers, keys, nonces)
    def test_what_was_sealed_opens_with_its_key_and_header(self, body, header, key, nonce):
        assert unseal(seal(body, header, key, nonce), header, key) == body

    @given(bodies, keys, keys, nonces)
    def test_it_opens_with_no_other_key(self, body, key, other, nonce):
        sealed = seal(body, HEADER, key, nonce)
        if key == other:
            assert unseal(sealed, HEADER, other) == body
        else:
            with pytest.raises(RecordError, match="does not open"):
                unseal(sealed, HEADER, other)

    @given(bodies, headers, headers)
    def test_it_opens_for_no_other_entry(self, body, header, other):
        sealed = seal(body, header, KEY, NONCE)
        if header == other:
            assert unseal(sealed, other, KEY) == body
        else:
            with pytest.raises(RecordError, match="does not open"):
                unseal(sealed, other, KEY)

    @given(bodies, st.data())
    def test_every_bit_that_is_changed_is_noticed(self, body, data):
        sealed = seal(body, HEADER, KEY, NONCE)
        bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
        with pytest.raises(RecordError, match="does not open"):
            unseal(flipped(sealed, bit), HEADER, KEY)

    @given(bodies, st.data())
    def test_what_was_cut_or_lengthened_is_noticed(self, body, data):
        sealed = seal(body, HEADER, KEY, NONCE)
        cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
        for changed in (cut, sealed + b"\x00", sealed[1:]):
            with pytest.raises(RecordError, match="does not open"):
                unseal(changed, HEADER, KEY)

    @pytest.mark.parametrize("n_bytes", [0, 1, NONCE_BYTES - 1, NONCE_BYTES, NONCE_BYTES + TAG_BYTES])
    def test_what_was_never_sealed_is_refused(self, n_bytes):
        with pytest.raises(RecordError, match="does not open"):
            unseal(bytes(n_bytes), HEADER, KEY)

    def test_it_is_written_as_is_said(self):
        """Opened by hand: nonce, ciphertext of length, body and zeros, bound to the entry's digest."""
        sealed = seal(b"body", HEADER, KEY, NONCE)
        assert sealed[:NONCE_BYTES] == NONCE
        padded = AESGCM(KEY).decrypt(NONCE, sealed[NONCE_BYTES:], hashlib.sha256(HEADER).digest())
        assert padded == b"\x00\x00\x00\x04body" + bytes(248)

    def test_the_message_names_neither_key_nor_body(self):
        with pytest.raises(RecordError) as caught:
            unseal(seal(b"secret", HEADER, KEY, NONCE), b"{}", KEY)
        assert str(caught.value) == "the body of a record does not open with this key and entry"


class TestLength:
    @given(bodies)
    def test_tells_no_more_than_how_many_times_256_bytes_it_takes(self, body):
        n_padded = len(seal(body, HEADER, KEY, NONCE)) - NONCE_BYTES - TAG_BYTES
        assert n_padded % 256 == 0
        assert 4 + len(body) <= n_padded < 4 + len(body) + 256

    @pytest.mark.parametrize(("n_bytes", "n_padded"), [(0, 256), (252, 256), (253, 512), (508, 512)])
    def test_at_the_edges_of_a_bucket(self, n_bytes, n_padded):
        assert len(seal(bytes(n_bytes), HEADER, KEY, NONCE)) == NONCE_BYTES + n_padded + TAG_BYTES


class TestEntries:
    @given(headers, st.binary(max_size=50))
    def test_an_entry_is_the_header_with_the_digest_of_what_was_sealed(self, header, sealed):
        entry = entry_of(header, sealed)
        assert orjson.loads(entry) == {**orjson.loads(header), "ct": digest(sealed)}
        assert canonical(orjson.loads(entry)) == entry
        assert header_of(entry) == header

    @given(headers)
    def test_an_entry_without_a_digest_is_its_own_header(self, header):
        assert header_of(header) == header

    @given(st.binary(max_size=100))
    def test_a_digest_is_sha_256_in_43_characters_of_base64url(self, data):
        written = digest(data)
        assert len(written) == 43
        assert base64.urlsafe_b64decode(written + "=") == hashlib.sha256(data).digest()


class TestWrapping:
    @given(keys, keys)
    def test_a_wrapped_key_is_40_bytes_and_opens_again(self, kek, key):
        wrapped = wrap(kek, key)
        assert len(wrapped) == 40
        assert unwrap(kek, wrapped) == key

    def test_it_is_wrapped_as_the_standard_says(self):
        """RFC 3394, section 4.6: 256 bits of key data with a 256-bit key."""
        kek = bytes(range(32))
        key = bytes.fromhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F")
        wrapped = bytes.fromhex(
            "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"
        )
        assert wrap(kek, key) == wrapped

    @given(keys, st.integers(0, 40 * 8 - 1))
    def test_another_key_and_every_bit_that_is_changed_are_noticed(self, key, bit):
        wrapped = wrap(KEY, key)
        for kek, data in ((b"o" * KEY_BYTES, wrapped), (KEY, flipped(wrapped, bit)), (KEY, wrapped[:-1])):
            with pytest.raises(RecordError, match="key-encryption key"):
                unwrap(kek, data)


def test_nobody_is_no_subject_that_a_digest_would_give():
    assert bytes(16) == NOBODY
