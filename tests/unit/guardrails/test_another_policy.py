"""A recorded decision, judged by another policy: what was made again is what would have been made then."""

import pytest
from support import shops
from support.policies import a_policy, a_rule
from support.replaying import governed, mixed_scenes, recorded
from support.scenes import Scene, agreeing
from support.shops import a_request, did, knowing

from guardrails.errors import RecordError
from guardrails.log.replay import judge_with
from guardrails.policy.language import Atom, Op

NO_BREAD = a_policy(a_rule("no-bread", when=Atom("item.categories", Op.CONTAINS_ANY, ("Food > Bread",))))
NOTHING = a_policy(a_rule("nothing"))


def slate(decision):
    item_ids = decision.rounds[-1].view.catalogue.item_ids
    return [item_ids[each.item_idx] for each in decision.suggestions]


def recorded_slate(record):
    return [each["item"] for each in record.read("out")["list"]]


def a_scene(house=None):
    known = knowing([did("bread-1"), did("milk-2"), did("milk-0")])
    return Scene(a_request(count=6), agreeing(), known, house or shops.a_house())


def test_under_its_own_policy_a_decision_shows_what_it_showed():
    for record in map(recorded, mixed_scenes(20, seed=3)):
        assert slate(judge_with(record.sections, record.policy)) == recorded_slate(record)


def test_another_policy_withholds_what_it_would_have_withheld():
    record = recorded(a_scene())
    other = recorded(a_scene(governed(shops.a_house(), NO_BREAD)))
    assert any(item.startswith("bread") for item in recorded_slate(record))
    again = slate(judge_with(record.sections, other.policy))
    assert again
    assert not any(item.startswith("bread") for item in again)


def test_of_steps_that_were_not_recorded_nothing_is_known():
    record = recorded(a_scene())
    strict = recorded(a_scene(governed(shops.a_house(), NOTHING)))
    assert slate(judge_with(record.sections, strict.policy)) == []


def test_a_record_that_lacks_what_it_takes_is_refused():
    record = recorded(a_scene())
    broken = record.tampered("cand", lambda section: section["rounds"][0].pop("score"))
    with pytest.raises(RecordError):
        judge_with(broken.sections, record.policy)
