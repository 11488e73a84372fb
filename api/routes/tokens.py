"""Tokens with which a customer's own pages speak for the customer."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.auth import ME, only
from api.pages.refusals import ENTRANCE
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

    `url` leads the customer to their privacy page. The token stands behind its `#`, so that no server is
    sent it with the address and no log holds it. The shop's own page can also send it there, as the form
    field `token` of a `POST` to the same address.
    """
    found = wiring()
    with reading(found.engine) as conn:
        text, token = issue_token(conn, customer_id, found.subjects, found.clock(), body["ttl_s"])
    answer = {"token": text, "expires_at_ms": token.expires_at_ms, "customer": ME}
    return json_answer({**answer, "url": f"{found.settings.address}{ENTRANCE}#{text}"}, 201)
