"""Legal holds: records that must be kept for a claim, whatever is asked meanwhile (GDPR 17(3)(e))."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Connection, Select, exists, insert, or_, select, update

from api.storage.statements import chunks
from api.storage.tables import cascade_subjects, cascades, legal_holds

_STANDS = legal_holds.c.lifted_at_ms.is_(None)


@dataclass(frozen=True, slots=True)
class LegalHold:
    """A hold on the records of one subject.

    Attributes:
        hold_id: random id.
        subject_key: whose records.
        reason: the claim or the order it serves.
        actor: id of the key that placed it.
        placed_at_ms: since when, milliseconds since the epoch.
        lifted_at_ms: until when; ``None`` while it stands.
    """

    hold_id: str
    subject_key: bytes
    reason: str
    actor: str
    placed_at_ms: int
    lifted_at_ms: int | None = None


_COLUMNS = tuple(legal_holds.c[name] for name in LegalHold.__dataclass_fields__)
_IN_ORDER = (legal_holds.c.placed_at_ms, legal_holds.c.hold_id)


def insert_hold(conn: Connection, hold: LegalHold) -> None:
    """Store a hold."""
    conn.execute(insert(legal_holds), asdict(hold))


def get_hold(conn: Connection, hold_id: str) -> LegalHold | None:
    """Return a hold, or ``None`` when there is none."""
    row = conn.execute(select(*_COLUMNS).where(legal_holds.c.hold_id == hold_id)).first()
    return None if row is None else LegalHold(*row)


def lift_hold(conn: Connection, hold_id: str, now_ms: int) -> bool:
    """Lift a hold; tell whether it stood until then."""
    lifted = update(legal_holds).where(legal_holds.c.hold_id == hold_id, _STANDS)
    return conn.execute(lifted.values(lifted_at_ms=now_ms)).rowcount == 1


def standing_holds(conn: Connection) -> list[LegalHold]:
    """Return every hold that stands, oldest first."""
    return [LegalHold(*row) for row in conn.execute(select(*_COLUMNS).where(_STANDS).order_by(*_IN_ORDER))]


def holds_of(conn: Connection, subject_key: bytes) -> list[LegalHold]:
    """Return every hold on the records of a subject, oldest first."""
    mine = select(*_COLUMNS).where(legal_holds.c.subject_key == subject_key).order_by(*_IN_ORDER)
    return [LegalHold(*row) for row in conn.execute(mine)]


def is_held(conn: Connection, subject_keys: Collection[bytes]) -> bool:
    """Tell whether the records of any of the subjects must be kept."""
    holds = (
        exists().where(legal_holds.c.subject_key.in_(some), _STANDS) for some in chunks(list(subject_keys))
    )
    return any(conn.scalar(select(each)) for each in holds)


def has_held(subject_key: ColumnElement[bytes]) -> ColumnElement[bool]:
    """Return the condition that records of a subject must be kept.

    Those of visits as well whose customer is being erased, but for a hold.
    """
    return or_(*(subject_key.in_(keys) for keys in held_subjects()))


def held_subjects() -> tuple[Select[tuple[bytes]], ...]:
    """Return queries for everybody whose records must be kept."""
    of_visits = (
        select(cascade_subjects.c.subject_key)
        .join(cascades, cascades.c.cascade_id == cascade_subjects.c.cascade_id)
        .join(legal_holds, legal_holds.c.subject_key == cascades.c.subject_key)
        .where(_STANDS)
    )
    return select(legal_holds.c.subject_key).where(_STANDS), of_visits
