"""Titles that press their reader, and titles that only look like it, in five languages."""

from __future__ import annotations

import pytest

from guardrails.sensitive.phrases import LANGUAGES, phrases_of, spellings, written_rules
from guardrails.sensitive.pressing import RULES, is_pressing

KINDS = ("scarcity", "urgency", "guilt")


@pytest.mark.parametrize(
    "title",
    [
        "Rain jacket - ONLY 2 LEFT!",
        "Trainers (only 117 left)",
        "Garden chair, last chance",
        "HURRY! Towels 3 for 2",
        "Blender | sale ends tonight",
        "Wool blanket while stocks last",
        "Headphones, 14 people are looking at this",
        "Extended warranty: no thanks, I like paying more",
        "Don\u2019t miss this one",
        "Regnjakke, kun 3 tilbage",
        "Kaffemaskine - skynd dig, sidste chance",
        "Sofa, næsten udsolgt",
        "Nej tak, jeg betaler gerne mere",
        "Ullteppe, bare 2 igjen",
        "Sykkel: siste sjanse",
        "Ikke gå glipp av denne",
        "Soffa, endast 4 kvar",
        "Cykel - sista chansen, skynda dig",
        "Tröja, så länge lagret räcker",
        "Regenjacke, nur noch 3 Stück",
        "Kaffeemaschine - nur heute!",
        "Sofa, solange der Vorrat reicht",
        "Nein danke, ich zahle lieber mehr",
    ],
)
def test_pressure_is_seen(title):
    assert is_pressing(title)
    assert is_pressing(title.upper())


@pytest.mark.parametrize(
    "title",
    [
        "",
        "Wooden shoe last size 42",
        "Limited edition vinyl",
        "Begrenzte Auflage, Kunstdruck",
        "Hurricane lamp, brass",
        "S&B Hurry Curry mild",
        "Cooking in a Hurry (paperback)",
        "Nike running low, white",
        "Spanish rice (canned only)",
        "FLUID MILK WHITE ONLY",
        "The Last of Us, Blu-ray",
        "Last Chance Saloon sign",
        "Left-handed scissors, only 2 left handed sizes",
        "24 piece cutlery, 12 pieces left-hand side",
        "Long lasting lipstick",
        "Countdown calendar with 24 doors",
        "Everlast boxing gloves",
        "Stockpot with lid",
        "Sista natten med gänget (bok)",
        "Nur Wasser, Roman",
        "Slutspel, 2 kvarn",
        "Kun én konge",
    ],
)
def test_what_only_looks_like_pressure_is_let_pass(title):
    assert not is_pressing(title)


def test_every_phrase_is_found_as_its_rule_says():
    for rule in written_rules(RULES):
        for phrase in phrases_of(rule):
            for spelling in spellings(phrase):
                title = " ".join(stem for stem, _ in spelling).replace("#", "7")
                assert is_pressing(title) == ("presses" in rule), phrase


def test_every_kind_of_pressure_has_its_words_in_every_language():
    by_kind = {
        rule["presses"]: set(rule) & set(LANGUAGES) for rule in written_rules(RULES) if "presses" in rule
    }
    assert by_kind == {kind: set(LANGUAGES) for kind in KINDS}


def test_no_unknown_key_stands_in_a_rule():
    assert {key for rule in written_rules(RULES) for key in rule} <= {"presses", *LANGUAGES}
