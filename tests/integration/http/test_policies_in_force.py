"""What a policy says is what is answered, recorded and counted: from the very next request on."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.http import BUYER, EVERYTHING, fill, serving
from support.in_force import challenge, put_in_force, put_in_shadow, put_unreadable
from support.policies import a_policy, a_rule

from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.versions import CHALLENGER, POLICY, SHADOW, activate, active, deactivate
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.policy.charter import MICRO
from guardrails.policy.language import All, Atom, Mode, Obligation, Op, RuleEffect
from guardrails.policy.limits import Limits

WHOLE_PAGE = {"placement": "home", "count": 10}
FOOD = Atom("item.categories", Op.CONTAINS_ANY, ("Food",))
NO_FOOD = a_rule("no-food", when=FOOD, customer_sentence="We never suggest food.", title="Food is not pushed")
NOTHING = a_rule("nothing")
MEASURING = KEY_OF[Purpose.PERFORMANCE]
YEAR_10000_MS = 253_402_300_800_000


def is_food(item):
    return item["item_id"].startswith(("bread", "milk"))


def asked(shop, **more):
    answer = shop.recommend(**{**WHOLE_PAGE, **more})
    assert answer.status_code == 200
    return answer.json()


def figures(shop):
    text = shop.ask("GET", "/metrics", Role.AUDITOR).text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(number) for name, _, number in lines}


def test_a_rule_that_blocks_withholds_from_the_next_request_on_and_is_named(shop):
    before = asked(shop)
    assert any(map(is_food, before["items"]))
    version = put_in_force(shop.wiring.engine, a_policy(NO_FOOD))
    answer = asked(shop)
    assert answer["policy_version"] == version != before["policy_version"]
    assert answer["items"]
    assert not any(map(is_food, answer["items"]))
    assert answer["withheld"]["by_rule"]["no-food"] > 0
    assert answer["degraded_because"] == []
    record = shop.decision(answer["decision_id"])
    assert record["entry"]["policy"] == version
    assert "arm" not in answer
    assert record["entry"]["arm"] is None
    told = figures(shop)
    assert told['tactful_verdicts_total{effect="block",rule="no-food"}'] > 0
    assert told[f'tactful_policy_info{{arm="champion",name="house",version="{version}"}}'] == 1


def test_a_rule_in_shadow_withholds_nothing_and_is_counted(shop_on_sqlite):
    shop = shop_on_sqlite
    put_in_force(shop.wiring.engine, a_policy())
    before = asked(shop)
    put_in_force(shop.wiring.engine, a_policy(replace(NO_FOOD, mode=Mode.SHADOW)))
    answer = asked(shop)
    assert [each["item_id"] for each in answer["items"]] == [each["item_id"] for each in before["items"]]
    assert all(each["warnings"] == [] for each in answer["items"])
    assert "no-food" not in answer["withheld"]["by_rule"]
    told = figures(shop)
    assert told['tactful_watched_verdicts_total{effect="block",rule="no-food"}'] > 0
    assert 'tactful_verdicts_total{effect="block",rule="no-food"}' not in told


def test_a_rule_that_warns_is_named_beside_what_it_would_have_withheld(shop_on_sqlite):
    put_in_force(shop_on_sqlite.wiring.engine, a_policy(replace(NO_FOOD, mode=Mode.WARN)))
    items = asked(shop_on_sqlite)["items"]
    assert {is_food(each) for each in items} == {True, False}
    for each in items:
        assert each["warnings"] == (["no-food"] if is_food(each) else [])


def test_a_rule_that_is_off_says_nothing(shop_on_sqlite):
    put_in_force(shop_on_sqlite.wiring.engine, a_policy(replace(NO_FOOD, mode=Mode.OFF)))
    answer = asked(shop_on_sqlite)
    assert any(map(is_food, answer["items"]))
    record = shop_on_sqlite.decision(answer["decision_id"])
    said = record["sections"]["rules"]["rounds"][0]
    assert "no-food" not in {each["rule"] for each in said["asked"] + said["watched"]["asked"]}


def test_a_block_wins_over_everything_whatever_the_rules_are_called(shop_on_sqlite):
    others = (
        replace(NO_FOOD, effect=RuleEffect.ALLOW),
        replace(NO_FOOD, effect=RuleEffect.DEMOTE, share_micro=MICRO // 2),
        replace(NO_FOOD, effect=RuleEffect.GENERALISE),
        NO_FOOD,
    )
    shown = []
    for order in itertools.permutations(range(len(others))):
        rules = (replace(rule, id=f"rule-{place}") for place, rule in zip(order, others, strict=True))
        put_in_force(shop_on_sqlite.wiring.engine, a_policy(*rules))
        shown.append([each["item_id"] for each in asked(shop_on_sqlite)["items"]])
        assert not any(each.startswith(("bread", "milk")) for each in shown[-1])
    assert all(each == shown[0] for each in shown)
    assert shown[0]


def test_obligations_stand_beside_what_they_are_about_and_add_up(shop_on_sqlite):
    explains = replace(
        NO_FOOD, id="explains", effect=RuleEffect.ALLOW, obligations=(Obligation.EXPLAIN, Obligation.HAND_OFF)
    )
    discloses = replace(explains, id="discloses", obligations=(Obligation.DISCLOSE_SPONSORED,))
    put_in_force(shop_on_sqlite.wiring.engine, a_policy(explains, discloses))
    answer = asked(shop_on_sqlite)
    assert answer["handoff"]["to"] == "human"
    for each in answer["items"]:
        wanted = ["explain", "disclose_sponsored", "hand_off"] if is_food(each) else []
        assert each["obligations"] == wanted
        if is_food(each):
            assert each["action"] == "show_with_reason"
    put_in_force(shop_on_sqlite.wiring.engine, a_policy())
    assert asked(shop_on_sqlite)["handoff"] is None


def test_a_rule_that_raises_withholds_and_is_counted(sqlite_store):
    """After the last day that a calendar has, nobody can say what day it is."""
    keys = fill(sqlite_store.settings)
    dated = replace(NO_FOOD, id="dated", when=All((FOOD, Atom("request.date", Op.AT_LEAST, 0))))
    put_in_force(sqlite_store.engine, a_policy(dated))
    with serving(sqlite_store.settings, keys) as shop:
        assert asked(shop)["degraded_because"] == []
    with serving(sqlite_store.settings, keys, clock=lambda: YEAR_10000_MS) as shop:
        answer = asked(shop)
        assert answer["items"] == []
        assert answer["handoff"]["to"] == "human"
        assert answer["degraded_because"] == ["rule_failed"]
        assert answer["withheld"]["by_rule"]["dated"] > 0
        record = shop.decision(answer["decision_id"])
        failed = record["sections"]["rules"]["rounds"][0]["failed"]
        assert failed == [{"rule": "dated", "error": "PolicyError"}]
        told = shop.wiring.metrics.exposition().decode()
        assert 'tactful_verdicts_total{effect="gap",rule="dated"}' in told


class TestInShadow:
    def test_a_policy_in_shadow_is_recorded_and_counted_and_changes_nothing(self, shop_on_sqlite):
        shop = shop_on_sqlite
        put_in_force(shop.wiring.engine, a_policy())
        before = asked(shop)
        version = put_in_shadow(shop.wiring.engine, a_policy(NO_FOOD))
        answer = asked(shop)
        assert [each["item_id"] for each in answer["items"]] == [each["item_id"] for each in before["items"]]
        assert answer["policy_version"] == before["policy_version"]
        shadow = shop.decision(answer["decision_id"])["sections"]["rules"]["shadow"]
        assert shadow["version"] == version
        n_food = sum(map(is_food, answer["items"]))
        assert [rule for _, rule in shadow["withheld"]] == ["no-food"] * n_food
        told = figures(shop)
        assert told['tactful_shadow_suggestions_total{change="withheld"}'] == n_food > 0
        assert told[f'tactful_policy_info{{arm="shadow",name="house",version="{version}"}}'] == 1

    def test_a_policy_in_shadow_that_cannot_be_read_leaves_the_one_in_force_alone(self, shop_on_sqlite):
        shop = shop_on_sqlite
        before = asked(shop)
        put_unreadable(shop.wiring.engine, SHADOW)
        answer = asked(shop)
        assert answer["degraded_because"] == []
        assert answer["policy_version"] == before["policy_version"]
        assert shop.decision(answer["decision_id"])["sections"]["rules"]["shadow"] is None
        assert shop.client.get("/readyz").json()["fault"] == "PolicyDocumentError"


class TestCompared:
    N_CUSTOMERS = 60

    def arms(self, shop):
        answers = {n: asked(shop, customer_id=f"customer-{n}") for n in range(self.N_CUSTOMERS)}
        return {n: (answer["arm"], answer["policy_version"]) for n, answer in answers.items()}

    def test_a_customer_stays_with_one_policy_and_a_larger_share_takes_nobody_back(self, measuring_shop):
        shop, policy = measuring_shop, a_policy(NOTHING)
        champion = put_in_force(shop.wiring.engine, a_policy())
        challenger = challenge(shop.wiring.engine, policy, 250_000)
        version_of = {"champion": champion, "challenger": challenger}
        few = self.arms(shop)
        assert few == self.arms(shop)
        challenge(shop.wiring.engine, policy, 500_000)
        many = self.arms(shop)
        for arms in (few, many):
            assert {arm for arm, _ in arms.values()} == {"champion", "challenger"}
            assert all(version == version_of[arm] for arm, version in arms.values())
        assert all(many[n][0] == "challenger" for n, (arm, _) in few.items() if arm == "challenger")
        assert {arm for arm, _ in many.values()} == {"champion", "challenger"}

    def test_the_record_names_the_arm_and_its_policy_and_the_answer_obeys_it(self, measuring_shop):
        shop = measuring_shop
        put_in_force(shop.wiring.engine, a_policy())
        challenge(shop.wiring.engine, a_policy(NOTHING), 500_000)
        for n in range(8):
            answer = asked(shop, customer_id=f"customer-{n}")
            entry = shop.decision(answer["decision_id"])["entry"]
            assert (entry["arm"], entry["policy"]) == (answer["arm"], answer["policy_version"])
            assert bool(answer["items"]) == (answer["arm"] == "champion")

    def test_nobody_known_is_served_by_the_policy_in_force(self, measuring_shop):
        champion = put_in_force(measuring_shop.wiring.engine, a_policy())
        challenge(measuring_shop.wiring.engine, a_policy(NOTHING), MICRO)
        answer = asked(measuring_shop)
        assert (answer["arm"], answer["policy_version"]) == ("champion", champion)
        assert asked(measuring_shop, session_id="a-visit")["arm"] == "challenger"

    def test_limits_of_the_challenger_govern_what_is_used(self, measuring_shop):
        shop = measuring_shop
        shop.choose("given", *EVERYTHING)
        put_in_force(shop.wiring.engine, a_policy())
        assert asked(shop, customer_id=BUYER)["basis"] == "profile"
        limits = Limits()
        strict = replace(limits, evidence=replace(limits.evidence, purchase_days=1))
        challenge(shop.wiring.engine, a_policy(limits=strict), MICRO)
        answer = asked(shop, customer_id=BUYER)
        assert (answer["arm"], answer["basis"]) == ("challenger", "popular")

    @pytest.mark.parametrize("value", ["unreadable", "no share", "unknown version"])
    def test_a_challenger_that_cannot_be_read_is_nobodys(self, measuring_shop, value):
        engine = measuring_shop.wiring.engine
        champion = put_in_force(engine, a_policy())
        if value == "unreadable":
            put_unreadable(engine, CHALLENGER)
        else:
            put_value(
                engine, CHALLENGER, {"no share": champion, "unknown version": f"{'f' * 64}/500000"}[value]
            )
        for n in range(8):
            answer = asked(measuring_shop, customer_id=f"customer-{n}")
            assert answer["policy_version"] == champion
            assert "arm" not in answer
            assert answer["degraded_because"] == []

    def test_nothing_is_compared_any_more_once_the_challenge_ended(self, measuring_shop):
        engine = measuring_shop.wiring.engine
        challenge(engine, a_policy(NOTHING), MICRO)
        assert asked(measuring_shop, customer_id="anna")["arm"] == "challenger"
        with writing(engine) as conn:
            deactivate(conn, CHALLENGER)
        assert "arm" not in asked(measuring_shop, customer_id="anna")

    def test_who_did_not_agree_to_be_measured_is_in_no_experiment(self, shop_on_sqlite):
        shop = shop_on_sqlite
        champion = put_in_force(shop.wiring.engine, a_policy())
        challenger = challenge(shop.wiring.engine, a_policy(NOTHING), MICRO)
        for n in range(4):
            answer = asked(shop, customer_id=f"customer-{n}")
            assert (answer["arm"], answer["policy_version"]) == ("champion", champion)
        shop.choose("given", MEASURING, customer_id="customer-0")
        answer = asked(shop, customer_id="customer-0")
        assert (answer["arm"], answer["policy_version"]) == ("challenger", challenger)
        shop.choose("withdrawn", MEASURING, customer_id="customer-0")
        assert asked(shop, customer_id="customer-0")["policy_version"] == champion


def put_value(engine, name, value):
    with writing(engine) as conn:
        activate(conn, name, value, 1)


class TestUnreadable:
    def test_the_policy_before_stays_and_readiness_figures_and_answers_say_so(self, shop):
        version = put_in_force(shop.wiring.engine, a_policy(NO_FOOD))
        asked(shop)
        put_unreadable(shop.wiring.engine)
        answer = asked(shop)
        assert answer["policy_version"] == version
        assert answer["items"]
        assert not any(map(is_food, answer["items"]))
        assert answer["degraded_because"] == ["policy_unreadable"]
        ready = shop.client.get("/readyz")
        assert ready.status_code == 200
        assert (ready.json()["policy"], ready.json()["behind"]) == (version, True)
        assert ready.json()["fault"] == "PolicyDocumentError"
        told = figures(shop)
        assert told["tactful_policy_ready"] == 0
        assert told['tactful_house_builds_total{result="failed"}'] > 0
        later = put_in_force(shop.wiring.engine, a_policy())
        assert asked(shop)["policy_version"] == later
        assert asked(shop)["degraded_because"] == []
        assert figures(shop)["tactful_policy_ready"] == 1

    def test_without_a_policy_before_it_nothing_is_suggested_until_there_is_one(self, sqlite_store):
        keys = fill(sqlite_store.settings)
        put_unreadable(sqlite_store.engine)
        with serving(sqlite_store.settings, keys) as shop:
            answer = asked(shop, customer_id=BUYER)
            assert answer["items"] == []
            assert answer["handoff"]["to"] == "human"
            assert answer["degraded_because"] == ["policy_unreadable"]
            assert set(answer["withheld"]["by_rule"]) == {"NO_POLICY"}
            assert shop.decision(answer["decision_id"])["entry"]["outcome"] == "empty"
            assert shop.client.get("/readyz").json()["fault"] == "PolicyDocumentError"
            put_in_force(sqlite_store.engine, a_policy())
            answer = asked(shop)
            assert answer["items"]
            assert answer["degraded_because"] == []

    def test_a_policy_that_is_gone_is_like_one_that_cannot_be_read(self, shop_on_sqlite):
        before = asked(shop_on_sqlite)
        put_value(shop_on_sqlite.wiring.engine, POLICY, "0" * 64)
        answer = asked(shop_on_sqlite)
        assert answer["policy_version"] == before["policy_version"]
        assert answer["degraded_because"] == ["policy_unreadable"]


def test_a_change_of_policy_takes_model_and_catalogue_over(shop_on_sqlite):
    runtime = shop_on_sqlite.wiring.runtime
    before = runtime.current()
    put_in_force(shop_on_sqlite.wiring.engine, a_policy(NO_FOOD))
    with reading(shop_on_sqlite.wiring.engine) as conn:
        versions = active(conn)
    assert runtime.wait_for(versions, 10)
    after = runtime.current()
    assert after.house.policy_version != before.house.policy_version
    assert after.house.catalogue is before.house.catalogue
    assert after.house.recommender is before.house.recommender
    assert after.artefact is before.artefact


def test_whoever_waits_for_a_policy_is_told_that_it_cannot_be_read(shop_on_sqlite):
    runtime = shop_on_sqlite.wiring.runtime
    put_unreadable(shop_on_sqlite.wiring.engine)
    with reading(shop_on_sqlite.wiring.engine) as conn:
        assert not runtime.wait_for(active(conn), 10)


class TestToldToCustomers:
    def test_the_page_tells_of_rules_that_act_in_the_words_of_the_shop(self, shop_on_sqlite):
        shop = shop_on_sqlite
        watched = replace(NO_FOOD, id="watched", mode=Mode.SHADOW, customer_sentence="Not yet.")
        put_in_force(shop.wiring.engine, a_policy(NO_FOOD, watched))
        document = shop.client.get("/transparency").json()
        assert document["own_rules"] == [{"title": NO_FOOD.title, "sentence": NO_FOOD.customer_sentence}]
        assert document["policies_compared"] is False
        page = shop.client.get("/transparency", headers={"Accept": "text/html", "Accept-Language": "da"}).text
        assert "Butikkens egne regler" in page
        assert NO_FOOD.customer_sentence in page
        assert "sammenlignes" not in page
        assert "item.categories" not in page

    def test_the_page_tells_when_two_policies_are_compared_and_of_the_rules_of_both(self, shop_on_sqlite):
        shop = shop_on_sqlite
        put_in_force(shop.wiring.engine, a_policy(NO_FOOD))
        challenge(shop.wiring.engine, a_policy(NO_FOOD, replace(NOTHING, title="Quiet")), 500_000)
        document = shop.client.get("/transparency").json()
        assert [each["title"] for each in document["own_rules"]] == [NO_FOOD.title, "Quiet"]
        assert document["policies_compared"] is True
        page = shop.client.get("/transparency", headers={"Accept": "text/html", "Accept-Language": "de"}).text
        assert "entscheidet der Zufall" in page

    @pytest.mark.parametrize(("days", "is_told"), [((-2, -1), False), ((-1, 1), True), ((1, 2), False)])
    def test_the_page_tells_of_a_rule_on_its_days(self, shop_on_sqlite, days, is_told):
        first, last = (datetime.now(UTC).date() + timedelta(days=n) for n in days)
        dated = replace(NO_FOOD, effective_from=first, effective_until=last)
        put_in_force(shop_on_sqlite.wiring.engine, a_policy(dated))
        assert bool(shop_on_sqlite.client.get("/transparency").json()["own_rules"]) is is_told

    def test_an_export_says_in_the_words_of_the_shop_why_something_was_withheld(self, shop_on_sqlite):
        shop = shop_on_sqlite
        shop.choose("given", *EVERYTHING)
        put_in_force(shop.wiring.engine, a_policy(NO_FOOD))
        asked(shop, customer_id=BUYER)
        put_in_force(shop.wiring.engine, a_policy())
        exported = shop.ask("GET", f"/v1/customers/{BUYER}/export").json()
        rows = [row for row in exported["sections"]["withheld"]["rows"] if row["rule"] == "no-food"]
        assert rows
        assert {row["sentence"] for row in rows} == {NO_FOOD.customer_sentence}
        assert {row["rule_name"] for row in rows} == {NO_FOOD.title}
