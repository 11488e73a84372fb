"""The reports on the rules and on the data, read from what was decided: G34 and G35."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from api.imports.importer import Progress
from api.storage.collected import count_collected
from api.storage.connection import reading
from api.storage.decisions import count_bodies, read_bodies
from api.storage.keyring import Keyring
from api.storage.versions import policy_in_force
from guardrails.log.record import open_body
from guardrails.policy.charter import CharterEntry, charter
from guardrails.policy.measured import RuleCounts, measured, narrowed
from guardrails.policy.review import GRACE_DAYS, Measured, Overdue, day_of, entry_of, overdue
from guardrails.policy.unused import WINDOW_DAYS, Unused, Uses, unused

_DAY_MINUTES = 1_440
_MINUTE_MS = 60_000
_SHOWN_EVERY = 100


@dataclass(frozen=True, slots=True)
class RuleReview:
    """G34.

    Attributes:
        n_decisions: how many recorded decisions it was measured on.
        entries: what stands behind each rule.
        measured: what each rule did, by id, for each of its assumptions.
        overdue: the rules that have to be looked at.
    """

    n_decisions: int
    entries: tuple[CharterEntry, ...]
    measured: dict[str, tuple[Measured, ...]]
    overdue: tuple[Overdue, ...]


@dataclass(frozen=True, slots=True)
class UnusedReport:
    """G35.

    Attributes:
        n_decisions: how many recorded decisions were looked through.
        days: over how many days.
        unused: what none of them used.
    """

    n_decisions: int
    days: int
    unused: tuple[Unused, ...]


def review_rules(engine: Engine, keyring: Keyring, now_ms: int, show: Progress) -> RuleReview:
    """Hold every rule against what stands behind it, measured in the decisions of twice the grace period.

    Rules that ship come first, those of the policy in force follow.

    Raises:
        StoreUnavailableError: the database cannot be used.
        RecordError: a recorded decision cannot be read.
    """
    lately_from = now_ms // _MINUTE_MS + 1 - GRACE_DAYS * _DAY_MINUTES
    with reading(engine) as conn:
        entries = {**charter(), **{rule.id: entry_of(rule) for rule in policy_in_force(conn)[0].rules}}
        before, lately = RuleCounts(narrowed(entries)), RuleCounts(narrowed(entries))
        for minute, sections in _decisions(conn, keyring, now_ms, 2 * GRACE_DAYS, show):
            (lately if minute >= lately_from else before).add(sections)
    known = measured(entries, lately, before)
    return RuleReview(
        n_decisions=lately.n_decisions + before.n_decisions,
        entries=tuple(entries.values()),
        measured=known,
        overdue=overdue(entries, day_of(now_ms), known),
    )


def find_unused(
    engine: Engine, keyring: Keyring, now_ms: int, show: Progress, days: int = WINDOW_DAYS
) -> UnusedReport:
    """List what the store holds and no decision of the last days used.

    Raises:
        StoreUnavailableError: the database cannot be used.
        RecordError: a recorded decision cannot be read.
    """
    uses = Uses()
    with reading(engine) as conn:
        collected = count_collected(conn)
        for _, sections in _decisions(conn, keyring, now_ms, days, show):
            uses.add(sections)
    return UnusedReport(uses.n_decisions, days, unused(collected, uses))


def _decisions(
    conn: Connection, keyring: Keyring, now_ms: int, days: int, show: Progress
) -> Iterator[tuple[int, Mapping[str, bytes]]]:
    """Yield minute and sections of every decision of the last days, and tell how far that has come."""
    minute_to = now_ms // _MINUTE_MS + 1
    minute_from = minute_to - days * _DAY_MINUTES
    total = count_bodies(conn, minute_from, minute_to)
    for done, (minute, body) in enumerate(read_bodies(conn, keyring, minute_from, minute_to)):
        if done % _SHOWN_EVERY == 0:
            show(done, total, f"{done:,} decisions")
        yield minute, open_body(body)[1]
