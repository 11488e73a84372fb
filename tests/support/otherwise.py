"""Says again what became of a recorded item, after a counterfactual was written into its record by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from guardrails.compose import compose
from guardrails.consent.purposes import KEY_OF, Purpose, entry_of, outreach_key
from guardrails.judge import judge
from guardrails.log.counterfactual import Change
from guardrails.log.reading import view_of
from guardrails.policy.directions import WRITTEN
from guardrails.policy.limits import Limits
from guardrails.rules.base import NEVER_DAYS, NO_EDGES, Rule
from guardrails.rules.slate import SLATE_CATALOGUE

COLUMNS = {
    "item.price_minor": "price_minor",
    "item.sponsored": "sponsored",
    "item.pressing": "pressing",
    "item.tier": "tier",
    "item.age_restricted": "age_restricted",
    "candidate.days_since_shown": "days_since_shown",
    "candidate.n_ignored": "n_ignored_short",
    "candidate.n_ignored_long": "n_ignored_long",
    "candidate.days_since_dismissed": "dismissed_days",
    "candidate.days_since_returned": "returned_days",
    "candidate.days_since_category_returned": "category_returned_days",
    "candidate.days_since_looked_at": "looked_at_days",
    "candidate.wanted": "wanted",
    "candidate.dismissed_nearby": "dismissed_nearby",
    "evidence.age": "evidence_age_micro",
    "evidence.n_customers": "min_support",
    "evidence.n_customers_sensitive": "min_sensitive_support",
    "customer.muted": "muted",
}
"""Fields that are columns of the candidates of a record."""

SCALARS = {
    "contact.n_messages_day": "n_outbound_day",
    "contact.n_messages_week": "n_outbound_week",
    "contact.n_interruptions_visit": "n_interruptive_session",
    "contact.n_interruptions_week": "n_interruptive_week",
    "visit.n_offers": "n_inline_upsells_session",
    "visit.n_upsells": "n_upsell_steps_session",
    "visit.n_interruptions_dismissed": "n_interruptive_dismissed_session",
    "evidence.n_pieces": "n_supported",
    "consent.notice_named": "noticed",
}
"""Fields that are numbers of a round."""

PLACES = {
    "customer.open_complaint": ("consent", "holding", "complaint_open"),
    "customer.open_delivery_delay": ("consent", "holding", "delivery_late"),
    "customer.days_since_complaint": ("consent", "holding", "complaint_closed_days"),
    "customer.payment_failed": ("consent", "holding", "payment_failed"),
    "customer.topics_rest": ("consent", "holding", "topics"),
    "customer.offers_rest": ("consent", "holding", "offers"),
    "customer.shared_device": ("consent", "shared_audience"),
    "customer.age_assurance": ("consent", "age_assurance"),
    "customer.non_profiled": ("consent", "non_profiled"),
    "customer.recognised_only": ("req", "recognised_only"),
    "request.local_minute": ("req", "local_minute"),
    "request.count": ("req", "count"),
    "visit.n_pages": ("req", "visit", "n_pages"),
    "visit.basket_after_s": ("req", "visit", "basket_after_s"),
    "visit.entry": ("req", "visit", "entry"),
    "placement.interruptive": ("req", "placement", "interruptive"),
    "placement.public": ("req", "placement", "public"),
    "placement.prominence": ("req", "placement", "prominence_micro"),
    "presentation.patterns": ("req", "presentation", "patterns"),
    "presentation.personalised_price": ("req", "presentation", "personalised_price"),
    "presentation.price_disclosed": ("req", "presentation", "price_disclosed"),
}
"""Fields that stand somewhere in the sections."""


def fate(
    sections: Mapping[str, Any],
    where: tuple[int, int],
    changes: Iterable[Change],
    rules: Sequence[Rule],
    limits: Limits,
) -> tuple[str, bool]:
    """The rule that withholds an item, or holds it back from the list, and whether it is shown."""
    written: Any = deepcopy(dict(sections))
    for change in changes:
        if change.field.startswith("policy.rule."):
            rules = [rule for rule in rules if f"policy.rule.{rule.id}" != change.field]
        elif change.field.startswith("policy."):
            section, name = WRITTEN[change.field.removeprefix("policy.")]
            limits = replace(limits, **{section: replace(getattr(limits, section), **{name: change.to})})
        else:
            _write(written, where, change)
    number, row = where
    view = view_of(written, number)
    judged = judge(view, np.array(written["cand"]["rounds"][number]["score"], np.int64), rules, limits)
    slate = compose(judged, view, limits, SLATE_CATALOGUE)
    if judged.deciding[row] >= 0:
        return rules[judged.deciding[row]].id, False
    return dict(slate.held_back).get(row, ""), row in slate.shown


def _write(sections: Any, where: tuple[int, int], change: Change) -> None:
    number, row = where
    seen = sections["cand"]["rounds"][number]["seen"]
    if change.field in COLUMNS:
        column = COLUMNS[change.field]
        never = {"price_minor": -1, "min_support": NO_EDGES, "min_sensitive_support": NO_EDGES}
        seen[column][row] = never.get(column, NEVER_DAYS) if change.to is None else change.to
    elif change.field in SCALARS:
        seen[SCALARS[change.field]] = change.to
    elif change.field == "customer.muted_occasions":
        assert change.to == ()
        sections["consent"]["muted"]["occasions"] = []
        for column in ("occasion_muted", "near_muted_occasion"):
            seen[column] = [False] * len(seen[column])
    elif change.field in PLACES:
        *path, last = PLACES[change.field]
        inner = sections
        for name in path:
            inner = inner[name]
        inner[last] = list(change.to) if isinstance(change.to, tuple) else change.to
    else:
        _agree(sections, seen, change.field.removeprefix("consent."), granted=change.to == "GRANTED")


def _agree(sections: Any, seen: Any, purpose: str, *, granted: bool) -> None:
    """Write a consent down that was given or taken back, and what follows from it."""
    consent = sections["consent"]
    entry = {
        "purpose": purpose,
        "permitted": granted,
        "because": None if granted else "WITHDRAWN",
        "basis": entry_of(purpose).basis.value if granted else "none",
        **dict.fromkeys(("record_id", "notice_version", "expires_at_ms")),
    }
    consent["permissions"] = [each for each in consent["permissions"] if each["purpose"] != purpose] + [entry]
    if entry_of(purpose).purpose is Purpose.SENSITIVE:
        name = purpose.split(".", 1)[1]
        others = {*consent["sensitive_granted"]} - {name}
        consent["sensitive_granted"] = sorted(others | {name} if granted else others)
    if purpose == KEY_OF[Purpose.ENRICHMENT]:
        consent["enrichment"] = entry
    if purpose == KEY_OF[Purpose.PERSONALISED_PRICE]:
        consent["pricing"] = entry
    channel = view_of(sections, 0).request.channel
    if granted and purpose == outreach_key(channel):
        seen["outside_outreach"] = [False] * len(seen["outside_outreach"])
    if entry_of(purpose).purpose is Purpose.SENSITIVE:
        return
    needed = [Purpose.PROFILING, Purpose.PROFILED_CONTENT]
    needed += [Purpose.TARGETED_OFFERS] * sections["req"]["placement"]["anchored"]
    stands = {each["purpose"]: each["permitted"] for each in consent["permissions"]}
    missing = [KEY_OF[each] for each in needed if not stands[KEY_OF[each]]]
    consent["history"] = not (
        missing or consent["non_profiled"] or sections["req"]["subject_kind"] != "account"
    )
    consent["history_by"] = missing[0] if missing else consent["history_by"]
