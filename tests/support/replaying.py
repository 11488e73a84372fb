"""Decisions that are recorded and made again: what they take, and records that were tampered with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson
from support import shops
from support.policies import a_policy, a_rule
from support.scenes import NO_HISTORY, NO_SESSION, USABLE, WATCHFUL, Scene, agreeing

from engine.vocabulary import Channel
from guardrails.house import House, ShadowPolicy
from guardrails.log.canonical import canonical
from guardrails.log.record import open_body
from guardrails.log.replay import Governing, Replayed, replay_candidates, replay_rules
from guardrails.messages import LANGUAGES
from guardrails.policy.compiled import house_rules
from guardrails.policy.document import to_document, version_of
from guardrails.policy.language import Atom, Mode, Obligation, Op, Policy, RuleEffect
from guardrails.request import AgeAssurance, Context, SubjectKind
from guardrails.rules import CATALOGUE

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


def governed(house: House, policy: Policy, shadow: Policy | None = None) -> House:
    """The house under a policy of the shop, with another one beside it."""
    own, watched = house_rules(policy)
    beside = None
    if shadow is not None:
        rules = (*CATALOGUE, *house_rules(shadow)[0])
        beside = ShadowPolicy(version_of(to_document(shadow)), shadow.limits, rules)
    return replace(
        house,
        limits=policy.limits,
        policy_version=version_of(to_document(policy)),
        rules=(*CATALOGUE, *own),
        watched=watched,
        shadow=beside,
    )


HOUSE_RULES = a_policy(
    a_rule("no-bread", when=Atom("item.categories", Op.CONTAINS_ANY, ("Food > Bread",))),
    a_rule("named", when=Atom("item.id", Op.IN, ("lamp-2", "milk-0")), effect=RuleEffect.GENERALISE),
    a_rule(
        "by-hand",
        when=Atom("request.language", Op.EQUAL, "da"),
        effect=RuleEffect.ALLOW,
        obligations=tuple(Obligation),
    ),
    a_rule("soft", when=Atom("item.brand", Op.EQUAL, "Acme"), effect=RuleEffect.DEMOTE, share_micro=500_000),
    a_rule("warned", when=Atom("evidence.from_history", Op.EQUAL, value=True), mode=Mode.WARN),
    a_rule("shaded", when=Atom("item.tier", Op.AT_LEAST, 1), mode=Mode.SHADOW),
)
"""Rules of every mode and effect."""


_WATCHFUL_SHARE = 0.15
"""So many decisions are of a shop to which much is too exact as it stands."""


def mixed_scenes(n: int, seed: int) -> Iterator[Scene]:
    """Yield many different decisions, always the same ones; quicker than properties draw them."""
    chance = random.Random(seed)
    items = shops.a_catalogue().item_ids
    watchful = shops.a_house(WATCHFUL, n_considered=5)
    no_model = shops.a_house_without_a_model()
    houses = [
        shops.a_house(),
        shops.a_house(n_considered=4),
        governed(shops.a_house(), HOUSE_RULES, a_policy(a_rule("nothing"))),
        governed(shops.a_house(n_considered=8), a_policy(a_rule("nothing", mode=Mode.WARN)), HOUSE_RULES),
        governed(no_model, HOUSE_RULES),
    ]
    every_choice = [
        agreeing(*events, age_assurance=age, non_profiled=chance.random() < 0.1)
        for events in ((), *NO_HISTORY.values(), *NO_SESSION.values())
        for age in AgeAssurance
    ]
    for _ in range(n):
        if chance.random() < _WATCHFUL_SHARE:
            lately = [shops.did(item, age_days=chance.randint(1, 9)) for item in chance.sample(USABLE, 6)]
            asked = shops.a_request(count=chance.randint(1, 6), language=chance.choice(LANGUAGES))
            yield Scene(asked, agreeing(), shops.knowing(lately), watchful)
            continue
        page = chance.choice([None, None, "lamp-1", "bread-1", "beer-1", "mystery-1", "cream-1"])
        basket = chance.sample(["soap-0", "milk-3", "test-0", "lamp-0"], chance.randint(0, 2))
        context = Context(basket=tuple(map(shops.idx, basket)))
        request = shops.a_request(
            chance.choice(sorted(shops.PLACEMENTS)),
            context=context if page is None else shops.on_page(page, *basket),
            count=chance.randint(1, 8),
            channel=chance.choice([*[Channel.WEB] * 12, *Channel]),
            subject_kind=chance.choice([*[SubjectKind.ACCOUNT] * 6, *SubjectKind]),
            language=chance.choice(LANGUAGES),
            gpc=chance.random() < 0.1,
            shared_device=chance.random() < 0.1,
            seed=chance.randbytes(16),
        )
        history = [shops.did(chance.choice(items), age_days=chance.randint(1, 60)) for _ in range(8)]
        session = [shops.just_did(chance.choice(items)) for _ in range(chance.randint(0, 7))]
        exposures = [
            shops.was_shown(
                chance.choice(items),
                same_session=chance.random() < 0.5,
                dismissed=chance.random() < 0.1,
                decision=chance.randint(1, 4),
            )
            for _ in range(chance.randint(0, 5))
        ]
        known = shops.knowing(history[: chance.choice([0, 0, 3, 6, 8])], session, exposures)
        yield Scene(
            request, chance.choice([agreeing(), chance.choice(every_choice)]), known, chance.choice(houses)
        )
