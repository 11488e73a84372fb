"""Many customers in one call: each gets what they would have got alone, recorded before it is sent."""

import hashlib

import orjson
import pytest
from support.http import BUYER, EVERYTHING, fill, serving
from support.waiting import until

from api.errors import StoreUnavailableError
from api.routes import batch
from api.schemas.batch import MAX_CUSTOMERS
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.exposures import delete_exposures
from api.wiring import now_ms

PATH = "/v1/recommendations/batch"
BY_MAIL = "marketing.communications.email"
SEED = bytes(range(16))


@pytest.fixture
def steady(store):
    """A shop whose clock stands still and whose seed is always the same."""
    keys = fill(store.settings)
    at_ms = now_ms()
    with serving(store.settings, keys, new_seed=lambda: SEED, clock=lambda: at_ms) as served:
        yield served


def lines(response):
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"].startswith("application/x-ndjson")
    return [orjson.loads(line) for line in response.content.splitlines()]


def ask(shop, customers, role=Role.SITE, **more):
    body = {"placement": "home", "count": 4, "customers": customers, **more}
    return shop.ask("POST", PATH, role, json=body)


def compared(answer):
    return {name: value for name, value in answer.items() if name != "decision_id"}


def prepare(shop):
    """Put somebody of each kind into the shop."""
    shop.choose("given", *EVERYTHING, BY_MAIL)
    shop.choose("given", *EVERYTHING, BY_MAIL, customer_id="agreed-to-all")
    shop.choose("given", *EVERYTHING, customer_id="no-mail")
    shop.choose("withdrawn", *EVERYTHING, BY_MAIL, customer_id="took-it-back")
    shop.choose("given", *EVERYTHING, BY_MAIL, customer_id="muted")
    muted = {"mutes": [{"scope": "category", "value": "Food > Bread"}]}
    assert shop.ask("PUT", "/v1/customers/muted/preferences", json=muted).status_code == 200
    shop.choose("given", *EVERYTHING, BY_MAIL, customer_id="minor")
    minor = {"age_assurance": "minor"}
    assert shop.ask("PUT", "/v1/customers/minor/preferences", json=minor).status_code == 200
    shop.choose("given", *EVERYTHING, BY_MAIL, customer_id="erased")
    path = f"/v1/cascades/{shop.ask('DELETE', '/v1/customers/erased').json()['cascade_id']}"
    until(lambda: shop.ask("GET", path).json()["finished_at_ms"] is not None)
    return [BUYER, "agreed-to-all", "no-mail", "took-it-back", "muted", "minor", "erased", "never-heard-of"]


@pytest.mark.parametrize(("placement", "channel"), [("home", "web"), ("email", "email")])
def test_each_gets_what_they_would_have_got_alone(steady, placement, channel):
    customers = prepare(steady)
    where = {"placement": placement, "channel": channel}
    together = lines(ask(steady, customers, **where))
    for exposed in together:  # what was shown to them together must not change what they get alone
        forget(steady, exposed["decision_id"])
    alone = []
    for customer in customers:
        alone.append(steady.recommend(customer_id=customer, count=4, **where).json())
        forget(steady, alone[-1]["decision_id"])
    assert [orjson.dumps(compared(each)) for each in together] == [
        orjson.dumps(compared(each)) for each in alone
    ]
    if channel == "email":
        assert together[0]["items"]
        assert together[2]["items"] == []  # never agreed to be written to


def forget(shop, decision_id):
    with writing(shop.wiring.engine) as conn:
        delete_exposures(conn, [decision_id])


def test_what_is_sent_is_what_was_recorded(shop):
    shop.choose("given", *EVERYTHING)
    response = ask(shop, [BUYER, "somebody", "another"])
    for line, answer in zip(response.content.splitlines(), lines(response), strict=True):
        record = shop.decision(answer["decision_id"])
        assert record["sections"]["out"]["response_sha256"] == hashlib.sha256(line).hexdigest()


def test_lines_come_in_the_order_of_the_customers_whatever_the_groups(shop, monkeypatch):
    shop.choose("given", *EVERYTHING)
    monkeypatch.setattr(batch, "GROUP", 3)
    names = ["a", "b", BUYER, "d", "e", "f", "g"]
    answers = lines(ask(shop, names))
    assert [answer["basis"] for answer in answers].index("profile") == 2
    assert len(answers) == len(names)


def test_bad_rows_are_named_and_the_good_ones_answered(shop):
    answers = lines(
        ask(
            shop,
            [
                "good",
                {"customer_id": ""},
                7,
                {"language": "de"},
                {"customer_id": "x", "language": "fr"},
                {"customer_id": "y", "age": 4},
                "good",
                None,
                {"customer_id": "last", "language": "de"},
            ],
        )
    )
    bad = {at: answer["errors"][0]["pointer"] for at, answer in enumerate(answers) if "errors" in answer}
    assert bad == {
        1: "/customers/1/customer_id",
        2: "/customers/2",
        3: "/customers/3/customer_id",
        4: "/customers/4/language",
        5: "/customers/5/age",
        6: "/customers/6",
        7: "/customers/7",
    }
    assert all(answers[at]["status"] == 422 for at in bad)
    assert answers[0]["decision_id"] != answers[8]["decision_id"]
    assert answers[0]["options"]["switch"] != answers[8]["options"]["switch"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"customers": []}, "/customers"),
        ({"customers": ["x"] * (MAX_CUSTOMERS + 1)}, "/customers"),
        ({"customers": "x"}, "/customers"),
        ({"placement": "nowhere"}, "/placement"),
        ({"count": 51}, "/count"),
        ({"session_id": "visit"}, "/session_id"),
        ({"decision_type": "credit"}, "/human_review"),
        ({"context": {"item_id": "nothing"}}, "/context/item_id"),
    ],
)
def test_a_bad_body_is_refused_before_anything_is_sent(shop_on_sqlite, change, pointer):
    response = (
        ask(shop_on_sqlite, ["x"], **change) if "customers" not in change else ask(shop_on_sqlite, **change)
    )
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("role", [Role.MARKETER, Role.APPROVER, Role.AUDITOR])
def test_only_the_shop_itself_may_ask(shop_on_sqlite, role):
    assert ask(shop_on_sqlite, ["x"], role).status_code == 403


def test_what_fails_before_anything_was_sent_is_a_problem_of_its_own(shop_on_sqlite):
    shop_on_sqlite.wiring.recorder.close()
    response = ask(shop_on_sqlite, ["x"])
    assert response.status_code == 503
    assert "type" in response.json()


def test_what_fails_in_the_middle_ends_the_answer_with_a_problem(shop_on_sqlite, monkeypatch):
    monkeypatch.setattr(batch, "GROUP", 2)
    usual, n_groups = batch.make_group, iter(range(10))

    def make_group(*arguments):
        if next(n_groups) == 2:
            raise StoreUnavailableError("the database is gone")
        return usual(*arguments)

    monkeypatch.setattr(batch, "make_group", make_group)
    answers = lines(ask(shop_on_sqlite, list("abcdefgh")))
    assert len(answers) == 5
    assert all("decision_id" in answer for answer in answers[:4])
    assert answers[4]["status"] == 503
    assert "errors" not in answers[4]


def test_lines_are_sent_before_the_last_group_was_decided(shop_on_sqlite, monkeypatch):
    """No more is worked on than is taken: the rest waits for whoever reads."""
    monkeypatch.setattr(batch, "GROUP", 1)
    decided = []
    usual = batch.make_group
    monkeypatch.setattr(
        batch, "make_group", lambda some, *rest: (decided.append(some[0].customer_id), usual(some, *rest))[1]
    )
    body = {"placement": "home", "customers": [f"c-{number}" for number in range(1000)]}
    headers = shop_on_sqlite.auth(Role.SITE)
    with shop_on_sqlite.client.stream("POST", PATH, json=body, headers=headers) as response:
        assert "decision_id" in orjson.loads(next(response.iter_lines()))
    assert len(decided) < 1000


def test_nobody_is_named_in_the_figures(shop_on_sqlite):
    lines(ask(shop_on_sqlite, ["somebody-secret", "another-secret"]))
    figures = shop_on_sqlite.ask("GET", "/metrics", Role.ADMIN).text
    assert 'route="/v1/recommendations/batch",status="200"' in figures
    assert "secret" not in figures
