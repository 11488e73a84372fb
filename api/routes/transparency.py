"""``GET /transparency``: the main parameters, read from what is in force, not written beside it."""

from __future__ import annotations

from flask import Response

from api.auth import PUBLIC
from api.routes.resource import Resource, json_answer
from api.schemas.recommendation import MODES
from api.schemas.transparency import TransparencySchema
from api.wiring import wiring
from engine.vocabulary import LEARNED_FROM, word
from guardrails.consent.purposes import REGISTER
from guardrails.rules import CATALOGUE
from guardrails.rules.base import MICRO

blueprint = Resource("transparency", __name__, description="what suggestions are based on")


@blueprint.operation("GET", "/transparency", PUBLIC, answer=TransparencySchema(), problems=(503,))
def parameters() -> Response:
    """Tell what suggestions are based on, for how long, and what holds them back."""
    house = wiring().runtime.current().house
    weights, kept_days = house.weighting.by_kind(), house.limits.evidence.max_age_days()
    return json_answer(
        {
            "purposes": [
                {
                    "key": entry.key,
                    "meaning": entry.meaning,
                    "basis": entry.basis,
                    "on_by_default": entry.on_by_default,
                }
                for entry in REGISTER
            ],
            "parameters": [
                {
                    "kind": word(kind),
                    "weight_micro": round(weights[kind] * MICRO),
                    "kept_days": int(kept_days[kind]),
                }
                for kind in LEARNED_FROM
            ],
            "half_life_days": house.weighting.half_life_days,
            "rules": [
                {"id": rule.id, "name": rule.name, "sentence": rule.sentence, "ground": rule.ground}
                for rule in CATALOGUE
            ],
            "modes": MODES,
            "policy_version": house.policy_version,
        }
    )
