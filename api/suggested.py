"""What a decision suggested, from whichever keeps it: what was noted as shown, else its record."""

from __future__ import annotations

from sqlalchemy import Connection

from api.storage.decisions import read_decision
from api.storage.exposures import read_exposure
from api.storage.items import ids_of
from api.storage.keyring import Keyring
from guardrails.log.reading import sections_of


def suggested_ids(conn: Connection, decision_id: str, keyring: Keyring) -> list[str]:
    """Return the ids of the items that a decision suggested, best first; the record is read if it has to be.

    Args:
        conn: a connection.
        decision_id: of a decision in the log.
        keyring: opens records.
    """
    exposure = read_exposure(conn, decision_id)
    if exposure is not None:
        return ids_of(conn, [item_no for item_no, _ in exposure.suggestions])
    stored = read_decision(conn, keyring, decision_id)
    listed = sections_of(stored.body)["out"]["list"] if stored is not None and stored.body else ()
    return [each["item"] for each in listed]
