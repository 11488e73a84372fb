"""What is pinned, and what of it a server needs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
EXTRAS = ("oidc", "otel", "s3")
"""What an image of the server holds beside what it cannot do without."""


def pinned(file: Path) -> dict[str, str]:
    """Return each pin of a lock file with its hashes, by the name of the package."""
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", file.read_text().strip()):
        name = canonicalize_name(entry.partition("==")[0])
        found[name] = f"{found[name]}\n{entry}" if name in found else entry  # one for each kind of machine
    return found


def needed() -> set[str]:
    """Return the names of all packages that a server needs, on any machine that pins are made for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    found: set[str] = set()
    _walk([*project["dependencies"], *(each for extra in EXTRAS for each in extras[extra])], (), found, set())
    return found


def _walk(requirements: Iterable[str], extras: Iterable[str], found: set[str], seen: set[object]) -> None:
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not any(
            requirement.marker.evaluate({**default_environment(), "extra": extra}) for extra in ("", *extras)
        ):
            continue
        name = canonicalize_name(requirement.name)
        step = (name, frozenset(requirement.extras))
        if step in seen:
            continue
        seen.add(step)
        found.add(name)
        try:
            below = requires(name) or []
        except PackageNotFoundError:
            continue  # it is for another machine than this
        _walk(below, requirement.extras, found, seen)
