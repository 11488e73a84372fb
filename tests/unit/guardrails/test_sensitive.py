"""Classes, layers and keyword rules of sensitive goods."""

from collections import defaultdict
from dataclasses import replace

import pytest

from guardrails.consent.purposes import Purpose, entry_of, sensitive_key
from guardrails.errors import SensitiveMarkError
from guardrails.sensitive import google, keywords
from guardrails.sensitive.classes import (
    CLASS_NAMES,
    CLASSES,
    Finding,
    Tier,
    class_named,
    class_number,
    tier_of,
)
from guardrails.sensitive.classify import (
    UNMARKED,
    Classification,
    ItemFacts,
    Layer,
    ShopMark,
    category_key,
    classify,
    is_unclassified,
)
from guardrails.sensitive.phrases import LANGUAGES, phrases_of, spellings, written_rules

BOOK = 784
CONDOMS = 775
PREGNANCY_TEST = 1680
WINE = 421
NURSING_AND_FEEDING = 561
BREAST_PUMP = 565
BEER_TAPS = 1817
TELEVISIONS = 404

BY_CLASS = [
    ("health", Tier.S3, [518, 505293, 2246, 3688, 7413]),
    ("health", Tier.S2, [491, 495, 497, 3777, 4551, 7317, 4435, 4766, 6099, 6863, 5155, 5965]),
    ("health", Tier.S1, [508, 2890, 525, 501, 523, 500009, 481, 181, 2496]),
    ("mental_health", Tier.S2, [500087]),
    ("disability", Tier.S2, [519, 5690, 5966, 8105]),
    ("health_intimate", Tier.S3, [517, 7134]),
    ("health_intimate", Tier.S2, [485, 7220, 499913]),
    ("sexual_health", Tier.S3, [775, 777, 7002, 7186, 7336]),
    ("sex_life", Tier.S3, [772, 773, 778, 774, 776, 779]),
    ("sex_life", Tier.S1, [1772, 2563]),
    ("pregnancy_fertility", Tier.S3, [1680, 505822, 543679, 543680, 4767, 502987, 565]),
    ("pregnancy_fertility", Tier.S3, [505366, 503762, 5843, 7234, 5298, 8075]),
    ("parenthood", Tier.S2, [537, 182, 549, 561]),
    ("religion", Tier.S3, [97, 3923, 328060, 7120, 1949, 499711, 5483, 8149]),
    ("ethnicity", Tier.S2, [5388, 8248, 5343, 6031]),
    ("alcohol", Tier.S2, [499676, 414, 417, 421, 3735, 2633]),
    ("alcohol", Tier.S1, [3577, 1817]),
    ("tobacco_nicotine", Tier.S3, [435, 4091]),
    ("tobacco_nicotine", Tier.S2, [600]),
    ("addiction_substance", Tier.S3, [2552]),
    ("gambling", Tier.S3, [8472]),
    ("gambling", Tier.S2, [7412, 5935]),
    ("gambling", Tier.S1, [5403, 7383]),
    ("bereavement", Tier.S3, [5606, 5607]),
    ("weight_body", Tier.S2, [500, 496, 5072, 7210]),
    ("weight_body", Tier.S1, [1578]),
    ("weapons", Tier.S3, [780, 782, 781, 6109, 727, 726]),
    ("weapons", Tier.S2, [1695, 5543, 7115]),
    ("weapons", Tier.S1, [220, 499824, 3495]),
    ("child_audience", Tier.S1, [1239, 206]),
    ("content_dependent", Tier.S1, [784, 839, 886]),
]
"""What the classes are made of: roots of subtrees, and what is named apart from them."""


def titled(title: str) -> Classification:
    return classify(ItemFacts(title=title))


def plain_texts(phrase: str) -> list[str]:
    """Every way to write a phrase, without what says that it is a whole segment."""
    return [
        " ".join(stem for stem, _ in spelling).strip(" >").replace("#", "7") for spelling in spellings(phrase)
    ]


def shelved(category: str) -> Classification:
    return classify(ItemFacts(category=category))


class TestClasses:
    def test_stored_numbers_stay_what_they_are(self):
        assert CLASS_NAMES == (
            "health",
            "mental_health",
            "disability",
            "health_intimate",
            "sexual_health",
            "sex_life",
            "orientation",
            "pregnancy_fertility",
            "parenthood",
            "religion",
            "ethnicity",
            "politics",
            "alcohol",
            "tobacco_nicotine",
            "addiction_substance",
            "gambling",
            "bereavement",
            "weight_body",
            "weapons",
            "child_audience",
            "content_dependent",
        )
        assert [class_number(name) for name in CLASS_NAMES] == list(range(len(CLASS_NAMES)))

    def test_every_class_is_a_purpose_that_the_register_knows(self):
        assert {entry_of(sensitive_key(each.name)).purpose for each in CLASSES} == {Purpose.SENSITIVE}

    def test_goods_that_the_law_keeps_for_adults_are_age_restricted(self):
        restricted = {each.name for each in CLASSES if each.age_restricted}
        assert restricted == {"alcohol", "tobacco_nicotine", "weapons", "gambling", "sex_life"}

    def test_an_unknown_class_or_tier_is_refused(self):
        with pytest.raises(SensitiveMarkError, match="unknown sensitive class `astrology`"):
            class_named("astrology")
        with pytest.raises(SensitiveMarkError, match="unknown tier `4`"):
            tier_of(4)


class TestGoogleCategories:
    @pytest.mark.parametrize(
        ("category_id", "sensitive_class", "tier"),
        [
            (PREGNANCY_TEST, "pregnancy_fertility", Tier.S3),
            (CONDOMS, "sexual_health", Tier.S3),
            (WINE, "alcohol", Tier.S2),
            (BOOK, "content_dependent", Tier.S1),
            (NURSING_AND_FEEDING, "parenthood", Tier.S2),
            (BREAST_PUMP, "pregnancy_fertility", Tier.S3),
        ],
    )
    def test_the_id_decides(self, category_id, sensitive_class, tier):
        found = classify(ItemFacts(google_category_id=category_id))
        assert (found.sensitive_class, found.tier, found.layer) == (sensitive_class, tier, Layer.GOOGLE)

    def test_an_id_outside_the_table_says_nothing(self):
        found = classify(ItemFacts(google_category_id=TELEVISIONS))
        assert found == Classification(None, Tier.S0, Layer.NONE, age_restricted=False)

    def test_a_look_alike_of_a_lower_tier_is_not_for_adults_only(self):
        assert classify(ItemFacts(google_category_id=WINE)).age_restricted
        assert not classify(ItemFacts(google_category_id=BEER_TAPS)).age_restricted

    @pytest.mark.parametrize(("sensitive_class", "tier", "ids"), BY_CLASS)
    def test_ids_have_the_class_and_tier_they_were_given(self, sensitive_class, tier, ids):
        found = {each: google.find_by_google_category(each) for each in ids}
        assert found == dict.fromkeys(ids, Finding.of(class_named(sensitive_class), tier))

    def test_the_table_is_complete_and_speaks_our_words(self):
        table = google._table()
        assert len(table) == 625
        assert {finding.sensitive_class for finding in table.values()} <= set(CLASS_NAMES)
        assert all(finding.tier > Tier.S0 for finding in table.values())


class TestFeedAttributes:
    @pytest.mark.parametrize(
        ("facts", "sensitive_class", "tier"),
        [
            (ItemFacts(size_type="maternity"), "pregnancy_fertility", Tier.S3),
            (ItemFacts(size_type="petite, Maternity"), "pregnancy_fertility", Tier.S3),
            (ItemFacts(size_type="plus"), "weight_body", Tier.S1),
            (ItemFacts(size_type="big"), "weight_body", Tier.S1),
            (ItemFacts(adult=True), "sex_life", Tier.S3),
            (ItemFacts(age_group="newborn"), "parenthood", Tier.S2),
            (ItemFacts(age_group="Infant"), "parenthood", Tier.S2),
            (ItemFacts(age_group="toddler"), "parenthood", Tier.S2),
            (ItemFacts(age_group="kids"), "child_audience", Tier.S1),
        ],
    )
    def test_what_the_feed_says_decides(self, facts, sensitive_class, tier):
        found = classify(facts)
        assert (found.sensitive_class, found.tier, found.layer) == (sensitive_class, tier, Layer.ATTRIBUTE)

    @pytest.mark.parametrize(
        "facts", [ItemFacts(size_type="regular"), ItemFacts(adult=False), ItemFacts(age_group="adult")]
    )
    def test_ordinary_values_say_nothing(self, facts):
        assert classify(facts).layer is Layer.NONE

    def test_adult_goods_are_for_adults_only(self):
        assert classify(ItemFacts(adult=True)).age_restricted


class TestShopMarks:
    def test_a_mark_raises(self):
        found = classify(ItemFacts(google_category_id=BOOK, shop_class="politics", shop_tier=3))
        assert found == Classification("politics", Tier.S3, Layer.SHOP, age_restricted=False)

    def test_a_mark_never_lowers(self):
        found = classify(ItemFacts(google_category_id=CONDOMS, shop_class="child_audience", shop_tier=0))
        assert (found.sensitive_class, found.tier, found.layer) == ("sexual_health", Tier.S3, Layer.GOOGLE)

    def test_a_class_without_a_tier_gets_its_usual_one(self):
        assert classify(ItemFacts(shop_class="religion")).tier is Tier.S3

    def test_a_tier_without_a_class_raises_the_class_that_was_found(self):
        found = classify(ItemFacts(google_category_id=WINE, shop_tier=3))
        assert (found.sensitive_class, found.tier, found.layer) == ("alcohol", Tier.S3, Layer.SHOP)

    def test_a_tier_alone_still_gets_a_class_that_can_be_consented_to(self):
        assert classify(ItemFacts(shop_tier=2)).sensitive_class == "content_dependent"

    def test_a_mark_does_not_take_away_the_age_limit_that_another_layer_found(self):
        assert classify(ItemFacts(google_category_id=WINE, shop_class="religion", shop_tier=3)).age_restricted

    @pytest.mark.parametrize(
        "facts", [ItemFacts(shop_class="astrology"), ItemFacts(shop_tier=9), ItemFacts(shop_tier=-1)]
    )
    def test_a_mark_that_does_not_exist_is_refused(self, facts):
        with pytest.raises(SensitiveMarkError):
            classify(facts)


class TestCategoryMarks:
    def marked(self, category, sensitive_class, tier):
        return {category_key(category): ShopMark(sensitive_class, tier)}

    @pytest.mark.parametrize(
        "category", ["Home > Altars", "home >  ALTARS >", "Home > Altars > Small", "Home>Altars"]
    )
    def test_a_mark_holds_at_its_category_and_below(self, category):
        found = classify(ItemFacts(category=category), self.marked("Home > Altars", "religion", 3))
        assert found == Classification("religion", Tier.S3, Layer.SHOP, age_restricted=False)

    @pytest.mark.parametrize(
        "category", ["", "Home", "Home > Altars and shelves", "Altars", "Garden > Home > Altars"]
    )
    def test_a_mark_does_not_hold_anywhere_else(self, category):
        found = classify(ItemFacts(category=category), self.marked("Home > Altars", "religion", 3))
        assert found.layer is Layer.NONE

    def test_a_mark_never_lowers(self):
        wine = ItemFacts(category="Drinks > Wine")
        assert classify(wine, self.marked("Drinks", None, 0)) == classify(wine)
        assert classify(wine, self.marked("Drinks", "child_audience", 1)) == classify(wine)

    def test_a_tier_without_a_class_raises_what_was_found(self):
        found = classify(ItemFacts(category="Drinks > Wine"), self.marked("Drinks", None, 3))
        assert found == Classification("alcohol", Tier.S3, Layer.SHOP, age_restricted=True)

    def test_of_several_marks_the_most_protective_holds(self):
        marks = self.marked("Home", "religion", 3) | self.marked("Home > Scales", "weight_body", 2)
        assert classify(ItemFacts(category="Home > Scales"), marks).sensitive_class == "religion"

    def test_among_equals_the_nearest_names_the_class(self):
        marks = self.marked("Home", "religion", 2) | self.marked("Home > Scales", "weight_body", 2)
        item = ItemFacts(category="Home > Scales")
        assert classify(item, marks).sensitive_class == "weight_body"
        assert (
            classify(replace(item, shop_class="gambling", shop_tier=2), marks).sensitive_class == "gambling"
        )

    def test_a_tier_on_the_item_goes_with_the_class_of_its_category(self):
        found = classify(ItemFacts(category="Home > Altars", shop_tier=3), self.marked("Home", "religion", 2))
        assert (found.sensitive_class, found.tier) == ("religion", Tier.S3)

    @pytest.mark.parametrize("mark", [ShopMark("astrology", 2), ShopMark("religion", 4)])
    def test_a_mark_that_does_not_exist_is_refused(self, mark):
        with pytest.raises(SensitiveMarkError):
            classify(ItemFacts(category="Home"), {("home",): mark})


class TestRaisingAMark:
    def test_what_is_not_marked_can_be_raised_to_any_tier(self):
        assert UNMARKED.raised_to("religion", 1) == ShopMark("religion", 1)
        assert UNMARKED.raised_to(None, 0) == ShopMark(None, 0)

    def test_the_class_stays_where_none_is_named(self):
        assert ShopMark("religion", 2).raised_to(None, 3) == ShopMark("religion", 3)
        assert ShopMark("religion", 2).raised_to("health", 2) == ShopMark("health", 2)

    @pytest.mark.parametrize("mark", [ShopMark("health", 2), ShopMark(None, 2), ShopMark("alcohol", None)])
    def test_a_mark_is_never_lowered(self, mark):
        with pytest.raises(SensitiveMarkError, match="it is tier 2 now"):
            mark.raised_to("religion", 1)

    @pytest.mark.parametrize(("sensitive_class", "tier"), [("astrology", 2), (None, 4), ("health", -1)])
    def test_a_mark_that_does_not_exist_is_refused(self, sensitive_class, tier):
        with pytest.raises(SensitiveMarkError, match="unknown"):
            UNMARKED.raised_to(sensitive_class, tier)


class TestUnclassified:
    @pytest.mark.parametrize(
        "facts",
        [
            ItemFacts(),
            ItemFacts(title="Serenity No. 4"),
            ItemFacts(title="Serenity", category=" > "),
            ItemFacts(title="Serenity", google_category_id=0),
            ItemFacts(title="Serenity", adult=False, size_type=" ", age_group=""),
            ItemFacts(title="Serenity", occasions=("easter",)),
        ],
    )
    def test_a_title_alone_is_not_enough(self, facts):
        assert is_unclassified(facts)

    @pytest.mark.parametrize(
        "facts",
        [
            ItemFacts(category="Candles"),
            ItemFacts(google_category_id=CONDOMS),
            ItemFacts(google_category_id=TELEVISIONS),
            ItemFacts(adult=True),
            ItemFacts(size_type="regular"),
            ItemFacts(age_group="adult"),
            ItemFacts(shop_class="health"),
            ItemFacts(shop_tier=0),
        ],
    )
    def test_anything_that_says_what_it_is_is_enough(self, facts):
        assert not is_unclassified(facts)


class TestLayers:
    def test_the_highest_tier_wins(self):
        found = classify(ItemFacts(google_category_id=BOOK, title="Daily prayer book"))
        assert (found.sensitive_class, found.tier, found.layer) == ("religion", Tier.S3, Layer.KEYWORD)

    def test_among_equals_the_earlier_layer_wins(self):
        found = classify(ItemFacts(google_category_id=WINE, title="Baby shower wine"))
        assert (found.sensitive_class, found.layer) == ("alcohol", Layer.GOOGLE)

    def test_the_stored_words_of_the_layers_stay_what_they_are(self):
        assert [str(layer) for layer in Layer] == ["google", "attribute", "keyword", "shop", "none"]


class TestKeywords:
    @pytest.mark.parametrize(
        "harmless",
        [
            "Smoked ham, sliced",
            "SMOKED PICNICS",
            "LUBRICANTS/CLEANERS",
            "SMALL PACKAGE FERTILIZERS",
            "DIET/LIGHT BREAD",
            "Baby carrots",
            "Root beer",
            "Beer-battered cod",
            "White wine vinegar",
            "VINEGAR ALL-EXCEPT WINE",
            "Ginger ale",
            "Non-alcoholic beverages",
            "Alkoholfri drik",
            "Candy cigarettes",
            "Kosher salt",
            "Schwarzer Smoking",
            "Natives Olivenöl",
            "Jacke mit abnehmbarer Kapuze",
            "Hylder til alle rum",
            "Cigarette lighter socket",
            "Health & Beauty > Hand cream",
            "Drug store > Shampoo",
            "Mineral spirits 1 l",
            "Gripper socks",
        ],
    )
    def test_words_that_only_look_sensitive_are_let_pass(self, harmless):
        assert (
            titled(harmless)
            == shelved(harmless)
            == Classification(None, Tier.S0, Layer.NONE, age_restricted=False)
        )

    def test_a_trap_hides_only_its_own_words(self):
        assert titled("Wine vinegar and wine").sensitive_class == "alcohol"
        assert titled("Candy cigarettes beside cigarettes").sensitive_class == "tobacco_nicotine"

    def test_the_longer_phrase_wins_over_the_shorter(self):
        assert titled("medication").tier is Tier.S3
        assert titled("acne medication").tier is Tier.S1

    def test_words_are_whole_words(self):
        assert titled("gin").tier is Tier.S2
        assert titled("ginseng").tier is Tier.S0

    def test_a_star_opens_the_end_of_a_word(self):
        assert titled("Schwangerschaftstest").sensitive_class == "pregnancy_fertility"

    def test_a_phrase_does_not_reach_from_one_segment_into_the_next(self):
        assert shelved("Family > Planning").tier is Tier.S0
        assert shelved("Family planning").tier is Tier.S3

    def test_a_phrase_may_name_a_whole_segment(self):
        assert shelved("Dryck > Öl").sensitive_class == "alcohol"
        assert shelved("Öl").sensitive_class == "alcohol"
        assert shelved("Speisekammer > Öl für Salate").tier is Tier.S0

    def test_neighbouring_segments_are_each_read(self):
        assert shelved("Öl > Öl > Barnmat").sensitive_class == "alcohol"
        assert shelved("Champagne > Kondomer").sensitive_class == "sexual_health"

    def test_among_equal_tiers_the_more_telling_class_is_named_wherever_it_stands(self):
        facts = ItemFacts(category="Family planning", title="Pregnancy test")
        assert classify(facts).sensitive_class == "pregnancy_fertility"

    def test_category_and_title_are_both_read(self):
        assert classify(ItemFacts(category="Wine", title="Riesling")).sensitive_class == "alcohol"
        assert classify(ItemFacts(category="Gifts", title="Bottle of wine")).sensitive_class == "alcohol"

    def test_an_age_limit_in_words_holds_whatever_the_class(self):
        fireworks, medicine = titled("Age restricted fireworks"), titled("Cold and flu (age restricted)")
        assert fireworks == Classification(None, Tier.S0, Layer.NONE, age_restricted=True)
        assert (medicine.sensitive_class, medicine.age_restricted) == ("health", True)

    def test_an_age_limit_on_the_shelf_holds_for_what_the_title_names(self):
        found = classify(ItemFacts(category="Adults only", title="Cough syrup"))
        assert (found.sensitive_class, found.age_restricted) == ("health", True)


class TestWordsBehind:
    def test_they_are_those_that_decide_and_no_others(self):
        assert keywords.words_behind("Drink > Wine", "A red wine, with a bread knife") == (
            ("wine",),
            ("wine",),
        )
        assert keywords.words_behind("Home", "Bread knife") == ((), ())

    def test_words_of_a_lower_tier_do_not_decide(self):
        assert keywords.words_behind("Toys", "Pregnancy test for wine lovers") == ((), ("pregnancy",))


class TestKeywordFile:
    def test_every_phrase_is_found_as_its_rule_says(self):
        for rule in written_rules(keywords.RULES):
            for phrase in phrases_of(rule):
                for text in plain_texts(phrase):
                    found = keywords.find_by_keywords(text, "")
                    assert (found.tier, found.sensitive_class) == (rule.get("tier", 0), rule.get("class")), (
                        text
                    )

    def test_all_five_languages_are_spoken_for_every_class_that_has_words(self):
        spoken = defaultdict(set)
        for rule in written_rules(keywords.RULES):
            spoken[rule.get("class")] |= {language for language in LANGUAGES if rule.get(language)}
        assert {name for name in CLASS_NAMES if not spoken[name]} == set()
        assert {name: languages for name, languages in spoken.items() if len(languages) < 5} == {}

    def test_no_unknown_key_stands_in_a_rule(self):
        known = {"class", "tier", "adults_only", *LANGUAGES}
        assert {key for rule in written_rules(keywords.RULES) for key in rule} <= known


def test_a_finding_of_no_tier_names_no_class():
    assert Finding.of(class_named("alcohol"), Tier.S0) == Finding(None, Tier.S0, age_restricted=False)


def test_a_tier_that_the_shop_gives_raises_every_class_that_was_found():
    prayer_beer = ItemFacts(google_category_id=97, title="alkoholfreie Biere", shop_tier=2)
    assert classify(prayer_beer).sensitive_class == "religion"
    assert classify(prayer_beer).age_restricted
