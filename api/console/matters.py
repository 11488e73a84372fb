"""What needs somebody's attention: said in a sentence each, with where to go, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from api.console.figures import Figures
from api.languages import say, say_how_many
from api.storage.api_keys import Role
from engine.interactions import DAY_MS
from guardrails.messages import Phrase
from guardrails.policy.review import GRACE_DAYS

OLD_MODEL_DAYS = 30
"""A model that has learned nothing for so long knows little of what sells now."""

MUCH_DEGRADED_MICRO = 10_000
"""More answers than this that are less than they might have been are no accident."""

_VOUCHED_MS = 600_000
_FIRST_VOUCHED_S = 60
_EVERYBODY = (Role.MARKETER, Role.APPROVER, Role.AUDITOR)


class Weight(IntEnum):
    """How much something matters."""

    BAD = 0
    WARNING = 1
    TO_DO = 2


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that needs attention.

    Attributes:
        weight: how much it matters.
        text: what it is, in the language of the page.
        href: where to go.
        link: what that is called.
        roles: who may go there; admins may always.
    """

    weight: Weight
    text: str
    href: str
    link: str
    roles: Sequence[Role] = _EVERYBODY

    @property
    def kind(self) -> str:
        """The class of its badge."""
        return {Weight.BAD: "bad", Weight.WARNING: "warning", Weight.TO_DO: ""}[self.weight]


def matters(figures: Figures) -> list[Matter]:
    """Return what needs attention, the worst first."""
    found = [*_of_log(figures), *_of_customers(figures), *_of_rules(figures), *_of_model(figures)]
    return sorted(found, key=lambda each: each.weight)


def _of_log(figures: Figures) -> Iterator[Matter]:
    log = figures.log
    if log.standing.is_forked:
        text = say(
            "The log does not go on from what was signed last, so nothing more is recorded. "
            "Was a backup restored?"
        )
        yield _in_log(Weight.BAD, text)
    if log.n_failed:
        text = say_how_many(
            log.n_failed,
            "{n} decision did not come out the same when it was made again.",
            "{n} decisions did not come out the same when they were made again.",
        )
        yield _in_log(Weight.BAD, text)
    if log.n_spooled:
        text = say_how_many(
            log.n_spooled,
            "{n} decision waits until the log can be written again.",
            "{n} decisions wait until the log can be written again.",
        )
        yield _in_log(Weight.WARNING, text)
    if log.standing.n_not_vouched and _is_late(figures) and not log.standing.is_forked:
        text = say_how_many(
            log.standing.n_not_vouched,
            "{n} entry of the log is not signed yet.",
            "{n} entries of the log are not signed yet.",
        )
        yield _in_log(Weight.WARNING, text)


def _is_late(figures: Figures) -> bool:
    """Tell whether what is not signed yet should be; a new log has a minute for its first entries."""
    log = figures.log
    if log.vouched_ms is None:
        return log.standing.quiet_s >= _FIRST_VOUCHED_S
    return figures.now_ms - log.vouched_ms > _VOUCHED_MS


def _of_customers(figures: Figures) -> Iterator[Matter]:
    if figures.n_requests_overdue:
        text = say_how_many(
            figures.n_requests_overdue,
            "{n} request of a customer is past its day.",
            "{n} requests of customers are past their day.",
        )
        href = "/console/requests?state=overdue"
        yield Matter(Weight.BAD, text, href, say("Answer them"), (Role.AUDITOR,))
    if figures.measured is not None and figures.measured["too_personal"] == "above":
        text = say("Customers find more suggestions too personal than the ceiling allows.")
        yield Matter(Weight.BAD, text, "/console/measurements", say("See what was measured"))


def _of_rules(figures: Figures) -> Iterator[Matter]:
    if not figures.policy.is_readable:
        text = say("The policy in force cannot be read any more, so nothing or less is shown.")
        yield Matter(Weight.BAD, text, "/console/policies", say("Go to the policies"))
    if figures.overdue:
        text = say_how_many(
            len(figures.overdue),
            "{n} rule is past the day of its review.",
            "{n} rules are past the day of their review.",
        )
        blocks = any(each.blocks_approval for each in figures.overdue)
        if blocks:
            text += " " + say(
                Phrase("After {n} days no policy with such a rule can be approved.", n=GRACE_DAYS)
            )
        yield Matter(Weight.BAD if blocks else Weight.WARNING, text, "#overdue", say("Which these are"))
    if figures.proposed:
        text = say_how_many(
            len(figures.proposed), "{n} policy waits for an approval.", "{n} policies wait for an approval."
        )
        name, version = figures.proposed[0]
        one = f"/console/policies/{name}/versions/{version}"
        yield Matter(
            Weight.TO_DO, text, one if len(figures.proposed) == 1 else "/console/policies", say("Look at it")
        )


def _of_model(figures: Figures) -> Iterator[Matter]:
    model = figures.model
    if model is None and figures.has_items:
        text = say("There is no model yet, so everybody is shown what sells well.")
        yield _in_models(Weight.WARNING, text)
    if model is not None and figures.now_ms - model.learned_ms > OLD_MODEL_DAYS * DAY_MS:
        n_days = (figures.now_ms - model.learned_ms) // DAY_MS
        text = say_how_many(
            n_days,
            "The model has learned nothing new for {n} day.",
            "The model has learned nothing new for {n} days.",
        )
        yield _in_models(Weight.WARNING, text)
    if (figures.degraded_micro or 0) > MUCH_DEGRADED_MICRO:
        yield Matter(
            Weight.WARNING,
            say("Many answers were less than they might have been."),
            "#degraded",
            say("Why that was"),
        )


def _in_log(weight: Weight, text: str) -> Matter:
    return Matter(weight, text, "/console/log", say("Look at the log"), (Role.AUDITOR,))


def _in_models(weight: Weight, text: str) -> Matter:
    return Matter(weight, text, "/console/models", say("Go to the models"))
