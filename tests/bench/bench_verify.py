"""Verifying an export of the log beside hashing alone, each on one core, in one run.

The export is a zip file: entries compressed, tiles stored as they are. The verifier runs as an auditor runs
it, a program of its own with nothing but the standard library, and checks all of it: every entry in itself
and against the tree, every file against the manifest, signatures. ``hashing_s`` is what ``hashlib`` takes
for the leaves and nodes of the same tree, with the entries in memory.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from guardrails.log import bundle, merkle, tiles, verifier
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.notes import sign_note
from tests.support.bundles import LOG_KEY, ORIGIN, SOURCE, START, WITNESS, decision

SIZES = (100_000, 1_000_000)
QUICK_SIZES = (10_000,)


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Return one row a size of the log."""
    with tempfile.TemporaryDirectory() as folder:
        return [_row(n_leaves, Path(folder)) for n_leaves in (QUICK_SIZES if quick else SIZES)]


def _row(n_leaves: int, folder: Path) -> dict[str, Any]:
    file = folder / "bundle.zip"
    _write(n_leaves, file)
    started = time.perf_counter()
    keys = ["--log-key", LOG_KEY.vkey, "--witness", WITNESS.vkey]
    command = [sys.executable, "-I", "-S", verifier.__file__, file, *keys]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    verify_s = time.perf_counter() - started
    hashing_s = _hashing_s(n_leaves)
    return {
        "n_leaves": n_leaves,
        "verify_s": verify_s,
        "leaves_per_s": n_leaves / verify_s,
        "hashing_s": hashing_s,
        "verify_over_hashing": verify_s / hashing_s,
        "entry_bytes": len(_entries(0, 1)[0]),
        "zip_mb": file.stat().st_size / 1e6,
    }


def _entries(number: int, width: int) -> list[bytes]:
    """The entries of one bundle; as incompressible as real ones, and made much faster."""
    chance = random.Random(number)
    pattern = decision(0)
    for field in (b'"ct":"', b'"id":"', b'"t_min":'):
        head, name, rest = pattern.partition(field)
        pattern = head + name + b"%b" + rest[rest.index(b'"' if name[-1:] == b'"' else b",") :]
    head, name, rest = pattern.partition(b'"sd":[')
    pattern = head + name + b"%b" + rest[rest.index(b"]") :]
    made = []
    for at in range(width):
        digests = [urlsafe_b64encode(chance.randbytes(32))[:43] for _ in range(6)]
        decision_id = b"%08x-%04x-4000-8000-%012x" % (chance.getrandbits(32), number, at)
        minute = b"%d" % (START + number)
        made.append(pattern % (digests[5], decision_id, b'"' + b'","'.join(digests[:5]) + b'"', minute))
    return made


def _write(n_leaves: int, file: Path) -> None:
    def read_entries(number: int) -> bytes:
        return tiles.entry_bundle(_entries(number, min(256, n_leaves - number * 256)))

    leaves = [
        merkle.leaf_hash(entry)
        for number in range(-(-n_leaves // 256))
        for entry in tiles.entries_of(read_entries(number))
    ]
    grown = tiles.grown_tiles(0, leaves, lambda level, number: b"")
    text = Checkpoint(ORIGIN, n_leaves, merkle.root_of(leaves)).text()
    pieces = bundle.BundlePieces(
        origin=ORIGIN,
        checkpoint=sign_note(text, [LOG_KEY, WITNESS], at_s=1_700_000_000).encode(),
        vkeys=[LOG_KEY.vkey, WITNESS.vkey],
        size=n_leaves,
        min_index=0,
        first=0,
        end=n_leaves,
        read_tile=lambda level, number: grown[level, number],
        read_entries=read_entries,
        made_by="0.1.0",
        verifier=SOURCE,
    )
    with zipfile.ZipFile(file, "w", compresslevel=1) as target:
        for path, content in bundle.bundle_files(pieces):
            is_tile = path.startswith("tile/") and not path.startswith("tile/entries/")
            target.writestr(path, content, zipfile.ZIP_STORED if is_tile else zipfile.ZIP_DEFLATED)


def _hashing_s(n_leaves: int) -> float:
    """Seconds for as many leaf and node hashes as the tree has."""
    entries = _entries(0, 256)
    started = time.perf_counter()
    sha256 = hashlib.sha256
    for number in range(n_leaves):
        sha256(b"\x00" + entries[number & 255]).digest()
    for number in range(n_leaves - 1):
        sha256(b"\x01" + entries[number & 255][:64]).digest()
    return time.perf_counter() - started
