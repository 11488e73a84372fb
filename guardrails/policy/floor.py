"""The floor under every policy: what nobody may loosen stays at least as strict as it ships.

Drafts that would go below it are refused. One that was in force before may come to lie below it all the
same, when an upgrade raises the floor. It goes on serving, held to the floor: to refuse it would leave
the shop either without a policy or with what it said before, which is looser still.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guardrails.policy.directions import DIRECTIONS, WRITTEN, Loosening
from guardrails.policy.limits import Limits


def below_floor(limits: Limits) -> tuple[str, ...]:
    """Return the written names of locked limits that are looser than they ship."""
    shipped = Limits()
    return tuple(
        written
        for written, (section, name) in WRITTEN.items()
        if DIRECTIONS[section, name].loosening is Loosening.NEVER
        and DIRECTIONS[section, name].is_looser(
            getattr(getattr(limits, section), name), getattr(getattr(shipped, section), name)
        )
    )


def held_to_floor(limits: Limits) -> Limits:
    """Return the limits with every locked one that is looser than it ships as it ships."""
    shipped, sections = Limits(), dict[str, Any]()
    for written in below_floor(limits):
        section, name = WRITTEN[written]
        held = sections.get(section, getattr(limits, section))
        sections[section] = replace(held, **{name: getattr(getattr(shipped, section), name)})
    return replace(limits, **sections)
