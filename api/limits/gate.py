"""The gate before the application: what is too much is not begun, and is told so at once.

It stands outside of Flask, because refusing has to cost next to nothing: under ten times the load that can be
worked on, nine of ten requests end here.

* A recommendation gets full work where there is a place, or one is free within a moment. Else it gets the
  least personal answer, which reads nothing of anybody, where there is a place for that; ``asks_least``
  tells the operation so. Else it is refused.
* Any other request gets a place of its own kind, waits a moment for one, or is refused. Pages have places
  apart from the API: their forms are read of anybody, and may take as long to arrive as it pleases somebody.
* Whether the process is alive is always answered. Readiness and figures have places of their own, so that no
  other load keeps them from being told.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from api.languages import negotiated, say
from api.limits.lanes import Lane
from api.limits.settings import TELLING_AT_ONCE, WAITING_A_PLACE, WAITING_TO_TELL, LimitSettings
from api.limits.watching import Watching
from api.logging import TRACE_ID
from api.problems import MEDIA_TYPE, OVERLOADED
from guardrails.messages import LANGUAGES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SUGGESTING = ("POST", "/v1/recommendations")
"""What has a lesser answer to give where there is too much to do."""

FULL, LEAST, OTHER, PAGES, TELLING = "full", "least", "other", "pages", "telling"
"""The lanes."""

SUGGESTING_PATIENCE_S = 0.25
"""How long a recommendation waits for full work: a shop's page waits with it."""

PATIENCE_S = 1.0
"""How long anything else waits."""

LONGEST_RETRY_S = 3
"""Who is refused is asked to come again after one to so many seconds: not all of them at once."""

_ALIVE, _API = "/healthz", "/v1/"
_TELLING = frozenset({"/readyz", "/metrics"})
_MARK = "tactful.least"


def asks_least(environ: Mapping[str, Any]) -> bool:
    """Tell whether the gate lets this request through for the least personal answer alone."""
    return _MARK in environ


class Gate:
    """A WSGI application before another one.

    Args:
        inner: the application.
        settings: how much is worked on at once.
        watching: who counts what is refused.
        later_s: returns after how many seconds somebody is asked to come again.
        origins: whose pages may read that they were refused; it holds nothing of anybody.
    """

    def __init__(
        self,
        inner: WSGIApplication,
        settings: LimitSettings,
        watching: Watching,
        later_s: Callable[[], int] = lambda: random.randint(1, LONGEST_RETRY_S),  # noqa: S311  spreads, hides nothing
        origins: Collection[str] = (),
    ) -> None:
        self._inner = inner
        self._watching = watching
        self._later_s = later_s
        self._origins = frozenset(origins)
        self.lanes = {
            FULL: Lane(settings.full_at_once, WAITING_A_PLACE * settings.full_at_once, SUGGESTING_PATIENCE_S),
            LEAST: Lane(settings.least_at_once),
            OTHER: Lane(settings.other_at_once, WAITING_A_PLACE * settings.other_at_once, PATIENCE_S),
            PAGES: Lane(settings.other_at_once, WAITING_A_PLACE * settings.other_at_once, PATIENCE_S),
            TELLING: Lane(TELLING_AT_ONCE, WAITING_TO_TELL, PATIENCE_S),
        }
        self._refusals = {language: _refusal(language) for language in LANGUAGES}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or refuse it."""
        if environ["PATH_INFO"] == _ALIVE:
            return self._inner(environ, start_response)
        lane = self._enter(environ)
        if lane is None:
            return self._refuse(environ, start_response)
        try:
            answer = self._inner(environ, start_response)
        except BaseException:
            lane.leave()
            raise
        return _Held(answer, lane)

    def _enter(self, environ: WSGIEnvironment) -> Lane | None:
        """Return the lane in which this request has got a place."""
        path = environ["PATH_INFO"]
        if (environ["REQUEST_METHOD"], path) != SUGGESTING:
            of_api = OTHER if path.startswith(_API) else PAGES
            lane = self.lanes[TELLING if path in _TELLING else of_api]
            return lane if lane.enter() else None
        full, least = self.lanes[FULL], self.lanes[LEAST]
        if full.enter():
            return full
        if least.enter():
            environ[_MARK] = True
            return least
        return None

    def _refuse(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        self._watching.count_refused(OVERLOADED.slug)
        language = negotiated(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        body = orjson.dumps(self._refusals[language] | {"trace_id": TRACE_ID.get()})
        headers = [
            ("Content-Type", MEDIA_TYPE),
            ("Content-Length", str(len(body))),
            ("Content-Language", language),
            ("Vary", "Accept-Language"),
            ("Retry-After", str(self._later_s())),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *self._named(environ.get("HTTP_ORIGIN")),
        ]
        start_response("503 Service Unavailable", headers)
        return [body]

    def _named(self, origin: str | None) -> list[tuple[str, str]]:
        """Return what lets a page of the shop read an answer (CORS)."""
        if not self._origins:
            return []
        vary = [("Vary", "Origin")]
        return [*vary, ("Access-Control-Allow-Origin", origin)] if origin in self._origins else vary


class _Held:
    """An answer that is still being made while it is sent; its place is given back when that ends.

    That is when the server closes it, or lets go of it without.
    """

    def __init__(self, answer: Iterable[bytes], lane: Lane) -> None:
        self._answer = answer
        self._lane: Lane | None = lane

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """Let go of the answer and of the place, once."""
        lane, self._lane = self._lane, None
        if lane is None:
            return
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                close()
        finally:
            lane.leave()

    def __del__(self) -> None:
        """Do the same where nobody has closed it."""
        self.close()


def _refusal(language: str) -> dict[str, object]:
    return {
        "type": OVERLOADED.type,
        "title": say(OVERLOADED.title, language),
        "status": OVERLOADED.status,
        "detail": say("more is asked at once than can be worked on", language),
    }
