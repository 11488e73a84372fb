"""A rule as a form, and what was typed there as a rule again: nothing is lost on the way.

The form is made of the schema of policies: a property, field or word that comes there comes here too. What
a rule says beyond that (or in another shape than the schema has) cannot be shown; whoever asks is told so,
before anything was changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from api.console.policies.controls import (
    NO,
    SEVERAL,
    YES,
    Control,
    Look,
    NotHeldError,
    Sent,
    Shop,
    Typed,
    is_day,
    operators,
    shown,
    typed_number,
    typed_value,
    value_control,
)
from api.languages import say
from api.policies.schema import document_schema
from guardrails.messages import Phrase
from guardrails.policy.fields import FIELDS, SCOPES, Field, FieldKind
from guardrails.policy.findings import pointer_of
from guardrails.policy.language import Mode, Op, RuleEffect
from guardrails.policy.sentences import word_in_words

RULE = "rule"
"""What names of the fields of an open rule begin with."""

LONG = 200
"""From so many characters on a text has more than a line."""

CONDITION, GROUPS = "condition", ("all", "any")
_DEMOTION = re.compile(r"demote\((.*)\)")
_CANDIDATE = "candidate."

_Reader: TypeAlias = Callable[[Typed, str, Any], Any]

_LABELS = {
    "id": Phrase("Name of the rule"),
    "title": Phrase("What it does, in a line"),
    "effect": Phrase("What happens then"),
    "obligations": Phrase("What else it asks for"),
    "mode": Phrase("Whether it counts already"),
    "rationale": Phrase("Why it is there"),
    "owner": Phrase("Who answers for it"),
    "review_by": Phrase("Looked at again by"),
    "customer_sentence": Phrase("What the customer is told"),
    "effective_from": Phrase("First day"),
    "effective_until": Phrase("Last day"),
    "note": Phrase("What it shows"),
    "expect": Phrase("What the rule is to do"),
    "intent": Phrase("Kinds of suggestions"),
    "placement": Phrase("Places"),
    "channel": Phrase("Channels"),
    "basis": Phrase("What they rest on"),
}
_HELP = {
    "id": Phrase("lower-case words joined by `-`; made of the title if you leave it empty"),
    "customer_sentence": Phrase("one plain sentence, without urgency"),
    "rationale": Phrase("whoever approves of it reads this first"),
    "owner": Phrase("a role, such as `customer-care`"),
    "effective_from": Phrase("at once, if you leave it empty"),
    "effective_until": Phrase("for good, if you leave it empty"),
}


@dataclass(frozen=True, slots=True)
class AtomRow:
    """A condition on one field."""

    path: str
    pointer: str
    field: Field
    op: Control
    value: Control

    def sent(self) -> Iterator[tuple[str, str]]:
        """Yield what a browser sends of it."""
        yield f"{self.path}.kind", CONDITION
        yield f"{self.path}.field", self.field.name
        yield from self.op.sent()
        yield from self.value.sent()


@dataclass(frozen=True, slots=True)
class GroupRow:
    """Conditions all or any of which have to hold."""

    path: str
    pointer: str
    kind: Control
    rows: tuple[AtomRow | GroupRow, ...]

    def sent(self) -> Iterator[tuple[str, str]]:
        """Yield what a browser sends of it."""
        yield from self.kind.sent()
        for row in self.rows:
            yield from row.sent()


@dataclass(frozen=True, slots=True)
class Given:
    """A value that a test gives; ``within`` is the part of the test it stands in."""

    field: Field
    within: str
    control: Control


@dataclass(frozen=True, slots=True)
class TestRow:
    """A test of the rule."""

    path: str
    pointer: str
    note: Control
    expect: Control
    given: tuple[Given, ...]

    def sent(self) -> Iterator[tuple[str, str]]:
        """Yield what a browser sends of it."""
        yield from self.note.sent()
        yield from self.expect.sent()
        for each in self.given:
            yield f"{each.control.name}.in", each.within
            yield from each.control.sent()


@dataclass(frozen=True, slots=True)
class Assumed:
    """A range that is taken for granted."""

    measure: str
    low: Control
    high: Control


@dataclass(frozen=True, slots=True)
class RuleForm:
    """A rule as a form.

    Attributes:
        pointer: where the rule stands in the document.
        parts: controls of its plain properties, by their names.
        share: which share of the score a demotion leaves.
        scopes: where it applies, by scope.
        when: its condition.
        assumes: what it takes for granted.
        tests: its tests.
    """

    pointer: str
    parts: Mapping[str, Control]
    share: Control
    scopes: tuple[Control, ...]
    when: AtomRow | GroupRow | None
    assumes: tuple[Assumed, ...]
    tests: tuple[TestRow, ...]

    def sent(self) -> Sent:
        """Return what a browser sends of it, untouched.

        Raises:
            NotHeldError: it would send something else than what the rule says.
        """
        sent: list[tuple[str, str]] = []
        for control in (*self.parts.values(), self.share, *self.scopes):
            sent += control.sent()
        if self.when is not None:
            sent += self.when.sent()
        for each in self.assumes:
            sent += [*each.low.sent(), *each.high.sent()]
        for row in self.tests:
            sent += row.sent()
        return sent

    @property
    def others(self) -> tuple[Control, ...]:
        """Controls that no place of their own was thought of: of what came to the schema since."""
        return tuple(control for name, control in self.parts.items() if name not in _LABELS)


def rule_form(rule: Any, index: int, shop: Shop) -> RuleForm:
    """Return a rule as a form.

    Args:
        rule: plain data of a rule, as a document has it, right or wrong.
        index: its place in the document.
        shop: what can be chosen.

    Raises:
        NotHeldError: a form cannot show all that it says.
    """
    if not isinstance(rule, dict):
        raise NotHeldError
    form = _rule_form(rule, pointer_of("rules", index), shop)
    if normal(typed_rule(Typed.of(form.sent()))) != normal(rule):
        raise NotHeldError
    return form


def typed_rule(typed: Typed) -> dict[str, Any]:
    """Return the rule that was typed; what was left empty is left out."""
    rule: dict[str, Any] = {}
    for name, schema in _properties().items():
        read: _Reader = _TYPED.get(name, _typed_part)
        value = read(typed, f"{RULE}.{name}", schema)
        if value not in ("", None, [], {}):
            rule[name] = value
    return rule


def normal(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule in one of the ways in which the same can be written.

    What is empty or goes without saying is left out, and lists without an order have one.
    """
    kept = {name: value for name, value in rule.items() if value not in ("", [], {})}
    if kept.get("mode") == Mode.ENFORCE:
        del kept["mode"]
    if "when" in kept:
        kept["when"] = _normal_condition(kept["when"])
    if isinstance(kept.get("obligations"), list):
        kept["obligations"] = _sorted(kept["obligations"])
    if isinstance(kept.get("applies_to"), dict):
        scopes = {name: _sorted(words) for name, words in kept.pop("applies_to").items() if words != []}
        kept |= {"applies_to": scopes} if scopes else {}
    if isinstance(kept.get("tests"), list):
        kept["tests"] = [_normal_test(test) for test in kept["tests"]]
    return kept


def _normal_test(test: Any) -> Any:
    if not isinstance(test, dict):
        return test
    kept = {name: value for name, value in test.items() if value not in ("", {})}
    for within in ("given", "candidate"):
        if isinstance(kept.get(within), dict):
            kept[within] = {name: _sorted(value) for name, value in kept[within].items()}
    return kept


def _normal_condition(condition: Any) -> Any:
    if not isinstance(condition, dict):
        return condition
    for group in GROUPS:
        if condition.keys() == {group} and isinstance(condition[group], list):
            return {group: [_normal_condition(part) for part in condition[group]]}
    if condition.get("op") == Op.HAS:
        return {"value": True, **condition}
    return {name: _sorted(value) if name == "value" else value for name, value in condition.items()}


def _sorted(values: Any) -> Any:
    """Return a list in an order, each of its values once; anything else as it is."""
    if not isinstance(values, list) or any(isinstance(each, dict | list) for each in values):
        return values
    unique = {(type(each).__name__, each) for each in values}
    return [value for _, value in sorted(unique, key=str)]


def _properties() -> Mapping[str, Any]:
    properties: Mapping[str, Any] = document_schema()["$defs"]["rule"]["properties"]
    return properties


def _rule_form(rule: Mapping[str, Any], pointer: str, shop: Shop) -> RuleForm:
    required = document_schema()["$defs"]["rule"]["required"]
    parts = {
        name: _part(name, schema, rule.get(name), pointer, required=name in required)
        for name, schema in _properties().items()
        if name not in _TYPED or name == "effect"
    }
    effect, share = _effect(rule.get("effect", ""))
    parts["effect"] = replace(
        parts["effect"], look=Look.SELECT, values=(effect,), options=_with_blank(effect, RuleEffect)
    )
    share_label = say("Share of its rank score that is left")
    return RuleForm(
        pointer=pointer,
        parts=parts,
        share=Control(
            f"{RULE}.effect.share",
            f"{pointer}/effect/share",
            share_label,
            Look.NUMBER,
            values=(share,),
            help=say("only where it moves down, such as `0.7`"),
        ),
        scopes=tuple(_scopes(rule.get("applies_to", {}), pointer, shop)),
        when=_row(rule["when"], f"{RULE}.when", f"{pointer}/when", shop) if "when" in rule else None,
        assumes=tuple(_assumes(rule.get("assumes", {}), pointer)),
        tests=tuple(_tests(rule.get("tests", []), pointer, shop)),
    )


def _label(name: str) -> str:
    return say(_LABELS[name]) if name in _LABELS else name.replace("_", " ").capitalize()


def _part(name: str, schema: Mapping[str, Any], value: Any, pointer: str, *, required: bool) -> Control:
    """Return the control of a plain property, by what its schema says."""
    control = Control(
        f"{RULE}.{name}",
        f"{pointer}/{name}",
        _label(name),
        Look.TEXT,
        help=say(_HELP[name]) if name in _HELP else "",
        most=schema.get("maxLength", 0),
        required=required and name != "id",
    )
    if schema.get("type") == "array":
        if not isinstance(value, list | None):
            raise NotHeldError
        words = schema["items"]["enum"]
        chosen = tuple(shown(each) for each in value or ())
        return replace(control, look=Look.CHECKS, values=chosen, options=_options(words))
    text = shown(schema.get("default", "") if value is None else value)
    if name == "effect":
        return control
    if "enum" in schema:
        return replace(control, look=Look.SELECT, values=(text,), options=_with_blank(text, schema["enum"]))
    if schema.get("format") == "date" and (not text or is_day(text)):
        return replace(control, look=Look.DAY, values=(text,), most=0)
    look = Look.AREA if control.most > LONG else Look.TEXT
    return replace(control, look=look, values=(text,))


def _options(words: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(word), say(word_in_words(str(word)))) for word in words)


def _with_blank(chosen: str, words: Any) -> tuple[tuple[str, str], ...]:
    return (*(() if chosen else (("", say("choose …")),)), *_options(words))


def _effect(effect: Any) -> tuple[str, str]:
    """Return what a rule does, and which share a demotion leaves."""
    text = shown(effect)
    demotion = _DEMOTION.fullmatch(text)
    return (RuleEffect.DEMOTE.value, demotion[1]) if demotion else (text, "")


def _scopes(applies_to: Any, pointer: str, shop: Shop) -> Iterator[Control]:
    if not isinstance(applies_to, dict) or not applies_to.keys() <= SCOPES.keys():
        raise NotHeldError
    for scope, field in SCOPES.items():
        words = applies_to.get(scope, [])
        place = f"{pointer}/applies_to/{scope}"
        label = _label(scope)
        yield value_control(
            f"{RULE}.applies_to.{scope}", place, FIELDS[field], words, shop, several=True, label=label
        )


def _row(condition: Any, path: str, pointer: str, shop: Shop) -> AtomRow | GroupRow:
    if not isinstance(condition, dict):
        raise NotHeldError
    for group in GROUPS:
        if condition.keys() == {group}:
            return _group(group, condition[group], path, pointer, shop)
    field = FIELDS.get(shown(condition.get("field", "")))
    if field is None or not condition.keys() <= {"field", "op", "value"}:
        raise NotHeldError
    return _atom(field, condition, path, pointer, shop)


def _group(group: str, parts: Any, path: str, pointer: str, shop: Shop) -> GroupRow:
    if not isinstance(parts, list):
        raise NotHeldError
    options = (("all", say("all of these hold")), ("any", say("one of these holds")))
    return GroupRow(
        path,
        pointer,
        Control(
            f"{path}.kind",
            f"{pointer}/{group}",
            say("Together"),
            Look.SELECT,
            values=(group,),
            options=options,
        ),
        tuple(
            _row(part, f"{path}.{index}", f"{pointer}/{group}/{index}", shop)
            for index, part in enumerate(parts)
        ),
    )


def _atom(field: Field, atom: Mapping[str, Any], path: str, pointer: str, shop: Shop) -> AtomRow:
    op = shown(atom.get("op", ""))
    name, place = f"{path}.value", f"{pointer}/value"
    if op == Op.HAS:
        value = Control(
            name,
            place,
            say("Value"),
            Look.SELECT,
            values=(shown(atom.get("value", True)),),
            options=((YES, say("yes")), (NO, say("no"))),
        )
    else:
        if "value" not in atom:
            raise NotHeldError
        several = op in SEVERAL
        value = value_control(name, place, field, atom["value"], shop, several=several, label=say("Value"))
    asked = Control(
        f"{path}.op", f"{pointer}/op", say("How"), Look.SELECT, values=(op,), options=operators(field)
    )
    return AtomRow(path, pointer, field, asked, value)


def _assumes(assumes: Any, pointer: str) -> Iterator[Assumed]:
    if not isinstance(assumes, dict):
        raise NotHeldError
    for measure, bounds in assumes.items():
        if not isinstance(bounds, list) or len(bounds) != 2:  # noqa: PLR2004  low and high
            raise NotHeldError
        low, high = (
            Control(
                f"{RULE}.assumes.{measure}.{at}",
                f"{pointer}/assumes/{measure}/{at}",
                label,
                Look.NUMBER,
                values=(shown(bound),),
            )
            for at, (label, bound) in enumerate(zip((say("At least"), say("At most")), bounds, strict=True))
        )
        yield Assumed(str(measure), low, high)


def _tests(tests: Any, pointer: str, shop: Shop) -> Iterator[TestRow]:
    if not isinstance(tests, list):
        raise NotHeldError
    for index, test in enumerate(tests):
        if not isinstance(test, dict) or not test.keys() <= {"note", "given", "candidate", "expect"}:
            raise NotHeldError
        path, place = f"{RULE}.tests.{index}", f"{pointer}/tests/{index}"
        expect = shown(test.get("expect", ""))
        yield TestRow(
            path,
            place,
            Control(
                f"{path}.note", f"{place}/note", _label("note"), Look.TEXT, (shown(test.get("note", "")),)
            ),
            Control(
                f"{path}.expect",
                f"{place}/expect",
                _label("expect"),
                Look.SELECT,
                (expect,),
                _with_blank(expect, RuleEffect),
            ),
            tuple(_given(test, path, place, shop)),
        )


def _given(test: Mapping[str, Any], path: str, place: str, shop: Shop) -> Iterator[Given]:
    for within, prefix in (("given", ""), ("candidate", _CANDIDATE)):
        values = test.get(within, {})
        if not isinstance(values, dict):
            raise NotHeldError
        for name, value in values.items():
            field = FIELDS.get(f"{prefix}{name}")
            if field is None:
                raise NotHeldError
            control = value_control(
                f"{path}.given.{field.name}",
                f"{place}/{within}/{name}",
                field,
                value,
                shop,
                several=field.kind is FieldKind.TEXTS,
            )
            yield Given(field, within, control)


def _typed_part(typed: Typed, name: str, schema: Mapping[str, Any]) -> Any:
    return typed.many(name) if schema.get("type") == "array" else typed.one(name)


def _typed_effect(typed: Typed, name: str, _: Any) -> str:
    effect, share = typed.one(name), typed.one(f"{name}.share")
    return f"demote({share})" if effect == RuleEffect.DEMOTE and share else effect


def _typed_scopes(typed: Typed, name: str, _: Any) -> dict[str, Any]:
    words = {
        scope: typed_value(FIELDS[field], typed, f"{name}.{scope}", several=True)
        for scope, field in SCOPES.items()
    }
    return {scope: chosen for scope, chosen in words.items() if chosen}


def typed_condition(typed: Typed, path: str = f"{RULE}.when", _: Any = None) -> dict[str, Any] | None:
    """Return the condition that was typed under a path; ``None`` for none."""
    kind = typed.one(f"{path}.kind")
    if kind in GROUPS:
        parts = (typed_condition(typed, f"{path}.{index}") for index in typed.indices(f"{path}."))
        return {kind: [part for part in parts if part is not None]}
    if not kind:
        return None
    name, op = typed.one(f"{path}.field"), typed.one(f"{path}.op")
    if op == Op.HAS:
        text = typed.one(f"{path}.value")
        return {"field": name, "op": op, "value": {YES: True, NO: False}.get(text, True)}
    value: Any = typed.one(f"{path}.value")
    if name in FIELDS:
        value = typed_value(FIELDS[name], typed, f"{path}.value", several=op in SEVERAL)
    return {"field": name, "op": op, "value": value}


def _typed_assumes(typed: Typed, name: str, _: Any) -> dict[str, Any]:
    measures = dict.fromkeys(rest.rpartition(".")[0] for rest in typed.under(f"{name}."))
    return {
        measure: [typed_number(typed.one(f"{name}.{measure}.{at}")) for at in (0, 1)] for measure in measures
    }


def _typed_tests(typed: Typed, name: str, _: Any) -> list[Any]:
    return [_typed_test(typed, f"{name}.{index}") for index in typed.indices(f"{name}.")]


def _typed_test(typed: Typed, path: str) -> dict[str, Any]:
    test: dict[str, Any] = {"note": typed.one(f"{path}.note")}
    prefix = f"{path}.given."
    for rest in typed.under(prefix):
        name = rest.removesuffix(".in")
        if rest == name or name not in FIELDS:
            continue
        field = FIELDS[name]
        within = typed.one(f"{prefix}{rest}")
        value = typed_value(field, typed, f"{prefix}{name}", several=field.kind is FieldKind.TEXTS)
        short = name.removeprefix(_CANDIDATE) if within == "candidate" else name
        test.setdefault("candidate" if within == "candidate" else "given", {})[short] = value
    expect = typed.one(f"{path}.expect")
    return {**test, **({"expect": expect} if expect else {})}


_TYPED: Mapping[str, _Reader] = {
    "effect": _typed_effect,
    "applies_to": _typed_scopes,
    "when": typed_condition,
    "assumes": _typed_assumes,
    "tests": _typed_tests,
}
"""How the properties that have parts are read; all others are a text, or a list of words."""
