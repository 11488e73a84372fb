"""Who one can be in the demo shop: households of each story, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from flask import current_app
from sqlalchemy import Connection, case, func, select

from api.demo.households import Story, story_of
from api.demo.state import EXAMPLES_FILE, read_examples
from api.errors import DemoDataError
from api.storage.connection import reading
from api.storage.customers import all_customer_ids, find_customer
from api.storage.tables import customers, interactions, items
from api.wiring import Wiring
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.consent.purposes import Purpose

_KEPT = "tactful demo households"
_TEST = "pregnancy_fertility"


class Role(StrEnum):
    """Whom one can be."""

    EVERYTHING = "everything"
    ON_SITE_ONLY = "on_site_only"
    NEVER_ASKED = "never_asked"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Part:
    """A role as it is offered.

    Attributes:
        name: what it is called.
        told: what it is about.
    """

    name: str
    told: str


PARTS = {
    Role.EVERYTHING: Part(
        "Agreed to everything", "Their purchases may choose what they see, and pick offers."
    ),
    Role.ON_SITE_ONLY: Part("Agreed on the site only", "Suggestions here, yes; offers and messages, no."),
    Role.NEVER_ASKED: Part("Was never asked", "Silence is not consent: nothing they did is read."),
    Role.WITHDRAWN: Part("Took it back last week", "What was collected before is gone, not hidden."),
    Role.EXPIRED: Part("Agreed long ago", "Consent does not last for ever. Theirs has run out."),
    Role.PRIVATE: Part(
        "Bought something private", "Agreed to everything, and bought what nobody should guess."
    ),
}


@dataclass(frozen=True, slots=True)
class Households:
    """Customer ids by role, in the order in which they are taken."""

    of: dict[Role, tuple[str, ...]]

    def pick(self, role: Role, nth: int) -> str:
        """Return a household; after the last comes the first again.

        Raises:
            DemoDataError: there is none.
        """
        if not self.of[role]:
            raise DemoDataError(f"the demo shop has no customer of the story `{role.value}`")
        return self.of[role][nth % len(self.of[role])]


def household(role: Role, nth: int, found: Wiring) -> str:
    """Return the customer id of a household of a role; who was erased is passed over.

    Raises:
        DemoDataError: there is none.
    """
    kept: Households | None = current_app.extensions.get(_KEPT)
    with reading(found.engine) as conn:
        if kept is not None:
            customer_id = kept.pick(role, nth)
            if find_customer(conn, found.subjects.account(customer_id)) is not None:
                return customer_id
        kept = current_app.extensions[_KEPT] = _households(conn, found)
    return kept.pick(role, nth)


def _households(conn: Connection, found: Wiring) -> Households:
    numbered = sorted((each for each in all_customer_ids(conn) if each.isdigit()), key=int)
    of = {Role(story.value): tuple(_told(numbered, story)) for story in Story}
    examples = read_examples(found.settings.data_dir) if _has_examples(found) else []
    first = next((str(each.request["customer_id"]) for each in examples), None)
    if first in of[Role.EVERYTHING]:  # found with care when the shop was built
        of[Role.EVERYTHING] = (first, *(each for each in of[Role.EVERYTHING] if each != first))
    of[Role.PRIVATE] = tuple(_private(conn, set(of[Role.EVERYTHING])))
    return Households(of)


def _has_examples(found: Wiring) -> bool:
    return (found.settings.data_dir / EXAMPLES_FILE).exists()


def _told(customer_ids: Iterable[str], story: Story) -> list[str]:
    return [each for each in customer_ids if story_of(int(each)) is story]


def _private(conn: Connection, agreed: set[str]) -> list[str]:
    """Return who bought something of a sensitive class; pregnancy tests before everything else."""
    bought = (
        select(
            customers.c.customer_id,
            func.max(case((items.c.sensitive_class == _TEST, 1), else_=0)).label("test"),
        )
        .join_from(items, interactions, interactions.c.item_no == items.c.item_no)
        .join(customers, customers.c.customer_no == interactions.c.customer_no)
        .where(
            items.c.tier >= SENSITIVE_FROM_TIER,
            items.c.sensitive_class.is_not(None),
            interactions.c.purpose == int(Purpose.PROFILING),
        )
        .group_by(customers.c.customer_id)
    )
    rows = [row for row in conn.execute(bought) if row.customer_id in agreed]
    return [row.customer_id for row in sorted(rows, key=lambda row: (-row.test, int(row.customer_id)))]
