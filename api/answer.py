"""The answer to a request for suggestions, as the bytes that are recorded and then sent."""

from __future__ import annotations

from collections import Counter

import orjson

from api.languages import say
from api.schemas.recommendation import MODES
from api.settings import Settings
from engine.catalogue import Catalogue
from engine.vocabulary import Kind, Origin, word
from guardrails.decide import Decision, Suggestion
from guardrails.house import House
from guardrails.reasons import NamedEvidence
from guardrails.request import Known, Request

_ORIGINS = {origin: word(origin) for origin in Origin}
_KINDS = {kind: word(kind) for kind in Kind}

SWITCH = (
    "send `mode` with the next request, or set `non_profiled` in the customer's preferences to keep it so"
)


def answer_bytes(
    decision: Decision,
    request: Request,
    known: Known,
    house: House,
    decision_id: str,
    settings: Settings,
) -> bytes:
    """Return the whole answer as JSON; its digest goes into the record before it is sent.

    Args:
        decision: what was decided.
        request: what was asked.
        known: what was read.
        house: what it was decided with.
        decision_id: under which it is recorded.
        settings: where the parameters are explained, and whom to turn to.
    """
    catalogue = house.catalogue
    return orjson.dumps(
        {
            "decision_id": decision_id,
            "basis": word(decision.basis),
            "profiling": known.profiling,
            "degraded": bool(decision.degraded),
            "degraded_because": decision.degraded,
            "items": [_suggestion(suggestion, catalogue) for suggestion in decision.suggestions],
            "withheld": _withheld(decision),
            "admission": [
                {"purpose": each.purpose, "permitted": each.permitted, "because": each.because}
                for each in decision.admission.permissions
            ],
            "model_version": house.recommender.version,
            "policy_version": house.policy_version,
            **({} if house.arm is None else {"arm": house.arm}),
            "options": {
                "mode": MODES[request.non_profiled],
                "modes": MODES,
                "switch": say(SWITCH, request.language),
            },
            "parameters_url": settings.parameters_url,
            "handoff": _handoff(decision, settings),
        }
    )


def _suggestion(suggestion: Suggestion, catalogue: Catalogue) -> dict[str, object]:
    reason = suggestion.reason
    return {
        "item_id": catalogue.item_ids[suggestion.item_idx],
        "rank": suggestion.rank,
        "score": suggestion.score,
        "intent": word(suggestion.intent),
        "sponsored": bool(catalogue.sponsored[suggestion.item_idx]),
        "action": suggestion.action,
        "obligations": suggestion.obligations,
        "warnings": suggestion.warnings,
        "stands_for": suggestion.stands_for and suggestion.stands_for._asdict(),
        "purpose": suggestion.rests_on.purpose,
        "lawful_basis": suggestion.rests_on.basis,
        "reason": {
            "code": reason.code,
            "text": reason.text,
            "base": reason.base,
            "evidence": [_evidence(piece, catalogue) for piece in reason.evidence],
            "others": {"n": reason.n_others, "contribution": reason.others},
        },
    }


def _evidence(piece: NamedEvidence, catalogue: Catalogue) -> dict[str, object]:
    return {
        "item_id": None if piece.item_idx is None else catalogue.item_ids[piece.item_idx],
        "origin": _ORIGINS[piece.origin],
        "kind": _KINDS[piece.kind],
        "contribution": piece.contribution,
    }


def _withheld(decision: Decision) -> dict[str, object]:
    by_rule = Counter(rule_id for taken in decision.rounds for _, rule_id in taken.slate.held_back)
    return {"count": by_rule.total(), "by_rule": dict(sorted(by_rule.items()))}


def _handoff(decision: Decision, settings: Settings) -> dict[str, str | None] | None:
    """A human may have something to say where nothing may be, or where a rule asks for one."""
    if not decision.for_a_human:
        return None
    return {"to": "human", "contact": settings.contact or None}
