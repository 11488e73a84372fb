"""Figures over all customers: counted now and then, since that takes a while, and read at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, func, or_, select

from api.storage.statements import insert_or_replace
from api.storage.tables import consent_states, customers, figures
from guardrails.consent.events import GRANTS, REFUSALS

_CONSENTS = "consents"


@dataclass(frozen=True, slots=True)
class Consents:
    """How many customers agreed to what.

    Attributes:
        at_ms: when it was counted, milliseconds since the epoch.
        n_customers: with an account.
        n_agreed: of these, by key of the purpose, who agreed, and whose consent has not run out.
        n_refused: who refused, took it back or objected; of the others nothing is known.
    """

    at_ms: int
    n_customers: int
    n_agreed: Mapping[str, int]
    n_refused: Mapping[str, int]


def count_consents(conn: Connection, now_ms: int) -> Consents:
    """Count who agreed to what, over all customers.

    Whether a consent may be used depends on more than that it was given: on the notice, on the age, on what
    stands against it. That is asked for each decision, and not counted here.
    """
    state = consent_states.c
    query = (
        select(state.purpose, state.status, func.count())
        .join(customers, customers.c.subject_key == state.subject_key)
        .where(or_(state.valid_until_ms.is_(None), state.valid_until_ms > now_ms))
        .group_by(state.purpose, state.status)
    )
    agreed, refused = defaultdict[str, int](int), defaultdict[str, int](int)
    for purpose, status, n in conn.execute(query):
        if status in GRANTS:
            agreed[purpose] += n
        elif status in REFUSALS:
            refused[purpose] += n
    n_customers = conn.execute(select(func.count()).select_from(customers)).scalar_one()
    return Consents(now_ms, n_customers, dict(agreed), dict(refused))


def put_consents(conn: Connection, counted: Consents) -> None:
    """Keep what was counted in the place of what was counted before."""
    document = {
        "n_customers": counted.n_customers,
        "n_agreed": dict(counted.n_agreed),
        "n_refused": dict(counted.n_refused),
    }
    row = {"name": _CONSENTS, "at_ms": counted.at_ms, "document": orjson.dumps(document).decode()}
    conn.execute(insert_or_replace(conn, figures, "name"), row)


def read_consents(conn: Connection) -> Consents | None:
    """Return what was counted last; ``None`` where nothing was yet."""
    row = conn.execute(select(figures).where(figures.c.name == _CONSENTS)).first()
    return None if row is None else Consents(row.at_ms, **orjson.loads(row.document))
