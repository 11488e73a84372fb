"""A clock that jumps by hours, there and back: nothing is personal for it, nothing is lost, order stays."""

import pytest
from support.http import BUYER, EVERYTHING, PROFILED, fill, serving
from support.soundness import Soundness
from support.stores import opened_with

from api.routes.recommendations import LOG_INDEX
from api.storage.connection import reading
from api.storage.log import read_entries, read_state
from api.wiring import now_ms

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Jumping:
    """The clock of this machine, put forward or back."""

    by_ms = 0

    def __call__(self):
        return now_ms() + self.by_ms


@pytest.fixture
def jumping(monkeypatch):
    clock = Jumping()
    monkeypatch.setattr("api.wiring.now_ms", clock)
    return clock


@pytest.fixture
def shop(sqlite_store, jumping):
    with serving(sqlite_store.settings, fill(sqlite_store.settings), clock=jumping) as shop:
        yield shop


def basis(shop):
    answer = shop.recommend(customer_id=BUYER)
    assert answer.status_code == 200
    assert LOG_INDEX in answer.headers
    return answer.json()["basis"]


@pytest.mark.parametrize("hours", [5, -5], ids=["forward", "back"])
def test_what_is_withdrawn_while_the_clock_is_wrong_is_withdrawn_when_it_is_right(shop, jumping, hours):
    shop.choose("given", *EVERYTHING)
    assert basis(shop) == "profile"
    jumping.by_ms = hours * HOUR_MS
    assert shop.choose("withdrawn", PROFILED).status_code == 201
    assert basis(shop) != "profile"
    jumping.by_ms = 0
    assert basis(shop) != "profile"


def test_before_it_was_given_and_after_it_has_ended_consent_opens_nothing(shop, jumping):
    shop.choose("given", *EVERYTHING)
    assert basis(shop) == "profile"
    for days in (-1, 800):
        jumping.by_ms = days * DAY_MS
        assert basis(shop) != "profile"
    jumping.by_ms = 0
    assert basis(shop) == "profile"


def test_the_log_goes_on_in_its_order_whatever_the_clock_says(shop, jumping):
    places = {}
    for hours in (0, 7, -7, 30, 0):
        jumping.by_ms = hours * HOUR_MS
        for _ in range(3):
            answer = shop.recommend(customer_id=BUYER)
            places[answer.json()["decision_id"]] = int(answer.headers[LOG_INDEX])
    assert list(places.values()) == sorted(places.values())
    Soundness(shop.settings).check(places)
    with opened_with(shop.settings) as store, reading(store.engine) as conn:
        entries = read_entries(conn, 0, read_state(conn).size)
    assert sum(b'"heartbeat"' in each for each in entries) <= 5  # at most one for each time it jumps
