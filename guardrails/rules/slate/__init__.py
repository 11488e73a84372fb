"""The rules of a whole list, one idea a file, in the order in which they are asked."""

from __future__ import annotations

from guardrails.rules import CATALOGUE
from guardrails.rules.base import Rule
from guardrails.rules.slate.base import SlateRule
from guardrails.rules.slate.g17_price_escalation import PriceEscalation
from guardrails.rules.slate.g20_frequency import Frequency
from guardrails.rules.slate.g37_more_than_upsell import MoreThanUpsell
from guardrails.rules.slate.g38_tunnel import Tunnel

SLATE_CATALOGUE: tuple[SlateRule, ...] = (PriceEscalation(), Frequency(), MoreThanUpsell(), Tunnel())

ONLY_OF_A_LIST = tuple(rule for rule in SLATE_CATALOGUE if rule.id not in {each.id for each in CATALOGUE})
"""Those of which no part is asked of single candidates."""

EVERY_RULE: tuple[Rule | SlateRule, ...] = (*CATALOGUE, *ONLY_OF_A_LIST)
"""Each number of the catalogue once, for whoever explains them."""
