"""A mailing to a file beside the same suggestions asked for one by one over HTTP, in one run.

A made-up shop: 10,000 items with a hundred neighbours each, customers with thirty purchases who agreed to
everything that is asked. Both ways decide under all guardrails and record every decision before it is out.
The purchases are made up at random, which is harder than life: no two customers share a piece of evidence.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from api.settings import Settings
from api.storage.api_keys import Role, create_key
from api.storage.connection import open_engine, upgrade, writing
from api.storage.consents import import_events
from api.storage.customers import customer_numbers
from api.storage.interactions import event_key, insert_interactions
from api.storage.items import ItemRow, item_numbers, upsert_items
from api.storage.subjects import open_subjects
from api.storage.versions import MODEL, ModelRow, activate, put_model
from api.wiring import now_ms
from engine.artefact import Manifest, ModelArrays, write_artefact
from engine.interactions import DAY_MS, WEIGHT_ONE
from engine.vocabulary import Channel, Kind, Provenance
from guardrails.consent.events import ConsentEvent, Status
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key
from guardrails.request import SubjectKind
from tests.bench.bench_http import load_of, tactful

N_ITEMS, N_NEIGHBOURS, N_PURCHASES = 10_000, 100, 30
N_CUSTOMERS, N_CUSTOMERS_QUICK = 100_000, 2_000
COUNT = 6
CHUNK = 5_000


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row for the single path and one for each number of processes."""
    n_customers = N_CUSTOMERS_QUICK if quick else N_CUSTOMERS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        customers, key = build(folder / "shop", n_customers)
        asked = {"placement": "email", "channel": "email", "count": COUNT}
        bodies = [json.dumps({"customer_id": each, **asked}).encode() for each in customers]
        single = load_of(tactful(folder / "shop"), bodies, 3.0 if quick else 10.0, key).per_second
        rows: list[dict[str, object]] = [{"what": "one by one over HTTP", "slates/s": single, "ratio": 1.0}]
        cores = len(os.sched_getaffinity(0))
        for n_processes in sorted({1, cores}) if quick else [cores]:
            report = mail(folder, customers, n_processes)
            rows.append(
                {
                    "what": f"tactful recommend, {n_processes} processes",
                    "slates/s": report["per_second"],
                    "ratio": report["per_second"] / single,
                    "customers": report["decided"],
                    "cpu ms each": report["cpu_s"] * 1000 / report["decided"],
                    "with start s": report["all_s"],
                }
            )
    return rows


def mail(folder: Path, customers: list[str], n_processes: int) -> dict[str, float]:
    """Write a mailing and return its report."""
    listed, out = folder / "customers.txt", folder / f"out-{n_processes}.jsonl"
    listed.write_text("\n".join(customers))
    started_s, before = time.monotonic(), os.times()
    done = subprocess.run(
        [
            Path(sys.executable).parent / "tactful", "recommend", listed, "--placement", "email", "--channel",
            "email", "--count", str(COUNT), "--output", out, "--processes", str(n_processes), "--json",
        ],
        env=os.environ | {"TACTFUL_DATA_DIR": str(folder / "shop"), "OPENBLAS_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads(done.stdout) | {"all_s": time.monotonic() - started_s, "cpu_s": cpu_s}


def build(folder: Path, n_customers: int) -> tuple[list[str], str]:
    """Build the shop; return its customers and a key that may ask."""
    settings, at_ms = Settings.from_env({"TACTFUL_DATA_DIR": str(folder)}), now_ms() - 1000
    engine, subjects = open_engine(settings), open_subjects(settings)
    upgrade(engine)
    random = np.random.default_rng(0)
    item_ids = [f"i-{number:05d}" for number in range(N_ITEMS)]
    customers = [f"c-{number:06d}" for number in range(n_customers)]
    purposes = (Purpose.FUNCTIONAL_STORAGE, Purpose.PROFILING, Purpose.PROFILED_CONTENT)
    keys = (*(KEY_OF[each] for each in purposes), communications_key(Channel.EMAIL))
    with writing(engine) as conn:
        _, key = create_key(conn, Role.SITE, "bench", at_ms)
        upsert_items(
            conn,
            [
                ItemRow(each, f"Lamp {each}", f"Home > {number % 100}", f"B {number % 50}", 999, "EUR")
                for number, each in enumerate(item_ids)
            ],
            at_ms,
        )
        numbers = item_numbers(conn)
        item_no = np.array([numbers[each] for each in item_ids])
    for start in range(0, n_customers, CHUNK):
        some = customers[start : start + CHUNK]
        with writing(engine) as conn:
            customer_no = customer_numbers(conn, some, subjects, at_ms)
            import_events(
                conn,
                [
                    (
                        subjects.account(each),
                        SubjectKind.ACCOUNT,
                        ConsentEvent(
                            f"{each}-{purpose}", purpose, Status.CONSENT_GIVEN, at_ms, explicit=True
                        ),
                    )
                    for each in some
                    for purpose in keys
                ],
                at_ms,
            )
            bought = item_no[random.integers(0, N_ITEMS, (len(some), N_PURCHASES))]
            ages = random.integers(1, 300, (len(some), N_PURCHASES))
            insert_interactions(
                conn,
                [
                    (
                        event_key(f"{each}-{place}"), customer_no[each], None, int(item), int(Kind.PURCHASE),
                        at_ms - int(age) * DAY_MS, int(Channel.WEB), int(Purpose.PROFILING), False, 1, None,
                        int(Provenance.OWN),
                    )
                    for each, items, days in zip(some, bought, ages, strict=True)
                    for place, (item, age) in enumerate(zip(items, days, strict=True))
                ],
            )  # fmt: skip
    version = write_artefact(
        settings.artefacts_dir, made_up(tuple(item_ids)), Manifest(learner="cosine", n_customers=n_customers)
    )
    with writing(engine) as conn:
        put_model(conn, ModelRow(version, str(settings.artefacts_dir / version), "{}", at_ms))
        activate(conn, MODEL, version, at_ms)
    engine.dispose()
    return customers, key


def made_up(item_ids: tuple[str, ...]) -> ModelArrays:
    """Make a model up: neighbours evenly spread from a random start."""
    random = np.random.default_rng(1)
    step = N_ITEMS // N_NEIGHBOURS
    starts = random.integers(0, step, N_ITEMS, dtype=np.int32)
    indices = (starts[:, None] + np.arange(N_NEIGHBOURS, dtype=np.int32) * step).ravel()
    zeros = np.zeros(N_ITEMS, np.int32)
    return ModelArrays(
        item_ids=item_ids,
        indptr=np.arange(N_ITEMS + 1, dtype=np.int64) * N_NEIGHBOURS,
        indices=indices,
        weights=random.integers(1 << 20, 1 << 30, indices.size, np.int32),
        support=np.full(indices.size, 200, np.int32),
        row_source=zeros,
        popularity=(random.permutation(N_ITEMS).astype(np.int64) + 1) * WEIGHT_ONE,
        repeat=zeros,
        repeat_support=zeros,
        repeat_interval_days=zeros,
    )
