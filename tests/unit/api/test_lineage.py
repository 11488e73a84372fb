"""Runs are told as OpenLineage says, hold nothing of anybody, and never stand in the way of a training."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from api.models.lineage import EventType, Job, Told, lineage_of, run_event, tell_aborted
from api.settings import Settings
from engine.artefact import Manifest

SCHEMAS = Path(__file__).parents[2] / "cases" / "openlineage"
NOW_MS = 1_790_000_000_000
RUN_ID = "0b5d9a3e-6d9b-4f43-a2b8-3e6a0c3f8d10"
MANIFEST = Manifest(
    learner="walk",
    training_digest="ab" * 16,
    n_customers=120,
    n_interactions=4_000,
    n_edges=900,
    min_support=3,
    data_from_ms=1,
    data_to_ms=NOW_MS,
)


def documents():
    return [json.loads(file.read_text("utf-8")) for file in sorted(SCHEMAS.glob("*.json"))]


REGISTRY = Registry().with_resources([(each["$id"], Resource.from_contents(each)) for each in documents()])


def require_valid(event):
    """Hold an event against its schema, and every facet against the one that it names."""
    checker = FormatChecker()
    spec = {"$ref": event["schemaURL"]}
    Draft202012Validator(spec, registry=REGISTRY, format_checker=checker).validate(event)
    found = list(facets(event))
    for facet in found:
        spec = {"$ref": facet["_schemaURL"]}
        Draft202012Validator(spec, registry=REGISTRY, format_checker=checker).validate(facet)
    return found


def facets(part):
    if isinstance(part, dict):
        if "_schemaURL" in part:
            yield part
        for below in part.values():
            yield from facets(below)
    elif isinstance(part, list):
        for below in part:
            yield from facets(below)


def settings_of(tmp_path, **more):
    return Settings(database_url="sqlite:///unused.db", data_dir=tmp_path, **more)


def told(lines):
    return [json.loads(line) for line in lines.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("kind", list(EventType))
@pytest.mark.parametrize("job", list(Job))
def test_every_event_is_as_the_specification_says(tmp_path, kind, job):
    run = Told()
    run.took_over("tactful", "0" * 64)
    run.learned("tactful", MANIFEST, "1" * 64)
    event = run_event(settings_of(tmp_path), job, RUN_ID, kind, NOW_MS, run, "ModelFitError")
    assert len(require_valid(event)) == 9
    assert (event["eventType"], event["job"]["name"]) == (kind.value, job.value)
    assert event["eventTime"] == "2026-09-21T14:13:20.000+00:00"


def test_the_schemas_refuse_what_is_no_event(tmp_path):
    event = run_event(settings_of(tmp_path), Job.TRAIN, RUN_ID, EventType.START, NOW_MS, Told())
    del event["run"]
    with pytest.raises(Exception, match="run"):
        require_valid(event)


def test_a_run_is_told_from_its_beginning_to_its_end(tmp_path):
    file = tmp_path / "deep" / "lineage.jsonl"
    settings = settings_of(tmp_path, lineage_file=file, lineage_namespace="shop")
    with lineage_of(settings, Job.TRAIN, NOW_MS) as run:
        run.learned("shop", MANIFEST, "1" * 64)
        run.counts["activated"] = True
    start, complete = told(file)
    for event in (start, complete):
        require_valid(event)
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert UUID(start["run"]["runId"]) == UUID(complete["run"]["runId"])
    assert start["inputs"] == start["outputs"] == []
    assert complete["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"] == 4_000
    assert complete["outputs"][0]["facets"]["version"]["datasetVersion"] == "1" * 64
    counts = complete["run"]["facets"]["tactful_run"]
    assert (counts["nCustomers"], counts["activated"]) == (120, True)
    assert complete["job"]["namespace"] == "shop"


def test_a_run_that_fails_is_told_with_the_kind_of_error_and_none_of_its_words(tmp_path):
    file = tmp_path / "lineage.jsonl"
    with (
        pytest.raises(ValueError, match="buyer-4711"),
        lineage_of(settings_of(tmp_path, lineage_file=file), Job.FORGET, NOW_MS),
    ):
        raise ValueError("buyer-4711")
    require_valid(told(file)[1])
    assert told(file)[1]["eventType"] == "FAIL"
    assert "ValueError" in file.read_text()
    assert "buyer" not in file.read_text()


def test_a_run_that_is_broken_off_is_told_as_aborted(tmp_path):
    file = tmp_path / "lineage.jsonl"
    settings = settings_of(tmp_path, lineage_file=file)
    with pytest.raises(KeyboardInterrupt), lineage_of(settings, Job.UPDATE, NOW_MS, RUN_ID):
        raise KeyboardInterrupt
    tell_aborted(settings, Job.TRAIN, RUN_ID, NOW_MS)
    assert [event["eventType"] for event in told(file)] == ["START", "ABORT", "ABORT"]
    assert {event["run"]["runId"] for event in told(file)} == {RUN_ID}


def test_nothing_is_written_unless_it_is_set_where_to(tmp_path):
    with lineage_of(settings_of(tmp_path), Job.TRAIN, NOW_MS):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with lineage_of(settings_of(tmp_path, lineage_file=tmp_path / "file" / "x"), Job.TRAIN, NOW_MS) as run:
        run.took_over("tactful", "0" * 64)
    assert (tmp_path / "file").read_text() == ""


@contextmanager
def a_listener(status=201, wait_s=0.0):
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            time.sleep(wait_s)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v1/lineage?tenant=1", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("status", [201, 503])
def test_events_are_posted_in_their_order_with_the_key_whatever_is_answered(tmp_path, status):
    with a_listener(status) as (url, received):
        settings = settings_of(tmp_path, lineage_url=url, lineage_key="secret")
        with lineage_of(settings, Job.TRAIN, NOW_MS):
            pass
    assert [(path, key) for path, key, _ in received] == [("/api/v1/lineage?tenant=1", "Bearer secret")] * 2
    assert [event["eventType"] for _, _, event in received] == ["START", "COMPLETE"]


def test_nobody_who_answers_delays_a_training_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr("api.models.lineage.LAST_WORDS_S", 0.2)
    with a_listener(wait_s=0.6) as (url, _):
        started = time.monotonic()
        with lineage_of(settings_of(tmp_path, lineage_url=url), Job.TRAIN, NOW_MS):
            pass
        assert time.monotonic() - started < 0.5


def test_nobody_there_stops_nothing(tmp_path):
    settings = settings_of(tmp_path, lineage_url="http://127.0.0.1:9/x")
    with lineage_of(settings, Job.TRAIN, NOW_MS):
        pass
