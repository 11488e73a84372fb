"""What may stand in a path: keys of the shop's own, and names that we gave.

Anything else is no address of ours and is answered with 404, before a database is asked for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.routing import BaseConverter

from api.schemas.base import MAX_ID_CHARACTERS, canonical_text


class IdConverter(BaseConverter):
    """A key of the shop's own, taken as in a body; it may hold slashes, not control characters."""

    regex = rf"[^\x00-\x1f\x7f]{{1,{MAX_ID_CHARACTERS}}}"
    part_isolating = False

    def to_python(self, value: str) -> str:
        """Return the key in the one form of Unicode that keys are compared in."""
        return canonical_text(value)


class NameConverter(BaseConverter):
    """A name that we gave: a random id, a hash, a word."""

    regex = r"[A-Za-z0-9_-]{1,128}"


class TileConverter(BaseConverter):
    """Where a tile of the log is, after its level (c2sp.org/tlog-tiles)."""

    regex = r"[0-9x/]{3,32}(?:\.p/[0-9]{1,3})?"
    part_isolating = False


CONVERTERS: Mapping[str, type[BaseConverter]] = {
    "id": IdConverter,
    "name": NameConverter,
    "tile": TileConverter,
}
"""By the word that stands before the colon in a rule."""


def as_parameter(_converter: BaseConverter) -> dict[str, Any]:
    """Return the schema of a path parameter, for the documentation."""
    return {"type": "string"}
