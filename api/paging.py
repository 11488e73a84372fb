"""Further pages of a list: what the pages before have shown, read from the record of the last of them."""

from __future__ import annotations

from api.consents.people import Person
from api.errors import InvalidRequestError
from api.logging import warn
from api.storage.decisions import decision_subject, read_decision
from api.storage.transaction import ReadTransaction
from api.wiring import Wiring
from guardrails.errors import RecordError
from guardrails.log.reading import sections_of
from guardrails.messages import Phrase
from guardrails.request import Continuation, Placement

MAX_LISTED = 200
"""Most suggestions of a list, over all its pages: no more candidates are judged on one step."""


def _no_list() -> InvalidRequestError:
    return InvalidRequestError.at("/after", "no list for this customer and placement goes on from there")


def continuation(
    decision_id: str, subject: Person, placement: Placement, begun: ReadTransaction, found: Wiring
) -> Continuation:
    """Return the list that goes on behind a decision.

    Args:
        decision_id: the page before.
        subject: whom the further page is for.
        placement: where it is shown.
        begun: the transaction to read in.
        found: the edge's collaborators.

    Raises:
        InvalidRequestError: the decision is not known, or not any more, or was for somebody else or
            another placement, which of these is not told; or the list is at its end.
        StoreUnavailableError: it cannot be read.
    """
    try:
        with begun.reading() as conn:
            stored = read_decision(conn, found.logbook.keyring, decision_id)
            whose = decision_subject(conn, decision_id)
    except RecordError as error:  # somebody changed it: what was shown is not known any more
        warn("decision:open:failed", error)
        stored = whose = None
    if stored is None or stored.body is None or whose != subject.key:
        raise _no_list()
    sections = sections_of(stored.body)
    if sections["req"]["placement"]["name"] != placement.name:
        raise _no_list()
    earlier = sections["req"].get("continues") or {"before": ()}
    shown = (*earlier["before"], *(each["item"] for each in sections["out"]["list"]))
    if len(shown) >= MAX_LISTED:
        raise InvalidRequestError.at("/after", Phrase("a list ends after {n} suggestions", n=MAX_LISTED))
    return Continuation(decision_id, shown)
