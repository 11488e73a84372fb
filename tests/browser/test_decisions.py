"""The auditor's tour: find a decision, read its story, check its proof, make it again, hand it out."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile

import pytest
from playwright.sync_api import expect
from support.browser import Visit, visiting
from support.http import BUYER, EVERYTHING

from api.storage.api_keys import Role


@pytest.fixture
def decided(shop):
    """A decision from a history, one from a page, one for nobody; the first one's id."""
    shop.choose("given", *EVERYTHING)
    shop.recommend()
    shop.recommend(placement="product_page", context={"item_id": "bread-1"})
    return shop.recommend(customer_id=BUYER).json()["decision_id"]


def open_chapter(visit: Visit, key: str) -> None:
    chapter = visit.page.locator(f"#{key}")
    chapter.get_by_role("button").click()
    expect(chapter.get_by_text("This look is on record.")).to_be_visible()


def test_the_tour_of_an_auditor_ends_with_a_file_that_proves_itself(as_role, shop, decided, tmp_path):
    visit = as_role(Role.AUDITOR)
    page = visit.page
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Decisions").click()
    visit.check()

    page.get_by_text("Search", exact=True).first.click()
    page.get_by_label("Something was withheld because").select_option(index=1)
    visit.check()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_text("This search is on record.")).to_be_visible()
    page.locator(f'a[href="/console/decisions/{decided}"]').click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Decision of")
    visit.check()
    for chapter in ("asked", "allowed", "considered", "answered", "judged", "otherwise"):
        open_chapter(visit, chapter)
    expect(page.locator("#considered")).to_contain_text("=")
    expect(page.locator("#answered")).to_contain_text("Bread no.")
    expect(page.locator("#otherwise")).to_contain_text("What would have")
    open_chapter(visit, "replayed")
    expect(page.locator("#replayed").get_by_text("The same, byte for byte")).to_have_count(2)
    for details in page.locator("details:not(.menu)").all():
        details.locator("summary").click()
    visit.check()

    page.get_by_role("link", name="Check the proof").click()
    expect(page.locator("#verdict")).to_contain_text("The proof holds")

    page.goto(f"{shop.url}/console/decisions/export?placement=home")
    page.get_by_label("what was shown and withheld").check()
    with page.expect_download() as download:
        page.get_by_role("button", name="Make the file and download it").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert re.fullmatch(r"log-0-\d+-opened-in-entry-\d+\.zip", file.name)
    with zipfile.ZipFile(file) as bundle:
        bundle.extract("verify.py", tmp_path)
    (key,) = shop.wiring.logbook.vkeys
    command = [sys.executable, "-I", "verify.py", file.name, "--log-key", key, "--allow-unwitnessed"]
    done = subprocess.run(
        [*command, "--decision", decided], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"decision `{decided}` is entry" in done.stdout


def test_the_browser_finds_every_change_to_a_receipt_by_itself(as_role, shop, decided):
    visit = as_role(Role.AUDITOR)
    page = visit.go(f"/console/decisions/{decided}/proof")
    verdict, receipt = page.locator("#verdict"), page.get_by_label("Receipt", exact=True)
    expect(verdict).to_contain_text("The proof holds")
    expect(page.locator("#checks > li")).to_have_count(4)
    expect(page.locator("#checks > li.holds")).to_have_count(4)
    visit.check()

    genuine = receipt.input_value()
    lines = genuine.splitlines(keepends=True)
    changes = {
        "the entry": genuine.replace(lines[1][60], "A" if lines[1][60] != "A" else "B", 1),
        "its place": genuine.replace(lines[2], "index 0\n"),
        "a hash": genuine.replace(lines[3], f"{'A' * 43}=\n"),
        "the size": re.sub(r"\n\n(.*)\n(\d+)\n", r"\n\n\1\n1\2\n", genuine),
        "the signature": genuine[:-12] + ("A" if genuine[-12] != "A" else "B") + genuine[-11:],
        "all of it": "anything",
    }
    for what, changed in changes.items():
        assert changed != genuine, what
        receipt.fill(changed)
        page.get_by_role("button", name="Check again").click()
        expect(verdict, what).to_contain_text("The proof does NOT hold")
        expect(page.locator("#checks > li.fails").first).to_be_visible()
    visit.check()

    receipt.fill(genuine)
    page.get_by_label("Public keys, one a line").fill("")
    page.get_by_role("button", name="Check again").click()
    expect(verdict).to_contain_text("The proof does NOT hold")


def test_a_receipt_that_was_changed_on_its_way_is_refused(as_role, shop, decided):
    visit = as_role(Role.AUDITOR)

    def tamper(route):
        answer = route.fetch()
        body = re.sub(
            r"(\nindex \d+\n)(.)", lambda found: found[1] + ("B" if found[2] == "A" else "A"), answer.text()
        )
        assert body != answer.text()
        route.fulfill(response=answer, body=body)

    visit.page.route("**/proof", tamper)
    page = visit.go(f"/console/decisions/{decided}/proof")
    expect(page.locator("#verdict")).to_contain_text("The proof does NOT hold")
    expect(page.locator("#checks")).to_contain_text("does not lead to the root")


def test_the_log_and_its_checkpoint_are_read_and_compared(as_role, shop, decided):
    visit = as_role(Role.AUDITOR)
    page = visit.go("/console/decisions")
    page.get_by_role("link", name="Log", exact=True).click()
    kept = page.locator("#note").inner_text()
    visit.check()
    page.get_by_label("Show").select_option("acts")
    page.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("table")).not_to_contain_text("a decision for")
    page.get_by_label("A checkpoint that you have kept").fill(kept)
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("Yes. The log of today holds all of it")).to_be_visible()
    visit.expect(422)
    page.get_by_label("A checkpoint that you have kept").fill("anything")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#checkpoint-errors")).to_contain_text("no checkpoint")
    visit.check()


def test_everything_about_a_decision_is_there_without_scripts(browser, shop, decided):
    with visiting(browser, shop, java_script_enabled=False) as visit:
        visit.sign_in(Role.AUDITOR)
        page = visit.go("/console/decisions")
        page.get_by_text("Search", exact=True).first.click()
        page.get_by_label("Only decisions for one customer").fill(BUYER)
        page.get_by_role("button", name="Search for this customer").click()
        assert BUYER not in page.url
        page.locator(f'a[href="/console/decisions/{decided}"]').click()
        page.locator("#asked").get_by_role("button").click()
        page.locator("#answered").get_by_role("button").click()
        expect(page.get_by_text("Privacy signal of the browser")).to_be_visible()
        expect(page.locator("#answered")).to_contain_text("Bread no.")
        page.locator("#replayed").get_by_role("button").click()
        expect(page.get_by_text("The same, byte for byte")).to_have_count(2)
        page.get_by_role("link", name="Back to the decision").click()
        page.get_by_role("link", name="Check the proof").click()
        expect(page.get_by_text("Your browser runs no scripts here")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="the receipt").click()
        assert download.value.suggested_filename == f"{decided}.tlog-proof"
        visit.nothing_went_wrong()


def test_an_erased_decision_says_what_is_left(as_role, shop, decided):
    shop.ask("DELETE", f"/v1/customers/{BUYER}")
    visit = as_role(Role.AUDITOR)
    page = visit.go(f"/console/decisions/{decided}")
    whole = page.get_by_role("button", name="Open the whole story")
    erased = page.get_by_text("The personal part of this decision was erased.")
    expect(whole.or_(erased).first).to_be_visible()
    if whole.is_visible():  # its body goes a moment after its key
        whole.click()
    expect(erased).to_be_visible()
    visit.check()
    page.get_by_role("link", name="Check the proof").click()
    expect(page.locator("#verdict")).to_contain_text("The proof holds")


def test_an_export_page_says_what_is_wrong(as_role, shop, decided):
    visit = as_role(Role.AUDITOR)
    visit.expect(422)
    page = visit.go("/console/decisions/export?placement=home")
    page.get_by_role("button", name="Make the file and download it").click()
    expect(page.get_by_text("say which parts are to be opened")).to_be_visible()
    visit.check()
