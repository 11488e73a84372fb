"""What a worker process of the server runs."""

from __future__ import annotations

import os

from flask import Flask

from api.app import create_app
from api.settings import Settings


def application() -> Flask:
    """Build the application of this process from its environment."""
    return create_app(Settings.from_env(os.environ))
