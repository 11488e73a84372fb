"""Interactions imported per second, beside the plainest way to put the same rows into SQLite.

The peer is ``executemany`` of ready-made rows into the same table with the same indexes and the same
durability: it reads no file, checks nothing and knows every number already.
"""

from __future__ import annotations

import csv
import json
import random
import tempfile
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import insert
from sqlalchemy.dialects import sqlite

from api.imports.importer import ImportReport, import_file
from api.settings import Settings
from api.storage.connection import open_engine, upgrade, writing
from api.storage.customers import customer_numbers
from api.storage.interactions import INTERACTION_COLUMNS
from api.storage.items import item_numbers
from api.storage.subjects import open_subjects
from api.storage.tables import interactions
from engine.vocabulary import Channel, Kind, Provenance
from guardrails.consent.purposes import Purpose

NOW_MS = 1_750_000_000_000
COLUMNS = ("customer_id", "item_id", "kind", "at_ms", "channel", "purpose", "quantity", "value")
BATCH = 20_000
PLAIN_INSERT = str(insert(interactions).compile(dialect=sqlite.dialect(), column_keys=INTERACTION_COLUMNS))

Row = tuple[str, str, str, int, str, str, int, str]


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row a way of importing."""
    n_rows, n_items = (50_000, 2_000) if quick else (500_000, 20_000)
    rows = _some_rows(n_rows, n_items)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_items(folder / "items.jsonl", n_items)
        files = [write(folder, rows) for write in (_write_csv, _write_json_lines, _write_parquet)]
        # A run of every way in turn, and each way's best: what else the machine does hits them alike.
        ways: dict[str, Callable[[Path], float]] = {
            "sqlite3 executemany (peer)": lambda shop: _put_plainly(shop, rows),
            **{f"import {file.suffix[1:]}": _importing(file) for file in files},
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(1 if quick else 3):
            for way, put in ways.items():
                seconds[way].append(put(_new_shop(folder / f"{number}-{way[:10]}{way[-3:]}", folder)))
    peer = min(seconds["sqlite3 executemany (peer)"])
    return [
        {
            "way": way,
            "rows": n_rows,
            "rows_per_s": round(n_rows / min(taken)),
            "of_peer": peer / min(taken),
        }
        for way, taken in seconds.items()
    ]


def _some_rows(n_rows: int, n_items: int) -> list[Row]:
    """Return what a shop's export looks like: in the order of time, few customers, many items."""
    chance = random.Random(7)
    first_ms = NOW_MS - n_rows * 1_000
    return [
        (
            f"customer-{chance.randrange(max(1, n_rows // 500))}",
            f"item-{chance.randrange(n_items)}",
            chance.choice(("purchase", "view", "cart")),
            first_ms + number * 1_000,
            "web",
            "personalize.content.profiling",
            chance.randrange(1, 5),
            f"{chance.randrange(1, 10_000) / 100:.2f}",
        )
        for number in range(n_rows)
    ]


def _write_items(file: Path, n_items: int) -> None:
    lines = (
        orjson.dumps({"item_id": f"item-{number}", "title": f"Article {number}"}) for number in range(n_items)
    )
    file.write_bytes(b"\n".join(lines))


def _write_csv(folder: Path, rows: list[Row]) -> Path:
    file = folder / "rows.csv"
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return file


def _write_json_lines(folder: Path, rows: list[Row]) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("\n".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in rows))
    return file


def _write_parquet(folder: Path, rows: list[Row]) -> Path:
    file = folder / "rows.parquet"
    columns = zip(*rows, strict=True)
    pq.write_table(pa.table(dict(zip(COLUMNS, map(pa.array, columns), strict=True))), file)
    return file


def _new_shop(folder: Path, files: Path) -> Path:
    """Make a store that holds the items and nothing else."""
    folder.mkdir()
    engine = open_engine(_settings(folder))
    upgrade(engine)
    engine.dispose()
    _import(folder, "items", files / "items.jsonl")
    return folder


def _settings(folder: Path) -> Settings:
    return Settings(database_url=f"sqlite:///{folder / 'shop.db'}", data_dir=folder)


def _import(shop: Path, kind: str, file: Path) -> ImportReport:
    settings = _settings(shop)
    engine = open_engine(settings)
    report = import_file(kind, file, None, engine, settings, open_subjects(settings), now_ms=NOW_MS)
    engine.dispose()
    if report.rejected or report.inserted != report.read:
        raise RuntimeError(f"not everything was imported: {report}")
    return report


def _importing(file: Path) -> Callable[[Path], float]:
    return lambda shop: _import(shop, "interactions", file).seconds


def _put_plainly(shop: Path, rows: list[Row]) -> float:
    settings = _settings(shop)
    engine = open_engine(settings)
    with writing(engine) as conn:
        items = item_numbers(conn)
        customers = customer_numbers(conn, {row[0] for row in rows}, open_subjects(settings), NOW_MS)
    ready = [
        (
            row[3].to_bytes(8, "big") + blake2b(repr(row).encode(), digest_size=8).digest(),
            customers[row[0]],
            None,
            items[row[1]],
            int(Kind.PURCHASE),
            row[3],
            int(Channel.WEB),
            int(Purpose.PROFILING),
            False,
            row[6],
            int(row[7].replace(".", "")),
            int(Provenance.OWN),
        )
        for row in rows
    ]
    started = time.perf_counter()
    for start in range(0, len(ready), BATCH):
        with writing(engine) as conn:
            conn.exec_driver_sql(PLAIN_INSERT, ready[start : start + BATCH])
    seconds = time.perf_counter() - started
    engine.dispose()
    return seconds
