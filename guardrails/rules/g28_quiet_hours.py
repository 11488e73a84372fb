"""G28: nothing rings or buzzes at night."""

from __future__ import annotations

import numpy as np

from engine.vocabulary import Channel
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits, QuietLimits
from guardrails.rules.base import NOT_COUNTED, Effect, Judgement, Rule, Unit, View, silent

_RINGING = (Channel.PUSH, Channel.SMS, Channel.PHONE)
_DAY_MINUTES = 24 * 60


class QuietHours(Rule):
    """Block push messages, SMS and calls while it is night where the customer is.

    The quiet time lasts from ``quiet.from_minute`` up to, not including, ``quiet.to_minute`` of the
    customer's own day, over midnight where the first is the later one. Where both are the same it
    lasts all day round: of two readings the one that keeps still. On these channels an unknown local
    time is a gap, which withholds. Other channels wait silently until they are opened, and no clock
    is asked for there.

    Observed: minutes until the quiet is over, -1 where nobody knows; limit: 0.
    """

    id = "G28"
    name = "QUIET_HOURS"
    locked = False
    reason_code = ReasonCode.QUIET_HOURS
    sentence = "It is late where you are, or we do not know; this can wait."
    ground = "Langer & König 2018: contact at night"
    unit = Unit.MINUTES

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether nothing rings."""
        return view.request.channel not in _RINGING

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say whether it is too late to ring; the same of every candidate."""
        n = len(view)
        if self.is_silent(view, limits):
            return silent(n)
        minute = view.request.local_minute
        if minute is None:
            effect, left = Effect.GAP, NOT_COUNTED
        else:
            left = quiet_left(minute, limits.quiet)
            effect = Effect.BLOCK if left else Effect.ALLOW
        return Judgement.of(np.full(n, effect, np.int8), np.full(n, left, np.int64), 0)


def quiet_left(minute: int, quiet: QuietLimits) -> int:
    """Return how many minutes of quiet are left at a minute of the day, 0 where it is not quiet.

    >>> quiet_left(23 * 60, QuietLimits(from_minute=21 * 60, to_minute=8 * 60))
    540
    >>> quiet_left(12 * 60, QuietLimits(from_minute=21 * 60, to_minute=8 * 60))
    0
    """
    lasts = (quiet.to_minute - quiet.from_minute - 1) % _DAY_MINUTES + 1
    since = (minute - quiet.from_minute) % _DAY_MINUTES
    return max(lasts - since, 0)
