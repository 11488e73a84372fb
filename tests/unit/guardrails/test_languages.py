"""What the guardrails say, they say in every language, completely and without pressing anybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogues import OTHERS, catalogue_of, flaws, keys, names_in
from support.texts import put_together, texts

from guardrails.consent.purposes import REGISTER
from guardrails.errors import UnknownPurposeError
from guardrails.messages import LANGUAGES, SOURCE, Phrase, in_language, translations
from guardrails.policy.descriptions import DESCRIPTIONS
from guardrails.policy.directions import DIRECTIONS
from guardrails.policy.fields import FIELDS
from guardrails.policy.rehearsal_report import SENTENCES as OF_REHEARSALS
from guardrails.reasons import MAX_CHARACTERS, SENTENCES
from guardrails.rules import CATALOGUE
from guardrails.rules.slate import SLATE_CATALOGUE

SAME_IN_SCANDINAVIA = {
    "GDPR 6(1)(a), 7(1); ePrivacy 5(3), 13(1)",
    "GDPR 7(3), 21(2)-(3)",
    "GDPR 5(1)(f), 25(2)",
    "GDPR 21; Brockell 2018",
    "DSA 26(3); GDPR 9(1)",
    "GDPR 5(1)(b), 6(4); CCPA 1798.135; Kim, Barasz & John 2019",
    "GDPR 5(1)(f), 9(1), 25(2); Nissenbaum 2004",
    "GDPR 21; Bloom & Wild 2019",
    "GDPR 5(1)(c), 25; Brockell 2018",
    "CRD 6(1)(ea); GDPR 6(1)(a), 22",
}
PRESSING = {
    "en": (
        *("hurry", "now or", "last chance", "only today", "don't miss", "limited", "selling fast", "ends "),
        *(" left", "almost gone", "sold out", "running out", "while stocks", "others are looking", "!"),
    ),
    "da": (
        *("skynd", "sidste chance", "kun i dag", "gå ikke glip", "begrænset", "udløber", "slutter"),
        *("tilbage på lager", "næsten udsolgt", "udsolgt", "så længe", "andre kigger", "!"),
    ),
    "nb": (
        *("skynd", "siste sjanse", "bare i dag", "gå ikke glipp", "begrenset", "utløper", "slutter"),
        *("igjen på lager", "nesten utsolgt", "utsolgt", "så lenge", "andre ser", "!"),
    ),
    "sv": (
        *("skynda", "sista chansen", "bara idag", "missa inte", "begränsat", "går ut", "slutar"),
        *("kvar i lager", "nästan slut", "slutsåld", "så länge", "andra tittar", "!"),
    ),
    "de": (
        *("beeil", "letzte chance", "nur heute", "verpass", "begrenzt", "sofort", "läuft ab", " endet"),
        *("nur noch", "fast ausverkauft", "ausverkauft", "solange", "andere sehen", "!"),
    ),
}
"""Words of urgency and of scarcity: no shelf and no clock stands behind a reason (UCPD, Annex I, 7)."""


def said_by_the_guardrails():
    return {
        *SENTENCES.values(),
        *(rule.sentence for rule in (*CATALOGUE, *SLATE_CATALOGUE)),
        *(rule.ground for rule in (*CATALOGUE, *SLATE_CATALOGUE)),
        *(entry.meaning for entry in REGISTER),
        *(field.description for field in FIELDS.values()),
        *DESCRIPTIONS.values(),
        *OF_REHEARSALS,
        *texts("guardrails"),
    }


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_holds_what_is_said_and_nothing_else(language):
    assert keys(catalogue_of("guardrails.messages", language)) == said_by_the_guardrails()


@pytest.mark.parametrize("language", OTHERS)
def test_every_entry_is_finished_and_fits_its_source(language):
    catalogue = catalogue_of("guardrails.messages", language)
    assert flaws(catalogue, set() if language == "de" else SAME_IN_SCANDINAVIA) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_customer_is_told_is_short_and_presses_nobody(language):
    said = [*SENTENCES.values(), *(rule.sentence for rule in (*CATALOGUE, *SLATE_CATALOGUE))]
    for text in (in_language(each, translations()[language]) for each in said):
        assert len(text) <= MAX_CHARACTERS
        assert not [word for word in PRESSING[language] if word in text.lower()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_reasons_differ_from_each_other_in_every_language(language):
    assert len({in_language(each, translations()[language]) for each in SENTENCES.values()}) == len(SENTENCES)


def test_every_limit_is_described():
    assert set(DESCRIPTIONS) == set(DIRECTIONS)
    assert all(text == text.strip() and text[-1] != "." for text in DESCRIPTIONS.values())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "described",
    [DESCRIPTIONS, {name: field.description for name, field in FIELDS.items()}],
    ids=["limits", "fields"],
)
def test_no_two_are_described_alike(language, described):
    said = {in_language(text, translations()[language]) for text in described.values()}
    assert len(said) == len(described)


def test_what_has_values_in_it_can_be_said_again():
    assert put_together("guardrails") == []


def test_a_phrase_is_its_english_text_to_everything_else():
    phrase = Phrase("`{name}` holds at most {n}", name="home", n=3)
    assert phrase == "`home` holds at most 3"
    assert f"{phrase}." == "`home` holds at most 3."


def test_a_phrase_stays_one_as_the_message_of_an_error():
    phrase = Phrase("unknown purpose `{purpose}`", purpose="x")
    assert str(UnknownPurposeError(phrase)) is phrase


@given(value=st.text(max_size=20))
def test_what_is_filled_in_is_never_read_as_a_template(value):
    for language in LANGUAGES:
        assert value in in_language(Phrase("Goes with {item}", item=value), translations()[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_no_catalogue_knows_is_said_in_english(language):
    assert in_language("nobody translated this", translations()[language]) == "nobody translated this"
    assert in_language("", translations()[language]) == ""
    assert in_language(Phrase("unheard of: {x}", x=1), translations()[language]) == "unheard of: 1"


def test_the_source_needs_no_catalogue():
    assert LANGUAGES[0] == SOURCE
    assert names_in("You bought {item}") == {"item"}
