"""The first promise: what was not admitted cannot change one byte of what is said or considered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import hypothesis
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support import shops
from support.scenes import (
    HISTORY_FLAWS,
    NO_HISTORY,
    NO_SESSION,
    SESSION_FLAWS,
    USABLE,
    Scene,
    agreeing,
    doings,
    exposures,
    readings,
    scenes,
    things,
)
from support.shops import NOW_MS, OFFERS, an_event, did, each_shown, just_did, knowing
from support.tries import tries

from engine.interactions import DAY_MS, Interactions
from engine.vocabulary import Kind
from guardrails.consent.events import Status
from guardrails.exposures import Exposures
from guardrails.request import Known, SubjectKind

FEW = tries(15)  # of each of many kinds
FIRST_FOUND = settings(max_examples=15, phases=[Phase.generate])
SELLING_ON = ("product_page", "cart")


def mixed(data: st.DataObject, found: Interactions, more: Sequence[tuple[int, ...]]) -> Interactions:
    """Put more rows anywhere among those that are there."""
    joined = Interactions.joined(found, Interactions.from_rows(list(more)))
    order = data.draw(st.permutations(range(len(joined))))
    return joined.where(list(order))


def with_history(data: st.DataObject, known: Known, more: Sequence[tuple[int, ...]]) -> Known:
    return replace(known, history=mixed(data, known.history, more))


def with_session(data: st.DataObject, known: Known, more: Sequence[tuple[int, ...]]) -> Known:
    return replace(known, session=mixed(data, known.session, more))


@pytest.mark.parametrize("flaw", HISTORY_FLAWS)
@FEW
@given(scene=scenes(), data=st.data())
def test_something_from_the_past_that_is_flawed_changes_nothing(flaw, scene, data):
    more = data.draw(st.lists(HISTORY_FLAWS[flaw], min_size=1, max_size=6))
    assert scene.slate(with_history(data, scene.known, more)) == scene.slate()


@pytest.mark.parametrize("flaw", SESSION_FLAWS)
@FEW
@given(scene=scenes(), data=st.data())
def test_something_of_this_visit_that_is_flawed_changes_nothing(flaw, scene, data):
    more = data.draw(st.lists(SESSION_FLAWS[flaw], min_size=1, max_size=4))
    assert scene.slate(with_session(data, scene.known, more)) == scene.slate()


@pytest.mark.parametrize("obstacle", NO_HISTORY)
@FEW
@given(data=st.data())
def test_without_the_consent_it_needs_the_past_changes_nothing(obstacle, data):
    scene = data.draw(scenes(agreeing(*NO_HISTORY[obstacle])))
    more = data.draw(st.lists(things(), min_size=1, max_size=6))
    shown = data.draw(st.lists(exposures(same_session=st.just(False)), max_size=4))
    known = with_history(data, scene.known, more)
    more = Exposures.of([*each_shown(known.exposures), *shown])
    assert scene.slate(replace(known, exposures=more)) == scene.slate()


@FEW
@given(data=st.data(), placement=st.sampled_from(SELLING_ON))
def test_without_consent_to_offers_the_past_changes_nothing_where_the_page_sells_on(data, placement):
    scene = data.draw(scenes(agreeing(an_event(OFFERS, Status.CONSENT_REFUSED))))
    scene = replace(scene, request=replace(scene.request, placement=shops.PLACEMENTS[placement]))
    more = data.draw(st.lists(things(), min_size=1, max_size=6))
    assert scene.slate(with_history(data, scene.known, more)) == scene.slate()


@pytest.mark.parametrize(
    "change",
    [
        {"non_profiled": True},
        {"subject_kind": SubjectKind.SESSION},
        {"subject_kind": SubjectKind.NONE},
    ],
    ids=["asked so now", "a visit without an account", "nobody"],
)
@FEW
@given(scene=scenes(), data=st.data())
def test_a_request_that_is_not_for_a_profile_is_not_moved_by_the_past(change, scene, data):
    scene = replace(scene, request=replace(scene.request, **change))
    more = data.draw(st.lists(things(), min_size=1, max_size=6))
    assert scene.slate(with_history(data, scene.known, more)) == scene.slate()


@FEW
@given(scene=scenes(), data=st.data(), days=st.integers(1, 6))
def test_what_was_withdrawn_changes_nothing_though_consent_was_given_again(scene, data, days):
    again = replace(scene.choices, history_from_ms=NOW_MS - days * DAY_MS)
    scene = replace(scene, choices=again)
    drawn = data.draw(st.lists(things(), min_size=1, max_size=6))
    older = [(*row[:3], min(row[3], again.history_from_ms - 1), *row[4:]) for row in drawn]
    assert scene.slate(with_history(data, scene.known, older)) == scene.slate()


@FEW
@given(scene=scenes(), data=st.data())
def test_who_switched_the_profile_off_for_good_is_not_profiled(scene, data):
    scene = replace(scene, choices=replace(scene.choices, non_profiled=True))
    assert scene.slate(data.draw(readings())) == scene.slate(Known.nothing())


@pytest.mark.parametrize("obstacle", NO_SESSION)
@FEW
@given(data=st.data())
def test_without_the_consent_it_needs_the_visit_changes_nothing(obstacle, data):
    scene = data.draw(scenes(agreeing(*NO_SESSION[obstacle])))
    more = data.draw(st.lists(doings(), min_size=1, max_size=4))
    assert scene.slate(with_session(data, scene.known, more)) == scene.slate()


@pytest.mark.parametrize("no_history", NO_HISTORY)
@FEW
@given(data=st.data())
def test_without_any_consent_nothing_that_was_read_changes_anything(no_history, data):
    choices = agreeing(*NO_HISTORY[no_history], *NO_SESSION["storage refused"])
    scene = data.draw(scenes(choices))
    assert scene.slate(data.draw(readings())) == scene.slate(Known.nothing())


@FEW
@given(scene=scenes(), data=st.data())
def test_where_consent_cannot_be_read_nothing_that_was_read_changes_anything(scene, data):
    scene = replace(scene, choices=replace(scene.choices, ledger=None))
    assert scene.slate(data.draw(readings())) == scene.slate(Known.nothing())


# What follows shows that the tests above can fail: the same things, without the flaw, do change slates.


def test_hypothesis_finds_at_once_that_something_admissible_from_the_past_changes_slates():
    def changes(drawn: tuple[Scene, tuple[int, ...]]) -> bool:
        scene, row = drawn
        history = Interactions.joined(scene.known.history, Interactions.from_rows([row]))
        return scene.slate(replace(scene.known, history=history)) != scene.slate()

    hypothesis.find(st.tuples(scenes(), things()), changes, settings=FIRST_FOUND)


def test_hypothesis_finds_at_once_that_something_admissible_of_this_visit_changes_slates():
    def changes(drawn: tuple[Scene, tuple[int, ...]]) -> bool:
        scene, row = drawn
        session = Interactions.joined(scene.known.session, Interactions.from_rows([row]))
        return scene.slate(replace(scene.known, session=session)) != scene.slate()

    hypothesis.find(st.tuples(scenes(), doings()), changes, settings=FIRST_FOUND)


@pytest.mark.parametrize("item", USABLE)
def test_any_admissible_purchase_changes_the_slate(item):
    scene = Scene(shops.a_request(), agreeing(), knowing([did("bread-2", age_days=20)]), shops.a_house())
    more = knowing([did("bread-2", age_days=20), did(item, Kind.PURCHASE, age_days=4)])
    assert scene.slate(more) != scene.slate()


@pytest.mark.parametrize("item", USABLE)
def test_any_admissible_look_in_this_visit_changes_the_slate(item):
    scene = Scene(shops.a_request(), agreeing(), knowing(session=[just_did("bread-2")]), shops.a_house())
    assert scene.slate(knowing(session=[just_did("bread-2"), just_did(item)])) != scene.slate()


def test_an_earlier_suggestion_that_was_ignored_changes_the_slate():
    scene = Scene(shops.a_request(), agreeing(), knowing([did("bread-2")]), shops.a_house())
    first = shops.a_catalogue().item_ids[scene.decide().suggestions[0].item_idx]
    ignored = [shops.was_shown(first, decision=number) for number in range(4)]
    assert scene.slate(knowing([did("bread-2")], exposures=ignored)) != scene.slate()


def test_a_return_changes_the_slate():
    scene = Scene(shops.a_request(), agreeing(), knowing([did("bread-2")]), shops.a_house())
    first = scene.decide().suggestions[0].item_idx
    assert scene.slate(knowing([did("bread-2"), did(first, Kind.RETURN)])) != scene.slate()
