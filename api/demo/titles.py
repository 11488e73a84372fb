"""Readable titles from the cash register's own words.

The Complete Journey catalogue names a product by department, category, type and package size, cut
to the width of a till receipt: ``SFT DRNK SNGL SRV BTL CARB (EX``. A customer reads the title in a
reason, so the usual abbreviations are written out. Words that are not listed stay as they are.
"""

from __future__ import annotations

import re

_PHRASES = (
    ("BEERALEMALT LIQUORS", "BEER, ALE AND MALT LIQUOR"),
    ("SAUCESSALSAPICANTEE", "SAUCES, SALSA, PICANTE"),
    ("NON-CRBNTD DRNKING/MNERAL WATE", "STILL DRINKING AND MINERAL WATER"),
    ("CHILDRENS", "CHILDREN'S"),
    ("CHILDREN S", "CHILDREN'S"),
    ("WOMEN S", "WOMEN'S"),
    ("MEN S", "MEN'S"),
    ("DVD S", "DVDS"),
    ("SW GDS", "SWEET GOODS"),
    ("SNGL SRV", "SINGLE SERVE"),
    ("SGL SV", "SINGLE SERVE"),
    ("MLT-PK", "MULTI-PACK"),
    ("LEGGS", "L'EGGS"),
)
_WORDS = {
    "ANALGESICS": "PAIN RELIEF",
    "BTL": "BOTTLE",
    "CARB": "CARBONATED",
    "CATFD": "CAT FOOD",
    "CHOC": "CHOCOLATE",
    "CHOCOCLATE": "CHOCOLATE",
    "CHOCOL": "CHOCOLATE",
    "CNTRL": "CONTROL",
    "COMBIN": "COMBINATIONS",
    "CRBNTD": "CARBONATED",
    "CRMD": "CREAMED",
    "DNRS": "DINNERS",
    "DOGFD": "DOG FOOD",
    "DRNK": "DRINK",
    "DRNKS": "DRINKS",
    "FD": "FOOD",
    "FEM": "FEMININE",
    "FLVRD": "FLAVORED",
    "FRD": "FRIED",
    "FRZ": "FROZEN",
    "FRZN": "FROZEN",
    "GDS": "GOODS",
    "HANDKE": "HANDKERCHIEFS",
    "HYGN": "HYGIENE",
    "LOREAL": "L'OREAL",
    "MARINAD": "MARINADES",
    "MISC": "MISCELLANEOUS",
    "PK": "PACK",
    "PKG": "PACKAGED",
    "PKGD": "PACKAGED",
    "PREPORTND": "PORTIONED",
    "PREPRD": "PREPARED",
    "PROD": "PRODUCT",
    "RTS": "READY-TO-SERVE",
    "SANDWIC": "SANDWICHES",
    "SFT": "SOFT",
    "SS": "SINGLE-SERVE",
    "SHERBTS": "SHERBETS",
    "STK": "STICK",
    "SUPPLEMEN": "SUPPLEMENTS",
    "SYRP": "SYRUP",
    "TORT": "TORTILLA",
    "XPCTRNT": "EXPECTORANT",
}
_ACRONYMS = frozenset({"BBQ", "CD", "DVD", "DXM", "HBC", "IWS", "NZ", "SPF", "TV", "USA"})
_NOT_BY_ITSELF = frozenset(
    {"BLENDS", "ECONOMY", "ENHANCED", "EXTERNAL", "GRINDS", "MAINSTREAM", "MISCELLANEOUS", "MIXES"}
    | {"NOVELTIES", "OTHER", "PREMIUM", "PRIMAL", "SEASONAL", "SPECIALTY", "TRADITIONAL", "VALUE"}
)
"""Types that only mean something together with their category."""
_UNTITLED = "Miscellaneous goods"

_IN_BRACKETS = re.compile(r"\([^)]*\)?")
_ABBREVIATION_DOT = re.compile(r"\.(?!\d)")
_WORD = re.compile(r"[A-Z][A-Z']*")
_SIZE = re.compile(r"[A-Z]{0,2}\s*(\d.*)")


def title_of(product_type: str | None, product_category: str | None, package_size: str | None) -> str:
    """Return the title of a product.

    >>> title_of("PREGNANCY TEST KITS", "FAMILY PLANNING", "2 CT")
    'Pregnancy test kits, 2 CT'
    >>> title_of("SFT DRNK SNGL SRV BTL CARB (EX", "SOFT DRINKS", "P     20 OZ")
    'Soft drink single serve bottle carbonated, 20 OZ'
    >>> title_of("PREMIUM", "ICE CREAM/MILK/SHERBTS", "56 OZ")
    'Ice cream/milk/sherbets: premium, 56 OZ'
    >>> title_of(None, None, None)
    'Miscellaneous goods'
    """
    name = in_words(product_type or "") or in_words(product_category or "") or _UNTITLED
    if product_type in _NOT_BY_ITSELF and product_category:
        name = f"{in_words(product_category)}: {name.lower()}"
    size = _size(package_size or "")
    return f"{name}, {size}" if size else name


def in_words(till_text: str) -> str:
    """Return till words as people write them.

    >>> in_words("SFT DRNKS")
    'Soft drinks'
    """
    text = _ABBREVIATION_DOT.sub(" ", _IN_BRACKETS.sub(" ", till_text))
    for written, meant in _PHRASES:
        text = text.replace(written, meant)
    text = _WORD.sub(_spoken, text).replace("&", " & ").replace(":", ": ")
    text = " ".join(text.split()).strip(" -/:&,")
    return text[:1].upper() + text[1:]


def _spoken(found: re.Match[str]) -> str:
    word = found.group()
    if word in _ACRONYMS:
        return word
    if word[:-1] in _ACRONYMS:
        return f"{word[:-1]}s"
    return _WORDS.get(word, word).lower()


def _size(till_text: str) -> str:
    """Return a package size that says how much; ``LARGE`` and the like say nothing without a scale."""
    found = _SIZE.fullmatch(" ".join(till_text.split()))
    return found.group(1) if found else ""
