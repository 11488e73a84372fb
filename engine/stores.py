"""Where artefacts are kept: a folder of this machine, or a store that ``fsspec`` has a way to.

An address with ``://`` in it is a store's, also where it is mounted, as in ``file:///mnt/shared``: it may go
away, so nothing is mapped from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from engine.errors import EngineError


def opened(address: str | Path) -> tuple[Any, str]:
    """Return the filesystem of an address, which remembers no listing as others write there; and the path."""
    filesystem, path = fsspec.core.url_to_fs(str(address), use_listings_cache=False)
    return filesystem, path


def is_local(filesystem: Any) -> bool:
    """Tell whether a filesystem can rename, lock and sync: it is this machine's, or mounted."""
    return isinstance(filesystem, fsspec.implementations.local.LocalFileSystem)


def keeps_versions(filesystem: Any, path: str) -> bool:
    """Tell whether a store may still have what was removed from it, as far as it can be asked.

    S3 can: a bucket whose versioning was suspended has kept what was removed before that. Other stores have
    no common way to be asked; whoever chooses one sees to it.
    """
    call_s3 = getattr(filesystem, "call_s3", None)
    bucket, _, _ = path.partition("/")
    return call_s3 is not None and "Status" in call_s3("get_bucket_versioning", Bucket=bucket)


def is_elsewhere(address: str | Path) -> bool:
    """Tell whether an address is that of a store."""
    return "://" in str(address)


def name_of(address: str | Path) -> str:
    """Return the last part of a path or of an address."""
    return str(address).rstrip("/").rsplit("/", 1)[-1]


@contextmanager
def reporting(kind: type[EngineError], doing: str, place: str | Path) -> Iterator[None]:
    """Turn whatever a store raises into one kind of error, which names the place and no more.

    Args:
        kind: what to raise.
        doing: as in ``cannot <doing> <place>``.
        place: what is named.

    Raises:
        EngineError: of that kind; something went wrong.
    """
    try:
        yield
    except EngineError:
        raise
    except OSError as error:
        named = error.filename if isinstance(error.filename, str) else place
        raise kind(f"cannot {doing} `{named}`: {error.strerror or error}") from error
    except Exception as error:
        if not is_elsewhere(place):
            raise
        # Every kind of store has errors of its own, without a base in common.
        raise kind(f"cannot {doing} `{place}`: {type(error).__name__}") from error
