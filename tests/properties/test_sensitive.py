"""Promises of classification that hold for every item."""

from dataclasses import replace
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.errors import SensitiveMarkError
from guardrails.sensitive import google, keywords
from guardrails.sensitive.classes import CLASS_NAMES, NOTHING, Tier
from guardrails.sensitive.classify import (
    UNMARKED,
    ItemFacts,
    Layer,
    ShopMark,
    category_key,
    classify,
    is_unclassified,
)
from guardrails.sensitive.keywords import find_by_keywords
from guardrails.sensitive.occasions import NO_OCCASION, OCCASIONS, mask_of, names_of, occasions_of
from guardrails.sensitive.phrases import phrases_of, spellings, written_rules
from guardrails.sensitive.pressing import is_pressing

PHRASES = sorted(
    " ".join(stem for stem, _ in spelling).replace("#", "7")
    for rule in written_rules(keywords.RULES)
    for phrase in phrases_of(rule)
    for spelling in spellings(phrase)
)
WORDS = ["ham", "soap", "blue", "set of 4", "æble", "750 ml", ">", "/", "-", "&"]

texts = st.lists(st.sampled_from(PHRASES) | st.sampled_from(WORDS) | st.text(max_size=8), max_size=4).map(
    " ".join
)
category_ids = st.none() | st.sampled_from(sorted(google._table())) | st.integers(1, 600_000)
facts = st.builds(
    ItemFacts,
    google_category_id=category_ids,
    category=texts,
    title=texts,
    size_type=st.sampled_from([None, "regular", "plus", "petite,maternity"]),
    adult=st.sampled_from([None, False, True]),
    age_group=st.sampled_from([None, "newborn", "kids", "adult"]),
    shop_class=st.none() | st.sampled_from(CLASS_NAMES),
    shop_tier=st.none() | st.integers(0, 3),
)
marks = st.dictionaries(
    st.sampled_from(["", "ham", "soap > blue", *PHRASES[::50]]).map(category_key),
    st.builds(ShopMark, st.none() | st.sampled_from(CLASS_NAMES), st.integers(0, 3)),
    max_size=3,
)


def words_of(kind):
    """The words of a list, and those of them that any word may begin with."""
    known = [
        word
        for rule in written_rules(f"{kind}.toml")
        for phrase in phrases_of(rule)
        for spelling in spellings(phrase)
        for word in spelling
    ]
    return sorted({stem for stem, _ in known if stem.isalpha()}), tuple(
        {stem for stem, star in known if star}
    )


LISTS = {
    "keywords": lambda text: find_by_keywords("", text) != NOTHING,
    "occasions": lambda text: occasions_of(ItemFacts(title=text)) != NO_OCCASION,
    "pressing": is_pressing,
}
WORDS_OF = {kind: words_of(kind) for kind in LISTS}
LAYER_FIELDS = {
    "google": {"google_category_id": None},
    "attributes": {"size_type": None, "adult": None, "age_group": None},
    "category": {"category": ""},
    "title": {"title": ""},
    "shop": {"shop_class": None, "shop_tier": None},
}


@given(facts)
def test_classification_is_deterministic_even_with_an_empty_memory(item):
    first = classify(item)
    keywords._read.cache_clear()
    assert classify(item) == first


@given(facts, st.sampled_from(sorted(LAYER_FIELDS)))
def test_adding_a_layer_never_lowers_a_tier_or_lifts_an_age_limit(item, layer):
    without = classify(replace(item, **LAYER_FIELDS[layer]))
    whole = classify(item)
    assert whole.tier >= without.tier
    assert whole.age_restricted >= without.age_restricted


@given(facts, st.none() | st.sampled_from(CLASS_NAMES), st.none() | st.integers(0, 3))
def test_a_shop_mark_never_lowers_a_tier(item, shop_class, shop_tier):
    unmarked = classify(replace(item, shop_class=None, shop_tier=None))
    marked = classify(replace(item, shop_class=shop_class, shop_tier=shop_tier))
    assert marked.tier >= unmarked.tier
    if marked.tier == unmarked.tier:
        assert (marked.sensitive_class, marked.layer) == (unmarked.sensitive_class, unmarked.layer)
    else:
        assert marked.layer is Layer.SHOP


@given(facts, marks, st.data())
def test_a_mark_of_a_category_never_lowers_a_tier(item, marks, data):
    path = category_key(item.category)
    here = path[: data.draw(st.integers(1, len(path)))] if path else ("ham",)
    sensitive_class, tier = data.draw(st.none() | st.sampled_from(CLASS_NAMES)), data.draw(st.integers(0, 3))
    before = classify(item, marks)
    after = classify(item, {here: ShopMark(sensitive_class, tier), **marks})
    assert after.tier >= before.tier >= classify(item).tier
    assert after.age_restricted >= before.age_restricted >= classify(item).age_restricted
    if path and here not in marks:
        assert after.tier >= tier


@given(st.none() | st.sampled_from(CLASS_NAMES), st.integers(0, 3), st.integers(0, 3))
def test_a_mark_is_raised_or_refused(sensitive_class, first, second):
    mark = UNMARKED.raised_to(sensitive_class, first)
    if second < first:
        with pytest.raises(SensitiveMarkError):
            mark.raised_to(None, second)
    else:
        assert mark.raised_to(None, second) == ShopMark(sensitive_class, second)


@pytest.mark.parametrize("kind", sorted(LISTS))
@given(data=st.data())
def test_a_word_inside_a_longer_word_is_seen_only_where_a_star_opens_its_end(kind, data):
    words, stars = WORDS_OF[kind]
    word, more = data.draw(st.sampled_from(words)), data.draw(st.sampled_from(["qzx", "x9", "ßq"]))
    assert not LISTS[kind](f"qzx{word}")
    if not f"{word}{more}".startswith(stars):
        assert not LISTS[kind](f"{word}{more}")


@pytest.mark.parametrize("kind", sorted(LISTS))
@given(text=texts)
def test_no_list_minds_case_or_how_an_accent_is_written(kind, text):
    seen = LISTS[kind](text)
    for form in ("NFC", "NFD", "NFKC"):
        assert LISTS[kind](normalize(form, text)) == seen
    if text.upper().casefold() == text.casefold():
        assert LISTS[kind](text.upper()) == seen


@given(facts, st.lists(st.sampled_from(OCCASIONS), max_size=3).map(tuple))
def test_occasions_only_add_up(item, named):
    without, whole = occasions_of(item), occasions_of(replace(item, occasions=named))
    assert whole == without | mask_of(*named)
    assert mask_of(*names_of(whole)) == whole < 2 ** len(OCCASIONS)


@given(facts, marks)
def test_what_any_layer_but_words_decided_is_not_unclassified(item, marks):
    found = classify(item, marks)
    if found.layer in {Layer.GOOGLE, Layer.ATTRIBUTE, Layer.SHOP}:
        assert not is_unclassified(item, marks)


@given(facts)
def test_a_class_is_named_exactly_where_there_is_a_tier(item):
    found = classify(item)
    assert (found.sensitive_class is None) == (found.tier is Tier.S0) == (found.layer is Layer.NONE)


@given(
    st.lists(st.sampled_from(PHRASES) | st.sampled_from(WORDS), max_size=4),
    st.sampled_from([" ", "  ", "\t", "\n", " - "]),
)
def test_case_and_white_space_make_no_difference(parts, gap):
    plain = " ".join(parts)
    loud = gap.join(word for part in parts for word in part.upper().split(" "))
    for written in (loud, f"{gap}{loud}{gap}", plain.title()):
        assert classify(ItemFacts(category=written)) == classify(ItemFacts(category=plain))
        assert classify(ItemFacts(title=written)) == classify(ItemFacts(title=plain))
