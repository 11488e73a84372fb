"""What was said before an erasure, or by others, opens nothing after it."""

import pytest
from support.http import BUYER, PROFILED, PROFILING
from support.waiting import until

from api.forgetting.worker import Forgetting
from api.storage.connection import reading
from api.storage.suppressions import is_suppressed
from api.storage.tables import customers, feedback

CONSENTS = f"/v1/customers/{BUYER}/consents"
EMAIL = "marketing.communications.email"
CHILD_WHO_LIMITS = "DBACLDA~CpQiGhAEAFJA.YA~BAQAAAAEA.QA"
NOTICE = {
    "notice_id": "privacy",
    "version": "1",
    "language": "en",
    "jurisdiction": "EU",
    "text": "May we?",
    "purposes": [PROFILED, EMAIL],
}


@pytest.fixture
def erased(shop):
    shop.choose("given", PROFILING, PROFILED)
    path = f"/v1/cascades/{shop.ask('DELETE', f'/v1/customers/{BUYER}').json()['cascade_id']}"
    until(lambda: shop.ask("GET", path).json()["finished_at_ms"] is not None)
    assert shop.ask("PUT", "/v1/notices", json=NOTICE).status_code == 200
    return shop


def suppressed(shop):
    subjects = shop.wiring.subjects
    with reading(shop.wiring.engine) as conn:
        return bool(is_suppressed(conn, [subjects.suppression(subjects.account(BUYER))]))


def test_an_express_consent_from_before_the_erasure_that_arrives_late_brings_nobody_back(erased):
    late = {"purpose": PROFILED, "status": "given", "explicit": True}
    before_ms = erased.wiring.clock() - 3_600_000
    assert erased.ask("POST", CONSENTS, json={**late, "at_ms": before_ms}).status_code == 409
    assert suppressed(erased)
    assert erased.ask("POST", CONSENTS, json=late).status_code == 201


def test_the_shop_cannot_opt_an_erased_customer_in_softly(erased):
    sale = {
        "purpose": EMAIL,
        "status": "SoftOptIn",
        "method": "sale",
        "actor": "controller",
        "item_categories": ["Food > Bread"],
        "notice_id": "privacy",
        "notice_version": "1",
    }
    assert erased.ask("POST", CONSENTS, json=sale).status_code == 409


def test_what_a_signal_says_of_an_erased_customer_s_age_is_not_kept(erased):
    signal = {"kind": "gpp", "value": CHILD_WHO_LIMITS}
    assert erased.ask("POST", CONSENTS, json={"signal": signal}).status_code == 201
    with reading(erased.wiring.engine) as conn:
        assert conn.execute(customers.select()).all() == []


def test_a_browser_s_header_neither_brings_an_erased_customer_back_nor_costs_them_the_answer(erased):
    answer = erased.recommend(customer_id=BUYER, headers={"ADPC": f'consent="privacy:{PROFILED}"'})
    assert answer.status_code == 200
    assert answer.json()["profiling"] is False
    assert suppressed(erased)


def test_a_browser_s_withdrawal_while_the_erasure_is_under_way_does_not_cost_the_answer(shop):
    shop.choose("given", PROFILING, PROFILED)
    shop.wiring.cascades.close()
    assert shop.ask("DELETE", f"/v1/customers/{BUYER}").json()["finished_at_ms"] is None
    assert shop.recommend(customer_id=BUYER, headers={"ADPC": "withdraw=*"}).status_code == 200


def test_what_is_said_of_a_decision_once_its_customer_is_erased_is_not_kept(shop):
    shop.choose("given", PROFILING, PROFILED)
    answer = shop.recommend(customer_id=BUYER).json()
    said = {"items": [{"item_id": answer["items"][0]["item_id"], "kind": "clicked"}]}
    path = f"/v1/decisions/{answer['decision_id']}/feedback"
    shop.wiring.cascades.close()
    shop.ask("DELETE", f"/v1/customers/{BUYER}")
    assert shop.ask("POST", path, json=said).status_code == 409
    Forgetting(shop.wiring.logbook, shop.settings, shop.wiring.clock).work_on_due()
    assert shop.ask("POST", path, json=said).status_code == 404
    with reading(shop.wiring.engine) as conn:
        assert conn.execute(feedback.select()).all() == []
