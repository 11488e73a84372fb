"""Traces: one id from the caller to the log and the problem document; spans that tell of nobody."""

import json
import logging
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.http import BUYER, EVERYTHING, fill, serving

from api.errors import SettingsError
from api.logging import LOGGER, JsonLines
from api.metrics import Metrics
from api.settings import Settings
from api.tracing import Caller, caller_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = {
    "traceparent": f"00-{TRACE}-{SPAN}-01",
    "tracestate": "vendor=secret-4711",
    "baggage": "customer=secret-4711",
}
NAMES = ("TACTFUL_OTEL_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
ATTRIBUTES = {
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "tactful.decision_id",
    "tactful.basis",
    "tactful.n_suggestions",
}


@contextmanager
def a_collector():
    """Take what is posted, as a collector does; yield its address and what came."""
    bodies = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Takes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()


@contextmanager
def logged():
    """Collect the lines of the log, as they are written."""
    lines = []

    class Keeps(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    keeps = Keeps()
    keeps.setFormatter(JsonLines())
    LOGGER.addHandler(keeps)
    LOGGER.setLevel(logging.INFO)
    yield lines
    LOGGER.removeHandler(keeps)


def spans_in(bodies):
    """Return every span that was sent, by its name."""
    found = {}
    for _, body in bodies:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                found |= {each.name: each for each in scope.spans}
    return found


def attributes_of(span):
    return {each.key: each.value for each in span.attributes}


def test_spans_tell_which_steps_took_how_long_and_nothing_of_anybody(sqlite_store):
    keys = fill(sqlite_store.settings)
    with a_collector() as (url, bodies), logged() as lines:
        address = Settings.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": url}).otel_endpoint
        with serving(replace(sqlite_store.settings, otel_endpoint=address), keys) as shop:
            shop.choose("given", *EVERYTHING)
            answer = shop.recommend(customer_id=BUYER, headers=CALLER)
    assert {path for path, _ in bodies} == {"/v1/traces"}
    spans = spans_in(bodies)
    asked = spans["POST /v1/recommendations"]
    assert asked.trace_id.hex() == TRACE
    assert asked.parent_span_id.hex() == SPAN
    for stage in ("read", "decide", "record"):
        assert spans[stage].trace_id == asked.trace_id
        assert spans[stage].parent_span_id == asked.span_id
        assert asked.start_time_unix_nano <= spans[stage].start_time_unix_nano
        assert spans[stage].start_time_unix_nano < spans[stage].end_time_unix_nano
        assert spans[stage].end_time_unix_nano <= asked.end_time_unix_nano + 1_000_000
    told, said = attributes_of(asked), answer.json()
    assert told.keys() == ATTRIBUTES
    assert told["tactful.decision_id"].string_value == said["decision_id"]
    assert told["tactful.basis"].string_value == said["basis"] == "profile"
    assert told["tactful.n_suggestions"].int_value == len(said["items"])
    assert {key for span in spans.values() for key in attributes_of(span)} <= ATTRIBUTES
    chosen = next(span for name, span in spans.items() if name.endswith("/consents"))
    line = next(line for line in map(json.loads, lines) if line.get("route", "").endswith("/consents"))
    assert line["trace_id"] == chosen.trace_id.hex()
    sent = b"".join(body for _, body in bodies)
    items = {item["item_id"] for item in said["items"]} | {"bread-1", "milk-2", "bread-3", "milk-0"}
    for private in (BUYER, "secret-4711", "bread-1", "milk-2", *items, *keys.values()):
        assert private.encode() not in sent


def test_a_collector_that_is_gone_delays_nobody_and_is_told_of_without_its_address(sqlite_store):
    keys = fill(sqlite_store.settings)
    settings = replace(sqlite_store.settings, otel_endpoint="http://127.0.0.1:1/secret-4711")
    with logged() as lines, serving(settings, keys) as shop:
        assert shop.recommend().status_code == 200
    assert any('"traces:export:failed"' in line for line in lines)
    assert not any("secret-4711" in line for line in lines)


def test_a_request_has_one_id_in_the_log_and_in_the_problem_that_answers_it(sqlite_store):
    with logged() as lines, serving(sqlite_store.settings, fill(sqlite_store.settings)) as shop:
        theirs = shop.client.get("/v1/models", headers=CALLER).json()
        ours = shop.client.get("/v1/models").json()
        other = shop.client.get("/nowhere").json()
    assert theirs["trace_id"] == TRACE
    assert len({TRACE, ours["trace_id"], other["trace_id"]}) == 3
    answered = [line for line in map(json.loads, lines) if line["event"] == "http:request:answered"]
    assert [line["trace_id"] for line in answered] == [TRACE, ours["trace_id"], other["trace_id"]]
    assert not any("secret-4711" in line or SPAN in line for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE[:-1]}٤-{SPAN}-01",
    ],
)
def test_what_is_not_written_as_w3c_does_is_no_trace(text):
    assert caller_of(text) is None


def test_later_versions_may_say_more():
    assert caller_of(f"cc-{TRACE}-{SPAN}-01-and-more") == Caller(TRACE, SPAN, "01")


@given(st.text())
def test_whatever_is_sent_is_read_or_left(text):
    found = caller_of(text)
    assert found is None or len(found.trace_id) == 32


@pytest.mark.parametrize(
    ("given", "own", "below"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
        ("https://c/own/path", "https://c/own/path", "https://c/own/path/v1/traces"),
        ("https://c/path/?tenant=a", "https://c/path/?tenant=a", "https://c/path/v1/traces?tenant=a"),
    ],
)
def test_a_collector_is_named_as_everywhere(given, own, below):
    everybody = {"OTEL_EXPORTER_OTLP_ENDPOINT": given}
    assert Settings.from_env(everybody).otel_endpoint == below
    of_traces = everybody | {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces:4318"}
    assert Settings.from_env(of_traces).otel_endpoint == "http://traces:4318"
    assert Settings.from_env({"TACTFUL_OTEL_ENDPOINT": given}).otel_endpoint == own
    assert Settings.from_env(of_traces | {"TACTFUL_OTEL_ENDPOINT": given}).otel_endpoint == own


def test_an_empty_address_is_none_and_what_is_for_everybody_says_nothing_when_it_is_empty():
    everybody = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    assert Settings.from_env(everybody | {"TACTFUL_OTEL_ENDPOINT": " "}).otel_endpoint == ""
    assert Settings.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}).otel_endpoint == ""
    found = Settings.from_env(everybody | {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ""})
    assert found.otel_endpoint == "http://collector:4318/v1/traces"


def test_what_is_no_address_is_refused_by_the_name_of_its_variable():
    for name in NAMES:
        with pytest.raises(SettingsError, match=name):
            Settings.from_env({name: "collector:4318"})


def test_an_address_which_may_hold_a_secret_is_never_shown():
    settings = Settings.from_env({"TACTFUL_OTEL_ENDPOINT": "https://shop:hunter2@collector"})
    assert settings.otel_endpoint == "https://shop:hunter2@collector/v1/traces"
    assert "hunter2" not in repr(settings)


def test_nothing_of_it_is_loaded_while_nobody_collects():
    told = "import sys, api.cli.worker; print([name for name in sys.modules if name[:5] == 'opent'])"
    assert subprocess.run([sys.executable, "-c", told], capture_output=True, check=True).stdout == b"[]\n"
    assert Metrics().spans is None
