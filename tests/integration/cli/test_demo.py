"""``tactful demo`` on the whole of Complete Journey: built once, asked often."""

import json
import stat
from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner

from api.cli import main
from api.demo.households import Story, story_of
from api.demo.state import read_examples, read_keys
from api.policies.shipped import shipped_policy
from api.rehearsing.report import held, rehearse
from api.storage.connection import open_engine
from guardrails.policy.limits import Limits, PriceLimits

pytestmark = pytest.mark.journey


def start(journey_shop, monkeypatch, *options):
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(journey_shop.settings.data_dir))
    return CliRunner().invoke(main, ["demo", "--no-serve", *options])


def test_all_that_was_bought_is_imported_but_what_the_catalogue_does_not_hold(journey_shop):
    imports = journey_shop.building.imports
    assert imports["items"].inserted == 92_331
    assert imports["interactions"].inserted + imports["interactions"].rejected == 1_460_438
    assert imports["interactions"].rejected < 100
    assert imports["consents"].rejected == 0


def test_answers_differ_because_of_consent(journey_shop):
    bases = [example.basis for example in journey_shop.building.examples]
    assert bases == ["profile", "popular", "contextual", "profile", "profile", "none"]


def test_every_customer_on_screen_has_the_story_that_is_told(journey_shop):
    stories = [story_of(int(example.request["customer_id"])) for example in journey_shop.building.examples]
    everything = Story.EVERYTHING
    assert stories == [everything, Story.WITHDRAWN, Story.NEVER_ASKED, *[everything] * 3]


def test_nothing_was_read_of_who_withdrew_or_was_never_asked(journey_shop):
    for example in journey_shop.building.examples[1:3]:
        assert sum(example.reads.values()) == 0
        assert example.profiling in {"WITHDRAWN", "PENDING"}


def test_rules_withhold_something_and_say_why(journey_shop):
    withheld = Counter()
    for example in journey_shop.building.examples:
        withheld.update(example.n_withheld)
        assert all(each["why"].endswith(".") and each["title"] for each in example.withheld)
    assert {"G01", "G17"} <= set(withheld)


def test_every_suggestion_carries_its_reason(journey_shop):
    suggestions = [each for example in journey_shop.building.examples for each in example.suggestions]
    assert len(suggestions) >= 12
    assert all(0 < len(each["reason"]) <= 140 for each in suggestions)


def test_private_purchases_never_entered_the_sum(journey_shop):
    assert journey_shop.building.examples[0].kept_out["G06"] > 0


def test_nothing_is_sold_on_to_who_waits_for_a_parcel(journey_shop):
    cart, waiting = journey_shop.building.examples[3:5]
    assert cart.request == waiting.request
    assert any(each["intent"] in {"upsell", "cross_sell"} for each in cart.suggestions)
    assert not any(each["intent"] in {"upsell", "cross_sell"} for each in waiting.suggestions)
    assert waiting.n_withheld["G15"] > 0


@pytest.mark.parametrize("name", ["keys.json", "demo.json", "examples.json", "tactful.db", "pseudonym.key"])
def test_only_the_owner_can_read_what_the_demo_keeps(journey_shop, name):
    assert stat.S_IMODE((journey_shop.settings.data_dir / name).stat().st_mode) == 0o600


def test_a_second_start_finds_the_shop_and_shows_no_key(journey_shop, monkeypatch):
    result = start(journey_shop, monkeypatch, "--json")
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert (shown["built"], shown["keys"], shown["training"]) == (False, None, None)
    assert [each["decision_id"] for each in shown["examples"]] == [
        example.decision_id for example in journey_shop.building.examples
    ]
    assert not any(key in result.output for key in journey_shop.building.keys.values())


def test_on_screen_are_reasons_rules_commands_addresses_and_the_caution(journey_shop, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    shown = start(journey_shop, monkeypatch).stdout
    for example in journey_shop.building.examples:
        assert f"customer {example.request['customer_id']}" in shown
    assert journey_shop.building.examples[0].decision_id in shown
    for text in ("http://127.0.0.1:8000/v1/recommendations", "/openapi.json", "Simulated", "G17"):
        assert text in shown


def test_visitors_leave_decisions_that_a_draft_can_be_held_against(journey_shop):
    draft = replace(shipped_policy(), limits=Limits(price=PriceLimits(upsell_hard_micro=50_000)))
    engine = open_engine(journey_shop.settings)
    try:
        held_against = held(shipped_policy())
        report = rehearse(engine, journey_shop.settings, held_against, held(draft), lambda *_told: None)
    finally:
        engine.dispose()
    found = report.document
    assert found["decisions"]["n_rehearsed"] > 300
    assert found["decisions"]["n_touched"] > 0
    assert {each["rule"] for each in found["newly_withheld"]["by_rule"]} == {"G17"}


def test_the_keys_in_the_file_are_those_of_the_shop(journey_shop):
    assert read_keys(journey_shop.settings.data_dir) == journey_shop.building.keys


def test_the_examples_are_kept_as_they_were_answered(journey_shop):
    kept = read_examples(journey_shop.settings.data_dir)
    assert [example.answer for example in kept] == [
        example.answer for example in journey_shop.building.examples
    ]


def test_no_copy_of_what_was_imported_is_left(journey_shop):
    source = journey_shop.settings.data_dir / "source"
    assert stat.S_IMODE(source.stat().st_mode) == 0o700
    assert all(file.name.endswith(".rejects.jsonl") for file in source.iterdir())
