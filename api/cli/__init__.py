"""The command line: ``tactful``.

Command modules hold options and words only. What a command works with is imported when it runs,
so that ``tactful --help`` answers at once and a broken library breaks only what needs it.
"""

from __future__ import annotations

from api.cli.group import main

__all__ = ["main"]
