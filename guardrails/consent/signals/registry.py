"""The signals that can be read, by kind."""

from __future__ import annotations

from collections.abc import Callable

from guardrails.consent.signals.reading import Reading, SignalSettings
from guardrails.errors import SignalError

SIGNALS: dict[str, Callable[[object, SignalSettings], Reading]] = {}
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
