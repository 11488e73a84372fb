"""What training reads about customers before it reads anything they did."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from api.storage.consents import subjects_with
from api.storage.tables import customers
from guardrails.consent.ages import AgeBand
from guardrails.consent.ledger import Ledger
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.request import AgeAssurance
from guardrails.training_gate import TrainingCustomer, may_learn_from

_TOLD = select(
    customers.c.customer_no,
    customers.c.age_assurance,
    customers.c.non_profiled,
    customers.c.age_band,
    customers.c.jurisdiction,
    customers.c.limit_sensitive,
).where(
    (customers.c.age_assurance == AgeAssurance.MINOR.value)
    | customers.c.non_profiled
    | customers.c.jurisdiction.is_not(None)
    | customers.c.limit_sensitive
)
"""The customers of whom more is known than their consents."""


def training_customers(
    conn: Connection, settings: ConsentSettings, now_ms: int
) -> dict[int, TrainingCustomer]:
    """Return the customers that a model may learn from now, by ascending storage key."""
    rows = {row.customer_no: row for row in conn.execute(_TOLD)}
    found: dict[int, TrainingCustomer] = {}
    for customer_no, ledger in subjects_with(conn, KEY_OF[Purpose.PROFILING], now_ms).items():
        customer = _customer(ledger, rows.get(customer_no))
        if may_learn_from(customer, now_ms, settings):
            found[customer_no] = customer
    return found


def _customer(ledger: Ledger, row: Row[Any] | None) -> TrainingCustomer:
    if row is None:
        return TrainingCustomer(ledger)
    return TrainingCustomer(
        ledger=ledger,
        minor=row.age_assurance == AgeAssurance.MINOR,
        non_profiled=row.non_profiled,
        age_band=None if row.age_band is None else AgeBand(row.age_band),
        jurisdiction=row.jurisdiction,
        limit_sensitive=row.limit_sensitive,
    )
