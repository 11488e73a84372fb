"""What other processes do to a log and its guard."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from support.stores import NOW_MS, opened

from api.errors import ForkedLogError
from api.logbook import entry
from api.storage import guard as guarding
from api.storage.apart import Apart
from api.storage.connection import writing
from api.storage.guard import Guard
from api.storage.keyring import KeyName, Keyring
from api.storage.keyring import metadata as keys


@contextmanager
def processes(n: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that share nothing with this one."""
    with ProcessPoolExecutor(n, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def append(url: str, data_dir: Path, name: str, n: int) -> list[tuple[int, bytes]]:
    """Append entries one by one, each vouched for; return where they stand and what they say."""
    written = []
    with opened(url, data_dir) as store:
        for number in range(n):
            said = entry("heartbeat", NOW_MS, n_spooled=number, of=name)
            with writing(store.engine) as conn:
                grown = store.logbook.add(conn, said)
            assert store.logbook.publish(grown.after).size > grown.first_index
            written.append((grown.first_index, said.data))
    return written


def vouch(url: str, name: str, n: int) -> tuple[list[int], int]:
    """Vouch for ever larger trees of one's own; return the sizes that were signed, and how many refused."""
    guard, root = Guard(Apart(url, guarding.metadata)), name.encode().ljust(32)
    signed, n_refused = [], 0
    for size in range(1, n + 1):
        try:
            vouched = guard.advance(size, root, size, lambda last: last.root == root, lambda: name)
        except ForkedLogError:
            n_refused += 1
        else:
            signed += [size] if (vouched.size, vouched.root) == (size, root) else []
    guard.close()
    return signed, n_refused


def take_keys(url: str, kek: bytes, names: list[KeyName]) -> dict[KeyName, bytes]:
    """Return keys, made if nobody has made them before."""
    keyring = Keyring(Apart(url, keys), kek)
    try:
        return {name: keyring.for_sealing([name])[name] for name in names}
    finally:
        keyring.close()
