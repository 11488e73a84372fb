"""What training reads about customers before it reads anything they did."""

from __future__ import annotations

from sqlalchemy import Connection, select

from api.storage.consents import subjects_with
from api.storage.tables import customers
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.request import AgeAssurance
from guardrails.training_gate import TrainingCustomer, may_learn_from


def training_customers(
    conn: Connection, settings: ConsentSettings, now_ms: int
) -> dict[int, TrainingCustomer]:
    """Return the customers that a model may learn from now, by ascending storage key."""
    flags = {
        row.customer_no: row
        for row in conn.execute(
            select(customers.c.customer_no, customers.c.age_assurance, customers.c.non_profiled).where(
                (customers.c.age_assurance == AgeAssurance.MINOR.value) | customers.c.non_profiled
            )
        )
    }
    found: dict[int, TrainingCustomer] = {}
    for customer_no, ledger in subjects_with(conn, KEY_OF[Purpose.PROFILING], now_ms).items():
        flag = flags.get(customer_no)
        customer = TrainingCustomer(
            ledger=ledger,
            minor=flag is not None and flag.age_assurance == AgeAssurance.MINOR,
            non_profiled=flag is not None and flag.non_profiled,
        )
        if may_learn_from(customer, now_ms, settings):
            found[customer_no] = customer
    return found
