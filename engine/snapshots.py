"""States of the catalogue on disk: each under its version, what they have in common only once.

A state is cut into chunks of some hundred rows. Where a chunk ends depends on nothing but the item ids
(content-defined chunking: Muthitacharoen, Chen & Mazières, "A low-bandwidth network file system", SOSP
2001), so that an item more or a price changed makes one or two chunks new. Chunks are compressed and named by
the SHA-256 of what is in them; a list of them, named by the version of the catalogue, is written last.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.catalogue import NO_CODE, Catalogue, content_digest
from engine.errors import SnapshotError
from engine.stores import is_local, opened, reporting

FORMAT = 1
ROWS_ABOUT = 512
"""Rows of a chunk on average; with 68,500 items the list of chunks and one chunk are then equally large."""

_LIST, _CHUNK, _DRAFT = ".json", ".z", ".draft-"
_VERSION = re.compile(r"[0-9a-f]{64}\Z")
_LEVEL = 6
_WRITTEN = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS

_DTYPES: Mapping[str, Any] = {
    "item_no": np.int64,
    "price_minor": np.int64,
    "available": np.bool_,
    "tier": np.int8,
    "sensitive_class": np.int16,
    "age_restricted": np.bool_,
    "occasions": np.int32,
    "unclassified": np.bool_,
    "sponsored": np.bool_,
    "pressing": np.bool_,
}
_NAMED = {"category": "categories", "brand": "brands"}
"""Columns of codes, and the tables they point into; written as names, because one name more moves codes."""

_COLUMNS = (
    *(
        "item_ids",
        "titles",
        "item_no",
        "category",
        "categories",
        "brand",
        "brands",
        "price_minor",
        "currency",
    ),
    *("available", "tier", "sensitive_class", "sensitive_classes", "age_restricted", "occasions"),
    *("unclassified", "sponsored", "pressing"),
)
"""Every column, in the order in which the version is counted over them."""


class Snapshots:
    """A folder of states of the catalogue; several processes may use it at once.

    Args:
        root: the folder; a path, or any address that ``fsspec`` understands. In a folder, mounted or not,
            ``prune`` and ``keep`` wait for each other; in a store nobody may prune while something is kept.
    """

    def __init__(self, root: str | Path) -> None:
        self._root = root
        self._filesystem, self._folder = opened(root)
        self._local = is_local(self._filesystem)

    def keep(self, catalogue: Catalogue) -> bool:
        """Store a state of the catalogue, unless it is there already; tell whether it was new.

        Raises:
            SnapshotError: it cannot be written, or its version is not that of its content.
        """
        version = _checked(catalogue.version)
        if version in self:
            return False
        if content_digest(_content(catalogue)) != version:
            raise SnapshotError("a catalogue is not what its version says")
        with self._reporting("write"), self._locked():
            there = set(self._names())
            if version + _LIST in there:
                return False
            chunks = [self._put(chunk, there) for chunk in _cut(catalogue)]
            document = {"format": FORMAT, "version": version, "chunks": chunks}
            self._write(version + _LIST, orjson.dumps(document, option=orjson.OPT_SORT_KEYS))
        return True

    def load(self, version: str) -> Catalogue:
        """Read a state of the catalogue back, and see that it is what was stored.

        Raises:
            SnapshotError: it is not there, or something about it is broken or altered.
        """
        name = _checked(version) + _LIST
        if version not in self:
            raise SnapshotError(f"the catalogue `{version}` is not kept")
        with self._reporting("read"):
            listed = orjson.loads(self._read(name))
            if listed["format"] != FORMAT:
                raise SnapshotError(f"`{name}` is of format {listed['format']}, this version reads {FORMAT}")
            names, *rows = [self._chunk(chunk) for chunk in listed["chunks"]]
            content = _joined(names, rows)
        if content_digest(content) != version:
            raise SnapshotError(f"`{name}` does not give the catalogue that it is named after")
        return Catalogue(version=version, **content)

    def prune(self, keep: Collection[str]) -> int:
        """Remove all states but those of the versions named, and return how many those were.

        Raises:
            SnapshotError: something cannot be removed.
        """
        with self._reporting("remove"), self._locked():
            gone = [version for version in self.versions() if version not in keep]
            for version in gone:
                self._remove(version + _LIST)
            needed = {
                chunk + _CHUNK
                for version in self.versions()
                for chunk in orjson.loads(self._read(version + _LIST))["chunks"]
            }
            for name in self._names():
                if name.startswith(_DRAFT) or (name.endswith(_CHUNK) and name not in needed):
                    self._remove(name)
        return len(gone)

    def versions(self) -> list[str]:
        """Return the versions that are kept, in ascending order."""
        with self._reporting("look for"):
            return sorted(name.removesuffix(_LIST) for name in self._names() if name.endswith(_LIST))

    def __contains__(self, version: str) -> bool:
        with self._reporting("look for"):
            return bool(self._filesystem.exists(f"{self._folder}/{version}{_LIST}"))

    def _names(self) -> list[str]:
        if not self._filesystem.exists(self._folder):
            return []
        found = self._filesystem.ls(self._folder, detail=False)
        return [str(path).rsplit("/", 1)[-1] for path in found]

    def _put(self, content: bytes, there: set[str]) -> str:
        """Store a chunk that is not there yet; return its name."""
        name = hashlib.sha256(content).hexdigest()
        if name + _CHUNK not in there:
            self._write(name + _CHUNK, zlib.compress(content, _LEVEL))
        return name

    def _chunk(self, name: str) -> Any:
        content = zlib.decompress(self._read(name + _CHUNK))
        if hashlib.sha256(content).hexdigest() != name:
            raise SnapshotError(f"`{name + _CHUNK}` is not the file that was written: its hash differs")
        return orjson.loads(content)

    def _read(self, name: str) -> bytes:
        return bytes(self._filesystem.cat_file(f"{self._folder}/{name}"))

    def _remove(self, name: str) -> None:
        self._filesystem.rm_file(f"{self._folder}/{name}")

    def _write(self, name: str, content: bytes) -> None:
        """Write a file that is there whole or not at all."""
        if not self._local:
            self._filesystem.makedirs(self._folder, exist_ok=True)
            self._filesystem.pipe_file(f"{self._folder}/{name}", content)
            return
        descriptor, draft = tempfile.mkstemp(prefix=_DRAFT, dir=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(draft).replace(Path(self._folder) / name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Have the folder to oneself, on this machine; at the end the disk holds what was renamed."""
        if not self._local:
            yield
            return
        Path(self._folder).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _reporting(self, doing: str) -> Iterator[None]:
        with reporting(SnapshotError, f"{doing} a catalogue in", self._root):
            try:
                yield
            except (zlib.error, ValueError, TypeError, KeyError, IndexError) as error:
                raise SnapshotError(
                    f"cannot {doing} a catalogue in `{self._root}`: a file is broken"
                ) from error


def _checked(version: str) -> str:
    if not _VERSION.match(version):
        raise SnapshotError("the version of a catalogue is 64 hexadecimal digits")
    return version


def _content(catalogue: Catalogue) -> dict[str, Any]:
    return {name: getattr(catalogue, name) for name in _COLUMNS}


def _cut(catalogue: Catalogue) -> Iterator[bytes]:
    """Yield the tables of names and what holds for the whole, then the rows, chunk by chunk."""
    yield orjson.dumps(
        {
            name: getattr(catalogue, name)
            for name in ("categories", "brands", "sensitive_classes", "currency")
        },
        option=_WRITTEN,
    )
    names = {column: np.array([*getattr(catalogue, table), None], object) for column, table in _NAMED.items()}
    begin = 0
    for end in _ends(catalogue.item_ids):
        rows = slice(begin, end)
        columns: dict[str, Any] = {
            "item_ids": catalogue.item_ids[rows],
            "titles": catalogue.titles[rows],
        }
        columns |= {name: getattr(catalogue, name)[rows] for name in _DTYPES}
        columns |= {  # the code -1 reads the last name, which is none
            name: table[getattr(catalogue, name)[rows]].tolist() for name, table in names.items()
        }
        yield orjson.dumps(columns, option=_WRITTEN)
        begin = end


def _ends(item_ids: tuple[str, ...]) -> Iterator[int]:
    """Yield the row behind the last one of each chunk."""
    for row, item_id in enumerate(item_ids, start=1):
        if zlib.crc32(item_id.encode()) % ROWS_ABOUT == 0 or row == len(item_ids):
            yield row


def _joined(tables: Mapping[str, Any], chunks: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Put rows together, and codes in the places of names again."""
    content: dict[str, Any] = {
        name: tuple(tables[name]) for name in ("categories", "brands", "sensitive_classes")
    }
    content["currency"] = tables["currency"]
    for name in ("item_ids", "titles"):
        content[name] = tuple(text for chunk in chunks for text in chunk[name])
    for name, dtype in _DTYPES.items():
        content[name] = _column((value for chunk in chunks for value in chunk[name]), dtype)
    for name, table in _NAMED.items():
        code_of = {None: NO_CODE, **{each: code for code, each in enumerate(content[table])}}
        content[name] = _column((code_of[value] for chunk in chunks for value in chunk[name]), np.int32)
    return {name: content[name] for name in _COLUMNS}


def _column(values: Iterator[Any], dtype: Any) -> NDArray[Any]:
    return np.fromiter(values, dtype)
