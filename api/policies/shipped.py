"""The house policy that ships: in force where no other was put in force."""

from __future__ import annotations

from functools import cache
from importlib import resources

from api.policies.model import read_policy
from api.policies.text import Form, read_text
from guardrails.policy.language import Policy


@cache
def shipped_policy() -> Policy:
    """Return the house policy that ships; it stands as text beside the charter.

    Raises:
        PolicyDocumentError: it was changed, and cannot be read.
    """
    text = resources.files("guardrails.policy").joinpath("house.yaml").read_bytes()
    return read_policy(read_text(text, Form.YAML).plain)
