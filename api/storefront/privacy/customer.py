"""The customer whose pages these are."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from api.auth import calling_customer
from api.errors import UnauthenticatedError
from api.wiring import Wiring, wiring
from guardrails.consent.signals.gpc import gpc_from_header


@dataclass(frozen=True, slots=True, eq=False)
class Customer:
    """Whom this request is from.

    Attributes:
        customer_id: the shop's key; it stands in no address, no page and no log.
        key: the pseudonym.
        gpc: the browser sends ``Sec-GPC: 1``.
        found: the shop.
        now_ms: the clock, milliseconds since the epoch.
    """

    customer_id: str
    key: bytes
    gpc: bool
    found: Wiring
    now_ms: int


def this_customer() -> Customer:
    """Return the customer of this session.

    Raises:
        UnauthenticatedError: there is none.
    """
    customer_id = calling_customer()
    if customer_id is None:
        raise UnauthenticatedError("follow the link of the shop first")
    found = wiring()
    gpc = gpc_from_header(request.headers.get("Sec-GPC"))
    return Customer(customer_id, found.subjects.account(customer_id), gpc, found, found.clock())
