"""What the project depends on directly, and why, as the README's table says it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEADING = "## Why each dependency is here"
ALWAYS = "always"

_ROW = re.compile(r"^\| `([^`]+)` \| (?:(always)|`\[([a-z0-9]+)\]`) \| (.+) \|$", re.MULTILINE)
_NAME = re.compile(r"^[A-Za-z0-9._-]+")


def normalised(name: str) -> str:
    """Return a package's name as PyPI compares names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> list[tuple[str, str]]:
    """Return what ``pyproject.toml`` names: each package, and the extra that it is of."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return sorted(
        [
            *((_name(each), ALWAYS) for each in project["dependencies"]),
            *(
                (_name(each), extra)
                for extra, some in project["optional-dependencies"].items()
                for each in some
            ),
        ]
    )


def explained() -> dict[tuple[str, str], str]:
    """Return what the README's table says: why each package is there, by package and extra."""
    return {(normalised(name), where): why for name, where, why in _rows()}


def n_rows() -> int:
    """Return how many rows the table has below its head."""
    return sum(line.startswith("|") for line in _section().splitlines()) - 2


def _rows() -> Iterator[tuple[str, str, str]]:
    for name, always, extra, why in _ROW.findall(_section()):
        yield name, always or extra, why


def _section() -> str:
    text = (ROOT / "README.md").read_text()
    return text.partition(f"\n{HEADING}\n")[2].partition("\n## ")[0]


def _name(requirement: str) -> str:
    found = _NAME.match(requirement)
    assert found, requirement
    return normalised(found[0])
