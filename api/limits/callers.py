"""How much each caller may ask for: a key, a customer, an address.

Who is told of a limit that holds for them sees how they stand on every answer (RateLimit header fields for
HTTP, draft-ietf-httpapi-ratelimit-headers-09), and after it ``429`` with ``Retry-After``.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import NamedTuple, NoReturn

from flask import Flask, Response, g

from api.errors import TooManyRequestsError
from api.limits.days import Days
from api.limits.rates import NS_PER_S, Rate, Rates, Taken
from api.limits.settings import LimitSettings
from api.limits.watching import Watching
from api.storage.api_keys import KeyRow

POLICY, STANDING = "RateLimit-Policy", "RateLimit"

_GUESSES = "guesses"
_DAY_S = 86_400
_NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has all of its network."""


class _Shown(NamedTuple):
    """A limit, and how its caller stands, as header fields tell it."""

    policy: str
    standing: str


class Limits:
    """Counts what callers ask for.

    Args:
        settings: how much that may be.
        rates: how fast they have asked.
        days: what keys have asked for today.
        watching: who counts what is refused.
    """

    def __init__(self, settings: LimitSettings, rates: Rates, days: Days, watching: Watching) -> None:
        self._settings = settings
        self._rates = rates
        self._days = days
        self._watching = watching

    def take_of_key(self, key: KeyRow, before_waiting: Callable[[], None]) -> None:
        """Count a request with a key.

        Args:
            key: which.
            before_waiting: lets go of what nobody may hold while they wait for the database to be written.

        Raises:
            TooManyRequestsError: it may not ask now.
        """
        default = self._settings
        per_second = default.key_per_second if key.n_per_second is None else key.n_per_second
        if per_second:
            at_once = default.key_at_once if key.n_at_once is None else key.n_at_once
            self._take(f"key {key.key_id}", Rate(per_second, at_once))
        per_day = default.key_per_day if key.n_per_day is None else key.n_per_day
        if per_day:
            self._take_of_day(key.key_id, per_day, before_waiting)

    def take_of_customer(self, customer_id: str) -> None:
        """Count a request of a customer's own.

        Raises:
            TooManyRequestsError: the customer may not ask now.
        """
        if self._settings.customer_per_second:
            rate = Rate(self._settings.customer_per_second, self._settings.customer_at_once)
            self._take(f"customer {customer_id}", rate)

    def take_of_address(self, address: str | None) -> None:
        """Count a request of somebody who is not known, and does not say who they are.

        Addresses that are not of the public internet say nothing of who asks: that is the shop's own network,
        or a proxy of which the settings do not tell.

        Raises:
            TooManyRequestsError: nobody may ask from there now.
        """
        bucket = self._bucket("address", address)
        if bucket is not None:
            self._take(*bucket)

    def take_of_guess(self, address: str | None) -> None:
        """Count a request with a key or a token that is not in force.

        Apart from those that say nothing of who asks: who looks at pages, however many of them share an
        address with a shop's backend, keeps no key from being looked up.

        Raises:
            TooManyRequestsError: no more may be guessed from there now.
        """
        bucket = self._bucket(_GUESSES, address)
        if bucket is not None:
            self._take(*bucket)

    def refuse_guesses(self, address: str | None) -> None:
        """Refuse what may be a guess where too many came from; nothing is counted.

        Raises:
            TooManyRequestsError: no more may be guessed from there now.
        """
        bucket = self._bucket(_GUESSES, address)
        if bucket is not None:
            taken = self._rates.look(*bucket)
            if not taken.is_allowed:
                self._refuse(bucket[1], taken)

    def close(self) -> None:
        """Let go of what is counted."""
        self._rates.close()

    def _bucket(self, what: str, address: str | None) -> tuple[str, Rate] | None:
        network = _public_network(address)
        if network is None or not self._settings.address_per_second:
            return None
        return f"{what} {network}", Rate(self._settings.address_per_second, self._settings.address_at_once)

    def _take(self, caller: str, rate: Rate) -> None:
        taken = self._rates.take(caller, rate)
        if not taken.is_allowed:
            self._refuse(rate, taken)
        _show_burst(rate, taken)

    def _refuse(self, rate: Rate, taken: Taken) -> NoReturn:
        _show_burst(rate, taken)
        self._watching.count_refused("too-fast")
        raise TooManyRequestsError(
            "more was asked for than is allowed in so short a time",
            wait_s=max(1, _seconds(taken.wait_ns)),
        )

    def _take_of_day(self, key_id: str, n_per_day: int, before_waiting: Callable[[], None]) -> None:
        taken = self._days.take(key_id, n_per_day, before_waiting)
        _show("day", n_per_day, _DAY_S, taken.n_left, taken.reset_s)
        if not taken.is_allowed:
            self._watching.count_refused("day-used-up")
            raise TooManyRequestsError("what this key may ask for on a day is used up", wait_s=taken.reset_s)


def tell_limits(app: Flask) -> None:
    """Say on every answer which limits hold for its caller, and how they stand."""
    app.after_request(_tell)


def _tell(answer: Response) -> Response:
    shown: list[_Shown] | None = g.get("limits")
    if shown:
        answer.headers[POLICY] = ", ".join(each.policy for each in shown)
        answer.headers[STANDING] = ", ".join(each.standing for each in shown)
    return answer


def _show_burst(rate: Rate, taken: Taken) -> None:
    window_s = -(-rate.at_once // rate.per_second)
    _show("burst", rate.at_once, window_s, taken.n_left, _seconds(taken.full_in_ns))


def _show(name: str, n_most: int, window_s: int, n_left: int, reset_s: int) -> None:
    shown: list[_Shown] = g.setdefault("limits", [])
    shown.append(_Shown(f'"{name}";q={n_most};w={window_s}', f'"{name}";r={n_left};t={reset_s}'))


def _seconds(ns: int) -> int:
    return -(-ns // NS_PER_S)


def _public_network(address: str | None) -> str | None:
    """Return what a client of the internet has in common with all that it can pretend to be."""
    try:
        found = ip_address(address or "")
    except ValueError:  # a socket file, or nothing that is known
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if not found.is_global:
        return None
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found), _NETWORK_BITS), strict=False))
    return str(found)
