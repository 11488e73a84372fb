"""While profiling is switched off nothing is written to the profile, by whichever way it could be."""

import pytest
from sqlalchemy import func, select
from support.http import BUYER, EVERYTHING, PROFILING

from api.storage.connection import reading
from api.storage.tables import exposures, interactions
from engine.vocabulary import Kind
from guardrails.consent.purposes import Purpose

VISIT = "visit-1"
PREFERENCES = f"/v1/customers/{BUYER}/preferences"


@pytest.fixture
def off(shop):
    """A customer, and the visit, agreed to everything; then the customer switched profiling off."""
    shop.choose("given", *EVERYTHING)
    for purpose in EVERYTHING:
        choice = {"purpose": purpose, "status": "given", "subject_type": "session"}
        assert shop.ask("POST", f"/v1/customers/{VISIT}/consents", json=choice).status_code == 201
    assert shop.ask("PUT", PREFERENCES, json={"non_profiled": True}).status_code == 200
    return shop


def kept(shop):
    """How many interactions serve the profile, and how many slates are remembered."""
    profile = select(func.count()).where(interactions.c.purpose == int(Purpose.PROFILING))
    visits = select(func.count()).where(interactions.c.session_key.is_not(None))
    slates = select(func.count()).select_from(exposures)
    with reading(shop.wiring.engine) as conn:
        return tuple(conn.execute(query).scalar() for query in (profile, visits, slates))


def send(shop, **more):
    events = [
        {
            "event_id": f"e-{kind.name}",
            "kind": kind.name.lower(),
            "item_id": "lamp-1",
            "at_ms": shop.wiring.clock(),
            **more,
        }
        for kind in Kind
    ]
    answer = shop.ask("POST", "/v1/events", json={"events": events})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("visit", [{}, {"session_id": VISIT}])
def test_events_are_not_kept_but_as_orders(off, visit):
    before = kept(off)
    answer = send(off, customer_id=BUYER, **visit)
    assert kept(off) == before
    assert answer["by_purpose"] == {"essential.service": 2}
    assert {each["because"] for each in answer["withheld"]} == {"NON_PROFILED"}


def test_what_is_shown_is_not_remembered(off):
    before = kept(off)
    for visit in ({}, {"session_id": VISIT}):
        answer = off.recommend(customer_id=BUYER, **visit)
        assert answer.json()["basis"] in ("contextual", "popular")
        assert answer.json()["items"]
    assert kept(off) == before


def test_a_request_without_a_profile_is_not_remembered_either(shop):
    shop.choose("given", *EVERYTHING)
    before = kept(shop)
    answer = shop.recommend(customer_id=BUYER, session_id=VISIT, mode="non_profiled").json()
    assert answer["options"]["mode"] == "non_profiled"
    assert answer["basis"] == "popular"
    assert kept(shop) == before
    shop.recommend(customer_id=BUYER, session_id=VISIT)
    assert kept(shop)[2] == before[2] + 1  # what would have been remembered


def test_feedback_adds_nothing_to_the_profile(off):
    before = kept(off)
    decision = off.recommend(customer_id=BUYER).json()
    said = {"items": [{"item_id": decision["items"][0]["item_id"], "kind": "clicked"}]}
    off.ask("POST", f"/v1/decisions/{decision['decision_id']}/feedback", json=said)
    assert kept(off) == before


def test_agreeing_again_does_not_switch_it_on(off):
    off.choose("given", *EVERYTHING)
    before = kept(off)
    send(off, customer_id=BUYER)
    assert kept(off) == before
    assert off.recommend(customer_id=BUYER).json()["basis"] == "popular"
    interests = off.ask("GET", f"/v1/customers/{BUYER}/interests").json()
    assert interests["used"] is False


def test_switched_on_again_it_goes_on_from_then(off):
    send(off, customer_id=BUYER)
    off.ask("PUT", PREFERENCES, json={"non_profiled": False})
    before = kept(off)
    answer = off.ask(
        "POST",
        "/v1/events",
        json={
            "events": [
                {
                    "event_id": "later",
                    "kind": "view",
                    "item_id": "lamp-1",
                    "customer_id": BUYER,
                    "at_ms": off.wiring.clock(),
                }
            ]
        },
    )
    assert answer.json()["by_purpose"] == {PROFILING: 1}
    assert kept(off)[0] == before[0] + 1
