"""The model of a shop as it were if some customers had never been there."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Engine

from api.forgetting.models import Without
from api.imports.importer import Progress
from api.logging import warn
from api.models.registry import write_model
from api.models.stored import copies_of
from api.settings import Settings
from api.storage.connection import reading
from api.storage.training import once_learned_from, training_customers
from api.storage.versions import ModelRow
from api.training import (
    Found,
    ShopNow,
    classes_of,
    gate,
    goods_of,
    noted,
    read_customers,
    read_shop,
    read_up_to,
)
from engine.artefact import Artefact, Manifest, manifest_of
from engine.errors import ArtefactError, ModelFitError
from engine.training import Trained, forget, refit

_NOTE = "customers were taken out of model "


class _Learned(NamedTuple):
    trained: Trained
    path: Literal["incremental", "refit"]
    n_rows_rebuilt: int


def model_without(
    engine: Engine,
    settings: Settings,
    row: ModelRow,
    gone: Collection[int],
    now_ms: int,
    progress: Progress,
) -> Without | None:
    """Write the model of ``row`` without some customers; ``None`` if there is nothing to learn from.

    Args:
        engine: the database.
        settings: where models are kept; how long consent lasts.
        row: the model in force.
        gone: storage keys of the customers.
        now_ms: the clock, milliseconds since the epoch.
        progress: is told how far it has come.

    Raises:
        ArtefactError: the model cannot be written.
        StoreUnavailableError: the database cannot be used.
    """
    learned = _learned_without(engine, settings, row, gone, now_ms, progress)
    if learned is None:
        return None
    return Without(write_model(settings, learned.trained, now_ms), learned.path, learned.n_rows_rebuilt)


def _learned_without(
    engine: Engine,
    settings: Settings,
    row: ModelRow,
    gone: Collection[int],
    now_ms: int,
    progress: Progress,
) -> _Learned | None:
    """Return the model of ``row`` without some customers; ``None`` if there is nothing to learn from."""
    model, manifest = _load(settings, row)
    if manifest is None:
        return None
    progress(0, 3, "reading what may be learned from")
    with reading(engine) as conn:
        shop = read_shop(conn, settings)
        stay = training_customers(conn, shop.consent, now_ms)
        stay = {customer_no: each for customer_no, each in stay.items() if customer_no not in gone}
        everybody = stay | once_learned_from(conn, gone, manifest.as_of_ms)
        found = read_customers(conn, shop, everybody, manifest.read_to)
    progress(1, 3, "forgetting")
    is_gone = np.isin(found.customer_nos, np.array(sorted(gone), np.int64))
    try:
        without = None if model is None else _taken_out(model, shop, found, is_gone)
        if without is None:
            trained = read_up_to(_learned_anew(manifest, shop, found, is_gone, now_ms), found.read_to)
            without = _Learned(noted(trained, _NOTE, row.version), "refit", len(shop.catalogue.item_ids))
    except ModelFitError as error:
        warn("model:forget:nothing_left", error)
        return None
    return without


def _taken_out(model: Artefact, shop: ShopNow, found: Found, is_gone: NDArray[np.bool_]) -> _Learned | None:
    """Return the model without the customers who go, if what it was made from is what is found now."""
    if model.item_ids != shop.catalogue.item_ids:
        return None
    as_of_ms, read_to = model.manifest.as_of_ms, model.manifest.read_to
    allowed = gate(shop, found, as_of_ms)
    classes, goods = classes_of(shop.catalogue, allowed), goods_of(shop.catalogue)
    was_there = ~found.is_new[allowed.kept] if read_to else allowed.interactions.at_ms <= as_of_ms
    known = allowed.interactions.where(was_there)
    goes = is_gone[known.customer_idx]
    nobody = np.zeros_like(goes)
    for out in (goes, nobody):  # nobody, where an earlier pass took them out
        split = known.where(~goes), known.where(out)
        forgotten = forget(model, model.manifest, *split, shop.catalogue.tier, classes=classes, goods=goods)
        if forgotten is not None:
            trained = noted(forgotten.trained, _NOTE, model.version) if out.any() else forgotten.trained
            return _Learned(read_up_to(trained, read_to), "incremental", forgotten.n_rows_rebuilt)
    return None


def _learned_anew(
    manifest: Manifest, shop: ShopNow, found: Found, is_gone: NDArray[np.bool_], now_ms: int
) -> Trained:
    """Learn from what may be learned from now, as the model was learned; see ``refit`` for errors."""
    admitted = gate(shop, found, now_ms)
    classes, goods = classes_of(shop.catalogue, admitted), goods_of(shop.catalogue)
    allowed = admitted.interactions.where(~is_gone[admitted.interactions.customer_idx])
    return refit(
        manifest,
        allowed,
        shop.catalogue.item_ids,
        shop.catalogue.tier,
        now_ms=now_ms,
        classes=classes,
        goods=goods,
    )


def _load(settings: Settings, row: ModelRow) -> tuple[Artefact | None, Manifest | None]:
    """Return a model and how it was made, as far as either is there."""
    try:
        model = copies_of(settings).load(row.location)
    except ArtefactError as error:
        warn("model:load:failed", error)
    else:
        return model, model.manifest
    try:
        return None, manifest_of(orjson.loads(row.manifest))
    except ArtefactError:
        return None, None
