"""Far more at once than a served shop can work on: all are answered, and afterwards it is as before."""

import json
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from support.http import BUYER, fill
from support.one_worker import one_worker

from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.tables import decisions

PATIENCE_S = 60
N_AT_ONCE, N_BURSTS = 48, 3
RECOVERED_S = 5.0
"""So long after the load has ended the answers are whole again."""

GROWN_MIB = 48
"""Further bursts may cost no more memory than this: what a first one warms up is not counted."""


@pytest.fixture
def server(sqlite_store):
    """A server with one process and few places at work, on a shop with a model."""
    keys = fill(sqlite_store.settings)
    few = {"TACTFUL_LIMIT_FULL_AT_ONCE": "2", "TACTFUL_LIMIT_LEAST_AT_ONCE": "2"}
    with one_worker(sqlite_store.settings, few) as (process, url):
        yield process, url, keys


def resident_mib(process):
    """The memory of a server and its workers."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in (process.pid, *found))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_at_many_times_the_load_callers_get_full_answers_least_personal_ones_or_are_told_when_to_come_again(
    server, sqlite_store
):
    process, url, keys = server
    site, auditor = ({"Authorization": f"Bearer {keys[role]}"} for role in (Role.SITE, Role.AUDITOR))
    with httpx.Client(
        base_url=url, timeout=PATIENCE_S, limits=httpx.Limits(max_connections=N_AT_ONCE + 2)
    ) as client:

        def ask(_=None):
            asked = {"placement": "home", "customer_id": BUYER}
            answer = client.post("/v1/recommendations", json=asked, headers=site)
            answers.append(answer)
            return answer

        memory, answers, probed = [], [], []
        ask()
        for _ in range(N_BURSTS):
            with ThreadPoolExecutor(N_AT_ONCE + 1) as callers:
                burst = [callers.submit(ask) for _ in range(2 * N_AT_ONCE)]
                probed.append(callers.submit(client.get, "/healthz").result().status_code)
            assert {each.result().status_code for each in burst} == {200, 503}
            memory.append(resident_mib(process))
        ended = time.monotonic()
        while ask().json().get("degraded_because") != []:
            assert time.monotonic() - ended < RECOVERED_S
        kinds = Counter(answer.status_code for answer in answers)
        assert set(kinds) == {200, 503}
        given = [answer.json() for answer in answers if answer.status_code == 200]
        least = [answer for answer in given if answer["degraded_because"] == ["overloaded"]]
        full = [answer for answer in given if answer["degraded_because"] == []]
        assert least
        assert full
        assert len(least) + len(full) == len(given)
        for answer in answers:
            if answer.status_code == 503:
                assert answer.json()["type"] == "/problems/overloaded"
                assert 1 <= int(answer.headers["Retry-After"]) <= 3
        assert probed == [200] * N_BURSTS
        assert all(not answer["profiling"] for answer in least)
        with reading(sqlite_store.engine) as conn:
            recorded = sorted(conn.execute(select(decisions.c.decision_id)).scalars())
        assert recorded == sorted(answer["decision_id"] for answer in given)
        record = client.get(f"/v1/decisions/{least[0]['decision_id']}", headers=auditor).json()
        assert record["sections"]["out"]["degraded"] == ["overloaded"]
        assert record["sections"]["req"]["subject_kind"] == "none"
        figures = client.get("/metrics", headers=auditor).text
        counted = f'tactful_degraded_decisions_total{{reason="overloaded"}} {len(least)}.0'
        assert counted in figures
        assert f'tactful_refused_total{{because="overloaded"}} {kinds[503]}.0' in figures
        assert memory[-1] - memory[0] < GROWN_MIB
        assert json.dumps(record).find(BUYER) == -1
