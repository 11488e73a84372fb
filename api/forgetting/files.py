"""Files that Tactful wrote and that may name a customer.

Copies are removed whole: rejects and exports can be made again, and what the demo imported from is in
the database. The demo's examples are kept but for those of the customer. What rehearsals keep of decisions
names nobody, but was somebody's: all of it is removed, and made again when it is needed.

Each host has a data folder of its own. Whoever goes through an erasure sees to the files of its host; what
rehearsals keep on the others goes when these look what was finished since. Copies on the others cannot be
found like that, for no host keeps the id of whoever was erased: they go when the id is given there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import orjson
from sqlalchemy import Engine

from api.demo.state import forget_example
from api.storage.cascades import last_finished_ms
from api.storage.connection import reading

EXPORTS_FOLDER = "exports"
"""Folder, in the data folder, of what customers are handed."""

REHEARSALS_FOLDER = "rehearsals"
"""Folder, in the data folder, of the columns that rehearsals keep of decisions."""

_FOLDERS = ("source", EXPORTS_FOLDER)
_REJECTS = "*.rejects.jsonl"
_CLOCKS_APART_MS = 10_000
"""So much may the clocks of hosts differ; what is removed too early is made again."""

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
    return _remove(_rehearsed(data_dir))


def forget_rehearsed_before_others_forgot(engine: Engine, data_dir: Path) -> int:
    """Remove what rehearsals on this host kept before data was last removed, on any host; return how many.

    Nobody has to be told: who looks finds it in the database, also after having been away. A rehearsal that
    was under way then sees to what it keeps by itself.

    Raises:
        OSError: a file cannot be removed.
        StoreUnavailableError: the database cannot be used now.
    """
    files = _rehearsed(data_dir)
    if not files:
        return 0
    with reading(engine) as conn:
        finished_ms = last_finished_ms(conn)
    if finished_ms is None:
        return 0
    return _remove(each for each in files if _is_from_before(each, finished_ms + _CLOCKS_APART_MS))


def _rehearsed(data_dir: Path) -> list[Path]:
    return sorted((data_dir / REHEARSALS_FOLDER).glob("*"))


def _is_from_before(file: Path, at_ms: int) -> bool:
    try:
        return file.stat().st_mtime_ns < at_ms * 1_000_000
    except FileNotFoundError:  # another process of this host was quicker
        return False


def _remove(files: Iterable[Path]) -> int:
    n_removed = 0
    for file in files:
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
