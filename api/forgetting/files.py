"""Files that Tactful wrote and that may name a customer.

Copies are removed whole: rejects and exports can be made again, and what the demo imported from is in
the database. The demo's examples are kept but for those of the customer. What rehearsals keep of decisions
names nobody, but was somebody's: all of it is removed, and made again when it is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import orjson

from api.demo.state import forget_example

EXPORTS_FOLDER = "exports"
"""Folder, in the data folder, of what customers are handed."""

REHEARSALS_FOLDER = "rehearsals"
"""Folder, in the data folder, of the columns that rehearsals keep of decisions."""

_FOLDERS = ("source", EXPORTS_FOLDER)
_REJECTS = "*.rejects.jsonl"
_PACKED = frozenset({".parquet", ".gz", ".zip"})


def forget_in_files(data_dir: Path, customer_id: str) -> int:
    """Remove the files that name a customer; return how many were removed or changed.

    Raises:
        OSError: a file cannot be read or removed.
    """
    n_changed = forget_example(data_dir, customer_id)
    names = {customer_id.encode(), orjson.dumps(customer_id)[1:-1]}
    for file in sorted(set(_copies(data_dir))):
        if _names_any(file, names):
            file.unlink(missing_ok=True)
            n_changed += 1
    return n_changed


def forget_in_rehearsals(data_dir: Path) -> int:
    """Remove what rehearsals keep of decisions, whosever they were; return how many files that were.

    Raises:
        OSError: a file cannot be removed.
    """
    n_removed = 0
    for file in sorted((data_dir / REHEARSALS_FOLDER).glob("*")):
        file.unlink(missing_ok=True)
        n_removed += 1
    return n_removed


def _copies(data_dir: Path) -> Iterator[Path]:
    """Files that are copies of what is kept elsewhere."""
    yield from data_dir.rglob(_REJECTS)
    for folder in _FOLDERS:
        yield from (file for file in (data_dir / folder).rglob("*") if file.is_file())


def _names_any(file: Path, names: Collection[bytes]) -> bool:
    """Whether a file holds one of the names; what is packed cannot be searched and counts as if it did."""
    if file.suffix in _PACKED:
        return True
    content = file.read_bytes()
    return any(name in content for name in names)
