from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser
from support.browser import Visit, a_browser, people, visiting
from support.http import Served, fill, serving

from api.storage.api_keys import Role


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the session, of each worker its own."""
    with a_browser() as found:
        yield found


@pytest.fixture
def shop(sqlite_store) -> Iterator[Served]:
    """A small shop with an account of each role, called as the role."""
    with serving(sqlite_store.settings, fill(sqlite_store.settings)) as served:
        people(served)
        yield served


@pytest.fixture
def visit(browser: Browser, shop: Served) -> Iterator[Visit]:
    """Somebody whom nobody knows yet."""
    with visiting(browser, shop) as visitor:
        yield visitor


@pytest.fixture
def as_role(visit: Visit) -> Callable[[Role], Visit]:
    """Sign somebody of a role in."""

    def sign_in(role: Role) -> Visit:
        visit.sign_in(role)
        return visit

    return sign_in
