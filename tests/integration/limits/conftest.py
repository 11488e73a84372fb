from dataclasses import replace

import pytest
from support.http import fill, serving

from api.limits.rates import Rates
from api.limits.settings import LimitSettings

TIGHT = LimitSettings(
    customer_per_second=1, customer_at_once=3, address_per_second=1, address_at_once=4, key_at_once=5
)


@pytest.fixture
def tight_shop(sqlite_store, monkeypatch):
    """A shop behind a proxy of its own, in which little may be asked for, and no bucket is filled again."""
    settings = replace(sqlite_store.settings, limit=TIGHT, proxies=1)
    with serving(settings, fill(settings)) as served:
        monkeypatch.setattr(served.wiring.limits, "_rates", Rates(clock_ns=lambda: 10**18))
        yield served
