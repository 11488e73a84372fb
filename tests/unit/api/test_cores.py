"""Which cores workers, and what computes apart, may use."""

import os

import pytest

from api import cores
from api.settings import Settings

HERE = sorted(os.sched_getaffinity(0))


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    monkeypatch.delenv(cores.VARIABLE, raising=False)
    yield
    os.sched_setaffinity(0, HERE)


@pytest.mark.parametrize("number", range(len(HERE)))
def test_where_there_is_a_worker_for_every_core_each_has_its_own(number):
    cores.note_cores()
    cores.keep_to_one(number, len(HERE))
    assert os.sched_getaffinity(0) == {HERE[number]}


@pytest.mark.parametrize("n_workers", [len(HERE) + 1, len(HERE) - 1])
def test_where_there_are_more_or_fewer_workers_the_kernel_chooses(n_workers):
    cores.note_cores()
    cores.keep_to_one(0, n_workers)
    assert sorted(os.sched_getaffinity(0)) == HERE


def test_what_computes_apart_uses_them_all(monkeypatch):
    cores.note_cores()
    os.sched_setaffinity(0, {HERE[0]})
    cores.use_all()
    assert sorted(os.sched_getaffinity(0)) == HERE


def test_no_more_than_the_service_may_use():
    os.sched_setaffinity(0, {HERE[-1]})
    cores.note_cores()
    cores.use_all()
    assert os.sched_getaffinity(0) == {HERE[-1]}


def test_where_nothing_was_noted_nothing_changes():
    cores.keep_to_one(0, 1)
    cores.use_all()
    assert sorted(os.sched_getaffinity(0)) == HERE


def test_cores_that_were_taken_away_meanwhile_stop_nobody(monkeypatch):
    monkeypatch.setenv(cores.VARIABLE, "4095")
    cores.keep_to_one(0, 1)
    cores.use_all()
    assert sorted(os.sched_getaffinity(0)) == HERE


def test_there_is_a_worker_for_every_core_that_the_service_may_use():
    assert Settings.from_env({}).workers == len(HERE)
    os.sched_setaffinity(0, {HERE[0]})
    assert Settings.from_env({}).workers == 1
