"""Files of pages: served by ourselves alone, under an address that changes with what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from flask import Response, request
from werkzeug.exceptions import NotFound

PREFIX = "/static/"

_PACKAGES = ("api.pages", "api.console", "api.storefront", "api.demo")
_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "webp": "image/webp",
    "woff2": "font/woff2",
}
_FOREVER = "public, max-age=31536000, immutable"
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages use.

    Attributes:
        content: its bytes.
        media_type: what it is.
        digest: the beginning of its SHA-256.
    """

    content: bytes
    media_type: str
    digest: str


@cache
def assets() -> Mapping[str, Asset]:
    """Return every file, by name; they are read once."""
    found: dict[str, Asset] = {}
    for package in _PACKAGES:
        for file in (files(package) / "static").iterdir():
            suffix = file.name.rpartition(".")[2]
            if suffix not in _TYPES:
                continue
            if file.name in found:
                raise ValueError(f"two files of pages are called `{file.name}`")
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:_DIGITS]
            found[file.name] = Asset(content, _TYPES[suffix], digest)
    return found


def asset(name: str) -> str:
    """Return the address of a file, for a page.

    Raises:
        KeyError: there is no such file.
    """
    return f"{PREFIX}{name}?v={assets()[name].digest}"


def serve(name: str, digest: str | None) -> Response:
    """Answer with a file: for good where the address names what it holds, else to be asked for again.

    Raises:
        NotFound: there is no such file.
    """
    found = assets().get(name)
    if found is None:
        raise NotFound
    answer = Response(found.content, content_type=found.media_type)
    answer.set_etag(found.digest)
    answer.headers["Cache-Control"] = _FOREVER if digest == found.digest else "no-cache"
    answer.make_conditional(request)
    return answer
