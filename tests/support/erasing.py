"""What tests of erased records ask: which bodies still open, and whether every proof still holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from support.stores import NOW_MS, Store, a_decision

from api.storage import tables
from api.storage.connection import reading, writing
from api.storage.decisions import read_bodies, read_decision
from api.storage.log import read_entry, read_state
from guardrails.log import verifier
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.notes import text_of

MINUTE = NOW_MS // 60_000


def decide(store: Store, key: bytes | None, ids: Sequence[str], *, visit: bool = False, **more: Any) -> None:
    """Append decisions for a subject, each with a body that says its id."""
    suppression = None if key is None else store.subjects.suppression(key)
    batch = [
        a_decision(
            each,
            header=b'{"id":"' + each.encode() + b'","t_min":1,"type":"decision","v":2}',
            subject_key=key,
            suppression_key=suppression,
            visit_suppression_key=suppression if visit else None,
            terms=("rule:G17", "reason:PRICE_JUMP"),
            **more,
        )
        for each in ids
    ]
    with writing(store.engine) as conn:
        grown = store.logbook.append(conn, batch)
    store.logbook.publish(grown.after)


def readable(store: Store, ids: Iterable[str]) -> set[str]:
    """Which of the decisions still have a body that opens, by every way to read one."""
    with reading(store.engine) as conn:
        in_bulk = {body for _, body in read_bodies(conn, store.keyring, 0, MINUTE + 10**6)}
        found = {each: read_decision(conn, store.keyring, each) for each in ids}
    one_by_one = {each for each, record in found.items() if record is not None and record.body is not None}
    assert {body.rstrip(b"\0").decode() for body in in_bulk} >= one_by_one
    return one_by_one


def check_proofs(store: Store, indexes: Iterable[int] | None = None) -> int:
    """Check the log's signature and entries, all or those named, with the verifier; return its size."""
    note = store.logbook.checkpoint()
    keys = [verifier.parse_vkey(vkey) for vkey in store.logbook.vkeys]
    text, signed = verifier.open_note(note.encode(), keys)
    assert any(each.checked for each in signed)
    checkpoint = verifier.parse_checkpoint(text)
    for index in range(checkpoint.size) if indexes is None else indexes:
        with reading(store.engine) as conn:
            entry = read_entry(conn, index)
        if entry is not None:
            proof = store.logbook.inclusion(index, checkpoint.size)
            leaf = verifier.leaf_hash(entry)
            assert verifier.verify_inclusion(index, checkpoint.size, leaf, proof, checkpoint.root), index
    return checkpoint.size


def root_of_now(store: Store) -> tuple[int, bytes]:
    """Size and root of the tree."""
    found = Checkpoint.parse(text_of(store.logbook.checkpoint()))
    return found.size, found.root


def grows_from(store: Store, old: tuple[int, bytes]) -> bool:
    """Whether the tree of now goes on from an older one, as the verifier sees it."""
    size, root = root_of_now(store)
    proof = store.logbook.consistency(old[0], size)
    return verifier.verify_consistency(old[0], size, proof, old[1], root)


def entries_of_type(store: Store, type_: str) -> list[bytes]:
    """Entries of a type, oldest first."""
    table = tables.log_entries
    with reading(store.engine) as conn:
        query = select(table.c.entry).where(table.c.type == type_).order_by(table.c.log_index)
        return [bytes(each) for each in conn.scalars(query)]


def wrapped_keys(data_dir: Path) -> set[bytes]:
    """Every wrapped key as it lies in the store of keys."""
    with sqlite3.connect(data_dir / "keys.db") as conn:
        return {row[0] for row in conn.execute("SELECT wrapped_key FROM subject_keys")}


def size_of(store: Store) -> int:
    with reading(store.engine) as conn:
        return read_state(conn).size
