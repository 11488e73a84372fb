"""Which code is measured, and on what: figures of changes that are in no commit are nobody's to repeat."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

_HERE = Path(__file__).parent


def measured(folder: Path = _HERE) -> str:
    """Return a line with the commit, what was changed since, the interpreter and how busy the machine is.

    Args:
        folder: any within the tree.
    """
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    return f"{_tree(folder)}; {machine}"


def _tree(folder: Path) -> str:
    try:
        commit = _git(folder, "rev-parse", "--short", "HEAD").strip()
        changed = [line[3:] for line in _git(folder, "status", "--porcelain").splitlines()]
    except (OSError, subprocess.CalledProcessError):
        return "of no known commit"
    return f"commit {commit}" + (f" with changes that are in none: {', '.join(changed)}" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
