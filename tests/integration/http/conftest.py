import pytest
from support.http import fill, serving


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
