"""Bytes of a packed record and the time that takes, beside what the standard library makes of it.

The records are those of a shop of 3,000 items that the dictionary knows nothing of.
"""

from __future__ import annotations

import base64
import lzma
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import zstandard

from api.policies.shipped import shipped_policy
from api.rehearsing.report import held
from engine.catalogue import Catalogue
from guardrails.admit import admit
from guardrails.decide import decide
from guardrails.house import House
from guardrails.log.packing import DICTIONARY, pack, unpack
from guardrails.log.record import SALT_BYTES, build_record, open_body
from guardrails.policy.compiled import house_rules
from guardrails.rules import CATALOGUE
from tests.bench import bench_rehearsal as shop

_PASSES = 3
_ZLIB_WINDOW = 2**15

Pack = Callable[[bytes], bytes]


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return a row for each way of packing: sizes, shares of zlib's, and the CPU time a record takes."""
    with tempfile.TemporaryDirectory() as folder:
        texts = _texts(Path(folder), 60 if quick else 400)
    known = files("guardrails.log").joinpath(DICTIONARY).read_bytes()[-_ZLIB_WINDOW:]
    fast, usual = partial(zlib.compress, level=1), partial(zlib.compress, level=6)
    zstd = zstandard.ZstdCompressor(level=5), zstandard.ZstdDecompressor()
    ways: dict[str, tuple[Pack, Pack]] = {
        "zlib, level 1": (fast, zlib.decompress),
        "zlib, level 6": (usual, zlib.decompress),
        "zlib, level 6, the end of our dictionary": (
            partial(_zlib_pack, known),
            partial(_zlib_unpack, known),
        ),
        "LZMA": (lzma.compress, lzma.decompress),
        "Zstandard, level 5, no dictionary": (zstd[0].compress, zstd[1].decompress),
        "as recorded": (pack, unpack),
    }
    of_fast, of_usual = (sum(len(packs(text)) for text in texts) / len(texts) for packs in (fast, usual))
    return [_row(what, texts, *way, of_fast, of_usual) for what, way in ways.items()]


def _row(
    what: str, texts: Sequence[bytes], packs: Pack, unpacks: Pack, of_fast: float, of_usual: float
) -> dict[str, object]:
    packed, pack_us = _timed(packs, texts)
    unpacked, unpack_us = _timed(unpacks, packed)
    if unpacked != texts:
        raise AssertionError(f"{what} lost something")
    n_bytes = sum(map(len, packed)) / len(texts)
    return {
        "what": what,
        "text bytes": sum(map(len, texts)) // len(texts),
        "bytes": round(n_bytes),
        "of zlib 1": n_bytes / of_fast,
        "of zlib 6": n_bytes / of_usual,
        "pack us": pack_us,
        "unpack us": unpack_us,
    }


def _timed(does: Pack, given: Sequence[bytes]) -> tuple[list[bytes], float]:
    """Return what came out, and the microseconds of CPU for one, of the best pass."""
    best = float("inf")
    for _ in range(_PASSES):
        start = time.process_time()
        found = [does(each) for each in given]
        best = min(best, time.process_time() - start)
    return found, best / len(given) * 1e6


def _zlib_pack(known: bytes, text: bytes) -> bytes:
    packer = zlib.compressobj(6, zdict=known)
    return packer.compress(text) + packer.flush()


def _zlib_unpack(known: bytes, packed: bytes) -> bytes:
    return zlib.decompressobj(zdict=known).decompress(packed)


def _texts(folder: Path, n: int) -> list[bytes]:
    catalogue, policy = shop._catalogue(), held(shipped_policy())
    house = House(
        recommender=shop._model(folder, catalogue),
        catalogue=catalogue,
        limits=policy.policy.limits,
        policy_version=policy.version,
        n_considered=shop.N_CONSIDERED,
        rules=(*CATALOGUE, *house_rules(policy.policy)[0]),
    )
    return [_text(number, catalogue, house) for number in range(n)]


def _text(number: int, catalogue: Catalogue, house: House) -> bytes:
    draw = np.random.default_rng(number)
    request, choices = shop._request(catalogue, draw), shop._choices(draw)
    known = shop._known(request, draw)
    admission = admit(request, choices, catalogue.sensitive_classes, house.consent)
    record = build_record(
        decide(request, admission, known, house),
        request,
        known,
        house,
        decision_id="",
        secret=draw.bytes(SALT_BYTES),
        response=b"{}",
        build="b" * 64,
    )
    salts, sections = open_body(record.body)
    return b"\n".join((b" ".join(map(base64.b64encode, salts.values())), *sections.values()))
