"""See to it that there is a Chromium: that of the machine, Debian's package, or Playwright's own build.

Run as `python -m tests.support.chromium`; it says where the browser is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """Return where a Chromium is; ``None`` where there is none."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None) or _of_playwright()


def install() -> None:
    """Install one: Debian's package where that may be done, else the build that Playwright knows."""
    as_root = () if os.geteuid() == 0 else ("sudo", "-n")
    if shutil.which("apt-get") and _runs(*as_root, "true"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _runs(*as_root, "apt-get", "update", "-q", env=quiet)
        if _runs(*as_root, "apt-get", "install", "-qy", "--no-install-recommends", "chromium", env=quiet):
            return
    _runs(sys.executable, "-m", "playwright", "install", "chromium")


def _of_playwright() -> str | None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  takes a while, and is the last resort

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return str(path) if path.exists() else None


def _runs(*command: str, env: dict[str, str] | None = None) -> bool:
    try:
        return subprocess.run(command, check=False, stdout=sys.stderr, env=env).returncode == 0
    except FileNotFoundError:
        return False


def main() -> None:
    if chromium() is None:
        install()
    found = chromium()
    if found is None:
        sys.exit("there is no Chromium here and none can be installed: name one in CHROMIUM")
    sys.stderr.write(f"the browser is {found}\n")


if __name__ == "__main__":
    main()
