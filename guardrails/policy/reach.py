"""How far a recorded slate reached, so that what changes beyond that need not be composed again.

A slate is filled from the best candidate down until it is full. Candidates after the last one shown were
never asked about; the rules of a whole list see of them only how many sell nothing on, and their categories
(``guardrails.rules.slate.base.Draft``). A slate is the recorded one where nothing else changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from guardrails.policy.again import SLATE_LIMITS, Hearing, Said, changed_limits
from guardrails.policy.language import Policy
from guardrails.policy.limits import Limits
from guardrails.policy.merged import rows_of
from guardrails.policy.retained import Retained
from guardrails.rules.slate.base import SELLING

_Rows = NDArray[np.int64]


def affected(hearing: Hearing, said: Said, policy: Policy) -> NDArray[np.bool_]:
    """Return which rounds a policy may compose another slate of than was recorded; shape (n_rounds,).

    Those of which a candidate that may matter is withheld or ranked in another way, and those that a limit
    of a whole list that differs can matter to: caps on what sells need something that sells, the rest a
    list that is not bound to certain categories.
    """
    kept, then = hearing.kept, hearing.recorded
    found = np.zeros(kept.n_rounds, np.bool_)
    if said is not then:
        open_still = ~(said.withheld & then.withheld)
        moved = (said.withheld != then.withheld) | (open_still & (said.rank_score != then.rank_score))
        found = reached(kept, then, said, np.flatnonzero(moved), policy.limits)
    for era in hearing.eras:
        changed = SLATE_LIMITS
        if era.policy is not None:
            changed = SLATE_LIMITS.intersection(changed_limits(era.policy.limits, policy.limits))
        if any(section == "variety" and name != "selling_share_micro" for section, name in changed):
            found[era.rounds] |= ~kept["category_bound"][era.rounds]
        if any(section != "variety" or name == "selling_share_micro" for section, name in changed):
            found[era.rounds] |= _sells(kept)[era.rounds]
    return found


def _sells(kept: Retained) -> NDArray[np.bool_]:
    found = np.zeros(kept.n_rounds, np.bool_)
    found[kept.round_of_candidate[np.isin(kept["intent"], SELLING)]] = True
    return found


def reached(kept: Retained, then: Said, now: Said, moved: _Rows, limits: Limits) -> NDArray[np.bool_]:
    """Return which rounds may hold another slate because of candidates that were moved; shape (n_rounds,).

    Args:
        kept: the decisions.
        then: what was said of the candidates when their slates were recorded.
        now: what is said of them.
        moved: shape (k,): candidates that are withheld now and were not, the other way round, or ranked in
            another way.
        limits: the numbers that slates are composed by, then and now.
    """
    found = np.zeros(kept.n_rounds, np.bool_)
    round_of, last = kept.round_of_candidate, _last_shown(kept)
    last_of_moved = last[round_of[moved]]
    near = last_of_moved < 0
    for said in (then, now):
        near |= ~said.withheld[moved] & ~_is_after(said, moved, last_of_moved)
    found[round_of[moved[near]]] = True
    beyond = moved[~near & (then.withheld[moved] != now.withheld[moved])]
    others = np.unique(round_of[beyond[~np.isin(kept["intent"][beyond], SELLING)]])
    others = others[~found[others]]
    found[others] = _seen_from_afar(kept, (then, now), others, last, limits)
    return found


def _last_shown(kept: Retained) -> NDArray[np.int64]:
    """Return the last candidate of the slate of each round, -1 where it was not full; shape (n_rounds,)."""
    whose = kept.decision_of_round[kept.round_of_candidate[kept["shown_row"]]]
    end = np.searchsorted(whose, np.arange(len(kept)), side="right")
    full = np.flatnonzero(np.bincount(whose, minlength=len(kept)) >= kept["count"])
    found = np.full(kept.n_rounds, -1, np.int64)
    found[kept["round_ptr"][1:][full] - 1] = kept["shown_row"][end[full] - 1]
    return found


def _is_after(said: Said, row: _Rows, other: _Rows) -> NDArray[np.bool_]:
    """Tell which candidates rank after others of theirs."""
    score, of_other = said.rank_score[row], said.rank_score[other]
    return np.asarray((score < of_other) | ((score == of_other) & (row > other)))


def _seen_from_afar(
    kept: Retained, both: tuple[Said, Said], rounds: NDArray[Any], last: _Rows, limits: Limits
) -> NDArray[np.bool_]:
    """Tell in which rounds the rules of a list may see that what was not reached has changed; shape (k,)."""
    rows = rows_of(kept, rounds)
    place = np.repeat(np.arange(rounds.size), np.diff(kept["cand_ptr"])[rounds])
    count = kept["count"][kept.decision_of_round[rounds]]
    others = ~np.isin(kept["intent"][rows], SELLING)
    category = kept["category"][rows].astype(np.int64)
    width = int(category.max(initial=0)) + 1
    n_others, ahead = [], []
    for said in both:
        is_open = others & ~said.withheld[rows]
        n_others.append(np.minimum(np.bincount(place[is_open], minlength=rounds.size), count))
        known = is_open & (category >= 0) & _is_after(said, rows, last[rounds][place])
        ahead.append(place[known] * width + category[known])
    found = n_others[0] != n_others[1]  # beyond the size of the slate it does not matter how many
    asked = ~kept["category_bound"][rounds]
    asked &= (count >= limits.variety.from_count) | (kept["recent_category"][rounds] >= 0)
    differs = np.zeros(rounds.size, np.bool_)
    differs[np.setxor1d(ahead[0], ahead[1]) // width] = True
    return np.asarray(found | (differs & asked))
