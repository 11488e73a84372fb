"""Looking into the log: whatever is personal, or was found out from it, is itself logged before it is told.

The entry of a look names the key, what kind of look it was and how many records it covered, and holds a
salted digest of the details. The details, which may lead to a customer, stand beside the log and go when
that customer is erased.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from api.logbook import Logbook, entry
from api.storage.connection import reading, writing
from api.storage.decisions import StoredRecord, decision_subject, read_decision
from api.storage.disclosures import Disclosure, add_disclosure
from api.storage.subjects import Subjects
from api.storage.suppressions import is_suppressed
from guardrails.log.canonical import canonical
from guardrails.log.record import SALT_BYTES, SECTIONS, open_body, section_digest

DISCLOSURE = "disclosure"
"""Type of the entry, and name of its digest."""


class Look(StrEnum):
    """What kind of look it was."""

    SEARCH = "search"
    RECORD = "record"
    REPLAY = "replay"
    COUNTERFACTUALS = "counterfactuals"
    EXPORT = "export"
    EXAMPLE = "example"


@dataclass(frozen=True, slots=True)
class Auditor:
    """Who looks.

    Attributes:
        logbook: the log.
        subjects: the shop's pseudonyms.
        actor: id of the key.
        now_ms: the clock, milliseconds since the epoch.
    """

    logbook: Logbook
    subjects: Subjects
    actor: str
    now_ms: int

    def disclose(
        self, kind: Look, n: int, details: Mapping[str, object], subject_key: bytes | None = None
    ) -> int:
        """Log a look, durably and vouched for; return where in the log that is.

        Of a look for somebody who was erased, be it while it was made, the entry alone is stored.

        Args:
            kind: what kind of look.
            n: how many records it covers.
            details: what exactly; canonical JSON has to hold it.
            subject_key: whose records, if it is one customer's.

        Raises:
            StoreUnavailableError: it cannot be logged, so nothing may be told.
        """
        salt, written = secrets.token_bytes(SALT_BYTES), canonical(dict(details))
        told = entry(
            DISCLOSURE,
            self.now_ms,
            actor=self.actor,
            kind=kind.value,
            n=n,
            sd=section_digest(DISCLOSURE, salt, written),
        )
        with writing(self.logbook.engine) as conn:
            grown = self.logbook.add(conn, told)
            if not self._was_erased(conn, subject_key):
                add_disclosure(conn, Disclosure(grown.first_index, subject_key, salt, written.decode()))
        self.logbook.publish(grown.after)
        return grown.first_index

    def _was_erased(self, conn: Connection, subject_key: bytes | None) -> bool:
        """Whether nothing may be kept of somebody; looked at under the log's lock, as erasing takes it."""
        return subject_key is not None and bool(is_suppressed(conn, [self.subjects.suppression(subject_key)]))

    def read(
        self, decision_id: str, kind: Look = Look.RECORD, sections: Collection[str] = SECTIONS
    ) -> OpenedRecord | None:
        """Return a decision with the sections asked for, after the look was logged; ``None`` for no decision.

        Raises:
            StoreUnavailableError: it cannot be logged, or the database or the keys cannot be used.
            RecordError: the body was changed.
        """
        with reading(self.logbook.engine) as conn:
            stored = read_decision(conn, self.logbook.keyring, decision_id)
            whose = decision_subject(conn, decision_id)
        if stored is None:
            return None
        if stored.body is None:
            return OpenedRecord(stored, None, None, None)
        shown = [name for name in SECTIONS if name in sections]
        logged = self.disclose(kind, 1, {"decision": decision_id, "sections": shown}, whose)
        salts, contents = open_body(stored.body)
        return OpenedRecord(
            stored, {name: salts[name] for name in shown}, {name: contents[name] for name in shown}, logged
        )


def named(decision_ids: Collection[str], whose: bytes | None) -> dict[str, object]:
    """Return how the details of a look name decisions: one by one only if they are one customer's.

    Details go with the customer whose they are. Those of a look at several customers' decisions stay when
    one of them is erased, so they say how many were named, and not which.

    Args:
        decision_ids: the decisions that were named.
        whose: the one subject whose they all are; ``None`` for nobody's, and for several.
    """
    return {"n_named": len(decision_ids)} | ({} if whose is None else {"decisions": sorted(decision_ids)})


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """A decision as somebody looks at it.

    Attributes:
        stored: as it is in the log.
        salts: of the sections that were asked for; ``None`` once erased.
        sections: their canonical bytes; ``None`` once erased.
        logged_at: where in the log the look is; ``None`` where nothing personal was told.
    """

    stored: StoredRecord
    salts: Mapping[str, bytes] | None
    sections: Mapping[str, bytes] | None
    logged_at: int | None
