"""Policies change under load, in two processes: nobody is refused, and whoever asks gets what is in force."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import pytest
from prometheus_client.multiprocess import MultiProcessCollector
from support.http import fill
from support.in_force import put_in_force
from support.logs import policies_recorded
from support.policies import a_policy, a_rule
from support.stores import create_store
from support.workers import Crowd, served

from api.settings import Settings
from api.storage.api_keys import Role
from api.storage.connection import open_engine, reading
from guardrails.policy.language import Atom, Op

N_CHANGES = 12
BETWEEN_S = 0.25

POLICIES = (
    a_policy(),
    a_policy(a_rule("no-food", when=Atom("item.categories", Op.CONTAINS_ANY, ("Food",)))),
    a_policy(a_rule("no-lamps", when=Atom("item.categories", Op.CONTAINS_ANY, ("Home",)))),
)


@dataclass(frozen=True)
class Change:
    """A version that was put in force, and the moments between which that was committed."""

    began: float
    ended: float
    policy: str


@pytest.fixture
def settings(tmp_path, monkeypatch):
    figures = tmp_path / "figures"
    figures.mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(figures))
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))
    found = Settings.from_env(os.environ)
    create_store(found.database_url, found.data_dir)
    return found


def in_force_at_some_time(asked, changes):
    """Versions that were in force at some time while a request was under way."""
    over = [*(change.ended for change in changes[1:]), float("inf")]
    return {
        change.policy
        for change, ended in zip(changes, over, strict=True)
        if change.began <= asked.ended and asked.began <= ended
    }


def n_decisions_by_worker(folder):
    """How many decisions each process has counted, of those that have counted any."""
    found = {}
    for file in folder.glob("counter_*.db"):
        for metric in MultiProcessCollector.merge([str(file)]):
            if metric.name == "tactful_decisions":
                found[file.stem] = sum(sample.value for sample in metric.samples)
    return {worker: n for worker, n in found.items() if n}


def test_policies_change_under_load_and_every_request_is_decided_by_what_is_in_force(settings, tmp_path):
    keys = fill(settings)
    engine = open_engine(settings)
    changes = []

    def change(policy):
        began = time.monotonic()
        version = put_in_force(engine, policy)
        changes.append(Change(began, time.monotonic(), version))

    change(POLICIES[0])
    with served(tmp_path / "log") as url, Crowd(url, keys[Role.SITE]) as crowd:
        time.sleep(BETWEEN_S)
        for number in range(1, N_CHANGES):
            change(POLICIES[number % len(POLICIES)])
            time.sleep(BETWEEN_S)
    assert {asked.status for asked in crowd.answers} == {200}
    for asked in crowd.answers:
        assert asked.policy in in_force_at_some_time(asked, changes)
    assert {asked.policy for asked in crowd.answers} == {change.policy for change in changes}
    with reading(engine) as conn:
        recorded = policies_recorded(conn)
    assert recorded == {asked.decision_id: (asked.policy, asked.policy) for asked in crowd.answers}
    assert len(n_decisions_by_worker(tmp_path / "figures")) == 2
    engine.dispose()
