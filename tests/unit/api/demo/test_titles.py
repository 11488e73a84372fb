"""Titles that a customer can read."""

import pytest

from api.demo.titles import title_of


@pytest.mark.parametrize(
    ("product_type", "category", "size", "title"),
    [
        ("PREGNANCY TEST KITS", "FAMILY PLANNING", "2 CT", "Pregnancy test kits, 2 CT"),
        ("FEM. HYGN. TAMPONS", "FEMININE HYGIENE", "20 CT", "Feminine hygiene tampons, 20 CT"),
        ("CANDY BARS (SINGLES)(INCLUDING", "CANDY - CHECKLANE", None, "Candy bars"),
        ("DVD S", "AUDIO/VIDEO PRODUCTS", None, "DVDs"),
        ("CHILDREN S ACTIVITY", "BOOKSTORE", None, "Children's activity"),
        ("SW GDS:DONUTS", "SWEET GOODS", "6  CT", "Sweet goods: donuts, 6 CT"),
        ("PREMIUM", "ICE CREAM/MILK/SHERBTS", "56 OZ", "Ice cream/milk/sherbets: premium, 56 OZ"),
        (None, "FUEL", None, "Fuel"),
        (None, None, "3 OZ", "Miscellaneous goods, 3 OZ"),
        ("CANDLES", "CANDLES/ACCESSORIES", "LARGE", "Candles"),
    ],
)
def test_the_words_of_the_till_become_a_title(product_type, category, size, title):
    assert title_of(product_type, category, size) == title
