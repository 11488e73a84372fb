"""After a server was found gone nobody asks for a moment, then one at a time, until one is answered."""

import threading

import pytest

from api.storage.outage import REST_S, Outage

LOOKING_S = 3.0


@pytest.fixture
def now():
    return [100.0]


@pytest.fixture
def outage(now):
    return Outage(LOOKING_S, lambda: now[0])


def test_a_server_that_is_there_is_always_asked(outage):
    outage.end()
    assert all(outage.may_ask() for _ in range(3))


def test_one_that_was_found_gone_is_asked_again_after_a_rest_by_one(outage, now):
    outage.begin()
    assert not outage.may_ask()
    now[0] += REST_S
    assert [outage.may_ask() for _ in range(3)] == [True, False, False]


def test_who_looks_for_it_and_does_not_come_back_is_followed_by_another(outage, now):
    outage.begin()
    now[0] += REST_S
    assert outage.may_ask()
    now[0] += LOOKING_S
    assert [outage.may_ask() for _ in range(2)] == [True, False]


def test_who_finds_it_gone_still_lets_it_rest_again(outage, now):
    outage.begin()
    now[0] += REST_S
    assert outage.may_ask()
    outage.begin()
    now[0] += REST_S / 2
    assert not outage.may_ask()


def test_once_it_answers_everybody_asks(outage):
    outage.begin()
    outage.end()
    assert all(outage.may_ask() for _ in range(3))


def test_of_many_at_once_one_looks_for_it(outage, now):
    outage.begin()
    now[0] += REST_S
    asked, at_once = [], threading.Barrier(8)

    def ask():
        at_once.wait()
        asked.append(outage.may_ask())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked.count(True) == 1
