"""Which customers an experiment is made with: a share of them, and always the same ones.

A customer's place among all of them is a number that follows from the name of the experiment and the
customer's pseudonym, and from nothing else: nothing is stored, drawn or learned, and two experiments share
out customers independently of each other. The pseudonym is a keyed digest of its own, so nobody without the
shop's key can tell who is where. Whoever is below the share gets the challenger, so raising the share only
ever moves customers to it.

What is shared out are subjects. An account is in the same arm on every device. Who is not logged in is in
the arm of the device, else of the visit, and may change arms by logging in: to keep them in one, the visit
would have to be told of the account. Who did not agree to be measured is in no experiment, and has what
everybody else has: the champion (``guardrails.measuring``).
"""

from __future__ import annotations

import hashlib

from guardrails.house import Arm
from guardrails.policy.charter import MICRO

_DOMAIN = b"tactful arm\x00"
_BITS = 64


def arm_of(experiment: str, share_micro: int, subject_key: bytes | None) -> Arm:
    """Return the arm of a subject.

    Args:
        experiment: its name: the version of the policy, else of the model, that challenges.
        share_micro: share of subjects that get the challenger, in millionths.
        subject_key: pseudonym; ``None`` for nobody known and for who is in no experiment, who get the
            champion.
    """
    if subject_key is None:
        return Arm.CHAMPION
    digest = hashlib.sha256(_DOMAIN + experiment.encode() + b"\x00" + subject_key).digest()
    place = int.from_bytes(digest[: _BITS // 8], "big")
    return Arm.CHALLENGER if place * MICRO < share_micro << _BITS else Arm.CHAMPION
