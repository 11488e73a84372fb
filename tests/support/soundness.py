"""Whether a log is whole: looked at again and again while it grows, each time only at what is new."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from sqlalchemy import func, select
from support.stores import opened_with

from api.settings import Settings
from api.storage.connection import reading
from api.storage.decisions import read_decision
from api.storage.log import hashes_of, read_entries, read_state
from api.storage.tables import decisions, log_entries
from guardrails.log.merkle import Frontier, leaf_hash, root_at


@dataclass
class Soundness:
    """What was seen of a log so far."""

    settings: Settings
    frontier: Frontier = field(default_factory=Frontier.empty)

    def check(self, answered: Mapping[str, int], elsewhere: AbstractSet[str] = frozenset()) -> None:
        """Hold the log against what was answered: ids with their places, and those that wait elsewhere."""
        with (
            opened_with(self.settings) as store,
            reading(store.engine) as conn,
        ):
            state = read_state(conn)
            seen = self.frontier
            entries = read_entries(conn, seen.size, state.size)
            assert len(entries) == state.size - seen.size, "there is a gap"
            n_stored, last = conn.execute(select(func.count(), func.max(log_entries.c.log_index))).one()
            assert (n_stored, last) == (state.size, state.size - 1 if state.size else None)
            if seen.size:
                assert root_at(seen.size, hashes_of(conn)) == seen.root(), "what was there has changed"
            self.frontier = seen.with_leaves([leaf_hash(entry) for entry in entries])
            assert self.frontier.root() == state.root
            assert not state.size or root_at(state.size, hashes_of(conn)) == state.root
            vouched = store.logbook.guard.last()
            if vouched is not None:
                assert vouched.size <= state.size, "the guard is ahead of the database"
                assert root_at(vouched.size, hashes_of(conn)) == vouched.root
            query = select(decisions.c.decision_id, decisions.c.log_index)
            rows = conn.execute(query.where(decisions.c.log_index >= seen.size))
            places = {row.decision_id: row.log_index for row in rows}
            assert len(set(places.values())) == len(places)
            lost = {each: at for each, at in answered.items() if places.get(each) != at}
            assert not lost, f"{len(lost)} answered decisions are not in their place"
            assert elsewhere <= places.keys()
            for decision_id in list(answered)[-3:]:
                found = read_decision(conn, store.keyring, decision_id)
                assert found is not None
                assert found.body is not None
