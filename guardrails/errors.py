"""Everything the guardrails can raise on purpose.

    GuardrailError
    ├── UnknownPurposeError   a purpose key that the register does not hold
    ├── ConsentEventError     a consent event that cannot be understood
    ├── SignalError           a consent signal from outside that cannot be read
    ├── PolicyError           a policy document that cannot be used
    │   └── TooTangledError   a policy whose conditions cannot be told apart in reasonable time
    ├── SensitiveMarkError    a sensitive class or tier that does not exist
    ├── UnknownOccasionError  an occasion that does not exist
    ├── RecordError           a decision that cannot be written as canonical bytes
    └── LogError              something that has no place in the log: its tree, tiles, notes or receipts

Messages are lower case and never hold a customer id, a history or a key.
"""

from __future__ import annotations


class GuardrailError(Exception):
    """Base of every error the guardrails raise on purpose."""


class UnknownPurposeError(GuardrailError):
    """A purpose key that the register does not hold."""


class ConsentEventError(GuardrailError):
    """A consent event that cannot be understood."""


class SignalError(GuardrailError):
    """A consent signal from outside that cannot be read; the message never quotes it."""


class PolicyError(GuardrailError):
    """A policy document that cannot be used."""


class TooTangledError(PolicyError):
    """A policy whose conditions cannot be told apart in reasonable time."""


class SensitiveMarkError(GuardrailError):
    """A sensitive class or tier that does not exist."""


class UnknownOccasionError(GuardrailError):
    """An occasion that does not exist."""


class RecordError(GuardrailError):
    """A decision that cannot be written as canonical bytes."""


class LogError(GuardrailError):
    """Something that has no place in the log: in its tree, tiles, notes, checkpoints or receipts."""
