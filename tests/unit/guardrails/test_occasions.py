"""Which occasions goods are made for, in five languages."""

from __future__ import annotations

import pytest

from guardrails.errors import UnknownOccasionError
from guardrails.messages import Phrase
from guardrails.sensitive.classify import ItemFacts
from guardrails.sensitive.occasions import (
    NO_OCCASION,
    OCCASIONS,
    RULES,
    mask_of,
    names_of,
    occasion_number,
    occasions_of,
)
from guardrails.sensitive.phrases import LANGUAGES, phrases_of, spellings, written_rules

EVERYWHERE = {
    *(
        "mothers_day",
        "fathers_day",
        "valentines_day",
        "christmas",
        "easter",
        "new_year",
        "birthday",
        "wedding",
    ),
    *("engagement", "anniversary", "christening", "confirmation", "graduation", "back_to_school"),
    *("retirement", "remembrance"),
}
"""Occasions with words in all five languages; for the others one word serves several."""


def titled(title: str) -> tuple[str, ...]:
    return names_of(occasions_of(ItemFacts(title=title)))


def shelved(category: str) -> tuple[str, ...]:
    return names_of(occasions_of(ItemFacts(category=category)))


def test_stored_bits_stay_what_they_are():
    assert OCCASIONS == (
        "mothers_day",
        "fathers_day",
        "valentines_day",
        "christmas",
        "easter",
        "halloween",
        "thanksgiving",
        "eid",
        "hanukkah",
        "passover",
        "diwali",
        "lunar_new_year",
        "new_year",
        "birthday",
        "wedding",
        "engagement",
        "anniversary",
        "baby_shower",
        "christening",
        "communion",
        "confirmation",
        "bar_mitzvah",
        "graduation",
        "back_to_school",
        "retirement",
        "grandparents_day",
        "womens_day",
        "remembrance",
    )
    assert [occasion_number(name) for name in OCCASIONS] == list(range(len(OCCASIONS)))


def test_a_mask_fits_into_a_signed_number_of_32_bits():
    assert len(OCCASIONS) <= 31
    assert mask_of(*OCCASIONS) < 2**31


def test_names_and_masks_are_two_ways_to_say_the_same():
    assert names_of(mask_of("remembrance", "easter", "easter")) == ("easter", "remembrance")
    assert names_of(mask_of(*OCCASIONS)) == OCCASIONS
    assert (mask_of(), names_of(NO_OCCASION)) == (NO_OCCASION, ())


@pytest.mark.parametrize(
    "ask", [occasion_number, mask_of, lambda name: occasions_of(ItemFacts(occasions=(name,)))]
)
def test_an_unknown_occasion_is_refused(ask):
    with pytest.raises(UnknownOccasionError, match="unknown occasion `doomsday`") as refused:
        ask("doomsday")
    assert isinstance(refused.value.args[0], Phrase)


@pytest.mark.parametrize(
    ("title", "occasion"),
    [
        ("Mother's Day card", "mothers_day"),
        ("Mors dag buket", "mothers_day"),
        ("Morsdagsgave", "mothers_day"),
        ("Mors dag-present", "mothers_day"),
        ("Muttertagsherz aus Schokolade", "mothers_day"),
        ("Father\u2019s Day mug", "fathers_day"),
        ("Farsdagsgave", "fathers_day"),
        ("Vatertagsgeschenk", "fathers_day"),
        ("VALENTINE GIFTWARE/DECOR", "valentines_day"),
        ("Alla hjärtans dag-hjärta", "valentines_day"),
        ("Juletræsfod", "christmas"),
        ("Juletræsfod skrevet juletraesfod", "christmas"),
        ("Julegranfot", "christmas"),
        ("Julgransfot", "christmas"),
        ("Weihnachtsbaumständer", "christmas"),
        ("Xmas plush", "christmas"),
        ("Påskeæg", "easter"),
        ("Påskägg med godis", "easter"),
        ("Osterhase aus Schokolade", "easter"),
        ("Geburtstagskerze", "birthday"),
        ("Fødselsdagsflag", "birthday"),
        ("Bursdagslys", "birthday"),
        ("Födelsedagskort", "birthday"),
        ("BRIDAL-MAGAZINE", "wedding"),
        ("Bryllupskort", "wedding"),
        ("Brudklänning", "wedding"),
        ("Hochzeitskarte", "wedding"),
        ("Baby shower balloons", "baby_shower"),
        ("With deepest sympathy", "remembrance"),
        ("Pet memorial stone", "remembrance"),
        ("Gravlys 60 timer", "remembrance"),
        ("Gravljus", "remembrance"),
        ("Trauerkarte mit Kuvert", "remembrance"),
        ("Ramadan calendar", "eid"),
        ("Konfirmationskort", "confirmation"),
        ("Studentmössa", "graduation"),
        ("Schultüte Dinosaurier", "back_to_school"),
    ],
)
def test_category_and_title_name_the_occasion(title, occasion):
    assert titled(title) == shelved(f"Gifts > {title}") == (occasion,)


@pytest.mark.parametrize(
    "harmless",
    [
        "Easter Island statue",
        "Eastern spices",
        "Santa Cruz skateboard",
        "Italian wedding soup",
        "Wedding rice pasta",
        "Birthday cake flavored protein bar",
        "20th anniversary edition DVD",
        "My Bloody Valentine - Loveless",
        "Mother of pearl buttons",
        "Jules Verne: Around the world",
        "Mint julep cup",
        "Graduated cylinder 100 ml",
        "Memory foam pillow",
        "Eider down duvet",
        "Christian Dior perfume",
        "Osterberger Käse",
        "Silvester Stallone Box",
        "Brides\u00adhead revisited",
        "Hen and chicks plant",
        "Order confirmation pad",
        "Fastelavn",
    ],
)
def test_words_that_only_look_like_an_occasion_are_let_pass(harmless):
    assert titled(harmless) == shelved(harmless) == ()


def test_all_that_is_said_adds_up():
    facts = ItemFacts(
        google_category_id=5455, category="Cards > Birthday", title="Easter egg", occasions=("retirement",)
    )
    assert names_of(occasions_of(facts)) == ("easter", "birthday", "wedding", "retirement")


@pytest.mark.parametrize(
    ("number", "occasion"),
    [(5606, "remembrance"), (5607, "remembrance"), (5455, "wedding"), (8149, "communion")],
)
def test_google_s_own_shelves_name_an_occasion(number, occasion):
    assert names_of(occasions_of(ItemFacts(google_category_id=number))) == (occasion,)
    assert occasions_of(ItemFacts(google_category_id=404)) == NO_OCCASION


def test_every_phrase_is_found_as_its_rule_says():
    for rule in written_rules(RULES):
        for phrase in phrases_of(rule):
            for spelling in spellings(phrase):
                text = " ".join(stem for stem, _ in spelling).strip(" >")
                assert shelved(text) == ((rule["occasion"],) if "occasion" in rule else ()), phrase


def test_every_occasion_has_its_words():
    spoken = {
        rule["occasion"]: set(rule) & set(LANGUAGES) for rule in written_rules(RULES) if "occasion" in rule
    }
    assert tuple(spoken) == tuple(name for name in spoken if name in OCCASIONS)
    assert set(spoken) == set(OCCASIONS)
    assert {name for name, languages in spoken.items() if languages == set(LANGUAGES)} >= EVERYWHERE


def test_no_unknown_key_stands_in_a_rule():
    known = {"occasion", "google", *LANGUAGES}
    assert {key for rule in written_rules(RULES) for key in rule} <= known
