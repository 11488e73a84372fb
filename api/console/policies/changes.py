"""What the buttons of the editor do to a draft: plain data of a document in, plain data out.

Each button sends a verb and what it is about. Whatever cannot be found is left alone: it was taken away
in another window, and pressing the button again changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from typing import Any

from api.console.policies.controls import place_of
from api.console.policies.rule_form import GROUPS, RULE
from api.policies.model import LONGEST_NAME
from guardrails.policy.fields import FIELDS, Field, FieldKind
from guardrails.policy.language import Op, RuleEffect

Plain = dict[str, Any]

_REVIEW_DAYS = 365


@dataclass
class Edited:
    """A document that is being changed.

    Attributes:
        plain: what it says.
        open: which part stands open: the place of a rule, ``limits``, or nothing.
        today: the day on which it is changed.
        chosen: what is chosen in the lists beside the buttons, by their names.
        tests: tests that are offered, by their numbers.
        focus: name of the field that the reader goes on with.
    """

    plain: Plain
    open: str
    today: date
    chosen: Mapping[str, str]
    tests: Mapping[str, Plain]
    focus: str = ""

    @property
    def rules(self) -> list[Any]:
        """The rules of the document; listed there once one is added."""
        rules: list[Any] = self.plain.setdefault("rules", [])
        return rules

    @property
    def rule(self) -> Plain:
        """The rule that stands open."""
        rule = self.rules[int(self.open)] if _is_place(self.open, self.rules) else {}
        return rule if isinstance(rule, dict) else {}


def edit(edited: Edited, verb: str, about: str) -> None:
    """Do what a button says; a button that is not known does nothing."""
    if verb in _ACTIONS:
        _ACTIONS[verb](edited, about)
    for holder, name in ((edited.rule, "tests"), (edited.rule, "assumes"), (edited.plain, "rules")):
        if holder.get(name) in ([], {}):
            del holder[name]


def with_ids(plain: Plain) -> Plain:
    """Return a document in which every rule with a title has an id."""
    done = deepcopy(plain)
    rules = done.get("rules")
    taken = {str(rule.get("id")) for rule in rules or () if isinstance(rule, dict)}
    for rule in rules or ():
        if isinstance(rule, dict) and not rule.get("id") and isinstance(rule.get("title"), str):
            rule_id = _id_of(rule["title"], taken)
            taken.add(rule_id)
            rest = {name: value for name, value in rule.items() if name != "id"}
            rule.clear()
            rule.update({"id": rule_id} | rest if rule_id else rest)
    return done


def _id_of(title: str, taken: set[str]) -> str:
    """Return a name made of a title, that no other rule has."""
    plain = unicodedata.normalize("NFKD", title.lower()).encode("ascii", "ignore").decode()
    words = "-".join(re.findall("[a-z0-9]+", plain))[: LONGEST_NAME - 4].strip("-")
    if not words:
        return ""
    numbered = (f"{words}-{n}" for n in range(2, len(taken) + 3))
    return next(each for each in (words, *numbered) if each not in taken)


def _open(edited: Edited, about: str) -> None:
    edited.open = about


def _close(edited: Edited, _: str) -> None:
    edited.open = ""


def _new_rule(edited: Edited, _: str) -> None:
    listed = [rule for rule in edited.rules if isinstance(rule, dict)]
    owner = listed[-1].get("owner") if listed else None
    review_by = date.fromordinal(edited.today.toordinal() + _REVIEW_DAYS)
    rule: Plain = {"effect": RuleEffect.BLOCK.value, "review_by": review_by.isoformat()}
    edited.rules.append(rule | ({"owner": owner} if owner else {}))
    edited.open, edited.focus = str(len(edited.rules) - 1), f"{RULE}.title"


def _drop_rule(edited: Edited, about: str) -> None:
    if _is_place(about, edited.rules):
        del edited.rules[int(about)]
        edited.open = ""


def _raise_rule(edited: Edited, about: str) -> None:
    if _is_place(about, edited.rules) and int(about):
        rules, at = edited.rules, int(about)
        rules[at - 1], rules[at] = rules[at], rules[at - 1]
        edited.open = {about: str(at - 1), str(at - 1): about}.get(edited.open, edited.open)


def _add_condition(edited: Edited, about: str) -> None:
    field = FIELDS.get(edited.chosen.get(about, ""))
    if field is None:
        return
    new = _conditions_on(field, edited.today)
    where = _parts(about)
    here = _condition_at(edited.rule, where)
    if here is None:
        edited.rule["when"] = new[0] if len(new) == 1 else {"all": new}
        path, at = f"{RULE}.when", len(new) - 1
        edited.focus = f"{path}.value" if len(new) == 1 else f"{path}.{at}.value"
        return
    group = _group_of(here)
    if group is None:
        _put(edited.rule, where, {"all": [here, *new]})
        edited.focus = f"{about}.{len(new)}.value"
        return
    if group == "any" and len(new) > 1:
        new = [{"all": new}]
    here[group].extend(new)
    edited.focus = f"{about}.{len(here[group]) - 1}.value"


def _add_group(edited: Edited, about: str) -> None:
    where = _parts(about)
    here = _condition_at(edited.rule, where)
    group = _group_of(here)
    if here is None or group is None:
        _put(edited.rule, where, {"all": [*([here] if here else []), {"any": []}]})
    else:
        here[group].append({"any" if group == "all" else "all": []})


def _drop_condition(edited: Edited, about: str) -> None:
    where = _parts(about)
    if not where:
        edited.rule.pop("when", None)
        return
    above = _condition_at(edited.rule, where[:-1])
    group = _group_of(above)
    if above is None or group is None or where[-1] >= len(above[group]):
        return
    del above[group][where[-1]]
    if not above[group]:
        _drop_condition(edited, ".".join((f"{RULE}.when", *map(str, where[:-1]))))


def _raise_condition(edited: Edited, about: str) -> None:
    where = _parts(about)
    above = _condition_at(edited.rule, where[:-1]) if where else None
    group = _group_of(above)
    if above is not None and group is not None and 0 < where[-1] < len(above[group]):
        parts, at = above[group], where[-1]
        parts[at - 1], parts[at] = parts[at], parts[at - 1]


def _add_test(edited: Edited, _: str) -> None:
    tests = edited.rule.setdefault("tests", [])
    tests.append({"note": "", "expect": _deed(edited.rule)})
    edited.focus = f"{RULE}.tests.{len(tests) - 1}.note"


def _adopt_test(edited: Edited, about: str) -> None:
    """Take a test that is offered into the rule that stands open."""
    test = edited.tests.get(about)
    if test is not None and edited.rule:
        tests = edited.rule.setdefault("tests", [])
        tests.append(test)
        edited.focus = f"{RULE}.tests.{len(tests) - 1}.note"


def _drop_test(edited: Edited, about: str) -> None:
    tests = edited.rule.get("tests", [])
    if _is_place(about, tests):
        del tests[int(about)]


def _add_given(edited: Edited, _: str) -> None:
    field, about = FIELDS.get(edited.chosen.get("given", "")), edited.chosen.get("test", "")
    tests = edited.rule.get("tests", [])
    if field is not None and _is_place(about, tests):
        given = tests[int(about)].setdefault("given", {})
        given.setdefault(field.name, _first_value(field, edited.today))
        edited.focus = f"{RULE}.tests.{about}.given.{field.name}"


def _drop_given(edited: Edited, about: str) -> None:
    place, _, name = about.partition(".")
    tests = edited.rule.get("tests", [])
    if _is_place(place, tests):
        test = tests[int(place)]
        test.get("given", {}).pop(name, None)
        test.get("candidate", {}).pop(name.removeprefix("candidate."), None)


def _add_assumption(edited: Edited, about: str) -> None:
    measure = edited.chosen.get(about, "")
    if measure:
        edited.rule.setdefault("assumes", {}).setdefault(measure, [0, 1])
        edited.focus = f"{RULE}.assumes.{measure}.0"


def _drop_assumption(edited: Edited, about: str) -> None:
    edited.rule.get("assumes", {}).pop(about, None)


def _is_place(about: str, listed: list[Any]) -> bool:
    place = place_of(about)
    return place is not None and place < len(listed)


def _parts(path: str) -> list[int]:
    """Return the places on the way to a condition.

    >>> _parts("rule.when.0.2")
    [0, 2]
    """
    parts = path.removeprefix(f"{RULE}.when").split(".")
    return [place for place in map(place_of, parts) if place is not None]


def _group_of(condition: Any) -> str | None:
    names = (group for group in GROUPS if isinstance(condition, dict) and group in condition)
    return next(names, None)


def _condition_at(rule: Plain, where: list[int]) -> Any:
    here: Any = rule.get("when")
    for at in where:
        group = _group_of(here)
        if group is None or at >= len(here[group]):
            return None
        here = here[group][at]
    return here


def _put(rule: Plain, where: list[int], condition: Plain) -> None:
    if not where:
        rule["when"] = condition
        return
    above = _condition_at(rule, where[:-1])
    group = _group_of(above)
    if above is not None and group is not None:
        above[group][where[-1]] = condition


def _conditions_on(field: Field, today: date) -> list[Plain]:
    """Return what to ask of a field at first; of one that may be absent that it is there as well."""
    asked: Plain = {"field": field.name, "op": _first_operator(field).value}
    value = _first_value(field, today) if asked["op"] != Op.IN else []
    known = [{"field": field.name, "op": Op.HAS.value, "value": True}] if field.optional else []
    return [*known, asked | {"value": "" if field.kind in _NUMBERS else value}]


_NUMBERS = (FieldKind.INTEGER, FieldKind.SHARE)
_FIRST = {
    FieldKind.BOOL: Op.EQUAL,
    FieldKind.ENUM: Op.IN,
    FieldKind.TEXT: Op.IN,
    FieldKind.TEXTS: Op.CONTAINS_ANY,
}


def _first_operator(field: Field) -> Op:
    return _FIRST.get(field.kind, Op.AT_LEAST)


def _first_value(field: Field, today: date) -> Any:
    if field.kind is FieldKind.TEXTS:
        return []
    if field.kind is FieldKind.BOOL:
        return True
    if field.kind is FieldKind.DATE:
        return today.isoformat()
    if field.kind in _NUMBERS:
        return max(field.least, 0)
    return field.values[0] if field.values else ""


def _deed(rule: Plain) -> str:
    """Return what a rule does where it acts, as a test expects it."""
    effect = str(rule.get("effect", "")).partition("(")[0]
    return effect if effect in list(RuleEffect) else RuleEffect.ALLOW.value


_ACTIONS: Mapping[str, Callable[[Edited, str], None]] = {
    "open": _open,
    "close": _close,
    "new-rule": _new_rule,
    "drop-rule": _drop_rule,
    "raise-rule": _raise_rule,
    "add-condition": _add_condition,
    "add-group": _add_group,
    "drop-condition": _drop_condition,
    "raise-condition": _raise_condition,
    "add-test": _add_test,
    "adopt-test": _adopt_test,
    "drop-test": _drop_test,
    "add-given": _add_given,
    "drop-given": _drop_given,
    "add-assumption": _add_assumption,
    "drop-assumption": _drop_assumption,
}
