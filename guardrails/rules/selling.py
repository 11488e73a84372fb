"""What several rules mean by "selling on", and the consent questions G01, G02 and G03 share."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Intent
from guardrails.consent.permission import Denial, Permission
from guardrails.consent.purposes import outreach_key
from guardrails.rules.base import View


def sells_on(view: View) -> NDArray[np.bool_]:
    """Return where a candidate is an upsell or a cross-sell; bool, shape (n,)."""
    # NumPy compares with a plain number several times faster than with an enum member.
    return np.asarray((view.intent == Intent.UPSELL.value) | (view.intent == Intent.CROSS_SELL.value))


def is_outbound(view: View) -> bool:
    """Whether the shop speaks first on the request's channel, on the pages of others too."""
    return outreach_key(view.request.channel) is not None


def has_every_consent(view: View) -> bool:
    """Tell whether no consent is missing: nobody speaks first, and history may be used or moved nothing."""
    if is_outbound(view):
        return False
    admission = view.admission
    return bool(admission.may_read_history and admission.offers) or not np.count_nonzero(view.from_history)


def refused(view: View, among: Collection[Denial]) -> NDArray[np.bool_]:
    """Return which candidates lack a consent they need for one of these reasons; bool, shape (n,).

    Three things need one: speaking first on a channel (every candidate, and where the law lets the
    shop write to its buyers, every one that is not like what they bought), history as evidence,
    and an upsell or cross-sell moved by history. A permission that was never asked is pending.

    Args:
        view: the candidates.
        among: the denials that count; the others are another rule's to tell.
    """
    admission = view.admission
    missing = np.zeros(len(view), np.bool_)
    if is_outbound(view) and not admission.outreach and _denial(admission.outreach) in among:
        missing[:] = True
    if is_outbound(view) and Denial.NOT_COVERED_CATEGORY in among:
        missing |= view.outside_outreach
    if not admission.may_read_history and _denial(admission.history) in among:
        missing |= view.from_history
    if not admission.offers and _denial(admission.offers) in among:
        missing |= view.from_history & sells_on(view)
    return missing


def _denial(permission: Permission | None) -> Denial:
    """Why a purpose is not served; pending where nobody asked, or where it stands but is not used."""
    return Denial.PENDING if permission is None or permission.because is None else permission.because
