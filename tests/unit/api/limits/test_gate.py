"""Never more at work than there are places, and a quick and clear answer for everybody else."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import orjson
import pytest

from api.limits.gate import FULL, LEAST, LONGEST_RETRY_S, OTHER, PAGES, Gate, asks_least
from api.limits.lanes import Lane
from api.limits.settings import FREE_THREADS, LimitSettings
from api.tracing import Traced

SETTINGS = LimitSettings(full_at_once=2, least_at_once=2, other_at_once=2)
SUGGEST = {"REQUEST_METHOD": "POST", "PATH_INFO": "/v1/recommendations"}
PAGE = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v1/items/a"}


class Counted:
    """Counts what is refused."""

    def __init__(self):
        self.refused = Counter()

    def count_refused(self, because):
        self.refused[because] += 1


class Work:
    """An application whose requests are at work until they are let go; it notes how many are at once."""

    def __init__(self):
        self.go_on = threading.Event()
        self.at_once = Counter()
        self.most_at_once = Counter()
        self._lock = threading.Lock()

    def __call__(self, environ, start_response):
        kind = "least" if asks_least(environ) else environ["PATH_INFO"]
        with self._lock:
            self.at_once[kind] += 1
            self.most_at_once[kind] = max(self.most_at_once[kind], self.at_once[kind])
        self.go_on.wait(30)
        with self._lock:
            self.at_once[kind] -= 1
        start_response("200 OK", [])
        return [kind.encode()]


def ask(gate, request, **more):
    """Return status, headers and body of an answer, and how long it took in seconds."""
    told = {}

    def start_response(status, headers):
        told["status"], told["headers"] = int(status[:3]), dict(headers)

    started = time.monotonic()
    body = b"".join(gate({**request, **more}, start_response))
    return told["status"], told["headers"], body, time.monotonic() - started


def n_at_work(gate):
    return {name: lane.n_at_work for name, lane in gate.lanes.items() if lane.n_at_work}


def test_of_forty_at_once_two_get_full_work_two_the_least_and_what_is_too_much_is_refused_at_once():
    work, counted = Work(), Counted()
    gate = Gate(work, SETTINGS, counted)
    with ThreadPoolExecutor(40) as callers:
        asked = [callers.submit(ask, gate, SUGGEST) for _ in range(40)]
        while sum(each.done() for each in asked) < 36:  # the others are at work
            time.sleep(0.01)
        work.go_on.set()
    answers = [each.result() for each in asked]
    bodies = Counter(body for status, _, body, _ in answers if status == 200)
    assert bodies == {b"/v1/recommendations": 2, b"least": 2}
    refused = [answer for answer in answers if answer[0] == 503]
    assert len(refused) == counted.refused["overloaded"] == 36
    assert max(took_s for *_, took_s in refused) < 2
    for _, headers, body, _ in refused:
        assert 1 <= int(headers["Retry-After"]) <= LONGEST_RETRY_S
        assert headers["Content-Type"] == "application/problem+json"
        assert orjson.loads(body)["type"] == "/problems/overloaded"
    assert work.most_at_once == {"/v1/recommendations": 2, "least": 2}
    assert n_at_work(gate) == {}


def test_whoever_waits_gets_full_work_when_a_place_is_free_soon():
    work = Work()
    gate = Gate(work, SETTINGS, Counted())
    threading.Timer(0.1, work.go_on.set).start()
    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(lambda _: ask(gate, SUGGEST), range(6)))
    assert {(status, body) for status, _, body, _ in answers} == {(200, b"/v1/recommendations")}


def test_other_work_keeps_nobody_from_suggestions_and_nothing_keeps_the_probes_from_answering():
    work = Work()
    gate = Gate(work, SETTINGS, Counted())
    with ThreadPoolExecutor(20) as callers:
        others = [callers.submit(ask, gate, PAGE) for _ in range(2)]
        while n_at_work(gate) != {OTHER: 2}:
            time.sleep(0.01)
        suggesting = [callers.submit(ask, gate, SUGGEST) for _ in range(2)]
        probing = [
            callers.submit(ask, gate, {"REQUEST_METHOD": "GET", "PATH_INFO": path})
            for path in ("/healthz", "/readyz", "/metrics")
        ]
        while n_at_work(gate).get(FULL) != 2 or work.at_once["/healthz"] != 1:
            time.sleep(0.01)
        work.go_on.set()
        answers = [each.result() for each in (*others, *suggesting, *probing)]
    assert [status for status, *_ in answers] == [200] * 7


def test_forms_that_never_arrive_keep_nobody_from_the_api():
    gate = Gate(Work(), SETTINGS, Counted())
    while gate.lanes[PAGES].n_at_work < SETTINGS.other_at_once:
        assert gate.lanes[PAGES].enter()
    gate._inner.go_on.set()
    assert ask(gate, PAGE)[0] == 200
    assert ask(gate, SUGGEST)[0] == 200
    assert ask(gate, {"REQUEST_METHOD": "POST", "PATH_INFO": "/console/sign-in"})[0] == 503


def test_a_refusal_is_said_in_the_language_of_the_caller():
    gate = Gate(Work(), SETTINGS, Counted(), later_s=lambda: 2)
    assert all(gate.lanes[lane].enter() for lane in (FULL, FULL, LEAST, LEAST))
    status, headers, body, _ = ask(gate, SUGGEST, HTTP_ACCEPT_LANGUAGE="de-AT, en;q=0.5")
    assert (status, headers["Content-Language"], headers["Retry-After"]) == (503, "de", "2")
    assert orjson.loads(body)["title"] == "Es wird zu viel auf einmal angefragt"


def test_a_refusal_names_the_trace_of_its_request():
    gate = Gate(Work(), SETTINGS, Counted())
    assert all(gate.lanes[lane].enter() for lane in (FULL, FULL, LEAST, LEAST))
    traced = "0af7651916cd43dd8448eb211c80319c"
    of_caller = f"00-{traced}-b7ad6b7169203331-01"
    _, _, body, _ = copy_context().run(ask, Traced(gate), SUGGEST, HTTP_TRACEPARENT=of_caller)
    assert orjson.loads(body)["trace_id"] == traced


def test_pages_of_the_shop_may_read_that_they_were_refused_and_those_of_others_may_not():
    ours, other = "https://shop.example", "https://other.example"
    gate = Gate(Work(), SETTINGS, Counted(), origins=[ours])
    assert all(gate.lanes[lane].enter() for lane in (FULL, FULL, LEAST, LEAST))
    assert ask(gate, SUGGEST, HTTP_ORIGIN=ours)[1]["Access-Control-Allow-Origin"] == ours
    for others in ({"HTTP_ORIGIN": other}, {"HTTP_ORIGIN": ours + ".other.example"}, {}):
        assert "Access-Control-Allow-Origin" not in ask(gate, SUGGEST, **others)[1]
    closed = Gate(Work(), SETTINGS, Counted())
    assert all(closed.lanes[lane].enter() for lane in (FULL, FULL, LEAST, LEAST))
    assert "Access-Control-Allow-Origin" not in ask(closed, SUGGEST, HTTP_ORIGIN=ours)[1]


def test_a_place_is_held_until_the_answer_is_sent_and_given_back_once():
    closed = []

    class Stream:
        def __iter__(self):
            yield b"some"
            yield b"more"

        def close(self):
            closed.append(True)

    gate = Gate(lambda _environ, _start_response: Stream(), SETTINGS, Counted())
    answer = gate(dict(PAGE), None)
    assert n_at_work(gate) == {OTHER: 1}
    assert list(answer) == [b"some", b"more"]
    assert n_at_work(gate) == {OTHER: 1}
    answer.close()
    answer.close()
    del answer
    gc.collect()
    assert (n_at_work(gate), closed) == ({}, [True])


def test_an_answer_that_nobody_closes_gives_its_place_back():
    gate = Gate(lambda _environ, _start_response: iter([b"some"]), SETTINGS, Counted())
    answer = gate(dict(PAGE), None)
    assert n_at_work(gate) == {OTHER: 1}
    del answer
    gc.collect()
    assert n_at_work(gate) == {}


def test_a_request_that_fails_gives_its_place_back():
    def failing(_environ, _start_response):
        raise RuntimeError("broken")

    gate = Gate(failing, SETTINGS, Counted())
    for _ in range(5):
        with pytest.raises(RuntimeError, match="broken"):
            gate(dict(PAGE), None)
    assert n_at_work(gate) == {}


def test_threads_are_enough_for_all_who_work_and_wait_and_for_who_is_refused():
    settings = LimitSettings()
    gate = Gate(Work(), settings, Counted())
    of_lanes = sum(lane._n_places + lane._most_waiting for lane in gate.lanes.values())
    assert settings.n_threads == of_lanes + FREE_THREADS


def test_a_lane_is_never_fuller_than_it_may_be_and_empty_in_the_end():
    lane, n_most, lock = Lane(3, 50, 20.0), [0, 0], threading.Lock()

    def work(_):
        if not lane.enter():
            return False
        with lock:
            n_most[0] = max(n_most[0], lane.n_at_work)
            n_most[1] = max(n_most[1], lane.n_waiting)
        time.sleep(0.001)
        lane.leave()
        return True

    with ThreadPoolExecutor(40) as workers:
        entered = list(workers.map(work, range(400)))
    assert all(entered)  # forty threads: three at work, fewer than fifty wait
    assert n_most[0] <= 3 < n_most[1]
    assert (lane.n_at_work, lane.n_waiting) == (0, 0)


def test_nobody_waits_longer_than_a_lane_says():
    lane = Lane(1, 5, 0.05)
    assert lane.enter()
    started = time.monotonic()
    assert not lane.enter()
    assert 0.05 <= time.monotonic() - started < 2
    lane.leave()
    assert lane.enter()
