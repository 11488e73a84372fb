"""Calls of the demo to its own shop, over the WSGI interface: as HTTP would, without a network.

The demo shop's pages stand for a shop that uses Tactful: they know nothing of it but its API.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from api.errors import DemoDataError

_FINE = (HTTPStatus.OK, HTTPStatus.CREATED)


def relay(
    app: Flask,
    key: str,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> TestResponse:
    """Call the application as HTTP would, and return what it answers."""
    client = app.test_client(use_cookies=False)
    sent = {"Authorization": f"Bearer {key}", **(headers or {})}
    return client.open(path, method=method, json=body, headers=sent)


def call(
    app: Flask, key: str, method: str, path: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Call the application as HTTP would.

    Raises:
        DemoDataError: it refused.
    """
    answer = relay(app, key, method, path, body)
    document: dict[str, Any] = answer.get_json()
    if answer.status_code not in _FINE:
        why = document.get("detail") or document.get("title")
        raise DemoDataError(f"the demo's own request was refused ({answer.status_code}): {why}")
    return document
