"""What is switched off is shown as it is in force (11 CCR 7025, 7026); what is done is on record."""

import pytest
from support.http import BUYER, EVERYTHING, OFFERS

from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.rights import note_signal
from guardrails.consent.purposes import REGISTER
from guardrails.rules.slate import EVERY_RULE

PRIVACY = f"/v1/customers/{BUYER}/privacy"


def status_of(shop, **headers):
    answer = shop.ask("GET", PRIVACY, headers=headers)
    assert answer.status_code == 200
    assert "Sec-GPC" in answer.headers["Vary"]
    return answer.json()


def because(standing):
    return {each["purpose"]: each["because"] for each in standing}


def test_a_signal_is_shown_to_be_honoured(shop):
    shop.choose("given", *EVERYTHING, "third_party_sharing", "third_party_enrichment")
    plain, signalled = status_of(shop), status_of(shop, **{"Sec-GPC": "1"})
    assert (plain["gpc"], signalled["gpc"]) == (False, True)
    assert because(plain["sale_and_sharing"]) == {"third_party_sharing": None, "third_party_enrichment": None}
    assert set(because(signalled["sale_and_sharing"]).values()) == {"SIGNAL_OPT_OUT"}


def test_a_signal_seen_before_is_shown_with_its_time(shop):
    assert status_of(shop)["signals_seen"] == []
    with writing(shop.wiring.engine) as conn:
        note_signal(conn, shop.wiring.subjects.account(BUYER), "gpc", "1", 1_000)
    (seen,) = status_of(shop)["signals_seen"]
    assert seen == {"signal": "gpc", "value": "1", "first_seen_ms": 1_000, "changed_at_ms": 1_000}


def test_everything_switched_off_is_shown(shop):
    fresh = status_of(shop)
    assert (fresh["mode"], fresh["restricted"], fresh["shared_device"]) == ("profiled", False, False)
    shop.ask("PUT", f"/v1/customers/{BUYER}/preferences", json={"non_profiled": True, "shared_device": True})
    shop.ask("POST", f"/v1/customers/{BUYER}/requests", json={"kind": "objection"})
    found = status_of(shop)
    assert (found["mode"], found["shared_device"]) == ("non_profiled", True)
    assert set(because(found["marketing"]).values()) == {"OBJECTED"}
    assert OFFERS in because(found["marketing"])
    shop.ask("POST", f"/v1/customers/{BUYER}/requests", json={"kind": "restriction"})
    assert status_of(shop)["restricted"] is True


def test_the_status_is_for_the_site_and_the_customer(shop):
    for role in (Role.AUDITOR, Role.MARKETER):
        assert shop.ask("GET", PRIVACY, role).status_code == 403
    assert shop.ask("GET", f"{PRIVACY}?verbose=1").status_code == 422
    token = shop.ask("POST", f"/v1/customers/{BUYER}/tokens", json={}).json()["token"]
    mine = shop.client.get("/v1/customers/me/privacy", headers={"Authorization": f"Bearer {token}"})
    assert mine.json() == status_of(shop)


def test_the_record_of_processing_is_what_is_in_force(shop):
    document = shop.ask("GET", "/v1/processing-record", Role.AUDITOR).json()
    record, assessment = document["record"], document["assessment"]
    assert [each["key"] for each in record["purposes"]] == [entry.key for entry in REGISTER]
    assert all(each["basis"] != "none" for each in record["purposes"])
    assert [each["rule"] for each in assessment["risks"]] == [rule.id for rule in EVERY_RULE]
    assert all(each["risk"] and each["safeguard"] for each in assessment["risks"])
    snapshot = shop.wiring.runtime.current()
    assert document["policy_version"] == snapshot.house.policy_version
    assert document["model_version"] == snapshot.house.recommender.version
    days = {each["data"]: each["days"] for each in record["retention"]}
    assert days["view"] == snapshot.house.limits.evidence.view_days
    assert assessment["limits"]["evidence"]["view_days"] == days["view"]


def test_the_record_of_processing_speaks_the_readers_language(shop):
    def meanings(language):
        headers = {"Accept-Language": language}
        document = shop.ask("GET", "/v1/processing-record", Role.AUDITOR, headers=headers).json()
        return [each["meaning"] for each in document["record"]["purposes"]]

    assert set(meanings("sv")).isdisjoint(meanings("en"))


@pytest.mark.parametrize("role", [Role.SITE, Role.MARKETER, Role.APPROVER])
def test_the_record_of_processing_is_for_the_auditor(shop, role):
    assert shop.ask("GET", "/v1/processing-record", role).status_code == 403
