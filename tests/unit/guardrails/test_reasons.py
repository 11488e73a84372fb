from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.shops import (
    EVERYTHING,
    Choices,
    a_catalogue,
    a_house,
    a_ledger,
    a_request,
    an_admission,
    idx,
    on_page,
)

from engine.interactions import WEIGHT_ONE
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Channel, Kind, Origin, Provenance, Source
from guardrails.messages import LANGUAGES, SOURCE
from guardrails.reasons import MAX_CHARACTERS, MAX_TERMS, Explainer, Reason, ReasonCode
from guardrails.request import Context

HISTORY, SESSION, PAGE = Origin.HISTORY, Origin.SESSION, Origin.CONTEXT


def explained(
    *terms: tuple[str, Origin, Kind, int, int],
    target: str = "milk-4",
    source: Source = Source.GOES_WITH,
    page: str | None = None,
    shared: bool = False,
    placement: str = "home",
    channel: Channel = Channel.WEB,
    provenance: Provenance = Provenance.OWN,
    base: int = 0,
    catalogue=None,
    language: str = SOURCE,
) -> Reason:
    """Explain one candidate by its terms: item, origin, kind, contribution, support."""
    n = len(terms)
    evidence = Evidence(
        item_idx=np.array([idx(term[0]) for term in terms], np.int32),
        weight=np.full(n, WEIGHT_ONE, np.int64),
        origin=np.array([term[1] for term in terms], np.int8),
        kind=np.array([term[2] for term in terms], np.int8),
        age_days=np.zeros(n, np.int32),
        channel=np.full(n, Channel.WEB, np.int8),
        provenance=np.full(n, provenance, np.int8),
    )
    contribution = np.array([term[3] for term in terms], np.int64)
    candidates = Candidates(
        item_idx=np.array([idx(target)], np.int32),
        score=np.array([contribution.sum() + base], np.int64),
        base=np.array([base], np.int64),
        source=np.array([source], np.int8),
        ptr=np.array([0, n], np.int32),
        evidence=np.arange(n, dtype=np.int32),
        contribution=contribution,
        support=np.array([term[4] for term in terms], np.int32),
    )
    request = a_request(
        placement,
        shared_device=shared,
        channel=channel,
        context=Context() if page is None else on_page(page),
        language=language,
    )
    explainer = Explainer(
        candidates=candidates,
        evidence=evidence,
        catalogue=catalogue or a_catalogue(),
        admission=an_admission(request, Choices(a_ledger(*EVERYTHING))),
        request=request,
        named_crowd=20,
    )
    return explainer.reasons((0,))[0]


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (
            ReasonCode.BOUGHT_BEFORE,
            "Because you bought Lamp no. 0",
            explained(("lamp-0", HISTORY, Kind.PURCHASE, 5, 30)),
        ),
        (
            ReasonCode.LOOKED_AT_BEFORE,
            "Because you looked at Lamp no. 0 before",
            explained(("lamp-0", HISTORY, Kind.VIEW, 5, 30)),
        ),
        (
            ReasonCode.THIS_VISIT,
            "Because of Lamp no. 0 in this visit",
            explained(("lamp-0", SESSION, Kind.CART, 5, 30)),
        ),
        (
            ReasonCode.OFTEN_TOGETHER,
            "Often bought together with Lamp no. 0",
            explained(("lamp-0", PAGE, Kind.VIEW, 5, 20), page="lamp-0"),
        ),
        (
            ReasonCode.GOES_WITH_PAGE,
            "Goes with Lamp no. 0",
            explained(("lamp-0", PAGE, Kind.VIEW, 5, 19), page="lamp-0"),
        ),
        (
            ReasonCode.GOES_WITH_BASKET,
            "Goes with Soap no. 0 in your basket",
            explained(("soap-0", PAGE, Kind.VIEW, 5, 30), page="lamp-0"),
        ),
        (
            ReasonCode.BUY_AGAIN,
            "You bought Milk no. 4 before; it may be time again",
            explained(("milk-4", HISTORY, Kind.PURCHASE, 5, 30), source=Source.BUY_AGAIN),
        ),
        (
            ReasonCode.SIMILAR_TO,
            "Similar to Lamp no. 0, going by the description",
            explained(("lamp-0", PAGE, Kind.VIEW, 5, 0), page="lamp-0", source=Source.BY_CONTENT),
        ),
        (
            ReasonCode.SIMILAR_TO,
            "Similar to Soap no. 0, going by the description",
            explained(("soap-0", PAGE, Kind.VIEW, 5, 0), page="lamp-0", source=Source.BY_CONTENT),
        ),
        (
            ReasonCode.POPULAR,
            "Many customers buy this; nothing about you was used",
            explained(source=Source.POPULAR, base=7),
        ),
        (
            ReasonCode.POPULAR_IN_CATEGORY,
            "Many customers buy this in Dairy; nothing about you was used",
            explained(source=Source.POPULAR_IN_CATEGORY, base=7),
        ),
        (
            ReasonCode.YOUR_CHOICES,
            "Based on your choices in this shop",
            explained(("cream-0", HISTORY, Kind.PURCHASE, 5, 30)),
        ),
    ],
)
def test_each_reason_is_said_in_plain_words(code, text, reason):
    assert (reason.code, reason.text) == (code, text)


@pytest.mark.parametrize("support", [0, 20, 5_000])
def test_what_is_not_told_by_customers_who_had_both_is_not_said_to_be_bought_together(support):
    term = ("lamp-0", PAGE, Kind.VIEW, 5, support)
    said = {
        source: explained(term, page="lamp-0", source=source).code
        for source in (Source.BY_CATEGORY, Source.BY_CONTENT)
    }
    assert said == {
        Source.BY_CATEGORY: ReasonCode.GOES_WITH_PAGE,
        Source.BY_CONTENT: ReasonCode.SIMILAR_TO,
    }


@pytest.mark.parametrize("source", [Source.BY_CATEGORY, Source.BY_CONTENT])
def test_what_the_customer_did_is_named_whatever_it_led_by(source):
    assert explained(("lamp-0", HISTORY, Kind.PURCHASE, 5, 0), source=source).code is ReasonCode.BOUGHT_BEFORE
    assert explained(("lamp-0", SESSION, Kind.VIEW, 5, 0), source=source).code is ReasonCode.THIS_VISIT
    sensitive = explained(("cream-0", PAGE, Kind.VIEW, 5, 0), page="cream-0", source=source)
    assert sensitive.code is ReasonCode.YOUR_CHOICES


def test_the_largest_term_is_named_and_of_equals_the_earlier():
    terms = [("lamp-0", HISTORY, Kind.PURCHASE, 5, 30), ("soap-0", HISTORY, Kind.PURCHASE, 9, 30)]
    assert explained(*terms, ("bread-0", HISTORY, Kind.VIEW, 9, 30)).text == "Because you bought Soap no. 0"


def test_the_largest_terms_are_given_one_by_one_and_the_others_as_one_number():
    terms = [("lamp-0", HISTORY, Kind.VIEW, number, 30) for number in (3, 8, 1, 7, 2, 9, 4)]
    reason = explained(*terms)
    assert [piece.contribution for piece in reason.evidence] == [9, 8, 7, 4, 3]
    assert (reason.n_others, reason.others) == (2, 3)
    assert len(reason.evidence) == MAX_TERMS


def test_nobodys_part_of_the_score_is_the_base():
    reason = explained(source=Source.POPULAR, base=7)
    assert (reason.base, reason.evidence, reason.n_others, reason.others) == (7, (), 0, 0)


def test_what_is_sensitive_keeps_its_number_and_loses_its_name():
    reason = explained(("lamp-0", HISTORY, Kind.VIEW, 9, 30), ("beer-0", SESSION, Kind.CART, 4, 30))
    assert reason.text == "Because you looked at Lamp no. 0 before"
    hidden = reason.evidence[1]
    assert (hidden.item_idx, hidden.origin, hidden.kind, hidden.contribution) == (None, SESSION, Kind.CART, 4)


@pytest.mark.parametrize(
    "where",
    [
        {"shared": True},
        {"placement": "in_store"},
        {"channel": Channel.POST},
        {"channel": Channel.PUSH},
        {"channel": Channel.IN_STORE},
    ],
    ids=str,
)
@pytest.mark.parametrize(("origin", "is_named"), [(HISTORY, False), (SESSION, False), (PAGE, True)])
def test_before_others_only_what_they_see_anyway_is_named(where, origin, is_named):
    reason = explained(("lamp-0", origin, Kind.VIEW, 9, 30), page="lamp-0", **where)
    assert (reason.evidence[0].item_idx is not None) is is_named
    assert (reason.code is not ReasonCode.YOUR_CHOICES) is is_named


@pytest.mark.parametrize("provenance", [Provenance.SISTER, Provenance.LINKED, Provenance.THIRD_PARTY])
def test_what_came_from_elsewhere_is_not_named_as_the_customers_own_doing(provenance):
    reason = explained(("lamp-0", HISTORY, Kind.PURCHASE, 9, 30), provenance=provenance)
    assert reason.code is ReasonCode.FROM_ELSEWHERE
    assert reason.text == "Based on what you let us use from outside this shop"
    assert reason.evidence[0].item_idx is None


def test_before_others_it_is_not_said_what_was_bought_before():
    term = ("milk-4", HISTORY, Kind.PURCHASE, 5, 30)
    assert explained(term, source=Source.BUY_AGAIN, shared=True).code is ReasonCode.YOUR_CHOICES


@pytest.mark.parametrize("length", [1, 121, 122, 123, 500])
def test_a_long_name_is_shortened_to_fit(length):
    titles = list(a_catalogue().titles)
    titles[idx("lamp-0")] = "x" * length
    text = explained(
        ("lamp-0", HISTORY, Kind.PURCHASE, 5, 30), catalogue=replace(a_catalogue(), titles=tuple(titles))
    ).text
    room = MAX_CHARACTERS - len("Because you bought ")
    assert text == "Because you bought " + ("x" * length if length <= room else "x" * (room - 1) + "…")
    assert len(text) <= MAX_CHARACTERS


def test_a_name_is_not_cut_after_a_blank():
    titles = list(a_catalogue().titles)
    titles[idx("lamp-0")] = "x" * 119 + " " + "y" * 30
    reason = explained(
        ("lamp-0", HISTORY, Kind.PURCHASE, 5, 30), catalogue=replace(a_catalogue(), titles=tuple(titles))
    )
    assert reason.text.endswith("x…")


def test_a_name_in_braces_is_just_a_name():
    titles = list(a_catalogue().titles)
    titles[idx("lamp-0")] = "{item} {0.__class__}"
    reason = explained(
        ("lamp-0", HISTORY, Kind.PURCHASE, 5, 30), catalogue=replace(a_catalogue(), titles=tuple(titles))
    )
    assert reason.text == "Because you bought {item} {0.__class__}"


def test_the_crowd_that_may_be_named_is_the_policys():
    assert a_house().limits.support.named_crowd == 20


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Goes with Soap no. 0 in your basket"),
        ("da", "Passer til Soap no. 0 i din kurv"),
        ("nb", "Passer til Soap no. 0 i handlekurven din"),
        ("sv", "Passar till Soap no. 0 i din varukorg"),
        ("de", "Passt zu „Soap no. 0“ in Ihrem Warenkorb"),
    ],
)
def test_a_reason_is_given_in_the_language_asked_for(language, text):
    reason = explained(("soap-0", PAGE, Kind.VIEW, 5, 30), page="lamp-0", language=language)
    assert (reason.code, reason.text) == (ReasonCode.GOES_WITH_BASKET, text)


@given(
    language=st.sampled_from(LANGUAGES),
    title=st.text(min_size=1, max_size=400),
    origin=st.sampled_from(Origin),
    kind=st.sampled_from([Kind.PURCHASE, Kind.VIEW]),
    source=st.sampled_from([Source.GOES_WITH, Source.BUY_AGAIN]),
)
def test_a_reason_is_never_too_long_in_any_language_whatever_things_are_called(
    language, title, origin, kind, source
):
    titles = list(a_catalogue().titles)
    titles[idx("lamp-0")] = title
    text = explained(
        ("lamp-0", origin, kind, 5, 30),
        source=source,
        catalogue=replace(a_catalogue(), titles=tuple(titles)),
        language=language,
    ).text
    assert 0 < len(text) <= MAX_CHARACTERS
    assert title in text or "…" in text


def test_what_language_it_is_in_changes_nothing_but_the_words():
    terms = [("lamp-0", HISTORY, Kind.PURCHASE, 5, 30), ("soap-0", PAGE, Kind.VIEW, 3, 30)]
    reasons = [replace(explained(*terms, language=language), text="") for language in LANGUAGES]
    assert len(set(reasons)) == 1


@pytest.mark.parametrize(
    ("channel", "code"), [(Channel.EMAIL, ReasonCode.YOUR_CHOICES), (Channel.WEB, ReasonCode.BOUGHT_BEFORE)]
)
def test_what_nobody_could_tell_sensitive_is_named_inside_the_page_and_not_in_a_letter(channel, code):
    reason = explained(("mystery-0", HISTORY, Kind.PURCHASE, 5, 30), channel=channel)
    assert reason.code is code
    assert (reason.evidence[0].item_idx is None) is (channel is Channel.EMAIL)
