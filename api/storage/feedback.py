"""Feedback: what a customer did with a suggestion, or said of it."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Connection

from api.storage.statements import insert_new
from api.storage.tables import feedback


class FeedbackKind(StrEnum):
    """What is said of a suggestion."""

    TOO_PERSONAL = "too_personal"
    IRRELEVANT = "irrelevant"
    NOT_INTERESTED = "not_interested"
    DISMISSED = "dismissed"
    HELPFUL = "helpful"
    SHOWN = "shown"
    """The customer has seen it. It serves measuring alone, and is kept with what is measured."""
    CLICKED = "clicked"
    ADDED_TO_CART = "added_to_cart"
    PURCHASED = "purchased"


ACTED_ON = (FeedbackKind.CLICKED.value, FeedbackKind.ADDED_TO_CART.value, FeedbackKind.PURCHASED.value)
"""Kinds by which a suggestion was not ignored."""

DISMISSED = (
    FeedbackKind.TOO_PERSONAL.value,
    FeedbackKind.NOT_INTERESTED.value,
    FeedbackKind.IRRELEVANT.value,
    FeedbackKind.DISMISSED.value,
)
"""Kinds by which a suggestion was waved off."""

UNWANTED = (FeedbackKind.TOO_PERSONAL.value, FeedbackKind.NOT_INTERESTED.value)
"""Kinds that mute the item as well."""


def add_feedback(conn: Connection, decision_id: str, item_no: int, kind: FeedbackKind, at_ms: int) -> bool:
    """Store feedback and tell whether it was new; said twice it is stored once."""
    row = {"decision_id": decision_id, "item_no": item_no, "kind": kind.value, "at_ms": at_ms}
    insert = insert_new(conn, feedback).execution_options(preserve_rowcount=True)
    return conn.execute(insert, row).rowcount == 1
