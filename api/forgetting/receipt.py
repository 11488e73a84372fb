"""The receipt: what was removed where, as data. It says nothing of whose it was."""

from __future__ import annotations

from typing import Any

from api.forgetting.plan import in_order, recipient_of
from api.storage.cascades import Cascade


def receipt(cascade: Cascade) -> dict[str, Any]:
    """Return the receipt of a cascade as it stands."""
    steps = in_order(cascade)
    return {
        "cascade_id": cascade.cascade_id,
        "kind": cascade.kind.value,
        "mode": None if cascade.mode is None else cascade.mode.value,
        "request_id": cascade.request_id,
        "requested_at_ms": cascade.requested_at_ms,
        "finished_at_ms": cascade.finished_at_ms,
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
