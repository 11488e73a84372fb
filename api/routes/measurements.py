"""What was measured of suggestions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response

from api.auth import only
from api.errors import Finding, InvalidRequestError
from api.measuring.report import comparison, day_number, measurements
from api.routes.resource import Resource, json_answer
from api.schemas.measurements import MeasurementsQuerySchema, MeasurementsSchema
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.wiring import wiring

USUAL_DAYS = 28
"""So many days are told of where none is named."""

blueprint = Resource("measurements", __name__, description="how suggestions do")


@blueprint.operation(
    "GET",
    "/v1/measurements",
    only(Role.MARKETER, Role.AUDITOR),
    query=MeasurementsQuerySchema(),
    answer=MeasurementsSchema(),
    problems=(422, 503),
)
def what_was_measured(query: dict[str, Any]) -> Response:
    """Tell how suggestions do: sums and shares, of customers who agreed to be measured.

    Sums are of the day of the decision. Sums of fewer than five are not told, and cells with fewer than five
    suggestions are left out. Shares have Wilson's interval of 95 %, as if suggestions were independent. Cut
    by `arm`, the two arms of an experiment are also held against each other customer by customer.
    """
    found = wiring()
    today = datetime.fromtimestamp(found.clock() / 1000, UTC).date()
    end = query.pop("end", today + timedelta(days=1))
    first = query.pop("first", end - timedelta(days=USUAL_DAYS))
    if first >= end:
        raise InvalidRequestError([Finding("the first day is not before the last", parameter="from")])
    by = list(dict.fromkeys(query.pop("by")))
    days = day_number(first), day_number(end)
    with reading(found.engine) as conn:
        document = measurements(conn, *days, by, query, found.settings.too_personal_ceiling_micro)
        if "arm" in by and not query:
            document["comparison"] = comparison(conn, *days)
    return json_answer(document)
