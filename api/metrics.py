"""What the service says of itself to Prometheus: counts and times, never a customer.

Labels come from closed lists (routes, statuses, stages, bases, rule ids), so that nothing a
caller sends becomes a label. Rules of the shop come and go with its policies: those of policies that
are no longer served are not told of, so there are never more than the rules of three policies. With
``PROMETHEUS_MULTIPROC_DIR`` set, the workers of one host are added up; without it, each answers for
itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.figures_folder import VARIABLE, forget_the_dead
from api.houses import Policies
from api.logbook import Standing
from api.logging import note
from api.tracing import Spans
from engine.vocabulary import word
from guardrails.decide import Decision
from guardrails.judge import Judged
from guardrails.policy.charter import CharterEntry, charter
from guardrails.policy.review import day_of, entry_of, overdue
from guardrails.rules.base import Effect, Judgement, silent

Found = TypeVar("Found")

STAGES = ("read", "decide", "record")
"""The steps of a recommendation that are timed one by one."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MOST_FIGURES = 4096
"""So many figures of one kind are found again without being looked up by their labels; they are more only
after many policies, and then those used last."""

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def _found_once(labels: Callable[..., Found]) -> Callable[..., Found]:
    """Return what finds a figure by its labels, and does not look again: a look costs more than to count."""
    return lru_cache(maxsize=_MOST_FIGURES)(labels)


class Metrics:
    """Everything that is counted; one object an application.

    Attributes:
        spans: where the same is told request by request; ``None`` where nobody collects it.
    """

    def __init__(self, spans: Spans | None = None) -> None:
        self.spans = spans
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
        self.watched_verdicts = Counter(
            "tactful_watched_verdicts",
            "the same of rules that are only watched, and of rules of a policy in shadow that failed",
            ("rule", "effect"),
            registry=self._registry,
        )
        self.shadow_suggestions = Counter(
            "tactful_shadow_suggestions",
            "suggestions that a policy in shadow would have withheld, or shown instead",
            ("change",),
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
        self._refused = Counter(
            "tactful_refused",
            "requests that were not begun: too much at once, or more than their caller may ask for",
            ("because",),
            registry=self._registry,
        )
        self.spooled = Counter(
            "tactful_spooled",
            "answers about nobody that were given while the log could not be written",
            registry=self._registry,
        )
        self.spool_waiting = self._log_gauge("tactful_spool_waiting", "of these, how many wait for the log")
        self.log_entries = self._log_gauge("tactful_log_entries", "entries of the log")
        self.log_quiet_seconds = self._log_gauge(
            "tactful_log_quiet_seconds", "time since its last entry, to the minute"
        )
        self.log_not_vouched = self._log_gauge(
            "tactful_log_entries_not_vouched", "entries that no checkpoint was signed of yet"
        )
        self.log_witnessed = self._log_gauge(
            "tactful_log_entries_witnessed", "entries of the last tree that a witness has signed"
        )
        self.log_forked = self._log_gauge(
            "tactful_log_forked", "1 while the database is not the one that was signed last"
        )
        self.self_check_failed = self._log_gauge(
            "tactful_self_check_failed", "decisions that the last self-check could not make again"
        )
        self.connections_in_use = Gauge(
            "tactful_connections_in_use",
            "connections to the database that are worked with, by the worker that has most of them: each may "
            "have only so many; looked at once a second",
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self.builds = Counter(
            "tactful_house_builds",
            "attempts to load model, catalogue and policy",
            ("result",),
            registry=self._registry,
        )
        self.snapshots_failed = Counter(
            "tactful_snapshots_failed",
            "states of the catalogue that could not be kept, to make decisions again from them",
            registry=self._registry,
        )
        self.model_ready = Gauge(
            "tactful_model_ready",
            "1 while a model is served",
            registry=self._registry,
            multiprocess_mode="livemin",
        )
        self.policy_ready = Gauge(
            "tactful_policy_ready",
            "1 while all policies in force are served, 0 while one of them cannot be read",
            registry=self._registry,
            multiprocess_mode="livemin",
        )
        self.limits_held = Gauge(
            "tactful_policy_limits_held",
            "limits of policies that are served which lie below the floor, and are held to it",
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self._of_request = _found_once(self.requests.labels)
        self._of_route = _found_once(self.seconds.labels)
        self._of_stage = {name: self.stage_seconds.labels(name) for name in STAGES}
        self._of_basis = _found_once(self.decisions.labels)
        self._of_verdict = _found_once(self.verdicts.labels)
        self._of_watched_verdict = _found_once(self.watched_verdicts.labels)
        self._served: tuple[tuple[str, str, str], ...] = ()
        self._own_rules: frozenset[str] = frozenset()
        self._in_force: Mapping[str, CharterEntry] = {}

        self.rights_requests = Gauge(
            "tactful_rights_requests",
            "requests of customers that wait for an answer: all that are open, and those overdue",
            ("state",),
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        self.rules_overdue = Gauge(
            "tactful_rules_overdue",
            "rules in force past the day of their review: all of them, and those past the grace period",
            ("state",),
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        self.model_updates = Counter(
            "tactful_model_updates",
            "times that the model learned from what was new",
            ("path",),
            registry=self._registry,
        )
        self.model_updated_at = Gauge(
            "tactful_model_updated_timestamp_seconds",
            "when it did so last, in seconds since the epoch",
            registry=self._registry,
            multiprocess_mode="max",
        )
        self.model_update_seconds = Gauge(
            "tactful_model_update_seconds",
            "how long that took",
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

    def _log_gauge(self, name: str, told: str) -> Gauge:
        return Gauge(name, told, registry=self._registry, multiprocess_mode="mostrecent")

    def show_log(self, standing: Standing, n_waiting: int) -> None:
        """Say how the log is doing."""
        self.log_entries.set(standing.size)
        self.log_quiet_seconds.set(standing.quiet_s)
        self.log_not_vouched.set(standing.n_not_vouched)
        self.log_witnessed.set(standing.n_witnessed)
        self.log_forked.set(standing.is_forked)
        self.spool_waiting.set(n_waiting)

    def serves(self, policies: Policies) -> None:
        """Take note of the policies that are served from now on."""
        parts = tuple(policies.served())
        self._served = tuple((loaded.version, loaded.policy.name, part) for part, loaded in parts)
        self._own_rules = frozenset[str]().union(*(loaded.rule_ids for _, loaded in parts))
        self._in_force = {rule.id: entry_of(rule) for rule in policies.champion.policy.rules}
        self.policy_ready.set(policies.fault is None)
        self.limits_held.set(sum(len(loaded.held) for _, loaded in parts))

    def exposition(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        together = self._registry
        if VARIABLE in os.environ:
            forget_the_dead()
            together = CollectorRegistry()
            MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # its constructor has no types
        told = CollectorRegistry()
        told.register(_Told(together, self._served, self._own_rules))
        return generate_latest(told)

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Time one step of a recommendation; ``name`` is one of ``STAGES``."""
        return _Timed(partial(self._took, name))

    def _took(self, stage: str, started_s: float, ended_s: float) -> None:
        self._of_stage[stage].observe(ended_s - started_s)
        if self.spans is not None:
            self.spans.stage(stage, started_s, ended_s)

    def count_request(self, route: str, method: str, status: int, elapsed_s: float) -> None:
        """Count a request that was answered, and how long that took."""
        self._of_request(route, method, str(status)).inc()
        self._of_route(route).observe(elapsed_s)

    def count_refused(self, because: str) -> None:
        """Count a request that was not begun: ``overloaded``, ``too-fast`` or ``day-used-up``."""
        self._refused.labels(because).inc()

    def count_decision(self, decision: Decision, decision_id: str) -> None:
        """Count a recorded decision: its basis, and what each rule said of how many candidates."""
        if self.spans is not None:
            self.spans.decided(decision, decision_id)
        self._of_basis(word(decision.basis)).inc()
        for reason in decision.degraded:
            self.degraded.labels(reason).inc()
        for rule_id, n in decision.kept_out:
            self.kept_out.labels(rule_id).inc(n)
        for taken in decision.rounds:
            self._count_verdicts(taken.judged)
            for refusal in taken.slate.refused:
                effect_word = word(Effect.GAP if refusal.failed else Effect.BLOCK)
                self._of_verdict(refusal.rule_id, effect_word).inc()
        if decision.beside is not None:
            self.shadow_suggestions.labels("withheld").inc(len(decision.beside.withheld))
            self.shadow_suggestions.labels("shown").inc(len(decision.beside.shown))
            for rule_id in decision.beside.failed:
                self._of_watched_verdict(rule_id, word(Effect.GAP)).inc()

    def _count_verdicts(self, judged: Judged) -> None:
        nothing = silent(judged.effect.size)
        for rule, judgement in zip(judged.rules, judged.judgements, strict=True):
            if judgement is not nothing:
                _count_effects(self._of_verdict, rule.id, judgement)
        for watched in judged.watched:
            _count_effects(self._of_watched_verdict, watched.asked.rule.id, watched.judgement)

    def show_reviews(self, now_ms: int) -> None:
        """Say how many rules are past the day of their review now, milliseconds since the epoch.

        These are all that ship, and the shop's own in the policy in force.
        """
        found = overdue({**charter(), **self._in_force}, day_of(now_ms), {})
        self.rules_overdue.labels("overdue").set(len(found))
        self.rules_overdue.labels("blocks_approval").set(sum(each.blocks_approval for each in found))


def _count_effects(counter: Callable[[str, str], Counter], rule_id: str, judgement: Judgement) -> None:
    if not np.count_nonzero(judgement.effect):  # most rules, most of the time
        return
    for effect, n in enumerate(np.bincount(judgement.effect).tolist()):
        if n and effect != Effect.ALLOW:
            counter(rule_id, word(Effect(effect))).inc(n)


class _Timed(AbstractContextManager[None]):
    """Takes the time of what is done within it, and tells when that began and ended."""

    __slots__ = ("_started_s", "_tell")

    def __init__(self, tell: Callable[[float, float], None]) -> None:
        self._tell = tell

    def __enter__(self) -> None:
        self._started_s = time.perf_counter()

    def __exit__(self, *_error: object) -> None:
        self._tell(self._started_s, time.perf_counter())


class _Told(Collector):
    """What was counted, without the rules of policies that are no longer served, and what is served."""

    def __init__(
        self,
        counted: CollectorRegistry,
        served: tuple[tuple[str, str, str], ...],
        own_rules: frozenset[str],
    ) -> None:
        self._counted, self._served, self._own_rules = counted, served, own_rules

    def collect(self) -> Iterator[Metric]:
        """Yield every family of figures."""
        for family in self._counted.collect():
            family.samples = [
                sample for sample in family.samples if self._is_current(sample.labels.get("rule"))
            ]
            yield family
        info = GaugeMetricFamily(
            "tactful_policy_info", "1 for each policy that is served", labels=("version", "name", "arm")
        )
        for labels in self._served:
            info.add_metric(labels, 1)
        yield info

    def _is_current(self, rule_id: str | None) -> bool:
        """Tell whether a rule ships, or is one of the shop's that are served; these are in lower case."""
        return rule_id is None or not rule_id.islower() or rule_id in self._own_rules


def observe_requests(app: Flask, metrics: Metrics) -> None:
    """Count, time and log every request by the template of its path."""

    @app.before_request
    def start() -> None:
        g.started_s = time.perf_counter()

    @app.after_request
    def finish(answer: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unknown"
        elapsed_s = time.perf_counter() - g.started_s
        method, status = _method(), answer.status_code
        metrics.count_request(route, method, status, elapsed_s)
        note(
            "http:request:answered",
            method=method,
            route=route,
            status=status,
            latency_ms=round(elapsed_s * 1000, 3),
            caller=g.get("caller"),
        )
        return answer


def _method() -> str:
    """The method, unless the caller made one up."""
    return request.method if request.method in _METHODS else "other"
