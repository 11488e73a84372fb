"""What several rules mean by "selling on", and the consent questions G01 and G02 share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Intent
from guardrails.consent.permission import Denial, Permission
from guardrails.consent.purposes import OUTBOUND
from guardrails.rules.base import View

ENDED_BY_CUSTOMER = (Denial.WITHDRAWN, Denial.OBJECTED)
"""Denials that are the customer's own "no more", as against a "yes" that was never given."""


def sells_on(view: View) -> NDArray[np.bool_]:
    """Return where a candidate is an upsell or a cross-sell; bool, shape (n,)."""
    # NumPy compares with a plain number several times faster than with an enum member.
    return np.asarray((view.intent == Intent.UPSELL.value) | (view.intent == Intent.CROSS_SELL.value))


def is_outbound(view: View) -> bool:
    """Whether the shop speaks first on the request's channel."""
    return view.request.channel in OUTBOUND


def refused(view: View, *, ended_by_customer: bool) -> NDArray[np.bool_]:
    """Return which candidates lack a consent they need; bool, shape (n,).

    Three things need one: speaking first on a channel (every candidate, and where the law lets the
    shop write to its buyers, every one that is not like what they bought), history as evidence,
    and an upsell or cross-sell moved by history. A permission that was never asked counts as missing.

    Args:
        view: the candidates.
        ended_by_customer: count only what the customer withdrew or objected to, or only the rest.
    """
    admission = view.admission
    missing = np.zeros(len(view), np.bool_)
    if is_outbound(view) and _lacks(admission.outreach, ended_by_customer=ended_by_customer):
        missing[:] = True
    if is_outbound(view) and not ended_by_customer:
        missing |= view.outside_outreach
    if not admission.may_read_history and _ended(admission.history) is ended_by_customer:
        missing |= view.from_history
    if _lacks(admission.offers, ended_by_customer=ended_by_customer):
        missing |= view.from_history & sells_on(view)
    return missing


def _lacks(permission: Permission | None, *, ended_by_customer: bool) -> bool:
    return not permission and _ended(permission) is ended_by_customer


def _ended(permission: Permission | None) -> bool:
    return permission is not None and permission.because in ENDED_BY_CUSTOMER
