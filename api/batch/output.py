"""The file that a batch is written to: one line a customer, whole lines only, gone on with where it ends.

Beside it stands a small file that says what was asked, so that no other run goes on with it, and which
decisions are being recorded at the moment: should the run be ended between the log and the file, the next
one knows what is in the log and was never written out.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from api.errors import RunFileError


class Output:
    """A file that is written to.

    Attributes:
        done: who is in it.
        under_way: ids of decisions that may be in the log and are not in the file.
    """

    def __init__(self, file: BinaryIO, beside: Path, asked: Mapping[str, object]) -> None:
        self._file = file
        self._beside = beside
        self._asked = asked
        self.done: set[str] = set()
        self.under_way: tuple[str, ...] = ()

    def note(self, decision_ids: Sequence[str]) -> None:
        """Say which decisions are recorded next."""
        new = self._beside.with_name(f"{self._beside.name}.new")
        new.touch(mode=0o600)
        new.write_bytes(orjson.dumps({"asked": self._asked, "under_way": list(decision_ids)}))
        new.replace(self._beside)

    def write(self, customer_ids: Sequence[str], answers: Sequence[bytes]) -> None:
        """Write out what was recorded; it is handed to the operating system when this returns."""
        self._file.write(b"".join(map(_line, customer_ids, answers)))
        self._file.flush()
        self.done.update(customer_ids)

    def take_up(self) -> None:
        """Read what is there, and drop a last line that was not written to its end."""
        told = _told(self._beside)
        if told is None:
            if self._file.seek(0, os.SEEK_END):
                raise RunFileError("the file is there already, and is not one that this command began")
            self.note(())
            return
        if told.get("asked") != self._asked:
            raise RunFileError("the file belongs to a run that something else was asked of")
        written, end = set[str](), 0
        self._file.seek(0)
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            customer_id, decision_id = _read(line)
            self.done.add(customer_id)
            written.add(decision_id)
        self._file.seek(end)
        self._file.truncate()
        self.under_way = tuple(each for each in told["under_way"] if each not in written)


@contextmanager
def output_to(path: Path, asked: Mapping[str, object]) -> Iterator[Output]:
    """Open the file of a run, new or to go on with; only its owner may read it.

    Args:
        path: the file.
        asked: what tells this run from others; plain JSON.

    Raises:
        RunFileError: it is of another run, or another process writes to it.
    """
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFileError("another run is writing to the file") from None
        output = Output(file, path.with_name(f"{path.name}.run"), asked)
        output.take_up()
        yield output
        os.fsync(file.fileno())


def _line(customer_id: str, answer: bytes) -> bytes:
    """Return a line; the bytes of the answer are those whose digest is in the log."""
    return b'{"customer_id":' + orjson.dumps(customer_id) + b',"answer":' + answer + b"}\n"


def _read(line: bytes) -> tuple[str, str]:
    try:
        row = orjson.loads(line)
        return row["customer_id"], row["answer"]["decision_id"]
    except (ValueError, TypeError, KeyError):
        raise RunFileError("the file holds a line that this command did not write") from None


def _told(beside: Path) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = orjson.loads(beside.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        raise RunFileError("what stands beside the file cannot be read") from None
    return told
