"""Who was erased comes back by their own express word, and by nothing else."""

from dataclasses import replace

import pytest
from support.http import BUYER, PROFILED, PROFILING, serving
from support.waiting import until

from api.forgetting.begin import Erasable
from api.storage.connection import reading
from api.storage.suppressions import is_suppressed
from api.storage.tables import customers
from guardrails.consent.purposes import Purpose
from guardrails.request import SubjectKind

CONSENTS = f"/v1/customers/{BUYER}/consents"
TC_STRING = "CQq5IMAQq5IMANwABBENCvFgAM0gAAAAAAYgAAAAAAAA.IAAA.caQAAAAAAAA"


def erase(shop):
    path = f"/v1/cascades/{shop.ask('DELETE', f'/v1/customers/{BUYER}').json()['cascade_id']}"
    until(lambda: shop.ask("GET", path).json()["finished_at_ms"] is not None)


def suppressed(shop):
    subject = Erasable.of(shop.wiring.subjects, SubjectKind.ACCOUNT, BUYER)
    with reading(shop.wiring.engine) as conn:
        return bool(is_suppressed(conn, [subject.suppression_key]))


@pytest.mark.parametrize(
    "body",
    [
        {"purpose": PROFILED, "status": "given"},
        {"purpose": PROFILED, "status": "given", "explicit": True, "actor": "import:crm", "method": "import"},
        {"signal": {"kind": "tcf", "value": TC_STRING}},
    ],
    ids=["a consent that is not express", "an import", "a signal"],
)
def test_nothing_but_their_own_express_consent_brings_them_back(shop, body):
    shop.choose("given", PROFILING, PROFILED)
    erase(shop)
    refused = shop.ask("POST", CONSENTS, json=body)
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/erased"
    assert suppressed(shop)


def test_their_own_express_consent_does(shop):
    shop.choose("given", PROFILING, PROFILED)
    erase(shop)
    back = shop.ask("POST", CONSENTS, json={"purpose": PROFILED, "status": "given", "explicit": True})
    assert back.status_code == 201
    assert not suppressed(shop)
    assert shop.recommend(customer_id=BUYER).json()["basis"] != "profile"


def test_a_refusal_is_taken_down_from_anybody_at_any_time(shop):
    shop.choose("given", PROFILED)
    erase(shop)
    assert shop.choose("refused", PROFILED).status_code == 201
    assert suppressed(shop)


def test_erasing_does_not_open_what_rests_on_an_interest_of_the_shop(store, keys):
    purpose, asked = "marketing.communications.email", {"customer_id": BUYER, "channel": "email"}
    interest = replace(
        store.settings.consent,
        legitimate_interest=frozenset({Purpose.COMMUNICATIONS}),
        lia_document_id="LIA-7",
    )
    with serving(replace(store.settings, consent=interest), keys) as shop:

        def check():
            return shop.ask("POST", "/v1/consents/check", json={"purpose": purpose, **asked}).json()

        assert check()["permitted"]
        shop.choose("objected", purpose)
        erase(shop)
        assert check()["because"] == "OBJECTED"
        answer = shop.recommend(customer_id=BUYER, placement="email", channel="email").json()
        assert answer["items"] == []


def test_settings_do_not_bring_them_back_either(shop):
    shop.choose("given", PROFILED)
    erase(shop)
    assert shop.ask("PUT", f"/v1/customers/{BUYER}/preferences", json={}).status_code == 409
    with reading(shop.wiring.engine) as conn:
        assert conn.execute(customers.select()).all() == []
