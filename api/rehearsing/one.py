"""Rehearse a draft on one decision, to show it."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from api.rehearsing.reading import read_block
from api.rehearsing.report import Held, recorded_policies
from api.storage.decisions import index_of
from api.storage.keyring import Keyring
from api.storage.retained import read_bodies_between
from guardrails.policy.rehearsal import GONE, Change, rehearse_run


class OneDecision(NamedTuple):
    """What a draft makes of a decision.

    Attributes:
        changes: suggestions that differ: those that go, best first, then those that come.
        n_kept: suggestions that are shown either way.
    """

    changes: tuple[Change, ...]
    n_kept: int


def rehearse_one(
    conn: Connection, keyring: Keyring, decision_id: str, base: Held, draft: Held
) -> OneDecision | None:
    """Return what a draft makes of a decision; ``None`` where it cannot be rehearsed, or not any more.

    Args:
        conn: a connection.
        keyring: what recorded decisions are opened with.
        decision_id: the decision.
        base: what the draft is held against.
        draft: the draft.
    """
    place = index_of(conn, decision_id)
    if place is None:
        return None
    bodies = [each for each in read_bodies_between(conn, keyring, place, place) if each.body]
    kept = read_block(bodies).kept
    if not len(kept):
        return None
    found = rehearse_run(kept, recorded_policies(conn), base.policy, draft.policy)
    n_gone = sum(each.kind in GONE for each in found.changes)
    return OneDecision(found.changes, found.tally.n_shown - n_gone)
