"""What is done beside the requests goes on after failures, and ends when it is closed."""

import logging
import threading

import pytest

from api.errors import StoreUnavailableError
from api.rounds import Rounds, unless_unavailable


class Counted(Rounds):
    def __init__(self, failing=()):
        super().__init__("counted", first_s=0.0)
        self.n, self.failing, self.reached = 0, failing, threading.Event()

    def _do(self):
        self.n += 1
        if self.n == 5:
            self.reached.set()
        if self.n <= len(self.failing):
            raise self.failing[self.n - 1]

    def _round(self):
        unless_unavailable("counted:failed", self._do)
        return 0.0


class Kept(logging.Handler):
    def __init__(self):
        super().__init__()
        self.events = []

    def emit(self, record):
        self.events.append(record.getMessage())


@pytest.fixture
def noted():
    kept = Kept()
    logging.getLogger("tactful").addHandler(kept)
    yield kept.events
    logging.getLogger("tactful").removeHandler(kept)


def test_it_goes_round_again_whatever_went_wrong_and_says_what_is_no_outage(noted):
    rounds = Counted(failing=[StoreUnavailableError("away"), ValueError("broken")])
    rounds.start()
    assert rounds.reached.wait(10)
    rounds.close()
    assert noted == ["counted:failed"]


def test_once_closed_it_goes_round_no_more_and_closing_twice_is_fine():
    rounds = Counted()
    rounds.start()
    assert rounds.reached.wait(10)
    rounds.close()
    rounds.close()
    n = rounds.n
    assert not rounds._thread.is_alive()
    assert rounds.n == n


def test_what_never_began_can_be_closed():
    Counted().close()
