"""What a policy in shadow would have made of what customers were shown, read from the log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection

from api.storage.decisions import search_decisions
from api.storage.keyring import Keyring
from api.storage.log import MINUTE_MS
from api.storage.retained import RetainedBody, read_bodies_between
from guardrails.errors import RecordError
from guardrails.log.record import open_body

MOST_DECISIONS = 300
"""So many are read, the last ones: a page does not take longer for a longer log."""

MOST_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of a policy in shadow.

    Attributes:
        n_decisions: decisions that it was asked about, of the last ones.
        n_otherwise: of these, how many would have shown something else.
        n_shown: suggestions that were shown in them.
        n_withheld: of these, how many it would not have shown.
        n_instead: suggestions that it would have shown and that were not.
        by_rule: how many it would have withheld by each rule, the busiest first; under no id those whose
            place others would have taken.
        failed: ids of its rules that could not be asked at some decision.
        examples: ids of decisions that would have been otherwise, the last first.
        is_cut: there are older ones that were not read.
    """

    n_decisions: int
    n_otherwise: int
    n_shown: int
    n_withheld: int
    n_instead: int
    by_rule: tuple[tuple[str, int], ...]
    failed: tuple[str, ...]
    examples: tuple[str, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a policy in shadow said of one decision."""

    decision_id: str
    n_shown: int
    withheld: tuple[str, ...]
    n_instead: int
    failed: tuple[str, ...]

    @property
    def is_otherwise(self) -> bool:
        return bool(self.withheld) or self.n_instead > 0


def watched(conn: Connection, keyring: Keyring, version: str, since_ms: int) -> Watched:
    """Return what a policy in shadow would have made of the last decisions.

    Args:
        conn: a connection.
        keyring: what recorded decisions are opened with.
        version: of the policy in shadow.
        since_ms: since when it is.
    """
    since = since_ms // MINUTE_MS
    last = search_decisions(conn, limit=MOST_DECISIONS + 1, minute_from=since)
    is_cut = len(last) > MOST_DECISIONS
    last = last[:MOST_DECISIONS]
    bodies = read_bodies_between(conn, keyring, last[-1].log_index, last[0].log_index) if last else []
    asked = [found for body in reversed(bodies) if (found := _asked(body, version)) is not None]
    by_rule = Counter(rule_id for each in asked for rule_id in each.withheld)
    otherwise = [each for each in asked if each.is_otherwise]
    return Watched(
        n_decisions=len(asked),
        n_otherwise=len(otherwise),
        n_shown=sum(each.n_shown for each in asked),
        n_withheld=by_rule.total(),
        n_instead=sum(each.n_instead for each in asked),
        by_rule=tuple(sorted(by_rule.items(), key=lambda each: (-each[1], each[0]))),
        failed=tuple(sorted({rule_id for each in asked for rule_id in each.failed})),
        examples=tuple(each.decision_id for each in otherwise[:MOST_EXAMPLES]),
        is_cut=is_cut,
    )


def _asked(record: RetainedBody, version: str) -> _Asked | None:
    """Read one record; ``None`` where it was erased, cannot be read, or says nothing of the version."""
    try:
        _, sections = open_body(record.body)
    except RecordError:
        return None
    said = orjson.loads(sections["rules"])["shadow"]
    if said is None or said["version"] != version:
        return None
    return _Asked(
        decision_id=record.decision_id,
        n_shown=len(orjson.loads(sections["out"])["list"]),
        withheld=tuple(rule_id for _, rule_id in said["withheld"]),
        n_instead=len(said["shown"]),
        failed=tuple(said["failed"]),
    )
