"""Making many recorded decisions again, and counting what comes of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection

from api.auditing import Auditor, Look, named
from api.errors import UnknownDecisionError
from api.replaying import Replayer
from api.settings import Settings
from api.storage.bodies import open_bodies
from api.storage.connection import reading
from api.storage.decisions import decision_subject
from api.storage.keyring import Keyring
from api.storage.log import read_state
from api.storage.log_records import Sealed, Which, places, records_at
from guardrails.errors import RecordError
from guardrails.log.record import open_body
from guardrails.log.replay import Finding

MOST_NAMED = 20
"""So many decisions that differ are named; more are only counted."""

CHANGED = "body_changed"
"""What comes of a record whose body is not the one that was sealed."""

_FAILURES = (Finding.DIFFERS.value, CHANGED)


@dataclass(slots=True)
class Tally:
    """What came of many replays.

    Attributes:
        n: decisions.
        logged_at: where in the log it says that they were opened.
        levels: how many came to what, by level.
        differing: the first that differ: id, place, level, finding and where.
    """

    n: int
    logged_at: int
    levels: dict[int, Counter[str]]
    differing: list[dict[str, Any]] = field(default_factory=list)

    @property
    def n_failed(self) -> int:
        """How many came out otherwise, over all levels."""
        return sum(counted[finding] for counted in self.levels.values() for finding in _FAILURES)

    def count(self, of: Sealed, level: int, finding: str, pointer: str = "") -> None:
        """Take down what came of one level of one decision."""
        self.levels[level][finding] += 1
        if finding in _FAILURES and len(self.differing) < MOST_NAMED:
            self.differing.append(
                {
                    "decision_id": of.decision_id,
                    "log_index": of.log_index,
                    "level": level,
                    "finding": finding,
                    "pointer": pointer,
                }
            )

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "n": self.n,
            "n_failed": self.n_failed,
            "levels": {str(level): dict(sorted(counted.items())) for level, counted in self.levels.items()},
            "differing": self.differing,
            "logged_at": self.logged_at,
        }


def replay_many(
    auditor: Auditor,
    settings: Settings,
    build: str,
    *,
    decision_ids: Collection[str] = (),
    sample: int | None = None,
    level: int = 2,
    show: Callable[[int, int, str], None],
) -> Tally:
    """Make decisions again, after it was logged that they are opened for it.

    Args:
        auditor: who looks.
        settings: where models and catalogues are.
        build: SHA-256 of the build manifest of this software.
        decision_ids: which; empty for all that the log keeps.
        sample: so many of them, drawn at random; ``None`` for all.
        level: the highest to be looked at, 1 or 2.
        show: is told of progress.

    Raises:
        UnknownDecisionError: one that was named is not in the log.
        StoreUnavailableError: it cannot be logged, or database or keys cannot be used now.
    """
    logbook = auditor.logbook
    with reading(logbook.engine) as conn:
        where = places(conn, Which(0, read_state(conn).size, decision_ids))
        subjects = {decision_subject(conn, each) for each in decision_ids}
    if len(where) < len(set(decision_ids)):
        raise UnknownDecisionError("a decision that was named is not in the log")
    if sample is not None and sample < len(where):
        where = sorted(random.SystemRandom().sample(where, sample))
    whose = next(iter(subjects)) if len(subjects) == 1 else None
    details = {"sample": sample, "level": level, **named(decision_ids, whose)}
    logged_at = auditor.disclose(Look.REPLAY, len(where), details, whose)
    tally = Tally(len(where), logged_at, {each: Counter() for each in range(1, level + 1)})
    replayer = Replayer(settings, build)
    n_done = 0
    with reading(logbook.engine) as conn:
        for page in records_at(conn, where):
            for each, body in zip(page, _bodies(logbook.keyring, page), strict=True):
                findings = _findings(conn, replayer, each, body)
                for number in tally.levels:
                    tally.count(each, number, *findings[number - 1])
                n_done += 1
                show(n_done, len(where), "decisions")
    return tally


def _bodies(keyring: Keyring, page: Sequence[Sealed]) -> list[bytes | RecordError | None]:
    """Return the bodies, ``None`` for one that was erased and the error for one that was changed."""
    try:
        return list(open_bodies(keyring, [each.body for each in page]))
    except RecordError:
        return [_body(keyring, each) for each in page]


def _body(keyring: Keyring, of: Sealed) -> bytes | RecordError | None:
    try:
        return open_bodies(keyring, [of.body])[0]
    except RecordError as error:
        return error


def _findings(
    conn: Connection, replayer: Replayer, of: Sealed, body: bytes | RecordError | None
) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return what came of each level of a decision, and where it differs first."""
    if body is None:
        return (Finding.ERASED.value, ""), (Finding.ERASED.value, "")
    if isinstance(body, RecordError):
        return (CHANGED, ""), (CHANGED, "")
    report = replayer.replay(conn, open_body(body)[1], orjson.loads(of.body.entry))
    return (
        (report.l1.finding.value, report.l1.pointer),
        (report.l2.finding.value, report.l2.pointer),
    )
