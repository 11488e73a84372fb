"""Tokens with which a customer's own pages speak for the customer."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.auth import ME, only
from api.rights.tokens import issue_token
from api.routes.resource import Resource, json_answer
from api.schemas.rights import TokenRequestSchema, TokenSchema
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.wiring import wiring

blueprint = Resource("tokens", __name__, description="short-lived tokens for customers' own pages")


@blueprint.operation(
    "POST",
    "/v1/customers/<id:customer_id>/tokens",
    only(Role.SITE),
    status=201,
    body=TokenRequestSchema(),
    answer=TokenSchema(),
    problems=(422, 503),
    example={"ttl_s": 900},
)
def make_token(body: dict[str, Any], customer_id: str) -> Response:
    """Make a token with which this customer's page can be called for, and by, this customer alone.

    It is sent as `Authorization: Bearer ct_…` to paths that say `me` where they would hold the
    customer's id. It ends by itself, and when the customer is erased. Ask for one only when the
    customer has logged in: whoever holds it is taken for the customer.
    """
    found = wiring()
    with reading(found.engine) as conn:
        text, token = issue_token(conn, customer_id, found.subjects, found.clock(), body["ttl_s"])
    return json_answer({"token": text, "expires_at_ms": token.expires_at_ms, "customer": ME}, 201)
