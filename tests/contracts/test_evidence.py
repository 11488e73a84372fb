"""What a shop still holds of what was exported from it."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import select
from support.stores import NOW_MS, an_interaction, store_customer, store_interactions, store_items

from api.storage.bulk import last_interaction_no
from api.storage.connection import reading, writing
from api.storage.evidence import evidence_held
from api.storage.rights import CorrectionAction, CorrectionScope, correct
from api.storage.tables import interactions
from engine.vocabulary import Kind
from guardrails.consent.purposes import Purpose

COLUMNS = ("interaction_no", "customer_no", "item_no", "kind", "at_ms")


def exported(store) -> dict[str, np.ndarray]:
    """All interactions by their numbers, as a copy has them."""
    wanted = [interactions.c[name] for name in COLUMNS]
    with reading(store.engine) as conn:
        rows = conn.execute(select(*wanted).order_by(interactions.c.interaction_no)).all()
    table = np.array([tuple(-1 if each is None else each for each in row) for row in rows], np.int64)
    return dict(zip(COLUMNS, table.T, strict=True))


def held(store, copy) -> tuple[list[bool], list[bool]]:
    with reading(store.engine) as conn:
        is_held, is_gift = evidence_held(conn, last_interaction_no(conn)).of(*copy.values())
    return is_held.tolist(), is_gift.tolist()


@pytest.fixture
def numbers(store):
    """A view and a purchase each of two items, the second purchase a gift."""
    numbers, customer_no = store_items(store, "lamp", "milk"), store_customer(store)
    rows = [
        an_interaction(store, item_no, customer_no=customer_no, kind=kind, is_gift=is_gift)
        for item_no, kind, is_gift in (
            (numbers["lamp"], Kind.VIEW, False),
            (numbers["lamp"], Kind.PURCHASE, False),
            (numbers["milk"], Kind.VIEW, False),
            (numbers["milk"], Kind.PURCHASE, True),
        )
    ]
    store_interactions(store, rows)
    return customer_no, numbers


def set_right(store, customer_no, item, action):
    with writing(store.engine) as conn:
        correct(conn, b"k" * 16, customer_no, CorrectionScope.ITEM, item, action, NOW_MS)


def test_what_nobody_touched_is_held_and_gifts_are_gifts(store, numbers):
    assert held(store, exported(store)) == ([True] * 4, [False, False, False, True])


def test_what_was_taken_out_of_a_profile_is_not_held_any_more(store, numbers):
    copy = exported(store)
    set_right(store, numbers[0], "lamp", CorrectionAction.DROP)
    assert held(store, copy) == ([False, False, True, True], [False, False, False, True])


def test_what_was_marked_as_a_gift_since_is_one(store, numbers):
    copy = exported(store)
    set_right(store, numbers[0], "lamp", CorrectionAction.RELABEL)
    assert held(store, copy)[0] == [True] * 4
    assert held(store, copy)[1] == [True, True, False, True]


def test_what_is_nobodys_or_was_not_collected_for_the_profile_is_not_evidence(store, numbers):
    customer_no, items = numbers
    store_interactions(
        store,
        [
            an_interaction(store, items["milk"], session_key=b"v" * 16),
            an_interaction(store, items["milk"], customer_no=customer_no, purpose=Purpose.ESSENTIAL_SERVICE),
        ],
    )
    assert held(store, exported(store))[0] == [True] * 4 + [False] * 2


def test_a_number_that_was_given_out_again_is_not_what_it_was(store, numbers):
    copy = exported(store)
    for name in COLUMNS[1:]:
        another = copy | {name: copy[name] + 1}
        assert held(store, another) == ([False] * 4, [False] * 4), name


def test_numbers_that_the_shop_never_gave_out_are_not_held(store, numbers):
    copy = exported(store)
    for moved in (-10, 10, 1 << 40):
        another = copy | {"interaction_no": copy["interaction_no"] + moved}
        assert held(store, another) == ([False] * 4, [False] * 4)


def test_of_an_empty_shop_nothing_is_held(store):
    one = {name: np.array([1]) for name in COLUMNS}
    assert held(store, one) == ([False], [False])
