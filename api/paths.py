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


BELOW_A_CUSTOMER = (
    "consents",
    "export",
    "interests",
    "notices-served",
    "preferences",
    "privacy",
    "requests",
    "tokens",
)
"""What stands below a customer in a path."""


class WholeIdConverter(IdConverter):
    """The same where nothing stands below it.

    A key may hold slashes, so what is below a customer looks like a key too. To delete what is below one is
    not possible, and must not be taken for the erasure of a customer of that name.
    """

    regex = rf"(?![^\x00-\x1f\x7f]*/(?:{'|'.join(BELOW_A_CUSTOMER)})\Z){IdConverter.regex}"


class NameConverter(BaseConverter):
    """A name that we gave: a random id, a hash, a word."""

    regex = r"[A-Za-z0-9_-]{1,128}"


class DigestConverter(BaseConverter):
    """The SHA-256 that a model is named by."""

    regex = r"[0-9a-f]{64}"


class TileConverter(BaseConverter):
    """Where a tile of the log is, after its level (c2sp.org/tlog-tiles)."""

    regex = r"[0-9x/]{3,32}(?:\.p/[0-9]{1,3})?"
    part_isolating = False


CONVERTERS: Mapping[str, type[BaseConverter]] = {
    "digest": DigestConverter,
    "id": IdConverter,
    "name": NameConverter,
    "tile": TileConverter,
    "whole_id": WholeIdConverter,
}
"""By the word that stands before the colon in a rule."""


def as_parameter(converter: BaseConverter) -> dict[str, Any]:
    """Return the schema of a path parameter, for the documentation."""
    if isinstance(converter, IdConverter):
        return {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS}
    return {"type": "string", "pattern": f"^(?:{converter.regex})$"}
