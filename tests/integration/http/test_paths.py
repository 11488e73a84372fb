"""An address is what it says: nothing below a customer is taken for a customer of that name."""

from __future__ import annotations

import pytest

from api.paths import BELOW_A_CUSTOMER
from api.storage.api_keys import Role

_CUSTOMER = "/v1/customers/<id:customer_id>/"


@pytest.mark.parametrize("below", BELOW_A_CUSTOMER)
def test_what_is_below_a_customer_is_not_erased_as_a_customer(shop_on_sqlite, below):
    answer = shop_on_sqlite.ask("DELETE", f"/v1/customers/anna/{below}")
    assert answer.status_code == 405
    assert "DELETE" not in answer.headers["Allow"]


def test_all_that_is_below_a_customer_is_known(shop_on_sqlite):
    rules = [rule.rule for rule in shop_on_sqlite.app.url_map.iter_rules()]
    below = {rule.removeprefix(_CUSTOMER) for rule in rules if rule.startswith(_CUSTOMER)}
    assert below == set(BELOW_A_CUSTOMER)


@pytest.mark.parametrize("customer_id", ["anna/1", "privacy", "a/privacy/b", "anna/privacy-"])
def test_a_key_may_hold_slashes(shop_on_sqlite, customer_id):
    assert shop_on_sqlite.ask("DELETE", f"/v1/customers/{customer_id}").status_code == 202


@pytest.mark.parametrize("word", ["train", "rollback"])
def test_what_is_done_with_models_is_no_model(shop_on_sqlite, word):
    answer = shop_on_sqlite.ask("GET", f"/v1/models/{word}", Role.ADMIN)
    assert answer.status_code == 405
    assert "GET" not in answer.headers["Allow"]
