"""Logs in memory and the bundles exported of them; what an attacker does to a bundle and mends after."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from guardrails.log import bundle, merkle, receipts, tiles, verifier
from guardrails.log.canonical import canonical
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.notes import Cosigner, NoteSigner, Signer, sign_note

ORIGIN = "shop.example/log"
LOG_KEY = NoteSigner(ORIGIN, bytes([1]) * 32)
NEW_LOG_KEY = NoteSigner(ORIGIN, bytes([2]) * 32)
WITNESS = Cosigner("witness.example/w1", bytes([3]) * 32)
OTHER_WITNESS = Cosigner("witness.example/w2", bytes([4]) * 32)
SOURCE = Path(verifier.__file__).read_bytes()
POLICY = b'{"name":"careful"}'
POLICY_VERSION = hashlib.sha256(POLICY).hexdigest()
MODEL_FORMAT = verifier._MODEL_FORMAT
MODEL_HASHES = {name: hashlib.sha256(name.encode()).hexdigest() for name in verifier._MODEL_FILES}
MODEL_VERSION = hashlib.sha256(
    json.dumps([["format", MODEL_FORMAT], *map(list, MODEL_HASHES.items())], separators=(",", ":")).encode()
).hexdigest()
MODEL = json.dumps(
    {"format": MODEL_FORMAT, "version": MODEL_VERSION, "sha256": MODEL_HASHES, "model": {"ndcg": 0.037231}}
).encode()
START = 29_000_000

Files = dict[str, bytes]
Sections = dict[str, tuple[bytes, bytes]]


def digest(data: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def sections_of(index: int) -> Sections:
    """Salt and content of each section of a made-up decision."""
    return {
        name: (hashlib.sha256(f"{index} {name}".encode()).digest()[:16], canonical({"of": index, "in": name}))
        for name in verifier.SECTIONS
    }


def decision(index: int, **changes: object) -> bytes:
    """A decision's entry, as they are."""
    chance = random.Random(index)
    document = {
        "v": 2,
        "type": "decision",
        "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "t_min": START + index // 10,
        "placement": "basket",
        "basis": "profile",
        "engine": "e" * 64,
        "policy": POLICY_VERSION,
        "model": MODEL_VERSION,
        "mode": "enforce",
        "outcome": "personalised",
        "arm": None,
        "n_cand": 50,
        "n_shown": 5,
        "n_withheld": index % 7,
        "sd": [
            digest(b"gr1\x00" + name.encode() + b"\x00" + salt + content)
            for name, (salt, content) in sections_of(index).items()
        ],
        "ct": digest(f"sealed {index}".encode()),
    }
    return canonical(document | changes)


def other(kind: str, minute: int = START, **more: object) -> bytes:
    """An entry that is no decision."""
    return canonical({"v": 2, "type": kind, "t_min": minute, **more})


def rotation(old: Signer = LOG_KEY, new: Signer = NEW_LOG_KEY, **changes: object) -> bytes:
    """An entry that replaces the log's key, signed by both."""
    document = {"v": 2, "type": "key_rotate", "t_min": START, "origin": ORIGIN}
    document |= {"old_vkey": old.vkey, "new_vkey": new.vkey} | changes
    signed = canonical(document)
    document |= {"old_sig": _signature(old, signed), "new_sig": _signature(new, signed)}
    return canonical(document | changes)


def _signature(signer: Signer, signed: bytes) -> str:
    return urlsafe_b64encode(signer._key.sign(signed)).decode().rstrip("=")  # type: ignore[attr-defined]  # every signer of ours has one


@dataclass
class Log:
    """A log in memory.

    Attributes:
        entries: all that was appended.
        signers: who signs its checkpoints.
    """

    entries: list[bytes]
    signers: Sequence[Signer] = (LOG_KEY, WITNESS)
    vkeys: Sequence[str] = (LOG_KEY.vkey, WITNESS.vkey)
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        leaves = [merkle.leaf_hash(entry) for entry in self.entries]
        self.tiles = tiles.grown_tiles(0, leaves, lambda level, number: b"")

    def read_tile(self, level: int, number: int) -> bytes:
        return self.tiles[level, number]

    def checkpoint(self, size: int | None = None, signers: Sequence[Signer] | None = None) -> bytes:
        """The checkpoint of so many leaves, signed."""
        n_leaves = len(self.entries) if size is None else size
        root = merkle.root_at(n_leaves, tiles.hashes_in(self.read_tile))
        text = Checkpoint(ORIGIN, n_leaves, root).text()
        return sign_note(text, signers or self.signers, at_s=1_700_000_000).encode()

    def receipt(self, index: int, size: int, extra: bytes = b"") -> bytes:
        """The receipt of an entry, as of so many leaves."""
        proof = merkle.inclusion_proof(index, size, tiles.hashes_in(self.read_tile))
        return receipts.receipt(index, proof, self.checkpoint(size).decode(), extra=extra).encode()

    def bundle(self, *, min_index: int = 0, span: tuple[int, int] | None = None, **more: object) -> Files:
        """The files exported of it."""
        first, end = span or (min_index, len(self.entries))

        def read_entries(number: int) -> bytes:
            return tiles.entry_bundle(self.entries[number * 256 : (number + 1) * 256])

        pieces = bundle.BundlePieces(
            **{
                "origin": ORIGIN,
                "checkpoint": self.checkpoint(),
                "vkeys": self.vkeys,
                "size": len(self.entries),
                "min_index": min_index,
                "first": first,
                "end": end,
                "read_tile": self.read_tile,
                "read_entries": read_entries,
                "made_by": "0.1.0",
                "verifier": SOURCE,
                **more,
            }
        )
        return dict(bundle.bundle_files(pieces))


def full_bundle(n: int = 300) -> Files:
    """A bundle that has every kind of file."""
    log = Log([decision(index) for index in range(n)])
    disclosures = {index: sections_of(index) for index in (3, n - 1)}
    return log.bundle(
        disclosures=disclosures, policies={POLICY_VERSION: POLICY}, models={MODEL_VERSION: MODEL}
    )


def mended(files: Mapping[str, bytes], /, **changes: object) -> Files:
    """The files with a manifest that fits them, as an attacker would write it."""
    document = json.loads(files["MANIFEST.json"]) | changes
    del document["self_sha256"]
    if "files" not in changes:
        document["files"] = [
            {"path": path, "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in files.items()
            if path != "MANIFEST.json"
        ]
    sealed = document | {"self_sha256": hashlib.sha256(canonical(document)).hexdigest()}
    return {**files, "MANIFEST.json": canonical(sealed)}


def entries_in(files: Mapping[str, bytes]) -> list[bytes]:
    """All entries of a bundle."""
    paths = sorted(path for path in files if path.startswith("tile/entries/"))
    return [entry for path in paths for entry in tiles.entries_of(files[path])]


def with_entries(files: Files, entries: Sequence[bytes]) -> Files:
    """The bundle with other entries, tiles and all else as it was; the manifest is mended."""
    changed = {path: content for path, content in files.items() if not path.startswith("tile/entries/")}
    for number in range(-(-len(entries) // 256)):
        part = entries[number * 256 : (number + 1) * 256]
        changed[tiles.entries_path(number, len(part))] = tiles.entry_bundle(part)
    return mended(changed)


def write_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def write_zip(files: Mapping[str, bytes], path: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression, compresslevel=1) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return path
