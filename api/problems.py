"""Errors as the outside sees them: RFC 9457 problem documents, all made here.

The lower floors raise errors of their own and know no status. ``PROBLEM_OF`` says which problem
each of them is; what it does not know is a plain internal error, told without internals. Titles and
details are said in the language of the request; types and pointers are the same in every language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from api.errors import (
    ChangedRecordError,
    ClockSkewError,
    EdgeError,
    ErasedError,
    Finding,
    ForbiddenError,
    InvalidRequestError,
    MalformedBodyError,
    ModelRefusedError,
    NotInLogError,
    OverloadedError,
    PolicyRefusedError,
    StoreUnavailableError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnknownDecisionError,
    UnknownItemError,
    UnknownModelError,
    UnknownPlacementError,
    UnknownPolicyError,
    UnknownRunError,
)
from api.languages import say
from api.logging import TRACE_ID, warn
from api.pages.refusals import asks_for_page, refusal
from api.pointers import pointer_to
from api.policies.located import Place
from api.wording import house_style
from engine.errors import ArtefactError, EngineError
from guardrails.errors import (
    ConsentEventError,
    GuardrailError,
    SensitiveMarkError,
    UnknownOccasionError,
    UnknownPurposeError,
)
from guardrails.policy.findings import Finding as PolicyFinding

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER_S = 1
"""How long a caller is asked to wait when the store or the log cannot be reached."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem.

    Attributes:
        slug: last part of its type URI.
        status: HTTP status.
        title: short summary, the same on every occurrence in a language.
        meaning: what it means and what a caller can do about it.
    """

    slug: str
    status: int
    title: str
    meaning: str

    @property
    def type(self) -> str:
        """The URI that names this kind of problem; the server shows its meaning there."""
        return f"/problems/{self.slug}"


MALFORMED_BODY = Problem(
    "malformed-body",
    400,
    "The body is not JSON",
    "The body could not be read as JSON in UTF-8. Numbers that JSON does not know, such as NaN, are refused.",
)
BAD_REQUEST = Problem(
    "bad-request",
    400,
    "The request cannot be understood",
    "Something about the HTTP request itself is wrong.",
)
UNAUTHENTICATED = Problem(
    "unauthenticated",
    401,
    "A key is needed",
    "Send a key that is in force as `Authorization: Bearer <key>`. Missing, unknown and revoked keys are "
    "answered alike.",
)
FORBIDDEN = Problem(
    "forbidden",
    403,
    "The key may not do this",
    "The key is in force, but its role does not cover this operation.",
)
NOT_FOUND = Problem("not-found", 404, "There is nothing here", "Nothing is known under this address.")
UNKNOWN_ITEM = Problem("unknown-item", 404, "The item is not in the catalogue", "Send the item first.")
UNKNOWN_DECISION = Problem(
    "unknown-decision", 404, "The decision is not in the log", "No decision was recorded under this id."
)
UNKNOWN_MODEL = Problem(
    "unknown-model", 404, "The model is not in the store", "No model was stored under this version."
)
UNKNOWN_POLICY = Problem(
    "unknown-policy",
    404,
    "The policy is not in the store",
    "No policy was drafted under this name and version.",
)
UNKNOWN_RUN = Problem(
    "unknown-run", 404, "The training is not known", "No training was asked for under this id."
)
METHOD_NOT_ALLOWED = Problem(
    "method-not-allowed",
    405,
    "The method is not allowed here",
    "The `Allow` header names the methods that are.",
)
BROKEN_MODEL = Problem(
    "broken-model",
    409,
    "The model cannot be used",
    "The files of the model are missing, broken or of another format. Train or copy it again.",
)
MODEL_REFUSED = Problem(
    "model-refused",
    409,
    "The model may not take this step now",
    "`detail` says why. `GET /v1/models` shows how every model stands.",
)
CHANGED_RECORD = Problem(
    "changed-record",
    409,
    "The record is not the one that was made",
    "What is stored of the decision was changed after it was sealed. Its entry in the log still proves what "
    "it was: `tactful log verify` names every record that was changed.",
)
ERASED = Problem(
    "erased",
    409,
    "The customer was erased",
    "What is sent would bring somebody back who was erased. Only an express consent of their own does "
    "that: actor `data_subject` with `explicit`, once the erasure is finished.",
)
POLICY_REFUSED = Problem(
    "policy-refused",
    409,
    "The policy may not take this step now",
    "Something is missing, or has changed meanwhile: `detail` says what. `errors` names what was found in "
    "the draft, where that is the reason.",
)
BODY_TOO_LARGE = Problem(
    "body-too-large", 413, "The body is too large", "Send the batch in several smaller requests."
)
UNSUPPORTED_MEDIA_TYPE = Problem(
    "unsupported-media-type",
    415,
    "The media type is not supported",
    "Bodies are `application/json`, policies also `application/yaml`, without a content encoding.",
)
INVALID_REQUEST = Problem(
    "invalid-request",
    422,
    "The request is not valid",
    "`errors` names every place that is wrong: a JSON pointer into the body, a query parameter or a header. "
    "Nothing was stored.",
)
CLOCK_SKEW = Problem(
    "clock-skew",
    422,
    "A time cannot be",
    "An event claims to be from the future or from too long ago. Check the clock of the sender.",
)
TOO_MANY_REQUESTS = Problem(
    "too-many-requests", 429, "Too many requests", "`Retry-After` says how many seconds to wait."
)
INTERNAL = Problem(
    "internal",
    500,
    "Something went wrong here",
    "The request was not answered because of a fault in the server. Nothing is shown of its insides.",
)
UNAVAILABLE = Problem(
    "unavailable",
    503,
    "The store cannot be reached",
    "The database is busy, gone or full, so the request could not be read from it or recorded in it. No "
    "suggestion is given that could not be recorded. `Retry-After` says when to try again.",
)

OVERLOADED = Problem(
    "overloaded",
    503,
    "Too much is asked at once",
    "So many requests are worked on already that this one was not begun. Nothing was read or stored. "
    "`Retry-After` says when to try again.",
)

PROBLEMS = (
    MALFORMED_BODY,
    BAD_REQUEST,
    UNAUTHENTICATED,
    FORBIDDEN,
    NOT_FOUND,
    UNKNOWN_ITEM,
    UNKNOWN_DECISION,
    UNKNOWN_MODEL,
    UNKNOWN_RUN,
    UNKNOWN_POLICY,
    METHOD_NOT_ALLOWED,
    BROKEN_MODEL,
    MODEL_REFUSED,
    CHANGED_RECORD,
    ERASED,
    POLICY_REFUSED,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID_REQUEST,
    CLOCK_SKEW,
    TOO_MANY_REQUESTS,
    INTERNAL,
    UNAVAILABLE,
    OVERLOADED,
)
"""Every kind of problem that has a page."""

PROBLEM_OF: Mapping[type[Exception], Problem] = {
    MalformedBodyError: MALFORMED_BODY,
    UnauthenticatedError: UNAUTHENTICATED,
    ForbiddenError: FORBIDDEN,
    UnknownItemError: UNKNOWN_ITEM,
    UnknownDecisionError: UNKNOWN_DECISION,
    UnknownModelError: UNKNOWN_MODEL,
    NotInLogError: NOT_FOUND,
    ChangedRecordError: CHANGED_RECORD,
    UnknownPolicyError: UNKNOWN_POLICY,
    PolicyRefusedError: POLICY_REFUSED,
    UnknownPlacementError: INVALID_REQUEST,
    InvalidRequestError: INVALID_REQUEST,
    ClockSkewError: CLOCK_SKEW,
    ErasedError: ERASED,
    ConsentEventError: INVALID_REQUEST,
    UnknownPurposeError: INVALID_REQUEST,
    SensitiveMarkError: INVALID_REQUEST,
    UnknownOccasionError: INVALID_REQUEST,
    ArtefactError: BROKEN_MODEL,
    ModelRefusedError: MODEL_REFUSED,
    UnknownRunError: UNKNOWN_RUN,
    StoreUnavailableError: UNAVAILABLE,
    OverloadedError: OVERLOADED,
    TooManyRequestsError: TOO_MANY_REQUESTS,
}
"""Which problem an error of ours is; anything else of ours is ``INTERNAL``."""

_OF_STATUS = {
    problem.status: problem
    for problem in (
        BAD_REQUEST,
        UNAUTHENTICATED,
        FORBIDDEN,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        INVALID_REQUEST,
        TOO_MANY_REQUESTS,
        INTERNAL,
        UNAVAILABLE,
    )
}
_HEADERS = {
    401: {"WWW-Authenticate": 'Bearer realm="tactful"'},
    503: {"Retry-After": str(RETRY_AFTER_S)},
}


def document(problem: Problem, detail: str | None, findings: tuple[Finding, ...] = ()) -> dict[str, Any]:
    """Return the members of a problem document (RFC 9457 section 3.1), in the language of the request.

    Args:
        problem: its kind.
        detail: what is particular to this occurrence.
        findings: the places in the request that are wrong.
    """
    body: dict[str, Any] = {"type": problem.type, "title": say(problem.title), "status": problem.status}
    if detail:
        body["detail"] = say(detail)
    if findings:
        body["errors"] = [_finding(finding) for finding in findings]
    trace_id = TRACE_ID.get()
    if trace_id is not None:
        body["trace_id"] = trace_id
    return body


def findings_from(messages: Any, *, in_query: bool = False) -> tuple[Finding, ...]:
    """Return marshmallow's tree of messages as findings, in the order of the tree.

    Args:
        messages: nested mappings of field or index to lists of messages.
        in_query: the first level names query parameters rather than members of the body.
    """
    if in_query:
        return tuple(
            Finding(detail, parameter=str(name))
            for name, below in messages.items()
            for _, detail in _leaves(below, "")
        )
    return tuple(Finding(detail, pointer=pointer) for pointer, detail in _leaves(messages, ""))


def finding_in(found: PolicyFinding, at: Place | None = None) -> Finding:
    """Return what was found in a policy as a finding in a request.

    Args:
        found: what was found.
        at: where in the text that was sent; ``None`` where none was.
    """
    return Finding(
        found.message,
        pointer=found.pointer,
        line=None if at is None else at.line,
        column=None if at is None else at.column,
        code=str(found.code),
    )


def answer_problems(app: Flask) -> None:
    """Answer every error of an application with a problem document."""
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(EdgeError, _from_ours)
    app.register_error_handler(GuardrailError, _from_ours)
    app.register_error_handler(EngineError, _from_ours)
    app.register_error_handler(Exception, _from_ours)


def _from_http(error: HTTPException) -> Response:
    answer = error.get_response()  # keeps `Allow` and `Retry-After`
    status = answer.status_code
    if status < 400:  # noqa: PLR2004  a redirect is no problem
        return Response(status=status, headers=answer.headers)
    problem = _OF_STATUS.get(status)
    body = (
        document(problem, None)
        if problem
        else {"type": "about:blank", "title": error.name, "status": status}  # RFC 9457 section 4.2.1
    )
    kept = {name: value for name, value in answer.headers if name in ("Allow", "Retry-After")}
    return _response(status, body, kept)


def document_of(error: Exception) -> dict[str, Any]:
    """Return the problem document of an error; what is a fault of ours is noted in our own log."""
    problem = next((PROBLEM_OF[kind] for kind in type(error).__mro__ if kind in PROBLEM_OF), None)
    if problem is None or problem.status >= INTERNAL.status:
        warn("request:answer:failed", error)
    if problem is None:
        return document(INTERNAL, None)
    if isinstance(error, InvalidRequestError):
        return document(problem, None, error.findings)
    findings = tuple(map(finding_in, error.findings)) if isinstance(error, PolicyRefusedError) else ()
    return document(problem, str(error), findings)


def _from_ours(error: Exception) -> Response:
    body = document_of(error)
    wait = {"Retry-After": str(error.wait_s)} if isinstance(error, TooManyRequestsError) else None
    return _response(body["status"], body, wait)


def _response(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    if asks_for_page():
        return refusal(status, body, headers or {})
    return Response(
        orjson.dumps(body),
        status=status,
        content_type=MEDIA_TYPE,
        headers={**_HEADERS.get(status, {}), **(headers or {})},
    )


def _finding(finding: Finding) -> dict[str, str | int]:
    places = {
        "pointer": finding.pointer,
        "parameter": finding.parameter,
        "header": finding.header,
        "line": finding.line,
        "column": finding.column,
        "code": finding.code,
    }
    where = {name: place for name, place in places.items() if place is not None}
    return {**where, "detail": say(finding.detail)}


def _leaves(messages: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(messages, Mapping):
        for key, below in messages.items():
            yield from _leaves(below, pointer if key == "_schema" else pointer + pointer_to(key))
    elif isinstance(messages, list | tuple):
        for below in messages:
            yield from _leaves(below, pointer)
    else:
        yield pointer, house_style(str(messages))
