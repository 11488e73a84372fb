"""Pages of the console with a million decisions in the log, each beside a page that asks for nothing.

Same server, same client, one page after the other, one at a time. The log is that of the last four weeks;
bodies are small, and no page here opens any. Add a page by a line in ``PAGES``.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from api.console.passwords import hash_password
from api.logbook import open_logbook
from api.settings import Settings
from api.storage.accounts import create_account
from api.storage.api_keys import Role
from api.storage.connection import open_engine, upgrade, writing
from api.wiring import now_ms
from tests.bench.bench_http import tactful
from tests.bench.bench_log_million import DAY_MINUTES, N_DECISIONS, N_QUICK, filled

MAY_TAKE_MS = 200.0
"""What the median of a page may take."""

BARE = "/console/sign-in"
PAGES: Mapping[str, str] = {
    "overview, 28 days": "/console",
    "overview, 90 days": "/console?days=90",
    "decisions": "/console/decisions",
    "decisions, a frequent rule": "/console/decisions?rule=R01",
    "decisions, a rare rule": "/console/decisions?rule=R38",
    "decisions, a frequent and a rare thing": "/console/decisions?placement=in_store&basis=popular",
    "the log": "/console/log",
    "the log, its first entries": "/console/log?at=10",
    "policies": "/console/policies",
    "models": "/console/models",
    "measurements": "/console/measurements",
    "customers' requests": "/console/requests",
    "catalogue": "/console/catalogue",
    "accounts": "/console/accounts",
}
"""What is measured."""

_N_DAYS = 28
_PASSES = 30
_NAME, _PASSWORD = "bench", "a password for the bench alone"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return a row for filling the log, one for a bare page, and one for each other page."""
    n = N_QUICK if quick else N_DECISIONS
    with tempfile.TemporaryDirectory() as folder:
        rows = [_prepared(Path(folder), n)]
        with tactful(Path(folder)) as port:
            return rows + measured(f"http://127.0.0.1:{port}", 5 if quick else _PASSES)


def measured(url: str, n_passes: int) -> list[dict[str, object]]:
    """Ask for every page, as somebody who has signed in.

    Args:
        url: of the server.
        n_passes: how often each.
    """
    with httpx.Client(base_url=url, timeout=60) as nobody:
        bare = _row("a page that asks for nothing", _taken_ms(nobody, BARE, n_passes))
    with httpx.Client(base_url=url, timeout=60) as client:
        _sign_in(client)
        rows = [_row(what, _taken_ms(client, path, n_passes)) for what, path in PAGES.items()]
    for row in (bare, *rows):
        row["of bare"] = float(str(row["ms"])) / float(str(bare["ms"]))
    return [bare, *rows]


def _prepared(folder: Path, n: int) -> dict[str, object]:
    """Make a shop with a log of the last weeks and an admin."""
    settings = Settings.from_env({"TACTFUL_DATA_DIR": str(folder)})
    engine = open_engine(settings)
    upgrade(engine)
    logbook = open_logbook(settings, engine, now_ms)
    today = now_ms() // 60_000 // DAY_MINUTES
    try:
        row = filled(logbook, n, (today - _N_DAYS) * DAY_MINUTES, _N_DAYS)
        with writing(engine) as conn:
            create_account(conn, _NAME, Role.ADMIN, now_ms(), password_hash=hash_password(_PASSWORD))
        return row
    finally:
        logbook.close()
        engine.dispose()


def _sign_in(client: httpx.Client) -> None:
    token = _TOKEN.search(client.get(BARE).text)
    if token is None:
        raise RuntimeError("the page to sign in holds no token")
    form = {"csrf_token": token[1], "name": _NAME, "password": _PASSWORD, "next": "/console"}
    answer = client.post(BARE, data=form, headers={"Sec-Fetch-Site": "same-origin"})
    if answer.status_code != httpx.codes.SEE_OTHER:
        raise RuntimeError(f"signing in was answered by {answer.status_code}")


def _taken_ms(client: httpx.Client, path: str, n_passes: int) -> list[float]:
    """Return how long a page took each time, the first time left out."""
    taken = []
    for _ in range(n_passes + 1):
        started = time.perf_counter()
        answer = client.get(path)
        taken.append((time.perf_counter() - started) * 1e3)
        if answer.status_code != httpx.codes.OK:
            raise RuntimeError(f"{path} was answered by {answer.status_code}")
    return taken[1:]


def _row(what: str, taken_ms: list[float]) -> dict[str, object]:
    median = statistics.median(taken_ms)
    return {
        "what": what,
        "ms": median,
        "slowest of ten": sorted(taken_ms)[int(len(taken_ms) * 0.9)],
        "of what it may take": median / MAY_TAKE_MS,
    }
