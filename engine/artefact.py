"""The model on disk: a folder of memory-mapped arrays, named by the hash of what is in it.

Workers map the same pages, so a host holds one copy however many processes serve from it. A
folder is written under a temporary name and renamed when complete, and never changed after. Where a
store cannot rename, the manifest is written last: a folder without one is not a model.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.drafts import DRAFT, draft_in
from engine.errors import ArtefactError
from engine.stores import is_local, keeps_versions, name_of, opened, reporting

FORMAT = 4
WEIGHT_SCALE = 1 << 30
"""Fixed-point one of W and of ``repeat``; W's strongest edge weighs ⅓ to ⅔ of it."""

MANIFEST_FILE = "manifest.json"
ITEM_IDS_FILE = "item_ids.json"
CLASSES_FILE = "classes.json"
FACTS_FILE = "facts.json"
"""What scores and rules read of a manifest; a model that differs in it is another model."""

FACTS = ("latent", "usefulness_floor", "repeat_shift")
_HASHED_AT_ONCE = 1 << 20
_LEFT_BY_A_WRITER = re.compile(rf"{re.escape(DRAFT)}.*|[0-9a-f]{{64}}")
_READABLE = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True)
class Manifest:
    """What is known about how a model came to be. It describes; but for ``FACTS`` it changes nothing.

    ``FACTS`` names what scores and rules go by; these are part of what a model's version stands for.

    Attributes:
        learner: name of the learner that was chosen.
        params: its parameters.
        latent: whether its edges come from latent factors rather than from counted pairs.
        data_from_ms: time of the oldest interaction learned from; 0 where there are no times.
        data_to_ms: time of the youngest.
        as_of_ms: what ages were counted to; 0 where it is not known.
        read_to: number, in the shop's store, of the last interaction that there was when it was learned; 0
            where it is not known.
        training_digest: 32 hex digits that stand for everything the arrays were made from, equal
            whenever that is; empty where it is not known.
        scale_exponent: ``WEIGHT_SCALE`` in W stands for 2 to the power of it.
        n_customers: customers learned from.
        n_interactions: interactions learned from, before any customer's share was clipped.
        n_edges: stored entries of W.
        usefulness_floor: score from which on its proposals beat what sells well, in the units of scores; 0
            where that was not measured.
        repeat_shift: what is bought again counts 2 to the power of it beside what is new; see
            ``engine.training.mixing``.
        min_support: distinct customers that every edge has at least, but for those that texts filled in.
        min_support_sensitive: the same for edges that touch an item of tier 1 or above.
        max_items_per_customer: most distinct items that one customer contributed.
        n_lifts: items and classes of which one tells of the other.
        min_support_lift: distinct customers that every one of them has at least.
        trend: how columns of W were scaled by what sells more, or less, than it used to; empty where
            they were not.
        repeats: what ``repeat_shift`` was chosen by; empty where it was not measured.
        validation: how what learners were compared on was cut off.
        metrics: one row a learner: name, validation figures, seconds; or why it was skipped.
        floor_curve: one row a privacy floor that was tried, ascending: what it costs.
        segments: validation figures by activity of customers, age of items, and of new customers.
        notes: what else a reader of the model card should know, one sentence each.
        libraries: versions of the libraries that computed it.
    """

    learner: str
    params: dict[str, Any] = field(default_factory=dict)
    latent: bool = False
    data_from_ms: int = 0
    data_to_ms: int = 0
    as_of_ms: int = 0
    read_to: int = 0
    training_digest: str = ""
    scale_exponent: int = 0
    n_customers: int = 0
    n_interactions: int = 0
    n_edges: int = 0
    usefulness_floor: int = 0
    repeat_shift: int = 0
    min_support: int = 0
    min_support_sensitive: int = 0
    max_items_per_customer: int = 0
    n_lifts: int = 0
    min_support_lift: int = 0
    trend: dict[str, Any] = field(default_factory=dict)
    repeats: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    floor_curve: list[dict[str, Any]] = field(default_factory=list)
    segments: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    libraries: dict[str, str] = field(default_factory=dict)


def _none() -> NDArray[np.int32]:
    return np.empty(0, np.int32)


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelArrays:
    """A trained model as integers. Item rows are in ascending order of item id.

    Attributes:
        item_ids: ``n_items`` shop keys, strictly ascending.
        indptr: shape (n_items + 1,), int64: row i of W is ``indptr[i]:indptr[i+1]``.
        indices: shape (n_edges,), int32, columns of W, strictly ascending within a row.
        weights: shape (n_edges,), int32, entries of W in units of 1 / ``WEIGHT_SCALE``.
        support: shape (n_edges,), int32, distinct customers behind each edge; 0 behind one by texts.
        row_source: shape (n_items,), int32, a ``RowSource``: what each row of W rests on.
        popularity: shape (n_items,), int64, decayed purchase counts in units of
            1 / ``engine.interactions.WEIGHT_ONE``; 0 for items with too few customers to name.
        repeat: shape (n_items,), int32, how much an item makes its buyers come back for it, see
            ``engine.training.repeats``, in units of 1 / ``WEIGHT_SCALE``; 0 where too few did.
        repeat_support: shape (n_items,), int32, distinct customers who did.
        repeat_interval_days: shape (n_items,), int32, median days between such purchases; 0
            where unknown.
        classes: names that ``lift_class`` points into.
        lift_item: shape (n_lifts,), int32, items that tell of a class, ascending; see
            ``engine.training.lift``.
        lift_class: shape (n_lifts,), int32, the class, ascending for each item.
        lift_percent: shape (n_lifts,), int32: so much likelier the item makes the class, or its
            absence, in hundredths; above 100.
    """

    item_ids: tuple[str, ...]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weights: NDArray[np.int32]
    support: NDArray[np.int32]
    row_source: NDArray[np.int32]
    popularity: NDArray[np.int64]
    repeat: NDArray[np.int32]
    repeat_support: NDArray[np.int32]
    repeat_interval_days: NDArray[np.int32]
    classes: tuple[str, ...] = ()
    lift_item: NDArray[np.int32] = field(default_factory=_none)
    lift_class: NDArray[np.int32] = field(default_factory=_none)
    lift_percent: NDArray[np.int32] = field(default_factory=_none)

    @property
    def n_items(self) -> int:
        """Number of rows and of columns of W."""
        return len(self.item_ids)


@dataclass(frozen=True, eq=False, kw_only=True)
class Artefact(ModelArrays):
    """A loaded model: its arrays, mapped read-only, with its name and its manifest.

    Attributes:
        version: SHA-256 (64 hex digits) over the arrays, item ids and facts.
        manifest: how it came to be.
    """

    version: str
    manifest: Manifest


_DTYPES: dict[str, type[np.signedinteger[Any]]] = {
    "indptr": np.int64,
    "indices": np.int32,
    "weights": np.int32,
    "support": np.int32,
    "row_source": np.int32,
    "popularity": np.int64,
    "repeat": np.int32,
    "repeat_support": np.int32,
    "repeat_interval_days": np.int32,
    "lift_item": np.int32,
    "lift_class": np.int32,
    "lift_percent": np.int32,
}


def write_artefact(root: str | Path, arrays: ModelArrays, manifest: Manifest) -> str:
    """Store a model in a folder of this machine; return its version, which is also its folder's name.

    The same arrays in the same order have the same version, whenever and wherever they are
    written. The arrays of a model that is already there are left as they are, unless damaged, and
    its manifest is replaced: what was said about it last counts.

    Args:
        root: folder of models.
        arrays: the model.
        manifest: how it came to be.

    Raises:
        ArtefactError: the arrays contradict each other, or ``root`` cannot be written.
    """
    _check(arrays, "the model to write")
    with reporting(ArtefactError, "write a model to", root):
        return _write_local(Path(root), arrays, manifest)


def publish_artefact(root: str | Path, arrays: ModelArrays, manifest: Manifest, drafts: Path) -> str:
    """Store a model as ``write_artefact`` does, wherever models are kept.

    Args:
        root: folder of models; a path, or any address that ``fsspec`` understands.
        arrays: the model.
        manifest: how it came to be.
        drafts: folder of this machine to prepare it in for a store; see ``engine.drafts``.

    Raises:
        ArtefactError: the arrays contradict each other, ``root`` or ``drafts`` cannot be written, or the
            store would keep what is removed from it.
    """
    with reporting(ArtefactError, "write a model to", root):
        filesystem, folder = opened(root)
        if is_local(filesystem):
            return write_artefact(folder, arrays, manifest)
        _refuse_versions(filesystem, root, folder)
        with draft_in(drafts) as draft:
            version = write_artefact(draft, arrays, manifest)
            _upload(filesystem, draft / version, f"{folder}/{version}")
            return version


def load_artefact(path: str | Path, *, verify: bool = True, like: Artefact | None = None) -> Artefact:
    """Map a stored model into memory. Of one that is stored elsewhere a copy is: see ``engine.copies``.

    Args:
        path: the model's folder.
        verify: read every file once and compare its hash. Without it, lengths and types are
            still checked.
        like: a model in memory. Where the new one knows the same items, both share the list of them.

    Raises:
        ArtefactError: a file is missing, truncated, altered or of another format. The
            message names the file.
    """
    folder = Path(path)
    with reporting(ArtefactError, "read", folder):
        return _load_local(folder, verify=verify, known_ids=like.item_ids if like else ())


def fetch_artefact(path: str | Path, folder: Path) -> None:
    """Copy a model that is stored elsewhere into a new folder on this machine, every byte checked.

    Args:
        path: the model's folder, as any address that ``fsspec`` understands.
        folder: where the copy goes; it is not there before.

    Raises:
        ArtefactError: a file is missing or altered, or it is another model than its address says.
    """
    folder.mkdir(parents=True)
    with reporting(ArtefactError, "read", path):
        filesystem, there = opened(path)
        for name in (*_content_files(), MANIFEST_FILE):
            filesystem.get_file(f"{there}/{name}", str(folder / name))
    if load_artefact(folder).version != name_of(path):
        raise ArtefactError(f"`{path}` holds another model than its name says")
    for file in folder.iterdir():
        _sync(file)


def size_of(path: str | Path) -> int:
    """Return how many bytes a stored model takes.

    Raises:
        ArtefactError: it is not there.
    """
    with reporting(ArtefactError, "read", path):
        filesystem, there = opened(path)
        return int(sum(filesystem.size(f"{there}/{name}") for name in (*_content_files(), MANIFEST_FILE)))


def stored_manifest(path: str | Path) -> bytes | None:
    """Return the manifest of a stored model as it was written; ``None`` where it cannot be read."""
    try:
        with reporting(ArtefactError, "read", path):
            filesystem, there = opened(path)
            return bytes(filesystem.cat_file(f"{there}/{MANIFEST_FILE}"))
    except ArtefactError:
        return None


def erase_artefact(path: str | Path) -> None:
    """Remove a stored model; one that is not there is no error.

    Processes that have it mapped go on until they let go of it; nobody can load it any more.

    Args:
        path: the model's folder; a path, or any address that ``fsspec`` understands.

    Raises:
        ArtefactError: a part of it cannot be removed, or its store would keep it nevertheless; then it
            is left where everybody sees it.
    """
    with reporting(ArtefactError, "remove", path):
        filesystem, folder = opened(path)
        _refuse_versions(filesystem, path, folder)
        if filesystem.exists(folder):
            filesystem.rm(folder, recursive=True)


def erase_unnamed(root: str | Path, named: Collection[str]) -> None:
    """Remove what a writer that did not come to its end has left in a folder of models.

    Nobody may be writing there meanwhile.

    Args:
        root: folder of models, a path, or any address that ``fsspec`` understands; it need not exist.
        named: versions to leave alone.

    Raises:
        ArtefactError: something cannot be removed.
    """
    with reporting(ArtefactError, "read", root):
        filesystem, folder = opened(root)
        there = filesystem.ls(folder, detail=True) if filesystem.exists(folder) else []
    for entry in sorted(name_of(each["name"]) for each in there if each["type"] == "directory"):
        if entry not in named and _LEFT_BY_A_WRITER.fullmatch(entry):
            erase_artefact(f"{root}/{entry}")


def _refuse_versions(filesystem: Any, place: str | Path, folder: str) -> None:
    """Refuse a bucket that keeps former versions: what is removed to forget somebody would stay.

    Raises:
        ArtefactError: it does, or did once.
    """
    if keeps_versions(filesystem, folder):
        raise ArtefactError(
            f"the bucket of `{place}` keeps versions of what is removed, or did once, so nothing is "
            "forgotten there: models need one that never had versioning"
        )


def _write_local(root: Path, arrays: ModelArrays, manifest: Manifest) -> str:
    root.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=root))
    try:
        (draft / ITEM_IDS_FILE).write_bytes(orjson.dumps(arrays.item_ids))
        (draft / CLASSES_FILE).write_bytes(orjson.dumps(arrays.classes))
        (draft / FACTS_FILE).write_bytes(_facts(manifest))
        for name, dtype in _DTYPES.items():
            np.save(draft / f"{name}.npy", np.ascontiguousarray(getattr(arrays, name), dtype=dtype))
        hashes = {name: _sha256(draft / name) for name in _content_files()}
        version = _version(hashes)
        document = {"format": FORMAT, "version": version, "sha256": hashes, "model": asdict(manifest)}
        (draft / MANIFEST_FILE).write_bytes(orjson.dumps(document, option=_READABLE))
        for file in draft.iterdir():
            _sync(file)
        _sync(draft)
        _move_into_place(draft, root / version)
        _sync(root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return version


def _move_into_place(draft: Path, final: Path) -> None:
    if final.exists():
        try:
            load_artefact(final)
        except ArtefactError:
            shutil.rmtree(final)
        else:
            (draft / MANIFEST_FILE).replace(final / MANIFEST_FILE)
            _sync(final)
            return
    draft.chmod(0o755)
    draft.rename(final)


def _upload(filesystem: Any, local: Path, folder: str) -> None:
    """Copy what is not there yet, file by file, the manifest last: a folder without one is not a model."""
    filesystem.makedirs(folder, exist_ok=True)
    for name in (*_content_files(), MANIFEST_FILE):
        file, there = local / name, f"{folder}/{name}"
        is_there = filesystem.exists(there) and filesystem.size(there) == file.stat().st_size
        if name == MANIFEST_FILE or not is_there:
            filesystem.put_file(str(file), there)


def _load_local(folder: Path, *, verify: bool, known_ids: tuple[str, ...]) -> Artefact:
    document = _read_manifest(folder / MANIFEST_FILE)
    hashes = document["sha256"]
    if verify:
        for name in _content_files():
            if hashes.get(name) != _sha256(folder / name):
                raise ArtefactError(f"`{folder / name}` is not the file that was written: its hash differs")
    if document["version"] != _version(hashes):
        raise ArtefactError(f"`{folder / MANIFEST_FILE}` names a version that its hashes do not give")
    if (folder / FACTS_FILE).read_bytes() != _facts(document["model"]):
        raise ArtefactError(f"`{folder / MANIFEST_FILE}` says of the model what is not true of it")
    artefact = Artefact(
        item_ids=_read_names(folder / ITEM_IDS_FILE, known_ids),
        classes=_read_names(folder / CLASSES_FILE),
        **{name: _map(folder / f"{name}.npy", dtype) for name, dtype in _DTYPES.items()},
        version=document["version"],
        manifest=document["model"],
    )
    _check(artefact, f"`{folder}`")
    return artefact


def _read_manifest(file: Path) -> dict[str, Any]:
    try:
        document = orjson.loads(file.read_bytes())
        if document["format"] != FORMAT:
            raise ArtefactError(
                f"`{file}` is of format {document['format']}, this version reads {FORMAT}: train a new model"
            )
        model = manifest_of(document["model"])
        return {"version": str(document["version"]), "sha256": dict(document["sha256"]), "model": model}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtefactError(f"`{file}` is not a model's manifest") from error


def manifest_of(document: Mapping[str, Any]) -> Manifest:
    """Return a manifest from its JSON; fields of other versions are left out.

    Raises:
        ArtefactError: the learner is missing.
    """
    if "learner" not in document:
        raise ArtefactError("a manifest does not name its learner")
    known = {entry.name for entry in fields(Manifest)}
    return Manifest(**{key: value for key, value in document.items() if key in known})


def _facts(manifest: Manifest) -> bytes:
    return orjson.dumps({name: getattr(manifest, name) for name in FACTS})


def _read_names(file: Path, known: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names in a file: those given, where it holds the very same."""
    content = file.read_bytes()
    if known and content == orjson.dumps(known):
        return known
    try:
        return tuple(orjson.loads(content))
    except (ValueError, TypeError) as error:
        raise ArtefactError(f"`{file}` is not a list of names") from error


def _map(file: Path, dtype: type[np.signedinteger[Any]]) -> NDArray[Any]:
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ArtefactError(f"`{file}` is truncated or not an array") from error
    if array.dtype != dtype or array.ndim != 1:
        raise ArtefactError(f"`{file}` holds {array.ndim}-dimensional {array.dtype}, not {np.dtype(dtype)}")
    return np.asarray(array)


def _check(arrays: ModelArrays, place: str) -> None:
    """Refuse arrays that contradict each other.

    Raises:
        ArtefactError: they do.
    """
    n_items, n_edges = arrays.n_items, arrays.indices.size
    for name in ("row_source", "popularity", "repeat", "repeat_support", "repeat_interval_days"):
        if getattr(arrays, name).shape != (n_items,):
            raise ArtefactError(f"{place}: `{name}` does not have one entry an item")
    for name in ("weights", "support"):
        if getattr(arrays, name).shape != (n_edges,):
            raise ArtefactError(f"{place}: `{name}` does not have one entry an edge")
    indptr = arrays.indptr
    if (
        indptr.shape != (n_items + 1,)
        or indptr[0] != 0
        or indptr[-1] != n_edges
        or np.any(np.diff(indptr) < 0)
    ):
        raise ArtefactError(f"{place}: `indptr` does not divide the edges into rows")
    if n_edges and not _within(arrays.indices, n_items):
        raise ArtefactError(f"{place}: `indices` leaves the matrix")
    n_lifts = arrays.lift_item.size
    if arrays.lift_class.shape != (n_lifts,) or arrays.lift_percent.shape != (n_lifts,):
        raise ArtefactError(f"{place}: `lift_class` and `lift_percent` do not have one entry a lift")
    if n_lifts and not (
        _within(arrays.lift_item, n_items) and _within(arrays.lift_class, len(arrays.classes))
    ):
        raise ArtefactError(f"{place}: `lift_item` or `lift_class` points at nothing")
    ids = arrays.item_ids
    if any(a >= b for a, b in itertools.pairwise(ids)):
        raise ArtefactError(f"{place}: `item_ids` is not in strictly ascending order")


def _within(codes: NDArray[np.int32], n: int) -> bool:
    return bool(codes.min() >= 0 and codes.max() < n)


def _content_files() -> tuple[str, ...]:
    return (ITEM_IDS_FILE, CLASSES_FILE, FACTS_FILE, *(f"{name}.npy" for name in _DTYPES))


def _version(hashes: dict[str, str]) -> str:
    content = [["format", FORMAT], *([name, hashes.get(name)] for name in _content_files())]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_HASHED_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    """Ask the disk to hold what was written before anything relies on it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
