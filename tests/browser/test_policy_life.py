"""A change on its way through the console: written, rehearsed, proposed, approved, in force, seen again."""

from __future__ import annotations

import orjson
import pytest
from playwright.sync_api import expect
from support.browser import people, visiting
from support.http import fill, serving
from support.policy_pages import (
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
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.rehearsals import (
    RehearsalState,
    StoredRehearsal,
    finish_rehearsal,
    insert_rehearsal,
    latest_rehearsal,
)
from guardrails.policy.lifecycle import HOUR_MS

MOST_CLICKS = 8
PATIENCE_MS = 60_000
"""However busy the machine is."""

UPSELL_LIMIT = "how much dearer an upsell may be at most"
STRICTEST = {"policy": "house", "limits": {"G17.upsell_hard": 0.2}}


@pytest.fixture
def accounts():
    return {}


@pytest.fixture
def shop(sqlite_store, accounts):
    """A shop in which dearer breads are suggested beside a cheap one, with people."""
    with serving(sqlite_store.settings, fill(sqlite_store.settings)) as served:
        busy(served)
        accounts.update(people(served))
        yield served


@pytest.fixture
def actors(accounts, shop):
    return {role: Actor(each.account_id, each.role.value) for role, each in accounts.items()}


class Desk:
    """Steps that others have taken before the page is looked at."""

    def __init__(self, shop, actors):
        self.shop, self.mary, self.ann = shop, actors[Role.MARKETER], actors[Role.APPROVER]

    def take(self, step, who, version, **more):
        return getattr(service, step)(self.shop.wiring.engine, who, self.shop.wiring.clock, version, **more)

    def proposed(self, document=TIGHTER):
        version = rehearsed(self.shop, self.mary, document)
        self.take("propose", self.mary, version, reason="Dear breads annoy people.")
        return version

    def approved(self, document=TIGHTER):
        version = self.proposed(document)
        self.take("approve", self.ann, version, base=in_force(self.shop), reason="They do.")
        return version


@pytest.fixture
def desk(shop, actors):
    return Desk(shop, actors)


def heading(page):
    return page.get_by_role("heading", level=1)


def test_a_change_goes_from_sign_in_to_the_next_decision(browser, shop):
    before = suggested(shop)
    assert before["bread-1"] == "upsell"
    with visiting(browser, shop) as marketer, visiting(browser, shop) as approver:
        pressed = marketer.count_clicks()
        page = marketer.sign_in(Role.MARKETER)
        page.get_by_role("link", name="Policies").click()
        page.get_by_role("link", name="Change what is in force").click()
        page.get_by_role("button", name="Change limits").click()
        page.get_by_label(UPSELL_LIMIT).click()
        page.keyboard.type("0.3")
        page.get_by_role("button", name="Save draft").first.click()
        expect(page.get_by_text("This is a draft: it changes nothing for anybody.")).to_be_visible()
        version = page.url.split("/versions/")[1].partition("#")[0]
        page.get_by_role("button", name="Rehearse it", exact=True).click()
        expect(page.get_by_text("more would have been withheld")).to_be_visible(timeout=PATIENCE_MS)
        page.get_by_label("Why, in a few words").fill("Dear breads annoy people.")
        page.get_by_role("button", name="Propose it").click()
        expect(page.get_by_text("It is proposed. Somebody else has to approve it now.")).to_be_visible()
        assert 0 < len(pressed) <= MOST_CLICKS, pressed
        marketer.check()

        page = approver.sign_in(Role.APPROVER)
        page.goto(f"{shop.url}{path_of(version)}")
        page.get_by_role("link", name="Look at it and decide").click()
        expect(page.get_by_text("Dear breads annoy people.").first).to_be_visible()
        approver.check()
        page.get_by_label("What you have to say to it").fill("They do.")
        page.get_by_role("button", name="Approve it").click()
        expect(page.get_by_text("You approved it.")).to_be_visible()
        assert suggested(shop) == before

        page = marketer.again()
        page.get_by_role("link", name="Put it in force …").click()
        marketer.check()
        page.get_by_role("button", name="Put it in force").click()
        expect(page.get_by_text("every decision from now on is made by it")).to_be_visible()
        assert in_force(shop) == version
        until(lambda: "bread-1" not in suggested(shop))
        marketer.nothing_went_wrong()

    with visiting(browser, shop) as auditor:
        page = auditor.sign_in(Role.AUDITOR)
        page.goto(f"{shop.url}{path_of(version)}")
        for said in ("They do.", "approver approved it.", "marketer put it in force."):
            expect(page.get_by_text(said)).to_be_visible()
        auditor.check()
        page.get_by_role("link", name="The history of all versions").click()
        expect(heading(page)).to_have_text("History of house")
        auditor.check()
        page.get_by_role("link", name="step").first.click()
        expect(page.get_by_text("marketer put it in force.")).to_be_visible()
        auditor.check()


def test_somebody_with_a_keyboard_alone_reviews_and_approves(browser, shop, desk):
    version = desk.proposed()
    with visiting(browser, shop) as visit:
        page = visit.sign_in(Role.APPROVER)
        page.goto(f"{shop.url}{path_of(version)}")

        def press_until(name):
            for _ in range(60):
                page.keyboard.press("Tab")
                if name in page.evaluate("document.activeElement.textContent"):
                    return
            raise AssertionError(f"`{name}` cannot be reached with Tab")

        press_until("Look at it and decide")
        page.keyboard.press("Enter")
        expect(heading(page)).to_contain_text("What is proposed")
        press_until("Approve it")
        page.keyboard.press("Enter")
        expect(page.get_by_text("You approved it.")).to_be_visible()
        visit.nothing_went_wrong()


def test_a_rehearsal_is_watched_until_it_has_ended(browser, shop, desk):
    version = drafted(shop, desk.mary)
    now_ms = shop.wiring.clock()
    running = StoredRehearsal(
        rehearsal_id="running",
        version=version,
        base=shipped_version(),
        state=RehearsalState.RUNNING,
        n_done=4_000,
        n_total=10_000,
        report=None,
        report_sha256=None,
        actor=desk.mary.key_id,
        started_at_ms=now_ms - 10_000,
        claimed_until_ms=now_ms + HOUR_MS,
        finished_at_ms=None,
    )
    other = rehearsed(shop, desk.mary, STRICTEST)
    with reading(shop.wiring.engine) as conn:
        found = latest_rehearsal(conn, other, shipped_version())
    assert found is not None
    with visiting(browser, shop) as visit:
        page = visit.sign_in(Role.MARKETER)
        page.goto(f"{shop.url}{path_of(version)}/rehearsal")
        expect(page.get_by_text("It was not rehearsed yet.")).to_be_visible()
        with writing(shop.wiring.engine) as conn:
            insert_rehearsal(conn, running)
        visit.again()
        expect(page.get_by_text("4,000 / 10,000")).to_be_visible()
        expect(page.get_by_text("seconds left")).to_be_visible()
        visit.check()
        report = (orjson.dumps(orjson.loads(found.report)).decode(), found.report_sha256)
        with writing(shop.wiring.engine) as conn:
            done = finish_rehearsal(
                conn, "running", running.claimed_until_ms, RehearsalState.DONE, now_ms, report
            )
        assert done
        expect(page.get_by_text("more would have been withheld")).to_be_visible(timeout=PATIENCE_MS)
        visit.check()
        page.get_by_role("link", name="Before and after").first.click()
        expect(heading(page)).to_have_text("One decision, before and after")
        visit.check()


def test_every_other_step_has_a_page_that_says_what_it_does(browser, shop, desk):
    approved, draft = desk.approved(), drafted(shop, desk.mary, STRICTEST)
    with visiting(browser, shop) as visit:
        visit.expect(422)
        page = visit.sign_in(Role.MARKETER)
        page.goto(f"{shop.url}{path_of(approved)}/challenge")
        visit.check()
        page.goto(f"{shop.url}{path_of(approved)}/activate")
        page.get_by_label("At a time, by itself").check()
        page.get_by_role("button", name="Put it in force").click()
        expect(page.get_by_text("say when")).to_be_visible()
        visit.check()
        page.get_by_label("At what time (UTC)").fill("2100-01-01T08:00")
        page.get_by_role("button", name="Put it in force").click()
        expect(page.get_by_text("comes into force by itself on 1 Jan 2100").first).to_be_visible()
        page.get_by_role("link", name="Take the schedule back …").click()
        visit.check()

        page.goto(f"{shop.url}{path_of(draft)}/shadow")
        visit.check()
        page.get_by_role("button", name="Watch it from now on").click()
        page.get_by_role("link", name="See what it would have done since it is watched").click()
        until(lambda: suggested(shop) and visit.again().get_by_text("Which rules").count())
        visit.check()

        page.goto(f"{shop.url}{path_of(draft)}/break-glass")
        visit.check()
        page.get_by_label("What the emergency is").fill("All prices are wrong.")
        page.get_by_label("For how many hours").fill("2")
        page.get_by_role("button", name="Go on …").click()
        expect(page.get_by_text("nobody has approved of that")).to_be_visible()
        visit.check()
        page.get_by_role("button", name="Break the glass").click()
        expect(page.get_by_role("heading", name="In force without approval")).to_be_visible()
        assert in_force(shop) == draft
        visit.check()
        page.goto(f"{shop.url}{path_of(draft)}/end")
        page.get_by_role("button", name="End it").click()
        assert in_force(shop) == shipped_version()


def test_what_has_moved_and_what_is_returned_to_says_so(browser, shop, desk):
    first = desk.proposed()
    second = desk.approved(STRICTEST)
    desk.take("activate", desk.mary, second)
    with visiting(browser, shop) as visit:
        page = visit.sign_in(Role.APPROVER)
        page.goto(f"{shop.url}{path_of(first)}/review")
        expect(page.get_by_role("heading", name="What is in force has changed since")).to_be_visible()
        visit.check()
        page.goto(f"{shop.url}{path_of(shipped_version())}/return")
        expect(page.get_by_text("What would change, against what is in force now")).to_be_visible()
        visit.check()


def test_all_of_it_works_without_scripts(browser, shop, desk):
    version = drafted(shop, desk.mary)
    with visiting(browser, shop, java_script_enabled=False) as visit:
        page = visit.sign_in(Role.MARKETER)
        page.goto(f"{shop.url}{path_of(version)}")
        page.get_by_role("button", name="Rehearse it", exact=True).click()
        until(lambda: visit.again().get_by_text("In short").count())
        page.get_by_role("button", name="Propose it").click()
        expect(page.get_by_text("It is proposed. Somebody else has to approve it now.")).to_be_visible()
        page.get_by_label("Say something about it").fill("Please hurry.")
        page.get_by_role("button", name="Add the comment").click()
        expect(page.get_by_text("Please hurry.")).to_be_visible()
