"""The model of a policy: plain data in, a policy out, or everything that is wrong with it.

Nothing is passed over: what is not known here is refused, with the closest that is. Whether a policy is
a good one (rules that never fire, fields that may be absent, tests that fail) is found out afterwards.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any
from zoneinfo import available_timezones

import orjson
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validates_schema

from api.errors import PolicyDocumentError
from api.policies.characters import odd_in_name, unknown_name
from api.policies.values import (
    LONGEST_TEXT,
    SIGNS,
    operators_of,
    read_day,
    read_given,
    read_operand,
    read_prose,
    read_share,
    read_string,
    read_whole,
)
from api.policies.wrong import findings_of, found, unknown, wrong
from engine.vocabulary import Intent, word
from guardrails.errors import PolicyError
from guardrails.messages import Phrase
from guardrails.policy.charter import MICRO, Measure, charter
from guardrails.policy.directions import DIRECTIONS, WEIGHTS_VERSION, WRITTEN, is_share
from guardrails.policy.document import LONGEST_VERSION, Plain, former_limits
from guardrails.policy.fields import FIELDS, SCOPES
from guardrails.policy.findings import Finding
from guardrails.policy.language import (
    All,
    AnyOf,
    Atom,
    Condition,
    HouseAssumption,
    HouseRule,
    Mode,
    Obligation,
    Op,
    Policy,
    RuleEffect,
    RuleTest,
    Value,
)
from guardrails.policy.limits import Limits

MOST_RULES = 500
"""Most rules that a policy may have."""

DEEPEST = 5
"""How deep conditions may be nested."""

MOST_CONDITIONS = 100
"""Most conditions that a group may have."""

MOST_TESTS = 100
"""Most tests that a rule may have."""

LONGEST_NAME = 64
LONGEST_TITLE = 120
LONGEST_RATIONALE = 1_000
LONGEST_SENTENCE = 140
LONGEST_NOTE = 200

NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
"""How names of policies, rules and owners are written."""

_NAME = re.compile(NAME)
_DEMOTION = re.compile(r"demote\(([0-9]{1,7}(?:\.[0-9]+)?)\)")
_OPS = {**{op.value: op for op in Op}, **SIGNS}
_MEASURES = (Measure.WITHHELD, Measure.TOUCHED)


def read_policy(plain: object) -> Policy:
    """Return the policy that plain data says.

    Raises:
        PolicyDocumentError: something in it is unknown, of a wrong type or out of range; the error names
            every place.
    """
    try:
        policy: Policy = _model().load(plain)  # type: ignore[arg-type]  # that it is a mapping is checked there
    except ValidationError as error:
        raise PolicyDocumentError(findings_of(error.messages)) from None
    return policy


@lru_cache(maxsize=16)  # what is in force is read again and again
def load_document(document: bytes | str) -> Policy:
    """Return the policy of a stored document, of this form or the former one.

    Raises:
        PolicyDocumentError: it cannot be read any more.
    """
    try:
        plain = orjson.loads(document)
        if isinstance(plain, dict) and "policy" not in plain:
            return Policy(limits=former_limits(plain))
    except (orjson.JSONDecodeError, PolicyError) as error:
        raise PolicyDocumentError(
            [found("unreadable", Phrase("the document cannot be read any more: {reason}", reason=error))]
        ) from error
    return read_policy(plain)


def as_written(findings: Iterable[Finding], plain: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return findings on a policy with the places that its rules have in the draft it was read from.

    A policy has its rules by id, a draft in any order.

    Args:
        findings: their pointers count rules by id; an example may have one more, as ``at``.
        plain: the draft, as ``read_policy`` took it.
    """
    places = _places(plain)
    return tuple(
        replace(
            each,
            pointer=_moved(each.pointer, places),
            example={
                name: _moved(str(value), places) if name == "at" else value
                for name, value in each.example.items()
            },
        )
        for each in findings
    )


def pointer_as_written(pointer: str, plain: Mapping[str, Any]) -> str:
    """Return where a pointer into a policy, which counts rules by id, leads in the draft it was read from."""
    return _moved(pointer, _places(plain))


def _places(plain: Mapping[str, Any]) -> list[int]:
    """Return the place of each rule in a draft, by its id."""
    rules = plain.get("rules", [])
    return sorted(range(len(rules)), key=lambda index: str(rules[index]["id"]))


def _moved(pointer: str, places: list[int]) -> str:
    parts = pointer.split("/")
    if parts[1:2] != ["rules"] or len(parts) < 3:  # noqa: PLR2004  "", "rules", index
        return pointer
    return "/".join(["", "rules", str(places[int(parts[2])]), *parts[3:]])


_MISSING = found("missing", Phrase("this is missing"))
_NULL = found("never_null", Phrase("this is never null: leave it out, or say what it is"))
_NO_MAPPING = found("wrong_type", Phrase("names with values are needed here"))
_NO_LIST = found("wrong_type", Phrase("a list is needed here"))
_UNKNOWN = found("unknown_key", Phrase("`{name}` is not known here", name="it"))


class _Part(fields.Field[Any]):
    """A member of the document; what it lacks is said as a finding."""

    default_error_messages: dict[str, Any] = {  # noqa: RUF012  marshmallow's, collected by class
        "required": [_MISSING],
        "null": [_NULL],
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_none": False} | kwargs)


class _Read(_Part, ABC):
    """A member that is read from its value alone."""

    @abstractmethod
    def read(self, value: Any) -> Any:
        """Return what the value says."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:  # noqa: ARG002  marshmallow's signature
        return self.read(value)


class _Name(_Read):
    """A name of the house: lower-case words, digits and ``-``."""

    def read(self, value: Any) -> str:
        text = _plain_word(value)
        if not _NAME.fullmatch(text) or len(text) > LONGEST_NAME:
            message = Phrase(
                "a name is lower-case letters and digits, in words joined by `-`, at most {most} characters",
                most=LONGEST_NAME,
            )
            raise wrong("wrong_name", message, found=text[:LONGEST_NAME])
        return text


class _Prose(_Read):
    """A text for people."""

    def __init__(self, most: int, *, lines: bool = False) -> None:
        super().__init__(required=True)
        self.most, self.lines = most, lines

    def read(self, value: Any) -> str:
        return read_prose(value, self.most, lines=self.lines)


class _Day(_Read):
    """A day."""

    def read(self, value: Any) -> Any:
        return read_day(value)


class _OneOf(_Read):
    """A word of a closed list."""

    def __init__(self, words: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = {each.value: each for each in words}

    def read(self, value: Any) -> Any:
        if _plain_word(value) not in self.words:
            raise ValidationError([unknown("unknown_word", value, self.words)])
        return self.words[value]


class _Zone(_Read):
    """A time zone of the IANA."""

    def read(self, value: Any) -> str:
        zone = _plain_word(value)
        if zone not in _zones():
            raise ValidationError([unknown("unknown_zone", zone, sorted(_zones()))])
        return zone


class _ListOf(_Part, fields.List[Any]):
    """A list, of so many members at most."""

    def __init__(self, member: fields.Field[Any], *, most: int, least: int = 0, **kwargs: Any) -> None:
        super().__init__(member, **kwargs)
        self.least, self.most = least, most

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list):
            raise ValidationError([_NO_LIST])
        if not self.least <= len(value) <= self.most:
            raise _too_many(len(value), self.least, self.most)
        return super()._deserialize(value, attr, data, **kwargs)


class _Nested(_Part, fields.Nested):
    """An object of a model of its own."""


class _Limits(_Read):
    """Limits by their written names."""

    def read(self, value: Any) -> Limits:
        read = _each(_mapping(value), _limit)
        sections: dict[str, dict[str, Any]] = {}
        for written, number in read.items():
            section, name = WRITTEN.get(written, ("weights", "version"))
            sections.setdefault(section, {})[name] = number
        shipped = Limits()
        changed: dict[str, Any] = {
            section: replace(getattr(shipped, section), **numbers) for section, numbers in sections.items()
        }
        return replace(shipped, **changed)


def _limit(written: str, value: Any) -> int | str:
    if written == WEIGHTS_VERSION:
        return read_string(value, LONGEST_VERSION)
    if written not in WRITTEN:
        raise ValidationError([unknown_name("unknown_limit", written, (*WRITTEN, WEIGHTS_VERSION))])
    limit = WRITTEN[written]
    direction = DIRECTIONS[limit]
    if is_share(*limit):
        return read_share(value, direction.least, direction.greatest)
    return read_whole(value, direction.least, direction.greatest)


class _Effect(_Read):
    """What a rule does, with the share that a demotion leaves."""

    def read(self, value: Any) -> tuple[RuleEffect, int]:
        text = _plain_word(value)
        demotion = _DEMOTION.fullmatch(text)
        if demotion:
            return RuleEffect.DEMOTE, read_share(Decimal(demotion[1]), 0, MICRO)
        if text == RuleEffect.DEMOTE:
            raise wrong("missing", Phrase("`demote` says which share is left, such as `demote(0.7)`"))
        plain = [effect.value for effect in RuleEffect if effect is not RuleEffect.DEMOTE]
        if text not in plain:
            raise ValidationError([unknown("unknown_word", text, [*plain, "demote(0.7)"])])
        return RuleEffect(text), MICRO


class _Scope(_Read):
    """Where a rule applies, by scope."""

    def read(self, value: Any) -> Any:
        return tuple(sorted(_each(_mapping(value), _scope).items()))


def _scope(name: str, words: Any) -> Value:
    if name not in SCOPES:
        raise ValidationError([unknown_name("unknown_key", name, SCOPES)])
    return read_operand(FIELDS[SCOPES[name]], Op.IN, words)


class _When(_Read):
    """A condition, or a group of such."""

    def read(self, value: Any) -> Condition:
        return _condition(value, 0)


def _condition(plain: Any, depth: int) -> Condition:
    if isinstance(plain, Mapping) and plain.keys() in ({"all"}, {"any"}):
        ((name, parts),) = plain.items()
        if depth == DEEPEST:
            raise wrong("too_deep", Phrase("conditions are nested at most {most} deep", most=DEEPEST))
        try:
            listed = _parts(parts, depth + 1)
        except ValidationError as error:
            raise ValidationError({name: error.messages}) from None
        return All(listed) if name == "all" else AnyOf(listed)
    if not isinstance(plain, Mapping) or "field" not in plain:
        message = Phrase("a condition is `field`, `op` and `value`, or a list of such under `all` or `any`")
        raise wrong("wrong_type", message)
    atom: Atom = _atom_model().load(plain)
    return atom


def _parts(parts: Any, depth: int) -> tuple[Condition, ...]:
    if not isinstance(parts, list):
        raise ValidationError([_NO_LIST])
    if not parts:
        raise wrong("missing", Phrase("a group needs one condition at least"))
    if len(parts) > MOST_CONDITIONS:
        raise _too_many(len(parts), 1, MOST_CONDITIONS)
    read: list[Condition] = []
    errors: dict[int, Any] = {}
    for index, part in enumerate(parts):
        try:
            read.append(_condition(part, depth))
        except ValidationError as error:
            errors[index] = error.messages
    if errors:
        raise ValidationError(errors)
    return tuple(read)


class _Assumes(_Read):
    """What is taken for granted: ranges of shares, by what they are shares of."""

    def read(self, value: Any) -> tuple[HouseAssumption, ...]:
        read = _each(_mapping(value), _assumption)
        return tuple(read[name] for name in sorted(read))


def _assumption(name: str, bounds: Any) -> HouseAssumption:
    if name not in MEASURES:
        raise ValidationError([unknown_name("unknown_key", name, MEASURES)])
    measure, intent = MEASURES[name]
    message = Phrase("a range is two shares, the lesser first, such as `[0.0, 0.10]`")
    if not isinstance(bounds, list) or len(bounds) != 2:  # noqa: PLR2004  low and high
        raise wrong("wrong_type", message)
    low, high = _each(dict(enumerate(bounds)), lambda _, bound: read_share(bound, 0, MICRO)).values()
    if low > high:
        raise wrong("out_of_range", message)
    return HouseAssumption(measure, low, high, intent)


MEASURES: Mapping[str, tuple[Measure, Intent | None]] = {
    **{f"{measure.value}_share": (measure, None) for measure in _MEASURES},
    **{
        f"{measure.value}_share_of_{word(intent)}s": (measure, intent)
        for measure in _MEASURES
        for intent in Intent
    },
}
"""What an assumption can be about, by how a policy writes it."""


class _Given(_Read):
    """Values by field; ``within`` is what the names of the fields begin with."""

    def __init__(self, within: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.within = within

    def read(self, value: Any) -> dict[str, Value]:
        read = _each(_mapping(value), self._value)
        return {self.within + name: each for name, each in read.items()}

    def _value(self, name: str, value: Any) -> Value:
        field = FIELDS.get(self.within + name)
        if field is None:
            known = [each.removeprefix(self.within) for each in FIELDS if each.startswith(self.within)]
            raise ValidationError([unknown_name("unknown_field", name, known)])
        return read_given(field, value)


class _Model(Schema):
    """Base of what a document is made of: nothing unknown at any level."""

    error_messages: dict[str, Any] = {"type": _NO_MAPPING, "unknown": _UNKNOWN}  # noqa: RUF012  as above

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    def handle_error(self, error: ValidationError, data: Any, **kwargs: Any) -> None:  # noqa: ARG002  marshmallow's signature
        """Say of every unknown name which known one it is closest to."""
        messages: Any = error.messages
        for name, below in messages.items():
            if below == [_UNKNOWN]:
                known = [field.data_key or each for each, field in self.load_fields.items()]
                messages[name] = [unknown_name("unknown_key", name, known)]


class _AtomModel(_Model):
    """One condition on one field."""

    field = fields.Raw(required=True, error_messages=_Part.default_error_messages)
    op = fields.Raw(required=True, error_messages=_Part.default_error_messages)
    value = fields.Raw(allow_none=True)

    @post_load
    def _read(self, plain: Plain, **_: Any) -> Atom:
        field = FIELDS.get(_at("field", _plain_word, plain["field"]))
        if field is None:
            raise _within("field", unknown_name("unknown_field", plain["field"], FIELDS))
        op = _OPS.get(plain["op"] if isinstance(plain["op"], str) else "")
        if op is None:
            raise _within("op", unknown_name("unknown_word", plain["op"], _words(operators_of(field))))
        if op not in operators_of(field):
            message = Phrase(
                "`{op}` cannot be asked of `{field}`; what can is {known}",
                op=op.value,
                field=field.name,
                known=", ".join(f"`{each}`" for each in _words(operators_of(field))),
            )
            raise _within("op", found("wrong_operator", message, found=op.value))
        if "value" not in plain and op is not Op.HAS:
            raise _within("value", _MISSING)
        value = _at("value", lambda raw: read_operand(field, op, raw), plain.get("value", True))
        return Atom(field.name, op, value)


class _TestModel(_Model):
    """An example that a rule brings along."""

    note = _Prose(LONGEST_NOTE)
    given = _Given(load_default=dict)
    candidate = _Given("candidate.", load_default=dict)
    expect = _OneOf(RuleEffect, required=True)

    @post_load
    def _read(self, plain: Plain, **_: Any) -> RuleTest:
        twice = sorted(plain["given"].keys() & plain["candidate"].keys())
        if twice:
            message = Phrase("`{field}` is given twice", field=twice[0])
            raise _within("candidate", found("duplicate_key", message))
        given = plain["given"] | plain["candidate"]
        return RuleTest(plain["note"], tuple(sorted(given.items())), plain["expect"])


class _RuleModel(_Model):
    """A rule of the shop's own."""

    id = _Name(required=True)
    title = _Prose(LONGEST_TITLE)
    when = _When(load_default=None)
    applies_to = _Scope(load_default=())
    effect = _Effect(required=True)
    obligations = _ListOf(_OneOf(Obligation), most=len(Obligation), load_default=())
    mode = _OneOf(Mode, load_default=Mode.ENFORCE)
    rationale = _Prose(LONGEST_RATIONALE, lines=True)
    owner = _Name(required=True)
    review_by = _Day(required=True)
    assumes = _Assumes(load_default=())
    customer_sentence = _Prose(LONGEST_SENTENCE)
    effective_from = _Day(load_default=None)
    effective_until = _Day(load_default=None)
    tests = _ListOf(_Nested(_TestModel), most=MOST_TESTS, load_default=())

    @validates_schema
    def _check_days(self, plain: Plain, **_: Any) -> None:
        begins, ends, review_by = plain["effective_from"], plain["effective_until"], plain["review_by"]
        if begins and ends and begins > ends:
            message = Phrase(
                "the rule would end on {end}, before it begins on {begin}", end=ends, begin=begins
            )
            raise _within("effective_until", found("contradictory_days", message))
        if begins and review_by < begins:
            message = Phrase(
                "the rule would be looked at again by {review}, before it begins on {begin}",
                review=review_by,
                begin=begins,
            )
            raise _within("review_by", found("contradictory_days", message))

    @validates_schema(skip_on_field_errors=False)
    def _check_id(self, plain: Plain, **_: Any) -> None:
        if plain.get("id", "").upper() in charter():
            message = Phrase(
                "`{id}` is the name of a rule that ships: no other can take its place", id=plain["id"]
            )
            raise _within("id", found("shipped_id", message))

    @post_load
    def _read(self, plain: Plain, **_: Any) -> HouseRule:
        effect, share_micro = plain.pop("effect")
        asked = plain.pop("obligations")
        return HouseRule(
            **plain | {"tests": tuple(plain["tests"])},
            effect=effect,
            share_micro=share_micro,
            obligations=tuple(each for each in Obligation if each in asked),
        )


class PolicySchema(_Model):
    """The model of a policy."""

    name = _Name(required=True, data_key="policy")
    limits = _Limits(load_default=Limits)
    rules = _ListOf(_Nested(_RuleModel), most=MOST_RULES, load_default=())
    time_zone = _Zone(load_default="UTC")

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def _check_ids(self, _plain: Plain, original: Plain, **_: Any) -> None:
        rules = original.get("rules") if isinstance(original, Mapping) else None
        seen = set[str]()
        errors: dict[int, Any] = {}
        for index, rule in enumerate(rules[:MOST_RULES] if isinstance(rules, list) else ()):
            rule_id = rule.get("id") if isinstance(rule, Mapping) else None
            if isinstance(rule_id, str):
                if rule_id in seen:
                    message = Phrase("the id `{id}` is used twice", id=rule_id[:LONGEST_NAME])
                    errors[index] = {"id": [found("duplicate_id", message)]}
                seen.add(rule_id)
        if errors:
            raise ValidationError({"rules": errors})

    @post_load
    def _read(self, plain: Plain, **_: Any) -> Policy:
        return Policy(**plain | {"rules": tuple(sorted(plain["rules"], key=lambda rule: rule.id))})


def _too_many(n: int, least: int, most: int) -> ValidationError:
    message = Phrase(
        "from {least} to {most} are allowed here, and there are {n}", least=least, most=most, n=n
    )
    return wrong("too_many" if n else "missing", message, n=n, most=most)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValidationError([_NO_MAPPING])
    return value


def _each(values: Mapping[Any, Any], read: Any) -> dict[Any, Any]:
    """Read every member, and raise what is wrong with all of them together."""
    done, errors = {}, {}
    for name, value in values.items():
        try:
            done[name] = read(name, value)
        except ValidationError as error:
            errors[name] = error.messages
    if errors:
        raise ValidationError(errors)
    return done


def _within(name: str, finding: Finding) -> ValidationError:
    """Return the error to raise for what stands under a name."""
    return ValidationError({name: [finding]})


def _at(name: str, read: Any, raw: Any) -> Any:
    try:
        return read(raw)
    except ValidationError as error:
        raise ValidationError({name: error.messages}) from None


def _plain_word(value: Any) -> str:
    """Return a text if it could be a name at all."""
    text = read_string(value, LONGEST_TEXT)
    odd = odd_in_name(text)
    if odd is not None:
        raise ValidationError([odd])
    return text


def _words(ops: Iterable[Op]) -> list[str]:
    return [op.value for op in ops]


@cache
def _zones() -> frozenset[str]:
    """Return all time zones that mean the same on every machine."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


@cache
def _model() -> PolicySchema:
    return PolicySchema()


@cache
def _atom_model() -> _AtomModel:
    return _AtomModel()
