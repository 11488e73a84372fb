"""Columns of decisions, kept in files so that the next rehearsal need not read the records again.

A file holds one block of decisions and is named after exactly those: when one of them is erased, or another
is added, it is not found any more, and removed. It names no customer, and only its owner may read it.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from api.forgetting.files import REHEARSALS_FOLDER
from api.rehearsing.reading import Block
from guardrails.policy.retained import NAMES, NUMBERS, Retained

VERSION = 1
"""Of what stands in the files and how; another one, and they are read again from the records."""

_UNREADABLE = "unreadable"
_SUFFIX = ".arrow"
_OWNER_ONLY = 0o600
_FOLDER_MODE = 0o700


class Cache:
    """The files of a data folder.

    Args:
        data_dir: the data folder.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / REHEARSALS_FOLDER

    def get(self, key: str) -> Block | None:
        """Return a block; ``None`` where there is no file, or one that cannot be read."""
        file = self._file(key)
        try:
            stored = _Stored(file)
            unreadable = tuple(stored.texts(_UNREADABLE))
        except (OSError, pa.ArrowInvalid, KeyError):
            return None
        return Block(Retained(_Numbers(stored), _Names(stored)), unreadable)

    def put(self, key: str, block: Block) -> int:
        """Keep a block; return the size of its file in bytes.

        Raises:
            OSError: it cannot be written.
        """
        self._folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        draft = self._folder / f".{uuid.uuid4().hex}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            _write(block, file)
            size = file.tell()
        draft.replace(self._file(key))
        return size

    def keep_only(self, keys: Collection[str]) -> int:
        """Remove the files of all other blocks; return how many that were.

        Raises:
            OSError: one cannot be removed.
        """
        kept = {self._file(key) for key in keys}
        gone = [file for file in sorted(self._folder.glob("*")) if file not in kept]
        for file in gone:
            file.unlink(missing_ok=True)
        return len(gone)

    def size(self) -> int:
        """Return how many bytes all files have."""
        return sum(file.stat().st_size for file in self._folder.glob("*"))

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"


def key_of(decisions: Iterable[tuple[int, str]]) -> str:
    """Return what a block is known by: a digest of its decisions.

    Args:
        decisions: position in the log and id of each, in order.
    """
    digest = hashlib.sha256(f"rehearsal {VERSION}".encode())
    for seq, decision_id in decisions:
        digest.update(f"\n{seq} {decision_id}".encode())
    return digest.hexdigest()


def _write(block: Block, file: Any) -> None:
    """Write every column as one list of a single row, so that columns of any length fit."""
    numbers = {name: _stored(block.kept[name]) for name in NUMBERS}
    texts = {name: pa.array(block.kept.names[name], pa.string()) for name in NAMES}
    texts[_UNREADABLE] = pa.array(block.unreadable, pa.string())
    columns = {
        name: pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)
        for name, values in {**numbers, **texts}.items()
    }
    batch = pa.record_batch(columns)
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_file(file, batch.schema, options=options) as writer:
        writer.write_batch(batch)


def _stored(column: NDArray[Any]) -> Any:
    return pa.array(column.view(np.uint8) if column.dtype == np.bool_ else column)


class _Stored:
    """A file, whose columns are read one by one as they are asked for."""

    def __init__(self, file: Path) -> None:
        self._source = pa.memory_map(str(file))
        schema = pa.ipc.open_file(self._source).schema
        self._place = {name: place for place, name in enumerate(schema.names)}

    def numbers(self, name: str) -> NDArray[Any]:
        """Return a column of numbers."""
        column: NDArray[Any] = self._values(name).to_numpy(zero_copy_only=True)
        return column.view(np.bool_) if NUMBERS[name] == "bool" else column

    def texts(self, name: str) -> list[str]:
        """Return a table of texts."""
        found: list[str] = self._values(name).to_pylist()
        return found

    def _values(self, name: str) -> Any:
        options = pa.ipc.IpcReadOptions(included_fields=[self._place[name]], use_threads=False)
        return pa.ipc.open_file(self._source, options=options).get_batch(0).column(0).flatten()


class _Numbers(dict[str, NDArray[Any]]):
    """Columns of numbers of a file, each read when it is first asked for."""

    def __init__(self, stored: _Stored) -> None:
        super().__init__()
        self._stored = stored

    def __missing__(self, name: str) -> NDArray[Any]:
        self[name] = self._stored.numbers(name)
        return self[name]


class _Names(dict[str, list[str]]):
    """Tables of texts of a file, each read when it is first asked for."""

    def __init__(self, stored: _Stored) -> None:
        super().__init__()
        self._stored = stored

    def __missing__(self, name: str) -> list[str]:
        self[name] = self._stored.texts(name)
        return self[name]
