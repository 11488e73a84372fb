"""Secrets that are kept in files of their own: made once, whole, readable by their owner only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from api.errors import SettingsError


def secret_in(file: Path, what: str, make: Callable[[], bytes]) -> bytes:
    """Return the secret that a file holds; the first call ever makes it.

    Args:
        file: where it is.
        what: what it is, for messages.
        make: makes a fresh one.

    Raises:
        SettingsError: the file cannot be made or read.
    """
    try:
        if not file.exists():
            _create(file, make())
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"the {what} `{file}` cannot be used: {error.strerror}") from None


def sync_folder(folder: Path) -> None:
    """See to it that what was renamed in a folder stays so when the machine stops."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create(file: Path, secret: bytes) -> None:
    """Put a new secret in place whole and at once; where two processes try, the first one wins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as draft:
            draft.write(secret)
            draft.flush()
            os.fsync(draft.fileno())
        with suppress(FileExistsError):
            os.link(name, file)
    finally:
        Path(name).unlink()
    sync_folder(file.parent)  # what is sealed with it is on the disk soon, and must not outlive it
