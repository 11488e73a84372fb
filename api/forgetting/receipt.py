"""The receipt: what was removed where, as data. It says nothing of whose it was."""

from __future__ import annotations

from typing import Any

from api.errors import EdgeError
from api.forgetting.plan import in_order, recipient_of
from api.logbook import Logbook
from api.logging import warn
from api.storage.cascades import Cascade
from api.storage.connection import reading
from api.storage.log import read_entry
from guardrails.log.bundle import receipt_extra


def proof_of(cascade: Cascade, logbook: Logbook) -> str | None:
    """Return the proof that the log tells of an erasure, with what it tells (``.tlog-proof``).

    ``None`` where the log does not tell of it yet, its entry was pruned, or nothing can be proved now:
    a proof can be asked for again, the erasure is not to wait for it.
    """
    if cascade.log_index is None:
        return None
    try:
        with reading(logbook.engine) as conn:
            told = read_entry(conn, cascade.log_index)
        return None if told is None else logbook.receipt(cascade.log_index, receipt_extra(told))
    except EdgeError as error:
        warn("erasure:proof:failed", error)
        return None


def receipt(cascade: Cascade, proof: str | None = None) -> dict[str, Any]:
    """Return the receipt of a cascade as it stands.

    Args:
        cascade: an erasure, a withdrawal or a purge.
        proof: that the log tells of it.
    """
    steps = in_order(cascade)
    return {
        "cascade_id": cascade.cascade_id,
        "kind": cascade.kind.value,
        "mode": None if cascade.mode is None else cascade.mode.value,
        "request_id": cascade.request_id,
        "requested_at_ms": cascade.requested_at_ms,
        "finished_at_ms": cascade.finished_at_ms,
        "log_index": cascade.log_index,
        "log_receipt": proof,
        "steps": [
            {
                "step": step.downstream,
                "status": step.status.value,
                "n_affected": step.n_affected,
                "at_ms": step.at_ms,
                "detail": step.detail,
            }
            for step in steps
            if recipient_of(step.downstream) is None
        ],
        "recipients": [
            {
                "recipient": recipient_of(step.downstream),
                "status": step.status.value,
                "at_ms": step.at_ms,
                "detail": step.detail,
            }
            for step in steps
            if recipient_of(step.downstream) is not None
        ],
    }
