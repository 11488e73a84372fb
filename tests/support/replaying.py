"""Decisions that are recorded and made again: what they take, and records that were tampered with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson
from support import shops
from support.scenes import Scene

from guardrails.house import House
from guardrails.log.canonical import canonical
from guardrails.log.record import open_body
from guardrails.log.replay import Governing, Replayed, replay_candidates, replay_rules

BUILD = "b" * 64


@dataclass(frozen=True)
class Recorded:
    """A record, and what stood when it was made."""

    sections: dict[str, bytes]
    header: dict[str, Any]
    house: House

    @property
    def policy(self) -> Governing:
        house = self.house
        return Governing(
            house.policy_version,
            house.limits,
            house.rules,
            house.slate_rules,
            house.watched,
            house.shadow,
        )

    def read(self, name: str) -> Any:
        """Return one section, parsed."""
        return orjson.loads(self.sections[name])

    def rules(self, **other: Any) -> Replayed:
        """Replay L1; under another policy where told so."""
        return replay_rules(self.sections, self.header, replace(self.policy, **other), BUILD)

    def candidates(self, **other: Any) -> Replayed:
        """Replay L2; with another model or catalogue where told so."""
        house = replace(self.house, **other)
        return replay_candidates(
            self.sections, self.header, self.policy, house.recommender, house.catalogue, BUILD
        )

    def tampered(self, name: str, change: Callable[[Any], object]) -> Recorded:
        """Return the same record with a section changed in place."""
        document = self.read(name)
        change(document)
        return replace(self, sections={**self.sections, name: canonical(document)})


def recorded(scene: Scene) -> Recorded:
    """Decide and record."""
    record = shops.recorded(scene.decide(), scene.request, scene.known, scene.house, build=BUILD)
    return Recorded(dict(open_body(record.body)[1]), orjson.loads(record.header), scene.house)
