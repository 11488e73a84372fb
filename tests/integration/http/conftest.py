from dataclasses import replace

import pytest
from support.http import fill, serving

from guardrails.consent.purposes import Purpose
from guardrails.consent.settings import ConsentSettings


@pytest.fixture
def keys(store):
    return fill(store.settings)


@pytest.fixture
def shop(store, keys):
    with serving(store.settings, keys) as served:
        yield served


@pytest.fixture
def shop_without_model(store):
    with serving(store.settings, fill(store.settings, model=False)) as served:
        yield served


@pytest.fixture
def shop_on_sqlite(sqlite_store):
    with serving(sqlite_store.settings, fill(sqlite_store.settings)) as served:
        yield served


@pytest.fixture
def measuring_shop(sqlite_store):
    """A shop that rests measuring on its own interest: everybody known is measured until they object."""
    consent = ConsentSettings(legitimate_interest=frozenset({Purpose.PERFORMANCE}))
    settings = replace(sqlite_store.settings, consent=consent)
    with serving(settings, fill(settings)) as served:
        yield served
