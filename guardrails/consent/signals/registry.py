"""The signals that can be read, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from guardrails.consent.signals.adpc import read_adpc
from guardrails.consent.signals.consent_mode import read_consent_mode
from guardrails.consent.signals.gpp import read_gpp
from guardrails.consent.signals.ketch import read_ketch
from guardrails.consent.signals.reading import Reading, SignalSettings
from guardrails.consent.signals.shopify import read_shopify
from guardrails.consent.signals.tcf import read_tcf
from guardrails.consent.signals.xdm import read_xdm
from guardrails.errors import SignalError

SIGNALS: Mapping[str, Callable[[object, SignalSettings], Reading]] = {
    "tcf": read_tcf,
    "gpp": read_gpp,
    "consent_mode": read_consent_mode,
    "shopify": read_shopify,
    "xdm": read_xdm,
    "ketch": read_ketch,
    "adpc": read_adpc,
}
"""The decoder of each kind of signal."""


def read_signal(kind: str, value: object, *, settings: SignalSettings) -> Reading:
    """Read a signal of a kind.

    Args:
        kind: one of ``SIGNALS``.
        value: the signal as it was received: a text, or a JSON object as a ``dict``.
        settings: what the shop says about its signals.

    Raises:
        SignalError: there is no such kind, or the value is not a well-formed signal of it.
    """
    if kind not in SIGNALS:
        raise SignalError("unknown kind of signal")
    return SIGNALS[kind](value, settings)
