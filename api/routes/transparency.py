"""``GET /transparency``: what suggestions are based on, read from what is in force, not written beside it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from flask import Response, current_app, request

from api.auth import PUBLIC
from api.languages import choose_language
from api.pages.rendering import page
from api.routes.resource import Resource, json_answer
from api.schemas.transparency import LanguageQuerySchema, TransparencySchema
from api.storage.connection import reading
from api.storage.versions import changed_at_ms
from api.transparency import InForce, transparency
from api.wiring import wiring

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_JSON, _HTML = "application/json", "text/html"

blueprint = Resource("transparency", __name__, description="what suggestions are based on")


@blueprint.operation(
    "GET",
    "/transparency",
    PUBLIC,
    query=LanguageQuerySchema(),
    answer=TransparencySchema(),
    problems=(422, 503),
)
def parameters(query: dict[str, Any]) -> Response:
    """Tell what suggestions are based on, how much each thing counts, for how long, and what one can do.

    In the language of `language`, else of `Accept-Language`. Browsers get a page.
    """
    found = wiring()
    language = choose_language(query.get("language"))
    with reading(found.engine) as conn:
        changed = changed_at_ms(conn)
        snapshot = found.runtime.as_of(conn)
    in_force = InForce(
        house=snapshot.house,
        policies=snapshot.policies,
        now_ms=found.clock(),
        settings=found.settings,
        changed_at_ms=changed,
        operations=_operations(),
    )
    document = transparency(in_force, language)
    answer = (
        page("transparency.html", language=language, translated=True, told=document, changed_on=_day(changed))
        if request.accept_mimetypes.best_match([_JSON, _HTML]) == _HTML
        else json_answer(document)
    )
    answer.vary.add("Accept")
    return answer


def _operations() -> frozenset[tuple[str, str]]:
    """Return what the application answers, with paths as its description writes them."""
    return frozenset(
        (method, _PARAMETER.sub(r"{\1}", rule.rule))
        for rule in current_app.url_map.iter_rules()
        for method in rule.methods or ()
    )


def _day(at_ms: int | None) -> str | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()
