"""The record: what was asked, known, considered, said of it and answered, as canonical bytes.

A record has a public header, which names no person and becomes an entry of the log, and a body of
five sections, which holds the personal part. The header carries a salted digest of each section, so
that sections can be disclosed one by one, and the body can be sealed and erased, without the entry
changing by a byte.

    digest = SHA-256("gr1" 00 section-name 00 salt section-bytes)

The sections hold everything the rules looked at, and the titles that reasons name, so that, given the
policy, ``rules`` and ``out`` can be recomputed from ``req``, ``consent`` and ``cand`` alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from engine.vocabulary import Basis, word
from guardrails.admit import Admission
from guardrails.consent.permission import Permission
from guardrails.decide import Decision, Round, Suggestion
from guardrails.errors import RecordError
from guardrails.holding import Holding
from guardrails.house import House
from guardrails.log.canonical import canonical, canonical_of_ours, exact
from guardrails.log.codes import ReasonCode
from guardrails.log.packing import pack, unpack
from guardrails.log.sealing import digest
from guardrails.reasons import MAX_TERMS
from guardrails.request import Continuation, Known, Placement, Presentation, Request, Visit
from guardrails.rules.base import Judgement, Rule, View, silent

FORMAT = 2
SECTIONS = ("req", "consent", "cand", "rules", "out")
SALT_BYTES = 16

_MINUTE_MS = 60_000
_NOT_COLUMNS = {"request", "admission", "catalogue", "basis", "item_idx", "intent", "source"}
_COLUMNS = tuple(field.name for field in fields(View) if field.name not in _NOT_COLUMNS)
_WIDE = tuple(field.name for field in fields(View) if field.type == "NDArray[np.int64]")

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Record:
    """A decision ready to be stored.

    Attributes:
        header: canonical bytes; no personal data. The entry of the log is this and the digest of the
            sealed body.
        body: the secret of the salts and the five sections, one a line, packed.
    """

    header: bytes
    body: bytes


def build_record(
    decision: Decision,
    request: Request,
    known: Known,
    house: House,
    *,
    decision_id: str,
    secret: bytes,
    response: bytes,
    build: str,
) -> Record:
    """Write down one decision.

    Args:
        decision: what was decided.
        request: what was asked.
        known: what was read; only its counts are recorded here, the evidence is in the decision.
        house: model, catalogue and policy it was decided with.
        decision_id: a random identifier (UUID version 4; one with a clock in it would leak the millisecond).
        secret: 16 fresh random bytes that the salts of the sections derive from.
        response: the bytes that will be sent.
        build: SHA-256 of the build manifest.

    Raises:
        RecordError: something cannot be written canonically, or the secret is not of 16 bytes.
    """
    if len(secret) != SALT_BYTES:
        raise RecordError("a record needs a secret of 16 bytes")
    documents: tuple[Json, ...] = (
        _req(request, house.catalogue),
        _consent(decision, known),
        _cand(decision, request, house),
        _rules(decision),
        _out(decision, house.catalogue, response),
    )
    sections = tuple(map(canonical_of_ours, documents))
    body = _body(secret, sections)
    digests = [
        section_digest(name, _salt(secret, name), content)
        for name, content in zip(SECTIONS, sections, strict=True)
    ]
    header = _header(decision, request, house, decision_id, build, digests)
    return Record(header=canonical_of_ours(header), body=body)


def cand_section(decision: Decision, request: Request, house: House) -> bytes:
    """Return the section of what was considered, in canonical bytes."""
    return canonical_of_ours(_cand(decision, request, house))


def rules_section(decision: Decision) -> bytes:
    """Return the section of what the rules said, in canonical bytes."""
    return canonical_of_ours(_rules(decision))


def out_section(decision: Decision, response_sha256: str) -> bytes:
    """Return the section of what was answered, in canonical bytes.

    Args:
        decision: the decision; its steps may have a catalogue each.
        response_sha256: 64 hex digits: what was sent, which nobody can compute again from the decision alone.
    """
    return canonical_of_ours(_answered(decision, decision.rounds[-1].view.catalogue, response_sha256))


def section_digest(name: str, salt: bytes, content: bytes) -> str:
    """Return the salted digest of one section, as entries write it."""
    return digest(b"gr1\x00" + name.encode() + b"\x00" + salt + content)


def open_body(body: bytes) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the salts and the canonical bytes of the sections, by section name.

    Raises:
        RecordError: the body is not one of ours.
    """
    try:
        secret, *sections = unpack(body).split(b"\n")
        drawn = base64.b64decode(secret, validate=True)
        return {name: _salt(drawn, name) for name in SECTIONS}, dict(zip(SECTIONS, sections, strict=True))
    except ValueError as error:
        raise RecordError("the body of a record cannot be opened") from error


def _salt(secret: bytes, section: str) -> bytes:
    """Return the salt of one section: to disclose it with the section gives no other one away."""
    return hmac.digest(secret, section.encode(), hashlib.sha256)[:SALT_BYTES]


def _body(secret: bytes, sections: tuple[bytes, ...]) -> bytes:
    """Join secret and sections; canonical JSON has no raw newline, so a line each is unambiguous."""
    return pack(b"\n".join((base64.b64encode(secret), *sections)))


def _header(
    decision: Decision,
    request: Request,
    house: House,
    decision_id: str,
    build: str,
    digests: list[str],
) -> Json:
    n_withheld = sum(len(taken.slate.held_back) for taken in decision.rounds)
    return {
        "v": FORMAT,
        "type": "decision",
        "id": decision_id,
        "t_min": request.now_ms // _MINUTE_MS,
        "placement": request.placement.name,
        "basis": word(decision.basis),
        "engine": build,
        "policy": house.policy_version,
        "model": house.recommender.version if decision.basis >= Basis.POPULAR else None,
        "mode": "fallback" if decision.degraded else "enforce",
        "outcome": decision.outcome.value,
        "arm": None if house.arm is None else house.arm.value,
        "n_cand": sum(len(taken.candidates) for taken in decision.rounds),
        "n_shown": len(decision.suggestions),
        "n_withheld": n_withheld,
        "sd": digests,
    }


def _req(request: Request, catalogue: Catalogue) -> Json:
    context = request.context
    return {
        "ts": request.now_ms,
        "subject_kind": request.subject_kind.value,
        "placement": _placement(request.placement),
        "channel": word(request.channel),
        "count": request.count,
        "item": None if context.item_idx is None else catalogue.item_ids[context.item_idx],
        "basket": [catalogue.item_ids[idx] for idx in context.basket],
        "categories": [catalogue.categories[code] for code in context.categories],
        "non_profiled": request.non_profiled,
        "gpc": request.gpc,
        "shared_device": request.shared_device,
        "recognised_only": request.recognised_only,
        "language": request.language,
        "occasion": context.occasion,
        "visit": _visit(request.visit),
        "presentation": _presentation(request.presentation),
        "local_minute": request.local_minute,
        "within": list(request.within),
        "continues": _continues(request.continues),
        "seed": base64.b64encode(request.seed).decode(),
    }


def _continues(continues: Continuation | None) -> Json | None:
    return None if continues is None else {"decision": continues.decision_id, "before": continues.before}


def _visit(visit: Visit) -> Json:
    return {
        "n_pages": visit.n_pages,
        "basket_after_s": visit.basket_after_s,
        "entry": None if visit.entry is None else visit.entry.value,
    }


def _presentation(presentation: Presentation) -> Json:
    return {
        "patterns": sorted(presentation.patterns),
        "personalised_price": presentation.personalised_price,
        "price_disclosed": presentation.price_disclosed,
    }


def _placement(placement: Placement) -> Json:
    """Write out what the placement was like then; a shop may change it later."""
    return {
        "name": placement.name,
        "prominence_micro": placement.prominence_micro,
        "interruptive": placement.interruptive,
        "anchored": placement.anchored,
        "public": placement.public,
        "max_count": placement.max_count,
        "intents": sorted(placement.intents),
    }


def _consent(decision: Decision, known: Known) -> Json:
    admission = decision.admission
    return {
        "permissions": [_permission(permission) for permission in admission.permissions],
        "history": admission.may_read_history,
        "history_by": admission.history.purpose,
        "history_from": admission.history_from_ms,
        "session": admission.may_read_session,
        "context": admission.may_use_context,
        "sensitive_granted": sorted(admission.sensitive_granted),
        "muted": _muted(admission),
        "age_assurance": admission.age_assurance.value,
        "shared_audience": admission.shared_audience,
        "raised_classes": sorted(admission.raised_classes),
        "holding": _holding(admission.holding),
        "non_profiled": admission.non_profiled,
        "jurisdiction": admission.jurisdiction,
        "enrichment": _optional(admission.enrichment),
        "pricing": _optional(admission.pricing),
        "degraded": admission.degraded,
        "profiling": known.profiling,
        "reads": [{"store": store, "n": n} for store, n in known.reads],
        "kept_out": [{"rule": rule_id, "n": n} for rule_id, n in decision.kept_out],
    }


def _holding(holding: Holding) -> Json:
    return {
        "complaint_open": holding.complaint_open,
        "complaint_closed_days": holding.complaint_closed_days,
        "delivery_late": holding.delivery_late,
        "payment_failed": holding.payment_failed,
        "topics": holding.topics,
        "offers": holding.offers,
        "excluded": sorted(holding.excluded),
    }


def _optional(permission: Permission | None) -> Json | None:
    return None if permission is None else _permission(permission)


def _permission(permission: Permission) -> Json:
    return {
        "purpose": permission.purpose,
        "permitted": permission.permitted,
        "because": None if permission.because is None else permission.because.value,
        "basis": permission.basis.value,
        "record_id": permission.record_id,
        "notice_version": permission.notice_version,
        "expires_at_ms": permission.expires_at_ms,
        "channels": None if permission.channels is None else sorted(permission.channels),
        "data_categories": (
            None if permission.data_categories is None else sorted(permission.data_categories)
        ),
        "item_categories": (
            None if permission.item_categories is None else sorted(permission.item_categories)
        ),
        "gpc": permission.gpc.value,
    }


def _muted(admission: Admission) -> Json:
    muted = admission.muted
    return {
        "items": sorted(muted.items),
        "brands": sorted(muted.brands),
        "categories": sorted(muted.categories),
        "classes": sorted(muted.classes),
        "occasions": sorted(muted.occasions),
    }


def _cand(decision: Decision, request: Request, house: House) -> Json:
    return {
        "catalogue": house.catalogue.version,
        "model": house.recommender.version,
        "page": _page(request.context.item_idx, house.catalogue),
        "rounds": [_considered(taken, house.catalogue) for taken in decision.rounds],
        "titles": _titles(decision, house.catalogue),
    }


def _titles(decision: Decision, catalogue: Catalogue) -> list[Json]:
    """Return the titles of what reasons may name, by item: their wording cannot be told without."""
    terms = [each.reason.evidence[0] for each in decision.suggestions if each.reason.evidence]
    named = {term.item_idx for term in terms if term.item_idx is not None}
    return [{"item": catalogue.item_ids[idx], "title": catalogue.titles[idx]} for idx in sorted(named)]


def _page(item_idx: int | None, catalogue: Catalogue) -> Json | None:
    """What the rules could read of the item on the page."""
    if item_idx is None:
        return None
    return {
        "category": int(catalogue.category[item_idx]),
        "sensitive_class": _class_names(catalogue, catalogue.sensitive_class[[item_idx]])[0],
    }


def _class_names(catalogue: Catalogue, codes: NDArray[np.int16]) -> list[str | None]:
    names = catalogue.sensitive_classes
    return [names[code] if code >= 0 else None for code in codes.tolist()]


def _considered(taken: Round, catalogue: Catalogue) -> Json:
    """Evidence and candidates; of each sum the largest terms, as in the reasons, and how many there were."""
    evidence, candidates = taken.evidence, taken.candidates.largest_terms(MAX_TERMS)
    return {
        "basis": word(taken.basis),
        "evidence": {
            "items": [catalogue.item_ids[idx] for idx in evidence.item_idx.tolist()],
            "weight": exact(evidence.weight),
            "origin": evidence.origin,
            "kind": evidence.kind,
            "age_days": evidence.age_days,
            "channel": evidence.channel,
            "provenance": evidence.provenance,
            "tier": taken.view.admission.tier_of(catalogue, evidence.item_idx),
        },
        "items": [catalogue.item_ids[idx] for idx in candidates.item_idx.tolist()],
        "score": exact(candidates.score),
        "base": exact(candidates.base),
        "source": candidates.source,
        "intent": taken.intent,
        "n_asked": taken.n_asked,
        "n_terms": np.diff(taken.candidates.ptr),
        "n_masked": taken.candidates.n_masked,
        "ptr": candidates.ptr,
        "edge_evidence": candidates.evidence,
        "edge_contribution": exact(candidates.contribution),
        "edge_support": candidates.support,
        "seen": _seen(taken.view),
        "categories": _named(catalogue.categories, taken.view.category),
        "brands": _named(catalogue.brands, taken.view.brand),
    }


def _named(names: Sequence[str], codes: NDArray[np.int32]) -> list[str]:
    """Return the names of the codes that occur, by ascending code."""
    return [names[code] for code in sorted(set(codes.tolist())) if code >= 0]


def _seen(view: View) -> Json:
    """Every column the rules could read, so that their answers can be recomputed."""
    columns: dict[str, object] = {name: getattr(view, name) for name in _COLUMNS}
    columns |= {name: exact(getattr(view, name)) for name in _WIDE}
    return columns | {
        "tier": view.tier,
        "sensitive_class": _class_names(view.catalogue, view.sensitive_class),
        "price_minor": exact(view.price_minor),
        "category": view.category,
        "brand": view.brand,
        "age_restricted": view.catalogue.age_restricted[view.item_idx],
        "muted": view.admission.muted.covers(view.catalogue, view.item_idx),
        "occasion_muted": view.occasion_muted,
        "sponsored": view.sponsored,
        "pressing": view.pressing,
        "unclassified": view.unclassified,
    }


def _rules(decision: Decision) -> Json:
    return {
        "rounds": [_said(taken) for taken in decision.rounds],
        "shadow": None if decision.beside is None else asdict(decision.beside),
    }


def _said(taken: Round) -> Json:
    """All that fired, in columns: the rule by its place in ``asked``, the candidate by its row.

    A rule that failed stands under the code for that. What was only watched follows in the same form, and
    what the rules of the whole list kept out one by one.
    """
    judged = taken.judged
    return {
        "asked": orjson.Fragment(_asked(judged.rules, tuple(rule_id for rule_id, _ in judged.failed))),
        "fired": _fired(judged.judgements),
        "rank_score": exact(judged.rank_score),
        "failed": [{"rule": rule_id, "error": error} for rule_id, error in judged.failed],
        "watched": {
            "asked": [
                {"rule": each.asked.rule.id, "warns": each.asked.warns, "error": each.error}
                for each in judged.watched
            ],
            "fired": _fired([each.judgement for each in judged.watched]),
        },
        "slate": [refusal._asdict() for refusal in taken.slate.refused],
    }


@lru_cache(maxsize=64)  # policies that are asked at a time, and beside these how rules fail
def _asked(rules: tuple[Rule, ...], failed: tuple[str, ...]) -> bytes:
    """Write out who was asked: half of the section, and the same for every decision under a policy."""
    return canonical(
        [
            {"rule": rule.id, "reason": ReasonCode.POLICY_ERROR if rule.id in failed else rule.reason_code}
            for rule in rules
        ]
    )


_FIRED = ("effect", "observed", "limit", "factor_micro")


def _fired(judgements: Sequence[Judgement]) -> Json:
    """Lay out what rules said beyond "allow": one entry a rule and candidate."""
    speaking = [index for index, each in enumerate(judgements) if each is not silent(each.effect.size)]
    if not speaking:
        return _NOTHING_FIRED
    said = [judgements[index] for index in speaking]
    effect = np.array([judgement.effect for judgement in said])
    obliges = np.zeros_like(effect)
    for row, judgement in enumerate(said):
        if judgement.obliges is not None:
            obliges[row] = judgement.obliges
    fired = np.nonzero(effect | obliges)
    columns = {name: exact(np.array([getattr(each, name) for each in said])[fired]) for name in _FIRED}
    return {
        "rule": [speaking[index] for index in fired[0].tolist()],
        "row": exact(fired[1]),
        **columns,
        "obliges": exact(obliges[fired]),
    }


_NOTHING_FIRED: Json = {"rule": [], "row": [], "obliges": [], **{name: [] for name in _FIRED}}


def _out(decision: Decision, catalogue: Catalogue, response: bytes) -> Json:
    return _answered(decision, catalogue, hashlib.sha256(response).hexdigest())


def _answered(decision: Decision, catalogue: Catalogue, response_sha256: str) -> Json:
    """Write out the answer; ``catalogue`` is that of the last step, for one read back has one a step."""
    return {
        "basis": word(decision.basis),
        "outcome": decision.outcome.value,
        "degraded": list(decision.degraded),
        "for_a_human": decision.for_a_human,
        "list": [_suggestion(suggestion, catalogue) for suggestion in decision.suggestions],
        "withheld": [
            {"item": taken.view.catalogue.item_ids[taken.candidates.item_idx[row]], "rule": rule_id}
            for taken in decision.rounds
            for row, rule_id in taken.slate.held_back
        ],
        "response_sha256": response_sha256,
    }


def _suggestion(suggestion: Suggestion, catalogue: Catalogue) -> Json:
    return {
        "item": catalogue.item_ids[suggestion.item_idx],
        "rank": suggestion.rank,
        "score": suggestion.score,
        "intent": word(suggestion.intent),
        "action": suggestion.action.value,
        "obligations": list(suggestion.obligations),
        "warnings": list(suggestion.warnings),
        "stands_for": suggestion.stands_for and suggestion.stands_for._asdict(),
        "purpose": suggestion.rests_on.purpose,
        "lawful_basis": suggestion.rests_on.basis.value,
        "code": suggestion.reason.code.value,
        "text": suggestion.reason.text,
    }
