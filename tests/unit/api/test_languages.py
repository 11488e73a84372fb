"""The edge says everything in every language, and finds out which one is wanted."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import RAISE, Schema, validate
from support.catalogues import OTHERS, catalogue_of, flaws, forms, keys
from support.texts import ROOT, put_together, texts, texts_of_templates

import api.schemas
from api import answer, transparency
from api.imports.native_events import _TYPES
from api.languages import NAMES, chosen_language, negotiated, say, say_how_many
from api.problems import PROBLEMS
from api.rights import readings
from api.rights.sections import SECTIONS
from api.storage import connection
from api.storage.retention import Retention
from api.wording import house_style
from engine.vocabulary import Basis, Kind, Origin
from guardrails.consent.collection import DATA_CATEGORY_OF
from guardrails.consent.purposes import REGISTER
from guardrails.messages import LANGUAGES, SOURCE, Phrase

SAME = {
    "da": {"Status", "type", "model", "Data", "GDPR {article}"},
    "nb": {"Status", "type", "GDPR {article}"},
    "sv": {"Status", "GDPR {article}"},
    "de": {"Status"},
}
"""What is written as in English."""


def of_transparency():
    pairs = [*transparency.BASES.values(), *transparency.OPTIONS.values()]
    return {
        transparency.LOGIC,
        transparency.CONSEQUENCES,
        transparency.SOURCES,
        transparency.HOLDING_BACK,
        *transparency.KINDS.values(),
        *(meaning for _, meaning in transparency.ORIGINS.values()),
        *transparency.STEPS.values(),
        *transparency.DATA.values(),
        *transparency.GIVEN_BY.values(),
        *transparency.KEPT.values(),
        *(text for pair in pairs for text in pair),
        *(right.meaning for right in transparency.RIGHTS),
    }


def of_the_export():
    explained = {text for _, text in readings._EXPLAINED}
    return {*explained, *readings._AGES.values(), *(section.meaning for section in SECTIONS)}


def of_the_store():
    reasons = [reason for _, reason in (*connection._SQLITE_REASONS, *connection._SQLSTATE_REASONS)]
    return {*reasons, connection.NOT_CURRENT, connection._GONE}


def request_fields():
    for module in pkgutil.iter_modules(api.schemas.__path__):
        for schema in vars(importlib.import_module(f"api.schemas.{module.name}")).values():
            if isinstance(schema, type) and issubclass(schema, Schema) and _is_strict(schema):
                yield from _all_fields(schema())


def _is_strict(schema):
    """Requests alone say so; what an answer would find is never said."""
    return getattr(schema.Meta, "unknown", None) == RAISE


def _all_fields(schema):
    for field in schema.fields.values():
        yield field
        if inner := getattr(field, "inner", None):
            yield inner


def of_marshmallow():
    """What the schemas of requests can find, as far as fields say it; and what ranges say."""
    said = {*Schema().error_messages.values()}
    for field in request_fields():
        said |= {text for name, text in field.error_messages.items() if "{" not in text}
        said |= {each.error for each in field.validators if isinstance(each, validate.Regexp)}
    templates = {template for _, template in importlib.import_module("api.wording")._PATTERNS}
    return {house_style(text) for text in said} | templates


def said_by_the_edge():
    told = {text for problem in PROBLEMS for text in (problem.title, problem.meaning)}
    return {
        *texts("api"),
        *told,
        *texts_of_templates("api/pages"),
        *of_transparency(),
        *of_the_store(),
        *of_the_export(),
        *of_marshmallow(),
        *(reason for _, reason in _TYPES.values()),
        answer.SWITCH,
    }


@pytest.mark.parametrize("language", OTHERS)
def test_the_catalogues_hold_what_is_said_and_nothing_else(language):
    below = keys(catalogue_of("guardrails.messages", language))
    held, said = keys(catalogue_of("api.messages", language)), said_by_the_edge() - below
    assert sorted(said - held) == [], "said and not translated"
    assert sorted(held - said) == [], "translated and not said"


@pytest.mark.parametrize("language", OTHERS)
def test_every_entry_is_finished_and_fits_its_source(language):
    assert flaws(catalogue_of("api.messages", language), SAME[language]) == []


@pytest.mark.parametrize("language", OTHERS)
def test_plural_forms_are_those_of_the_language(language):
    catalogue = catalogue_of("api.messages", language)
    assert (catalogue.num_plurals, catalogue.plural_expr) == (2, "(n != 1)")
    assert [message.id for message in catalogue if len(forms(message.id)) > 1]


@pytest.mark.parametrize(
    ("language", "one", "many"),
    [
        ("en", "1 day", "2 days"),
        ("da", "1 dag", "2 dage"),
        ("nb", "1 dag", "2 dager"),
        ("sv", "1 dag", "2 dagar"),
        ("de", "1 Tag", "2 Tage"),
    ],
)
def test_one_is_not_many(language, one, many):
    assert say_how_many(1, "{n} day", "{n} days", language) == one
    assert say_how_many(2, "{n} day", "{n} days", language) == many


def test_what_has_values_in_it_can_be_said_again():
    assert put_together("api") == []


def test_everything_in_force_has_its_words():
    assert set(transparency.KINDS) == set(Kind)
    assert set(transparency.ORIGINS) == set(Origin)
    assert set(transparency.STEPS) == set(Basis) - {Basis.NONE}
    assert {entry.basis for entry in REGISTER} <= set(transparency.BASES)
    assert set(DATA_CATEGORY_OF.values()) <= set(transparency.DATA)
    assert set(transparency.KEPT) == set(asdict(Retention()))


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("da", "da"),
        ("da-DK", "da"),
        ("DE-at", "de"),
        ("no", "nb"),
        ("nn-NO, en;q=0.1", "nb"),
        ("fr", "en"),
        ("fr, de;q=0.3, sv;q=0.8", "sv"),
        ("en;q=0.2, da;q=0.9, de;q=0.9", "da"),
        ("*", "en"),
        ("sv;q=0.5, *;q=0.1", "sv"),
        ("fr, *;q=0.5, da;q=0.4", "en"),
        ("en;q=0, *", "da"),
        ("da;q=0", "en"),
        ("da;q=2, sv;q=0.1", "sv"),
        ("da;q=x", "en"),
        (",,;;q=", "en"),
        ("sv-Latn-SE-x-private", "sv"),
    ],
)
def test_the_language_liked_best_is_spoken(header, language):
    assert negotiated(header) == language


@given(st.text() | st.lists(st.sampled_from(["da", "*", "fr", "q=1", ";", ",", "-", "q=0"])).map("".join))
def test_whatever_a_header_says_a_language_comes_of_it(header):
    assert negotiated(header) in LANGUAGES


def test_outside_a_request_it_is_english():
    assert chosen_language() == SOURCE
    assert say("There is nothing here") == "There is nothing here"


def test_what_the_guardrails_say_the_edge_can_say_too():
    assert say("sell or share data", "de") == "Daten verkaufen oder weitergeben"


def test_each_language_has_a_name_of_its_own():
    assert tuple(NAMES) == LANGUAGES
    assert len(set(NAMES.values())) == len(NAMES)


@pytest.mark.parametrize(
    ("validator", "value", "german"),
    [
        (validate.Range(1, 50), 51, "muss mindestens 1 und höchstens 50 sein"),
        (validate.Range(min=1), 0, "muss größer oder gleich 1 sein"),
        (validate.Range(max=1), 2, "muss kleiner oder gleich 1 sein"),
        (validate.Length(1, 3), "", "die Länge muss zwischen 1 und 3 liegen"),
        (validate.Length(min=1), "", "kürzer als die Mindestlänge 1"),
        (validate.Length(max=1), "ab", "länger als die Höchstlänge 1"),
        (validate.Length(equal=1), "ab", "die Länge muss 1 sein"),
        (validate.OneOf(["a.", "b {x}"]), "c", "muss eines davon sein: a., b {x}"),
    ],
)
def test_what_marshmallow_finds_can_be_said_in_another_language(validator, value, german):
    with pytest.raises(validate.ValidationError) as found:
        validator(value)
    (message,) = found.value.messages
    said = house_style(message)
    assert isinstance(said, Phrase)
    assert say(said, "de") == german


def test_every_language_but_the_source_has_its_catalogue_on_both_floors():
    for package in ("api", "guardrails"):
        folder = Path(ROOT / package / "messages")
        assert {file.stem for file in folder.glob("*.po")} == set(OTHERS)
