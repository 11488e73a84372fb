"""Changes of policies on their way: who there is, and steps that only differ from the usual."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from guardrails.policy.chain import (
    NO_STEP,
)
from guardrails.policy.due import (
    next_due,
)
from guardrails.policy.lifecycle import (
    NO_LIFE,
    SYSTEM,
    Detail,
    Life,
    Step,
    StepKind,
    advance,
)
from guardrails.policy.permission import (
    Facts,
    Refusal,
    refusal,
)

HOUR_MS = 3_600_000
NOW_MS = 1_800_000_000_000
SHIPPED, FIRST, SECOND, THIRD = (letter * 64 for letter in "abcd")
REPORT = "f" * 64
READY = Facts(report_sha256=REPORT)

MARY, MARTIN = ("key-mary", "marketer"), ("key-martin", "marketer")
ANN, ALAN = ("key-ann", "approver"), ("key-alan", "approver")
AUDREY, ADA = ("key-audrey", "auditor"), ("key-ada", "admin")
CLOCK = (SYSTEM, SYSTEM)


@dataclass
class Shop:
    """A shop whose policies change: takes steps, and refuses those that may not be taken."""

    life: Life = NO_LIFE
    now_ms: int = NOW_MS
    steps: tuple[Step, ...] = ()
    facts: Facts = READY

    def __post_init__(self) -> None:
        assert self.take(StepKind.FOUND, SHIPPED, CLOCK) is None

    def step(
        self, kind: StepKind, version: str, who: tuple[str, str], *, base: str | None = None, **detail: Any
    ) -> Step:
        base = base or self.life.base_of(version) or NO_STEP
        number = len(self.steps) + 1
        return Step(number, "house", version, base, kind, *who, self.now_ms, Detail(**detail))

    def take(
        self, kind: StepKind, version: str, who: tuple[str, str], *, base: str | None = None, **detail: Any
    ) -> Refusal | None:
        """Take a step; return why not, if not."""
        step = self.step(kind, version, who, base=base, **detail)
        found = refusal(self.life, step, self.facts)
        if found is None:
            self.append(step)
        return found

    def append(self, step: Step) -> None:
        step = replace(step, number=len(self.steps) + 1, name="house")
        self.steps += (step,)
        self.life = advance(self.life, step)

    def wait(self, by_ms: int) -> list[tuple[StepKind, str]]:
        """Let time pass; return what happened by itself."""
        self.now_ms += by_ms
        happened = []
        while (due := next_due(self.life, self.now_ms)) is not None:
            refused = refusal(self.life, due, self.facts)
            if refused is not None:
                due = replace(due, kind=StepKind.SUSPENDED, detail=Detail(reason=str(refused.message)))
            self.append(due)
            happened.append((due.kind, due.version))
        return happened

    def propose(self, version: str = FIRST, who: tuple[str, str] = MARY, **detail: Any) -> None:
        """Draft and propose."""
        assert self.take(StepKind.DRAFTED, version, who) is None
        assert self.take(StepKind.PROPOSED, version, who, report_sha256=REPORT, **detail) is None

    def approve(self, version: str = FIRST, who: tuple[str, str] = ANN, **detail: Any) -> None:
        """Draft, propose and approve."""
        self.propose(version, **detail)
        assert self.take(StepKind.APPROVED, version, who) is None

    def activate(self, version: str = FIRST, **detail: Any) -> None:
        """Take a version all the way."""
        self.approve(version)
        assert self.take(StepKind.ACTIVATED, version, MARY, **detail) is None
