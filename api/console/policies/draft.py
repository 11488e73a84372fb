"""A draft that is being written: its text, which is all that is kept of it, and what there is to say of that.

Nothing is stored before somebody asks for it: the text goes to and fro between the page and here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from api.errors import PolicyDocumentError
from api.policies.editing import comments_in
from api.policies.located import Located, PolicyTextError
from api.policies.model import as_written, pointer_as_written, read_policy
from api.policies.telling import told_finding
from api.policies.text import Form, read_text
from guardrails.policy.examine import Examination
from guardrails.policy.findings import Finding, Severity
from guardrails.policy.language import HouseRule, Policy
from guardrails.policy.mutants import Survivor
from guardrails.policy.testing import Outcome

Examine = Callable[[Policy], Examination]


@dataclass(frozen=True)
class Draft:
    """A text, and what there is to say of it.

    Attributes:
        text: YAML, or what is to become it.
        located: what it says; ``None`` where nothing can be made out.
        policy: the policy it is; ``None`` where it is none.
        examination: what is to be said of the policy.
        findings: everything that is found, with places as the text has them.
    """

    text: str
    located: Located | None
    policy: Policy | None
    examination: Examination | None
    findings: tuple[Finding, ...]
    unreadable_at: tuple[int, int] | None = None

    @property
    def plain(self) -> dict[str, Any]:
        """What the text says; empty where that is nothing that a form could show."""
        plain = None if self.located is None else self.located.plain
        return plain if isinstance(plain, dict) else {}

    @property
    def rules(self) -> list[Any]:
        """Its rules, as they are written."""
        rules = self.plain.get("rules")
        return rules if isinstance(rules, list) else []

    @property
    def has_form(self) -> bool:
        """Whether it is so far a policy that it can be shown as a form."""
        return (
            self.located is not None
            and isinstance(self.located.plain, dict)
            and isinstance(self.plain.get("rules", []), list)
            and isinstance(self.plain.get("limits", {}), dict)
            and all(isinstance(self.plain.get(name, ""), str) for name in ("policy", "time_zone"))
        )

    @property
    def n_errors(self) -> int:
        """How many findings keep it from being proposed."""
        return sum(each.severity is Severity.ERROR for each in self.findings)

    @cached_property
    def n_comments(self) -> int:
        """How many comments the text has, which no version keeps."""
        return 0 if self.located is None else len(comments_in(self.text))

    def told(self, findings: Iterable[Finding]) -> list[dict[str, Any]]:
        """Return findings as pages tell them, with line and column."""
        told = [told_finding(each, self.located) for each in findings]
        if self.unreadable_at is not None:
            line, column = self.unreadable_at
            told = [each | {"line": line, "column": column} for each in told]
        return told

    def rule_at(self, index: int) -> HouseRule | None:
        """Return the rule that stands at a place of the text, whatever is wrong with the others."""
        if self.policy is not None:
            return next(rule for rule in self.policy.rules if rule.id == self.rules[index]["id"])
        try:
            return read_policy({"policy": "house", "rules": [self.rules[index]]}).rules[0]
        except PolicyDocumentError:
            return None

    def outcomes(self, index: int) -> Mapping[int, Outcome]:
        """Return what came of the tests of a rule, by their places."""
        rule = self.rule_at(index)
        if rule is None or self.examination is None:
            return {}
        return {each.index: each for each in self.examination.outcomes if each.rule_id == rule.id}

    def survivors(self, index: int) -> list[Survivor]:
        """Return the changes to a rule that its tests would not notice, with places as in the text."""
        rule = self.rule_at(index)
        if rule is None or self.examination is None:
            return []
        return [
            replace(each, pointer=pointer_as_written(each.pointer, self.plain))
            for each in self.examination.mutation.survivors
            if each.rule_id == rule.id
        ]


def draft_of(text: str, examine: Examine) -> Draft:
    """Return what there is to say of a text.

    Args:
        text: YAML.
        examine: examines a policy.
    """
    try:
        located = read_text(text.encode("utf-8", "surrogatepass"), Form.YAML)
    except PolicyTextError as error:
        where = (error.place.line, error.place.column)
        return Draft(text, None, None, None, tuple(error.findings), where)
    try:
        policy = read_policy(located.plain)
    except PolicyDocumentError as error:
        return Draft(text, located, None, None, tuple(error.findings))
    examination = examine(policy)
    return Draft(text, located, policy, examination, as_written(examination.findings, located.plain))


def at_their_places(findings: Iterable[Finding], places: Iterable[str]) -> dict[str, list[Finding]]:
    """Return findings by the closest of some places at or above what they are about.

    Args:
        findings: pointers lead into the document.
        places: pointers of what the page shows.
    """
    known = set(places)
    found: dict[str, list[Finding]] = {}
    for each in findings:
        pointer = each.pointer
        while pointer and pointer not in known:
            pointer = pointer.rpartition("/")[0]
        found.setdefault(pointer, []).append(each)
    return found
