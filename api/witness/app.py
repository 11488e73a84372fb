"""The witness over HTTP: ``POST /add-checkpoint`` for logs, ``GET /<origin>/checkpoint`` for monitors.

Source: c2sp.org/tlog-witness.
"""

from __future__ import annotations

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from api import logging
from api.errors import WitnessError, WitnessRefusedError
from api.witness.witness import Witness

MAX_BODY_BYTES = 512 * 1024
"""A proof, and a note with as many signatures as are read, all of the longest kind."""

_SIZE = "text/x.tlog.size"
_UNAVAILABLE = 503


def create_app(witness: Witness) -> Flask:
    """Build the application around a witness."""
    app = Flask(__name__, static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @app.post("/add-checkpoint")
    def add_checkpoint() -> Response:
        return _text(witness.add_checkpoint(request.get_data()))

    @app.get("/<origin_sha256>/checkpoint")
    def checkpoint(origin_sha256: str) -> Response:
        response = _text(witness.checkpoint(origin_sha256))
        response.headers["Cache-Control"] = "no-cache"
        return response

    app.register_error_handler(WitnessRefusedError, _refused)
    app.register_error_handler(WitnessError, _unavailable)
    app.register_error_handler(HTTPException, _not_understood)
    return app


def _refused(error: WitnessRefusedError) -> Response:
    logging.note("witness:checkpoint:refused", status=error.status, because=str(error))
    if error.size is not None:
        return Response(f"{error.size}\n", error.status, content_type=_SIZE)
    return _text(f"{error}\n", error.status)


def _unavailable(error: WitnessError) -> Response:
    logging.warn("witness:store:unavailable", error)
    return _text(f"{error}\n", _UNAVAILABLE)


def _not_understood(error: HTTPException) -> Response:
    answer = _text(f"{error.name.lower()}\n", error.code or _UNAVAILABLE)
    if "Allow" in (headers := error.get_response().headers):
        answer.headers["Allow"] = headers["Allow"]
    return answer


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")
