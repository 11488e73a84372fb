"""Policies over HTTP: drafts in either form, what is said of them, every step and who may take it."""

from __future__ import annotations

import hashlib

import pytest
from openapi_schema_validator import OAS31Validator
from support.changing import rehearsed
from support.http import fill, serving
from support.policies import a_policy, a_rule

from api.auth import access_of
from api.policies.service import shipped_version
from api.policies.text import write_yaml
from api.storage.api_keys import Role, create_key
from api.storage.connection import writing
from api.wiring import now_ms
from guardrails.log.canonical import canonical
from guardrails.policy.document import to_plain
from guardrails.policy.language import Policy
from guardrails.policy.lifecycle import HOUR_MS
from guardrails.policy.rehearsal import Tally
from guardrails.policy.rehearsal_report import NEVER_OBSERVED, LeftOut, Reach, Words, report_of

HOUSE = "/v1/policies/house/versions"
YAML = "application/yaml"
TIGHTER = {"policy": "house", "limits": {"G17.upsell_hard": 0.3}}
STRICTER = {"policy": "house", "limits": {"G17.upsell_hard": 0.2}}
LOOSER = {"policy": "house", "limits": {"G17.upsell_hard": 0.6}}

READERS = {Role.MARKETER, Role.APPROVER, Role.AUDITOR}
WRITERS = {Role.MARKETER, Role.APPROVER}
APPROVERS = {Role.APPROVER, Role.AUDITOR}
MATRIX = {
    ("GET", "/v1/policies"): READERS,
    ("POST", "/v1/policies"): WRITERS,
    ("GET", "/v1/policies/schema"): READERS,
    ("GET", "/v1/policies/<name>/versions"): READERS,
    ("POST", "/v1/policies/<name>/versions"): WRITERS,
    **{
        ("GET", f"/v1/policies/<name>/versions/<version>{what}"): READERS
        for what in ("", "/state", "/lint", "/tests", "/diff", "/rehearsal", "/steps")
    },
    **{
        ("POST", f"/v1/policies/<name>/versions/<version>/{step}"): WRITERS
        for step in (
            "rehearsal",
            "propose",
            "rollback",
            "activate",
            "shadow",
            "challenge",
            "end",
            "break_glass",
        )
    },
    **{
        ("POST", f"/v1/policies/<name>/versions/<version>/{step}"): APPROVERS
        for step in ("approve", "reject")
    },
}


class Desk:
    """A shop whose policies are changed over HTTP, by a clock that is moved."""

    def __init__(self, shop, store, clock):
        self.shop, self.store, self.clock = shop, store, clock

    def post(self, path, role=Role.MARKETER, **body):
        return self.shop.ask("POST", path, role, json=body)

    def get(self, path, role=Role.AUDITOR, **more):
        return self.shop.ask("GET", path, role, **more)

    def draft(self, document=TIGHTER):
        answer = self.post("/v1/policies", **document)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["version"]

    def does(self, step, version, role=Role.MARKETER, **body):
        answer = self.post(f"{HOUSE}/{version}/{step}", role, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def is_refused(self, step, version, role=Role.MARKETER, **body):
        answer = self.post(f"{HOUSE}/{version}/{step}", role, **body)
        assert answer.status_code == 409, answer.text
        assert answer.json()["type"] == "/problems/policy-refused"
        return answer.json()["detail"]

    def approved(self, document=TIGHTER):
        version, base = self.draft(document), self.in_force()["version"]
        rehearsed(self.store, version, base)
        self.does("propose", version)
        self.does("approve", version, Role.APPROVER, base=base)
        return version

    def in_force(self):
        return self.get("/v1/policies").json()["in_force"]

    def state_of(self, version):
        return self.get(f"{HOUSE}/{version}/state").json()["state"]


@pytest.fixture
def ticking(clock):
    clock.now_ms = now_ms()
    return clock


@pytest.fixture
def desk(store, ticking):
    with serving(store.settings, fill(store.settings), clock=ticking) as shop:
        yield Desk(shop, store, ticking)


@pytest.fixture
def desk_on_sqlite(sqlite_store, ticking):
    with serving(sqlite_store.settings, fill(sqlite_store.settings), clock=ticking) as shop:
        yield Desk(shop, sqlite_store, ticking)


def test_every_operation_is_open_to_these_roles_and_no_others(shop_on_sqlite):
    found = {
        (method, rule.rule.replace("<name:", "<")): access_of(shop_on_sqlite.app, rule.endpoint).roles
        for rule in shop_on_sqlite.app.url_map.iter_rules()
        if rule.rule.startswith("/v1/policies")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert found == {operation: roles | {Role.ADMIN} for operation, roles in MATRIX.items()}


class TestDrafts:
    def test_json_and_yaml_are_the_same_draft(self, desk):
        policy = a_policy(a_rule("late"))
        plain = desk.post("/v1/policies", **to_plain(policy))
        headers = {"Content-Type": YAML}
        text = desk.shop.ask(
            "POST", "/v1/policies", Role.MARKETER, content=write_yaml(policy), headers=headers
        )
        assert (plain.status_code, text.status_code) == (201, 200)
        assert plain.json()["version"] == text.json()["version"]
        version = plain.json()["version"]
        path = f"/v1/policies/{policy.name}/versions/{version}"
        assert desk.get(path).json() == to_plain(policy)
        written = desk.get(path, headers={"Accept": YAML})
        assert written.headers["Content-Type"] == YAML
        assert written.text == write_yaml(policy)
        assert desk.get(path, headers={"Accept": "text/html"}).headers["Content-Type"] == "application/json"

    def test_a_draft_with_errors_is_kept_and_cannot_be_proposed(self, desk_on_sqlite):
        answer = desk_on_sqlite.post("/v1/policies", **LOOSER)
        assert answer.status_code == 201
        told = answer.json()
        assert (told["state"], told["n_errors"]) == ("draft", 1)
        version = told["version"]
        assert desk_on_sqlite.get(f"{HOUSE}/{version}/lint").json()["n_errors"] == 1
        assert desk_on_sqlite.is_refused("propose", version).startswith("the draft has errors")

    def test_findings_stand_where_the_text_has_them(self, desk_on_sqlite):
        text = "# ours\npolicy: house\nlimits:\n  G17.upsell_hard: 0.6\n"
        headers = {"Content-Type": YAML}
        answer = desk_on_sqlite.shop.ask("POST", "/v1/policies", Role.MARKETER, content=text, headers=headers)
        (finding,) = answer.json()["findings"]
        assert (finding["line"], finding["column"]) == (4, 3)

    @pytest.mark.parametrize(
        ("media_type", "text", "pointer", "line", "column", "code"),
        [
            (YAML, "policy: house\nrulez: []\n", "/rulez", 2, 1, "unknown_key"),
            (YAML, "policy: house\npolicy: home\n", "/policy", 2, 1, "duplicate_key"),
            (YAML, "policy: &a house\n", "/policy", 1, 9, "not_supported"),
            (YAML, "policy: [\n", "", 2, 1, "syntax"),
            (YAML, "policy: house\ntime_zone: Europe/Atlantis\n", "/time_zone", 2, 1, "unknown_zone"),
            ("application/json", '{"policy": "house",\n "limits": 3}', "/limits", 2, 2, "wrong_type"),
            ("application/json", '{"policy":', "/policy", 1, 11, "syntax"),
        ],
    )
    def test_what_cannot_be_understood_is_refused_by_line_and_column(
        self, desk_on_sqlite, media_type, text, pointer, line, column, code
    ):
        headers = {"Content-Type": media_type}
        answer = desk_on_sqlite.shop.ask("POST", "/v1/policies", Role.MARKETER, content=text, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["type"] == "/problems/invalid-request"
        (error,) = answer.json()["errors"]
        assert error["detail"]
        assert (error["pointer"], error["line"], error["column"]) == (pointer, line, column)
        assert error["code"] == code

    def test_of_several_things_that_are_wrong_all_are_named(self, desk_on_sqlite):
        answer = desk_on_sqlite.post("/v1/policies", policy="house", limits={"G17.x": 1}, rules=[{}], more=1)
        assert {each["pointer"] for each in answer.json()["errors"]} >= {
            "/limits/G17.x",
            "/more",
            "/rules/0/id",
        }

    def test_other_forms_are_not_taken(self, desk_on_sqlite):
        shop = desk_on_sqlite.shop
        for headers in (
            {"Content-Type": "text/plain"},
            {"Content-Type": YAML, "Content-Encoding": "gzip"},
        ):
            answer = shop.ask(
                "POST", "/v1/policies", Role.MARKETER, content=b"policy: house", headers=headers
            )
            assert answer.status_code == 415
        length = shop.settings.max_body_bytes + 1
        answer = shop.ask(
            "POST", "/v1/policies", Role.MARKETER, content=b"#" * length, headers={"Content-Type": YAML}
        )
        assert answer.status_code == 413

    def test_another_version_goes_under_its_own_name(self, desk_on_sqlite):
        assert desk_on_sqlite.post(HOUSE, **TIGHTER).status_code == 201
        answer = desk_on_sqlite.post("/v1/policies/summer/versions", **TIGHTER)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/policy"

    def test_what_is_not_there_is_not_found(self, desk_on_sqlite):
        version = desk_on_sqlite.draft()
        summer = f"/v1/policies/summer/versions/{version}"
        for path in (
            "/v1/policies/summer/versions",
            *(f"{HOUSE}/{'0' * 64}{what}" for what in ("", "/state", "/lint", "/tests", "/diff", "/steps")),
            *(f"{summer}{what}" for what in ("", "/state", "/steps")),
            f"{HOUSE}/{version}/diff?against={'0' * 64}",
        ):
            answer = desk_on_sqlite.get(path)
            assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-policy"), path
        assert desk_on_sqlite.get(f"{HOUSE}/{version}/rehearsal").status_code == 404
        assert desk_on_sqlite.post(f"{summer}/propose").status_code == 404

    def test_what_is_wrong_is_said_in_the_language_of_whoever_asks(self, desk_on_sqlite):
        version = desk_on_sqlite.draft()
        answer = desk_on_sqlite.shop.ask(
            "POST", f"{HOUSE}/{version}/propose", Role.MARKETER, headers={"Accept-Language": "de"}
        )
        assert answer.json()["detail"].startswith("keine Probe gegen das, was gilt")
        assert answer.json()["title"] == "Die Richtlinie kann diesen Schritt jetzt nicht gehen"


class TestLooking:
    def test_a_difference_is_told_or_that_there_is_none(self, desk_on_sqlite):
        first, second = desk_on_sqlite.draft(TIGHTER), desk_on_sqlite.draft(STRICTER)
        found = desk_on_sqlite.get(f"{HOUSE}/{second}/diff", params={"against": first}).json()
        assert found["limits"] == [
            {"limit": "G17.upsell_hard", "before": 0.3, "after": 0.2, "tightened": True}
        ]
        assert not found["proven_equal"]
        assert desk_on_sqlite.get(f"{HOUSE}/{first}/diff", params={"against": first}).json()["proven_equal"]
        assert desk_on_sqlite.get(f"{HOUSE}/{first}/diff").json()["against"] == shipped_version()

    def test_tests_of_a_draft_are_run(self, desk_on_sqlite):
        told = desk_on_sqlite.get(f"{HOUSE}/{shipped_version()}/tests").json()
        assert told["n_passed"] == len(told["tests"]) > 0
        assert {test["did"] for test in told["tests"]} >= {"block", "allow"}

    def test_the_schema_is_what_a_form_is_made_of(self, desk_on_sqlite):
        told = desk_on_sqlite.get("/v1/policies/schema").json()
        assert {"schema", "fields", "limits"} <= set(told)

    def test_a_form_is_labelled_in_the_language_asked_for(self, desk_on_sqlite):
        said = desk_on_sqlite.get("/v1/policies/schema", headers={"Accept-Language": "de"})
        told = said.json()
        assert said.headers["Content-Language"] == "de"
        described = {each["name"]: each["description"] for each in told["fields"] + told["limits"]}
        assert described["G17.upsell_steps_session"] == (
            "wie viele Upsells bei einem Besuch höchstens gezeigt werden"
        )
        assert described["item.age_restricted"] == "wird nur an Erwachsene verkauft"

    def test_a_rehearsal_is_begun_and_looked_up(self, desk):
        version = desk.draft()
        begun = desk.post(f"{HOUSE}/{version}/rehearsal")
        assert begun.status_code == 202
        assert begun.json()["base"] == shipped_version()
        found = desk.get(f"{HOUSE}/{version}/rehearsal").json()
        assert found["rehearsal_id"] == begun.json()["rehearsal_id"]

    def test_what_a_rehearsal_says_in_words_is_said_in_the_language_asked_for(self, desk_on_sqlite):
        version = desk_on_sqlite.draft()
        report = report_of(
            *((shipped_version(), Policy()), (version, Policy()), Tally(), ()),
            *(LeftOut(), Reach(0, 0), {}, Words(frozenset(), frozenset(), frozenset())),
        )
        rehearsed(desk_on_sqlite.store, version, shipped_version(), canonical(report.document).decode())
        place = f"{HOUSE}/{version}/rehearsal"
        german = desk_on_sqlite.get(place, headers={"Accept-Language": "de"}).json()
        assert german["sentences"][NEVER_OBSERVED] == (
            "diese bekam niemand zu sehen; was daraus geworden wäre, wurde nie beobachtet"
        )
        assert hashlib.sha256(canonical(german["report"])).hexdigest() == report.sha256
        english = desk_on_sqlite.get(place).json()
        assert english["report"] == german["report"]
        assert english["sentences"] == {each: each for each in german["sentences"]}

    def test_versions_are_listed_with_where_they_stand(self, desk_on_sqlite):
        version = desk_on_sqlite.approved()
        listed = desk_on_sqlite.get(HOUSE).json()["versions"]
        assert {each["version"]: each["state"] for each in listed} == {
            shipped_version(): "active",
            version: "approved",
        }
        told = desk_on_sqlite.get("/v1/policies").json()
        (proposed,) = told["proposals"]
        assert proposed["proposal"]["approved"]
        assert proposed["proposal"]["base_in_force"]
        assert [each["role"] for each in proposed["proposal"]["approvals"]] == ["approver"]
        assert told["names"] == ["house"]


class TestInTime:
    def test_a_schedule_comes_into_force_and_is_over(self, desk):
        version = desk.approved()
        begins_ms = desk.clock.now_ms + HOUR_MS
        taken = desk.does("activate", version, at_ms=begins_ms, until_ms=begins_ms + HOUR_MS)
        assert (taken["state"], taken["in_force"]) == ("scheduled", shipped_version())
        desk.clock.advance(HOUR_MS)
        assert desk.in_force()["version"] == version
        assert desk.in_force()["falls_back_to"] == shipped_version()
        assert desk.shop.recommend().json()["policy_version"] == version
        desk.clock.advance(HOUR_MS)
        assert desk.in_force()["version"] == shipped_version()
        assert desk.state_of(version) == "expired"

    def test_a_schedule_whose_base_has_moved_is_suspended(self, desk):
        scheduled, other = desk.approved(TIGHTER), desk.approved(STRICTER)
        desk.does("activate", scheduled, at_ms=desk.clock.now_ms + HOUR_MS)
        desk.does("activate", other)
        desk.clock.advance(HOUR_MS)
        assert desk.state_of(scheduled) == "suspended"
        assert desk.in_force()["version"] == other
        steps = desk.get(f"{HOUSE}/{scheduled}/steps").json()["steps"]
        assert (steps[-1]["kind"], steps[-1]["actor"]) == ("suspended", "system")

    def test_broken_glass_falls_back_by_itself(self, desk):
        version = desk.draft()
        until_ms = desk.clock.now_ms + HOUR_MS
        reason = {"reason": "all prices are wrong"}
        assert desk.is_refused("break_glass", version, **reason, until_ms=until_ms + 24 * HOUR_MS)
        assert desk.post(f"{HOUSE}/{version}/break_glass", until_ms=until_ms).status_code == 422
        desk.does("break_glass", version, **reason, until_ms=until_ms)
        assert desk.in_force()["by_glass"]
        assert desk.shop.recommend().json()["policy_version"] == version
        desk.clock.advance(HOUR_MS)
        assert desk.in_force()["version"] == shipped_version()
        steps = desk.get(f"{HOUSE}/{version}/steps").json()["steps"]
        assert [step["kind"] for step in steps] == ["drafted", "broke_glass", "expired"]
        assert steps[1]["reason"] == reason["reason"]

    def test_a_shadow_and_a_challenger_begin_and_end(self, desk_on_sqlite):
        watched, tried = desk_on_sqlite.draft(STRICTER), desk_on_sqlite.approved(TIGHTER)
        desk_on_sqlite.does("shadow", watched)
        desk_on_sqlite.does("challenge", tried, share_micro=100_000)
        told = desk_on_sqlite.get("/v1/policies").json()
        assert told["shadow"]["version"] == watched
        assert (told["challenger"]["version"], told["challenger"]["share_micro"]) == (tried, 100_000)
        answer = desk_on_sqlite.post(f"{HOUSE}/{tried}/challenge", share_micro=500_001)
        assert answer.status_code == 422
        for version in (watched, tried):
            desk_on_sqlite.does("end", version, reason="enough seen")
        told = desk_on_sqlite.get("/v1/policies").json()
        assert (told["shadow"], told["challenger"]) == (None, None)


class TestFourEyes:
    def test_nobody_approves_of_their_own_whatever_their_role(self, desk):
        admin = create(desk, Role.ADMIN)
        version = send(desk, admin, "/v1/policies", **TIGHTER).json()["version"]
        rehearsed(desk.store, version, shipped_version())
        assert send(desk, admin, f"{HOUSE}/{version}/propose").status_code == 200
        answer = send(desk, admin, f"{HOUSE}/{version}/approve", base=shipped_version())
        assert answer.status_code == 409
        assert answer.json()["detail"].startswith("whoever wrote or proposed a change")
        assert send(desk, admin, f"{HOUSE}/{version}/activate").status_code == 409
        assert desk.in_force()["version"] == shipped_version()

    def test_more_contacts_take_an_auditor(self, desk_on_sqlite):
        document = {"policy": "house", "limits": {"G20.interruptive_week": 3}}
        drafted = desk_on_sqlite.post("/v1/policies", **document).json()
        assert drafted["needs_auditor"]
        version = desk_on_sqlite.approved(document)
        assert desk_on_sqlite.is_refused("activate", version).startswith("an auditor")
        desk_on_sqlite.does("approve", version, Role.AUDITOR, base=shipped_version())
        desk_on_sqlite.does("activate", version)

    @pytest.mark.parametrize("reason", ["", "a\u202eb", "two\nlines", "x" * 501])
    def test_a_reason_can_be_read_as_it_is_written(self, desk_on_sqlite, reason):
        version = desk_on_sqlite.draft()
        answer = desk_on_sqlite.post(f"{HOUSE}/{version}/reject", Role.APPROVER, reason=reason)
        assert answer.status_code == 422
        assert [each["pointer"] for each in answer.json()["errors"]] == ["/reason"]

    def test_a_rejection_says_why(self, desk_on_sqlite):
        version = desk_on_sqlite.approved()
        assert desk_on_sqlite.post(f"{HOUSE}/{version}/reject", Role.APPROVER).status_code == 422
        taken = desk_on_sqlite.does("reject", version, Role.APPROVER, reason="too strict")
        assert (taken["state"], taken["step"]["reason"]) == ("rejected", "too strict")


def create(desk, role):
    with writing(desk.store.engine) as conn:
        return create_key(conn, role, "tests", desk.clock.now_ms)[1]


def send(desk, key, path, **body):
    return desk.shop.client.post(path, json=body, headers={"Authorization": f"Bearer {key}"})


def test_real_answers_are_what_the_description_promises(desk_on_sqlite):
    desk = desk_on_sqlite
    document = desk.shop.client.get("/openapi.json").json()
    version = desk.approved()
    of_version = "/v1/policies/{name}/versions/{version}"
    desk.post(f"{HOUSE}/{version}/rehearsal")
    answers = [
        ("/v1/policies", desk.get("/v1/policies")),
        ("/v1/policies", desk.post("/v1/policies", **LOOSER)),
        ("/v1/policies", desk.post("/v1/policies", policy=3)),
        ("/v1/policies/{name}/versions", desk.get(HOUSE)),
        *(
            (f"{of_version}/{what}", desk.get(f"{HOUSE}/{version}/{what}"))
            for what in ("state", "lint", "tests", "steps", "rehearsal")
        ),
        (f"{of_version}/propose", desk.post(f"{HOUSE}/{version}/propose")),
        (f"{of_version}/activate", desk.post(f"{HOUSE}/{version}/activate")),
    ]
    for path, answer in answers:
        operation = document["paths"][path][answer.request.method.lower()]
        (media_type,) = operation["responses"][str(answer.status_code)]["content"]
        assert answer.headers["Content-Type"] == media_type
        schema = operation["responses"][str(answer.status_code)]["content"][media_type]["schema"]
        validator = OAS31Validator({**schema, "components": document["components"]})
        assert list(validator.iter_errors(answer.json())) == [], path
    body = document["paths"]["/v1/policies"]["post"]["requestBody"]
    assert set(body["content"]) == {"application/json", YAML}


def test_the_example_of_the_description_is_a_sound_draft(desk_on_sqlite):
    document = desk_on_sqlite.shop.client.get("/openapi.json").json()
    content = document["paths"]["/v1/policies"]["post"]["requestBody"]["content"]
    for media_type, described in content.items():
        example = described["example"]
        more = {"json": example} if media_type == "application/json" else {"content": example}
        answer = desk_on_sqlite.shop.ask(
            "POST", "/v1/policies", Role.MARKETER, headers={"Content-Type": media_type}, **more
        )
        assert answer.json()["n_errors"] == 0, answer.text
