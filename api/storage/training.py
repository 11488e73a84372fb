"""What training reads about customers before it reads anything they did."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from api.storage.consents import read_events, subjects_with
from api.storage.statements import chunks
from api.storage.tables import customers
from guardrails.consent.ages import AgeBand
from guardrails.consent.events import GRANTS, ConsentEvent
from guardrails.consent.ledger import Ledger, replay
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.request import AgeAssurance
from guardrails.training_gate import TrainingCustomer, may_learn_from

_CUSTOMERS: Select[Any] = select(
    customers.c.customer_no,
    customers.c.subject_key,
    customers.c.age_assurance,
    customers.c.non_profiled,
    customers.c.age_band,
    customers.c.jurisdiction,
    customers.c.limit_sensitive,
    customers.c.history_from_ms,
)
_TOLD = _CUSTOMERS.where(
    (customers.c.age_assurance == AgeAssurance.MINOR.value)
    | customers.c.non_profiled
    | customers.c.jurisdiction.is_not(None)
    | customers.c.limit_sensitive
    | (customers.c.history_from_ms > 0)
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


def once_learned_from(
    conn: Connection, customer_nos: Collection[int], as_of_ms: int
) -> dict[int, TrainingCustomer]:
    """Return those of the customers who ever agreed to be learned from, by ascending storage key.

    Their ledgers are those of ``as_of_ms``: what was received later is left out, be it a withdrawal
    or the restriction that an erasure begins with; and the history they withdrew since is theirs still.
    """
    queries = (_CUSTOMERS.where(customers.c.customer_no.in_(some)) for some in chunks(sorted(customer_nos)))
    found: dict[int, TrainingCustomer] = {}
    for row in itertools.chain.from_iterable(conn.execute(each) for each in queries):
        if any(_agrees(event) for event in read_events(conn, row.subject_key)):
            ledger = replay(read_events(conn, row.subject_key, as_of_ms))
            found[row.customer_no] = replace(_customer(ledger, row), history_from_ms=0)
    return dict(sorted(found.items()))


def _agrees(event: ConsentEvent) -> bool:
    return event.purpose == KEY_OF[Purpose.PROFILING] and event.status in GRANTS


def _customer(ledger: Ledger, row: Row[*tuple[Any, ...]] | None) -> TrainingCustomer:
    if row is None:
        return TrainingCustomer(ledger)
    return TrainingCustomer(
        ledger=ledger,
        minor=row.age_assurance == AgeAssurance.MINOR,
        non_profiled=row.non_profiled,
        age_band=None if row.age_band is None else AgeBand(row.age_band),
        jurisdiction=row.jurisdiction,
        limit_sensitive=row.limit_sensitive,
        history_from_ms=row.history_from_ms,
    )
