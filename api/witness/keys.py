"""The witness's private keys: a file of its own, one key a line."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from guardrails.log.notes import SEED_BYTES, Cosigner, MlDsaCosigner, Signer, read_private_key

_OWNER_ONLY = 0o600


def make_keys(file: Path, name: str, *, post_quantum: bool) -> list[Signer]:
    """Make keys and a file of them that only its owner can read; a file that is there is never replaced.

    Args:
        file: where they are kept.
        name: the witness's name, a URL without scheme by convention.
        post_quantum: make an ML-DSA-44 key beside the one of Ed25519.

    Raises:
        LogError: the name cannot be used.
        FileExistsError: the file is there already.
        OSError: it cannot be written.
    """
    kinds: list[type[Signer]] = [Cosigner, MlDsaCosigner] if post_quantum else [Cosigner]
    signers = [kind(name, secrets.token_bytes(SEED_BYTES)) for kind in kinds]
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        written.writelines(f"{signer.private_key}\n" for signer in signers)
        written.flush()
        os.fsync(descriptor)
    return signers


def read_keys(file: Path) -> list[Signer]:
    """Return the keys of a file.

    Raises:
        LogError: a line is no private key, or there is none.
        OSError: the file cannot be read.
    """
    return [read_private_key(line) for line in file.read_text("utf-8").splitlines() or [""]]
