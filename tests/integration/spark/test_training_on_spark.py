"""What a cluster learns is what one machine learns: real executors, each a process of its own."""

from __future__ import annotations

import traceback
from dataclasses import replace

import numpy as np
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlalchemy import text
from sqlalchemy.engine import make_url
from support import models
from support.clusters import a_cluster, reached_over_tcp
from support.learning import TRAINED_MS as NOW_IN_SHOP_MS
from support.learning import numbers_of, open_shop, takes_back, unseen

from api.errors import SettingsError
from api.storage.connection import reading, writing
from api.storage.rights import CorrectionAction, CorrectionScope, correct
from api.storage.versions import MODEL, active, get_model
from api.training import train
from api.training_on_spark import COLUMNS, train_on_spark
from engine.artefact import Manifest, manifest_of, write_artefact
from engine.errors import ModelFitError
from engine.interactions import DAY_MS, Interactions
from engine.models import LEARNERS
from engine.training import Classes, Goods, TrainingSettings, refit
from engine.training.learn import Shop, recipe_of
from engine.training.spark import LEARNED_ON_SPARK, learn_on_spark
from engine.vocabulary import Channel, Kind
from guardrails.consent.events import Status

N_CUSTOMERS, N_ITEMS, N_GROUPS = 300, 90, 3
IDS = models.item_ids(N_ITEMS)
NOW_MS = 1000 * DAY_MS
SETTINGS = TrainingSettings(max_items_per_customer=12)
"""Fewer than most customers have, so that clipping has something to do."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with a_cluster(tmp_path_factory.mktemp("cluster")) as session:
        yield session


@pytest.fixture(scope="module")
def interactions() -> Interactions:
    """Two years of customers who mostly keep to a group of items, of every kind, some twice."""
    random = np.random.default_rng(0)
    rows = []
    for customer in range(N_CUSTOMERS):
        own = np.arange(customer % N_GROUPS, N_ITEMS, N_GROUPS)
        items = np.concatenate([random.choice(own, 14), random.integers(0, N_ITEMS - 5, 4)])
        kinds = random.choice([Kind.PURCHASE, Kind.VIEW, Kind.CART, Kind.RATING], items.size)
        at_ms = random.integers(300 * DAY_MS, NOW_MS, items.size)
        rows += [
            (customer, int(item), int(kind), int(at), Channel.WEB, 0, 0, 0)
            for item, kind, at in zip(items, kinds, at_ms, strict=True)
        ]
    return Interactions.from_rows(rows)


@pytest.fixture(scope="module")
def shop() -> Shop:
    """Some items are sensitive, some that nobody has are told of by texts alone."""
    tier = np.zeros(N_ITEMS, np.int8)
    tier[:4] = 2
    of_item = np.where(tier > 0, 0, -1).astype(np.int16)
    agreed = (np.arange(N_CUSTOMERS) % 4 > 0)[:, None]
    category = (np.arange(N_ITEMS) % 5).astype(np.int32)
    texts = tuple(f"thing of sort {number % 7} and kind {number % 3}" for number in range(N_ITEMS))
    return Shop(IDS, tier, Classes(("alcohol",), of_item, agreed), Goods(category, texts))


def frame_of(cluster, interactions: Interactions):
    """The interactions as a frame, in no order."""
    order = np.random.default_rng(1).permutation(len(interactions))
    names = ("customer_idx", "item_idx", "kind", "at_ms")
    return cluster.createDataFrame(pa.table({name: getattr(interactions, name)[order] for name in names}))


def on_spark(cluster, interactions, shop, manifest: Manifest, **options):
    recipe = recipe_of(manifest, SETTINGS)
    options = {"now_ms": NOW_MS, "n_blocks": 3} | options
    return learn_on_spark(frame_of(cluster, interactions), recipe, shop, SETTINGS, **options)


def on_one_machine(interactions, shop, manifest: Manifest):
    return refit(
        manifest,
        interactions,
        shop.item_ids,
        shop.tier,
        now_ms=NOW_MS,
        classes=shop.classes,
        goods=shop.goods,
        settings=SETTINGS,
    )


COUNTED = [
    Manifest(learner="walk", min_support=2, trend={"half_life_days": 28, "exponent": 1.0}),
    Manifest(learner="cosine", params={"n_neighbours": 9}, min_support=5),
    Manifest(learner="tfidf", min_support=2),
    Manifest(learner="bm25", params={"n_neighbours": 9}, min_support=2),
]
FACTORED = Manifest(
    learner="als",
    params={"n_factors": N_GROUPS, "n_iterations": 6, "n_neighbours": N_ITEMS},
    min_support=2,
)


@pytest.mark.parametrize("manifest", COUNTED, ids=lambda each: f"{each.learner}-{each.min_support}")
def test_what_is_counted_is_the_same_to_the_bit_and_so_is_the_version(
    cluster, interactions, shop, manifest, tmp_path
):
    told = []
    here = on_one_machine(interactions, shop, manifest)
    there = on_spark(cluster, interactions, shop, manifest, progress=lambda *step: told.append(step))
    assert here.arrays.indices.size > 100
    for name in ("indptr", "indices", "weights", "support"):
        assert getattr(here.arrays, name).tobytes() == getattr(there.arrays, name).tobytes()
    assert here.manifest == there.manifest
    assert write_artefact(tmp_path, *here) == write_artefact(tmp_path, *there)
    assert told[-1] == ("done", 1, 1)
    assert all(0 <= done <= total for _, done, total in told)


def test_factors_of_another_solver_relate_the_same_pairs_and_rank_them_much_alike(
    cluster, interactions, shop
):
    here = on_one_machine(interactions, shop, FACTORED)
    there = on_spark(cluster, interactions, shop, FACTORED, n_blocks=2)
    support = [support_by_pair(each.arrays) for each in (here, there)]
    both = support[0].keys() & support[1].keys()
    assert len(both) > 0.9 * max(map(len, support))
    assert all(support[0][pair] == support[1][pair] for pair in both)
    for trained in (here, there):
        row = np.repeat(np.arange(N_ITEMS), np.diff(trained.arrays.indptr))
        same_group = row % N_GROUPS == trained.arrays.indices % N_GROUPS
        weight = trained.arrays.weights.astype(float)
        assert weight[same_group].mean() > 3 * weight[~same_group].mean()
    agreement = [shared_of_best(here.arrays, there.arrays, row) for row in range(4, N_ITEMS - 5)]
    assert np.mean(agreement) > 0.8  # two seeds on one machine agree by 0.98, guesses by 0.06
    assert np.array_equal(here.arrays.popularity, there.arrays.popularity)
    assert np.array_equal(here.arrays.lift_percent, there.arrays.lift_percent)
    assert there.manifest.training_digest == ""
    assert any("solver" in note for note in there.manifest.notes)


def support_by_pair(arrays) -> dict[tuple[int, int], int]:
    row = np.repeat(np.arange(N_ITEMS), np.diff(arrays.indptr))
    return dict(zip(zip(row.tolist(), arrays.indices.tolist(), strict=True), arrays.support, strict=True))


def shared_of_best(one, other, row: int, n: int = 5) -> float:
    best = []
    for arrays in (one, other):
        at = slice(arrays.indptr[row], arrays.indptr[row + 1])
        best.append({*arrays.indices[at][np.argsort(-arrays.weights[at], kind="stable")[:n]].tolist()})
    return len(best[0] & best[1]) / n


def test_a_learner_that_takes_everything_at_once_is_refused(cluster, interactions, shop):
    with pytest.raises(ModelFitError, match="choose from walk, cosine"):
        on_spark(cluster, interactions, shop, Manifest(learner="ease"))


def test_no_learner_of_clusters_is_left_out_here():
    assert {each.learner for each in (*COUNTED, FACTORED)} == set(LEARNED_ON_SPARK)
    assert set(LEARNED_ON_SPARK) < LEARNERS.keys()


def test_of_nobody_nothing_is_learned(cluster, interactions, shop):
    nothing = interactions.where(np.zeros(len(interactions), np.bool_))
    with pytest.raises(ModelFitError, match="no interactions"):
        on_spark(cluster, nothing, shop, COUNTED[0])


N_IN_SHOP = 16


def test_a_shop_learns_from_a_parquet_copy_what_it_learns_by_itself(cluster, sqlite_store, tmp_path):
    """Also where the copy still holds somebody who took the consent back."""
    open_shop(sqlite_store, N_IN_SHOP)
    copy = tmp_path / "interactions.parquet"
    parquet.write_table(interactions_in(sqlite_store), copy)
    takes_back(sqlite_store, "c03", NOW_IN_SHOP_MS - 1, Status.CONSENT_WITHDRAWN)
    here = train(sqlite_store.engine, sqlite_store.settings, NOW_IN_SHOP_MS, unseen, may_activate=False)
    there = train_on_spark(
        cluster, sqlite_store.engine, sqlite_store.settings, NOW_IN_SHOP_MS, unseen, parquet=f"file://{copy}"
    )
    assert there.activated
    assert there.n_edges > 0
    for name in ("version", "learner", "n_customers", "n_interactions", "kept_out", "min_support"):
        assert getattr(here, name) == getattr(there, name), name
    with reading(sqlite_store.engine) as conn:
        assert active(conn)[MODEL] == there.version
        assert manifest_of(orjson.loads(get_model(conn, there.version).manifest)).read_to > 0


@pytest.mark.parametrize("action", list(CorrectionAction))
def test_a_copy_brings_nothing_back_that_a_customer_has_set_right_since(
    cluster, sqlite_store, tmp_path, action
):
    """Neither what was taken out of the profile, nor as one's own what was said to be a gift."""
    open_shop(sqlite_store, N_IN_SHOP)
    copy = tmp_path / "interactions.parquet"
    parquet.write_table(interactions_in(sqlite_store), copy)
    given = (sqlite_store.engine, sqlite_store.settings, NOW_IN_SHOP_MS, unseen)
    before = train(*given, may_activate=False)
    for customer_id, customer_no in numbers_of(sqlite_store, "c01", "c02", "c04").items():
        whose = sqlite_store.subjects.account(customer_id), customer_no
        with writing(sqlite_store.engine) as conn:
            correct(conn, *whose, CorrectionScope.CATEGORY, "Home > Things", action, NOW_IN_SHOP_MS)
    here = train(*given, may_activate=False)
    there = train_on_spark(cluster, *given, parquet=f"file://{copy}")
    assert here.n_interactions == there.n_interactions < before.n_interactions
    assert (there.version, there.kept_out) == (here.version, here.kept_out)
    assert here.version != before.version


@pytest.mark.postgres
def test_a_database_that_is_to_be_read_encrypted_is_not_read_otherwise(cluster, postgresql_store):
    """Its server, behind a socket file, has no encryption to offer."""
    open_shop(postgresql_store, N_IN_SHOP)
    with reached_over_tcp(postgresql_store.settings.database_url) as url:
        asking = make_url(url).set(password="planted").update_query_dict({"sslmode": "require"})
        told = asking.render_as_string(hide_password=False)
        settings = replace(postgresql_store.settings, database_url=told)
        with pytest.raises(ModelFitError, match=r": FAILED_JDBC\.CONNECTION$") as failed:
            train_on_spark(cluster, postgresql_store.engine, settings, NOW_IN_SHOP_MS, unseen)
    assert "planted" not in told_of(failed.value)


@pytest.mark.postgres
def test_a_shop_on_postgresql_is_read_by_the_executors(cluster, postgresql_store, monkeypatch):
    open_shop(postgresql_store, N_IN_SHOP)
    here = train(postgresql_store.engine, postgresql_store.settings, NOW_IN_SHOP_MS, unseen)
    with reached_over_tcp(postgresql_store.settings.database_url) as url:
        settings = replace(postgresql_store.settings, database_url=url)
        there = train_on_spark(cluster, postgresql_store.engine, settings, NOW_IN_SHOP_MS, unseen)
    assert (there.version, there.kept_out) == (here.version, here.kept_out)


def test_a_cluster_that_cannot_read_ends_with_one_clear_line(cluster, sqlite_store, tmp_path):
    open_shop(sqlite_store, N_IN_SHOP)
    given = (cluster, sqlite_store.engine, sqlite_store.settings, NOW_IN_SHOP_MS, unseen)
    with pytest.raises(SettingsError, match="SQLite"):
        train_on_spark(*given)
    with pytest.raises(ModelFitError, match=r"PATH_NOT_FOUND"):
        train_on_spark(*given, parquet=f"file://{tmp_path}/nowhere.parquet")


def test_a_copy_that_cannot_be_read_ends_with_one_line_that_holds_no_address(cluster, sqlite_store, tmp_path):
    open_shop(sqlite_store, N_IN_SHOP)
    copy = tmp_path / "planted.parquet"
    parquet.write_table(interactions_in(sqlite_store), copy)
    content = bytearray(copy.read_bytes())
    content[4:400] = bytes(396)  # what it holds is broken, and not what says that it does
    copy.write_bytes(content)
    given = (cluster, sqlite_store.engine, sqlite_store.settings, NOW_IN_SHOP_MS, unseen)
    with pytest.raises(ModelFitError, match=r"did not come to the end of it: [\w.]+$") as failed:
        train_on_spark(*given, parquet=f"file://{copy}")
    assert "planted" not in told_of(failed.value)


def told_of(error: BaseException) -> str:
    """What a log would hold of an error and of all that led to it."""
    return "".join(traceback.format_exception(error))


def interactions_in(store) -> pa.Table:
    with reading(store.engine) as conn:
        rows = conn.execute(text(f"SELECT {', '.join(COLUMNS)} FROM interactions")).mappings().all()  # noqa: S608
    return pa.Table.from_pylist([dict(row) for row in rows])
