"""Who appears in the demo's examples: found by rule, so that there is something to see.

Candidates are tried in a fixed order with the same pure path that answers requests. Nothing is
recorded and nothing shown: it is a rehearsal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from api.demo.households import Story, story_of
from api.errors import DemoDataError
from api.runtime import Snapshot
from api.storage.connection import reading
from api.storage.consents import read_choices
from api.storage.customers import all_customer_ids
from api.storage.reading import read_known
from api.wiring import Wiring
from engine.vocabulary import Basis, Channel
from guardrails.admit import admit
from guardrails.decide import Decision, decide
from guardrails.request import Context, Request, SubjectKind

N_TRIED = 300
"""Customers that are tried at most."""

N_ITEMS_TRIED = 100
"""Popular items that are tried at most, as a page and in a basket."""

SUGGESTIONS = 4
TOO_DEAR = "G17"
"""The rule to be seen at work in the cart."""

_NO_ITEMS = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what appears.

    Attributes:
        customers: a customer of each story, by the shop's key.
        page_item: item whose page is shown to the customer who was never asked.
        basket_item: item in the basket of the customer who agreed to everything.
    """

    customers: Mapping[Story, str]
    page_item: str
    basket_item: str


def cast(found: Wiring) -> Cast:
    """Choose who appears.

    Of those who agreed to everything the one with the most varied slate that some private purchase
    was kept out of; of the other stories the first. The page is the one with the most varied slate,
    the basket one beside which a rule finds something too dear. Of equals the smaller customer
    number, or the more popular item, is taken.

    Raises:
        DemoDataError: the shop has no customer of a story.
    """
    snapshot = found.runtime.current()
    with reading(found.engine) as conn:
        rehearsal = Rehearsal(found, snapshot, conn)
        customers = _first_of_each(conn)
        firsts = {story: min(ids, key=int) for story, ids in customers.items()}
        agreed = sorted(customers[Story.EVERYTHING], key=int)[:N_TRIED]
        star = max(agreed, key=rehearsal.variety_at_home)
        items = _harmless(snapshot)
        page = max(items, key=lambda idx: rehearsal.variety_on_page(firsts[Story.NEVER_ASKED], idx))
        basket = max(items, key=lambda idx: rehearsal.lesson_in_cart(star, idx))
    item_ids = snapshot.house.catalogue.item_ids
    return Cast({**firsts, Story.EVERYTHING: star}, item_ids[page], item_ids[basket])


def _harmless(snapshot: Snapshot) -> list[int]:
    """Return popular items that say nothing about anybody, most popular first."""
    popular = snapshot.house.recommender.popular(N_ITEMS_TRIED, _NO_ITEMS).item_idx
    harmless: list[int] = popular[snapshot.house.catalogue.tier[popular] == 0].tolist()
    if not harmless:
        raise DemoDataError("the demo shop has no model to show: remove the folder and start again")
    return harmless


def _first_of_each(conn: Connection) -> dict[Story, list[str]]:
    customers: dict[Story, list[str]] = {story: [] for story in Story}
    for customer_id in all_customer_ids(conn):
        customers[story_of(int(customer_id))].append(customer_id)
    empty = [story.value for story, ids in customers.items() if not ids]
    if empty:
        raise DemoDataError(f"the demo shop has no customer of the story `{empty[0]}`")
    return customers


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """Decides without recording."""

    found: Wiring
    snapshot: Snapshot
    conn: Connection

    def variety_at_home(self, customer_id: str) -> tuple[bool, bool, int]:
        """How much there is to see on a home page: a profile, a private purchase kept out, variety."""
        decision = self.decide(customer_id, "home", Context())
        return decision.basis is Basis.PROFILE, "G06" in dict(decision.kept_out), self._variety(decision)

    def variety_on_page(self, customer_id: str, item_idx: int) -> int:
        """How varied the slate on the page of an item is."""
        category = int(self.snapshot.house.catalogue.category[item_idx])
        context = Context(item_idx=item_idx, categories=() if category < 0 else (category,))
        return self._variety(self.decide(customer_id, "product_page", context), item_idx)

    def lesson_in_cart(self, customer_id: str, item_idx: int) -> tuple[bool, int]:
        """How much there is to see beside an item in the basket: something too dear, variety."""
        decision = self.decide(customer_id, "cart", Context(basket=(item_idx,)))
        rules = {rule_id for taken in decision.rounds for _, rule_id in taken.slate.held_back}
        return TOO_DEAR in rules, self._variety(decision, item_idx)

    def _variety(self, decision: Decision, beside: int | None = None) -> int:
        """Count different titles, other than that of the item they are shown beside, and reasons."""
        all_titles = self.snapshot.house.catalogue.titles
        titles = {all_titles[each.item_idx] for each in decision.suggestions}
        titles -= set() if beside is None else {all_titles[beside]}
        return len(titles) + len({each.reason.text for each in decision.suggestions})

    def decide(self, customer_id: str, placement: str, context: Context) -> Decision:
        """Decide for a customer; nothing is recorded, and nothing shown."""
        house = self.snapshot.house
        choices, customer_no = read_choices(self.conn, self.found.subjects.account(customer_id))
        request = Request(
            subject_kind=SubjectKind.ACCOUNT,
            placement=self.snapshot.placements[placement],
            channel=Channel.WEB,
            count=SUGGESTIONS,
            now_ms=self.found.clock(),
            seed=bytes(16),
            context=context,
        )
        admission = admit(request, choices, house.catalogue.sensitive_classes, house.consent)
        known = read_known(self.conn, admission, request, customer_no, None, house.catalogue, house.limits)
        return decide(request, admission, known, house)
