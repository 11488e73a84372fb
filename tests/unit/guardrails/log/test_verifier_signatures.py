"""The cryptography, notes and checkpoints of the verifier against their specifications."""

from __future__ import annotations

import base64
import sys
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from support.bundles import LOG_KEY, ORIGIN, WITNESS

from guardrails.log import verifier
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.notes import Cosigner, MlDsaCosigner, NoteSigner, sign_note
from guardrails.log.verifier import IncompleteError, InvalidError, parse_vkey

# RFC 8032, section 7.1: public key, message, signature.
RFC_8032 = {
    "test 1": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    "test 2": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    "test 3": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    "test sha(abc)": (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
            "454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
            "3dca179c138ac17ad9bef1177331a704"
        ),
    ),
}
ORDER = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19
VERIFIERS = [verifier.verify_ed25519, verifier.verify_ed25519_slowly]
ML_DSA = MlDsaCosigner("witness.example/pq", bytes([9]) * 32)
TEXT = Checkpoint(ORIGIN, 5, bytes(32)).text()


def vector(name: str) -> tuple[bytes, bytes, bytes]:
    key, message, signature = (bytes.fromhex(part) for part in RFC_8032[name])
    return key, message, signature


def bare_module() -> ModuleType:
    """The verifier as it is where nothing but Python is installed."""
    spec = spec_from_file_location("bare_verifier", verifier.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["bare_verifier"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in ("asymmetric.ed25519", "asymmetric.mldsa"):
        monkeypatch.setitem(sys.modules, f"cryptography.hazmat.primitives.{name}", None)
    return bare_module()


@pytest.mark.parametrize("verify", VERIFIERS)
@pytest.mark.parametrize("name", RFC_8032)
def test_vectors_of_the_rfc_verify(name, verify):
    assert verify(*vector(name))


@pytest.mark.parametrize("verify", VERIFIERS)
@pytest.mark.parametrize("at", [0, 31, 32, 62])
def test_a_changed_signature_does_not_verify(verify, at):
    key, message, signature = vector("test 2")
    changed = bytearray(signature)
    changed[at] ^= 4
    assert not verify(key, message, bytes(changed))


@pytest.mark.parametrize("verify", VERIFIERS)
def test_a_changed_message_or_another_key_does_not_verify(verify):
    key, message, signature = vector("test 2")
    assert not verify(key, message + b"!", signature)
    assert not verify(vector("test 3")[0], message, signature)


@pytest.mark.parametrize("verify", VERIFIERS)
def test_a_scalar_that_is_not_reduced_does_not_verify(verify):
    key, message, signature = vector("test 2")
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not verify(key, message, signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("verify", VERIFIERS)
@pytest.mark.parametrize("y", [P, P + 1, 2**255 - 1, 1 + 2**255, P - 1 + 2**255])
def test_a_point_written_in_another_way_than_the_one_does_not_verify(verify, y):
    key, message, signature = vector("test 2")
    encoded = y.to_bytes(32, "little")
    assert not verify(encoded, message, signature)
    assert not verify(key, message, encoded + signature[32:])


@pytest.mark.parametrize("verify", VERIFIERS)
def test_a_point_that_is_not_on_the_curve_does_not_verify(verify):
    _, message, signature = vector("test 2")
    assert not verify((2).to_bytes(32, "little"), message, signature)


@pytest.mark.parametrize("verify", VERIFIERS)
def test_lengths_are_checked(verify):
    key, message, signature = vector("test 2")
    assert not verify(key[:31], message, signature)
    assert not verify(key, message, signature + b"\0")


def test_without_a_library_python_verifies_all_the_same(bare):
    assert bare._ED25519 is None
    assert bare.verify_ed25519(*vector("test 3"))
    assert not bare.verify_ed25519(*vector("test 3")[:2], bytes(64))


def test_ml_dsa_is_verified_with_a_library():
    note = sign_note(TEXT, [LOG_KEY, ML_DSA], at_s=17).encode()
    _, signed = verifier.open_note(note, [parse_vkey(ML_DSA.vkey)])
    assert [(each.at_s, each.checked) for each in signed] == [(17, True)]


def test_a_bad_ml_dsa_signature_is_refused():
    other = TEXT.replace("\n5\n", "\n6\n")
    line = ML_DSA.line(other, 17)
    with pytest.raises(InvalidError, match="is not good"):
        verifier.open_note(f"{TEXT}\n{line}".encode(), [parse_vkey(ML_DSA.vkey)])


def test_ml_dsa_is_reported_as_not_checked_without_a_library(bare):
    note = sign_note(TEXT, [LOG_KEY, ML_DSA], at_s=17).encode()
    keys = [bare.parse_vkey(LOG_KEY.vkey), bare.parse_vkey(ML_DSA.vkey)]
    assert [each.checked for each in bare.open_note(note, keys)[1]] == [True, False]
    with pytest.raises(bare.IncompleteError, match="only the `cryptography` package"):
        bare.open_note(note, keys[1:])


def test_ml_dsa_is_reported_as_not_checked_by_a_library_that_cannot(monkeypatch):
    class Old:
        @staticmethod
        def from_public_bytes(material):
            raise UnsupportedAlgorithm("too old")

    monkeypatch.setattr(verifier._ML_DSA, "MLDSA44PublicKey", Old)
    with pytest.raises(IncompleteError):
        verifier.open_note(sign_note(TEXT, [ML_DSA], at_s=1).encode(), [parse_vkey(ML_DSA.vkey)])


def test_the_example_of_the_note_specification_verifies():
    note = (
        "This is an example message.\n\n"
        "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1"
        "ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    )
    key = parse_vkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    text, signed = verifier.open_note(note.encode(), [key])
    assert text == "This is an example message.\n"
    assert signed == [verifier.Signed(key, None, checked=True)]


def test_the_text_of_a_note_ends_at_its_last_blank_line():
    text = "one\n\ntwo\n\nthree\n"
    note = sign_note(text, [LOG_KEY], at_s=1).encode()
    assert verifier.open_note(note, [parse_vkey(LOG_KEY.vkey)])[0] == text


def test_sixteen_signatures_by_unknown_keys_are_passed_over():
    others = [Cosigner(f"w{n}.example", bytes([n]) * 32) for n in range(16)]
    note = sign_note(TEXT, [*others, LOG_KEY], at_s=1).encode()
    assert len(verifier.open_note(note, [parse_vkey(LOG_KEY.vkey)])[1]) == 1


def test_too_many_signatures_are_refused():
    note = sign_note(TEXT, [LOG_KEY] * 65, at_s=1).encode()
    with pytest.raises(InvalidError, match="more than 64"):
        verifier.parse_note(note)


def test_a_bad_signature_of_a_known_key_spoils_the_note_beside_a_good_one():
    line = WITNESS.line(TEXT.replace("\n5\n", "\n6\n"), 3)
    note = (sign_note(TEXT, [LOG_KEY], at_s=1) + line).encode()
    keys = [parse_vkey(LOG_KEY.vkey), parse_vkey(WITNESS.vkey)]
    assert verifier.open_note(note, keys[:1])
    with pytest.raises(InvalidError, match=r"`witness\.example/w1` is not good"):
        verifier.open_note(note, keys)


def test_a_cosignature_says_when_it_was_made():
    note = sign_note(TEXT, [LOG_KEY, WITNESS], at_s=1_700_000_000).encode()
    _, signed = verifier.open_note(note, [parse_vkey(WITNESS.vkey)])
    assert signed[0].at_s == 1_700_000_000


@pytest.mark.parametrize("payload", [bytes(8 + 63), b"\xff" * 8 + bytes(64)])
def test_a_cosignature_of_another_length_or_an_absurd_time_is_bad(payload):
    encoded = base64.b64encode(WITNESS.key_id + payload).decode()
    with pytest.raises(InvalidError, match="is not good"):
        verifier.open_note(f"{TEXT}\n— {WITNESS.name} {encoded}\n".encode(), [parse_vkey(WITNESS.vkey)])


def test_a_note_that_nobody_known_signed_is_refused():
    with pytest.raises(InvalidError, match="none of the keys that count"):
        verifier.open_note(sign_note(TEXT, [LOG_KEY], at_s=1).encode(), [parse_vkey(WITNESS.vkey)])


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\n\xe2\x80\x94 name AAAAAAA=",
        b"te\txt\n\n\xe2\x80\x94 name AAAAAAA=\n",
        b"\xff\n\n\xe2\x80\x94 name AAAAAAA=\n",
        b"text\n\n- name AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94 na+me AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94 na\xe2\x80\x83me AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94 name AAAAAA==\n",
        b"text\n\n\xe2\x80\x94 name AAAAAAB=\n",
        b"text\n\n\xe2\x80\x94 name AAAA AAA=\n",
        b"text\n\n\xe2\x80\x94 name *\n",
        b"x" * (1 << 20) + b"\n",
    ],
)
def test_what_is_no_note_is_refused(note):
    with pytest.raises(InvalidError):
        verifier.parse_note(note)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n5\n",
        f"{ORIGIN}\n5\n{base64.b64encode(bytes(32)).decode()}",
        f"{ORIGIN}\n05\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n-5\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n{2**63}\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n\u0665\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n5\n{base64.b64encode(bytes(31)).decode()}\n",
        f"{ORIGIN}\n5\n{base64.b64encode(bytes(32)).decode()}\n\nextension\n",
        f"\n5\n{base64.b64encode(bytes(32)).decode()}\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(InvalidError):
        verifier.parse_checkpoint(text)


def test_extension_lines_of_a_checkpoint_are_passed_over():
    assert verifier.parse_checkpoint(f"{TEXT}more\n").size == 5


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "na me+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+",
        "example.com/foo+530d903a+Aeky",
    ],
)
def test_what_is_no_verifier_key_is_refused(vkey):
    with pytest.raises(InvalidError):
        parse_vkey(vkey)


def test_a_name_too_long_for_the_format_cannot_be_cosigned():
    checkpoint = verifier.Checkpoint("o" * 256, 1, bytes(32))
    with pytest.raises(InvalidError, match="too long"):
        verifier.subtree_message("name", 0, checkpoint)


def test_growth_from_the_empty_tree_is_accepted_only_where_asked():
    empty = verifier.hashlib.sha256(b"").digest()
    assert not verifier.verify_consistency(0, 3, [], empty, bytes(32))
    assert verifier.verify_consistency(0, 3, [], empty, bytes(32), from_empty=True)
    assert not verifier.verify_consistency(0, 3, [bytes(32)], empty, bytes(32), from_empty=True)
    assert not verifier.verify_consistency(0, 3, [], bytes(32), bytes(32), from_empty=True)


def test_proofs_of_wrong_lengths_are_refused():
    leaf = verifier.leaf_hash(b"")
    root = verifier.node_hash(leaf, leaf)
    assert verifier.verify_inclusion(0, 2, leaf, [leaf], root)
    assert not verifier.verify_inclusion(0, 2, leaf, [leaf, leaf], root)
    assert not verifier.verify_inclusion(0, 2, leaf, [], root)
    assert not verifier.verify_inclusion(2, 2, leaf, [leaf], root)
    assert not verifier.verify_inclusion(0, 2, leaf, [leaf[1:]], root)
    assert verifier.verify_consistency(1, 2, [leaf], leaf, root)
    assert not verifier.verify_consistency(1, 2, [leaf, leaf], leaf, root)
    assert not verifier.verify_consistency(3, 4, [], leaf, root)
    assert not verifier.verify_consistency(2, 1, [], leaf, root)
    assert not verifier.verify_consistency(1, 2, [leaf[1:]], leaf, root)


def test_proofs_through_the_ragged_edge_of_a_tree_verify():
    one, two, three = (verifier.leaf_hash(bytes([n])) for n in range(3))
    two_root = verifier.node_hash(one, two)
    root = verifier.node_hash(two_root, three)
    assert verifier.verify_inclusion(2, 3, three, [two_root], root)
    assert verifier.verify_consistency(2, 3, [three], two_root, root)
    assert verifier.verify_consistency(3, 3, [], root, root)
    four = verifier.leaf_hash(b"\3")
    larger = verifier.node_hash(two_root, verifier.node_hash(three, four))
    assert verifier.verify_consistency(3, 4, [three, four, two_root], root, larger)


def test_growth_that_ends_on_the_last_leaf_of_a_subtree_verifies():
    leaves = [verifier.leaf_hash(bytes([n])) for n in range(6)]
    pairs = [verifier.node_hash(*leaves[at : at + 2]) for at in (0, 2, 4)]
    four = verifier.node_hash(*pairs[:2])
    old_root, new_root = verifier.node_hash(four, leaves[4]), verifier.node_hash(four, pairs[2])
    proof = [leaves[4], leaves[5], four]
    assert verifier.verify_consistency(5, 6, proof, old_root, new_root)
    assert not verifier.verify_consistency(5, 6, proof[:2], old_root, new_root)


@pytest.mark.parametrize("number", range(1, 6))
def test_python_verifies_what_a_library_signed(number):
    signer = NoteSigner(ORIGIN, bytes([number]) * 32)
    signature = signer._key.sign(b"message")
    assert verifier.verify_ed25519_slowly(signer.public_key, b"message", signature)
    assert not verifier.verify_ed25519_slowly(signer.public_key, b"massage", signature)
