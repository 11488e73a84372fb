"""What slates give away on Complete Journey, by class: four columns, and what the last limit costs.

Everybody's purchases count as collected for a profile, and at training everybody has agreed to every
class: more than any shop knows, so that the lifts are as good as lifts can be. Served they are as
customers who have agreed to everything but a class.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from api.demo.journey import Purchases, data_folder, read_purchases, unit_prices, write_items
from api.evaluating.leakage import Leakage, measure, served
from api.imports.importer import import_file
from api.settings import Settings
from api.storage.connection import open_engine, reading, upgrade
from api.storage.items import load_catalogue
from api.storage.placements import read_placements
from api.storage.subjects import open_subjects
from engine.artefact import Artefact, Manifest, load_artefact, write_artefact
from engine.catalogue import Catalogue
from engine.evaluation.metrics import ndcg_at_k
from engine.interactions import DAY_MS, Interactions
from engine.serving.recommender import Recommender
from engine.training import Classes, fit, refit
from engine.vocabulary import Channel, Kind
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.consent.purposes import Purpose
from guardrails.house import House
from guardrails.policy.limits import Limits
from guardrails.request import Placement

NOW_MS = 20_000 * DAY_MS
TEST_DAYS = 28
LIFT_MAX_MICRO = (2_000_000, 1_100_000, 0)
K = 20


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row a class and limit, and at last what each limit costs who has not agreed to a class."""
    bought = read_purchases(data_folder(), NOW_MS)
    catalogue, home = _catalogue(bought)
    found = _interactions(bought, catalogue)
    rows: list[dict[str, object]] = []
    print("… learning", file=sys.stderr, flush=True)
    model = _learned(None, found, catalogue, NOW_MS)
    for lift_max_micro in LIFT_MAX_MICRO:
        report = measure(
            _house(model, catalogue, lift_max_micro),
            model,
            found,
            home,
            NOW_MS,
            lambda *_: None,
            with_topics=not quick,
        )
        rows.extend(_rows(report))
        print(f"… limit {lift_max_micro / 1e6}", file=sys.stderr, flush=True)
    return rows + _costs(model.manifest, found, catalogue, home)


def _catalogue(bought: Purchases) -> tuple[Catalogue, Placement]:
    """Take the goods in as the demo shop does."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_env({"TACTFUL_DATA_DIR": folder})
        engine = open_engine(settings)
        upgrade(engine)
        items = Path(folder) / "items.jsonl"
        write_items(data_folder(), unit_prices(bought.product, bought.quantity, bought.paid_minor), items)
        subjects = open_subjects(settings)
        import_file("items", items, None, engine, settings, subjects, lambda *_: None, None, NOW_MS)
        with reading(engine) as conn:
            found = load_catalogue(conn, settings.consent.raised_classes), read_placements(conn)["home"]
        engine.dispose()
    return found


def _interactions(bought: Purchases, catalogue: Catalogue) -> Interactions:
    products, which = np.unique(bought.product, return_inverse=True)
    item_idx = np.array([catalogue.idx_of_id.get(str(each), -1) for each in products.tolist()])[which]
    _, customer_idx = np.unique(bought.household, return_inverse=True)
    fixed = (Kind.PURCHASE, Channel.WEB, Purpose.PROFILING)
    kind, channel, purpose = (np.full(len(bought), each, np.int8) for each in fixed)
    none = np.zeros(len(bought), np.int8)
    found = Interactions(
        customer_idx=customer_idx.astype(np.int32),
        item_idx=item_idx.astype(np.int32),
        kind=kind,
        at_ms=bought.at_ms,
        channel=channel,
        purpose=purpose,
        is_gift=none.astype(np.bool_),
        provenance=none,
    )
    return found.where(item_idx >= 0)


def _learned(manifest: Manifest | None, found: Interactions, catalogue: Catalogue, now_ms: int) -> Artefact:
    sensitive = catalogue.tier >= SENSITIVE_FROM_TIER
    classes = Classes(
        catalogue.sensitive_classes,
        np.where(sensitive, catalogue.sensitive_class, -1).astype(np.int16),
        np.ones((int(found.customer_idx.max()) + 1, len(catalogue.sensitive_classes)), np.bool_),
    )
    shop = (found, catalogue.item_ids, catalogue.tier)
    if manifest is None:
        trained = fit(*shop, now_ms=now_ms, classes=classes)
    else:
        trained = refit(manifest, *shop, now_ms=now_ms, classes=classes)
    folder = Path(tempfile.mkdtemp())
    return load_artefact(folder / write_artefact(folder, trained.arrays, trained.manifest))


def _house(model: Artefact, catalogue: Catalogue, lift_max_micro: int) -> House:
    limits = Limits()
    limits = replace(limits, inference=replace(limits.inference, lift_max_micro=lift_max_micro))
    return House(Recommender(model, catalogue), catalogue, limits, "bench")


def _rows(report: Leakage) -> list[dict[str, object]]:
    return [
        {
            "lift max": report.lift_max_micro / 1e6,
            "class": row.name.rsplit(" > ", 1)[-1].lower(),
            "tier": row.tier,
            "n": row.n_positive,
            **{name: f"{x.auc:.3f} ({x.low:.3f}-{x.high:.3f})" for name, x in row.leaks.items()},
            "gone": "" if row.gone is None else f"{row.gone:.0%}",
            "goal": "reached" if row.reached else "",
        }
        for row in report.rows
    ]


def _costs(
    manifest: Manifest, found: Interactions, catalogue: Catalogue, home: Placement
) -> list[dict[str, object]]:
    """Return the relevance of the last days' purchases under each limit, and with every class agreed to."""
    cut_ms = NOW_MS - TEST_DAYS * DAY_MS
    before, after = found.where(found.at_ms < cut_ms), found.where(found.at_ms >= cut_ms)
    names = np.unique(before.customer_idx)
    before = replace(before, customer_idx=np.searchsorted(names, before.customer_idx).astype(np.int32))
    after = after.where(np.isin(after.customer_idx, names) & (catalogue.tier[after.item_idx] == 0))
    shape = (names.size, catalogue.n_items)
    later, earlier = (
        csr_matrix((np.ones(len(rows), np.bool_), (rows.customer_idx, rows.item_idx)), shape=shape)
        for rows in (replace(after, customer_idx=np.searchsorted(names, after.customer_idx)), before)
    )
    new = csr_matrix(later > earlier)
    new.eliminate_zeros()
    model = _learned(manifest, before, catalogue, cut_ms)
    rows: list[dict[str, object]] = []
    for lift_max_micro in LIFT_MAX_MICRO:
        house = _house(model, catalogue, lift_max_micro)
        for everything in (False, True):
            ranked = np.full((names.size, K), -1, np.int32)
            for row, slate in enumerate(served(house, before, home, cut_ms, everything=everything)):
                ranked[row, : slate.size] = slate[:K]
            rows.append(
                {
                    "lift max": lift_max_micro / 1e6,
                    "class": "NDCG@20, every class agreed to"
                    if everything
                    else "NDCG@20, no class agreed to",
                    "on": f"{ndcg_at_k(ranked, later):.4f}",
                    "of what is new to them": f"{ndcg_at_k(ranked, new):.4f}",
                }
            )
    return rows
