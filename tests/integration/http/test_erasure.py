"""Erasing over HTTP: the answer, the receipt, and what a customer meets afterwards."""

import time
from dataclasses import replace

import pytest
from sqlalchemy import select
from support.http import BUYER, EVERYTHING, PROFILING, STORAGE, serving

from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.tables import exposures, interactions
from guardrails.log import verifier

PATH = f"/v1/customers/{BUYER}"


def finished(shop, cascade_id):
    """Wait for the background, and return the receipt."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        told = shop.ask("GET", f"/v1/cascades/{cascade_id}").json()
        if told["finished_at_ms"] is not None:
            return told
        time.sleep(0.02)
    raise AssertionError(told)


def steps(told):
    return {each["step"]: (each["status"], each["n_affected"]) for each in told["steps"]}


@pytest.mark.parametrize("mode", ["delete", "anonymize"])
def test_from_the_answer_on_nothing_personal_is_used_and_behind_it_everything_goes(shop, mode):
    assert shop.choose("given", *EVERYTHING).status_code == 201
    assert shop.recommend(customer_id=BUYER).json()["basis"] == "profile"
    answer = shop.ask("DELETE", PATH, params={"mode": mode})
    assert answer.status_code == 202
    begun = answer.json()
    assert (begun["kind"], begun["mode"]) == ("erasure", mode)
    assert steps(begun)["serving"] == ("complete", 0)
    assert shop.recommend(customer_id=BUYER).json()["basis"] in {"popular", "none"}
    told = finished(shop, begun["cascade_id"])
    assert {status for status, _ in steps(told).values()} == {"complete"}
    assert steps(told)["history"] == ("complete", 4)
    assert steps(told)["decisions"][1] >= 1
    again = shop.ask("DELETE", PATH).json()
    assert again["cascade_id"] != begun["cascade_id"]
    assert again["finished_at_ms"] is not None
    assert {n for _, n in steps(again).values()} == {0}


def test_what_was_shown_goes_also_where_it_was_remembered_for_the_visit_alone(shop):
    path = "/v1/customers/without-history"
    shop.choose("given", *EVERYTHING, customer_id="without-history")
    on_page = {"customer_id": "without-history", "session_id": "a visit", "context": {"item_id": "bread-1"}}
    decision_ids = {shop.recommend(**on_page).json()["decision_id"] for _ in range(2)}
    theirs = select(exposures.c.decision_id).where(exposures.c.decision_id.in_(decision_ids))
    with reading(shop.wiring.engine) as conn:
        assert set(conn.scalars(theirs)) == decision_ids
    finished(shop, shop.ask("DELETE", path).json()["cascade_id"])
    with reading(shop.wiring.engine) as conn:
        assert set(conn.scalars(theirs)) == set()


def test_the_answer_proves_that_the_log_tells_of_the_erasure_and_no_record_opens(shop):
    shop.choose("given", *EVERYTHING)
    decision_id = shop.recommend(customer_id=BUYER).json()["decision_id"]
    assert shop.decision(decision_id)["sections"] is not None
    shop.wiring.cascades.close()  # nothing is done behind the answer
    begun = shop.ask("DELETE", PATH).json()
    assert steps(begun)["keys"] == ("complete", 1)
    assert steps(begun)["decisions"][0] == "pending"
    assert shop.decision(decision_id)["sections"] is None
    keys = [verifier.parse_vkey(vkey) for vkey in shop.wiring.logbook.vkeys]
    asked = verifier.Asked(log_keys=keys, allow_unwitnessed=True)
    assert verifier.check_receipt(begun["log_receipt"].encode(), asked).exit_code == 0
    told = verifier.parse_receipt(begun["log_receipt"].encode())
    assert told.index == begun["log_index"]
    assert BUYER.encode() not in told.extra


def test_live_events_of_an_erased_customer_are_listed_as_withheld(shop):
    finished(shop, shop.ask("DELETE", PATH).json()["cascade_id"])
    event = {"event_id": "e1", "kind": "purchase", "item_id": "bread-1", "customer_id": BUYER}
    event["at_ms"] = shop.wiring.clock()
    answer = shop.ask("POST", "/v1/events", json={"events": [event]}).json()
    assert answer["stored"] == 0
    assert [each["because"] for each in answer["withheld"]] == ["SUPPRESSED"]


def test_of_a_decision_for_an_erased_customer_the_header_alone_is_kept(shop):
    finished(shop, shop.ask("DELETE", PATH).json()["cascade_id"])
    decision_id = shop.recommend(customer_id=BUYER).json()["decision_id"]
    assert shop.decision(decision_id)["sections"] is None


def test_an_unknown_cascade_and_an_unknown_recipient_are_not_found(shop):
    begun = shop.ask("DELETE", PATH).json()["cascade_id"]
    for answer in (
        shop.ask("GET", "/v1/cascades/nothing"),
        shop.ask("PUT", f"/v1/cascades/{begun}/steps/nobody", json={"status": "complete"}),
        shop.ask("PUT", f"/v1/cascades/{begun}/steps/history", json={"status": "complete"}),
    ):
        assert answer.status_code == 404
        assert answer.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    ("query", "parameter"), [({"mode": "shred"}, "mode"), ({"subject_type": "house"}, "subject_type")]
)
def test_what_is_not_understood_is_refused(shop, query, parameter):
    answer = shop.ask("DELETE", PATH, params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == parameter


def test_an_auditor_reads_receipts_and_erases_nobody(shop):
    begun = shop.ask("DELETE", PATH).json()["cascade_id"]
    assert shop.ask("GET", f"/v1/cascades/{begun}", Role.AUDITOR).status_code == 200
    assert shop.ask("DELETE", PATH, Role.AUDITOR).status_code == 403
    assert shop.ask("GET", f"/v1/cascades/{begun}", Role.MARKETER).status_code == 403


def test_figures_say_how_many_cascades_are_under_way(shop):
    finished(shop, shop.ask("DELETE", PATH).json()["cascade_id"])
    figures = shop.ask("GET", "/metrics", Role.ADMIN).text
    assert "tactful_cascades_open" in figures
    assert "tactful_cascade_steps_failed" in figures


def test_a_visit_is_erased_by_its_own_id(shop):
    given = {"subject_type": "session", "purpose": PROFILING, "status": "refused"}
    assert shop.ask("POST", "/v1/customers/visit-1/consents", json=given).status_code == 201
    begun = shop.ask("DELETE", "/v1/customers/visit-1", params={"subject_type": "session"}).json()
    assert steps(finished(shop, begun["cascade_id"]))["consents"] == ("complete", 1)


@pytest.fixture
def shop_with_recipients(store, keys):
    with serving(replace(store.settings, recipients=("newsletter", "ads/eu")), keys) as served:
        yield served


def test_recipients_wait_until_the_shop_reports_them(shop_with_recipients):
    shop = shop_with_recipients
    begun = shop.ask("DELETE", PATH).json()
    told = finished(shop, begun["cascade_id"])
    assert {each["recipient"]: each["status"] for each in told["recipients"]} == {
        "newsletter": "pending",
        "ads/eu": "pending",
    }
    path = f"/v1/cascades/{begun['cascade_id']}/steps"
    told = shop.ask("PUT", f"{path}/ads/eu", json={"status": "error"}).json()
    assert [each["status"] for each in told["recipients"]] == ["error", "pending"]
    told = shop.ask("PUT", f"{path}/ads/eu", json={"status": "complete"}).json()
    assert [each["status"] for each in told["recipients"]] == ["complete", "pending"]
    assert shop.ask("PUT", f"{path}/ads/eu", json={"status": "pending"}).status_code == 422


def test_an_erased_visit_stays_erased_whoever_it_comes_together_with(shop):
    shop.choose("given", *EVERYTHING)
    device = {"purpose": STORAGE, "status": "given", "subject_type": "device"}
    shop.ask("POST", "/v1/customers/phone-1/consents", json=device)
    shop.ask("DELETE", "/v1/customers/visit-1", params={"subject_type": "session"})
    event = {"kind": "view", "item_id": "bread-1", "session_id": "visit-1", "at_ms": shop.wiring.clock()}
    events = [
        {**event, "event_id": "of the device", "device_id": "phone-1"},
        {**event, "event_id": "of the account", "customer_id": BUYER},
    ]
    stored = shop.ask("POST", "/v1/events", json={"events": events}).json()
    assert [each["because"] for each in stored["withheld"]] == ["SUPPRESSED"]
    assert stored["stored"] == 1
    with reading(shop.wiring.engine) as conn:
        assert set(conn.scalars(select(interactions.c.session_key))) == {None}
