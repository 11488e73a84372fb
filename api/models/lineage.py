"""Where models come from, told to whoever keeps lineage: OpenLineage events, off until it is set where to.

An event holds counts, versions and digests; nothing of any customer. Telling never delays a training by more
than ``LAST_WORDS_S`` and never fails one: what cannot be told is logged and let go.

Source: https://openlineage.io/spec/2-0-2/OpenLineage.json and the facets beside it.
"""

from __future__ import annotations

import fcntl
import queue
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from api.logging import note, warn
from api.settings import Settings
from engine.artefact import Manifest

LAST_WORDS_S = 3.0
"""How long the end of a run waits, at most, for what is still to be told."""

MOST_WAITING = 64
"""So many events wait for an address that does not answer; more are let go."""

_TIMEOUT_S = 2.0
_SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
_FACETS = "https://openlineage.io/spec/facets/"
_CONNECTIONS: dict[str, type[HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}
_GOOD = range(200, 300)

Json = dict[str, Any]


class Job(StrEnum):
    """What is run."""

    TRAIN = "train"
    UPDATE = "update"
    FORGET = "forget"


class EventType(StrEnum):
    """What has become of a run."""

    START = "START"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    ABORT = "ABORT"


@dataclass(slots=True)
class Told:
    """What a run tells of itself until it ends.

    Attributes:
        inputs: data sets that were read.
        outputs: data sets that were written.
        counts: what else is to be known of the run: numbers, versions, words.
    """

    inputs: list[Json] = field(default_factory=list)
    outputs: list[Json] = field(default_factory=list)
    counts: Json = field(default_factory=dict)

    def learned(self, namespace: str, manifest: Manifest, version: str) -> None:
        """Tell of the interactions that were learned from, and of the model that came of it.

        Args:
            namespace: of the data sets.
            manifest: of the model.
            version: of the model.
        """
        self.inputs.append(
            _data_set(namespace, "interactions", manifest.training_digest)
            | {
                "inputFacets": {
                    "inputStatistics": _facet(
                        "1-0-0/InputStatisticsInputDatasetFacet", rowCount=manifest.n_interactions
                    )
                }
            }
        )
        self.outputs.append(
            _data_set(namespace, "model", version)
            | {
                "outputFacets": {
                    "outputStatistics": _facet(
                        "1-0-2/OutputStatisticsOutputDatasetFacet", rowCount=manifest.n_edges
                    )
                }
            }
        )
        self.counts |= {
            "learner": manifest.learner,
            "nCustomers": manifest.n_customers,
            "minSupport": manifest.min_support,
            "dataFromMs": manifest.data_from_ms,
            "dataToMs": manifest.data_to_ms,
        }

    def took_over(self, namespace: str, version: str) -> None:
        """Tell of a model that the run began with."""
        self.inputs.append(_data_set(namespace, "model", version))


@contextmanager
def lineage_of(settings: Settings, job: Job, now_ms: int, run_id: str | None = None) -> Iterator[Told]:
    """Tell that a run begins, and what became of it.

    Args:
        settings: where to, if anywhere.
        job: what is run.
        now_ms: the clock, milliseconds since the epoch.
        run_id: a UUID; ``None`` draws one.
    """
    told, run_id, started = Told(), run_id or str(uuid.uuid4()), time.monotonic()

    def at_ms() -> int:
        return now_ms + round((time.monotonic() - started) * 1000)

    with _sinks(settings) as sinks:
        sinks.tell(run_event(settings, job, run_id, EventType.START, now_ms, Told()))
        try:
            yield told
        except BaseException as error:
            kind = EventType.FAIL if isinstance(error, Exception) else EventType.ABORT
            sinks.tell(run_event(settings, job, run_id, kind, at_ms(), told, type(error).__name__))
            raise
        sinks.tell(run_event(settings, job, run_id, EventType.COMPLETE, at_ms(), told))


def tell_aborted(settings: Settings, job: Job, run_id: str, now_ms: int) -> None:
    """Tell that a run has ended before it came to its end, in the place of whoever ran it."""
    with _sinks(settings) as sinks:
        sinks.tell(run_event(settings, job, run_id, EventType.ABORT, now_ms, Told()))


def run_event(
    settings: Settings,
    job: Job,
    run_id: str,
    kind: EventType,
    at_ms: int,
    told: Told,
    error: str | None = None,
) -> Json:
    """Return an event.

    Args:
        settings: the namespace.
        job: what is run.
        run_id: a UUID.
        kind: what has become of it.
        at_ms: when, milliseconds since the epoch.
        told: what it has told of itself.
        error: kind of error that it ended with; ``None`` without one.
    """
    facets: Json = {
        "processing_engine": _facet(
            "1-1-1/ProcessingEngineRunFacet", name="tactful", version=version_of("tactful")
        )
    }
    if told.counts:
        facets["tactful_run"] = {"_producer": _producer(), "_schemaURL": f"{_SPEC}RunFacet", **told.counts}
    if error is not None:
        facets["errorMessage"] = _facet(
            "1-0-1/ErrorMessageRunFacet", message=error, programmingLanguage="PYTHON"
        )
    return {
        "eventType": kind.value,
        "eventTime": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "producer": _producer(),
        "schemaURL": f"{_SPEC}RunEvent",
        "run": {"runId": run_id, "facets": facets},
        "job": {
            "namespace": settings.lineage_namespace,
            "name": job.value,
            "facets": {
                "jobType": _facet(
                    "2-0-4/JobTypeJobFacet", processingType="BATCH", integration="TACTFUL", jobType="MODEL"
                )
            },
        },
        "inputs": told.inputs,
        "outputs": told.outputs,
    }


def _data_set(namespace: str, name: str, version: str) -> Json:
    facets = {"version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=version)}
    return {"namespace": namespace, "name": name, "facets": facets if version else {}}


def _facet(schema: str, **members: Any) -> Json:
    name = schema.partition("/")[2]
    return {"_producer": _producer(), "_schemaURL": f"{_FACETS}{schema}.json#/$defs/{name}", **members}


@cache
def _producer() -> str:
    return f"urn:tactful:{version_of('tactful')}"


@dataclass(frozen=True, slots=True)
class _Sinks:
    """Where events go: a file, an address, both or nowhere."""

    file: Path | None
    post: _Post | None

    def tell(self, event: Mapping[str, Any]) -> None:
        """Write and send an event, or log that this could not be done."""
        if self.file is not None:
            _append(self.file, orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
        if self.post is not None:
            self.post.put(orjson.dumps(event))


@contextmanager
def _sinks(settings: Settings) -> Iterator[_Sinks]:
    post = _Post(settings.lineage_url, settings.lineage_key) if settings.lineage_url else None
    try:
        yield _Sinks(settings.lineage_file, post)
    finally:
        if post is not None:
            post.close()


def _append(file: Path, line: bytes) -> None:
    """Append a line; several processes may do so at once."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as out:
            fcntl.flock(out, fcntl.LOCK_EX)
            out.write(line)
    except OSError as error:
        warn("lineage:write:failed", error)


class _Post:
    """Sends events to an address, one after the other, from a thread of its own."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._send, name="tactful-lineage", daemon=True)
        self._thread.start()

    def put(self, event: bytes | None) -> None:
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            note("lineage:send:dropped")

    def close(self) -> None:
        """Wait for what is still to be sent, but not for long."""
        self.put(None)
        self._thread.join(LAST_WORDS_S)

    def _send(self) -> None:
        while (event := self._waiting.get()) is not None:
            try:
                self._post(event)
            except (OSError, HTTPException, ValueError) as error:
                warn("lineage:send:failed", error)

    def _post(self, event: bytes) -> None:
        """Post, following no redirection: what is sent is meant for this address only."""
        parts = urlsplit(self._url)
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        connection = _CONNECTIONS[parts.scheme](parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
        with closing(connection):
            connection.request("POST", path, event, headers)
            status = connection.getresponse().status
        if status not in _GOOD:
            note("lineage:send:refused", status=status)
