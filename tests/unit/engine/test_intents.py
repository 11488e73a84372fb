from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import models

from engine.serving.candidates import Candidates, Evidence
from engine.serving.intents import intents
from engine.vocabulary import Intent, Origin, Source

# Kind of each item, and its price; -1 is unknown.
KINDS = [0, 0, 0, 1, 1, -1, -1, 2]
PRICES = [100, 150, -1, 100, 90, 500, 600, 70]
CHEAP, DEAR, UNPRICED, OTHER, OTHER_CHEAPER, ODD, ODDER, GARDEN = range(8)
CATALOGUE = replace(
    models.catalogue(models.item_ids(len(KINDS)), category=KINDS), price_minor=np.array(PRICES, np.int64)
)


def candidates(items: list[int], source: Source = Source.GOES_WITH, pieces: list[list[int]] | None = None):
    """Candidates, each with the pieces of evidence that contributed to it."""
    pieces = pieces or [[0] for _ in items]
    flat = [piece for of_one in pieces for piece in of_one]
    n = len(items)
    return Candidates(
        item_idx=np.array(items, np.int32),
        score=np.arange(n, 0, -1, dtype=np.int64),
        base=np.zeros(n, np.int64),
        source=np.full(n, source, np.int8),
        ptr=np.concatenate([[0], np.cumsum([len(of_one) for of_one in pieces])]).astype(np.int32),
        evidence=np.array(flat, np.int32),
        contribution=np.ones(len(flat), np.int64),
        support=np.full(len(flat), 30, np.int32),
    )


def meant(items, evidence, anchors=(), **more) -> list[Intent]:
    found = intents(candidates(items, **more), evidence, anchors, CATALOGUE)
    assert found.dtype == np.int8
    return [Intent(code) for code in found]


PAST = models.evidence([CHEAP, ODD])
PAGE_AND_PAST = Evidence(
    **{
        name: np.concatenate([getattr(models.evidence([OTHER], origin=Origin.CONTEXT), name), column])
        for name, column in vars(models.evidence([CHEAP])).items()
    }
)


def test_without_an_anchor_a_known_kind_is_similar_and_another_a_discovery():
    assert meant([DEAR, OTHER, GARDEN], PAST) == [Intent.SIMILAR, Intent.DISCOVER, Intent.DISCOVER]


def test_an_unknown_kind_is_never_known_already():
    assert meant([ODDER, ODD], PAST) == [Intent.DISCOVER, Intent.DISCOVER]


@pytest.mark.parametrize(
    ("anchors", "items", "expected"),
    [
        ((CHEAP,), [DEAR, UNPRICED], [Intent.UPSELL, Intent.SIMILAR]),
        ((DEAR,), [CHEAP], [Intent.SIMILAR]),
        ((CHEAP, DEAR), [CHEAP, DEAR], [Intent.SIMILAR, Intent.SIMILAR]),
        ((UNPRICED,), [DEAR], [Intent.SIMILAR]),
        ((UNPRICED, CHEAP), [DEAR], [Intent.UPSELL]),
        ((OTHER_CHEAPER, CHEAP), [OTHER, GARDEN], [Intent.UPSELL, Intent.DISCOVER]),
        ((ODD,), [ODDER], [Intent.DISCOVER]),
    ],
)
def test_against_an_anchor_of_its_kind_what_is_dearer_is_an_upsell(anchors, items, expected):
    assert meant(items, PAST, anchors) == expected


def test_another_kind_that_the_page_supports_is_a_cross_sell():
    found = meant([GARDEN, GARDEN + 0], PAGE_AND_PAST, (OTHER,), pieces=[[0, 1], [1]])
    assert found == [Intent.CROSS_SELL, Intent.DISCOVER]


def test_the_same_kind_as_the_page_is_no_cross_sell():
    assert meant([OTHER_CHEAPER, OTHER], PAGE_AND_PAST, (OTHER,)) == [Intent.SIMILAR, Intent.SIMILAR]


@pytest.mark.parametrize("anchors", [(), (DEAR,)])
@pytest.mark.parametrize(
    ("source", "intent"),
    [
        (Source.BUY_AGAIN, Intent.REPLENISH),
        (Source.POPULAR, Intent.POPULAR),
        (Source.POPULAR_IN_CATEGORY, Intent.POPULAR),
    ],
)
def test_what_is_due_again_or_popular_is_meant_as_that(source, intent, anchors):
    assert meant([DEAR, OTHER], PAST, anchors, source=source) == [intent, intent]


@pytest.mark.parametrize("source", [Source.POPULAR, Source.POPULAR_IN_CATEGORY])
def test_what_sells_well_and_costs_more_than_what_it_stands_beside_is_an_upsell(source):
    assert meant([DEAR, OTHER], PAST, (CHEAP,), source=source) == [Intent.UPSELL, Intent.POPULAR]


def test_what_is_due_again_is_no_step_up():
    assert meant([DEAR], PAST, (CHEAP,), source=Source.BUY_AGAIN) == [Intent.REPLENISH]


def test_nothing_is_meant_by_nothing():
    assert meant([], PAST, (CHEAP,)) == []
    assert intents(Candidates.empty(), Evidence.empty(), (), CATALOGUE).size == 0
