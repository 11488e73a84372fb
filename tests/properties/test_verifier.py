"""Whatever byte of a bundle is changed, it shows; whatever is read, no other errors than those announced."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.bundles import LOG_KEY, WITNESS, Log, decision, full_bundle, mended, write_zip
from support.tries import tries

from guardrails.log import verifier
from guardrails.log.bundle import receipt_extra
from guardrails.log.verifier import (
    VALID,
    Asked,
    VerificationError,
    check_bundle,
    check_receipt,
    main,
    open_bundle,
    parse_vkey,
    verify_ed25519_slowly,
)

FILES = full_bundle(5)
LOG = Log([decision(index) for index in range(5)])
RECEIPT_ALONE = LOG.receipt(2, 5, extra=receipt_extra(LOG.entries[2], {}))
RECEIPT = Log(LOG.entries, signers=[LOG_KEY]).receipt(2, 5)
KEYS = Asked(log_keys=(parse_vkey(LOG_KEY.vkey),), witnesses=(parse_vkey(WITNESS.vkey),))

UNBOUND = ("MANIFEST.json", "verify.py", "models/")
"""What a mended manifest covers up: itself, the program, what a model says beside its hashes."""

bits = st.integers(0, 7).map(lambda bit: 1 << bit)


def flipped(data: bytes, place: int, mask: int) -> bytes:
    at = place % len(data)
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def test_bundle_and_receipts_are_valid_before_anything_is_changed():
    assert check_bundle(FILES, KEYS._replace(receipts=(RECEIPT, RECEIPT_ALONE))).exit_code == VALID
    assert check_receipt(RECEIPT_ALONE, KEYS).exit_code == VALID


@tries(300)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 1 << 20), bits)
def test_any_bit_flipped_in_any_file_shows(name, place, mask):
    changed = {**FILES, name: flipped(FILES[name], place, mask)}
    assert check_bundle(changed).exit_code != VALID


@tries(300)
@given(
    st.sampled_from(sorted(name for name in FILES if not name.startswith(UNBOUND))),
    st.integers(0, 1 << 20),
    bits,
)
def test_any_bit_flipped_shows_even_where_the_manifest_was_mended(name, place, mask):
    changed = mended({**FILES, name: flipped(FILES[name], place, mask)})
    assert check_bundle(changed).exit_code != VALID


@tries(60)
@given(st.sampled_from(sorted(FILES)), st.binary(max_size=300), st.booleans())
def test_any_other_content_of_any_file_shows(name, content, mend):
    if name in {"verify.py", "MANIFEST.json"} and mend:
        mend = False
    changed = {**FILES, name: content}
    assert check_bundle(mended(changed) if mend else changed).exit_code != VALID


@tries(100)
@given(st.data())
def test_a_damaged_zip_file_is_no_crash_and_never_reads_as_something_else(data):
    with tempfile.TemporaryDirectory() as folder:
        path = write_zip(FILES, Path(folder) / "bundle.zip")
        whole = path.read_bytes()
        place = data.draw(st.integers(0, len(whole) - 1) | st.integers(len(whole) - 2000, len(whole) - 1))
        cut = data.draw(st.booleans())
        path.write_bytes(whole[:place] if cut else flipped(whole, place, data.draw(bits)))
        with contextlib.redirect_stdout(io.StringIO()) as told:
            exit_code = main([str(path)])
        assert "cannot be read (" not in told.getvalue()
        assert exit_code != VALID or dict(open_bundle(path)) == FILES


@tries(150)
@given(st.integers(0, 1 << 20), bits)
def test_any_bit_flipped_in_a_receipt_shows(place, mask):
    alone = flipped(RECEIPT_ALONE, place, mask)
    assert check_receipt(alone, KEYS).exit_code != VALID
    with_bundle = flipped(RECEIPT, place, mask)  # the witness speaks through the bundle's checkpoint here
    assert check_bundle(FILES, KEYS._replace(receipts=(with_bundle,))).exit_code != VALID


@tries(150)
@given(st.binary(max_size=200), st.text(max_size=200))
def test_whatever_is_read_only_the_errors_announced_are_raised(data, text):
    readers = [verifier.parse_note, verifier.parse_receipt, verifier.parse_manifest, verifier.parse_keys]
    readers += [verifier.entries_of, verifier.parse_json, verifier.parse_canonical]
    for reader in readers:
        for given_ in (data, text.encode("utf-8", "surrogatepass")):
            with contextlib.suppress(VerificationError):
                reader(given_)
    for reader in (parse_vkey, verifier.parse_checkpoint, verifier.parse_tile_path):
        with contextlib.suppress(VerificationError):
            reader(text)


@tries(20)
@given(st.binary(max_size=64), st.integers(0, 63), bits)
def test_both_ways_of_checking_ed25519_agree(message, place, mask):
    key = parse_vkey(LOG_KEY.vkey).material
    signature = LOG_KEY._key.sign(message)
    for each in (signature, flipped(signature, place, mask)):
        assert verify_ed25519_slowly(key, message, each) is verifier.verify_ed25519(key, message, each)
    assert verify_ed25519_slowly(key, message, signature)
