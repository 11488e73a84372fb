"""See to it that there is a Chromium: that of the machine, Debian's package, or Playwright's own build.

Run as `PYTHONPATH=tests python -m support.chromium`; it says where the browser is.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from support.debian import installed, runs

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """Return where a Chromium is; ``None`` where there is none."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None) or _of_playwright()


def install() -> None:
    """Install one: Debian's package where that may be done, else the build that Playwright knows."""
    if not installed("chromium"):
        runs(sys.executable, "-m", "playwright", "install", "chromium")


def _of_playwright() -> str | None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  takes a while, and is the last resort

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return str(path) if path.exists() else None


def main() -> None:
    if chromium() is None:
        install()
    found = chromium()
    if found is None:
        sys.exit("there is no Chromium here and none can be installed: name one in CHROMIUM")
    sys.stderr.write(f"the browser is {found}\n")


if __name__ == "__main__":
    main()
