"""Exports of the log: bundles for auditors, and views; written to the end before they bear their name."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson
from sqlalchemy import Connection

from api.auditing import Auditor, Look, named
from api.errors import NotInLogError, UnknownDecisionError
from api.logbook import Logbook
from api.policies.shipped import shipped_policy
from api.settings import Settings
from api.storage.bodies import key_name, open_bodies
from api.storage.connection import reading
from api.storage.keyring import Keyring
from api.storage.log import read_entries, read_state, read_tile
from api.storage.log_records import (
    PAGE,
    Sealed,
    Which,
    places,
    records_at,
    span_of_minutes,
    versions_between,
)
from api.storage.versions import get_model, get_policy
from engine.artefact import stored_manifest
from guardrails.log import verifier
from guardrails.log.bundle import BundlePieces, Sections, bundle_files
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.notes import text_of
from guardrails.log.record import SECTIONS, open_body
from guardrails.log.tiles import TILE_WIDTH, entry_bundle
from guardrails.log.views import Viewed
from guardrails.policy.document import to_document, version_of

Show = Callable[[int, int, str], None]
"""Is told how much of how much is done, and of what."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported.

    Attributes:
        minute_from: first minute since the epoch; ``None`` for the beginning of the log.
        minute_to: first minute no longer wanted; ``None`` for its end.
        sections: what is to be opened of decisions; empty for nothing.
        decision_ids: only these are opened; empty for all.
        subject_key: only those for this subject are opened; ``None`` for anybody.
        witnessed: export what the last checkpoint covers that a witness has signed.
        policies: with the policies that decisions name.
        models: with the manifests of the models that decisions name.
    """

    minute_from: int | None = None
    minute_to: int | None = None
    sections: Collection[str] = ()
    decision_ids: Collection[str] = ()
    subject_key: bytes | None = None
    witnessed: bool = False
    policies: bool = True
    models: bool = True


class Disclosed(NamedTuple):
    """What may be opened, once that is logged.

    Attributes:
        sections: what of each, in the order of a record.
        where: places of the decisions that can still be opened.
        n_erased: how many of those meant cannot be any more.
        logged_at: where in the log it says so.
    """

    sections: tuple[str, ...]
    where: tuple[int, ...]
    n_erased: int
    logged_at: int


class Exported(NamedTuple):
    """What was exported.

    Attributes:
        n_bytes: length of the file.
        size: entries of the tree it is of; 0 for a view, which is of no tree.
        first: first entry.
        end: one past the last entry.
    """

    n_bytes: int
    size: int
    first: int
    end: int


def disclose(auditor: Auditor, wanted: Wanted) -> Disclosed:
    """Log that decisions are opened for an export, and return which can be.

    Raises:
        UnknownDecisionError: one that was named is not in that part of the log.
        StoreUnavailableError: it cannot be logged, so nothing may be opened.
    """
    logbook = auditor.logbook
    size = Checkpoint.parse(text_of(_witnessed(logbook))).size if wanted.witnessed else None
    with reading(logbook.engine) as conn:
        first, end = _span(conn, wanted, size)
        where = places(conn, Which(first, end, wanted.decision_ids, wanted.subject_key))
        if len(where) < len(set(wanted.decision_ids)) and wanted.subject_key is None:
            raise UnknownDecisionError("a decision that was named is not in this part of the log")
        openable, subjects = _openable(conn, logbook.keyring, where)
    sections = tuple(name for name in SECTIONS if name in wanted.sections)
    whose = next(iter(subjects)) if len(subjects) == 1 else None
    details = {
        "sections": sections,
        "first": first,
        "end": end,
        "of_a_customer": wanted.subject_key is not None,
        **named(wanted.decision_ids, whose),
    }
    logged_at = auditor.disclose(Look.EXPORT, len(openable), details, whose)
    return Disclosed(sections, tuple(openable), len(where) - len(openable), logged_at)


def export_bundle(
    logbook: Logbook,
    settings: Settings,
    out: Path,
    wanted: Wanted,
    disclosed: Disclosed | None,
    show: Show,
) -> Exported:
    """Write a bundle of the log as a zip file.

    Raises:
        NotInLogError: there is nothing of that time, or no witness has signed yet.
        StoreUnavailableError: database, guard or keys cannot be used now.
        LogError: the store lacks something of its tree.
    """
    note = _witnessed(logbook) if wanted.witnessed else logbook.checkpoint()
    with reading(logbook.engine) as conn:
        pieces = _pieces(conn, logbook, settings, note, wanted, disclosed)
        first, end = pieces.first, pieces.end
        with placed(out) as file:
            for piece in _zipped(bundle_files(pieces), -(-(end - first) // TILE_WIDTH), show):
                file.write(piece)
    return Exported(out.stat().st_size, pieces.size, first, end)


def stream_bundle(
    logbook: Logbook, settings: Settings, wanted: Wanted, disclosed: Disclosed | None
) -> tuple[tuple[int, int], Iterator[bytes]]:
    """Return first entry and end of a bundle, and the zip file piece by piece, as it is made.

    One that breaks off is no zip file: the list of what is in it comes last.

    Raises:
        NotInLogError: there is nothing of that time, or no witness has signed yet.
        StoreUnavailableError: database, guard or keys cannot be used now.
    """
    note = _witnessed(logbook) if wanted.witnessed else logbook.checkpoint()
    with reading(logbook.engine) as conn:
        span = _span(conn, wanted, Checkpoint.parse(text_of(note)).size)

    def pieces() -> Iterator[bytes]:
        with reading(logbook.engine) as conn:
            made = _pieces(conn, logbook, settings, note, wanted, disclosed)
            yield from _zipped(bundle_files(made), 0, lambda *_: None)

    return span, pieces()


def _pieces(
    conn: Connection,
    logbook: Logbook,
    settings: Settings,
    note: str,
    wanted: Wanted,
    disclosed: Disclosed | None,
) -> BundlePieces:
    """Return all that goes into a bundle, read as it is asked for."""
    checkpoint = Checkpoint.parse(text_of(note))
    first, end = _span(conn, wanted, checkpoint.size)
    named = versions_between(conn, first, end)
    opened = None if disclosed is None else _Opened(conn, logbook.keyring, disclosed)
    return BundlePieces(
        origin=logbook.origin,
        checkpoint=note.encode(),
        vkeys=(*logbook.vkeys, *(each.vkey for each in settings.log_witnesses)),
        size=checkpoint.size,
        min_index=read_state(conn).min_index,
        first=first,
        end=end,
        read_tile=lambda level, number: read_tile(conn, level, number),
        read_entries=lambda number: entry_bundle(
            read_entries(conn, number * TILE_WIDTH, min((number + 1) * TILE_WIDTH, checkpoint.size))
        ),
        made_by=version("tactful"),
        verifier=Path(verifier.__file__).read_bytes(),
        disclosures={} if opened is None else opened,
        policies=_policies(conn, named[0]) if wanted.policies else {},
        models=_manifests(conn, named[1]) if wanted.models else {},
    )


def export_view(
    logbook: Logbook,
    out: Path,
    wanted: Wanted,
    disclosed: Disclosed | None,
    view: Callable[[Iterator[Viewed]], Iterator[bytes]],
    show: Show,
) -> Exported:
    """Write a view of the decisions that were opened, or, where none are, of what their entries say."""
    with reading(logbook.engine) as conn:
        first, end = _span(conn, wanted)
        if disclosed is None:
            where = tuple(places(conn, Which(first, end, wanted.decision_ids)))
        else:
            where = disclosed.where
        decisions = _viewed(conn, logbook.keyring, where, disclosed, show)
        with placed(out) as file:
            for piece in view(decisions):
                file.write(piece)
    return Exported(out.stat().st_size, 0, first, end)


@contextmanager
def placed(out: Path) -> Iterator[IO[bytes]]:
    """Yield a file that only its owner can read, and that takes its name once it is written to the end."""
    handle, draft = tempfile.mkstemp(prefix=f".{out.name}-", dir=out.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(out)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


class _Opened(Mapping[int, Sections]):
    """Sections of decisions by their place, opened a page at a time as they are gone through."""

    def __init__(self, conn: Connection, keyring: Keyring, disclosed: Disclosed) -> None:
        self._conn = conn
        self._keyring = keyring
        self._disclosed = disclosed
        self._page: dict[int, Sections] = {}

    def __getitem__(self, index: int) -> Sections:
        if index not in self._page:
            at = bisect_left(self._disclosed.where, index)
            where = self._disclosed.where[at : at + PAGE]
            self._page = dict(_read(self._conn, self._keyring, where, self._disclosed.sections))
        return self._page[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self._disclosed.where)

    def __len__(self) -> int:
        return len(self._disclosed.where)


def _witnessed(logbook: Logbook) -> str:
    note = logbook.witnessed()
    if note is None:
        raise NotInLogError("no witness has signed a checkpoint so far")
    return note


def _span(conn: Connection, wanted: Wanted, size: int | None = None) -> tuple[int, int]:
    """Return first place and end of the part of the log that is wanted, of so many entries if not of all.

    Raises:
        NotInLogError: there is nothing in it.
    """
    state = read_state(conn)
    size = state.size if size is None else size
    first, end = span_of_minutes(conn, wanted.minute_from, wanted.minute_to, state.min_index, size)
    if first >= end:
        raise NotInLogError("the log has no entries of that time")
    return first, end


def _openable(
    conn: Connection, keyring: Keyring, where: Collection[int]
) -> tuple[list[int], set[bytes | None]]:
    """Return which decisions have a body and a key that opens it, and whose they are."""
    openable: list[int] = []
    subjects: set[bytes | None] = set()
    for page in records_at(conn, where):
        names = {each.log_index: key_name(each.body.subject_key, each.body.minute) for each in page}
        keys = keyring.for_opening(set(names.values()))
        kept = [each for each in page if each.body.sealed is not None and names[each.log_index] in keys]
        openable.extend(each.log_index for each in kept)
        subjects.update(each.body.subject_key for each in kept)
    return openable, subjects


def _read(
    conn: Connection, keyring: Keyring, where: Collection[int], sections: Collection[str]
) -> Iterator[tuple[int, Sections]]:
    for page in records_at(conn, where):
        for each, body in _bodies(keyring, page):
            salts, contents = open_body(body)
            yield each.log_index, {name: (salts[name], contents[name]) for name in sections}


def _bodies(keyring: Keyring, page: list[Sealed]) -> Iterator[tuple[Sealed, bytes]]:
    """Yield each decision with its body.

    Raises:
        NotInLogError: one was erased meanwhile.
    """
    for each, body in zip(page, open_bodies(keyring, [each.body for each in page]), strict=True):
        if body is None:
            raise NotInLogError("somebody was erased while this was written: start again")
        yield each, body


def _viewed(
    conn: Connection,
    keyring: Keyring,
    where: tuple[int, ...],
    disclosed: Disclosed | None,
    show: Show,
) -> Iterator[Viewed]:
    n_done = 0
    for page in records_at(conn, where):
        if disclosed is None:
            for each in page:
                yield Viewed(each.log_index, orjson.loads(each.body.entry), {})
        else:
            for each, body in _bodies(keyring, page):
                contents = open_body(body)[1]
                opened = {name: orjson.loads(contents[name]) for name in disclosed.sections}
                yield Viewed(each.log_index, orjson.loads(each.body.entry), opened)
        n_done += len(page)
        show(n_done, len(where), "decisions")


def _policies(conn: Connection, versions: Collection[str]) -> dict[str, bytes]:
    """Return the documents of policies, as far as they are kept."""
    document = to_document(shipped_policy())
    found = {version_of(document): document}
    for each in versions:
        stored = get_policy(conn, each)
        if stored is not None:
            found[each] = stored.encode()
    return {each: found[each] for each in versions if each in found}


def _manifests(conn: Connection, versions: Collection[str]) -> dict[str, bytes]:
    """Return the manifests of models, as far as they are kept."""
    rows = {each: get_model(conn, each) for each in versions}
    found = {each: stored_manifest(row.location) for each, row in rows.items() if row is not None}
    return {each: manifest for each, manifest in found.items() if manifest is not None}


class _Outlet(io.RawIOBase):
    """A file that only grows, and is taken away as it does."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def writable(self) -> bool:
        """Return that it is."""
        return True

    def write(self, data: Any) -> int:
        """Keep bytes until they are taken."""
        self._waiting += data
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        taken, self._waiting = bytes(self._waiting), bytearray()
        return taken


def _zipped(files: Iterator[tuple[str, bytes]], n_bundles: int, show: Show) -> Iterator[bytes]:
    """Yield a zip of files, piece by piece; hashes do not compress and are stored as they are."""
    n_done, outlet = 0, _Outlet()
    with zipfile.ZipFile(outlet, "w") as target:
        for path, content in files:
            is_entries = path.startswith("tile/entries/")
            as_is = path.startswith("tile/") and not is_entries
            info = zipfile.ZipInfo(path)
            info.compress_type = zipfile.ZIP_STORED if as_is else zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            target.writestr(info, content)
            n_done += is_entries
            show(n_done, n_bundles, "bundles of entries")
            yield outlet.taken()
    yield outlet.taken()
