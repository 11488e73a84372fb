"""The record of processing (GDPR 30) and the outline of an impact assessment (GDPR 35(7)).

Both are made from what is in force: the register of purposes as the shop has it, the settings, the
limits of the policy, the catalogue of rules. So they cannot say what is not done. What no program
knows, above all how the shop weighs it all, is left to the shop and said to be.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from api.languages import say
from api.settings import Settings
from api.storage.requests import CLOCK
from api.storage.retention import Retention
from api.storage.subjects import SUBJECT_KEY_BYTES
from api.transparency import BASES, CONSEQUENCES, DATA, KEPT, KINDS, LOGIC, SOURCES
from engine.vocabulary import Kind, word
from guardrails.consent.permission import LawfulBasis
from guardrails.consent.purposes import REGISTER, PurposeEntry
from guardrails.house import House
from guardrails.log.codes import REGISTRY, ReasonCode
from guardrails.log.record import SECTIONS
from guardrails.rules.base import Rule
from guardrails.rules.slate import EVERY_RULE
from guardrails.rules.slate.base import SlateRule
from guardrails.sensitive.classes import CLASS_NAMES

Json = dict[str, Any]


def processing_record(house: House, settings: Settings, now_ms: int, language: str) -> Json:
    """Return both documents.

    Args:
        house: model, catalogue and policy in force.
        settings: who runs the shop, and who is handed data.
        now_ms: the clock, milliseconds since the epoch.
        language: what words are written in.
    """
    return {
        "as_of_ms": now_ms,
        "policy_version": house.policy_version,
        "model_version": house.recommender.version,
        "record": _record(house, settings, language),
        "assessment": _assessment(house, language),
    }


def _record(house: House, settings: Settings, language: str) -> Json:
    """GDPR 30(1), letter by letter."""
    return {
        "controller": settings.controller or None,
        "contact": settings.contact or None,
        "purposes": [_purpose(house.consent.in_force(entry), house, language) for entry in REGISTER],
        "data_subjects": ["customers", "visitors"],
        "data_categories": [{"key": key, "meaning": say(meaning, language)} for key, meaning in DATA.items()],
        "sensitive_classes": len(CLASS_NAMES),
        "sources": say(SOURCES, language),
        "recipients": list(settings.recipients),
        "third_country_transfers": [],
        "retention": _retention(house, language),
        "security": _security(),
    }


def _purpose(entry: PurposeEntry, house: House, language: str) -> Json:
    return {
        "id": f"P{entry.purpose.value}",
        "key": entry.key,
        "meaning": say(entry.meaning, language),
        "basis": entry.basis,
        "basis_meaning": say(BASES[entry.basis][0], language),
        "on_by_default": entry.on_by_default,
        "assessment_document": (
            house.consent.lia_document_id if entry.basis is LawfulBasis.LEGITIMATE_INTEREST else None
        ),
    }


def _retention(house: House, language: str) -> list[Json]:
    limits = house.limits.evidence
    days = limits.max_age_days()
    used = [
        {"data": word(kind), "meaning": say(KINDS[kind], language), "days": int(days[kind])}
        for kind in Kind
        if days[kind]
    ]
    kept = [
        {"data": name.removesuffix("_days"), "meaning": say(KEPT[name], language), "days": n_days}
        for name, n_days in asdict(Retention()).items()
    ]
    sensitive = say("anything about sensitive items, if you agreed to that expressly", language)
    return [*used, {"data": "sensitive", "meaning": sensitive, "days": limits.sensitive_days}, *kept]


def _security() -> Json:
    """GDPR 32(1): what is measured in code rather than promised."""
    return {
        "pseudonym_bits": SUBJECT_KEY_BYTES * 8,
        "pseudonym": "HMAC-SHA-256 under a secret that is kept apart from the database",
        "api_keys": "kept as SHA-256 alone",
        "customer_tokens": "sealed with AES-256-GCM, stored nowhere",
        "record_sections": list(SECTIONS),
        "record_digest": "salted SHA-256 of each section in a header without personal data",
        "log": "append-only, refused by trigger to be changed",
    }


def _assessment(house: House, language: str) -> Json:
    """GDPR 35(7), letter by letter, as far as a program can say."""
    return {
        "description": [say(LOGIC, language), say(CONSEQUENCES, language)],
        "necessity": [
            {
                "key": entry.key,
                "basis": house.consent.in_force(entry).basis,
                "on_by_default": house.consent.in_force(entry).on_by_default,
            }
            for entry in REGISTER
        ],
        "risks": [_risk(rule, language) for rule in EVERY_RULE],
        "limits": asdict(house.limits),
        "rights": {"answer_days": CLOCK.answer_days, "extension_days": CLOCK.extension_days},
        "left_to_the_shop": [
            "how likely and how severe each risk is",
            "the advice of the data protection officer",
            "the views of customers",
        ],
    }


def _risk(rule: Rule | SlateRule, language: str) -> Json:
    """Each guardrail stands against a risk, which its reason code names."""
    entry = REGISTRY[ReasonCode(rule.reason_code)]
    return {
        "risk": entry.meaning,
        "law": entry.law or None,
        "rule": rule.id,
        "rule_name": rule.name,
        "safeguard": say(rule.sentence, language),
        "ground": rule.ground,
        "locked": rule.locked,
    }
