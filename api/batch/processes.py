"""Deciding in several processes: rules are asked in Python, which one process runs on one core.

The processes are forks: they share the pages of the model and of the catalogue with one another. They only
read; what they decide is recorded by the process that started them, so the log has one writer.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import NamedTuple

from api.batch.groups import Made, Mailing, Recipient, make_group
from api.batch.inputs import Deciding
from api.errors import StoreUnavailableError
from api.storage.decisions import StoredDecision
from engine.vocabulary import word

_AHEAD = 2
"""Groups that each process may be ahead of what was recorded: bounds what waits in memory."""

_ORPHANED_CHECK_S = 1.0


class Tally(NamedTuple):
    """What came of some decisions, in numbers.

    Attributes:
        by_basis: decisions by the word of their basis.
        by_outcome: decisions by the word of their outcome.
        by_rule: suggestions withheld, by id of the rule.
        degraded: decisions by why they were less than they might have been.
        n_items: suggestions.
    """

    by_basis: Counter[str]
    by_outcome: Counter[str]
    by_rule: Counter[str]
    degraded: Counter[str]
    n_items: Counter[str]

    @classmethod
    def of(cls, made: Iterable[Made]) -> Tally:
        """Count some."""
        tally = cls(Counter(), Counter(), Counter(), Counter(), Counter())
        for decision, _, _ in made:
            tally.by_basis[word(decision.basis)] += 1
            tally.by_outcome[decision.outcome.value] += 1
            tally.degraded.update(decision.degraded)
            tally.n_items["suggested"] += len(decision.suggestions)
            for taken in decision.rounds:
                tally.by_rule.update(rule_id for _, rule_id in taken.slate.held_back)
        return tally

    def add(self, other: Tally) -> None:
        """Count others as well."""
        for mine, theirs in zip(self, other, strict=True):
            mine.update(theirs)


class Drawn(NamedTuple):
    """A group that was decided and is not recorded yet.

    Attributes:
        recipients: whom it is for.
        answers: the bytes for each of them.
        stored: what is to be recorded of each before.
        tally: what came of it.
    """

    recipients: Sequence[Recipient]
    answers: list[bytes]
    stored: list[StoredDecision]
    tally: Tally


Drawing = Callable[[Iterable[Sequence[Recipient]]], Iterator[Drawn]]

_inherited: list[tuple[Mailing, Deciding]] = []
"""What forks find here was put here by the process that they come from."""


@contextmanager
def drawing(mailing: Mailing, found: Deciding, n_processes: int) -> Iterator[Drawing]:
    """Yield what decides groups in their order, in this process or in several others.

    Enter it before anything runs in threads: it forks.

    Args:
        mailing: what is asked for everybody.
        found: what decisions are made with.
        n_processes: how many; 1 for this one alone.
    """
    if n_processes == 1:
        yield lambda groups: (_draw(group, mailing, found) for group in groups)
        return
    found.engine.dispose()  # a connection must not be used on both sides of a fork
    _inherited.append((mailing, found))
    pool = ProcessPoolExecutor(
        n_processes, mp_context=get_context("fork"), initializer=_begin, initargs=(os.getpid(),)
    )
    try:
        pool.submit(os.getpid).result()  # all of them are forked now
        yield lambda groups: _drawn_elsewhere(pool, groups, _AHEAD * n_processes)
    except BrokenProcessPool:
        raise StoreUnavailableError("a process that decides has ended: run the command again") from None
    finally:
        pool.shutdown(cancel_futures=True)
        _inherited.clear()


def _drawn_elsewhere(
    pool: ProcessPoolExecutor, groups: Iterable[Sequence[Recipient]], n_ahead: int
) -> Iterator[Drawn]:
    waiting: deque[Future[Drawn]] = deque()
    for group in groups:
        waiting.append(pool.submit(_draw_inherited, group))
        if len(waiting) > n_ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _begin(parent: int) -> None:
    """Make a fork a process of its own; it ends when the one it comes from does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it decides when to stop
    ((_, found),) = _inherited
    found.engine.dispose(close=False)
    found.runtime.start()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_ORPHANED_CHECK_S)
    os._exit(1)


def _draw_inherited(recipients: Sequence[Recipient]) -> Drawn:
    ((mailing, found),) = _inherited
    return _draw(recipients, mailing, found)


def _draw(recipients: Sequence[Recipient], mailing: Mailing, found: Deciding) -> Drawn:
    made = make_group(recipients, mailing, found)
    return Drawn(recipients, [each.answer for each in made], [each.stored for each in made], Tally.of(made))
