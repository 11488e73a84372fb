"""The auditors' rooms without a browser: what is logged before it is shown, and what is never shown."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zipfile

import orjson
import pytest
from sqlalchemy import delete, text
from support.http import BUYER, EVERYTHING, fill, serving
from support.pages import send, sign_in, somebody, staff_of

from api.console.decisions.telling import Titles, steps
from api.log_signers import LogSigners
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.disclosures import read_disclosure
from api.storage.log import read_entry, read_state
from api.storage.tables import log_entries
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.notes import sign_note
from guardrails.log.verifier import VALID, Asked, check_receipt, parse_vkey

SEARCH, LOG, EXPORT = "/console/decisions", "/console/log", "/console/decisions/export"


@pytest.fixture
def shop(sqlite_store):
    with serving(sqlite_store.settings, fill(sqlite_store.settings)) as served:
        accounts = staff_of(served)
        served.choose("given", *EVERYTHING)
        with somebody(served) as browser:
            sign_in(browser, "auditor")
            yield Visited(served, browser, accounts)


class Visited:
    """A shop, somebody of it at its pages, and the accounts there are."""

    def __init__(self, served, browser, accounts):
        self.served, self.browser, self.accounts = served, browser, accounts

    def get(self, path, status=200):
        answer = self.browser.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def send(self, path, status=200, **fields):
        answer = send(self.browser, path, seen_on=SEARCH, **fields)
        assert answer.status_code == status, answer.text
        return answer

    def decide(self, customer_id=BUYER, **asked):
        return self.served.recommend(customer_id=customer_id, **asked).json()["decision_id"]

    @property
    def size(self):
        with reading(self.served.wiring.engine) as conn:
            return read_state(conn).size

    def entry(self, at):
        with reading(self.served.wiring.engine) as conn:
            return orjson.loads(read_entry(conn, at))

    def details(self, at):
        with reading(self.served.wiring.engine) as conn:
            return orjson.loads(read_disclosure(conn, at).details)

    def look(self, html):
        """The entry that a page says it is on record in, as it stands in the log."""
        at = int(re.search(r"/console/log\?at=(\d+)\">Entry", html[html.index("on record.") :])[1])
        said = self.entry(at)
        assert said["type"] == "disclosure"
        assert said["actor"] == self.accounts[Role.AUDITOR].account_id
        return at, said


def links(html):
    return re.findall(r'href="/console/decisions/([0-9a-f-]{36})"', html)


def test_a_search_by_rule_or_reason_says_where_it_is_on_record(shop):
    shop.decide()
    before = shop.size
    at, said = shop.look(shop.get(f"{SEARCH}?rule=G17&basis=profile"))
    assert (at, said["kind"]) == (before, "search")
    assert shop.details(at)["rule"] == "G17"


def test_a_search_that_tells_no_more_than_entries_do_is_no_look(shop):
    decision_id = shop.decide()
    before = shop.size
    html = shop.get(f"{SEARCH}?placement=home&since=2020-01-01T00:00&outcome=personalised")
    assert links(html) == [decision_id]
    assert "This search is on record." not in html
    assert shop.size == before
    assert links(shop.get(f"{SEARCH}?until=2020-01-01T00:00")) == []


def test_a_customer_is_searched_for_by_a_form_and_stands_in_no_address(shop):
    mine, others = shop.decide(), shop.decide("other-4712")
    assert {mine, others} <= set(links(shop.get(SEARCH)))
    shop.get(f"{SEARCH}?customer_id={BUYER}", 422)
    html = shop.send(SEARCH, customer_id=BUYER, placement="home").text
    assert links(html) == [mine]
    at, said = shop.look(html)
    assert said["kind"] == "search"
    assert shop.details(at)["of_a_customer"] is True
    assert not re.search(rf'(?:href|action|hx-post)="[^"]*{BUYER}', html)
    shop.send(SEARCH, 422, customer_id="")


@pytest.mark.parametrize("of_customer", [False, True])
def test_pages_lead_to_every_decision_once_and_back(shop, of_customer):
    made = [shop.decide() for _ in range(60)]

    def open_page(place):
        if of_customer:
            return shop.send(SEARCH, customer_id=BUYER, **place).text
        return shop.browser.get(SEARCH, params=place).text

    def places(html):
        forms = re.findall(r'action="/console/decisions" class="inline">(.*?)</form>', html)
        fields = [dict(re.findall(r'name="(after|trail)" value="([^"]+)"', form)) for form in forms]
        names = [re.search(r"<button>(\w+)</button>", form)[1] for form in forms]
        return dict(zip(names, fields, strict=True))

    place, pages = {}, []
    while True:
        html = open_page(place)
        pages.append(links(html))
        if "Older" not in places(html):
            break
        place = places(html)["Older"]
    assert [each for some in pages for each in some] == made[::-1]
    for expected in pages[-2::-1]:
        html = open_page(places(html)["Newer"])
        assert links(html) == expected
    assert "Newer" not in places(html)


def test_following_a_link_to_a_decision_opens_nothing(shop):
    decision_id = shop.decide()
    before = shop.size
    html = shop.get(f"{SEARCH}/{decision_id}")
    assert "Open the whole story" in html
    assert "Bread" not in html
    assert shop.size == before


def test_a_chapter_takes_only_the_sections_that_it_is_told_from(shop):
    decision_id = shop.decide()
    html = shop.send(f"{SEARCH}/{decision_id}", sections="req").text
    at, said = shop.look(html)
    assert (said["kind"], said["n"]) == ("record", 1)
    assert shop.details(at) == {"decision": decision_id, "sections": ["req"]}
    assert "Privacy signal of the browser" in html
    assert "What was allowed, purpose by purpose" not in html


def test_the_whole_story_is_told_in_order(shop):
    decision_id = shop.decide()
    everything = ["req", "consent", "cand", "rules", "out"]
    html = shop.send(f"{SEARCH}/{decision_id}", sections=everything).text
    at, _ = shop.look(html)
    assert shop.details(at)["sections"] == everything
    told = [
        "a customer with an account",
        "What was allowed, purpose by purpose",
        "piece of evidence",
        "Score, as the sum of its parts",
        "Shown</h3>",
        "Customers are told:",
        "What it said",
        "What would have changed it",
        "Check the proof",
    ]
    places = [html.find(each) for each in told]
    assert -1 not in [place for place, each in zip(places, told, strict=True) if "piece" not in each]
    assert [place for place in places if place >= 0] == sorted(place for place in places if place >= 0)
    assert re.search(r"Bread no\. \d</strong>|Bread no\. \d <span", html)


def test_what_is_no_section_opens_nothing(shop):
    decision_id = shop.decide()
    before = shop.size
    shop.send(f"{SEARCH}/{decision_id}", 422, sections="everything")
    shop.send(f"{SEARCH}/{decision_id}", 422)
    assert shop.size == before


def test_nothing_is_shown_that_could_not_be_logged(shop):
    decision_id = shop.decide()
    with writing(shop.served.wiring.engine) as conn:
        conn.execute(
            text(
                "CREATE TRIGGER no_looks BEFORE INSERT ON log_entries WHEN NEW.type = 'disclosure' "
                "BEGIN SELECT RAISE(ABORT, 'the log is full'); END"
            )
        )
    for path, fields in (
        (f"{SEARCH}/{decision_id}", {"sections": "out"}),
        (f"{SEARCH}/{decision_id}/otherwise", {}),
        (SEARCH, {"customer_id": BUYER}),
        (EXPORT, {"sections": "out"}),
    ):
        answer = send(shop.browser, path, seen_on=LOG, **fields)
        assert answer.status_code >= 500
        assert "Bread" not in answer.text
        assert "Customers are told" not in answer.text


def test_scores_are_the_sums_that_are_shown(shop):
    decision_id = shop.decide()
    record = shop.served.decision(decision_id)
    titles = Titles(shop.served.wiring.runtime.current().house.catalogue)
    told = steps(record["sections"]["cand"], titles)
    candidates = [each for step in told for each in step.candidates]
    assert len(candidates) == sum(len(each["items"]) for each in record["sections"]["cand"]["rounds"])
    assert any(each.parts for each in candidates)
    for each in candidates:
        assert each.base + sum(part.contribution for part in each.parts) + each.others == each.score
        assert (each.n_others == 0) <= (each.others == 0)
    html = shop.send(f"{SEARCH}/{decision_id}", sections="cand").text
    assert f"<strong>{candidates[0].score:,}</strong>" in html


def test_an_erased_decision_keeps_its_entry_and_its_proof(shop):
    decision_id = shop.decide()
    erased = shop.served.ask("DELETE", f"/v1/customers/{BUYER}")
    assert erased.status_code == 202
    html = shop.send(f"{SEARCH}/{decision_id}", sections="out").text
    assert "The personal part of this decision was erased." in html
    assert "the proof that it is in the log still holds" in html
    assert "Bread" not in html
    assert "erased" in shop.send(f"{SEARCH}/{decision_id}/replay").text
    assert "erased" in shop.send(f"{SEARCH}/{decision_id}/otherwise").text
    receipt = shop.get(f"{SEARCH}/{decision_id}/receipt")
    keys = tuple(parse_vkey(each) for each in shop.served.wiring.logbook.vkeys)
    checked = check_receipt(receipt.encode(), Asked(log_keys=keys, allow_unwitnessed=True))
    assert checked.exit_code == VALID


def test_a_decision_is_made_again_and_the_outcome_told_by_layer(shop):
    decision_id = shop.decide()
    html = shop.send(f"{SEARCH}/{decision_id}/replay").text
    assert html.count("The same, byte for byte") == 2
    assert shop.look(html)[1]["kind"] == "replay"
    with writing(shop.served.wiring.engine) as conn:
        conn.execute(text("UPDATE models SET retired_at_ms = 1"))
    html = shop.send(f"{SEARCH}/{decision_id}/replay").text
    assert html.count("The same, byte for byte") == 1
    assert "The model or the catalogue of then is not kept any more" in html


def test_what_would_have_changed_a_decision_is_told_by_item(shop):
    decision_id = shop.decide(placement="product_page", context={"item_id": "bread-1"})
    html = shop.send(f"{SEARCH}/{decision_id}/otherwise").text
    assert shop.look(html)[1]["kind"] == "counterfactuals"
    kept_back, _, let_through = html.partition("What would have let through what was withheld")
    assert "It would have been held back, had this been otherwise: " in kept_back
    assert "It would have been shown, had this been otherwise: " in let_through
    assert "(A sensitive item, G05)</span><br>Nothing was found that anybody could change" in let_through


def test_what_is_not_in_the_log_is_not_found(shop):
    nobody = "00000000-0000-4000-8000-000000000000"
    for path in ("", "/proof", "/receipt"):
        shop.get(f"{SEARCH}/{nobody}{path}", 404)
    for path in ("/replay", "/otherwise"):
        shop.send(f"{SEARCH}/{nobody}{path}", 404)


def test_a_pruned_entry_is_said_to_be_pruned(shop):
    decision_id = shop.decide()
    with writing(shop.served.wiring.engine) as conn:
        conn.execute(text("DROP TRIGGER IF EXISTS log_entries_kept"))
        for (name,) in conn.execute(
            text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'log_entries'")
        ).all():
            conn.execute(text(f"DROP TRIGGER {name}"))
        conn.execute(delete(log_entries).where(log_entries.c.type == "decision"))
    assert "pruned" in shop.get(f"{SEARCH}/{decision_id}", 404)
    assert decision_id in links(shop.get(SEARCH))


def checked(shop, content, tmp_path, *more):
    """Run the verifier that came in a bundle, with nothing but Python's own library."""
    file = tmp_path / "bundle.zip"
    file.write_bytes(content)
    with zipfile.ZipFile(file) as bundle:
        names = bundle.namelist()
        program = tmp_path / "verify.py"
        program.write_bytes(bundle.read("verify.py"))
    (key,) = shop.served.wiring.logbook.vkeys
    done = subprocess.run(
        [sys.executable, "-I", str(program), str(file), "--log-key", key, "--allow-unwitnessed", *more],
        capture_output=True,
        text=True,
        check=False,
    )
    return names, done


def test_an_export_is_checked_by_the_program_inside_it(shop, tmp_path):
    shop.decide()
    before = shop.size
    answer = shop.send(EXPORT)
    names, done = checked(shop, answer.content, tmp_path)
    assert done.returncode == VALID, done.stdout + done.stderr
    assert not [name for name in names if name.startswith("disclosures/")]
    assert shop.size == before, "nothing personal was handed out, so nobody has looked"


def test_an_export_of_a_search_opens_what_was_found_and_is_on_record(shop, tmp_path):
    shop.decide()
    mine = shop.decide(placement="product_page", context={"item_id": "bread-1"})
    answer = shop.send(EXPORT, placement="product_page", sections=["rules", "out"])
    name = re.search(
        r'filename="log-0-\d+-opened-in-entry-(\d+)\.zip"', answer.headers["content-disposition"]
    )
    said = shop.entry(int(name[1]))
    assert (said["kind"], said["n"]) == ("export", 1)
    assert said["actor"] == shop.accounts[Role.AUDITOR].account_id
    names, done = checked(shop, answer.content, tmp_path, "--decision", mine)
    assert done.returncode == VALID, done.stdout + done.stderr
    (opened,) = [name for name in names if name.startswith("disclosures/")]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        assert set(orjson.loads(bundle.read(opened))["sections"]) == {"rules", "out"}


def test_an_export_of_one_customer_opens_only_theirs(shop):
    shop.decide()
    shop.decide("other-4712")
    answer = shop.send(EXPORT, customer_id=BUYER, sections="req")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        assert len([name for name in bundle.namelist() if name.startswith("disclosures/")]) == 1


def test_an_export_that_makes_no_sense_is_refused_with_the_reason(shop):
    shop.decide()
    assert "which parts are to be opened" in shop.send(EXPORT, 422, placement="home").text
    assert "no such decision" in shop.send(EXPORT, 422, placement="cart", sections="out").text
    assert "no witness" in shop.send(EXPORT, 422, witnessed="yes").text
    assert "no entries of that time" in shop.send(EXPORT, 422, until="2020-01-01T00:00").text
    assert "write it as in" in shop.send(EXPORT, 422, since="yesterday").text


def test_the_log_tells_in_words_who_did_what(shop):
    decision_id = shop.decide()
    shop.send(f"{SEARCH}/{decision_id}", sections="req")
    html = shop.get(LOG)
    assert "auditor opened decisions: 1" in html
    assert "a decision for home:" in html
    assert "the system made an account: auditor, auditor" in html
    assert "a key was made: tests, for auditor" in html
    acts = shop.get(f"{LOG}?kind=acts")
    assert "auditor opened decisions: 1" in acts
    assert "a decision for" not in acts
    looks = shop.get(f"{LOG}?kind=disclosure&before={shop.size - 1}")
    assert "auditor opened" not in looks


def test_the_log_shows_the_entry_that_one_comes_for(shop):
    for _ in range(60):
        shop.decide()
    html = shop.get(f"{LOG}?at=20")
    assert re.search(r'id="wanted"><th scope="row" class="number">20</th>', html)
    assert "before=" in html or "Newest" in html
    assert '<th scope="row" class="number">9</th>' in shop.get(f"{LOG}?before=10")


def test_a_checkpoint_that_was_kept_is_held_against_the_log_of_today(shop):
    kept = shop.served.wiring.logbook.checkpoint()
    shop.decide()
    assert "Yes. The log of today holds all of it" in shop.send(LOG, checkpoint=kept).text
    assert (
        "Yes. The log of today holds all of it" in shop.send(LOG, checkpoint=kept.replace("\n", "\r\n")).text
    )
    signers = LogSigners(shop.served.settings).now()
    other = Checkpoint(shop.served.wiring.logbook.origin, 3, bytes(32)).text()
    assert "NO. The log of today" in shop.send(LOG, checkpoint=sign_note(other, signers, 0)).text
    longer = Checkpoint(shop.served.wiring.logbook.origin, 10_000, bytes(32)).text()
    assert "NO. The log of today" in shop.send(LOG, checkpoint=sign_note(longer, signers, 0)).text
    for wrong in ("anything", kept.replace(kept[-20], "A"), ""):
        assert shop.send(LOG, 422, checkpoint=wrong)


def test_the_program_that_checks_is_handed_out(shop):
    assert "def check_bundle" in shop.get("/console/log/verify.py")


@pytest.mark.parametrize("role", [Role.MARKETER, Role.APPROVER])
def test_only_auditors_and_admins_look(shop, role):
    decision_id = shop.decide()
    with somebody(shop.served) as browser:
        sign_in(browser, role.value)
        for path in ("", f"/{decision_id}", f"/{decision_id}/proof", f"/{decision_id}/receipt", "/export"):
            assert browser.get(f"{SEARCH}{path}").status_code == 403
        assert browser.get(LOG).status_code == 403
        for path in (f"/{decision_id}", f"/{decision_id}/replay", f"/{decision_id}/otherwise", "/export", ""):
            assert send(browser, f"{SEARCH}{path}", seen_on="/console").status_code == 403


def test_the_story_is_told_in_danish(shop):
    decision_id = shop.decide()
    answer = shop.browser.get(f"{SEARCH}/{decision_id}", headers={"Accept-Language": "da"})
    assert "Åbn hele historien" in answer.text
