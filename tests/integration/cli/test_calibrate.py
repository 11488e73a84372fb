"""``tactful calibrate`` on a small shop that says over HTTP what it found too personal."""

import json
from hashlib import sha256

import pytest
from click.testing import CliRunner
from sqlalchemy import insert
from support.http import BUYER, EVERYTHING, fill, serving

from api.calibrating import _customer
from api.cli import main
from api.policies.model import read_policy
from api.policies.text import Form, read_text
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.decisions import StoredDecision, append_decisions, read_decision
from api.storage.feedback import FeedbackKind, add_feedback
from api.storage.items import read_item
from api.storage.tables import holds
from api.storage.versions import policy_in_force
from api.wiring import now_ms
from engine.interactions import DAY_MS
from guardrails.log.sealing import header_of
from guardrails.policy.limits import Limits


@pytest.fixture
def shop(sqlite_store, monkeypatch):
    """A shop on the database that the command line opens."""
    settings = sqlite_store.settings
    monkeypatch.setenv("TACTFUL_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(settings.data_dir))
    with serving(settings, fill(settings)) as served:
        served.choose("given", *EVERYTHING)
        yield served


def calibrate(*arguments):
    return CliRunner().invoke(main, ["calibrate", *map(str, arguments)])


def report(*arguments):
    result = calibrate("--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def ask(shop, customer_id=BUYER):
    """A decision for somebody, and the items it showed."""
    answer = shop.recommend(customer_id=customer_id).json()
    return answer["decision_id"], [each["item_id"] for each in answer["items"]]


def tell(shop, decision_id, item_id, kind):
    said = {"items": [{"item_id": item_id, "kind": kind}]}
    answer = shop.ask("POST", f"/v1/decisions/{decision_id}/feedback", json=said)
    assert answer.status_code == 200, answer.text


def crowd(shop, n_customers, n_flagging=0, flagged="personal"):
    """Show so many others what the buyer is shown and what strangers are; some flag one of the items."""
    slates = {"personal": ask(shop), "popular": ask(shop, "stranger")}
    with writing(shop.wiring.engine) as conn:
        item_no = read_item(conn, slates[flagged][1][0]).item_no
        for kind, (decision_id, _) in slates.items():
            keyring = shop.wiring.logbook.keyring
            record = read_decision(conn, keyring, decision_id)
            append_decisions(conn, keyring, [of_the_crowd(kind, n, record) for n in range(n_customers)])
        for number in range(n_flagging):
            add_feedback(conn, f"{flagged}-{number}", item_no, FeedbackKind.TOO_PERSONAL, now_ms())
        add_feedback(conn, f"{flagged}-{n_customers - 1}", item_no, FeedbackKind.HELPFUL, now_ms())


def of_the_crowd(kind, number, record):
    return StoredDecision(
        decision_id=f"{kind}-{number}",
        minute=now_ms() // 60_000,
        placement="home",
        basis="profile",
        outcome="personalised",
        policy="p" * 64,
        model=None,
        header=header_of(record.entry),
        body=record.body,
        subject_key=sha256(b"%d" % number).digest()[:16],
        exposure=None,
    )


def in_force(shop):
    with reading(shop.wiring.engine) as conn:
        return policy_in_force(conn)[0].limits


def test_without_any_feedback_it_says_so_and_keeps_the_defaults(shop):
    decision_id, items = ask(shop)
    tell(shop, decision_id, items[0], "clicked")
    result = calibrate()
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no customer has said anything" in result.stderr
    assert report()["calibrated"] is False
    assert in_force(shop) == Limits()


def test_a_few_customers_are_too_few_to_change_anything(shop):
    decision_id, items = ask(shop)
    tell(shop, decision_id, items[0], "too_personal")
    told = report()
    assert told["labels"]["n_suggestions"] == len(items)
    assert told["labels"]["against"] == {"too_personal": 1, "not_interested": 0, "complaint": 0}
    assert told["thresholds"]["outcome"] == told["weights"]["outcome"] == "few_customers"
    assert told["thresholds"]["n_customers_needed"] == 199
    assert told["policy"]["changed"] is False
    assert in_force(shop) == Limits()
    assert "too few customers to say anything" in calibrate().stdout


def test_what_nobody_minds_stays_as_it_is(shop):
    crowd(shop, 300)
    told = report()
    assert told["thresholds"]["outcome"] == "kept"
    assert told["risk"]["expected_at_most"] == pytest.approx(1 / 303)
    assert in_force(shop) == Limits()


def test_what_many_mind_is_no_longer_shown_once_it_is_in_force(shop, tmp_path):
    crowd(shop, 300, n_flagging=60)
    told = report("--alpha", 0.008)
    after = told["thresholds"]["after"]
    assert told["thresholds"]["outcome"] == "lowered"
    assert after["show_micro"] <= after["with_reason_micro"] <= after["generalise_micro"] < 700_000
    file = tmp_path / "calibrated.yaml"
    assert f"policy {told['policy']['version']}" in calibrate("--alpha", 0.008, "--policy-file", file).stderr
    assert in_force(shop) == Limits()
    policy = read_policy(read_text(file.read_bytes(), Form.YAML).plain)
    with reading(shop.wiring.engine) as conn:
        assert policy.rules == policy_in_force(conn)[0].rules
    version = put_in_force(shop, file)
    assert told["policy"] == {"version": version, "changed": True}
    assert in_force(shop).score.generalise_micro == after["generalise_micro"]
    assert shop.wiring.runtime.wait_for({}, 10)
    again = shop.recommend(customer_id=BUYER).json()
    assert again["items"]
    assert again["basis"] == "popular"


def put_in_force(shop, file):
    """Take a policy all the way, as a marketer and whoever approves do; return its version."""
    steps = (("propose", Role.MARKETER), ("approve", Role.APPROVER), ("activate", Role.MARKETER))
    for step, role in steps:
        result = CliRunner().invoke(main, ["policy", step, str(file)], env={"TACTFUL_KEY": shop.keys[role]})
        assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_a_shop_can_ask_for_more_than_an_average(shop):
    crowd(shop, 300)
    assert "with 90% confidence: at most alpha at threshold 0.70" in calibrate("--alpha", 0.02).stdout
    assert report("--confident")["thresholds"]["outcome"] == "unsure"
    assert "with 90% confidence: too few customers" in calibrate("--no-weights").stdout


def test_what_a_few_flags_leave_open_is_said(shop):
    crowd(shop, 300, n_flagging=60, flagged="popular")
    assert "with 90% confidence: at no threshold yet" in calibrate("--alpha", 0.025, "--no-weights").stdout


def test_a_shop_is_not_silenced_altogether(shop, tmp_path):
    crowd(shop, 100, n_flagging=100, flagged="popular")
    file = tmp_path / "calibrated.yaml"
    result = calibrate("--alpha", 0.01, "--policy-file", file)
    assert result.exit_code == 1
    assert "not written" in result.stderr
    assert not file.exists()
    assert "down to nothing" in result.stdout
    assert in_force(shop) == Limits()


def test_mutes_and_complaints_count_when_asked_to(shop):
    decision_id, items = ask(shop)
    tell(shop, decision_id, items[0], "not_interested")
    complain(shop, BUYER)
    mild, strict = report(), report("--strict")
    assert mild["labels"]["against"] == {"too_personal": 0, "not_interested": 1, "complaint": len(items)}
    assert mild["labels"]["n_flagged"] == 0
    assert strict["labels"]["n_flagged"] == len(items)
    assert strict["labels"]["counted"] == ["too_personal", "not_interested", "complaint"]


def complain(shop, customer_id, days=0):
    row = {
        "subject_key": shop.wiring.subjects.account(customer_id),
        "kind": "complaint",
        "reference": "",
        "since_ms": now_ms() + days * DAY_MS,
        "until_ms": None,
    }
    with writing(shop.wiring.engine) as conn:
        conn.execute(insert(holds), row)


def test_a_complaint_counts_against_what_was_shown_last_and_lately(shop):
    ask(shop)
    last = len(ask(shop)[1])
    complain(shop, BUYER, days=6)
    assert report("--strict")["labels"]["n_flagged"] == last


def test_a_complaint_that_was_closed_blames_nothing_that_was_shown_after_it(shop):
    customer = {"customer_id": BUYER, "reference": "ticket-1"}
    news = [
        {"event_id": "o", "kind": "complaint_opened", "at_ms": now_ms() - 5 * DAY_MS, **customer},
        {"event_id": "c", "kind": "complaint_closed", "at_ms": now_ms() + 1_000, **customer},
    ]
    decision_id, items = ask(shop)
    tell(shop, decision_id, items[0], "helpful")
    assert shop.ask("POST", "/v1/events", json={"events": news}).json()["noted"] == 2
    assert report("--strict")["labels"]["n_flagged"] == 0


def test_a_complaint_long_after_counts_against_nothing(shop):
    ask(shop)
    complain(shop, BUYER, days=8)
    assert report("--strict")["calibrated"] is False


def test_only_the_time_that_is_asked_for_is_read(shop):
    decision_id, items = ask(shop)
    tell(shop, decision_id, items[0], "too_personal")
    assert report("--since", "2020-01-01")["labels"]["n_decisions"] == 1
    assert report("--until", "2020-01-01")["calibrated"] is False
    assert report("--since", "2999-01-01")["calibrated"] is False


def test_decisions_for_nobody_and_unreadable_ones_are_counted_and_left_out(shop):
    decision_id, items = ask(shop)
    tell(shop, decision_id, items[0], "too_personal")
    shop.recommend()
    with writing(shop.wiring.engine) as conn:
        append_decisions(
            conn,
            shop.wiring.logbook.keyring,
            [
                StoredDecision(
                    "broken",
                    now_ms() // 60_000,
                    "home",
                    "profile",
                    "generic",
                    "p",
                    None,
                    b"{}",
                    b"?",
                    b"x" * 16,
                    None,
                )
            ],
        )
    unseen = report()["not_observed"]
    assert (unseen["n_decisions_for_nobody"], unseen["n_decisions_unreadable"]) == (1, 1)


def test_plots_and_their_data_come_from_the_same_numbers(shop, tmp_path):
    crowd(shop, 300, n_flagging=60)
    told = report("--plot-dir", tmp_path / "plots")
    assert {file.name for file in (tmp_path / "plots").iterdir()} == {"reliability.png", "risk.png"}
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in (tmp_path / "plots").iterdir())
    curve, bins = told["risk_curve"], told["reliability"]
    assert (
        len({len(column) for column in curve.values()}) == len({len(column) for column in bins.values()}) == 1
    )
    assert curve["threshold_micro"][0] == 0
    assert curve["threshold_micro"][-1] == 700_000
    assert bins["foretold"] == sorted(bins["foretold"])


def test_nobody_is_named(shop):
    crowd(shop, 3, n_flagging=2)
    decision_id, _ = ask(shop)
    key = shop.wiring.subjects.account(BUYER)
    for told in (calibrate().output, calibrate("--json").output):
        assert not any(name in told for name in (BUYER, decision_id, key.hex(), str(_customer(key))))


@pytest.mark.parametrize(
    "arguments", [("--alpha", 0), ("--alpha", 1), ("--confidence", 1), ("--since", "yesterday")]
)
def test_what_cannot_be_understood_is_refused(arguments):
    assert calibrate(*arguments).exit_code == 2


def test_what_was_found_is_not_lost_where_pictures_cannot_be_written(shop, tmp_path):
    decision_id, items = ask(shop)
    tell(shop, decision_id, items[0], "too_personal")
    (tmp_path / "file").touch()
    result = calibrate("--json", "--plot-dir", tmp_path / "file" / "folder")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["calibrated"] is True
