"""The proof of a decision, checked by the browser of whoever doubts it."""

from __future__ import annotations

from pathlib import Path

from flask import Response

from api.auth import staff
from api.console.showing import show
from api.looking import proof_of
from api.pages.blueprint import Pages
from api.storage.api_keys import Role
from api.wiring import wiring
from guardrails.log import verifier

RECEIPT_TYPE = "text/plain; charset=utf-8"

_AUDITORS = staff(Role.AUDITOR)

blueprint = Pages("console_proofs", __name__)


@blueprint.page("GET", "/console/decisions/<name:decision_id>/proof", _AUDITORS)
def proof_page(decision_id: str) -> Response:
    """Hand the receipt to the browser, with the script that checks it."""
    found = wiring()
    proof = proof_of(found.logbook, decision_id)
    return show(
        "console/decisions/proof.html",
        decision_id=decision_id,
        log_index=proof.log_index,
        receipt=proof.receipt,
        origin=found.logbook.origin,
        vkeys=[*found.logbook.vkeys, *(each.vkey for each in found.settings.log_witnesses)],
        file=f"{decision_id}.tlog-proof",
    )


@blueprint.page("GET", "/console/decisions/<name:decision_id>/receipt", _AUDITORS)
def receipt_file(decision_id: str) -> Response:
    """Hand the receipt out as a file, to be checked offline."""
    proof = proof_of(wiring().logbook, decision_id)
    return as_file(proof.receipt, f"{decision_id}.tlog-proof", RECEIPT_TYPE)


@blueprint.page("GET", "/console/log/verify.py", _AUDITORS)
def verifier_file() -> Response:
    """Hand out the program that checks receipts and bundles with nothing but Python."""
    return as_file(Path(verifier.__file__).read_bytes(), "verify.py", "text/x-python; charset=utf-8")


def as_file(content: str | bytes, name: str, media_type: str) -> Response:
    """Return an answer that browsers keep as a file."""
    answer = Response(content, content_type=media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer
