"""Forms of pages: read by a schema, shown again with what was typed and what is wrong with it.

Every form holds a token that only pages of ours can know (flask-wtf); without it nothing is changed. A
browser says where a form comes from as well, and is believed when it says that it is from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import request
from flask_wtf.csrf import generate_csrf, validate_csrf  # type: ignore[import-untyped]  # publishes no types
from marshmallow import RAISE, Schema, ValidationError
from wtforms.validators import ValidationError as TokenError  # type: ignore[import-untyped]  # as above

from api.errors import Finding, ForbiddenError, InvalidRequestError
from api.languages import say
from api.problems import findings_from

TOKEN = "csrf_token"  # noqa: S105  the name of a field
TOKEN_HEADER = "X-CSRF-Token"  # noqa: S105  the name of a header

_NO_TOKEN_LIMIT = None
_OURS = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody sent.

    Attributes:
        sent: every field as it was sent, to fill the form with again.
        data: what it means; empty where anything is wrong.
        errors: what is wrong, in the language of the page, by field; under the empty name what is wrong
            with the whole.
    """

    sent: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.errors

    def but(self, name: str, *texts: str) -> Form:
        """Return the form with something else that is wrong, in the language of the page."""
        return Form(self.sent, {}, {**self.errors, name: [*self.errors.get(name, ()), *texts]})


def read_form(schema: Schema) -> Form:
    """Return the form of this request.

    Fields that were sent more than once are lists. What was left empty counts as not sent.

    Raises:
        InvalidRequestError: it holds a field that none of our pages has, so that it would be ignored.
    """
    sent: dict[str, Any] = {
        name: values if len(values) > 1 else values[0]
        for name, values in request.form.to_dict(flat=False).items()
        if name != TOKEN
    }
    try:
        return Form(sent, schema.load({name: value for name, value in sent.items() if value != ""}))
    except ValidationError as error:
        errors: dict[str, list[str]] = {}
        findings = findings_from(error.messages)
        if strange := [each for each in findings if _is_strange(schema, _field_of(each))]:
            raise InvalidRequestError(strange) from None
        for finding in findings:
            errors.setdefault(_field_of(finding), []).append(say(finding.detail))
        return Form(sent, {}, errors)


def _field_of(finding: Finding) -> str:
    return (finding.pointer or "").lstrip("/").partition("/")[0]


def _is_strange(schema: Schema, name: str) -> bool:
    """Tell whether a field is none of the form; the empty name stands for the form as a whole."""
    known = {field.data_key or each for each, field in schema.load_fields.items()}
    return bool(name) and schema.unknown == RAISE and name not in known


def form_token() -> str:
    """Return the token that forms of this session hold."""
    token: str = generate_csrf()
    return token


def require_form_token() -> None:
    """Refuse what no page of ours has sent.

    Raises:
        ForbiddenError: the token is missing or not that of this session, or the browser says that the
            request comes from another site.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in _OURS:
        raise ForbiddenError("this was sent by a page of another site")
    token = request.form.get(TOKEN) or request.headers.get(TOKEN_HEADER)
    try:
        validate_csrf(token, time_limit=_NO_TOKEN_LIMIT)
    except TokenError:
        raise ForbiddenError("this form is out of date: load the page again") from None
