"""Which way each limit is stricter, and who may loosen it.

The floor is what ships: ``Limits()``. A limit belongs to the rule that it feeds, and as a rule is as
locked as that. Three are locked although their rule is not: how far up a price may go at most and how
much of a basket an add-on may cost (there the rule stops to be a matter of taste), and how long a
customer's exclusion of themselves lasts at least (AI Act 5(1)(b)).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from guardrails.policy.charter import MICRO
from guardrails.policy.limits import GREATEST_LIMIT

NOON = 12 * 60


class Stricter(StrEnum):
    """Which way a limit holds back more."""

    LOWER = "lower"
    HIGHER = "higher"


class Loosening(StrEnum):
    """Who may set a limit less strict than it ships."""

    FREE = "free"
    """The shop."""
    AUDITOR = "auditor"
    """The shop, when an auditor signed it off."""
    NEVER = "never"
    """Nobody."""


@dataclass(frozen=True, slots=True)
class Direction:
    """What may be done with one limit.

    Attributes:
        rule_id: the rule that it feeds.
        stricter: which way it holds back more.
        loosening: who may go the other way.
        least: below it the number would mean something else.
        greatest: above it likewise.
    """

    rule_id: str
    stricter: Stricter
    loosening: Loosening
    least: int = 0
    greatest: int = GREATEST_LIMIT

    def is_looser(self, value: int, floor: int) -> bool:
        """Tell whether a value holds back less than the floor."""
        return value > floor if self.stricter is Stricter.LOWER else value < floor


_LOWER, _HIGHER = Stricter.LOWER, Stricter.HIGHER
_FREE, _AUDITOR, _NEVER = Loosening.FREE, Loosening.AUDITOR, Loosening.NEVER

_DIMENSIONS = (
    *("sensitivity", "context_distance", "inference_distance", "covertness", "exactness", "evidence_age"),
    *("repetition", "audience", "vulnerable_moment", "price_pressure", "ignored_control"),
)
_MITIGATORS = ("same_visit", "stated", "reason_given", "controls", "mitigation_cap")

DIRECTIONS = MappingProxyType(
    {
        ("evidence", "view_days"): Direction("G21", _LOWER, _FREE),
        ("evidence", "cart_days"): Direction("G21", _LOWER, _FREE),
        ("evidence", "wishlist_days"): Direction("G21", _LOWER, _FREE),
        ("evidence", "purchase_days"): Direction("G21", _LOWER, _FREE),
        ("evidence", "rating_days"): Direction("G21", _LOWER, _FREE),
        ("evidence", "return_days"): Direction("G16", _HIGHER, _FREE),  # a return only holds back
        ("evidence", "sensitive_days"): Direction("G06", _LOWER, _NEVER),
        ("evidence", "session_hours"): Direction("G21", _LOWER, _FREE),
        ("evidence", "max_pieces"): Direction("G21", _LOWER, _FREE),
        ("support", "edge"): Direction("G24", _HIGHER, _NEVER),
        ("support", "sensitive_edge"): Direction("G24", _HIGHER, _NEVER),
        ("support", "named_crowd"): Direction("G24", _HIGHER, _NEVER),
        ("score", "show_micro"): Direction("G31", _LOWER, _NEVER),
        ("score", "with_reason_micro"): Direction("G31", _LOWER, _NEVER),
        ("score", "generalise_micro"): Direction("G31", _LOWER, _NEVER),
        ("repeat", "discount_micro"): Direction("G19", _LOWER, _FREE),
        ("repeat", "cooldown_after"): Direction("G19", _LOWER, _FREE),
        ("repeat", "window_days"): Direction("G19", _HIGHER, _FREE),
        ("repeat", "cooldown_days"): Direction("G19", _HIGHER, _FREE),
        ("repeat", "hard_at"): Direction("G19", _LOWER, _FREE),
        ("repeat", "hard_window_days"): Direction("G19", _HIGHER, _FREE),
        ("frequency", "interruptive_session"): Direction("G20", _LOWER, _AUDITOR),
        ("frequency", "interruptive_week"): Direction("G20", _LOWER, _AUDITOR),
        ("frequency", "inline_page"): Direction("G20", _LOWER, _AUDITOR),
        ("frequency", "inline_session"): Direction("G20", _LOWER, _AUDITOR),
        ("frequency", "outbound_day"): Direction("G20", _LOWER, _AUDITOR),
        ("frequency", "outbound_week"): Direction("G20", _LOWER, _AUDITOR),
        ("price", "upsell_soft_from_micro"): Direction("G17", _LOWER, _FREE),
        ("price", "upsell_hard_micro"): Direction("G17", _LOWER, _NEVER),
        ("price", "addon_hard_of_basket_micro"): Direction("G17", _LOWER, _NEVER),
        ("price", "upsell_steps_session"): Direction("G17", _LOWER, _FREE),
        ("holds", "item_mute_days"): Direction("G12", _HIGHER, _NEVER),
        ("holds", "brand_mute_days"): Direction("G12", _HIGHER, _NEVER),
        ("holds", "returned_item_days"): Direction("G16", _HIGHER, _FREE),
        ("holds", "returned_category_days"): Direction("G16", _HIGHER, _FREE),
        ("holds", "dismissed_days"): Direction("G36", _HIGHER, _FREE),
        ("holds", "complaint_days"): Direction("G15", _HIGHER, _FREE),
        ("holds", "life_event_topics_days"): Direction("G14", _HIGHER, _NEVER),
        ("holds", "life_event_offers_days"): Direction("G14", _HIGHER, _NEVER),
        ("holds", "exclusion_hours"): Direction("G26", _HIGHER, _NEVER),
        ("knowledge", "min_pieces"): Direction("G33", _HIGHER, _NEVER),
        ("inference", "lift_max_micro"): Direction("G07", _LOWER, _NEVER),
        ("quiet", "from_minute"): Direction("G28", _LOWER, _FREE, NOON, 2 * NOON - 1),
        ("quiet", "to_minute"): Direction("G28", _HIGHER, _FREE, 0, NOON - 1),
        ("errand", "max_pages"): Direction("G32", _HIGHER, _FREE),
        ("errand", "max_seconds"): Direction("G32", _HIGHER, _FREE),
        ("variety", "selling_share_micro"): Direction("G37", _LOWER, _FREE),
        ("variety", "min_categories"): Direction("G38", _HIGHER, _FREE),
        ("variety", "from_count"): Direction("G38", _LOWER, _FREE),
        ("outbound", "exact_hours"): Direction("G22", _LOWER, _FREE),
        **{("weights", name): Direction("G31", _HIGHER, _NEVER, 0, MICRO) for name in _DIMENSIONS},
        **{("weights", name): Direction("G31", _LOWER, _NEVER, 0, MICRO) for name in _MITIGATORS},
    }
)
"""Every limit, by section and name as they stand in a policy."""

NAMES = frozenset({("weights", "version")})
"""What stands among the limits and is none: it only says which numbers these are."""

WEIGHTS_VERSION = "G31.weights_version"
"""How a policy writes that."""

_BEGINS_THERE = {
    "show_micro": "explain",
    "with_reason_micro": "generalise",
    "generalise_micro": "suppress",
}
"""The thresholds of the score are written by what begins at each of them."""


def _written(section: str, name: str) -> str:
    """Return how a policy writes a limit."""
    rule_id = DIRECTIONS[section, name].rule_id
    if section == "score":
        return f"{rule_id}.{_BEGINS_THERE[name]}"
    if section == "weights":
        return f"{rule_id}.weight_{name}"
    return f"{rule_id}.{name.removesuffix('_micro')}"


def is_share(section: str, name: str) -> bool:
    """Tell whether a limit is a share, written as a decimal and kept in millionths."""
    return section == "weights" or name.endswith("_micro")


WRITTEN = MappingProxyType({_written(*limit): limit for limit in DIRECTIONS})
"""Every limit by how a policy writes it, such as ``G17.upsell_hard``: section and name."""
