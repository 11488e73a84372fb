"""What auditors do with decisions, for whoever they ask through: find, open, prove, replay, ask why.

Routes and pages call the same functions here. Whatever is personal is logged by the ``Auditor`` before any
of it is returned.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from api.auditing import Auditor, Look, OpenedRecord
from api.errors import ChangedRecordError, NotInLogError, PolicyDocumentError, UnknownDecisionError
from api.houses import LoadedPolicy, governing, loaded_version
from api.logbook import Logbook
from api.logging import warn
from api.replaying import ReplayReport, replay
from api.storage.connection import reading
from api.storage.decisions import DecisionSummary, entry_at, index_of, search_decisions
from api.wiring import Wiring
from guardrails.errors import PolicyError, RecordError
from guardrails.log.bundle import receipt_extra
from guardrails.log.counterfactual import Counterfactual, counterfactuals
from guardrails.log.record import SECTIONS
from guardrails.log.terms import REASON, RULE, SHOWN

TERMS = {"rule": RULE, "reason": REASON, "shown": SHOWN}
"""What of a search is found out from records, and the beginning of its terms."""


class Found(NamedTuple):
    """A page of a search.

    Attributes:
        decisions: what was found, newest first.
        next: ``after`` of the next page; ``None`` at the end.
        logged_at: where in the log the search is; ``None`` where it told nothing but what entries say.
    """

    decisions: Sequence[DecisionSummary]
    next: int | None
    logged_at: int | None


class Proof(NamedTuple):
    """That a decision is in the log.

    Attributes:
        log_index: where in the log it is.
        entry: canonical bytes of its entry.
        receipt: a ``.tlog-proof`` file.
    """

    log_index: int
    entry: bytes
    receipt: str


def auditor_of(found: Wiring, actor: str) -> Auditor:
    """Return who looks now.

    Args:
        found: the shop.
        actor: id of the key or the account.
    """
    return Auditor(found.logbook, found.subjects, actor, found.clock())


def find(auditor: Auditor, asked: Mapping[str, Any]) -> Found:
    """Search the log; a search by customer, rule or reason is logged, as it tells more than entries do.

    Args:
        auditor: who looks.
        asked: fields of ``api.schemas.decisions.DecisionSearchSchema``.

    Raises:
        StoreUnavailableError: the search cannot be logged, so nothing may be told.
    """
    query = dict(asked)
    limit, customer_id = query.pop("limit"), query.pop("customer_id", None)
    told = {name: query.pop(name) for name in TERMS if name in query}
    subject_key = None if customer_id is None else auditor.subjects.account(customer_id)
    with reading(auditor.logbook.engine) as conn:
        page = search_decisions(
            conn,
            before_index=query.pop("after", None),
            limit=limit + 1,
            subject_key=subject_key,
            terms=[TERMS[name] + value for name, value in told.items()],
            **query,
        )
    shown = page[:limit]
    logged_at = None
    if told or subject_key is not None:
        details = {**query, **told, "of_a_customer": subject_key is not None}
        logged_at = auditor.disclose(Look.SEARCH, len(shown), details, subject_key)
    return Found(shown, shown[-1].log_index if len(page) > limit else None, logged_at)


def opened(auditor: Auditor, decision_id: str, kind: Look, sections: Collection[str]) -> OpenedRecord:
    """Return a decision after the look was logged.

    Raises:
        UnknownDecisionError: it is not in the log.
        ChangedRecordError: its body is not the one that was sealed.
    """
    try:
        found = auditor.read(decision_id, kind, sections)
    except RecordError as error:
        warn("decision:open:failed", error)
        raise ChangedRecordError("the body of this decision is not the one that was sealed") from None
    if found is None:
        raise UnknownDecisionError("this decision is not in the log")
    return found


def replayed(auditor: Auditor, decision_id: str, found: Wiring) -> tuple[OpenedRecord, ReplayReport | None]:
    """Make a decision again after the look was logged; ``None`` where its personal part is gone.

    Raises:
        UnknownDecisionError: it is not in the log.
        ChangedRecordError: its body is not the one that was sealed.
    """
    record = opened(auditor, decision_id, Look.REPLAY, SECTIONS)
    if record.sections is None:
        return record, None
    with reading(found.engine) as conn:
        header = orjson.loads(record.stored.entry)
        return record, replay(conn, found.settings, record.sections, header, found.build)


def otherwise(
    record: OpenedRecord, auditor: Auditor, item_id: str | None = None
) -> tuple[Counterfactual, ...]:
    """Return what little would have made each item of an opened decision come out otherwise.

    Args:
        record: all sections of it.
        auditor: who looks.
        item_id: of this item alone; nothing is returned where it was neither shown nor withheld.

    Raises:
        NotInLogError: its personal part was erased, or its policy cannot be loaded.
    """
    if record.sections is None:
        raise NotInLogError("the personal part of this decision was erased")
    sections = {name: orjson.loads(content) for name, content in record.sections.items()}
    policy = governing(policy_of(record, auditor), None)
    return counterfactuals(
        sections,
        policy.rules,
        policy.limits,
        policy.slate_rules,
        items=None if item_id is None else {item_id},
    )


def policy_of(record: OpenedRecord, auditor: Auditor) -> LoadedPolicy:
    """Return the policy that a decision was made by.

    Raises:
        NotInLogError: it is not kept any more, or cannot be read.
    """
    try:
        with reading(auditor.logbook.engine) as conn:
            return loaded_version(conn, record.stored.policy)
    except (PolicyError, PolicyDocumentError):
        raise NotInLogError("the policy of this decision cannot be loaded any more") from None


def entry_of(logbook: Logbook, decision_id: str) -> tuple[int, bytes]:
    """Return where in the log a decision is, and the canonical bytes of its entry.

    Raises:
        UnknownDecisionError: it is not in the log.
        NotInLogError: its entry was pruned.
    """
    with reading(logbook.engine) as conn:
        log_index, entry = index_of(conn, decision_id), entry_at(conn, decision_id)
    if log_index is None:
        raise UnknownDecisionError("this decision is not in the log")
    if entry is None:
        raise NotInLogError("the entry of this decision was pruned")
    return log_index, entry


def proof_of(logbook: Logbook, decision_id: str) -> Proof:
    """Return the proof that a decision is in the log, with its entry; raises what ``entry_of`` does."""
    log_index, entry = entry_of(logbook, decision_id)
    return Proof(log_index, entry, logbook.receipt(log_index, receipt_extra(entry)))
