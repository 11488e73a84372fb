"""Two hosts and a database server, each in a network namespace of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.hosts import Crowd, Host, Lab, a_lab, missing
from support.http import BUYER, fill
from support.stores import (
    Store,
    an_interaction,
    create_store,
    opened_with,
    store_customer,
    store_interactions,
)

from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.items import item_numbers
from api.storage.versions import POLICY, activate, put_policy
from api.wiring import now_ms
from engine.interactions import DAY_MS
from guardrails.policy.language import Policy
from guardrails.policy.limits import Limits, RepeatLimits

MINDS = ("mind-0", "mind-1", "mind-2")
"""Customers with a history, who change their minds."""

_ALWAYS = 1_000_000
NEVER_TIRED = Policy(limits=Limits(repeat=RepeatLimits(cooldown_after=_ALWAYS, hard_at=_ALWAYS)))
"""A policy under which the same may be shown again and again: it would be, here."""


@dataclass
class Shop:
    """A shop on two hosts."""

    lab: Lab
    keys: dict[Role, str]

    @property
    def hosts(self) -> tuple[Host, Host]:
        first, second = self.lab.hosts
        return first, second

    def crowd(self, host: Host, n_clients: int = 3) -> Crowd:
        """Clients of a host, the first of them the customer that something is known of."""
        others = [f"customer-{number}" for number in range(1, n_clients)]
        return Crowd(host, self.keys[Role.SITE], [BUYER, *others])


def _bought_bread(store: Store, customer_id: str) -> None:
    """Let somebody have bought what the model knows something of."""
    customer_no = store_customer(store, customer_id)
    with reading(store.engine) as conn:
        numbers = item_numbers(conn)
    now = now_ms()
    rows = [
        an_interaction(
            store,
            numbers[f"bread-{day}"],
            event_id=f"{customer_id}-{day}",
            customer_no=customer_no,
            at_ms=now - (day + 2) * DAY_MS,
        )
        for day in range(3)
    ]
    store_interactions(store, rows)


@pytest.fixture(scope="module")
def two_hosts() -> Iterator[Shop]:
    """A shop on two hosts that answer."""
    if why := missing():
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="tactful-hosts-"))  # short: socket files have no long names
    folder.chmod(0o755)  # the server runs as a user of its own
    with a_lab(folder) as lab:
        create_store(lab.settings.database_url, lab.settings.data_dir)
        shop = Shop(lab, fill(lab.settings))
        with opened_with(lab.settings) as store:
            for customer_id in MINDS:
                _bought_bread(store, customer_id)
            with writing(store.engine) as conn:
                activate(conn, POLICY, put_policy(conn, NEVER_TIRED, 1), 1)
        for host in lab.hosts:
            host.start()
        for host in lab.hosts:
            host.wait_until_ready()
        yield shop
    shutil.rmtree(folder, ignore_errors=True)
