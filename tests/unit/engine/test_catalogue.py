from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import models

PATHS = ("Food", "Food > Whole Milk", "Food > Goat Milk", "Bücher > MÄRCHEN", "7-Up & Cola", "")


def shop(item_no: list[int]):
    ids = models.item_ids(len(item_no))
    return replace(models.catalogue(ids), item_no=np.array(item_no, np.int64), categories=PATHS)


def test_an_item_is_found_by_its_id():
    catalogue = shop([30, 10, 20])
    assert catalogue.idx_of_id == {"item-0000": 0, "item-0001": 1, "item-0002": 2}
    assert catalogue.n_items == 3


@pytest.mark.parametrize(
    ("item_no", "rows"),
    [([10, 20, 30], [1, 2, 0]), ([0, 15, 31, 10**12, -1], [-1] * 5), ([], []), ([30, 30], [0, 0])],
)
def test_items_are_found_by_their_storage_key(item_no, rows):
    found = shop([30, 10, 20]).idx_of_no(np.array(item_no, np.int64))
    assert found.tolist() == rows
    assert found.dtype == np.int32


def test_an_empty_catalogue_holds_no_item():
    empty = models.catalogue(())
    assert empty.n_items == 0
    assert empty.idx_of_id == {}
    assert empty.idx_of_no(np.array([0, 1, -1])).tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("food", (0, 1, 2)),
        ("MILK", (1, 2)),
        ("milk goat", (2,)),
        ("goat, whole", ()),
        ("mil", ()),
        ("märchen", (3,)),
        ("BÜCHER", (3,)),
        ("7", (4,)),
        ("cola 7 up", (4,)),
        ("", ()),
        (" >&", ()),
        ("beer", ()),
    ],
)
def test_a_search_finds_the_categories_that_hold_all_its_words(text, codes):
    assert shop([1]).categories_about(text) == codes


@pytest.mark.parametrize(
    ("paths", "codes"),
    [
        (("Food",), [0, 1, 2]),
        (("Food > Goat Milk", "7-Up & Cola"), [2, 4]),
        (("Foo", "Food > Goat", "food"), []),
        ((), []),
    ],
)
def test_a_category_holds_what_lies_below_it_and_nothing_that_is_only_named_alike(paths, codes):
    found = shop([1]).within(paths)
    assert np.flatnonzero(found).tolist() == codes
    assert found.size == len(PATHS) + 1
