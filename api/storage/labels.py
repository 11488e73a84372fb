"""What was shown to whom, and what they said of it: read to calibrate, never to serve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from api.storage.bodies import OF_BODY, SealedBody, open_those_that_open, with_bodies
from api.storage.feedback import ACTED_ON
from api.storage.keyring import Keyring
from api.storage.statements import CHUNK, chunks
from api.storage.tables import decision_kinds, decisions, feedback, holds, items
from guardrails.decide import Outcome
from guardrails.holding import HoldKind


@dataclass(frozen=True, slots=True)
class ShownDecision:
    """A decision that showed something.

    Attributes:
        decision_id: its id.
        policy: version of the policy it was made under.
        body: the personal part of its record, packed.
        subject_key: whom it was for; ``None`` for nobody.
    """

    decision_id: str
    policy: str
    body: bytes
    subject_key: bytes | None


def count_shown(conn: Connection, minute_from: int, minute_to: int) -> int:
    """Return how many decisions ``read_shown`` is going to yield; arguments as there."""
    n: int = conn.execute(_between(select(func.count()), minute_from, minute_to)).scalar_one()
    return n


def read_shown(
    conn: Connection, keyring: Keyring, minute_from: int, minute_to: int
) -> Iterator[list[ShownDecision]]:
    """Yield runs of the decisions that showed something and whose body can still be read, oldest first.

    Args:
        conn: a connection.
        keyring: where the keys are.
        minute_from: first minute since the epoch.
        minute_to: first minute no longer wanted.
    """
    columns = select(decisions.c.log_index, decisions.c.decision_id, decision_kinds.c.policy, *OF_BODY)
    query = _between(columns, minute_from, minute_to).order_by(decisions.c.log_index).limit(CHUNK)
    after = -1
    while rows := conn.execute(query.where(decisions.c.log_index > after)).all():
        after = rows[-1].log_index
        sealed = [SealedBody(row.entry, row.sealed, row.subject_key, row.minute) for row in rows]
        bodies = open_those_that_open(keyring, sealed)
        yield [
            ShownDecision(row.decision_id, row.policy, body, row.subject_key)
            for row, body in zip(rows, bodies, strict=True)
            if body is not None
        ]


def read_said(conn: Connection, decision_ids: Sequence[str]) -> dict[str, dict[str, set[str]]]:
    """Return what was said of suggestions, by decision id and item id: the words of the kinds.

    What customers did (clicked, bought) is not among it.
    """
    said: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for some in chunks(decision_ids):
        query = (
            select(feedback.c.decision_id, items.c.item_id, feedback.c.kind)
            .join(items, items.c.item_no == feedback.c.item_no)
            .where(feedback.c.decision_id.in_(some), feedback.c.kind.not_in(ACTED_ON))
        )
        for row in conn.execute(query):
            said[row.decision_id][row.item_id].add(row.kind)
    return said


def read_complaints(conn: Connection) -> Mapping[bytes, tuple[int, ...]]:
    """Return since when complaints are open, in milliseconds since the epoch, by subject key.

    Of a complaint that was closed nothing is kept but when that was, so it blames nothing.
    """
    found: dict[bytes, tuple[int, ...]] = {}
    query = select(holds.c.subject_key, holds.c.since_ms).where(
        holds.c.kind == HoldKind.COMPLAINT.value, holds.c.until_ms.is_(None)
    )
    for row in conn.execute(query.order_by(holds.c.subject_key, holds.c.since_ms)):
        found[row.subject_key] = (*found.get(row.subject_key, ()), row.since_ms)
    return found


def _between(query: Select[Any], minute_from: int, minute_to: int) -> Select[Any]:
    return with_bodies(query).where(
        decision_kinds.c.outcome != Outcome.EMPTY.value,
        decisions.c.minute >= minute_from,
        decisions.c.minute < minute_to,
    )
