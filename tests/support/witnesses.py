"""Logs that grow and fork, and a witness of them as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import httpx
from support.trees import WholeTree, some_leaves

from guardrails.log.checkpoint import Checkpoint
from guardrails.log.merkle import consistency_proof, root_at
from guardrails.log.notes import NoteSigner, Signer, sign_note

PATIENCE_S = 60
AT_S = 1_800_000_000


@dataclass
class SomeLog:
    """A log of as many entries as anybody asks for, and what it says of itself.

    Attributes:
        origin: its name.
        leaves: hashes of its entries.
        signer: its key; that of its origin unless given.
    """

    origin: str
    leaves: list[bytes] = field(default_factory=lambda: some_leaves(100))
    signer: Signer | None = None

    def __post_init__(self) -> None:
        self.signer = self.signer or NoteSigner(self.origin, sha256(self.origin.encode()).digest())
        self.tree = WholeTree(self.leaves)

    @property
    def vkey(self) -> str:
        return self.signer.vkey

    def root(self, size: int) -> bytes:
        return root_at(size, self.tree.hash_of)

    def note(self, size: int, more: Sequence[Signer] = ()) -> str:
        return sign_note(Checkpoint(self.origin, size, self.root(size)).text(), [self.signer, *more], AT_S)

    def proof(self, old: int, new: int) -> list[bytes]:
        return consistency_proof(old, new, self.tree.hash_of)

    def forked(self, at: int) -> SomeLog:
        """The same log, as somebody shows it who changed everything from one entry on."""
        changed = [sha256(b"changed" + leaf).digest() for leaf in self.leaves[at:]]
        return SomeLog(self.origin, self.leaves[:at] + changed, self.signer)


@dataclass
class WitnessProcess:
    """A running witness.

    Attributes:
        url: where it answers.
        process: the process, leader of a group of its own.
    """

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it at once, with all it has started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def a_witness(folder: Path, logs: Sequence[str], port: int | None = None) -> Iterator[WitnessProcess]:
    """A witness with the key and the store of a folder, until the context is left."""
    port = port or free_port()
    command = [sys.executable, "-c", "from api.cli import main; main()", "witness", "serve"]
    command += ["--key-file", folder / "witness.key", "--store", folder / "witness.db", "--port", str(port)]
    for vkey in logs:
        command += ["--log", vkey]
    with (folder / "log").open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    running = WitnessProcess(f"http://127.0.0.1:{port}", process)
    try:
        _wait_until_it_answers(running, folder / "log")
        yield running
    finally:
        if process.poll() is None:
            running.kill()


def _wait_until_it_answers(running: WitnessProcess, log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert running.process.poll() is None, log.read_text()
        try:
            httpx.get(f"{running.url}/none/checkpoint", timeout=5)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
