"""The spool: answers about nobody, kept in a file until the log takes them.

Where the log cannot be written, what is still answered uses nothing of anybody, and its record waits
here. It is on the disk before it is answered, as in the log, and goes into the log when that is back.
What is in the file is not encrypted: nothing that is about somebody is ever put into it.

A file that begins with 16 random bytes, and then has records, each as

    length (4 bytes, big endian) ‖ SHA-256 of the rest ‖ the decision as JSON

to which whole records are added, by one process at a time. What was not written whole, because the
machine stopped, was not answered, and is overwritten. To bring the records into the log the file is set
aside under another name, so that new ones wait for nobody. A file in which something cannot be read is not
removed with the rest: it stays under a name of its own for whoever looks into it.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import BinaryIO

import orjson

from api.errors import StoreRefusedError, StoreUnavailableError
from api.logging import warn
from api.storage.decisions import StoredDecision
from api.storage.secret_files import sync_folder
from guardrails.log.tallies import Part, Tally

MAX_BYTES = 64 * 2**20
"""The largest file; some ten thousand records."""

_NAME_BYTES, _LENGTH_BYTES, _DIGEST_BYTES = 16, 4, 32
_HEAD_BYTES = _LENGTH_BYTES + _DIGEST_BYTES
_PERSONAL = ("subject_key", "exposure", "suppression_key", "visit_suppression_key", "measured")
_BYTES = ("header", "body")
_WRITTEN = tuple(each.name for each in fields(StoredDecision) if each.name not in _PERSONAL)


class Spool:
    """Keeps decisions that are about nobody until they are in the log.

    The processes of one host share the folder.

    Args:
        folder: where the file is; made when something is first kept.
        max_bytes: the largest file; what does not fit is not kept.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._file = folder / "waiting"
        self._aside = folder / "draining"
        self._name = b""  # what the file began with that we looked at last
        self._end = 0  # where its last whole record ended

    def keep(self, decision: StoredDecision) -> None:
        """Put a decision on the disk.

        Args:
            decision: one for nobody.

        Raises:
            ValueError: it is about somebody; it is not kept.
            StoreUnavailableError: there is no room, or the disk fails; it is not kept.
        """
        if any(getattr(decision, name) is not None for name in _PERSONAL):
            raise ValueError("only decisions about nobody are kept in the spool")
        record = _record_of(decision)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked("lock"):
                self._put_damage_aside()
                self._append(record)
        except OSError:
            raise StoreUnavailableError("the spool cannot be written") from None

    def count(self) -> int:
        """Return how many decisions wait.

        Raises:
            StoreUnavailableError: the spool cannot be read.
        """
        try:
            return sum(len(list(_records(file))) for file in (self._aside, self._file))
        except OSError:
            raise StoreUnavailableError("the spool cannot be read") from None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits; cheap to ask again and again."""
        return not (self._aside.exists() or self._file.exists())

    @contextmanager
    def draining(self) -> Iterator[list[StoredDecision]]:
        """Yield what waits, oldest first, and remove it when left without an error.

        Whoever stops in between leaves everything in its place, so that the same is yielded again: the
        log knows by their ids which of them it has. While another process is at it, nothing is yielded.

        Raises:
            StoreUnavailableError: the spool cannot be read.
        """
        try:
            yield from self._drained()
        except OSError:
            raise StoreUnavailableError("the spool cannot be read") from None

    def _drained(self) -> Iterator[list[StoredDecision]]:
        if self.is_empty:
            yield []
            return
        with self._locked("drain-lock", wait=False) as is_ours:
            if not (is_ours and self._set_aside()):
                yield []
                return
            records = list(_records(self._aside))
            decisions = [each for each in map(_decision_of, records) if each is not None]
            n_read = sum(map(len, records)) + len(records) * _HEAD_BYTES + _NAME_BYTES
            yield decisions
            size = self._aside.stat().st_size  # without a whole name nothing was ever kept in it
            if size < _NAME_BYTES or (len(decisions) == len(records) and n_read == size):
                self._aside.unlink()
            else:
                self._aside.rename(self._folder / f"damaged-{secrets.token_hex(8)}")
                warn("spool:damaged", StoreRefusedError("part of the spool cannot be read; its file is kept"))
            sync_folder(self._folder)

    def _set_aside(self) -> bool:
        """Put what waits aside, unless something was before; tell whether there is anything."""
        if self._aside.exists():
            return True
        with self._locked("lock"):
            if not self._file.exists():
                return False
            self._file.rename(self._aside)
            sync_folder(self._folder)
        return True

    def _put_damage_aside(self) -> None:
        """Leave a file alone of which something is damaged: what stands behind the damage was answered.

        Raises:
            StoreUnavailableError: one is aside already, and has to be drained first.
        """
        if not self._file.exists():
            return
        with io.FileIO(os.open(self._file, os.O_RDWR), "r+b") as file:
            if _is_torn(file, self._whole_end(file)):
                return
        if self._aside.exists():
            raise StoreUnavailableError("the spool cannot be written")
        self._file.rename(self._aside)
        sync_folder(self._folder)

    def _append(self, record: bytes) -> None:
        """Add a record, or leave the file as it was."""
        is_new = not self._file.exists()
        with io.FileIO(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            start = self._whole_end(file)
            if start + len(record) > self._max_bytes:
                raise StoreUnavailableError("the spool is full")
            try:
                file.truncate(start)
                file.seek(start)
                _write_all(file, record)
                os.fsync(file.fileno())
            except OSError:
                file.truncate(start)
                raise
        self._end = start + len(record)
        if is_new:
            sync_folder(self._folder)

    def _whole_end(self, file: io.FileIO) -> int:
        """Return where the last whole record ends, looking from where we know one to end.

        After each draining it is another file, known by the bytes that it begins with.
        """
        name = file.read(_NAME_BYTES)
        if len(name) < _NAME_BYTES:
            name = secrets.token_bytes(_NAME_BYTES)
            file.truncate(0)
            file.seek(0)
            _write_all(file, name)
        if name != self._name:
            self._name, self._end = name, _NAME_BYTES
        end = self._end
        with os.fdopen(os.dup(file.fileno()), "rb") as content:
            content.seek(end)
            while (record := _next_whole(content)) is not None:
                end += _HEAD_BYTES + len(record)
        return end

    @contextmanager
    def _locked(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock that ends with the process that has it; yield whether it is ours."""
        with (self._folder / name).open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


def _record_of(decision: StoredDecision) -> bytes:
    written = {name: getattr(decision, name) for name in _WRITTEN}
    written |= {name: base64.b64encode(written[name]).decode() for name in _BYTES}
    written["tallies"] = [tuple(tally) for tally in decision.tallies]
    content = orjson.dumps(written)
    return len(content).to_bytes(_LENGTH_BYTES, "big") + hashlib.sha256(content).digest() + content


def _decision_of(content: bytes) -> StoredDecision | None:
    """Return a decision; ``None`` for one that this version cannot read."""
    nobody = dict.fromkeys(_PERSONAL)
    try:
        written = orjson.loads(content)
        written |= {name: base64.b64decode(written[name]) for name in _BYTES}
        tallies = [Tally(Part(part), *rest) for part, *rest in written.pop("tallies", ())]
        return StoredDecision(
            **{**written, **nobody, "terms": tuple(written["terms"]), "tallies": tuple(tallies)}
        )
    except (ValueError, TypeError, KeyError):
        return None


def _records(file: Path) -> Iterator[bytes]:
    """Yield the content of every whole record of a file, of which there may be none."""
    if not file.exists():
        return
    with file.open("rb") as content:
        content.seek(_NAME_BYTES)
        while (record := _next_whole(content)) is not None:
            yield record


def _is_torn(file: io.FileIO, end: int) -> bool:
    """Whether what is left behind the last whole record, if anything, was not written to its end."""
    size = os.fstat(file.fileno()).st_size
    head = os.pread(file.fileno(), _HEAD_BYTES, end)
    if len(head) < _HEAD_BYTES:
        return True
    return end + _HEAD_BYTES + int.from_bytes(head[:_LENGTH_BYTES], "big") >= size


def _write_all(file: io.FileIO, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += file.write(data[written:])


def _next_whole(content: BinaryIO) -> bytes | None:
    head = content.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES:
        return None
    record = content.read(int.from_bytes(head[:_LENGTH_BYTES], "big"))
    return record if hashlib.sha256(record).digest() == head[_LENGTH_BYTES:] else None
