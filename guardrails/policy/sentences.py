"""A policy read out in plain words: whom a rule is about, what it does, and until when.

Everything is a ``Phrase`` made of phrases, so that it can be said in every language. What a field is
called here is what the schema says of it: a new field can be read out without a word being added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from types import MappingProxyType

from guardrails.messages import Beginning, Phrase
from guardrails.policy.charter import MICRO
from guardrails.policy.document import value_to_plain
from guardrails.policy.fields import FIELDS, Field, FieldKind, FieldUnit
from guardrails.policy.language import (
    All,
    Atom,
    Condition,
    HouseRule,
    Mode,
    Obligation,
    Op,
    RuleEffect,
    Scalar,
)

MOST_NAMED = 12
"""So many values of a list are named; of more, the first ones and how many others."""

_PERCENT = MICRO // 100
_IN_PERCENT, _ASKED, _QUOTED, _AS_CODE, _IN_BRACKETS = (
    *("{n} %", "{what} {is_so} {value}", "“{name}”", "`{word}`", "({one})"),
)
"""Templates without words, the same in every language."""
_HOUR = 60

_WORDS: Mapping[str, Phrase] = MappingProxyType(
    {
        "true": Phrase("yes"),
        "false": Phrase("no"),
        "similar": Phrase("similar items"),
        "cross_sell": Phrase("cross-sells"),
        "upsell": Phrase("upsells"),
        "replenish": Phrase("refills"),
        "discover": Phrase("discoveries"),
        "popular": Phrase("popular items"),
        "web": Phrase("the website"),
        "app": Phrase("the app"),
        "email": Phrase("e-mail"),
        "sms": Phrase("text message"),
        "push": Phrase("push message"),
        "post": Phrase("letter"),
        "phone": Phrase("phone call"),
        "in_store": Phrase("the shop itself"),
        "offsite_ads": Phrase("ads elsewhere"),
        "agent_chat": Phrase("chat with an assistant"),
        "contextual": Phrase("the page alone"),
        "session": Phrase("this visit"),
        "profile": Phrase("what is known from before"),
        "allow": Phrase("let through"),
        "demote": Phrase("move down"),
        "generalise": Phrase("make less specific"),
        "block": Phrase("hold back"),
        "explain": Phrase("show the reason beside it"),
        "disclose_sponsored": Phrase("say beside it that somebody pays"),
        "hand_off": Phrase("offer a human beside it"),
        "off": Phrase("switched off"),
        "shadow": Phrase("only watched"),
        "warn": Phrase("only pointed out"),
        "enforce": Phrase("in force"),
    }
)

_OPERATORS: Mapping[Op, Phrase] = MappingProxyType(
    {
        Op.EQUAL: Phrase("is"),
        Op.UNEQUAL: Phrase("is not"),
        Op.LESS: Phrase("is less than"),
        Op.AT_MOST: Phrase("is at most"),
        Op.MORE: Phrase("is more than"),
        Op.AT_LEAST: Phrase("is at least"),
        Op.IN: Phrase("is one of"),
        Op.NOT_IN: Phrase("is none of"),
        Op.HAS: Phrase("is known"),
        Op.CONTAINS_ANY: Phrase("has one at least of"),
    }
)

_UNITS: Mapping[FieldUnit, Callable[[int], Phrase]] = MappingProxyType(
    {
        FieldUnit.MINOR: lambda n: Phrase("{n} minor units", n=n),
        FieldUnit.DAYS: lambda n: Phrase("{n} days", n=n),
        FieldUnit.SECONDS: lambda n: Phrase("{n} seconds", n=n),
        FieldUnit.MINUTES: lambda n: Phrase("{time} o'clock", time=f"{n // _HOUR:02}:{n % _HOUR:02}"),
    }
)

_OBLIGATIONS: Mapping[Obligation, Phrase] = MappingProxyType(
    {
        Obligation.EXPLAIN: Phrase("The reason has to be shown beside it."),
        Obligation.DISCLOSE_SPONSORED: Phrase("Beside it has to be said that somebody pays."),
        Obligation.HAND_OFF: Phrase("A human has to be offered beside it."),
    }
)

_MODES: Mapping[Mode, Phrase] = MappingProxyType(
    {
        Mode.OFF: Phrase("It is switched off for now."),
        Mode.SHADOW: Phrase("For now it only records what it would do."),
        Mode.WARN: Phrase("For now it only points out what it would do."),
    }
)


def word_in_words(word: str) -> Phrase:
    """Return a word of the language of policies as people say it.

    >>> word_in_words("email"), word_in_words("self_declared")
    ('e-mail', 'self declared')
    """
    return _WORDS.get(word) or _plain(word.replace("_", " "))


def operator_in_words(op: Op) -> Phrase:
    """Return what is asked by an operator.

    >>> operator_in_words(Op.AT_LEAST)
    'is at least'
    """
    return _OPERATORS[op]


def sentences_of_rule(rule: HouseRule) -> tuple[Phrase, ...]:
    """Return a rule read out: what it does to which suggestions, when, what besides, and until when."""
    return (
        _effect(rule, _scope(rule)),
        Phrase("Always.")
        if rule.when is None
        else Phrase("Only when {that}.", that=condition_in_words(rule.when)),
        *(_OBLIGATIONS[each] for each in rule.obligations),
        *((_MODES[rule.mode],) if rule.mode in _MODES else ()),
        *_days(rule),
    )


def condition_in_words(condition: Condition) -> Phrase:
    """Return a condition read out, without the questions whether something is known that others imply.

    >>> condition_in_words(Atom("item.sponsored", Op.EQUAL, True))
    'somebody pays for its being suggested'
    """
    if isinstance(condition, Atom):
        return _atom(condition)
    parts = _without_guards(condition) if isinstance(condition, All) else condition.of
    said = [_part(part) if len(parts) > 1 else condition_in_words(part) for part in parts]
    return _both(said) if isinstance(condition, All) else _either(said)


def _effect(rule: HouseRule, what: Phrase) -> Phrase:
    if rule.effect is RuleEffect.BLOCK:
        return Phrase("Holds back {what}.", what=what)
    if rule.effect is RuleEffect.GENERALISE:
        return Phrase("Makes {what} less specific.", what=what)
    if rule.effect is RuleEffect.DEMOTE:
        left = _percent(rule.share_micro)
        return Phrase("Moves {what} down: {share} of their rank score is left.", what=what, share=left)
    return Phrase("Holds nothing back of {what}.", what=what)


def _scope(rule: HouseRule) -> Phrase:
    what = Phrase("all suggestions") if not rule.applies_to else Phrase("suggestions")
    for scope, words in sorted(rule.applies_to, key=lambda each: _SCOPE_ORDER.index(each[0])):
        said = _either([word_in_words(each) for each in words])
        what = _SCOPED[scope](what, said)
    return what


_SCOPED: Mapping[str, Callable[[Phrase, Phrase], Phrase]] = MappingProxyType(
    {
        "intent": lambda what, words: Phrase("{what} that are {kinds}", what=what, kinds=words),
        "placement": lambda what, words: Phrase("{what} at {places}", what=what, places=words),
        "channel": lambda what, words: Phrase("{what} through {channels}", what=what, channels=words),
        "basis": lambda what, words: Phrase("{what} resting on {bases}", what=what, bases=words),
    }
)
_SCOPE_ORDER = tuple(_SCOPED)


def _days(rule: HouseRule) -> Iterator[Phrase]:
    if rule.effective_from is not None:
        yield Phrase("It begins on {day}.", day=rule.effective_from.isoformat())
    if rule.effective_until is not None:
        yield Phrase("{day} is its last day.", day=rule.effective_until.isoformat())
    yield Phrase("By {day} {owner} looks at it again.", owner=rule.owner, day=rule.review_by.isoformat())


def _without_guards(group: All) -> tuple[Condition, ...]:
    """Return the parts of a group but those that ask whether something is known of which more is asked."""
    asked = {part.field for part in group.of if isinstance(part, Atom) and part.op is not Op.HAS}
    return tuple(
        part
        for part in group.of
        if not (isinstance(part, Atom) and part.op is Op.HAS and part.value and part.field in asked)
    )


def _part(condition: Condition) -> Phrase:
    said = condition_in_words(condition)
    return said if isinstance(condition, Atom) else Phrase(_IN_BRACKETS, one=said)


def _atom(atom: Atom) -> Phrase:
    field = FIELDS[atom.field]
    what = _name(field) if _is_flag(atom) else Phrase(_QUOTED, name=_name(field))
    if atom.op is Op.HAS:
        return (
            Phrase("{what} is known", what=what) if atom.value else Phrase("{what} is not known", what=what)
        )
    if _is_flag(atom):
        true = atom.value is (atom.op is Op.EQUAL)
        return what if true else Phrase("it is not so that {what}", what=what)
    values = atom.value if isinstance(atom.value, tuple) else (atom.value,)
    said = _either([_value(field, each) for each in values[:MOST_NAMED]])
    if len(values) > MOST_NAMED:
        said = Phrase("{some} or {n} others", some=said, n=len(values) - MOST_NAMED)
    return Phrase(_ASKED, what=what, is_so=_OPERATORS[atom.op], value=said)


def _is_flag(atom: Atom) -> bool:
    return FIELDS[atom.field].kind is FieldKind.BOOL and atom.op in (Op.EQUAL, Op.UNEQUAL)


def _name(field: Field) -> Phrase:
    return Beginning(field.description)


def _value(field: Field, value: Scalar) -> Phrase:
    if value is None:
        return Phrase("nothing")
    if isinstance(value, bool):
        return _WORDS["true" if value else "false"]
    if isinstance(value, str):
        return word_in_words(value) if field.values else Phrase(_AS_CODE, word=value)
    if field.kind is FieldKind.SHARE:
        return _percent(value)
    if field.unit in _UNITS:
        return _UNITS[field.unit](value)
    return _plain(str(value_to_plain(field.kind, value)))


def _percent(micro: int) -> Phrase:
    return Phrase(_IN_PERCENT, n=f"{micro / _PERCENT:.4f}".rstrip("0").rstrip("."))


def _both(parts: Iterable[Phrase]) -> Phrase:
    return reduce(lambda one, other: Phrase("{one} and {other}", one=one, other=other), parts)


def _either(parts: Iterable[Phrase]) -> Phrase:
    return reduce(lambda one, other: Phrase("{one} or {other}", one=one, other=other), parts)


def _plain(text: str) -> Phrase:
    """Return a text as a phrase without values."""
    return Phrase(text.replace("{", "{{").replace("}", "}}"))
