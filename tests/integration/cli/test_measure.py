"""``tactful measure`` and ``tactful experiment`` on a small shop whose customers are measured."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from support.http import fill, serving, store_model
from support.in_force import challenge, put_in_force
from support.policies import a_policy, a_rule

from api.cli import main
from api.measuring.report import LEAST
from api.storage.connection import reading
from api.storage.versions import active, challenger_model
from guardrails.consent.purposes import Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.policy.charter import MICRO
from guardrails.policy.language import Atom, Op

N_CUSTOMERS = 30
NO_FOOD = a_rule("no-food", when=Atom("item.categories", Op.CONTAINS_ANY, ("Food",)))
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def shop(sqlite_store, monkeypatch):
    """A shop on the database that the command line opens."""
    consent = ConsentSettings(legitimate_interest=frozenset({Purpose.PERFORMANCE}))
    settings = replace(sqlite_store.settings, consent=consent)
    monkeypatch.setenv("TACTFUL_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("TACTFUL_CONSENT_LEGITIMATE_INTEREST", "P7")
    with serving(settings, fill(settings)) as served:
        yield served


def tactful(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


def told(*arguments):
    result = tactful(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def visit(shop, number, likes=lambda _item_id: True):
    """A customer looks at what is suggested, and clicks on what they like."""
    answer = shop.recommend(customer_id=f"customer-{number}", count=4).json()
    said = [
        {"item_id": each["item_id"], "kind": kind}
        for each in answer["items"]
        for kind in ("shown", *(("clicked",) if likes(each["item_id"]) else ()))
    ]
    if said:
        path = f"/v1/decisions/{answer['decision_id']}/feedback"
        assert shop.ask("POST", path, json={"items": said}).status_code == 200
    return answer


def is_lamp(item_id):
    return item_id.startswith("lamp")


def test_sums_are_told_as_a_table_as_data_and_as_a_picture(shop, tmp_path):
    for number in range(LEAST):
        visit(shop, number, is_lamp)
    document = told("measure", "--by", "placement", "--by", "day")
    (cell,) = document["cells"]
    assert cell["n"]["shown"] == cell["n"]["suggested"] == 4 * LEAST
    assert document["ceiling_micro"] == 5_000
    file = tmp_path / "shares.png"
    printed = tactful("measure", "--by", "placement", "--plot", file)
    assert printed.exit_code == 0, printed.output
    assert "home" in printed.stdout
    assert f"{4 * LEAST}" in printed.stdout
    assert file.read_bytes().startswith(PNG)


def test_where_nothing_was_measured_it_says_what_that_takes(shop, tmp_path):
    assert shop.recommend().status_code == 200
    printed = tactful("measure")
    assert printed.exit_code == 0
    assert "takes the consent of customers" in printed.stderr
    drawn = tactful("measure", "--plot", tmp_path / "none.png")
    assert drawn.exit_code == 1
    assert "nothing was measured" in drawn.stderr


def test_days_that_end_before_they_begin_are_refused(shop):
    assert tactful("measure", "--since", "2026-03-02", "--until", "2026-03-02").exit_code == 2


class TestOffPolicy:
    def test_each_arm_is_estimated_to_get_what_it_gets(self, shop):
        champion = put_in_force(shop.wiring.engine, a_policy())
        challenger = challenge(shop.wiring.engine, a_policy(NO_FOOD), MICRO // 2)
        clicks = {"champion": [], "challenger": []}
        for number in range(N_CUSTOMERS):
            answer = visit(shop, number, is_lamp)
            clicks[answer["arm"]].append(sum(is_lamp(each["item_id"]) for each in answer["items"]))
        assert all(clicks.values())
        for arm, version in (("champion", champion), ("challenger", challenger)):
            found = told("measure", "--off-policy", version)
            assert found["target"]["policy"] == version
            assert found["n_units"] == found["n_decisions"] == N_CUSTOMERS
            assert (found["n_left_out"], found["coverage"]) == (0, 1.0)
            mean = sum(clicks[arm]) / len(clicks[arm])
            assert found["ips"]["low"] <= mean <= found["ips"]["high"]
        printed = tactful("measure", "--off-policy", challenger)
        assert printed.exit_code == 0
        assert f"{N_CUSTOMERS} customers" in printed.stdout

    def test_a_policy_that_shows_nothing_would_have_got_nothing(self, shop):
        challenge(shop.wiring.engine, a_policy(NO_FOOD), MICRO // 2)
        nothing = put_in_force(shop.wiring.engine, a_policy(a_rule("nothing")))
        put_in_force(shop.wiring.engine, a_policy())
        for number in range(6):
            visit(shop, number)
        found = told("measure", "--off-policy", nothing)
        assert found["ips"] == {"value": 0, "low": 0, "high": 0}
        assert found["logged"]["value"] > 0

    def test_who_is_shown_nothing_counts_as_a_customer(self, shop):
        champion = put_in_force(shop.wiring.engine, a_policy())
        challenge(shop.wiring.engine, a_policy(a_rule("nothing")), MICRO // 2)
        arms = [visit(shop, number)["arm"] for number in range(N_CUSTOMERS)]
        found = told("measure", "--off-policy", champion)
        assert found["n_units"] == N_CUSTOMERS
        assert found["logged"]["value"] == 4 * arms.count("champion") / N_CUSTOMERS
        assert found["ips"]["value"] == 2 * found["logged"]["value"]

    def test_a_model_is_asked_what_it_would_have_proposed(self, shop):
        put_in_force(shop.wiring.engine, a_policy())
        served = visit(shop, 0)["model_version"]
        challenge(shop.wiring.engine, a_policy(NO_FOOD), MICRO // 2)
        other = store_model(shop.settings, seed=7, active=False)
        for number in range(8):
            visit(shop, number)
        same, found = (told("measure", "--off-policy", version) for version in (served, other))
        assert found["target"]["model"] == other
        assert found["n_left_out"] == 0
        assert same["coverage"] == 1.0 > found["coverage"]
        assert found["ips"]["value"] < same["ips"]["value"]

    def test_without_an_experiment_or_a_version_there_is_nothing_to_estimate(self, shop):
        version = put_in_force(shop.wiring.engine, a_policy())
        for arguments, message in (
            ((version,), "there is no experiment"),
            (("0" * 64,), "neither a policy nor a model of this version"),
            ((version,), "no decision of the experiment"),
        ):
            result = tactful("measure", "--off-policy", *arguments)
            assert result.exit_code == 1
            assert message in result.stderr
            challenge(shop.wiring.engine, a_policy(NO_FOOD), MICRO // 2)


def test_an_experiment_with_a_model_is_begun_shown_and_ended(shop):
    version = store_model(shop.settings, seed=7, active=False)
    assert tactful("experiment", "show").exit_code == 1
    assert tactful("experiment", "begin", "unknown").exit_code == 1
    assert tactful("experiment", "begin", version, "--share", "0").exit_code == 2
    begun = tactful("experiment", "begin", version, "--share", "0.25")
    assert begun.exit_code == 0, begun.output
    with reading(shop.wiring.engine) as conn:
        assert challenger_model(conn) == version
        assert shop.wiring.runtime.wait_for(active(conn), 20)
    arms = told("experiment", "show")["arms"]
    assert (arms["challenger"]["model"], arms["challenger"]["share"]) == (version, 0.25)
    assert arms["champion"]["model"] != version
    assert version in tactful("experiment", "show").stderr
    assert "everybody" in tactful("experiment", "end").stderr
    assert "no model" in tactful("experiment", "end").stderr
