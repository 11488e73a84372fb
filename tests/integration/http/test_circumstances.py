"""News of cases, parcels, payments, losses, mutes and gifts: each changes the very next answer."""

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from support.http import BUYER, EVERYTHING, ITEMS, STORAGE, serving
from support.stores import counting_statements

from api.imports.circumstances import CircumstanceKind
from api.logging import JsonLines
from api.storage import tables
from api.storage.connection import reading
from api.storage.retention import Retention
from engine.interactions import DAY_MS
from engine.vocabulary import Channel
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key, sensitive_key
from guardrails.policy.limits import Limits

HOUR_MS = 3_600_000
PAGE = {"placement": "product_page", "context": {"item_id": "bread-1"}, "count": 12}
SELLING = {"cross_sell", "upsell"}
CASE = "ticket-4711-mark"


def answered(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def tell(shop, kind, *, status=200, ago_ms=0, who=None, **more):
    """Tell the shop's news of one event, happened a while ago."""
    at_ms = shop.wiring.clock() - ago_ms
    event = {"event_id": f"{kind}-{at_ms}-{more}", "kind": kind, "at_ms": at_ms}
    event |= {"customer_id": BUYER} if who is None else who
    answer = shop.ask("POST", "/v1/events", json={"events": [{**event, **more}]})
    assert answer.status_code == status, answer.text
    return answer.json()


def intents(shop, **asked):
    return {item["intent"] for item in answered(shop.recommend(customer_id=BUYER, **PAGE | asked))["items"]}


def by_rule(shop, **asked):
    return answered(shop.recommend(customer_id=BUYER, **PAGE | asked))["withheld"]["by_rule"]


def holds(shop):
    with reading(shop.wiring.engine) as conn:
        return conn.execute(tables.holds.select().order_by(tables.holds.c.kind)).all()


@pytest.fixture
def agreed(shop):
    """A shop whose buyer has agreed to everything."""
    assert shop.choose("given", *EVERYTHING).status_code == 201
    return shop


@pytest.mark.parametrize(
    ("opening", "closing"), [("complaint_opened", "complaint_closed"), ("delivery_delayed", "delivered")]
)
def test_nothing_is_sold_on_while_the_shop_owes_something(agreed, opening, closing):
    assert intents(agreed) & SELLING
    told = tell(agreed, opening, reference=CASE, ago_ms=HOUR_MS)
    assert (told["noted"], told["stored"], told["errors"]) == (1, 0, [])
    assert not intents(agreed) & SELLING
    assert by_rule(agreed)["G15"] > 0
    tell(agreed, closing, reference=CASE)
    assert bool(intents(agreed) & SELLING) is (closing == "delivered")


def test_a_complaint_is_remembered_for_a_week_and_closed_once_for_all(agreed):
    days = Limits().holds.complaint_days
    tell(agreed, "complaint_closed", reference=CASE, ago_ms=(days + 1) * DAY_MS + HOUR_MS)
    assert intents(agreed) & SELLING
    tell(agreed, "complaint_opened", reference=CASE, ago_ms=30 * DAY_MS)
    assert intents(agreed) & SELLING
    tell(agreed, "complaint_opened", reference="another")
    assert not intents(agreed) & SELLING


@pytest.mark.parametrize("kind", ["payment_failed", "credit_declined"])
def test_after_a_payment_failed_no_step_up_in_price_until_the_visit_is_over(agreed, kind):
    assert "upsell" in intents(agreed)
    hours = Limits().evidence.session_hours
    tell(agreed, kind, ago_ms=(hours + 1) * HOUR_MS)
    assert "upsell" in intents(agreed)
    tell(agreed, kind)
    assert "upsell" not in intents(agreed)
    assert by_rule(agreed)["G26"] > 0


def test_a_payment_of_a_visitor_is_held_at_the_visit_and_follows_them_to_their_account(agreed):
    tell(agreed, "payment_failed", who={"session_id": "visit", "device_id": "shared tablet"})
    assert by_rule(agreed, session_id="visit")["G26"] > 0
    assert "G26" not in by_rule(agreed, session_id="other visit", device_id="shared tablet")


@pytest.mark.parametrize("kind", ["loss_declared", "registry_cancelled"])
def test_of_a_life_event_nothing_is_kept_but_two_ends(agreed, kind):
    assert intents(agreed) & SELLING
    tell(agreed, kind)
    assert not intents(agreed) & SELLING
    assert by_rule(agreed)["G14"] > 0
    limits, now_ms = Limits().holds, agreed.wiring.clock()
    offers, topics = holds(agreed)
    assert (offers.kind, topics.kind) == ("offers", "topics")
    assert {(row.reference, row.since_ms) for row in (offers, topics)} == {("", 0)}
    assert (
        topics.until_ms - offers.until_ms
        == (limits.life_event_topics_days - limits.life_event_offers_days) * DAY_MS
    )
    assert (
        0 <= offers.until_ms - (now_ms + limits.life_event_offers_days * DAY_MS) + HOUR_MS < DAY_MS + HOUR_MS
    )
    with reading(agreed.wiring.engine) as conn:
        kept = [str(row) for table in tables.metadata.sorted_tables for row in conn.execute(table.select())]
    assert not [row for row in kept if kind in row]


def test_what_is_kept_of_a_life_event_fits_no_moment(agreed):
    tell(agreed, "loss_declared", ago_ms=HOUR_MS + 1)
    assert {row.until_ms % DAY_MS for row in holds(agreed)} == {0}


@pytest.mark.parametrize("who", [{"session_id": "visit"}, {"session_id": "visit", "device_id": "tablet"}])
def test_what_somebody_without_a_name_asked_for_is_not_kept_for_ever(agreed, who):
    latest_ms = agreed.wiring.clock() + Retention().device_days * DAY_MS
    tell(agreed, "self_excluded", sensitive_class="alcohol", who=who)
    tell(agreed, "mute", scope="occasion", value="mothers_day", who=who)
    with reading(agreed.wiring.engine) as conn:
        (mute,) = conn.execute(tables.mutes.select()).all()
    (exclusion,) = holds(agreed)
    for kept in (exclusion, mute):
        assert latest_ms - HOUR_MS < kept.until_ms <= latest_ms + HOUR_MS


def test_what_a_customer_asked_for_holds_until_they_take_it_back(agreed):
    tell(agreed, "self_excluded", sensitive_class="alcohol")
    tell(agreed, "mute", scope="occasion", value="mothers_day")
    with reading(agreed.wiring.engine) as conn:
        assert [mute.until_ms for mute in conn.execute(tables.mutes.select())] == [None]
    assert [hold.until_ms for hold in holds(agreed)] == [None]


def test_what_is_bought_for_a_funeral_spares_whoever_bought_it(agreed):
    urn = {"item_id": "urn-1", "title": "Urn of oak", "google_category_id": 5607}
    assert answered(agreed.ask("PUT", "/v1/items", json={"items": [urn]}))["inserted"] == 1
    assert agreed.ask("GET", "/v1/items/urn-1").json()["sensitive_class"] == "bereavement"
    for kind in ("view", "purchase"):
        assert intents(agreed) & SELLING
        tell(agreed, kind, item_id="urn-1")
    assert not intents(agreed) & SELLING
    assert {row.kind for row in holds(agreed)} == {"topics", "offers"}


@pytest.fixture
def drinker(agreed):
    """A grown-up buyer who agreed to suggestions of wine as well."""
    path = f"/v1/customers/{BUYER}/preferences"
    answered(agreed.ask("PUT", path, json={"age_assurance": "verified_adult"}))
    assert agreed.choose("given", sensitive_key("alcohol"), explicit=True).status_code == 201
    return agreed


def shows_wine(shop):
    return "wine-0" in shown(shop, context={"item_id": "wine-1"})


def test_who_excluded_themselves_is_not_tempted_and_waits_for_what_they_lift(drinker):
    assert shows_wine(drinker)
    tell(drinker, "self_excluded", sensitive_class="alcohol", ago_ms=48 * HOUR_MS)
    assert not shows_wine(drinker)
    lifting = {"sensitive_class": "alcohol", "actor": "data_subject"}
    tell(drinker, "self_exclusion_lifted", **lifting, ago_ms=23 * HOUR_MS)
    assert not shows_wine(drinker)
    tell(drinker, "self_excluded", sensitive_class="alcohol", ago_ms=30 * HOUR_MS)
    assert not shows_wine(drinker)


def test_an_exclusion_that_was_lifted_a_day_ago_is_over_and_only_the_customer_lifts_it(drinker):
    tell(drinker, "self_excluded", sensitive_class="alcohol", ago_ms=48 * HOUR_MS)
    refused = tell(drinker, "self_exclusion_lifted", status=422, sensitive_class="alcohol", actor="shop")
    assert [each["pointer"] for each in refused["errors"]] == ["/events/0/actor"]
    tell(drinker, "self_exclusion_lifted", status=422, sensitive_class="alcohol")
    assert not shows_wine(drinker)
    lifting = {"sensitive_class": "alcohol", "actor": "data_subject", "ago_ms": 25 * HOUR_MS}
    tell(drinker, "self_exclusion_lifted", **lifting)
    assert shows_wine(drinker)


def test_exclusions_can_be_set_beside_the_other_preferences_and_stay_when_nothing_is_said(agreed):
    path = f"/v1/customers/{BUYER}/preferences"

    def put(**body):
        return answered(agreed.ask("PUT", path, json=body))["exclusions"]

    assert put() == []
    assert put(exclusions=["alcohol"]) == ["alcohol"]
    assert put() == put(exclusions=None) == ["alcohol"]
    assert put(exclusions=["gambling"]) == ["alcohol", "gambling"]
    first = [row.until_ms for row in holds(agreed) if row.reference == "alcohol"]
    assert put(exclusions=["gambling"]) == ["alcohol", "gambling"]
    assert [row.until_ms for row in holds(agreed) if row.reference == "alcohol"] == first
    assert first[0] - agreed.wiring.clock() > 23 * HOUR_MS
    refused = agreed.ask("PUT", path, json={"exclusions": ["shoes"]})
    assert refused.json()["errors"][0]["pointer"] == "/exclusions/0"


def shown(shop, **asked):
    return {
        item["item_id"] for item in answered(shop.recommend(customer_id=BUYER, count=12, **asked))["items"]
    }


def test_what_is_muted_by_an_event_is_gone_and_comes_back_when_that_is_lifted(agreed):
    assert {item.split("-")[0] for item in shown(agreed)} >= {"lamp", "bread"}
    tell(agreed, "mute", scope="brand", value="Globex", ago_ms=2 * HOUR_MS)
    assert "lamp" not in {item.split("-")[0] for item in shown(agreed)}
    tell(agreed, "unmute", scope="brand", value="Globex", ago_ms=HOUR_MS)
    assert "lamp" in {item.split("-")[0] for item in shown(agreed)}
    tell(agreed, "mute", scope="brand", value="Globex", ago_ms=3 * HOUR_MS)
    assert "lamp" in {item.split("-")[0] for item in shown(agreed)}


def test_an_occasion_can_be_muted_and_its_page_stays_empty(agreed):
    gifts = [
        {"item_id": f"lamp-{n}", "title": f"Lamp no. {n}", "occasions": ["mothers_day"]} for n in range(4)
    ]
    answered(agreed.ask("PUT", "/v1/items", json={"items": gifts}))
    assert any(item.startswith("lamp") for item in shown(agreed))
    assert shown(agreed, context={"occasion": "mothers_day"})
    tell(agreed, "mute", scope="occasion", value="mothers_day")
    assert not any(item.startswith("lamp") for item in shown(agreed))
    assert shown(agreed, context={"occasion": "mothers_day"}) == set()
    assert shown(agreed, context={"occasion": "easter"})


def test_mutes_end_by_themselves_only_where_tastes_change_and_nobody_said_otherwise(agreed):
    said = [
        {"scope": "item", "value": "bread-1"},
        {"scope": "brand", "value": "Acme"},
        {"scope": "brand", "value": "Globex", "until_ms": None},
        {"scope": "category", "value": "Food"},
        {"scope": "occasion", "value": "easter"},
        {"scope": "sensitive_class", "value": "alcohol"},
    ]
    now_ms, limits = agreed.wiring.clock(), Limits().holds
    put = answered(agreed.ask("PUT", f"/v1/customers/{BUYER}/preferences", json={"mutes": said}))["mutes"]
    in_days = [None if each["until_ms"] is None else (each["until_ms"] - now_ms) // DAY_MS for each in put]
    assert in_days == [limits.item_mute_days, limits.brand_mute_days, None, None, None, None]
    wrong = {"mutes": [{"scope": "occasion", "value": "Tuesday"}]}
    refused = agreed.ask("PUT", f"/v1/customers/{BUYER}/preferences", json=wrong)
    assert refused.json()["errors"] == [{"pointer": "/mutes/0/value", "detail": "unknown occasion"}]


def kept_out(shop):
    answer = answered(shop.recommend(customer_id=BUYER, count=12))
    return str(shop.decision(answer["decision_id"])["sections"]["consent"]["kept_out"])


def test_a_gift_is_no_evidence_and_must_be_a_purchase_of_theirs(agreed):
    who = {"customer_id": BUYER, "session_id": "visit"}
    bought = {"event_id": "order-9", "kind": "purchase", "item_id": "lamp-1", "at_ms": agreed.wiring.clock()}
    gift = {"event_id": "g", "kind": "gift", "reference": "order-9", "at_ms": agreed.wiring.clock()}
    early = agreed.ask("POST", "/v1/events", json={"events": [{**gift, **who}]})
    assert early.status_code == 422
    assert early.json()["errors"][0]["pointer"] == "/events/0/reference"
    together = {"events": [{**gift, **who}, {**bought, **who}]}
    for _ in range(2):
        assert answered(agreed.ask("POST", "/v1/events", json=together))["noted"] == 1
    assert "G11" in kept_out(agreed)
    others = agreed.ask("POST", "/v1/events", json={"events": [{**gift, "customer_id": "somebody else"}]})
    assert others.status_code == 422


def test_what_others_collected_is_withheld_until_the_customer_agreed_and_always_under_gpc(agreed):
    def told(number, **headers):
        view = {"event_id": f"sister-{number}", "kind": "view", "item_id": "lamp-1", "customer_id": BUYER}
        event = {**view, "provenance": "sister", "at_ms": agreed.wiring.clock()}
        return answered(agreed.ask("POST", "/v1/events", json={"events": [event]}, headers=headers))

    enrichment = KEY_OF[Purpose.ENRICHMENT]
    assert [each["purpose"] for each in told(1)["withheld"]] == [enrichment]
    agreed.choose("given", enrichment)
    assert told(1)["stored"] == 1
    assert [each["purpose"] for each in told(2, **{"Sec-GPC": "1"})["withheld"]] == [enrichment]


def test_what_is_waved_off_in_a_message_is_off_on_the_site(agreed):
    agreed.choose("given", communications_key(Channel.EMAIL))
    sent = answered(agreed.recommend(customer_id=BUYER, placement="email", channel="email", count=1))
    (unwanted,) = [item["item_id"] for item in sent["items"]]
    said = {"items": [{"item_id": unwanted, "kind": "irrelevant"}]}
    told = agreed.ask("POST", f"/v1/decisions/{sent['decision_id']}/feedback", json=said)
    assert answered(told)["muted"] == []
    assert unwanted not in shown(agreed)
    assert answered(agreed.recommend(customer_id=BUYER, count=12))["withheld"]["by_rule"]["G36"] > 0


def test_what_is_too_personal_is_muted_as_well(agreed):
    first = answered(agreed.recommend(customer_id=BUYER, count=1))
    (item_id,) = [item["item_id"] for item in first["items"]]
    said = {"items": [{"item_id": item_id, "kind": "too_personal"}]}
    told = answered(agreed.ask("POST", f"/v1/decisions/{first['decision_id']}/feedback", json=said))
    assert told["muted"] == [item_id]
    assert item_id not in shown(agreed)


def test_a_prompt_that_was_closed_does_not_come_back_in_this_visit(agreed):
    asked = {"placement": "modal", "session_id": "visit", "count": 1}
    first = answered(agreed.recommend(customer_id=BUYER, **asked))
    said = {"items": [{"item_id": item["item_id"], "kind": "dismissed"} for item in first["items"]]}
    assert said["items"]
    answered(agreed.ask("POST", f"/v1/decisions/{first['decision_id']}/feedback", json=said))
    again = answered(agreed.recommend(customer_id=BUYER, **asked))
    assert again["items"] == []
    assert again["withheld"]["by_rule"].keys() & {"G20", "G30"}


def test_on_an_errand_nobody_is_held_up(agreed):
    assert "upsell" in intents(agreed)
    assert "upsell" not in intents(agreed, visit={"pages": 2, "basket_after_s": 30})
    assert "upsell" not in intents(agreed, visit={"entry": "exact_search"})
    leisure = {"pages": 20, "basket_after_s": 30, "entry": "home"}
    assert "upsell" in intents(agreed, visit=leisure, context={"item_id": "milk-0"})


def test_at_night_and_where_nobody_knows_the_time_nothing_rings(agreed):
    agreed.choose("given", communications_key(Channel.PUSH))

    def held(**more):
        asked = {"placement": "push", "channel": "push", "count": 1, "customer_id": BUYER}
        return answered(agreed.recommend(**asked | more))["withheld"]["by_rule"].get("G28", 0)

    assert held(local_time="23:30") > 0
    assert held() > 0
    assert held(local_time="12:00") == 0


def test_without_a_time_the_clock_is_that_of_the_shops_own_time_zone_if_one_is_set(store, keys):
    def rings_at(hour):
        zone = ZoneInfo(f"Etc/GMT{(datetime.now(UTC).hour - hour + 12) % 24 - 12:+d}")
        with serving(replace(store.settings, time_zone=zone), keys) as shop:
            shop.choose("given", *EVERYTHING, communications_key(Channel.PUSH))
            asked = {"placement": "push", "channel": "push", "count": 1, "customer_id": BUYER}
            answer = answered(shop.recommend(**asked))
            minute = shop.decision(answer["decision_id"])["sections"]["req"]["local_minute"]
            assert minute // 60 in (hour, hour + 1)
            return "G28" not in answer["withheld"]["by_rule"]

    assert not rings_at(2)
    assert rings_at(12)


def test_pressure_and_personal_prices_withhold_everything(agreed):
    assert shown(agreed)
    assert shown(agreed, presentation={"patterns": ["guilt"]}) == set()
    assert shown(agreed, presentation={"personalised_price": True}) == set()
    assert shown(agreed, presentation={"patterns": [], "personalised_price": False})


def test_what_is_paid_for_says_so(shop):
    paid = {"item_id": "lamp-2", "title": "Lamp no. 2", "sponsored": True}
    answered(shop.ask("PUT", "/v1/items", json={"items": [paid]}))
    told = {item["item_id"]: item["sponsored"] for item in answered(shop.recommend(count=12))["items"]}
    assert told["lamp-2"] is True
    assert {item for item, sponsored in told.items() if sponsored} == {"lamp-2"}
    assert shop.ask("GET", "/v1/items/lamp-2").json()["sponsored"] is True


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"local_time": "24:00"}, "/local_time"),
        ({"local_time": "9:00"}, "/local_time"),
        ({"local_time": 540}, "/local_time"),
        ({"visit": {"pages": 0}}, "/visit/pages"),
        ({"visit": {"pages": "2"}}, "/visit/pages"),
        ({"visit": {"basket_after_s": -1}}, "/visit/basket_after_s"),
        ({"visit": {"entry": "chimney"}}, "/visit/entry"),
        ({"visit": {"mood": "good"}}, "/visit/mood"),
        ({"presentation": {"patterns": ["charm"]}}, "/presentation/patterns/0"),
        ({"presentation": {"patterns": "guilt"}}, "/presentation/patterns"),
        ({"presentation": {"personalised_price": 1}}, "/presentation/personalised_price"),
        ({"presentation": {"font": "red"}}, "/presentation/font"),
        ({"context": {"occasion": "Tuesday"}}, "/context/occasion"),
    ],
)
def test_a_visit_that_cannot_be_is_refused_where_it_cannot(shop_on_sqlite, asked, pointer):
    answer = shop_on_sqlite.recommend(**asked)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


NEEDS = {
    "complaint_opened": {"reference": "r"},
    "self_excluded": {"sensitive_class": "alcohol"},
    "mute": {"scope": "brand", "value": "Acme"},
}


@pytest.mark.parametrize(
    ("kind", "change", "pointer"),
    [
        ("complaint_opened", {"reference": None}, "reference"),
        ("complaint_opened", {"reference": 7}, "reference"),
        ("complaint_opened", {"reference": "x" * 257}, "reference"),
        ("complaint_opened", {"item_id": "bread-1"}, "item_id"),
        ("complaint_opened", {"event_id": None}, "event_id"),
        ("complaint_opened", {"customer_id": None}, "customer_id"),
        ("complaint_opened", {"at_ms": 1}, "at_ms"),
        ("complaint_opened", {"at_ms": True}, "at_ms"),
        ("complaint_opened", {"at_ms": None}, "at"),
        ("payment_failed", {"reference": "r"}, "reference"),
        ("self_excluded", {"sensitive_class": "shoes"}, "sensitive_class"),
        ("self_excluded", {"sensitive_class": None}, "sensitive_class"),
        ("mute", {"scope": "colour"}, "scope"),
        ("mute", {"value": None}, "value"),
        ("mute", {"scope": "sensitive_class", "value": "shoes"}, "value"),
        ("mute", {"scope": "occasion", "value": "Tuesday"}, "value"),
    ],
)
def test_news_that_cannot_be_is_named_and_the_rest_of_its_batch_is_taken(
    shop_on_sqlite, kind, change, pointer
):
    shop = shop_on_sqlite
    usual = {"event_id": "e", "kind": kind, "customer_id": BUYER, "at_ms": shop.wiring.clock()}
    good = {**usual, "event_id": "good", "kind": "payment_failed"}
    answer = shop.ask(
        "POST", "/v1/events", json={"events": [good, {**usual, **NEEDS.get(kind, {}), **change}]}
    )
    assert answer.status_code == 207, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [f"/events/1/{pointer}"]
    assert answer.json()["noted"] == 1


def test_an_unknown_kind_is_told_which_there_are(shop_on_sqlite):
    event = {"event_id": "e", "kind": "steal", "item_id": ITEMS[0].item_id, "customer_id": BUYER, "at_ms": 1}
    detail = shop_on_sqlite.ask("POST", "/v1/events", json={"events": [event]}).json()["errors"][0]["detail"]
    assert all(kind in detail for kind in ("purchase", *CircumstanceKind))


def test_no_clear_reference_and_no_customer_is_kept_or_logged(agreed, caplog):
    caplog.handler.setFormatter(JsonLines())
    logger = logging.getLogger("tactful")
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.INFO)
    tell(agreed, "complaint_opened", reference=CASE)
    tell(agreed, "loss_declared")
    agreed.recommend(customer_id=BUYER)
    logger.removeHandler(caplog.handler)
    assert BUYER not in caplog.text
    assert CASE not in caplog.text
    assert CASE not in str(holds(agreed))


def test_what_is_held_back_is_part_of_an_export_and_goes_with_its_customer(agreed):
    tell(agreed, "complaint_opened", reference=CASE)
    tell(agreed, "loss_declared")
    export = agreed.ask("GET", f"/v1/customers/{BUYER}/export").json()
    told = {each["held_for"]: each for each in export["sections"]["holds"]["rows"]}
    assert set(told) == {"complaint", "offers", "topics"}
    assert told["topics"]["since"] is None
    assert told["complaint"]["until"] is None
    cascade = agreed.ask("DELETE", f"/v1/customers/{BUYER}").json()["cascade_id"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if agreed.ask("GET", f"/v1/cascades/{cascade}").json()["finished_at_ms"] is not None:
            break
        time.sleep(0.02)
    assert holds(agreed) == []
    told = tell(agreed, "complaint_opened", reference=CASE)
    assert [each["because"] for each in told["withheld"]] == ["SUPPRESSED"]
    assert holds(agreed) == []


@pytest.mark.parametrize("beside", [{}, {"session_id": "visit"}, {"session_id": "visit", "device_id": "d"}])
def test_holding_back_needs_no_consent_and_one_statement_whoever_comes_beside(shop, beside):
    shop.choose("given", STORAGE)
    tell(shop, "complaint_opened", reference=CASE)
    with counting_statements(shop.wiring.engine) as sent:
        answer = answered(shop.recommend(customer_id=BUYER, **PAGE, **beside))
    assert not {item["intent"] for item in answer["items"]} & SELLING
    for table in ("holds", "consent_states", "mutes", "customers"):
        assert len([each for each in sent if f"FROM {table}" in each.replace(chr(10), "")]) == 1, table
