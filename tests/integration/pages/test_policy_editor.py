"""The editor of policies, as a browser without scripts would use it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import delete
from support.http import Served
from support.pages import SIGN_IN, sign_in

from api.policies.text import Form, read_text
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.tables import sign_ins

EDITOR = "/console/policies/edit"


class Editor:
    """Somebody at the editor: what the page holds is sent back with what they change."""

    def __init__(self, served: Served, role: Role = Role.MARKETER) -> None:
        self.client = httpx.Client(base_url=served.url, follow_redirects=True, timeout=30)
        sign_in(self.client, role.value)

    def go(self, path: str) -> httpx.Response:
        self.page = self.client.get(path)
        return self.page

    @property
    def form(self) -> str:
        return re.search('<form id="editor".*?</form>', self.page.text, re.DOTALL)[0]

    @property
    def sent(self) -> dict[str, list[str]]:
        """What a browser would send of the form."""
        sent: dict[str, list[str]] = {}
        controls = re.finditer(
            r"<input([^>]*)>|<textarea([^>]*)>\n?(.*?)</textarea>|<select([^>]*)>(.*?)</select>",
            self.form,
            re.DOTALL,
        )
        for box, area, text, select, options in (each.groups() for each in controls):
            name = re.search(r'\bname="([^"]*)"', box or area or select)[1]
            if box is not None:
                if 'type="checkbox"' in box and " checked" not in box:
                    continue
                value = re.search(r'\bvalue="([^"]*)"', box)
                value = "on" if value is None else value[1]
            elif area is not None:
                value = text
            else:
                chosen = re.search(r'value="([^"]*)" selected', options)
                value = (chosen or re.search(r'value="([^"]*)"', options))[1]
            sent.setdefault(html.unescape(name), []).append(html.unescape(value))
        return sent

    @property
    def text(self) -> str:
        return self.sent["text"][0]

    @property
    def plain(self) -> dict:
        return read_text(self.text.encode(), Form.YAML).plain

    def press(self, do: str, changed: dict[str, str | list[str]] | None = None) -> httpx.Response:
        """Press a button, after typing something."""
        typed = {name: [text] if isinstance(text, str) else text for name, text in (changed or {}).items()}
        assert typed.keys() <= self.sent.keys() | self.unchecked, "this is not on the page"
        self.page = self.client.post(EDITOR, data={**self.sent, **typed, "do": [do]})
        return self.page

    @property
    def unchecked(self) -> set[str]:
        return set(re.findall('type="checkbox" name="([^"]*)"', self.form))

    def found_at(self, pointer: str) -> str:
        """What is found at a place."""
        place = re.sub("[^A-Za-z0-9_]+", "-", pointer).strip("-")
        found = re.search(
            f'id="found-{place}">(.*?)(class="found"|class="readout")', self.page.text, re.DOTALL
        )
        return html.unescape(re.sub("<[^>]*>", "", found[1])).strip()

    @property
    def findings(self) -> list[str]:
        return [
            html.unescape(re.sub("<[^>]*>", "", each)).strip()
            for each in re.findall('<div class="finding[^>]*><p>(.*?)</p>', self.page.text, re.DOTALL)
        ]


@pytest.fixture
def editor(open_shop) -> Iterator[Editor]:
    somebody = Editor(open_shop)
    yield somebody
    somebody.client.close()


RULE = {
    "rule.title": "No dear things by e-mail",
    "rule.rationale": "A dear thing wants to be looked at in peace.",
    "rule.owner": "merchandising",
    "rule.customer_sentence": "We do not write to you about dear things.",
}


def saved(editor: Editor) -> str:
    assert re.search("/console/policies/house/versions/[0-9a-f]{64}$", str(editor.page.url)), editor.findings
    return str(editor.page.url.path)


def test_a_change_of_what_is_in_force_is_stored_as_a_draft_of_it(editor):
    assert editor.go("/console/policies").status_code == 200
    editor.go("/console/policies/new")
    before = editor.plain
    editor.press("open:limits")
    editor.press("save", {"limit.G17.upsell_hard": "0.3"})
    editor.go(f"{saved(editor)}/edit")
    assert editor.plain == before | {"limits": {"G17.upsell_hard": 0.3}}


def test_a_rule_is_written_with_nothing_but_buttons_and_fields(editor):
    editor.go("/console/policies/new?rule=new")
    place = len(editor.plain["rules"]) - 1
    assert "things are still needed" in editor.page.text
    editor.press("add-condition:rule.when", RULE | {"add.rule.when": "item.price_minor"})
    assert editor.plain["rules"][place]["when"] == {
        "all": [
            {"field": "item.price_minor", "op": "has", "value": True},
            {"field": "item.price_minor", "op": ">=", "value": ""},
        ]
    }
    assert "a whole number" in editor.found_at(f"/rules/{place}/when/all/1/value")
    assert 'name="rule.when.1.value" type="text" inputmode="decimal"' in editor.form
    assert "autofocus" in re.search('name="rule.when.1.value"[^>]*>', editor.form)[0]
    editor.press("check", {"rule.when.1.value": "100000", "rule.applies_to.channel": ["", "email"]})
    assert "is at least 100000 minor units" in editor.page.text
    assert "suggestions through e-mail" in editor.page.text
    assert editor.plain["rules"][place]["id"] == "no-dear-things-by-e-mail"
    editor.press("add-test")
    editor.press(
        "add-given",
        {"rule.tests.0.note": "dear", "add.test": "0", "add.given": "item.price_minor"},
    )
    editor.press("check", {"rule.tests.0.given.item.price_minor": "100000"})
    assert "would go unnoticed" in editor.page.text
    n_offered = editor.form.count('value="adopt-test:')
    editor.press("adopt-test:0")
    rule = editor.plain["rules"][place]
    assert len(rule["tests"]) == 2
    assert editor.form.count('value="adopt-test:') <= n_offered
    editor.press("save")
    path = saved(editor)
    editor.go(f"{path}/diff")
    assert "No dear things by e-mail" in editor.page.text
    assert "are held back now, and were not" in editor.page.text
    editor.go(f"{path}/tests")
    assert "Add the test" in editor.page.text


def test_conditions_are_grouped_moved_and_removed(editor):
    editor.go("/console/policies/new?rule=new")
    place = len(editor.plain["rules"]) - 1
    editor.press("add-condition:rule.when", RULE | {"add.rule.when": "item.sponsored"})
    editor.press("add-condition:rule.when", {"add.rule.when": "item.brand"})
    editor.press("check", {"rule.when.1.value": ["Acme\r\nGlobex"], "rule.when.1.value.null": "on"})
    sponsored = {"field": "item.sponsored", "op": "=", "value": True}
    brand = {"field": "item.brand", "op": "in", "value": [None, "Acme", "Globex"]}
    assert editor.plain["rules"][place]["when"] == {"all": [sponsored, brand]}
    editor.press("raise-condition:rule.when.1")
    assert editor.plain["rules"][place]["when"] == {"all": [brand, sponsored]}
    editor.press("add-group:rule.when")
    editor.press("add-condition:rule.when.2", {"add.rule.when.2": "item.tier"})
    editor.press("check", {"rule.when.2.0.value": "1", "rule.when.2.0.op": "=", "rule.when.kind": "any"})
    tier = {"field": "item.tier", "op": "=", "value": 1}
    assert editor.plain["rules"][place]["when"] == {"any": [brand, sponsored, {"any": [tier]}]}
    editor.press("drop-condition:rule.when.2.0")
    assert editor.plain["rules"][place]["when"] == {"any": [brand, sponsored]}
    editor.press("drop-condition:rule.when")
    assert "when" not in editor.plain["rules"][place]


def test_another_operator_is_asked_with_another_control(editor):
    editor.go("/console/policies/new?rule=new")
    editor.press("add-condition:rule.when", RULE | {"add.rule.when": "request.channel"})
    assert 'type="checkbox" name="rule.when.value" value="email"' in editor.form
    editor.press("check", {"rule.when.value": ["", "email"], "rule.when.op": "="})
    assert re.search('<select[^>]*name="rule.when.value"', editor.form)


def test_rules_change_places_and_go(editor):
    editor.go("/console/policies/new")
    ids = [rule["id"] for rule in editor.plain["rules"]]
    editor.press("raise-rule:2")
    assert [rule["id"] for rule in editor.plain["rules"]] == [ids[0], ids[2], ids[1], *ids[3:]]
    editor.press("drop-rule:0")
    assert [rule["id"] for rule in editor.plain["rules"]] == [ids[2], ids[1], *ids[3:]]


def test_what_is_assumed_comes_and_goes(editor):
    editor.go("/console/policies/new?rule=new")
    place = len(editor.plain["rules"]) - 1
    editor.press("add-assumption:assumes", RULE | {"add.assumes": "withheld_share"})
    editor.press("check", {"rule.assumes.withheld_share.1": "0.2"})
    assert editor.plain["rules"][place]["assumes"] == {"withheld_share": [0, 0.2]}
    editor.press("drop-assumption:withheld_share")
    assert "assumes" not in editor.plain["rules"][place]


def test_from_form_to_text_and_back_nothing_is_lost_not_even_comments(editor):
    editor.go("/console/policies/new")
    editor.press("text")
    text = editor.text.replace("- id: nobody-pays", "# asked for by the board\n- id: nobody-pays")
    editor.press("form", {"text": text.replace("\n", "\r\n")})
    assert "The text has 1 comment." in editor.page.text
    editor.press("open:2")
    editor.press("text", {"rule.owner": "board"})
    assert (
        editor.text == text.replace("owner: privacy", "owner: board", 1)
        or editor.plain["rules"][2]["owner"] == "board"
    )
    assert "# asked for by the board" in editor.text
    assert editor.plain["rules"][3]["owner"] == "privacy"


def test_a_form_that_was_looked_at_leaves_the_text_as_it_is(editor):
    editor.go("/console/policies/new")
    text = editor.text
    for place in range(len(editor.plain["rules"])):
        editor.press(f"open:{place}")
        assert 'class="sheet"' in editor.page.text
        assert editor.text == text
    editor.press("open:limits")
    editor.press("close")
    assert editor.text == text


def test_a_text_that_is_none_is_shown_as_text_with_the_place(editor):
    editor.go("/console/policies/new")
    editor.press("text")
    editor.press("form", {"text": "policy: house\nrules:\n  - {id: one"})
    assert 'name="view" value="text"' in editor.page.text
    assert 'data-line="4"' in editor.page.text
    assert editor.text == "policy: house\nrules:\n  - {id: one"
    assert editor.press("save").status_code == 422
    assert editor.text == "policy: house\nrules:\n  - {id: one"


def test_a_rule_that_no_form_can_show_stays_text(editor):
    editor.go("/console/policies/new")
    text = "policy: house\nrules:\n- {id: one, titel: [1, {two: 3}]}\n"
    editor.press("text")
    editor.press("form", {"text": text})
    editor.press("open:0")
    assert "The form cannot show everything that this rule says." in editor.page.text
    editor.press("add-test")
    assert editor.text == text
    assert "did you mean" in editor.found_at("/rules/0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "[1]",
        "policy: [1]",
        "limits: 5",
        "rules: {a: 1}",
        "policy: house\nlimits: {G17.upsell_hard: [1], nothing.known: {a: 1}}",
        "policy: house\nrules:\n- 5\n- []\n- {id: [1], title: one}\n- {title: [2]}\n",
        "policy: house\nrules:\n- {when: {field: [1]}}\n- {when: {all: 5}}\n- {tests: {a: 1}}\n- {mode: 5}\n",
        "rules:\n- {assumes: [1], title: <script>alert(1)</script>}\n- {obligations: 1, effect: []}\n",
    ],
)
def test_whatever_the_text_is_the_page_stands_and_the_text_stays(editor, text):
    editor.go("/console/policies/new")
    editor.press("text")
    for do in ("form", "open:0", "open:1", "open:2", "open:3", "open:limits", "open:" + "9" * 5_000, "save"):
        assert editor.press(do, {"text": text}).status_code in (200, 422)
        assert "<script>alert" not in editor.page.text
        assert read_text(editor.text.encode() or b"-", Form.YAML).plain is not None
    assert editor.findings


def test_what_is_found_stands_at_the_field_with_an_example(editor):
    editor.go("/console/policies/new")
    editor.press("open:limits")
    editor.press("check", {"limit.G17.upsell_hard": "0.9", "limit.G33.min_pieces": "many"})
    assert "a whole number" in editor.found_at("/limits/G33.min_pieces")
    editor.press("check", {"limit.G33.min_pieces": ""})
    assert "Error" in editor.found_at("/limits/G17.upsell_hard")
    assert "Example" in editor.found_at("/limits/G17.upsell_hard")


def test_while_somebody_types_only_what_is_found_is_answered(editor):
    editor.go("/console/policies/new")
    editor.press("open:limits")
    data = {**editor.sent, "do": ["live"], "limit.G17.upsell_hard": ["0.9"]}
    part = editor.client.post(EDITOR, data=data, headers={"HX-Request": "true"})
    assert "<form" not in part.text
    assert 'id="found-limits-G17-upsell_hard"><div class="finding error"' in part.text
    assert len(part.content) < 20_000


def test_whoever_is_signed_out_while_they_type_is_told_so_on_the_page(editor, open_shop):
    editor.go("/console/policies/new")
    data = {**editor.sent, "do": ["live"]}
    with writing(open_shop.wiring.engine) as conn:
        conn.execute(delete(sign_ins))
    told = editor.client.post(EDITOR, data=data, headers={"HX-Request": "true"})
    assert told.status_code == 401
    assert "HX-Redirect" not in told.headers
    assert "What you typed still stands on this page." in told.text.partition('id="problem"')[2]
    assert editor.client.post(EDITOR, data=data).url.path == SIGN_IN


def test_a_draft_with_errors_is_stored_and_one_that_says_nothing_is_not(editor):
    editor.go("/console/policies/new")
    editor.press("open:limits")
    editor.press("save", {"limit.G17.upsell_hard": "0.9"})
    saved(editor)
    editor.go("/console/policies/new?rule=new")
    assert editor.press("save", {"rule.owner": "me"}).status_code == 422
    assert editor.plain["rules"][-1]["owner"] == "me"


def test_fields_that_no_page_has_are_refused(editor):
    editor.go("/console/policies/new")
    answer = editor.client.post(EDITOR, data={**editor.sent, "sneaky": "1"})
    assert answer.status_code == 422
    assert "sneaky" in answer.text


@pytest.mark.parametrize(
    "do", ["open:99", "drop-rule:99", "add-condition:x", "adopt-test:9", "drop-given:1", "?"]
)
def test_buttons_about_what_is_no_longer_there_change_nothing(editor, do):
    editor.go("/console/policies/new")
    text = editor.text
    assert editor.press(do).status_code == 200
    assert editor.text == text


def test_the_list_says_what_is_in_force_and_what_is_being_written(editor, open_shop):
    editor.go("/console/policies/new")
    editor.press("open:limits")
    editor.press("save", {"limit.G17.upsell_hard": "0.3"})
    path = saved(editor)
    page = editor.go("/console/policies").text
    assert f'href="{path}"' in page
    assert "Change what is in force" in page
    auditor = Editor(open_shop, Role.AUDITOR)
    page = auditor.go("/console/policies").text
    assert f'href="{path}"' in page
    assert "Change what is in force" not in page
    assert auditor.go("/console/policies/new").status_code == 403
    assert auditor.go(f"{path}/tests").status_code == 200
    auditor.client.close()


def test_what_is_the_same_is_proven_to_be(editor):
    editor.go("/console/policies/new")
    editor.press("open:2")
    editor.press("save", {"rule.title": "Nobody pays for private things"})
    page = editor.go(f"{saved(editor)}/diff").text
    assert "It is proven to be the same" in page
    assert "A rule that changes: Nobody pays for private things" in page
