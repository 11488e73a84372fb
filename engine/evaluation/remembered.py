"""What has been measured, kept in a file line by line, so that a contest that was stopped goes on."""

from __future__ import annotations

from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.errors import DatasetError
from engine.evaluation.cuts import Cut

_LIBRARIES = ("implicit", "numba", "numpy", "scikit-learn", "scipy", "tactful")
_DIGEST_BYTES = 16


class Remembered:
    """Measured rows by what they were measured on; without a file they are kept as long as this object.

    A line that was not written to its end is passed over. Rows say nothing of any single customer.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._rows: dict[str, dict[str, Any]] = {}
        if file is not None and file.exists():
            self._read(file)

    def get(self, *about: Any) -> dict[str, Any] | None:
        """Return what is known under a name, made of anything that can be JSON."""
        return self._rows.get(_name(about))

    def put(self, row: dict[str, Any], *about: Any) -> None:
        """Keep a row under a name.

        Raises:
            DatasetError: the file cannot be written.
        """
        self._rows[_name(about)] = row
        if self._file is None:
            return
        line = orjson.dumps({"name": _name(about), "row": row}, option=orjson.OPT_APPEND_NEWLINE)
        try:
            with self._file.open("ab") as lines:
                lines.write(line)
        except OSError as error:
            raise DatasetError(f"cannot write to `{self._file}`: {error.strerror}") from error

    def _read(self, file: Path) -> None:
        try:
            content = file.read_bytes()
            if content and not content.endswith(b"\n"):  # a writer was stopped in the middle of a line
                file.write_bytes(content[: content.rfind(b"\n") + 1])
        except OSError as error:
            raise DatasetError(f"`{file}` cannot be read: {error.strerror}") from error
        for line in content.splitlines():
            try:
                kept = orjson.loads(line)
                self._rows[kept["name"]] = kept["row"]
            except (ValueError, KeyError, TypeError):
                continue


def digest_of(cut: Cut, floor: NDArray[np.int32], k: int) -> str:
    """Return 32 hex digits that stand for what learners are measured on, and by which libraries."""
    parts = blake2b(digest_size=_DIGEST_BYTES)
    for matrix in (cut.learned, cut.evidence, cut.seen, cut.relevant):
        for array in _arrays(matrix):
            parts.update(np.ascontiguousarray(array).tobytes())
    for array in (cut.popularity, cut.customers, floor):
        parts.update(np.ascontiguousarray(array).tobytes())
    parts.update(orjson.dumps([k, {name: version(name) for name in _LIBRARIES}]))
    return parts.hexdigest()


def _arrays(matrix: csr_matrix) -> tuple[NDArray[Any], ...]:
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data.astype(np.float64)


def _name(about: tuple[Any, ...]) -> str:
    return orjson.dumps(about, option=orjson.OPT_SORT_KEYS).decode()
