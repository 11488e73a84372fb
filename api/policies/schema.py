"""What a policy may say, as data: a JSON Schema of the document, and the lists that a form is made of."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from api.languages import say
from api.policies.model import (
    DEEPEST,
    LONGEST_NAME,
    LONGEST_NOTE,
    LONGEST_RATIONALE,
    LONGEST_SENTENCE,
    LONGEST_TITLE,
    MEASURES,
    MOST_CONDITIONS,
    MOST_RULES,
    MOST_TESTS,
    NAME,
)
from api.policies.values import LONGEST_TEXT, MOST_VALUES, OPERATORS, SIGNS, operators_of
from guardrails.policy.descriptions import DESCRIPTIONS
from guardrails.policy.directions import DIRECTIONS, WEIGHTS_VERSION, WRITTEN, Direction, is_share
from guardrails.policy.document import LONGEST_VERSION, Plain, share_to_plain, value_to_plain
from guardrails.policy.fields import FIELDS, ORDERED, SCOPES, Field, FieldKind, FieldUnit
from guardrails.policy.language import Mode, Obligation, Op, RuleEffect
from guardrails.policy.limits import Limits

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SEVERAL = (Op.IN, Op.NOT_IN, Op.CONTAINS_ANY)
_DAY = {"type": "string", "format": "date", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_UNITS = (
    ("_days", FieldUnit.DAYS),
    ("_hours", "hours"),
    ("_minute", FieldUnit.MINUTES),
    ("_seconds", FieldUnit.SECONDS),
)


def field_schema() -> Plain:
    """Return everything that a form for policies needs, in the language of the answer.

    Returns:
        ``schema``: JSON Schema (2020-12) of the document; ``fields``: what conditions can be about;
        ``limits``: every number, with what it says and ships as, which way it is stricter and who may
        loosen it; ``operators`` by kind of field; ``scopes``, ``effects``, ``obligations``, ``modes``,
        ``assumptions``: the words of a rule; ``bounds``: how much of anything there may be.
    """
    return {
        "schema": document_schema(),
        "fields": [_field(field) for field in FIELDS.values()],
        "limits": [_limit(written) for written in sorted(WRITTEN)],
        "operators": {kind.value: [op.value for op in ops] for kind, ops in OPERATORS.items()},
        "scopes": dict(SCOPES),
        "effects": [effect.value for effect in RuleEffect],
        "obligations": [obligation.value for obligation in Obligation],
        "modes": [mode.value for mode in Mode],
        "assumptions": list(MEASURES),
        "bounds": {
            "most_rules": MOST_RULES,
            "most_tests": MOST_TESTS,
            "most_values": MOST_VALUES,
            "most_conditions": MOST_CONDITIONS,
            "deepest": DEEPEST,
        },
    }


def document_schema() -> Plain:
    """Return the JSON Schema (2020-12) of a policy; names of the shop's own are left open."""
    return {
        "$schema": DIALECT,
        "title": "policy",
        **_object(
            {
                "policy": _name(),
                "limits": _object(
                    {
                        **{written: _limit_value(written) for written in sorted(WRITTEN)},
                        WEIGHTS_VERSION: _text(LONGEST_VERSION),
                    }
                ),
                "rules": {"type": "array", "maxItems": MOST_RULES, "items": {"$ref": "#/$defs/rule"}},
                "time_zone": {"type": "string", "default": "UTC"},
            },
            required=("policy",),
        ),
        "$defs": {
            "rule": _rule(),
            "condition": {
                "oneOf": [
                    {"$ref": "#/$defs/atom"},
                    *(_object({group: _conditions()}, required=(group,)) for group in ("all", "any")),
                ]
            },
            "atom": {
                "oneOf": [_atom(field, ops=each) for field in FIELDS.values() for each in _forms(field)]
            },
            "test": _test(),
        },
    }


def _field(field: Field) -> Plain:
    about = {
        "name": field.name,
        "kind": field.kind.value,
        "description": say(field.description),
        "unit": field.unit.value,
        "operators": [op.value for op in operators_of(field)],
        "optional": field.optional,
        "nullable": field.nullable,
        "of_request": field.of_request,
    }
    if field.kind in ORDERED:
        about["least"] = value_to_plain(field.kind, field.least)
        about["greatest"] = value_to_plain(field.kind, field.greatest)
    if field.values:
        about["values"] = list(field.values)
    return about


def _limit(written: str) -> Plain:
    section, name = WRITTEN[written]
    direction = DIRECTIONS[section, name]
    least, greatest, shipped = _numbers(written)
    return {
        "name": written,
        "rule": direction.rule_id,
        "description": say(DESCRIPTIONS[section, name]),
        "kind": (FieldKind.SHARE if is_share(section, name) else FieldKind.INTEGER).value,
        "unit": _unit(section, name),
        "least": least,
        "greatest": greatest,
        "shipped": shipped,
        "stricter": direction.stricter.value,
        "may_loosen": direction.loosening.value,
    }


def _numbers(written: str) -> tuple[float, float, float]:
    """Return least, greatest and shipped value of a limit as they are written."""
    section, name = WRITTEN[written]
    direction: Direction = DIRECTIONS[section, name]
    numbers = direction.least, direction.greatest, asdict(Limits())[section][name]
    if not is_share(section, name):
        return numbers
    least, greatest, shipped = map(share_to_plain, numbers)
    return least, greatest, shipped


def _unit(section: str, name: str) -> str:
    if is_share(section, name):
        return FieldUnit.SHARE.value
    return next((str(unit) for suffix, unit in _UNITS if name.endswith(suffix)), FieldUnit.COUNT.value)


def _limit_value(written: str) -> Plain:
    least, greatest, shipped = _numbers(written)
    kind = "number" if is_share(*WRITTEN[written]) else "integer"
    return {"type": kind, "minimum": least, "maximum": greatest, "default": shipped}


def _rule() -> Plain:
    return _object(
        {
            "id": _name(),
            "title": _text(LONGEST_TITLE),
            "when": {"$ref": "#/$defs/condition"},
            "applies_to": _object({scope: _several(FIELDS[name]) for scope, name in SCOPES.items()}),
            "effect": {
                "anyOf": [
                    {"enum": [each.value for each in RuleEffect if each is not RuleEffect.DEMOTE]},
                    {"type": "string", "pattern": r"^demote\([0-9]+(\.[0-9]+)?\)$"},
                ]
            },
            "obligations": {
                "type": "array",
                "items": {"enum": [each.value for each in Obligation]},
                "maxItems": len(Obligation),
            },
            "mode": {"enum": [each.value for each in Mode], "default": Mode.ENFORCE.value},
            "rationale": _text(LONGEST_RATIONALE),
            "owner": _name(),
            "review_by": _DAY,
            "assumes": _object(
                {name: {"type": "array", "items": _SHARE, "minItems": 2, "maxItems": 2} for name in MEASURES}
            ),
            "customer_sentence": _text(LONGEST_SENTENCE),
            "effective_from": _DAY,
            "effective_until": _DAY,
            "tests": {"type": "array", "maxItems": MOST_TESTS, "items": {"$ref": "#/$defs/test"}},
        },
        required=("id", "title", "effect", "rationale", "owner", "review_by", "customer_sentence"),
    )


def _test() -> Plain:
    given = {name: _given(field) for name, field in FIELDS.items()}
    prefix = "candidate."
    return _object(
        {
            "note": _text(LONGEST_NOTE),
            "given": _object(given),
            "candidate": _object(
                {name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)}
            ),
            "expect": {"enum": [each.value for each in RuleEffect]},
        },
        required=("note", "expect"),
    )


def _conditions() -> Plain:
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": MOST_CONDITIONS,
        "items": {"$ref": "#/$defs/condition"},
    }


def _forms(field: Field) -> list[tuple[Op, ...]]:
    """Group what may be asked of a field by what it is held against: one value, several, or a flag."""
    ops = operators_of(field)
    forms = [
        tuple(op for op in ops if op not in _SEVERAL and op is not Op.HAS),
        tuple(op for op in ops if op in _SEVERAL),
        tuple(op for op in ops if op is Op.HAS),
    ]
    return [form for form in forms if form]


def _atom(field: Field, *, ops: tuple[Op, ...]) -> Plain:
    value: Plain = _scalar(field)
    if ops[0] in _SEVERAL:
        value = _several(field)
    elif ops[0] is Op.HAS:
        value = {"type": "boolean", "default": True}
    written = [*ops, *(sign for sign, op in SIGNS.items() if op in ops)]
    return _object(
        {"field": {"const": field.name}, "op": {"enum": [str(op) for op in written]}, "value": value},
        required=("field", "op") if ops[0] is Op.HAS else ("field", "op", "value"),
    )


def _given(field: Field) -> Plain:
    if field.kind is FieldKind.TEXTS:
        return {"type": "array", "maxItems": MOST_VALUES, "items": _scalar(field)}
    return _scalar(field)


def _several(field: Field) -> Plain:
    return {"type": "array", "minItems": 1, "maxItems": MOST_VALUES, "items": _scalar(field)}


def _scalar(field: Field) -> Plain:
    value = _known_scalar(field)
    return {"anyOf": [value, {"type": "null"}]} if field.nullable else value


def _known_scalar(field: Field) -> Plain:
    if field.values:
        return {"enum": list(field.values)}
    if field.kind is FieldKind.BOOL:
        return {"type": "boolean"}
    if field.kind is FieldKind.DATE:
        return _DAY
    if field.kind in ORDERED:
        bounds = [value_to_plain(field.kind, bound) for bound in (field.least, field.greatest)]
        kind = "number" if field.kind is FieldKind.SHARE else "integer"
        return {"type": kind, "minimum": bounds[0], "maximum": bounds[1]}
    return _text(LONGEST_TEXT)


def _name() -> Plain:
    return {"type": "string", "pattern": f"^{NAME}$", "maxLength": LONGEST_NAME}


def _text(most: int) -> Plain:
    return {"type": "string", "minLength": 1, "maxLength": most}


def _object(members: dict[str, Any], *, required: tuple[str, ...] = ()) -> Plain:
    return {
        "type": "object",
        "properties": members,
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
    }
