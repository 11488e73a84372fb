"""What a shop of any size would take, worked out from what is measured here on a small one.

Measured: what rows of the demo shop take on disk; what a request costs, computing and storing together, in
processor time of this process; what a group of decisions costs the one who appends them to the log; what a
model takes a pair of items; how many pairs a core counts. Everything else is multiplied. What is assumed
stands in ``ASSUMED``: put your own figures there, prices above all.

python -m tests.bench scale          print it
python -m tests.bench.bench_scale    write it into ``api/deploy/SCALE.md``
"""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import numpy as np
from flask import Flask
from scipy.sparse import csr_matrix

from api.app import create_app
from api.policies.shipped import shipped_policy
from api.rehearsing.report import held
from api.settings import Settings
from api.storage.connection import open_engine, reading, upgrade, writing
from api.storage.items import load_catalogue
from api.storage.recorder import MAX_BATCH
from engine.artefact import Manifest, ModelArrays, size_of, write_artefact
from engine.interactions import DAY_MS, Interactions
from engine.models import learner_named
from engine.models.base import Counted
from engine.models.pairs import count_pairs
from engine.training import TrainingSettings
from engine.training.learn import Shop, weigh, what_is_known
from engine.vocabulary import Kind
from tests.bench import bench_log
from tests.bench import bench_rehearsal as shop
from tests.bench.bench_http import DEMO

PAGE = Path("api/deploy/SCALE.md")
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
DAY_S = 86_400
MONTH_H = 730
YEAR_DAYS = 365
GB = 1e9
TB = 1e12


class Assumed(NamedTuple):
    """What is not measured.

    Attributes:
        n_customers: accounts.
        n_items: of the catalogue.
        peak_per_s: requests a second at the busiest hour.
        mean_of_peak: mean load over the day, as a share of that.
        n_neighbours: entries of a row of W.
        n_interactions: that one customer leaves in a year.
        n_learned: distinct items of a customer that are learned from.
        kept_days: how long bodies of decisions are kept.
        busy: share of a core that is planned to be used at the peak.
        n_copies: of what the database holds, the standby among them.
        core_h: money for an hour of one virtual core with its memory, from and to (no currency: as listed).
        disk_gb: money for a month of one gigabyte on a fast disk.
        store_gb: money for a month of one gigabyte in an object store.
    """

    n_customers: float = 1e8
    n_items: float = 1e7
    peak_per_s: float = 50_000
    mean_of_peak: float = 0.4
    n_neighbours: int = 100
    n_interactions: float = 40
    n_learned: float = 20
    kept_days: float = 90
    busy: float = 0.6
    n_copies: int = 2
    core_h: tuple[float, float] = (0.03, 0.06)
    disk_gb: tuple[float, float] = (0.08, 0.17)
    store_gb: tuple[float, float] = (0.02, 0.03)


ASSUMED = Assumed()


class Measured(NamedTuple):
    """What was measured here.

    Attributes:
        request_ms: processor time of one guarded, recorded request, in milliseconds.
        append_ms: of that, what one decision costs whoever appends to the log, in a full group.
        append_wall_ms: the same by the clock on the wall, the disk's answer included.
        answer_bytes: of one answer.
        log_bytes: that one decision takes in the database, its indexes with it.
        interaction_bytes: that one interaction takes.
        customer_bytes: that one customer takes, consents with it.
        key_bytes: that the keys of one customer take, a year.
        item_bytes: that one item takes in the database.
        edge_bytes: that one entry of W takes in a model.
        model_item_bytes: that one item takes in a model beside its edges.
        met_per_s: pairs of a customer's items that one core meets in a second, when W is counted.
        name_bytes: of an item's names, ids and columns in the memory of each process.
        learned_bytes: of memory that learning takes an interaction, at most, where it is put together.
    """

    request_ms: float
    append_ms: float
    append_wall_ms: float
    answer_bytes: float
    log_bytes: float
    interaction_bytes: float
    customer_bytes: float
    key_bytes: float
    item_bytes: float
    edge_bytes: float
    model_item_bytes: float
    met_per_s: float
    name_bytes: float
    learned_bytes: float


Row = dict[str, object]


def run(*, quick: bool) -> list[Row]:
    """Return what was measured, and what follows of it."""
    found = measure(n_requests=60 if quick else 300, n_items=2_000 if quick else 20_000)
    return [*_measured_rows(found), *worked_out(found, ASSUMED)]


def measure(n_requests: int, n_items: int) -> Measured:
    """Measure on a copy of the demo shop, and on made-up models and decisions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(DEMO, folder / "shop")
        request_ms, answer_bytes, log_bytes = _requests(folder / "shop", n_requests)
        append_ms, append_wall_ms = _appending(folder, max(2, n_requests // 60))
        edge_bytes, model_item_bytes = _model_bytes(folder / "models", n_items)
        of_table, n_of_table = _tables(folder / "shop" / "tactful.db")
        keys = sum(_tables(folder / "shop" / "keys.db")[0].values())
        n_customers = n_of_table["customers"]
        of_customer = sum(of_table[each] for each in ("customers", "consent_events", "consent_states"))
        return Measured(
            request_ms,
            append_ms,
            append_wall_ms,
            answer_bytes,
            log_bytes,
            of_table["interactions"] / n_of_table["interactions"],
            of_customer / n_customers,
            keys / max(1, _n_keys(folder / "shop" / "keys.db")),
            of_table["items"] / n_of_table["items"],
            edge_bytes,
            model_item_bytes,
            _met_per_s(n_items),
            _name_bytes(folder / "shop"),
            _learned_bytes(n_items),
        )


def worked_out(found: Measured, by: Assumed) -> list[Row]:
    """Return what a shop of the size assumed takes, one row a thing."""
    a_day = by.peak_per_s * by.mean_of_peak * DAY_S
    cores = by.peak_per_s * found.request_ms / 1_000 / by.busy
    log_a_day = a_day * found.log_bytes
    bodies = log_a_day * by.kept_days
    evidence = by.n_customers * by.n_interactions * found.interaction_bytes
    people = by.n_customers * (found.customer_bytes + found.key_bytes)
    model = by.n_items * (by.n_neighbours * found.edge_bytes + found.model_item_bytes)
    ceiling = 1_000 / found.append_wall_ms
    busiest = 1_000 / found.append_ms
    counting_h = by.n_customers * by.n_learned**2 / found.met_per_s / 3_600
    disk = (bodies + evidence + people) * by.n_copies
    money = (
        ("cores", [cores * MONTH_H * each for each in by.core_h]),
        ("disks", [disk / GB * each for each in by.disk_gb]),
        ("bodies in an object store instead", [bodies / GB * each for each in by.store_gb]),
        ("object store, 20 models", [20 * model / GB * each for each in by.store_gb]),
    )
    return [
        _row("requests a day", a_day / 1e6, "million", "peak x mean of peak x 86,400 s"),
        _row("cores for requests at the peak", cores, "cores", "peak x request CPU / share planned"),
        _row(
            "memory for one model, mapped, each host",
            model / GB,
            "GB",
            "items x (neighbours x edge + its own)",
        ),
        _row("names of items, each process", by.n_items * found.name_bytes / GB, "GB", "items x name bytes"),
        _row("log and bodies a day", log_a_day / TB, "TB", "requests a day x bytes a decision"),
        _row(f"bodies kept {by.kept_days:.0f} days", bodies / TB, "TB", "that x days"),
        _row("write-ahead log, peak", by.peak_per_s * found.log_bytes * 2 / 1e6, "MB/s", "2 x bytes x peak"),
        _row("one year of interactions", evidence / TB, "TB", "customers x interactions x bytes"),
        _row("customers, consents, keys of a year", people / TB, "TB", "customers x bytes"),
        _row("items in the database", by.n_items * found.item_bytes / GB, "GB", "items x bytes"),
        _row("answers, peak", by.peak_per_s * found.answer_bytes * 8 / 1e9, "Gbit/s", "peak x bytes of one"),
        _row("a model to one host at 10 Gbit/s", model * 8 / 1e10, "s", "model / network"),
        _row("one sequencer's ceiling, by the clock", ceiling, "decisions/s", "1 / time of one in a group"),
        _row("the same if the disk took no time", busiest, "decisions/s", "1 / processor time of one"),
        _row("logs side by side", by.peak_per_s / by.busy / ceiling, "origins", "peak / share / ceiling"),
        _row(
            "memory of Spark's driver for a year",
            by.n_customers * by.n_interactions * found.learned_bytes / GB,
            "GB",
            "interactions x bytes of one at the peak",
        ),
        _row("counting W once", counting_h, "core hours", "customers x items of one^2 / pairs a second"),
        *(
            _row(f"money a month: {name}", each, "thousand", "from, to")
            for name, (low, high) in money
            for each in (low / 1e3, high / 1e3)
        ),
    ]


def _measured_rows(found: Measured) -> list[Row]:
    units = {name: name.rsplit("_", 1)[-1] for name in Measured._fields} | {"met_per_s": "pairs a second"}
    return [
        {"what": f"measured: `{name}`", "value": value, "unit": units[name]}
        for name, value in found._asdict().items()
    ]


def _row(what: str, value: float, unit: str, how: str) -> Row:
    return {"what": what, "value": value, "unit": unit, "how": how}


def _requests(folder: Path, n: int) -> tuple[float, float, float]:
    """Return processor milliseconds a request, bytes of an answer, bytes that a decision takes on disk."""
    key = json.loads((folder / "keys.json").read_text())["site"]
    settings = _settings(folder)
    engine = open_engine(settings)
    upgrade(engine)
    engine.dispose()
    app = create_app(settings)
    try:
        for number in range(60):
            _asked(app, key, number)
        before, began_s = _log_bytes(folder), time.process_time()
        sizes = [_asked(app, key, 60 + number) for number in range(n)]
        spent_s = time.process_time() - began_s
    finally:
        app.extensions["tactful"].close()
    return 1_000 * spent_s / n, statistics.mean(sizes), (_log_bytes(folder) - before) / n


def _asked(app: Flask, key: str, number: int) -> int:
    body = json.dumps({"customer_id": str(1 + number % 2_400), "placement": "home", "count": 10}).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/recommendations",
        "QUERY_STRING": "",
        "SERVER_NAME": "shop",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "shop",
        "HTTP_AUTHORIZATION": f"Bearer {key}",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    said: list[str] = []
    content = b"".join(app.wsgi_app(environ, lambda status, _headers, _error=None: said.append(status)))
    if said != ["200 OK"]:
        raise RuntimeError(f"the shop answered `{said}`")
    return len(content)


def _appending(folder: Path, n_groups: int) -> tuple[float, float]:
    """Return what one decision costs in a full group, in milliseconds of the processor and of the wall."""
    made = list(shop._made(folder, held(shipped_policy()), 60))
    with bench_log._log(folder / "log") as logbook:
        decisions = bench_log._fresh(made)
        groups = [list(itertools.islice(decisions, MAX_BATCH)) for _ in range(n_groups + 1)]
        spent: list[tuple[float, float]] = []
        for group in groups:
            cpu_s, wall_s = time.process_time(), time.perf_counter()
            with writing(logbook.engine) as conn:
                grown = logbook.append(conn, group)
            logbook.publish(grown.after)
            spent.append((time.process_time() - cpu_s, time.perf_counter() - wall_s))
    cpu, wall = (1_000 * statistics.median(each) / MAX_BATCH for each in zip(*spent[1:], strict=True))
    return cpu, wall


def _model_bytes(root: Path, n_items: int) -> tuple[float, float]:
    """Return bytes an edge and bytes an item, from models of two densities."""
    few, many = (_size(root, n_items, n_neighbours) for n_neighbours in (10, 20))
    of_edge = (many - few) / (10 * n_items)
    return of_edge, few / n_items - 10 * of_edge


def _size(root: Path, n_items: int, n_neighbours: int) -> int:
    columns = np.tile(np.arange(n_neighbours, dtype=np.int32), n_items)
    nothing = np.zeros(n_items, np.int32)
    arrays = ModelArrays(
        item_ids=_ids(n_items),
        indptr=np.arange(n_items + 1, dtype=np.int64) * n_neighbours,
        indices=columns,
        weights=columns + 1,
        support=columns + 2,
        row_source=nothing,
        popularity=nothing.astype(np.int64),
        repeat=nothing,
        repeat_support=nothing,
        repeat_interval_days=nothing,
    )
    return size_of(root / write_artefact(root, arrays, Manifest(learner="walk")))


def _met_per_s(n_items: int) -> float:
    """Return how many pairs of a customer's items one core meets in a second, when W is counted."""
    random = np.random.default_rng(0)
    n_customers, n_each = 5 * n_items, 20
    items = (n_items * random.random((n_customers, n_each)) ** 3).astype(np.int32)
    rows = np.repeat(np.arange(n_customers), n_each)
    weights = csr_matrix((np.ones(rows.size), (rows, items.ravel())), shape=(n_customers, n_items))
    learner = learner_named("walk")
    if not isinstance(learner, Counted):
        raise TypeError("the walk counts")
    product, floor = learner.product(weights), np.full(n_items, 2, np.int32)
    n_met = float(np.sum(np.diff(weights.indptr).astype(np.int64) ** 2))
    count_pairs(product, floor, 100, np.arange(10))
    began_s = time.process_time()
    count_pairs(product, floor, 100)
    return n_met / (time.process_time() - began_s)


def _name_bytes(folder: Path) -> float:
    """Return bytes an item of the catalogue in the memory of a process; no two processes share them."""
    engine = open_engine(_settings(folder))
    tracemalloc.start()
    with reading(engine) as conn:
        catalogue = load_catalogue(conn, ())
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    engine.dispose()
    return taken / catalogue.n_items


def _learned_bytes(n_items: int) -> float:
    """Return bytes an interaction at the peak of learning, W aside, which is counted block by block."""
    random, n = np.random.default_rng(0), 50 * n_items
    rows = Interactions.empty()
    columns = {name: np.zeros(n, column.dtype) for name, column in vars(rows).items()}
    columns["customer_idx"] = random.integers(0, n // 20, n).astype(np.int32)
    columns["item_idx"] = random.integers(0, n_items, n).astype(np.int32)
    columns["kind"][:] = Kind.PURCHASE
    columns["at_ms"] = random.integers(900 * DAY_MS, 1_000 * DAY_MS, n)
    found = Interactions(**columns)
    settings, shop_of = TrainingSettings(), Shop.of(_ids(n_items), np.zeros(n_items, np.int8), None)
    tracemalloc.start()
    known = what_is_known(found, shop_of, settings)
    weigh(known.interactions, (known.n_customers, n_items), settings, 1_000 * DAY_MS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (peak + sum(column.nbytes for column in columns.values())) / n


def _ids(n_items: int) -> tuple[str, ...]:
    return tuple(f"{number:012d}" for number in range(n_items))


def _settings(folder: Path) -> Settings:
    return Settings.from_env({"TACTFUL_DATA_DIR": str(folder), "TACTFUL_CONSENT_JURISDICTION": "US"})


def _tables(file: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Return bytes, indexes with them, and rows of each table of a SQLite file."""
    with sqlite3.connect(file) as conn:
        of_table = dict(conn.execute(_BYTES_OF).fetchall())
        rows = {each: conn.execute(f'SELECT count(*) FROM "{each}"').fetchone()[0] for each in of_table}  # noqa: S608  our own tables
    return of_table, rows


def _n_keys(file: Path) -> int:
    """Return how many customers there are keys of."""
    with sqlite3.connect(file) as conn:
        return int(conn.execute("SELECT count(DISTINCT subject_key) FROM subject_keys").fetchone()[0])


def _log_bytes(folder: Path) -> int:
    of_table, _ = _tables(folder / "tactful.db")
    return sum(n for name, n in of_table.items() if name.startswith(("log_", "decision", "exposures")))


_BYTES_OF = """
SELECT schema.tbl_name, sum(pages.pgsize) FROM dbstat AS pages
JOIN sqlite_schema AS schema ON schema.name = pages.name WHERE schema.type IN ('table', 'index')
    AND schema.tbl_name NOT LIKE 'sqlite_%' GROUP BY schema.tbl_name
"""


def main() -> None:
    """Measure, and write what comes out into the page."""
    rows = run(quick=False)
    lines = ["| what | figure | unit | how |", "|---|---:|---|---|"]
    lines += [
        f"| {row['what']} | {float(str(row['value'])):,.4g} | {row.get('unit', '')} | {row.get('how', '')} |"
        for row in rows
    ]
    load = os.getloadavg()[1]
    machine = f"Measured on {os.cpu_count()} cores that had {load:.1f} processes to run on the average."
    assumed = ", ".join(f"`{name}` {value}" for name, value in ASSUMED._asdict().items())
    text = PAGE.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(
        "\n".join([before + BEGIN, "", *lines, "", f"{machine} Assumed: {assumed}.", "", END + after])
    )


if __name__ == "__main__":
    main()
