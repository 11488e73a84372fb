"""The policy as a document: plain data, the canonical bytes of it, and the hash that names them.

What is written is what the shop says: only limits that differ from what ships, by their written names,
shares as decimals, days as ISO 8601, and nothing that is as it would be anyway. Rules stand by id and
lists of words by the alphabet, so that one policy has one document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import orjson

from engine.vocabulary import word
from guardrails.errors import PolicyError
from guardrails.policy.charter import MICRO
from guardrails.policy.directions import WEIGHTS_VERSION, WRITTEN, is_share
from guardrails.policy.fields import FIELDS, FieldKind
from guardrails.policy.language import (
    All,
    Atom,
    Condition,
    HouseAssumption,
    HouseRule,
    Mode,
    Policy,
    RuleEffect,
    RuleTest,
    Scalar,
    Value,
)
from guardrails.policy.limits import GREATEST_LIMIT, Limits

Plain: TypeAlias = dict[str, Any]
"""What JSON and YAML can hold: mappings by text, lists, texts, whole numbers, decimals, true, false, null."""

LONGEST_VERSION = 64
"""Longest name of a set of weights."""

_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_VERSION = "version"
_USUAL = Policy()


def to_document(policy: Policy) -> bytes:
    """Return the canonical bytes of a policy (RFC 8785); shares are its only decimals.

    Raises:
        PolicyError: a text in it is no Unicode, or a number too large to be exact everywhere.
    """
    try:
        return orjson.dumps(_exact(to_plain(policy)), option=_CANONICAL)
    except (orjson.JSONEncodeError, UnicodeEncodeError) as error:
        raise PolicyError(f"the policy cannot be written: {error}") from None


def version_of(document: bytes) -> str:
    """Return the version of a policy: SHA-256 of its canonical bytes, 64 hex digits."""
    return hashlib.sha256(document).hexdigest()


def to_plain(policy: Policy) -> Plain:
    """Return a policy as plain data, as the shop would write it; it reads back as the same policy."""
    limits = _limits(policy.limits)
    return {
        "policy": policy.name,
        **({"limits": limits} if limits else {}),
        **({"rules": [rule_to_plain(rule) for rule in policy.rules]} if policy.rules else {}),
        **({"time_zone": policy.time_zone} if policy.time_zone != _USUAL.time_zone else {}),
    }


def rule_to_plain(rule: HouseRule) -> Plain:
    """Return one rule as plain data, in the order in which it is best read."""
    whole: Plain = {
        "id": rule.id,
        "title": rule.title,
        "when": None if rule.when is None else condition_to_plain(rule.when),
        "applies_to": {name: list(words) for name, words in rule.applies_to},
        "effect": _effect(rule),
        "obligations": [obligation.value for obligation in rule.obligations],
        "mode": None if rule.mode is Mode.ENFORCE else rule.mode.value,
        "rationale": rule.rationale,
        "owner": rule.owner,
        "review_by": rule.review_by.isoformat(),
        "assumes": {_measure(each): _range(each) for each in rule.assumes},
        "customer_sentence": rule.customer_sentence,
        "effective_from": rule.effective_from and rule.effective_from.isoformat(),
        "effective_until": rule.effective_until and rule.effective_until.isoformat(),
        "tests": [_test(test) for test in rule.tests],
    }
    return {name: value for name, value in whole.items() if value not in (None, {}, [])}


def condition_to_plain(condition: Condition) -> Plain:
    """Return a condition as plain data."""
    if isinstance(condition, Atom):
        kind = FieldKind.BOOL if condition.op == "has" else FIELDS[condition.field].kind
        value = value_to_plain(kind, condition.value)
        return {"field": condition.field, "op": condition.op.value, "value": value}
    group = "all" if isinstance(condition, All) else "any"
    return {group: [condition_to_plain(part) for part in condition.of]}


def value_to_plain(kind: FieldKind, value: Value) -> Any:
    """Return a value as it is written: a list for several, shares as decimals, days as ISO 8601."""
    if isinstance(value, tuple):
        return [_scalar(kind, each) for each in value]
    return _scalar(kind, value)


def share_to_plain(micro: int) -> int | float:
    """Return millionths as the decimal that is written; a whole number where it is one.

    >>> share_to_plain(250_000), share_to_plain(1_000_000)
    (0.25, 1)
    """
    return micro // MICRO if micro % MICRO == 0 else micro / MICRO  # correctly rounded, so the shortest


def limit_to_plain(written: str, value: int) -> int | float:
    """Return a limit as it is written: a share as a decimal, anything else as it is.

    Args:
        written: how a policy writes its name.
        value: what it is; shares in millionths.
    """
    return share_to_plain(value) if is_share(*WRITTEN[written]) else value


def former_limits(document: Mapping[str, Any]) -> Limits:
    """Read a document of the former form, in which limits stood by section and shares in millionths.

    Decisions point at such documents for as long as they are kept.

    Raises:
        PolicyError: an unknown section or limit, or a value that is not a whole number in range.
    """
    sections = document.get("limits")
    if document.keys() != {"limits"} or not isinstance(sections, dict):
        raise PolicyError("a policy of the former form has exactly one part, `limits`")
    shipped = {each.name: getattr(Limits(), each.name) for each in fields(Limits)}
    _refuse_unknown(sections.keys() - shipped)
    return Limits(**{name: _section(shipped[name], values) for name, values in sections.items()})


def _limits(limits: Limits) -> Plain:
    changed: Plain = {}
    shipped = Limits()
    for written, (section, name) in WRITTEN.items():
        value = getattr(getattr(limits, section), name)
        if value != getattr(getattr(shipped, section), name):
            changed[written] = limit_to_plain(written, value)
    if limits.weights.version != shipped.weights.version:
        changed[WEIGHTS_VERSION] = limits.weights.version
    return dict(sorted(changed.items()))


def _effect(rule: HouseRule) -> str:
    if rule.effect is not RuleEffect.DEMOTE:
        return rule.effect.value
    return f"{rule.effect.value}({_digits(share_to_plain(rule.share_micro))})"


def _measure(assumes: HouseAssumption) -> str:
    narrowed = "" if assumes.of is None else f"_of_{word(assumes.of)}s"
    return f"{assumes.measure.value}_share{narrowed}"


def _range(assumes: HouseAssumption) -> list[int | float]:
    return [share_to_plain(assumes.low_micro), share_to_plain(assumes.high_micro)]


def _test(test: RuleTest) -> Plain:
    given = {name: value_to_plain(FIELDS[name].kind, value) for name, value in test.given}
    return {"note": test.note, **({"given": given} if given else {}), "expect": test.expect.value}


def _scalar(kind: FieldKind, value: Scalar) -> Any:
    if isinstance(value, int):
        if kind is FieldKind.SHARE:
            return share_to_plain(value)
        if kind is FieldKind.DATE:
            return date.fromordinal(_EPOCH_ORDINAL + value).isoformat()
    return value


def _exact(value: Any) -> Any:
    """Return plain data with every decimal written as RFC 8785 asks for: never with an exponent here."""
    if isinstance(value, float):
        return orjson.Fragment(_digits(value))
    if isinstance(value, dict):
        return {name: _exact(member) for name, member in value.items()}
    return [_exact(member) for member in value] if isinstance(value, list) else value


def _digits(number: float) -> str:
    return format(Decimal(repr(number)), "f")


def _section(shipped: Any, values: object) -> Any:
    if not isinstance(values, dict):
        raise PolicyError("a section of a policy must be an object")
    _refuse_unknown(values.keys() - {each.name for each in fields(shipped)})
    for name, value in values.items():
        if name == _VERSION:
            _refuse_bad_name(value)
        elif isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= GREATEST_LIMIT:
            raise PolicyError(f"limit `{name}` must be a whole number from 0 to {GREATEST_LIMIT}")
    return replace(shipped, **values)


def _refuse_bad_name(value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_VERSION:
        raise PolicyError(f"`{_VERSION}` must be a text of 1 to {LONGEST_VERSION} characters")


def _refuse_unknown(names: set[str]) -> None:
    if names:
        raise PolicyError(f"unknown in a policy: {', '.join(f'`{name}`' for name in sorted(names))}")
