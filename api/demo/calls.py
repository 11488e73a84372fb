"""Calls of the demo to its own shop, over the WSGI interface: as HTTP would, without a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from api.errors import DemoDataError


def call(
    app: Flask, key: str, method: str, path: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Call the application as HTTP would.

    Raises:
        DemoDataError: it refused.
    """
    answer = app.test_client().open(
        path, method=method, json=body, headers={"Authorization": f"Bearer {key}"}
    )
    document: dict[str, Any] = answer.get_json()
    if answer.status_code != 200:  # noqa: PLR2004  200 is OK wherever HTTP is spoken
        why = document.get("detail") or document.get("title")
        raise DemoDataError(f"the demo's own request was refused ({answer.status_code}): {why}")
    return document
