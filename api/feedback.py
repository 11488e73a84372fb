"""Taking down what customers say of suggestions, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from api.consents.erased import refuse_erased
from api.errors import Finding, InvalidRequestError, UnknownDecisionError
from api.measuring.attribution import count_feedback
from api.measuring.experiments import key_in_experiment
from api.pointers import pointer_to
from api.storage.connection import reading, writing
from api.storage.customers import add_mute
from api.storage.decisions import decision_subject, has_body
from api.storage.feedback import UNWANTED, FeedbackKind, add_feedback
from api.storage.items import read_item
from api.suggested import suggested_ids
from api.wiring import Wiring
from engine.interactions import DAY_MS
from guardrails.request import Mute, MuteScope

Said = Sequence[dict[str, Any]]
"""What is said, of each item: ``item_id`` and ``kind``."""


def take_feedback(
    found: Wiring, decision_id: str, said: Said, require_own: Callable[[bytes | None], None], *, gpc: bool
) -> dict[str, Any]:
    """Take down what is said of the suggestions of a decision; what is unwanted is muted.

    Args:
        found: the shop.
        decision_id: which decision.
        said: what is said of which items.
        require_own: refuses whoever may not speak for the one that the decision was for.
        gpc: the request carries ``Sec-GPC: 1``, or says as much.

    Returns:
        What was taken down, as ``FeedbackAnswerSchema`` tells it.

    Raises:
        UnknownDecisionError: the decision is not in the log, or was erased.
        InvalidRequestError: an item is unknown, or was not suggested.
        ErasedError: whom it was for is being erased.
    """
    now_ms = found.clock()
    with reading(found.engine) as conn:
        snapshot = found.runtime.as_of(conn)
    with writing(found.engine) as conn:
        subject_key = decision_subject(conn, decision_id)
        require_own(subject_key)
        if subject_key is not None:
            refuse_erased(conn, found.subjects, subject_key)
        key = key_in_experiment(conn, snapshot, found.subjects, subject_key, now_ms)
        until_ms = now_ms + snapshot.house_for(key).limits.holds.item_mute_days * DAY_MS
        numbers = _numbers(conn, decision_id, said, found)
        kinds = [(item_no, FeedbackKind(each["kind"])) for item_no, each in zip(numbers, said, strict=True)]
        n_stored = sum(
            add_feedback(conn, decision_id, item_no, kind, now_ms)
            for item_no, kind in kinds
            if kind is not FeedbackKind.SHOWN
        )
        muted = _mute_unwanted(conn, subject_key, said, until_ms, now_ms)
        n_counted = count_feedback(
            conn, found.subjects, found.settings.consent, subject_key, decision_id, kinds, now_ms, gpc=gpc
        )
    return {
        "stored": n_stored,
        "counted": n_counted,
        "muted": muted,
        "muted_until_ms": until_ms if muted else None,
    }


def _numbers(conn: Connection, decision_id: str, said: Said, found: Wiring) -> list[int]:
    """Return the storage key of each item.

    Raises:
        UnknownDecisionError: the decision is not in the log, or what it was made from was erased:
            nothing would ever remove what is said of it now.
        InvalidRequestError: an item is unknown, or was not suggested.
    """
    if not has_body(conn, decision_id):
        raise UnknownDecisionError("this decision is not in the log")
    suggested = set(suggested_ids(conn, decision_id, found.logbook.keyring))
    numbers: list[int] = []
    findings: list[Finding] = []
    for index, each in enumerate(said):
        item = read_item(conn, each["item_id"])
        where = pointer_to("items", index, "item_id")
        if item is None:
            findings.append(Finding("unknown item", pointer=where))
        elif each["item_id"] not in suggested:
            findings.append(Finding("was not suggested by this decision", pointer=where))
        else:
            numbers.append(item.item_no)
    if findings:
        raise InvalidRequestError(findings)
    return numbers


def _mute_unwanted(
    conn: Connection, subject_key: bytes | None, said: Said, until_ms: int, now_ms: int
) -> list[str]:
    """Mute what the customer is not interested in, for whomever the decision was made."""
    if subject_key is None:
        return []
    unwanted = [each["item_id"] for each in said if each["kind"] in UNWANTED]
    for item_id in unwanted:
        add_mute(conn, subject_key, Mute(MuteScope.ITEM, item_id, until_ms), now_ms)
    return unwanted
