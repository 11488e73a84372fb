"""What machines ask about the service itself: is it up, can it answer, how is it doing."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.auth import PROBE, PUBLIC, only
from api.errors import SettingsError, StoreUnavailableError
from api.routes.resource import Resource, json_answer
from api.schemas.probes import GpcSchema, LivenessSchema, ReadinessSchema
from api.storage.api_keys import Role
from api.storage.connection import fit, reading
from api.storage.release import Fit
from api.storage.requests import count_requests
from api.storage.versions import active
from api.wiring import Wiring, wiring

GPC_SUPPORTED_SINCE = "2026-11-22"
"""When the way the signal is honoured last changed: browsers may keep what they read before that day."""

blueprint = Resource("probes", __name__, description="health, readiness and figures")


@blueprint.operation("GET", "/healthz", PROBE, answer=LivenessSchema())
def liveness() -> Response:
    """Tell that the process answers."""
    return json_answer({"alive": True})


@blueprint.operation("GET", "/readyz", PROBE, answer=ReadinessSchema(), also={503: ReadinessSchema()})
def readiness() -> Response:
    """Tell whether suggestions can be given, and from what.

    Without a model they still can (what sells well, or nothing), so a missing or broken model is
    told and does not make the service unready. Where the database is gone, or is an older one than the
    log was signed of, there is no more than what sells well for whoever asks: that is not being ready.
    Nor is a service that was told to stop, although it answers on for a while.
    """
    found = wiring()
    stopping = ["stopping"] if found.stopping.is_set() else []
    try:
        schema_fits = fit(found.engine) is Fit.FITS
        with reading(found.engine) as conn:
            state = found.runtime.readiness(active(conn))
    except StoreUnavailableError:
        because = [*stopping, "database_away"]
        return json_answer({"ready": False, "because": because, "database": False}, 503)
    log, unsigned = _log_standing(found)
    reasons = {
        "schema_does_not_fit": not schema_fits,
        "nothing_loaded": not state.loaded,
        **dict.fromkeys(unsigned, True),
    }
    because = [*stopping, *(reason for reason, holds in reasons.items() if holds)]
    ready = not because
    document = {
        "ready": ready,
        "because": because,
        "database": True,
        "schema_current": schema_fits,
        "loaded": state.loaded,
        "model": state.model,
        "policy": state.policy,
        "behind": state.behind,
        "fault": state.fault,
        **log,
    }
    return json_answer(document, 200 if ready else 503)


def _log_standing(found: Wiring) -> tuple[dict[str, Any], list[str]]:
    """Return what is told of the log, and why nothing can be signed that is added to it."""
    try:
        standing = found.logbook.standing()
        log = {**standing._asdict(), "n_waiting": found.spool.count()}
    except StoreUnavailableError:
        return {}, ["log_guard_away"]
    try:
        found.logbook.require_signers()
    except SettingsError:
        return {"log": log}, ["log_key_unusable"]
    return {"log": log}, ["log_forked"] if standing.is_forked else []


@blueprint.operation("GET", "/.well-known/gpc.json", PUBLIC, answer=GpcSchema())
def gpc_support() -> Response:
    """Tell browsers that Global Privacy Control is honoured (W3C GPC, well-known resource)."""
    return json_answer({"gpc": True, "lastUpdate": GPC_SUPPORTED_SINCE})


@blueprint.operation("GET", "/metrics", only(Role.AUDITOR, opened_by="metrics_public"), answer=None)
def metrics() -> Response:
    """Return figures in Prometheus' text format; a setting can open them to anyone."""
    found = wiring()
    with suppress(StoreUnavailableError), reading(found.engine) as conn:
        n_open, n_overdue = count_requests(conn, found.clock())
        found.metrics.rights_requests.labels("open").set(n_open)
        found.metrics.rights_requests.labels("overdue").set(n_overdue)
        found.runtime.as_of(conn)
    with suppress(StoreUnavailableError):
        found.metrics.show_log(found.logbook.standing(), found.spool.count())
    found.metrics.show_reviews(found.clock())
    return Response(found.metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
