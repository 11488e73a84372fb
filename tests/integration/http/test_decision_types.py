"""No machine decides alone what affects somebody much as the law does (GDPR 22)."""

import pytest
from support.http import BUYER


@pytest.mark.parametrize("decision_type", ["credit", "price_individual", "access"])
def test_what_has_legal_effect_is_refused_without_a_person(shop, decision_type):
    for more in ({}, {"human_review": False}):
        answer = shop.recommend(customer_id=BUYER, decision_type=decision_type, **more)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/human_review"
    assert (
        shop.recommend(customer_id=BUYER, decision_type=decision_type, human_review=True).status_code == 200
    )


@pytest.mark.parametrize("asked", [{}, {"decision_type": "recommendation"}, {"human_review": True}])
def test_a_suggestion_needs_no_person(shop, asked):
    assert shop.recommend(customer_id=BUYER, **asked).status_code == 200


@pytest.mark.parametrize(
    "asked", [{"decision_type": "dismissal"}, {"human_review": "yes"}, {"decision_type": None}]
)
def test_a_type_that_does_not_exist_is_refused(shop, asked):
    assert shop.recommend(customer_id=BUYER, **asked).status_code == 422
