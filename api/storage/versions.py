"""Which model, policy and catalogue are in force, and what there is to choose from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from sqlalchemy import BigInteger, Connection, Text, cast, delete, func, select, true, update

from api.policies.model import load_document
from api.policies.shipped import shipped_policy
from api.storage.log import append_entries, entry
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

SYSTEM = "system"
"""Who does what nobody asked for with a key."""

_ACTIVE = select(active_versions.c.name, active_versions.c.version)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A trained model.

    Attributes:
        version: content hash of the artefact.
        location: folder or URL of the artefact.
        manifest: its manifest, as JSON.
        created_at_ms: when it was stored, milliseconds since the epoch.
        erased_at_ms: when its arrays were removed to forget somebody; ``None`` while they are there.
    """

    version: str
    location: str
    manifest: str
    created_at_ms: int
    erased_at_ms: int | None = None


_MODELS = select(*(models.c[name] for name in ModelRow.__dataclass_fields__))


def active(conn: Connection) -> dict[str, str]:
    """Return the version in force of model, policy, catalogue and notices, as far as there is one.

    That of catalogue and notices is a number that rises with every change, not a content hash.
    """
    return {row.name: row.version for row in conn.execute(_ACTIVE)}


def changed_at_ms(conn: Connection) -> int | None:
    """Return when model or policy last changed, milliseconds since the epoch; ``None`` if never."""
    last = select(func.max(active_versions.c.changed_at_ms)).where(
        active_versions.c.name.in_((MODEL, POLICY))
    )
    changed: int | None = conn.execute(last).scalar()
    return changed


def activate(conn: Connection, name: str, version: str, now_ms: int) -> None:
    """Put a version of model or policy in force."""
    row = {"name": name, "version": version, "changed_at_ms": now_ms}
    conn.execute(insert_or_replace(conn, active_versions, "name"), row)


def activate_model(conn: Connection, version: str | None, now_ms: int, actor: str = SYSTEM) -> None:
    """Put a model in force, or none, and say so in the log.

    Args:
        conn: a writing connection.
        version: of the model; ``None`` for no model.
        now_ms: the clock, milliseconds since the epoch.
        actor: id of the key that asked for it.
    """
    if version is None:
        deactivate(conn, MODEL)
    else:
        activate(conn, MODEL, version, now_ms)
    append_entries(conn, [entry("model_active", now_ms, model=version, actor=actor)])


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
    """Store a model; of one that is stored already, only when it was stored first stays."""
    conn.execute(insert_new(conn, models), asdict(model))
    renewed = {
        name: value for name, value in asdict(model).items() if name not in {"version", "created_at_ms"}
    }
    conn.execute(update(models).where(models.c.version == model.version).values(renewed))


def mark_erased(conn: Connection, kept: str | None, now_ms: int) -> list[ModelRow]:
    """Say that the arrays of every model but one are removed; return all whose arrays are to be gone.

    Those that were marked before are among them: whoever removed their arrays may not have come to
    the end of it.
    """
    there = models.c.version != kept if kept is not None else true()
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
