"""The registry of models: what was learned is stored, put in force, gone back to, watched and retired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, Engine

from api.errors import ModelRefusedError, UnknownModelError
from api.models.stored import copies_of
from api.settings import Settings
from api.storage.connection import reading, writing
from api.storage.versions import (
    MODEL,
    SHADOW_MODEL,
    SYSTEM,
    Came,
    ModelRow,
    activate_model,
    active,
    challenger_model,
    get_model,
    list_models,
    lock_models,
    put_model,
    shadow_model,
    watch_model,
)
from engine.artefact import Manifest, manifest_of, publish_artefact
from engine.errors import ArtefactError

if TYPE_CHECKING:
    from engine.training import Trained  # learners are slow to import and not needed to serve

MICRO = 1_000_000


class Activation(StrEnum):
    """When a model that was just learned takes the place of the one in force."""

    IF_NO_WORSE = "if_no_worse"
    ALWAYS = "always"
    """It was made from the one in force: it is the same one, having learned more."""
    NEVER = "never"


class ModelState(StrEnum):
    """How a model stands."""

    ACTIVE = "active"
    CHALLENGER = "challenger"
    """It is in force for a share of customers."""
    SHADOW = "shadow"
    KEPT = "kept"
    """It could be put in force."""
    ERASED = "erased"
    """Its arrays were removed to forget somebody; it cannot come back."""
    RETIRED = "retired"
    """Its arrays were removed because nothing needed them."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of a model that was just learned.

    Attributes:
        version: content hash of its arrays.
        activated: it is in force now.
        because: why it is, or is not.
    """

    version: str
    activated: bool
    because: str


@dataclass(frozen=True, slots=True)
class Registration:
    """A model and how it stands.

    Attributes:
        model: as it is stored.
        state: how it stands.
    """

    model: ModelRow
    state: ModelState

    @property
    def manifest(self) -> Manifest:
        """How it came to be.

        Raises:
            ArtefactError: that cannot be read.
        """
        return manifest_of(orjson.loads(self.model.manifest))


def register_model(
    engine: Engine,
    settings: Settings,
    trained: Trained,
    now_ms: int,
    activation: Activation = Activation.IF_NO_WORSE,
    actor: str = SYSTEM,
) -> Registered:
    """Write a model that was just learned, register it, and put it in force where that is wanted.

    Whoever calls is ``alone`` from before reading what was learned from: so nobody was forgotten since.

    Args:
        engine: the database.
        settings: where models are kept.
        trained: the model.
        now_ms: the clock, milliseconds since the epoch.
        activation: when it takes the place of the one in force.
        actor: id of the key that asked for it.

    Raises:
        ArtefactError: it cannot be written.
        StoreUnavailableError: the database cannot be used.
    """
    row = write_model(settings, trained, now_ms)
    with writing(engine) as conn:
        lock_models(conn)
        put_model(conn, row)
        activated, because = _wanted(conn, row.version, trained.manifest, activation)
        if activated and active(conn).get(MODEL) != row.version:
            came = Came.OF if activation is Activation.ALWAYS else Came.AFTER
            activate_model(conn, row.version, now_ms, actor, came=came)
    return Registered(row.version, activated, because)


def write_model(settings: Settings, trained: Trained, now_ms: int) -> ModelRow:
    """Write a model where models are kept; return the row that says where.

    Raises:
        ArtefactError: it cannot be written.
    """
    version = publish_artefact(
        settings.models_root, trained.arrays, trained.manifest, settings.model_copies_dir
    )
    document = orjson.dumps(asdict(trained.manifest), option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return ModelRow(version, f"{settings.models_root}/{version}", document, now_ms)


def _wanted(conn: Connection, version: str, manifest: Manifest, activation: Activation) -> tuple[bool, str]:
    before = active(conn).get(MODEL)
    if before == version:
        return True, "it is the model in force already: nothing has changed"
    if activation is Activation.NEVER:
        return False, "activation was not wanted"
    if activation is Activation.ALWAYS:
        return True, "it takes the place of the model that it was made from"
    stored = None if before is None else get_model(conn, before)
    return no_worse(manifest, None if stored is None else orjson.loads(stored.manifest))


def no_worse(new: Manifest, in_force: dict[str, Any] | None) -> tuple[bool, str]:
    """Tell whether a model is no worse than the one in force, and why.

    The one in force has seen the customers that the new one was validated on, so its own ranking of
    them would flatter it. Compared is what its learner achieved in the same contest, on the same
    past. Where that cannot be said the new model wins: it knows who has withdrawn since.

    Args:
        new: manifest of the new model.
        in_force: manifest of the one in force; ``None`` where there is none.
    """
    if in_force is None:
        return True, "there was no model in force"
    ndcg = {row["learner"]: row["ndcg"] for row in new.metrics if "ndcg" in row}
    name, other = new.learner, str(in_force.get("learner"))
    if name not in ndcg or other not in ndcg:
        return True, f"`{other}` was not measured beside it, and consents may have changed since"
    figures = f"NDCG {ndcg[name]:.4f} against {ndcg[other]:.4f} on the same customers"
    if ndcg[name] < ndcg[other]:
        return False, f"`{name}` ranks worse than `{other}`, which is in force: {figures}"
    return True, f"`{name}` ranks no worse than `{other}`, which was in force: {figures}"


def registrations(engine: Engine) -> list[Registration]:
    """Return every model, newest first."""
    with reading(engine) as conn:
        standing = _standing(conn)
        return [Registration(row, _state(row, standing)) for row in list_models(conn)]


def registration(engine: Engine, version: str) -> Registration:
    """Return one model.

    Raises:
        UnknownModelError: there is none of that version.
    """
    with reading(engine) as conn:
        row = get_model(conn, version)
        if row is None:
            raise UnknownModelError("this model is not in the store")
        return Registration(row, _state(row, _standing(conn)))


def _standing(conn: Connection) -> dict[str | None, ModelState]:
    """Return how models stand that are asked for suggestions, by version."""
    return {
        shadow_model(conn): ModelState.SHADOW,
        challenger_model(conn): ModelState.CHALLENGER,
        active(conn).get(MODEL): ModelState.ACTIVE,
    }


def _state(row: ModelRow, standing: Mapping[str | None, ModelState]) -> ModelState:
    if row.erased_at_ms is not None:
        return ModelState.ERASED
    if row.retired_at_ms is not None:
        return ModelState.RETIRED
    return standing.get(row.version, ModelState.KEPT)


def put_in_force(
    engine: Engine,
    settings: Settings,
    version: str,
    now_ms: int,
    actor: str = SYSTEM,
    *,
    came: Came = Came.AFTER,
) -> None:
    """Make a model the one in force, after every byte of it was checked.

    Raises:
        UnknownModelError: there is none of that version.
        ArtefactError: its arrays were removed, or are broken.
        StoreUnavailableError: the database cannot be used.
    """
    with reading(engine) as conn:
        location = servable(conn, version).location
    copies_of(settings).load(location)
    with writing(engine) as conn:
        lock_models(conn)
        servable(conn, version)  # it may have been removed meanwhile
        activate_model(conn, version, now_ms, actor, came=came)


def roll_back(engine: Engine, settings: Settings, now_ms: int, actor: str = SYSTEM) -> str:
    """Put the model in force again that the present one took the place of; return its version.

    Raises:
        ModelRefusedError: there is no model to go back to.
        ArtefactError: its arrays were removed, or are broken.
        StoreUnavailableError: the database cannot be used.
    """
    with reading(engine) as conn:
        version = active(conn).get(MODEL)
        present = None if version is None else get_model(conn, version)
    if present is None:
        raise ModelRefusedError("no model is in force")
    if present.preceded_by is None:
        raise ModelRefusedError("there was no model in force before this one")
    put_in_force(engine, settings, present.preceded_by, now_ms, actor, came=Came.BACK)
    return present.preceded_by


def put_in_shadow(
    engine: Engine,
    settings: Settings,
    version: str,
    now_ms: int,
    actor: str = SYSTEM,
    *,
    share_micro: int = MICRO,
) -> None:
    """Have a model asked beside the one in force; nothing of what it says is shown.

    Args:
        engine: the database.
        settings: where models are kept.
        version: of the model.
        now_ms: the clock, milliseconds since the epoch.
        actor: id of the key that asked for it.
        share_micro: of how many decisions it is asked, in millionths.

    Raises:
        UnknownModelError: there is none of that version.
        ModelRefusedError: it is the one in force.
        ArtefactError: its arrays were removed, or are broken.
        StoreUnavailableError: the database cannot be used.
    """
    with reading(engine) as conn:
        location = servable(conn, version).location
    copies_of(settings).load(location)
    with writing(engine) as conn:
        lock_models(conn)
        servable(conn, version)
        if active(conn).get(MODEL) == version:
            raise ModelRefusedError("this model is in force: there is nothing to hold it against")
        watch_model(conn, version, share_micro, now_ms, actor)


def end_shadow(engine: Engine, version: str, now_ms: int, actor: str = SYSTEM) -> None:
    """Ask a model in shadow no longer; one that is not in shadow is no error.

    Raises:
        UnknownModelError: there is no model of that version.
        StoreUnavailableError: the database cannot be used.
    """
    with writing(engine) as conn:
        lock_models(conn)
        if get_model(conn, version) is None:
            raise UnknownModelError("this model is not in the store")
        if shadow_model(conn) == version:
            watch_model(conn, None, 0, now_ms, actor)


def share_of(conn: Connection) -> int:
    """Return of how many decisions the model in shadow is asked, in millionths; 0 without one."""
    return int(active(conn).get(SHADOW_MODEL, "/0").partition("/")[2])


def servable(conn: Connection, version: str) -> ModelRow:
    """Return a model that can be served.

    Raises:
        UnknownModelError: there is none.
        ArtefactError: its arrays were removed.
    """
    model = get_model(conn, version)
    if model is None:
        raise UnknownModelError("this model is not in the store")
    if model.erased_at_ms is not None:
        raise ArtefactError("the model was removed to forget customers whom it was learned from")
    if model.retired_at_ms is not None:
        raise ArtefactError("the model was removed because nothing needed it any more")
    return model
