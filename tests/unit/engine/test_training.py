from __future__ import annotations

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from support import models

from engine.artefact import WEIGHT_SCALE, load_artefact, write_artefact
from engine.errors import ModelFitError
from engine.interactions import DAY_MS, WEIGHT_ONE, Interactions
from engine.models import LEARNERS
from engine.training import TrainingSettings, fit
from engine.training.weights import strongest, summed_weights, without
from engine.vocabulary import Channel, Kind

N_CUSTOMERS, N_ITEMS, N_GROUPS = 200, 60, 3
IDS = models.item_ids(N_ITEMS)
TIER = np.zeros(N_ITEMS, np.int8)
NOW_MS = 1000 * DAY_MS


def interactions(rows: list[tuple[int, int, int]], kind: Kind = Kind.PURCHASE) -> Interactions:
    """From (customer, item, day)."""
    return Interactions.from_rows([(c, i, kind, day * DAY_MS, Channel.WEB, 0, 0, 0) for c, i, day in rows])


@pytest.fixture(scope="module")
def grouped() -> Interactions:
    """A year in which customers keep to the items of their group, one new item every other week or so."""
    random = np.random.default_rng(0)
    rows = []
    for customer in range(N_CUSTOMERS):
        own = random.permutation(np.arange(customer % N_GROUPS, N_ITEMS, N_GROUPS))[:14]
        days = np.sort(random.integers(640, 1000, own.size))
        rows += list(zip([customer] * own.size, own.tolist(), days.tolist(), strict=True))
    return interactions(rows)


FEW = TrainingSettings(learners=("popular", "cosine", "walk", "lowpass", "blend"))


def run(found: Interactions, tier: np.ndarray = TIER, **options):
    return fit(found, IDS, tier, now_ms=NOW_MS, **{"settings": FEW, **options})


@pytest.fixture(scope="module")
def trained(grouped):
    return run(grouped)


def rows_of(trained) -> np.ndarray:
    return np.repeat(np.arange(N_ITEMS), np.diff(trained.arrays.indptr))


def test_a_learner_that_sees_the_groups_is_chosen_and_every_learner_has_its_figures(trained):
    manifest = trained.manifest
    assert [row["learner"] for row in manifest.metrics] == list(FEW.learners)
    figures = {row["learner"]: row["ndcg"] for row in manifest.metrics if "ndcg" in row}
    assert manifest.learner != "popular"
    assert figures[manifest.learner] > 2 * figures["popular"]
    assert all(
        row["ndcg_low"] <= row["ndcg"] <= row["ndcg_high"] for row in manifest.metrics if "ndcg" in row
    )
    assert manifest.notes == []


def test_the_manifest_says_how_it_was_validated_and_what_each_floor_costs(trained):
    manifest = trained.manifest
    validation = manifest.validation
    assert (validation["kind"], validation["k"]) == ("time", 20)
    assert validation["from_ms"] < validation["to_ms"]
    assert [row["min_support"] for row in manifest.floor_curve] == [2, 3, 5, 10, 20, 50]
    assert [row["min_support"] for row in manifest.floor_curve if row["chosen"]] == [manifest.min_support]
    n_edges = [row["n_edges"] for row in manifest.floor_curve]
    assert n_edges == sorted(n_edges, reverse=True)


def test_the_manifest_says_for_whom_it_does_well_beside_popularity(trained):
    segments = trained.manifest.segments
    assert {row["learner"] for row in segments} == {trained.manifest.learner, "popular"}
    assert {row["by"] for row in segments} >= {"activity", "item_age"}
    thirds = [row["n"] for row in segments if (row["by"], row["learner"]) == ("activity", "popular")]
    assert sum(thirds) == trained.manifest.validation["n_customers"]


def test_edges_join_items_of_one_group_and_are_whole_numbers_up_to_the_scale(trained):
    arrays = trained.arrays
    assert np.all(rows_of(trained) % N_GROUPS == arrays.indices % N_GROUPS)
    assert WEIGHT_SCALE / 3 < arrays.weights.max() < WEIGHT_SCALE * 2 / 3
    assert arrays.weights.min() > 0


def test_the_manifest_says_what_was_learned_from(trained, grouped):
    manifest = trained.manifest
    assert (manifest.n_customers, manifest.n_interactions) == (N_CUSTOMERS, len(grouped))
    assert manifest.n_edges == trained.arrays.indices.size
    assert (manifest.data_from_ms, manifest.data_to_ms) == (grouped.at_ms.min(), grouped.at_ms.max())
    assert manifest.params.keys() == LEARNERS[manifest.learner]().get_params().keys()
    assert manifest.latent == LEARNERS[manifest.learner].latent
    assert manifest.libraries["numpy"] == np.__version__


def test_what_was_trained_can_be_written_and_loaded(trained, tmp_path):
    loaded = load_artefact(tmp_path / write_artefact(tmp_path, *trained))
    assert loaded.manifest == trained.manifest


def test_training_again_gives_the_same_model_in_whatever_order_the_interactions_come(
    trained, grouped, tmp_path
):
    shuffled = grouped.where(np.random.default_rng(5).permutation(len(grouped)))
    version = write_artefact(tmp_path, *trained)
    assert write_artefact(tmp_path, *run(shuffled)) == version


def test_edges_have_the_floor_that_was_chosen_and_never_less_than_two(trained):
    floor = trained.manifest.min_support
    assert floor in (2, 3, 5, 10, 20, 50)
    assert trained.arrays.support.min() >= floor


def test_edges_that_touch_a_sensitive_item_need_twenty_customers(grouped):
    tier = TIER.copy()
    tier[:15] = 1
    settings = TrainingSettings(learners=("cosine",), min_supports=(2,))
    sparser = grouped.where(np.arange(len(grouped)) % 4 > 0)
    sensitive = run(sparser, tier, settings=settings)
    touches = (rows_of(sensitive) < 15) | (sensitive.arrays.indices < 15)
    assert sensitive.manifest.min_support_sensitive == 20
    assert sensitive.arrays.support[touches].min() >= 20
    assert sensitive.arrays.support[~touches].min() < 20


def test_the_floor_is_the_strictest_that_costs_little(grouped):
    generous = TrainingSettings(learners=("cosine",), max_floor_cost=1.0)
    assert run(grouped, settings=generous).manifest.min_support == 20  # with 50 no edge is left
    stingy = TrainingSettings(learners=("cosine",), max_floor_cost=0.0, min_supports=(3, 50))
    assert run(grouped, settings=stingy).manifest.min_support == 3


def test_nothing_further_is_tried_once_there_is_no_time_left_for_what_follows(grouped):
    ticks = count()
    short = run(grouped, budget_s=9.0, clock=lambda: float(next(ticks)))
    tried = [row["learner"] for row in short.manifest.metrics if "ndcg" in row]
    skipped = [row["learner"] for row in short.manifest.metrics if "skipped" in row]
    assert tried[0] == "popular"
    assert sorted(tried + skipped) == sorted(FEW.learners)
    assert skipped
    assert [row["min_support"] for row in short.manifest.floor_curve] == [2]
    assert short.manifest.repeat_shift == 0
    assert "bought again" in short.manifest.notes[-1]
    assert short.arrays.indices.size > 0


def test_progress_counts_up_to_done(grouped):
    seen: list[tuple[str, int, int]] = []
    run(
        grouped,
        settings=TrainingSettings(learners=("cosine", "walk")),
        progress=lambda *step: seen.append(step),
    )
    done = [done for _, done, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == ("done", done[-1], done[-1])
    assert {total for *_, total in seen} == {done[-1]}


def test_what_is_in_season_moves_up_only_if_that_helps():
    """Half of the goods were bought last year and half lately, by everybody: lately is what comes next."""
    random = np.random.default_rng(3)
    old, new = np.arange(0, 30), np.arange(30, 60)
    rows = [
        (c, i, d)
        for c in range(N_CUSTOMERS)
        for i, d in zip(
            random.permutation(old)[:6].tolist(), random.integers(640, 700, 6).tolist(), strict=True
        )
    ]
    rows += [
        (c, i, d)
        for c in range(N_CUSTOMERS)
        for i, d in zip(
            random.permutation(new)[:8].tolist(), random.integers(930, 1000, 8).tolist(), strict=True
        )
    ]
    settings = TrainingSettings(learners=("popular", "cosine"))
    assert run(interactions(rows), settings=settings).manifest.trend["exponent"] > 0
    steady = [(c, i, 640 + (7 * c + 5 * i) % 360) for c in range(N_CUSTOMERS) for i in range(c % 3, 60, 9)]
    assert run(interactions(steady), settings=settings).manifest.trend == {}


def test_with_too_little_to_compare_by_the_fallback_is_used_and_the_manifest_says_so():
    few = interactions([(0, 0, 990), (0, 1, 991), (1, 0, 992), (1, 1, 993)])
    trained = run(few)
    assert trained.manifest.learner == FEW.fallback == "walk"
    assert trained.manifest.metrics == []
    assert "too few customers" in trained.manifest.notes[0]
    assert rows_of(trained).tolist() == [0, 1]
    assert trained.arrays.support.tolist() == [2, 2]


def test_where_popularity_ranks_best_the_manifest_says_so_and_w_is_still_learned():
    """Everybody gets one item of the old group, then the one thing that everybody buys this month."""
    rows = [(c, i, 700 + (c * 7 + i) % 200) for c in range(N_CUSTOMERS) for i in range(c % 8, 40, 8)]
    rows += [(c, 50, 960 + c % 10) for c in range(0, N_CUSTOMERS, 2)]
    rows += [(c, 50, 990 + c % 10) for c in range(1, N_CUSTOMERS, 2)]
    trained = run(interactions(rows), settings=TrainingSettings(learners=("popular", "walk"), k=1))
    figures = {row["learner"]: row["ndcg"] for row in trained.manifest.metrics}
    assert figures["popular"] > figures["walk"]
    assert trained.manifest.learner == "walk"
    assert "popularity alone" in trained.manifest.notes[0]
    assert trained.arrays.indices.size > 0


def test_popularity_is_recent_and_nobody_is_popular_with_too_few_customers():
    rows = [(c, 0, 1000) for c in range(4)] + [(c, 1, 986) for c in range(6)] + [(7, 2, 1000)] * 9
    arrays = run(interactions(rows), settings=TrainingSettings(popularity_half_life_days=14)).arrays
    assert arrays.popularity[:4].tolist() == [4 * WEIGHT_ONE, 3 * WEIGHT_ONE, 0, 0]


def test_one_customer_cannot_contribute_more_items_than_allowed():
    rows = [(c, i, 1000) for c in range(3) for i in range(30)]
    few = run(interactions(rows), settings=TrainingSettings(max_items_per_customer=5))
    assert set(few.arrays.indices.tolist()) == {0, 1, 2, 3, 4}


def test_kinds_that_say_nothing_of_taste_teach_nothing():
    returned = interactions([(0, 0, 999), (0, 1, 999), (1, 0, 999), (1, 1, 999)], Kind.RETURN)
    with pytest.raises(ModelFitError, match="no interactions"):
        run(returned)
    bought = interactions([(0, 2, 999), (0, 3, 999), (1, 2, 999), (1, 3, 999)])
    assert rows_of(run(Interactions.joined(returned, bought))).tolist() == [2, 3]


def test_interactions_outside_the_catalogue_and_tiers_of_the_wrong_length_are_refused(grouped):
    with pytest.raises(ModelFitError, match="outside"):
        run(replace(grouped, item_idx=grouped.item_idx - 1))
    with pytest.raises(ModelFitError, match="tier"):
        run(grouped, TIER[:5])


def test_weights_are_summed_by_customer_and_item_and_halved_with_age():
    found = interactions([(0, 1, 1000), (0, 1, 888), (1, 0, 1000)])
    weights = summed_weights(found, (2, 3), TrainingSettings().weighting, NOW_MS)
    assert weights.toarray().tolist() == [[0, 1.5, 0], [1, 0, 0]]


def test_the_heaviest_items_of_each_customer_are_kept_and_of_equals_the_first():
    found = interactions([(0, 2, 1000), (0, 1, 1000), (0, 0, 888), (1, 0, 1000), (1, 2, 1000), (1, 2, 1000)])
    weights = summed_weights(found, (2, 3), TrainingSettings().weighting, NOW_MS)
    assert strongest(weights, 1).toarray().tolist() == [[0, 1, 0], [0, 0, 2]]
    assert without(weights, strongest(weights, 1)).toarray().tolist() == [[0.5, 0, 1], [1, 0, 0]]
