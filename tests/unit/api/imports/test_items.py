from pathlib import Path

import pytest

from api.errors import FieldError, ImportFileError
from api.imports import merchant
from api.imports.items import ITEM_FIELDS, read_item
from api.imports.merchant import FEED_FIELDS, read_feed_item, read_xml_feed
from api.imports.merchant_attributes import IGNORED, USED
from api.imports.readers import read_commas, read_tabs
from guardrails.sensitive.occasions import names_of

CASES = Path(__file__).parents[3] / "cases" / "imports"


def understood(read_file, read_record, path, fields):
    """Items by line, and refusals by line."""
    items, refused = {}, {}
    for batch in read_file(path, fields):
        refused |= {reject.line: (reject.field, reject.reason) for reject in batch.unreadable}
        for line, record in batch.records():
            try:
                items[line] = read_record(record)
            except FieldError as error:
                refused[line] = (error.field, error.reason)
    return items, refused


def test_our_own_fields_are_read_and_bad_rows_named():
    items, refused = understood(read_commas, read_item, CASES / "items.csv", ITEM_FIELDS)
    wine, bread = items[2], items[3]
    assert (wine.item_id, wine.category, wine.brand) == ("wine-1", "Drinks > Wine", "Hill & Co")
    assert (wine.price_minor, wine.currency, wine.available) == (850, "EUR", True)
    assert (wine.shop_class, wine.shop_tier) == ("alcohol", None)
    assert (bread.title, bread.price_minor, bread.available) == ("Bread, dark", 240, False)
    assert {line: field for line, (field, _) in refused.items()} == {
        4: "price",
        6: "currency",
        7: "available",
        8: "age_group",
        9: "shop_class",
        10: "item_id",
    }


def test_a_price_may_be_given_in_minor_units():
    item = read_item({"item_id": "a", "title": "A", "price_minor": 1250, "currency": "EUR"})
    assert (item.price_minor, item.available) == (1250, True)


@pytest.mark.parametrize("given", ["easter, christmas", ["christmas", "easter"], "easter,christmas,easter"])
def test_occasions_are_a_list_or_names_with_commas(given):
    item = read_item({"item_id": "a", "title": "A", "occasions": given, "sponsored": "true"})
    assert names_of(item.shop_occasions) == ("christmas", "easter")
    assert item.sponsored is True
    fed = read_feed_item({"id": "a", "title": "A", "occasions": given, "sponsored": "yes"})
    assert (fed.shop_occasions, fed.sponsored) == (item.shop_occasions, True)


@pytest.mark.parametrize("nothing", [None, "", []])
def test_without_occasions_there_are_none(nothing):
    item = read_item({"item_id": "a", "title": "A", "occasions": nothing})
    assert (item.shop_occasions, item.sponsored) == (0, False)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("occasions", "Tuesday"),
        ("occasions", ["easter", 1]),
        ("occasions", {"easter": 1}),
        ("sponsored", "perhaps"),
        ("sponsored", 7),
    ],
)
def test_an_occasion_or_a_sponsor_that_cannot_be_is_named(field, given):
    with pytest.raises(FieldError) as caught:
        read_item({"item_id": "a", "title": "A", field: given})
    assert caught.value.field == field


def test_an_rss_feed_is_read_attribute_by_attribute():
    items, refused = understood(read_xml_feed, read_feed_item, CASES / "feed.xml", FEED_FIELDS)
    knife, dress = items[1], items[2]
    assert (knife.item_id, knife.title, knife.brand) == ("knife-1", "Bread knife, 20 cm", "Solid & Sons")
    assert (knife.google_category_id, knife.category) == (665, "Kitchen > Knives")
    assert (knife.price_minor, knife.currency, knife.available) == (1500, "USD", True)
    assert knife.link == "https://shop.example/knife-1"
    assert (dress.google_category_id, dress.category) == (None, "Apparel & Accessories > Clothing > Dresses")
    assert (dress.price_minor, dress.currency, dress.available) == (4000, "JPY", False)
    assert (dress.size_type, dress.age_group, dress.adult) == ("maternity,plus", "adult", False)
    assert refused == {
        3: ("price", "is not an amount and a currency of ISO 4217, as in 15.00 USD"),
        4: ("adlut", "is not an attribute of the specification"),
    }


def test_an_atom_feed_is_read_and_its_entry_ids_are_not_taken_for_item_ids():
    items, refused = understood(read_xml_feed, read_feed_item, CASES / "feed_atom.xml", FEED_FIELDS)
    assert not refused
    assert (items[1].item_id, items[1].title, items[1].price_minor) == ("kettle-1", "Kettle", 2990)
    assert (items[1].link, items[1].available) == ("https://shop.example/kettle-1", False)


def test_a_feed_in_tab_separated_values_is_read_with_googles_headings():
    items, refused = understood(read_tabs, read_feed_item, CASES / "feed.tsv", FEED_FIELDS)
    assert (items[2].item_id, items[2].google_category_id, items[2].category) == (
        "pan-1",
        654,
        "Kitchen > Pans",
    )
    assert (items[4].title, items[4].price_minor) == ('Pan, "the big one"', None)
    assert refused == {3: ("price", "has more than 2 decimals")}


def test_a_feed_that_breaks_off_keeps_every_item_before_the_break(tmp_path):
    whole = (CASES / "feed.xml").read_bytes()
    ends = [whole.index(f"<g:id>{name}".encode()) for name in ("dress-1", "lamp-1")]
    for cut, kept in zip((*ends, len(whole) - 20), ([1], [1, 2], [1, 2]), strict=True):
        (tmp_path / "cut.xml").write_bytes(whole[:cut])
        items, refused = understood(read_xml_feed, read_feed_item, tmp_path / "cut.xml", FEED_FIELDS)
        assert list(items) == kept
        assert "the feed breaks off on line" in refused[max(refused)][1]


def test_garbage_in_the_middle_of_a_feed_is_a_break_as_well(tmp_path):
    whole = (CASES / "feed.xml").read_bytes()
    (tmp_path / "feed.xml").write_bytes(whole.replace(b"<g:id>lamp-1", b"<g:id><lamp-1"))
    items, refused = understood(read_xml_feed, read_feed_item, tmp_path / "feed.xml", FEED_FIELDS)
    assert list(items) == [1, 2]
    assert list(refused) == [3]


def test_entities_are_never_expanded():
    with pytest.raises(ImportFileError, match="has a document type"):
        list(read_xml_feed(CASES / "feed_with_entities.xml", FEED_FIELDS))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is not well-formed XML"),
        ("id,title\n1,x", "is not well-formed XML"),
        ("<html><body/></html>", "is neither an RSS nor an Atom feed"),
        ('<?xml version="1.0" encoding="big5"?><rss/>', "is in an encoding that cannot be read"),
    ],
)
def test_what_is_no_feed_is_refused(tmp_path, content, reason):
    (tmp_path / "feed.xml").write_text(content)
    with pytest.raises(ImportFileError, match=reason):
        list(read_xml_feed(tmp_path / "feed.xml", FEED_FIELDS))


def test_a_large_feed_is_read_in_runs_and_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(merchant, "BATCH_SIZE", 10)
    item = "<item><g:id>{0}</g:id><g:title>Item {0}</g:title></item>"
    with (tmp_path / "feed.xml").open("w") as feed:
        feed.write('<rss xmlns:g="http://base.google.com/ns/1.0"><channel>')
        feed.writelines(item.format(number) for number in range(95))
        feed.write("</channel></rss>")
    batches = list(read_xml_feed(tmp_path / "feed.xml", FEED_FIELDS))
    assert [len(batch) for batch in batches] == [10] * 9 + [5]
    assert batches[-1].done == (tmp_path / "feed.xml").stat().st_size


def test_a_google_category_that_is_no_id_and_no_path_is_refused():
    with pytest.raises(FieldError, match="is not an id of Google's product taxonomy"):
        read_feed_item({"id": "a", "title": "A", "google_product_category": "9" * 30})


def test_an_availability_that_google_does_not_know_is_refused():
    assert read_feed_item({"id": "a", "title": "A"}).available
    with pytest.raises(FieldError, match="is none of in_stock"):
        read_feed_item({"id": "a", "title": "A", "availability": "maybe"})


def test_no_attribute_is_both_used_and_ignored():
    assert not USED & IGNORED
