"""G33: who the model knows too little of is not spoken to as if it knew them."""

from __future__ import annotations

import numpy as np

from engine.vocabulary import Basis
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, blocked_where, silent


class OutsideTheBox(Rule):
    """Block a whole step of the ladder that rests on a person of whom too little is known.

    On the steps that rest on history or on this visit there must be ``knowledge.min_pieces`` pieces of
    the person's own evidence that enough customers stand behind, buying again among them; the page and
    the basket say nothing of the person and do not count. And the best candidate must reach the score
    from which on the model was measured to be of use: the best that is new, if any is, because that is
    what was measured. Otherwise every candidate of the step is blocked, and the ladder goes on to the next
    by itself. A model that was not measured has a floor of 0, which everything reaches. On the page, and
    for what sells well, the rule is silent.

    Observed: the pieces; limit: how many there must be. Where only the score falls short, both are
    scores in the model's own unit. Blocked where observed is below the limit.
    """

    id = "G33"
    name = "OUTSIDE_THE_BOX"
    locked = True
    reason_code = ReasonCode.KNOWS_TOO_LITTLE
    sentence = "We know too little of you to pick something for you personally."
    ground = "GDPR 5(1)(a) and 5(1)(d): fair and accurate"
    unit = Unit.COUNT

    def is_silent(self, view: View, limits: Limits) -> bool:
        """Tell whether enough is known, or nothing rests on the person."""
        if view.basis < Basis.SESSION:
            return True
        return view.n_supported >= limits.knowledge.min_pieces and view.top_score >= view.usefulness_floor

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say whether too little is known; the same of every candidate."""
        n = len(view)
        if view.basis < Basis.SESSION:
            return silent(n)
        observed, limit = view.n_supported, limits.knowledge.min_pieces
        if observed >= limit and view.top_score < view.usefulness_floor:
            observed, limit = view.top_score, view.usefulness_floor
        too_little = np.full(n, observed < limit)
        return Judgement.of(blocked_where(too_little), np.full(n, observed, np.int64), limit)
