"""How words and phrases are written in a data file, and how they are found in a text."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from guardrails.sensitive.phrases import Phrases, phrases_of, spellings, written_rules

FILES = ("keywords.toml", "occasions.toml", "pressing.toml")


def found(text: str, *phrases: str) -> list[str]:
    return Phrases((each, each) for each in phrases).in_text(text)


def test_the_longest_phrase_hides_what_is_in_it():
    assert found("Wine vinegar", "wine", "wine vinegar") == ["wine vinegar"]
    assert found("Wine vinegar and wine", "wine", "wine vinegar") == ["wine vinegar", "wine"]


def test_a_longer_phrase_that_does_not_end_hides_nothing():
    assert found("wine vine", "wine", "wine vinegar") == ["wine"]


def test_words_are_whole_words_unless_a_star_opens_them():
    assert found("ginseng", "gin") == []
    assert found("ginseng", "gin*") == ["gin*"]
    assert found("beginner", "gin*") == []


def test_the_longest_beginning_is_taken():
    assert found("babylon", "baby*", "babyl*") == ["babyl*"]


def test_an_ending_may_be_there_or_not():
    assert found("beer beers beerses", "beer(s)") == ["beer(s)", "beer(s)"]


def test_a_number_is_any_number_in_digits():
    assert found("Only 23 left, only ٢ left", "only # left") == ["only # left", "only # left"]
    assert found("Only one left, only 2nd left", "only # left") == []
    assert found("Only 2 left", "only # left", "only 2 left") == ["only 2 left"]


def test_a_whole_segment_is_a_whole_segment():
    known = Phrases([("> öl >", 1)])
    assert known.in_text("> Dryck > Öl >") == known.in_text(">Öl>") == [1]
    assert known.in_text("> Öl > Öl >") == [1, 1]
    assert known.in_text("> Öl för sallad >") == known.in_text("Öl") == []


@pytest.mark.parametrize(
    "written", ["ÖL", "o\u0308l", "O\u0308L", "ö\u00adl", "Oel", "öl", "(öl)", "öl-burk"]
)
def test_capitals_and_the_way_an_accent_is_written_make_no_difference(written):
    assert found(written, "öl") == ["öl"]


def test_letters_with_an_accent_are_not_the_same_without():
    assert found("ol", "öl") == []


@pytest.mark.parametrize(
    ("phrase", "written"),
    [("fødselsdag", "Foedselsdag"), ("ærter", "aerter"), ("påske", "Paaske"), ("süß", "SUESS")],
)
def test_letters_are_also_found_as_two(phrase, written):
    assert found(written, phrase) == [phrase]


@pytest.mark.parametrize(
    "badly_written", ["", "flavo(u)r", "wine, red", "no. 5", "beer(s", "(s)", "*", "beer**", "> öl <"]
)
def test_a_phrase_that_is_not_written_as_it_should_is_refused(badly_written):
    with pytest.raises(ValueError, match=f"^{re.escape(badly_written)}$"):
        list(spellings(badly_written))


@pytest.mark.parametrize("file", FILES)
def test_no_phrase_stands_under_two_rules(file):
    under = Counter(
        spelling
        for rule in written_rules(file)
        for spelling in {each for phrase in phrases_of(rule) for each in spellings(phrase)}
    )
    assert [spelling for spelling, n_rules in under.items() if n_rules > 1] == []
