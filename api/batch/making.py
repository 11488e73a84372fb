"""From what was decided to the bytes that are recorded and the bytes that are sent."""

from __future__ import annotations

import secrets
from dataclasses import replace

from api.answer import answer_bytes
from api.batch.inputs import Asked, Deciding, Inputs
from api.logbook import MINUTE_MS
from api.storage.decisions import StoredDecision
from api.storage.exposures import ExposureRow
from api.storage.measured import MeasuredDecision
from engine.vocabulary import Intent, word
from guardrails.consent.purposes import outreach_key
from guardrails.decide import Decision
from guardrails.house import House
from guardrails.log.record import SALT_BYTES, build_record
from guardrails.log.tallies import tallies_of
from guardrails.log.terms import terms_of
from guardrails.request import Known, Request


def made_for(
    decision: Decision, asked: Asked, inputs: Inputs, found: Deciding
) -> tuple[bytes, StoredDecision]:
    """Return the answer to somebody, and what is to be recorded before it is sent."""
    answer, written = made_for_nobody(decision, asked.question, inputs.known, inputs.house, found)
    key, session_key = asked.person.key, asked.person.session_key
    return answer, replace(
        written,
        subject_key=key,
        exposure=_exposure(decision, asked, inputs),
        suppression_key=None if key is None else found.subjects.suppression(key),
        visit_suppression_key=None if session_key is None else found.subjects.suppression(session_key),
        measured=_measured(decision, asked.question, inputs.house) if inputs.is_measured else None,
    )


def made_for_nobody(
    decision: Decision, question: Request, known: Known, house: House, found: Deciding
) -> tuple[bytes, StoredDecision]:
    """Return the answer and the record of it, as of one that was for nobody."""
    decision_id = found.new_id()
    answer = answer_bytes(decision, question, known, house, decision_id, found.settings)
    record = build_record(
        decision,
        question,
        known,
        house,
        decision_id=decision_id,
        secret=secrets.token_bytes(SALT_BYTES),
        response=answer,
        build=found.build,
    )
    return answer, StoredDecision(
        decision_id=decision_id,
        minute=question.now_ms // MINUTE_MS,
        placement=question.placement.name,
        basis=word(decision.basis),
        outcome=decision.outcome.value,
        policy=house.policy_version,
        model=house.recommender.version,
        header=record.header,
        body=record.body,
        subject_key=None,
        exposure=None,
        terms=terms_of(decision),
        catalogue=house.catalogue.version,
        tallies=tallies_of(decision, question.placement.name),
    )


def _exposure(decision: Decision, asked: Asked, inputs: Inputs) -> ExposureRow | None:
    """Remember what was shown, under no more than the customer permits to be remembered."""
    admission, question = decision.admission, asked.question
    shown_to = inputs.customer_no if admission.may_read_messages else None
    visit = asked.person.session_key if admission.may_read_session else None
    if not decision.suggestions or (shown_to is None and visit is None):
        return None
    return ExposureRow(
        customer_no=shown_to,
        session_key=visit,
        at_ms=question.now_ms,
        placement=question.placement.name,
        interruptive=question.placement.interruptive,
        outbound=outreach_key(question.channel) is not None,
        suggestions=_shown(decision, inputs.house),
    )


def _measured(decision: Decision, question: Request, house: House) -> MeasuredDecision:
    """Say what is measured of what was shown to somebody who agreed to that."""
    return MeasuredDecision(
        at_ms=question.now_ms,
        channel=question.channel,
        arm="" if house.arm is None else house.arm.value,
        suggestions=_shown(decision, house),
    )


def _shown(decision: Decision, house: House) -> tuple[tuple[int, Intent], ...]:
    """Return storage key and intent of each suggestion, in their order."""
    return tuple((int(house.catalogue.item_no[each.item_idx]), each.intent) for each in decision.suggestions)
