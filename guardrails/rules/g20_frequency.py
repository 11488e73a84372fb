"""G20: the shop does not speak all the time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Effect, Judgement, Rule, Unit, View
from guardrails.rules.selling import is_outbound, sells_on

_Cap = tuple[NDArray[np.bool_], int, int, Effect]
"""Whom a cap is for, how often it happened, how often it may, and what follows when nobody counted."""


class Frequency(Rule):
    """Cap what interrupts, what sells on inside the page, and what the shop sends.

    An interruptive placement and an outbound channel are capped as a whole; inside the page only
    upsells and cross-sells count. A negative count means that nobody could count: interrupting and
    sending are then withheld as a gap, since the promise cannot be kept blindly, while inline
    suggestions go on. The cap per page is kept where the slate is composed.

    Observed: how often it already happened; limit: how often it may. Blocked where observed is not
    below the limit. Where no cap applies both are 0.
    """

    id = "G20"
    name = "FREQUENCY"
    locked = False
    reason_code = ReasonCode.FREQ_CAP
    sentence = "We have made enough suggestions for now."
    ground = "UCPD annex I no 26; Goldfarb & Tucker 2011; trade surveys (weak)"
    unit = Unit.COUNT

    def is_silent(self, view: View, limits: Limits) -> bool:
        """Tell whether only what sells on inside the page could be too much, and is not."""
        if view.request.placement.interruptive or is_outbound(view):
            return False
        return view.n_selling == 0 or view.n_inline_upsells_session < limits.frequency.inline_session

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say where the shop has spoken often enough; the first cap that is reached is named."""
        effect = np.zeros(len(view), np.int8)
        observed = np.zeros(len(view), np.int64)
        limit = np.zeros(len(view), np.int64)
        for whom, n_happened, n_allowed, uncounted in _caps(view, limits):
            reached = (
                uncounted if n_happened < 0 else Effect.BLOCK if n_happened >= n_allowed else Effect.ALLOW
            )
            open_still = whom & (effect == Effect.ALLOW.value)
            effect[open_still] = reached.value
            observed[open_still] = n_happened
            limit[open_still] = n_allowed
        return Judgement.of(effect, observed, limit)


def _caps(view: View, limits: Limits) -> Iterator[_Cap]:
    frequency = limits.frequency
    everything = np.ones(len(view), np.bool_)
    if view.request.placement.interruptive:
        yield everything, view.n_interruptive_week, frequency.interruptive_week, Effect.GAP
        yield everything, view.n_interruptive_session, frequency.interruptive_session, Effect.GAP
    if is_outbound(view):
        yield everything, view.n_outbound_week, frequency.outbound_week, Effect.GAP
        yield everything, view.n_outbound_day, frequency.outbound_day, Effect.GAP
    elif not view.request.placement.interruptive:
        yield sells_on(view), view.n_inline_upsells_session, frequency.inline_session, Effect.ALLOW
