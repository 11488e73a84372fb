"""Pages say everything in the languages of those who read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from support.catalogues import OTHERS, catalogue_of, flaws, forms, keys
from support.texts import ROOT, put_together, texts, texts_of_templates

from api.console.showing import LANGUAGES, ROOMS
from api.languages import say
from api.pages.rendering import rendered
from api.problems import PROBLEMS
from api.storage.accounts import STAFF
from guardrails.messages import SOURCE

CONSOLE = ROOT / "api/console/messages"
STOREFRONT = ROOT / "api/storefront/messages"

READ_IN = [(CONSOLE, each) for each in LANGUAGES if each != SOURCE] + [(STOREFRONT, each) for each in OTHERS]

SAME = {
    "da": {"Menu", "Model"},
    "nb": set(),
    "sv": set(),
    "de": set(),
}
"""What is written as in English."""


def files_of(folder, language):
    return sorted(folder.glob(f"*.{language}.po"))


def catalogues(folder, language):
    for file in files_of(folder, language):
        with file.open("rb") as source:
            yield file.name, read_po(source, locale=language, abort_invalid=True)


def of_the_console():
    names = {room.name for room in ROOMS} | {role.value for role in STAFF}
    return texts("api/console") | texts_of_templates("api/console") | names


def said_in(folder):
    if folder == CONSOLE:
        return of_the_console()
    return texts("api/storefront") | texts_of_templates("api/storefront")


def known_elsewhere(language):
    return keys(catalogue_of("api.messages", language)) | keys(catalogue_of("guardrails.messages", language))


@pytest.mark.parametrize(("folder", "language"), READ_IN, ids=lambda each: getattr(each, "parent", each))
def test_the_catalogues_hold_what_pages_say_and_nothing_else(folder, language):
    held = {text for _, each in catalogues(folder, language) for text in keys(each)}
    said = said_in(folder) - known_elsewhere(language)
    if folder == STOREFRONT and language in LANGUAGES:
        assert not held & {text for _, each in catalogues(CONSOLE, language) for text in keys(each)}
    assert sorted(said - held) == [], "said and not translated"
    assert sorted(held - said_in(folder)) == [], "translated and not said"


@pytest.mark.parametrize(("folder", "language"), READ_IN, ids=lambda each: getattr(each, "parent", each))
def test_every_entry_of_theirs_is_finished_and_fits_its_source(folder, language):
    for name, catalogue in catalogues(folder, language):
        same = {text for text in keys(catalogue) if text in SAME[language]}
        assert flaws(catalogue, same) == [], name


@pytest.mark.parametrize(("folder", "language"), READ_IN, ids=lambda each: getattr(each, "parent", each))
def test_no_text_is_translated_twice(folder, language):
    seen = {}
    for name, catalogue in catalogues(folder, language):
        for message in catalogue:
            if message.id:
                text = forms(message.id)[0]
                assert text not in seen, (text, name, seen.get(text))
                seen[text] = name


@pytest.mark.parametrize("package", ["api/console", "api/storefront"])
def test_what_has_values_in_it_can_be_said_again_on_pages(package):
    assert put_together(package) == []


def test_what_pages_say_is_found_where_everything_is():
    assert say("Sign in", "da") == "Log ind"


def test_templates_hold_no_style_and_no_script_of_their_own():
    for template in (Path(ROOT) / "api").glob("*/templates/**/*.html"):
        text = template.read_text("utf-8")
        assert " style=" not in text, f"{template.name}: a style within the page is refused by its policy"
        assert "onclick" not in text, f"{template.name}: so is a script"
        assert "<script>" not in text, f"{template.name}: so is a script"


def test_a_page_that_is_a_file_of_its_own_holds_its_style():
    assert "<style>" in rendered("problem.html", standalone=True, problem=PROBLEMS[0])
    assert "<style>" not in rendered("problem.html", problem=PROBLEMS[0])
