"""What holds of every operation, found by walking the application's own map of them."""

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from support.http import BUYER, EVERYTHING, STORAGE
from support.pages import path_of
from support.stores import NOW_MS

from api.auth import access_of
from api.problems import PROBLEMS
from api.storage.api_keys import Role
from api.wiring import now_ms
from guardrails.consent.purposes import KEY_OF, Purpose

PUBLIC = {
    "/healthz",
    "/readyz",
    "/transparency",
    "/.well-known/gpc.json",
    "/openapi.json",
    "/docs",
    "/problems/<name:slug>",
    "/v1/schemas/export.json",
    "/v1/log/checkpoint",
    "/v1/log/keys",
    "/v1/log/proof/inclusion",
    "/v1/log/proof/consistency",
    "/v1/log/tile/<tile:where>",
}
"""What anyone may see without a key."""

TOLD = {"type", "title", "status", "detail", "errors", "trace_id"}
"""What a problem document may hold."""


def operations(app):
    """What machines call; pages have tests of their own."""
    return [
        (rule, method)
        for rule in app.url_map.iter_rules()
        if not access_of(app, rule.endpoint).page
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
    ]


def is_problem(answer, status):
    assert answer.status_code == status, (answer.request.method, answer.request.url, answer.text)
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert {"type", "title", "status"} <= set(body) <= TOLD
    assert body["type"] == "about:blank" or body["type"].removeprefix("/problems/") in {
        problem.slug for problem in PROBLEMS
    }
    for finding in body.get("errors", ()):
        assert set(finding) in ({"pointer", "detail"}, {"parameter", "detail"})
    return True


def test_every_operation_says_who_may_call_it(shop):
    public = {rule.rule for rule, _ in operations(shop.app) if access_of(shop.app, rule.endpoint).public}
    assert public == PUBLIC
    closed = [
        access_of(shop.app, rule.endpoint).roles
        for rule, _ in operations(shop.app)
        if rule.rule not in PUBLIC
    ]
    assert closed
    assert all(Role.ADMIN in roles for roles in closed)


def test_what_declares_nothing_is_closed_to_everybody(shop):
    shop.app.view_functions["probes.liveness"] = lambda: "reached"
    assert is_problem(shop.client.get("/healthz"), 401)
    assert is_problem(shop.ask("GET", "/healthz", Role.ADMIN), 403)


def test_every_error_of_every_operation_is_a_problem_document(shop):
    for rule, method in operations(shop.app):
        path, access = path_of(rule), access_of(shop.app, rule.endpoint)
        wrong_method = shop.client.request("LOCK", path)
        assert is_problem(wrong_method, 405)
        assert method in wrong_method.headers["Allow"]
        if access.public:
            continue
        without = shop.client.request(method, path)
        assert is_problem(without, 401)
        assert without.headers["WWW-Authenticate"].startswith("Bearer")
        assert is_problem(
            shop.client.request(method, path, headers={"Authorization": "Bearer nonsense"}), 401
        )
        for role in set(Role) - access.roles:
            assert is_problem(shop.ask(method, path, role), 403)
        if rule.rule.startswith("/v1/"):
            assert is_problem(shop.ask(method, f"{path}?surprise=1", Role.ADMIN, **a_body(method)), 422)
            if not shop.app.view_functions[rule.endpoint].reads_body:
                assert is_problem(shop.ask(method, path, Role.ADMIN, json={"surprise": 1}), 422)
        if shop.app.view_functions[rule.endpoint].takes_body:
            headers = {"Content-Type": "application/json"}
            assert is_problem(shop.ask(method, path, Role.ADMIN, content=b"{", headers=headers), 400)
            assert is_problem(shop.ask(method, path, Role.ADMIN, content=b"a=1"), 415)
            assert is_problem(shop.ask(method, path, Role.ADMIN, json=[]), 422)


def a_body(method):
    return {"json": {"events": []}} if method in ("PUT", "POST", "PATCH") else {}


def test_no_answer_ever_sets_a_cookie(shop):
    for rule, method in operations(shop.app):
        answer = shop.ask(method, path_of(rule), Role.ADMIN, **a_body(method))
        assert "Set-Cookie" not in answer.headers


def test_the_description_is_valid_openapi_and_names_every_operation(shop):
    document = shop.client.get("/openapi.json").json()
    validate(document)
    assert document["openapi"].startswith("3.1")
    described = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert len(described) == len(operations(shop.app))
    for item in document["paths"].values():
        for operation in (value for key, value in item.items() if key != "parameters"):
            assert operation["summary"]
            for status, answer in operation["responses"].items():
                if (
                    str(status) >= "400"
                    and status != "default"
                    and "content" in answer
                    and operation["operationId"] != "readiness"
                ):
                    assert set(answer["content"]) == {"application/problem+json"}


def test_the_pages_need_no_script_and_nothing_from_elsewhere(shop):
    page = shop.client.get("/docs")
    assert page.status_code == 200
    for rule, _ in operations(shop.app):
        assert f'id="{rule.endpoint.split(".")[1]}"' in page.text
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.slug)
def test_every_kind_of_problem_has_a_page(shop_on_sqlite, problem):
    page = shop_on_sqlite.client.get(problem.type)
    assert page.status_code == 200
    assert problem.title in page.text


def test_an_unknown_kind_of_problem_has_none(shop_on_sqlite):
    assert is_problem(shop_on_sqlite.client.get("/problems/made-up"), 404)


def test_real_answers_are_what_the_description_promises(shop):
    document = shop.client.get("/openapi.json").json()
    shop.choose("given", *EVERYTHING, KEY_OF[Purpose.PERFORMANCE])
    suggestions = shop.recommend(customer_id=BUYER)
    decision_id = suggestions.json()["decision_id"]
    said = {"items": [{"item_id": suggestions.json()["items"][0]["item_id"], "kind": "helpful"}]}
    item = {"item_id": "new", "title": "New"}
    event = {"event_id": "e", "kind": "view", "item_id": "milk-0", "customer_id": BUYER, "at_ms": NOW_MS}
    of_customer, mine = "/v1/customers/{customer_id}", f"/v1/customers/{BUYER}"
    asked = (("tokens", {}), ("requests", {"kind": "objection"}))
    correction = {"scope": "brand", "value": "Acme", "action": "drop"}
    answers = [
        ("/v1/recommendations", suggestions),
        ("/v1/items", shop.ask("PUT", "/v1/items", json={"items": [item, {}]})),
        ("/v1/items/{item_id}", shop.ask("GET", "/v1/items/bread-0")),
        (
            "/v1/events",
            shop.ask(
                "POST", "/v1/events", json={"events": [event, {**event, "event_id": "f", "at_ms": now_ms()}]}
            ),
        ),
        ("/v1/customers/{customer_id}/consents", shop.choose("withdrawn", *EVERYTHING)),
        ("/v1/customers/{customer_id}/consents", shop.ask("GET", f"/v1/customers/{BUYER}/consents")),
        (
            "/v1/customers/{customer_id}/preferences",
            shop.ask("PUT", f"/v1/customers/{BUYER}/preferences", json={}),
        ),
        (
            "/v1/consents/check",
            shop.ask("POST", "/v1/consents/check", json={"customer_id": BUYER, "purpose": STORAGE}),
        ),
        (
            "/v1/decisions/{decision_id}/feedback",
            shop.ask("POST", f"/v1/decisions/{decision_id}/feedback", json=said),
        ),
        ("/v1/decisions", shop.ask("GET", "/v1/decisions", Role.AUDITOR)),
        ("/v1/decisions/{decision_id}", shop.ask("GET", f"/v1/decisions/{decision_id}", Role.AUDITOR)),
        ("/v1/measurements", shop.ask("GET", "/v1/measurements?by=day,arm", Role.MARKETER)),
        ("/v1/models", shop.ask("GET", "/v1/models", Role.ADMIN)),
        *((f"{of_customer}/{name}", shop.ask("GET", f"{mine}/{name}")) for name in ("interests", "privacy")),
        *((f"{of_customer}/{name}", shop.ask("POST", f"{mine}/{name}", json=body)) for name, body in asked),
        (f"{of_customer}/requests", shop.ask("GET", f"{mine}/requests")),
        (
            f"{of_customer}/interests",
            shop.ask("PATCH", f"{mine}/interests", json={"corrections": [correction]}),
        ),
        ("/v1/decisions/{decision_id}/contest", shop.ask("POST", f"/v1/decisions/{decision_id}/contest")),
        ("/v1/requests", shop.ask("GET", "/v1/requests", Role.AUDITOR)),
        ("/v1/processing-record", shop.ask("GET", "/v1/processing-record", Role.AUDITOR)),
        ("/readyz", shop.client.get("/readyz")),
        ("/transparency", shop.client.get("/transparency?language=sv")),
        ("/.well-known/gpc.json", shop.client.get("/.well-known/gpc.json")),
        ("/v1/items/{item_id}", shop.ask("GET", "/v1/items/nothing")),
    ]
    for path, answer in answers:
        operation = document["paths"][path][answer.request.method.lower()]
        (media_type,) = operation["responses"][str(answer.status_code)]["content"]
        assert answer.headers["Content-Type"] == media_type
        schema = operation["responses"][str(answer.status_code)]["content"][media_type]["schema"]
        validator = OAS31Validator({**schema, "components": document["components"]})
        assert list(validator.iter_errors(answer.json())) == [], path
