"""A small shop with the households of the demo: one of each story, and what stories need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from support.http import Served, fill, serving

from api.demo.households import Story, story_of
from api.demo.state import FORMAT, KEYS_FILE, DemoState, write_privately, write_state
from api.settings import Settings
from api.storage.connection import open_engine, writing
from api.storage.customers import customer_numbers
from api.storage.interactions import event_key, insert_interactions
from api.storage.items import ItemRow, item_numbers, upsert_items
from api.storage.subjects import open_subjects
from api.wiring import now_ms
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Kind, Provenance
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key

TEST = ItemRow(
    "test-1",
    "Pregnancy test",
    "Drug > Tests",
    "Acme",
    999,
    "EUR",
    shop_class="pregnancy_fertility",
    shop_tier=3,
)
DIAPERS = ItemRow(
    "diapers-1", "Diapers", "Baby > Diapers", "Acme", 1999, "EUR", shop_class="parenthood", shop_tier=2
)
FORMULA = ItemRow(
    "formula-1", "Infant formula", "Baby > Food", "Acme", 1499, "EUR", shop_class="parenthood", shop_tier=2
)

BOUGHT = ("bread-1", "milk-2", "bread-3", "milk-0")
EVERYTHING = (
    *(KEY_OF[each] for each in (Purpose.FUNCTIONAL_STORAGE, Purpose.PROFILING, Purpose.PROFILED_CONTENT)),
    KEY_OF[Purpose.TARGETED_OFFERS],
    communications_key(Channel.EMAIL),
)


def households() -> Mapping[Story, list[str]]:
    """Return two customer ids of each story."""
    found: dict[Story, list[str]] = {story: [] for story in Story}
    for number in count(1):
        story = story_of(number)
        if len(found[story]) < 2:
            found[story].append(str(number))
        if all(len(each) == 2 for each in found.values()):
            return found
    raise AssertionError("there is no end to numbers")


@contextmanager
def a_demo_shop(settings: Settings, *, demo: bool = True, private: bool = True) -> Iterator[Served]:
    """Serve a small shop as the demo; some have bought something private, unless told otherwise."""
    own = replace(settings, demo=demo)
    keys = fill(own)
    write_privately(own.data_dir / KEYS_FILE, {role.value: key for role, key in keys.items()})
    write_state(own.data_dir, DemoState(FORMAT, now_ms(), finished=True))
    people = households()
    _furnish(
        own, [each for ids in people.values() for each in ids], people[Story.EVERYTHING] if private else []
    )
    with serving(own, keys) as served:
        for customer_id in people[Story.EVERYTHING]:
            served.choose("given", *EVERYTHING, customer_id=customer_id)
        for customer_id in people[Story.ON_SITE_ONLY]:
            served.choose("given", *EVERYTHING[:3], customer_id=customer_id)
        yield served


def _furnish(settings: Settings, customer_ids: list[str], with_test: list[str]) -> None:
    engine, at_ms = open_engine(settings), now_ms()
    with writing(engine) as conn:
        upsert_items(conn, (TEST, DIAPERS, FORMULA), at_ms)
        numbers = item_numbers(conn)
        customer_no = customer_numbers(conn, customer_ids, open_subjects(settings), at_ms)
        bought = [
            (
                event_key(f"{customer_id}-{item_id}"),
                customer_no[customer_id],
                None,
                numbers[item_id],
                int(Kind.PURCHASE),
                at_ms - age_days * DAY_MS,
                int(Channel.WEB),
                int(Purpose.PROFILING),
                False,
                1,
                None,
                int(Provenance.OWN),
            )
            for customer_id in customer_ids
            for age_days, item_id in enumerate(
                (*BOUGHT, TEST.item_id) if customer_id in with_test else BOUGHT, start=2
            )
        ]
        insert_interactions(conn, bought)
    engine.dispose()
