"""Records are read back whole, or refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import shops
from support.scenes import agreeing
from support.shops import a_request, decided, did, knowing, on_page

from engine.vocabulary import Channel
from guardrails.creepiness.dimensions import observe
from guardrails.creepiness.score import DIMENSION_NAMES
from guardrails.errors import RecordError
from guardrails.log.packing import pack, unpack
from guardrails.log.reading import sections_of, shown, view_of
from guardrails.policy.limits import Limits
from guardrails.request import Entry, Pattern, Presentation, Visit

KNOWN = knowing([did("bread-0"), did("milk-1", age_days=20)])


def a_body(request=None, known=KNOWN):
    request = request or a_request()
    return shops.recorded(decided(request, None, known), request, known).body


def test_what_is_observed_of_a_rebuilt_view_is_what_was_observed():
    request = a_request("product_page", context=on_page("lamp-0"))
    decision = decided(request, None, KNOWN)
    sections = sections_of(shops.recorded(decision, request, KNOWN).body)
    for number, taken in enumerate(decision.rounds):
        before, after = (observe(view, Limits()) for view in (taken.view, view_of(sections, number)))
        for name in DIMENSION_NAMES:
            assert getattr(after, name).tolist() == getattr(before, name).tolist(), name


def test_the_request_is_what_was_asked():
    request = a_request(
        "email",
        channel=Channel.EMAIL,
        visit=Visit(n_pages=2, basket_after_s=30, entry=Entry.EXACT_SEARCH),
        presentation=Presentation(frozenset({Pattern.GUILT}), personalised_price=True),
        local_minute=1380,
    )
    rebuilt = view_of(sections_of(a_body(request)), 0).request
    for name in ("visit", "presentation", "local_minute", "placement", "channel", "seed", "now_ms"):
        assert getattr(rebuilt, name) == getattr(request, name), name


def test_names_of_categories_and_brands_and_the_place_are_read_back():
    request = a_request("product_page", context=on_page("lamp-0"))
    choices = replace(agreeing(), jurisdiction="DK")
    decision = decided(request, choices, KNOWN)
    sections = sections_of(shops.recorded(decision, request, KNOWN).body)
    for number, taken in enumerate(decision.rounds):
        before, after = taken.view, view_of(sections, number)
        for codes, names in (("category", "categories"), ("brand", "brands")):
            assert _read(after, codes, names) == _read(before, codes, names)
        assert after.admission.jurisdiction == "DK"


def _read(view, codes, names):
    return [code >= 0 and getattr(view.catalogue, names)[code] for code in getattr(view, codes).tolist()]


def test_where_suggestions_stand_is_found_again():
    decision = decided(a_request(), None, KNOWN)
    sections = sections_of(a_body())
    last = len(decision.rounds) - 1
    assert decision.suggestions
    assert shown(sections) == tuple((last, row) for row in decision.rounds[last].slate.shown)


def test_something_shown_out_of_nowhere_is_refused():
    sections = sections_of(a_body())
    sections["out"]["list"][0]["item"] = "nothing-1"
    with pytest.raises(RecordError, match="not among its candidates"):
        shown(sections)


@pytest.mark.parametrize("column", ["from_visit", "noticed"])
def test_a_record_from_before_a_column_is_refused(column):
    sections = sections_of(a_body())
    del sections["cand"]["rounds"][0]["seen"][column]
    with pytest.raises(RecordError, match="does not hold all"):
        view_of(sections, 0)


def test_a_body_of_something_else_is_refused():
    salts = unpack(a_body()).split(b"\n")[0]
    not_json = pack(b"\n".join((salts, *[b"{"] * 5)))
    for body in (b"", pack(b"{}"), not_json):
        with pytest.raises(RecordError, match="cannot be opened"):
            sections_of(body)
