"""What customers do with suggestions is counted of those who agreed to that, once, and of nobody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from support.http import BUYER, EVERYTHING, fill, serving, store_model
from support.in_force import challenge
from support.policies import a_policy
from support.waiting import until

from api.measuring.experiments import begin_experiment, end_experiment
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.tables import feedback, measured_suggestions, measurements
from api.storage.versions import active
from api.wiring import now_ms
from engine.interactions import DAY_MS
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.policy.charter import MICRO

MEASURING = KEY_OF[Purpose.PERFORMANCE]
HOUR_MS = 3_600_000


def n_rows(shop, table):
    with reading(shop.wiring.engine) as conn:
        return conn.scalar(select(func.count()).select_from(table))


def asked(shop, customer_id="anna", **more):
    answer = shop.recommend(customer_id=customer_id, count=4, **more)
    assert answer.status_code == 200
    return answer.json()


def say(shop, answer, kind, *places, **more):
    items = [{"item_id": answer["items"][place]["item_id"], "kind": kind} for place in places or (0,)]
    said = shop.ask("POST", f"/v1/decisions/{answer['decision_id']}/feedback", json={"items": items}, **more)
    assert said.status_code == 200, said.text
    return said.json()


def happened(shop, item_id, kind="purchase", *, customer_id="anna", at_ms=None, event_id="e", **more):
    event = {"event_id": event_id, "kind": kind, "item_id": item_id, "at_ms": at_ms or now_ms()}
    sent = shop.ask("POST", "/v1/events", json={"events": [{**event, "customer_id": customer_id, **more}]})
    assert sent.status_code == 200, sent.text
    return sent.json()


def measured(shop, **query):
    answer = shop.ask("GET", "/v1/measurements", Role.MARKETER, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def total(shop):
    """All that was counted, however little it is."""
    with reading(shop.wiring.engine) as conn:
        n = func.sum(measurements.c.n)
        found = conn.execute(select(measurements.c.measure, n).group_by(measurements.c.measure))
        return {row.measure: int(row[1]) for row in found}


class TestWithoutConsent:
    def test_nothing_is_measured_of_anybody(self, shop):
        shop.choose("given", *EVERYTHING)
        for customer_id in (BUYER, "anna"):
            answer = asked(shop, customer_id)
            assert say(shop, answer, "shown", 0, 1) | {"stored": 0, "counted": 0} == say(
                shop, answer, "shown", 0, 1
            )
            assert say(shop, answer, "clicked") == {
                "stored": 1,
                "counted": 0,
                "muted": [],
                "muted_until_ms": None,
            }
            item_id = answer["items"][0]["item_id"]
            bought = happened(shop, item_id, customer_id=customer_id, event_id=customer_id)
            assert bought["measured"] == 0
        shop.recommend()
        assert n_rows(shop, measured_suggestions) == n_rows(shop, measurements) == 0
        assert measured(shop)["cells"] == []

    def test_shown_is_not_kept_at_all(self, shop_on_sqlite):
        answer = asked(shop_on_sqlite)
        assert say(shop_on_sqlite, answer, "shown")["stored"] == 0
        assert n_rows(shop_on_sqlite, feedback) == 0


class TestWithConsent:
    def test_each_thing_counts_once_an_item_whoever_tells_it_and_however_often(self, shop):
        shop.choose("given", MEASURING, customer_id="anna")
        answer = asked(shop)
        assert say(shop, answer, "shown", 0, 1)["counted"] == 2
        assert say(shop, answer, "shown", 1, 2)["counted"] == 1
        assert say(shop, answer, "clicked", 1, 3)["counted"] == 2
        assert say(shop, answer, "clicked", 1)["counted"] == 0
        assert say(shop, answer, "helpful", 1) == {
            "stored": 1,
            "counted": 0,
            "muted": [],
            "muted_until_ms": None,
        }
        assert say(shop, answer, "too_personal", 1)["counted"] == 1
        item_id = answer["items"][1]["item_id"]
        assert happened(shop, item_id)["measured"] == 1
        assert happened(shop, item_id)["measured"] == 0
        assert happened(shop, item_id, event_id="another")["measured"] == 0
        assert say(shop, answer, "purchased", 1)["counted"] == 0
        assert happened(shop, item_id, "cart", event_id="cart")["measured"] == 1
        assert total(shop) == {
            "decision": 1,
            "slate": 1,
            "suggested": 4,
            "shown": 4,
            "clicked": 2,
            "too_personal": 1,
            "purchased": 1,
            "added_to_cart": 1,
        }

    def test_what_is_taken_back_is_forgotten_and_counts_no_more_and_sums_stay(self, shop):
        shop.choose("given", MEASURING, customer_id="anna")
        answer = asked(shop)
        say(shop, answer, "shown", 0, 1)
        before = total(shop)
        shop.choose("withdrawn", MEASURING, customer_id="anna")
        assert n_rows(shop, measured_suggestions) == 0
        assert say(shop, answer, "shown", 2)["counted"] == 0
        shop.choose("given", MEASURING, customer_id="anna")
        assert say(shop, answer, "clicked", 0)["counted"] == 0
        assert total(shop) == before

    def test_what_was_shown_before_somebody_agreed_is_not_measured(self, shop_on_sqlite):
        answer = asked(shop_on_sqlite)
        shop_on_sqlite.choose("given", MEASURING, customer_id="anna")
        assert say(shop_on_sqlite, answer, "clicked")["counted"] == 0
        assert total(shop_on_sqlite) == {}

    def test_only_what_a_decision_showed_can_be_spoken_of(self, shop):
        shop.choose("given", MEASURING, customer_id="anna")
        for customer_id in ("anna", "somebody not measured"):
            answer = asked(shop, customer_id)
            shown = {each["item_id"] for each in answer["items"]}
            other = next(f"bread-{n}" for n in range(5) if f"bread-{n}" not in shown)
            said = {"items": [{"item_id": other, "kind": "clicked"}]}
            refused = shop.ask("POST", f"/v1/decisions/{answer['decision_id']}/feedback", json=said)
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["detail"] == "was not suggested by this decision"

    def test_an_erased_customer_leaves_sums_alone(self, shop_on_sqlite):
        shop = shop_on_sqlite
        shop.choose("given", MEASURING, customer_id="anna")
        say(shop, asked(shop), "shown")
        before = total(shop)
        assert shop.ask("DELETE", "/v1/customers/anna").status_code == 202
        until(lambda: n_rows(shop, measured_suggestions) == 0)
        assert total(shop) == before


class TestInterest:
    def test_where_the_shop_rests_it_on_its_interest_it_ends_with_an_objection(self, measuring_shop):
        shop = measuring_shop
        answer = asked(shop)
        assert say(shop, answer, "shown")["counted"] == 1
        shop.choose("objected", MEASURING, customer_id="anna")
        assert n_rows(shop, measured_suggestions) == 0
        assert say(shop, asked(shop), "shown")["counted"] == 0
        assert total(shop)["decision"] == 1

    def test_nobody_known_is_not_measured(self, measuring_shop):
        measuring_shop.recommend()
        assert total(measuring_shop) == {}

    def test_a_visit_is_measured_as_itself(self, measuring_shop):
        answer = measuring_shop.recommend(session_id="visit", count=2).json()
        say(measuring_shop, answer, "shown")
        event = {"customer_id": None, "session_id": "visit"}
        item_id = answer["items"][0]["item_id"]
        sent = {"event_id": "e", "kind": "purchase", "item_id": item_id, "at_ms": now_ms()}
        sent |= {name: value for name, value in event.items() if value}
        found = measuring_shop.ask("POST", "/v1/events", json={"events": [sent]})
        assert found.json()["measured"] == 1


class TestOwed:
    @pytest.fixture
    def clock(self):
        return [now_ms()]

    @pytest.fixture
    def timed(self, sqlite_store, clock):
        settings = replace(sqlite_store.settings, attribution_hours=2)
        keys = fill(settings)
        with serving(settings, keys, clock=lambda: clock[0]) as shop:
            shop.choose("given", MEASURING, customer_id="anna")
            yield shop

    def test_a_purchase_is_owed_to_what_was_seen_last_and_to_nothing_after_the_window(self, timed, clock):
        begun_ms = clock[0]
        first = asked(timed)
        clock[0] += HOUR_MS
        second = asked(timed)
        assert [each["item_id"] for each in first["items"]] == [each["item_id"] for each in second["items"]]
        item_id = first["items"][0]["item_id"]
        say(timed, first, "shown")
        assert happened(timed, item_id, at_ms=begun_ms - 1, event_id="before")["measured"] == 0
        assert happened(timed, item_id, at_ms=clock[0], event_id="first")["measured"] == 1
        assert self.bought(timed) == {first["decision_id"]}
        say(timed, second, "shown")
        assert happened(timed, item_id, at_ms=clock[0], event_id="second")["measured"] == 1
        assert self.bought(timed) == {first["decision_id"], second["decision_id"]}
        other = first["items"][1]["item_id"]
        say(timed, second, "shown", 1)
        clock[0] += 2 * HOUR_MS + 1
        assert happened(timed, other, at_ms=clock[0], event_id="late")["measured"] == 0

    def test_what_was_suggested_and_never_seen_has_sold_nothing(self, timed, clock):
        answer = asked(timed)
        item_id = answer["items"][0]["item_id"]
        assert happened(timed, item_id, at_ms=clock[0])["measured"] == 0
        say(timed, answer, "shown")
        assert happened(timed, item_id, "view", at_ms=clock[0], event_id="view")["measured"] == 0
        assert happened(timed, item_id, at_ms=clock[0], customer_id="bert")["measured"] == 0

    @staticmethod
    def bought(shop):
        bit = measured_suggestions.c.outcomes.bitwise_and(8) != 0
        with reading(shop.wiring.engine) as conn:
            return set(conn.scalars(select(measured_suggestions.c.decision_id).where(bit)))


class TestExperiment:
    def test_a_model_on_trial_serves_a_share_and_its_decisions_are_made_again_exactly(self, measuring_shop):
        shop = measuring_shop
        champion = asked(shop)["model_version"]
        challenger = store_model(shop.settings, seed=7, active=False)
        begin(shop, challenger, MICRO // 2)
        answers = [asked(shop, f"customer-{n}") for n in range(12)]
        assert {(each["arm"], each["model_version"]) for each in answers} == {
            ("champion", champion),
            ("challenger", challenger),
        }
        again = [asked(shop, f"customer-{n}") for n in range(12)]
        assert [each["arm"] for each in again] == [each["arm"] for each in answers]
        for answer in answers:
            path = f"/v1/decisions/{answer['decision_id']}"
            entry = shop.ask("GET", path, Role.AUDITOR).json()["entry"]
            assert (entry["arm"], entry["model"]) == (answer["arm"], answer["model_version"])
            replayed = shop.ask("GET", f"{path}/replay", Role.AUDITOR).json()
            assert {replayed["rules"]["finding"], replayed["candidates"]["finding"]} == {"exact"}
        nobody = shop.recommend().json()
        assert (nobody["arm"], nobody["model_version"]) == ("champion", champion)
        with writing(shop.wiring.engine) as conn:
            assert end_experiment(conn, now_ms())
            assert not end_experiment(conn, now_ms())
        wait(shop)
        assert "arm" not in asked(shop)

    def test_a_policy_and_a_model_challenge_together_for_the_share_of_the_policy(self, measuring_shop):
        shop = measuring_shop
        challenger = store_model(shop.settings, seed=7, active=False)
        begin(shop, challenger, 1)
        version = challenge(shop.wiring.engine, a_policy(), MICRO)
        answer = asked(shop)
        assert (answer["arm"], answer["policy_version"], answer["model_version"]) == (
            "challenger",
            version,
            challenger,
        )

    def test_arms_are_held_against_each_other(self, measuring_shop):
        shop = measuring_shop
        challenge(shop.wiring.engine, a_policy(), MICRO // 2)
        for n in range(24):
            answer = asked(shop, f"customer-{n}")
            say(shop, answer, "shown", 0, 1)
            say(shop, answer, "clicked", *((0, 1) if answer["arm"] == "challenger" else (0,)))
        told = measured(shop, by="arm")
        cells = {cell["arm"]: cell for cell in told["cells"]}
        assert cells["challenger"]["n"]["clicked"] == cells["challenger"]["n"]["shown"]
        assert cells["champion"]["n"]["clicked"] * 2 == cells["champion"]["n"]["shown"]
        assert sum(told["comparison"]["n_customers"].values()) == 24
        clicked = told["comparison"]["differences"]["clicked"]
        assert clicked["low"] <= clicked["value"] == 0.5 <= clicked["high"]
        assert "comparison" not in measured(shop, by="arm", placement="home")


def begin(shop, version, share_micro):
    with writing(shop.wiring.engine) as conn:
        begin_experiment(conn, version, share_micro, now_ms())
    wait(shop)


def wait(shop):
    with reading(shop.wiring.engine) as conn:
        versions = active(conn)
    assert shop.wiring.runtime.wait_for(versions, 20)


class TestTold:
    def test_sums_are_cut_by_what_is_asked_and_few_are_not_told(self, measuring_shop):
        shop = measuring_shop
        for n in range(3):
            answer = asked(shop, f"customer-{n}")
            say(shop, answer, "shown", 0, 1, 2)
            say(shop, answer, "clicked", 0)
        asked(shop, "customer-9", placement="product_page", context={"item_id": "milk-0"}, channel="app")
        told = measured(shop, by="placement,channel")
        assert told["by"] == ["placement", "channel"]
        assert [(cell["placement"], cell["channel"]) for cell in told["cells"]] == [("home", "web")]
        assert told["n_suppressed"] == 1
        (cell,) = told["cells"]
        assert cell["n"]["suggested"] == 12
        assert cell["n"]["shown"] == 9
        assert cell["n"]["clicked"] is None
        assert cell["n"]["purchased"] == 0
        assert cell["shares"]["clicked"]["value"] is None
        assert cell["shares"]["clicked"]["low"] == 0.0 < cell["shares"]["clicked"]["high"]
        assert cell["too_personal"] == "unknown"
        assert cell["shares"]["seen"]["value"] is None  # three were not seen, which are few as well

    def test_days_placements_intents_models_and_policies_are_told_apart(self, measuring_shop):
        for n in range(3):
            answer = asked(measuring_shop, f"customer-{n}")
        told = measured(measuring_shop, by="day,intent,model,policy,basis")
        (cell,) = told["cells"]
        assert cell["day"] == datetime.now(UTC).date().isoformat()
        assert (cell["model"], cell["policy"]) == (answer["model_version"], answer["policy_version"])
        assert cell["intent"] == answer["items"][0]["intent"]
        assert measured(measuring_shop, intent=cell["intent"])["cells"][0]["n"]["suggested"] == 12
        other = next(each for each in ("replenish", "upsell") if each != cell["intent"])
        assert measured(measuring_shop, intent=other)["cells"] == []

    def test_other_days_are_not_told(self, measuring_shop):
        for n in range(2):
            asked(measuring_shop, f"customer-{n}")
        today = datetime.now(UTC).date()
        assert measured(measuring_shop, **{"from": today})["cells"]
        tomorrow = today + timedelta(days=1)
        assert (
            measured(measuring_shop, **{"from": tomorrow, "to": tomorrow + timedelta(days=9)})["cells"] == []
        )

    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            ({"by": "customer"}, "by"),
            ({"customer_id": "anna"}, "customer_id"),
            ({"arm": "third"}, "arm"),
            ({"from": "yesterday"}, "from"),
            ({"from": "2026-03-02", "to": "2026-03-02"}, "from"),
            ({"to": "0001-01-01"}, "to"),
        ],
    )
    def test_what_cannot_be_asked_is_refused(self, shop_on_sqlite, query, parameter):
        answer = shop_on_sqlite.ask("GET", "/v1/measurements", Role.AUDITOR, params=query)
        assert answer.status_code == 422
        assert parameter in {each["parameter"].split("/")[0] for each in answer.json()["errors"]}

    def test_the_site_may_not_read_them(self, shop_on_sqlite):
        assert shop_on_sqlite.ask("GET", "/v1/measurements", Role.SITE).status_code == 403


def test_days_of_sums_are_those_of_the_decisions(shop_on_sqlite):
    shop_on_sqlite.choose("given", MEASURING, customer_id="anna")
    say(shop_on_sqlite, asked(shop_on_sqlite), "shown")
    with reading(shop_on_sqlite.wiring.engine) as conn:
        days = set(conn.scalars(select(measurements.c.day)))
    assert days <= {now_ms() // DAY_MS, now_ms() // DAY_MS - 1}
