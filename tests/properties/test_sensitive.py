"""Promises of classification that hold for every item."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from guardrails.sensitive import google, keywords
from guardrails.sensitive.classes import CLASS_NAMES, Tier
from guardrails.sensitive.classify import ItemFacts, Layer, classify
from guardrails.sensitive.phrases import phrases_of, spellings, written_rules

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
