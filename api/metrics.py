"""What the service says of itself to Prometheus: counts and times, never a customer.

Labels come from closed lists (routes, statuses, stages, bases, rule ids), so that nothing a
caller sends becomes a label. With ``PROMETHEUS_MULTIPROC_DIR`` set, the workers of one host are
added up; without it, each answers for itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from api.logging import note
from engine.vocabulary import word
from guardrails.decide import Decision
from guardrails.policy.charter import charter
from guardrails.policy.review import day_of, overdue
from guardrails.rules.base import Effect

STAGES = ("read", "decide", "record")
"""The steps of a recommendation that are timed one by one."""

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Everything that is counted; one object an application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "tactful_requests", "requests answered", ("route", "method", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "tactful_request_seconds",
            "time to answer",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.stage_seconds = Histogram(
            "tactful_stage_seconds",
            "time of each step of a recommendation",
            ("stage",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.decisions = Counter(
            "tactful_decisions", "decisions recorded and answered", ("basis",), registry=self._registry
        )
        self.degraded = Counter(
            "tactful_degraded_decisions",
            "decisions that were less than they might be",
            ("reason",),
            registry=self._registry,
        )
        self.verdicts = Counter(
            "tactful_verdicts",
            "candidates of which a rule said more than allow",
            ("rule", "effect"),
            registry=self._registry,
        )
        self.kept_out = Counter(
            "tactful_evidence_kept_out",
            "interactions kept out before scoring",
            ("rule",),
            registry=self._registry,
        )
        self.unrecorded = Counter(
            "tactful_decisions_not_recorded",
            "decisions that were not answered because they could not be recorded",
            registry=self._registry,
        )
        self.builds = Counter(
            "tactful_house_builds",
            "attempts to load model, catalogue and policy",
            ("result",),
            registry=self._registry,
        )
        self.model_ready = Gauge(
            "tactful_model_ready",
            "1 while a model is served",
            registry=self._registry,
            multiprocess_mode="min",
        )

        self.rights_requests = Gauge(
            "tactful_rights_requests",
            "requests of customers that wait for an answer: all that are open, and those overdue",
            ("state",),
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        self.rules_overdue = Gauge(
            "tactful_rules_overdue",
            "shipped rules past the day of their review: all of them, and those past the grace period",
            ("state",),
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        self.cascades_open = Gauge(
            "tactful_cascades_open",
            "erasures and withdrawals under way",
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        self.cascade_steps_failed = Gauge(
            "tactful_cascade_steps_failed",
            "steps of these that have failed and are tried again",
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )

    def exposition(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            together = CollectorRegistry()
            MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # its constructor has no types
            return generate_latest(together)
        return generate_latest(self._registry)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one step of a recommendation; ``name`` is one of ``STAGES``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stage_seconds.labels(name).observe(time.perf_counter() - started)

    def count_decision(self, decision: Decision) -> None:
        """Count a recorded decision: its basis, and what each rule said of how many candidates."""
        self.decisions.labels(word(decision.basis)).inc()
        for reason in decision.degraded:
            self.degraded.labels(reason).inc()
        for rule_id, n in decision.kept_out:
            self.kept_out.labels(rule_id).inc(n)
        for taken in decision.rounds:
            for rule, judgement in zip(taken.judged.rules, taken.judged.judgements, strict=True):
                counts = np.bincount(judgement.effect, minlength=len(Effect))
                for effect in np.flatnonzero(counts[1:]) + 1:
                    self.verdicts.labels(rule.id, word(Effect(int(effect)))).inc(int(counts[effect]))
            for refusal in taken.slate.refused:
                effect_word = word(Effect.GAP if refusal.failed else Effect.BLOCK)
                self.verdicts.labels(refusal.rule_id, effect_word).inc()

    def show_reviews(self, now_ms: int) -> None:
        """Say how many rules are past the day of their review now, milliseconds since the epoch."""
        found = overdue(charter(), day_of(now_ms), {})
        self.rules_overdue.labels("overdue").set(len(found))
        self.rules_overdue.labels("blocks_approval").set(sum(each.blocks_approval for each in found))


def observe_requests(app: Flask, metrics: Metrics) -> None:
    """Count, time and log every request by the template of its path."""

    @app.before_request
    def start() -> None:
        g.started_s = time.perf_counter()

    @app.after_request
    def finish(answer: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unknown"
        elapsed_s = time.perf_counter() - g.started_s
        metrics.requests.labels(route, _method(), str(answer.status_code)).inc()
        metrics.seconds.labels(route).observe(elapsed_s)
        note(
            "http:request:answered",
            method=_method(),
            route=route,
            status=answer.status_code,
            latency_ms=round(elapsed_s * 1000, 3),
            caller=g.get("caller"),
        )
        return answer


def _method() -> str:
    """The method, unless the caller made one up."""
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return request.method if request.method in known else "other"
