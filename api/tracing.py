"""Traces: what a request was part of, and, where a collector is named, how long its steps took.

Every request has a trace id: its caller's, where one was sent (``traceparent``, W3C Trace Context), and a
fresh one otherwise. It stands in every line of the log and in every problem document, so that the two are
found together. What else a caller sends along (``tracestate``, ``baggage``) is not read.

Spans are sent by OpenTelemetry, which is imported only where a collector is named. They say which route
answered with which status, and of a decision its id, its basis and how many suggestions it came to; nothing
of anybody.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple

from flask import Flask, Response, request

from api.errors import SettingsError
from api.logging import TRACE_ID, note
from engine.vocabulary import word
from guardrails.decide import Decision

MAX_SPANS_WAITING = 2048
"""Most spans that wait to be sent; more are dropped, and no request waits for a collector."""

_EXPORT_S = 2
_CALLED = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_REQUEST: ContextVar[Any] = ContextVar("request_span", default=None)

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application (PEP 3333)."""


class Caller(NamedTuple):
    """What a caller's own trace says of a request.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 of them: which step of the caller's asks.
        flags: two of them; the last bit says that the trace is kept.
    """

    trace_id: str
    span_id: str
    flags: str


def caller_of(traceparent: str) -> Caller | None:
    """Return what ``traceparent`` says; ``None`` where there is none, or it is not as W3C writes it."""
    found = _CALLED.fullmatch(traceparent)
    return None if found is None else Caller(*found.groups()[:3])


class Traced:
    """An application of which every request has a trace id.

    Args:
        app: the application.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer as the application does."""
        caller = caller_of(environ.get("HTTP_TRACEPARENT", ""))
        TRACE_ID.set(os.urandom(16).hex() if caller is None else caller.trace_id)
        return self._app(environ, start_response)


class Spans:
    """Sends spans of requests and of their steps.

    Args:
        endpoint: address that they are posted to (OTLP over HTTP, protobuf).

    Raises:
        SettingsError: the extra is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        try:
            self._trace = import_module("opentelemetry.trace")
            self._provider = _provider(endpoint)
        except ImportError:
            raise SettingsError(
                "setting `TACTFUL_OTEL_ENDPOINT` needs the extra: pip install 'tactful[otel]'"
            ) from None
        self._tracer = self._provider.get_tracer("tactful")

    def watch(self, app: Flask) -> None:
        """Make a span of every request of an application."""
        app.before_request(self._begin)
        app.after_request(self._end)

    def stage(self, name: str, started_s: float, ended_s: float) -> None:
        """Make a span of a step of a request, given by a clock of ``time.perf_counter``."""
        parent = _REQUEST.get()
        if parent is None:
            return
        began_ns = time.time_ns() - int((time.perf_counter() - started_s) * 1e9)
        within = self._trace.set_span_in_context(parent)
        span = self._tracer.start_span(name, context=within, start_time=began_ns)
        span.end(began_ns + int((ended_s - started_s) * 1e9))

    def decided(self, decision: Decision, decision_id: str) -> None:
        """Say of the request what was decided, and nothing of whom."""
        parent = _REQUEST.get()
        if parent is not None:
            parent.set_attributes(
                {
                    "tactful.decision_id": decision_id,
                    "tactful.basis": word(decision.basis),
                    "tactful.n_suggestions": len(decision.suggestions),
                }
            )

    def close(self) -> None:
        """Send what waits, as far as that does not take long."""
        self._provider.shutdown()

    def _begin(self) -> None:
        method, route = (request.method, request.url_rule.rule) if request.url_rule else ("other", "unknown")
        span = self._tracer.start_span(
            f"{method} {route}",
            context=self._called_from(caller_of(request.headers.get("traceparent", ""))),
            kind=self._trace.SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": route},
        )
        _REQUEST.set(span)

    def _end(self, answer: Response) -> Response:
        span = _REQUEST.get()
        if span is not None:
            span.set_attribute("http.response.status_code", answer.status_code)
            span.end()
            _REQUEST.set(None)
        return answer

    def _called_from(self, caller: Caller | None) -> Any:
        """Return what the span of a request is a part of; ``None`` where nobody has said so."""
        if caller is None:
            return None
        parent = self._trace.SpanContext(
            trace_id=int(caller.trace_id, 16),
            span_id=int(caller.span_id, 16),
            is_remote=True,
            trace_flags=self._trace.TraceFlags(int(caller.flags, 16) & 1),
        )
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(parent))


def _provider(endpoint: str) -> Any:
    """Return what makes spans and sends them, many at once, from a thread and a queue of its own."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  only where a collector is named
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  as above
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415  as above

    class TraceIds(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return int(TRACE_ID.get() or os.urandom(16).hex(), 16)

    told = logging.getLogger("opentelemetry")
    told.addHandler(_Exporter())
    told.propagate = False
    provider = TracerProvider(
        resource=Resource.create({"service.name": "tactful", "service.version": version("tactful")}),
        id_generator=TraceIds(),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_S)
    waiting = BatchSpanProcessor(exporter, max_queue_size=MAX_SPANS_WAITING)
    provider.add_span_processor(waiting)
    return provider


class _Exporter(logging.Handler):
    """Says in our log that spans cannot be sent, without what an address or a collector may hold."""

    def emit(self, record: logging.LogRecord) -> None:
        note("traces:export:failed", logger=record.name)
