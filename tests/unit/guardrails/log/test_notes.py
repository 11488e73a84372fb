"""Notes are signed as the specification and its other implementations sign them."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from hypothesis import given
from hypothesis import strategies as st

from guardrails.errors import LogError
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.notes import (
    MAX_TIME_S,
    Cosigner,
    MlDsaCosigner,
    NoteSigner,
    SignatureType,
    add_signature,
    read_private_key,
    sign_note,
    text_of,
)
from guardrails.log.verifier import Signed, open_note, parse_vkey

SEED = bytes(range(32))
AT_S = 1_679_315_147
TEXT = Checkpoint("shop.example/log", 5, sha256(b"root").digest()).text()
KINDS = [NoteSigner, Cosigner, MlDsaCosigner]

SPECIFIED_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPECIFIED_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72"
    "IneyaQM=\n"
)

# The example of golang.org/x/mod/sumdb/note.
GO_PRIVATE_KEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJn"
    "AM=\n"
)


def payload(line: str) -> bytes:
    """What follows the key id in a signature line."""
    return b64decode(line.split(" ")[2])[4:]


def public_key(vkey: str) -> bytes:
    return b64decode(vkey.split("+", maxsplit=2)[2])[1:]


def test_the_example_of_the_specification_has_a_true_signature():
    line = SPECIFIED_NOTE.splitlines(keepends=True)[-1]
    key = Ed25519PublicKey.from_public_bytes(public_key(SPECIFIED_VKEY))
    key.verify(payload(line), text_of(SPECIFIED_NOTE).encode())
    assert b64decode(line.split(" ")[2])[:4].hex() == SPECIFIED_VKEY.split("+")[1]


def test_a_key_and_a_note_of_go_come_out_the_same():
    signer = read_private_key(GO_PRIVATE_KEY)
    assert signer.vkey == GO_VKEY
    assert signer.private_key == GO_PRIVATE_KEY
    assert sign_note(GO_TEXT, [signer], AT_S) == f"{GO_TEXT}\n{GO_LINE}"


def test_a_cosignature_signs_the_time_and_the_text():
    signer = Cosigner("witness.example/w", SEED)
    signature = payload(signer.line(TEXT, AT_S))
    assert signature[:8] == AT_S.to_bytes(8, "big")
    signed = f"cosignature/v1\ntime {AT_S}\n{TEXT}".encode()
    key = Ed25519PublicKey.from_public_bytes(signer.public_key)
    key.verify(signature[8:], signed)
    with pytest.raises(InvalidSignature):
        key.verify(signature[8:], TEXT.encode())


def test_an_ml_dsa_cosignature_signs_name_time_origin_size_and_root():
    signer = MlDsaCosigner("witness.example/w", SEED)
    signature = payload(signer.line(TEXT + "an extension line\n", AT_S))
    assert signature[:8] == AT_S.to_bytes(8, "big")
    signed = (
        b"subtree/v1\n\x00\x11witness.example/w"
        + AT_S.to_bytes(8, "big")
        + b"\x10shop.example/log"
        + bytes(8)
        + (5).to_bytes(8, "big")
        + sha256(b"root").digest()
    )
    assert len(signature) == 8 + 2_420
    MLDSA44PublicKey.from_public_bytes(signer.public_key).verify(signature[8:], signed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_survives_being_written_down(kind):
    signer = kind("shop.example/log", SEED)
    again = read_private_key(signer.private_key)
    assert type(again) is kind
    assert (again.name, again.seed, again.vkey) == ("shop.example/log", SEED, signer.vkey)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vkey_holds_name_id_type_and_public_key(kind):
    signer = kind("shop.example/log", SEED)
    name, key_id, typed = signer.vkey.split("+", maxsplit=2)
    assert name == "shop.example/log"
    assert b64decode(typed) == bytes([kind.type]) + signer.public_key
    assert key_id == sha256(b"shop.example/log\n" + b64decode(typed)).hexdigest()[:8]


def test_one_key_has_another_id_for_everything_it_signs():
    assert len({kind("shop.example/log", SEED).key_id for kind in KINDS}) == len(KINDS) == len(SignatureType)


def test_nothing_that_is_printed_shows_the_private_key():
    signer = NoteSigner("shop.example/log", SEED)
    assert SEED.hex() not in repr(signer)
    assert "AAECAwQF" not in repr(signer)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\x01b", "a\ud800"])
def test_a_name_that_would_break_the_line_is_refused(name):
    with pytest.raises(LogError, match="name of a key"):
        NoteSigner(name, SEED)


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_of_another_length_is_refused(kind, seed):
    with pytest.raises(LogError, match="not of 32 bytes"):
        kind("log", seed)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "PRIVATE+KEY+log",
        "PRIVATE+KEY+log+00000000+",
        "PRIVATE+KEY+log+00000000+AQ==",
        "PRIVATE+KEY+log+00000000+*",
        GO_PRIVATE_KEY.replace("+AYEK", "+A4EK"),
        GO_PRIVATE_KEY.replace("c74f20a3", "c74f20a4"),
        GO_PRIVATE_KEY.replace("PeterNeumann", "Peter"),
        GO_PRIVATE_KEY[:-4],
    ],
)
def test_what_is_no_private_key_is_refused_without_being_quoted(written):
    with pytest.raises(LogError, match="private key") as caught:
        read_private_key(written)
    assert "+" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "no newline", "a tab\there\n", "a return\r\n", "half\ud800\n"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_could_be_read_in_two_ways_is_not_signed(kind, text):
    with pytest.raises(LogError, match="text of a note"):
        kind("log", SEED).line(text, AT_S)


@pytest.mark.parametrize("at_s", [-1, 0, MAX_TIME_S + 1])
@pytest.mark.parametrize("kind", [Cosigner, MlDsaCosigner])
def test_a_cosignature_tells_a_time(kind, at_s):
    with pytest.raises(LogError, match="not a time"):
        kind("log", SEED).line(TEXT, at_s)


def test_only_checkpoints_are_signed_with_ml_dsa():
    with pytest.raises(LogError, match="at least three lines"):
        MlDsaCosigner("log", SEED).line("some text\n", AT_S)


@pytest.mark.parametrize(("name", "origin"), [("n" * 256, "log"), ("log", "o" * 256), ("ø" * 128, "log")])
def test_a_name_too_long_for_ml_dsa_is_refused(name, origin):
    with pytest.raises(LogError, match="too long"):
        MlDsaCosigner(name, SEED).line(Checkpoint(origin, 0, bytes(32)).text(), AT_S)


def test_a_note_that_nobody_signs_is_refused():
    with pytest.raises(LogError, match="signed by somebody"):
        sign_note(TEXT, [], AT_S)


def test_whoever_knows_the_keys_finds_the_signatures_good():
    signers = [kind(f"{kind.__name__}.example", SEED) for kind in KINDS]
    keys = [parse_vkey(signer.vkey) for signer in signers]
    text, signed = open_note(sign_note(TEXT, signers, AT_S).encode(), keys)
    assert text == TEXT
    assert signed == [
        Signed(key, at_s, checked=True) for key, at_s in zip(keys, [None, AT_S, AT_S], strict=True)
    ]


def test_signatures_stand_in_the_order_of_those_who_sign():
    signers = [NoteSigner("log", SEED), Cosigner("witness", SEED)]
    note = sign_note(TEXT, signers, AT_S)
    assert note == TEXT + "\n" + "".join(signer.line(TEXT, AT_S) for signer in signers)


def test_a_signature_is_added_under_the_others_once():
    note = sign_note(TEXT, [NoteSigner("log", SEED)], AT_S)
    line = Cosigner("witness", SEED).line(TEXT, AT_S)
    assert add_signature(note, line) == note + line
    assert add_signature(note + line, line) == note + line


@pytest.mark.parametrize(
    "line", ["", "— log AAAA", "- log AAAA\n", "— log AAAA\n— log AAAA\n", "— l+g AAAA\n"]
)
def test_what_is_no_signature_is_not_added(line):
    with pytest.raises(LogError, match="not a signature"):
        add_signature(SPECIFIED_NOTE, line)


@pytest.mark.parametrize(
    "note", ["", TEXT, f"{TEXT}\n", f"{TEXT}— log AAAA\n", f"{TEXT}\n— log AAAA", f"a\tb\n\n{GO_LINE}"]
)
def test_what_is_no_signed_note_has_no_text(note):
    with pytest.raises(LogError):
        text_of(note)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]))))
def test_any_text_comes_back_out_of_its_note(lines):
    text = "".join(f"{line}\n" for line in ["", *lines])
    assert text_of(sign_note(text, [NoteSigner("log", SEED)], AT_S)) == text


def test_a_log_s_key_signs_other_bytes_as_well():
    signer = NoteSigner("shop.example/decisions", b"k" * 32)
    public_key = Ed25519PublicKey.from_public_bytes(signer.public_key)
    public_key.verify(signer.sign(b"some bytes"), b"some bytes")
    with pytest.raises(InvalidSignature):
        public_key.verify(signer.sign(b"some bytes"), b"others")
