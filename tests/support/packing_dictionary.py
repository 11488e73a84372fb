"""Writes the dictionary that records are packed with: three records of the small shop.

PYTHONPATH=tests python -m support.packing_dictionary

One for nobody, one of a visit, and one of a customer's past: what is last is cheapest to refer to. The
shop, its customers and all numbers are made up. A dictionary that has been released is never written
again; see `guardrails/log/packing.py`.
"""

from __future__ import annotations

import random
from importlib.resources import files
from pathlib import Path

from support.shops import (
    EVERYTHING,
    STORAGE,
    a_catalogue,
    a_house,
    a_ledger,
    a_request,
    decided,
    did,
    just_did,
    knowing,
    on_page,
    recorded,
    sections_of,
    was_shown,
)

from api.policies.shipped import shipped_policy
from guardrails.house import House
from guardrails.log.packing import DICTIONARY
from guardrails.policy.compiled import house_rules
from guardrails.request import Choices, Known, Request
from guardrails.rules import CATALOGUE


def dictionary() -> bytes:
    """Return the text, always the same for the same code."""
    draw, items = random.Random(7), a_catalogue().item_ids
    past = [did(draw.choice(items), age_days=draw.randint(1, 300)) for _ in range(30)]
    visit = [just_did(draw.choice(items)) for _ in range(4)]
    known = knowing(past, visit, [was_shown(draw.choice(items)) for _ in range(10)])
    return b"\n".join(
        (
            _text(a_request(), Choices(a_ledger()), Known.nothing()),
            _text(a_request("product_page", context=on_page("milk-0")), Choices(a_ledger(STORAGE)), known),
            _text(a_request(count=6), Choices(a_ledger(*EVERYTHING)), known),
        )
    )


def _text(request: Request, choices: Choices, known: Known) -> bytes:
    house = _house()
    record = recorded(decided(request, choices, known, house), request, known, house)
    return b"\n".join(sections_of(record).values())


def _house() -> House:
    policy = shipped_policy()
    return a_house(policy.limits, n_considered=50, rules=(*CATALOGUE, *house_rules(policy)[0]))


if __name__ == "__main__":
    Path(str(files("guardrails.log").joinpath(DICTIONARY))).write_bytes(dictionary())
