"""What the service tells Prometheus: named as dashboard and alerts ask for it, never without bounds."""

import json
import re
from pathlib import Path

import pytest
import yaml
from support.http import BUYER, EVERYTHING, fill, serving

import api
from api.storage.api_keys import Role

DEPLOY = Path(api.__file__).parent / "deploy"
NAME = re.compile(r"\btactful_[a-z_]+")
PART = re.compile(r"_(bucket|sum|count|total|created)$")


@pytest.fixture
def shop(sqlite_store):
    with serving(sqlite_store.settings, fill(sqlite_store.settings)) as served:
        yield served


def figures(shop):
    return shop.ask("GET", "/metrics", Role.AUDITOR).text


def families(text):
    return {PART.sub("", line.split()[2]) for line in text.splitlines() if line.startswith("# TYPE")}


def expressions():
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    yield from (rule["expr"] for group in rules for rule in group["rules"])
    yield from (target["expr"] for panel in dashboard["panels"] for target in panel["targets"])


def test_dashboard_and_alerts_ask_for_nothing_that_is_not_told(shop):
    told = families(figures(shop))
    asked = {PART.sub("", name) for each in expressions() for name in NAME.findall(each)}
    assert len(asked) > 15
    assert asked <= told


def test_every_alert_says_how_bad_it_is_and_what_is_wrong():
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_labels_that_dashboard_and_alerts_ask_for_are_told(shop):
    shop.choose("given", *EVERYTHING)
    shop.recommend(customer_id=BUYER)
    text = figures(shop)
    for label in ("route", "status", "stage", "basis", "rule", "state"):
        assert any(label in each for each in expressions())
        assert f'{label}="' in text


def test_nothing_that_a_caller_makes_up_becomes_a_label(shop):
    def series():
        return {line.rpartition(" ")[0] for line in figures(shop).splitlines() if line[0] != "#"}

    def ask(number):
        shop.client.get(f"/nowhere-{number}", params={f"secret-{number}": number})
        shop.client.request(f"SECRET{number}", "/healthz")
        shop.ask("GET", f"/v1/items/secret-{number}")
        shop.ask("GET", f"/v1/customers/secret-{number}/consents", headers={"User-Agent": f"secret-{number}"})
        shop.recommend(customer_id=f"secret-{number}", session_id=f"secret-{number}")

    series()
    ask(0)
    series()
    before = series()
    for number in range(1, 8):
        ask(number)
    assert series() == before
    assert not any("secret" in each.lower() for each in before)
