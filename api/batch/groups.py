"""Many customers, one message: decided a group at a time, each exactly as if it had been asked for alone.

The customers of a batch do not influence one another: all of a group are read before any of it is
recorded, and nobody is in a batch twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from api.batch.asking import local_minute
from api.batch.inputs import Asked, Deciding, read_inputs
from api.batch.making import made_for
from api.consents.people import Person
from api.storage.decisions import StoredDecision
from guardrails.decide import Decision, decide
from guardrails.request import Request

GROUP = 64
"""Customers whose inputs are read with one transaction, and whose decisions are recorded with one commit.

Larger groups save little: at this size a statement costs less than what it brings.
"""


class Recipient(NamedTuple):
    """Somebody that a message may go to.

    Attributes:
        customer_id: the shop's key.
        language: which language reasons are given in; ``None`` for that of the mailing.
    """

    customer_id: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Mailing:
    """What is asked for every customer of a batch.

    Attributes:
        question: the request of each, but for whom it is about, clock and seed.
        local_time: time of day where the customers are, as in ``21:30``; ``None`` for the shop's own.
    """

    question: Request
    local_time: str | None = None


class Made(NamedTuple):
    """What came of one request.

    Attributes:
        decision: the decision.
        answer: the bytes to send, once it is recorded.
        stored: what is to be recorded before.
    """

    decision: Decision
    answer: bytes
    stored: StoredDecision


def make_group(recipients: Sequence[Recipient], mailing: Mailing, found: Deciding) -> list[Made]:
    """Decide for each of some customers, in their order; nothing is recorded yet.

    Args:
        recipients: nobody twice.
        mailing: what is asked for each of them.
        found: what decisions are made with.

    Raises:
        StoreUnavailableError: no model, catalogue and policy could be loaded so far.
    """
    snapshot = found.runtime.current()
    asked = [_asked(recipient, mailing, found) for recipient in recipients]
    made = []
    for each, inputs in zip(asked, read_inputs(asked, snapshot, found) if asked else (), strict=True):
        decision = decide(each.question, inputs.admission, inputs.known, inputs.house)
        made.append(Made(decision, *made_for(decision, each, inputs, found)))
    return made


def _asked(recipient: Recipient, mailing: Mailing, found: Deciding) -> Asked:
    person = Person.of(found.subjects, customer_id=recipient.customer_id)
    now_ms = found.clock()
    question = replace(
        mailing.question,
        subject_kind=person.kind,
        now_ms=now_ms,
        seed=found.new_seed(),
        language=recipient.language or mailing.question.language,
        local_minute=local_minute(mailing.local_time, now_ms, found.settings.time_zone),
    )
    return Asked(question, person)
