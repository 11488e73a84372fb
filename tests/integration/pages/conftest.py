import shutil

import pytest
from support.http import fill, serving
from support.pages import sign_in, somebody, staff_of
from support.stores import opened


@pytest.fixture(scope="module")
def shared_store(sqlite_template, tmp_path_factory):
    """A store that all tests of a file share."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copyfile(sqlite_template, folder / "tactful.db")
    with opened(f"sqlite:///{folder / 'tactful.db'}", folder) as store:
        yield store


@pytest.fixture(scope="module")
def open_shop(shared_store):
    """A shop with an account of each role that all tests of a file share: they change nothing in it."""
    with serving(shared_store.settings, fill(shared_store.settings)) as served:
        staff_of(served)
        yield served


@pytest.fixture
def shop(sqlite_store):
    """A shop of its own with an account of each role."""
    with serving(sqlite_store.settings, fill(sqlite_store.settings)) as served:
        staff_of(served)
        yield served


@pytest.fixture
def admin(shop):
    with somebody(shop) as client:
        sign_in(client, "admin")
        yield client


@pytest.fixture
def marketer(shop):
    with somebody(shop) as client:
        sign_in(client, "marketer")
        yield client
