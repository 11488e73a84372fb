"""Drafts of policies as examples write them: only what an example is about, the rest filled in."""

from __future__ import annotations

from api.policies.model import read_policy

EVERY_RULE = {
    "title": "Something the shop wants",
    "rationale": "It is kinder.",
    "owner": "customer-care",
    "review_by": "2027-06-01",
    "customer_sentence": "We hold this back for you.",
}


def filled(draft):
    """A draft with a name, and rules that say of themselves what every rule has to."""
    rules = [EVERY_RULE | rule for rule in draft.get("rules", ())]
    return {"policy": "house", **draft, **({"rules": rules} if rules else {})}


def read(draft):
    """The policy that a draft says; its rules have to stand by id."""
    return read_policy(filled(draft))
