"""What a worker does beside answering."""

import gc

import pytest

from api.cli.worker import keep_what_is_loaded


@pytest.fixture
def collector():
    """Leave Python's collector of cycles as it was."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_loaded_is_never_looked_through_again(collector):
    loaded = [[number] for number in range(1000)]
    keep_what_is_loaded()
    watched = {id(each) for each in gc.get_objects()}  # what is frozen is not among them
    assert not watched & {id(each) for each in loaded}
    assert gc.get_freeze_count() >= len(loaded)


def test_cycles_that_requests_leave_behind_are_still_found(collector):
    keep_what_is_loaded()
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.isenabled()
    assert gc.collect() >= 1
