"""Whatever comes in, as a body or in a header, is answered or refused, and is never our fault."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.storage.api_keys import Role

BODIES = (
    b'{"placement": "home", "customer_id": "1", "context": {"basket": ["bread-1"]}}',
    b'{"events": [{"event_id": "e", "kind": "view", "item_id": "bread-1", "customer_id": "1"}]}',
    b'{"items": [{"item_id": "a", "title": "b", "price": "1.00", "currency": "EUR"}]}',
    b'{"purpose": "personalize.content.profiled", "status": "withdrawn"}',
    b"policy: house\nlimits:\n  G17.upsell_hard: 0.30\nrules: []\n",
)
TYPES = ("application/json", "application/yaml", "text/plain", "application/json; charset=latin-1", "", "/")
HEADERS = ("Accept-Language", "Sec-GPC", "ADPC", "traceparent", "Cookie", "Accept", "Origin", "If-None-Match")
_SLOT = re.compile(r"<[^>]+>")

texts = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)


@st.composite
def nearly(draw):
    """A valid body with a stretch of it replaced, or any bytes."""
    body = draw(st.sampled_from(BODIES))
    start = draw(st.integers(0, len(body)))
    return body[:start] + draw(st.binary(max_size=12)) + body[start + draw(st.integers(0, 12)) :]


def paths_of(app):
    """Every address that takes a body, with something in its slots."""
    return sorted(
        (method, _SLOT.sub("a" * 64, rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods & {"POST", "PUT", "PATCH"}
        if rule.rule.startswith("/v1/") and not rule.rule.endswith("/train")
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_are_answered_or_refused(shop_on_sqlite, data):
    method, path = data.draw(st.sampled_from(paths_of(shop_on_sqlite.app)))
    headers = data.draw(st.dictionaries(st.sampled_from(HEADERS), texts, max_size=3))
    headers |= shop_on_sqlite.auth(Role.ADMIN)
    body = data.draw(st.one_of(nearly(), st.binary(max_size=100)))
    answer = shop_on_sqlite.app.test_client().open(
        path, method=method, data=body, headers=headers, content_type=data.draw(st.sampled_from(TYPES))
    )
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.mimetype == "application/problem+json"
