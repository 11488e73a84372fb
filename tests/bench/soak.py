"""An hour of steady traffic: memory stays flat, nothing fails, and the log verifies.

python -m tests.bench.soak                       an hour at 200 requests a second
python -m tests.bench.soak --minutes 5 --rate 50

Every tenth request is for a product page, every fiftieth changes a customer's mind about being profiled, and
views and purchases arrive: so histories, ledgers and caches grow as they do in a shop. Each minute is a
line. It ends with exit code 1 where anything failed, memory grew or the log does not verify. ``BENCH_SHOPS``
names the folder in which the shop is kept, as for the benchmark ``load``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np

from guardrails.consent.purposes import KEY_OF, Purpose
from tests.bench.bench_http import PATH, running
from tests.bench.bench_load import JOURNEY, Shop, fresh, shop_of, tactful_command, warm
from tests.bench.load import request_bytes
from tests.bench.open_loop import Answers, ask_at
from tests.bench.tree import measured

WARM_MINUTES = 10
"""So long caches may fill before memory counts."""

MAY_GROW = 0.05
"""Share of the memory after warming up by which it may grow in an hour: what an allocator scatters."""

_N_PARTS = 10
"""Customers that each household of Complete Journey is made. Two hundred requests a second of its 2,469
would be three hundred pages an hour for each of them; so it is about thirty."""


def main() -> int:
    """Run, print a line a minute and what came of it; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description="steady traffic")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rate", type=int, default=200, help="requests a second")
    chosen = parser.parse_args()
    print(measured(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(os.environ.get("BENCH_SHOPS", name)) / f"journey-in-{_N_PARTS}"
        kept = shop_of(folder, JOURNEY, _N_PARTS)
        with fresh(kept) as shop:
            with running(shop.folder, shop.settings) as (port, process):
                warm(port, shop)
                traffic = _traffic(shop, kept.items)
                minutes = list(_minutes(port, process, traffic, chosen.minutes, chosen.rate))
            verified = tactful_command(shop.settings, "log", "verify", "--allow-unwitnessed", "--json")
    return _conclude(minutes, json.loads(verified))


def _minutes(
    port: int, process: subprocess.Popen[bytes], traffic: Iterator[bytes], n: int, rate: int
) -> Iterator[dict[str, float]]:
    """Yield what came of each minute."""
    print("minute  answered  not 200  degraded  p50 ms  p99 ms  MB", flush=True)
    for minute in range(1, n + 1):
        requests = list(islice(traffic, rate * 60))
        answers = ask_at(port, requests, per_second=rate, seconds=60.0)
        row = _row(minute, answers, _megabytes(process))
        print("  ".join(f"{value:,.1f}" for value in row.values()), flush=True)
        yield row


def _row(minute: int, answers: Answers, megabytes: float) -> dict[str, float]:
    return {
        "minute": minute,
        "answered": int((answers.status // 100 == 2).sum()),
        "failed": int((answers.status // 100 != 2).sum()),
        "degraded": int(answers.degraded.sum()),
        "p50": answers.ms(50),
        "p99": answers.ms(99),
        "mb": megabytes,
    }


def _traffic(shop: Shop, items: Sequence[str]) -> Iterator[bytes]:
    """Yield requests as a shop sends them, the same ones in every run."""
    random = np.random.default_rng(0)
    number = 0
    while True:
        number += 1
        customer = shop.customers[int(random.integers(len(shop.customers)))]
        item = items[int(random.integers(len(items)))]
        if number % 50 == 0:
            status = ("withdrawn", "given")[number // 50 % 2]
            choice = {"purpose": KEY_OF[Purpose.PROFILED_CONTENT], "status": status}
            yield _request(f"/v1/customers/{customer}/consents", choice, shop)
        elif number % 20 == 0:
            event = {
                "event_id": f"soak-{number}",
                "kind": ("view", "purchase")[number % 40 == 0],
                "customer_id": customer,
                "item_id": item,
                "at": datetime.now(UTC).isoformat(),
            }
            yield _request("/v1/events", {"events": [event]}, shop)
        elif number % 10 == 1:
            asked = {"customer_id": customer, "placement": "product_page", "context": {"item_id": item}}
            yield _request(PATH, asked, shop)
        else:
            yield _request(PATH, {"customer_id": customer, "placement": "home", "count": 10}, shop)


def _request(path: str, body: dict[str, object], shop: Shop) -> bytes:
    return request_bytes(path, json.dumps(body).encode(), shop.key)


def _megabytes(process: subprocess.Popen[bytes]) -> float:
    """Return the memory of the server and its workers' own, what they share counted once.

    Files that they map are not counted: the database grows, and pages of it come and go as the kernel likes.
    """
    return sum(map(_proportional_kb, [process.pid, *_below(process.pid)])) / 1e3


def _below(pid: int) -> list[int]:
    """Return the processes below one, as Linux knows them (proc(5))."""
    own = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return own + [each for child in own for each in _below(child)]


def _proportional_kb(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith("Pss_Anon:"))


def _conclude(minutes: list[dict[str, float]], verified: dict[str, object]) -> int:
    """Print what came of it; return 1 where it is not as it should be."""
    failed = sum(row["failed"] for row in minutes)
    warm = [row["mb"] for row in minutes if row["minute"] > WARM_MINUTES] or [row["mb"] for row in minutes]
    hours = max(len(warm), 1) / 60
    slope = float(np.polyfit(np.arange(len(warm)), warm, 1)[0] * 60) if len(warm) > 1 else 0.0
    grown = slope / warm[0]
    print(
        f"answered {sum(row['answered'] for row in minutes):,.0f}, failed {failed:,.0f}, "
        f"degraded {sum(row['degraded'] for row in minutes):,.0f}, "
        f"slowest p99 {max(row['p99'] for row in minutes):,.1f} ms, "
        f"{warm[0]:,.0f} MB after warming up, {slope:+,.1f} MB an hour over {hours:.2f} h"
    )
    print(f"log: {json.dumps(verified)}")
    return int(failed > 0 or grown > MAY_GROW)


if __name__ == "__main__":
    sys.exit(main())
