"""L1 to L4: what no policy may say, whoever asks for it. Found in the draft, before it is stored.

A draft is the plain document: ``limits`` by section and name, and ``rules``, each with ``when`` (atoms
``{field, op, value}``, grouped by ``all`` and ``any``), ``applies_to``, ``effect`` and ``obligations``.
Where a draft says something that is not known here it cannot be judged, and is named as ``unknown``.

**L1, camouflage.** No effect of the closed list below adds anything to a slate, so decoys around an
aimed suggestion can only be had by asking for them. ``DECOYS`` holds the words for that; they are
refused wherever a rule, an effect, an obligation or a limit uses one.

**L2, aiming.** Some fields are delicate: their values run from the ordinary to what deserves
protection (a verified adult before a minor, no class before a sensitive class). What a rule may make
of them:

=======================================  ===========================  ==========================
the rule looks at                        ``allow``                    ``block``, ``generalise``,
                                                                      ``demote``
=======================================  ===========================  ==========================
a delicate field, so that what holds of  refused: may only hold back  fine: protects all alike
the ordinary holds of all beyond it
a delicate field the other way about     refused                      refused: whoever is spared
("everybody but those whose payment                                   is aimed at
failed")
goods of a class *and* a trait of the    refused                      refused, but for
customer                                                              ``customer.jurisdiction``:
                                                                      the law of a place
a class, a segment or a weakness as      refused                      refused: to be shut out is
something the customer *is*                                           to be aimed at too
nothing of these                         fine                         fine
=======================================  ===========================  ==========================

``all`` and ``any`` know no "not", so a rule protects when each of its atoms does.

**L3, the floor**, and **L4, contact caps**: see ``guardrails.policy.directions``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import orjson

from guardrails.consent.ages import AgeBand
from guardrails.errors import PolicyError
from guardrails.holding import HoldKind
from guardrails.messages import Phrase
from guardrails.policy.charter import MICRO, charter
from guardrails.policy.directions import DIRECTIONS, NAMES, Direction, Loosening
from guardrails.policy.limits import Limits
from guardrails.request import AgeAssurance
from guardrails.sensitive.classes import CLASS_NAMES, Tier

Draft = Mapping[str, Any]


class Lint(StrEnum):
    """Which lint found something."""

    CAMOUFLAGE = "L1"
    AIMING = "L2"
    FLOOR = "L3"
    CONTACT_CAPS = "L4"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One thing that keeps a draft from being stored.

    Attributes:
        lint: which lint.
        pointer: where in the draft (RFC 6901).
        message: what is wrong.
        example: what shows it: two values a rule would treat the wrong way round, or floor and draft.
    """

    lint: Lint
    pointer: str
    message: Phrase
    example: Mapping[str, object]


EFFECTS = frozenset({"allow", "demote", "generalise", "block"})
"""All a rule can do; ``demote(700000)`` says to which share of the score, in millionths."""

OBLIGATIONS = frozenset({"explain", "disclose_sponsored", "hand_off"})
"""What a rule may ask for besides."""

DECOYS = frozenset(
    {
        *("camouflage", "decoy", "decoys", "disguise", "fill_to", "fill_with", "interleave", "intersperse"),
        *("min_count", "min_fill", "min_slate", "minimum_fill", "mix_in", "pad", "pad_to", "pad_with"),
    }
)
"""Words that ask for something to be added so that what is aimed at does not show."""

SCOPES = frozenset({"basis", "channel", "intent", "placement"})
"""What ``applies_to`` may name."""

_Ranked = tuple[tuple[int, object], ...]


def _in_order(*values: object) -> _Ranked:
    return tuple(enumerate(values))


def _none_or_one_of(values: Any) -> _Ranked:
    return ((0, None), *((1, value) for value in values))


def _nothing_or_some_of(values: Any) -> _Ranked:
    return ((0, frozenset()), *((1, frozenset({value})) for value in values))


_NO_BEFORE_YES = _in_order(False, True)  # noqa: FBT003  the values of a field, not a switch

DELICATE: Mapping[str, _Ranked] = MappingProxyType(
    {
        "item.sensitive_class": _none_or_one_of(CLASS_NAMES),
        "item.tier": _in_order(*map(int, Tier)),
        "item.age_restricted": _NO_BEFORE_YES,
        "item.unclassified": _NO_BEFORE_YES,
        "evidence.sensitive_class": _none_or_one_of(CLASS_NAMES),
        "evidence.tier": _in_order(*map(int, Tier)),
        "customer.age_assurance": _in_order(
            *(AgeAssurance.VERIFIED_ADULT.value, AgeAssurance.SELF_DECLARED_ADULT.value),
            *(AgeAssurance.UNKNOWN.value, AgeAssurance.MINOR.value),
        ),
        "customer.age_band": _in_order(None, *(band.value for band in reversed(AgeBand))),
        "customer.holds": _nothing_or_some_of([kind.value for kind in HoldKind]),
        "customer.excluded_classes": _nothing_or_some_of(CLASS_NAMES),
        "customer.open_complaint": _NO_BEFORE_YES,
        "customer.open_delivery_delay": _NO_BEFORE_YES,
        "customer.payment_failed": _NO_BEFORE_YES,
        "customer.limit_sensitive": _NO_BEFORE_YES,
        "customer.non_profiled": _NO_BEFORE_YES,
        "customer.shared_device": _NO_BEFORE_YES,
    }
)
"""Fields that run from the ordinary (rank 0) to what deserves protection; equal ranks are alike."""

PLAIN = frozenset(
    {
        *("item.id", "item.brand", "item.category", "item.price_minor", "item.available", "item.sponsored"),
        *("candidate.intent", "candidate.source", "candidate.basis", "request.placement"),
        *("request.channel", "request.local_minute", "visit.n_pages", "visit.entry"),
        *("customer.jurisdiction", "customer.n_purchases", "customer.days_since_purchase"),
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


def lint(draft: Draft, *, signed_off_by_auditor: bool = False) -> tuple[LintFinding, ...]:
    """Return everything that keeps a draft from being stored, in the order of the draft.

    Args:
        draft: the document, as read from JSON or YAML; of any shape.
        signed_off_by_auditor: an auditor agreed to what only an auditor can agree to.
    """
    found: list[LintFinding] = []
    for name, part in draft.items():
        if name == "limits":
            found.extend(_lint_limits(part, signed_off=signed_off_by_auditor))
        elif name == "rules":
            found.extend(_lint_rules(part))
        elif name in DECOYS:
            found.append(_decoy(name, name))
    return tuple(found)


def read_draft(document: bytes | str) -> Draft:
    """Read a draft from JSON.

    Raises:
        PolicyError: it is not a JSON object.
    """
    try:
        draft = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise PolicyError("a policy is not valid JSON") from error
    if not isinstance(draft, dict):
        raise PolicyError("a policy is not an object")
    return draft


def require_clean(draft: Draft, *, signed_off_by_auditor: bool = False) -> None:
    """Refuse a draft that a lint finds anything in.

    Raises:
        PolicyError: it does; the message names the first place and how many there are.
    """
    found = lint(draft, signed_off_by_auditor=signed_off_by_auditor)
    if found:
        first = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise PolicyError(f"`{first.pointer}` ({first.lint}): {first.message}{more}")


def _lint_limits(limits: Any, *, signed_off: bool) -> Iterator[LintFinding]:
    if not isinstance(limits, Mapping):
        yield _unknown("limits", "limits")
        return
    floors = asdict(Limits())
    for section, values in limits.items():
        if section in DECOYS:
            yield _decoy(section, "limits", section)
        elif section not in floors or not isinstance(values, Mapping):
            yield _unknown(section, "limits", section)
        else:
            for name, value in values.items():
                yield from _lint_limit(section, name, value, floors[section], signed_off=signed_off)


def _lint_limit(
    section: str, name: str, value: Any, floors: Mapping[str, int], *, signed_off: bool
) -> Iterator[LintFinding]:
    at = ("limits", section, name)
    direction = DIRECTIONS.get((section, name))
    if name in DECOYS:
        yield _decoy(name, *at)
    elif direction is None:
        if (section, name) not in NAMES:
            yield _unknown(name, *at)
    elif type(value) is not int or not direction.least <= value <= direction.greatest:
        yield _out_of_range(name, direction, value, at)
    elif direction.is_looser(value, floors[name]) and not _may_loosen(direction, signed_off=signed_off):
        yield _loosened(f"{section}.{name}", direction, value, floors[name], at)


def _may_loosen(direction: Direction, *, signed_off: bool) -> bool:
    return direction.loosening is Loosening.FREE or (direction.loosening is Loosening.AUDITOR and signed_off)


def _loosened(limit: str, direction: Direction, value: int, floor: int, at: tuple[str, ...]) -> LintFinding:
    example = {"rule": direction.rule_id, "floor": floor, "draft": value}
    if direction.loosening is Loosening.NEVER:
        message = Phrase(
            "`{limit}` may be tightened, not loosened: it ships as {floor}", limit=limit, floor=floor
        )
        return LintFinding(Lint.FLOOR, _pointer(*at), message, example)
    message = Phrase(
        "`{limit}` goes beyond {floor} only if an auditor signs it off", limit=limit, floor=floor
    )
    return LintFinding(Lint.CONTACT_CAPS, _pointer(*at), message, example)


def _out_of_range(name: str, direction: Direction, value: Any, at: tuple[str, ...]) -> LintFinding:
    message = Phrase(
        "`{limit}` is a whole number from {least} to {greatest}",
        limit=name,
        least=direction.least,
        greatest=direction.greatest,
    )
    return LintFinding(Lint.UNKNOWN, _pointer(*at), message, {"draft": value})


def _lint_rules(rules: Any) -> Iterator[LintFinding]:
    if not isinstance(rules, list):
        yield _unknown("rules", "rules")
        return
    for index, rule in enumerate(rules):
        if isinstance(rule, Mapping):
            yield from _lint_rule(rule, ("rules", index))
        else:
            yield _unknown(rule, "rules", index)


def _lint_rule(rule: Draft, at: tuple[str | int, ...]) -> Iterator[LintFinding]:
    if _is_shipped(rule.get("id")):
        yield _takes_a_name(str(rule["id"]), at)
    yield from (_decoy(name, *at, name) for name in rule if name in DECOYS)
    yield from _lint_effect(rule, at)
    yield from _lint_obligations(rule.get("obligations", ()), (*at, "obligations"))
    yield from _lint_scopes(rule.get("applies_to", {}), (*at, "applies_to"))
    yield from _lint_conditions(rule, at)


def _is_shipped(rule_id: Any) -> bool:
    return isinstance(rule_id, str) and rule_id.strip().upper() in charter()


def _takes_a_name(rule_id: str, at: tuple[str | int, ...]) -> LintFinding:
    message = Phrase("`{id}` is the name of a rule that ships: no other can take its place", id=rule_id)
    return LintFinding(Lint.FLOOR, _pointer(*at, "id"), message, {"id": rule_id})


def _lint_effect(rule: Draft, at: tuple[str | int, ...]) -> Iterator[LintFinding]:
    effect = rule.get("effect")
    name, factor = _split(effect)
    if name in DECOYS:
        yield _decoy(name, *at, "effect")
    elif name not in EFFECTS or (factor is not None and not _is_demotion(name, factor)):
        yield _unknown(effect, *at, "effect")


def _is_demotion(name: str, factor: str) -> bool:
    """Above the whole it would be a promotion."""
    return name == "demote" and factor.isascii() and factor.isdigit() and int(factor[:20]) <= MICRO


def _lint_obligations(obligations: Any, at: tuple[str | int, ...]) -> Iterator[LintFinding]:
    named = isinstance(obligations, Mapping)
    listed = obligations if isinstance(obligations, Mapping | list | tuple) else [obligations]
    for index, obligation in enumerate(listed):
        name, _ = _split(obligation)
        place = (*at, name if named else index)
        if name in DECOYS:
            yield _decoy(name, *place)
        elif name not in OBLIGATIONS:
            yield _unknown(obligation, *place)


def _lint_scopes(scopes: Any, at: tuple[str | int, ...]) -> Iterator[LintFinding]:
    if not isinstance(scopes, Mapping):
        yield _unknown(scopes, *at)
        return
    yield from (_unknown(name, *at, name) for name in scopes if name not in SCOPES)


@dataclass(frozen=True, slots=True)
class _Atom:
    """One condition: ``value`` is what the field is held against; what is no condition has no field."""

    at: tuple[str | int, ...]
    field: str
    op: str
    value: Any


def _lint_conditions(rule: Draft, at: tuple[str | int, ...]) -> Iterator[LintFinding]:
    holds_back = _split(rule.get("effect"))[0] != "allow"
    atoms = list(_atoms(rule.get("when", {}), (*at, "when")))
    of_class = any(atom.field in DELICATE and not atom.field.startswith("customer.") for atom in atoms)
    for atom in atoms:
        yield from _lint_atom(atom, holds_back=holds_back, of_class=of_class)


def _lint_atom(atom: _Atom, *, holds_back: bool, of_class: bool) -> Iterator[LintFinding]:
    place, field = atom.at, atom.field
    if field in DELICATE:
        yield from _lint_delicate(atom, holds_back=holds_back)
    elif field in PLAIN:
        if of_class and field.startswith("customer.") and field != "customer.jurisdiction":
            message = Phrase(
                "sensitive goods are held back from everybody alike, not by `{field}`", field=field
            )
            yield LintFinding(Lint.AIMING, _pointer(*place), message, {field: atom.value})
    elif field.startswith("customer.") and WEAKNESSES & set(field.lower().replace(".", "_").split("_")):
        message = Phrase("`{field}` says what somebody is: no rule may aim by that", field=field)
        yield LintFinding(Lint.AIMING, _pointer(*place), message, {field: atom.value})
    else:
        yield _unknown(field, *place)


def _lint_delicate(atom: _Atom, *, holds_back: bool) -> Iterator[LintFinding]:
    if not holds_back:
        message = Phrase("`{field}` may only serve to hold something back", field=atom.field)
        yield LintFinding(Lint.AIMING, _pointer(*atom.at), message, {atom.field: atom.value})
        return
    try:
        aimed = _first_spared(atom)
    except (KeyError, TypeError):
        yield _unknown(atom.op, *atom.at)
        return
    if aimed is not None:
        held, spared = aimed
        message = Phrase(
            "`{field}` holds back what is ordinary and lets through what is more delicate", field=atom.field
        )
        example = {"held_back": {atom.field: held}, "let_through": {atom.field: spared}}
        yield LintFinding(Lint.AIMING, _pointer(*atom.at), message, example)


def _first_spared(atom: _Atom) -> tuple[object, object] | None:
    """Return a value that is held back and a more delicate one that is not, if there are such.

    Raises:
        KeyError: the operator is not known for this field.
        TypeError: it cannot be used with this value.
    """
    ranked = DELICATE[atom.field]
    held = [(rank, value) for rank, value in ranked if _meets(value, atom)]
    spared = [(rank, value) for rank, value in ranked if not _meets(value, atom)]
    pairs = ((one, other) for low, one in held for high, other in spared if low < high)
    found = next(pairs, None)
    return None if found is None else (_plain(found[0]), _plain(found[1]))


def _meets(value: object, atom: _Atom) -> bool:
    """Evaluate an atom; of what is absent nothing holds but that it is."""
    if atom.op == "has":
        if not isinstance(atom.value, bool):
            raise TypeError(atom.op)
        return (value not in (None, frozenset())) is atom.value
    if isinstance(value, frozenset):
        return bool(value & frozenset(_ON_SETS[atom.op](atom.value)))
    test = _ON_VALUES[atom.op]
    return value is not None and test(value, atom.value)


def _listed(values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise TypeError
    return values


_ON_SETS: Mapping[str, Callable[[Any], list[Any]]] = {"contains_any": _listed}

_ON_VALUES: Mapping[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("=", "=="), operator.eq),
    **dict.fromkeys(("!=", "≠"), operator.ne),
    **dict.fromkeys(("<=", "≤"), operator.le),
    **dict.fromkeys((">=", "≥"), operator.ge),
    "<": operator.lt,
    ">": operator.gt,
    "in": lambda value, values: value in _listed(values),
    "not_in": lambda value, values: value not in _listed(values),
}


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value


def _atoms(when: Any, at: tuple[str | int, ...]) -> Iterator[_Atom]:
    """Return the atoms of a condition, whatever their groups; nothing is nested too deep for this."""
    waiting = [(when, at)]
    while waiting:
        part, place = waiting.pop()
        if isinstance(part, Mapping) and part.keys() <= {"all", "any"}:
            for group, members in part.items():
                listed = members if isinstance(members, list) else [members]
                waiting += [(each, (*place, group, n)) for n, each in reversed([*enumerate(listed)])]
        elif _is_atom(part):
            yield _Atom(place, part["field"], part["op"], part.get("value", True))
        else:
            yield _Atom(place, str(part), "", None)


def _is_atom(part: Any) -> bool:
    if not isinstance(part, Mapping) or not {"field", "op"} <= part.keys() <= {"field", "op", "value"}:
        return False
    texts = isinstance(part["field"], str) and isinstance(part["op"], str)
    return texts and ("value" in part or part["op"] == "has")


_SHOWN = 80
"""How much of what is not understood is repeated."""


def _split(effect: Any) -> tuple[str, str | None]:
    """Split ``demote(700000)`` into name and argument; what is no text has the name ``""``."""
    if not isinstance(effect, str):
        return "", None
    name, opened, rest = effect.partition("(")
    return name.strip().lower(), rest.removesuffix(")").strip() if opened else None


def _decoy(name: str, *at: str | int) -> LintFinding:
    message = Phrase("`{name}` adds what nobody asked for, to hide what is aimed at", name=name)
    return LintFinding(Lint.CAMOUFLAGE, _pointer(*at), message, {"adds": name})


def _unknown(name: object, *at: str | int) -> LintFinding:
    shown = str(name)[:_SHOWN]
    message = Phrase("`{name}` is not known, so nobody can say what it would do", name=shown)
    return LintFinding(Lint.UNKNOWN, _pointer(*at), message, {"found": shown})


def _pointer(*parts: str | int) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
