"""A recorded decision is put to another model."""

from dataclasses import replace

import numpy as np
import pytest
from support import shops
from support.replaying import mixed_scenes, recorded

from guardrails.errors import RecordError
from guardrails.log.replay import decide_with

N_DECISIONS = 40


@pytest.fixture(scope="module")
def records():
    scenes = mixed_scenes(N_DECISIONS, seed=7)
    return [recorded(replace(each, house=replace(each.house, n_considered=3))) for each in scenes]


def asked(record, recommender=None):
    house = record.house
    return decide_with(record.sections, record.policy, recommender or house.recommender, house.catalogue)


def shown(record):
    return [each["item"] for each in record.read("out")["list"]]


def test_the_same_model_would_have_shown_the_same(records):
    for record in records:
        decision = asked(record)
        ids = record.house.catalogue.item_ids
        assert [ids[each.item_idx] for each in decision.suggestions] == shown(record)
        assert len(decision.rounds) == len(record.read("cand")["rounds"])
    assert any(shown(record) for record in records)


def test_another_model_shows_what_it_would_and_nothing_counts_against_what_was_no_candidate(records):
    n_new = 0
    for record in records:
        other = asked(record, Reversed(record.house.recommender))
        known = {item for taken in record.read("cand")["rounds"] for item in taken["items"]}
        ids = record.house.catalogue.item_ids
        for taken in other.rounds:
            new = np.array([ids[row] not in known for row in taken.candidates.item_idx], np.bool_)
            n_new += int(new.sum())
            assert (taken.view.returned_days[new] > 10_000).all()
            assert (taken.view.days_since_shown[new] > 10_000).all()
            assert not taken.view.wanted[new].any()
    assert n_new


def test_a_record_that_lacks_what_it_takes_is_refused(records):
    record = next(record for record in records if shown(record))
    broken = replace(record, sections={**record.sections, "cand": b"{}"})
    with pytest.raises(RecordError):
        asked(broken)


class Reversed:
    """Proposes what the other likes least."""

    def __init__(self, other):
        self._other = other

    def __getattr__(self, name):
        return getattr(self._other, name)

    def goes_with(self, evidence, exclude, n, mask=None):
        found = self._other.goes_with(evidence, exclude, shops.a_catalogue().n_items, mask)
        return found.take(np.arange(len(found))[::-1][:n])

    def popular(self, n, exclude):
        found = self._other.popular(shops.a_catalogue().n_items, exclude)
        return found.take(np.arange(len(found))[::-1][:n])
