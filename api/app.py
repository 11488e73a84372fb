"""The application: routes, guard at the door, problems, log, figures. Nothing happens at import."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask, Response, request
from flask.json.provider import JSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

from api import auth, logging
from api.console.pages import PAGES as CONSOLE
from api.console.provider import offer_provider
from api.languages import announce_languages
from api.limits.callers import tell_limits
from api.limits.gate import Gate
from api.metrics import observe_requests
from api.origins import open_to_origins
from api.pages import routes as files
from api.pages.sessions import keep_sessions
from api.paths import CONVERTERS
from api.problems import answer_problems
from api.routes import RESOURCES
from api.routes.resource import refuse_unknown
from api.settings import Settings
from api.storefront.pages import PAGES as STOREFRONT
from api.tracing import Traced
from api.wiring import EXTENSION, Wiring, wire

_TLS_ALONE_S = 365 * 24 * 3600
"""So long browsers are to come by TLS alone (RFC 6797), once they have."""


def create_app(settings: Settings) -> Flask:
    """Build the application and everything it works with.

    ``app.extensions["tactful"]`` holds the collaborators; closing them closes the application.

    Raises:
        SettingsError: a setting cannot be used.
    """
    logging.write_to_stderr()
    wiring = wire(settings)
    atexit.register(wiring.close)
    return assemble(wiring)


def assemble(wiring: Wiring) -> Flask:
    """Build the application around collaborators that exist already."""
    app = _App(__name__, static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = wiring.settings.max_body_bytes
    app.json = _OrJson(app)
    app.url_map.converters.update(CONVERTERS)
    app.extensions[EXTENSION] = wiring
    keep_sessions(app, wiring)
    offer_provider(app, wiring.settings.oidc)
    if wiring.settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=wiring.settings.proxies, x_proto=0)  # type: ignore[method-assign]  # as Werkzeug documents it
    observe_requests(app, wiring.metrics)
    if wiring.metrics.spans is not None:
        wiring.metrics.spans.watch(app)
    if wiring.settings.origins:
        open_to_origins(app)
    tell_limits(app)
    auth.guard(app)
    app.before_request(refuse_unknown)
    _finish_answers(app, wiring.settings)
    announce_languages(app)
    answer_problems(app)
    for resource in RESOURCES:
        app.register_blueprint(resource)
    for pages in (files.blueprint, *CONSOLE, *STOREFRONT):
        app.register_blueprint(pages)
    gate = Gate(app.wsgi_app, wiring.settings.limit, wiring.metrics, origins=wiring.settings.origins)
    app.wsgi_app = Traced(gate)  # type: ignore[method-assign]  # as Werkzeug documents it
    return app


class _App(Flask):
    """Flask without a question that it asks of every function it calls, a dozen times a request."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is: none of ours is asynchronous."""
        return func


class _OrJson(JSONProvider):
    """JSON by orjson for everything that Flask itself writes."""

    def dumps(self, obj: object, **_kwargs: object) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_kwargs: object) -> object:
        return orjson.loads(s)


def _finish_answers(app: Flask, settings: Settings) -> None:
    """Say on every answer what browsers and caches must know."""
    always = {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    if settings.public_url.startswith("https://"):
        always["Strict-Transport-Security"] = f"max-age={_TLS_ALONE_S}"

    @app.after_request
    def finish(answer: Response) -> Response:
        for name, value in always.items():
            answer.headers.setdefault(name, value)
        if request.path.startswith("/v1/"):
            answer.headers.setdefault("Cache-Control", "no-store")
        return answer
