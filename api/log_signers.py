"""The keys that the log signs with, as they are now: one, or two while one takes the other's place.

A new key waits in a file beside the old one. While both are there every checkpoint is signed by both;
then the new file takes the old one's name. Every process looks at the files before it signs, so a
rotation reaches them all without a restart, and one that was interrupted is gone on with.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from api.errors import SettingsError
from api.settings import KEY_BYTES, Settings
from api.storage.log import Entry
from api.storage.secret_files import secret_in, sync_folder
from guardrails.log.canonical import canonical
from guardrails.log.notes import MlDsaCosigner, NoteSigner, Signer
from guardrails.log.record import FORMAT

KEY_ROTATE = "key_rotate"
"""The type of the entry that says which key takes the place of which."""


class Rotation(NamedTuple):
    """A change of the log's key.

    Attributes:
        old: the key so far.
        new: the one that takes its place.
    """

    old: NoteSigner
    new: NoteSigner

    def entry(self, minute: int) -> Entry:
        """Return the entry that says so, signed by both.

        Args:
            minute: the clock, minutes since the epoch.
        """
        said = {
            "v": FORMAT,
            "type": KEY_ROTATE,
            "t_min": minute,
            "origin": self.old.name,
            "old_vkey": self.old.vkey,
            "new_vkey": self.new.vkey,
        }
        signed = canonical(said)
        signatures = {"old_sig": _text(self.old.sign(signed)), "new_sig": _text(self.new.sign(signed))}
        return Entry(KEY_ROTATE, minute, canonical({**said, **signatures}))


class LogSigners:
    """Knows the keys that the log signs with; the first look ever makes them.

    Args:
        settings: where they are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stamp: object = None
        self._signers: tuple[Signer, ...] = ()

    def now(self) -> Sequence[Signer]:
        """Return the keys to sign with: the log's own, the one that takes its place, the post-quantum one.

        Raises:
            SettingsError: a key cannot be used.
        """
        stamp = (_stamp_of(self._settings.log_key_file), _stamp_of(self._settings.next_log_key_file))
        if not self._signers or stamp != self._stamp:
            self._signers, self._stamp = self._read(), stamp
        return self._signers

    def rotation(self, seed: bytes | None = None) -> Rotation:
        """Return the change of key that is under way; begin one where none is.

        Args:
            seed: the new key, 32 bytes; ``None`` makes one.

        Raises:
            SettingsError: the key is not in a file, or cannot be used.
        """
        if self._settings.log_key is not None:
            raise SettingsError(
                "the log's key is set by `TACTFUL_LOG_KEY`: to rotate it, put it in the file "
                f"`{self._settings.log_key_file}` and unset the variable"
            )
        old = self._own()
        made = _key_in(self._settings.next_log_key_file, "next log key", seed)
        return Rotation(old, NoteSigner(self._settings.log_origin, made))

    def take_over(self) -> None:
        """Put the new key in the place of the old one, whose file is gone then."""
        self._settings.next_log_key_file.replace(self._settings.log_key_file)
        sync_folder(self._settings.log_key_file.parent)

    def _read(self) -> tuple[Signer, ...]:
        signers: list[Signer] = [self._own()]
        if self._settings.log_key is None and self._settings.next_log_key_file.exists():
            waiting = NoteSigner(
                self._settings.log_origin, _key_in(self._settings.next_log_key_file, "next log key")
            )
            signers.append(waiting)
        if self._settings.log_post_quantum:
            file = self._settings.log_key_file.with_suffix(".ml-dsa.key")
            signers.append(MlDsaCosigner(self._settings.log_origin, _key_in(file, "post-quantum log key")))
        return tuple(signers)

    def _own(self) -> NoteSigner:
        seed = self._settings.log_key or _key_in(self._settings.log_key_file, "log key")
        return NoteSigner(self._settings.log_origin, seed)


def _key_in(file: Path, what: str, seed: bytes | None = None) -> bytes:
    key = secret_in(file, what, lambda: seed or secrets.token_bytes(KEY_BYTES))
    if len(key) != KEY_BYTES:
        raise SettingsError(f"the {what} `{file}` does not hold {KEY_BYTES} bytes")
    return key


def _stamp_of(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _text(signature: bytes) -> str:
    return urlsafe_b64encode(signature).rstrip(b"=").decode()
