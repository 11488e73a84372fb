"""The second promise: a reason is the arithmetic, for every suggestion of any decision."""

from __future__ import annotations

import re

from hypothesis import given
from support.scenes import Scene, agreeing, any_scenes, scenes, watchful_scenes
from support.shops import a_catalogue, a_house, a_request, did, knowing, on_page

from engine.vocabulary import Origin
from guardrails.decide import Action, Suggestion
from guardrails.reasons import MAX_CHARACTERS, MAX_TERMS

HARMLESS = 0


def adds_up(suggestion: Suggestion) -> bool:
    reason = suggestion.reason
    parts = [reason.base, *(piece.contribution for piece in reason.evidence), reason.others]
    return all(type(part) is int for part in parts) and sum(parts) == suggestion.score


@given(any_scenes() | watchful_scenes())
def test_the_parts_of_a_reason_add_up_to_the_score_in_integers(scene: Scene):
    assert all(adds_up(suggestion) for suggestion in scene.decide().suggestions)


@given(scenes())
def test_they_do_so_for_customers_with_a_past(scene: Scene):
    assert all(adds_up(suggestion) for suggestion in scene.decide().suggestions)


@given(any_scenes() | watchful_scenes())
def test_a_term_is_given_one_by_one_or_counted_among_the_others(scene: Scene):
    decision = scene.decide()
    last = decision.rounds[-1]
    for row, suggestion in zip(last.slate.shown, decision.suggestions, strict=True):
        reason = suggestion.reason
        n_terms = int(last.candidates.ptr[row + 1] - last.candidates.ptr[row])
        assert len(reason.evidence) + reason.n_others == n_terms
        assert len(reason.evidence) == min(n_terms, MAX_TERMS)


@given(any_scenes() | watchful_scenes())
def test_every_candidate_adds_up_also_those_that_are_not_shown(scene: Scene):
    for taken in scene.decide().rounds:
        candidates = taken.candidates
        for row in range(len(candidates)):
            terms = candidates.contribution[candidates.ptr[row] : candidates.ptr[row + 1]]
            assert candidates.base[row] + terms.sum() == candidates.score[row]


@given(any_scenes() | watchful_scenes())
def test_the_largest_contribution_comes_first_and_it_is_the_one_that_is_named(scene: Scene):
    titles = a_catalogue().titles
    for suggestion in scene.decide().suggestions:
        evidence = suggestion.reason.evidence
        contributions = [piece.contribution for piece in evidence]
        assert contributions == sorted(contributions, reverse=True)
        named = [title for title in titles if re.search(rf"{re.escape(title)}(?!\d)", suggestion.reason.text)]
        if suggestion.action is Action.GENERALISE:
            assert named == [], "a category that names the very item is no category"
        elif evidence and evidence[0].item_idx is not None:
            assert named == [titles[evidence[0].item_idx]]
        else:
            assert named == []


@given(any_scenes() | watchful_scenes())
def test_no_reason_is_empty_or_too_long(scene: Scene):
    for suggestion in scene.decide().suggestions:
        assert 0 < len(suggestion.reason.text) <= MAX_CHARACTERS


@given(any_scenes() | watchful_scenes())
def test_what_must_not_be_named_is_not_but_keeps_its_number(scene: Scene):
    decision = scene.decide()
    catalogue = scene.house.catalogue
    for suggestion in decision.suggestions:
        for piece in suggestion.reason.evidence:
            assert piece.contribution > 0
            before_others = decision.admission.shared_audience or scene.request.overheard
            hidden = before_others and piece.origin is not Origin.CONTEXT
            if piece.item_idx is not None:
                assert catalogue.tier[piece.item_idx] == HARMLESS
                assert not hidden


def test_hidden_and_open_terms_do_occur_side_by_side():
    known = knowing([did("cream-1"), did("bread-0"), did("lamp-0")])
    scene = Scene(a_request(count=20, context=on_page("milk-3")), agreeing(), known, a_house())
    pieces = [piece for each in scene.decide().suggestions for piece in each.reason.evidence]
    assert {piece.item_idx is None for piece in pieces} == {False}, "muted evidence is not even hidden"
    unmuted = Scene(scene.request, agreeing(), known, scene.house).choices
    open_to_all = Scene(scene.request, type(unmuted)(ledger=unmuted.ledger), known, scene.house)
    pieces = [piece for each in open_to_all.decide().suggestions for piece in each.reason.evidence]
    assert {piece.item_idx is None for piece in pieces} == {True, False}
