"""A real browser on a shop that is really served, and what every page has to keep to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Response,
    expect,
    sync_playwright,
)
from support.chromium import chromium
from support.http import Served

from api.console.passwords import hash_password
from api.storage.accounts import STAFF, Account, create_account
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.wiring import now_ms

PASSWORD = "correct horse battery staple"

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
LOOKS = [(size, scheme) for size in (DESKTOP, PHONE) for scheme in ("light", "dark")]

PATIENCE_MS = 15_000
"""How long a page may take to do what is asked of it or to show what is expected: the machine may be busy."""

MOST_BYTES = 200_000
"""No page takes more, with everything that it loads."""

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.refused.push(event.violatedDirective + " " + event.blockedURI));
"""

_COUNT = """
addEventListener("pointerdown", () => window.pressed(), true);
"""


@contextmanager
def a_browser() -> Iterator[Browser]:
    found = chromium()
    assert found is not None, "there is no Chromium here: `make browser` installs one"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)
        yield browser
        browser.close()


def people(served: Served) -> dict[Role, Account]:
    """Give an account of each role to a shop, called as the role, all with the same password."""
    hashed = hash_password(PASSWORD)
    with writing(served.wiring.engine) as conn:
        return {
            role: create_account(conn, role.value, role, now_ms(), password_hash=hashed) for role in STAFF
        }


@dataclass
class Visit:
    """Somebody's browser, on a shop.

    Attributes:
        page: what they look at.
        served: the shop.
        wrong: what went wrong while they did, in words.
        n_bytes: how much the page and all that it loaded took, by address of the page.
    """

    page: Page
    served: Served
    wrong: list[str] = field(default_factory=list)
    n_bytes: dict[str, int] = field(default_factory=dict)
    allowed: set[int] = field(default_factory=set)

    def go(self, path: str) -> Page:
        """Open a page of the shop."""
        self.page.goto(f"{self.served.url}{path}")
        return self.page

    def again(self) -> Page:
        """Load the page again, once it is there.

        Chromium does not know which page is meant while one makes way for the next ("Not attached to an
        active page"), which is where a press of a button returns to.
        """
        self.page.wait_for_load_state("load")
        self.page.reload()
        return self.page

    def sign_in(self, role: Role, password: str = PASSWORD) -> Page:
        """Sign in to the console, as people do."""
        self.go("/console/sign-in")
        self.page.get_by_label("Name").fill(role.value)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        return self.page

    def check(self) -> None:
        """Hold the page against what every page has to keep to, in light and dark, on desktop and phone."""
        self.page.wait_for_load_state("load")
        for size, scheme in LOOKS:
            self.page.set_viewport_size(size)
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = Axe().run(self.page).response["violations"]
            where = f"{self.page.url} ({scheme}, {size['width']} wide)"
            assert not found, f"{where}: {[_told(each) for each in found]}"
            width = self.page.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], f"{where} scrolls sideways: {width}"
        self.page.set_viewport_size(DESKTOP)
        self.page.emulate_media(color_scheme="light")
        self.nothing_went_wrong()

    def nothing_went_wrong(self) -> None:
        """Neither the console nor the policy of the page nor the server has complained."""
        refused = self.page.evaluate("window.refused")
        assert not refused, refused
        assert not self.wrong, self.wrong
        assert all(n <= MOST_BYTES for n in self.n_bytes.values()), self.n_bytes

    def count_clicks(self) -> list[str]:
        """Return a list that gets the address of the page with every press of a pointer from here on."""
        pressed: list[str] = []
        self.page.expose_binding("pressed", lambda _source: pressed.append(self.page.url))
        self.page.add_init_script(_COUNT)
        return pressed

    def expect(self, *statuses: int) -> None:
        """Say that answers with these statuses are wanted from here on, and nothing to complain about."""
        self.allowed |= set(statuses)

    def said(self, message: ConsoleMessage) -> None:
        """Take note of what the browser's console says."""
        expected = any(f"status of {status}" in message.text for status in self.allowed)
        if message.type in ("error", "warning") and not expected:
            self.wrong.append(f"console: {message.text}")

    def answered(self, response: Response) -> None:
        """Take note of an answer; of redirects only that they are ours."""
        if not response.url.startswith((self.served.url, "data:")):
            self.wrong.append(f"asked elsewhere: {response.url}")
        if response.status >= 400 and response.status not in self.allowed:
            self.wrong.append(f"{response.status}: {response.request.method} {response.url}")
        length = int(response.headers.get("content-length", 0))
        if response.request.is_navigation_request():  # counted anew each time
            self.n_bytes[response.url] = length
        else:
            self.n_bytes[response.frame.url] = self.n_bytes.get(response.frame.url, 0) + length


@contextmanager
def visiting(browser: Browser, served: Served, **options: Any) -> Iterator[Visit]:
    """Open a window of its own: nothing of another visit is known in it."""
    context: BrowserContext = browser.new_context(viewport=DESKTOP, locale="en-GB", **options)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_WATCH)
    visit = Visit(context.new_page(), served)
    visit.page.on("console", visit.said)
    visit.page.on("pageerror", lambda error: visit.wrong.append(f"script: {error}"))
    visit.page.on("response", visit.answered)
    try:
        yield visit
    finally:
        context.close()


def _told(violation: Mapping[str, Any]) -> str:
    nodes = [
        f"{node['html'][:120]} {node.get('failureSummary', '')[:200]}" for node in violation["nodes"][:3]
    ]
    return f"{violation['id']}: {violation['help']}: {nodes}"
