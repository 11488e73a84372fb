"""What other consent tools and browsers say, taken over real HTTP."""

import pytest
from support.http import BUYER, PROFILED, PROFILING

from api.storage.connection import reading
from api.storage.tables import consent_events

EMAIL = "marketing.communications.email"
OFFERS = "marketing.advertising.first_party.targeted"
SHARING = "third_party_sharing"
GRANTS_PROFILE = "CQq5IMAQq5IMANwABBENCvFgAM0gAAAAAAYgAAAAAAAA.IAAA.caQAAAAAAAA"
GRANTS_IN_CORE_ONLY = "CQq5IMAQq5IMANwABBENCvFgAP_gAAAAAAYgAAAAAAAA.IAAA.cAQAAAAAAAA"
CHILD_WHO_LIMITS = "DBACLDA~CpQiGhAEAFJA.YA~BAQAAAAEA.QA"
"""Sections usnat, with KnownChild set and Gpc, and usca, with sensitive information limited."""

CONSENTS = f"/v1/customers/{BUYER}/consents"


def send(shop, kind, value, **more):
    return shop.ask("POST", CONSENTS, json={"signal": {"kind": kind, "value": value}, **more})


def permitted(shop, purpose, **asked):
    body = {"customer_id": BUYER, "purpose": purpose, **asked}
    return shop.ask("POST", "/v1/consents/check", json=body).json()["permitted"]


def stored(shop):
    with reading(shop.wiring.engine) as conn:
        return conn.execute(consent_events.select().order_by(consent_events.c.event_no)).mappings().all()


def test_a_tc_string_grants_what_its_publisher_segment_grants_and_is_not_kept(shop):
    answer = send(shop, "tcf", GRANTS_PROFILE)
    assert answer.status_code == 201
    assert permitted(shop, PROFILED)
    assert permitted(shop, PROFILING)
    assert not permitted(shop, OFFERS)
    assert {event["actor"] for event in stored(shop)} == {"import:tcf"}
    assert not any(GRANTS_PROFILE in str(value) for event in stored(shop) for value in event.values())
    assert len(send(shop, "tcf", GRANTS_PROFILE).json()["events"]) == 0


def test_what_only_the_core_of_a_tc_string_grants_is_not_granted_here(shop):
    assert send(shop, "tcf", GRANTS_IN_CORE_ONLY).status_code == 201
    assert not permitted(shop, PROFILED)


def test_storage_is_not_profiling_unless_the_shop_says_its_tool_asks_for_it(shop):
    answer = send(shop, "consent_mode", {"personalization_storage": "granted"})
    assert answer.status_code == 201
    assert not permitted(shop, PROFILED)


def test_sensitive_information_is_limited_and_a_child_is_a_child_whoever_says_so(shop):
    shop.choose("given", PROFILED)
    assert permitted(shop, PROFILED)
    assert send(shop, "gpp", CHILD_WHO_LIMITS).status_code == 201
    assert not permitted(shop, PROFILED)  # a child's own consent
    privacy = shop.ask("GET", f"/v1/customers/{BUYER}/privacy").json()
    assert privacy["limit_sensitive"] is True
    assert [seen["signal"] for seen in privacy["signals_seen"]] == ["gpc"]


@pytest.mark.parametrize(
    ("kind", "value", "pointer"),
    [
        ("tcf", "CQq5IMAQq5IMANwABBENCvFgAM0gAAAAAAYgAAAAAAAA", "/signal/value"),
        ("tcf", {"granted": True}, "/signal/value"),
        ("consent_mode", {"personalization_storage": "yes"}, "/signal/value"),
        ("consent_mode", {"personalisation": "granted"}, "/signal/value"),
        ("smoke", "x", "/signal/kind"),
    ],
)
def test_a_signal_that_cannot_be_read_grants_nothing_and_is_named(shop, kind, value, pointer):
    answer = send(shop, kind, value)
    if kind == "tcf" and isinstance(value, str):
        assert answer.status_code in (201, 422)
    else:
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert not permitted(shop, PROFILED)
    assert not any(event["status"] == "ConsentGiven" for event in stored(shop))


def test_a_signal_stands_alone_in_its_body(shop):
    answer = send(shop, "tcf", GRANTS_PROFILE, purpose=PROFILED, status="given")
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/purpose", "/status"}


class TestTheHeaderOfTheBrowser:
    def test_a_withdrawal_sent_with_any_request_holds_for_its_answer_and_after(self, shop):
        shop.choose("given", "functional.storage", PROFILING, PROFILED)
        assert shop.recommend(customer_id=BUYER).json()["basis"] == "profile"
        withdrawn = shop.recommend(customer_id=BUYER, headers={"ADPC": "withdraw=*"})
        assert withdrawn.json()["basis"] != "profile"
        assert shop.recommend(customer_id=BUYER).json()["basis"] != "profile"
        assert "ADPC" in withdrawn.headers["Vary"]

    def test_an_objection_to_direct_marketing_ends_offers_and_every_channel(self, shop):
        shop.choose("given", OFFERS, EMAIL)
        shop.recommend(customer_id=BUYER, headers={"ADPC": "object=direct-marketing"})
        assert not permitted(shop, OFFERS)
        assert not permitted(shop, EMAIL, channel="email")

    def test_consent_answers_a_request_that_was_published_and_no_other(self, shop):
        shop.recommend(customer_id=BUYER, headers={"ADPC": f'consent="privacy:{PROFILED}"'})
        assert not permitted(shop, PROFILED)
        notice = {
            "notice_id": "privacy",
            "version": "1",
            "language": "en",
            "jurisdiction": "EU",
            "text": "May we?",
            "purposes": [PROFILED],
            "effective_from_ms": 0,
        }
        assert shop.ask("PUT", "/v1/notices", json=notice).status_code == 200
        shop.recommend(customer_id=BUYER, headers={"ADPC": f'consent="privacy:{PROFILED}"'})
        assert permitted(shop, PROFILED)
        assert stored(shop)[-1]["notice_version"] == "1"

    def test_a_header_that_is_no_list_of_decisions_is_named(self, shop):
        answer = shop.recommend(customer_id=BUYER, headers={"ADPC": "withdraw"})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["header"] == "ADPC"

    def test_nobody_has_nothing_to_decide(self, shop):
        assert shop.recommend(headers={"ADPC": "withdraw=*"}).status_code == 200
        assert stored(shop) == []


def test_a_privacy_signal_sent_along_is_noted_once_and_overridden_by_a_confirmed_grant(shop):
    shop.ask("PUT", f"/v1/customers/{BUYER}/preferences", json={"jurisdiction": "DK"})
    gpc = {"Sec-GPC": "1"}
    for confirmed in (False, True):
        body = {"purpose": SHARING, "status": "given", "confirmed_override": confirmed}
        assert shop.ask("POST", CONSENTS, json=body, headers=gpc).status_code == 201
        asked = {"customer_id": BUYER, "purpose": SHARING}
        answer = shop.ask("POST", "/v1/consents/check", json=asked, headers=gpc).json()
        assert answer["permitted"] is confirmed
        assert answer["gpc"] == ("overridden" if confirmed else "applied")
    assert [event["gpc"] for event in stored(shop)] == ["applied", "overridden"]
    seen = shop.ask("GET", f"/v1/customers/{BUYER}/privacy").json()["signals_seen"]
    assert [(each["signal"], each["value"]) for each in seen] == [("gpc", "1")]
