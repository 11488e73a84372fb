"""A whole mailing, to a file: decided group by group, each recorded before it is written out.

A run that was ended goes on where the file ends. What was in the log by then and not in the file, one group
at most, is decided again; the log says of the first that it was not answered, and what it showed is
forgotten, so that nobody counts as written to twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from api.batch.groups import Recipient
from api.batch.output import Output
from api.batch.processes import Drawing, Tally
from api.errors import EdgeError
from api.logbook import Logbook
from api.storage.connection import reading, writing
from api.storage.decisions import StoredDecision, places_of
from api.storage.statements import chunks

GROUP = 128
"""Customers of one group: the log is written with one commit for so many."""

Show = Callable[[int, int | None, str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did.

    Attributes:
        n_customers: whom it was asked for.
        n_before: whom the file held already.
        n_decided: who was decided for now.
        n_repeated: of these, who had been decided for by a run that was ended before it could write so.
        tally: what came of it.
        seconds: how long it took.
    """

    n_customers: int
    n_before: int
    n_decided: int
    n_repeated: int
    tally: Tally
    seconds: float

    @property
    def per_second(self) -> float:
        """Customers decided for in a second."""
        return self.n_decided / self.seconds if self.seconds else 0.0


def run(
    recipients: Sequence[Recipient],
    draw: Drawing,
    output: Output,
    engine: Engine,
    logbook: Logbook,
    show: Show,
) -> Report:
    """Decide for everybody who is not in the file yet, record it and write it out.

    Args:
        recipients: nobody twice.
        draw: decides groups.
        output: the file.
        engine: the database.
        logbook: the log.
        show: is told how far it has come.

    Raises:
        StoreUnavailableError: it cannot be recorded now; what is in the file was.
    """
    started_s = time.monotonic()
    n_repeated = _give_up(output, engine, logbook)
    wanted = [each for each in recipients if each.customer_id not in output.done]
    n_before = len(recipients) - len(wanted)
    tally, n_decided = Tally(Counter(), Counter(), Counter(), Counter(), Counter()), 0
    for drawn in draw(chunks(wanted, GROUP)):
        output.note([each.decision_id for each in drawn.stored])
        _record(drawn.stored, engine, logbook)
        output.write([each.customer_id for each in drawn.recipients], drawn.answers)
        tally.add(drawn.tally)
        n_decided += len(drawn.stored)
        rate = n_decided / (time.monotonic() - started_s)
        show(n_before + n_decided, len(recipients), f"{rate:,.0f} a second")
    output.note(())
    return Report(len(recipients), n_before, n_decided, n_repeated, tally, time.monotonic() - started_s)


def _record(stored: Sequence[StoredDecision], engine: Engine, logbook: Logbook) -> None:
    """Make decisions durable and vouch for them.

    Raises:
        StoreUnavailableError: that cannot be done now; the log says so of what is in it.
    """
    with writing(engine) as conn:
        grown = logbook.append(conn, stored)
    try:
        logbook.publish(grown.after)
    except EdgeError:
        logbook.say_unanswered([each.decision_id for each in stored])
        raise


def _give_up(output: Output, engine: Engine, logbook: Logbook) -> int:
    """Say of decisions that an ended run recorded and did not write out that they were not answered."""
    if not output.under_way:
        return 0
    with reading(engine) as conn:
        places = places_of(conn, output.under_way)
    if places:
        logbook.say_unanswered(list(places))
    output.note(())
    return len(places)
