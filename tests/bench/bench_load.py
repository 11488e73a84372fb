"""The whole guarded, recorded way under load, by the clock: latencies, ceiling, overload, four shops.

Same server program and settings, same client, same two cores, one run. The shop is Complete Journey; for the
other sizes its best known items alone, or copies of all of them. Everybody agreed to everything on the site,
the shipped policy is in force beside the rules, and each answer is in the log on the disk before it is sent.
The peers do less: ``bare`` answers ``{}``, and ``naive`` is Flask with implicit's ALS of 128 factors, without
consent, rules, reasons or a record.

The ceiling is measured in a closed loop, latencies in an open one (``open_loop``). Each server has a fresh
copy of its shop: whoever was asked for dozens of times within minutes has been shown, and not looked at, all
that is good for them, and what is left to suggest costs twice as much to find. ``BENCH_PLOTS`` names a folder
for the picture; ``BENCH_SHOPS`` one in which shops are kept from run to run, for they take minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from api.policies.shipped import shipped_policy
from api.storage.connection import writing
from api.storage.versions import POLICY, activate, put_policy
from api.wiring import now_ms
from tests.bench.bench_http import BIN, PATH, peer, tactful
from tests.bench.journey import JURISDICTION, everybody_agrees
from tests.bench.load import Load, home_page, measure, request_bytes
from tests.bench.open_loop import Answers, ask_at
from tests.bench.peers import train_naive

JOURNEY = None
"""As many items as Complete Journey has."""

SIZES = (10_000, 50_000, JOURNEY, 1_000_000)
QUICK_SIZES = (JOURNEY,)
CALM = 100
"""The rate at which latencies are compared, in requests a second."""

RATES = (25, 50, 100, 150, 200, 250, 300, 400, 500)
OVERLOAD = 10
"""How many times more than it can answer the server is asked for in the overload."""

_ITEMS = "items.jsonl"
_CONNECTIONS = 32
_BEYOND_MS = 500.0
_PLOT = "load.svg"


@dataclass(frozen=True)
class Shop:
    """A shop to be measured, and its naive peer."""

    folder: Path
    key: str
    customers: list[str]

    @property
    def settings(self) -> dict[str, str]:
        """What commands and servers of this shop are told by their environment."""
        return {"TACTFUL_DATA_DIR": str(self.folder), "TACTFUL_CONSENT_JURISDICTION": JURISDICTION}

    @property
    def items(self) -> list[str]:
        """Ids of all items."""
        return [str(json.loads(line)["item_id"]) for line in (self.folder / _ITEMS).open("rb")]

    @property
    def requests(self) -> list[bytes]:
        """One request of each customer."""
        return [request_bytes(PATH, home_page(each), self.key) for each in self.customers]


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return a row a server and size, and one for each rate and for the overload on the middle size."""
    seconds = 3.0 if quick else 10.0
    sizes = QUICK_SIZES if quick else SIZES
    with tempfile.TemporaryDirectory() as name:
        kept = Path(os.environ.get("BENCH_SHOPS", name))
        shops = {n: shop_of(kept / shop_name(n), n) for n in sizes}
        journey = shops[JOURNEY]
        bare = _ceiling(peer("bare", {}), journey.requests, seconds)
        rows = [_row("bare Flask answering {}", 0, bare, bare, bare)]
        answers: dict[int, Answers] = {}
        for shop in shops.values():
            n = len(shop.items)
            beside = peer("naive", {"BENCH_NAIVE": str(shop.folder / "naive")})
            naive = _ceiling(beside, shop.requests, seconds)
            with _serving(shop) as port:
                warm(port, shop)
                answers[n] = ask_at(port, shop.requests, per_second=CALM, seconds=seconds)
                ours = measure(port, shop.requests, seconds=seconds, connections=_CONNECTIONS)
            rows.append(_row("naive Flask + implicit ALS", n, naive, bare, naive))
            rows.append(_row("tactful", n, ours, bare, naive) | _latencies(answers[n]))
        smallest = answers[min(answers)].ms(99)
        for n, each in answers.items():
            rows.append(
                {"what": f"p99 at {CALM}/s, of smallest", "items": n, "p99 ms": each.ms(99)}
                | {"of smallest": each.ms(99) / smallest}
            )
        curve = _curve(journey, 2.0 if quick else 8.0)
        rows += [{"what": "by the clock", "rate/s": rate} | _latencies(each) for rate, each in curve.items()]
        ceiling = next(
            float(str(row["requests/s"]))
            for row in rows
            if (row["what"], row["items"]) == ("tactful", len(journey.items))
        )
        rows.append(_overload(journey, ceiling, 3.0 if quick else 10.0))
    if "BENCH_PLOTS" in os.environ:
        _draw(rows, Path(os.environ["BENCH_PLOTS"]) / _PLOT)
    return rows


def shop_name(n_items: int | None) -> str:
    """Return the name of the folder of a shop of so many items."""
    return "journey" if n_items is JOURNEY else str(n_items)


def shop_of(folder: Path, n_items: int | None, n_parts: int = 1) -> Shop:
    """Build a shop of so many items with a model, and train its naive peer; one that stands is taken.

    Args:
        folder: where it is, or will be.
        n_items: how many; ``JOURNEY`` for those of the data.
        n_parts: how many customers each household is made.
    """
    ready = folder / "bench.json"
    if not ready.exists():
        folder.mkdir(parents=True)
        _, engine, purchases = everybody_agrees(folder, (), now_ms(), n_items, n_parts)
        with writing(engine) as conn:
            activate(conn, POLICY, put_policy(conn, shipped_policy(), now_ms()), now_ms())
        engine.dispose()
        settings = Shop(folder, "", []).settings
        tactful_command(settings, "train", "--budget-s", "60", "--json")
        made = tactful_command(settings, "keys", "create", "--role", "site", "--label", "bench", "--json")
        households, customer = np.unique(purchases.household, return_inverse=True)
        _, item = np.unique(purchases.product, return_inverse=True)
        customers = [str(each) for each in households.tolist()]
        (folder / "naive").mkdir()
        train_naive(folder / "naive", customer, item, customers)
        ready.write_text(json.dumps({"key": _secret(json.loads(made)), "customers": customers}))
    found = json.loads(ready.read_text())
    shop = Shop(folder, found["key"], found["customers"])
    tactful_command(shop.settings, "db", "upgrade")
    return shop


def _secret(made: Mapping[str, str]) -> str:
    return next(value for value in made.values() if str(value).startswith("tactful_"))


def tactful_command(settings: Mapping[str, str], *arguments: str) -> bytes:
    """Run a command on a shop and return what it prints."""
    command = [str(BIN / "tactful"), *arguments]
    return subprocess.run(command, check=True, env=os.environ | dict(settings), capture_output=True).stdout


@contextmanager
def fresh(shop: Shop) -> Iterator[Shop]:
    """Give a copy of a shop in which nobody was shown anything yet; it is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "shop"
        shutil.copytree(shop.folder, folder, ignore=shutil.ignore_patterns("naive", "*.parquet", "*.jsonl"))
        yield replace(shop, folder=folder)


@contextmanager
def _serving(shop: Shop) -> Iterator[int]:
    with fresh(shop) as copy, tactful(copy.folder, copy.settings) as port:
        yield port


def warm(port: int, shop: Shop) -> None:
    """Have everything loaded and compiled before it counts, in every worker."""
    measure(port, shop.requests, seconds=5.0, connections=_CONNECTIONS)


def _ceiling(server: AbstractContextManager[int], requests: Sequence[bytes], seconds: float) -> Load:
    with server as port:
        measure(port, requests, seconds=2.0, connections=_CONNECTIONS)
        return measure(port, requests, seconds=seconds, connections=_CONNECTIONS)


def _row(what: str, n_items: int, load: Load, bare: Load, naive: Load) -> dict[str, object]:
    return {
        "what": what,
        "items": n_items or "",
        "requests/s": load.per_second,
        "of bare": load.per_second / bare.per_second,
        "of naive": load.per_second / naive.per_second if n_items else "",
        "failures": load.failures,
    }


def _latencies(answers: Answers) -> dict[str, object]:
    return {
        "answered/s": answers.per_second,
        "p50 ms": answers.ms(50),
        "p99 ms": answers.ms(99),
        "p99.9 ms": answers.ms(99.9),
        "not 200": int((answers.status != 200).sum()),
        "degraded": int(answers.degraded.sum()),
    }


def _curve(shop: Shop, seconds: float) -> dict[int, Answers]:
    with _serving(shop) as port:
        warm(port, shop)
        curve: dict[int, Answers] = {}
        for rate in RATES:
            curve[rate] = ask_at(port, shop.requests, per_second=rate, seconds=seconds)
            if curve[rate].ms(50) > _BEYOND_MS:
                break  # it cannot answer so much, and what is further out says no more
        return curve


def _overload(shop: Shop, ceiling: float, seconds: float) -> dict[str, object]:
    """Ask for many times what can be answered, then for a fifth of it, and see when all is as before."""
    with _serving(shop) as port:
        warm(port, shop)
        stormy = ask_at(port, shop.requests, per_second=OVERLOAD * ceiling, seconds=seconds, connections=1000)
        after = ask_at(port, shop.requests, per_second=ceiling / 5, seconds=15.0)
    refused = stormy.status >= 400
    unwell = (after.status != 200) | after.degraded | (after.took_s > 0.1)
    return {
        "what": f"{OVERLOAD} x overload",
        "rate/s": OVERLOAD * ceiling,
        "answered/s": stormy.per_second,
        "p99 ms": stormy.ms(99),
        "statuses": json.dumps(stormy.statuses()),
        "degraded": int(stormy.degraded.sum()),
        "refused without Retry-After": int((refused & ~stormy.says_when).sum()),
        "well again after s": float(after.due_s[unwell].max(initial=0.0)),
    }


def _draw(rows: Sequence[Mapping[str, object]], target: Path) -> None:
    """Draw ceilings beside the peers, and latency by rate."""
    import matplotlib as mpl  # noqa: PLC0415  slow to import, needed for the picture alone

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "tactful"  # the same picture of the same figures
    import matplotlib.pyplot as plt  # noqa: PLC0415  as above

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    bars = [row for row in rows if row.get("requests/s") is not None]
    names = [f"{row['what']}\n{row['items']:,} items" if row["items"] else str(row["what"]) for row in bars]
    drawn = left.barh(names, [float(str(row["requests/s"])) for row in bars])
    for bar, row in zip(drawn, bars, strict=True):
        bar.set_color("#2f6f5e" if row["what"] == "tactful" else "#9aa5a0")
    left.bar_label(drawn, fmt="{:,.0f}", padding=3, fontsize=8)
    left.set(xscale="log", xlabel="requests a second at most, two cores")
    left.invert_yaxis()
    left.margins(x=0.25)
    clock = [row for row in rows if row["what"] == "by the clock"]
    for name, style in (("p50 ms", "-"), ("p99 ms", "--")):
        right.plot(
            [int(str(row["rate/s"])) for row in clock],
            [float(str(row[name])) for row in clock],
            style,
            color="#2f6f5e",
            label=name.removesuffix(" ms"),
        )
    right.set(yscale="log", xlabel="requests a second, by the clock", ylabel="ms from when it was due")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)
