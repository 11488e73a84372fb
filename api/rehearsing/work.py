"""What there is to do about one block of the log, in this process or beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from api.rehearsing.cache import Cache
from api.rehearsing.reading import Block, read_block
from api.storage.retained import RetainedBody
from guardrails.policy.language import Policy
from guardrails.policy.rehearsal import Rehearsed, rehearse_run


class Found(NamedTuple):
    """What came of a block.

    Attributes:
        rehearsed: the counts and the changes.
        unreadable: ids of decisions that could not be rehearsed.
        is_new: it was read from the records.
    """

    rehearsed: Rehearsed
    unreadable: tuple[str, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Work:
    """Plain data, so that another process can do it.

    Attributes:
        data_dir: the folder that columns are kept in.
        recorded: the policies that decisions were made under, by version; ``None`` for one that is not
            known any more.
        base: what the draft is held against.
        draft: the draft.
    """

    data_dir: Path
    recorded: Mapping[str, Policy | None]
    base: Policy
    draft: Policy

    def on_columns(self, block: Block) -> Found:
        """Rehearse a block of which columns were kept."""
        return self._found(block, is_new=False)

    def on_bodies(self, key: str, bodies: Sequence[RetainedBody]) -> Found:
        """Read a block from its records, keep its columns as ``key``, and rehearse it.

        Raises:
            OSError: columns cannot be kept.
        """
        block = read_block(bodies)
        Cache(self.data_dir).put(key, block)
        return self._found(block, is_new=True)

    def on_file(self, key: str) -> Found | None:
        """Rehearse a block of which columns were kept; ``None`` where they are gone."""
        block = Cache(self.data_dir).get(key)
        return None if block is None else self.on_columns(block)

    def _found(self, block: Block, *, is_new: bool) -> Found:
        rehearsed = rehearse_run(block.kept, self.recorded, self.base, self.draft)
        return Found(rehearsed, block.unreadable, is_new)
