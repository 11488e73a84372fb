"""Which customers a challenger is tried on: a share of them, and always the same ones.

A customer's place among all of them is a number that follows from the challenger's version and the
customer's pseudonym, and from nothing else: nothing is stored, drawn or learned, and two challengers share
out customers independently of each other. Whoever is below the share gets the challenger, so raising the
share only ever moves customers to it.

What is shared out are subjects. An account is in the same arm on every device. Who is not logged in is in
the arm of the device, else of the visit, and may change arms by logging in: to keep them in one, the visit
would have to be told of the account.
"""

from __future__ import annotations

import hashlib

from guardrails.house import Arm
from guardrails.policy.charter import MICRO

_DOMAIN = b"tactful arm\x00"
_BITS = 64


def arm_of(version: str, share_micro: int, subject_key: bytes | None) -> Arm:
    """Return the arm of a subject.

    Args:
        version: SHA-256 of the challenger's document.
        share_micro: share of subjects that it is in force for, in millionths.
        subject_key: pseudonym; ``None`` where nobody is known, which is always the champion's.
    """
    if subject_key is None:
        return Arm.CHAMPION
    digest = hashlib.sha256(_DOMAIN + version.encode() + b"\x00" + subject_key).digest()
    place = int.from_bytes(digest[: _BITS // 8], "big")
    return Arm.CHALLENGER if place * MICRO < share_micro << _BITS else Arm.CHAMPION
