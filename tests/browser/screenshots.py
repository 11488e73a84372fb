"""Pictures of the main pages, as `make screenshots` takes them of a copy of the demo.

They are drawn with few colours, so that all of them together stay small enough to live beside the code.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser
from support.browser import DESKTOP, PHONE, Visit, a_browser, visiting
from support.http import Served, serving

from api.cli.demo import DATA_DIR, demo_environ
from api.demo.state import PASSWORD, read_keys
from api.settings import Settings
from api.storage.api_keys import Role
from api.storage.connection import open_engine, upgrade

FOLDER = Path(__file__).parent / "pictures"
MOST_BYTES = 300_000
"""All pictures together take no more."""

_COLOURS = 48


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        name: of the file, without its suffix.
        go: opens the page.
        role: who looks at it; ``None`` for a customer or nobody.
        size: of the window.
        scheme: ``light`` or ``dark``.
    """

    name: str
    go: Callable[[Visit], None]
    role: Role | None = None
    size: dict[str, int] = None  # type: ignore[assignment]  # the desktop's
    scheme: str = "light"


def _overview(visit: Visit) -> None:
    visit.go("/console")


def _editor(visit: Visit) -> None:
    visit.go("/console/policies/new")


def _decision(visit: Visit) -> None:
    page = visit.go("/console/decisions?rule=G17")
    page.locator("tbody a").first.click()
    page.get_by_role("button", name="Open the whole story").click()


def _shop(visit: Visit) -> None:
    page = visit.go("/demo/item/1082185")
    page.locator("tactful-suggestions").get_by_role("listitem").first.wait_for()


def _privacy(visit: Visit) -> None:
    page = visit.go("/demo/shop")
    page.locator("form[action='/demo/privacy'] button").first.click()
    page.wait_for_url("**/privacy")


PICTURES = (
    Picture("overview", _overview, Role.MARKETER),
    Picture("overview-dark", _overview, Role.MARKETER, PHONE, "dark"),
    Picture("policy", _editor, Role.MARKETER),
    Picture("decision", _decision, Role.AUDITOR),
    Picture("shop", _shop),
    Picture("privacy", _privacy, None, PHONE),
)


def take(picture: Picture, browser: Browser, shop: Served, password: str) -> bytes:
    """Return a picture as PNG."""
    with visiting(browser, shop) as visit:
        page = visit.page
        page.emulate_media(color_scheme=picture.scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two
        if picture.role is not None:
            visit.sign_in(picture.role, password)
        page.set_viewport_size(picture.size or DESKTOP)
        picture.go(visit)
        page.wait_for_load_state("networkidle")
        return _small(page.screenshot())


def _small(png: bytes) -> bytes:
    few = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    small = io.BytesIO()
    few.save(small, "PNG", optimize=True)
    return small.getvalue()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "demo"
        shutil.copytree(DATA_DIR, copy)
        settings = Settings.from_env(
            demo_environ({name: text for name, text in os.environ.items() if name == "TZ"})
            | {"TACTFUL_DATA_DIR": str(copy)}
        )
        engine = open_engine(settings)
        upgrade(engine)
        engine.dispose()
        kept = read_keys(copy)
        keys, password = {role: kept[role.value] for role in Role}, kept[PASSWORD]
        with serving(settings, keys) as shop, a_browser() as browser:
            FOLDER.mkdir(exist_ok=True)
            pictures = {picture.name: take(picture, browser, shop, password) for picture in PICTURES}
    for name, png in pictures.items():
        (FOLDER / f"{name}.png").write_bytes(png)
        sys.stderr.write(f"{name}: {len(png):,} bytes\n")
    total = sum(map(len, pictures.values()))
    assert total <= MOST_BYTES, f"{total:,} bytes in all"


if __name__ == "__main__":
    main()
