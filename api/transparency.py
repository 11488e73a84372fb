"""What anybody may know about how suggestions are made: read from what is in force, put into words here.

The shop's own rules are told in its own words; those that are only watched, and what rules test, are not.

GDPR 13 and 14 with 13(2)(f) and 14(2)(g), DSA 27, and Article 6a of the Consumer Rights Directive ask
for it. Keys, weights, days, rules and ways come from the register, the weighting, the policy, the
catalogue of rules and the application's own map of operations; only the words stand in this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import ZoneInfo

from api.houses import Policies
from api.languages import say, say_how_many
from api.schemas.recommendation import MODES
from api.settings import Settings
from api.storage.retention import Retention
from engine.vocabulary import LEARNED_FROM, Basis, Kind, Origin, word
from guardrails.admit import CONTEXT_WEIGHT, SESSION_WEIGHT
from guardrails.consent.collection import DATA_CATEGORY_OF
from guardrails.consent.permission import LawfulBasis
from guardrails.consent.purposes import REGISTER, PurposeEntry
from guardrails.house import House
from guardrails.messages import LANGUAGES, Phrase
from guardrails.policy.columns import day_of
from guardrails.policy.language import HouseRule, Mode, Policy
from guardrails.policy.meaning import day_number
from guardrails.rules.base import MICRO
from guardrails.rules.slate import EVERY_RULE

Json = dict[str, Any]

CONSENTS = ("POST", "/v1/customers/{customer_id}/consents")
PREFERENCES = ("PUT", "/v1/customers/{customer_id}/preferences")

LOGIC = (
    "The system learns from customers who allow it which items go together. From what it may use of you, "
    "it picks items that go with that. Each is held against the rules below before it is shown, and each "
    "comes with its reason."
)
CONSEQUENCES = (
    "It decides which items are suggested and in which order. No price, no contract and no access depends "
    "on it."
)
SOURCES = (
    "Everything comes from your own dealings with this shop. What others collected is kept only where you "
    "agreed to that, and not at all under Global Privacy Control."
)
HOLDING_BACK = (
    "Some things only ever hold suggestions back, and need no consent: an open complaint, a parcel that is "
    "late, a payment that failed, a loss, what you muted or excluded yourself from. They add no suggestion "
    "and nothing is learned from them. Of a loss only the day is kept on which it no longer holds back."
)

KINDS: Mapping[Kind, str] = {
    Kind.VIEW: "what you looked at",
    Kind.CART: "what you put in the basket",
    Kind.REMOVE_FROM_CART: "what you took out of the basket",
    Kind.WISHLIST: "what you put on a wish list",
    Kind.PURCHASE: "what you bought",
    Kind.RATING: "what you rated",
    Kind.RETURN: "what you sent back",
}
ORIGINS: Mapping[Origin, tuple[int, str]] = {
    Origin.CONTEXT: (CONTEXT_WEIGHT, "the page you look at and what is in the basket"),
    Origin.SESSION: (SESSION_WEIGHT, "what you do during this visit"),
    Origin.HISTORY: (1, "what you did here earlier"),
}
"""How many times anything counts by where it comes from, and what that is."""

STEPS: Mapping[Basis, str] = {
    Basis.PROFILE: "First comes what you did here earlier, if it may be used.",
    Basis.SESSION: "Next comes what you do during this visit, if it may be used.",
    Basis.CONTEXTUAL: "Next come the page you look at and the basket, if they may be used.",
    Basis.POPULAR: "If none of these may be used or leads anywhere, it is what sells well in the shop.",
}
BASES: Mapping[LawfulBasis, tuple[str, str]] = {
    LawfulBasis.CONSENT: (
        "your consent",
        "It is off until you agree. You can take that back at any time, as easily as you gave it.",
    ),
    LawfulBasis.EXPLICIT_CONSENT: (
        "your explicit consent",
        "It is off until you agree to it expressly. You can take that back at any time.",
    ),
    LawfulBasis.LEGITIMATE_INTEREST: (
        "the shop's legitimate interest",
        "It is on until you object. You can object at any time and need not say why.",
    ),
    LawfulBasis.CONTRACT: (
        "the contract with you",
        "The shop needs it to serve you, so there is nothing to choose.",
    ),
}
"""What a purpose stands on, and how one chooses."""

DATA: Mapping[str, str] = {
    "user.behavior.browsing_history": "which items you looked at",
    "user.behavior.cart": "what you put in the basket and took out of it",
    "user.behavior.wishlist": "what you put on a wish list",
    "user.behavior.purchase_history": "what you bought, when and how much of it",
    "user.content.public": "how you rated items",
    "user.behavior.returns": "what you sent back",
    "user.behavior.suggestions": "what was suggested to you and why, and what you said of it",
    "user.demographic.profile": "which interests follow from that: worked out for each answer, not stored",
    "user.privacy_preferences": "what you agreed to, refused, took back or objected to",
    "user.settings": "what you do not want to see, whether you are of age, whether others use your account",
    "user.circumstances": "why less is to be suggested to you for a while, and until when",
    "user.unique_id.pseudonymous": "a pseudonym made from the shop's number for you, your visit or device",
}
GIVEN_BY: Mapping[str, str] = {
    "behaviour": "your own actions in this shop",
    "choices": "your own choices and answers in this shop",
    "service": "what the shop hears while it serves you",
    "shop": "made by the shop itself",
}
_GIVEN_AS = {
    "user.behavior.suggestions": "shop",
    "user.demographic.profile": "shop",
    "user.privacy_preferences": "choices",
    "user.settings": "choices",
    "user.circumstances": "service",
    "user.unique_id.pseudonymous": "shop",
}

KEPT: Mapping[str, str] = {
    "order_fact_days": "orders and returns, as facts of the contract",
    "decision_body_days": "what decisions were made from, and what you said of them",
    "visit_body_days": "the same of visits without an account",
    "proof_days": "consent after its end, notices shown and requests answered, as proof",
    "hold_days": "mutes and reasons to hold back, once they are over",
    "device_days": "which devices were used, and the signals they sent",
    "measured_days": "what you were shown and what came of it, where you agreed to be measured",
}
"""What is kept although it is not evidence, by the name of its number of days."""

OPTIONS: Mapping[str, tuple[str, str, str]] = {
    MODES[0]: (
        "With your history",
        "Suggestions use what you did here, as far as you allow that.",
        "Set `non_profiled` to `false` in your preferences.",
    ),
    MODES[1]: (
        "Without your history",
        "Suggestions use the page, the basket and what sells well, and nothing about you.",
        "Set `non_profiled` to `true` in your preferences.",
    ),
}
"""Title, meaning and way of each mode: the same members for all, so that none looks lesser."""


@dataclass(frozen=True, slots=True)
class Right:
    """Something a customer can demand.

    Attributes:
        key: its name.
        article: where it stands in the GDPR.
        meaning: what it is, in plain words.
        ways: operations that it is used with, as method and path.
    """

    key: str
    article: str
    meaning: str
    ways: tuple[tuple[str, str], ...] = ()


_EXPORT = ("GET", "/v1/customers/{customer_id}/export")
_INTERESTS = "/v1/customers/{customer_id}/interests"

RIGHTS = (
    Right(
        "access",
        "15",
        "See what is kept about you, what was suggested and held back, and why.",
        (_EXPORT, ("GET", "/v1/customers/{customer_id}/privacy")),
    ),
    Right("portability", "20", "Take your data with you, as JSON or CSV.", (_EXPORT,)),
    Right(
        "rectification",
        "16",
        "Drop or put right an interest that was read from your behaviour.",
        (("GET", _INTERESTS), ("PATCH", _INTERESTS)),
    ),
    Right(
        "erasure",
        "17",
        "Have everything about you erased, for good.",
        (("DELETE", "/v1/customers/{customer_id}"),),
    ),
    Right("restriction", "18", "Have your data kept but not used.", (CONSENTS,)),
    Right(
        "objection",
        "21",
        "Object to a use of your data. For advertising that ends it at once.",
        (CONSENTS,),
    ),
    Right(
        "withdrawal",
        "7(3)",
        "Take back consent. It holds from the very next request.",
        (CONSENTS,),
    ),
    Right(
        "contest",
        "22(3)",
        "Contest a decision, say your view and have a human look at it.",
        (("POST", "/v1/decisions/{decision_id}/contest"),),
    ),
    Right("complaint", "77", "Complain to a data protection authority."),
)


@dataclass(frozen=True, slots=True)
class InForce:
    """What there is to tell of.

    Attributes:
        house: model, catalogue and policy.
        policies: the policies that customers are served by.
        now_ms: the time, milliseconds since the epoch.
        settings: who runs the shop, and who is handed data.
        changed_at_ms: when model or policy last changed; ``None`` when they never did.
        operations: every operation that the application answers, as method and path.
    """

    house: House
    policies: Policies
    now_ms: int
    settings: Settings
    changed_at_ms: int | None
    operations: frozenset[tuple[str, str]]


def transparency(of: InForce, language: str) -> Json:
    """Return all of it, in the language of the answer."""
    settings, house = of.settings, of.house
    return {
        "language": language,
        "languages": LANGUAGES,
        "controller": settings.controller or None,
        "contact": settings.contact or None,
        "consent_url": settings.consent_url or None,
        "logic": say(LOGIC),
        "consequences": say(CONSEQUENCES),
        "options": {"default": MODES[0], "modes": [_mode(mode, of) for mode in MODES]},
        "purposes": [_purpose(house.consent.in_force(entry), of) for entry in REGISTER],
        "data_categories": [_data_category(key) for key in DATA],
        "sources": say(SOURCES),
        "third_party_sources": [],
        "holding_back": say(HOLDING_BACK),
        "recipients": list(settings.recipients),
        "steps": [{"basis": word(basis), "meaning": say(meaning)} for basis, meaning in STEPS.items()],
        "origins": [
            {"origin": word(origin), "meaning": say(meaning), "times": times}
            for origin, (times, meaning) in ORIGINS.items()
        ],
        "parameters": _parameters(house),
        "half_life_days": house.weighting.half_life_days,
        "half_life": say_how_many(
            house.weighting.half_life_days,
            "After {n} day anything counts half as much.",
            "After {n} days anything counts half as much.",
        ),
        "retention": _retention(house),
        "visit_hours": house.limits.evidence.session_hours,
        "visit": say_how_many(
            house.limits.evidence.session_hours,
            "What you do during a visit counts for {n} hour.",
            "What you do during a visit counts for {n} hours.",
        ),
        "rules": [
            {"id": rule.id, "name": rule.name, "sentence": say(rule.sentence), "ground": say(rule.ground)}
            for rule in EVERY_RULE
        ],
        "own_rules": [
            {"title": say(rule.title), "sentence": say(rule.customer_sentence)}
            for rule in own_rules(of.policies, of.now_ms)
        ],
        "policies_compared": of.policies.challenger is not None,
        "rights": [_right(right, of) for right in RIGHTS],
        "ai_generated": False,
        "price_personalised": False,
        "model_version": house.recommender.version,
        "policy_version": house.policy_version,
        "changed_at_ms": of.changed_at_ms,
    }


def own_rules(policies: Policies, now_ms: int) -> list[HouseRule]:
    """Return the shop's rules that act today, by id; of two policies that are compared those of either."""
    compared = (policies.champion, policies.challenger)
    in_force = [rule for each in compared if each is not None for rule in _acting(each.policy, now_ms)]
    told = {(rule.id, rule.title, rule.customer_sentence): rule for rule in in_force}
    return [told[key] for key in sorted(told)]


def _acting(policy: Policy, now_ms: int) -> list[HouseRule]:
    today = day_of(now_ms, ZoneInfo(policy.time_zone))
    return [
        rule
        for rule in policy.rules
        if rule.mode is Mode.ENFORCE
        and (rule.effective_from is None or day_number(rule.effective_from) <= today)
        and (rule.effective_until is None or today <= day_number(rule.effective_until))
    ]


def _mode(mode: str, of: InForce) -> Json:
    title, meaning, how = OPTIONS[mode]
    return {
        "mode": mode,
        "title": say(title),
        "meaning": say(meaning),
        "how": say(how),
        "ways": _ways((PREFERENCES,), of),
    }


def _purpose(entry: PurposeEntry, of: InForce) -> Json:
    basis, choose = BASES[entry.basis]
    fixed = entry.basis is LawfulBasis.CONTRACT
    return {
        "key": entry.key,
        "meaning": say(entry.meaning),
        "basis": entry.basis,
        "basis_meaning": say(basis),
        "on_by_default": entry.on_by_default,
        "choose": say(choose),
        "ways": [] if fixed else _ways((CONSENTS,), of),
    }


def _data_category(key: str) -> Json:
    return {
        "key": key,
        "meaning": say(DATA[key]),
        "kinds": [word(kind) for kind, category in DATA_CATEGORY_OF.items() if category == key],
        "source": say(GIVEN_BY[_GIVEN_AS.get(key, "behaviour")]),
    }


def _parameters(house: House) -> list[Json]:
    """How much each kind of behaviour counts: in millionths of a purchase, and as a share of all kinds."""
    weights, kept_days = house.weighting.by_kind(), house.limits.evidence.max_age_days()
    total = sum(float(weights[kind]) for kind in LEARNED_FROM)
    return [
        {
            "kind": word(kind),
            "meaning": say(KINDS[kind]),
            "weight_micro": round(weights[kind] * MICRO),
            "share_percent": round(100 * float(weights[kind]) / total, 1),
            "half_life_days": house.weighting.half_life_days,
            "kept_days": int(kept_days[kind]),
            "counts": _counts(round(100 * weights[kind])),
        }
        for kind in LEARNED_FROM
    ]


def _counts(percent: int) -> str:
    if percent == 100:  # noqa: PLR2004  all of it
        return say("It counts in full.")
    return say(Phrase("It counts {percent} % of a purchase of the same day.", percent=percent))


def _retention(house: House) -> list[Json]:
    """How long each kind of behaviour is used, and how long what is not evidence is kept."""
    limits = house.limits.evidence
    kept_days = limits.max_age_days()
    by_kind = [
        {"evidence": word(kind), "meaning": say(KINDS[kind]), "kept_days": int(kept_days[kind])}
        for kind in (*LEARNED_FROM, Kind.RETURN)
    ]
    sensitive = say("anything about sensitive items, if you agreed to that expressly")
    beside = [
        {"evidence": name.removesuffix("_days"), "meaning": say(KEPT[name]), "kept_days": n_days}
        for name, n_days in asdict(Retention()).items()
    ]
    return [
        *by_kind,
        {"evidence": "sensitive", "meaning": sensitive, "kept_days": limits.sensitive_days},
        *beside,
    ]


def _right(right: Right, of: InForce) -> Json:
    return {
        "right": right.key,
        "article": say(Phrase("GDPR {article}", article=right.article)),
        "meaning": say(right.meaning),
        "ways": _ways(right.ways, of),
    }


def _ways(ways: tuple[tuple[str, str], ...], of: InForce) -> list[Json]:
    """Return those ways that there are: what is promised here is answered there."""
    return [{"method": method, "path": path} for method, path in ways if (method, path) in of.operations]
