"""What happens to a policy after its draft is saved, page by page, without a browser."""

from __future__ import annotations

import re

import orjson
import pytest
from sqlalchemy import delete, event, update
from support.http import fill, serving
from support.pages import send, sign_in, somebody, staff_of, text_of
from support.policy_pages import (
    PAGE,
    TIGHTER,
    busy,
    drafted,
    in_force,
    path_of,
    rehearsed,
    suggested,
)
from support.waiting import until

from api.policies import service
from api.policies.service import Actor, shipped_version
from api.rehearsing.one import rehearse_one
from api.rehearsing.report import held_version
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.decisions import read_decision
from api.storage.log import MINUTE_MS
from api.storage.policies import entries_of
from api.storage.rehearsals import RehearsalState, StoredRehearsal, insert_rehearsal, latest_rehearsal
from api.storage.tables import decision_bodies, policies, rehearsals
from guardrails.policy.lifecycle import State, StepKind

LOOSER_CAPS = {"policy": "house", "limits": {"G20.outbound_week": 5}}
WRONG = {"policy": "house", "limits": {"G17.upsell_hard": 0.9}}
STRICTEST = {"policy": "house", "limits": {"G17.upsell_hard": 0.2}}


class Person:
    """Somebody at the pages."""

    def __init__(self, served, client, account):
        self.served, self.client = served, client
        self.actor = Actor(account.account_id, account.role.value)
        assert sign_in(client, account.name).status_code == 303

    def sees(self, path, status=200):
        return text_of(self.client.get(path), status)

    def sends(self, path, status=303, **fields):
        answer = send(self.client, path, "/console", **fields)
        assert answer.status_code == status, answer.text
        return answer

    def does(self, step, version, **fields):
        """Take a step, and return what the page of the version says then."""
        answer = self.sends(f"{path_of(version)}/{step}", **fields)
        return text_of(self.client.get(answer.headers["location"]))


@pytest.fixture
def shop(sqlite_store):
    with serving(sqlite_store.settings, fill(sqlite_store.settings)) as served:
        busy(served)
        yield served


@pytest.fixture
def people(shop):
    accounts = staff_of(shop)
    browsers = [somebody(shop) for _ in accounts]
    found = {
        role: Person(shop, browser.__enter__(), account)
        for browser, (role, account) in zip(browsers, accounts.items(), strict=True)
    }
    yield found
    for browser in browsers:
        browser.__exit__(None, None, None)


@pytest.fixture
def mary(people):
    return people[Role.MARKETER]


@pytest.fixture
def ann(people):
    return people[Role.APPROVER]


@pytest.fixture
def audrey(people):
    return people[Role.AUDITOR]


def state_of(shop, version):
    return service.settle(shop.wiring.engine, shop.wiring.clock).state_of(version)


def kinds_of(shop, version):
    with reading(shop.wiring.engine) as conn:
        return [each.step.kind for each in entries_of(conn, version)]


def test_a_draft_says_that_it_changes_nothing_and_what_comes_next(shop, mary, ann, audrey):
    version = drafted(shop, mary.actor)
    for who in (mary, ann):
        page = who.sees(path_of(version))
        assert "This is a draft: it changes nothing for anybody." in page
        assert "Rehearse it" in page
        assert "0.5 → 0.3" in page
    page = audrey.sees(path_of(version))
    assert "Rehearsing takes somebody who writes policies. Ask admin , approver or marketer ." in page


def test_a_rehearsal_is_begun_on_a_page_and_ends_with_what_it_found(shop, mary):
    version = drafted(shop, mary.actor)
    answer = mary.sends(f"{path_of(version)}/rehearsal")
    assert answer.headers["location"] == f"{path_of(version)}/rehearsal"
    until(lambda: "In short" in mary.sees(answer.headers["location"]))
    page = mary.sees(answer.headers["location"])
    assert re.search(r"Of \d+ suggestions \d+ more would have been withheld \([\d.]+%\)\.", page), page
    assert "Costs too much more" in page
    assert "What a rehearsal cannot know" in page
    assert "Propose it" in page
    assert "more would have been withheld" in mary.sees(path_of(version))


def test_a_rehearsal_that_ends_while_its_page_is_read_has_ended_for_all_of_it_or_for_none(shop, mary):
    version = rehearsed(shop, mary.actor)
    engine = shop.wiring.engine
    with reading(engine) as conn:
        done = latest_rehearsal(conn, version, shipped_version())

    def store(**values):
        with writing(engine) as conn:
            conn.execute(update(rehearsals).values(values))

    def end(_conn, _cursor, statement, *_more):
        if "FROM rehearsals" in statement and not ended:
            ended.append(statement)
            store(state=RehearsalState.DONE, report=done.report, report_sha256=done.report_sha256)

    ended = []
    until_ms = shop.wiring.clock() + MINUTE_MS
    store(state=RehearsalState.RUNNING, report=None, report_sha256=None, claimed_until_ms=until_ms)
    event.listen(engine, "after_cursor_execute", end)
    during = mary.sees(f"{path_of(version)}/rehearsal")
    assert ended
    after = mary.sees(f"{path_of(version)}/rehearsal")
    assert ["In short" in page for page in (during, after)] == [False, True]
    assert ["Propose it" in page for page in (during, after)] == [False, True]


def test_progress_is_asked_for_in_parts(shop, mary):
    version = rehearsed(shop, mary.actor)
    ended = mary.client.get(f"{path_of(version)}/rehearsal/progress", headers={"HX-Request": "true"})
    assert (ended.status_code, ended.headers["hx-redirect"]) == (204, f"{path_of(version)}/rehearsal")


def test_an_example_shows_one_decision_before_and_after_and_nobody(shop, mary, audrey):
    version = rehearsed(shop, mary.actor)
    report = mary.client.get(f"{path_of(version)}/rehearsal").text
    links = re.findall(r'href="([^"]*/rehearsal/decisions/[^"]+)"', report)
    assert links
    before = shop.client.get("/v1/log/checkpoint").text.splitlines()[1]
    page = mary.sees(links[0])
    assert "This look is on record." in page
    assert f"Entry {int(before):,}" in page
    assert "is shown" in page
    assert "is not shown Costs too much more" in page
    assert "Dear bread-" in page
    assert "The whole decision" not in page
    assert "The whole decision" in audrey.sees(links[0])
    assert mary.client.get(f"{path_of(version)}/rehearsal?kind=withheld").status_code == 200
    assert (
        "/rehearsal/decisions/" not in mary.client.get(f"{path_of(version)}/rehearsal?kind=pushed_out").text
    )


def test_a_row_of_a_chart_leads_to_its_examples(shop, mary):
    version = rehearsed(shop, mary.actor)
    page = mary.client.get(f"{path_of(version)}/rehearsal").text
    assert 'href="?rule=G17#examples"' in page
    assert 'href="?placement=product_page#examples"' in page
    only = mary.sees(f"{path_of(version)}/rehearsal?rule=G17")
    assert "Of these only: Costs too much more" in only
    assert "Before and after" in only
    none = mary.client.get(f"{path_of(version)}/rehearsal?placement=cart").text
    assert "/rehearsal/decisions/" not in none
    assert mary.client.get(f"{path_of(version)}/rehearsal?colour=red").status_code == 422


def test_a_decision_alone_says_what_the_whole_rehearsal_said_of_it(shop, mary):
    version = rehearsed(shop, mary.actor)
    found = shop.wiring
    with reading(found.engine) as conn:
        stored = latest_rehearsal(conn, version, shipped_version())
        report = orjson.loads(stored.report)
        base, draft = held_version(conn, stored.base), held_version(conn, version)
        assert report["examples"]
        for each in report["examples"]:
            one = rehearse_one(conn, found.logbook.keyring, each["decision_id"], base, draft)
            told = {(change.item_id, change.kind.value, change.rule_id or None) for change in one.changes}
            assert (each["item"], each["kind"], each["rule"]) in told
        assert rehearse_one(conn, found.logbook.keyring, "no-such-decision", base, draft) is None


def test_a_decision_whose_content_is_gone_cannot_be_shown(shop, mary):
    version = rehearsed(shop, mary.actor)
    links = re.findall(
        r'href="([^"]*/decisions/[^"]+)"', mary.client.get(f"{path_of(version)}/rehearsal").text
    )
    with writing(shop.wiring.engine) as conn:
        conn.execute(delete(decision_bodies))
    assert "cannot be made again" in mary.sees(links[0])


def test_a_rehearsal_that_nobody_goes_on_with_can_be_begun_again(shop, mary):
    version = drafted(shop, mary.actor)
    now_ms = shop.wiring.clock()
    left = StoredRehearsal(
        *("left", version, shipped_version(), RehearsalState.RUNNING, 1, 2, None, None, "a-mary"),
        *(now_ms - 2, now_ms - 1, None),
    )
    with writing(shop.wiring.engine) as conn:
        insert_rehearsal(conn, left)
    assert "The last rehearsal broke off." in mary.sees(f"{path_of(version)}/rehearsal")
    mary.sends(f"{path_of(version)}/rehearsal")
    until(lambda: "In short" in mary.sees(f"{path_of(version)}/rehearsal"))


def test_of_a_decision_that_the_report_does_not_name_nothing_is_told(shop, mary):
    version = rehearsed(shop, mary.actor)
    other = shop.ask("POST", "/v1/recommendations", json=PAGE).json()["decision_id"]
    with reading(shop.wiring.engine) as conn:
        assert read_decision(conn, shop.wiring.logbook.keyring, other) is not None
    mary.sees(f"{path_of(version)}/rehearsal/decisions/{other}", status=404)
    mary.sees(f"{path_of(drafted(shop, mary.actor, STRICTEST))}/rehearsal/decisions/{other}", status=404)


def test_a_change_goes_all_the_way_with_what_people_say(shop, people, mary, ann, audrey):
    version = rehearsed(shop, mary.actor)
    assert suggested(shop)["bread-1"] == "upsell"

    page = mary.does("propose", version, comment="Dear breads\r\nannoy people.")
    assert "It is proposed. Somebody else has to approve it now." in page
    assert "Dear breads annoy people." in page
    assert "You wrote or proposed it, so somebody else has to approve it" in page

    review = ann.sees(f"{path_of(version)}/review")
    for said in (
        "marketer proposes",
        "Dear breads annoy people.",
        "0.5 → 0.3",
        "more would have been withheld",
    ):
        assert said in review
    audrey.does("comments", version, comment="Which ones?")
    assert "Which ones?" in mary.sees(path_of(version))
    page = ann.does("approve", version, base=shipped_version(), comment="They do.")
    assert "You approved it." in page
    assert suggested(shop)["bread-1"] == "upsell"

    page = mary.does("activate", version, when="now")
    assert "It is in force: every decision from now on is made by it." in page
    assert "bread-1" not in suggested(shop)
    assert in_force(shop) == version

    page = audrey.sees("/console/policies/house/history")
    for said in (
        "marketer saved it",
        "marketer proposed it",
        "approver approved it",
        "marketer put it in force",
    ):
        assert said in page
    assert "They do." in page


def test_nobody_approves_of_their_own_change_and_is_told_who_can(shop, ann, people):
    version = rehearsed(shop, ann.actor)
    ann.does("propose", version, comment="")
    page = ann.sees(f"{path_of(version)}/review")
    assert "two pairs of eyes see more than one. This can be done by admin or auditor" in page
    assert "Approve it" not in page
    page = ann.does("approve", version, base=shipped_version(), comment="")
    assert "Whoever wrote or proposed a change cannot approve it: somebody else has to." in page
    assert state_of(shop, version) is State.PROPOSED


def test_a_rejection_takes_a_reason_and_says_it(shop, mary, ann):
    version = rehearsed(shop, mary.actor)
    mary.does("propose", version, comment="")
    refused = ann.sends(f"{path_of(version)}/reject", status=422, comment="   ")
    assert "say why, in a few words" in text_of(refused, 422)
    assert state_of(shop, version) is State.PROPOSED
    page = ann.does("reject", version, comment="Not in December.")
    assert "It was rejected." in page
    assert "Not in December." in mary.sees(path_of(version))


def test_when_what_is_in_force_has_moved_it_is_said_and_rehearsed_again(shop, mary, ann):
    first, second = rehearsed(shop, mary.actor), rehearsed(shop, mary.actor, STRICTEST)
    mary.does("propose", first, comment="")
    mary.does("propose", second, comment="")
    ann.does("approve", second, base=shipped_version(), comment="")
    mary.does("activate", second, when="now")
    assert "What is in force has changed since it was proposed" in mary.sees(path_of(first))
    assert "Rehearse it" in mary.sees(path_of(first))
    review = ann.sees(f"{path_of(first)}/review")
    assert "What is in force has changed since" in review
    assert "Approve it" not in review
    mary.sends(f"{path_of(first)}/rehearsal")
    until(lambda: "Propose it" in mary.sees(path_of(first)))
    mary.does("propose", first, comment="")
    assert "Approve it" in ann.sees(f"{path_of(first)}/review")


def test_a_version_is_put_in_force_at_a_time_and_taken_back(shop, mary, ann):
    version = approved(shop, mary, ann)
    wrong = mary.sends(f"{path_of(version)}/activate", status=422, when="later")
    assert "say when" in text_of(wrong, 422)
    wrong = mary.sends(f"{path_of(version)}/activate", status=422, when="later", at="soon")
    assert "give a day and a time" in text_of(wrong, 422)
    page = mary.does("activate", version, when="later", at="2001-01-01T08:00")
    assert "It can be scheduled for the future only." in page
    page = mary.does("activate", version, when="later", at="2100-01-01T08:00", until="2100-02-01T08:00")
    assert "comes into force by itself on 1 Jan 2100, 08:00 UTC" in page
    assert state_of(shop, version) is State.SCHEDULED
    assert "does not come into force by itself" in mary.sees(f"{path_of(version)}/end")
    mary.does("end", version, comment="not yet")
    assert state_of(shop, version) is State.APPROVED


def test_a_version_is_watched_and_what_it_would_have_done_is_told(shop, mary, audrey):
    version = drafted(shop, mary.actor)
    page = mary.does("shadow", version)
    assert "It is watched beside what is in force" in page
    assert "No decision was made since." in mary.sees(f"{path_of(version)}/shadow")

    def counted():
        assert "bread-1" in suggested(shop)
        return "Which rules would have withheld" in mary.sees(f"{path_of(version)}/shadow")

    until(counted)
    page = mary.sees(f"{path_of(version)}/shadow")
    assert re.search(r"Of \d+ suggestions it would have withheld [1-9]\d* \([\d.]+%\)", page), page
    assert "Costs too much more" in page
    assert "Decisions that would have been otherwise" not in page
    assert "Decisions that would have been otherwise" in audrey.sees(f"{path_of(version)}/shadow")
    mary.does("end", version, comment="")
    assert "Watch it from now on" in mary.sees(f"{path_of(version)}/shadow")


def test_a_version_is_tried_out_on_some(shop, mary, ann):
    version = approved(shop, mary, ann)
    refused = mary.sends(f"{path_of(version)}/challenge", status=422, percent="80")
    assert "50" in text_of(refused, 422)
    assert "It is tried out on 10.0% of customers." in mary.does("challenge", version, percent="10")
    assert "It is no longer tried out" in mary.sees(f"{path_of(version)}/end")
    mary.does("end", version, comment="enough seen")
    assert kinds_of(shop, version)[-1] is StepKind.ENDED


def test_what_was_in_force_is_returned_to_as_a_change_like_any_other(shop, mary, ann):
    version = approved(shop, mary, ann)
    mary.does("activate", version, when="now")
    before = shipped_version()
    assert f"Return to house {before[:8]} …" in mary.sees(path_of(version))
    page = mary.sees(f"{path_of(before)}/return")
    assert "0.3 → 0.5" in page
    mary.sends(f"{path_of(before)}/rehearsal")
    until(lambda: "Propose it" in mary.sees(f"{path_of(before)}/return"))
    mary.does("propose", before, comment="It was too strict.")
    assert "It was in force before." in ann.sees(f"{path_of(before)}/review")
    ann.does("approve", before, base=version, comment="")
    mary.does("activate", before, when="now")
    assert in_force(shop) == before
    assert "marketer proposed to return to it." in ann.sees(path_of(before))
    assert "It was never in force" in mary.sees(f"{path_of(drafted(shop, mary.actor, STRICTEST))}/return")


def test_the_glass_is_broken_after_a_reason_and_a_second_question(shop, mary):
    version = drafted(shop, mary.actor)
    refused = mary.sends(f"{path_of(version)}/break-glass", 422, hours="2")
    assert "say why, in a few words" in text_of(refused, 422)
    refused = mary.sends(f"{path_of(version)}/break-glass", 422, hours="25", comment="fire")
    assert "24" in text_of(refused, 422)
    asked = mary.sends(f"{path_of(version)}/break-glass", 200, hours="2", comment="prices are wrong")
    assert "nobody has approved of that" in text_of(asked)
    assert in_force(shop) != version
    page = mary.does("break-glass", version, hours="2", comment="prices are wrong", confirmed="yes")
    assert "In force without approval" in page
    assert in_force(shop) == version
    assert "prices are wrong" in mary.sees(path_of(version))
    mary.does("end", version, comment="")
    assert in_force(shop) == shipped_version()


def test_errors_lead_to_the_editor_and_an_auditor_is_asked_where_one_has_to_be(shop, mary, ann, audrey):
    page = mary.sees(path_of(drafted(shop, mary.actor, WRONG)))
    assert "Mend it in the editor" in page
    assert "1 error" in page
    version = rehearsed(shop, mary.actor, LOOSER_CAPS)
    mary.does("propose", version, comment="")
    ann.does("approve", version, base=shipped_version(), comment="")
    assert state_of(shop, version) is State.PROPOSED
    page = mary.sees(path_of(version))
    assert "Only an auditor can approve that." in page
    assert "Ask auditor ." in page
    assert "Waiting for your approval" in audrey.sees("/console/policies")
    audrey.does("approve", version, base=shipped_version(), comment="")
    assert state_of(shop, version) is State.APPROVED


def test_only_what_an_approval_would_settle_waits_for_it(shop, mary, ann, audrey):
    waits = "Waiting for your approval"
    version = rehearsed(shop, mary.actor, LOOSER_CAPS)
    mary.does("propose", version, comment="")
    assert waits not in ann.sees("/console/policies")  # it takes an auditor
    assert waits not in mary.sees("/console/policies")
    assert waits in audrey.sees("/console/policies")
    other = rehearsed(shop, mary.actor)
    mary.does("propose", other, comment="")
    assert waits in ann.sees("/console/policies")
    ann.does("approve", other, base=shipped_version(), comment="")
    mary.does("activate", other, when="now")
    assert waits not in audrey.sees("/console/policies")  # what it was proposed against is gone


def test_nobody_is_led_to_the_editor_who_may_not_write(shop, mary, audrey):
    wrong = drafted(shop, mary.actor, WRONG)
    assert f"{path_of(wrong)}/edit" in mary.client.get(path_of(wrong)).text
    for version in (wrong, shipped_version()):
        assert "/edit" not in audrey.client.get(path_of(version)).text
    assert "Mending it takes somebody who writes policies. Ask" in audrey.sees(path_of(wrong))


def spoiled(shop, version):
    """Let a stored version say what only another release can read."""
    said = orjson.dumps({"policy": "house", "limits": {"G99.of_tomorrow": 1}}).decode()
    with writing(shop.wiring.engine) as conn:
        conn.execute(update(policies).where(policies.c.version == version).values(document=said))


def test_what_only_another_release_can_read_closes_no_page_but_its_own(shop, mary, ann):
    version = rehearsed(shop, mary.actor)
    mary.does("propose", version, comment="")
    ann.does("approve", version, base=shipped_version(), comment="")
    mary.does("activate", version, when="now")
    spoiled(shop, version)
    assert "The policy in force cannot be read any more" in mary.sees("/console")
    assert "It cannot be read any more, so nothing or less is shown" in mary.sees("/console/policies")
    assert "this begins with what ships" in mary.sees("/console/policies/new")
    assert "this version cannot be read any more" in mary.sees(path_of(version), 404)
    other = drafted(shop, mary.actor, STRICTEST)
    page = mary.sees(path_of(other))
    assert "so nobody can say what is different" in page
    assert "so it cannot be rehearsed" in page
    mary.sends(f"{path_of(other)}/rehearsal")
    page = mary.does("break-glass", other, hours="1", comment="It is broken.", confirmed="yes")
    assert "It is in force without approval." in page
    assert in_force(shop) == other


def test_a_step_is_shown_as_it_stands_in_the_log(shop, mary, audrey):
    version = drafted(shop, mary.actor)
    with reading(shop.wiring.engine) as conn:
        entry = entries_of(conn, version)[-1]
    page = mary.sees(f"/console/policies/house/steps/{entry.step.number}")
    assert "marketer saved it as a draft." in page
    assert entry.sha256 in page
    assert re.search(r"Entry \d+", page)
    path = f"/console/policies/house/steps/{entry.step.number}"
    assert "/console/log?at=" not in mary.client.get(path).text
    link = re.search(r'href="(/console/log\?at=\d+)#wanted"', audrey.client.get(path).text)
    assert "the one you came for" in audrey.sees(link[1])
    mary.sees("/console/policies/house/steps/4711", status=404)
    mary.sees(f"/console/policies/house/steps/{10**20}", status=404)
    mary.sees("/console/policies/other/steps/1", status=404)
    mary.sees("/console/policies/other/history", status=404)
    mary.sees(path_of("e" * 64), status=404)


def test_what_people_say_is_shown_as_text(shop, mary):
    version = drafted(shop, mary.actor)
    mary.does("comments", version, comment="<script>alert(1)</script>")
    assert "<script>alert(1)" not in mary.client.get(path_of(version)).text
    refused = mary.sends(f"{path_of(version)}/comments", 422, comment="")
    assert "write something first" in text_of(refused, 422)


def test_whoever_may_not_take_a_step_is_refused_by_the_server(shop, audrey, mary):
    version = rehearsed(shop, mary.actor)
    for step, fields in (
        ("propose", {}),
        ("activate", {"when": "now"}),
        ("shadow", {}),
        ("rehearsal", {}),
        ("break-glass", {"hours": "1", "comment": "x", "confirmed": "yes"}),
    ):
        audrey.sends(f"{path_of(version)}/{step}", status=403, **fields)
    mary.sends(f"{path_of(version)}/approve", status=403, base=shipped_version())
    mary.sends(f"{path_of(version)}/reject", status=403, comment="no")
    assert kinds_of(shop, version) == [StepKind.DRAFTED]


def test_pages_speak_danish(shop, mary):
    version = drafted(shop, mary.actor)
    mary.sends("/console/language", language="da", next="/console")
    page = mary.sees(path_of(version))
    assert "Dette er et udkast" in page
    assert "This is" not in page


def approved(shop, mary, ann, document=TIGHTER):
    version = rehearsed(shop, mary.actor, document)
    mary.does("propose", version, comment="")
    ann.does("approve", version, base=in_force(shop), comment="")
    assert state_of(shop, version) is State.APPROVED
    return version
