"""What the store holds, as kinds of data and counts: nobody is named, and nothing is anybody's."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, select

from api.storage.tables import customers, holds, interactions
from engine.vocabulary import Channel, Kind, Provenance
from guardrails.consent.purposes import Purpose
from guardrails.holding import HoldKind
from guardrails.policy.unused import Collected, Fact
from guardrails.request import AgeAssurance

_FACTS_OF_HOLDS = {
    HoldKind.COMPLAINT: Fact.COMPLAINT,
    HoldKind.DELIVERY: Fact.DELIVERY,
    HoldKind.PAYMENT: Fact.PAYMENT,
}
"""Holds that events of the shop make; the others are made by what customers ask for."""


def count_collected(conn: Connection) -> dict[Collected, int]:
    """Return how many rows of each kind of data there are."""
    return _interactions(conn) | _customer_facts(conn) | _holds(conn)


def _interactions(conn: Connection) -> dict[Collected, int]:
    table = interactions.c
    kinds = (table.kind, table.purpose, table.channel, table.provenance)
    rows = conn.execute(select(*kinds, func.count()).group_by(*kinds))
    return {
        Collected.interaction(Kind(kind), Purpose(purpose), Channel(channel), Provenance(provenance)): n
        for kind, purpose, channel, provenance, n in rows
    }


def _customer_facts(conn: Connection) -> dict[Collected, int]:
    table = customers.c
    said: dict[Fact, ColumnElement[bool]] = {
        Fact.AGE_ASSURANCE: table.age_assurance != AgeAssurance.UNKNOWN.value,
        Fact.AGE_BAND: table.age_band.is_not(None),
        Fact.JURISDICTION: table.jurisdiction.is_not(None),
        Fact.SHARED_DEVICE: table.shared_device,
    }
    counts = conn.execute(select(*(func.count().filter(holds_true) for holds_true in said.values()))).one()
    return {Collected.fact(fact): n for fact, n in zip(said, counts, strict=True)}


def _holds(conn: Connection) -> dict[Collected, int]:
    rows = conn.execute(select(holds.c.kind, func.count().label("n")).group_by(holds.c.kind))
    by_kind: dict[str, int] = {row.kind: row.n for row in rows}
    return {Collected.fact(fact): by_kind.get(kind.value, 0) for kind, fact in _FACTS_OF_HOLDS.items()}
