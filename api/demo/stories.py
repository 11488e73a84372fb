"""Five stories that really happen: what a careless shop would do, and what is done here instead.

Each asks for decisions of a household of the shop, and tells from their records. What the shop had to be told
for it (a parcel is late, something was looked at) is taken back afterwards, and what was shown is
forgotten, so that the story can be told again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from flask import Flask
from sqlalchemy import delete, select

from api.demo.casting import Rehearsal
from api.demo.people import Role, household
from api.demo.shelves import SEPARATOR, Ware, parts, ware
from api.demo.telling import Told
from api.demo.visits import as_shop, recorded
from api.errors import DemoDataError
from api.storage.connection import reading, writing
from api.storage.exposures import delete_exposures
from api.storage.interactions import event_key
from api.storage.tables import customers, interactions, items
from api.wiring import Wiring
from engine.catalogue import Catalogue
from engine.interactions import WEIGHT_ONE
from engine.serving.candidates import Evidence
from engine.vocabulary import Channel, Intent, Kind, Origin, Provenance
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.consent.purposes import Purpose
from guardrails.house import House
from guardrails.request import Context

N_SHOWN = 4
_N_TRIED = 40
_N_HOUSEHOLDS = 6
_FIRST_HOUSEHOLD = 10
_NO_ITEMS = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Story:
    """A story before it is told.

    Attributes:
        name: stands in its address.
        title: what it is called.
        begins: how it begins.
        careless: what a careless shop would make of it.
        ours: what happens here instead.
        rules: ids of the rules it is about.
        role: whose it is.
        happen: lets it happen.
    """

    name: str
    title: str
    begins: str
    careless: str
    ours: str
    rules: tuple[str, ...]
    role: Role
    happen: Callable[[Teller], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Ended:
    """A story once it was told.

    Attributes:
        about: the item it turns on, if it turns on one.
        careless: what a careless shop would show.
        after: the decision when it had happened.
    """

    about: Ware | None
    careless: Sequence[Ware]
    after: Told


@dataclass
class Teller:
    """Lets a story happen.

    Attributes:
        app: the application.
        found: its collaborators.
        role: whose story it is.
        nth: which household of that kind.
        events: ids of the interactions that were made up for it.
        decisions: ids of its decisions.
    """

    app: Flask
    found: Wiring
    role: Role
    nth: int
    events: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)

    @property
    def customer_id(self) -> str:
        """Whose story it is."""
        return household(self.role, self.nth, self.found)

    @property
    def house(self) -> House:
        """What decisions are made with."""
        return self.found.runtime.current().house

    def ask(self, placement: str, **asked: Any) -> str:
        """Have a decision made; return its id."""
        decision_id: str = self.answer(placement, **asked)["decision_id"]
        return decision_id

    def answer(self, placement: str, **asked: Any) -> dict[str, Any]:
        """Have a decision made, as if nothing had been shown in this story yet; return the answer."""
        with writing(self.found.engine) as conn:
            delete_exposures(conn, self.decisions)
        body = {"customer_id": self.customer_id, "placement": placement, "count": N_SHOWN, **asked}
        answer = as_shop(self.app, "POST", "/v1/recommendations", body)
        self.decisions.append(answer["decision_id"])
        return answer

    def hear(self, kind: str, **told: Any) -> str:
        """Let the shop hear of something; return the id of the event."""
        event_id = f"story-{secrets.token_hex(8)}"
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        event = {"event_id": event_id, "kind": kind, "customer_id": self.customer_id, "at": at, **told}
        as_shop(self.app, "POST", "/v1/events", {"events": [event]})
        if "item_id" in told:
            self.events.append(event_id)
        return event_id

    def undo(self) -> None:
        """Take back what was made up, and forget what was shown."""
        with writing(self.found.engine) as conn:
            keys = [event_key(each) for each in self.events]
            conn.execute(delete(interactions).where(interactions.c.event_key.in_(keys)))
            delete_exposures(conn, self.decisions)


def tell(story: Story, app: Flask, found: Wiring, nth: int) -> dict[str, Any]:
    """Let a story happen, and return what came of it: ids that can be read back.

    Households are tried until the rules of the story had something to do: some have bought too little, others
    have just been written to. The first ones are left to whoever looks around as them.

    Raises:
        DemoDataError: it cannot happen in this shop.
    """
    told: dict[str, Any] = {}
    for attempt in range(nth, nth + _N_HOUSEHOLDS):
        teller = Teller(app, found, story.role, _FIRST_HOUSEHOLD + attempt)
        try:
            told = {"nth": attempt, **story.happen(teller)}
        except DemoDataError:
            continue
        finally:
            teller.undo()
        if _came_true(story, recorded(told["after"])):
            return told
    if not told:
        raise DemoDataError("no household of this shop has such a story")
    return told


def _came_true(story: Story, told: Told) -> bool:
    acted = {each.rule for each in told.held} | {rule for rule, *_ in told.kept_out}
    return bool(acted & set(story.rules))


def read(story: Story, told: Mapping[str, Any], found: Wiring) -> Ended:
    """Tell a story that has happened, from its records.

    Raises:
        DemoDataError: its records are gone.
    """
    house, about = found.runtime.current().house, told.get("about")
    idx = house.catalogue.idx_of_id.get(about) if about else None
    if idx is not None and story.name in _GOES_BY:
        careless = _GOES_BY[story.name](house, idx)
    else:
        careless = [each.ware for each in recorded(told["before"]).shown] if "before" in told else []
    item = None if idx is None else ware(house.catalogue, idx)
    return Ended(item, careless, recorded(told["after"]))


def _alike(house: House, idx: int) -> list[Ware]:
    """Return what others bought with an item: all that a shop without rules would go by."""
    one = Evidence(
        item_idx=np.array([idx], np.int32),
        weight=np.array([WEIGHT_ONE], np.int64),
        origin=np.array([Origin.HISTORY], np.int8),
        kind=np.array([Kind.PURCHASE], np.int8),
        age_days=np.zeros(1, np.int32),
        channel=np.array([Channel.WEB], np.int8),
        provenance=np.array([Provenance.OWN], np.int8),
    )
    found = house.recommender.goes_with(one, np.array([idx], np.int32), N_SHOWN)
    return [ware(house.catalogue, each) for each in found.item_idx.tolist()]


def _same_kind(house: House, idx: int) -> list[Ware]:
    """Return what tells the same of a household, one thing from each shelf; what sells is counted of none."""
    catalogue = house.catalogue
    name = catalogue.sensitive_classes[int(catalogue.sensitive_class[idx])]
    names = _TOGETHER if name in _TOGETHER else {name}
    codes = [code for code, each in enumerate(catalogue.sensitive_classes) if each in names]
    by_shelf: dict[str, int] = {}
    for each in np.flatnonzero(np.isin(catalogue.sensitive_class, codes)).tolist():
        shelf = SEPARATOR.join(parts(catalogue.categories[int(catalogue.category[each])])[:2])
        if catalogue.titles[each] != catalogue.titles[idx]:
            by_shelf.setdefault(shelf, each)
    return [ware(catalogue, each) for each in sorted(by_shelf.values())][:N_SHOWN]


def _that_again(house: House, idx: int) -> list[Ware]:
    """Return the very thing that was looked at, and what goes with it."""
    return [ware(house.catalogue, idx), *_alike(house, idx)[: N_SHOWN - 1]]


def _pregnancy_test(teller: Teller) -> dict[str, Any]:
    bought = (
        select(items.c.item_id)
        .join_from(items, interactions, interactions.c.item_no == items.c.item_no)
        .join(customers, customers.c.customer_no == interactions.c.customer_no)
        .where(
            customers.c.customer_id == teller.customer_id,
            items.c.tier >= SENSITIVE_FROM_TIER,
            interactions.c.purpose == int(Purpose.PROFILING),
        )
        .order_by(items.c.sensitive_class != "pregnancy_fertility", items.c.tier.desc(), items.c.item_id)
    )
    with reading(teller.found.engine) as conn:
        about = conn.scalars(bought).first()
    if about is None:
        raise DemoDataError("this household has bought nothing private")
    return {"about": about, "after": teller.ask("home")}


def _late_parcel(teller: Teller) -> dict[str, Any]:
    about = _sells_on(teller, "cart", Intent.CROSS_SELL)
    cart = {"context": {"basket": [about]}}
    before = teller.ask("cart", **cart)
    order = f"an order of the demo, {secrets.token_hex(4)}"
    teller.hear("delivery_delayed", reference=order)
    try:
        after = teller.ask("cart", **cart)
    finally:
        teller.hear("delivered", reference=order)
    return {"about": about, "before": before, "after": after}


def _chased(teller: Teller) -> dict[str, Any]:
    liked = [
        each for each in teller.answer("email", channel="email")["items"] if each["intent"] != "replenish"
    ]
    if not liked:
        raise DemoDataError("there is nothing to write to this household about")
    about = liked[0]["item_id"]
    for _ in range(3):
        teller.hear("view", item_id=about)
    return {"about": about, "after": teller.ask("email", channel="email")}


def _errand(teller: Teller) -> dict[str, Any]:
    about = _sells_on(teller, "product_page", Intent.UPSELL)
    page = {"context": {"item_id": about}}
    before = teller.ask("product_page", **page)
    after = teller.ask(
        "product_page", visit={"pages": 2, "entry": "exact_search", "basket_after_s": 20}, **page
    )
    return {"about": about, "before": before, "after": after}


def _gift(teller: Teller) -> dict[str, Any]:
    about = _plain(teller.house)[1]
    purchase = teller.hear("purchase", item_id=about)
    before = teller.ask("home")
    teller.hear("gift", reference=purchase)
    return {"about": about, "before": before, "after": teller.ask("home")}


def _plain(house: House) -> list[str]:
    """Return items that say nothing about anybody, and have enough that goes with them.

    Raises:
        DemoDataError: there are not enough.
    """
    catalogue = house.catalogue
    popular = house.recommender.popular(_N_TRIED, _NO_ITEMS).item_idx.tolist()
    plain = [catalogue.item_ids[idx] for idx in popular if catalogue.tier[idx] == 0 and _alike(house, idx)]
    if len(plain) < 2:  # noqa: PLR2004  one for each story that needs one
        raise DemoDataError("the demo shop has too little to show: remove the folder and start again")
    return plain[::-1]


def _sells_on(teller: Teller, placement: str, intent: Intent) -> str:
    """Return an item beside which more would be sold.

    Raises:
        DemoDataError: there is none.
    """
    catalogue = teller.house.catalogue
    with reading(teller.found.engine) as conn:
        rehearsal = Rehearsal(teller.found, teller.found.runtime.current(), conn)
        for item_id in _plain(teller.house):
            idx = catalogue.idx_of_id[item_id]
            context = (
                Context(basket=(idx,)) if placement == "cart" else Context(idx, (), _shelf(catalogue, idx))
            )
            decision = rehearsal.decide(teller.customer_id, placement, context)
            if any(each.intent is intent for each in decision.suggestions):
                return item_id
    raise DemoDataError("nothing more would be sold to this household")


def _shelf(catalogue: Catalogue, idx: int) -> tuple[int, ...]:
    code = int(catalogue.category[idx])
    return () if code < 0 else (code,)


_TOGETHER = {"pregnancy_fertility", "parenthood"}
_GOES_BY: Mapping[str, Callable[[House, int], list[Ware]]] = {
    "pregnancy-test": _same_kind,
    "chased": _that_again,
    "gift": _alike,
}
"""What a careless shop goes by in each story; in the others, by what this one would have shown otherwise."""

STORIES = (
    Story(
        "pregnancy-test",
        "The pregnancy test",
        "A household that agreed to everything has bought something that is nobody's business.",
        "Its system knows what such households buy next, and puts that on the home page. Everybody at the "
        "kitchen table sees it.",
        "Agreeing to everything is not agreeing to that. The purchase never enters the sum, nothing that "
        "would give it away is shown, and the record says so without naming it.",
        ("G06", "G07", "G05"),
        Role.PRIVATE,
        _pregnancy_test,
    ),
    Story(
        "late-parcel",
        "The late parcel",
        "Somebody waits for a parcel that should have come, and opens the shop to see where it is.",
        "It shows what goes with the basket, as on any other day.",
        "The shop owes them something. Until the parcel is there, nothing more is sold to them; the "
        "suggestions come back by themselves when it has arrived.",
        ("G15",),
        Role.EVERYTHING,
        _late_parcel,
    ),
    Story(
        "chased",
        "The item that follows you",
        "Somebody looked at one thing three times, and bought nothing. The shop is about to write to them.",
        "It puts that very thing at the top of the e-mail: we saw you.",
        "Nobody is followed out of the shop by the very thing they looked at. Its kind may speak for it, "
        "with the reason beside it.",
        ("G22", "G31"),
        Role.EVERYTHING,
        _chased,
    ),
    Story(
        "errand",
        "The errand",
        "Somebody searched for one certain product, found it, and goes straight to the till.",
        "It offers something dearer on the way.",
        "Whoever came for one thing is let through. Nothing dearer stands in the way.",
        ("G32",),
        Role.EVERYTHING,
        _errand,
    ),
    Story(
        "gift",
        "The gift",
        "Somebody bought a present, and said that it was one.",
        "It takes the present for their own taste, for months.",
        "A gift says nothing about whoever gives it, and they may not be alone before the screen. It never "
        "speaks for them again.",
        ("G11",),
        Role.EVERYTHING,
        _gift,
    ),
)


def story_called(name: str) -> Story | None:
    """Return a story by its name."""
    return next((each for each in STORIES if each.name == name), None)
