import orjson
import pytest
from flask import Flask
from werkzeug.exceptions import ImATeapot

from api import errors as edge
from api import problems
from api.errors import Finding, InvalidRequestError, StoreUnavailableError
from api.pointers import pointer_to
from api.problems import PROBLEM_OF, PROBLEMS, answer_problems, document, findings_from
from engine import errors as engine
from guardrails import errors as guardrails


@pytest.fixture
def app():
    app = Flask("api", static_folder=None)
    answer_problems(app)
    return app


def raising(app, error):
    def view():
        raise error

    app.add_url_rule("/fails", view_func=view)
    return app.test_client().get("/fails")


def test_every_kind_of_problem_has_a_name_of_its_own_and_says_what_to_do():
    assert len({problem.slug for problem in PROBLEMS}) == len(PROBLEMS)
    assert all(problem.meaning.endswith((".", "`")) and problem.status >= 400 for problem in PROBLEMS)
    assert set(PROBLEM_OF.values()) <= set(PROBLEMS)


def test_a_tree_of_messages_becomes_one_finding_a_leaf_in_order():
    tree = {"items": {0: {"price": ["Not a valid number."]}, 2: ["Not an object."]}, "_schema": ["Odd."]}
    assert findings_from(tree) == (
        Finding("not a valid number", pointer="/items/0/price"),
        Finding("not an object", pointer="/items/2"),
        Finding("odd", pointer=""),
    )


def test_a_finding_in_the_query_names_its_parameter():
    assert findings_from({"limit": ["Not a valid integer."]}, in_query=True) == (
        Finding("not a valid integer", parameter="limit"),
    )


def test_a_pointer_escapes_what_rfc_6901_escapes():
    assert pointer_to("a/b", "m~n", 3) == "/a~1b/m~0n/3"


@pytest.mark.parametrize(
    ("error", "problem"),
    [(kind("why"), found) for kind, found in PROBLEM_OF.items() if kind is not InvalidRequestError],
)
def test_an_error_of_ours_is_answered_as_the_problem_it_is(app, error, problem):
    answer = raising(app, error)
    assert answer.status_code == problem.status
    assert answer.content_type == "application/problem+json"
    body = orjson.loads(answer.data)
    assert body == {"type": problem.type, "title": problem.title, "status": problem.status, "detail": "why"}


def test_every_place_that_is_wrong_is_named(app):
    answer = raising(app, InvalidRequestError([Finding("bad", pointer="/a"), Finding("odd", parameter="b")]))
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"pointer": "/a", "detail": "bad"}, {"parameter": "b", "detail": "odd"}]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("customer 4711"),
        edge.EdgeError("customer 4711"),
        engine.EngineError("customer 4711"),
        guardrails.RecordError("customer 4711"),
    ],
)
def test_what_nobody_expected_is_told_without_its_insides(app, error):
    answer = raising(app, error)
    assert answer.status_code == 500
    assert orjson.loads(answer.data) == document(problems.INTERNAL, None)


def test_a_store_that_is_away_says_when_to_come_back(app):
    assert raising(app, StoreUnavailableError("busy")).headers["Retry-After"] == "1"


def test_a_status_without_a_page_is_called_about_blank(app):
    body = orjson.loads(raising(app, ImATeapot()).data)
    assert body == {"type": "about:blank", "title": "I'm a teapot", "status": 418}


def test_the_methods_that_are_allowed_stay_named(app):
    app.add_url_rule("/reads", view_func=lambda: "", methods=["GET"])
    answer = app.test_client().post("/reads")
    assert answer.status_code == 405
    assert {"GET", "HEAD"} <= set(answer.headers["Allow"].replace(" ", "").split(","))
    assert answer.content_type == "application/problem+json"


def test_an_unknown_address_is_a_problem_document(app):
    answer = app.test_client().get("/nowhere")
    assert (answer.status_code, answer.json["type"]) == (404, "/problems/not-found")
