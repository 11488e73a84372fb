"""Guessing passwords gets slower and slower, by name and by address, whichever process is asked.

Every attempt is counted in the database before the password is looked at, so that a thousand at once are a
thousand. What is typed as a name is counted whether or not there is such an account: what is told, and
when, is the same for both. After a few free attempts each further one has to wait twice as long as the one
before, up to a quarter of an hour; attempts that come too early are refused unread, and lengthen nothing.

Nobody is shut out for good:

* a wait is never longer than ``LONGEST_WAIT_S``, and a day after the last attempt all is forgotten;
* getting in begins the count of a name at nothing, and takes back what it had counted for the address;
* a browser that somebody has signed in with before is counted by itself for them: whoever keeps guessing at
  a name elsewhere, or from the same address, does not make its owner wait there;
* ``tactful accounts password`` begins the count of a name at nothing too.

A name can be tried about a hundred times a day, an address gets about as many attempts beyond the free
ones: with passwords of at least twelve characters, of which the usual ones are refused, that is no way in.

Names and addresses are stored as keyed digests (``Subjects.attempt``) alone, and nothing of them is logged.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address

from sqlalchemy import Connection

from api.languages import say, say_how_many
from api.storage.accounts import folded
from api.storage.connection import writing
from api.storage.sign_in_failures import (
    count_attempt,
    forget_failures,
    hold_failures,
    remove_failures,
    uncount_attempt,
)
from api.storage.subjects import Subjects
from api.wiring import Wiring
from guardrails.messages import Phrase

FREE_BY_NAME = 5
"""Attempts at a name that need not wait."""

FREE_BY_ADDRESS = 20
"""Attempts from an address that need not wait: several people may share one."""

LONGEST_WAIT_S = 900

_MINUTE_S = 60

_NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has all of its network."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody tries to sign in.

    Attributes:
        name_key: under which attempts at the name are counted, by anybody or by this browser alone.
        address_key: under which attempts from the address are counted; ``None`` for a browser that is known.
        wait_s: so long they have to wait first, in seconds; 0 for those who may try.
    """

    name_key: bytes
    address_key: bytes | None
    wait_s: int = 0

    @property
    def keys(self) -> list[bytes]:
        """Everything that it is counted under."""
        return [self.name_key, *(() if self.address_key is None else (self.address_key,))]


def begin_attempt(found: Wiring, name: str, address: str | None, browser: str | None = None) -> Attempt:
    """Count an attempt to sign in, unless it comes too early.

    Args:
        found: the collaborators.
        name: what was typed.
        address: of the client; ``None`` where it is not known.
        browser: id of a browser that this name has been signed in with before.
    """
    now_ms = found.clock()
    attempt = _attempt(found.subjects, name, address, browser)
    with writing(found.engine) as conn:
        remove_failures(conn, now_ms)
        counted = hold_failures(conn, attempt.keys, now_ms)
        free = (FREE_BY_NAME, FREE_BY_ADDRESS)
        waits_ms = [
            each.last_at_ms + wait_ms(each.n, n_free) - now_ms
            for each, n_free in zip(counted, free, strict=False)
        ]
        if max(waits_ms) > 0:
            wait_s = -(-max(waits_ms) // 1000)
            return Attempt(attempt.name_key, attempt.address_key, wait_s)
        count_attempt(conn, attempt.keys, now_ms)
    return attempt


def succeed(found: Wiring, attempt: Attempt) -> None:
    """Take back what was counted of an attempt that led in, and all that was counted of its name."""
    with writing(found.engine) as conn:
        forget_failures(conn, attempt.name_key)
        if attempt.address_key is not None:
            uncount_attempt(conn, attempt.address_key)


def forgive(conn: Connection, subjects: Subjects, name: str) -> None:
    """Begin the count of a name at nothing."""
    forget_failures(conn, _attempt(subjects, name, None, None).name_key)


def too_many(wait_s: int) -> str:
    """Return what somebody is told who has to wait, in the language of the page."""
    wait = (
        say_how_many(wait_s, "{n} second", "{n} seconds")
        if wait_s < _MINUTE_S
        else say_how_many(-(-wait_s // _MINUTE_S), "{n} minute", "{n} minutes")
    )
    return say(Phrase("there were too many attempts: wait {wait}, then try again", wait=wait))


def wait_ms(n: int, n_free: int) -> int:
    """Return how long after the last of ``n`` attempts the next may come, in milliseconds.

    >>> [wait_ms(n, 5) // 1000 for n in (4, 5, 6, 7, 14, 15, 1000)]
    [0, 1, 2, 4, 512, 900, 900]
    """
    if n < n_free:
        return 0
    doubled = min(n - n_free, LONGEST_WAIT_S.bit_length())  # no number gets longer than it has to
    return min(1 << doubled, LONGEST_WAIT_S) * 1000


def _attempt(subjects: Subjects, name: str, address: str | None, browser: str | None) -> Attempt:
    if browser is not None:
        return Attempt(subjects.attempt(f"browser {browser} {folded(name)}"), None)
    return Attempt(subjects.attempt(f"name {folded(name)}"), subjects.attempt(f"address {_network(address)}"))


def _network(address: str | None) -> str:
    """Return what a client has in common with all that it can pretend to be."""
    try:
        found = ip_address(address or "")
    except ValueError:  # a socket file, or nothing that is known
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found), _NETWORK_BITS), strict=False))
