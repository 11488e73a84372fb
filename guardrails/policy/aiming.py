"""L2: no rule aims at people for a sensitive class or a weak moment, nor shuts them out for it.

Some fields are delicate: their values run from the ordinary to what deserves protection (a verified
adult before a minor, no class before a sensitive class). What a rule may make of them:

=======================================  ===========================  ==========================
the rule looks at                        ``allow``                    ``block``, ``generalise``,
                                                                      ``demote``
=======================================  ===========================  ==========================
a delicate field, so that what holds of  refused: may only hold back  fine: protects all alike
the ordinary holds of all beyond it
a delicate field the other way about     refused                      refused: whoever is spared
("everybody but those whose payment                                   is aimed at
failed")
a category of nothing but goods of one   refused: the class by        fine, as of the class
sensitive class                          another name
a class, a segment or a weakness as      refused                      refused: to be shut out is
something the customer *is*                                           to be aimed at too
nothing of these                         fine                         fine
=======================================  ===========================  ==========================

``all`` and ``any`` know no "not", so a rule protects when each of its atoms does. What a customer *is*
no field tells; a draft that asks for it is told why there is none. Of the customer's own, nothing but
where they live is no weakness: no rule keeps sensitive goods from some of them for another reason.

A rule that holds back what needs no consent and lets through what does is warned of: whoever refused
gets less for it (GDPR 7(4); California Civil Code 1798.125).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType

from engine.vocabulary import Basis, word
from guardrails.errors import PolicyError
from guardrails.holding import HoldKind
from guardrails.messages import Phrase
from guardrails.policy.document import value_to_plain
from guardrails.policy.fields import FIELDS, SCOPES
from guardrails.policy.findings import Finding, Severity, pointer_of
from guardrails.policy.language import Atom, HouseRule, Op, RuleEffect, Value
from guardrails.policy.meaning import holds
from guardrails.policy.places import Place, placed_atoms
from guardrails.request import AgeAssurance
from guardrails.sensitive.classes import CLASS_NAMES, Tier


class Lint(StrEnum):
    """What no policy may do: codes of findings."""

    CAMOUFLAGE = "L1"
    AIMING = "L2"
    FLOOR = "L3"
    CONTACT_CAPS = "L4"


_Ranked = tuple[tuple[int, Value], ...]


def _in_order(*values: Value) -> _Ranked:
    return tuple(enumerate(values))


def _none_or_one_of(values: tuple[str, ...]) -> _Ranked:
    return ((0, None), *((1, value) for value in values))


def _nothing_or_some_of(values: tuple[str, ...]) -> _Ranked:
    return ((0, ()), *((1, (value,)) for value in values))


_NO_BEFORE_YES = _in_order(False, True)  # noqa: FBT003  the values of a field, not a switch

DELICATE: Mapping[str, _Ranked] = MappingProxyType(
    {
        "item.sensitive_class": _none_or_one_of(CLASS_NAMES),
        "item.tier": _in_order(*map(int, Tier)),
        "item.age_restricted": _NO_BEFORE_YES,
        "item.unclassified": _NO_BEFORE_YES,
        "evidence.tier": _in_order(*map(int, Tier)),
        "customer.age_assurance": _in_order(
            *(AgeAssurance.VERIFIED_ADULT.value, AgeAssurance.SELF_DECLARED_ADULT.value),
            *(AgeAssurance.UNKNOWN.value, AgeAssurance.MINOR.value),
        ),
        "customer.holds": _nothing_or_some_of(tuple(kind.value for kind in HoldKind)),
        "customer.excluded_classes": _nothing_or_some_of(CLASS_NAMES),
        "customer.open_complaint": _NO_BEFORE_YES,
        "customer.open_delivery_delay": _NO_BEFORE_YES,
        "customer.payment_failed": _NO_BEFORE_YES,
        "customer.non_profiled": _NO_BEFORE_YES,
        "customer.shared_device": _NO_BEFORE_YES,
    }
)
"""Fields that run from the ordinary (rank 0) to what deserves protection; equal ranks are alike."""

CONSENT_PRESSURE = "consent_pressure"

PERSONAL: Mapping[str, _Ranked] = MappingProxyType(
    {
        "candidate.basis": _in_order(*(word(basis) for basis in Basis if basis is not Basis.NONE)),
        "evidence.from_history": _NO_BEFORE_YES,
    }
)
"""Fields that run from what needs no consent to what does."""

PLAIN = frozenset(
    {
        *("request.placement", "request.channel", "request.language", "request.date", "request.local_minute"),
        *("request.basket_minor", "visit.n_pages", "visit.basket_after_s", "visit.entry", "visit.n_offers"),
        *("contact.n_messages_day", "contact.n_messages_week", "candidate.intent", "candidate.source"),
        *("candidate.price_step", "candidate.n_ignored", "candidate.days_since_shown", "item.id"),
        *("item.brand", "item.categories", "item.price_minor", "item.sponsored", "customer.jurisdiction"),
    }
)
"""Fields that say nothing of anybody's weakness."""

WEAKNESSES = frozenset(
    {
        *(part for name in CLASS_NAMES for part in (name, *name.split("_"))),
        *("addict", "addiction", "age", "anxiety", "child", "children", "class", "classes", "credit", "debt"),
        *("disabled", "elderly", "ethnic", "gender", "grief", "income", "lonely", "loss", "minor", "mood"),
        *("old", "poor", "poverty", "pregnant", "race", "segment", "segments", "sensitive", "sex", "sick"),
        *("stress", "unemployed", "vulnerability", "vulnerable", "widowed", "young"),
    }
)
"""Words that in the name of a customer's field say what the customer is."""


def says_what_somebody_is(field: str) -> bool:
    """Tell whether a name that is no field asks for what a customer is."""
    name = field.lower()
    words = name.replace(".", "_").replace("-", "_").split("_")
    return name.startswith("customer.") and field not in FIELDS and not WEAKNESSES.isdisjoint(words)


def aiming_finding(field: str, pointer: str) -> Finding:
    """Return the finding for a condition that asks for what a customer is.

    Args:
        field: what it asks for.
        pointer: where.
    """
    message = Phrase("`{field}` says what somebody is: no rule may aim by that", field=field)
    return Finding(Lint.AIMING, Severity.ERROR, pointer, message, {"field": field})


def aims(rule: HouseRule, place: Place, sensitive_categories: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for every condition of a rule that aims at somebody.

    Args:
        rule: the rule.
        place: where it stands.
        sensitive_categories: categories that hold nothing but goods of one sensitive class, and which.
    """
    scopes = [(Atom(SCOPES[name], Op.IN, words), name) for name, words in rule.applies_to]
    for atom, name in scopes:
        yield from _presses(atom, rule.effect, pointer_of(*place, "applies_to", name))
    for atom, at in placed_atoms(rule.when, (*place, "when")):
        yield from _presses(atom, rule.effect, pointer_of(*at))
        if atom.field in DELICATE:
            yield from _delicate(atom, rule.effect, pointer_of(*at))
        elif atom.field == "item.categories" and rule.effect is RuleEffect.ALLOW:
            yield from _by_another_name(atom, sensitive_categories, pointer_of(*at))


def _by_another_name(atom: Atom, sensitive_categories: Mapping[str, str], pointer: str) -> Iterator[Finding]:
    values = atom.value if isinstance(atom.value, tuple) else ()
    named = [value for value in values if isinstance(value, str) and value in sensitive_categories]
    for category in named[:1]:
        message = Phrase(
            "`{category}` holds nothing but goods of the class `{class_name}`: it may only serve to hold "
            "something back",
            category=category,
            class_name=sensitive_categories[category],
        )
        yield Finding(Lint.AIMING, Severity.ERROR, pointer, message, {atom.field: named})


def _delicate(atom: Atom, effect: RuleEffect, pointer: str) -> Iterator[Finding]:
    if effect is RuleEffect.ALLOW:
        message = Phrase("`{field}` may only serve to hold something back", field=atom.field)
        shown = value_to_plain(FIELDS[atom.field].kind, atom.value)
        yield Finding(Lint.AIMING, Severity.ERROR, pointer, message, {atom.field: shown})
        return
    for held, spared in _spared(atom, DELICATE[atom.field]):
        message = Phrase(
            "`{field}` holds back what is ordinary and lets through what is more delicate", field=atom.field
        )
        yield Finding(Lint.AIMING, Severity.ERROR, pointer, message, _shown(atom, held, spared))


def _presses(atom: Atom, effect: RuleEffect, pointer: str) -> Iterator[Finding]:
    if effect is RuleEffect.ALLOW or atom.field not in PERSONAL:
        return
    for held, spared in _spared(atom, PERSONAL[atom.field]):
        message = Phrase(
            "`{field}` holds back what needs no consent and lets through what does: "
            "whoever refused gets less",
            field=atom.field,
        )
        yield Finding(CONSENT_PRESSURE, Severity.WARNING, pointer, message, _shown(atom, held, spared))


def _shown(atom: Atom, held: object, spared: object) -> Mapping[str, object]:
    return {"held_back": {atom.field: held}, "let_through": {atom.field: spared}}


def _spared(atom: Atom, ranked: _Ranked) -> list[tuple[object, object]]:
    """Return a value that is held back and one of a higher rank that is not, if there are such."""
    held = [(rank, value) for rank, value in ranked if _is_held(atom, value)]
    spared = [(rank, value) for rank, value in ranked if not _is_held(atom, value)]
    pairs = [(one, other) for low, one in held for high, other in spared if low < high]
    kind = FIELDS[atom.field].kind
    return [(value_to_plain(kind, one), value_to_plain(kind, other)) for one, other in pairs[:1]]


def _is_held(atom: Atom, value: Value) -> bool:
    """Tell whether a condition holds of a value; where it has no answer, nothing holds."""
    try:
        return holds(atom, {atom.field: value})
    except PolicyError:
        return False
