"""Which model, policy and catalogue are in force, and what there is to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, Text, cast, delete, func, select, text, true, update

from api.policies.model import load_document
from api.policies.shipped import shipped_policy
from api.storage.log import append_entries, entry
from api.storage.prepared import Prepared, Wanted
from api.storage.release import SERVES
from api.storage.statements import insert_into, insert_new, insert_or_replace
from api.storage.tables import active_versions, models, policies
from guardrails.errors import PolicyError
from guardrails.policy.document import to_document, version_of
from guardrails.policy.floor import held_to_floor
from guardrails.policy.language import Policy
from guardrails.policy.lints import require_clean

MODEL, POLICY, CATALOGUE, NOTICES = "model", "policy", "catalogue", "notices"
SHADOW, CHALLENGER = "shadow", "challenger"
"""What has a version in force. That of a challenger is ``<version>/<share in millionths>``."""

SHADOW_MODEL = "shadow_model"
"""The model that is watched beside the one in force: ``<version>/<share of decisions in millionths>``."""

CHALLENGER_MODEL = "challenger_model"
"""The model that is in force for a share of customers: ``<version>/<share in millionths>``."""

SYSTEM = "system"
"""Who does what nobody asked for with a key."""

_ACTIVE = Prepared(
    select(active_versions.c.name, active_versions.c.version).where(active_versions.c.name != SERVES)
)


class Came(StrEnum):
    """How a model that comes into force stands to the one before it."""

    AFTER = "after"
    """It is another one, which it can be gone back from."""
    OF = "of"
    """It is the same one, having learned more: it is gone back from both at once."""
    BACK = "back"
    """It is gone back to: what it took the place of once stays what it did."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A trained model.

    Attributes:
        version: content hash of the artefact.
        location: folder or URL of the artefact.
        manifest: its manifest, as JSON.
        created_at_ms: when it was stored, milliseconds since the epoch.
        erased_at_ms: when its arrays were removed to forget somebody; ``None`` while they are there.
        preceded_by: version of the model that it took the place of; ``None`` where there was none.
        in_force_until_ms: when another took its place; ``None`` before that.
        retired_at_ms: when its arrays were removed because nothing needed them; ``None`` while they are
            there.
    """

    version: str
    location: str
    manifest: str
    created_at_ms: int
    erased_at_ms: int | None = None
    preceded_by: str | None = None
    in_force_until_ms: int | None = None
    retired_at_ms: int | None = None

    @property
    def is_there(self) -> bool:
        """Whether its arrays were not removed."""
        return self.erased_at_ms is None and self.retired_at_ms is None


_MODELS = select(*(models.c[name] for name in ModelRow.__dataclass_fields__))


def active(conn: Connection) -> dict[str, str]:
    """Return the version in force of model, policy, catalogue and notices, as far as there is one.

    That of catalogue and notices is a number that rises with every change, not a content hash.
    """
    return versions_in_force().read(conn)


def versions_in_force() -> Wanted[dict[str, str]]:
    """Return what to ask for what ``active`` returns."""
    return Wanted([_ACTIVE.asking()], lambda rows: dict(rows[0]))


def changed_at_ms(conn: Connection) -> int | None:
    """Return when model or policy last changed, milliseconds since the epoch; ``None`` if never."""
    last = select(func.max(active_versions.c.changed_at_ms)).where(
        active_versions.c.name.in_((MODEL, POLICY))
    )
    changed: int | None = conn.execute(last).scalar()
    return changed


def since_ms(conn: Connection) -> dict[str, int]:
    """Return when what is in force was put there, milliseconds since the epoch, by name."""
    found = select(active_versions.c.name, active_versions.c.changed_at_ms).where(
        active_versions.c.name != SERVES
    )
    return {row.name: row.changed_at_ms for row in conn.execute(found)}


def activate(conn: Connection, name: str, version: str, now_ms: int) -> None:
    """Put a version of model or policy in force."""
    row = {"name": name, "version": version, "changed_at_ms": now_ms}
    conn.execute(insert_or_replace(conn, active_versions, "name"), row)


def lock_models(conn: Connection) -> None:
    """Keep others from changing which models there are and how they stand, until the transaction ends.

    Take it before any other lock. On SQLite a writer is alone anyway.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})


_LOCK = 0x6D6F64656C73  # "models"; any number that every process agrees on


def activate_model(
    conn: Connection,
    version: str | None,
    now_ms: int,
    actor: str = SYSTEM,
    *,
    came: Came = Came.AFTER,
) -> None:
    """Put a model in force, or none, and say so in the log.

    One that was in shadow is so no longer: it is what others are held against now.

    Args:
        conn: a writing connection.
        version: of the model; ``None`` for no model.
        now_ms: the clock, milliseconds since the epoch.
        actor: id of the key that asked for it.
        came: how it stands to the one before it.
    """
    lock_models(conn)
    before = active(conn).get(MODEL)
    if version is None:
        deactivate(conn, MODEL)
    else:
        activate(conn, MODEL, version, now_ms)
    if before != version:
        _note_change(conn, before, version, now_ms, came)
    if version is not None and shadow_model(conn) == version:
        deactivate(conn, SHADOW_MODEL)
    if version is not None and challenger_model(conn) == version:
        deactivate(conn, CHALLENGER_MODEL)
    append_entries(conn, [entry("model_active", now_ms, model=version, actor=actor)])


def _note_change(conn: Connection, before: str | None, after: str | None, now_ms: int, came: Came) -> None:
    """Remember which model took the place of which."""
    conn.execute(update(models).where(models.c.version == before).values(in_force_until_ms=now_ms))
    now_in_force: dict[str, str | int | None] = {"in_force_until_ms": None}
    if came is Came.AFTER:
        now_in_force["preceded_by"] = before
    elif came is Came.OF and before is not None:
        former = get_model(conn, before)
        now_in_force["preceded_by"] = None if former is None else former.preceded_by
    conn.execute(update(models).where(models.c.version == after).values(now_in_force))


def watch_model(conn: Connection, version: str | None, share_micro: int, now_ms: int, actor: str) -> None:
    """Put a model in shadow, or none, and say so in the log.

    Args:
        conn: a writing connection.
        version: of the model; ``None`` for no model.
        share_micro: of how many decisions it is asked, in millionths.
        now_ms: the clock, milliseconds since the epoch.
        actor: id of the key that asked for it.
    """
    if version is None:
        deactivate(conn, SHADOW_MODEL)
    else:
        activate(conn, SHADOW_MODEL, f"{version}/{share_micro}", now_ms)
    append_entries(conn, [entry("config", now_ms, what="shadow_model", model=version, actor=actor)])


def shadow_model(conn: Connection) -> str | None:
    """Return the version of the model in shadow; ``None`` without one."""
    asked = active(conn).get(SHADOW_MODEL)
    return None if asked is None else asked.partition("/")[0]


def challenge_with_model(
    conn: Connection, version: str | None, share_micro: int, now_ms: int, actor: str = SYSTEM
) -> None:
    """Put a model in force for a share of those who agreed to be measured, or none, and say so in the log.

    Args:
        conn: a writing connection.
        version: of the model; ``None`` for no model.
        share_micro: share of customers, in millionths.
        now_ms: the clock, milliseconds since the epoch.
        actor: id of the key that asked for it.
    """
    if version is None:
        deactivate(conn, CHALLENGER_MODEL)
    else:
        activate(conn, CHALLENGER_MODEL, f"{version}/{share_micro}", now_ms)
    said = {"what": "challenger_model", "model": version, "share_micro": share_micro, "actor": actor}
    append_entries(conn, [entry("config", now_ms, **said)])


def challenger_model(conn: Connection) -> str | None:
    """Return the version of the model that challenges; ``None`` without one."""
    found = challenger_model_among(active(conn))
    return None if found is None else found.version


class ChallengerModel(NamedTuple):
    """A model that is in force for a share of customers.

    Attributes:
        version: its version.
        share_micro: the share, in millionths; where a policy challenges as well, the policy's counts.
    """

    version: str
    share_micro: int


def challenger_model_among(versions: Mapping[str, str]) -> ChallengerModel | None:
    """Return the model that challenges, among the active versions; ``None`` without one, or a share."""
    version, _, share = versions.get(CHALLENGER_MODEL, "").partition("/")
    return ChallengerModel(version, int(share)) if share.isdecimal() else None


def count_up(conn: Connection, name: str, now_ms: int) -> None:
    """Count the version of catalogue or notices up, so that every process loads them anew."""
    insert = insert_into(conn, active_versions)
    next_version = cast(cast(active_versions.c.version, BigInteger) + 1, Text)
    conn.execute(
        insert.values(name=name, version="1", changed_at_ms=now_ms).on_conflict_do_update(
            index_elements=["name"], set_={"version": next_version, "changed_at_ms": now_ms}
        )
    )


def deactivate(conn: Connection, name: str) -> None:
    """Put nothing in force in the place of the version that is."""
    conn.execute(delete(active_versions).where(active_versions.c.name == name))


def put_model(conn: Connection, model: ModelRow) -> None:
    """Store a model; of one that is stored already, when it was stored and in force first stays."""
    lock_models(conn)
    conn.execute(insert_new(conn, models), asdict(model))
    renewed = {name: value for name, value in asdict(model).items() if name not in _STAYS}
    conn.execute(update(models).where(models.c.version == model.version).values(renewed))


_STAYS = frozenset({"version", "created_at_ms", "preceded_by", "in_force_until_ms"})


def mark_retired(conn: Connection, version: str, now_ms: int) -> ModelRow | None:
    """Say that the arrays of a model are removed because nothing needs them.

    Args:
        conn: a writing connection.
        version: of the model.
        now_ms: the clock, milliseconds since the epoch.

    Returns:
        The model; ``None`` for one that is in force, in shadow or challenges, that was removed or that is
        not there.
    """
    lock_models(conn)
    model = get_model(conn, version)
    needed = active(conn).get(MODEL), shadow_model(conn), challenger_model(conn)
    if model is None or not model.is_there or version in needed:
        return None
    conn.execute(update(models).where(models.c.version == version).values(retired_at_ms=now_ms))
    return model


def mark_erased(conn: Connection, kept: str | None, now_ms: int) -> list[ModelRow]:
    """Say that the arrays of every model but one are removed; return all whose arrays are to be gone.

    Those that were marked before are among them: whoever removed their arrays may not have come to
    the end of it.
    """
    lock_models(conn)
    there = models.c.version != kept if kept is not None else true()
    if shadow_model(conn) != kept:
        deactivate(conn, SHADOW_MODEL)
    if challenger_model(conn) != kept:
        deactivate(conn, CHALLENGER_MODEL)
    conn.execute(update(models).where(there, models.c.erased_at_ms.is_(None)).values(erased_at_ms=now_ms))
    gone = _MODELS.where(models.c.erased_at_ms.is_not(None)).order_by(models.c.version)
    return [ModelRow(**row) for row in conn.execute(gone).mappings()]


def get_model(conn: Connection, version: str) -> ModelRow | None:
    """Return a model, or ``None`` when there is none."""
    row = conn.execute(_MODELS.where(models.c.version == version)).mappings().first()
    return None if row is None else ModelRow(**row)


def list_models(conn: Connection) -> list[ModelRow]:
    """Return every model, newest first."""
    newest_first = _MODELS.order_by(models.c.created_at_ms.desc(), models.c.version)
    return [ModelRow(**row) for row in conn.execute(newest_first).mappings()]


def put_policy(conn: Connection, policy: Policy, now_ms: int, *, signed_off_by_auditor: bool = False) -> str:
    """Store a policy; what is stored under its version already is the same.

    Returns:
        Its version.

    Raises:
        PolicyError: it says what no policy may say, such as to loosen a limit that is locked.
    """
    require_clean(policy, signed_off_by_auditor=signed_off_by_auditor)
    return put_draft(conn, policy, now_ms)


def put_draft(conn: Connection, policy: Policy, now_ms: int) -> str:
    """Store a policy, whatever is to be found in it, unless it is stored already; return its version.

    Raises:
        PolicyError: it cannot be written.
    """
    document = to_document(policy)
    version = version_of(document)
    row = {
        "version": version,
        "document": document.decode(),
        "created_at_ms": now_ms,
        "name": policy.name,
    }
    conn.execute(insert_new(conn, policies), row)
    return version


def get_policy(conn: Connection, version: str) -> str | None:
    """Return a policy document, or ``None`` when there is none."""
    return conn.execute(select(policies.c.document).where(policies.c.version == version)).scalar()


def policy_versions(conn: Connection, begins: str) -> list[str]:
    """Return the versions of policies in the store that begin with some digits, in their order."""
    found = select(policies.c.version).where(policies.c.version.startswith(begins, autoescape=True))
    return list(conn.execute(found.order_by(policies.c.version)).scalars())


def read_policy_version(conn: Connection, version: str) -> Policy:
    """Return a policy as it is stored.

    Raises:
        PolicyError: it is not in the store.
        PolicyDocumentError: its document cannot be read any more.
    """
    document = get_policy(conn, version)
    if document is None:
        raise PolicyError("the policy is not in the store")
    return load_document(document)


def policy_in_force(conn: Connection) -> tuple[Policy, str]:
    """Return the policy in force and its version; what ships where none was put in force.

    What ships is the house policy beside the charter. Limits that lie below the floor since it was raised
    are held to it (``guardrails.policy.floor``).

    Raises:
        PolicyError: the document is gone.
        PolicyDocumentError: it cannot be read any more.
    """
    version = active(conn).get(POLICY)
    if version is None:
        policy = shipped_policy()
        return policy, version_of(to_document(policy))
    policy = read_policy_version(conn, version)
    return replace(policy, limits=held_to_floor(policy.limits)), version
