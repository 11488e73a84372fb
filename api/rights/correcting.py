"""Setting right what is inferred of a customer (GDPR 16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.storage.connection import writing
from api.storage.consents import lock_subject
from api.storage.customers import find_customer
from api.storage.requests import RequestKind, RequestState, close_request, open_request
from api.storage.rights import CorrectionAction, CorrectionRow, CorrectionScope, correct
from api.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Correction:
    """One thing to be set right; attributes as in ``CorrectionRow``."""

    scope: CorrectionScope
    value: str
    action: CorrectionAction


def set_right(
    found: Wiring, subject_key: bytes, corrections: Sequence[Correction]
) -> tuple[str, list[CorrectionRow]]:
    """Take evidence out of a profile, or mark it as gifts; the next answer differs.

    Args:
        found: the shop.
        subject_key: whose profile.
        corrections: what is to be set right.

    Returns:
        The id of the request, which is done, and what became of each correction.
    """
    now_ms, request_id = found.clock(), found.new_id()
    with writing(found.engine) as conn:
        lock_subject(conn, subject_key)
        customer = find_customer(conn, subject_key)
        made = [
            CorrectionRow(
                now_ms, each.scope, each.value, each.action, 0
            )  # of the unheard of there is nothing
            if customer is None
            else correct(conn, subject_key, customer.customer_no, each.scope, each.value, each.action, now_ms)
            for each in corrections
        ]
        open_request(conn, request_id, subject_key, RequestKind.RECTIFICATION, now_ms)
        n_changed = sum(row.n_interactions for row in made)
        close_request(conn, request_id, RequestState.DONE, f"{n_changed} interactions were set right", now_ms)
    return request_id, made
