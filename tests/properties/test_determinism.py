"""Same inputs, same decision: byte for byte, whatever order the edge read things in."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st
from support.scenes import Scene, any_scenes
from support.shops import each_shown, recorded, sections_of

from engine.catalogue import Catalogue
from engine.interactions import Interactions
from guardrails.exposures import Exposures
from guardrails.log.record import SALT_BYTES, SECTIONS
from guardrails.request import Known
from guardrails.rules.base import Rule

DIFFERS_WITH_SALT_AND_ID = {"id", "sd", "ct"}


def plain(thing: Any) -> Any:
    """Turn a decision into something that can be compared, arrays with their types."""
    if isinstance(thing, np.ndarray):
        return thing.dtype.str, thing.tolist()
    if isinstance(thing, Catalogue | Rule):
        return type(thing)
    if is_dataclass(thing) and not isinstance(thing, type):
        return {field.name: plain(getattr(thing, field.name)) for field in fields(thing)}
    if isinstance(thing, tuple):
        return [plain(each) for each in thing]
    return thing


def shuffled(data: st.DataObject, found: Interactions) -> Interactions:
    return found.where(list(data.draw(st.permutations(range(len(found))))))


@given(any_scenes())
def test_the_same_inputs_twice_give_the_same_decision(scene: Scene):
    assert plain(scene.decide()) == plain(scene.decide())


@given(any_scenes(), st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES))
def test_records_of_the_same_decision_differ_in_id_and_salts_alone(scene: Scene, secret):
    first = recorded(scene.decide(), scene.request, scene.known, scene.house)
    second = recorded(
        scene.decide(),
        scene.request,
        scene.known,
        scene.house,
        decision_id="11111111-1111-4111-8111-111111111111",
        secret=secret,
    )
    assert sections_of(first) == sections_of(second)
    one, other = orjson.loads(first.header), orjson.loads(second.header)
    assert {name for name in one if one[name] != other[name]} <= DIFFERS_WITH_SALT_AND_ID


@given(any_scenes())
def test_records_of_the_same_decision_are_the_same_bytes_under_the_same_id_and_salts(scene: Scene):
    records = [recorded(scene.decide(), scene.request, scene.known, scene.house) for _ in range(2)]
    assert records[0] == records[1]
    assert set(sections_of(records[0])) == set(SECTIONS)


@given(any_scenes(), st.data())
def test_the_order_of_what_was_read_does_not_matter(scene: Scene, data):
    known = Known(
        history=shuffled(data, scene.known.history),
        session=shuffled(data, scene.known.session),
        exposures=Exposures.of(data.draw(st.permutations(each_shown(scene.known.exposures)))),
        reads=scene.known.reads,
    )
    records = [
        recorded(scene.decide(each), scene.request, each, scene.house) for each in (scene.known, known)
    ]
    assert records[0] == records[1]
