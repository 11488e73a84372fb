"""What models in shadow would have shown: sums over many decisions, held by whoever renews a claim."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select, update

from api.storage.statements import insert_new
from api.storage.tables import model_shadows


@dataclass(frozen=True, slots=True)
class ShadowRow:
    """A model in shadow of another.

    Attributes:
        version: the model that is watched.
        against: the model that is served meanwhile.
        since_ms: since when, milliseconds since the epoch.
        share_micro: of how many decisions it is asked, in millionths.
        next_index: where in the log it is gone on with.
        claimed_until_ms: until when somebody works on it.
        counts: JSON: sums over many decisions.
    """

    version: str
    against: str
    since_ms: int
    share_micro: int
    next_index: int
    claimed_until_ms: int
    counts: str


_COLUMNS = tuple(model_shadows.c[name] for name in ShadowRow.__dataclass_fields__)


def claim_shadow(conn: Connection, fresh: ShadowRow, now_ms: int) -> ShadowRow | None:
    """Claim a shadow that nobody works on; return it as it stands, ``None`` where somebody does.

    Args:
        conn: a writing connection.
        fresh: as it is stored where there is none of these two models yet; until when it is claimed, and of
            how many decisions it is asked, counts in any case.
        now_ms: the clock, milliseconds since the epoch.
    """
    conn.execute(
        insert_new(conn, model_shadows),
        {**{name: getattr(fresh, name) for name in ShadowRow.__dataclass_fields__}, "claimed_until_ms": 0},
    )
    claimed = (
        update(model_shadows)
        .where(_is(fresh.version, fresh.against), model_shadows.c.claimed_until_ms <= now_ms)
        .values(claimed_until_ms=fresh.claimed_until_ms, share_micro=fresh.share_micro)
    )
    if conn.execute(claimed).rowcount == 0:
        return None
    return read_shadows(conn, fresh.version, fresh.against)[0]


def note_shadow(conn: Connection, claimed: ShadowRow, next_index: int, counts: str) -> bool:
    """Write down what was counted, and let go; tell whether it was still held."""
    noted = (
        update(model_shadows)
        .where(
            _is(claimed.version, claimed.against),
            model_shadows.c.claimed_until_ms == claimed.claimed_until_ms,
        )
        .values(claimed_until_ms=0, next_index=next_index, counts=counts)
    )
    return conn.execute(noted).rowcount == 1


def read_shadows(conn: Connection, version: str, against: str | None = None) -> list[ShadowRow]:
    """Return what was counted of a model, the latest beginning first; of one other model if it is named."""
    query = select(*_COLUMNS).where(model_shadows.c.version == version)
    if against is not None:
        query = query.where(model_shadows.c.against == against)
    newest_first = query.order_by(model_shadows.c.since_ms.desc(), model_shadows.c.against)
    return [ShadowRow(**row) for row in conn.execute(newest_first).mappings()]


def _is(version: str, against: str) -> ColumnElement[bool]:
    return (model_shadows.c.version == version) & (model_shadows.c.against == against)
