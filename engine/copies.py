"""Copies of models that are stored elsewhere: each is fetched once a host and mapped by all its processes.

A copy is a folder named by the model's version, checked byte by byte before it is renamed into place. Whoever
maps it holds a shared lock on its manifest, so that everybody on the host can tell whether it is in use:
the kernel lets go of the lock when the last process does, however that ends. Fetching, removing and making
room happen under one lock of the folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import weakref
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from engine.artefact import (
    MANIFEST_FILE,
    Artefact,
    fetch_artefact,
    load_artefact,
    size_of,
)
from engine.drafts import draft_in, held, remove_left_drafts
from engine.errors import ArtefactError
from engine.stores import is_elsewhere, name_of, reporting

_LOCK_FILE = ".lock"


class Copies:
    """A folder of copies on this host; any number of processes may use it at once.

    Args:
        root: the folder; it is made when it is needed.
        most_bytes: what copies may take together. Those that were used least lately make room, but none
            that a process has mapped; one that is asked for is fetched even if it takes more by itself.
    """

    def __init__(self, root: Path, most_bytes: int) -> None:
        self._root = root
        self._most_bytes = most_bytes

    def load(self, location: str | Path, *, verify: bool = True, like: Artefact | None = None) -> Artefact:
        """Map a model into memory, from its copy if it is stored elsewhere.

        A copy that is damaged is fetched anew.

        Args:
            location: the model's folder; a path, or any address that ``fsspec`` understands.
            verify: as for ``load_artefact``.
            like: as for ``load_artefact``.

        Raises:
            ArtefactError: it is not there, broken where it is stored, or another than its address says; or
                the copy cannot be written.
        """
        if not is_elsewhere(location):
            artefact = load_artefact(location, verify=verify, like=like)
            if artefact.version != name_of(location):
                raise ArtefactError(f"`{location}` holds another model than its name says")
            return artefact
        folder = self._root / name_of(location)
        with reporting(ArtefactError, "keep copies in", self._root):
            held = self._held(location, folder)
            try:  # everybody at once: reading all of a large one takes a while
                artefact = load_artefact(folder, verify=verify, like=like)
            except ArtefactError:
                held.close()
                held = self._held(location, folder, anew=True)
                artefact = load_artefact(folder, verify=False, like=like)
        weakref.finalize(artefact, held.close)
        return artefact

    def keep_only(self, versions: Collection[str]) -> int:
        """Remove the copies of all other models, also of those in use; return how many those were.

        What killed processes have left goes as well. What is mapped stays in memory until it is let go of,
        and nobody can map it any more.

        Args:
            versions: of the models that may be used.

        Raises:
            ArtefactError: something cannot be removed.
        """
        self.remove_left()
        with reporting(ArtefactError, "keep copies in", self._root):
            if not self._root.exists():
                return 0
            with self._alone():
                gone = [copy for copy in self._copies() if copy.name not in versions]
                for copy in gone:
                    shutil.rmtree(copy)
        return len(gone)

    def remove_left(self) -> None:
        """Remove what killed processes have left: parts of copies, and of models that were to be published.

        Raises:
            ArtefactError: something cannot be removed.
        """
        with reporting(ArtefactError, "keep copies in", self._root):
            remove_left_drafts(self._root)

    def versions(self) -> list[str]:
        """Return the versions of which there is a copy, those used least lately first.

        Raises:
            ArtefactError: the folder cannot be read.
        """
        with reporting(ArtefactError, "keep copies in", self._root):
            return [copy.name for copy in self._copies()]

    def _held(self, location: str | Path, folder: Path, *, anew: bool = False) -> BinaryIO:
        """See to it that there is a copy; everybody sees it in use until the file returned is closed."""
        with self._alone():
            if anew or not (folder / MANIFEST_FILE).exists():
                self._fetch(location, folder)
            file = (folder / MANIFEST_FILE).open("rb")
            fcntl.flock(file, fcntl.LOCK_SH)
            os.utime(folder)
        return file

    def _fetch(self, location: str | Path, folder: Path) -> None:
        """Put a copy in place, all of it or nothing; under the lock."""
        shutil.rmtree(folder, ignore_errors=True)
        self._make_room(size_of(location))
        with draft_in(self._root) as draft:
            fetch_artefact(location, draft / folder.name)
            (draft / folder.name).rename(folder)

    def _make_room(self, n_bytes: int) -> None:
        """Remove copies until so many bytes more may be taken, or all that are left are in use."""
        sizes = {copy: _bytes_of(copy) for copy in self._copies()}
        for copy, freed in list(sizes.items()):
            if sum(sizes.values()) + n_bytes <= self._most_bytes:
                return
            if not _is_in_use(copy):
                shutil.rmtree(copy)
                sizes[copy] -= freed

    def _copies(self) -> list[Path]:
        used_ns: dict[Path, int] = {}
        for each in self._root.glob("[!.]*"):
            if each.is_dir():
                with suppress(FileNotFoundError):  # who only asks what there is keeps nobody from removing it
                    used_ns[each] = each.stat().st_mtime_ns
        return sorted(used_ns, key=lambda copy: (used_ns[copy], copy.name))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process or thread fetches or removes."""
        self._root.mkdir(parents=True, exist_ok=True)
        with held(self._root / _LOCK_FILE):
            yield


def _is_in_use(copy: Path) -> bool:
    try:
        with (copy / MANIFEST_FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:  # it is broken, and of no use to anybody
        return False
    except BlockingIOError:
        return True
    return False


def _bytes_of(copy: Path) -> int:
    return sum(file.stat().st_size for file in copy.iterdir())
