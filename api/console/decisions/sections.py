"""Sections of a record, as forms name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields

from guardrails.log.record import SECTIONS


class Sections(fields.Field[list[str]]):
    """Names of sections: one, or several under one name."""

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002  marshmallow hands it over
        data: Mapping[str, Any] | None,  # noqa: ARG002  as above
        **_: Any,
    ) -> list[str]:
        given = [value] if isinstance(value, str) else value
        if not set(given) <= set(SECTIONS):
            raise ValidationError("is no section of a record")
        return [name for name in SECTIONS if name in given]
